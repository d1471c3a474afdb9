/* SPDX-License-Identifier: Apache-2.0
 * The push parser over blocks. Bytes are looked at where the caller has them: only a block
 * that is cut by the end of a push, and bodies of extension headers, are copied. */
#include "store/tar_raw.h"

#include <string.h>

#include "store/tar_block.h"
#include "store/tar_member.h"
#include "store/tar_number.h"

/* All extension headers and maps of an entry, in PAX records. */
#define ENTRY_RECORDS 4u

enum state {
	HEADER,    /* a header block, or the end */
	BODY,      /* the body of an extension header */
	BODY_END,  /* its padding */
	EXTENSION, /* a block of an old GNU sparse map */
	LINK,      /* a hardlink has a size: does content follow or a header? */
	MAP,       /* a PAX 1.0 sparse map */
	MAP_END,   /* its padding */
	PAYLOAD,
	CONTENT, /* payload of what is no regular file */
	PADDING,
	LONE_ZERO, /* one zero block came */
	END,       /* two did: whatever follows is not looked at */
};

struct tar_raw {
	struct tar_limits limits;
	struct tar_raw_sink sink;
	struct tar_member member;
	enum state state;
	uint64_t at;      /* tar offset of the next byte */
	uint64_t entries; /* told so far */
	uint64_t start;   /* of the entry being read */
	uint64_t headers; /* bytes of its extensions and map */
	uint64_t left;    /* bytes of the state, for all but blocks */
	uint64_t told;    /* payload bytes of the extent (or file) that were told */
	size_t extent;
	struct buf *body;
	char extension;
	bool open; /* an entry has begun */
	const uint8_t
		*literal; /* where bytes not yet told begin in what is being pushed */
	size_t filled;
	uint8_t block[TAR_BLOCK_SIZE];
};

int tar_raw_new(const struct tar_limits *limits, const struct tar_raw_sink *sink,
		struct tar_raw **ret, struct err *err)
{
	struct tar_raw *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	t->limits = *limits;
	t->sink = *sink;
	tar_member_init(&t->member);
	*ret = t;
	return 0;
}

void tar_raw_free(struct tar_raw *t)
{
	if (!t)
		return;
	tar_member_release(&t->member);
	free(t);
}

static uint64_t padding_of(uint64_t size)
{
	return -size % TAR_BLOCK_SIZE;
}

/* Says which entry an error is about. */
static int blame(struct tar_raw *t, int r, struct err *err)
{
	const struct tar_raw_entry *e = &t->member.entry;

	if (e->path_len > 0)
		err_wrap(err, "'%.*s'", (int)(e->path_len < 200 ? e->path_len : 200),
			 e->path);
	else
		err_wrap(err, "entry %llu", (unsigned long long)t->entries);
	return r;
}

/* ---- blocks ---- */

/* Counts bytes of an entry's headers against the budget. */
static int charge(struct tar_raw *t, uint64_t len, struct err *err)
{
	uint64_t max = (uint64_t)t->limits.pax_record * ENTRY_RECORDS;

	t->headers += len;
	if (t->headers > max)
		return err_set(err, ERR_LIMIT,
			       "the headers of entry %llu are longer than %llu bytes",
			       (unsigned long long)t->entries, (unsigned long long)max);
	return 0;
}

static int begin_extension(struct tar_raw *t, const struct tar_block *b, struct err *err)
{
	int64_t size;
	int r;

	if (!tar_number_field(b->size, sizeof(b->size), &size) || size <= 0)
		return err_set(err, ERR_INVALID, "an extension header has no size");
	r = tar_member_extend(&t->member, b->type, &t->body, err);
	if (r < 0)
		return r;
	if (size > TAR_MEMBER_BODY_MAX ||
	    ((b->type == 'L' || b->type == 'K') && (uint64_t)size > t->limits.pax_record))
		return err_set(err, ERR_LIMIT,
			       "entry %llu has an extension header of %lld bytes",
			       (unsigned long long)t->entries, (long long)size);
	t->extension = b->type;
	t->left = (uint64_t)size;
	t->state = BODY;
	return charge(t, t->left, err);
}

static int end_extension(struct tar_raw *t, struct err *err)
{
	t->state = BODY_END;
	t->left = padding_of(t->body->len);
	return tar_member_extended(&t->member, t->extension, t->limits.pax_record, err);
}

static void begin_padding(struct tar_raw *t, uint64_t size)
{
	t->state = PADDING;
	t->left = padding_of(size);
}

/* All that describes the entry has been read. */
static int tell_entry(struct tar_raw *t, struct err *err)
{
	struct tar_raw_entry *e = &t->member.entry;
	uint64_t stored = e->payload_size - e->map_size;
	int r = 0;

	if (e->sparse)
		r = tar_member_mapped(&t->member, err);
	if (r == 0 && e->sparse && e->size > t->limits.file_bytes)
		r = err_set(err, ERR_LIMIT, "a sparse file of %llu bytes, more than %llu",
			    (unsigned long long)e->size,
			    (unsigned long long)t->limits.file_bytes);
	if (r < 0)
		return blame(t, r, err);
	if (t->entries == t->limits.entries)
		return err_set(err, ERR_LIMIT, "more than %llu entries",
			       (unsigned long long)t->limits.entries);
	e->ordinal = t->entries++;
	e->start = t->start;
	t->extent = 0;
	t->told = 0;
	t->left = stored;
	t->open = false;
	if (stored == 0)
		begin_padding(t, e->payload_size);
	else
		t->state = e->type == TAR_FILE ? PAYLOAD : CONTENT;
	return t->sink.entry(t->sink.arg, e, err);
}

static int begin_entry(struct tar_raw *t, const struct tar_block *b, struct err *err)
{
	struct tar_member *m = &t->member;
	int r = tar_member_header(m, b, err);

	if (r < 0)
		return blame(t, r, err);
	m->entry.payload = t->at;
	if (m->blocks_follow) {
		t->state = EXTENSION;
		return 0;
	}
	if (m->map_follows && m->entry.payload_size > 0) {
		t->state = MAP;
		return 0;
	}
	if (m->map_follows)
		return blame(t, err_set(err, ERR_INVALID, "its sparse map is missing"),
			     err);
	if (m->entry.type == TAR_HARDLINK && m->entry.payload_size > 0) {
		t->state = LINK;
		return 0;
	}
	return tell_entry(t, err);
}

static int on_header(struct tar_raw *t, const uint8_t *block, struct err *err)
{
	const struct tar_block *b = (const struct tar_block *)block;

	if (tar_block_is_zero(block)) {
		if (t->open && tar_member_is_open(&t->member))
			return err_set(err, ERR_INVALID,
				       "it ends after an extension header");
		t->state = LONE_ZERO;
		return 0;
	}
	if (!tar_block_is_header(b))
		return err_set(err, ERR_INVALID,
			       "the block at offset %llu is no tar header",
			       (unsigned long long)(t->at - TAR_BLOCK_SIZE));
	if (!t->open) {
		tar_member_clear(&t->member);
		t->start = t->at - TAR_BLOCK_SIZE;
		t->headers = 0;
		t->open = true;
	}
	if (b->type == 'x' || b->type == 'g' || b->type == 'L' || b->type == 'K')
		return begin_extension(t, b, err);
	return begin_entry(t, b, err);
}

static int on_extension(struct tar_raw *t, const uint8_t *block, struct err *err)
{
	int r = charge(t, TAR_BLOCK_SIZE, err);

	if (r < 0)
		return r;
	r = tar_member_block(&t->member, block, err);
	if (r < 0)
		return blame(t, r, err);
	t->member.entry.payload = t->at;
	return t->member.blocks_follow ? 0 : tell_entry(t, err);
}

/* POSIX lets hardlinks have content, but many tars give a size and no content. A block that
 * is a header is taken for one; libarchive's view decides whether that is accepted. */
static int on_link(struct tar_raw *t, const uint8_t *block, struct err *err)
{
	bool header = !block || tar_block_is_zero(block) ||
		      tar_block_is_header((const struct tar_block *)block);
	uint64_t size = t->member.entry.payload_size;
	int r;

	if (header)
		t->member.entry.payload_size = 0;
	r = tell_entry(t, err);
	if (r < 0 || !block)
		return r;
	if (header) {
		t->state = HEADER;
		return on_header(t, block, err);
	}
	t->left = size > TAR_BLOCK_SIZE ? size - TAR_BLOCK_SIZE : 0;
	if (t->left == 0)
		t->state = HEADER;
	return 0;
}

static int on_block(struct tar_raw *t, const uint8_t *block, struct err *err)
{
	switch (t->state) {
	case EXTENSION:
		return on_extension(t, block, err);
	case LINK:
		return on_link(t, block, err);
	case LONE_ZERO:
		if (!tar_block_is_zero(block))
			return err_set(err, ERR_INVALID,
				       "a lone zero block is followed by more");
		t->state = END;
		return 0;
	default:
		return on_header(t, block, err);
	}
}

/* ---- bytes ---- */

static int flush_literal(struct tar_raw *t, const uint8_t *end, struct err *err)
{
	const uint8_t *from = t->literal;

	t->literal = end;
	if (from == end)
		return 0;
	return t->sink.literal(t->sink.arg, from, (size_t)(end - from), err);
}

static size_t least(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

/* Each takes some of LEN > 0 bytes from P and says how many. */

static int take_block(struct tar_raw *t, const uint8_t *p, size_t len, size_t *ret,
		      struct err *err)
{
	if (t->filled > 0 || len < TAR_BLOCK_SIZE) {
		size_t n = least(TAR_BLOCK_SIZE - t->filled, len);

		memcpy(t->block + t->filled, p, n);
		t->filled += n;
		t->at += *ret = n;
		if (t->filled < TAR_BLOCK_SIZE)
			return 0;
		p = t->block;
		t->filled = 0;
	} else {
		t->at += *ret = TAR_BLOCK_SIZE;
	}
	return on_block(t, p, err);
}

static int take_body(struct tar_raw *t, const uint8_t *p, size_t len, size_t *ret,
		     struct err *err)
{
	int r;

	*ret = least(t->left, len);
	t->left -= *ret;
	r = buf_append(t->body, p, *ret, err);
	return r < 0 || t->left > 0 ? r : end_extension(t, err);
}

static int take_map(struct tar_raw *t, const uint8_t *p, size_t len, size_t *ret,
		    struct err *err)
{
	struct tar_raw_entry *e = &t->member.entry;
	struct tar_sparse *s = &t->member.sparse;
	bool done;
	int r = tar_sparse_text(s, p, len, ret, &done, err);

	if (r < 0)
		return blame(t, r, err);
	r = charge(t, *ret, err);
	if (r < 0)
		return r;
	e->map_size = s->text + padding_of(s->text);
	if (e->map_size > e->payload_size)
		return blame(t, err_set(err, ERR_INVALID, "its sparse map has no end"),
			     err);
	if (!done)
		return 0;
	t->state = MAP_END;
	t->left = padding_of(s->text);
	return 0;
}

/* The payload bytes up to the end of the extent they are in. */
static int take_payload(struct tar_raw *t, const uint8_t *p, size_t len, size_t *ret,
			struct err *err)
{
	const struct tar_raw_entry *e = &t->member.entry;
	uint64_t off = t->told;
	int r = flush_literal(t, p, err);

	*ret = least(t->left, len);
	if (e->sparse) {
		const struct tar_extent *x = &e->extents[t->extent];

		*ret = least(x->len - t->told, *ret);
		off += x->off;
	}
	t->left -= *ret;
	t->told += *ret;
	if (e->sparse && t->told == e->extents[t->extent].len) {
		t->extent++;
		t->told = 0;
	}
	t->literal = p + *ret;
	if (r == 0)
		r = t->sink.payload(t->sink.arg, e->ordinal, off, p, *ret, err);
	if (t->left == 0)
		begin_padding(t, e->payload_size);
	return r;
}

/* Bytes that only need to be counted; then the state that comes after them. */
static int take_rest(struct tar_raw *t, size_t len, size_t *ret, struct err *err)
{
	*ret = least(t->left, len);
	t->left -= *ret;
	if (t->left > 0)
		return 0;
	if (t->state == CONTENT) {
		begin_padding(t, t->member.entry.payload_size);
		return 0;
	}
	if (t->state == MAP_END)
		return tell_entry(t, err);
	t->state = HEADER;
	return 0;
}

static int take(struct tar_raw *t, const uint8_t *p, size_t len, size_t *ret,
		struct err *err)
{
	int r;

	switch (t->state) {
	case BODY:
		r = take_body(t, p, len, ret, err);
		break;
	case MAP:
		r = take_map(t, p, len, ret, err);
		break;
	case PAYLOAD:
		r = take_payload(t, p, len, ret, err);
		break;
	default:
		r = take_rest(t, len, ret, err);
	}
	t->at += *ret;
	return r;
}

static bool wants_block(const struct tar_raw *t)
{
	return t->state == HEADER || t->state == EXTENSION || t->state == LINK ||
	       t->state == LONE_ZERO;
}

int tar_raw_push(struct tar_raw *t, const void *data, size_t len, struct err *err)
{
	const uint8_t *p = data, *end = p + len;
	int r = 0;

	t->literal = p;
	while (r == 0 && p < end && t->state != END) {
		size_t n = 0;

		/* Paddings may be empty. */
		if (!wants_block(t) && t->left == 0 && t->state != MAP) {
			r = take_rest(t, 0, &n, err);
			continue;
		}
		if (wants_block(t))
			r = take_block(t, p, (size_t)(end - p), &n, err);
		else
			r = take(t, p, (size_t)(end - p), &n, err);
		p += n;
	}
	return r < 0 ? r : flush_literal(t, end, err);
}

static bool partial_is_zero(const struct tar_raw *t)
{
	for (size_t i = 0; i < t->filled; i++)
		if (t->block[i] != 0)
			return false;
	return true;
}

int tar_raw_finish(struct tar_raw *t, struct err *err)
{
	int r;

	/* What is left after the last byte may be empty. */
	while (!wants_block(t) && t->state != END && t->state != MAP && t->left == 0) {
		size_t n;

		r = take_rest(t, 0, &n, err);
		if (r < 0)
			return r;
	}
	if (t->state == LINK && t->filled == 0)
		return on_link(t, NULL, err);
	if (t->state == END || (t->state == LONE_ZERO && partial_is_zero(t)) ||
	    (t->state == HEADER && t->filled == 0 &&
	     !(t->open && tar_member_is_open(&t->member))))
		return 0;
	return err_set(err, ERR_INVALID, "it is cut short after %llu bytes",
		       (unsigned long long)(t->at));
}
