/* SPDX-License-Identifier: Apache-2.0
 * What crashes leave: files in `packs/` that no commit knows of, bytes behind a pack's end,
 * tree files whose number is no tree's any more. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/forest_private.h"
#include "store/gc_private.h"
#include "store/pack_private.h"

/* ---- packs ---- */

/* An importer that has made the file holds its lock, and takes the store lock before. */
static void remove_unknown(struct store *s, uint32_t number)
{
	char name[PACK_NAME_SIZE];
	auto_fd int fd = -1;

	pack_name(number, name);
	if (io_open(s->packs_dirfd, name, O_RDONLY, 0, &fd, NULL) == 0 &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(s->packs_dirfd, name, 0);
}

static void cut_tail(struct store *s, uint32_t number, uint64_t length)
{
	struct pack_writer *w = NULL;
	char name[PACK_NAME_SIZE];
	struct stat st;

	pack_name(number, name);
	if (fstatat(s->packs_dirfd, name, &st, 0) < 0 || (uint64_t)st.st_size <= length)
		return;
	/* Opening it for writing cuts it. */
	if (pack_writer_open(s->packs_dirfd, number, length, false, &w, NULL) == 0)
		pack_writer_close(w);
}

/* Under the store lock: no pack is taken or committed to meanwhile. */
static int sweep_packs(struct commit *c, void *arg, struct err *err)
{
	auto_free uint32_t *numbers = NULL;
	struct store *s = arg;
	size_t count;
	int r = packs_list(s->packs, &numbers, &count, err);

	for (size_t i = 0; i < count && r == 0; i++) {
		uint64_t length;

		r = catalog_pack_get(store_commit_txn(c), numbers[i], &length, err);
		if (r == 0)
			cut_tail(s, numbers[i], length);
		else if (r == -ERR_NOTFOUND)
			remove_unknown(s, numbers[i]);
		r = r == -ERR_NOTFOUND ? 0 : r;
	}
	return r;
}

/* ---- trees ---- */

static int sweep_tree(struct store *s, struct catalog_txn *t, const char *name,
		      struct err *err)
{
	struct catalog_tree tree;
	uint32_t number;
	int r;

	if (!forest_disk_parse(name, &number))
		return 0;
	r = catalog_tree_get(t, number, &tree, err);
	if (r == -ERR_NOTFOUND || (r == 0 && tree.stale))
		forest_disk_remove(s, number);
	return r == -ERR_NOTFOUND ? 0 : r;
}

/* Who has such a file open keeps it: it only loses its name. */
static int sweep_trees(struct store *s, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_dir DIR *dir = NULL;
	struct dirent *e;
	int r = catalog_begin(store_catalog(s), false, &t, err);

	if (r < 0 || s->trees_dirfd < 0)
		return r;
	r = io_opendir(s->trees_dirfd, ".", &dir, err);
	while (r == 0 && (e = readdir(dir)))
		r = sweep_tree(s, t, e->d_name, err);
	return r;
}

int gc_sweep(struct store *s, struct err *err)
{
	int r = store_commit(s, sweep_packs, s, NULL, 0, err);

	return r < 0 ? r : sweep_trees(s, err);
}
