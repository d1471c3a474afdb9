/* SPDX-License-Identifier: Apache-2.0
 * The journal: one file, `journal`, that orders what was committed. A record counts once it
 * is durable; appending it IS the commit.
 *
 *	file   := "LCJRNL01" | u64 zero | record*
 *	record := u32 magic "LJRC" | u32 length of the items | u64 sequence number
 *	          | u64 XXH3-64 of the items, seeded with XXH3-64 of length and sequence number
 *	          | items | zeros up to a multiple of 8
 *
 * Sequence numbers grow by one from record to record. The first is 1, or more in a journal
 * that repair has written anew: one record then stands for all before it.
 *
 * A torn tail is an append that never happened: nothing valid follows, and the file ends
 * inside the record, or blocks of it are zeros because they never reached the disk. The next
 * writer cuts it and keeps the bytes in `journal.cut`. All other damage is reported
 * (ERR_CORRUPT), never cut, that of a last record that was written in full too: its commit
 * has happened.
 *
 * Appending needs the store lock (store.c). Reading needs none.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/err.h"

#define JOURNAL_RECORD_MAX (64u << 20)

struct journal;

/* Opens `journal` in the directory; CREATE makes it (durably) if missing. */
int journal_open(int dirfd, bool create, bool writable, struct journal **ret,
		 struct err *err) MUST_CHECK;
void journal_close(struct journal *j); /* NULL is ignored */

/* Opens it for journal_salvage, whatever its file header says. */
int journal_open_damaged(int dirfd, struct journal **ret, struct err *err) MUST_CHECK;

/* If the file has been replaced under its name (repair), goes over to the new one. */
int journal_refresh(struct journal *j, bool *ret_replaced, struct err *err) MUST_CHECK;

int journal_size(struct journal *j, uint64_t *ret, struct err *err) MUST_CHECK;

/* Whether a valid record numbered SEQ lies at [last, end): is this the journal somebody
 * replayed up to END? */
int journal_fits(struct journal *j, uint64_t last, uint64_t end, uint64_t seq, bool *ret,
		 struct err *err) MUST_CHECK;

/* Position after the file header: where a replay from nothing starts. */
uint64_t journal_start(void);

/* Calls EACH with every record from OFFSET (a position that an earlier replay or append
 * gave) on. *ret_end is the position after the last valid record, *ret_seq its number
 * (AFTER_SEQ if there was none). Leaves a torn tail alone. */
typedef int journal_each_fn(void *arg, uint64_t seq, const uint8_t *items, size_t len,
			    uint64_t end, struct err *err);
int journal_replay(struct journal *j, uint64_t offset, uint64_t after_seq,
		   journal_each_fn *each, void *arg, uint64_t *ret_end, uint64_t *ret_seq,
		   struct err *err) MUST_CHECK;

/* Appends a record at END (cutting a torn tail there) and makes it durable. The caller
 * holds the store lock and has replayed up to END. *ret_end: where the next one goes. If it
 * fails the journal is cut back to END. */
int journal_append(struct journal *j, uint64_t end, uint64_t seq, const void *items,
		   size_t len, uint64_t *ret_end, struct err *err) MUST_CHECK;

/* Calls EACH with every valid record, in order, whatever lies between them; GAP is told of
 * each damaged range, the last one included if it is no torn tail. For repair. */
typedef void journal_gap_fn(void *arg, uint64_t from, uint64_t to);
int journal_salvage(struct journal *j, journal_each_fn *each, void *arg,
		    journal_gap_fn *gap, struct err *err) MUST_CHECK;

/* Puts a new journal in place of what is there, durably: empty (LEN 0), or with one record
 * of these items. Needs the store lock. */
int journal_replace(int dirfd, const void *items, size_t len, uint64_t seq,
		    struct err *err) MUST_CHECK;

#endif
