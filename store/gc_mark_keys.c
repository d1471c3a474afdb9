/* SPDX-License-Identifier: Apache-2.0
 * What is needed of keys: their documents, and the listings that these name. */
#include "store/gc_private.h"

#include "store/step_key.h"

struct key_visit {
	struct gc_mark *mark;
	struct catalog_txn *txn;
};

static void mark_listings(struct gc_mark *m, const struct step_key_document *d)
{
	for (size_t i = 0; i < d->count; i++) {
		struct digest content, listing;
		const char *dest;
		size_t len;

		if (d->values[i].field == STEP_KEY_INPUT &&
		    step_key_input_of(&d->values[i], &content, &listing, &dest, &len,
				      NULL) == 0)
			gc_mark_object(m, &listing);
	}
}

/* The document of a key and what it names. Whatever of that cannot be read is not missed by
 * anything but explanations. */
static int mark_key(void *arg, const struct record_key *key, struct err *err)
{
	auto_step_key_document struct step_key_document d = {0};
	const struct key_visit *v = arg;
	struct gc_mark *m = v->mark;
	enum pack_frame_type type;
	struct object_place at;
	int r;

	(void)err;
	gc_mark_object(m, &key->key);
	r = catalog_object_get(v->txn, &key->key, &at, NULL);
	if (r == 0)
		r = pack_read_body(store_packs(m->store), &at.frame, m->codec,
				   &m->frame_bytes, &m->body, &type, NULL);
	if (r < 0 || at.off > m->body.len || at.len > m->body.len - at.off)
		return 0;
	if (step_key_decode(m->body.data + at.off, at.len, &d, NULL) == 0)
		mark_listings(m, &d);
	return 0;
}

int gc_mark_keys(struct gc_mark *m, struct catalog_txn *t, struct err *err)
{
	struct key_visit v = {m, t};

	return catalog_key_each(t, NULL, mark_key, &v, err);
}
