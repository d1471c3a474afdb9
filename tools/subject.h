/* SPDX-License-Identifier: Apache-2.0
 * X on the command line: what a user calls an image, chain, layer or key.
 *
 *	X      := name | [kind ":"] digest
 *	kind   := "image" | "layer" | "chain" | "key"
 *	digest := ["sha256:"] 6 to 64 hex digits, a unique prefix
 *
 * A name is normalised as Docker does. 64 digits are always a digest; fewer are a name
 * first, if there is one. Without kind a digest is tried as key, image, chain, layer. An
 * image is found by its image ID (digest of the config) or by its manifest's digest.
 */
#ifndef TOOLS_SUBJECT_H
#define TOOLS_SUBJECT_H

#include "store/catalog.h"

#define SUBJECT_PREFIX_MIN 6

enum subject_kind {
	SUBJECT_IMAGE = 1,
	SUBJECT_CHAIN,
	SUBJECT_LAYER,
	SUBJECT_KEY,
};

struct subject {
	enum subject_kind kind;
	/* SUBJECT_IMAGE: how it was named, normalised; "" if it was given by a digest */
	char name[RECORD_REF_NAME_MAX + 1];
	union {
		struct record_image image;
		struct record_chain chain;
		struct record_layer layer;
		struct record_key key;
	};
};

enum subject_flags {
	SUBJECT_LAYER_FIRST = 1, /* a bare digest is tried as layer first */
};

/* Finds X. PLATFORM ("os/arch[/variant]"; NULL: the one the name stands for) chooses among
 * the platforms of a name. ERR_NOTFOUND; ERR_INVALID for text that can be no X and for an
 * ambiguous prefix, with the candidates in the text. */
int subject_find(struct catalog_txn *t, const char *text, const char *platform,
		 unsigned flags, struct subject *ret, struct err *err) MUST_CHECK;

/* The ChainID to show as a root filesystem: an image's, key's or chain's own, and a layer's if it
 * is the first of a chain. ERR_NOTFOUND for other layers, ERR_INVALID for an image without
 * layers. */
int subject_chain(struct catalog_txn *t, const struct subject *s, struct digest *ret,
		  struct err *err) MUST_CHECK;

/* The image: an image itself, and the one that was recorded with a key. ERR_NOTFOUND for all
 * else. */
int subject_image(struct catalog_txn *t, const struct subject *s,
		  struct record_image *ret, struct err *err) MUST_CHECK;

/* The layers of a chain, bottom first; *ret is freed by the caller. A parent that is not in
 * the catalog is ERR_CORRUPT. */
int subject_chain_layers(struct catalog_txn *t, const struct digest *chainid,
			 struct record_chain **ret, size_t *ret_count,
			 struct err *err) MUST_CHECK;

/* X taken apart, without a catalog. */
struct subject_text {
	enum subject_kind kind; /* 0: none given */
	bool digest;            /* false: a name */
	bool certain;           /* digest: cannot be a name too */
	struct digest prefix;   /* digest: its digits, then zeros */
	unsigned digits;
};

/* A kind counts only before a digest: "layer:v1" is a name. ERR_INVALID for "sha256:" with
 * too few, too many or other characters behind it. Pure. */
int subject_parse(const char *text, struct subject_text *ret, struct err *err) MUST_CHECK;

/* Whether D starts with the digits. */
bool subject_matches(const struct subject_text *x, const struct digest *d);

#endif
