/* SPDX-License-Identifier: Apache-2.0
 * Blobs on their way in. */
#include "tools/serve/uploads.h"

#include <pthread.h>
#include <time.h>

#include "store/base/io.h"

struct upload {
	struct upload *next;
	char id[UPLOADS_ID_SIZE];
	int fd;
	uint64_t size;
	struct hasher *hasher;
	bool busy, failed;
	time_t used;
};

struct spooled {
	struct spooled *next;
	struct digest digest;
	int fd;
	uint64_t size;
	unsigned users;
	bool forgotten; /* goes with its last user */
	time_t used;
};

struct uploads {
	pthread_mutex_t lock;
	int dirfd;
	unsigned keep, count;
	struct upload *uploads;
	struct spooled *blobs;
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

int uploads_new(int dirfd, unsigned keep, struct uploads **ret, struct err *err)
{
	struct uploads *u = calloc(1, sizeof(*u));

	if (!u)
		return err_nomem(err);
	pthread_mutex_init(&u->lock, NULL);
	u->dirfd = dirfd;
	u->keep = keep;
	*ret = u;
	return 0;
}

static void upload_free(struct upload *up)
{
	if (up->fd >= 0)
		close(up->fd);
	hasher_free(up->hasher);
	free(up);
}

static void spooled_free(struct spooled *b)
{
	close(b->fd);
	free(b);
}

void uploads_free(struct uploads *u)
{
	if (!u)
		return;
	for (struct upload *up = u->uploads, *next; up; up = next) {
		next = up->next;
		upload_free(up);
	}
	for (struct spooled *b = u->blobs, *next; b; b = next) {
		next = b->next;
		spooled_free(b);
	}
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* Under the lock: what nobody came back for. */
static void expire(struct uploads *u)
{
	time_t oldest = now() - (time_t)u->keep;
	struct upload **up = &u->uploads;
	struct spooled **b = &u->blobs;

	while (*up) {
		struct upload *it = *up;

		if (it->busy || it->used >= oldest) {
			up = &it->next;
			continue;
		}
		*up = it->next;
		u->count--;
		upload_free(it);
	}
	while (*b) {
		struct spooled *it = *b;

		if (it->users || (it->used >= oldest && !it->forgotten)) {
			b = &it->next;
			continue;
		}
		*b = it->next;
		u->count--;
		spooled_free(it);
	}
}

/* ---- uploads ---- */

static int make_id(char id[UPLOADS_ID_SIZE], struct err *err)
{
	uint8_t bytes[(UPLOADS_ID_SIZE - 1) / 2];
	int rc = io_random(bytes, sizeof(bytes), err);

	for (size_t i = 0; i < sizeof(bytes) && !rc; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	return rc;
}

static int upload_new(struct uploads *u, struct upload **ret, struct err *err)
{
	struct upload *up = calloc(1, sizeof(*up));
	int rc;

	if (!up)
		return err_nomem(err);
	up->fd = -1;
	up->busy = true;
	rc = make_id(up->id, err);
	if (!rc)
		rc = hasher_new(&up->hasher, err);
	if (!rc)
		rc = io_tmpfile(u->dirfd, &up->fd, err);
	if (rc)
		upload_free(up);
	else
		*ret = up;
	return rc;
}

int uploads_start(struct uploads *u, struct upload **ret, struct err *err)
{
	struct upload *up = NULL;
	int rc = upload_new(u, &up, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&u->lock);
	expire(u);
	if (u->count >= UPLOADS_MAX) {
		rc = err_set(err, ERR_LIMIT, "more than %d uploads wait", UPLOADS_MAX);
	} else {
		u->count++;
		up->next = u->uploads;
		u->uploads = up;
	}
	pthread_mutex_unlock(&u->lock);
	if (rc)
		upload_free(up);
	else
		*ret = up;
	return rc;
}

int uploads_take(struct uploads *u, const char *id, struct upload **ret, struct err *err)
{
	struct upload *up;
	int rc = 0;

	pthread_mutex_lock(&u->lock);
	expire(u);
	for (up = u->uploads; up && strcmp(up->id, id) != 0; up = up->next)
		;
	if (!up)
		rc = err_set(err, ERR_NOTFOUND, "there is no such upload");
	else if (up->busy)
		rc = err_set(err, ERR_BUSY, "another request is sending to this upload");
	else
		up->busy = true;
	pthread_mutex_unlock(&u->lock);
	if (!rc)
		*ret = up;
	return rc;
}

void uploads_put_back(struct uploads *u, struct upload *up)
{
	pthread_mutex_lock(&u->lock);
	up->busy = false;
	up->used = now();
	pthread_mutex_unlock(&u->lock);
}

/* Under the lock. */
static void unlink_upload(struct uploads *u, struct upload *up)
{
	struct upload **at = &u->uploads;

	while (*at != up)
		at = &(*at)->next;
	*at = up->next;
	u->count--;
}

void uploads_drop(struct uploads *u, struct upload *up)
{
	pthread_mutex_lock(&u->lock);
	unlink_upload(u, up);
	pthread_mutex_unlock(&u->lock);
	upload_free(up);
}

const char *upload_id(const struct upload *up)
{
	return up->id;
}

uint64_t upload_size(const struct upload *up)
{
	return up->size;
}

int upload_write(struct upload *up, const void *data, size_t len, struct err *err)
{
	int rc = io_pwrite(up->fd, data, len, up->size, "an upload", err);

	if (rc)
		return rc;
	hasher_update(up->hasher, data, len);
	up->size += len;
	return 0;
}

/* ---- whole blobs ---- */

static struct spooled *find(struct uploads *u, const struct digest *digest)
{
	for (struct spooled *b = u->blobs; b; b = b->next)
		if (!b->forgotten && digest_equal(&b->digest, digest))
			return b;
	return NULL;
}

int uploads_finish(struct uploads *u, struct upload *up, const struct digest *digest,
		   struct err *err)
{
	struct spooled *b = calloc(1, sizeof(*b));
	char text[DIGEST_TEXT_SIZE];
	struct digest found;
	int rc = 0;

	hasher_final(up->hasher, &found);
	if (!b)
		rc = err_nomem(err);
	else if (!digest_equal(&found, digest))
		rc = err_set(err, ERR_INVALID, "what was sent has the digest %s",
			     digest_format(&found, text));
	pthread_mutex_lock(&u->lock);
	unlink_upload(u, up);
	if (!rc && !find(u, digest)) {
		*b = (struct spooled){.next = u->blobs,
				      .digest = found,
				      .fd = steal_fd(&up->fd),
				      .size = up->size,
				      .used = now()};
		u->blobs = steal_ptr(&b);
		u->count++;
	}
	pthread_mutex_unlock(&u->lock);
	free(b);
	upload_free(up);
	return rc;
}

struct spooled *uploads_find(struct uploads *u, const struct digest *digest)
{
	struct spooled *b;

	pthread_mutex_lock(&u->lock);
	b = find(u, digest);
	if (b) {
		b->users++;
		b->used = now();
	}
	pthread_mutex_unlock(&u->lock);
	return b;
}

void uploads_release(struct uploads *u, struct spooled *b)
{
	if (!b)
		return;
	pthread_mutex_lock(&u->lock);
	b->users--;
	b->used = now();
	expire(u);
	pthread_mutex_unlock(&u->lock);
}

uint64_t spooled_size(const struct spooled *b)
{
	return b->size;
}

int spooled_open(const struct spooled *b, uint64_t at, struct stream **ret,
		 struct err *err)
{
	return stream_from_fd(b->fd, at, b->size - at, "an uploaded blob", ret, err);
}

bool uploads_forget(struct uploads *u, const struct digest *digest)
{
	struct spooled *b;

	pthread_mutex_lock(&u->lock);
	b = find(u, digest);
	if (b)
		b->forgotten = true;
	expire(u);
	pthread_mutex_unlock(&u->lock);
	return b != NULL;
}
