/* SPDX-License-Identifier: Apache-2.0
 * Scans tars from memory and keeps what comes out, for tests. */
#ifndef TESTS_UNIT_TAR_SEEN_H
#define TESTS_UNIT_TAR_SEEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/tar_scan.h"
#include "tests/unit/tar_blocks.h"

#define HASH_MAX (16u << 20)

/* What a PAX header says of a sparse file whose map is in its data. */
#define SPARSE_1 "GNU.sparse.major=1\nGNU.sparse.minor=0\n"

/* What came out of a scan. */
struct seen {
	struct buf list;   /* a line per entry, as in the lists of the samples */
	struct buf framed; /* the tar again, from literals and content */
	struct buf content;
	struct buf *framing_of; /* the tar itself: payload is taken from there */
	struct tar_entry entry;
	char head[16384], tail[16384]; /* of the entry's line */
	uint64_t told, entries, pieces, payload;
	bool content_wanted;
	struct tar_result result;
	struct digest diffid;
};

static inline void seen_init(struct seen *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->list, 4 << 20);
	buf_init(&s->framed, 64 << 20);
	buf_init(&s->content, HASH_MAX);
	s->content_wanted = true;
}

static inline void seen_release(struct seen *s)
{
	buf_release(&s->list);
	buf_release(&s->framed);
	buf_release(&s->content);
}

static inline void quote(char **out, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] > ' ' && s[i] != '\\' && s[i] != 127)
			*(*out)++ = s[i];
		else
			*out += sprintf(*out, "\\x%02x", (uint8_t)s[i]);
	}
}

/* A time as PAX spells it. */
static inline void print_time(char **out, int64_t s, uint32_t ns)
{
	bool flip = s < 0 && ns > 0;

	if (flip)
		*out += sprintf(*out, "-%lld", -(long long)(s + 1));
	else
		*out += sprintf(*out, "%lld", (long long)s);
	if (ns == 0)
		return;
	*out += sprintf(*out, ".%09u", flip ? 1000000000 - ns : ns);
	while ((*out)[-1] == '0')
		--*out;
}

static inline int on_entry(void *arg, const struct tar_entry *e, struct err *err)
{
	static const char *const types[] = {"file", "dir",   "symlink", "hardlink",
					    "char", "block", "fifo"};
	struct seen *s = arg;
	char *out = s->head;
	size_t len = e->path_len;

	(void)err;
	s->entry = *e;
	s->told = 0;
	s->entries++;
	buf_clear(&s->content);
	while (e->type == TAR_DIR && len > 0 && e->path[len - 1] == '/')
		len--;
	out += sprintf(out, "%s %o %u %u ", types[e->type], e->mode, e->uid, e->gid);
	print_time(&out, e->mtime, e->mtime_nsec);
	out += sprintf(out, " %llu ", (unsigned long long)e->size);
	quote(&out, e->path, len);
	if (e->link_len > 0) {
		out += sprintf(out, " -> ");
		quote(&out, e->link, e->link_len);
	}
	if (e->type == TAR_CHAR || e->type == TAR_BLOCK)
		out += sprintf(out, " %u,%u", e->rdev_major, e->rdev_minor);
	*out = '\0';
	out = s->tail;
	for (size_t i = 0; i < e->xattr_count; i++) {
		const uint8_t *v = e->xattrs[i].value;

		if (out - s->tail > 8192)
			break;
		out += sprintf(out, " %.255s=", e->xattrs[i].name);
		for (size_t j = 0; j < e->xattrs[i].value_len && j < 1024; j++)
			out += sprintf(out, "%02x", v[j]);
	}
	*out = '\0';
	return 0;
}

static inline int on_data(void *arg, const void *data, size_t len, struct err *err)
{
	struct seen *s = arg;

	assert_true(len > 0);
	s->told += len;
	s->pieces++;
	return s->content_wanted ? buf_append(&s->content, data, len, err) : 0;
}

static inline int on_hole(void *arg, uint64_t len, struct err *err)
{
	struct seen *s = arg;

	assert_true(len > 0);
	s->told += len;
	if (s->told > HASH_MAX)
		return 0;
	return s->content_wanted ? buf_append_zeros(&s->content, (size_t)len, err) : 0;
}

static inline int on_entry_end(void *arg, struct err *err)
{
	char hex[DIGEST_HEX_SIZE] = "";
	struct seen *s = arg;
	struct digest d;

	if (s->content_wanted)
		assert_int_equal(s->told, s->entry.size);
	digest_of(s->content.data, s->content.len, &d);
	if (s->entry.type == TAR_FILE && s->content_wanted)
		digest_hex(&d, hex);
	hex[16] = '\0';
	return buf_printf(&s->list, err, "%s%s%s%s\n", s->head, *hex ? " " : "", hex,
			  s->tail);
}

static inline int on_literal(void *arg, const void *data, size_t len, struct err *err)
{
	return buf_append(&((struct seen *)arg)->framed, data, len, err);
}

static inline int on_payload(void *arg, uint64_t ordinal, uint64_t off, uint64_t len,
			     struct err *err)
{
	struct seen *s = arg;

	(void)ordinal;
	(void)off;
	s->payload += len;
	return buf_append(&s->framed, s->framing_of->data + s->framed.len, len, err);
}

static inline int scan_with(struct buf *tar, const struct tar_limits *limits, bool skip,
			    struct seen *s, struct err *err)
{
	const struct tar_sink sink = {on_entry,   on_data,    on_hole, on_entry_end,
				      on_literal, on_payload, s};
	auto_stream struct stream *in = NULL;

	s->framing_of = tar;
	s->content_wanted = !skip;
	assert_int_equal(stream_from_bytes(tar->data, tar->len, &in, err), 0);
	return tar_scan(in, limits, skip, &sink, &s->diffid, &s->result, err);
}

static inline int scan(struct buf *tar, struct seen *s, struct err *err)
{
	struct tar_limits limits;

	tar_limits_default(&limits);
	return scan_with(tar, &limits, false, s, err);
}

static inline void assert_list(struct buf *tar, const char *expected)
{
	struct err err = {0};
	struct digest d;
	struct seen s;

	seen_init(&s);
	if (scan(tar, &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(buf_append_u8(&s.list, 0, NULL), 0);
	assert_string_equal((const char *)s.list.data, expected);
	assert_int_equal(s.framed.len, tar->len);
	assert_memory_equal(s.framed.data, tar->data, tar->len);
	assert_int_equal(s.result.size, tar->len);
	assert_int_equal(s.result.entries, s.entries);
	digest_of(tar->data, tar->len, &d);
	assert_true(digest_equal(&d, &s.diffid));
	seen_release(&s);
}

static inline void assert_refused(struct buf *tar, enum err_code code, const char *says)
{
	struct err err = {0};
	struct seen s;
	int r;

	seen_init(&s);
	r = scan(tar, &s, &err);
	if (r != -(int)code)
		fail_msg("%s instead of %s: %s", r ? "another code" : "accepted", says,
			 err.msg);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
	seen_release(&s);
}

static inline void assert_limit(struct buf *tar, const struct tar_limits *limits,
				int expected)
{
	struct err err = {0};
	struct seen s;
	int r;

	seen_init(&s);
	r = scan_with(tar, limits, true, &s, &err);
	if (r != expected)
		fail_msg("%d instead of %d: %s", r, expected, err.msg);
	seen_release(&s);
}

#endif
