/* SPDX-License-Identifier: Apache-2.0
 * Keeps the compressed bytes of a layer. */
#include "tools/blob_keeper.h"

#include "store/inflate.h"

static int keeper_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct blob_keeper *k = (struct blob_keeper *)s;
	int rc = k->in->read(k->in, data, cap, ret_len, err);

	return rc || !*ret_len ? rc : session_write(k->writer, data, *ret_len, err);
}

static void keeper_close(struct stream *s)
{
	stream_close(steal_ptr(&((struct blob_keeper *)s)->in));
}

int blob_keeper_open(struct blob_keeper *k, struct session *s, struct stream *in,
		     struct stream **ret, struct err *err)
{
	int rc;

	*k = (struct blob_keeper){{keeper_read, keeper_close}, in, NULL};
	rc = session_writer_new(s, NULL, &k->writer, err);
	if (rc)
		stream_close(steal_ptr(&k->in));
	else
		*ret = &k->base;
	return rc;
}

int blob_keeper_finish(struct blob_keeper *k, struct session *s,
		       const struct digest *expect, struct err *err)
{
	struct digest digest;
	uint64_t size, added;
	int rc = session_writer_finish(k->writer, &digest, &size, &added, err);

	if (!rc && !digest_equal(&digest, expect))
		rc = err_set(err, ERR_INVALID,
			     "digest mismatch: the blob has another content");
	return rc ? rc : session_keep(s, &digest, err);
}

void blob_keeper_release(struct blob_keeper *k)
{
	session_writer_free(k->writer);
}

int blob_keeper_known(struct session *s, struct stream *in, const struct digest *blob,
		      uint64_t size, const struct digest *diffid, struct err *err)
{
	struct record_item item = {.type = RECORD_BLOB};
	struct stream *packed, *plain = NULL;
	struct digest found = {0};
	enum inflate_kind kind = INFLATE_NONE;
	struct blob_keeper k = {0};
	int rc = blob_keeper_open(&k, s, in, &packed, err);

	if (!rc)
		rc = inflate_open(packed, false, &kind, &plain, err);
	if (!rc)
		rc = digest_of_stream(plain, &found, err);
	stream_close(plain);
	if (!rc && !digest_equal(&found, diffid))
		rc = err_set(err, ERR_INVALID,
			     "DiffID mismatch: the config says another content");
	if (!rc)
		rc = blob_keeper_finish(&k, s, blob, err);
	blob_keeper_release(&k);
	if (rc)
		return rc;
	item.blob = (struct record_blob){*blob, *diffid, size, kind};
	return session_add(s, &item, err);
}
