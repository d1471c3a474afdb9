/* SPDX-License-Identifier: Apache-2.0
 * One libarchive filter around its raw format, fed from an input and looked after. */
#include "store/tar_filter.h"

#include "store/base/buf.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

/* A dictionary of more is refused: decoding would take as much memory. */
#define MEMORY (128u << 20)

/* What libarchive may have asked for together with bytes of the next buffer. */
#define TAIL 64u

static const struct {
	const char *name;
	int (*support)(struct archive *a);
} filters[] = {
	[TAR_FILTER_BZIP2] = {"bzip2", archive_read_support_filter_bzip2},
	[TAR_FILTER_COMPRESS] = {"compress", archive_read_support_filter_compress},
	[TAR_FILTER_LZ4] = {"lz4", archive_read_support_filter_lz4},
	[TAR_FILTER_LZMA] = {"lzma", archive_read_support_filter_lzma},
	[TAR_FILTER_XZ] = {"xz", archive_read_support_filter_xz},
};

struct filter {
	struct inflate_decoder base;
	struct inflate_input *in;
	struct archive *archive;
	enum tar_filter kind;
	bool opened, empty;
	bool starved;      /* it was told that the input is at its end */
	struct err failed; /* of the input */

	/* Input that libarchive has got: all of it, the last buffer, the bytes before it. */
	uint64_t given;
	size_t last, tail_len;
	uint8_t tail[TAIL];

	/* Output of libarchive, valid until it is called again. */
	const uint8_t *out;
	size_t out_len;
};

/* ---- detection ---- */

static bool begins(const uint8_t *data, size_t len, const void *magic, size_t magic_len)
{
	return len >= magic_len && memcmp(data, magic, magic_len) == 0;
}

static bool is_bzip2(const uint8_t *p, size_t len)
{
	return len >= 10 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9' &&
	       (memcmp(p + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0 ||
		memcmp(p + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static bool is_compress(const uint8_t *p, size_t len)
{
	return begins(p, len, "\x1f\x9d", 2) && len > 2 && (p[2] & 0x60) == 0 &&
	       (p[2] & 0x1f) >= 9 && (p[2] & 0x1f) <= 16;
}

/* There is no magic: sane properties, a dictionary of 2^n or 2^n + 2^(n-1) bytes, and a
 * size that is unknown or below 256 GiB. */
static bool is_lzma(const uint8_t *p, size_t len)
{
	uint32_t dict;
	uint64_t size;

	if (len < 13 || p[0] >= 9 * 5 * 5)
		return false;
	dict = get_le32(p + 1);
	size = get_le64(p + 5);
	if (dict < 4096 || (size != UINT64_MAX && size >> 38))
		return false;
	dict &= dict - 1;
	return dict == 0 || ((dict & (dict - 1)) == 0 && dict == get_le32(p + 1) / 3);
}

enum tar_filter tar_filter_detect(const uint8_t *data, size_t len)
{
	if (begins(data, len,
		   "\xfd"
		   "7zXZ\0",
		   6))
		return TAR_FILTER_XZ;
	if (begins(data, len, "\x04\x22\x4d\x18", 4))
		return TAR_FILTER_LZ4;
	if (is_bzip2(data, len))
		return TAR_FILTER_BZIP2;
	if (is_compress(data, len))
		return TAR_FILTER_COMPRESS;
	return is_lzma(data, len) ? TAR_FILTER_LZMA : TAR_FILTER_NONE;
}

const char *tar_filter_name(enum tar_filter filter)
{
	return filters[filter].name;
}

/* ---- memory ---- */

static bool skip_varint(struct cursor *c)
{
	uint8_t byte;

	do
		if (!cursor_u8(c, &byte))
			return false;
	while (byte & 0x80);
	return true;
}

/* The dictionary of the first block; 0: there is none, or liblzma will not like it. */
static uint64_t xz_dictionary(const uint8_t *data, size_t len)
{
	struct cursor c = {data, len};
	const uint8_t *p;
	uint8_t flags, id, size, bits;

	/* Stream header, size of the block header. */
	if (!cursor_bytes(&c, 13, &p) || p[12] == 0 || !cursor_u8(&c, &flags))
		return 0;
	if (((flags & 0x40) && !skip_varint(&c)) || ((flags & 0x80) && !skip_varint(&c)))
		return 0;
	for (unsigned i = 0; i <= (flags & 3); i++) {
		if (!cursor_u8(&c, &id) || !cursor_u8(&c, &size))
			return 0;
		if (id == 0x21)
			return cursor_u8(&c, &bits) && bits <= 40
				       ? (uint64_t)(2 | (bits & 1)) << (bits / 2 + 11)
				       : 0;
		if (!cursor_bytes(&c, size, &p))
			return 0;
	}
	return 0;
}

static int check_memory(struct filter *f, struct err *err)
{
	uint64_t dictionary = 0;
	int r = inflate_input_want(f->in, 1024, err);
	const uint8_t *p = inflate_input_data(f->in);
	size_t left = inflate_input_left(f->in);

	if (r < 0)
		return r;
	if (f->kind == TAR_FILTER_XZ)
		dictionary = xz_dictionary(p, left);
	else if (f->kind == TAR_FILTER_LZMA && left >= 5)
		dictionary = get_le32(p + 1);
	if (dictionary > MEMORY)
		return err_set(err, ERR_LIMIT,
			       "the %s data needs a dictionary of more than %u MiB",
			       filters[f->kind].name, MEMORY >> 20);
	return 0;
}

/* ---- libarchive ---- */

/* The last buffer joins the tail, before another one takes its place. */
static void keep_tail(struct filter *f)
{
	size_t add = f->last < TAIL ? f->last : TAIL;
	size_t keep = f->tail_len < TAIL - add ? f->tail_len : TAIL - add;

	memmove(f->tail, f->tail + f->tail_len - keep, keep);
	memcpy(f->tail + keep, f->in->data + f->in->len - add, add);
	f->tail_len = keep + add;
	f->last = 0;
}

static la_ssize_t give(struct archive *a, void *arg, const void **ret)
{
	struct filter *f = arg;
	size_t left = inflate_input_left(f->in);

	(void)a;
	if (!left) {
		keep_tail(f);
		if (inflate_input_want(f->in, 1, &f->failed) < 0)
			return ARCHIVE_FATAL;
		left = inflate_input_left(f->in);
	}
	*ret = inflate_input_data(f->in);
	f->in->pos = f->in->len;
	f->given += left;
	f->last = left;
	f->starved = left == 0;
	return (la_ssize_t)left;
}

static int bad_data(struct filter *f, struct err *err)
{
	const char *name = filters[f->kind].name;
	const char *why = archive_error_string(f->archive);

	if (f->failed.code)
		return err_copy(err, &f->failed);
	if (archive_errno(f->archive) == ENOMEM)
		return err_nomem(err);
	if (f->starved)
		return err_set(err, ERR_INVALID, "the %s data ends early", name);
	return err_set(err, ERR_INVALID, "the %s data is damaged: %s", name,
		       why ? why : "unknown error");
}

/* "raw" takes anything but nothing, which is what "empty" takes. */
static int prepare(struct filter *f, struct err *err)
{
	struct archive *a = f->archive;

	if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
	    archive_read_support_format_empty(a) != ARCHIVE_OK ||
	    filters[f->kind].support(a) != ARCHIVE_OK)
		return err_set(err, ERR_FAILED, "libarchive cannot read %s: %s",
			       filters[f->kind].name, archive_error_string(a));
	archive_read_set_read_callback(a, give);
	archive_read_set_callback_data(a, f);
	return 0;
}

/* The filter is chosen by libarchive, as often as it fits: once is right. */
static int open_filter(struct filter *f, struct err *err)
{
	struct archive *a = f->archive;
	struct archive_entry *entry;
	int r = check_memory(f, err);

	if (r == 0)
		r = prepare(f, err);
	if (r < 0)
		return r;
	/* An error of the filter may look like an empty file but for the error number. */
	if (archive_read_open1(a) != ARCHIVE_OK || archive_errno(a) || f->failed.code)
		return bad_data(f, err);
	if (archive_filter_count(a) != 2) /* the other one is the input */
		return err_set(err, ERR_INVALID,
			       archive_filter_count(a) > 2
				       ? "it is compressed with %s more than once"
				       : "the %s data is damaged at its start",
			       filters[f->kind].name);
	r = archive_read_next_header(a, &entry);
	f->empty = r == ARCHIVE_EOF;
	return r == ARCHIVE_OK || f->empty ? 0 : bad_data(f, err);
}

/* What libarchive has got and not used goes back into the input. */
static int finish(struct filter *f, struct err *err)
{
	uint64_t used = (uint64_t)archive_filter_bytes(f->archive, -1);
	uint64_t rest = used < f->given ? f->given - used : 0;
	size_t before;

	if (f->failed.code)
		return err_copy(err, &f->failed);
	before = rest > f->last ? (size_t)(rest - f->last) : 0;
	if (before > f->tail_len)
		return err_set(err, ERR_FAILED, "libarchive has too much %s data left",
			       filters[f->kind].name);
	for (size_t i = f->tail_len - before; i < f->tail_len; i++)
		if (f->tail[i])
			return err_set(err, ERR_INVALID,
				       "bytes follow the end of the compressed data");
	f->in->pos = f->in->len - (size_t)(rest - before);
	return inflate_input_finish(f->in, err);
}

static int next_block(struct filter *f, struct err *err)
{
	const void *data = NULL;
	size_t len = 0;
	la_int64_t offset;
	int r;

	if (!f->opened) {
		r = open_filter(f, err);
		if (r < 0)
			return r;
		f->opened = true;
	}
	r = f->empty ? ARCHIVE_EOF
		     : archive_read_data_block(f->archive, &data, &len, &offset);
	if (r == ARCHIVE_EOF)
		return finish(f, err);
	if (r != ARCHIVE_OK)
		return bad_data(f, err);
	f->out = data;
	f->out_len = len;
	return 0;
}

static int filter_decode(struct inflate_decoder *d, uint8_t *out, size_t cap,
			 size_t *ret_len, struct err *err)
{
	struct filter *f = (struct filter *)d;
	size_t n;
	int r = 0;

	*ret_len = 0;
	if (!f->out_len)
		r = next_block(f, err);
	if (r < 0)
		return r;
	n = cap < f->out_len ? cap : f->out_len;
	if (n)
		memcpy(out, f->out, n);
	f->out += n;
	f->out_len -= n;
	*ret_len = n;
	return 0;
}

static void filter_free(struct inflate_decoder *d)
{
	struct filter *f = (struct filter *)d;

	archive_read_free(f->archive);
	free(f);
}

int tar_filter_new(enum tar_filter filter, struct inflate_input *in,
		   struct inflate_decoder **ret, struct err *err)
{
	struct filter *f = calloc(1, sizeof(*f));

	if (f)
		f->archive = archive_read_new();
	if (!f || !f->archive) {
		free(f);
		return err_nomem(err);
	}
	f->base = (struct inflate_decoder){filter_decode, filter_free};
	f->in = in;
	f->kind = filter;
	*ret = &f->base;
	return 0;
}
