/* SPDX-License-Identifier: Apache-2.0
 * The table of objects: SHA-256 to place. The only large one, so its values are compact: the
 * fields of a place one after the other, each as an unsigned LEB128:
 *
 *	kind | pack | frame offset | frame length | offset | length
 *
 * (About 15 bytes instead of 28, which makes the whole catalog a fifth smaller.) */
#include "store/catalog_private.h"

#include <string.h>

#define VALUE_MAX (2 + 10 + 4 * 5)

static uint8_t *number_put(uint8_t *p, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		*p++ = (uint8_t)(n | 0x80);
	*p++ = (uint8_t)n;
	return p;
}

static size_t place_encode(const struct object_place *place, uint8_t value[VALUE_MAX])
{
	uint8_t *p = value;

	*p++ = (uint8_t)place->kind;
	p = number_put(p, place->frame.pack);
	p = number_put(p, place->frame.off);
	p = number_put(p, place->frame.len);
	p = number_put(p, place->off);
	p = number_put(p, place->len);
	return (size_t)(p - value);
}

/* A number of at most MAX. NULL: there is none, or P was NULL. */
static const uint8_t *number_get(const uint8_t *p, const uint8_t *end, uint64_t max,
				 uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; p && p < end && shift < 64; shift += 7) {
		uint8_t byte = *p++;
		uint64_t part = byte & 0x7f;

		if (part << shift >> shift != part)
			return NULL;
		n |= part << shift;
		if (byte & 0x80)
			continue;
		*ret = n;
		return n <= max ? p : NULL;
	}
	return NULL;
}

static int place_decode(const MDB_val *value, struct object_place *ret, struct err *err)
{
	const uint8_t *p = value->mv_data, *end = p + value->mv_size;
	uint64_t kind = 0, pack = 0, frame_off = 0, frame_len = 0, off = 0, len = 0;

	p = number_get(p, end, OBJECT_DOCUMENT, &kind);
	p = number_get(p, end, UINT32_MAX, &pack);
	p = number_get(p, end, UINT64_MAX, &frame_off);
	p = number_get(p, end, UINT32_MAX, &frame_len);
	p = number_get(p, end, UINT32_MAX, &off);
	p = number_get(p, end, UINT32_MAX, &len);
	if (p != end || kind < OBJECT_WHOLE)
		return catalog_error(MDB_CORRUPTED, "cannot read an object's place", err);
	*ret = (struct object_place){
		.frame = {.pack = (uint32_t)pack,
			  .len = (uint32_t)frame_len,
			  .off = frame_off},
		.off = (uint32_t)off,
		.len = (uint32_t)len,
		.kind = (enum object_kind)kind,
	};
	return 0;
}

static int key_decode(const MDB_val *key, struct digest *ret, struct err *err)
{
	if (key->mv_size != DIGEST_SIZE)
		return catalog_error(MDB_CORRUPTED, "cannot read an object's name", err);
	memcpy(ret->bytes, key->mv_data, DIGEST_SIZE);
	return 0;
}

int catalog_object_get(struct catalog_txn *t, const struct digest *d,
		       struct object_place *ret, struct err *err)
{
	struct digest copy = *d;
	MDB_val key = {DIGEST_SIZE, copy.bytes}, value;
	int rc = mdb_get(t->mdb, t->env->tables[CATALOG_OBJECTS], &key, &value);
	char text[DIGEST_TEXT_SIZE];

	if (rc == 0)
		return place_decode(&value, ret, err);
	if (rc != MDB_NOTFOUND)
		return catalog_error(rc, "cannot look up an object", err);
	if (!err)
		return -ERR_NOTFOUND;
	return err_set(err, ERR_NOTFOUND, "there is no object %s",
		       digest_format(d, text));
}

/* ---- adding ---- */

static int compare(const void *a, const void *b)
{
	const struct catalog_object *x = a, *y = b;

	return digest_cmp(&x->digest, &y->digest);
}

static int put_sorted(MDB_cursor *cursor, const struct catalog_object *objects,
		      size_t count)
{
	MDB_val key, value;
	struct digest last;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	bool append = rc == MDB_NOTFOUND;

	if (rc && rc != MDB_NOTFOUND)
		return rc;
	if (!append) {
		if (key.mv_size != DIGEST_SIZE)
			return MDB_CORRUPTED;
		memcpy(last.bytes, key.mv_data, DIGEST_SIZE);
	}
	for (size_t i = 0; i < count; i++) {
		struct digest name = objects[i].digest;
		uint8_t bytes[VALUE_MAX];
		size_t len;

		/* Behind the last one pages are filled instead of split. */
		append = append || digest_cmp(&name, &last) > 0;
		len = place_encode(&objects[i].place, bytes);
		key = (MDB_val){DIGEST_SIZE, name.bytes};
		value = (MDB_val){len, bytes};
		rc = mdb_cursor_put(cursor, &key, &value,
				    append ? MDB_APPEND | MDB_NOOVERWRITE
					   : MDB_NOOVERWRITE);
		if (rc && rc != MDB_KEYEXIST)
			return rc;
	}
	return 0;
}

int catalog_object_put(struct catalog_txn *t, struct catalog_object *objects,
		       size_t count, struct err *err)
{
	MDB_cursor *cursor;
	int rc;

	if (count == 0)
		return 0;
	qsort(objects, count, sizeof(*objects), compare);
	rc = mdb_cursor_open(t->mdb, t->env->tables[CATALOG_OBJECTS], &cursor);
	if (rc == 0) {
		rc = put_sorted(cursor, objects, count);
		mdb_cursor_close(cursor);
	}
	return rc ? catalog_error(rc, "cannot add objects", err) : 0;
}

int catalog_object_remove(struct catalog_txn *t, const struct digest *d, struct err *err)
{
	struct digest copy = *d;
	MDB_val key = {DIGEST_SIZE, copy.bytes};
	int rc = mdb_del(t->mdb, t->env->tables[CATALOG_OBJECTS], &key, NULL);

	return rc && rc != MDB_NOTFOUND
		       ? catalog_error(rc, "cannot remove an object", err)
		       : 0;
}

/* ---- searching ---- */

static bool has_prefix(const MDB_val *key, const uint8_t *prefix, unsigned bits)
{
	const uint8_t *p = key->mv_data;
	unsigned whole = bits / 8, rest = bits % 8;

	if (key->mv_size != DIGEST_SIZE || memcmp(p, prefix, whole) != 0)
		return false;
	return rest == 0 || (p[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

static int search_prefix(MDB_cursor *cursor, struct digest *start, unsigned bits,
			 struct digest *ret, struct err *err)
{
	MDB_val key = {DIGEST_SIZE, start->bytes}, value;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

	if (rc == MDB_NOTFOUND || (rc == 0 && !has_prefix(&key, start->bytes, bits)))
		return err_set(err, ERR_NOTFOUND, "no object has that prefix");
	if (rc)
		return catalog_error(rc, "cannot look up an object", err);
	memcpy(ret->bytes, key.mv_data, DIGEST_SIZE);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	if (rc == 0 && has_prefix(&key, start->bytes, bits))
		return err_set(err, ERR_FAILED, "two objects have that prefix");
	if (rc && rc != MDB_NOTFOUND)
		return catalog_error(rc, "cannot look up an object", err);
	return 0;
}

int catalog_object_by_prefix(struct catalog_txn *t, uint64_t prefix, unsigned bits,
			     struct digest *ret, struct err *err)
{
	struct digest start = {0}, found;
	MDB_cursor *cursor;
	int r, rc = mdb_cursor_open(t->mdb, t->env->tables[CATALOG_OBJECTS], &cursor);

	if (rc)
		return catalog_error(rc, "cannot look up an object", err);
	if (bits < 64)
		prefix = bits ? prefix >> (64 - bits) << (64 - bits) : 0;
	for (unsigned i = 0; i < 8; i++)
		start.bytes[i] = (uint8_t)(prefix >> (56 - 8 * i));
	r = search_prefix(cursor, &start, bits < 64 ? bits : 64, &found, err);
	mdb_cursor_close(cursor);
	if (r == 0)
		*ret = found;
	return r;
}

int catalog_object_each(struct catalog_txn *t, catalog_object_fn *each, void *arg,
			struct err *err)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int r = 0, rc = mdb_cursor_open(t->mdb, t->env->tables[CATALOG_OBJECTS], &cursor);

	if (rc)
		return catalog_error(rc, "cannot list objects", err);
	while (r == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct object_place place;
		struct digest d;

		r = key_decode(&key, &d, err);
		if (r == 0)
			r = place_decode(&value, &place, err);
		if (r == 0)
			r = each(arg, &d, &place, err);
	}
	mdb_cursor_close(cursor);
	if (r == 0 && rc != MDB_NOTFOUND)
		r = catalog_error(rc, "cannot list objects", err);
	return r;
}
