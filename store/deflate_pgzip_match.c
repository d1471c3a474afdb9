/* SPDX-License-Identifier: Apache-2.0
 * Matches as level 5 of github.com/klauspost/compress/flate chooses them, which is its
 * default: a table of four-byte hashes, one of seven-byte hashes with the last two places
 * each, a look one byte ahead, and one at the end of short matches. Written from what the
 * stream has to be, and compared with it in the tests. */
#include "store/deflate_pgzip_match.h"

#define REACH     32768                      /* matches are from less far */
#define HISTORY   (5 * DEFLATE_BLOCK_STORED) /* what it keeps before it moves it down */
#define MARGIN    11                         /* no match starts in the last bytes */
#define MATCH_MAX 258
#define SKIP_LOG  6  /* unmatched bytes after which it looks at every second, and so on */
#define SHORT     30 /* a match below this is tried again from its end */
#define UNSEEN    (1 << 16)

static uint32_t short_hash(uint64_t bytes)
{
	return (uint32_t)bytes * 2654435761u >> (32 - PGZIP_TABLE_BITS);
}

static uint32_t long_hash(uint64_t bytes)
{
	return (uint32_t)((bytes << 8) * 58295818150454627u >> (64 - PGZIP_TABLE_BITS));
}

static void see_short(struct pgzip_match *m, uint64_t bytes, int32_t pos)
{
	m->shorts[short_hash(bytes)] = pos + UNSEEN;
}

static void see_long(struct pgzip_match *m, uint64_t bytes, int32_t pos)
{
	struct pgzip_long *l = &m->longs[long_hash(bytes)];

	l->before = l->now;
	l->now = pos + UNSEEN;
}

static bool is_match(const struct pgzip_match *m, int32_t at, int32_t from,
		     uint64_t bytes)
{
	return at - from < REACH && get_le32(m->data + from) == (uint32_t)bytes;
}

/* Equal bytes from here on; the first four are known to be. MAX bytes at most. */
static int32_t length(const struct pgzip_match *m, int32_t at, int32_t from,
		      int32_t known, int32_t max)
{
	const uint8_t *a = m->data + at, *b = m->data + from;
	int32_t n = known, end = m->end - at < max ? m->end - at : max;

	for (; n + 8 <= end; n += 8) {
		uint64_t diff = get_le64(a + n) ^ get_le64(b + n);

		if (diff)
			return n + __builtin_ctzll(diff) / 8;
	}
	while (n < end && a[n] == b[n])
		n++;
	return n;
}

struct found {
	int32_t at, from;
	int32_t len; /* 0: four bytes or more */
};

/* A long candidate at AT, which is in the table as NOW and BEFORE. */
static bool try_long(const struct pgzip_match *m, uint64_t bytes, int32_t at,
		     struct pgzip_long l, struct found *f)
{
	int32_t now = l.now - UNSEEN, before = l.before - UNSEEN;

	if (at - now >= REACH)
		return false;
	*f = (struct found){at, now, 0};
	if (!is_match(m, at, now, bytes)) {
		f->from = before;
		return is_match(m, at, before, bytes);
	}
	if (is_match(m, at, before, bytes)) {
		int32_t other = length(m, at, before, 4, MATCH_MAX);

		f->len = length(m, at, now, 4, MATCH_MAX);
		if (other > f->len)
			*f = (struct found){at, before, other};
	}
	return true;
}

/* After a short match: is there a longer one a byte further? */
static void try_next(const struct pgzip_match *m, uint64_t bytes, int32_t at,
		     struct pgzip_long l, struct found *f)
{
	int32_t from[2] = {l.now - UNSEEN, l.before - UNSEEN};

	for (int i = 0; i < 2; i++) {
		int32_t len;

		if (i == 0 && at - from[0] >= REACH)
			return;
		if (!is_match(m, at, from[i], bytes))
			continue;
		len = length(m, at, from[i], 4, MATCH_MAX);
		if (len > f->len) {
			*f = (struct found){at, from[i], len};
			return;
		}
	}
}

/* The next match at *AT or behind it. *RET_NEXT: the position looked at after it. */
static bool find(struct pgzip_match *m, uint64_t bytes, int32_t at, int32_t emitted,
		 struct found *f, int32_t *ret_next)
{
	int32_t limit = m->end - MARGIN, next;

	for (;; at = next) {
		int32_t near = m->shorts[short_hash(bytes)] - UNSEEN;
		struct pgzip_long far = m->longs[long_hash(bytes)], next_far;
		uint64_t next_bytes;
		bool found;

		next = at + 1 + ((at - emitted) >> SKIP_LOG);
		if (next > limit)
			return false;
		next_bytes = get_le64(m->data + next);
		see_short(m, bytes, at);
		see_long(m, bytes, at);
		found = try_long(m, bytes, at, far, f);
		if (!found && !is_match(m, at, near, bytes)) {
			bytes = next_bytes;
			continue;
		}
		next_far = m->longs[long_hash(next_bytes)];
		see_short(m, next_bytes, next);
		see_long(m, next_bytes, next);
		if (!found) {
			*f = (struct found){at, near, length(m, at, near, 4, MATCH_MAX)};
			try_next(m, next_bytes, next, next_far, f);
		}
		*ret_next = next;
		return true;
	}
}

/* Makes the match as long as it can be, also to the front. */
static void extend(const struct pgzip_match *m, int32_t emitted, struct found *f)
{
	int32_t end;

	if (f->len == 0 || f->len == MATCH_MAX)
		f->len = length(m, f->at, f->from, f->len ? f->len : 4, INT32_MAX);
	end = f->at + f->len;
	if (f->len < SHORT && end < m->end - MARGIN) {
		int32_t seen = m->longs[long_hash(get_le64(m->data + end))].now - UNSEEN;
		int32_t from = seen - f->len + m->skip, at = f->at + m->skip;

		if (from >= m->start && at - from < REACH && at > from) {
			int32_t len = length(m, at, from, 0, INT32_MAX);

			if (len > f->len)
				*f = (struct found){at, from, len};
		}
	}
	while (f->from > m->start && f->at > emitted &&
	       m->data[f->from - 1] == m->data[f->at - 1]) {
		f->at--;
		f->from--;
		f->len++;
	}
}

static void emit_literals(const struct pgzip_match *m, int32_t from, int32_t to,
			  struct deflate_block *b)
{
	for (; from < to; from++)
		deflate_block_literal(b, m->data[from]);
}

/* Each piece is 3 bytes or more. */
static void emit_match(struct deflate_block *b, const struct found *f)
{
	for (int32_t left = f->len; left > 0;) {
		int32_t len = left;

		if (len > MATCH_MAX)
			len = len > MATCH_MAX + 3 ? MATCH_MAX : MATCH_MAX - 3;
		deflate_block_match(b, (unsigned)len, (unsigned)(f->at - f->from));
		left -= len;
	}
}

/* Some of the places inside a match. */
static void see_inside(struct pgzip_match *m, int32_t from, int32_t end)
{
	uint64_t bytes;

	if (from >= end - 1)
		return;
	bytes = get_le64(m->data + from);
	see_short(m, bytes, from);
	see_long(m, bytes, from);
	see_long(m, bytes >> 8, from + 1);
	see_short(m, bytes >> 16, from + 2);
	for (from += 4; from < end - 1; from += 3) {
		bytes = get_le64(m->data + from);
		see_long(m, bytes, from);
		see_short(m, bytes >> 8, from + 1);
	}
}

/* What it keeps is moved down when it is full: older bytes are gone then. */
static void forget(struct pgzip_match *m, size_t len)
{
	if ((size_t)(m->end - m->start) + len > HISTORY)
		m->start = m->end - REACH;
}

void pgzip_match_reset(struct pgzip_match *m, const uint8_t *data)
{
	m->start = m->end = 0;
	memset(m->shorts, 0, sizeof(m->shorts));
	memset(m->longs, 0, sizeof(m->longs));
	m->data = data;
}

void pgzip_match_next(struct pgzip_match *m, size_t len, struct deflate_block *b)
{
	int32_t at, emitted, next;
	uint64_t bytes;
	struct found f;

	forget(m, len);
	at = emitted = m->end;
	m->end += (int32_t)len;
	bytes = get_le64(m->data + at);
	while (find(m, bytes, at, emitted, &f, &next)) {
		extend(m, emitted, &f);
		emit_literals(m, emitted, f.at, b);
		emit_match(b, &f);
		emitted = at = f.at + f.len;
		if (next >= at)
			at = next + 1;
		if (at >= m->end - MARGIN)
			break;
		see_inside(m, at - f.len + 1, at);
		bytes = get_le64(m->data + at - 1);
		see_short(m, bytes, at - 1);
		see_long(m, bytes, at - 1);
		bytes >>= 8;
	}
	if (b->count)
		emit_literals(m, emitted, m->end, b);
}
