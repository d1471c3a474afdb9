/* SPDX-License-Identifier: Apache-2.0
 * The first compressed bytes of a layer. */
#include "tools/blob_sample.h"

#include <stdlib.h>
#include <string.h>

#include "store/inflate.h"

static int sample_read(struct stream *stream, void *data, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct blob_sample *s = (struct blob_sample *)stream;
	size_t room = ENCODING_SAMPLE - s->len;
	int rc = s->in->read(s->in, data, cap, ret_len, err);

	if (rc)
		return rc;
	if (s->hasher)
		hasher_update(s->hasher, data, *ret_len);
	if (*ret_len > room)
		s->whole = false;
	if (*ret_len < room)
		room = *ret_len;
	memcpy(s->bytes + s->len, data, room);
	s->len += room;
	return 0;
}

static void sample_close(struct stream *stream)
{
	stream_close(steal_ptr(&((struct blob_sample *)stream)->in));
}

int blob_sample_open(struct blob_sample *s, struct stream *in, struct stream **ret,
		     struct err *err)
{
	*s = (struct blob_sample){
		.base = {sample_read, sample_close},
		.in = in,
		.bytes = malloc(ENCODING_SAMPLE),
		.whole = true,
	};
	if (!s->bytes) {
		stream_close(steal_ptr(&s->in));
		return err_nomem(err);
	}
	*ret = &s->base;
	return 0;
}

int blob_sample_finish(const struct blob_sample *s, struct session *session,
		       const struct digest *blob, struct err *err)
{
	struct record_item item = {.type = RECORD_ENCODING};
	bool sure;
	int rc = encoding_guess(s->bytes, s->len, s->whole, &item.encoding.how, &sure,
				err);

	if (rc || !item.encoding.how.maker)
		return rc;
	item.encoding.blob = *blob;
	item.encoding.state = sure ? ENCODING_PROVED : ENCODING_GUESSED;
	return session_add(session, &item, err);
}

static int read_all(struct blob_sample *s, struct stream *in,
		    const struct digest *expected, const struct digest *diffid,
		    enum inflate_kind *ret_kind, struct err *err)
{
	auto_stream struct stream *plain = NULL;
	struct digest found;
	struct stream *packed;
	int rc = blob_sample_open(s, in, &packed, err);

	if (rc)
		return rc;
	rc = hasher_new(&s->hasher, err);
	if (rc)
		stream_close(packed);
	else
		rc = inflate_open(packed, false, ret_kind, &plain, err);
	if (!rc)
		rc = digest_of_stream(plain, &found, err);
	if (!rc && !digest_equal(&found, diffid))
		return err_set(err, ERR_INVALID,
			       "DiffID mismatch: the config says another content");
	if (rc)
		return rc;
	hasher_final(s->hasher, &found);
	return digest_equal(&found, expected)
		       ? 0
		       : err_set(err, ERR_INVALID,
				 "digest mismatch: the blob has another content");
}

int blob_sample_known(struct session *session, struct stream *in,
		      const struct digest *blob, uint64_t size,
		      const struct digest *diffid, struct err *err)
{
	struct record_item item = {.type = RECORD_BLOB};
	enum inflate_kind kind = INFLATE_NONE;
	struct blob_sample s = {0};
	int rc = read_all(&s, in, blob, diffid, &kind, err);

	item.blob = (struct record_blob){*blob, *diffid, size, kind};
	if (!rc)
		rc = session_add(session, &item, err);
	if (!rc)
		rc = blob_sample_finish(&s, session, blob, err);
	blob_sample_release(&s);
	return rc;
}

void blob_sample_release(struct blob_sample *s)
{
	hasher_free(s->hasher);
	free(s->bytes);
}
