/* SPDX-License-Identifier: Apache-2.0
 * The journal: one file, `journal`, that orders what was committed. A record counts once it
 * is durable; appending it IS the commit.
 *
 *	file   := "LCJRNL01" | u64 zero | record*
 *	record := u32 magic "LJRC" | u32 length of the items | u64 sequence number (from 1, no
 *	          gaps) | u64 XXH3-64 of length, sequence and items | items | padding to 8
 *
 * A torn tail (the file ends inside a record, or its last record has a bad checksum and
 * nothing valid follows) is an append that never happened: it is cut by the next writer.
 * Damage with valid records behind it is reported (ERR_CORRUPT), never cut.
 *
 * Appending needs the store lock (store.c). Reading needs none.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "store/base/buf.h"
#include "store/base/err.h"

#define JOURNAL_RECORD_MAX (64u << 20)

struct journal;

/* Opens `journal` in the directory; CREATE makes it (durably) if missing. */
int journal_open(int dirfd, bool create, bool writable, struct journal **ret,
		 struct err *err) MUST_CHECK;
void journal_close(struct journal *j);

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

#endif
