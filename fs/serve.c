/* SPDX-License-Identifier: Apache-2.0
 * From a store to a mounted FUSE session and back.
 */
#include "fs/serve.h"

#include <fuse_lowlevel.h>
#include <limits.h>
#include <malloc.h>
#include <string.h>

#include "fs/ahead.h"
#include "fs/counters.h"
#include "fs/generations.h"
#include "fs/living.h"
#include "fs/logline.h"
#include "fs/mounted.h"
#include "fs/names_cache.h"
#include "fs/node.h"
#include "fs/classes.h"
#include "fs/ops.h"
#include "fs/readme.h"
#include "fs/session_log.h"
#include "fs/tidy.h"
#include "store/base/workers.h"

#define DEFAULT_CACHE_MIB 64
#define DEFAULT_TREES_MIB 1024
#define MIB(n)            ((uint64_t)(n) << 20)
#define OPTIONS_MAX       (64u << 10)
#define README_MAX        (64u << 10)
#define THREADS_MIN       4u
#define THREADS_MAX       16u

/* A store is made if there is none; without permission to write it is read. */
static int open_store(const char *path, struct store **ret, struct err *err)
{
	int rc = store_open(path, STORE_WRITE | STORE_CREATE, ret, err);

	if (rc == -ERR_SYSTEM && err &&
	    (err->sys == EACCES || err->sys == EROFS || err->sys == EPERM)) {
		struct err second = {0};

		if (store_open(path, 0, ret, &second) == 0)
			return 0;
	}
	return rc;
}

static int fs_open(struct fs *fs, const struct mount_options *o, struct err *err)
{
	uint64_t trees = MIB(o->trees_mib ? o->trees_mib : DEFAULT_TREES_MIB);
	uint64_t cache = MIB(o->cache_mib ? o->cache_mib : DEFAULT_CACHE_MIB);
	int rc;

	fs->uid = geteuid();
	fs->gid = getegid();
	fs->opaque_user = o->opaque_user;
	fs->share_objects = o->share_objects;
	clock_gettime(CLOCK_REALTIME, &fs->started);
	buf_init(&fs->readme, README_MAX);
	rc = open_store(o->store, &fs->store, err);
	if (!rc)
		rc = objects_new(fs->store, (size_t)cache, &fs->objects, err);
	if (!rc)
		rc = forest_new(fs->store, trees, &fs->forest, err);
	if (!rc)
		rc = ahead_new(fs->objects, fs->forest, &fs->ahead, err);
	if (!rc)
		rc = names_cache_new(store_catalog(fs->store), &fs->names, err);
	if (!rc)
		rc = generations_new(fs->store, &fs->generations, err);
	if (!rc)
		rc = counters_new(&fs->counters, err);
	if (!rc)
		rc = living_new(stats_render, fs, &fs->stats, err);
	if (!rc)
		rc = readme_format(store_path(fs->store), o->opaque_user, &fs->readme,
				   err);
	return rc;
}

static void fs_close(struct fs *fs)
{
	buf_release(&fs->readme);
	living_free(fs->stats);
	counters_free(fs->counters);
	generations_free(fs->generations);
	names_cache_free(fs->names);
	ahead_free(fs->ahead);
	forest_free(fs->forest);
	objects_free(fs->objects);
	store_close(fs->store);
}

/* libfuse cuts option lists at commas and un-escapes backslashes. */
static int append_escaped(struct buf *out, const char *text, struct err *err)
{
	int rc = 0;

	for (; *text && !rc; text++) {
		if (*text == ',' || *text == '\\')
			rc = buf_append_u8(out, '\\', err);
		if (!rc)
			rc = buf_append_u8(out, (uint8_t)*text, err);
	}
	return rc;
}

static int format_options(const struct fs *fs, const struct mount_options *o,
			  struct buf *out, struct err *err)
{
	bool all = geteuid() == 0 && !o->private;
	int rc = buf_printf(out, err, "default_permissions,nosuid,nodev%s",
			    all ? ",allow_other" : "");

	if (!rc && o->fuse_options && *o->fuse_options)
		rc = buf_printf(out, err, ",%s", o->fuse_options);
	/* What may not be asked otherwise comes last. */
	if (!rc)
		rc = buf_printf(out, err, ",ro,subtype=layercache,max_read=%u,fsname=",
				OPS_READ_MAX);
	if (!rc)
		rc = append_escaped(out, store_path(fs->store), err);
	return rc ? rc : buf_append_u8(out, 0, err);
}

static int session_new(struct fs *fs, const struct mount_options *o,
		       struct fuse_session **ret, struct err *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	auto_buf struct buf options;
	int rc;

	buf_init(&options, OPTIONS_MAX);
	rc = format_options(fs, o, &options, err);
	if (rc)
		return rc;
	if (fuse_opt_add_arg(&args, "layercache") < 0 ||
	    fuse_opt_add_arg(&args, "-o") < 0 ||
	    fuse_opt_add_arg(&args, (const char *)options.data) < 0)
		rc = err_nomem(err);
	if (!rc) {
		*ret = fuse_session_new(&args, &ops_table, sizeof(ops_table), fs);
		if (!*ret)
			rc = session_log_error(err, ERR_USAGE, "bad mount options");
	}
	fuse_opt_free_args(&args);
	return rc;
}

static int loop(struct fuse_session *session, struct err *err)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	unsigned threads = 2 * workers_cpus();
	int rc;

	if (!config)
		return err_nomem(err);
	if (threads < THREADS_MIN)
		threads = THREADS_MIN;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	fuse_loop_cfg_set_max_threads(config, threads);
	fuse_loop_cfg_set_idle_threads(config, threads);
	fuse_loop_cfg_set_clone_fd(config, 0);
	rc = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	/* > 0: the signal that ended it. */
	if (rc < 0)
		return err_sys(err, -rc, "cannot serve requests");
	return 0;
}

/* By now we are the daemon. */
static int loop_tidily(struct fuse_session *session, struct store *s, struct err *err)
{
	struct tidy *tidy = NULL;
	int rc = tidy_start(s, &tidy, err);

	if (!rc)
		rc = loop(session, err);
	tidy_stop(tidy);
	return rc;
}

static int serve_session(struct fuse_session *session, struct store *s,
			 const char *mountpoint, int *report, struct err *err)
{
	struct mounted *mounted = NULL;
	int rc;

	if (fuse_set_signal_handlers(session) < 0)
		return session_log_error(err, ERR_FAILED, "cannot handle signals");
	if (fuse_session_mount(session, mountpoint) < 0) {
		rc = session_log_error(err, ERR_FAILED, "cannot mount on '%s'",
				       mountpoint);
	} else {
		rc = mounted_watch(mountpoint, report, &mounted, err);
		if (!rc)
			rc = loop_tidily(session, s, err);
		fuse_session_unmount(session);
		mounted_join(mounted);
	}
	fuse_remove_signal_handlers(session);
	return rc;
}

static void note_given(void *arg, uint64_t bytes)
{
	counters_given(arg, bytes);
}

static int serve(struct fs *fs, const struct mount_options *o, int *report,
		 struct err *err)
{
	char mountpoint[PATH_MAX];
	struct fuse_session *session;
	int rc;

	if (!realpath(o->mountpoint, mountpoint))
		return err_sys(err, errno, "cannot mount on '%s'", o->mountpoint);
	rc = mounted_clear_dead(mountpoint, err);
	if (rc)
		return rc;
	rc = fs_open(fs, o, err);
	if (rc)
		return rc;
	/* Keep no directory busy but the store's. */
	if (*report >= 0 && chdir("/") < 0)
		return err_sys(err, errno, "cannot change to '/'");
	session_log_start();
	rc = session_new(fs, o, &session, err);
	if (rc)
		return rc;
	ahead_serve(fs->ahead, session, note_given, fs->counters);
	rc = serve_session(session, fs->store, mountpoint, report, err);
	ahead_serve(fs->ahead, NULL, NULL, NULL);
	fuse_session_destroy(session);
	return rc;
}

/* Decoded frames come and go by the thousand. From here on each is a mapping of its own and
 * goes back to the system when it is dropped; the heaps of many threads would keep more than
 * the cache itself holds (measured after 490 MB read: 165 MB, now 71 with 62 of cache). */
static void return_frames_to_system(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
}

int serve_run(const struct mount_options *options, int *report, struct err *err)
{
	struct fs fs = {0};
	int rc;

	return_frames_to_system();
	logline_open(*report < 0);
	rc = serve(&fs, options, report, err);
	fs_close(&fs);
	return rc;
}
