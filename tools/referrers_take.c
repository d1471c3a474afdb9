/* SPDX-License-Identifier: Apache-2.0
 * What is about images of a source, into the store. */
#include "tools/referrers_take.h"

#include "store/artifact.h"
#include "store/digest_map.h"
#include "tools/artifact_blob.h"
#include "tools/output.h"

/* What is still to be asked for. */
struct open_subject {
	struct digest digest;
	unsigned depth;
};

struct referrers_take {
	struct session *session;
	struct source *source;
	bool quiet;
	struct digest_map seen; /* subjects and referrers */
	unsigned tried;
	uint64_t bytes; /* of parts, so far */
	struct open_subject open[REFERRERS_TAKE_MAX + 1];
	size_t open_count;
};

/* One referrer while it is taken. */
struct referrer {
	struct descriptor desc;
	struct buf bytes;
	struct manifest manifest;
	struct digest *needs; /* config and layers, each once */
	size_t need_count;
};

int referrers_take_new(struct session *session, struct source *source, bool quiet,
		       struct referrers_take **ret, struct err *err)
{
	struct referrers_take *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	t->session = session;
	t->source = source;
	t->quiet = quiet;
	digest_map_init(&t->seen, sizeof(struct digest));
	*ret = t;
	return 0;
}

void referrers_take_free(struct referrers_take *t)
{
	if (!t)
		return;
	digest_map_release(&t->seen);
	free(t);
}

static void referrer_release(struct referrer *r)
{
	buf_release(&r->bytes);
	manifest_release(&r->manifest);
	free(r->needs);
}

/* *ret_new: nobody has seen it yet. */
static int see(struct referrers_take *t, const struct digest *d, bool *ret_new,
	       struct err *err)
{
	uint32_t number;

	*ret_new = digest_map_find(&t->seen, d) < 0;
	return *ret_new ? digest_map_add(&t->seen, d, &number, err) : 0;
}

/* ---- one of them ---- */

/* The list says that it is about SUBJECT; the manifest itself must say so too. */
static int check_subject(const struct referrer *r, const struct digest *subject,
			 struct err *err)
{
	struct descriptor said;
	json_t *json;
	int rc = document_object(r->manifest.json, "subject", &json, err);

	if (!rc && !json)
		return err_set(err, ERR_INVALID, "it is about nothing");
	if (!rc)
		rc = descriptor_parse(json, &said, err);
	if (!rc && !digest_equal(&said.digest, subject))
		return err_set(err, ERR_INVALID, "it is about another manifest");
	return rc ? err_wrap(err, "subject") : 0;
}

static int read_manifest(struct referrers_take *t, const struct digest *subject,
			 struct referrer *r, struct err *err)
{
	int rc;

	if (r->desc.kind != DESCRIPTOR_MANIFEST)
		return err_set(err, ERR_INVALID, "its media type is '%.100s'",
			       r->desc.media_type ?: "");
	rc = source_read_document(t->source, &r->desc, &r->bytes, err);
	if (!rc)
		rc = manifest_parse(r->bytes.data, r->bytes.len, r->desc.media_type,
				    &r->manifest, err);
	if (!rc)
		rc = check_subject(r, subject, err);
	if (!rc && r->manifest.count >= ARTIFACT_NEEDS_MAX)
		rc = err_set(err, ERR_LIMIT, "it has %zu parts", r->manifest.count);
	return rc;
}

static int take_part(struct referrers_take *t, struct referrer *r,
		     const struct descriptor *d, struct err *err)
{
	auto_stream struct stream *in = NULL;
	struct descriptor part = *d;
	char text[DIGEST_TEXT_SIZE];
	int rc;

	for (size_t i = 0; i < r->need_count; i++)
		if (digest_equal(&r->needs[i], &d->digest))
			return 0;
	r->needs[r->need_count++] = d->digest;
	if (session_has_object(t->session, &d->digest))
		return 0;
	if (d->size > REFERRERS_TAKE_BYTES_MAX - t->bytes)
		return err_set(err, ERR_LIMIT, "its parts are too large");
	t->bytes += d->size;
	part.kind =
		DESCRIPTOR_UNKNOWN; /* whatever it is called, it is no document of ours */
	rc = source_open_blob(t->source, &part, &in, err);
	if (!rc)
		rc = artifact_blob_put(t->session, in, &d->digest, err);
	return rc ? err_wrap(err, "part %s", digest_format(&d->digest, text)) : 0;
}

static int take_parts(struct referrers_take *t, struct referrer *r, struct err *err)
{
	const struct manifest *m = &r->manifest;
	int rc;

	r->needs = calloc(m->count + 1, sizeof(*r->needs));
	if (!r->needs)
		return err_nomem(err);
	rc = take_part(t, r, &m->config, err);
	for (size_t i = 0; i < m->count && !rc; i++)
		rc = take_part(t, r, &m->items[i], err);
	return rc;
}

static int take_one(struct referrers_take *t, const struct open_subject *subject,
		    struct referrer *r, struct err *err)
{
	struct open_subject *next = &t->open[t->open_count];
	struct digest digest;
	int rc;

	rc = read_manifest(t, &subject->digest, r, err);
	if (!rc)
		rc = take_parts(t, r, err);
	if (!rc)
		rc = artifact_put(t->session, r->bytes.data, r->bytes.len,
				  &subject->digest, r->needs, r->need_count, &digest,
				  err);
	if (!rc && subject->depth + 1 < REFERRERS_TAKE_DEPTH_MAX) {
		*next = (struct open_subject){digest, subject->depth + 1};
		t->open_count++;
	}
	return rc;
}

/* ---- all of them ---- */

static int try_one(struct referrers_take *t, const struct open_subject *subject,
		   json_t *listed, struct err *err)
{
	struct referrer r = {0};
	char text[DIGEST_TEXT_SIZE] = "an entry of a list";
	struct err why = {0};
	bool fresh = true;
	int rc = descriptor_parse(listed, &r.desc, &why);

	if (!rc && see(t, &r.desc.digest, &fresh, err))
		return -ERR_NOMEM;
	if (!fresh)
		return 0;
	t->tried++;
	buf_init(&r.bytes, DOCUMENT_MAX + 1);
	if (!rc) {
		digest_format(&r.desc.digest, text);
		rc = take_one(t, subject, &r, &why);
	}
	if (rc)
		output_notice(t->quiet, "%s, which is about the image, is not taken: %s",
			      text, why.msg);
	referrer_release(&r);
	return rc == -ERR_NOMEM ? err_copy(err, &why) : 0;
}

static int take_listed(struct referrers_take *t, const struct open_subject *subject,
		       struct err *err)
{
	auto_document json_t *list = json_array();
	char text[DIGEST_TEXT_SIZE];
	struct err why = {0};
	int rc = list ? t->source->referrers(t->source, &subject->digest, list, &why)
		      : err_nomem(&why);

	if (rc)
		output_notice(t->quiet, "what is about %s is not taken: %s",
			      digest_format(&subject->digest, text), why.msg);
	if (rc)
		return rc == -ERR_NOMEM ? err_copy(err, &why) : 0;
	for (size_t i = 0; i < json_array_size(list) && !rc; i++) {
		if (t->tried == REFERRERS_TAKE_MAX) {
			output_notice(t->quiet,
				      "of what is about %s only some is taken: at most "
				      "%d manifests are",
				      digest_format(&subject->digest, text),
				      REFERRERS_TAKE_MAX);
			break;
		}
		rc = try_one(t, subject, json_array_get(list, i), err);
	}
	return rc;
}

int referrers_take(struct referrers_take *t, const struct digest *subject,
		   struct err *err)
{
	bool fresh;
	int rc = see(t, subject, &fresh, err);

	if (rc || !fresh || !t->source->referrers)
		return rc;
	t->open[0] = (struct open_subject){*subject, 0};
	t->open_count = 1;
	for (size_t i = 0; i < t->open_count && !rc; i++) {
		const struct open_subject next = t->open[i];

		rc = take_listed(t, &next, err);
	}
	return rc;
}
