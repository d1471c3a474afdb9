/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the scan of layers: what is accepted and what comes out of it, what is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>

#include "store/base/io.h"
#include "store/tar_scan.h"
#include "tests/unit/tar_blocks.h"

#define ZOO      "tests/golden/tar"
#define HASH_MAX (16u << 20)

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

static void seen_init(struct seen *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->list, 4 << 20);
	buf_init(&s->framed, 64 << 20);
	buf_init(&s->content, HASH_MAX);
	s->content_wanted = true;
}

static void seen_release(struct seen *s)
{
	buf_release(&s->list);
	buf_release(&s->framed);
	buf_release(&s->content);
}

static void quote(char **out, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] > ' ' && s[i] != '\\' && s[i] != 127)
			*(*out)++ = s[i];
		else
			*out += sprintf(*out, "\\x%02x", (uint8_t)s[i]);
	}
}

/* A time as PAX spells it. */
static void print_time(char **out, int64_t s, uint32_t ns)
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

static int on_entry(void *arg, const struct tar_entry *e, struct err *err)
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

static int on_data(void *arg, const void *data, size_t len, struct err *err)
{
	struct seen *s = arg;

	assert_true(len > 0);
	s->told += len;
	s->pieces++;
	return s->content_wanted ? buf_append(&s->content, data, len, err) : 0;
}

static int on_hole(void *arg, uint64_t len, struct err *err)
{
	struct seen *s = arg;

	assert_true(len > 0);
	s->told += len;
	if (s->told > HASH_MAX)
		return 0;
	return s->content_wanted ? buf_append_zeros(&s->content, (size_t)len, err) : 0;
}

static int on_entry_end(void *arg, struct err *err)
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

static int on_literal(void *arg, const void *data, size_t len, struct err *err)
{
	return buf_append(&((struct seen *)arg)->framed, data, len, err);
}

static int on_payload(void *arg, uint64_t ordinal, uint64_t off, uint64_t len,
		      struct err *err)
{
	struct seen *s = arg;

	(void)ordinal;
	(void)off;
	s->payload += len;
	return buf_append(&s->framed, s->framing_of->data + s->framed.len, len, err);
}

static int scan_with(struct buf *tar, const struct tar_limits *limits, bool skip,
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

static int scan(struct buf *tar, struct seen *s, struct err *err)
{
	struct tar_limits limits;

	tar_limits_default(&limits);
	return scan_with(tar, &limits, false, s, err);
}

static void assert_list(struct buf *tar, const char *expected)
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

static void assert_refused(struct buf *tar, enum err_code code, const char *says)
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

/* ---- the samples ---- */

typedef void sample_fn(const char *name, struct buf *tar, const struct buf *list);

static void each_sample(sample_fn *fn)
{
	DIR *zoo = opendir(ZOO);
	const struct dirent *e;
	unsigned count = 0;

	assert_non_null(zoo);
	while ((e = readdir(zoo))) {
		const char *dot = strrchr(e->d_name, '.');
		auto_buf struct buf tar, list;
		char text[NAME_MAX + 1];

		buf_init(&tar, 16 << 20);
		buf_init(&list, 1 << 20);
		if (!dot || strcmp(dot, ".tar") != 0)
			continue;
		snprintf(text, sizeof(text), "%.*s.txt", (int)(dot - e->d_name),
			 e->d_name);
		assert_int_equal(io_read_file(dirfd(zoo), e->d_name, &tar, NULL), 0);
		assert_int_equal(io_read_file(dirfd(zoo), text, &list, NULL), 0);
		assert_int_equal(buf_append_u8(&list, 0, NULL), 0);
		print_message("%s\n", e->d_name);
		fn(e->d_name, &tar, &list);
		count++;
	}
	closedir(zoo);
	assert_true(count > 30);
}

static void check_sample(const char *name, struct buf *tar, const struct buf *list)
{
	(void)name;
	assert_list(tar, (const char *)list->data);
}

static void samples_are_read_as_by_other_readers(void **state)
{
	(void)state;
	each_sample(check_sample);
}

/* A replay of a recipe: payload is zeros, and all but the content comes out the same. */
static void replay_sample(const char *name, struct buf *tar, const struct buf *list)
{
	struct seen first, again;
	struct tar_limits limits;
	struct err err = {0};

	(void)name;
	(void)list;
	tar_limits_default(&limits);
	seen_init(&first);
	assert_int_equal(scan_with(tar, &limits, true, &first, &err), 0);
	assert_int_equal(first.pieces, 0);
	seen_init(&again);
	assert_int_equal(scan_with(tar, &limits, true, &again, &err), 0);
	assert_int_equal(again.list.len, first.list.len);
	assert_int_equal(again.payload, first.payload);
	assert_int_equal(first.framed.len, tar->len);
	seen_release(&first);
	seen_release(&again);
}

static void samples_can_be_scanned_without_content(void **state)
{
	(void)state;
	each_sample(replay_sample);
}

struct starts {
	uint64_t at[256];
	size_t count;
};

/* Where the tar may be cut: where a header stands and no entry has begun. */
static void find_starts(const struct buf *tar, struct starts *ret)
{
	bool extended = false;
	uint64_t at = 0;

	ret->count = 0;
	while (at + TAR_BLOCK_SIZE <= tar->len && !tar_block_is_zero(tar->data + at)) {
		const struct tar_block *b = (const void *)(tar->data + at);
		uint64_t size = strtoull(b->size, NULL, 8);

		if (!extended)
			ret->at[ret->count++] = at;
		extended = strchr("xLK", b->type) && b->type;
		at += TAR_BLOCK_SIZE;
		if (extended || b->type == '0' || b->type == '\0')
			at += size + tar_write_padding(size);
	}
	while (at <= tar->len && ret->count < 256) {
		ret->at[ret->count++] = at;
		at += TAR_BLOCK_SIZE;
	}
}

static void cut_sample(const char *name, struct buf *tar, const struct buf *list)
{
	struct starts starts;

	(void)list;
	/* Their framing is not that simple. */
	if (strstr(name, "hand-") || strstr(name, "sparse") || strstr(name, "base256") ||
	    strstr(name, "git"))
		return;
	find_starts(tar, &starts);
	for (size_t len = TAR_BLOCK_SIZE, i = 1; len < tar->len; len += TAR_BLOCK_SIZE) {
		struct buf part = {.data = tar->data, .len = len};
		struct err err = {0};
		bool whole = false;
		struct seen s;
		int r;

		while (i < starts.count && starts.at[i] < len)
			i++;
		whole = i < starts.count && starts.at[i] == len;
		seen_init(&s);
		r = scan(&part, &s, &err);
		if (r != (whole ? 0 : -ERR_INVALID))
			fail_msg("cut at %zu: %s", len, r ? err.msg : "accepted");
		seen_release(&s);
	}
}

static void cut_archives_are_refused(void **state)
{
	(void)state;
	each_sample(cut_sample);
}

static void any_flipped_bit_of_a_header_is_found(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_file(&tar, "first", "content");
	blocks_file(&tar, "second", "content");
	blocks_end(&tar);
	for (size_t i = 1024; i < 1024 + TAR_BLOCK_SIZE; i++) {
		/* A sum may be spelled with blanks or zeros before it. */
		if (i - 1024 >= 148 && i - 1024 < 156)
			continue;
		tar.data[i] ^= 1u << (i % 8);
		assert_refused(&tar, ERR_INVALID, "no tar header");
		tar.data[i] ^= 1u << (i % 8);
	}
}

/* ---- what is refused ---- */

/* An entry after up to three extension headers. */
struct odd {
	const char *says;
	const char *x, *name_body, *link_body; /* bodies of x, L, K; NULL: none */
	char type;
	const char *name, *link;
	uint64_t size;
	const char *content;
	enum err_code code; /* 0: ERR_INVALID */
};

static void make_odd(struct buf *tar, const struct odd *o)
{
	struct tar_block b = blocks_header(o->type, o->name, o->size);

	buf_init(tar, 4 << 20);
	blocks_file(tar, "before", "text");
	if (o->link_body)
		blocks_extend(tar, 'K', o->link_body, strlen(o->link_body) + 1);
	if (o->name_body)
		blocks_extend(tar, 'L', o->name_body, strlen(o->name_body) + 1);
	if (o->x)
		blocks_pax(tar, 'x', o->x);
	memcpy(b.link, o->link, strlen(o->link));
	blocks_add(tar, b);
	blocks_put(tar, o->content, strlen(o->content));
	blocks_file(tar, "after", "text");
	blocks_end(tar);
}

#define SPARSE_1 "GNU.sparse.major=1\nGNU.sparse.minor=0\n"

static void contradictions_are_refused(void **state)
{
	static const struct odd odd[] = {
		{"two sizes", "size=3", NULL, NULL, '0', "f", "", 0, "abc", 0},
		{"two sizes", "size=0", NULL, NULL, '0', "f", "", 3, "abc", 0},
		{"two sizes", "size=4", NULL, NULL, '5', "d", "", 0, "", 0},
		{"two sizes", "SCHILY.realsize=9", NULL, NULL, '0', "f", "", 3, "abc", 0},
		{"malformed", "size=", NULL, NULL, '0', "f", "", 0, "", 0},
		{"malformed", "size=-3", NULL, NULL, '0', "f", "", 0, "", 0},
		{"malformed", "size=0x3", NULL, NULL, '0', "f", "", 0, "", 0},
		{"malformed", "uid=root", NULL, NULL, '0', "f", "", 0, "", 0},
		{"malformed", "mtime=now", NULL, NULL, '0', "f", "", 0, "", 0},
		{"32 bits", "uid=4294967296", NULL, NULL, '0', "f", "", 0, "", 0},
		{"sets 'path' twice", "path=a\npath=b", NULL, NULL, '0', "f", "", 0, "",
		 0},
		{"sets 'size' twice", "size=0\nsize=0", NULL, NULL, '0', "f", "", 0, "",
		 0},
		{"two long names", "path=a", "b", NULL, '0', "f", "", 0, "", 0},
		{"two link targets", "linkpath=a", NULL, "b", '2', "f", "c", 0, "", 0},
		{"without a link", "linkpath=a", NULL, NULL, '0', "f", "", 0, "", 0},
		{"without a link", NULL, NULL, "a", '5', "d", "", 0, "", 0},
		{"without a target", NULL, NULL, NULL, '2', "l", "", 0, "", 0},
		{"without a target", NULL, NULL, NULL, '1', "l", "", 0, "", 0},
		{"directory with content", NULL, NULL, NULL, '0', "d/", "", 3, "abc", 0},
		{"long name is empty", NULL, "", NULL, '0', "f", "", 0, "", 0},
		{"'M' is not supported", NULL, NULL, NULL, 'M', "f", "", 3, "abc", 0},
		{"'V' is not supported", NULL, NULL, NULL, 'V', "v", "", 0, "", 0},
		{"'D' is not supported", NULL, NULL, NULL, 'D', "d", "", 0, "", 0},
		{"'A' is not supported", NULL, NULL, NULL, 'A', "d", "", 0, "", 0},
		{"'X' is not supported", NULL, NULL, NULL, 'X', "d", "", 0, "", 0},
		{"sparse or not", NULL, NULL, NULL, 'S', "f", "", 3, "abc", 0},
		{"sparse or not", SPARSE_1 "GNU.sparse.realsize=9", NULL, NULL, '7', "f",
		 "", 3, "abc", 0},
		{"map is missing", SPARSE_1 "GNU.sparse.realsize=9", NULL, NULL, '0', "f",
		 "", 0, "", 0},
		{"map has no end", SPARSE_1 "GNU.sparse.realsize=9", NULL, NULL, '0', "f",
		 "", 6, "1\n0\n3\n", 0},
		{"malformed", SPARSE_1 "GNU.sparse.realsize=9", NULL, NULL, '0', "f", "",
		 3, "abc", 0},
		{"malformed", SPARSE_1, NULL, NULL, '0', "f", "", 3, "abc", 0},
		{"format is unknown",
		 "GNU.sparse.major=2\nGNU.sparse.minor=0\nGNU.sparse.realsize=1", NULL,
		 NULL, '0', "f", "", 0, "", 0},
		{"malformed", "GNU.sparse.name=x", NULL, NULL, '0', "f", "", 0, "", 0},
		{"not supported", "GNU.sparse.other=x", NULL, NULL, '0', "f", "", 0, "",
		 0},
		{"not supported", "GNU.volume.offset=1", NULL, NULL, '0', "f", "", 0, "",
		 0},
		{"not supported", "SUN.holesdata= 1 2", NULL, NULL, '0', "f", "", 2, "ab",
		 0},
		{"the sparse map and the size",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=1\nGNU.sparse.map=0,4", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"the sparse map and the size",
		 "GNU.sparse.size=2\nGNU.sparse.numblocks=1\nGNU.sparse.map=0,3", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"map is malformed",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=2\nGNU.sparse.map=4,1,0,2",
		 NULL, NULL, '0', "f", "", 3, "abc", 0},
		{"map is malformed",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=1\nGNU.sparse.map=0,3,", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"malformed",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=2\nGNU.sparse.map=0,3", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"malformed",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=1\nGNU.sparse.numbytes=3", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"two values of its xattr 'user.a'",
		 "SCHILY.xattr.user.a=x\nLIBARCHIVE.xattr.user.a=eQ==", NULL, NULL, '0',
		 "f", "", 0, "", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		auto_buf struct buf tar;

		make_odd(&tar, &odd[i]);
		assert_refused(&tar, ERR_INVALID, odd[i].says);
	}
}

static void assert_global_refused(const char *pairs)
{
	auto_buf struct buf tar;

	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'g', pairs);
	blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	assert_refused(&tar, ERR_INVALID, "a global PAX header sets");
}

static void global_headers_name_no_entry(void **state)
{
	(void)state;
	assert_global_refused("path=x");
	assert_global_refused("linkpath=x");
	assert_global_refused("size=4");
	assert_global_refused("GNU.sparse.realsize=4");
	assert_global_refused("SCHILY.realsize=4");
}

static void extensions_come_once_and_before_an_entry(void **state)
{
	static const char *const pairs[] = {"xx", "LL", "KK", "xg", "Lg"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		for (const char *t = pairs[i]; *t; t++)
			blocks_extend(&tar, *t, "12 comment=x", 12);
		blocks_entry(&tar, '2', "l", "target");
		blocks_end(&tar);
		tar.data[TAR_BLOCK_SIZE + 11] = '\n';
		tar.data[3 * TAR_BLOCK_SIZE + 11] = '\n';
		assert_refused(&tar, ERR_INVALID, "is followed by another one");
	}
	for (const char *t = "xLK"; *t; t++) {
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		blocks_file(&tar, "f", "text");
		if (*t == 'x')
			blocks_pax(&tar, 'x', "path=y");
		else
			blocks_extend(&tar, *t, "y", 1);
		assert_refused(&tar, ERR_INVALID, "cut short");
		blocks_end(&tar);
		assert_refused(&tar, ERR_INVALID, "ends after an extension header");
	}
}

static void assert_pax_body(const char *body, size_t len, enum err_code code,
			    const char *says)
{
	auto_buf struct buf tar;

	buf_init(&tar, 4 << 20);
	blocks_extend(&tar, 'x', body, len);
	blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	assert_refused(&tar, code, says);
}

static void malformed_pax_records_are_refused(void **state)
{
	static const char *const bodies[] = {
		"6 a=b",     "7 a=b\n",      "5 a=b\n",    "x a=b\n", "-6 a=b\n",
		"6 =ab\n",   "6 a-b\n",      " 6 a=b\n",   "0 a=b\n", "6\ta=b\n",
		"6 a=b\n\n", "6 a=b\n6 a=b", "4 a\n4 b\n", "6",       "99999 a=b\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_pax_body(bodies[i], strlen(bodies[i]), ERR_INVALID, "malformed");
	assert_pax_body("6 a=b\n\0\0", 8, ERR_INVALID, "malformed");
	assert_pax_body("8 a\0b=c\n", 8, ERR_INVALID, "malformed");
	assert_pax_body("12 path=a\0b\n", 12, ERR_INVALID, "NUL");
	assert_pax_body("", 0, ERR_INVALID, "has no size");
}

static void names_hold_no_nul(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_extend(&tar, 'L', "a\0b", 3);
	blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	assert_refused(&tar, ERR_INVALID, "NUL");
}

/* POSIX says that data follows, older tars that none does. This one is a tar in a tar. */
static void smuggled_entries_are_refused(void **state)
{
	struct tar_block b = blocks_header('1', "h", 1024);
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'x', "mtime=1");
	blocks_file(&tar, "f", "text");
	memcpy(b.link, "f", 1);
	blocks_add(&tar, b);
	blocks_file(&tar, "smuggled", "text");
	blocks_file(&tar, "after", "text");
	blocks_end(&tar);
	assert_refused(&tar, ERR_INVALID, "two readers see different archives");
}

static void numbers_that_are_none_are_refused(void **state)
{
	static const struct {
		size_t at, len;
		const char *bytes, *says;
	} fields[] = {
		{124, 12, "0000000000x", "size"},
		{124, 12,
		 "\0"
		 "0000000005",
		 "size"},
		{124, 12, "-0000000001", "size"},
		{124, 12, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "size"},
		{124, 12, "\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "size"},
		{108, 8, "abcdefg", "owner"},
		{108, 8, "\xff\xff\xff\xff\xff\xff\xff\xfe", "32 bits"},
		{116, 8, "\x80\0\0\x01\0\0\0\0", "32 bits"},
		{136, 5, "then", "time"},
		{100, 8, "rw-r--r-", "mode"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct tar_block b = blocks_header('0', "f", 0);
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		memcpy((char *)&b + fields[i].at, fields[i].bytes, fields[i].len);
		blocks_add(&tar, b);
		blocks_end(&tar);
		assert_refused(&tar, ERR_INVALID, fields[i].says);
	}
}

static void what_is_no_tar_is_refused(void **state)
{
	struct tar_block odd = blocks_header('0', "f", 0);
	auto_buf struct buf empty, text, dialect;

	(void)state;
	buf_init(&empty, 16);
	assert_int_equal(buf_reserve(&empty, 1, NULL), 0);
	assert_refused(&empty, ERR_INVALID, "it is empty");
	buf_init(&text, 4096);
	assert_int_equal(buf_printf(&text, NULL, "%0600d", 1), 0);
	assert_refused(&text, ERR_INVALID, "no tar header");
	buf_init(&dialect, 4096);
	memcpy(odd.magic, "ustar!00", 8);
	memcpy(odd.prefix, "p", 1);
	blocks_add(&dialect, odd);
	assert_refused(&dialect, ERR_INVALID, "dialect");
}

/* ---- limits ---- */

static void assert_limit(struct buf *tar, const struct tar_limits *limits, int expected)
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

static void budgets_are_kept(void **state)
{
	struct tar_limits standard, limits;
	auto_buf struct buf tar;

	(void)state;
	tar_limits_default(&standard);
	buf_init(&tar, 1 << 20);
	for (int i = 0; i < 10; i++)
		blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	limits = standard;
	limits.entries = 10;
	assert_limit(&tar, &limits, 0);
	limits.entries = 9;
	assert_limit(&tar, &limits, -ERR_LIMIT);
	limits = standard;
	limits.bytes = tar.len;
	assert_limit(&tar, &limits, 0);
	limits.bytes--;
	assert_limit(&tar, &limits, -ERR_LIMIT);
}

static void names_are_bounded(void **state)
{
	char name[6000], path[6000];
	struct tar_limits limits;

	(void)state;
	tar_limits_default(&limits);
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 200 == 199 ? '/' : 'p';
	memset(name, 'n', sizeof(name));
	for (size_t len = 254; len < 258; len++) {
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		blocks_extend(&tar, 'L', name, len);
		blocks_file(&tar, "f", "text");
		assert_limit(&tar, &limits, len <= 255 ? 0 : -ERR_LIMIT);
	}
	for (size_t len = 4095; len < 4098; len++) {
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		blocks_extend(&tar, 'L', path, len);
		blocks_file(&tar, "f", "text");
		assert_limit(&tar, &limits, len <= 4096 ? 0 : -ERR_LIMIT);
	}
}

static void header_bombs_are_refused(void **state)
{
	auto_buf struct buf record, tar, many;
	struct tar_block b = blocks_header('x', "x", 1ull << 32);
	struct tar_limits limits;

	(void)state;
	tar_limits_default(&limits);
	buf_init(&tar, 4096);
	blocks_add(&tar, b);
	assert_limit(&tar, &limits, -ERR_LIMIT);

	buf_init(&record, 2 << 20);
	buf_init(&many, 4 << 20);
	assert_int_equal(buf_append_zeros(&record, 900000, NULL), 0);
	memset(record.data, 'v', record.len);
	for (int i = 0; i < 2; i++) {
		auto_buf struct buf body;

		buf_init(&body, 2 << 20);
		blocks_record(&body, "SCHILY.xattr.user.big", record.data,
			      i ? 999990 - 30 : 900000);
		assert_int_equal(buf_append_zeros(&record, 200000, NULL), 0);
		buf_clear(&many);
		blocks_extend(&many, 'x', body.data, body.len);
		blocks_file(&many, "f", "");
		assert_limit(&many, &limits, 0);
		limits.pax_record = 500000;
		assert_limit(&many, &limits, -ERR_LIMIT);
		tar_limits_default(&limits);
	}
	buf_clear(&many);
	for (int i = 0; i < 17; i++)
		blocks_pax(&many, 'g', "comment=x");
	blocks_file(&many, "f", "");
	assert_limit(&many, &limits, -ERR_LIMIT);
}

/* A PAX 1.0 file of 1 EiB whose last byte is there. */
static void huge_sparse_files_cost_nothing(void **state)
{
	struct tar_limits limits;
	struct err err = {0};
	auto_buf struct buf tar;
	struct seen s;

	(void)state;
	tar_limits_default(&limits);
	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'x', SPARSE_1 "GNU.sparse.realsize=1152921504606846976");
	blocks_add(&tar, blocks_header('0', "f", 513));
	blocks_put(&tar, "1\n1152921504606846975\n1\n", 24);
	blocks_put(&tar, "x", 1);
	blocks_end(&tar);
	assert_limit(&tar, &limits, -ERR_LIMIT);
	limits.file_bytes = UINT64_MAX;
	seen_init(&s);
	if (scan_with(&tar, &limits, false, &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s.pieces, 1);
	assert_int_equal(s.payload, 1);
	assert_int_equal(s.told, 1ull << 60);
	seen_release(&s);
}

/* ---- what comes out ---- */

static void a_small_file_comes_in_one_piece(void **state)
{
	struct err err = {0};
	auto_buf struct buf tar;
	struct seen s;

	(void)state;
	buf_init(&tar, 1 << 20);
	for (int i = 0; i < 100; i++)
		blocks_file(&tar, "f", "some bytes of content");
	blocks_end(&tar);
	seen_init(&s);
	assert_int_equal(scan(&tar, &s, &err), 0);
	assert_int_equal(s.pieces, 100);
	seen_release(&s);
}

static void files_larger_than_a_buffer_come_whole(void **state)
{
	auto_buf struct buf tar, content;
	struct err err = {0};
	struct seen s;

	(void)state;
	buf_init(&tar, 8 << 20);
	buf_init(&content, 4 << 20);
	for (uint32_t i = 0; i < 250001; i++)
		assert_int_equal(buf_append_le32(&content, i * 2654435761u, NULL), 0);
	for (int i = 0; i < 3; i++) {
		blocks_add(&tar, blocks_header('0', "big", content.len));
		blocks_put(&tar, content.data, content.len);
	}
	blocks_end(&tar);
	seen_init(&s);
	assert_int_equal(scan(&tar, &s, &err), 0);
	assert_int_equal(s.entries, 3);
	assert_int_equal(s.content.len, content.len);
	assert_memory_equal(s.content.data, content.data, content.len);
	assert_int_equal(s.framed.len, tar.len);
	assert_memory_equal(s.framed.data, tar.data, tar.len);
	seen_release(&s);
}

static void names_are_bytes_in_any_locale(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'x', "path=e\xcc\x81\xff/");
	blocks_entry(&tar, '0', "x", "");
	blocks_pax(&tar, 'x', "path=\xe9\nlinkpath=e\xcc\x81");
	blocks_entry(&tar, '2', "x", "y");
	blocks_pax(&tar, 'x', "hdrcharset=BINARY\npath=\xe8");
	blocks_entry(&tar, '5', "x", "");
	blocks_end(&tar);
	assert_list(&tar, "dir 644 0 0 1 0 e\\xcc\\x81\\xff\n"
			  "symlink 644 0 0 1 0 \\xe9 -> e\\xcc\\x81\n"
			  "dir 644 0 0 1 0 \\xe8\n");
}

static void an_acl_of_unknown_names_is_left_out(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_pax(
		&tar, 'x',
		"SCHILY.acl.access=user::rw-,user:joe:rwx,group::r--,mask::rwx,other::---");
	blocks_entry(&tar, '5', "d", "");
	blocks_pax(&tar, 'x', "SCHILY.acl.access=user::rw-,group::r--,other::r--");
	blocks_entry(&tar, '5', "e", "");
	blocks_end(&tar);
	assert_list(&tar, "dir 644 0 0 1 0 d\ndir 644 0 0 1 0 e\n");
}

static void an_attribute_spelled_twice_is_one(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'x',
		   "SCHILY.xattr.user.b=x\nLIBARCHIVE.xattr.user.b=eA==\n"
		   "LIBARCHIVE.xattr.user.a%3D=eQ");
	blocks_entry(&tar, '5', "d", "");
	blocks_end(&tar);
	assert_list(&tar, "dir 644 0 0 1 0 d user.a==79 user.b=78\n");
}

static int fail_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	(void)s;
	(void)data;
	(void)cap;
	(void)ret_len;
	return err_set(err, ERR_CANCELED, "stopped");
}

static int fail_literal(void *arg, const void *data, size_t len, struct err *err)
{
	(void)arg;
	(void)data;
	(void)len;
	return err_set(err, ERR_BUSY, "not now");
}

static void what_the_stream_and_the_sink_return_comes_back(void **state)
{
	struct stream broken = {.read = fail_read}, *in = NULL;
	struct tar_sink sink = {.entry = on_entry, .entry_end = on_entry_end};
	struct tar_limits limits;
	struct tar_result result;
	struct err err = {0};
	auto_buf struct buf tar;
	struct seen s;

	(void)state;
	seen_init(&s);
	sink.arg = &s;
	tar_limits_default(&limits);
	assert_int_equal(tar_scan(&broken, &limits, true, &sink, NULL, &result, &err),
			 -ERR_CANCELED);
	assert_string_equal(err.msg, "stopped");
	buf_init(&tar, 4096);
	blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	assert_int_equal(stream_from_bytes(tar.data, tar.len, &in, NULL), 0);
	sink.literal = fail_literal;
	assert_int_equal(tar_scan(in, &limits, true, &sink, NULL, &result, NULL),
			 -ERR_BUSY);
	stream_close(in);
	seen_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_read_as_by_other_readers),
		cmocka_unit_test(samples_can_be_scanned_without_content),
		cmocka_unit_test(cut_archives_are_refused),
		cmocka_unit_test(any_flipped_bit_of_a_header_is_found),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(global_headers_name_no_entry),
		cmocka_unit_test(extensions_come_once_and_before_an_entry),
		cmocka_unit_test(malformed_pax_records_are_refused),
		cmocka_unit_test(names_hold_no_nul),
		cmocka_unit_test(smuggled_entries_are_refused),
		cmocka_unit_test(numbers_that_are_none_are_refused),
		cmocka_unit_test(what_is_no_tar_is_refused),
		cmocka_unit_test(budgets_are_kept),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(header_bombs_are_refused),
		cmocka_unit_test(huge_sparse_files_cost_nothing),
		cmocka_unit_test(a_small_file_comes_in_one_piece),
		cmocka_unit_test(files_larger_than_a_buffer_come_whole),
		cmocka_unit_test(names_are_bytes_in_any_locale),
		cmocka_unit_test(an_acl_of_unknown_names_is_left_out),
		cmocka_unit_test(an_attribute_spelled_twice_is_one),
		cmocka_unit_test(what_the_stream_and_the_sink_return_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
