/* SPDX-License-Identifier: Apache-2.0
 * The buffer in front of a decoder. */
#include "store/inflate_input.h"

#include <assert.h>
#include <string.h>

int inflate_input_new(struct stream *stream, struct inflate_input **ret, struct err *err)
{
	struct inflate_input *in = malloc(sizeof(*in));

	if (!in) {
		stream_close(stream);
		return err_nomem(err);
	}
	in->stream = stream;
	in->pos = in->len = 0;
	in->at_end = false;
	*ret = in;
	return 0;
}

void inflate_input_free(struct inflate_input *in)
{
	if (!in)
		return;
	stream_close(in->stream);
	free(in);
}

int inflate_input_want(struct inflate_input *in, size_t count, struct err *err)
{
	assert(count <= sizeof(in->data));
	if (in->len - in->pos >= count)
		return 0;
	memmove(in->data, in->data + in->pos, in->len - in->pos);
	in->len -= in->pos;
	in->pos = 0;
	while (in->len < count && !in->at_end) {
		size_t n;
		int r = in->stream->read(in->stream, in->data + in->len,
					 sizeof(in->data) - in->len, &n, err);

		if (r < 0)
			return r;
		in->len += n;
		in->at_end = n == 0;
	}
	return 0;
}

int inflate_input_finish(struct inflate_input *in, struct err *err)
{
	do {
		const uint8_t *p = inflate_input_data(in);
		size_t left = inflate_input_left(in);
		int r;

		if (left && (p[0] || memcmp(p, p + 1, left - 1) != 0))
			return err_set(err, ERR_INVALID,
				       "bytes follow the end of the compressed data");
		in->pos = in->len;
		r = inflate_input_want(in, 1, err);
		if (r < 0)
			return r;
	} while (inflate_input_left(in));
	return 0;
}
