/* SPDX-License-Identifier: Apache-2.0
 * Publishing a store: copy packs, seal an index, say that it counts, remove what no longer
 * does. */
#include "store/publish.h"

#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/io.h"
#include "store/pack_private.h"
#include "store/perms.h"
#include "store/share.h"
#include "store/share_write.h"
#include "store/store_private.h"

#define LOCK_FILE      "publish.lock"
#define PUBLISHER_FILE "publisher"
#define NEW_INDEX      "tmp-index"
#define COPY_STEP      (16u << 20)
#define PACKS_LIST_MAX ((size_t)64 << 20)

struct pack_now {
	uint32_t number;
	uint64_t length, published; /* bytes */
};

struct publishing {
	struct store *store;
	const struct publish_options *options;
	struct publish_result *result;
	int dirfd, packs_dirfd; /* the publisher's */
	struct buf packs;       /* struct pack_now, by number */
	struct buf before;      /* lines of the old `current` behind its index */
	struct buf text;        /* the new one */
	struct buf doomed;      /* NUL-terminated paths to delete */
	uint64_t to_copy;
};

/* ---- who we are ---- */

/* The number is bound to the directory: a copy of the store must not write what this one
 * writes. */
static int parse_publisher(const struct buf *text, const struct stat *st, char *ret)
{
	unsigned long long number, dev, ino;
	char line[128];

	if (text->len == 0 || text->len >= sizeof(line))
		return -1;
	memcpy(line, text->data, text->len);
	line[text->len] = '\0';
	if (sscanf(line, "%16llx %llu %llu", &number, &dev, &ino) != 3 ||
	    dev != st->st_dev || ino != st->st_ino)
		return -1;
	snprintf(ret, SHARE_PUBLISHER_DIGITS + 1, "%016llx", number);
	return 0;
}

static int make_publisher(struct store *s, const struct stat *st, char *ret,
			  struct err *err)
{
	uint64_t number;
	char line[128];
	int len, r;

	r = io_random(&number, sizeof(number), err);
	if (r < 0)
		return r;
	snprintf(ret, SHARE_PUBLISHER_DIGITS + 1, "%016llx", (unsigned long long)number);
	len = snprintf(line, sizeof(line), "%s %llu %llu\n", ret,
		       (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
	return perms_replace_file(s->dirfd, PUBLISHER_FILE, line, (size_t)len, err);
}

static int find_publisher(struct store *s, char *ret, struct err *err)
{
	auto_buf struct buf text;
	struct stat st;
	int r;

	buf_init(&text, 128);
	if (fstat(s->dirfd, &st) < 0)
		return err_sys(err, errno, "cannot stat the store");
	r = io_read_file(s->dirfd, PUBLISHER_FILE, &text, err);
	if (r < 0 && r != -ERR_NOTFOUND)
		return r;
	if (r == 0 && parse_publisher(&text, &st, ret) == 0)
		return 0;
	return make_publisher(s, &st, ret, err);
}

/* ---- directories ---- */

static int open_below(int dirfd, const char *name, int *ret, struct err *err)
{
	int r = perms_mkdir(dirfd, name, err);

	return r < 0 ? r : io_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0, ret, err);
}

static int open_directories(struct publishing *p, const char *dir, struct err *err)
{
	auto_fd int fd = -1;
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "cannot make directory '%s'", dir);
	r = io_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, &fd, err);
	if (r == 0)
		r = open_below(fd, p->result->publisher, &p->dirfd, err);
	if (r == 0)
		r = io_sync_dir(fd, dir, err);
	return r < 0 ? r : open_below(p->dirfd, SHARE_PACKS, &p->packs_dirfd, err);
}

/* ---- what is published ---- */

static int read_before(struct publishing *p, struct err *err)
{
	struct share_current current;
	struct err why;
	int r = share_current_read(p->dirfd, &current, &why);

	/* One that makes no sense counts for nobody. */
	if (r == -ERR_NOTFOUND || r == -ERR_CORRUPT)
		return 0;
	if (r < 0)
		return err_copy(err, &why);
	buf_release(&p->before);
	p->before = current.rest;
	return 0;
}

/* The next line from *AT on that begins with WORD, without it. */
static bool next_line(const struct publishing *p, const char *word, size_t *at,
		      char *line, size_t size)
{
	size_t skip = strlen(word);

	while (*at < p->before.len) {
		const char *begin = (const char *)p->before.data + *at;
		const char *end = memchr(begin, '\n', p->before.len - *at);
		size_t len = end ? (size_t)(end - begin) : p->before.len - *at;

		*at += len + 1;
		if (len < skip || len - skip >= size || strncmp(begin, word, skip) != 0)
			continue;
		memcpy(line, begin + skip, len - skip);
		line[len - skip] = '\0';
		return true;
	}
	return false;
}

/* Only bytes that a finished publishing told of are believed to be on the disk. */
static uint64_t published_length(const struct publishing *p, uint32_t number)
{
	char line[64], name[PACK_NAME_SIZE];
	unsigned long long length;
	unsigned known;
	struct stat st;
	size_t at = 0;

	pack_name(number, name);
	while (next_line(p, "pack ", &at, line, sizeof(line)))
		if (sscanf(line, "%8x %llu", &known, &length) == 2 && known == number)
			return fstatat(p->packs_dirfd, name, &st, 0) == 0 &&
					       (uint64_t)st.st_size >= length
				       ? length
				       : 0;
	return 0;
}

static int on_pack(void *arg, uint32_t number, uint64_t length, struct err *err)
{
	struct publishing *p = arg;
	const struct pack_now now = {number, length, published_length(p, number)};

	p->result->packs++;
	p->result->bytes += length;
	if (now.published < length)
		p->to_copy += length - now.published;
	return buf_append(&p->packs, &now, sizeof(now), err);
}

/* ---- packs ---- */

static void tell(struct publishing *p)
{
	if (p->options->progress)
		p->options->progress(p->options->arg, p->result->copied, p->to_copy);
}

/* The kernel copies where it can. */
static int copy_step(int from, int to, uint64_t at, size_t len, const char *name,
		     size_t *ret, struct err *err)
{
	off_t in = (off_t)at, out = (off_t)at;
	ssize_t n = copy_file_range(from, &in, to, &out, len, 0);
	auto_free uint8_t *block = NULL;
	int r;

	if (n > 0) {
		*ret = (size_t)n;
		return 0;
	}
	if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS &&
	    errno != EOPNOTSUPP)
		return err_sys(err, errno, "cannot copy pack '%s'", name);
	block = malloc(len);
	if (!block)
		return err_nomem(err);
	r = io_pread(from, block, len, at, name, err);
	if (r == 0)
		r = io_pwrite(to, block, len, at, name, err);
	*ret = len;
	return r;
}

static int copy_pack(struct publishing *p, const struct pack_now *pack, struct err *err)
{
	auto_fd int from = -1, to = -1;
	char name[PACK_NAME_SIZE];
	int r;

	if (pack->published >= pack->length)
		return 0;
	pack_name(pack->number, name);
	r = io_open(p->store->packs_dirfd, name, O_RDONLY, 0, &from, err);
	if (r == 0)
		r = perms_create(p->packs_dirfd, name, O_WRONLY, &to, NULL, err);
	for (uint64_t at = pack->published; at < pack->length && r == 0;) {
		uint64_t left = pack->length - at;
		size_t n = 0;

		r = copy_step(from, to, at, left < COPY_STEP ? (size_t)left : COPY_STEP,
			      name, &n, err);
		at += n;
		p->result->copied += n;
		tell(p);
	}
	return r < 0 ? r : io_sync(to, name, err);
}

static int copy_packs(struct publishing *p, struct err *err)
{
	size_t count = p->packs.len / sizeof(struct pack_now);
	int r = 0;

	tell(p);
	for (size_t i = 0; i < count && r == 0; i++)
		r = copy_pack(p, (struct pack_now *)(void *)p->packs.data + i, err);
	return r < 0 ? r : io_sync_dir(p->packs_dirfd, SHARE_PACKS, err);
}

/* ---- the index ---- */

static int seal(struct publishing *p, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_fd int fd = -1;
	struct catalog_mark mark;
	uint32_t random;
	int r = io_unlink(p->dirfd, NEW_INDEX, err);

	if (r == 0)
		r = perms_create(p->dirfd, NEW_INDEX, O_RDWR, &fd, NULL, err);
	if (r == 0)
		r = catalog_begin(p->store->catalog, false, &t, err);
	if (r == 0)
		r = catalog_mark_get(t, &mark, err);
	if (r == 0)
		r = catalog_pack_each(t, on_pack, p, err);
	if (r == 0)
		r = share_write_index(fd, t, &p->result->objects, err);
	if (r == 0)
		r = io_random(&random, sizeof(random), err);
	if (r < 0)
		return r;
	snprintf(p->result->index, sizeof(p->result->index),
		 SHARE_INDEX_PREFIX "%016llx-%08x", (unsigned long long)mark.seq, random);
	return 0;
}

/* ---- what counts from now on, and what no longer does ---- */

static bool is_live(const struct publishing *p, const char *path)
{
	const struct pack_now *packs =
		(const struct pack_now *)(const void *)p->packs.data;
	static const char dir[] = SHARE_PACKS "/";
	char name[PACK_NAME_SIZE];

	if (strcmp(path, p->result->index) == 0)
		return true;
	if (strncmp(path, dir, sizeof(dir) - 1) != 0)
		return false;
	for (size_t i = 0; i < p->packs.len / sizeof(*packs); i++) {
		pack_name(packs[i].number, name);
		if (strcmp(path + sizeof(dir) - 1, name) == 0)
			return true;
	}
	return false;
}

/* When it stopped counting; now, if nobody has noted that before. */
static int64_t retired_since(const struct publishing *p, const char *path, int64_t now)
{
	char line[256], known[200];
	long long since;
	size_t at = 0;

	while (next_line(p, "retired ", &at, line, sizeof(line)))
		if (sscanf(line, "%lld %199s", &since, known) == 2 &&
		    strcmp(known, path) == 0)
			return since;
	return now;
}

static int retire(struct publishing *p, const char *path, struct err *err)
{
	int64_t now = time(NULL), since = retired_since(p, path, now);

	if (is_live(p, path))
		return 0;
	if (now - since >= (int64_t)p->options->grace)
		return buf_append(&p->doomed, path, strlen(path) + 1, err);
	return buf_printf(&p->text, err, "retired %lld %s\n", (long long)since, path);
}

static int retire_in(struct publishing *p, int dirfd, const char *prefix,
		     const char *beginning, struct err *err)
{
	auto_dir DIR *dir = NULL;
	struct dirent *e;
	char path[200];
	int r = io_opendir(dirfd, ".", &dir, err);

	while (r == 0 && (errno = 0, e = readdir(dir))) {
		if (e->d_name[0] == '.' || strlen(e->d_name) > 64 ||
		    strncmp(e->d_name, beginning, strlen(beginning)) != 0)
			continue;
		snprintf(path, sizeof(path), "%s%s", prefix, e->d_name);
		r = retire(p, path, err);
	}
	if (r == 0 && errno)
		r = err_sys(err, errno, "cannot list the published files");
	return r;
}

static int write_current(struct publishing *p, struct err *err)
{
	const struct pack_now *packs =
		(const struct pack_now *)(const void *)p->packs.data;
	int r = buf_printf(&p->text, err, SHARE_CURRENT_TEXT "index %s\n",
			   p->result->index);

	for (size_t i = 0; i < p->packs.len / sizeof(*packs) && r == 0; i++)
		r = buf_printf(&p->text, err, "pack %08x %llu\n", packs[i].number,
			       (unsigned long long)packs[i].length);
	if (r == 0)
		r = retire_in(p, p->packs_dirfd, SHARE_PACKS "/", "", err);
	if (r == 0)
		r = retire_in(p, p->dirfd, "", SHARE_INDEX_PREFIX, err);
	return r < 0 ? r
		     : perms_replace_file(p->dirfd, SHARE_CURRENT, p->text.data,
					  p->text.len, err);
}

static int remove_doomed(struct publishing *p, struct err *err)
{
	const char *path = (const char *)p->doomed.data;
	const char *end = path + p->doomed.len;
	int r = 0;

	for (; path < end && r == 0; path += strlen(path) + 1) {
		r = io_unlink(p->dirfd, path, err);
		p->result->removed++;
	}
	return r;
}

/* ---- the order of things ---- */

static int run(struct publishing *p, struct err *err)
{
	int r = read_before(p, err);

	if (r == 0)
		r = seal(p, err);
	if (r == 0)
		r = copy_packs(p, err);
	if (r == 0)
		r = io_rename(p->dirfd, NEW_INDEX, p->result->index, err);
	if (r == 0)
		r = io_sync_dir(p->dirfd, p->result->index, err);
	if (r == 0)
		r = write_current(p, err);
	return r < 0 ? r : remove_doomed(p, err);
}

static int run_locked(struct publishing *p, const char *dir, struct err *err)
{
	auto_fd int lock = -1, gc_lock = -1;
	int r = perms_create(p->store->dirfd, LOCK_FILE, O_RDONLY, &lock, NULL, err);

	if (r == 0)
		r = io_lock(lock, true, true, LOCK_FILE, err);
	if (r == 0)
		r = store_gc_lock(p->store, true, &gc_lock, err);
	if (r == 0)
		r = find_publisher(p->store, p->result->publisher, err);
	if (r == 0)
		r = open_directories(p, dir, err);
	return r < 0 ? r : run(p, err);
}

int publish(struct store *s, const char *dir, const struct publish_options *o,
	    struct publish_result *ret, struct err *err)
{
	struct publish_result result = {0};
	struct publishing p = {.store = s,
			       .options = o,
			       .result = &result,
			       .dirfd = -1,
			       .packs_dirfd = -1};
	int r;

	if (alternates_any(s->alternates))
		return err_set(err, ERR_INVALID,
			       "this store has alternates: what only they have would be "
			       "missing; publish those");
	buf_init(&p.packs, PACKS_LIST_MAX);
	buf_init(&p.before, SHARE_CURRENT_MAX);
	buf_init(&p.text, SHARE_CURRENT_MAX);
	buf_init(&p.doomed, SHARE_CURRENT_MAX);
	r = run_locked(&p, dir, err);
	buf_release(&p.packs);
	buf_release(&p.before);
	buf_release(&p.text);
	buf_release(&p.doomed);
	if (p.packs_dirfd >= 0)
		close(p.packs_dirfd);
	if (p.dirfd >= 0)
		close(p.dirfd);
	if (r == 0)
		*ret = result;
	return r;
}
