/* SPDX-License-Identifier: Apache-2.0
 * What is about an image, out of the store. */
#include "tools/referrers_send.h"

#include <string.h>

#include "tools/oci/manifest.h"
#include "tools/output.h"
#include "tools/referrers.h"
#include "tools/serve/blobs.h"

#define COPY_SIZE (1u << 20)

struct sending {
	const struct referrers_send *with;
	struct blobs blobs;
	struct digest seen[REFERRERS_SEND_MAX + 1]; /* the subject, then what is sent */
	size_t count;
};

static bool is_layout(const struct destination *d)
{
	return d->kind == DESTINATION_OCI || d->kind == DESTINATION_OCI_ARCHIVE;
}

/* ---- parts ---- */

static int copy(struct stream *in, struct destination *dest, struct err *err)
{
	auto_free char *chunk = malloc(COPY_SIZE);
	size_t len = 1;
	int rc = chunk ? bundle_writer_begin(dest->writer, err) : err_nomem(err);

	while (!rc && len) {
		rc = in->read(in, chunk, COPY_SIZE, &len, err);
		if (!rc && len)
			rc = bundle_writer_write(dest->writer, chunk, len, err);
	}
	return rc;
}

/* A destination checks what it gets against the name or is read by who does. */
static int write_part(struct sending *s, const struct digest *d, const char *name,
		      struct err *err)
{
	struct destination *dest = s->with->dest;
	auto_stream struct stream *in = NULL;
	struct blobs_found found;
	int rc = blobs_find(&s->blobs, d, &found, err);

	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "it is missing");
	if (rc)
		return rc;
	destination_expect_layer(dest, d, found.size);
	rc = blobs_open(&s->blobs, &found, 0, &in, err);
	if (!rc)
		rc = copy(in, dest, err);
	return rc ? rc : bundle_writer_end(dest->writer, name, err);
}

static int send_part(struct sending *s, const struct digest *d, struct err *err)
{
	struct destination *dest = s->with->dest;
	char name[DESTINATION_NAME_SIZE], text[DIGEST_TEXT_SIZE];
	bool there;
	int rc = 0;

	destination_layer_name(dest, d, d, name);
	there = is_layout(dest) && bundle_writer_has(dest->writer, name);
	if (!is_layout(dest))
		rc = destination_has_layer(dest, d, &there, err);
	for (unsigned attempt = 0; !rc && !there; attempt++) {
		rc = write_part(s, d, name, err);
		if (rc != -ERR_AGAIN || !remote_wait(attempt))
			break;
		rc = 0;
	}
	return rc ? err_wrap(err, "part %s", digest_format(d, text)) : 0;
}

static int send_parts(struct sending *s, const struct manifest *m, struct err *err)
{
	int rc = send_part(s, &m->config.digest, err);

	for (size_t i = 0; i < m->count && !rc; i++)
		rc = send_part(s, &m->items[i].digest, err);
	return rc;
}

/* ---- one of them ---- */

/* *ret_about: the registry has noted what it is about. */
static int put_manifest(struct sending *s, const struct manifest *m,
			const struct descriptor *desc, const struct buf *bytes,
			json_t *listed, bool *ret_about, struct err *err)
{
	struct destination *dest = s->with->dest;
	char text[DIGEST_TEXT_SIZE];
	int rc;

	if (dest->kind == DESTINATION_REGISTRY)
		return remote_manifest_put(dest->remote,
					   digest_format(&desc->digest, text),
					   m->media_type ?: DESCRIPTOR_OCI_MANIFEST,
					   bytes->data, bytes->len, ret_about, err);
	*ret_about = true;
	rc = destination_put_manifest(dest, desc, bytes->data, bytes->len, err);
	return rc ? rc : destination_list(dest, listed, err);
}

static int send_one(struct sending *s, const struct descriptor *desc, json_t *listed,
		    bool *ret_about, struct err *err)
{
	auto_manifest struct manifest m = {0};
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX);
	rc = objects_read_all(s->with->objects, &desc->digest, &bytes, err);
	if (!rc)
		rc = manifest_parse(bytes.data, bytes.len, NULL, &m, err);
	if (!rc && m.kind == MANIFEST_INDEX)
		return err_set(err, ERR_FAILED, "it is an index");
	if (!rc)
		rc = send_parts(s, &m, err);
	return rc ? rc : put_manifest(s, &m, desc, &bytes, listed, ret_about, err);
}

static bool lists(const json_t *list, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];
	const json_t *one;
	size_t i;

	digest_format(d, text);
	json_array_foreach(list, i, one)
	{
		const char *is = json_string_value(json_object_get(one, "digest"));

		if (is && strcmp(is, text) == 0)
			return true;
	}
	return false;
}

/* ---- all that are about one manifest ---- */

static bool see(struct sending *s, const struct digest *d)
{
	for (size_t i = 0; i < s->count; i++)
		if (digest_equal(&s->seen[i], d))
			return false;
	if (s->count == ARRAY_LEN(s->seen))
		return false;
	s->seen[s->count++] = *d;
	return true;
}

/* Sends ONE unless it is in THERE. UNTOLD gets it if the registry keeps no lists. */
static int send_listed(struct sending *s, json_t *one, const json_t *there,
		       json_t *untold, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct descriptor desc;
	bool about = true;
	int rc = descriptor_parse(one, &desc, err);

	if (rc || !see(s, &desc.digest) || lists(there, &desc.digest))
		return rc;
	digest_format(&desc.digest, text);
	rc = send_one(s, &desc, one, &about, err);
	if (rc == -ERR_FAILED) {
		output_notice(s->with->quiet,
			      "%s, which is about the image, is not sent: %s", text,
			      err->msg);
		return 0;
	}
	if (rc)
		return err_wrap(err, "%s, which is about the image", text);
	output_notice(s->with->quiet, "%s, which is about the image: sent", text);
	return !about && json_array_append(untold, one) < 0 ? err_nomem(err) : 0;
}

static int send_about(struct sending *s, const struct digest *subject, struct err *err)
{
	auto_document json_t *index = NULL, *there = json_array(), *untold = json_array();
	struct destination *dest = s->with->dest;
	json_t *list;
	int rc = there && untold ? referrers_index(s->with->store, s->with->objects,
						   subject, NULL, &index, err)
				 : err_nomem(err);

	list = json_object_get(index, "manifests");
	if (rc || !json_array_size(list))
		return rc;
	if (dest->kind == DESTINATION_REGISTRY)
		rc = remote_referrers(dest->remote, subject, NULL, there, err);
	for (size_t i = 0; i < json_array_size(list) && !rc; i++)
		rc = send_listed(s, json_array_get(list, i), there, untold, err);
	if (!rc && json_array_size(untold))
		rc = remote_referrers_add(dest->remote, subject, untold, err);
	return rc;
}

int referrers_send(const struct referrers_send *with, const struct digest *subject,
		   struct err *err)
{
	auto_free struct sending *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (!s)
		return err_nomem(err);
	s->with = with;
	s->blobs = (struct blobs){.store = with->store, .objects = with->objects};
	see(s, subject);
	for (size_t i = 0; i < s->count && !rc; i++)
		rc = send_about(s, &s->seen[i], err);
	return rc;
}

int referrers_leave(const struct referrers_send *with, const struct digest *subject,
		    struct err *err)
{
	auto_document json_t *index = NULL;
	char text[DIGEST_TEXT_SIZE];
	size_t count;
	int rc = referrers_index(with->store, with->objects, subject, NULL, &index, err);

	count = json_array_size(json_object_get(index, "manifests"));
	if (!rc && count)
		output_notice(with->quiet,
			      "of %zu that are about %s none is written: that manifest "
			      "is not either",
			      count, digest_format(subject, text));
	return rc;
}
