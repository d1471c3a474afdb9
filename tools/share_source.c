/* SPDX-License-Identifier: Apache-2.0
 * The names of an alternate as roots, its documents by digest. Layers are not read through a
 * source: they are adopted (store/layer_adopt.h). */
#include "tools/share_source.h"

#include <string.h>

#include "store/object.h"

#define CACHE_BYTES (4u << 20)

struct share_source {
	struct source source;
	struct objects *objects;
	char **names;
	size_t count;
};

/* Only documents are asked for here, so by one thread; they stay as long as the source. */
static int open_document(struct source *s, const struct descriptor *d,
			 struct stream **ret, uint64_t *ret_size, struct err *err)
{
	struct share_source *share = (struct share_source *)s;
	const struct source_document *document;
	struct descriptor desc;
	auto_buf struct buf bytes;
	uint64_t size;
	int rc = objects_size(share->objects, &d->digest, &size, err);

	buf_init(&bytes, DOCUMENT_MAX);
	if (!rc && size > DOCUMENT_MAX)
		return err_set(err, ERR_NOTFOUND, "it is no document");
	if (!rc)
		rc = objects_read_all(share->objects, &d->digest, &bytes, err);
	if (!rc)
		rc = source_add_document(s, &bytes, &desc, err);
	if (rc)
		return rc;
	document = &s->documents[s->document_count - 1];
	*ret_size = document->bytes.len;
	return stream_from_bytes(document->bytes.data, document->bytes.len, ret, err);
}

static void close_share(struct source *s)
{
	struct share_source *share = (struct share_source *)s;

	for (size_t i = 0; i < share->count; i++)
		free(share->names[i]);
	free(share->names);
	objects_free(share->objects);
	free(share);
}

static const struct source_ops share_ops = {open_document, close_share};

static int add_name(struct share_source *share, const char *name, struct err *err)
{
	char **names = reallocarray(share->names, share->count + 1, sizeof(*names));

	if (!names)
		return err_nomem(err);
	share->names = names;
	names[share->count] = strdup(name);
	if (!names[share->count])
		return err_nomem(err);
	share->count++;
	return 0;
}

static int on_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	struct share_source *share = arg;
	struct descriptor desc = {.kind = DESCRIPTOR_NONE};
	bool index = !digest_is_zero(&ref->index);
	int rc;

	if (!index && !ref->count)
		return 0;
	desc.digest = index ? ref->index : ref->targets[0].manifest;
	rc = objects_size(share->objects, &desc.digest, &desc.size, err);
	if (!rc)
		rc = add_name(share, ref->name, err);
	return rc ? rc
		  : source_add_root(&share->source, &desc, share->names[share->count - 1],
				    NULL, err);
}

static int open_share(void *arg, const char *path, struct source **ret, struct err *err)
{
	auto_source struct source *s = NULL;
	struct store *store = arg;
	struct share_source *share = calloc(1, sizeof(*share));
	int rc;

	if (!share)
		return err_nomem(err);
	share->source.ops = &share_ops;
	s = &share->source;
	rc = alternates_add(store_alternates(store), path, true, err);
	if (!rc)
		rc = objects_new(store, CACHE_BYTES, &share->objects, err);
	if (!rc)
		rc = alternates_ref_each(store_alternates(store), path, on_ref, share,
					 err);
	if (!rc)
		*ret = steal_ptr(&s);
	return rc;
}

int share_source_open(struct store *store, const char *text, const char *rest,
		      struct source **ret, struct err *err)
{
	return source_open_by(text, rest, open_share, store, ret, err);
}
