/* SPDX-License-Identifier: Apache-2.0
 * A key of an alternate, adopted. */
#include "store/key_adopt.h"

#include <string.h>

#include "store/layer_adopt.h"
#include "store/object.h"
#include "store/step_key.h"

#define LAYERS_MAX   65536u
#define DOCUMENT_MAX (16u << 20)
#define CACHE_BYTES  (4u << 20)

struct adoption {
	struct store *store;
	struct alternates *from;
	struct session *session;
	struct objects *objects;
	struct buf chains; /* struct record_chain, topmost first */
};

/* What an alternate says of a chain is believed as far as its digests say the same. */
static int find_chain(struct adoption *a, const struct digest *chainid, struct err *err)
{
	struct digest at = *chainid;

	while (!digest_is_zero(&at)) {
		struct record_chain chain;
		struct digest is;
		int r = alternates_chain_get(a->from, &at, &chain, err);

		if (r < 0)
			return r;
		digest_chain(&chain.parent, &chain.diffid, &is);
		if (!digest_equal(&is, &at))
			return -ERR_NOTFOUND;
		r = buf_append(&a->chains, &chain, sizeof(chain), err);
		if (r < 0)
			return r;
		at = chain.parent;
	}
	return 0;
}

static int adopt_chain(struct adoption *a, struct err *err)
{
	const struct record_chain *chains =
		(const struct record_chain *)(const void *)a->chains.data;
	int r = 0;

	for (size_t i = a->chains.len / sizeof(*chains); i-- > 0 && r == 0;) {
		struct record_item item = {.type = RECORD_CHAIN, .chain = chains[i]};
		struct record_layer layer;

		r = session_layer_get(a->session, &chains[i].diffid, &layer, err);
		if (r == -ERR_NOTFOUND)
			r = layer_adopt(a->session, &chains[i].diffid, &layer, err);
		if (r == 0)
			r = session_add(a->session, &item, err);
	}
	return r;
}

static int read_document(struct adoption *a, const struct digest *d, struct buf *ret,
			 struct err *err)
{
	uint64_t size;
	int r = objects_size(a->objects, d, &size, err);

	buf_clear(ret);
	if (r == 0 && size > DOCUMENT_MAX)
		r = -ERR_NOTFOUND;
	return r < 0 ? r : objects_read_all(a->objects, d, ret, err);
}

/* Under the digest that it has, which only with an honest alternate is D. */
static int adopt_document(struct adoption *a, const struct digest *d, struct err *err)
{
	auto_buf struct buf bytes;
	struct digest stored;
	int r;

	buf_init(&bytes, DOCUMENT_MAX);
	r = read_document(a, d, &bytes, err);
	if (r == 0)
		digest_of(bytes.data, bytes.len, &stored);
	if (r == 0 && !digest_equal(&stored, d))
		r = -ERR_NOTFOUND;
	return r < 0 ? r
		     : session_put_document(a->session, bytes.data, bytes.len, &stored,
					    err);
}

/* A result without its image is still a result. */
static int adopt_image(struct adoption *a, struct record_key *key, struct err *err)
{
	struct record_item item = {.type = RECORD_IMAGE};
	int r;

	if (digest_is_zero(&key->manifest))
		return 0;
	r = alternates_image_get(a->from, &key->manifest, &item.image, err);
	if (r == 0 && !digest_equal(&item.image.chainid, &key->chainid))
		r = -ERR_NOTFOUND;
	if (r == 0)
		r = adopt_document(a, &item.image.manifest, err);
	if (r == 0)
		r = adopt_document(a, &item.image.config, err);
	if (r == 0)
		r = session_add(a->session, &item, err);
	if (r == -ERR_NOTFOUND) {
		key->manifest = (struct digest){0};
		r = 0;
	}
	return r;
}

static int adopt_listings(struct adoption *a, const struct step_key_document *d,
			  struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < d->count && r == 0; i++) {
		struct digest content, listing;
		const char *dest;
		size_t len;

		if (d->values[i].field != STEP_KEY_INPUT ||
		    step_key_input_of(&d->values[i], &content, &listing, &dest, &len,
				      NULL) < 0)
			continue;
		r = adopt_document(a, &listing, err);
		if (r == -ERR_NOTFOUND)
			r = 0;
	}
	return r;
}

/* What explains the key; not every key has a document, nor every input a listing. */
static int adopt_explanation(struct adoption *a, const struct digest *key,
			     struct err *err)
{
	auto_step_key_document struct step_key_document d = {0};
	auto_buf struct buf bytes;
	int r = adopt_document(a, key, err);

	buf_init(&bytes, DOCUMENT_MAX);
	if (r == 0)
		r = read_document(a, key, &bytes, err);
	if (r < 0)
		return r == -ERR_NOTFOUND ? 0 : r;
	return step_key_decode(bytes.data, bytes.len, &d, NULL) < 0
		       ? 0
		       : adopt_listings(a, &d, err);
}

static int adopt(struct adoption *a, struct record_key *key, struct err *err)
{
	struct record_item item = {.type = RECORD_KEY};
	int r = find_chain(a, &key->chainid, err);

	if (r == 0)
		r = objects_new(a->store, CACHE_BYTES, &a->objects, err);
	if (r == 0)
		r = session_begin(a->store, NULL, &a->session, err);
	if (r == 0)
		r = adopt_chain(a, err);
	if (r == 0)
		r = adopt_image(a, key, err);
	if (r == 0)
		r = adopt_explanation(a, &key->key, err);
	item.key = *key;
	if (r == 0)
		r = session_add(a->session, &item, err);
	return r < 0 ? r : session_commit(steal_ptr(&a->session), err);
}

int key_adopt(struct store *s, const struct digest *key, struct record_key *ret,
	      struct err *err)
{
	struct adoption a = {.store = s, .from = store_alternates(s)};
	struct record_key theirs;
	int r;

	if (!alternates_any(a.from))
		return -ERR_NOTFOUND;
	r = alternates_key_get(a.from, key, &theirs, err);
	if (r < 0)
		return r;
	buf_init(&a.chains, LAYERS_MAX * sizeof(struct record_chain));
	r = adopt(&a, &theirs, err);
	session_abort(a.session);
	objects_free(a.objects);
	buf_release(&a.chains);
	if (r == 0)
		*ret = theirs;
	return r;
}
