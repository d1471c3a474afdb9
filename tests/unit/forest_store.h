/* SPDX-License-Identifier: Apache-2.0
 * A store with hand-made layers and chains, and looks at its trees, for tests of the forest. */
#ifndef TESTS_UNIT_FOREST_STORE_H
#define TESTS_UNIT_FOREST_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>

#include "store/base/io.h"
#include "store/forest.h"
#include "store/tree_frames.h"
#include "tests/unit/scratch_store.h"
#include "tests/unit/forest_fixture.h"

static struct session *session;

static inline void begin(void)
{
	assert_ok(session_begin(scratch_store, NULL, &session, err));
}

static inline void commit(void)
{
	assert_ok(session_commit(session, err));
}

/* A layer whose DiffID is the digest of NAME; frees the model. It has no recipe. */
static inline struct digest add_layer(const char *name, struct tree_model *m)
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
static inline struct digest add_chain(const struct digest *parent,
				      const struct digest *diffid)
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

static inline struct sample add_sample(void)
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

static inline void add_one_file_layer(const char *name, struct digest *ret)
{
	struct tree_model *m = tree_fixture_new();

	tree_fixture_file(m, name, name);
	begin();
	*ret = add_layer(name, m);
	commit();
}

static inline struct forest *forest_make(uint64_t bound)
{
	struct forest *f = NULL;

	assert_ok(forest_new(scratch_store, bound, &f, err));
	return f;
}

static inline struct forest_tree *get_chain(struct forest *f, const struct digest *id)
{
	struct forest_tree *t = NULL;

	assert_ok(forest_get_chain(f, id, &t, err));
	return t;
}

static inline struct forest_tree *get_layer(struct forest *f, const struct digest *id)
{
	struct forest_tree *t = NULL;

	assert_ok(forest_get_layer(f, id, &t, err));
	return t;
}

/* "<store>/trees/<number>.erofs" */
static inline const char *file_of(uint32_t number)
{
	char name[64];

	snprintf(name, sizeof(name), "store/trees/%08x.erofs", number);
	return scratch_path(name);
}

static inline bool file_is_there(uint32_t number)
{
	return access(file_of(number), F_OK) == 0;
}

static inline unsigned files_count(void)
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

static inline uint64_t generation(void)
{
	uint64_t g = 0;

	assert_ok(store_generation(scratch_store, &g, err));
	return g;
}

static inline void reopen(unsigned flags)
{
	objects_free(scratch_objects);
	scratch_objects = NULL;
	store_close(scratch_store);
	scratch_store = NULL;
	assert_ok(store_open(scratch_path("store"), flags, &scratch_store, err));
}

static inline struct digest digest_of_tree(const struct forest_tree *t)
{
	struct digest d;

	digest_of(t->tree.bytes, t->tree.len, &d);
	return d;
}

/* The chain's tree from a new forest: number and digest of its bytes. */
static inline struct digest look(const struct digest *chainid, uint32_t *ret_number)
{
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = get_chain(f, chainid);
	struct digest d = digest_of_tree(t);

	*ret_number = t->number;
	forest_put(f, t);
	return d;
}

static inline uint32_t number_of_chain(const struct digest *id)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_chain chain = {0};

	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_ok(catalog_chain_get(t, id, &chain, err));
	return chain.number;
}

#endif
