/* SPDX-License-Identifier: Apache-2.0
 * The state that the journal's records add up to, kept as short marks, and its comparison
 * with the catalog in both directions. What an item means is store_apply.c's; this is the
 * same in a form that can be compared without a second catalog. */
#include "store/check_private.h"

#include <string.h>

enum table {
	LAYERS,
	CHAINS,
	BLOBS,
	IMAGES,
	REFS,
	KEYS,
	ARTIFACTS,
};

static const char *const table_names[] = {
	[LAYERS] = "layer",       [CHAINS] = "chain", [BLOBS] = "blob",
	[IMAGES] = "image",       [REFS] = "name",    [KEYS] = "key",
	[ARTIFACTS] = "artifact",
};

struct row {
	struct digest key; /* of a name its SHA-256 */
	uint64_t mark;     /* of the record, tree number apart */
	uint32_t number;
	bool gone; /* removed again */
	bool seen; /* in the catalog */
};

struct tree_row {
	struct digest key; /* the number */
	struct digest id;
	uint64_t mark; /* of the image's SHA-256; 0: never built */
	uint32_t version;
	uint8_t owner;
	bool stale;
	bool gone; /* what it belonged to is gone */
	bool seen;
};

void check_state_init(struct check_state *st)
{
	*st = (struct check_state){.next_number = 1, .end = journal_start()};
	digest_map_init(&st->dropped, sizeof(struct digest));
	for (unsigned i = 0; i < ARRAY_LEN(st->rows); i++)
		digest_map_init(&st->rows[i], sizeof(struct row));
	digest_map_init(&st->trees, sizeof(struct tree_row));
}

void check_state_release_rows(struct check_state *st)
{
	for (unsigned i = 0; i < ARRAY_LEN(st->rows); i++)
		digest_map_release(&st->rows[i]);
	digest_map_release(&st->trees);
}

void check_state_release(struct check_state *st)
{
	check_state_release_rows(st);
	check_ranges_release(&st->ranges);
	digest_map_release(&st->dropped);
}

/* ---- rows ---- */

static void *find(const struct digest_map *m, const struct digest *key)
{
	int64_t i = digest_map_find(m, key);

	return i < 0 ? NULL : digest_map_entry(m, (uint32_t)i);
}

static int find_or_add(struct digest_map *m, const struct digest *key, void **ret,
		       bool *ret_new, struct err *err)
{
	uint32_t i;
	int r;

	*ret = find(m, key);
	*ret_new = !*ret;
	if (*ret)
		return 0;
	r = digest_map_add(m, key, &i, err);
	if (r == 0)
		*ret = digest_map_entry(m, i);
	return r;
}

static uint64_t mark_of_bytes(const void *data, size_t len)
{
	struct digest d;

	digest_of(data, len, &d);
	return get_le64(d.bytes);
}

static uint64_t mark_of_digest(const struct digest *d)
{
	return digest_is_zero(d) ? 0 : get_le64(d->bytes) | 1;
}

/* Of the item's encoding, with its tree number left out. */
static int mark_of(const struct record_item *item, uint64_t *ret, struct err *err)
{
	struct record_item plain = *item;
	auto_buf struct buf bytes;
	int r;

	if (plain.type == RECORD_LAYER)
		plain.layer.number = 0;
	else if (plain.type == RECORD_CHAIN)
		plain.chain.number = 0;
	buf_init(&bytes, 64u << 10);
	r = record_encode(&bytes, &plain, err);
	if (r == 0)
		*ret = mark_of_bytes(bytes.data, bytes.len);
	return r;
}

/* Which table, and under which key. False: another kind of item. */
static bool place_of(const struct record_item *item, enum table *ret, struct digest *key)
{
	switch (item->type) {
	case RECORD_LAYER:
		*ret = LAYERS;
		*key = item->layer.diffid;
		return true;
	case RECORD_CHAIN:
		*ret = CHAINS;
		*key = item->chain.chainid;
		return true;
	case RECORD_BLOB:
		*ret = BLOBS;
		*key = item->blob.blob;
		return true;
	case RECORD_IMAGE:
		*ret = IMAGES;
		*key = item->image.manifest;
		return true;
	case RECORD_REF:
		*ret = REFS;
		digest_of(item->ref.name, strlen(item->ref.name), key);
		return true;
	case RECORD_KEY:
		*ret = KEYS;
		*key = item->key.key;
		return true;
	case RECORD_ARTIFACT:
		*ret = ARTIFACTS;
		*key = item->artifact.manifest;
		return true;
	default:
		return false;
	}
}

static void tree_key(uint32_t number, struct digest *ret)
{
	*ret = (struct digest){0};
	put_le32(ret->bytes, number);
}

/* ---- items ---- */

static void raise_number(struct check_state *st, uint32_t number)
{
	if (number >= st->next_number)
		st->next_number = number + 1;
}

static int give_number(struct check_state *st, uint32_t number, enum tree_owner owner,
		       const struct digest *id, struct err *err)
{
	struct tree_row *tree;
	struct digest key;
	bool fresh;
	void *p;
	int r;

	tree_key(number, &key);
	r = find_or_add(&st->trees, &key, &p, &fresh, err);
	if (r < 0)
		return r;
	tree = p;
	if (fresh) {
		tree->owner = (uint8_t)owner;
		tree->id = *id;
	}
	return 0;
}

static int put_row(struct check_state *st, const struct record_item *item,
		   struct err *err)
{
	uint32_t number = 0;
	struct digest key;
	enum table table;
	struct row *row;
	uint64_t mark;
	bool fresh;
	void *p;
	int r;

	if (!place_of(item, &table, &key))
		return 0;
	r = mark_of(item, &mark, err);
	if (r == 0)
		r = find_or_add(&st->rows[table], &key, &p, &fresh, err);
	if (r < 0)
		return r;
	row = p;
	if (row->gone)
		fresh = true;
	row->gone = false;
	/* The first record of a chain stays, of anything else the last. */
	if (fresh || table != CHAINS)
		row->mark = mark;
	if (table == LAYERS)
		number = item->layer.number;
	else if (table == CHAINS)
		number = item->chain.number;
	else
		return 0;
	raise_number(st, number);
	if (!fresh)
		return 0;
	row->number = number;
	return give_number(st, number, table == LAYERS ? TREE_OF_LAYER : TREE_OF_CHAIN,
			   &key, err);
}

static void remove_row(struct check_state *st, enum table table, const struct digest *id)
{
	struct row *row = find(&st->rows[table], id);
	struct tree_row *tree;
	struct digest key;

	if (!row || row->gone)
		return;
	row->gone = true;
	if (table != LAYERS && table != CHAINS)
		return;
	tree_key(row->number, &key);
	tree = find(&st->trees, &key);
	if (tree)
		tree->gone = true;
}

static void remove_name(struct check_state *st, const char *name)
{
	struct digest key;

	digest_of(name, strlen(name), &key);
	remove_row(st, REFS, &key);
}

static int put_tree(struct check_state *st, const struct record_tree *item,
		    struct err *err)
{
	struct digest key;
	struct tree_row *tree;
	struct row *row;
	bool fresh;
	void *p;
	int r = 0;

	tree_key(item->superseded ? item->superseded : item->number, &key);
	tree = find(&st->trees, &key);
	if (!tree)
		return err_set(err, ERR_CORRUPT,
			       "journal: it tells of tree %u, which was never given",
			       item->superseded ? item->superseded : item->number);
	if (item->superseded) {
		struct tree_row old = *tree;

		tree->stale = true;
		row = find(&st->rows[old.owner == TREE_OF_LAYER ? LAYERS : CHAINS],
			   &old.id);
		if (row)
			row->number = item->number;
		raise_number(st, item->number);
		tree_key(item->number, &key);
		r = find_or_add(&st->trees, &key, &p, &fresh, err);
		if (r < 0)
			return r;
		tree = p;
		old.key = key;
		*tree = old;
		tree->stale = false;
	}
	tree->version = item->version;
	tree->mark = mark_of_digest(&item->sha256);
	return r;
}

static const enum table gone_tables[] = {
	[GONE_LAYER] = LAYERS, [GONE_CHAIN] = CHAINS,       [GONE_BLOB] = BLOBS,
	[GONE_IMAGE] = IMAGES, [GONE_ARTIFACT] = ARTIFACTS,
};

static void put_gone(struct check_state *st, const struct record_gone *g)
{
	if (g->number)
		raise_number(st, g->number);
	if (g->kind < ARRAY_LEN(gone_tables) && g->kind != GONE_NUMBER)
		remove_row(st, gone_tables[g->kind], &g->id);
}

static int apply_item(void *arg, const struct record_item *item, struct err *err)
{
	struct check_state *st = arg;
	bool fresh;
	void *p;

	switch (item->type) {
	case RECORD_PACK:
		return check_ranges_add(&st->ranges, item->pack.pack, item->pack.from,
					item->pack.to, err);
	case RECORD_UNREF:
		remove_name(st, item->unref.name);
		return 0;
	case RECORD_UNKEY:
		remove_row(st, KEYS, &item->unkey.key);
		return 0;
	case RECORD_GONE:
		put_gone(st, &item->gone);
		return 0;
	case RECORD_PACK_GONE:
		check_ranges_remove(&st->ranges, item->pack_gone.pack);
		return 0;
	case RECORD_TREE:
		return put_tree(st, &item->tree, err);
	case RECORD_DROP:
		return find_or_add(&st->dropped, &item->drop.object, &p, &fresh, err);
	default:
		return put_row(st, item, err);
	}
}

struct reading {
	struct check_state *state;
	uint64_t until;
};

static int on_record(void *arg, uint64_t seq, const uint8_t *items, size_t len,
		     uint64_t end, struct err *err)
{
	struct reading *reading = arg;
	struct check_state *st = reading->state;
	int r;

	if (seq > reading->until)
		return 0;
	r = record_decode(items, len, apply_item, st, err);
	st->end = end;
	st->seq = seq;
	return r;
}

int check_state_read(struct check_state *st, struct journal *j, uint64_t until,
		     struct err *err)
{
	struct reading reading = {st, until};
	uint64_t end, seq;
	int r = journal_replay(j, st->end, st->seq, on_record, &reading, &end, &seq, err);

	check_ranges_settle(&st->ranges);
	return r;
}

static int add_range(void *arg, const struct record_item *item, struct err *err)
{
	if (item->type == RECORD_PACK_GONE)
		check_ranges_remove(arg, item->pack_gone.pack);
	if (item->type != RECORD_PACK)
		return 0;
	return check_ranges_add(arg, item->pack.pack, item->pack.from, item->pack.to,
				err);
}

static int add_ranges(void *arg, uint64_t seq, const uint8_t *items, size_t len,
		      uint64_t end, struct err *err)
{
	(void)seq;
	(void)end;
	return record_decode(items, len, add_range, arg, err);
}

int check_state_committed(struct journal *j, struct check_ranges *ret, struct err *err)
{
	uint64_t end, seq;
	int r = journal_replay(j, journal_start(), 0, add_ranges, ret, &end, &seq, err);

	check_ranges_settle(ret);
	return r;
}

/* ---- against the catalog ---- */

struct comparison {
	struct check_state *state;
	struct check_report *report;
};

static const char *row_name(enum table table, const struct digest *key, const char *name,
			    char text[DIGEST_TEXT_SIZE])
{
	return table == REFS && name ? name : digest_format(key, text);
}

static int compare_row(struct comparison *c, const struct record_item *item,
		       struct err *err)
{
	const char *name = item->type == RECORD_REF ? item->ref.name : NULL;
	char text[DIGEST_TEXT_SIZE];
	uint32_t number = 0;
	struct digest key;
	enum table table;
	struct row *row;
	uint64_t mark;
	int r;

	if (!place_of(item, &table, &key))
		return 0;
	r = mark_of(item, &mark, err);
	if (r < 0)
		return r;
	if (table == LAYERS)
		number = item->layer.number;
	else if (table == CHAINS)
		number = item->chain.number;
	row = find(&c->state->rows[table], &key);
	if (!row || row->gone) {
		check_problem(c->report,
			      "catalog: %s %s is there, but not in the journal",
			      table_names[table], row_name(table, &key, name, text));
		return 0;
	}
	row->seen = true;
	if (row->mark != mark || row->number != number)
		check_problem(c->report, "catalog: %s %s is not as the journal has it",
			      table_names[table], row_name(table, &key, name, text));
	return 0;
}

#define COMPARE(kind, TYPE) \
	static int on_##kind(void *arg, const struct record_##kind *record, \
			     struct err *err) \
	{ \
		const struct record_item item = {.type = TYPE, .kind = *record}; \
\
		return compare_row(arg, &item, err); \
	}

COMPARE(layer, RECORD_LAYER)
COMPARE(chain, RECORD_CHAIN)
COMPARE(blob, RECORD_BLOB)
COMPARE(image, RECORD_IMAGE)
COMPARE(ref, RECORD_REF)
COMPARE(key, RECORD_KEY)
COMPARE(artifact, RECORD_ARTIFACT)

static void tell_missing(struct comparison *c)
{
	for (unsigned table = 0; table < ARRAY_LEN(c->state->rows); table++) {
		const struct digest_map *m = &c->state->rows[table];

		for (uint32_t i = 0; i < m->count; i++) {
			const struct row *row = digest_map_entry(m, i);
			char text[DIGEST_TEXT_SIZE];

			if (row->gone || row->seen)
				continue;
			check_problem(
				c->report, "catalog: a %s of the journal is missing%s%s",
				table_names[table], table == REFS ? "" : ": ",
				table == REFS ? "" : digest_format(&row->key, text));
		}
	}
}

static int on_tree(void *arg, const struct catalog_tree *tree, struct err *err)
{
	struct comparison *c = arg;
	struct tree_row *row;
	struct digest key;

	(void)err;
	tree_key(tree->number, &key);
	row = find(&c->state->trees, &key);
	if (!row || row->gone) {
		check_problem(c->report,
			      "catalog: tree %u is there, but not in the journal",
			      tree->number);
		return 0;
	}
	row->seen = true;
	if (tree->owner != row->owner || tree->stale != row->stale ||
	    tree->version != row->version || !digest_equal(&tree->id, &row->id) ||
	    mark_of_digest(&tree->sha256) != row->mark)
		check_problem(c->report, "catalog: tree %u is not as the journal has it",
			      tree->number);
	return 0;
}

static void tell_missing_trees(struct comparison *c)
{
	const struct digest_map *m = &c->state->trees;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct tree_row *row = digest_map_entry(m, i);

		if (!row->seen && !row->gone)
			check_problem(c->report, "catalog: tree %u is missing",
				      get_le32(row->key.bytes));
	}
}

static int on_pack(void *arg, uint32_t number, uint64_t length, struct err *err)
{
	struct comparison *c = arg;
	uint64_t end = check_ranges_end(&c->state->ranges, number);

	(void)err;
	if (length != end)
		check_problem(c->report,
			      "catalog: pack %08x has %llu committed bytes, by the "
			      "journal %llu",
			      number, (unsigned long long)length,
			      (unsigned long long)end);
	return 0;
}

static int find_missing_packs(struct comparison *c, struct catalog_txn *t,
			      struct err *err)
{
	const struct check_ranges *ranges = &c->state->ranges;

	for (size_t i = 0; i < ranges->count; i++) {
		uint64_t length;
		int r = catalog_pack_get(t, ranges->items[i].pack, &length, err);

		if (r == -ERR_NOTFOUND)
			check_problem(c->report, "catalog: pack %08x is missing",
				      ranges->items[i].pack);
		else if (r < 0)
			return r;
	}
	return 0;
}

static int compare_next(struct comparison *c, struct catalog_txn *t, struct err *err)
{
	struct catalog_mark mark;
	int r = catalog_mark_get(t, &mark, err);

	if (r == 0 && mark.next_number != c->state->next_number)
		check_problem(c->report,
			      "catalog: the next tree would be %u, by the journal %u",
			      mark.next_number, c->state->next_number);
	return r;
}

int check_state_compare(struct check_state *st, struct catalog_txn *t,
			struct check_report *report, struct err *err)
{
	struct comparison c = {st, report};
	int r = catalog_layer_each(t, NULL, on_layer, &c, err);

	if (r == 0)
		r = catalog_chain_each(t, NULL, on_chain, &c, err);
	if (r == 0)
		r = catalog_blob_each(t, NULL, on_blob, &c, err);
	if (r == 0)
		r = catalog_image_each(t, NULL, on_image, &c, err);
	if (r == 0)
		r = catalog_ref_each(t, NULL, on_ref, &c, err);
	if (r == 0)
		r = catalog_key_each(t, NULL, on_key, &c, err);
	if (r == 0)
		r = catalog_artifact_each(t, NULL, on_artifact, &c, err);
	if (r < 0)
		return r;
	tell_missing(&c);
	r = catalog_tree_each(t, on_tree, &c, err);
	if (r == 0)
		r = compare_next(&c, t, err);
	tell_missing_trees(&c);
	if (r == 0)
		r = catalog_pack_each(t, on_pack, &c, err);
	return r < 0 ? r : find_missing_packs(&c, t, err);
}
