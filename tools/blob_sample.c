/* SPDX-License-Identifier: Apache-2.0
 * The first compressed bytes of a layer. */
#include "tools/blob_sample.h"

#include <stdlib.h>
#include <string.h>

static int sample_read(struct stream *stream, void *data, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct blob_sample *s = (struct blob_sample *)stream;
	size_t room = ENCODING_SAMPLE - s->len;
	int rc = s->in->read(s->in, data, cap, ret_len, err);

	if (rc)
		return rc;
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
		{sample_read, sample_close}, in, malloc(ENCODING_SAMPLE), 0, true};
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

void blob_sample_release(struct blob_sample *s)
{
	free(s->bytes);
}
