/* SPDX-License-Identifier: Apache-2.0
 * The ways to an overlay.
 */
#include "tools/overlay_mount.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/forest.h"
#include "tools/kernel_mount.h"

#define SOURCE_MAX 256

/* What both ways have in common. */
static void common_options(const struct overlay_request *r, char source[SOURCE_MAX],
			   struct kernel_mount_overlay *ret)
{
	if (snprintf(source, SOURCE_MAX, OVERLAY_SOURCE "%s", store_path(r->store)) >=
	    SOURCE_MAX)
		snprintf(source, SOURCE_MAX, OVERLAY_SOURCE);
	*ret = (struct kernel_mount_overlay){
		.source = source,
		.upper = r->upper,
		.work = r->work,
		.suid = r->suid,
		.dev = r->dev,
		.noexec = r->noexec,
	};
}

/* trusted.* xattrs belong to the first user namespace. */
static bool in_user_namespace(void)
{
	auto_file FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned inside, outside, count;

	if (!f || fscanf(f, "%u %u %u", &inside, &outside, &count) != 3)
		return false;
	return inside || outside || count != UINT_MAX;
}

/* ---- through the daemon ---- */

static int mount_fuse(const struct overlay_request *r, int *ret, struct err *err)
{
	char chain[PATH_MAX], empty[PATH_MAX], hex[DIGEST_HEX_SIZE], source[SOURCE_MAX];
	struct kernel_mount_layer lower[] = {{chain, -1}, {empty, -1}};
	struct kernel_mount_overlay o;
	int rc = 0;

	if (snprintf(chain, sizeof(chain), "%s/chains/sha256/%s", r->mountpoint,
		     digest_hex(&r->chainid, hex)) >= (int)sizeof(chain) ||
	    snprintf(empty, sizeof(empty), "%s/empty", r->directory) >=
		    (int)sizeof(empty))
		return err_set(err, ERR_INVALID, "path of mount '%s' is too long",
			       r->mountpoint);
	common_options(r, source, &o);
	o.userxattr = in_user_namespace();
	o.lower = lower;
	o.lower_count = 1;
	if (!r->upper) {
		/* Without an upper there must be two lowers. */
		rc = io_mkdir(AT_FDCWD, empty, 0700, err);
		o.lower_count = 2;
	}
	return rc ? rc : kernel_mount_overlay(&o, ret, err);
}

/* ---- past the daemon ---- */

/* The chain's tree file as a mount, attached nowhere. */
static int mount_tree(const struct overlay_request *r, int *ret, struct err *err)
{
	struct forest_tree *tree = NULL;
	struct forest *forest = NULL;
	auto_fd int file = -1;
	int rc;

	rc = forest_new(r->store, 0, &forest, err);
	if (rc)
		return rc;
	rc = forest_get_chain(forest, &r->chainid, &tree, err);
	if (!rc)
		rc = forest_file(forest, tree, &file, err);
	if (!rc)
		rc = kernel_mount_erofs(file, "the chain's tree", ret, err);
	forest_put(forest, tree);
	forest_free(forest);
	return rc;
}

/* Before 6.15 a layer must be attached somewhere: shortly at <directory>/tree. */
static int overlay_attached(const struct overlay_request *r, int tree,
			    struct kernel_mount_overlay *o, int *ret, struct err *err)
{
	char path[PATH_MAX];
	struct kernel_mount_layer lower = {path, -1};
	int rc;

	if (snprintf(path, sizeof(path), "%s/tree", r->directory) >= (int)sizeof(path))
		return err_set(err, ERR_INVALID, "path of store is too long");
	rc = io_mkdir(AT_FDCWD, path, 0700, err);
	if (!rc)
		rc = kernel_mount_attach(tree, path, err);
	if (rc)
		return rc;
	o->lower = &lower;
	rc = kernel_mount_overlay(o, ret, err);
	/* The overlay has a mount of its own by now. */
	(void)umount2(path, MNT_DETACH);
	(void)rmdir(path);
	return rc;
}

static int mount_kernel(const struct overlay_request *r, int *ret, struct err *err)
{
	char hot[PATH_MAX], objects[PATH_MAX], source[SOURCE_MAX];
	struct kernel_mount_layer lower = {.path = "tree", .fd = -1};
	const char *data[2];
	struct kernel_mount_overlay o;
	auto_fd int tree = -1;
	struct stat st;
	int rc;

	if (snprintf(hot, sizeof(hot), "%s/hot", store_path(r->store)) >=
		    (int)sizeof(hot) ||
	    snprintf(objects, sizeof(objects), "%s/objects", r->mountpoint) >=
		    (int)sizeof(objects))
		return err_set(err, ERR_INVALID, "path of store or mount is too long");
	rc = mount_tree(r, &tree, err);
	if (rc)
		return rc;
	common_options(r, source, &o);
	o.data = data;
	if (stat(hot, &st) == 0 && S_ISDIR(st.st_mode))
		data[o.data_count++] = hot;
	data[o.data_count++] = objects;
	lower.fd = tree;
	o.lower = &lower;
	o.lower_count = 1;
	rc = kernel_mount_overlay(&o, ret, err);
	if (rc == -ERR_SYSTEM && (err->sys == EINVAL || err->sys == EBADF))
		rc = overlay_attached(r, tree, &o, ret, err);
	return rc;
}

/* ---- the upper directory ---- */

int overlay_root_attributes(const struct overlay_request *r, struct err *err)
{
	char path[PATH_MAX], hex[DIGEST_HEX_SIZE];
	struct timespec times[2];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/chains/sha256/%s", r->mountpoint,
		     digest_hex(&r->chainid, hex)) >= (int)sizeof(path))
		return err_set(err, ERR_INVALID, "path of mount '%s' is too long",
			       r->mountpoint);
	if (stat(path, &st) != 0)
		return err_sys(err, errno, "cannot look at '%s'", path);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (lchown(r->upper, st.st_uid, st.st_gid) != 0 ||
	    chmod(r->upper, st.st_mode & 07777) != 0 ||
	    utimensat(AT_FDCWD, r->upper, times, 0) != 0)
		return err_sys(err, errno, "cannot set owner, mode and time of '%s'",
			       r->upper);
	return 0;
}

/* ---- the choice ---- */

/* Whether the other way may do better: not where the store itself is at fault. */
static bool is_refusal(int rc)
{
	return rc == -ERR_SYSTEM || rc == -ERR_FAILED || rc == -ERR_NOTFOUND ||
	       rc == -ERR_BUSY;
}

static int make(const struct overlay_request *r, enum overlay_way *ret_way, int *ret,
		struct err *why, struct err *err)
{
	struct err refusal = {0};
	int rc = -ERR_FAILED;

	if (r->way != OVERLAY_FUSE) {
		*ret_way = OVERLAY_KERNEL;
		rc = mount_kernel(r, ret, &refusal);
		if (!rc)
			return 0;
		if (r->way == OVERLAY_KERNEL || !is_refusal(rc))
			return err_copy(err, &refusal);
		err_copy(why, &refusal);
	}
	*ret_way = OVERLAY_FUSE;
	return mount_fuse(r, ret, err);
}

int overlay_mount(const struct overlay_request *r, enum overlay_way *ret_way,
		  int *ret_mount, struct err *why, struct err *err)
{
	enum overlay_way way;
	auto_fd int fd = -1;
	int id, rc;

	rc = make(r, &way, &fd, why, err);
	if (!rc)
		rc = kernel_mount_id(fd, &id, err);
	if (!rc)
		rc = kernel_mount_attach(fd, r->target, err);
	if (rc)
		return rc;
	*ret_way = way;
	*ret_mount = id;
	return 0;
}
