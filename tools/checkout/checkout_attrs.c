/* SPDX-License-Identifier: Apache-2.0
 * Attributes of what a checkout writes. */
#include "tools/checkout/checkout_private.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "store/tree_model.h"

#define ESCAPED      "trusted.overlay.overlay."
#define OVERLAY      "trusted.overlay."
#define OPAQUE       "trusted.overlay.opaque"
#define OPAQUE_VALUE "y"

struct subject {
	struct checkout *c;
	const struct checkout_name *at;
	const struct tree_node *node;
	int fd, parent; /* FD -1: NAME in PARENT */
	char name[CHECKOUT_NAME_SIZE];
	bool set_ids_lost, has_xattrs;
};

/* ---- owner ---- */

static int change_owner(const struct subject *s, uid_t uid, gid_t gid)
{
	return s->fd >= 0 ? fchown(s->fd, uid, gid)
			  : fchownat(s->parent, s->name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

/* EINVAL: an ID that this user namespace does not have. */
static bool is_refused(int errnum)
{
	return errnum == EPERM || errnum == EINVAL || errnum == EOPNOTSUPP;
}

/* Without its owner a set-id program would do as whoever runs this. */
static int give_owner(struct subject *s, const struct stat *now, struct err *err)
{
	const struct tree_node *n = s->node;
	bool same_user = now->st_uid == n->uid, same_group = now->st_gid == n->gid;
	int errnum;

	if (same_user && same_group)
		return 0;
	if (change_owner(s, n->uid, n->gid) == 0)
		return 0;
	errnum = errno;
	if (!is_refused(errnum))
		return checkout_failed(s->c, s->at, "change the owner of", errnum, err);
	if (!same_group && !same_user)
		same_group = change_owner(s, (uid_t)-1, n->gid) == 0;
	if ((!same_user && n->mode & S_ISUID) || (!same_group && n->mode & S_ISGID))
		s->set_ids_lost = true;
	return checkout_leave(s->c, &s->c->left.owners, s->at, "keep the owner of",
			      errnum, err);
}

/* ---- xattrs ---- */

static int put_xattr(const struct subject *s, const char *name, const void *value,
		     size_t len)
{
	char path[64 + CHECKOUT_NAME_SIZE];

	if (s->fd >= 0)
		return fsetxattr(s->fd, name, value, len, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", s->parent, s->name);
	return lsetxattr(path, name, value, len, 0);
}

/* ext4 says ENOSPC as well when an inode has no room for more. */
static bool is_full(const struct checkout *c)
{
	struct statvfs st;

	return fstatvfs(c->root, &st) < 0 || st.f_bavail == 0;
}

static bool is_unfit(const struct checkout *c, int errnum)
{
	switch (errnum) {
	case EPERM:
	case EACCES:
	case EOPNOTSUPP:
	case EINVAL:
	case ERANGE:
	case E2BIG:
		return true;
	case ENOSPC:
		return !is_full(c);
	}
	return false;
}

static int give_xattr(struct subject *s, const char *name, const void *value, size_t len,
		      struct err *err)
{
	char what[64 + XATTR_NAME_MAX];
	int errnum;

	s->has_xattrs = true;
	if (put_xattr(s, name, value, len) == 0)
		return 0;
	errnum = errno;
	snprintf(what, sizeof(what), "set xattr '%.*s' of", 64, name);
	if (!is_unfit(s->c, errnum))
		return checkout_failed(s->c, s->at, what, errnum, err);
	return checkout_leave(s->c, &s->c->left.xattrs, s->at, what, errnum, err);
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Trees keep what overlays would obey under another name (FORMAT.md). A layer stays as an
 * overlay wants it, all else becomes what it was. */
static int take_xattr(void *arg, const char *prefix, const char *name, size_t name_len,
		      const void *value, size_t len, struct err *err)
{
	struct subject *s = arg;
	bool layer = s->c->tree->owner == TREE_OF_LAYER;
	char stored[XATTR_NAME_MAX + 1], plain[sizeof(stored) + sizeof(OVERLAY)];
	int n = snprintf(stored, sizeof(stored), "%s%.*s", prefix, (int)name_len, name);

	if (n < 0 || (size_t)n >= sizeof(stored))
		return err_set(err, ERR_CORRUPT, "the name of an xattr is too long");
	if (layer || !starts(stored, ESCAPED))
		return give_xattr(s, stored, value, len, err);
	snprintf(plain, sizeof(plain), OVERLAY "%s", stored + strlen(ESCAPED));
	return give_xattr(s, plain, value, len, err);
}

static int give_xattrs(struct subject *s, struct err *err)
{
	int r = 0;

	if (s->c->tree->owner == TREE_OF_LAYER && s->node->flags & TREE_OPAQUE)
		r = give_xattr(s, OPAQUE, OPAQUE_VALUE, strlen(OPAQUE_VALUE), err);
	return r < 0 ? r
		     : tree_xattr_each(&s->c->tree->tree, s->node->nid, false, take_xattr,
				       s, err);
}

/* ---- mode and times ---- */

static int give_mode(struct subject *s, const struct stat *was, struct err *err)
{
	mode_t mode = s->node->mode & 07777;
	int r;

	if (S_ISLNK(s->node->mode))
		return 0;
	if (s->set_ids_lost) {
		mode &= ~(mode_t)(S_ISUID | S_ISGID);
		atomic_fetch_add(&s->c->left.set_ids, 1);
	}
	/* ACLs change it, and so does another owner. */
	if ((was->st_mode & 07777) == mode && !s->has_xattrs &&
	    !(mode & (S_ISUID | S_ISGID)))
		return 0;
	r = s->fd >= 0 ? fchmod(s->fd, mode)
		       : fchmodat(s->parent, s->name, mode, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? checkout_failed(s->c, s->at, "change the mode of", errno, err) : 0;
}

static int give_times(const struct subject *s, struct err *err)
{
	const struct timespec t = {.tv_sec = s->node->mtime,
				   .tv_nsec = s->node->mtime_nsec};
	const struct timespec both[2] = {t, t};
	int r = s->fd >= 0 ? futimens(s->fd, both)
			   : utimensat(s->parent, s->name, both, AT_SYMLINK_NOFOLLOW);

	return r < 0 ? checkout_failed(s->c, s->at, "set the times of", errno, err) : 0;
}

int checkout_attrs(struct checkout *c, const struct checkout_name *at, int fd, int parent,
		   const struct tree_node *node, struct err *err)
{
	struct subject s = {.c = c, .at = at, .node = node, .fd = fd, .parent = parent};
	struct stat was;
	int r;

	if (fd < 0)
		checkout_name_text(at, s.name);
	r = fd >= 0 ? fstat(fd, &was)
		    : fstatat(parent, s.name, &was, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return checkout_failed(c, at, "look at", errno, err);
	if ((was.st_mode & S_IFMT) != (node->mode & S_IFMT))
		return checkout_failed(c, at, "go on with", EEXIST, err);
	r = give_owner(&s, &was, err);
	if (r == 0)
		r = give_xattrs(&s, err);
	if (r == 0)
		r = give_mode(&s, &was, err);
	return r < 0 ? r : give_times(&s, err);
}
