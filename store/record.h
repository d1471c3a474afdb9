/* SPDX-License-Identifier: Apache-2.0
 * What can be committed: the items of a journal record. A record is a list of items that
 * take effect together or not at all. Encoding in FORMAT.md, "Journal".
 *
 *	item := u16 type | u32 length | payload
 *
 * Strings are u16 length and bytes, no NUL. Unknown item types are refused by a store whose
 * write version is higher than ours (store.h), so they never appear here silently.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "store/base/buf.h"
#include "store/digest.h"
#include "store/pack.h"

enum record_type {
	RECORD_PACK = 1,
	RECORD_LAYER = 2,
	RECORD_CHAIN = 3,
	RECORD_BLOB = 4,
	RECORD_IMAGE = 5,
	RECORD_REF = 6,
	RECORD_UNREF = 7,
	RECORD_TREE = 8,
	RECORD_DROP = 9,
	RECORD_KEY = 10,
	RECORD_UNKEY = 11,
	RECORD_GONE = 12,
	RECORD_PACK_GONE = 13,
	RECORD_ARTIFACT = 16,
};

/* Frames [from, to) of a pack are durable: their tables belong to the catalog. */
struct record_pack {
	uint32_t pack;
	uint64_t from, to;
};

enum layer_flags {
	LAYER_UNRESOLVED_LINKS = 1,  /* has hardlinks to lower layers */
	LAYER_IMPLIED_DIRS = 2,      /* has parents without an entry of their own */
	LAYER_OVERLAY_LOOKALIKE = 4, /* has 0:0 devices or overlay xattrs as data */
	/* Misses content: repair found it damaged. Its tree can be looked at, but importing it
	 * again stores it anew. */
	LAYER_DAMAGED = 8,
};

struct record_layer {
	struct digest diffid;
	struct pack_place recipe; /* the recipe's index frame */
	struct pack_place tree;   /* first of its tree frames; pack 0: none kept */
	uint32_t number;       /* tree number of layers/sha256/<DiffID>, never reused */
	uint32_t flags;        /* enum layer_flags */
	uint64_t tar_size;     /* bytes of the uncompressed tar */
	uint64_t content_size; /* logical bytes of its regular files, each object once */
	uint64_t new_size;     /* of these, bytes that were new to the store */
	uint64_t entries;      /* tar entries */
	int64_t created;       /* seconds since the epoch, when it was committed */
};

struct record_chain {
	struct digest chainid;
	struct digest parent; /* ChainID below, zero for the first layer */
	struct digest diffid; /* topmost layer */
	uint32_t number;      /* tree number of chains/sha256/<ChainID>, never reused */
};

/* A compressed form of a layer that was seen, as registries name it. */
struct record_blob {
	struct digest blob;
	struct digest diffid;
	uint64_t size;        /* compressed bytes */
	uint32_t compression; /* enum inflate_kind */
};

struct record_image {
	struct digest manifest; /* key: digest of the manifest document */
	struct digest config;   /* image ID */
	struct digest chainid;  /* zero: an image without layers */
	char platform[64];      /* "linux/amd64", "linux/arm/v7"; "" unknown */
};

/* One platform of a name. */
struct record_ref_target {
	struct digest manifest;
	char platform[64];
};

#define RECORD_REF_NAME_MAX    1024
#define RECORD_REF_TARGETS_MAX 64

/* NAME (normalised: host/repo:tag) points to these manifests. targets[0] is the one the
 * plain name stands for. `index` is the digest of the index document, zero if none. Without
 * targets the name stands for the artifact whose manifest `index` is. */
struct record_ref {
	const char *name;
	struct digest index;
	uint32_t count;
	const struct record_ref_target *targets;
	int64_t created; /* seconds since the epoch, when the name was set */
};

/* Copies what REF points to: into *RET_MEMORY, which the caller frees. */
int record_ref_copy(const struct record_ref *ref, struct record_ref *ret,
		    void **ret_memory, struct err *err) MUST_CHECK;

struct record_unref {
	const char *name;
};

/* Tree NUMBER was built by writer VERSION with this SHA-256. If a later build of the same
 * tree gives other bytes, SUPERSEDED is the old number: the thing it belonged to (layer or
 * chain) now has NUMBER and the old one is stale for ever. 0: first build. */
struct record_tree {
	uint32_t number;
	uint32_t superseded;
	uint32_t version;
	struct digest sha256;
};

/* The object is not to be had where it was so far (a chunked one that misses a chunk); a
 * later PACK may bring it back. */
struct record_drop {
	struct digest object;
};

#define RECORD_KEY_SCOPE_MAX 255

/* The result of a build step, by its cache digest: a chain, and the image that `run` made of
 * it. A later one with the same key takes its place. */
struct record_key {
	struct digest key;
	struct digest chainid;
	struct digest manifest; /* zero: a chain without an image */
	struct digest parent;   /* key of the step before; zero: none, or not by a key */
	char scope[RECORD_KEY_SCOPE_MAX + 1]; /* "": none */
	int64_t created; /* seconds since the epoch, when it was committed */
};

/* A manifest that is kept for its own sake, whatever it is about: a signature, a build cache,
 * an index of such. NEEDS: a document that has the digests of all that belongs to it, one
 * after the other (artifact.h). An image too has one if it is about another (SUBJECT). */
struct record_artifact {
	struct digest manifest;
	struct digest needs;
	struct digest subject; /* digest of the manifest that it is about; zero: none */
	int64_t created;       /* seconds since the epoch, when it was committed */
};

struct record_unkey {
	struct digest key;
};

enum gone_kind {
	GONE_NUMBER = 0, /* only says how far tree numbers have been given */
	GONE_LAYER = 1,
	GONE_CHAIN = 2,
	GONE_BLOB = 3,
	GONE_IMAGE = 4,
	GONE_ARTIFACT = 5,
};

/* This layer, chain, blob, image or artifact is not there any more. NUMBER: the tree number it had
 * (0: none). It, and every lower one, is never given again. */
struct record_gone {
	uint32_t kind; /* enum gone_kind */
	uint32_t number;
	struct digest id; /* zero for GONE_NUMBER */
};

/* gc: all that was in this pack is not there any more, unless another pack has it. Its number
 * is never used again. */
struct record_pack_gone {
	uint32_t pack;
};

/* A decoded item; string pointers point into the decoded bytes or into `arena`. */
struct record_item {
	enum record_type type;
	union {
		struct record_pack pack;
		struct record_layer layer;
		struct record_chain chain;
		struct record_blob blob;
		struct record_image image;
		struct record_ref ref;
		struct record_unref unref;
		struct record_tree tree;
		struct record_drop drop;
		struct record_key key;
		struct record_unkey unkey;
		struct record_artifact artifact;
		struct record_gone gone;
		struct record_pack_gone pack_gone;
	};
};

/* Appends one item's encoding to BUF. */
int record_encode(struct buf *buf, const struct record_item *item,
		  struct err *err) MUST_CHECK;

/* Decodes the items of a record in order and calls EACH; the item and what it points to are
 * valid during the call. ERR_CORRUPT. Pure function of the bytes: the fuzz target. */
typedef int record_each_fn(void *arg, const struct record_item *item, struct err *err);
int record_decode(const uint8_t *bytes, size_t len, record_each_fn *each, void *arg,
		  struct err *err) MUST_CHECK;

#endif
