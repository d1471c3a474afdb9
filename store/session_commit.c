/* SPDX-License-Identifier: Apache-2.0
 * What a session says about its content, and the commit that makes it so. */
#include "store/session_private.h"

#include <time.h>

#include "store/store_private.h"

/* Of ten entries one is new, and each of the new ones has cost a page: writing all of them
 * anew is little against that. */
static const struct catalog_waste waste = {.percent = 25, .grown = 10, .least = 4u << 20};

/* ---- collecting items ---- */

static int copy_item(struct session_item *to, const struct record_item *item,
		     struct err *err)
{
	*to = (struct session_item){.item = *item};
	if (item->type == RECORD_REF)
		return record_ref_copy(&item->ref, &to->item.ref, &to->memory, err);
	if (item->type == RECORD_UNREF) {
		to->memory = strdup(item->unref.name);
		if (!to->memory)
			return err_nomem(err);
		to->item.unref.name = to->memory;
	}
	return 0;
}

/* What identifies an item of which there can be only one; NULL for the others. */
static const struct digest *key_of(const struct record_item *item)
{
	switch (item->type) {
	case RECORD_LAYER:
		return &item->layer.diffid;
	case RECORD_CHAIN:
		return &item->chain.chainid;
	case RECORD_BLOB:
		return &item->blob.blob;
	case RECORD_IMAGE:
		return &item->image.manifest;
	case RECORD_KEY:
		return &item->key.key;
	case RECORD_ENCODING:
		return &item->encoding.blob;
	case RECORD_ARTIFACT:
		return &item->artifact.manifest;
	default:
		return NULL;
	}
}

/* Called with the lock. */
static const struct record_item *find_item(const struct session *s, enum record_type type,
					   const struct digest *key)
{
	for (size_t i = 0; i < s->item_count; i++) {
		const struct record_item *item = &s->items[i].item;

		if (item->type == type && digest_equal(key_of(item), key))
			return item;
	}
	return NULL;
}

static const char *name_of(const struct record_item *item)
{
	if (item->type == RECORD_REF)
		return item->ref.name;
	return item->type == RECORD_UNREF ? item->unref.name : NULL;
}

/* What is said of a name replaces what was said before. */
static struct session_item *find_name(struct session *s, const char *name)
{
	for (size_t i = 0; i < s->item_count; i++) {
		const char *there = name_of(&s->items[i].item);

		if (there && strcmp(there, name) == 0)
			return &s->items[i];
	}
	return NULL;
}

static int reserve_item(struct session *s, struct err *err)
{
	size_t cap = s->item_cap ? 2 * s->item_cap : 16;
	struct session_item *items;

	if (s->item_count < s->item_cap)
		return 0;
	items = reallocarray(s->items, cap, sizeof(*items));
	if (!items)
		return err_nomem(err);
	s->items = items;
	s->item_cap = cap;
	return 0;
}

/* Called with the lock. */
static int add_copy(struct session *s, const struct record_item *item, struct err *err)
{
	const char *name = name_of(item);
	struct session_item *place = name ? find_name(s, name) : NULL;
	struct session_item copy;
	int r = place ? 0 : reserve_item(s, err);

	if (r == 0)
		r = copy_item(&copy, item, err);
	if (r < 0)
		return r;
	if (place)
		free(place->memory);
	else
		place = &s->items[s->item_count++];
	*place = copy;
	return 0;
}

int session_add(struct session *s, const struct record_item *item, struct err *err)
{
	const struct digest *key = key_of(item);
	int r = session_check(s, err);

	if (r < 0)
		return r;
	if (item->type == RECORD_PACK)
		return err_set(err, ERR_FAILED, "a session adds its packs by itself");
	pthread_mutex_lock(&s->lock);
	if (!key || !find_item(s, item->type, key))
		r = add_copy(s, item, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

void session_replace_keys(struct session *s)
{
	s->replace_keys = true;
}

void session_commit_free_items(struct session *s)
{
	for (size_t i = 0; i < s->item_count; i++)
		free(s->items[i].memory);
	free(s->items);
	free(s->documents);
}

static int get_layer(struct session *s, const struct digest *diffid,
		     struct record_layer *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	int r = catalog_refresh(store_catalog(s->store), err);

	if (r == 0)
		r = catalog_begin(store_catalog(s->store), false, &txn, err);
	return r < 0 ? r : catalog_layer_get(txn, diffid, ret, err);
}

/* A layer of the store that was found stays there: see pins.h. */
int session_layer_get(struct session *s, const struct digest *diffid,
		      struct record_layer *ret, struct err *err)
{
	const struct record_item *item;
	uint64_t state;
	int r;

	pthread_mutex_lock(&s->lock);
	item = find_item(s, RECORD_LAYER, diffid);
	if (item)
		*ret = item->layer;
	pthread_mutex_unlock(&s->lock);
	if (item)
		return 0;
	do {
		r = pins_note(s->pins, diffid, &state, err);
		if (r == 0)
			r = get_layer(s, diffid, ret, err);
	} while (r == 0 && !pins_hold(s->pins, state));
	return r;
}

/* ---- committing ---- */

static bool same_ref(const struct record_ref *a, const struct record_ref *b)
{
	if (a->count != b->count || !digest_equal(&a->index, &b->index))
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!digest_equal(&a->targets[i].manifest, &b->targets[i].manifest) ||
		    strcmp(a->targets[i].platform, b->targets[i].platform) != 0)
			return false;
	return true;
}

/* Whether the store has the named thing. */
static int ref_state(struct catalog_txn *t, const struct record_item *item,
		     bool *ret_known, struct err *err)
{
	auto_free void *memory = NULL;
	struct record_ref there;
	bool unref = item->type == RECORD_UNREF;
	int r = catalog_ref_get(t, unref ? item->unref.name : item->ref.name, &there,
				&memory, err);

	if (r < 0 && r != -ERR_NOTFOUND)
		return r;
	if (unref)
		*ret_known = r == -ERR_NOTFOUND;
	else
		*ret_known = r == 0 && same_ref(&there, &item->ref);
	return 0;
}

static int key_taken(const struct record_key *there, struct err *err)
{
	char key[DIGEST_TEXT_SIZE], chain[DIGEST_TEXT_SIZE];

	return err_set(err, ERR_BUSY, "key '%s' leads to another chain, '%s'",
		       digest_format(&there->key, key),
		       digest_format(&there->chainid, chain));
}

static int key_state(const struct session *s, struct catalog_txn *t,
		     const struct record_key *key, bool *ret_known, struct err *err)
{
	struct record_key there;
	int r = catalog_key_get(t, &key->key, &there, err);

	if (r < 0 && r != -ERR_NOTFOUND)
		return r;
	if (r == 0 && !s->replace_keys && !digest_equal(&there.chainid, &key->chainid))
		return key_taken(&there, err);
	*ret_known = r == 0 && digest_equal(&there.chainid, &key->chainid) &&
		     digest_equal(&there.manifest, &key->manifest) &&
		     digest_equal(&there.parent, &key->parent) &&
		     strcmp(there.scope, key->scope) == 0;
	return 0;
}

/* Whether the item would change nothing. */
static int is_known(const struct session *s, struct catalog_txn *t,
		    const struct record_item *item, bool *ret, struct err *err)
{
	union {
		struct record_layer layer;
		struct record_chain chain;
		struct record_blob blob;
		struct record_image image;
		struct record_encoding encoding;
		struct record_artifact artifact;
	} there;
	int r;

	switch (item->type) {
	case RECORD_LAYER:
		r = catalog_layer_get(t, &item->layer.diffid, &there.layer, err);
		break;
	case RECORD_CHAIN:
		r = catalog_chain_get(t, &item->chain.chainid, &there.chain, err);
		break;
	case RECORD_BLOB:
		r = catalog_blob_get(t, &item->blob.blob, &there.blob, err);
		break;
	case RECORD_IMAGE:
		r = catalog_image_get(t, &item->image.manifest, &there.image, err);
		break;
	case RECORD_ENCODING:
		r = catalog_encoding_get(t, &item->encoding.blob, &there.encoding, err);
		break;
	case RECORD_REF:
	case RECORD_UNREF:
		return ref_state(t, item, ret, err);
	case RECORD_ARTIFACT:
		r = catalog_artifact_get(t, &item->artifact.manifest, &there.artifact,
					 err);
		break;
	case RECORD_KEY:
		return key_state(s, t, &item->key, ret, err);
	default:
		*ret = false;
		return 0;
	}
	if (r < 0 && r != -ERR_NOTFOUND)
		return r;
	*ret = r == 0;
	if (r == 0 && item->type == RECORD_LAYER)
		*ret = !(there.layer.flags & LAYER_DAMAGED);
	if (r == 0 && item->type == RECORD_ENCODING)
		*ret = there.encoding.state >= item->encoding.state;
	return 0;
}

int session_commit_packs(struct session *s, struct commit *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->pack_count && r == 0; i++) {
		struct record_item item = {
			.type = RECORD_PACK,
			.pack.pack = pack_writer_number(s->packs[i].writer),
			.pack.from = s->packs[i].from,
			.pack.to = pack_writer_length(s->packs[i].writer),
		};

		if (item.pack.to > item.pack.from)
			r = store_commit_add(c, &item, err);
	}
	return r;
}

static int add_item(struct commit *c, struct record_item *item, struct err *err)
{
	if (item->type == RECORD_LAYER) {
		item->layer.number = store_commit_number(c);
		item->layer.created = time(NULL);
	} else if (item->type == RECORD_CHAIN) {
		item->chain.number = store_commit_number(c);
	} else if (item->type == RECORD_KEY) {
		item->key.created = time(NULL);
	} else if (item->type == RECORD_ARTIFACT) {
		item->artifact.created = time(NULL);
	}
	return store_commit_add(c, item, err);
}

/* ---- what gc may have taken away ---- */

/* R: of the look into the catalog. */
static int need(const struct session *s, int r, enum record_type type,
		const struct digest *key, const char *what, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	if (r != -ERR_NOTFOUND || find_item(s, type, key))
		return r == -ERR_NOTFOUND ? 0 : r;
	return err_set(err, ERR_BUSY, "%s %s was removed by gc meanwhile; try again",
		       what, digest_format(key, text));
}

static int need_layer(const struct session *s, struct catalog_txn *t,
		      const struct digest *d, struct err *err)
{
	struct record_layer there;

	return need(s, catalog_layer_get(t, d, &there, err), RECORD_LAYER, d, "layer",
		    err);
}

static int need_blob(const struct session *s, struct catalog_txn *t,
		     const struct digest *d, struct err *err)
{
	struct record_blob there;

	return need(s, catalog_blob_get(t, d, &there, err), RECORD_BLOB, d, "blob", err);
}

static int need_chain(const struct session *s, struct catalog_txn *t,
		      const struct digest *d, struct err *err)
{
	struct record_chain there;

	if (digest_is_zero(d))
		return 0;
	return need(s, catalog_chain_get(t, d, &there, err), RECORD_CHAIN, d, "chain",
		    err);
}

static int need_targets(const struct session *s, struct catalog_txn *t,
			const struct record_ref *ref, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < ref->count && r == 0; i++) {
		const struct digest *d = &ref->targets[i].manifest;
		struct record_image there;

		r = need(s, catalog_image_get(t, d, &there, err), RECORD_IMAGE, d,
			 "image", err);
	}
	return r;
}

/* Content and layers that were found are noted and stay (pins.h); whatever else an item
 * stands on is looked for once more if a gc has run since the session began. */
static int check_links(const struct session *s, struct catalog_txn *t,
		       const struct record_item *item, struct err *err)
{
	int r;

	if (pins_hold(s->pins, s->pins_state))
		return 0;
	switch (item->type) {
	case RECORD_CHAIN:
		r = need_chain(s, t, &item->chain.parent, err);
		return r < 0 ? r : need_layer(s, t, &item->chain.diffid, err);
	case RECORD_BLOB:
		return need_layer(s, t, &item->blob.diffid, err);
	case RECORD_IMAGE:
		return need_chain(s, t, &item->image.chainid, err);
	case RECORD_REF:
		return need_targets(s, t, &item->ref, err);
	case RECORD_KEY:
		return need_chain(s, t, &item->key.chainid, err);
	case RECORD_ENCODING:
		return need_blob(s, t, &item->encoding.blob, err);
	default:
		return 0;
	}
}

struct publish {
	struct session *session;
	bool any; /* something was added to the commit */
};

/* Whether a document is still as new as when it was put. */
static int lacks_documents(struct session *s, struct catalog_txn *t, bool *ret,
			   struct err *err)
{
	struct object_place place;
	int r = 0;

	for (size_t i = 0; i < s->document_count && r == 0; i++)
		r = catalog_object_get(t, &s->documents[i], &place, err);
	*ret = r == -ERR_NOTFOUND;
	return *ret ? 0 : r;
}

static int publish_items(struct commit *c, void *arg, struct err *err)
{
	struct publish *publish = arg;
	struct session *s = publish->session;
	int r = 0;

	/* Known things whose documents were lost get them back. */
	r = lacks_documents(s, store_commit_txn(c), &publish->any, err);
	if (r == 0 && publish->any)
		r = session_commit_packs(s, c, err);
	for (size_t i = 0; i < s->item_count && r == 0; i++) {
		bool known = false;

		r = is_known(s, store_commit_txn(c), &s->items[i].item, &known, err);
		if (r == 0 && !known)
			r = check_links(s, store_commit_txn(c), &s->items[i].item, err);
		if (r < 0 || known)
			continue;
		if (!publish->any)
			r = session_commit_packs(s, c, err);
		publish->any = true;
		if (r == 0)
			r = add_item(c, &s->items[i].item, err);
	}
	return r;
}

/* After a failed commit: did its record reach the journal? Only the journal knows, and
 * looking at the state under the store lock brings the catalog up to it. */
struct outcome {
	struct session *session;
	bool committed;
};

static int find_outcome(struct commit *c, void *arg, struct err *err)
{
	struct outcome *outcome = arg;
	struct session *s = outcome->session;

	for (size_t i = 0; i < s->pack_count; i++) {
		uint32_t number = pack_writer_number(s->packs[i].writer);
		uint64_t length;
		int r = catalog_pack_get(store_commit_txn(c), number, &length, err);

		if (r < 0 && r != -ERR_NOTFOUND)
			return r;
		if (r == 0 && length > s->packs[i].from)
			outcome->committed = true;
	}
	return 0;
}

/* Cuts the packs back if the record is surely not there. If that cannot be told they stay
 * as they are: bytes beyond the committed length are harmless, missing ones are not. */
int session_commit_settle(struct session *s, const struct err *failure, struct err *err)
{
	struct outcome outcome = {.session = s};
	int r = store_commit(s->store, find_outcome, &outcome, NULL, 0, NULL);

	if (r == 0 && !outcome.committed)
		session_pack_abort(s);
	else
		session_pack_close(s);
	return r == 0 && outcome.committed ? 0 : err_copy(err, failure);
}

static int publish_all(struct session *s, struct err *err)
{
	struct publish publish = {.session = s};
	struct catalog_object *objects;
	struct err failure;
	size_t count;
	int r = session_pack_sync(s, err);

	if (r == 0)
		r = pending_objects(s->pending, &objects, &count, err);
	if (r < 0)
		return r;
	r = store_commit(s->store, publish_items, &publish, objects, count, &failure);
	if (r < 0)
		return session_commit_settle(s, &failure, err);
	if (publish.any)
		session_pack_close(s);
	if (publish.any && count)
		store_compact(s->store, &waste);
	return 0;
}

int session_commit(struct session *s, struct err *err)
{
	int r = session_flush(s, err);

	if (r == 0 && s->item_count)
		r = publish_all(s, err);
	session_abort(s); /* packs that were published are closed and out of its reach */
	return r;
}
