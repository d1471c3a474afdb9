/* SPDX-License-Identifier: Apache-2.0
 * Appending to a pack. One lock around the writes: a frame is written at the end of the last
 * complete one, so what a failed write leaves behind is overwritten or cut. */
#include "store/pack_private.h"

#include <pthread.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/perms.h"

struct pack_writer {
	pthread_mutex_t lock; /* length */
	int dirfd;            /* borrowed */
	int fd;
	uint32_t number;
	char name[PACK_NAME_SIZE];
	uint64_t committed; /* when it was opened; 0: new */
	uint64_t length;    /* end of the last complete frame */
};

/* Opens and locks the file; once that is done nobody removes it under its name. */
static int open_locked(struct pack_writer *w, bool create, struct err *err)
{
	struct stat st;
	int r;

	for (;;) {
		auto_fd int fd = -1;

		if (create)
			r = perms_create(w->dirfd, w->name, O_RDWR, &fd, NULL, err);
		else
			r = io_open(w->dirfd, w->name, O_RDWR, 0, &fd, err);
		if (r == 0)
			r = io_lock(fd, true, false, w->name, err);
		if (r < 0)
			return r;
		if (fstat(fd, &st) < 0)
			return err_sys(err, errno, "cannot stat '%s'", w->name);
		if (st.st_nlink > 0) {
			w->fd = steal_fd(&fd);
			return 0;
		}
	}
}

static int write_file_header(struct pack_writer *w, struct err *err)
{
	uint8_t header[PACK_FILE_HEADER_SIZE];
	int r;

	pack_file_header_encode(w->number, header);
	r = io_truncate(w->fd, 0, w->name, err);
	if (r == 0)
		r = io_pwrite(w->fd, header, sizeof(header), 0, w->name, err);
	w->length = sizeof(header);
	return r;
}

int pack_mend_header(int packs_dirfd, uint32_t number, struct err *err)
{
	uint8_t header[PACK_FILE_HEADER_SIZE];
	char name[PACK_NAME_SIZE];
	auto_fd int fd = -1;
	int r;

	pack_name(number, name);
	pack_file_header_encode(number, header);
	r = io_open(packs_dirfd, name, O_WRONLY, 0, &fd, err);
	if (r == 0)
		r = io_pwrite(fd, header, sizeof(header), 0, name, err);
	return r < 0 ? r : io_sync(fd, name, err);
}

static int cut_to_committed(struct pack_writer *w, struct err *err)
{
	uint8_t header[PACK_FILE_HEADER_SIZE];
	uint64_t size;
	int r = io_size(w->fd, &size, w->name, err);

	if (r < 0)
		return r;
	if (size < w->committed)
		return err_set(err, ERR_CORRUPT,
			       "pack %08x is shorter than what was committed to it",
			       w->number);
	r = io_pread(w->fd, header, sizeof(header), 0, w->name, err);
	if (r == 0)
		r = pack_file_header_check(header, w->number, err);
	if (r == 0 && size > w->committed)
		r = io_truncate(w->fd, w->committed, w->name, err);
	w->length = w->committed;
	return r;
}

int pack_writer_open(int packs_dirfd, uint32_t number, uint64_t committed, bool create,
		     struct pack_writer **ret, struct err *err)
{
	struct pack_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_nomem(err);
	pthread_mutex_init(&w->lock, NULL);
	w->dirfd = packs_dirfd;
	w->fd = -1;
	w->number = number;
	w->committed = committed;
	pack_name(number, w->name);
	r = open_locked(w, create, err);
	if (r == 0)
		r = committed ? cut_to_committed(w, err) : write_file_header(w, err);
	if (r < 0) {
		/* A new one is taken back; one with commits is not ours to touch. */
		if (w->fd >= 0 && !committed)
			pack_writer_abort(w);
		else
			pack_writer_close(w);
		return r;
	}
	*ret = w;
	return 0;
}

void pack_writer_close(struct pack_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void pack_writer_abort(struct pack_writer *w)
{
	if (!w)
		return;
	/* Best effort: the next writer cuts what is left here. */
	if (w->committed)
		(void)!ftruncate(w->fd, (off_t)w->committed);
	else
		unlinkat(w->dirfd, w->name, 0);
	pack_writer_close(w);
}

void pack_writer_remove(struct pack_writer *w)
{
	unlinkat(w->dirfd, w->name, 0);
	pack_writer_close(w);
}

uint32_t pack_writer_number(const struct pack_writer *w)
{
	return w->number;
}

uint64_t pack_writer_length(struct pack_writer *w)
{
	uint64_t length;

	pthread_mutex_lock(&w->lock);
	length = w->length;
	pthread_mutex_unlock(&w->lock);
	return length;
}

/* Each time so much has been added, the disk begins to write it, so that a commit finds
 * little left to wait for. */
#define WRITEBACK_STEP (8ull << 20)

static void write_back(const struct pack_writer *w, uint64_t from, uint64_t to)
{
	uint64_t begin = from - from % WRITEBACK_STEP, end = to - to % WRITEBACK_STEP;

	if (end > begin)
		io_write_back(w->fd, begin, end - begin);
}

/* Writes the frame, whose header is still to be filled in: it tells its place. */
static int write_frame(struct pack_writer *w, const struct pack_header *h, uint8_t *frame,
		       uint64_t *ret_off, struct err *err)
{
	uint32_t len = pack_header_frame_len(h);
	int r;

	pthread_mutex_lock(&w->lock);
	*ret_off = w->length;
	pack_header_encode(h, w->length, frame);
	r = io_pwrite(w->fd, frame, len, w->length, w->name, err);
	if (r == 0)
		w->length += len;
	pthread_mutex_unlock(&w->lock);
	if (r == 0)
		write_back(w, *ret_off, *ret_off + len);
	return r;
}

int pack_append(struct pack_writer *w, enum pack_frame_type type,
		enum codec_method method, const struct pack_entry *table, uint32_t count,
		const void *body, uint32_t stored_len, uint32_t raw_len,
		struct pack_place *ret, struct err *err)
{
	struct pack_header h = {type, method, count, stored_len, raw_len, 0, 0};
	auto_free uint8_t *frame = NULL;
	uint8_t *at;
	uint64_t off;
	int r;

	if (count > PACK_TABLE_MAX || stored_len > PACK_BODY_MAX ||
	    raw_len > PACK_BODY_MAX)
		return err_set(err, ERR_LIMIT, "a frame of %u bytes is too large",
			       raw_len);
	frame = malloc(pack_header_frame_len(&h));
	if (!frame)
		return err_nomem(err);
	at = frame + PACK_FRAME_HEADER_SIZE;
	for (uint32_t i = 0; i < count; i++, at += PACK_TABLE_ENTRY_SIZE)
		pack_entry_encode(&table[i], at);
	if (stored_len)
		memcpy(at, body, stored_len);
	pack_header_sum(&h, frame + PACK_FRAME_HEADER_SIZE);
	r = write_frame(w, &h, frame, &off, err);
	if (r == 0)
		*ret = (struct pack_place){w->number, pack_header_frame_len(&h), off};
	return r;
}

int pack_writer_sync(struct pack_writer *w, struct err *err)
{
	int r = io_sync(w->fd, w->name, err);

	if (r == 0 && !w->committed)
		r = io_sync_dir(w->dirfd, "packs", err);
	return r;
}
