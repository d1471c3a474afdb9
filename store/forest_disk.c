/* SPDX-License-Identifier: Apache-2.0
 * Files in `trees/`: derived, so never synced, and looked at with suspicion.
 *
 * Hashing a whole file at every open would cost more than all else. A file that was found
 * right gets a modification time that is made from its SHA-256: any later write changes
 * that. A crash of the machine does not, though it may have lost data that never reached
 * the disk: so the stamp counts only if the inode was changed (the stamp was set, or the
 * file was touched) since the machine was booted. Else the file is hashed once more.
 *
 * The access time says when the file was last used; the kernel alone does not keep it. */
#include "store/forest_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/io.h"
#include "store/perms.h"
#include "store/tree_write.h"

void forest_image_release(struct forest_image *i)
{
	if (i->mapped)
		munmap((void *)(uintptr_t)i->bytes, i->len);
	buf_release(&i->memory);
	*i = (struct forest_image){0};
}

void forest_disk_name(uint32_t number, char name[FOREST_NAME_SIZE])
{
	snprintf(name, FOREST_NAME_SIZE, "%08x.erofs", number);
}

bool forest_disk_parse(const char *name, uint32_t *ret_number)
{
	char again[FOREST_NAME_SIZE];
	unsigned number;

	if (sscanf(name, "%8x", &number) != 1)
		return false;
	forest_disk_name(number, again);
	*ret_number = number;
	return strcmp(name, again) == 0;
}

/* ---- trust ---- */

/* Whole seconds between 1970 and 2004, which any filesystem can keep. */
static time_t stamp_of(const struct digest *sha256)
{
	return (time_t)(get_le32(sha256->bytes) & 0x3fffffff);
}

/* By the present clock: when that jumps, files are hashed once more. */
static time_t booted_at(void)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - up.tv_sec;
}

static bool is_stamped(const struct stat *st, const struct digest *sha256)
{
	return st->st_mtim.tv_sec == stamp_of(sha256) && st->st_mtim.tv_nsec == 0 &&
	       st->st_ctim.tv_sec > booted_at();
}

/* Without permission it stays unstamped, and will be hashed again. */
static void stamp(int fd, const struct digest *sha256)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_NOW},
		{.tv_sec = stamp_of(sha256)},
	};

	(void)!futimens(fd, times);
}

static bool is_right(int fd, uint64_t len, const struct digest *sha256)
{
	struct digest d;
	void *map = len ? mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (map == MAP_FAILED)
		return false;
	digest_of(map, len, &d);
	munmap(map, len);
	return digest_equal(&d, sha256);
}

void forest_disk_touch(struct store *s, uint32_t number)
{
	static const struct timespec times[2] = {
		{.tv_nsec = UTIME_NOW},
		{.tv_nsec = UTIME_OMIT},
	};
	char name[FOREST_NAME_SIZE];

	if (!store_writable(s))
		return;
	forest_disk_name(number, name);
	(void)!utimensat(store_trees_dirfd(s), name, times, AT_SYMLINK_NOFOLLOW);
}

void forest_disk_remove(struct store *s, uint32_t number)
{
	char name[FOREST_NAME_SIZE];

	forest_disk_name(number, name);
	if (store_writable(s))
		unlinkat(store_trees_dirfd(s), name, 0);
}

/* ---- open, map, write ---- */

static int unusable(struct store *s, const struct catalog_tree *tree, struct err *err)
{
	forest_disk_remove(s, tree->number);
	return err_set(err, ERR_NOTFOUND, "the file of tree %u is damaged", tree->number);
}

int forest_disk_open(struct store *s, const struct catalog_tree *tree, int *ret_fd,
		     struct err *err)
{
	char name[FOREST_NAME_SIZE];
	auto_fd int fd = -1;
	struct stat st;
	int r;

	if (!tree->version || store_trees_dirfd(s) < 0)
		return err_set(err, ERR_NOTFOUND, "tree %u has no file", tree->number);
	forest_disk_name(tree->number, name);
	r = io_open(store_trees_dirfd(s), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0,
		    &fd, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot stat '%s'", name);
	if (!S_ISREG(st.st_mode))
		return unusable(s, tree, err);
	if (is_stamped(&st, &tree->sha256)) {
		forest_disk_touch(s, tree->number);
	} else {
		if (!is_right(fd, (uint64_t)st.st_size, &tree->sha256))
			return unusable(s, tree, err);
		if (store_writable(s))
			stamp(fd, &tree->sha256);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int forest_disk_map(struct store *s, const struct catalog_tree *tree,
		    struct forest_image *ret, struct err *err)
{
	auto_fd int fd = -1;
	struct tree opened;
	uint64_t len;
	void *map;
	int r = forest_disk_open(s, tree, &fd, err);

	if (r == 0)
		r = io_size(fd, &len, "tree file", err);
	if (r < 0)
		return r;
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(err, errno, "cannot map the file of tree %u",
			       tree->number);
	r = tree_open(&opened, map, len, err);
	if (r < 0) {
		munmap(map, len);
		/* It is right, but made by another version: ours may replace older ones. */
		if (tree->version <= TREE_WRITER_VERSION)
			return unusable(s, tree, err);
		return err_set(err, ERR_NOTFOUND, "the file of tree %u is a newer one",
			       tree->number);
	}
	*ret = (struct forest_image){.bytes = map, .len = len, .mapped = true};
	return 0;
}

int forest_disk_write(struct store *s, const struct catalog_tree *tree, const void *bytes,
		      size_t len, struct err *err)
{
	int dirfd = store_trees_dirfd(s);
	char name[FOREST_NAME_SIZE];
	auto_fd int fd = -1;
	struct stat st;
	int r;

	if (!store_writable(s) || dirfd < 0)
		return err_set(err, ERR_FAILED, "the store '%s' is open read-only",
			       store_path(s));
	if (fstat(dirfd, &st) < 0)
		return err_sys(err, errno, "cannot stat the directory of trees");
	forest_disk_name(tree->number, name);
	r = io_replace_file(dirfd, name, bytes, len, st.st_mode & 0666, false, err);
	if (r == 0)
		r = perms_adopt(dirfd, name, err);
	if (r == 0)
		r = io_open(dirfd, name, O_RDONLY | O_NOFOLLOW, 0, &fd, err);
	if (r < 0)
		return r;
	/* Whoever replaced it meanwhile wrote the same. */
	stamp(fd, &tree->sha256);
	return 0;
}
