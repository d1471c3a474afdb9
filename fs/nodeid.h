/* SPDX-License-Identifier: Apache-2.0
 * Node ids: what a FUSE node id (and st_ino, they are the same) says by itself, so that the
 * daemon needs no inode table, file handles outlive it and no two files of the mount share
 * a number.
 *
 *	nodeid := class (4 high bits) | rest (60 bits)
 *
 * Pure functions, any thread.
 */
#ifndef FS_NODEID_H
#define FS_NODEID_H

#include <stdint.h>

#include "store/digest.h"

enum nodeid_class {
	NODEID_FIXED = 0,     /* enum nodeid_fixed; FUSE's root is 1, 0 is no node */
	NODEID_TREE = 1,      /* tree number (28 bits) | nid (32 bits) */
	NODEID_OBJECT = 2,    /* 60 high bits of the content's SHA-256 */
	NODEID_FANOUT = 3,    /* objects/<aa>: the first byte of the SHA-256 */
	NODEID_NAME_DIR = 4,  /* directory below images/: hash of its path */
	NODEID_NAME_LINK = 5, /* link below images/: hash of its path and target */
	NODEID_LIVING = 6,    /* one version of a living file */
	NODEID_CLASSES = 7,
};

/* Directories and files that every mount has. */
enum nodeid_fixed {
	NODEID_ROOT = 1,
	NODEID_README,
	NODEID_CACHE,
	NODEID_CACHE_SHA256,
	NODEID_CHAINS,
	NODEID_CHAINS_SHA256,
	NODEID_IMAGES,
	NODEID_LAYERS,
	NODEID_LAYERS_SHA256,
	NODEID_OBJECTS,
};

#define NODEID_REST_BITS 60
#define NODEID_REST_MASK ((UINT64_C(1) << NODEID_REST_BITS) - 1)

/* Bounds of what a tree's node id can hold. */
#define NODEID_TREE_MAX ((UINT32_C(1) << 28) - 1)
#define NODEID_NID_MAX  UINT32_MAX

static inline uint64_t nodeid_make(enum nodeid_class class, uint64_t rest)
{
	return (uint64_t) class << NODEID_REST_BITS | (rest & NODEID_REST_MASK);
}

/* May be a number that is no enum nodeid_class: ids come back from NFS clients. */
static inline unsigned nodeid_class(uint64_t id)
{
	return (unsigned)(id >> NODEID_REST_BITS);
}

static inline uint64_t nodeid_rest(uint64_t id)
{
	return id & NODEID_REST_MASK;
}

/* NUMBER <= NODEID_TREE_MAX and NID <= NODEID_NID_MAX, checked by the caller. */
static inline uint64_t nodeid_tree(uint32_t number, uint64_t nid)
{
	return nodeid_make(NODEID_TREE, (uint64_t)number << 32 | nid);
}

static inline uint32_t nodeid_tree_number(uint64_t id)
{
	return (uint32_t)(nodeid_rest(id) >> 32);
}

static inline uint32_t nodeid_tree_nid(uint64_t id)
{
	return (uint32_t)id;
}

/* The HIGH bits of a digest as a number. */
uint64_t nodeid_digest_bits(const struct digest *d, unsigned bits);

uint64_t nodeid_object(const struct digest *d);

/* The 64-bit prefix (low 4 bits zero) of the digest of an OBJECT node. */
static inline uint64_t nodeid_object_prefix(uint64_t id)
{
	return nodeid_rest(id) << (64 - NODEID_REST_BITS);
}

/* 32 further bits of an object's digest: its generation number, so that a handle of
 * another object with the same 60 bits is refused. */
uint32_t nodeid_object_generation(const struct digest *d);

#endif
