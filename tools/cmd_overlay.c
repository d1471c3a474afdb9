/* SPDX-License-Identifier: Apache-2.0
 * `layercache overlay X TARGET`: a root filesystem to work in.
 */
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fs/mounts.h"
#include "store/base/io.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/overlay_lease.h"
#include "tools/overlay_mount.h"
#include "tools/subject.h"

struct overlay_options {
	const char *upper, *work, *way, *platform;
	struct option_list options;
	bool read_only;
};

static const struct option_spec options[] = {
	OPTION_TEXT_OF(COMPLETE_DIRECTORY, 0, "upper", "DIR", struct overlay_options,
		       upper, "keep changes in DIR (made if missing)"),
	OPTION_TEXT_OF(
		COMPLETE_DIRECTORY, 0, "work", "DIR", struct overlay_options, work,
		"overlayfs' own directory, on the same filesystem as --upper (default: "
		".NAME.work beside it)"),
	OPTION_FLAG('r', "read-only", struct overlay_options, read_only,
		    "no changes at all"),
	OPTION_LIST('o', "options", "OPTIONS", struct overlay_options, options,
		    "mount options: suid, dev, noexec (default: nosuid,nodev,exec)"),
	OPTION_WORD(0, "way", "WAY", "best kernel fuse", struct overlay_options, way,
		    "how: kernel (EROFS and data-only lowers), fuse, or best (default)"),
	OPTION_TEXT(0, "platform", "OS/ARCH", struct overlay_options, platform,
		    "which platform of a name"),
	OPTION_END,
};

struct overlay {
	const struct overlay_options *o;
	struct overlay_request request;
	struct overlay_lease lease;
	char upper[PATH_MAX], work[PATH_MAX];
};

static int take_mount_option(struct overlay_request *r, const char *word, bool *ret_ro,
			     struct err *err)
{
	static const char *const defaults[] = {"rw", "nosuid", "nodev", "exec",
					       "defaults"};

	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (strcmp(word, defaults[i]) == 0)
			return 0;
	if (strcmp(word, "suid") == 0)
		r->suid = true;
	else if (strcmp(word, "dev") == 0)
		r->dev = true;
	else if (strcmp(word, "noexec") == 0)
		r->noexec = true;
	else if (strcmp(word, "ro") == 0)
		*ret_ro = true;
	else
		return err_set(err, ERR_USAGE, "unknown mount option '%s'", word);
	return 0;
}

static int take_mount_options(const struct overlay_options *o, struct overlay_request *r,
			      bool *ret_ro, struct err *err)
{
	for (size_t i = 0; i < o->options.count; i++) {
		auto_free char *text = strdup(o->options.items[i]);
		char *rest = text;

		if (!text)
			return err_nomem(err);
		for (char *w = strsep(&rest, ","); w; w = strsep(&rest, ",")) {
			int rc = take_mount_option(r, w, ret_ro, err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

/* Makes a directory and gives its absolute path. */
static int make_directory(const char *path, mode_t mode, char ret[PATH_MAX],
			  struct err *err)
{
	int rc = io_mkdir(AT_FDCWD, path, mode, err);

	if (rc)
		return rc;
	if (!realpath(path, ret))
		return err_sys(err, errno, "cannot resolve '%s'", path);
	return 0;
}

/* Beside the upper directory, so that it is on its filesystem. */
static int default_work(const char *upper, char ret[PATH_MAX], struct err *err)
{
	auto_free char *for_dir = strdup(upper), *for_base = strdup(upper), *path = NULL;

	if (!for_dir || !for_base)
		return err_nomem(err);
	if (asprintf(&path, "%s/.%s.work", dirname(for_dir), basename(for_base)) < 0)
		return err_nomem(err);
	return make_directory(path, 0700, ret, err);
}

static int own_directories(struct overlay *v, struct err *err)
{
	auto_free char *upper = NULL, *work = NULL;
	int rc;

	if (asprintf(&upper, "%s/upper", v->lease.directory) < 0 ||
	    asprintf(&work, "%s/work", v->lease.directory) < 0)
		return err_nomem(err);
	rc = make_directory(upper, 0755, v->upper, err);
	return rc ? rc : make_directory(work, 0700, v->work, err);
}

static int choose_directories(struct overlay *v, struct err *err)
{
	const struct overlay_options *o = v->o;
	int rc;

	if (!o->upper) {
		rc = own_directories(v, err);
	} else {
		rc = make_directory(o->upper, 0755, v->upper, err);
		if (!rc && o->work)
			rc = make_directory(o->work, 0700, v->work, err);
		else if (!rc)
			rc = default_work(v->upper, v->work, err);
	}
	if (rc)
		return rc;
	v->request.upper = v->upper;
	v->request.work = v->work;
	return 0;
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	bool empty = dir != NULL;
	struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			empty = false;
	if (dir)
		closedir(dir);
	return empty;
}

/* Mounts; the lease then knows the mount. */
static int mount_it(struct overlay *v, bool read_only, enum overlay_way *ret_way,
		    struct err *why, struct err *err)
{
	int rc = 0;

	if (!read_only)
		rc = choose_directories(v, err);
	if (!rc && !read_only && is_empty(v->upper))
		rc = overlay_root_attributes(&v->request, err);
	if (!rc)
		rc = overlay_mount(&v->request, ret_way, &v->lease.mount, why, err);
	if (rc)
		return rc;
	rc = overlay_lease_write(&v->lease, err);
	if (rc)
		(void)umount2(v->request.target, MNT_DETACH);
	return rc;
}

static int find_chain(struct command_call *call, struct store *store,
		      const char *platform, struct digest *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct subject x;
	int rc;

	rc = catalog_begin(store_catalog(store), false, &t, err);
	if (!rc)
		rc = subject_find(t, call->args[0], platform, 0, &x, err);
	return rc ? rc : subject_chain(t, &x, ret, err);
}

/* Where it goes and what it comes from, before anything is made. */
static int prepare(struct command_call *call, struct overlay *v, char **ret_mountpoint,
		   struct err *err)
{
	struct overlay_request *r = &v->request;
	int rc;

	rc = find_chain(call, r->store, v->o->platform, &r->chainid, err);
	if (rc)
		return rc;
	v->lease.chainid = r->chainid;
	rc = mounts_find(store_path(r->store), ret_mountpoint, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_FAILED,
			       "store '%s' is not mounted; 'layercache mount' mounts it",
			       store_path(r->store));
	if (rc)
		return rc;
	r->mountpoint = *ret_mountpoint;
	if (!realpath(call->args[1], v->lease.target))
		return err_sys(err, errno, "cannot mount on '%s'", call->args[1]);
	r->target = v->lease.target;
	r->directory = v->lease.directory;
	return 0;
}

static int print(const struct command_call *call, const struct overlay *v,
		 enum overlay_way way, struct err *err)
{
	const char *word = way == OVERLAY_KERNEL ? "kernel" : "fuse";
	const char *upper = v->request.upper;
	auto_buf struct buf line;
	auto_json json_t *json = NULL;
	int rc;

	buf_init(&line, 8 * PATH_MAX);
	if (call->json) {
		json = json_pack("{s:s, s:n}", "way", word, "upper");
		if (!json)
			return err_nomem(err);
		rc = output_json_set_text(json, "target", v->request.target, err);
		if (!rc && upper)
			rc = output_json_set_text(json, "upper", upper, err);
		return rc ? rc : output_json(steal_ptr(&json), err);
	}
	rc = output_quote(&line, v->request.target, err);
	if (!rc)
		rc = buf_append_u8(&line, ' ', err);
	if (!rc)
		rc = output_quote(&line, upper ? upper : "-", err);
	if (!rc)
		output_line("%s %.*s", word, (int)line.len, (char *)line.data);
	return rc;
}

static int run(struct command_call *call, struct err *err)
{
	const struct overlay_options *o = call->values;
	struct overlay v = {.o = o};
	auto_store struct store *store = NULL;
	auto_free char *mountpoint = NULL;
	bool read_only = o->read_only;
	enum overlay_way way;
	struct err why = {0};
	int rc;

	rc = take_mount_options(o, &v.request, &read_only, err);
	if (!rc && read_only && o->upper)
		return err_set(err, ERR_USAGE,
			       "--upper and --read-only exclude each other");
	if (!rc && o->work && !o->upper)
		return err_set(err, ERR_USAGE, "--work needs --upper");
	if (!rc)
		rc = command_open_store(call, STORE_WRITE, &store, err);
	if (rc)
		return rc;
	v.request.store = store;
	if (o->way && strcmp(o->way, "best") != 0)
		v.request.way =
			strcmp(o->way, "kernel") == 0 ? OVERLAY_KERNEL : OVERLAY_FUSE;
	rc = prepare(call, &v, &mountpoint, err);
	if (!rc)
		rc = overlay_lease_new(store_path(store), &v.lease, err);
	if (rc)
		return rc;
	rc = mount_it(&v, read_only, &way, &why, err);
	if (rc) {
		overlay_lease_remove(&v.lease);
		return rc;
	}
	if (why.code)
		output_notice(call->quiet, "overlay through FUSE: %s", why.msg);
	return print(call, &v, way, err);
}

const struct command cmd_overlay = {
	.name = "overlay",
	.summary = "mount the root filesystem of X to work in",
	.arguments = "X TARGET",
	.details =
		"Mounts an overlay on the directory TARGET: the tree of X below, changes in\n"
		"the --upper directory, or in one of the store's own that 'unmount TARGET'\n"
		"removes with all changes. The store must be mounted. Prints one line\n"
		"  WAY TARGET UPPER\n"
		"where WAY is 'kernel' (metadata from the kernel's EROFS, no daemon in\n"
		"between) or 'fuse', and UPPER is '-' for --read-only.",
	.options = options,
	.values_size = sizeof(struct overlay_options),
	.min_args = 2,
	.max_args = 2,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};
