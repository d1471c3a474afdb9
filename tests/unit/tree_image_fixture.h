/* SPDX-License-Identifier: Apache-2.0
 * What the tests of tree images share: models made by hand, a tree with everything in it. */
#ifndef TESTS_UNIT_TREE_IMAGE_FIXTURE_H
#define TESTS_UNIT_TREE_IMAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>

#include "store/tree_format.h"
#include "store/tree_model.h"
#include "store/tree_read.h"
#include "store/tree_write.h"

/* Fails the test with the error's text. */
#define assert_ok(call) \
	do { \
		struct err err_ = {0}; \
		struct err *err = &err_; \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, err->msg); \
	} while (0)

static inline struct tree_model *model_new(void)
{
	struct tree_model *m = NULL;

	assert_ok(tree_model_new(&m, err));
	return m;
}

static inline tree_ref model_dir(struct tree_model *m, const char *path,
				 const char **name)
{
	tree_ref dir = TREE_ROOT;
	const char *slash;

	for (; (slash = strchr(path, '/')); path = slash + 1) {
		dir = tree_model_lookup(m, dir, path, (size_t)(slash - path));
		assert_int_not_equal(dir, TREE_NONE);
	}
	*name = path;
	return dir;
}

/* Parents must be there. */
static inline tree_ref model_add(struct tree_model *m, const char *path,
				 const struct tree_attr *attr)
{
	const char *name;
	tree_ref dir = model_dir(m, path, &name), ref = TREE_NONE;

	assert_ok(tree_model_inode(m, attr, &ref, err));
	assert_ok(tree_model_link(m, dir, name, strlen(name), ref, err));
	return ref;
}

static inline void model_hardlink(struct tree_model *m, const char *path, tree_ref ref)
{
	const char *name;
	tree_ref dir = model_dir(m, path, &name);

	assert_ok(tree_model_link(m, dir, name, strlen(name), ref, err));
}

static inline tree_ref model_file(struct tree_model *m, const char *path, uint64_t size)
{
	struct tree_attr a = {.mode = S_IFREG | 0644, .size = size, .mtime = 1600000000};

	if (size)
		digest_of(path, strlen(path), &a.digest);
	return model_add(m, path, &a);
}

static inline tree_ref model_mkdir(struct tree_model *m, const char *path)
{
	const struct tree_attr a = {.mode = S_IFDIR | 0755, .mtime = 1600000000};

	return model_add(m, path, &a);
}

static inline tree_ref model_symlink(struct tree_model *m, const char *path,
				     const char *target)
{
	const struct tree_attr a = {
		.mode = S_IFLNK | 0777, .link = target, .size = strlen(target)};

	return model_add(m, path, &a);
}

static inline tree_ref model_flagged(struct tree_model *m, const char *path,
				     uint32_t mode, uint32_t flags, const char *link)
{
	const struct tree_attr a = {.mode = mode, .flags = flags, .link = link};

	return model_add(m, path, &a);
}

/* The ACL "u::rwx,u:1000:r-x,g::r-x,m::r-x,o::r-x" as the kernel has it. */
#define ACL \
	"\2\0\0\0\1\0\7\0\377\377\377\377\2\0\5\0\350\3\0\0\4\0\5\0\377\377\377\377" \
	"\20\0\5\0\377\377\377\377\40\0\5\0\377\377\377\377"

static inline void model_with_xattrs(struct tree_model *m, const char *path)
{
	static const struct tree_xattr xattrs[] = {
		{"security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20},
		{"system.posix_acl_access", ACL, sizeof(ACL) - 1},
		{"trusted.layercache.link", "mine", 4},
		{"trusted.overlay.overlay.redirect", "/etc/shadow", 11},
		{"user.empty", "", 0},
		{"user.overlay.opaque", "y", 1},
	};
	struct tree_attr a = {.mode = S_IFREG | 0755,
			      .size = 5,
			      .xattrs = xattrs,
			      .xattr_count = ARRAY_LEN(xattrs)};

	digest_of(path, strlen(path), &a.digest);
	model_add(m, path, &a);
}

#define LONGEST_NAME \
	"long-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-01234567" \
	"89-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789" \
	"-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-x" \
	"-0123456789-012345"

_Static_assert(sizeof(LONGEST_NAME) - 1 == TREE_NAME_MAX, "as long as names get");

/* Every kind of inode, most at a limit. LAYER: with what only trees of layers have. */
static inline struct tree_model *zoo(bool layer)
{
	struct tree_model *m = model_new();
	struct tree_attr old = {.mode = S_IFREG | 07777,
				.uid = UINT32_MAX - 1,
				.gid = 3000000000u,
				.mtime = -5,
				.mtime_nsec = 999999999};
	const struct tree_attr root = {.mode = S_IFDIR | 0711, .mtime = 7, .uid = 3};
	char target[TREE_LINK_MAX + 1];
	tree_ref ref;

	assert_ok(tree_model_set(m, TREE_ROOT, &root, err));
	model_mkdir(m, "d");
	model_mkdir(m, "d/sub");
	model_file(m, "d/sub/f", 1);
	ref = model_file(m, "a", 1000);
	model_hardlink(m, "d/again", ref);
	model_hardlink(m, "d/sub/again", ref);
	model_file(m, "empty", 0);
	model_file(m, "large", 5ull << 40);
	model_file(m, "huge", 10ull << 43);
	model_file(m, "exact", 1ull << 43);
	model_add(m, "old", &old);
	model_symlink(m, "link", "d/sub/../f");
	memset(target, 't', TREE_LINK_MAX);
	target[TREE_LINK_MAX] = '\0';
	model_symlink(m, "longest", target);
	model_add(m, "null",
		  &(struct tree_attr){
			  .mode = S_IFCHR | 0666, .rdev_major = 1, .rdev_minor = 3});
	model_add(m, "disk",
		  &(struct tree_attr){.mode = S_IFBLK | 0600,
				      .rdev_major = TREE_DEVICE_MAJOR_MAX,
				      .rdev_minor = TREE_DEVICE_MINOR_MAX});
	model_add(m, "fifo", &(struct tree_attr){.mode = S_IFIFO | 0600});
	model_add(m, "socket", &(struct tree_attr){.mode = S_IFSOCK | 0600});
	model_flagged(m, "zero", S_IFCHR | 0640, TREE_DEVICE_ZERO, NULL);
	model_with_xattrs(m, "xattrs");
	model_file(m, LONGEST_NAME, 3);
	model_file(m, "!before-the-dots", 3);
	model_file(m, "\xff\xfe", 3);
	model_flagged(m, "implied", S_IFDIR | 0755, TREE_IMPLIED, NULL);
	if (layer) {
		model_flagged(m, "gone", S_IFCHR, TREE_WHITEOUT, NULL);
		model_flagged(m, "opaque", S_IFDIR | 0755, TREE_OPAQUE, NULL);
		model_flagged(m, "lower", S_IFREG, TREE_UNRESOLVED, "usr/bin/perl");
	}
	return m;
}

/* COUNT names in directory "many". */
static inline void model_many(struct tree_model *m, unsigned count)
{
	char path[64];

	model_mkdir(m, "many");
	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "many/file-%u", i * 7919u % count);
		model_file(m, path, i % 3);
	}
}

static inline void image_make(struct tree_model *m, struct buf *image)
{
	buf_init(image, 512 << 20);
	assert_ok(tree_write(m, image, err));
}

static inline void image_open(const struct buf *image, struct tree *t)
{
	assert_ok(tree_open(t, image->data, image->len, err));
}

static inline uint64_t nid_of(const struct tree *t, const char *path)
{
	uint64_t nid = 0;

	assert_ok(tree_path(t, path, &nid, err));
	return nid;
}

static inline void node_at(const struct tree *t, const char *path, struct tree_node *ret)
{
	assert_ok(tree_node(t, nid_of(t, path), ret, err));
}

/* One of each kind that a reader may stumble over. */
static inline struct tree_model *model_little(void)
{
	struct tree_model *m = model_new();
	tree_ref ref = model_file(m, "f", 5);

	model_mkdir(m, "d");
	model_hardlink(m, "d/g", ref);
	model_symlink(m, "l", "f");
	model_with_xattrs(m, "d/x");
	model_flagged(m, "u", S_IFREG, TREE_UNRESOLVED, "lower");
	return m;
}

#endif
