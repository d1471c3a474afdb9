/* SPDX-License-Identifier: Apache-2.0
 * Tree images: those that lie in packs beside their recipes, and the files in `trees/`. Both
 * are derived, so damage of them is put right by making them anew. */
#include "store/check_private.h"

#include <string.h>
#include <sys/mman.h>

#include "store/base/io.h"
#include "store/forest_private.h"
#include "store/layer.h"
#include "store/tree_format.h"
#include "store/tree_frames.h"
#include "store/tree_write.h"

/* An image is as large as its layer has entries, so there is only one in memory. */
static pthread_mutex_t one_image = PTHREAD_MUTEX_INITIALIZER;

static int get_known(struct store *s, uint32_t number, struct catalog_tree *ret,
		     struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(s), false, &t, err);

	return r < 0 ? r : catalog_tree_get(t, number, ret, err);
}

/* ---- of layers ---- */

static int differs(const char *from, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "it is not the one %s", from);
}

/* Whether the image is sound, and the layer's. */
static int judge_image(const struct buf *image, const struct record_layer *layer,
		       const struct catalog_tree *known, struct digest *ret_sha256,
		       struct err *err)
{
	struct tree tree;
	int r = tree_open(&tree, image->data, image->len, err);

	if (r == 0)
		r = tree_check(&tree, err);
	if (r < 0)
		return r;
	digest_of(image->data, image->len, ret_sha256);
	if (tree.flags != (layer->flags & ~(uint32_t)LAYER_DAMAGED))
		return differs("that the layer's flags tell of", err);
	if (known->version == TREE_WRITER_VERSION &&
	    !digest_equal(ret_sha256, &known->sha256))
		return differs("that was journalled", err);
	return 0;
}

/* *ret_ours: it was made by this version of the writer. */
static int check_kept(struct store *s, const struct record_layer *layer,
		      const struct catalog_tree *known, struct digest *ret_sha256,
		      bool *ret_ours, struct err *err)
{
	auto_buf struct buf image;
	int r;

	buf_init(&image, LAYER_TREE_MAX);
	r = tree_frames_get(store_packs(s), &layer->tree, &image, err);
	if (r == 0)
		r = judge_image(&image, layer, known, ret_sha256, err);
	if (r == 0)
		*ret_ours =
			get_le32(image.data + TREE_HEADER_VERSION) == TREE_WRITER_VERSION;
	return r;
}

/* KEPT: digest of what our writer has put into the pack; NULL: nothing. */
static int check_rebuilt(struct store *s, const struct record_layer *layer,
			 const struct catalog_tree *known, const struct digest *kept,
			 struct err *err)
{
	struct digest sha256;
	auto_buf struct buf image;
	int r;

	buf_init(&image, LAYER_TREE_MAX);
	r = layer_rebuild_tree(s, layer, &image, err);
	if (r == 0)
		r = judge_image(&image, layer, known, &sha256, err);
	if (r == 0 && kept && !digest_equal(&sha256, kept))
		r = differs("that the recipe gives", err);
	return r;
}

static int check_both(struct store *s, const struct record_layer *layer,
		      const struct catalog_tree *known, bool whole, struct err *err)
{
	struct digest sha256;
	bool ours = false;
	int r = 0;

	if (layer->tree.pack)
		r = check_kept(s, layer, known, &sha256, &ours, err);
	if (r == 0 && whole)
		r = check_rebuilt(s, layer, known, ours ? &sha256 : NULL, err);
	return r;
}

int check_trees_layer(struct store *s, struct check_report *report,
		      const struct record_layer *layer, bool whole, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct catalog_tree known;
	int r = get_known(s, layer->number, &known, err);

	if (r < 0) /* check_links.c tells */
		return r == -ERR_NOTFOUND ? 0 : r;
	pthread_mutex_lock(&one_image);
	r = check_both(s, layer, &known, whole, err);
	pthread_mutex_unlock(&one_image);
	return r == 0 ? 0
		      : check_judge(report, r, err, "layer %s: tree",
				    digest_format(&layer->diffid, text));
}

/* ---- files ---- */

struct files {
	struct store *store;
	struct check_report *report;
	bool drop;
};

static int judge_mapped(const uint8_t *bytes, uint64_t len,
			const struct catalog_tree *known, struct err *err)
{
	struct digest sha256;
	struct tree tree;
	int r;

	digest_of(bytes, len, &sha256);
	if (!digest_equal(&sha256, &known->sha256))
		return err_set(err, ERR_CORRUPT,
			       "its content is not what was journalled");
	if (known->version != TREE_WRITER_VERSION)
		return 0;
	r = tree_open(&tree, bytes, len, err);
	return r < 0 ? r : tree_check(&tree, err);
}

/* *ret_used: it is the file of a tree that there is. */
static int judge_file(struct files *f, const char *name, uint32_t number, bool *ret_used,
		      struct err *err)
{
	struct catalog_tree known;
	auto_fd int fd = -1;
	uint64_t len;
	void *map;
	int r = get_known(f->store, number, &known, err);

	*ret_used = r == 0 && !known.stale && known.version;
	if (r < 0)
		return r == -ERR_NOTFOUND ? 0 : r;
	if (!*ret_used)
		return 0;
	r = io_open(store_trees_dirfd(f->store), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
		    0, &fd, err);
	if (r == -ERR_NOTFOUND)
		return 0; /* removed since it was listed */
	if (r == 0)
		r = io_size(fd, &len, name, err);
	if (r < 0)
		return r;
	if (len == 0)
		return err_set(err, ERR_CORRUPT, "it is empty");
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(err, errno, "cannot map '%s'", name);
	r = judge_mapped(map, len, &known, err);
	munmap(map, len);
	return r;
}

static int look_at_file(struct files *f, const char *name, struct err *err)
{
	uint32_t number;
	bool used;
	int r;

	if (!forest_disk_parse(name, &number))
		return 0;
	r = judge_file(f, name, number, &used, err);
	if (r < 0 && !check_is_damage(r, err))
		return r;
	if (!f->drop)
		return r == 0 ? 0 : check_judge(f->report, r, err, "trees/%s", name);
	if (r == 0 && used)
		return 0;
	if (r < 0)
		check_problem(f->report,
			      "trees/%s: %s; it was removed and will be made "
			      "again when it is used",
			      name, err->msg);
	return io_unlink(store_trees_dirfd(f->store), name, err);
}

static int look_at_dir(struct files *f, DIR *dir, struct err *err)
{
	const struct dirent *e;
	int r = 0;

	while (r == 0 && (errno = 0, e = readdir(dir)))
		r = look_at_file(f, e->d_name, err);
	if (r == 0 && errno)
		r = err_sys(err, errno, "cannot list the trees");
	return r;
}

int check_trees_files(struct store *s, struct check_report *report, bool drop,
		      struct err *err)
{
	struct files f = {s, report, drop};
	auto_dir DIR *dir = NULL;
	int r;

	if (store_trees_dirfd(s) < 0)
		return 0;
	r = io_opendir(store_trees_dirfd(s), ".", &dir, err);
	return r < 0 ? r : look_at_dir(&f, dir, err);
}
