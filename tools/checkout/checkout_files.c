/* SPDX-License-Identifier: Apache-2.0
 * The files of a checkout, in the order in which their contents lie in the packs: every frame
 * is decoded once. */
#include "tools/checkout/checkout_private.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "store/base/io.h"
#include "store/base/workers.h"
#include "tools/interrupt.h"

#define THREADS_MAX 4u
#define BATCH_MAX   256u /* files in a row that one thread takes */
#define BUFFER_SIZE (1u << 20)
#define HOLE_SIZE   (64u << 10) /* runs of zeros this long, and aligned, are holes */
#define LOOKUPS_MAX 4096u       /* in one transaction */

struct writing {
	struct checkout *c;
	pthread_mutex_t lock; /* below */
	size_t next;
	bool failed;
	struct err err;
};

struct writer {
	struct workers_job job; /* first */
	struct writing *w;
	struct checkout_dirs dirs;
	struct hasher *hasher;
	uint8_t *buffer;
	struct digest held; /* all of what is in BUFFER; zero: nothing */
};

static struct checkout_file *file_at(const struct checkout *c, size_t i)
{
	return (struct checkout_file *)(void *)c->files.data + i;
}

static size_t file_count(const struct checkout *c)
{
	return c->files.len / sizeof(struct checkout_file);
}

/* ---- where contents are ---- */

static int find_place(const struct checkout *c, struct catalog_txn *t,
		      struct checkout_file *file, struct err *err)
{
	struct object_place place;
	struct tree_node node;
	char path[CHECKOUT_PATH_SIZE];
	int r = tree_node(&c->tree->tree, file->nid, &node, err);

	if (r < 0 || node.size == 0)
		return r;
	r = store_object_get(c->store, t, &node.digest, &place, err);
	if (r == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "content of '%s' is missing",
			       checkout_path(c, &file->at, path));
	if (r < 0)
		return r;
	file->pack = place.frame.pack;
	file->frame = place.frame.off;
	file->off = place.off;
	return 0;
}

static int find_places(struct checkout *c, struct err *err)
{
	size_t count = file_count(c);
	int r = 0;

	for (size_t i = 0; i < count && r == 0;) {
		auto_catalog_txn struct catalog_txn *t = NULL;

		r = catalog_begin(store_catalog(c->store), false, &t, err);
		for (size_t n = 0; n < LOOKUPS_MAX && i < count && r == 0; n++, i++)
			r = find_place(c, t, file_at(c, i), err);
	}
	return r;
}

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int by_place(const void *x, const void *y)
{
	const struct checkout_file *a = x, *b = y;
	int c = ORDER(a->pack, b->pack);

	if (c == 0)
		c = ORDER(a->frame, b->frame);
	if (c == 0)
		c = ORDER(a->off, b->off);
	return c ? c : ORDER(a->nid, b->nid);
}

/* ---- bytes ---- */

static bool is_zero(const uint8_t *data, size_t len)
{
	return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* The length of a run of pieces that are all hole, or all not. */
static size_t run_length(const uint8_t *data, size_t len, bool *ret_hole)
{
	size_t at = 0;

	do {
		size_t n = len - at < HOLE_SIZE ? len - at : HOLE_SIZE;
		bool hole = n == HOLE_SIZE && is_zero(data + at, n);

		if (at == 0)
			*ret_hole = hole;
		else if (hole != *ret_hole)
			break;
		at += n;
	} while (at < len);
	return at;
}

/* AT is a multiple of HOLE_SIZE. */
static int write_piece(const struct checkout *c, const struct checkout_file *file, int fd,
		       const uint8_t *data, size_t len, uint64_t at, struct err *err)
{
	while (len) {
		bool hole;
		size_t n = run_length(data, len, &hole);
		struct err e = {0};

		if (!hole && io_pwrite(fd, data, n, at, "", &e) < 0)
			return checkout_failed(c, &file->at, "write", e.sys, err);
		data += n;
		at += n;
		len -= n;
	}
	return 0;
}

static int read_piece(struct writer *w, const struct checkout_file *file,
		      const struct tree_node *node, uint64_t at, size_t len,
		      struct err *err)
{
	char path[CHECKOUT_PATH_SIZE];
	size_t got = 0;
	int r = interrupt_check(err);

	if (r < 0)
		return r;
	w->held = (struct digest){0};
	r = objects_read(w->w->c->objects, &node->digest, at, w->buffer, len, &got, err);
	if (r == -ERR_NOTFOUND || (r == 0 && got != len))
		return err_set(err, ERR_CORRUPT, "content of '%s' is incomplete",
			       checkout_path(w->w->c, &file->at, path));
	if (r == 0)
		hasher_update(w->hasher, w->buffer, len);
	return r < 0 ? r : interrupt_check(err);
}

static int check_digest(struct writer *w, const struct checkout_file *file,
			const struct tree_node *node, struct err *err)
{
	char path[CHECKOUT_PATH_SIZE];
	struct digest d;

	hasher_final(w->hasher, &d);
	if (!digest_equal(&d, &node->digest))
		return err_set(err, ERR_CORRUPT, "content of '%s' is not what it was",
			       checkout_path(w->w->c, &file->at, path));
	if (node->size <= BUFFER_SIZE)
		w->held = d;
	return 0;
}

static int write_content(struct writer *w, const struct checkout_file *file,
			 const struct tree_node *node, int fd, struct err *err)
{
	struct checkout *c = w->w->c;
	/* Equal files come one after the other. */
	bool again = node->size <= BUFFER_SIZE && digest_equal(&w->held, &node->digest);
	struct digest none;
	int r = 0;

	for (uint64_t at = 0; at < node->size && r == 0;) {
		uint64_t left = node->size - at;
		size_t n = left < BUFFER_SIZE ? (size_t)left : BUFFER_SIZE;

		if (!again)
			r = read_piece(w, file, node, at, n, err);
		if (r == 0)
			r = write_piece(c, file, fd, w->buffer, n, at, err);
		at += n;
		progress_add(c->options->progress, n);
	}
	if (r < 0)
		hasher_final(w->hasher, &none);
	else if (!again && node->size)
		r = check_digest(w, file, node, err);
	/* A hole at the end was not written. */
	if (r == 0 && node->size >= HOLE_SIZE && ftruncate(fd, (off_t)node->size) < 0)
		return checkout_failed(c, &file->at, "write", errno, err);
	return r;
}

static int write_file(struct writer *w, const struct checkout_file *file, struct err *err)
{
	struct checkout *c = w->w->c;
	char name[CHECKOUT_NAME_SIZE];
	struct tree_node node;
	int dir, fd, r;

	r = interrupt_check(err);
	if (r == 0)
		r = tree_node(&c->tree->tree, file->nid, &node, err);
	if (r == 0)
		r = checkout_dirs_get(&w->dirs, file->at.dir, &dir, err);
	if (r < 0)
		return r;
	/* The mode is exact in checkout_attrs; most need no more than this. */
	fd = openat(dir, checkout_name_text(&file->at, name),
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    (node.mode & 0777) | 0200);
	if (fd < 0)
		return checkout_failed(c, &file->at, "make", errno, err);
	r = write_content(w, file, &node, fd, err);
	if (r == 0)
		r = checkout_attrs(c, &file->at, fd, -1, &node, err);
	if (close(fd) < 0 && r == 0)
		r = checkout_failed(c, &file->at, "write", errno, err);
	return r;
}

/* ---- threads ---- */

/* Files of one frame. */
static bool take_batch(struct writing *w, size_t *ret_first, size_t *ret_count)
{
	size_t count = file_count(w->c), n = 0;

	pthread_mutex_lock(&w->lock);
	if (!w->failed && w->next < count) {
		const struct checkout_file *first = file_at(w->c, w->next);

		for (n = 1; n < BATCH_MAX && w->next + n < count; n++) {
			const struct checkout_file *f = first + n;

			if (f->pack != first->pack || f->frame != first->frame)
				break;
		}
		*ret_first = w->next;
		*ret_count = n;
		w->next += n;
	}
	pthread_mutex_unlock(&w->lock);
	return n > 0;
}

static void fail(struct writing *w, const struct err *err)
{
	pthread_mutex_lock(&w->lock);
	if (!w->failed)
		w->err = *err;
	w->failed = true;
	pthread_mutex_unlock(&w->lock);
}

static void run(struct workers_job *job, unsigned thread)
{
	struct writer *w = (struct writer *)(void *)job;
	size_t first, count;
	struct err err;

	(void)thread;
	while (take_batch(w->w, &first, &count))
		for (size_t i = first; i < first + count; i++)
			if (write_file(w, file_at(w->w->c, i), &err) < 0) {
				fail(w->w, &err);
				return;
			}
}

static int writer_init(struct writer *w, struct writing *writing, struct err *err)
{
	w->job.run = run;
	w->w = writing;
	checkout_dirs_init(&w->dirs, writing->c);
	w->buffer = malloc(BUFFER_SIZE);
	if (!w->buffer)
		return err_nomem(err);
	return hasher_new(&w->hasher, err);
}

static void writer_release(struct writer *w)
{
	if (!w->w)
		return;
	checkout_dirs_release(&w->dirs);
	hasher_free(w->hasher);
	free(w->buffer);
}

static int write_all(struct writing *w, struct err *err)
{
	unsigned cpus = workers_cpus(), threads = cpus < THREADS_MAX ? cpus : THREADS_MAX;
	auto_workers struct workers *pool = NULL;
	struct writer writers[THREADS_MAX] = {0};
	int r = workers_new(threads, threads, &pool, err);

	for (unsigned i = 0; i < threads && r == 0; i++)
		r = writer_init(&writers[i], w, err);
	for (unsigned i = 0; i < threads && r == 0; i++)
		workers_submit(pool, &writers[i].job);
	if (r == 0)
		workers_wait(pool);
	for (unsigned i = 0; i < threads; i++)
		writer_release(&writers[i]);
	if (r == 0 && w->failed)
		r = err_copy(err, &w->err);
	return r;
}

int checkout_files(struct checkout *c, struct err *err)
{
	struct writing w = {.c = c, .lock = PTHREAD_MUTEX_INITIALIZER};
	int r = find_places(c, err);

	if (r < 0 || file_count(c) == 0)
		return r;
	progress_expect(c->options->progress, c->counts.bytes);
	qsort(c->files.data, file_count(c), sizeof(struct checkout_file), by_place);
	r = write_all(&w, err);
	pthread_mutex_destroy(&w.lock);
	return r;
}
