/* SPDX-License-Identifier: Apache-2.0
 * The table of node classes and what they share.
 */
#include "fs/node.h"

#include <string.h>

#include "fs/classes.h"

static const struct node_class *const classes[NODEID_CLASSES] = {
	[NODEID_FIXED] = &fixed_class,         [NODEID_TREE] = &trees_class,
	[NODEID_OBJECT] = &content_class,      [NODEID_FANOUT] = &fanout_class,
	[NODEID_NAME_DIR] = &images_dir_class, [NODEID_NAME_LINK] = &images_link_class,
	[NODEID_LIVING] = &stats_class,
};

const struct node_class *node_class(uint64_t id)
{
	unsigned class = nodeid_class(id);

	return class < NODEID_CLASSES ? classes[class] : NULL;
}

void node_fill(struct fs *fs, uint64_t id, mode_t mode, struct fuse_entry_param *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->ino = id;
	ret->generation = 1;
	ret->attr.st_ino = id;
	ret->attr.st_mode = mode;
	ret->attr.st_nlink = S_ISDIR(mode) ? 2 : 1;
	ret->attr.st_uid = fs->uid;
	ret->attr.st_gid = fs->gid;
	ret->attr.st_blksize = 4096;
	ret->attr.st_atim = ret->attr.st_mtim = ret->attr.st_ctim = fs->started;
}

int node_stale(struct err *err)
{
	return err_set(err, ERR_STALE, "this file is gone");
}

int node_missing(const char *name, struct err *err)
{
	return err_set(err, ERR_NOTFOUND, "no entry '%s'", name);
}
