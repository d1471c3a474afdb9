/* SPDX-License-Identifier: Apache-2.0
 * chains/sha256, layers/sha256 and cache/sha256: every known digest is a directory.
 *
 * A key's directory is its chain's, under one more name: the same node. The kernel keeps one
 * entry per directory and moves it to the name that was looked up last, so both names work at
 * any time, for NFS and overlays as well; ".." of it is chains/sha256 to who asks by handle.
 *
 * A digest's position in the listing is its 62 high bits, so a listing can go on after
 * any change. Entries are listed from the catalog alone: no tree is opened or built for
 * `ls`.
 */
#include <string.h>

#include "fs/classes.h"
#include "fs/listing.h"
#include "store/catalog.h"
#include "store/tree_read.h"

#define PLACE_BITS 62
#define PLACE_MAX  ((UINT64_C(1) << PLACE_BITS) - 1)

int digests_lookup(struct fs *fs, enum tree_owner owner, const char *name,
		   struct fuse_entry_param *ret, struct err *err)
{
	struct forest_tree *tree;
	struct digest d;
	int rc;

	if (digest_parse_hex(name, strlen(name), &d, NULL))
		return node_missing(name, err);
	if (owner == TREE_OF_CHAIN)
		rc = forest_get_chain(fs->forest, &d, &tree, err);
	else
		rc = forest_get_layer(fs->forest, &d, &tree, err);
	if (rc)
		return rc;
	rc = trees_root(fs, tree, ret, err);
	forest_put(fs->forest, tree);
	return rc;
}

static int find_key(struct fs *fs, const struct digest *d, struct record_key *ret,
		    struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	int rc = catalog_begin(store_catalog(fs->store), false, &txn, err);

	return rc ? rc : catalog_key_get(txn, d, ret, err);
}

int keys_lookup(struct fs *fs, const char *name, struct fuse_entry_param *ret,
		struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	struct record_key key;
	struct digest d;
	int rc;

	if (digest_parse_hex(name, strlen(name), &d, NULL))
		return node_missing(name, err);
	rc = find_key(fs, &d, &key, err);
	return rc ? rc
		  : digests_lookup(fs, TREE_OF_CHAIN, digest_hex(&key.chainid, hex), ret,
				   err);
}

static int add_digest(struct listing *out, const struct digest *d, uint32_t number)
{
	uint64_t place = nodeid_digest_bits(d, PLACE_BITS);
	char hex[DIGEST_HEX_SIZE];

	return !listing_add(out, digest_hex(d, hex), nodeid_tree(number, TREE_ROOT_NID),
			    S_IFDIR, LISTING_FIRST + place);
}

static int add_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	(void)err;
	return add_digest(arg, &chain->chainid, chain->number);
}

static int add_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	(void)err;
	return add_digest(arg, &layer->diffid, layer->number);
}

struct filling {
	struct listing *out;
	struct catalog_txn *txn;
};

/* A key whose chain is missing is verify's business. */
static int add_key(void *arg, const struct record_key *key, struct err *err)
{
	struct filling *f = arg;
	struct record_chain chain;
	int rc = catalog_chain_get(f->txn, &key->chainid, &chain, err);

	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	return add_digest(f->out, &key->key, chain.number);
}

/* The first digest behind a position. */
static void digest_behind(uint64_t offset, struct digest *ret)
{
	uint64_t place = (offset - LISTING_FIRST + 1) << (64 - PLACE_BITS);

	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < sizeof(place); i++)
		ret->bytes[i] = (uint8_t)(place >> (56 - 8 * i));
}

/* Where a listing goes on: *ret_from NULL at the start. False: behind the last digest. */
static bool start_at(uint64_t offset, struct digest *d, struct digest **ret_from)
{
	if (offset >= LISTING_FIRST + PLACE_MAX)
		return false;
	*ret_from = NULL;
	if (offset >= LISTING_FIRST) {
		digest_behind(offset, d);
		*ret_from = d;
	}
	return true;
}

int digests_readdir(struct fs *fs, enum tree_owner owner, uint64_t offset,
		    struct listing *out, struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	struct digest d, *from;
	int rc;

	if (!start_at(offset, &d, &from))
		return 0;
	rc = catalog_begin(store_catalog(fs->store), false, &txn, err);
	if (!rc && owner == TREE_OF_CHAIN)
		rc = catalog_chain_each(txn, from, add_chain, out, err);
	else if (!rc)
		rc = catalog_layer_each(txn, from, add_layer, out, err);
	return rc < 0 ? rc : 0;
}

int keys_readdir(struct fs *fs, uint64_t offset, struct listing *out, struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	struct filling f = {.out = out};
	struct digest d, *from;
	int rc;

	if (!start_at(offset, &d, &from))
		return 0;
	rc = catalog_begin(store_catalog(fs->store), false, &txn, err);
	f.txn = txn;
	if (!rc)
		rc = catalog_key_each(txn, from, add_key, &f, err);
	return rc < 0 ? rc : 0;
}
