/* SPDX-License-Identifier: Apache-2.0
 * A table by inode, as it lies on disk: open addressing, mapped, nothing to build. Written
 * and read by one machine, so numbers are in its own byte order. */
#include "store/stat_cache.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

#include "store/base/io.h"
#include "store/perms.h"

#define MAGIC     "LCSTAT01"
#define DIRECTORY "statcache"

/* A change may get the time of a change before it as long as the clock of the filesystem has
 * not ticked. Times without nanoseconds come from clocks of up to two seconds. */
#define TICK_NSEC   100000000
#define TICK_COARSE 3

struct entry {
	uint64_t dev, ino, size;
	int64_t ctime, mtime;
	uint32_t ctime_nsec, mtime_nsec;
	struct stat_cache_known known;
	uint32_t used, mode; /* used: the slot is */
};

/* Before the slots. */
struct head {
	char magic[8];
	uint64_t count, slots;
	struct digest options, diffid; /* the last whole snapshot; zero: none */
	uint64_t check;                /* XXH3 of the slots */
};

struct stat_cache {
	int dir;
	char name[64];
	struct timespec start;

	void *map; /* the file; NULL: none */
	size_t map_len;
	const struct entry *old;
	uint64_t old_count, old_slots;
	uint8_t *hit; /* one per slot of the old ones */
	uint64_t hits;

	struct buf fresh; /* struct entry */
	struct digest options, diffid;
	bool set; /* these are new */
};

/* Inodes made together are asked for together, and lie together. */
static uint64_t slot_of(uint64_t dev, uint64_t ino, uint64_t slots)
{
	uint64_t block = ((ino >> 6) ^ dev << 32) * 0x9e3779b97f4a7c15u >> 20;

	return (block + (ino & 63)) & (slots - 1);
}

static void entry_from(const struct walk_stat *st, struct entry *ret)
{
	*ret = (struct entry){
		.dev = (uint64_t)st->dev_major << 32 | st->dev_minor,
		.ino = st->ino,
		.size = st->size,
		.ctime = st->ctime,
		.mtime = st->mtime,
		.ctime_nsec = st->ctime_nsec,
		.mtime_nsec = st->mtime_nsec,
		.used = 1,
		.mode = st->mode,
	};
}

static bool is_same(const struct entry *a, const struct entry *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->size == b->size &&
	       a->ctime == b->ctime && a->mtime == b->mtime &&
	       a->ctime_nsec == b->ctime_nsec && a->mtime_nsec == b->mtime_nsec &&
	       a->mode == b->mode;
}

/* ---- the file ---- */

/* A file that is anything but whole counts for nothing. */
static void take_map(struct stat_cache *c)
{
	struct head h;

	if (c->map_len < sizeof(h))
		return;
	memcpy(&h, c->map, sizeof(h));
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 || h.slots == 0 ||
	    (h.slots & (h.slots - 1)) || h.slots > 4ull * STAT_CACHE_ENTRIES ||
	    h.count >= h.slots ||
	    c->map_len != sizeof(h) + h.slots * sizeof(struct entry))
		return;
	if (XXH3_64bits((const uint8_t *)c->map + sizeof(h), c->map_len - sizeof(h)) !=
	    h.check)
		return;
	c->hit = calloc(h.slots, 1);
	if (!c->hit)
		return;
	c->old =
		(const struct entry *)(const void *)((const uint8_t *)c->map + sizeof(h));
	c->old_count = h.count;
	c->old_slots = h.slots;
	c->options = h.options;
	c->diffid = h.diffid;
}

static void map_file(struct stat_cache *c)
{
	struct stat st;
	auto_fd int fd = openat(c->dir, c->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
		return;
	c->map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd,
		      0);
	if (c->map == MAP_FAILED) {
		c->map = NULL;
		return;
	}
	c->map_len = (size_t)st.st_size;
	take_map(c);
}

int stat_cache_open(struct store *s, const char *dir, struct stat_cache **ret,
		    struct err *err)
{
	auto_stat_cache struct stat_cache *c = calloc(1, sizeof(*c));
	struct stat st;
	int r;

	if (!c)
		return err_nomem(err);
	c->dir = -1;
	buf_init(&c->fresh, STAT_CACHE_ENTRIES * sizeof(struct entry));
	if (stat(dir, &st) < 0)
		return err_sys(err, errno, "cannot stat '%s'", dir);
	r = perms_mkdir(store_dirfd(s), DIRECTORY, err);
	if (r == 0)
		r = io_open(store_dirfd(s), DIRECTORY, O_RDONLY | O_DIRECTORY, 0, &c->dir,
			    err);
	if (r < 0)
		return r;
	snprintf(c->name, sizeof(c->name), "%llx-%llx", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	clock_gettime(CLOCK_REALTIME, &c->start);
	map_file(c);
	*ret = steal_ptr(&c);
	return 0;
}

void stat_cache_free(struct stat_cache *c)
{
	if (!c)
		return;
	if (c->map)
		munmap(c->map, c->map_len);
	if (c->dir >= 0)
		close(c->dir);
	free(c->hit);
	buf_release(&c->fresh);
	free(c);
}

/* ---- asking and telling ---- */

bool stat_cache_find(struct stat_cache *c, const struct walk_stat *st,
		     struct stat_cache_known *ret)
{
	struct entry key;
	uint64_t i;

	if (!c || !c->old)
		return false;
	entry_from(st, &key);
	i = slot_of(key.dev, key.ino, c->old_slots);
	for (uint64_t n = 0; n < c->old_slots && c->old[i].used; n++) {
		if (is_same(&c->old[i], &key)) {
			c->hits += !c->hit[i];
			c->hit[i] = 1;
			*ret = c->old[i].known;
			return true;
		}
		i = (i + 1) & (c->old_slots - 1);
	}
	return false;
}

static bool is_racy(const struct stat_cache *c, const struct walk_stat *st)
{
	int64_t s = c->start.tv_sec - st->ctime;
	int64_t ns = c->start.tv_nsec - (int64_t)st->ctime_nsec;

	if (st->ctime_nsec == 0)
		return s < TICK_COARSE;
	return s < 0 || (s < 2 && s * 1000000000 + ns < TICK_NSEC);
}

int stat_cache_add(struct stat_cache *c, const struct walk_stat *st,
		   const struct stat_cache_known *known, struct err *err)
{
	struct entry e;

	if (!c || is_racy(c, st) || c->fresh.len + sizeof(e) > c->fresh.max)
		return 0;
	entry_from(st, &e);
	e.known = *known;
	return buf_append(&c->fresh, &e, sizeof(e), err);
}

bool stat_cache_last(const struct stat_cache *c, const struct digest *options,
		     struct digest *ret)
{
	if (digest_is_zero(&c->diffid) || !digest_equal(&c->options, options))
		return false;
	*ret = c->diffid;
	return true;
}

void stat_cache_set_last(struct stat_cache *c, const struct digest *options,
			 const struct digest *diffid)
{
	c->set = c->set || !digest_equal(&c->options, options) ||
		 !digest_equal(&c->diffid, diffid);
	c->options = *options;
	c->diffid = *diffid;
}

/* ---- writing ---- */

static bool put(struct entry *slots, uint64_t count, const struct entry *e)
{
	uint64_t i = slot_of(e->dev, e->ino, count);

	for (; slots[i].used; i = (i + 1) & (count - 1))
		if (is_same(&slots[i], e))
			return false;
	slots[i] = *e;
	return true;
}

static uint64_t fill(const struct stat_cache *c, struct entry *slots, uint64_t count)
{
	const struct entry *fresh = (const struct entry *)(const void *)c->fresh.data;
	uint64_t n = 0;

	for (size_t i = 0; i < c->fresh.len / sizeof(*fresh); i++)
		n += put(slots, count, &fresh[i]);
	for (uint64_t i = 0; i < c->old_slots; i++)
		if (c->hit[i])
			n += put(slots, count, &c->old[i]);
	return n;
}

/* Too many files: those that were written longest ago go. */
static void evict(struct stat_cache *c)
{
	auto_dir DIR *dir = NULL;
	const struct dirent *e;
	struct timespec oldest = {INT64_MAX, 0};
	char name[256] = "";
	unsigned count = 0;
	struct stat st;

	if (io_opendir(c->dir, ".", &dir, NULL) < 0)
		return;
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.' ||
		    fstatat(c->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		count++;
		if (st.st_mtim.tv_sec < oldest.tv_sec ||
		    (st.st_mtim.tv_sec == oldest.tv_sec &&
		     st.st_mtim.tv_nsec < oldest.tv_nsec)) {
			oldest = st.st_mtim;
			snprintf(name, sizeof(name), "%s", e->d_name);
		}
	}
	if (count > STAT_CACHE_FILES)
		(void)unlinkat(c->dir, name, 0);
}

int stat_cache_save(struct stat_cache *c, struct err *err)
{
	uint64_t most = c->hits + c->fresh.len / sizeof(struct entry), slots = 64;
	auto_free uint8_t *bytes = NULL;
	struct head h = {.magic = MAGIC};
	size_t len;
	int r;

	if (c->fresh.len == 0 && c->hits == c->old_count && !c->set)
		return 0;
	while (slots * 3 < most * 4 + 4)
		slots *= 2;
	len = sizeof(h) + slots * sizeof(struct entry);
	bytes = calloc(1, len);
	if (!bytes)
		return err_nomem(err);
	h.slots = slots;
	h.count = fill(c, (struct entry *)(void *)(bytes + sizeof(h)), slots);
	h.options = c->options;
	h.diffid = c->diffid;
	h.check = XXH3_64bits(bytes + sizeof(h), len - sizeof(h));
	memcpy(bytes, &h, sizeof(h));
	r = io_replace_file(c->dir, c->name, bytes, len, 0600, false, err);
	if (r == 0)
		r = perms_adopt(c->dir, c->name, err);
	if (r == 0)
		evict(c);
	return r;
}
