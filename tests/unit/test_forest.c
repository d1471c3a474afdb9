/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the trees of a store: built, kept, found again, replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>

#include "store/base/io.h"
#include "store/forest.h"
#include "store/layer.h"
#include "store/tree_frames.h"
#include "tests/unit/scratch_store.h"
#include "tests/unit/tar_fixture.h"
#include "tests/unit/forest_fixture.h"

/* ---- a store with layers and chains ---- */

static struct session *session;

static void begin(void)
{
	assert_ok(session_begin(scratch_store, NULL, &session, err));
}

static void commit(void)
{
	assert_ok(session_commit(session, err));
}

/* A layer whose DiffID is the digest of NAME; frees the model. It has no recipe. */
static struct digest add_layer(const char *name, struct tree_model *m)
{
	struct record_item item = {.type = RECORD_LAYER};
	auto_buf struct buf image;

	digest_of(name, strlen(name), &item.layer.diffid);
	tree_fixture_image(m, &image);
	assert_ok(tree_frames_put(session, image.data, image.len, &item.layer.tree, err));
	assert_ok(session_add(session, &item, err));
	return item.layer.diffid;
}

/* PARENT NULL: the first layer. */
static struct digest add_chain(const struct digest *parent, const struct digest *diffid)
{
	struct record_item item = {.type = RECORD_CHAIN};

	if (parent)
		item.chain.parent = *parent;
	item.chain.diffid = *diffid;
	digest_chain(parent, diffid, &item.chain.chainid);
	assert_ok(session_add(session, &item, err));
	return item.chain.chainid;
}

/* Three layers: files, a whiteout and a file, a whiteout of nothing. */
struct sample {
	struct digest layers[3], chains[3];
};

static struct sample add_sample(void)
{
	struct tree_model *m[3];
	struct sample x;

	for (unsigned i = 0; i < 3; i++)
		m[i] = tree_fixture_new();
	tree_fixture_dir(m[0], "etc");
	tree_fixture_file(m[0], "etc/passwd", "root");
	tree_fixture_file(m[0], "etc/motd", "hello");
	tree_fixture_dir(m[1], "etc");
	tree_fixture_whiteout(m[1], "etc/motd");
	tree_fixture_file(m[1], "new", "1");
	tree_fixture_whiteout(m[2], "nothing");
	tree_fixture_file(m[2], "newer", "2");
	begin();
	x.layers[0] = add_layer("one", m[0]);
	x.layers[1] = add_layer("two", m[1]);
	x.layers[2] = add_layer("three", m[2]);
	for (unsigned i = 0; i < 3; i++)
		x.chains[i] = add_chain(i ? &x.chains[i - 1] : NULL, &x.layers[i]);
	commit();
	return x;
}

static void add_one_file_layer(const char *name, struct digest *ret)
{
	struct tree_model *m = tree_fixture_new();

	tree_fixture_file(m, name, name);
	begin();
	*ret = add_layer(name, m);
	commit();
}

static struct forest *forest_make(uint64_t bound)
{
	struct forest *f = NULL;

	assert_ok(forest_new(scratch_store, bound, &f, err));
	return f;
}

static struct forest_tree *get_chain(struct forest *f, const struct digest *id)
{
	struct forest_tree *t = NULL;

	assert_ok(forest_get_chain(f, id, &t, err));
	return t;
}

static struct forest_tree *get_layer(struct forest *f, const struct digest *id)
{
	struct forest_tree *t = NULL;

	assert_ok(forest_get_layer(f, id, &t, err));
	return t;
}

/* "<store>/trees/<number>.erofs" */
static const char *file_of(uint32_t number)
{
	char name[64];

	snprintf(name, sizeof(name), "store/trees/%08x.erofs", number);
	return scratch_path(name);
}

static bool file_is_there(uint32_t number)
{
	return access(file_of(number), F_OK) == 0;
}

static unsigned files_count(void)
{
	DIR *dir = opendir(scratch_path("store/trees"));
	unsigned count = 0;
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		count += e->d_name[0] != '.';
	closedir(dir);
	return count;
}

static uint64_t generation(void)
{
	uint64_t g = 0;

	assert_ok(store_generation(scratch_store, &g, err));
	return g;
}

static void reopen(unsigned flags)
{
	objects_free(scratch_objects);
	scratch_objects = NULL;
	store_close(scratch_store);
	scratch_store = NULL;
	assert_ok(store_open(scratch_path("store"), flags, &scratch_store, err));
}

static struct digest digest_of_tree(const struct forest_tree *t)
{
	struct digest d;

	digest_of(t->tree.bytes, t->tree.len, &d);
	return d;
}

/* The chain's tree from a new forest: number and digest of its bytes. */
static struct digest look(const struct digest *chainid, uint32_t *ret_number)
{
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = get_chain(f, chainid);
	struct digest d = digest_of_tree(t);

	*ret_number = t->number;
	forest_put(f, t);
	return d;
}

/* ---- getting ---- */

static void a_layer_comes_from_its_frames_with_a_file(void **state)
{
	struct sample x = add_sample();
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = get_layer(f, &x.layers[1]), *again = NULL;
	struct digest d = digest_of_tree(t);

	(void)state;
	assert_int_equal(t->owner, TREE_OF_LAYER);
	assert_true(digest_equal(&t->id, &x.layers[1]));
	assert_int_equal(t->generation, get_le32(d.bytes));
	assert_true(tree_fixture_has(&t->tree, "etc/motd"));
	assert_true(tree_fixture_has(&t->tree, "new"));
	assert_false(tree_fixture_has(&t->tree, "etc/passwd"));
	assert_true(file_is_there(t->number));
	assert_ok(forest_get(f, t->number, &again, err));
	assert_ptr_equal(again, t);
	forest_put(f, again);
	forest_put(f, t);
	forest_put(f, NULL);
}

static void a_chain_is_its_layers_merged(void **state)
{
	struct sample x = add_sample();
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = get_chain(f, &x.chains[2]);

	(void)state;
	assert_int_equal(t->owner, TREE_OF_CHAIN);
	assert_true(digest_equal(&t->id, &x.chains[2]));
	assert_true(tree_fixture_has(&t->tree, "etc/passwd"));
	assert_true(tree_fixture_has(&t->tree, "new"));
	assert_true(tree_fixture_has(&t->tree, "newer"));
	assert_false(tree_fixture_has(&t->tree, "etc/motd"));
	assert_false(tree_fixture_has(&t->tree, "nothing"));
	forest_put(f, t);
}

static void whiteouts_vanish_from_a_chain_of_one_layer(void **state)
{
	struct tree_model *m = tree_fixture_new();
	struct digest layer, chain;
	auto_forest struct forest *f = NULL;
	struct forest_tree *t;

	(void)state;
	tree_fixture_whiteout(m, "gone");
	tree_fixture_file(m, "there", "1");
	begin();
	layer = add_layer("single", m);
	chain = add_chain(NULL, &layer);
	commit();
	assert_true(digest_equal(&layer, &chain));
	f = forest_make(0);
	t = get_chain(f, &chain);
	assert_true(tree_fixture_has(&t->tree, "there"));
	assert_false(tree_fixture_has(&t->tree, "gone"));
	forest_put(f, t);
	t = get_layer(f, &layer);
	assert_true(tree_fixture_has(&t->tree, "gone"));
	forest_put(f, t);
}

static void what_is_not_there_is_not_found(void **state)
{
	struct sample x = add_sample();
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = NULL;

	(void)state;
	assert_int_equal(forest_get(f, 0, &t, NULL), -ERR_NOTFOUND);
	assert_int_equal(forest_get(f, 12345, &t, NULL), -ERR_NOTFOUND);
	assert_int_equal(forest_get_chain(f, &x.layers[2], &t, NULL), -ERR_NOTFOUND);
	assert_int_equal(forest_get_layer(f, &x.chains[2], &t, NULL), -ERR_NOTFOUND);
	assert_null(t);
}

static void a_chain_above_a_missing_one_is_damage(void **state)
{
	struct sample x = add_sample();
	struct digest nowhere, chain;
	auto_forest struct forest *f = NULL;
	struct forest_tree *t = NULL;
	struct err err = {0};

	(void)state;
	digest_of("nowhere", 7, &nowhere);
	begin();
	chain = add_chain(&nowhere, &x.layers[0]);
	commit();
	f = forest_make(0);
	assert_int_equal(forest_get_chain(f, &chain, &t, &err), -ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "tree of chain 'sha256:"));
	begin();
	chain = add_chain(&x.chains[0], &nowhere);
	commit();
	assert_int_equal(forest_get_chain(f, &chain, &t, &err), -ERR_CORRUPT);
}

/* ---- bytes that stay the same ---- */

static void a_tree_is_journalled_once_and_rebuilt_the_same(void **state)
{
	struct sample x = add_sample();
	uint64_t before = generation(), first;
	uint32_t number, again;
	struct digest d = look(&x.chains[2], &number), e;

	(void)state;
	first = generation();
	assert_int_equal(first, before + 1);
	assert_true(file_is_there(number));
	e = look(&x.chains[2], &again);
	assert_int_equal(again, number);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(unlink(file_of(number)), 0);
	e = look(&x.chains[2], &again);
	assert_int_equal(again, number);
	assert_true(digest_equal(&d, &e));
	assert_true(file_is_there(number));
	assert_int_equal(generation(), first);
}

static void damage(uint32_t number, off_t at)
{
	auto_fd int fd = open(file_of(number), O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void damaged_files_are_made_anew(void **state)
{
	struct sample x = add_sample();
	uint32_t number, again;
	struct digest d = look(&x.chains[2], &number), e;
	struct stat st;

	(void)state;
	assert_int_equal(stat(file_of(number), &st), 0);
	for (off_t at = 0; at < st.st_size; at += 97) {
		damage(number, at);
		e = look(&x.chains[2], &again);
		assert_int_equal(again, number);
		assert_true(digest_equal(&d, &e));
	}
	assert_int_equal(truncate(file_of(number), st.st_size / 2), 0);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(truncate(file_of(number), 0), 0);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(unlink(file_of(number)), 0);
	assert_int_equal(mkfifo(file_of(number), 0600), 0);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(stat(file_of(number), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void a_right_file_without_a_stamp_is_used(void **state)
{
	struct sample x = add_sample();
	uint32_t number, again;
	struct digest d = look(&x.chains[2], &number), e;
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	struct stat before, after;

	(void)state;
	assert_int_equal(utimensat(AT_FDCWD, file_of(number), now, 0), 0);
	assert_int_equal(stat(file_of(number), &before), 0);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(stat(file_of(number), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(after.st_mtim.tv_sec < before.st_mtim.tv_sec);
}

/* ---- other bytes ---- */

static struct record_item other_bytes;

static int add_other_bytes(struct commit *c, void *arg, struct err *err)
{
	(void)arg;
	return store_commit_add(c, &other_bytes, err);
}

/* As if a writer of that version had made other bytes. */
static void journal_other_bytes(uint32_t number, uint32_t version)
{
	other_bytes = (struct record_item){
		.type = RECORD_TREE,
		.tree = {.number = number, .version = version},
	};
	digest_of("other", 5, &other_bytes.tree.sha256);
	assert_ok(store_commit(scratch_store, add_other_bytes, NULL, NULL, 0, err));
}

static uint32_t number_of_chain(const struct digest *id)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_chain chain = {0};

	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_ok(catalog_chain_get(t, id, &chain, err));
	return chain.number;
}

static void other_bytes_get_another_number_and_the_old_is_stale(void **state)
{
	struct sample x = add_sample();
	uint32_t old = number_of_chain(&x.chains[2]), number, again;
	struct forest_tree *t = NULL;
	struct digest d;

	(void)state;
	journal_other_bytes(old, TREE_WRITER_VERSION);
	d = look(&x.chains[2], &number);
	assert_int_not_equal(number, old);
	assert_int_equal(number_of_chain(&x.chains[2]), number);
	for (unsigned i = 0; i < 2; i++) {
		auto_forest struct forest *f = forest_make(0);

		assert_int_equal(forest_get(f, old, &t, NULL), -ERR_STALE);
		assert_ok(forest_get(f, number, &t, err));
		assert_true(digest_equal(&t->id, &x.chains[2]));
		forest_put(f, t);
		assert_int_equal(forest_get(f, old, &t, NULL), -ERR_STALE);
		forest_free(steal_ptr(&f));
		reopen(STORE_WRITE);
	}
	(void)look(&x.chains[2], &again);
	assert_int_equal(again, number);
	(void)d;
}

static void a_stale_number_asked_for_first_leads_to_the_new(void **state)
{
	struct sample x = add_sample();
	uint32_t old = number_of_chain(&x.chains[2]);
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = NULL;

	(void)state;
	journal_other_bytes(old, TREE_WRITER_VERSION);
	assert_int_equal(forest_get(f, old, &t, NULL), -ERR_STALE);
	t = get_chain(f, &x.chains[2]);
	assert_int_not_equal(t->number, old);
	forest_put(f, t);
}

static void what_a_newer_writer_made_stands(void **state)
{
	struct sample x = add_sample();
	uint32_t old = number_of_chain(&x.chains[2]), number;
	uint64_t before;
	struct digest d;

	(void)state;
	journal_other_bytes(old, TREE_WRITER_VERSION + 1);
	before = generation();
	d = look(&x.chains[2], &number);
	assert_false(digest_is_zero(&d));
	assert_int_equal(number, old);
	assert_int_equal(generation(), before);
	assert_int_equal(files_count(), 0);
}

/* ---- a store that is only read ---- */

static void a_store_that_is_only_read_is_not_changed(void **state)
{
	struct sample x = add_sample();
	uint32_t number, again;
	uint64_t before = generation();
	struct digest d, e;

	(void)state;
	reopen(0);
	d = look(&x.chains[2], &number);
	assert_int_equal(files_count(), 0);
	assert_int_equal(generation(), before);
	reopen(STORE_WRITE);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(again, number);
	reopen(0);
	damage(number, 2000);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_true(file_is_there(number));
}

/* ---- damage in the packs ---- */

static void tar_sample(struct buf *tar)
{
	buf_init(tar, 1 << 20);
	tar_fixture_header(tar, TAR_DIR, "etc/", "", 0);
	tar_fixture_file(tar, "etc/motd", "hello\n", 6);
	tar_fixture_file(tar, "etc/empty", "", 0);
	tar_fixture_end(tar);
}

/* A layer as an import leaves it, in a chain of its own. */
static struct record_layer ingest(void)
{
	struct stream *stream = NULL;
	auto_buf struct buf tar;
	struct layer layer;

	tar_sample(&tar);
	begin();
	assert_ok(stream_from_bytes(tar.data, tar.len, &stream, err));
	assert_ok(layer_ingest(session, stream, "layer x", NULL, NULL, NULL, NULL, &layer,
			       err));
	(void)add_chain(NULL, &layer.record.diffid);
	commit();
	layer_release(&layer);
	return layer.record;
}

static void damage_frame(const struct pack_place *at)
{
	char name[64];
	auto_fd int fd = -1;
	uint8_t byte;

	snprintf(name, sizeof(name), "store/packs/%08x.pack", at->pack);
	fd = open(scratch_path(name), O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at->off + 60), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at->off + 60), 1);
}

static void damaged_frames_are_made_good_by_the_recipe(void **state)
{
	struct record_layer layer = ingest();
	struct digest before, d, e;
	struct forest_tree *t = NULL;
	uint32_t number, again;
	auto_forest struct forest *f = forest_make(0);

	(void)state;
	t = get_layer(f, &layer.diffid);
	before = digest_of_tree(t);
	unlink(file_of(t->number));
	forest_put(f, t);
	forest_free(steal_ptr(&f));
	d = look(&layer.diffid, &number);
	unlink(file_of(number));

	damage_frame(&layer.tree);
	e = look(&layer.diffid, &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(number, again);
	f = forest_make(0);
	t = get_layer(f, &layer.diffid);
	assert_true(tree_fixture_has(&t->tree, "etc/motd"));
	e = digest_of_tree(t);
	assert_true(digest_equal(&before, &e));
	forest_put(f, t);
}

static void without_frames_and_recipe_it_is_damage(void **state)
{
	struct record_layer layer = ingest();
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = NULL;
	struct err err = {0};

	(void)state;
	damage_frame(&layer.tree);
	damage_frame(&layer.recipe);
	assert_int_equal(forest_get_layer(f, &layer.diffid, &t, &err), -ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "tree of layer 'sha256:"));
	assert_int_equal(forest_get_chain(f, &layer.diffid, &t, &err), -ERR_CORRUPT);
	assert_null(t);
}

/* ---- the bound ---- */

static void get_and_put(struct forest *f, const struct digest *id, uint32_t *ret_number)
{
	struct forest_tree *t = get_layer(f, id);

	*ret_number = t->number;
	forest_put(f, t);
}

static void the_longest_unused_files_go_first(void **state)
{
	struct digest d[4];
	uint32_t n[4];
	auto_forest struct forest *f = NULL;
	struct stat st;

	(void)state;
	add_one_file_layer("a", &d[0]);
	add_one_file_layer("b", &d[1]);
	add_one_file_layer("c", &d[2]);
	add_one_file_layer("d", &d[3]);
	f = forest_make(0);
	get_and_put(f, &d[0], &n[0]);
	assert_int_equal(stat(file_of(n[0]), &st), 0);
	forest_free(steal_ptr(&f));
	f = forest_make((uint64_t)st.st_size * 3);
	get_and_put(f, &d[1], &n[1]);
	get_and_put(f, &d[2], &n[2]);
	assert_int_equal(files_count(), 3);
	get_and_put(f, &d[0], &n[0]);
	get_and_put(f, &d[3], &n[3]);
	assert_int_equal(files_count(), 3);
	assert_true(file_is_there(n[3]));
	assert_true(file_is_there(n[0]));
	assert_false(file_is_there(n[1]));
	/* Mapped once, used by number now: as good as opened. */
	get_and_put(f, &d[2], &n[2]);
	get_and_put(f, &d[0], &n[0]);
	get_and_put(f, &d[1], &n[1]);
	assert_int_equal(files_count(), 3);
	assert_false(file_is_there(n[3]));
}

static void files_in_use_stay(void **state)
{
	struct digest d[3];
	uint32_t n;
	auto_forest struct forest *f = NULL, *other = NULL;
	struct forest_tree *t, *held;

	(void)state;
	add_one_file_layer("a", &d[0]);
	add_one_file_layer("b", &d[1]);
	add_one_file_layer("c", &d[2]);
	f = forest_make(1);
	other = forest_make(0);
	t = get_layer(f, &d[0]);
	held = get_layer(other, &d[1]); /* as another process might */
	get_and_put(f, &d[2], &n);
	assert_true(file_is_there(t->number));
	assert_true(file_is_there(held->number));
	assert_true(file_is_there(n));
	forest_put(f, t);
	get_and_put(f, &d[1], &n);
	assert_true(file_is_there(held->number));
	forest_put(other, held);
}

static void leftovers_of_killed_writers_are_swept(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct digest d;
	uint32_t n;
	auto_forest struct forest *f = NULL;

	(void)state;
	scratch_file("store/trees/00000001.erofs.tmp-12-0", "x", 1);
	scratch_file("store/trees/00000002.erofs.tmp-12-1", "x", 1);
	scratch_file("store/trees/someone's", "x", 1);
	assert_int_equal(utimensat(AT_FDCWD,
				   scratch_path("store/trees/00000001.erofs.tmp-12-0"),
				   old, 0),
			 0);
	add_one_file_layer("a", &d);
	f = forest_make(0);
	get_and_put(f, &d, &n);
	assert_int_equal(files_count(), 3);
	assert_int_not_equal(
		access(scratch_path("store/trees/00000001.erofs.tmp-12-0"), F_OK), 0);
}

/* ---- as a file ---- */

static void expect_file(struct forest *f, struct forest_tree *t)
{
	auto_free uint8_t *bytes = malloc(t->tree.len);
	auto_fd int fd = -1;
	uint64_t size;

	assert_ok(forest_file(f, t, &fd, err));
	assert_ok(io_size(fd, &size, "tree", err));
	assert_int_equal(size, t->tree.len);
	assert_ok(io_pread(fd, bytes, size, 0, "tree", err));
	assert_memory_equal(bytes, t->tree.bytes, size);
	assert_int_not_equal(write(fd, "x", 1), 1);
}

static void the_file_of_a_tree_is_there_even_if_it_was_removed(void **state)
{
	struct sample x = add_sample();
	struct forest *f = forest_make(0);
	struct forest_tree *t = get_chain(f, &x.chains[2]);

	(void)state;
	expect_file(f, t);
	assert_int_equal(unlink(file_of(t->number)), 0);
	expect_file(f, t);
	assert_true(file_is_there(t->number));
	unlink(file_of(t->number));
	forest_put(f, t);
	forest_free(f);
	reopen(0);
	f = forest_make(0);
	t = get_chain(f, &x.chains[2]);
	expect_file(f, t);
	assert_int_equal(files_count(), 0);
	forest_put(f, t);
	forest_free(f);
}

/* ---- many at once ---- */

struct racer {
	pthread_t thread;
	struct forest *forest;
	struct sample *sample;
	struct forest_tree *got[6];
};

static void *race(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < 6; i++) {
		int rc = i < 3 ? forest_get_layer(r->forest, &r->sample->layers[i],
						  &r->got[i], NULL)
			       : forest_get_chain(r->forest, &r->sample->chains[i - 3],
						  &r->got[i], NULL);

		if (rc < 0)
			return NULL;
	}
	for (unsigned i = 0; i < 2000; i++) {
		struct forest_tree *t;

		if (forest_get(r->forest, r->got[i % 6]->number, &t, NULL) < 0)
			return NULL;
		forest_put(r->forest, t);
	}
	return r;
}

static void threads_share_one_build(void **state)
{
	struct sample x = add_sample();
	auto_forest struct forest *f = forest_make(0);
	uint64_t before = generation();
	struct racer racers[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		racers[i] = (struct racer){.forest = f, .sample = &x};
		assert_int_equal(
			pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		void *ok;

		pthread_join(racers[i].thread, &ok);
		assert_non_null(ok);
	}
	for (unsigned i = 0; i < 8; i++)
		for (unsigned k = 0; k < 6; k++) {
			assert_ptr_equal(racers[i].got[k], racers[0].got[k]);
			forest_put(f, racers[i].got[k]);
		}
	assert_int_equal(generation(), before + 6);
	assert_int_equal(files_count(), 6);
}

/* In a process of its own; the store is opened after the fork. */
static int build_alone(const struct sample *x)
{
	struct store *s;
	struct forest *f;

	if (store_open(scratch_path("store"), STORE_WRITE, &s, NULL) < 0 ||
	    forest_new(s, 0, &f, NULL) < 0)
		return 1;
	for (unsigned i = 0; i < 3; i++) {
		struct forest_tree *t;

		if (forest_get_chain(f, &x->chains[i], &t, NULL) < 0 ||
		    !tree_fixture_has(&t->tree, "etc/passwd"))
			return 1;
		forest_put(f, t);
	}
	forest_free(f);
	store_close(s);
	return 0;
}

static void processes_agree_on_number_and_bytes(void **state)
{
	struct sample x = add_sample();
	uint64_t before = generation();
	uint32_t number, again = number_of_chain(&x.chains[2]);
	pid_t children[4];

	(void)state;
	objects_free(scratch_objects);
	scratch_objects = NULL;
	store_close(steal_ptr(&scratch_store));
	for (unsigned i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(build_alone(&x));
		assert_true(children[i] > 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(store_open(scratch_path("store"), STORE_WRITE, &scratch_store, err));
	assert_int_equal(generation(), before + 3);
	assert_int_equal(files_count(), 3);
	(void)look(&x.chains[2], &number);
	assert_int_equal(number, again);
	assert_int_equal(generation(), before + 3);
}

/* ---- merging by itself ---- */

static void trees_in_memory_can_be_merged(void **state)
{
	struct tree_model *m[2] = {tree_fixture_new(), tree_fixture_new()};
	auto_buf struct buf a, b, merged;
	struct tree x, y, z;
	const struct tree *order[2] = {&x, &y};

	(void)state;
	tree_fixture_file(m[0], "a", "1");
	tree_fixture_file(m[0], "b", "1");
	tree_fixture_whiteout(m[1], "a");
	tree_fixture_image(m[0], &a);
	tree_fixture_image(m[1], &b);
	buf_init(&merged, 1 << 20);
	assert_ok(tree_open(&x, a.data, a.len, err));
	assert_ok(tree_open(&y, b.data, b.len, err));
	assert_ok(forest_merge(order, 2, &merged, err));
	assert_ok(tree_open(&z, merged.data, merged.len, err));
	assert_false(tree_fixture_has(&z, "a"));
	assert_true(tree_fixture_has(&z, "b"));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_store_setup, scratch_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_layer_comes_from_its_frames_with_a_file),
		TEST(a_chain_is_its_layers_merged),
		TEST(whiteouts_vanish_from_a_chain_of_one_layer),
		TEST(what_is_not_there_is_not_found),
		TEST(a_chain_above_a_missing_one_is_damage),
		TEST(a_tree_is_journalled_once_and_rebuilt_the_same),
		TEST(damaged_files_are_made_anew),
		TEST(a_right_file_without_a_stamp_is_used),
		TEST(other_bytes_get_another_number_and_the_old_is_stale),
		TEST(a_stale_number_asked_for_first_leads_to_the_new),
		TEST(what_a_newer_writer_made_stands),
		TEST(a_store_that_is_only_read_is_not_changed),
		TEST(damaged_frames_are_made_good_by_the_recipe),
		TEST(without_frames_and_recipe_it_is_damage),
		TEST(the_longest_unused_files_go_first),
		TEST(files_in_use_stay),
		TEST(leftovers_of_killed_writers_are_swept),
		TEST(the_file_of_a_tree_is_there_even_if_it_was_removed),
		TEST(threads_share_one_build),
		TEST(processes_agree_on_number_and_bytes),
		TEST(trees_in_memory_can_be_merged),
	};

	return cmocka_run_group_tests_name("forest", tests, NULL, NULL);
}
