/* SPDX-License-Identifier: Apache-2.0
 * Packs: append-only files of checksummed frames; the truth of the store (with the journal).
 *
 * Writing: one pack_writer per import session; it holds the pack's flock, so no two
 * processes append to one pack. pack_append may be called from many threads. Reading:
 * struct packs, a thread-safe set of open read-only descriptors.
 *
 * Nothing here knows what is committed: store.c asks the journal and the catalog.
 */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/codec.h"
#include "store/digest.h"
#include "store/pack_format.h"

/* Packs are closed for appending once they are this long. */
#define PACK_SIZE_TARGET (1ull << 30)

/* Where a frame is. `len` is the whole frame, header and table included. */
struct pack_place {
	uint32_t pack;
	uint32_t len;
	uint64_t off;
};

/* Packs of an alternate (alternates.h) have numbers with this bit, the alternate's slot in the
 * next 7 and the number they have there in the rest. Only in memory: no frame and no record
 * ever names such a number. */
#define PACK_ALTERNATE       0x80000000u
#define PACK_ALTERNATES_MAX  128u
#define PACK_ALTERNATE_SHIFT 24
#define PACK_ALTERNATE_BITS  0xff000000u

/* A place that is written in a frame at CONTAINER means the packs that frame is among. */
static inline void pack_place_beside(struct pack_place *place,
				     const struct pack_place *container)
{
	if (container->pack & PACK_ALTERNATE)
		place->pack = (place->pack & ~PACK_ALTERNATE_BITS) |
			      (container->pack & PACK_ALTERNATE_BITS);
}

struct pack_entry {
	struct digest digest;
	uint32_t off; /* in the raw body */
	uint32_t len;
};

/* ---- writing ---- */

struct pack_writer;

/* Opens (CREATE: makes) pack NUMBER in the directory and takes its lock without waiting:
 * ERR_BUSY if another process appends to it. Cuts the file to COMMITTED bytes (0: new); one
 * that is shorter is ERR_CORRUPT. The caller read COMMITTED under the store lock and still
 * holds that, so it cannot be out of date. PACKS_DIRFD is borrowed. */
int pack_writer_open(int packs_dirfd, uint32_t number, uint64_t committed, bool create,
		     struct pack_writer **ret, struct err *err) MUST_CHECK;

/* Closes and unlocks; what was appended stays. NULL is ignored. */
void pack_writer_close(struct pack_writer *w);

/* Cuts the pack back to the length it had when opened: an aborted session. A pack that was
 * created by this writer and has nothing committed is removed. */
void pack_writer_abort(struct pack_writer *w);

/* Removes the pack: nothing of it is committed any more. Frees the writer. */
void pack_writer_remove(struct pack_writer *w);

/* Writes the file header of a pack anew (repair): nothing else of it is touched. */
int pack_mend_header(int packs_dirfd, uint32_t number, struct err *err) MUST_CHECK;

uint32_t pack_writer_number(const struct pack_writer *w);
/* End of the last complete append. */
uint64_t pack_writer_length(struct pack_writer *w);

/* Appends one frame. Thread-safe. BODY is as encoded by METHOD, RAW_LEN its decoded
 * length. */
int pack_append(struct pack_writer *w, enum pack_frame_type type,
		enum codec_method method, const struct pack_entry *table, uint32_t count,
		const void *body, uint32_t stored_len, uint32_t raw_len,
		struct pack_place *ret, struct err *err) MUST_CHECK;

/* Makes everything appended so far durable, the directory entry included. */
int pack_writer_sync(struct pack_writer *w, struct err *err) MUST_CHECK;

/* ---- reading ---- */

struct packs;

/* PACKS_DIRFD is borrowed. Reading from a pack that is not there is ERR_NOTFOUND. At most
 * 512 descriptors are kept open. */
int packs_new(int packs_dirfd, struct packs **ret, struct err *err) MUST_CHECK;
void packs_free(struct packs *p); /* NULL is ignored */

/* From now on packs of SLOT (below PACK_ALTERNATES_MAX) are looked for in DIRFD, which is
 * borrowed. The slot has none yet. */
void packs_attach(struct packs *p, unsigned slot, int dirfd);

/* Opens a pack, so that what is in it can be read even if gc removes it soon. */
void packs_warm(struct packs *p, uint32_t number);

/* Has a frame read from disk into the page cache, without waiting for it. */
void packs_fetch(struct packs *p, const struct pack_place *at);

/* Closes packs that were removed and are not being read, so that their space is given back.
 * For processes that live long. */
void packs_drop_removed(struct packs *p);

/* A decoded view of frame bytes in memory; the pointers point into these bytes. */
struct pack_frame {
	enum pack_frame_type type;
	enum codec_method method;
	uint32_t count;
	uint32_t stored_len;
	uint32_t raw_len;
	const uint8_t
		*table; /* count * PACK_TABLE_ENTRY_SIZE bytes, see pack_frame_entry */
	const uint8_t *body;
};

/* Checks and decodes a whole frame (both checksums, its offset, every bound).
 * ERR_CORRUPT. Pure function of the bytes: the fuzz target. */
int pack_frame_decode(const uint8_t *bytes, size_t len, uint64_t off,
		      struct pack_frame *ret, struct err *err) MUST_CHECK;

void pack_frame_entry(const struct pack_frame *f, uint32_t i, struct pack_entry *ret);

/* Reads a frame by place into BUF (cleared first) and decodes it. */
int pack_read(struct packs *p, const struct pack_place *at, struct buf *buf,
	      struct pack_frame *ret, struct err *err) MUST_CHECK;

/* Reads, checks and decompresses: RAW (cleared first) gets the raw body. BUF is scratch. */
int pack_read_body(struct packs *p, const struct pack_place *at, struct codec *codec,
		   struct buf *scratch, struct buf *raw, enum pack_frame_type *ret_type,
		   struct err *err) MUST_CHECK;

/* Calls EACH for every frame that starts in [from, to), in order, with its table read and
 * checked; BODY false leaves frame->body NULL and does not read it (then only the checksums
 * of header and table are checked). EACH returns < 0 to stop. On a damaged or unreadable
 * frame: ERR_CORRUPT, or with RESYNC the scan goes on behind it (if its header is whole) or
 * at the next byte where a valid frame header with its own offset stands, and DAMAGED (may
 * be NULL) is told the skipped range. */
typedef int pack_each_fn(void *arg, const struct pack_place *at,
			 const struct pack_frame *frame, struct err *err);
typedef void pack_damaged_fn(void *arg, uint32_t pack, uint64_t from, uint64_t to);
int pack_scan(struct packs *p, uint32_t number, uint64_t from, uint64_t to, bool body,
	      bool resync, pack_each_fn *each, pack_damaged_fn *damaged, void *arg,
	      struct err *err) MUST_CHECK;

/* Numbers of all pack files present, sorted. The caller frees *ret. */
int packs_list(struct packs *p, uint32_t **ret, size_t *ret_count,
	       struct err *err) MUST_CHECK;

#endif
