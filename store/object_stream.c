/* SPDX-License-Identifier: Apache-2.0
 * Content by digest as a stream. */
#include "store/object.h"

struct object_stream {
	struct stream base;
	struct objects *objects;
	struct digest digest;
	uint64_t at;
};

static int object_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct object_stream *o = (struct object_stream *)s;
	int r = objects_read(o->objects, &o->digest, o->at, data, cap, ret_len, err);

	if (r == 0)
		o->at += *ret_len;
	return r;
}

static void object_close(struct stream *s)
{
	free(s);
}

int objects_open(struct objects *o, const struct digest *d, uint64_t at,
		 struct stream **ret, struct err *err)
{
	struct object_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	*s = (struct object_stream){{object_read, object_close}, o, *d, at};
	*ret = &s->base;
	return 0;
}
