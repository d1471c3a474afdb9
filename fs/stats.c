/* SPDX-License-Identifier: Apache-2.0
 * The stats file: what the daemon and its caches have done, in Prometheus' text form.
 */
#include <inttypes.h>
#include <string.h>

#include "fs/classes.h"
#include "fs/counters.h"
#include "fs/living.h"

static void fill(struct fs *fs, const struct living_info *info,
		 struct fuse_entry_param *ret)
{
	node_fill(fs, info->id, S_IFREG | 0444, ret);
	ret->attr.st_size = (off_t)info->size;
	ret->attr.st_mtim = ret->attr.st_ctim = info->mtime;
	/* The name leads to another version soon, the version itself stays as it is. */
	ret->attr_timeout = NODE_FOREVER;
}

int stats_lookup(struct fs *fs, struct fuse_entry_param *ret, struct err *err)
{
	struct living_info info;
	int rc = living_newest(fs->stats, true, &info, err);

	if (!rc)
		fill(fs, &info, ret);
	return rc;
}

static int stats_get(struct fs *fs, uint64_t id, bool hold, struct fuse_entry_param *ret,
		     struct err *err)
{
	struct living_info info;
	int rc = living_get(fs->stats, id, hold, &info, err);

	if (!rc)
		fill(fs, &info, ret);
	return rc;
}

static int stats_read(struct fs *fs, uint64_t id, uint64_t off, void *data, size_t len,
		      size_t *ret_len, struct err *err)
{
	return living_read(fs->stats, id, off, data, len, ret_len, err);
}

static void stats_forget(struct fs *fs, uint64_t id, uint64_t count)
{
	living_forget(fs->stats, id, count);
}

int stats_render(void *arg, struct buf *out, struct err *err)
{
	struct fs *fs = arg;
	struct objects_stats o;
	uint64_t generation;
	int rc = store_generation(fs->store, &generation, err);

	if (rc)
		return rc;
	objects_stats(fs->objects, &o);
	rc = buf_printf(out, err,
			"# TYPE layercache_start_time_seconds gauge\n"
			"layercache_start_time_seconds %lld\n"
			"# TYPE layercache_generation counter\n"
			"layercache_generation %" PRIu64 "\n"
			"# TYPE layercache_frame_cache_hits_total counter\n"
			"layercache_frame_cache_hits_total %" PRIu64 "\n"
			"# TYPE layercache_frame_cache_misses_total counter\n"
			"layercache_frame_cache_misses_total %" PRIu64 "\n"
			"# TYPE layercache_frame_cache_bytes gauge\n"
			"layercache_frame_cache_bytes %" PRIu64 "\n"
			"# TYPE layercache_decoded_bytes_total counter\n"
			"layercache_decoded_bytes_total %" PRIu64 "\n"
			"# TYPE layercache_damaged_reads_total counter\n"
			"layercache_damaged_reads_total %" PRIu64 "\n",
			(long long)fs->started.tv_sec, generation, o.hits, o.misses,
			o.cached_bytes, o.decoded_bytes, o.errors);
	return rc ? rc : counters_format(fs->counters, out, err);
}

const struct node_class stats_class = {
	.get = stats_get,
	.read = stats_read,
	.forget = stats_forget,
};
