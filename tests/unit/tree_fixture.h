/* SPDX-License-Identifier: Apache-2.0
 * Trees written down as text, for tests: entries of a tar in, a listing out.
 *
 * Entries, words apart by one space:
 *	d PATH [MODE]      directory
 *	f PATH [LETTER]    file, empty or with one byte
 *	s PATH TARGET      symlink
 *	h PATH TARGET      hardlink
 *	c PATH MAJOR:MINOR device
 *
 * Listing, a line for each name, sorted:
 *	PATH/ MODE [O][I]  directory (opaque, implied)
 *	PATH [LETTER] [*N] file (N names)
 *	PATH > TARGET      symlink
 *	PATH ? TARGET      unresolved hardlink
 *	PATH W             whiteout
 *	PATH MAJOR:MINOR [Z] device (0:0 as data)
 */
#ifndef TESTS_UNIT_TREE_FIXTURE_H
#define TESTS_UNIT_TREE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "store/tree_model.h"

/* Fails the test with the error's text. */
#define assert_ok(call) \
	do { \
		struct err err_ = {0}; \
		struct err *err = &err_; \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, err->msg); \
	} while (0)

static inline struct digest digest_of_letter(char letter)
{
	struct digest d = {{0}};

	d.bytes[0] = (uint8_t)letter;
	return d;
}

static inline int entry_apply(struct tree_model *m, const char *text, tree_ref *ret,
			      struct err *err)
{
	static const enum tar_type types[128] = {
		['d'] = TAR_DIR,      ['f'] = TAR_FILE, ['s'] = TAR_SYMLINK,
		['h'] = TAR_HARDLINK, ['c'] = TAR_CHAR,
	};
	const char *path = text + 2, *space = strchr(path, ' ');
	const char *more = space ? space + 1 : "";
	struct tar_entry e = {
		.type = types[(unsigned char)*text],
		.path = path,
		.path_len = space ? (size_t)(space - path) : strlen(path),
		.link = "",
		.mode = *text == 'd' ? 0755 : 0644,
		.uid = 1,
		.mtime = 7,
	};
	struct digest d = digest_of_letter(*more);

	if (*text == 'd' && *more)
		e.mode = (uint32_t)strtoul(more, NULL, 8);
	if (*text == 'f' && *more)
		e.size = 1;
	if (*text == 'c')
		sscanf(more, "%u:%u", &e.rdev_major, &e.rdev_minor);
	if (*text == 's' || *text == 'h') {
		e.link = more;
		e.link_len = strlen(more);
	}
	return tree_model_apply(m, &e, &d, ret, err);
}

/* Applies entries up to NULL. */
static inline void entries_apply(struct tree_model *m, const char *const *entries)
{
	for (; *entries; entries++)
		assert_ok(entry_apply(m, *entries, NULL, err));
}

/* ---- listing ---- */

struct tree_line {
	char path[512];
	char text[1024];
	tree_ref dir; /* TREE_NONE: no directory */
};

struct tree_lines {
	struct tree_model *m;
	struct tree_line *lines;
	size_t count, at;
};

static inline void line_text(struct tree_model *m, tree_ref inode, struct tree_line *l)
{
	struct tree_attr a;
	size_t room = sizeof(l->text);

	tree_model_get(m, inode, &a);
	if (a.flags & TREE_WHITEOUT)
		snprintf(l->text, room, "%s W", l->path);
	else if (a.flags & TREE_UNRESOLVED)
		snprintf(l->text, room, "%s ? %s", l->path, a.link);
	else if (S_ISDIR(a.mode))
		snprintf(l->text, room, "%s/ %o%s%s%s", l->path, a.mode & 07777u,
			 a.flags & (TREE_OPAQUE | TREE_IMPLIED) ? " " : "",
			 a.flags & TREE_OPAQUE ? "O" : "",
			 a.flags & TREE_IMPLIED ? "I" : "");
	else if (S_ISLNK(a.mode))
		snprintf(l->text, room, "%s > %s", l->path, a.link);
	else if (S_ISCHR(a.mode))
		snprintf(l->text, room, "%s %u:%u%s", l->path, a.rdev_major, a.rdev_minor,
			 a.flags & TREE_DEVICE_ZERO ? " Z" : "");
	else
		snprintf(l->text, room, "%s%s%c", l->path, a.size ? " " : "",
			 a.size ? a.digest.bytes[0] : '\0');
	if (!S_ISDIR(a.mode) && tree_model_nlink(m, inode) > 1)
		snprintf(l->text + strlen(l->text), room - strlen(l->text), " *%u",
			 tree_model_nlink(m, inode));
	l->dir = S_ISDIR(a.mode) ? inode : TREE_NONE;
}

static inline int line_add(void *arg, const char *name, size_t len, tree_ref inode,
			   struct err *err)
{
	struct tree_lines *all = arg;
	struct tree_line *l;
	size_t used;

	(void)err;
	all->lines = realloc(all->lines, (all->count + 1) * sizeof(*l));
	l = &all->lines[all->count++];
	used = all->at ? strlen(all->lines[all->at].path) : 0;
	assert_true(used + len + 2 <= sizeof(l->path));
	memcpy(l->path, all->lines[all->at].path, used);
	if (used)
		l->path[used++] = '/';
	memcpy(l->path + used, name, len);
	l->path[used + len] = '\0';
	line_text(all->m, inode, l);
	return 0;
}

static inline int line_cmp(const void *a, const void *b)
{
	return strcmp(((const struct tree_line *)a)->text,
		      ((const struct tree_line *)b)->text);
}

/* The caller frees it. */
static inline char *tree_text(struct tree_model *m)
{
	struct tree_lines all = {.m = m, .lines = calloc(1, sizeof(struct tree_line))};
	size_t room = 1, used = 0;
	char *text;

	all.count = 1;
	line_text(m, TREE_ROOT, &all.lines[0]);
	for (; all.at < all.count; all.at++)
		if (all.lines[all.at].dir != TREE_NONE)
			assert_ok(tree_model_each(m, all.lines[all.at].dir, line_add,
						  &all, err));
	qsort(all.lines, all.count, sizeof(*all.lines), line_cmp);
	for (size_t i = 0; i < all.count; i++)
		room += strlen(all.lines[i].text) + 1;
	text = malloc(room);
	assert_non_null(text);
	for (size_t i = 0; i < all.count; i++)
		used += (size_t)sprintf(text + used, "%s\n", all.lines[i].text);
	free(all.lines);
	return text;
}

static inline void assert_tree(struct tree_model *m, const char *expected)
{
	auto_free char *text = tree_text(m);

	assert_string_equal(text, expected);
}

/* The inode at a path that has no links in it. */
static inline tree_ref ref_at(struct tree_model *m, const char *path)
{
	tree_ref ref = TREE_ROOT;

	while (*path && ref != TREE_NONE) {
		size_t len = strcspn(path, "/");

		ref = tree_model_lookup(m, ref, path, len);
		path += len + (path[len] == '/');
	}
	return ref;
}

#define ENTRIES(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
