/* SPDX-License-Identifier: Apache-2.0
 * Descriptors: how documents of images name other documents and blobs. */
#include "tools/oci/descriptor.h"

#include <errno.h>
#include <string.h>

#define OCI    "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."

static const struct {
	const char *media_type;
	enum descriptor_kind kind;
} types[] = {
	{DESCRIPTOR_OCI_INDEX, DESCRIPTOR_INDEX},
	{DOCKER "distribution.manifest.list.v2+json", DESCRIPTOR_INDEX},
	{DESCRIPTOR_OCI_MANIFEST, DESCRIPTOR_MANIFEST},
	{DOCKER "distribution.manifest.v2+json", DESCRIPTOR_MANIFEST},
	{DESCRIPTOR_OCI_CONFIG, DESCRIPTOR_CONFIG},
	{DOCKER "container.image.v1+json", DESCRIPTOR_CONFIG},
	{DESCRIPTOR_OCI_LAYER, DESCRIPTOR_LAYER},
	{DESCRIPTOR_OCI_LAYER "+gzip", DESCRIPTOR_LAYER},
	{DESCRIPTOR_OCI_LAYER "+zstd", DESCRIPTOR_LAYER},
	{DOCKER "image.rootfs.diff.tar", DESCRIPTOR_LAYER},
	{DOCKER "image.rootfs.diff.tar.gzip", DESCRIPTOR_LAYER},
	{DOCKER "image.rootfs.diff.tar.zstd", DESCRIPTOR_LAYER},
	{OCI "layer.nondistributable.v1.tar", DESCRIPTOR_FOREIGN_LAYER},
	{OCI "layer.nondistributable.v1.tar+gzip", DESCRIPTOR_FOREIGN_LAYER},
	{OCI "layer.nondistributable.v1.tar+zstd", DESCRIPTOR_FOREIGN_LAYER},
	{DOCKER "image.rootfs.foreign.diff.tar", DESCRIPTOR_FOREIGN_LAYER},
	{DOCKER "image.rootfs.foreign.diff.tar.gzip", DESCRIPTOR_FOREIGN_LAYER},
	{"application/vnd.buildkit.cacheconfig.v0", DESCRIPTOR_CACHE_CONFIG},
	{DOCKER "distribution.manifest.v1+json", DESCRIPTOR_SCHEMA1},
	{DOCKER "distribution.manifest.v1+prettyjws", DESCRIPTOR_SCHEMA1},
};

enum descriptor_kind descriptor_kind(const char *media_type)
{
	if (!media_type || !*media_type)
		return DESCRIPTOR_NONE;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].media_type, media_type) == 0)
			return types[i].kind;
	return DESCRIPTOR_UNKNOWN;
}

/* "12:34:56" and, of a table, ":1". False: it is something else. */
static bool parse_position(const char *text, size_t count, uint64_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		char *end;

		if (*text < '0' || *text > '9')
			return false;
		errno = 0;
		ret[i] = strtoull(text, &end, 10);
		if (errno || *end != (i + 1 < count ? ':' : '\0'))
			return false;
		text = end + 1;
	}
	return true;
}

/* Of help only: what cannot be understood counts as not there. */
static void parse_toc(const json_t *notes, struct descriptor_toc *ret)
{
	const char *sum =
		json_string_value(json_object_get(notes, DESCRIPTOR_NOTE_CHECKSUM));
	const char *table =
		json_string_value(json_object_get(notes, DESCRIPTOR_NOTE_POSITION));
	const char *split =
		json_string_value(json_object_get(notes, DESCRIPTOR_NOTE_TARSPLIT));
	struct descriptor_toc toc = {.given = true};
	uint64_t a[4], b[3];

	if (!sum || !table || !split ||
	    digest_parse(sum, strlen(sum), &toc.digest, NULL) ||
	    !parse_position(table, 4, a) || a[3] != 1 || !parse_position(split, 3, b))
		return;
	toc.at = a[0];
	toc.len = a[1];
	toc.size = a[2];
	toc.split_at = b[0];
	toc.split_len = b[1];
	toc.split_size = b[2];
	*ret = toc;
}

static void parse_stargz(const json_t *notes, struct descriptor_stargz *ret)
{
	const char *sum =
		json_string_value(json_object_get(notes, DESCRIPTOR_NOTE_STARGZ));
	const char *size =
		json_string_value(json_object_get(notes, DESCRIPTOR_NOTE_TARSIZE));

	ret->given = sum && !digest_parse(sum, strlen(sum), &ret->digest, NULL);
	if (!size || !parse_position(size, 1, &ret->size))
		ret->size = 0;
}

static int parse_annotations(const json_t *object, struct descriptor *ret,
			     struct err *err)
{
	const char *about = NULL;
	json_t *notes;
	int rc = document_object(object, "annotations", &notes, err);

	if (rc || !notes)
		return rc;
	parse_toc(notes, &ret->toc);
	parse_stargz(notes, &ret->stargz);
	rc = document_text(notes, "org.opencontainers.image.ref.name", &ret->tag, err);
	if (!rc)
		rc = document_text(notes, "io.containerd.image.name", &ret->image_name,
				   err);
	if (!rc)
		rc = document_text(notes, "vnd.docker.reference.type", &about, err);
	ret->attestation = about != NULL;
	return rc;
}

static int parse_platform(const json_t *object, struct descriptor *ret, struct err *err)
{
	json_t *platform;
	int rc = document_object(object, "platform", &platform, err);

	if (!rc && platform)
		rc = platform_from_json(platform, &ret->platform, err);
	if (!rc && strcmp(ret->platform.os, "unknown") == 0)
		ret->attestation = true;
	return rc;
}

static int parse_urls(const json_t *object, struct descriptor *ret, struct err *err)
{
	const char *url;
	json_t *urls;
	int rc = document_array(object, "urls", &urls, err);

	url = rc ? NULL : json_string_value(json_array_get(urls, 0));
	if (url)
		snprintf(ret->url, sizeof(ret->url), "%s", url);
	return rc;
}

int descriptor_parse(json_t *object, struct descriptor *ret, struct err *err)
{
	static const char *const keys[] = {"mediaType", "digest",      "size",
					   "platform",  "annotations", NULL};
	struct descriptor d = {0};
	int rc;

	if (!json_is_object(object))
		return err_set(err, ERR_INVALID, "a descriptor is not an object");
	rc = document_check_case(object, keys, err);
	if (!rc)
		rc = document_text(object, "mediaType", &d.media_type, err);
	if (!rc)
		rc = document_digest(object, "digest", &d.digest, err);
	if (!rc)
		rc = document_size(object, "size", &d.size, err);
	if (!rc)
		rc = parse_annotations(object, &d, err);
	if (!rc)
		rc = parse_platform(object, &d, err);
	if (!rc)
		rc = parse_urls(object, &d, err);
	if (rc)
		return rc;
	d.kind = descriptor_kind(d.media_type);
	*ret = d;
	return 0;
}
