/* SPDX-License-Identifier: Apache-2.0
 * Fills readdir replies.
 */
#include "fs/listing.h"

bool listing_add_full(struct listing *l, const char *name,
		      const struct fuse_entry_param *entry, uint64_t next)
{
	size_t left = l->size - l->used;
	size_t need = fuse_add_direntry_plus(l->req, l->data + l->used, left, name, entry,
					     (off_t)next);

	if (need > left)
		return false;
	l->used += need;
	return true;
}

bool listing_add(struct listing *l, const char *name, uint64_t id, mode_t type,
		 uint64_t next)
{
	struct fuse_entry_param entry = {
		.attr = {.st_ino = id, .st_mode = type & S_IFMT}};
	size_t left = l->size - l->used, need;

	/* A nodeid of 0 tells the kernel that no attributes come with the name. */
	if (l->plus)
		return listing_add_full(l, name, &entry, next);
	need = fuse_add_direntry(l->req, l->data + l->used, left, name, &entry.attr,
				 (off_t)next);
	if (need > left)
		return false;
	l->used += need;
	return true;
}

bool listing_add_dots(struct listing *l, uint64_t id, uint64_t parent, uint64_t offset)
{
	if (offset < 1 && !listing_add(l, ".", id, S_IFDIR, 1))
		return false;
	return offset >= 2 || listing_add(l, "..", parent, S_IFDIR, 2);
}
