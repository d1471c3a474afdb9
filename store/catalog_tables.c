/* SPDX-License-Identifier: Apache-2.0
 * The small tables. Layers, chains, blobs, images and names are kept as the journal's own
 * items under their digest or name; numbers are big-endian keys, so they are in order. */
#include "store/catalog_private.h"

#include <string.h>

/* LMDB's keys are shorter than names may be: a longer name is cut, and what is cut off is
 * represented by the SHA-256 of the whole. */
#define REF_KEY_WHOLE 478
#define REF_KEY_MAX   (REF_KEY_WHOLE + DIGEST_SIZE)

#define TREE_SIZE 70

/* In place of a pack's length. */
#define PACK_IS_GONE UINT64_MAX

static int get(struct catalog_txn *t, enum catalog_table table, const void *key,
	       size_t key_len, MDB_val *ret)
{
	uint8_t copy[REF_KEY_MAX];
	MDB_val k = {key_len, copy};

	memcpy(copy, key, key_len);
	return mdb_get(t->mdb, t->env->tables[table], &k, ret);
}

static int put(struct catalog_txn *t, enum catalog_table table, const void *key,
	       size_t key_len, const void *value, size_t value_len, struct err *err)
{
	uint8_t copy[REF_KEY_MAX];
	MDB_val k = {key_len, copy}, v = {value_len, NULL};
	int rc;

	/* LMDB takes pointers to non-const and gives room for the value instead. */
	memcpy(copy, key, key_len);
	rc = mdb_put(t->mdb, t->env->tables[table], &k, &v, MDB_RESERVE);
	if (rc)
		return catalog_error(rc, "cannot write", err);
	memcpy(v.mv_data, value, value_len);
	return 0;
}

static int remove_key(struct catalog_txn *t, enum catalog_table table, const void *key,
		      size_t key_len, struct err *err)
{
	uint8_t copy[REF_KEY_MAX];
	MDB_val k = {key_len, copy};
	int rc;

	memcpy(copy, key, key_len);
	rc = mdb_del(t->mdb, t->env->tables[table], &k, NULL);
	return rc && rc != MDB_NOTFOUND ? catalog_error(rc, "cannot remove", err) : 0;
}

/* Calls EACH with every value from KEY on until it returns something but 0. */
typedef int value_fn(void *arg, const MDB_val *key, const MDB_val *value,
		     struct err *err);

static int each_value(struct catalog_txn *t, enum catalog_table table, const void *from,
		      size_t from_len, value_fn *each, void *arg, struct err *err)
{
	uint8_t copy[REF_KEY_MAX];
	MDB_val key = {from_len, copy}, value;
	MDB_cursor *cursor;
	int r = 0, rc = mdb_cursor_open(t->mdb, t->env->tables[table], &cursor);

	if (rc)
		return catalog_error(rc, "cannot list", err);
	if (from_len)
		memcpy(copy, from, from_len);
	rc = mdb_cursor_get(cursor, &key, &value, from_len ? MDB_SET_RANGE : MDB_FIRST);
	while (rc == 0 && r == 0) {
		r = each(arg, &key, &value, err);
		if (r == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (rc && rc != MDB_NOTFOUND)
		return catalog_error(rc, "cannot list", err);
	return r;
}

/* ---- the mark ---- */

int catalog_mark_get(struct catalog_txn *t, struct catalog_mark *ret, struct err *err)
{
	MDB_val value;
	int rc = get(t, CATALOG_META, "mark", 4, &value);
	const uint8_t *p = value.mv_data;

	if (rc == MDB_NOTFOUND) {
		*ret = (struct catalog_mark){.next_number = 1};
		return 0;
	}
	if (rc == 0 && value.mv_size != CATALOG_MARK_SIZE)
		rc = MDB_CORRUPTED;
	if (rc)
		return catalog_error(rc, "cannot read how far it is", err);
	*ret = (struct catalog_mark){
		.next_number = get_le32(p + 4),
		.journal_end = get_le64(p + 8),
		.seq = get_le64(p + 16),
		.journal_last = get_le64(p + 24),
	};
	return 0;
}

int catalog_mark_set(struct catalog_txn *t, const struct catalog_mark *mark,
		     struct err *err)
{
	uint8_t value[CATALOG_MARK_SIZE];

	put_le32(value, CATALOG_LAYOUT);
	put_le32(value + 4, mark->next_number);
	put_le64(value + 8, mark->journal_end);
	put_le64(value + 16, mark->seq);
	put_le64(value + 24, mark->journal_last);
	return put(t, CATALOG_META, "mark", 4, value, sizeof(value), err);
}

/* ---- things that are journal items ---- */

static int keep_item(void *arg, const struct record_item *item, struct err *err)
{
	(void)err;
	*(struct record_item *)arg = *item;
	return 0;
}

/* For items without pointers. */
static int decode_item(const MDB_val *value, enum record_type type,
		       struct record_item *ret, struct err *err)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	r = record_decode(value->mv_data, value->mv_size, keep_item, ret, NULL);
	if (r < 0 || ret->type != type)
		return catalog_error(MDB_CORRUPTED, "cannot read", err);
	return 0;
}

static int get_item(struct catalog_txn *t, enum catalog_table table,
		    enum record_type type, const struct digest *d, const char *what,
		    struct record_item *ret, struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	MDB_val value;
	int rc = get(t, table, d->bytes, DIGEST_SIZE, &value);

	if (rc == MDB_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "there is no %s %s", what,
			       digest_hex(d, hex));
	if (rc)
		return catalog_error(rc, "cannot look up", err);
	return decode_item(&value, type, ret, err);
}

static int put_item(struct catalog_txn *t, enum catalog_table table, const void *key,
		    size_t key_len, const struct record_item *item, struct err *err)
{
	auto_buf struct buf value;
	int r;

	buf_init(&value, 64u << 10);
	r = record_encode(&value, item, err);
	return r < 0 ? r : put(t, table, key, key_len, value.data, value.len, err);
}

/* Each kind's get, put, remove and each. */
#define ITEM_TABLE(kind, TABLE, TYPE, key) \
	int catalog_##kind##_get(struct catalog_txn *t, const struct digest *d, \
				 struct record_##kind *ret, struct err *err) \
	{ \
		struct record_item item; \
		int r = get_item(t, TABLE, TYPE, d, #kind, &item, err); \
\
		if (r == 0) \
			*ret = item.kind; \
		return r; \
	} \
\
	int catalog_##kind##_put(struct catalog_txn *t, const struct record_##kind *it, \
				 struct err *err) \
	{ \
		const struct record_item item = {.type = TYPE, .kind = *it}; \
\
		return put_item(t, TABLE, it->key.bytes, DIGEST_SIZE, &item, err); \
	} \
\
	int catalog_##kind##_remove(struct catalog_txn *t, const struct digest *d, \
				    struct err *err) \
	{ \
		return remove_key(t, TABLE, d->bytes, DIGEST_SIZE, err); \
	} \
\
	struct each_##kind { \
		catalog_##kind##_fn *each; \
		void *arg; \
	}; \
\
	static int each_one_##kind(void *arg, const MDB_val *k, const MDB_val *value, \
				   struct err *err) \
	{ \
		const struct each_##kind *e = arg; \
		struct record_item item; \
		int r = decode_item(value, TYPE, &item, err); \
\
		(void)k; \
		return r < 0 ? r : e->each(e->arg, &item.kind, err); \
	} \
\
	int catalog_##kind##_each(struct catalog_txn *t, const struct digest *from, \
				  catalog_##kind##_fn *each, void *arg, struct err *err) \
	{ \
		struct each_##kind e = {each, arg}; \
\
		return each_value(t, TABLE, from, from ? DIGEST_SIZE : 0, \
				  each_one_##kind, &e, err); \
	}

ITEM_TABLE(layer, CATALOG_LAYERS, RECORD_LAYER, diffid)
ITEM_TABLE(chain, CATALOG_CHAINS, RECORD_CHAIN, chainid)
ITEM_TABLE(blob, CATALOG_BLOBS, RECORD_BLOB, blob)
ITEM_TABLE(image, CATALOG_IMAGES, RECORD_IMAGE, manifest)
ITEM_TABLE(key, CATALOG_KEYS, RECORD_KEY, key)
ITEM_TABLE(artifact, CATALOG_ARTIFACTS, RECORD_ARTIFACT, manifest)

/* ---- names ---- */

static size_t ref_key(const char *name, uint8_t key[REF_KEY_MAX])
{
	size_t len = strlen(name);
	struct digest d;

	if (len <= REF_KEY_WHOLE) {
		memcpy(key, name, len);
		return len;
	}
	digest_of(name, len, &d);
	memcpy(key, name, REF_KEY_WHOLE);
	memcpy(key + REF_KEY_WHOLE, d.bytes, DIGEST_SIZE);
	return REF_KEY_MAX;
}

struct ref_copy {
	struct record_ref *ref;
	void *memory;
};

static int copy_ref(void *arg, const struct record_item *item, struct err *err)
{
	struct ref_copy *copy = arg;
	size_t targets = item->ref.count * sizeof(item->ref.targets[0]);
	size_t name;
	char *p;

	if (item->type != RECORD_REF || copy->memory)
		return err_set(err, ERR_CORRUPT, "it is no name");
	name = strlen(item->ref.name) + 1;
	p = malloc(targets + name);
	if (!p)
		return err_nomem(err);
	*copy->ref = item->ref;
	copy->memory = p;
	if (targets)
		memcpy(p, item->ref.targets, targets);
	copy->ref->targets = (const struct record_ref_target *)(void *)p;
	copy->ref->name = memcpy(p + targets, item->ref.name, name);
	return 0;
}

int catalog_ref_get(struct catalog_txn *t, const char *name, struct record_ref *ret,
		    void **ret_memory, struct err *err)
{
	struct ref_copy copy = {.ref = ret};
	uint8_t key[REF_KEY_MAX];
	size_t len = ref_key(name, key);
	MDB_val value;
	int r, rc;

	rc = len ? get(t, CATALOG_REFS, key, len, &value) : MDB_NOTFOUND;
	if (rc == MDB_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "there is no name '%s'", name);
	if (rc)
		return catalog_error(rc, "cannot look up a name", err);
	r = record_decode(value.mv_data, value.mv_size, copy_ref, &copy, err);
	if (r == -ERR_CORRUPT)
		r = catalog_error(MDB_CORRUPTED, "cannot read a name", err);
	if (r < 0) {
		free(copy.memory);
		return r;
	}
	*ret_memory = copy.memory;
	return 0;
}

int catalog_ref_put(struct catalog_txn *t, const struct record_ref *ref, struct err *err)
{
	const struct record_item item = {.type = RECORD_REF, .ref = *ref};
	uint8_t key[REF_KEY_MAX];

	return put_item(t, CATALOG_REFS, key, ref_key(ref->name, key), &item, err);
}

int catalog_ref_remove(struct catalog_txn *t, const char *name, struct err *err)
{
	uint8_t key[REF_KEY_MAX];
	MDB_val k = {ref_key(name, key), key};
	int rc = k.mv_size ? mdb_del(t->mdb, t->env->tables[CATALOG_REFS], &k, NULL) : 0;

	return rc && rc != MDB_NOTFOUND ? catalog_error(rc, "cannot remove a name", err)
					: 0;
}

struct each_ref {
	const char *from;
	catalog_ref_fn *each;
	void *arg;
};

static int each_ref_item(void *arg, const struct record_item *item, struct err *err)
{
	const struct each_ref *e = arg;

	if (item->type != RECORD_REF)
		return catalog_error(MDB_CORRUPTED, "cannot read a name", err);
	/* Keys of long names do not order them fully. */
	if (e->from && strcmp(item->ref.name, e->from) < 0)
		return 0;
	return e->each(e->arg, &item->ref, err);
}

static int each_one_ref(void *arg, const MDB_val *key, const MDB_val *value,
			struct err *err)
{
	(void)key;
	return record_decode(value->mv_data, value->mv_size, each_ref_item, arg, err);
}

int catalog_ref_each(struct catalog_txn *t, const char *from, catalog_ref_fn *each,
		     void *arg, struct err *err)
{
	struct each_ref e = {from, each, arg};
	size_t len = from ? strlen(from) : 0;

	if (len > REF_KEY_WHOLE)
		len = REF_KEY_WHOLE;
	return each_value(t, CATALOG_REFS, from, len, each_one_ref, &e, err);
}

/* ---- trees ---- */

static void number_key(uint32_t number, uint8_t key[4])
{
	number = htobe32(number);
	memcpy(key, &number, 4);
}

static int tree_decode(uint32_t number, const MDB_val *value, struct catalog_tree *ret)
{
	const uint8_t *p = value->mv_data;

	if (value->mv_size != TREE_SIZE)
		return MDB_CORRUPTED;
	*ret = (struct catalog_tree){
		.number = number,
		.owner = p[0],
		.stale = p[1],
		.version = get_le32(p + 2),
	};
	memcpy(ret->id.bytes, p + 6, DIGEST_SIZE);
	memcpy(ret->sha256.bytes, p + 6 + DIGEST_SIZE, DIGEST_SIZE);
	return 0;
}

int catalog_tree_get(struct catalog_txn *t, uint32_t number, struct catalog_tree *ret,
		     struct err *err)
{
	uint8_t key[4];
	MDB_val value;
	int rc;

	number_key(number, key);
	rc = get(t, CATALOG_TREES, key, sizeof(key), &value);
	if (rc == MDB_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "there is no tree %u", number);
	if (rc == 0)
		rc = tree_decode(number, &value, ret);
	return rc ? catalog_error(rc, "cannot look up a tree", err) : 0;
}

int catalog_tree_put(struct catalog_txn *t, const struct catalog_tree *tree,
		     struct err *err)
{
	uint8_t key[4], value[TREE_SIZE];

	number_key(tree->number, key);
	value[0] = (uint8_t)tree->owner;
	value[1] = tree->stale;
	put_le32(value + 2, tree->version);
	memcpy(value + 6, tree->id.bytes, DIGEST_SIZE);
	memcpy(value + 6 + DIGEST_SIZE, tree->sha256.bytes, DIGEST_SIZE);
	return put(t, CATALOG_TREES, key, sizeof(key), value, sizeof(value), err);
}

int catalog_tree_remove(struct catalog_txn *t, uint32_t number, struct err *err)
{
	uint8_t key[4];

	number_key(number, key);
	return remove_key(t, CATALOG_TREES, key, sizeof(key), err);
}

struct each_tree {
	catalog_tree_fn *each;
	void *arg;
};

static int each_one_tree(void *arg, const MDB_val *key, const MDB_val *value,
			 struct err *err)
{
	const struct each_tree *e = arg;
	struct catalog_tree tree;
	uint32_t number;
	int rc = MDB_CORRUPTED;

	if (key->mv_size == sizeof(number)) {
		memcpy(&number, key->mv_data, sizeof(number));
		rc = tree_decode(be32toh(number), value, &tree);
	}
	return rc ? catalog_error(rc, "cannot list the trees", err)
		  : e->each(e->arg, &tree, err);
}

int catalog_tree_each(struct catalog_txn *t, catalog_tree_fn *each, void *arg,
		      struct err *err)
{
	struct each_tree e = {each, arg};

	return each_value(t, CATALOG_TREES, NULL, 0, each_one_tree, &e, err);
}

/* ---- packs ---- */

int catalog_pack_get(struct catalog_txn *t, uint32_t number, uint64_t *ret_length,
		     struct err *err)
{
	uint8_t key[4];
	MDB_val value;
	int rc;

	number_key(number, key);
	rc = get(t, CATALOG_PACKS, key, sizeof(key), &value);
	if (rc == 0 && value.mv_size != 8)
		rc = MDB_CORRUPTED;
	if (rc == MDB_NOTFOUND || (rc == 0 && get_le64(value.mv_data) == PACK_IS_GONE))
		return err_set(err, ERR_NOTFOUND, "nothing of pack %08x is committed",
			       number);
	if (rc)
		return catalog_error(rc, "cannot look up a pack", err);
	*ret_length = get_le64(value.mv_data);
	return 0;
}

int catalog_pack_put(struct catalog_txn *t, uint32_t number, uint64_t length,
		     struct err *err)
{
	uint8_t key[4], value[8];

	number_key(number, key);
	put_le64(value, length);
	return put(t, CATALOG_PACKS, key, sizeof(key), value, sizeof(value), err);
}

int catalog_pack_remove(struct catalog_txn *t, uint32_t number, struct err *err)
{
	return catalog_pack_put(t, number, PACK_IS_GONE, err);
}

int catalog_pack_last(struct catalog_txn *t, uint32_t *ret, struct err *err)
{
	MDB_val key, value;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(t->mdb, t->env->tables[CATALOG_PACKS], &cursor);

	if (rc)
		return catalog_error(rc, "cannot look up a pack", err);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	*ret = 0;
	if (rc == 0 && key.mv_size == 4) {
		memcpy(ret, key.mv_data, 4);
		*ret = be32toh(*ret);
	}
	mdb_cursor_close(cursor);
	return rc && rc != MDB_NOTFOUND ? catalog_error(rc, "cannot look up a pack", err)
					: 0;
}

struct each_pack {
	catalog_pack_fn *each;
	void *arg;
};

static int each_one_pack(void *arg, const MDB_val *key, const MDB_val *value,
			 struct err *err)
{
	const struct each_pack *e = arg;
	uint32_t number;

	if (key->mv_size != 4 || value->mv_size != 8)
		return catalog_error(MDB_CORRUPTED, "cannot list the packs", err);
	if (get_le64(value->mv_data) == PACK_IS_GONE)
		return 0;
	memcpy(&number, key->mv_data, 4);
	return e->each(e->arg, be32toh(number), get_le64(value->mv_data), err);
}

int catalog_pack_each(struct catalog_txn *t, catalog_pack_fn *each, void *arg,
		      struct err *err)
{
	struct each_pack e = {each, arg};

	return each_value(t, CATALOG_PACKS, NULL, 0, each_one_pack, &e, err);
}
