/* SPDX-License-Identifier: Apache-2.0
 * The published stores that a store reads from: finding them, keeping up with them. */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "store/alternates_private.h"
#include "store/base/io.h"
#include "store/perms.h"

#define FILE_MAX_BYTES (256u << 10)
#define REFRESH_NS     (1000ll * 1000 * 1000)

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* ---- publishers ---- */

static bool is_publisher(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!isxdigit((unsigned char)name[i]) || isupper((unsigned char)name[i]))
			return false;
	return len == SHARE_PUBLISHER_DIGITS;
}

static struct publisher *find_publisher(struct alternates *a, size_t directory,
					const char *id)
{
	for (size_t i = 0; i < a->publisher_count; i++)
		if (a->publishers[i].directory == directory &&
		    strcmp(a->publishers[i].id, id) == 0)
			return &a->publishers[i];
	return NULL;
}

static int add_publisher(struct alternates *a, size_t directory, int dirfd,
			 const char *id, struct publisher **ret, struct err *err)
{
	struct publisher *p = &a->publishers[a->publisher_count];
	auto_fd int fd = -1, packs_fd = -1;
	int r;

	if (a->publisher_count == PACK_ALTERNATES_MAX)
		return err_set(err, ERR_LIMIT, "more than %u published stores",
			       PACK_ALTERNATES_MAX);
	r = io_open(dirfd, id, O_RDONLY | O_DIRECTORY, 0, &fd, err);
	if (r == 0)
		r = io_open(fd, SHARE_PACKS, O_RDONLY | O_DIRECTORY, 0, &packs_fd, err);
	if (r < 0)
		return r;
	*p = (struct publisher){.directory = directory,
				.dirfd = steal_fd(&fd),
				.packs_dirfd = steal_fd(&packs_fd)};
	snprintf(p->id, sizeof(p->id), "%s", id);
	packs_attach(a->packs, (unsigned)a->publisher_count, p->packs_dirfd);
	a->publisher_count++;
	*ret = p;
	return 0;
}

/* Goes over to the index that counts now. */
static int refresh_publisher(struct publisher *p, struct err *err)
{
	struct share_current current;
	struct share *share = NULL;
	int r = share_current_read(p->dirfd, &current, err);

	if (r < 0)
		return r;
	buf_release(&current.rest);
	if (p->share && strcmp(share_index_name(p->share), current.index) == 0)
		return 0;
	r = share_open(p->dirfd, current.index, &share, err);
	if (r < 0)
		return r;
	share_close(p->share);
	p->share = share;
	return 0;
}

static int look_at(struct alternates *a, size_t directory, int dirfd, const char *id,
		   struct err *err)
{
	struct publisher *p = find_publisher(a, directory, id);
	int r = p ? 0 : add_publisher(a, directory, dirfd, id, &p, err);

	return r < 0 ? r : refresh_publisher(p, err);
}

static int look_through(struct alternates *a, size_t directory, DIR *dir, struct err *err)
{
	struct dirent *e;
	int r = -ERR_NOTFOUND;

	while ((errno = 0, e = readdir(dir))) {
		struct err why = {0};
		int one;

		if (!is_publisher(e->d_name))
			continue;
		one = look_at(a, directory, dirfd(dir), e->d_name, &why);
		/* One that is just being made, or was damaged, is not the others' loss. */
		if (one == 0)
			r = 0;
		else if (r < 0)
			r = err_copy(err, &why);
	}
	if (r == -ERR_NOTFOUND)
		r = err_set(err, ERR_INVALID, "there is no published store in '%s'",
			    a->directories[directory].path);
	return r;
}

/* With the lock for writing. */
static int refresh_directory(struct alternates *a, size_t number, struct err *err)
{
	struct directory *d = &a->directories[number];
	auto_dir DIR *dir = NULL;
	int r = io_opendir(AT_FDCWD, d->path, &dir, err);

	if (r == 0)
		r = look_through(a, number, dir, err);
	d->absent = r < 0;
	return r;
}

/* ---- directories ---- */

/* The count of all: it is not known. */
static size_t number_of(const struct alternates *a, const char *path)
{
	size_t i = 0;

	while (i < a->directory_count && strcmp(a->directories[i].path, path) != 0)
		i++;
	return i;
}

static bool is_known(const struct alternates *a, const char *path)
{
	return number_of(a, path) < a->directory_count;
}

static int add_directory(struct alternates *a, const char *path, size_t len,
			 struct err *err)
{
	auto_free char *copy = strndup(path, len);
	struct directory *directories;

	if (!copy)
		return err_nomem(err);
	if (is_known(a, copy))
		return 0;
	directories = reallocarray(a->directories, a->directory_count + 1,
				   sizeof(*directories));
	if (!directories)
		return err_nomem(err);
	a->directories = directories;
	directories[a->directory_count++] = (struct directory){.path = steal_ptr(&copy)};
	return 0;
}

static int read_file(struct alternates *a, struct buf *text, struct err *err)
{
	int r = io_read_file(a->dirfd, ALTERNATES_FILE, text, err);

	return r == -ERR_NOTFOUND ? 0 : r;
}

/* The next line that is neither empty nor a comment; *AT moves on. */
static bool next_line(const struct buf *text, size_t *at, const char **ret,
		      size_t *ret_len)
{
	while (*at < text->len) {
		const char *line = (const char *)text->data + *at;
		const char *end = memchr(line, '\n', text->len - *at);
		size_t len = end ? (size_t)(end - line) : text->len - *at;

		*at += len + 1;
		if (len == 0 || *line == '#')
			continue;
		*ret = line;
		*ret_len = len;
		return true;
	}
	return false;
}

static int add_lines(struct alternates *a, const struct buf *text, struct err *err)
{
	const char *line;
	size_t at = 0, len;
	int r = 0;

	while (r == 0 && next_line(text, &at, &line, &len)) {
		if (*line != '/' || memchr(line, '\0', len))
			return err_set(err, ERR_FAILED,
				       "the store's file '" ALTERNATES_FILE
				       "' has a line that is no absolute path");
		r = add_directory(a, line, len, err);
	}
	return r;
}

static bool has_line(const struct buf *text, const char *path)
{
	size_t at = 0, len;
	const char *line;

	while (next_line(text, &at, &line, &len))
		if (len == strlen(path) && memcmp(line, path, len) == 0)
			return true;
	return false;
}

/* Adds it to the file, unless that has it. */
static int keep_path(struct alternates *a, const char *path, struct err *err)
{
	auto_buf struct buf text;
	int r;

	buf_init(&text, FILE_MAX_BYTES);
	r = read_file(a, &text, err);
	if (r < 0 || has_line(&text, path))
		return r;
	if (text.len && text.data[text.len - 1] != '\n')
		r = buf_append_u8(&text, '\n', err);
	if (r == 0)
		r = buf_printf(&text, err, "%s\n", path);
	return r < 0 ? r
		     : perms_replace_file(a->dirfd, ALTERNATES_FILE, text.data, text.len,
					  err);
}

static int add_locked(struct alternates *a, const char *path, bool keep, struct err *err)
{
	bool known = is_known(a, path);
	int r = known ? 0 : add_directory(a, path, strlen(path), err);

	if (r == 0)
		r = refresh_directory(a, number_of(a, path), err);
	if (r < 0 && !known && is_known(a, path))
		free(a->directories[--a->directory_count].path);
	return r < 0 || !keep ? r : keep_path(a, path, err);
}

int alternates_add(struct alternates *a, const char *path, bool keep, struct err *err)
{
	auto_free char *real = realpath(path, NULL);
	int r;

	if (!real)
		return err_sys(err, errno, "alternate '%s'", path);
	if (strchr(real, '\n'))
		return err_set(err, ERR_INVALID, "alternate '%s': a path with a newline",
			       path);
	pthread_rwlock_wrlock(&a->lock);
	r = add_locked(a, real, keep, err);
	pthread_rwlock_unlock(&a->lock);
	return r < 0 ? err_wrap(err, "alternate '%s'", path) : 0;
}

int alternates_new(int dirfd, struct packs *packs, struct alternates **ret,
		   struct err *err)
{
	struct alternates *a = calloc(1, sizeof(*a));
	auto_buf struct buf text;
	int r;

	if (!a)
		return err_nomem(err);
	buf_init(&text, FILE_MAX_BYTES);
	pthread_rwlock_init(&a->lock, NULL);
	a->dirfd = dirfd;
	a->packs = packs;
	r = read_file(a, &text, err);
	if (r == 0)
		r = add_lines(a, &text, err);
	if (r < 0) {
		alternates_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void alternates_free(struct alternates *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->publisher_count; i++) {
		share_close(a->publishers[i].share);
		close(a->publishers[i].dirfd);
		close(a->publishers[i].packs_dirfd);
	}
	for (size_t i = 0; i < a->directory_count; i++)
		free(a->directories[i].path);
	free(a->directories);
	pthread_rwlock_destroy(&a->lock);
	free(a);
}

bool alternates_any(struct alternates *a)
{
	bool any;

	pthread_rwlock_rdlock(&a->lock);
	any = a->directory_count != 0;
	pthread_rwlock_unlock(&a->lock);
	return any;
}

bool alternates_absent(struct alternates *a, char *path, size_t size)
{
	bool found = false;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->directory_count && !found; i++) {
		found = a->directories[i].absent;
		if (found)
			snprintf(path, size, "%s", a->directories[i].path);
	}
	pthread_rwlock_unlock(&a->lock);
	return found;
}

/* ---- keeping up ---- */

/* Another process may have added some to the file. */
static void refresh(struct alternates *a)
{
	auto_buf struct buf text;

	buf_init(&text, FILE_MAX_BYTES);
	if (read_file(a, &text, NULL) == 0)
		(void)!add_lines(a, &text, NULL);
	for (size_t i = 0; i < a->directory_count; i++)
		(void)!refresh_directory(a, i, NULL);
	a->looked = now();
}

/* Looks again if that was not done lately: before something counts as missing. */
bool alternates_refresh_if_old(struct alternates *a)
{
	bool old;

	if (now() - a->looked <= REFRESH_NS)
		return false;
	pthread_rwlock_wrlock(&a->lock);
	old = now() - a->looked > REFRESH_NS;
	if (old)
		refresh(a);
	pthread_rwlock_unlock(&a->lock);
	return old;
}

/* ---- names ---- */

static int refs_of(struct alternates *a, size_t directory, alternates_ref_fn *each,
		   void *arg, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < a->publisher_count; i++) {
		const struct publisher *p = &a->publishers[i];

		if (p->directory != directory || !p->share)
			continue;
		for (size_t k = 0; k < share_ref_count(p->share) && r == 0; k++)
			r = each(arg, share_ref(p->share, k), err);
	}
	return r;
}

int alternates_ref_each(struct alternates *a, const char *path, alternates_ref_fn *each,
			void *arg, struct err *err)
{
	auto_free char *real = realpath(path, NULL);
	int r = -ERR_NOTFOUND;

	pthread_rwlock_rdlock(&a->lock);
	if (real && is_known(a, real))
		r = refs_of(a, number_of(a, real), each, arg, err);
	pthread_rwlock_unlock(&a->lock);
	if (r == -ERR_NOTFOUND)
		r = err_set(err, ERR_NOTFOUND, "'%s' is no alternate of the store", path);
	return r;
}
