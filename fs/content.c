/* SPDX-License-Identifier: Apache-2.0
 * objects/<aa>/<62 hex>: content by its SHA-256, looked up and never listed.
 */
#include <string.h>

#include "fs/classes.h"
#include "fs/listing.h"
#include "store/catalog.h"

static void fill_fanout(struct fs *fs, unsigned byte, struct fuse_entry_param *ret)
{
	node_fill(fs, nodeid_make(NODEID_FANOUT, byte),
		  S_IFDIR | (fs->share_objects ? 0755 : 0700), ret);
	ret->entry_timeout = ret->attr_timeout = NODE_FOREVER;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int fanout_lookup(struct fs *fs, const char *name, struct fuse_entry_param *ret,
		  struct err *err)
{
	int high = hex_digit(name[0]), low = high < 0 ? -1 : hex_digit(name[1]);

	if (low < 0 || name[2])
		return node_missing(name, err);
	fill_fanout(fs, (unsigned)(high << 4 | low), ret);
	return 0;
}

static int fanout_get(struct fs *fs, uint64_t id, bool hold, struct fuse_entry_param *ret,
		      struct err *err)
{
	(void)hold;
	if (nodeid_rest(id) > UINT8_MAX)
		return node_stale(err);
	fill_fanout(fs, (unsigned)nodeid_rest(id), ret);
	return 0;
}

static int fill_content(struct fs *fs, const struct digest *d,
			struct fuse_entry_param *ret, struct err *err)
{
	uint64_t size;
	int rc = objects_size(fs->objects, d, &size, err);

	if (rc)
		return rc;
	node_fill(fs, nodeid_object(d), S_IFREG | 0444, ret);
	ret->generation = nodeid_object_generation(d);
	ret->attr.st_uid = 0;
	ret->attr.st_gid = 0;
	ret->attr.st_size = (off_t)size;
	ret->attr.st_blocks = (blkcnt_t)((size + 511) / 512);
	memset(&ret->attr.st_mtim, 0, sizeof(ret->attr.st_mtim));
	ret->attr.st_atim = ret->attr.st_ctim = ret->attr.st_mtim;
	ret->entry_timeout = ret->attr_timeout = NODE_FOREVER;
	return 0;
}

/* A digest that is no content of a file is not there: documents have their own places. */
static int find_content(struct fs *fs, const struct digest *d, struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	struct object_place place;
	int rc = catalog_begin(store_catalog(fs->store), false, &txn, err);

	if (!rc)
		rc = store_object_get(fs->store, txn, d, &place, err);
	if (!rc && place.kind == OBJECT_DOCUMENT)
		return err_set(err, ERR_NOTFOUND, "no such object");
	return rc;
}

static int fanout_file(struct fs *fs, uint64_t dir, const char *name,
		       struct fuse_entry_param *ret, struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest d;
	int rc;

	if (strcmp(name, "..") == 0) {
		fixed_entry(fs, NODEID_OBJECTS, ret);
		return 0;
	}
	if (nodeid_rest(dir) > UINT8_MAX)
		return node_stale(err);
	if (strlen(name) != DIGEST_HEX_SIZE - 3)
		return node_missing(name, err);
	snprintf(hex, sizeof(hex), "%02x%s", (unsigned)nodeid_rest(dir), name);
	if (digest_parse_hex(hex, strlen(hex), &d, NULL))
		return node_missing(name, err);
	rc = find_content(fs, &d, err);
	return rc ? rc : fill_content(fs, &d, ret, err);
}

static int fanout_readdir(struct fs *fs, uint64_t dir, uint64_t offset,
			  struct listing *out, struct err *err)
{
	(void)fs;
	(void)err;
	listing_add_dots(out, dir, NODEID_OBJECTS, offset);
	return 0;
}

/* Two objects with the same 60 bits: nobody knows which is meant, so it is an error. */
static int digest_of_node(struct fs *fs, uint64_t id, struct digest *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	int rc = catalog_begin(store_catalog(fs->store), false, &txn, err);

	if (!rc)
		rc = catalog_object_by_prefix(txn, nodeid_object_prefix(id),
					      NODEID_REST_BITS, ret, err);
	if (rc == -ERR_NOTFOUND)
		rc = alternates_object_by_prefix(store_alternates(fs->store),
						 nodeid_object_prefix(id),
						 NODEID_REST_BITS, ret, err);
	return rc == -ERR_NOTFOUND ? node_stale(err) : rc;
}

static int content_get(struct fs *fs, uint64_t id, bool hold,
		       struct fuse_entry_param *ret, struct err *err)
{
	struct digest d;
	int rc = digest_of_node(fs, id, &d, err);

	(void)hold;
	return rc ? rc : fill_content(fs, &d, ret, err);
}

static int content_read(struct fs *fs, uint64_t id, uint64_t off, void *data, size_t len,
			size_t *ret_len, struct err *err)
{
	struct digest d;
	int rc = digest_of_node(fs, id, &d, err);

	return rc ? rc : objects_read(fs->objects, &d, off, data, len, ret_len, err);
}

const struct node_class fanout_class = {
	.get = fanout_get,
	.lookup = fanout_file,
	.readdir = fanout_readdir,
};

const struct node_class content_class = {
	.get = content_get,
	.read = content_read,
};
