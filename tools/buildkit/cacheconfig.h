/* SPDX-License-Identifier: Apache-2.0
 * BuildKit's cache document, `application/vnd.buildkit.cacheconfig.v0`, in memory:
 *
 *	layers   blobs, each with the one below it
 *	records  steps of builds by digest. A record has inputs; an input names other records,
 *	         any one of which will do. A record without inputs is a root: a base image, the
 *	         content of files. Its results are chains of layers.
 *
 * It is a graph: what a record stands for depends on its inputs, so the same digest may occur
 * in several records. Nothing in it names a path. Inline caches, in the config of an image,
 * are the records alone: their layers are those of the image.
 *
 * Pure functions, no recursion, everything bounded.
 */
#ifndef TOOLS_BUILDKIT_CACHECONFIG_H
#define TOOLS_BUILDKIT_CACHECONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/digest.h"

#define CACHECONFIG_MEDIA_TYPE "application/vnd.buildkit.cacheconfig.v0"

#define CACHECONFIG_MAX         (4u << 20) /* bytes of a document that is read */
#define CACHECONFIG_LAYERS_MAX  16384
#define CACHECONFIG_RECORDS_MAX 16384
#define CACHECONFIG_LINKS_MAX   131072
#define CACHECONFIG_INPUTS_MAX  4096 /* of one record */
#define CACHECONFIG_CHAIN_MAX   512  /* layers of one result */
#define CACHECONFIG_TIME_SIZE   40

#define CACHECONFIG_NONE UINT32_MAX

struct cacheconfig_layer {
	struct digest blob;
	uint32_t parent; /* CACHECONFIG_NONE: the lowest */
};

/* One of the records that will do for an input. */
struct cacheconfig_link {
	uint32_t input;
	uint32_t record;
	struct digest
		selector; /* zero: none. Which part of the record's result is used */
};

/* A layer with all that is below it, or, if that is CACHECONFIG_NONE, just these layers. */
struct cacheconfig_result {
	uint32_t layer;
	uint32_t first, count;               /* in `chains` */
	int64_t created_ns;                  /* since the epoch */
	char created[CACHECONFIG_TIME_SIZE]; /* as it was written */
};

struct cacheconfig_record {
	struct digest digest;
	uint32_t inputs;
	uint32_t link_first, link_count; /* by input */
	uint32_t result_first, result_count;
};

struct cacheconfig {
	struct cacheconfig_layer *layers;
	struct cacheconfig_record *records;
	struct cacheconfig_link *links;
	struct cacheconfig_result *results;
	uint32_t *chains;
	uint32_t layer_count, record_count, link_count, result_count, chain_count;
};

/* Also of a zeroed or released one. */
void cacheconfig_release(struct cacheconfig *c);
#define auto_cacheconfig __attribute__((cleanup(cacheconfig_release)))

/* Reads a document. Indexes out of range, cycles of parents or inputs, members that could be
 * mistaken for others are refused: ERR_INVALID, ERR_LIMIT. */
int cacheconfig_parse(const void *bytes, size_t len, struct cacheconfig *ret,
		      struct err *err) MUST_CHECK;

/* Reads the records of an image with LAYERS layers: layer I is on top of layer I - 1. The blobs
 * are zero. */
int cacheconfig_parse_records(const void *bytes, size_t len, uint32_t layers,
			      struct cacheconfig *ret, struct err *err) MUST_CHECK;

/* Appends the document, or its records alone, in the form and order in which they are: what
 * BuildKit wrote comes out as it was. */
int cacheconfig_format(const struct cacheconfig *c, struct buf *ret,
		       struct err *err) MUST_CHECK;
int cacheconfig_format_records(const struct cacheconfig *c, struct buf *ret,
			       struct err *err) MUST_CHECK;

/* Appends how one record is written; for budgets. */
int cacheconfig_format_record(const struct cacheconfig *c, uint32_t record,
			      struct buf *ret, struct err *err) MUST_CHECK;

/* ---- building one ---- */

/* Each adds one at the end. ERR_LIMIT. */
int cacheconfig_add_layer(struct cacheconfig *c, const struct digest *blob,
			  uint32_t parent, struct err *err) MUST_CHECK;
int cacheconfig_add_record(struct cacheconfig *c, const struct digest *digest,
			   struct err *err) MUST_CHECK;

/* To the last record. INPUT is not less than that of the link before, nor leaves one out. */
int cacheconfig_add_link(struct cacheconfig *c, uint32_t input, uint32_t record,
			 const struct digest *selector, struct err *err) MUST_CHECK;

/* To the last record: R, with LAYERS (COUNT of them) for its chain if R names no layer. */
int cacheconfig_add_result(struct cacheconfig *c, const struct cacheconfig_result *r,
			   const uint32_t *layers, uint32_t count,
			   struct err *err) MUST_CHECK;

/* Gives RECORD, which has none, its one result: LAYER and all below. CREATED as in R. */
int cacheconfig_set_result(struct cacheconfig *c, uint32_t record,
			   const struct cacheconfig_result *r,
			   struct err *err) MUST_CHECK;

/* ---- looking at one ---- */

/* The layers of a result, lowest first, at most CACHECONFIG_CHAIN_MAX. Returns how many. */
uint32_t cacheconfig_chain(const struct cacheconfig *c,
			   const struct cacheconfig_result *r, uint32_t *ret);

/* All records so that each comes after those of its inputs; the caller frees *ret. ERR_INVALID:
 * there is a cycle. */
int cacheconfig_order(const struct cacheconfig *c, uint32_t **ret,
		      struct err *err) MUST_CHECK;

/* The time of a result, RFC 3339. ERR_INVALID. */
int cacheconfig_time(const char *text, struct cacheconfig_result *ret,
		     struct err *err) MUST_CHECK;

#endif
