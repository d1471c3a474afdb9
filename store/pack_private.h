/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the pack module share: pack_frame.c (bytes of a frame), pack.c (writing),
 * pack_read.c (open packs, reading), pack_scan.c (reading in order). Included by these, and for the
 * names of packs by check_source.c.
 */
#ifndef STORE_PACK_PRIVATE_H
#define STORE_PACK_PRIVATE_H

#include "store/pack.h"

#define PACK_NAME_SIZE 16 /* 8 digits, ".pack" and NUL, rounded up */

void pack_name(uint32_t number, char name[PACK_NAME_SIZE]);

/* ---- pack_frame.c ---- */

void pack_file_header_encode(uint32_t number, uint8_t bytes[PACK_FILE_HEADER_SIZE]);
int pack_file_header_check(const uint8_t bytes[PACK_FILE_HEADER_SIZE], uint32_t number,
			   struct err *err) MUST_CHECK;

struct pack_header {
	enum pack_frame_type type;
	enum codec_method method;
	uint32_t count, stored_len, raw_len;
	uint32_t table_sum;
	uint64_t sum; /* of table and body */
};

static inline uint64_t pack_header_table_len(const struct pack_header *h)
{
	return (uint64_t)h->count * PACK_TABLE_ENTRY_SIZE;
}

/* Length of the whole frame: fits 32 bits whatever a valid header says. */
static inline uint32_t pack_header_frame_len(const struct pack_header *h)
{
	return (uint32_t)(PACK_FRAME_HEADER_SIZE + pack_header_table_len(h) +
			  h->stored_len);
}

/* Fills in both sums, of the encoded table and the body behind it. */
void pack_header_sum(struct pack_header *h, const uint8_t *table_and_body);
void pack_header_encode(const struct pack_header *h, uint64_t off,
			uint8_t bytes[PACK_FRAME_HEADER_SIZE]);
/* Checks everything that the header tells about itself. ERR_CORRUPT. */
int pack_header_decode(const uint8_t bytes[PACK_FRAME_HEADER_SIZE], uint64_t off,
		       struct pack_header *ret, struct err *err) MUST_CHECK;
/* Checks the table's own sum and its entries' bounds. ERR_CORRUPT. */
int pack_header_check_table(const struct pack_header *h, const uint8_t *table,
			    struct err *err) MUST_CHECK;

void pack_entry_encode(const struct pack_entry *e, uint8_t bytes[PACK_TABLE_ENTRY_SIZE]);

/* ---- pack_read.c ---- */

/* A pack in use. */
struct pack_handle {
	int fd;
	struct pack_slot *slot; /* NULL: the descriptor is the user's own */
};

int packs_acquire(struct packs *p, uint32_t number, struct pack_handle *ret,
		  struct err *err) MUST_CHECK;
void packs_release(struct packs *p, struct pack_handle *h);

#endif
