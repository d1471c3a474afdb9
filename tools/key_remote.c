/* SPDX-License-Identifier: Apache-2.0
 * Results of build steps in registries and layouts. */
#include "tools/key_remote.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "tools/image_export.h"
#include "tools/image_import.h"
#include "tools/oci/reference.h"
#include "tools/output.h"
#include "tools/registry/remote_source.h"

/* The tag within TEXT, behind its path; NULL: it has none. */
static const char *find_tag(const char *text)
{
	const char *slash = strrchr(text, '/'), *colon = strrchr(text, ':');

	return colon && (!slash || colon > slash) ? colon : NULL;
}

/* Appends what import and export call the image of KEY, with a NUL. */
static int image_name(const char *ref, const struct digest *key, struct buf *ret,
		      struct err *err)
{
	const char *rest = ref, *transport = "docker://", *colon;
	char hex[DIGEST_HEX_SIZE], tag[REFERENCE_TAG_MAX + 1];
	int n, rc;

	if (source_transport(ref, "oci", &rest))
		transport = "oci:";
	else if (remote_source_name(ref))
		rest = remote_source_name(ref);
	colon = find_tag(rest);
	n = snprintf(tag, sizeof(tag), "%s%s%s", colon ? colon + 1 : "", colon ? "-" : "",
		     digest_hex(key, hex));
	if (!*rest || colon == rest || strchr(rest, '@') || n >= (int)sizeof(tag) ||
	    !reference_is_tag(tag))
		return err_set(err, ERR_USAGE,
			       "'%s' is no place for results: not "
			       "[docker://]REF[:TAG] or oci:DIR[:TAG]",
			       ref);
	rc = buf_printf(ret, err, "%s%.*s:%s", transport,
			(int)(colon ? (size_t)(colon - rest) : strlen(rest)), rest, tag);
	return rc ? rc : buf_append_u8(ret, '\0', err);
}

int key_remote_check(const char *ref, struct err *err)
{
	const struct digest any = {0};
	auto_buf struct buf text, name;
	const char *docker;
	int rc;

	buf_init(&text, PATH_MAX * 2);
	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	rc = image_name(ref, &any, &text, err);
	docker = rc ? NULL : remote_source_name((const char *)text.data);
	if (docker && reference_normalize(docker, &name, err))
		return err_set(err, ERR_USAGE, "'%s' is no name of a repository", ref);
	return rc;
}

/* ---- get ---- */

/* A layout that nobody has written to yet. */
static bool is_missing_layout(const char *ref)
{
	auto_free char *dir = NULL;
	const char *rest, *colon;

	if (!source_transport(ref, "oci", &rest))
		return false;
	colon = find_tag(rest);
	dir = strndup(rest, colon ? (size_t)(colon - rest) : strlen(rest));
	return dir && access(dir, F_OK) != 0 && errno == ENOENT;
}

static int take(const struct key_remote *r, const char *name, struct record_image *ret,
		struct err *err)
{
	const struct image_import_options how = {.unnamed = true, .quiet = r->quiet};
	auto_imports struct imports done = {0};
	auto_source struct source *source = NULL;
	int rc;

	if (remote_source_name(name))
		rc = remote_source_open(name, r->registry, &source, err);
	else
		rc = source_open(name, store_dirfd(r->store), &source, err);
	if (!rc)
		rc = image_import(r->store, source, &how, &done, err);
	if (rc)
		return rc;
	if (done.count != 1 || digest_is_zero(&done.items[0].image.chainid))
		return err_set(err, ERR_INVALID, "what is there is not one image");
	*ret = done.items[0].image;
	return 0;
}

static int get(const struct key_remote *r, const char *ref, const struct digest *key,
	       struct record_image *ret, struct err *err)
{
	auto_buf struct buf name;
	int rc;

	buf_init(&name, PATH_MAX * 2);
	if (is_missing_layout(ref))
		return err_set(err, ERR_NOTFOUND, "'%s' is not there", ref);
	rc = image_name(ref, key, &name, err);
	return rc ? rc : take(r, (const char *)name.data, ret, err);
}

int key_remote_get(const struct key_remote *r, const struct option_list *refs,
		   const struct digest *key, struct record_image *ret,
		   const char **ret_ref, struct err *err)
{
	for (size_t i = 0; i < refs->count; i++) {
		struct err why = {0};
		int rc = get(r, refs->items[i], key, ret, &why);

		if (!rc) {
			*ret_ref = refs->items[i];
			return 0;
		}
		if (rc != -ERR_NOTFOUND)
			output_notice(r->quiet, "no result from '%s': %s", refs->items[i],
				      why.msg);
	}
	return err_set(err, ERR_NOTFOUND, "no other store has the result");
}

/* ---- put ---- */

int key_remote_put(const struct key_remote *r, const char *ref, const struct digest *key,
		   const struct digest *manifest, struct err *err)
{
	const struct image_export_options how = {.registry = r->registry, .quiet = true};
	char image[DIGEST_TEXT_SIZE + 8] = "image:";
	auto_exports struct exports done = {0};
	auto_buf struct buf name;
	int rc;

	buf_init(&name, PATH_MAX * 2);
	if (digest_is_zero(manifest))
		return err_set(err, ERR_FAILED, "the result has no image to send to '%s'",
			       ref);
	digest_hex(manifest, image + 6);
	rc = image_name(ref, key, &name, err);
	if (!rc)
		rc = image_export(r->store, image, (const char *)name.data, &how, &done,
				  err);
	return rc ? err_wrap(err, "send the result to '%s'", ref) : 0;
}
