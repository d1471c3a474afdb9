/* SPDX-License-Identifier: Apache-2.0
 * One short function per FUSE operation.
 */
#include "fs/ops.h"

#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>

#include "fs/counters.h"
#include "fs/listing.h"
#include "fs/reply.h"
#include "fs/scratch.h"

/* The class of a request's node; answers ESTALE itself if there is none. */
static const struct node_class *begin(fuse_req_t req, enum counters_request kind,
				      fuse_ino_t ino, struct fs **ret_fs)
{
	const struct node_class *class = node_class(ino);

	*ret_fs = fuse_req_userdata(req);
	counters_request((*ret_fs)->counters, kind);
	if (!class)
		fuse_reply_err(req, ESTALE);
	return class;
}

static void set_wanted(struct fuse_conn_info *conn, unsigned wanted, unsigned unwanted)
{
	conn->want |= conn->capable & wanted;
	conn->want &= ~unwanted;
}

static void ops_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	fs->no_open = conn->capable & FUSE_CAP_NO_OPEN_SUPPORT;
	fs->no_opendir = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
	set_wanted(conn,
		   FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
			   FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_CACHE_SYMLINKS |
			   FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_POSIX_ACL,
		   FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ |
			   FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	conn->max_read = OPS_READ_MAX;
	conn->max_readahead = OPS_READ_MAX;
}

static void forget_one(struct fs *fs, uint64_t id, uint64_t count)
{
	const struct node_class *class = node_class(id);

	if (class && class->forget)
		class->forget(fs, id, count);
}

static void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry;
	struct err err = {0};
	struct fs *fs;
	const struct node_class *class = begin(req, COUNTERS_LOOKUP, parent, &fs);
	int rc;

	if (!class)
		return;
	if (strcmp(name, ".") == 0)
		rc = class->get(fs, parent, true, &entry, &err);
	else if (class->lookup)
		rc = class->lookup(fs, parent, name, &entry, &err);
	else
		rc = err_set(&err, ERR_INVALID, "not a directory");
	if (rc)
		reply_error(fs, req, rc, &err, "lookup");
	else if (fuse_reply_entry(req, &entry) < 0 && entry.ino)
		forget_one(fs, entry.ino, 1);
}

static void ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	struct fs *fs = fuse_req_userdata(req);

	counters_request(fs->counters, COUNTERS_FORGET);
	forget_one(fs, ino, count);
	fuse_reply_none(req);
}

static void ops_forget_multi(fuse_req_t req, size_t count,
			     struct fuse_forget_data *forgets)
{
	struct fs *fs = fuse_req_userdata(req);

	counters_request(fs->counters, COUNTERS_FORGET);
	for (size_t i = 0; i < count; i++)
		forget_one(fs, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_entry_param entry;
	struct err err = {0};
	struct fs *fs;
	const struct node_class *class = begin(req, COUNTERS_GETATTR, ino, &fs);
	int rc;

	(void)fi;
	if (!class)
		return;
	rc = class->get(fs, ino, false, &entry, &err);
	if (rc)
		reply_error(fs, req, rc, &err, "getattr");
	else
		fuse_reply_attr(req, &entry.attr, entry.attr_timeout);
}

static void ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	auto_buf struct buf target;
	struct err err = {0};
	struct fs *fs;
	const struct node_class *class = begin(req, COUNTERS_READLINK, ino, &fs);
	int rc;

	buf_init(&target, PATH_MAX);
	if (!class)
		return;
	if (!class->readlink) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	rc = class->readlink(fs, ino, &target, &err);
	if (!rc)
		rc = buf_append_u8(&target, 0, &err);
	if (rc)
		reply_error(fs, req, rc, &err, "readlink");
	else
		fuse_reply_readlink(req, (const char *)target.data);
}

/* ENOSYS once, and the kernel opens files by itself from then on, keeping their pages. */
static void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);

	(void)ino;
	counters_request(fs->counters, COUNTERS_OPEN);
	if (fs->no_open) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void ops_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);

	(void)ino;
	counters_request(fs->counters, COUNTERS_OPEN);
	if (fs->no_opendir) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->keep_cache = 1;
	fi->cache_readdir = 1;
	fuse_reply_open(req, fi);
}

static void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct err err = {0};
	struct fs *fs;
	const struct node_class *class = begin(req, COUNTERS_READ, ino, &fs);
	size_t len = 0;
	void *data;
	int rc;

	(void)fi;
	if (!class)
		return;
	data = scratch_get(size);
	if (!data)
		rc = err_nomem(&err);
	else if (class->read)
		rc = class->read(fs, ino, (uint64_t)off, data, size, &len, &err);
	else
		rc = err_set(&err, ERR_INVALID, "not a file");
	if (rc) {
		reply_error(fs, req, rc, &err, "read");
		return;
	}
	counters_read(fs->counters, len);
	fuse_reply_buf(req, data, len);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct listing out = {.req = req, .plus = plus, .size = size};
	struct err err = {0};
	struct fs *fs;
	const struct node_class *class = begin(req, COUNTERS_READDIR, ino, &fs);
	int rc;

	if (!class)
		return;
	out.data = scratch_get(size);
	if (!out.data)
		rc = err_nomem(&err);
	else if (class->readdir)
		rc = class->readdir(fs, ino, (uint64_t)off, &out, &err);
	else
		rc = err_set(&err, ERR_INVALID, "not a directory");
	if (rc)
		reply_error(fs, req, rc, &err, "readdir");
	else if (fuse_reply_buf(req, out.data, out.used) < 0 && out.held)
		forget_one(fs, ino, out.held);
}

static void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

static void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			    struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}

/* Where the value of an xattr, or the list of names, goes. SIZE 0: only its length is
 * wanted. */
struct xattr_answer {
	const char *name; /* getxattr: the wanted one */
	bool found;
	bool trusted; /* listxattr: the caller may see trusted.* */
	char *data;
	size_t size, len;
};

static void answer_append(struct xattr_answer *a, const void *data, size_t len)
{
	if (len && a->len + len <= a->size)
		memcpy(a->data + a->len, data, len);
	a->len += len;
}

static int take_value(void *arg, const char *name, const void *value, size_t len)
{
	struct xattr_answer *a = arg;

	if (strcmp(name, a->name) != 0)
		return 0;
	a->found = true;
	answer_append(a, value, len);
	return 1;
}

static int take_name(void *arg, const char *name, const void *value, size_t len)
{
	struct xattr_answer *a = arg;

	(void)value;
	(void)len;
	if (a->trusted || strncmp(name, "trusted.", 8) != 0)
		answer_append(a, name, strlen(name) + 1);
	return 0;
}

static void reply_xattr(fuse_req_t req, const struct xattr_answer *a)
{
	if (a->size == 0)
		fuse_reply_xattr(req, a->len);
	else if (a->len > a->size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, a->data, a->len);
}

static void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct xattr_answer a = {.name = name, .size = size, .data = scratch_get(size)};
	struct err err = {0};
	struct fs *fs;
	const struct node_class *class = begin(req, COUNTERS_GETXATTR, ino, &fs);
	int rc = 0;

	if (!class)
		return;
	if (size && !a.data)
		rc = err_nomem(&err);
	else if (class->xattr_each)
		rc = class->xattr_each(fs, ino, take_value, &a, &err);
	if (rc)
		reply_error(fs, req, rc, &err, "getxattr");
	else if (!a.found)
		fuse_reply_err(req, ENODATA);
	else
		reply_xattr(req, &a);
}

static void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct xattr_answer a = {.size = size,
				 .data = scratch_get(size),
				 .trusted = fuse_req_ctx(req)->uid == 0};
	struct err err = {0};
	struct fs *fs;
	const struct node_class *class = begin(req, COUNTERS_LISTXATTR, ino, &fs);
	int rc = 0;

	if (!class)
		return;
	if (size && !a.data)
		rc = err_nomem(&err);
	else if (class->xattr_each)
		rc = class->xattr_each(fs, ino, take_name, &a, &err);
	if (rc)
		reply_error(fs, req, rc, &err, "listxattr");
	else
		reply_xattr(req, &a);
}

static void ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fuse_req_userdata(req);
	struct statvfs st;

	(void)ino;
	counters_request(fs->counters, COUNTERS_STATFS);
	if (fstatvfs(store_dirfd(fs->store), &st) < 0) {
		fuse_reply_err(req, EIO);
		return;
	}
	st.f_namemax = NAME_MAX;
	fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops ops_table = {
	.init = ops_init,
	.lookup = ops_lookup,
	.forget = ops_forget,
	.forget_multi = ops_forget_multi,
	.getattr = ops_getattr,
	.readlink = ops_readlink,
	.open = ops_open,
	.opendir = ops_opendir,
	.read = ops_read,
	.readdir = ops_readdir,
	.readdirplus = ops_readdirplus,
	.getxattr = ops_getxattr,
	.listxattr = ops_listxattr,
	.statfs = ops_statfs,
};
