/* SPDX-License-Identifier: Apache-2.0
 * The tree below images/, made from the names of one generation of the store: directories
 * for host and repository, a link per tag and platform. Immutable once made, shared by
 * reference; a new generation gets a new one.
 *
 * A name's place is a hash of its path and a link's node id also of its target, so ids and
 * listing positions are the same in every generation and after a restart.
 */
#ifndef FS_NAMES_H
#define FS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/digest.h"

struct names;

struct names_node {
	uint64_t id;     /* nodeid; NODEID_IMAGES is the top */
	uint64_t parent; /* nodeid */
	uint64_t place;  /* 62 bits: position in the listing of its directory */
	const char *name;
	const char *target;    /* of a link, NULL for a directory */
	struct digest chainid; /* of a link */
};

/* ---- making one ---- */

struct names_maker;

int names_maker_new(struct names_maker **ret, struct err *err) MUST_CHECK;
void names_maker_free(struct names_maker *m); /* NULL is ignored */

AUTO_DEFINE(names_maker, struct names_maker, names_maker_free)
#define auto_names_maker AUTO(names_maker)

/* Adds a link at PATH ("docker.io/library/app:v1") to a chain. Paths with empty, "." or
 * ".." parts or parts over 255 bytes are passed over: no such name could be looked up. */
int names_add(struct names_maker *m, const char *path, const struct digest *chainid,
	      struct err *err) MUST_CHECK;

/* Makes the tree. Where a link and a directory have one name the directory stays; of two
 * links the first added. The maker is empty afterwards. */
int names_finish(struct names_maker *m, struct names **ret, struct err *err) MUST_CHECK;

/* ---- reading one; any thread ---- */

struct names *names_ref(struct names *n);
void names_unref(struct names *n); /* NULL is ignored */

AUTO_DEFINE(names, struct names, names_unref)
#define auto_names AUTO(names)

/* The nodes live as long as the tree. NULL if there is none (or, for ids, more than one:
 * then nobody knows which is meant). */
const struct names_node *names_get(const struct names *n, uint64_t id);
const struct names_node *names_lookup(const struct names *n, uint64_t dir,
				      const char *name);
/* The first entry of DIR at PLACE or behind; the next one in the listing is the following
 * names_next. NULL at the end. */
const struct names_node *names_first(const struct names *n, uint64_t dir, uint64_t place);
const struct names_node *names_next(const struct names *n, const struct names_node *node);

#endif
