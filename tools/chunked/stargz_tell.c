/* SPDX-License-Identifier: Apache-2.0
 * The headers that a table of contents of eStargz tells. */
#include "tools/chunked/stargz_tell.h"

#include <string.h>
#include <time.h>

#include "tools/chunked/toc_rows.h"

/* "2023-11-14T22:13:20Z"; absent: 0. */
static bool time_of(const json_t *row, uint64_t *ret)
{
	const char *text = toc_rows_text(row, "modtime");
	struct tm tm = {0};
	const char *end;
	time_t t;

	*ret = 0;
	if (!*text)
		return true;
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	t = end && !*end ? timegm(&tm) : -1;
	if (t < 0)
		return false;
	*ret = (uint64_t)t;
	return true;
}

static int type_of(const json_t *row, char *ret, struct err *err)
{
	static const char *const types[] = {"reg",   "hardlink", "symlink", "char",
					    "block", "dir",      "fifo"};
	const char *type = toc_rows_text(row, "type");

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i], type) == 0) {
			*ret = (char)('0' + i);
			return 0;
		}
	}
	return toc_rows_bad(err, "an entry of an unknown kind");
}

bool stargz_tell_landmark(const char *name)
{
	return strcmp(name, ".prefetch.landmark") == 0 ||
	       strcmp(name, ".no.prefetch.landmark") == 0;
}

static int owners(struct stargz_tell *t, const json_t *row, struct go_header *h,
		  struct err *err)
{
	int rc;

	h->user = h->group = "";
	if (stargz_tell_landmark(h->name))
		return 0;
	rc = stargz_owner_name(&t->users, h->uid, toc_rows_text(row, "userName"),
			       &h->user, err);
	return rc
		       ?: stargz_owner_name(&t->groups, h->gid,
					    toc_rows_text(row, "groupName"), &h->group,
					    err);
}

int stargz_tell_row(struct stargz_tell *t, const json_t *row, bool gnu,
		    struct go_header *ret, bool *ret_time, struct err *err)
{
	const struct {
		const char *key;
		uint64_t *value;
	} numbers[] = {{"mode", &ret->mode},      {"uid", &ret->uid},
		       {"gid", &ret->gid},        {"size", &ret->size},
		       {"devMajor", &ret->major}, {"devMinor", &ret->minor}};
	const json_t *xattrs = json_object_get(row, "xattrs");
	int rc;

	*ret = (struct go_header){.name = toc_rows_text(row, "name"),
				  .link = toc_rows_text(row, "linkName"),
				  .xattrs = xattrs};
	ret->gnu = gnu && !stargz_tell_landmark(ret->name);
	rc = type_of(row, &ret->type, err);
	for (size_t i = 0; i < ARRAY_LEN(numbers) && !rc; i++)
		rc = toc_rows_number(row, numbers[i].key, numbers[i].value, err);
	*ret_time = time_of(row, &ret->time);
	if (!rc)
		rc = owners(t, row, ret, err);
	if (!rc && ret->size && ret->type != '0')
		rc = toc_rows_bad(err, "content of what is no file");
	return rc;
}
