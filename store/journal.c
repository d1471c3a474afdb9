/* SPDX-License-Identifier: Apache-2.0
 * The journal file: replay and append. */
#include "store/journal.h"

#include <string.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "store/base/io.h"
#include "store/perms.h"

#define NAME         "journal"
#define FILE_MAGIC   "LCJRNL01"
#define FILE_HEADER  16
#define RECORD_MAGIC 0x43524a4cu /* "LJRC" */
#define ALIGNMENT    8
#define CUT_NAME     "journal.cut"
#define WINDOW       (64u << 10)
#define BLOCK        512 /* the least that a disk writes at a time */

/* A record's header: u32 magic, u32 length, u64 sequence number, u64 checksum. */
#define RECORD_HEADER 24

struct journal {
	int dirfd; /* borrowed */
	int fd;
	bool writable;
};

/* ---- the file ---- */

static int open_file(struct journal *j, int *ret_fd, struct err *err)
{
	uint8_t right[FILE_HEADER] = FILE_MAGIC;
	uint8_t header[FILE_HEADER];
	auto_fd int fd = -1;
	int r = io_open(j->dirfd, NAME, j->writable ? O_RDWR : O_RDONLY, 0, &fd, err);

	if (r == 0)
		r = io_pread(fd, header, sizeof(header), 0, NAME, err);
	if (r == 0 && memcmp(header, right, sizeof(header)) != 0)
		r = err_set(err, ERR_CORRUPT, "the journal's file header is damaged");
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

int journal_open(int dirfd, bool create, bool writable, struct journal **ret,
		 struct err *err)
{
	struct journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return err_nomem(err);
	*j = (struct journal){.dirfd = dirfd, .fd = -1, .writable = writable};
	if (create && faccessat(dirfd, NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT)
		r = journal_replace(dirfd, NULL, 0, 0, err);
	else
		r = 0;
	if (r == 0)
		r = open_file(j, &j->fd, err);
	if (r < 0) {
		journal_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

int journal_open_damaged(int dirfd, struct journal **ret, struct err *err)
{
	struct journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return err_nomem(err);
	*j = (struct journal){.dirfd = dirfd, .fd = -1};
	r = io_open(dirfd, NAME, O_RDONLY, 0, &j->fd, err);
	if (r < 0) {
		journal_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j);
}

uint64_t journal_start(void)
{
	return FILE_HEADER;
}

int journal_refresh(struct journal *j, bool *ret_replaced, struct err *err)
{
	struct stat ours, there;
	int fd = -1, r;

	*ret_replaced = false;
	if (fstat(j->fd, &ours) < 0)
		return err_sys(err, errno, "cannot stat the journal");
	if (fstatat(j->dirfd, NAME, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "cannot stat the journal");
	if (ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		return 0;
	r = open_file(j, &fd, err);
	if (r < 0)
		return r;
	close(j->fd);
	j->fd = fd;
	*ret_replaced = true;
	return 0;
}

/* ---- records ---- */

struct record {
	uint64_t seq;
	uint32_t len; /* of the items */
	uint64_t end; /* where the next one is */
	uint64_t sum;
};

static uint64_t padded(uint64_t len)
{
	return (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Of length, sequence number and items, chained so that the items stay where they are. */
static uint64_t checksum(uint32_t len, uint64_t seq, const void *items)
{
	uint8_t head[12];

	put_le32(head, len);
	put_le64(head + 4, seq);
	return XXH3_64bits_withSeed(items, len, XXH3_64bits(head, sizeof(head)));
}

/* Whether a record's header can stand at OFF of a file of SIZE bytes. */
static bool parse_header(const uint8_t *h, uint64_t off, uint64_t size,
			 struct record *ret)
{
	*ret = (struct record){
		.len = get_le32(h + 4),
		.seq = get_le64(h + 8),
		.sum = get_le64(h + 16),
	};
	ret->end = off + RECORD_HEADER + padded(ret->len);
	return get_le32(h) == RECORD_MAGIC && ret->seq > 0 && ret->len > 0 &&
	       ret->len <= JOURNAL_RECORD_MAX && ret->end <= size;
}

/* Reads the record at OFF; its items come into BUF. *ret_valid tells whether one is there. */
static int read_record(struct journal *j, uint64_t off, uint64_t size, struct buf *buf,
		       struct record *ret, bool *ret_valid, struct err *err)
{
	uint8_t header[RECORD_HEADER];
	int r;

	*ret_valid = false;
	if (off > size || size - off < RECORD_HEADER)
		return 0;
	r = io_pread(j->fd, header, sizeof(header), off, NAME, err);
	if (r < 0 || !parse_header(header, off, size, ret))
		return r;
	buf_clear(buf);
	r = buf_reserve(buf, ret->len, err);
	if (r == 0)
		r = io_pread(j->fd, buf->data, ret->len, off + RECORD_HEADER, NAME, err);
	if (r < 0)
		return r;
	buf->len = ret->len;
	*ret_valid = checksum(ret->len, ret->seq, buf->data) == ret->sum;
	return 0;
}

int journal_size(struct journal *j, uint64_t *ret, struct err *err)
{
	return io_size(j->fd, ret, NAME, err);
}

int journal_fits(struct journal *j, uint64_t last, uint64_t end, uint64_t seq, bool *ret,
		 struct err *err)
{
	auto_buf struct buf items;
	struct record rec;
	uint64_t size;
	int r = io_size(j->fd, &size, NAME, err);

	buf_init(&items, JOURNAL_RECORD_MAX);
	*ret = false;
	if (r < 0 || end > size || last > end)
		return r;
	r = read_record(j, last, size, &items, &rec, ret, err);
	if (r == 0)
		*ret = *ret && rec.end == end && rec.seq == seq;
	return r;
}

/* Looks behind a bad record for a good one numbered above SEQ. *ret is 0 if there is none. */
static int find_valid(struct journal *j, uint64_t off, uint64_t seq, uint64_t *ret,
		      struct err *err)
{
	auto_free uint8_t *window = malloc(WINDOW);
	auto_buf struct buf items;
	uint64_t size;
	int r = io_size(j->fd, &size, NAME, err);

	buf_init(&items, JOURNAL_RECORD_MAX);
	*ret = 0;
	if (!window)
		return err_nomem(err);
	off = padded(off + 1);
	while (r == 0 && off < size && size - off >= RECORD_HEADER) {
		size_t len = size - off < WINDOW ? (size_t)(size - off) : WINDOW;
		size_t at;

		r = io_pread(j->fd, window, len, off, NAME, err);
		for (at = 0; r == 0 && len - at >= RECORD_HEADER; at += ALIGNMENT) {
			struct record rec;
			bool valid;

			if (!parse_header(window + at, off + at, size, &rec) ||
			    rec.seq <= seq)
				continue;
			r = read_record(j, off + at, size, &items, &rec, &valid, err);
			if (r == 0 && valid) {
				*ret = off + at;
				return 0;
			}
		}
		off += at;
	}
	return r;
}

/* Whether a block of the tail, from OFF to SIZE, was never written. */
static int has_hole(struct journal *j, uint64_t off, uint64_t size, bool *ret,
		    struct err *err)
{
	static const uint8_t zeros[BLOCK];
	uint8_t block[BLOCK];
	int r = 0;

	*ret = false;
	while (r == 0 && !*ret && off < size) {
		uint64_t end = (off / BLOCK + 1) * BLOCK;
		size_t len = (size_t)((end < size ? end : size) - off);

		r = io_pread(j->fd, block, len, off, NAME, err);
		*ret = r == 0 && memcmp(block, zeros, len) == 0;
		off += len;
	}
	return r;
}

/* No valid record is at OFF, nor behind it. An append that a crash cut short has a right
 * beginning and then too few bytes, or blocks that never reached the disk. A tail that is
 * neither was written in full, so it may well be a commit that somebody relied on. */
static int is_torn(struct journal *j, uint64_t off, uint64_t seq, uint64_t size,
		   bool *ret, struct err *err)
{
	uint8_t h[RECORD_HEADER];
	struct record rec;
	int r;

	*ret = true;
	if (size - off < RECORD_HEADER)
		return 0;
	r = io_pread(j->fd, h, sizeof(h), off, NAME, err);
	if (r < 0)
		return r;
	if (get_le32(h) == RECORD_MAGIC && !parse_header(h, off, size, &rec) &&
	    parse_header(h, off, UINT64_MAX, &rec) &&
	    (rec.seq == seq + 1 || off == FILE_HEADER))
		return 0;
	return has_hole(j, off, size, ret, err);
}

static int out_of_order(uint64_t off, uint64_t seq, uint64_t expected, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		       "journal: the record at %llu has number %llu, not %llu",
		       (unsigned long long)off, (unsigned long long)seq,
		       (unsigned long long)expected);
}

static int judge_tail(struct journal *j, uint64_t off, uint64_t seq, uint64_t size,
		      struct err *err)
{
	bool torn;
	int r = is_torn(j, off, seq, size, &torn, err);

	if (r < 0 || torn)
		return r;
	return err_set(err, ERR_CORRUPT, "journal: the last record, at %llu, is damaged",
		       (unsigned long long)off);
}

/* Reads the record at OFF and decides what it is, if it is bad: the torn tail, or damage.
 * A record may be half there because it is just being written. By the time a later one is
 * found it is whole, so it gets a second look before it is called damaged. */
static int next_record(struct journal *j, uint64_t off, uint64_t seq, struct buf *items,
		       struct record *ret, bool *ret_valid, struct err *err)
{
	uint64_t size, behind = 0;
	int r = 0;

	for (unsigned look = 0; look < 2 && r == 0; look++) {
		r = io_size(j->fd, &size, NAME, err);
		if (r == 0)
			r = read_record(j, off, size, items, ret, ret_valid, err);
		if (r < 0 || *ret_valid || off == size)
			return r;
		if (look == 0)
			r = find_valid(j, off, seq, &behind, err);
		if (r == 0 && !behind && look == 1)
			return judge_tail(j, off, seq, size, err);
	}
	if (r < 0)
		return r;
	return err_set(err, ERR_CORRUPT, "journal: the record at %llu is damaged",
		       (unsigned long long)off);
}

int journal_replay(struct journal *j, uint64_t offset, uint64_t after_seq,
		   journal_each_fn *each, void *arg, uint64_t *ret_end, uint64_t *ret_seq,
		   struct err *err)
{
	auto_buf struct buf items;
	uint64_t off = offset, seq = after_seq, size;
	int r = io_size(j->fd, &size, NAME, err);

	buf_init(&items, JOURNAL_RECORD_MAX);
	if (r == 0 && offset > size)
		return err_set(err, ERR_CORRUPT,
			       "journal: it ends at %llu, but reached to %llu before",
			       (unsigned long long)size, (unsigned long long)offset);
	while (r == 0) {
		struct record rec;
		bool valid;

		r = next_record(j, off, seq, &items, &rec, &valid, err);
		if (r < 0 || !valid)
			break;
		/* Only the first record of the file may have any number. */
		if (rec.seq != seq + 1 && off != FILE_HEADER)
			return out_of_order(off, rec.seq, seq + 1, err);
		off = rec.end;
		seq = rec.seq;
		r = each(arg, seq, items.data, items.len, off, err);
	}
	if (r < 0)
		return r;
	*ret_end = off;
	*ret_seq = seq;
	return 0;
}

static int salvage_tail(struct journal *j, uint64_t off, uint64_t seq, uint64_t size,
			journal_gap_fn *gap, void *arg, struct err *err)
{
	bool torn;
	int r = is_torn(j, off, seq, size, &torn, err);

	if (r == 0 && !torn)
		gap(arg, off, size);
	return r;
}

int journal_salvage(struct journal *j, journal_each_fn *each, void *arg,
		    journal_gap_fn *gap, struct err *err)
{
	auto_buf struct buf items;
	uint64_t off = FILE_HEADER, seq = 0, size;
	int r = io_size(j->fd, &size, NAME, err);

	buf_init(&items, JOURNAL_RECORD_MAX);
	while (r == 0 && off < size) {
		struct record rec;
		bool valid;
		uint64_t next;

		r = read_record(j, off, size, &items, &rec, &valid, err);
		if (r == 0 && valid && rec.seq > seq) {
			off = rec.end;
			seq = rec.seq;
			r = each(arg, seq, items.data, items.len, off, err);
			continue;
		}
		if (r == 0)
			r = find_valid(j, off, seq, &next, err);
		if (r == 0 && !next)
			return salvage_tail(j, off, seq, size, gap, arg, err);
		if (r < 0)
			break;
		gap(arg, off, next);
		off = next;
	}
	return r;
}

static int encode_record(struct buf *buf, uint64_t seq, const void *items, size_t len,
			 struct err *err)
{
	static const uint8_t zeros[ALIGNMENT];
	uint32_t len32 = (uint32_t)len;
	int r;

	if (len == 0 || len > JOURNAL_RECORD_MAX)
		return err_set(err, ERR_LIMIT, "a commit of %zu bytes is too large", len);
	r = buf_append_le32(buf, RECORD_MAGIC, err);
	if (r == 0)
		r = buf_append_le32(buf, len32, err);
	if (r == 0)
		r = buf_append_le64(buf, seq, err);
	if (r == 0)
		r = buf_append_le64(buf, checksum(len32, seq, items), err);
	if (r == 0)
		r = buf_append(buf, items, len, err);
	if (r == 0 && padded(len) > len)
		r = buf_append(buf, zeros, padded(len) - len, err);
	return r;
}

/* Cuts a torn tail, and keeps what it was: nobody will miss it, but who finds that a commit
 * is gone can look. */
static int cut_tail(struct journal *j, uint64_t end, uint64_t size, struct err *err)
{
	size_t most = RECORD_HEADER + JOURNAL_RECORD_MAX;
	size_t len = size - end < most ? (size_t)(size - end) : most;
	auto_buf struct buf tail;
	int r;

	buf_init(&tail, most);
	r = buf_reserve(&tail, len, err);
	if (r == 0)
		r = io_pread(j->fd, tail.data, len, end, NAME, err);
	if (r == 0)
		r = perms_replace_file(j->dirfd, CUT_NAME, tail.data, len, err);
	return r < 0 ? r : io_truncate(j->fd, end, NAME, err);
}

int journal_append(struct journal *j, uint64_t end, uint64_t seq, const void *items,
		   size_t len, uint64_t *ret_end, struct err *err)
{
	auto_buf struct buf record;
	uint64_t size;
	int r = io_size(j->fd, &size, NAME, err);

	buf_init(&record, RECORD_HEADER + JOURNAL_RECORD_MAX + ALIGNMENT);
	if (r == 0 && size > end)
		r = cut_tail(j, end, size, err);
	if (r == 0)
		r = encode_record(&record, seq, items, len, err);
	if (r < 0)
		return r;
	r = io_pwrite(j->fd, record.data, record.len, end, NAME, err);
	if (r == 0)
		r = io_sync(j->fd, NAME, err);
	if (r < 0) {
		/* It must not come to life later, when the cause is gone. */
		if (ftruncate(j->fd, (off_t)end) == 0)
			(void)!fdatasync(j->fd);
		return r;
	}
	*ret_end = end + record.len;
	return 0;
}

int journal_replace(int dirfd, const void *items, size_t len, uint64_t seq,
		    struct err *err)
{
	auto_buf struct buf file;
	int r;

	buf_init(&file, FILE_HEADER + RECORD_HEADER + JOURNAL_RECORD_MAX + ALIGNMENT);
	r = buf_append(&file, FILE_MAGIC, 8, err);
	if (r == 0)
		r = buf_append_zeros(&file, FILE_HEADER - 8, err);
	if (r == 0 && len)
		r = encode_record(&file, seq, items, len, err);
	return r < 0 ? r : perms_replace_file(dirfd, NAME, file.data, file.len, err);
}
