/* SPDX-License-Identifier: Apache-2.0
 * The directory tree of image names: paths in, sorted arrays out.
 */
#include "fs/names.h"

#include <limits.h>
#include <stdatomic.h>

#include "fs/nodeid.h"
#include "store/base/buf.h"
#include "store/base/endian.h"

#define PLACE_BITS 62

/* All strings of a tree together: a store of a million names needs less. */
#define STRINGS_MAX (1u << 30)

/* While a tree is made strings may move, so nodes have offsets into them. */
struct draft {
	struct names_node node;
	size_t name, target;
};

struct names_maker {
	struct buf drafts;
	struct buf strings;
};

struct names {
	atomic_uint refs;
	size_t count;
	struct names_node *nodes;      /* by (parent, place, name) */
	const struct names_node **ids; /* by id */
	char *strings;
};

/* The place of NAME in the directory with id DIR. */
static uint64_t place_of(uint64_t dir, const char *name, size_t len)
{
	uint8_t bytes[8 + NAME_MAX];
	struct digest d;

	put_le64(bytes, dir);
	memcpy(bytes + 8, name, len);
	digest_of(bytes, 8 + len, &d);
	return nodeid_digest_bits(&d, PLACE_BITS);
}

static uint64_t link_id(uint64_t place, const struct digest *target)
{
	uint8_t bytes[8 + DIGEST_SIZE];
	struct digest d;

	put_le64(bytes, place);
	memcpy(bytes + 8, target->bytes, DIGEST_SIZE);
	digest_of(bytes, sizeof(bytes), &d);
	return nodeid_make(NODEID_NAME_LINK, nodeid_digest_bits(&d, NODEID_REST_BITS));
}

static uint64_t dir_id(uint64_t place)
{
	return nodeid_make(NODEID_NAME_DIR, place >> (PLACE_BITS - NODEID_REST_BITS));
}

int names_maker_new(struct names_maker **ret, struct err *err)
{
	struct names_maker *m = calloc(1, sizeof(*m));

	if (!m)
		return err_nomem(err);
	buf_init(&m->drafts, SIZE_MAX / 2);
	buf_init(&m->strings, STRINGS_MAX);
	*ret = m;
	return 0;
}

void names_maker_free(struct names_maker *m)
{
	if (!m)
		return;
	buf_release(&m->drafts);
	buf_release(&m->strings);
	free(m);
}

static bool is_part(const char *part, size_t len)
{
	return len > 0 && len <= NAME_MAX && !(len == 1 && part[0] == '.') &&
	       !(len == 2 && part[0] == '.' && part[1] == '.');
}

/* How many directories deep PATH is; -1 if a part of it cannot be a file name. */
static int depth_of(const char *path)
{
	int depth = 0;

	for (;; path++, depth++) {
		size_t len = strcspn(path, "/");

		if (!is_part(path, len))
			return -1;
		path += len;
		if (!*path)
			return depth;
	}
}

static int add_string(struct names_maker *m, const char *text, size_t len, size_t *ret,
		      struct err *err)
{
	size_t at = m->strings.len;
	int rc = buf_append(&m->strings, text, len, err);

	if (!rc)
		rc = buf_append_u8(&m->strings, 0, err);
	if (!rc)
		*ret = at;
	return rc;
}

/* A link in images/ that is DEPTH directories down climbs out of them and of images/. */
static int add_target(struct names_maker *m, int depth, const struct digest *chainid,
		      size_t *ret, struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	size_t at = m->strings.len;
	int rc = 0;

	for (int i = 0; i <= depth && !rc; i++)
		rc = buf_append(&m->strings, "../", 3, err);
	if (!rc)
		rc = buf_printf(&m->strings, err, "chains/sha256/%s",
				digest_hex(chainid, hex));
	if (!rc)
		rc = buf_append_u8(&m->strings, 0, err);
	if (!rc)
		*ret = at;
	return rc;
}

int names_add(struct names_maker *m, const char *path, const struct digest *chainid,
	      struct err *err)
{
	uint64_t parent = NODEID_IMAGES;
	int depth = depth_of(path);

	if (depth < 0)
		return 0;
	for (int i = 0; i <= depth; i++) {
		size_t len = strcspn(path, "/");
		struct draft d = {.node.parent = parent,
				  .node.place = place_of(parent, path, len),
				  .target = SIZE_MAX};
		int rc = add_string(m, path, len, &d.name, err);

		if (!rc && i == depth) {
			d.node.id = link_id(d.node.place, chainid);
			d.node.chainid = *chainid;
			rc = add_target(m, depth, chainid, &d.target, err);
		} else {
			d.node.id = dir_id(d.node.place);
		}
		if (!rc)
			rc = buf_append(&m->drafts, &d, sizeof(d), err);
		if (rc)
			return rc;
		parent = d.node.id;
		path += len + 1;
	}
	return 0;
}

static int cmp_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Directories before links, so that they win; what was added first before the rest (its
 * strings come first). */
static int cmp_nodes(const void *va, const void *vb)
{
	const struct names_node *a = va, *b = vb;
	int c = cmp_u64(a->parent, b->parent);

	if (!c)
		c = cmp_u64(a->place, b->place);
	if (!c)
		c = strcmp(a->name, b->name);
	if (!c)
		c = !!a->target - !!b->target;
	return c ? c : cmp_u64((uintptr_t)a->name, (uintptr_t)b->name);
}

static int cmp_ids(const void *va, const void *vb)
{
	const struct names_node *const *a = va, *const *b = vb;

	return cmp_u64((*a)->id, (*b)->id);
}

/* Sorts, drops what has a name that is taken, and fills the index by id. */
static void arrange(struct names *n, size_t count)
{
	qsort(n->nodes, count, sizeof(*n->nodes), cmp_nodes);
	for (size_t i = 0; i < count; i++) {
		const struct names_node *last = n->count ? &n->nodes[n->count - 1] : NULL;

		if (last && last->parent == n->nodes[i].parent &&
		    strcmp(last->name, n->nodes[i].name) == 0)
			continue;
		n->nodes[n->count++] = n->nodes[i];
	}
	for (size_t i = 0; i < n->count; i++)
		n->ids[i] = &n->nodes[i];
	qsort(n->ids, n->count, sizeof(struct names_node *), cmp_ids);
}

int names_finish(struct names_maker *m, struct names **ret, struct err *err)
{
	size_t count = m->drafts.len / sizeof(struct draft);
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return err_nomem(err);
	atomic_init(&n->refs, 1);
	n->nodes = calloc(count + 1, sizeof(*n->nodes));
	n->ids = calloc(count + 1, sizeof(*n->ids));
	if (!n->nodes || !n->ids) {
		names_unref(n);
		return err_nomem(err);
	}
	n->strings = (char *)m->strings.data;
	for (size_t i = 0; i < count; i++) {
		struct draft d;

		memcpy(&d, m->drafts.data + i * sizeof(d), sizeof(d));
		n->nodes[i] = d.node;
		n->nodes[i].name = n->strings + d.name;
		if (d.target != SIZE_MAX)
			n->nodes[i].target = n->strings + d.target;
	}
	m->strings.data = NULL;
	m->strings.len = m->strings.cap = 0;
	buf_release(&m->drafts);
	arrange(n, count);
	*ret = n;
	return 0;
}

struct names *names_ref(struct names *n)
{
	atomic_fetch_add(&n->refs, 1);
	return n;
}

void names_unref(struct names *n)
{
	if (!n || atomic_fetch_sub(&n->refs, 1) != 1)
		return;
	free(n->nodes);
	free(n->ids);
	free(n->strings);
	free(n);
}

const struct names_node *names_get(const struct names *n, uint64_t id)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (n->ids[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == n->count || n->ids[low]->id != id)
		return NULL;
	if (low + 1 < n->count && n->ids[low + 1]->id == id)
		return NULL;
	return n->ids[low];
}

const struct names_node *names_first(const struct names *n, uint64_t dir, uint64_t place)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct names_node *node = &n->nodes[mid];

		if (node->parent < dir || (node->parent == dir && node->place < place))
			low = mid + 1;
		else
			high = mid;
	}
	return low < n->count && n->nodes[low].parent == dir ? &n->nodes[low] : NULL;
}

const struct names_node *names_next(const struct names *n, const struct names_node *node)
{
	const struct names_node *next = node + 1;

	return next < n->nodes + n->count && next->parent == node->parent ? next : NULL;
}

const struct names_node *names_lookup(const struct names *n, uint64_t dir,
				      const char *name)
{
	size_t len = strlen(name);
	uint64_t place;

	if (len > NAME_MAX)
		return NULL;
	place = place_of(dir, name, len);
	for (const struct names_node *node = names_first(n, dir, place);
	     node && node->place == place; node = names_next(n, node))
		if (strcmp(node->name, name) == 0)
			return node;
	return NULL;
}
