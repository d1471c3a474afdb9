/* SPDX-License-Identifier: Apache-2.0
 * Getting a tree: from the table, else from its file, else by building it. One thread loads
 * a tree, others that want it wait. */
#include "store/forest_table.h"

#include <string.h>
#include <sys/mman.h>

#include "store/base/io.h"
#include "store/layer.h"
#include "store/tree_write.h"

#define BOUND_DEFAULT (1ull << 30)
/* How often a tree may be given a new number under a caller that asks by digest. */
#define ATTEMPTS 8

struct load {
	uint32_t number;
	unsigned waiting;
	bool done;
	int result;
	struct err err;
	struct load *next;
};

struct forest {
	struct store *store;
	uint64_t bound;
	struct forest_table table;

	pthread_mutex_t load_lock; /* the loads under way; never held over one */
	pthread_cond_t loaded;
	struct load *loading;
};

/* ---- loading ---- */

/* An entry around IMAGE, which it owns from here on, also on failure. */
static int wrap_image(const struct catalog_tree *known, struct forest_image *image,
		      struct forest_entry **ret, struct err *err)
{
	struct forest_entry *e = calloc(1, sizeof(*e));
	int r = e ? tree_open(&e->tree.tree, image->bytes, image->len, err)
		  : err_nomem(err);

	if (r < 0) {
		forest_image_release(image);
		free(e);
		return r;
	}
	e->image = *image;
	e->known = *known;
	e->tree.number = known->number;
	e->tree.generation = get_le32(known->sha256.bytes);
	e->tree.owner = known->owner;
	e->tree.id = known->id;
	*ret = e;
	return 0;
}

/* Builds the image. If the writer is the one of the journal, so should the bytes be: else the
 * frames are wrong, and the recipes are asked, if they can be read. */
static int build(struct forest *f, const struct catalog_tree *known, struct buf *out,
		 struct digest *ret_sha256, struct err *err)
{
	auto_buf struct buf again = {0};
	int r = forest_build(f->store, known, false, out, err);

	if (r < 0)
		return r;
	digest_of(out->data, out->len, ret_sha256);
	if (known->version != TREE_WRITER_VERSION ||
	    digest_equal(ret_sha256, &known->sha256))
		return 0;
	buf_init(&again, LAYER_TREE_MAX);
	if (forest_build(f->store, known, true, &again, NULL) == 0) {
		buf_release(out);
		*out = again;
		again = (struct buf){0};
		digest_of(out->data, out->len, ret_sha256);
	}
	return 0;
}

static int replaced(uint32_t number, struct err *err)
{
	return err_set(err, ERR_STALE, "tree %u has been replaced", number);
}

/* Journals what was built and puts it into a file. Whatever keeps us from that (no
 * permission, no space, a newer writer), the tree itself is right: it is used from memory,
 * under the generation of its own bytes. */
static int keep(struct forest *f, struct catalog_tree *known, const struct digest *sha256,
		struct forest_image *image, struct err *err)
{
	int r = 0;

	if (!known->version || !digest_equal(&known->sha256, sha256)) {
		struct catalog_tree now;

		r = -ERR_FAILED;
		if (store_writable(f->store))
			r = forest_number_settle(f->store, known, sha256, &now, NULL);
		if (r == -ERR_STALE)
			return replaced(known->number, err);
		known->sha256 = *sha256;
		if (r == 0)
			*known = now;
	}
	if (r == 0)
		r = forest_disk_write(f->store, known, image->bytes, image->len, NULL);
	if (r == 0) {
		struct forest_image mapped;

		r = forest_disk_map(f->store, known, &mapped, NULL);
		if (r == 0) {
			forest_image_release(image);
			*image = mapped;
		}
	}
	return 0;
}

static int make(struct forest *f, struct catalog_tree *known, struct forest_image *image,
		struct err *err)
{
	struct digest sha256;
	int r;

	buf_init(&image->memory, LAYER_TREE_MAX);
	r = build(f, known, &image->memory, &sha256, err);
	if (r == 0) {
		image->bytes = image->memory.data;
		image->len = image->memory.len;
		r = keep(f, known, &sha256, image, err);
	}
	if (r < 0)
		forest_image_release(image);
	return r;
}

static void touch_used(void *arg)
{
	struct forest *f = arg;

	forest_table_touch(&f->table, f->store);
}

static bool let_go(void *arg, uint32_t number)
{
	struct forest *f = arg;

	return forest_table_let_go(&f->table, number);
}

static void bound_files(struct forest *f)
{
	const struct forest_evict e = {
		.dirfd = store_trees_dirfd(f->store),
		.bound = f->bound,
		.touch = touch_used,
		.release = let_go,
		.arg = f,
	};

	/* The next build tries again. */
	(void)!forest_evict(&e, NULL);
}

/* Gives the tree that had NUMBER when this began; its present number may be another. */
static int load(struct forest *f, uint32_t number, struct forest_entry **ret,
		struct err *err)
{
	struct forest_image image = {0};
	struct catalog_tree known;
	struct forest_entry *e = NULL;
	bool made = false;
	int r = forest_number_get(f->store, number, &known, err);

	if (r < 0)
		return r;
	if (forest_disk_map(f->store, &known, &image, NULL) < 0) {
		r = make(f, &known, &image, err);
		made = image.mapped;
	}
	if (r == 0)
		r = wrap_image(&known, &image, &e, err);
	if (r < 0)
		return r;
	*ret = forest_table_insert(&f->table, e);
	if (made)
		bound_files(f);
	return 0;
}

/* Of what NUMBER once was nothing is left. */
static int gone(uint32_t number, struct err *err)
{
	return err_set(err, ERR_STALE, "what tree %u belonged to is gone", number);
}

static int load_number(struct forest *f, uint32_t number, struct forest_entry **ret,
		       struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct catalog_tree known;
	struct forest_entry *e;
	int r = load(f, number, &e, err);

	if (r == 0 && e->tree.number == number) {
		*ret = e;
		return 0;
	}
	if (r == 0) {
		forest_put(f, &e->tree);
		return replaced(number, err);
	}
	if (r == -ERR_STALE || forest_number_get(f->store, number, &known, NULL) < 0)
		return r;
	if (r == -ERR_NOTFOUND)
		return gone(number, err);
	return err_wrap(err, "tree of %s '%s'",
			known.owner == TREE_OF_CHAIN ? "chain" : "layer",
			digest_format(&known.id, text));
}

/* ---- one load of a tree at a time ---- */

/* With the load lock. */
static struct load *find_load(struct forest *f, uint32_t number)
{
	struct load *l = f->loading;

	while (l && l->number != number)
		l = l->next;
	return l;
}

static void unlist_load(struct forest *f, const struct load *l)
{
	struct load **at = &f->loading;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
}

/* With the load lock: waits for another thread's load, which lives on its stack. */
static int wait_for(struct forest *f, struct load *l, struct err *err)
{
	int r;

	l->waiting++;
	while (!l->done)
		pthread_cond_wait(&f->loaded, &f->load_lock);
	r = l->result < 0 ? err_copy(err, &l->err) : 0;
	l->waiting--;
	pthread_cond_broadcast(&f->loaded);
	return r;
}

/* With the load lock, and left with it. */
static int load_alone(struct forest *f, uint32_t number, struct forest_entry **ret,
		      struct err *err)
{
	struct load l = {.number = number, .next = f->loading};

	f->loading = &l;
	pthread_mutex_unlock(&f->load_lock);
	l.result = load_number(f, number, ret, &l.err);
	pthread_mutex_lock(&f->load_lock);
	l.done = true;
	unlist_load(f, &l);
	pthread_cond_broadcast(&f->loaded);
	while (l.waiting)
		pthread_cond_wait(&f->loaded, &f->load_lock);
	return l.result < 0 ? err_copy(err, &l.err) : 0;
}

static int get_slowly(struct forest *f, uint32_t number, struct forest_entry **ret,
		      struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&f->load_lock);
	while (r == 0 && !(*ret = forest_table_take(&f->table, number))) {
		struct load *l = find_load(f, number);

		if (l) {
			r = wait_for(f, l, err);
			continue;
		}
		r = load_alone(f, number, ret, err);
		break;
	}
	pthread_mutex_unlock(&f->load_lock);
	return r;
}

/* ---- the interface ---- */

int forest_new(struct store *s, uint64_t bound, struct forest **ret, struct err *err)
{
	struct forest *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->store = s;
	f->bound = bound ? bound : BOUND_DEFAULT;
	forest_table_init(&f->table);
	pthread_mutex_init(&f->load_lock, NULL);
	pthread_cond_init(&f->loaded, NULL);
	*ret = f;
	return 0;
}

void forest_free(struct forest *f)
{
	if (!f)
		return;
	forest_table_release(&f->table);
	pthread_cond_destroy(&f->loaded);
	pthread_mutex_destroy(&f->load_lock);
	free(f);
}

int forest_get(struct forest *f, uint32_t number, struct forest_tree **ret,
	       struct err *err)
{
	struct forest_entry *e = forest_table_take(&f->table, number);
	int r = e ? 0 : get_slowly(f, number, &e, err);

	if (r == 0)
		*ret = &e->tree;
	return r;
}

/* What had one number when we looked may have another by now. */
static int get_by_digest(struct forest *f, enum tree_owner owner, const struct digest *id,
			 struct forest_tree **ret, struct err *err)
{
	int r = -ERR_STALE;

	for (unsigned i = 0; i < ATTEMPTS && r == -ERR_STALE; i++) {
		uint32_t number;

		r = forest_number_find(f->store, owner, id, &number, err);
		if (r == 0)
			r = forest_get(f, number, ret, err);
	}
	return r;
}

int forest_get_layer(struct forest *f, const struct digest *diffid,
		     struct forest_tree **ret, struct err *err)
{
	return get_by_digest(f, TREE_OF_LAYER, diffid, ret, err);
}

int forest_get_chain(struct forest *f, const struct digest *chainid,
		     struct forest_tree **ret, struct err *err)
{
	return get_by_digest(f, TREE_OF_CHAIN, chainid, ret, err);
}

void forest_put(struct forest *f, struct forest_tree *t)
{
	(void)f;
	if (t)
		forest_table_put((struct forest_entry *)t);
}

/* ---- as a file ---- */

/* An unnamed file for those who may not write to the store. */
static int file_in_memory(const struct forest_tree *t, int *ret_fd, struct err *err)
{
	auto_fd int fd = memfd_create("layercache-tree", MFD_CLOEXEC);
	char path[64];
	int r;

	if (fd < 0)
		return err_sys(err, errno, "cannot make a file in memory");
	r = io_write(fd, t->tree.bytes, t->tree.len, "file in memory", err);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return r < 0 ? r : io_open(AT_FDCWD, path, O_RDONLY, 0, ret_fd, err);
}

int forest_file(struct forest *f, struct forest_tree *t, int *ret_fd, struct err *err)
{
	const struct forest_entry *e = (const struct forest_entry *)t;
	int r = -ERR_NOTFOUND;

	/* In memory is what the journal does not know or the disk would not take. */
	if (e->image.mapped) {
		r = forest_disk_open(f->store, &e->known, ret_fd, NULL);
		if (r < 0 && forest_disk_write(f->store, &e->known, t->tree.bytes,
					       t->tree.len, NULL) == 0)
			r = forest_disk_open(f->store, &e->known, ret_fd, NULL);
	}
	return r < 0 ? file_in_memory(t, ret_fd, err) : 0;
}
