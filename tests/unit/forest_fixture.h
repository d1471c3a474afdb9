/* SPDX-License-Identifier: Apache-2.0
 * Trees made by hand, for tests that read, merge and compare them. */
#ifndef TESTS_UNIT_FOREST_FIXTURE_H
#define TESTS_UNIT_FOREST_FIXTURE_H

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/tree_read.h"
#include "store/tree_write.h"

static inline struct tree_model *tree_fixture_new(void)
{
	struct tree_model *m;

	if (tree_model_new(&m, NULL))
		abort();
	return m;
}

/* An inode named PATH ("a/b/c"); its parents must be there. */
static inline tree_ref tree_fixture_add(struct tree_model *m, const char *path,
					const struct tree_attr *attr)
{
	tree_ref dir = TREE_ROOT, inode;
	const char *slash;

	while ((slash = strchr(path, '/'))) {
		dir = tree_model_lookup(m, dir, path, (size_t)(slash - path));
		if (dir == TREE_NONE)
			abort();
		path = slash + 1;
	}
	if (tree_model_inode(m, attr, &inode, NULL) ||
	    tree_model_link(m, dir, path, strlen(path), inode, NULL))
		abort();
	return inode;
}

static inline tree_ref tree_fixture_dir(struct tree_model *m, const char *path)
{
	const struct tree_attr attr = {.mode = S_IFDIR | 0755, .mtime = 1000};

	return tree_fixture_add(m, path, &attr);
}

static inline struct tree_attr tree_fixture_file_attr(const char *content)
{
	struct tree_attr attr = {
		.mode = S_IFREG | 0644,
		.mtime = 1000,
		.size = strlen(content),
	};

	digest_of(content, strlen(content), &attr.digest);
	return attr;
}

static inline tree_ref tree_fixture_file(struct tree_model *m, const char *path,
					 const char *content)
{
	const struct tree_attr attr = tree_fixture_file_attr(content);

	return tree_fixture_add(m, path, &attr);
}

static inline tree_ref tree_fixture_link(struct tree_model *m, const char *path,
					 const char *target)
{
	const struct tree_attr attr = {
		.mode = S_IFLNK | 0777,
		.mtime = 1000,
		.size = strlen(target),
		.link = target,
	};

	return tree_fixture_add(m, path, &attr);
}

static inline tree_ref tree_fixture_whiteout(struct tree_model *m, const char *path)
{
	const struct tree_attr attr = {.mode = S_IFCHR, .flags = TREE_WHITEOUT};

	return tree_fixture_add(m, path, &attr);
}

/* The image, in OUT; frees the model. */
static inline void tree_fixture_image(struct tree_model *m, struct buf *out)
{
	buf_init(out, 64u << 20);
	if (tree_write(m, out, NULL))
		abort();
	tree_model_free(m);
}

static inline bool tree_fixture_has(const struct tree *t, const char *path)
{
	uint64_t nid;

	return tree_path(t, path, &nid, NULL) == 0;
}

#endif
