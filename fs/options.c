/* SPDX-License-Identifier: Apache-2.0
 * The -o option string: ours, mount(8)'s own, and what is left for FUSE.
 */
#include <string.h>

#include "fs/mount.h"
#include "store/base/buf.h"

#define TEXT_MAX (64u << 10)

/* What mount(8), fstab and systemd say to each other. The mount is always read-only, `rw`
 * is only what mount(8) says when nothing was said. */
static const char *const ignored[] = {
	"rw",      "ro",    "defaults", "auto",  "noauto",  "user",    "nouser", "users",
	"nousers", "owner", "noowner",  "group", "nogroup", "_netdev", "nofail",
};

static const char *const ignored_prefixes[] = {"x-", "X-", "comment="};

static bool is_ignored(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		if (strcmp(word, ignored[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(ignored_prefixes); i++)
		if (strncmp(word, ignored_prefixes[i], strlen(ignored_prefixes[i])) == 0)
			return true;
	return false;
}

static int parse_mib(const char *word, const char *value, unsigned *ret, struct err *err)
{
	unsigned long mib;
	char *end;

	errno = 0;
	mib = strtoul(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end || errno || mib < 1 ||
	    mib > 1u << 20)
		return err_set(err, ERR_USAGE,
			       "bad mount option '%s': not a number of MiB", word);
	*ret = (unsigned)mib;
	return 0;
}

static int parse_opaque(const char *value, bool *ret, struct err *err)
{
	if (strcmp(value, "user") != 0 && strcmp(value, "trusted") != 0)
		return err_set(err, ERR_USAGE,
			       "bad mount option 'opaque=%s': neither user nor trusted",
			       value);
	*ret = strcmp(value, "user") == 0;
	return 0;
}

/* LIST has colons between its words, as commas end an option. */
static int parse_share(char *list, bool *ret, struct err *err)
{
	char *save = NULL;

	for (char *w = strtok_r(list, ":", &save); w; w = strtok_r(NULL, ":", &save)) {
		if (strcmp(w, "objects") != 0)
			return err_set(err, ERR_USAGE,
				       "bad mount option 'share': cannot share '%s'", w);
		*ret = true;
	}
	return 0;
}

static int parse_word(struct mount_options *o, char *word, struct buf *rest,
		      struct err *err)
{
	if (strncmp(word, "opaque=", 7) == 0)
		return parse_opaque(word + 7, &o->opaque_user, err);
	if (strncmp(word, "share=", 6) == 0)
		return parse_share(word + 6, &o->share_objects, err);
	if (strncmp(word, "cache=", 6) == 0)
		return parse_mib(word, word + 6, &o->cache_mib, err);
	if (strncmp(word, "trees=", 6) == 0)
		return parse_mib(word, word + 6, &o->trees_mib, err);
	if (strcmp(word, "private") == 0) {
		o->private = true;
		return 0;
	}
	if (!*word || is_ignored(word))
		return 0;
	return buf_printf(rest, err, "%s%s", rest->len ? "," : "", word);
}

int mount_options_parse(struct mount_options *options, const char *text, char **ret_rest,
			struct err *err)
{
	auto_free char *copy = strdup(text);
	auto_buf struct buf rest;
	char *save = copy;
	int rc = 0;

	buf_init(&rest, TEXT_MAX);
	if (!copy)
		return err_nomem(err);
	for (char *w = strsep(&save, ","); w && !rc; w = strsep(&save, ","))
		rc = parse_word(options, w, &rest, err);
	if (!rc)
		rc = buf_append_u8(&rest, 0, err);
	if (rc)
		return rc;
	*ret_rest = (char *)steal_ptr(&rest.data);
	options->fuse_options = *ret_rest;
	return 0;
}
