/* SPDX-License-Identifier: Apache-2.0
 * What another registry has told. */
#include "tools/serve/told.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define TAGS_MAX      4096
#define MANIFESTS_MAX 2048
#define BYTES_MAX     (64u << 20)

/* Lists are in order of use, the last used first. */
struct tag {
	struct tag *next;
	char *name;
	struct digest digest;
	time_t set;
};

struct entry {
	struct entry *next;
	char *repository;
	struct told_manifest manifest;
};

struct told {
	pthread_mutex_t lock;
	struct tag *tags;
	struct entry *entries;
	size_t tag_count, entry_count, bytes;
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

int told_new(struct told **ret, struct err *err)
{
	struct told *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return 0;
}

void told_manifest_release(struct told_manifest *m)
{
	buf_release(&m->bytes);
	free(steal_ptr(&m->parts));
}

static void tag_free(struct tag *tag)
{
	free(tag->name);
	free(tag);
}

static void entry_free(struct entry *e)
{
	told_manifest_release(&e->manifest);
	free(e->repository);
	free(e);
}

void told_free(struct told *t)
{
	if (!t)
		return;
	for (struct tag *tag = t->tags, *next; tag; tag = next) {
		next = tag->next;
		tag_free(tag);
	}
	for (struct entry *e = t->entries, *next; e; e = next) {
		next = e->next;
		entry_free(e);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- tags; all under the lock ---- */

/* Takes it out of the list. */
static struct tag *take_tag(struct told *t, const char *name)
{
	for (struct tag **at = &t->tags; *at; at = &(*at)->next)
		if (strcmp((*at)->name, name) == 0) {
			struct tag *tag = *at;

			*at = tag->next;
			return tag;
		}
	return NULL;
}

static void put_first(struct told *t, struct tag *tag)
{
	tag->next = t->tags;
	t->tags = tag;
}

static struct tag *new_tag(struct told *t, const char *name)
{
	struct tag *tag = calloc(1, sizeof(*tag)), **last = &t->tags;

	if (tag)
		tag->name = strdup(name);
	if (!tag || !tag->name) {
		free(tag);
		return NULL;
	}
	if (t->tag_count < TAGS_MAX) {
		t->tag_count++;
		return tag;
	}
	while ((*last)->next)
		last = &(*last)->next;
	tag_free(*last);
	*last = NULL;
	return tag;
}

int told_tag_set(struct told *t, const char *name, const struct digest *digest,
		 struct err *err)
{
	struct tag *tag;

	pthread_mutex_lock(&t->lock);
	tag = take_tag(t, name) ?: new_tag(t, name);
	if (tag) {
		tag->digest = *digest;
		tag->set = now();
		put_first(t, tag);
	}
	pthread_mutex_unlock(&t->lock);
	return tag ? 0 : err_nomem(err);
}

bool told_tag(struct told *t, const char *name, struct digest *ret, unsigned *ret_age)
{
	struct tag *tag;

	pthread_mutex_lock(&t->lock);
	tag = take_tag(t, name);
	if (tag) {
		put_first(t, tag);
		*ret = tag->digest;
		*ret_age = (unsigned)(now() - tag->set);
	}
	pthread_mutex_unlock(&t->lock);
	return tag != NULL;
}

void told_tag_forget(struct told *t, const char *name)
{
	struct tag *tag;

	pthread_mutex_lock(&t->lock);
	tag = take_tag(t, name);
	if (tag) {
		t->tag_count--;
		tag_free(tag);
	}
	pthread_mutex_unlock(&t->lock);
}

static int collect(struct told *t, const char *repository, const struct digest *digest,
		   struct buf *names, struct err *err)
{
	size_t len = strlen(repository);
	int rc = 0;

	pthread_mutex_lock(&t->lock);
	for (struct tag *tag = t->tags; tag && !rc; tag = tag->next)
		if (digest_equal(&tag->digest, digest) &&
		    strncmp(tag->name, repository, len) == 0 && tag->name[len] == ':')
			rc = buf_append(names, tag->name, strlen(tag->name) + 1, err);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

int told_names(struct told *t, const char *repository, const struct digest *digest,
	       told_name_fn *each, void *arg, struct err *err)
{
	auto_buf struct buf names;
	int rc;

	buf_init(&names, SIZE_MAX);
	rc = collect(t, repository, digest, &names, err);
	for (size_t at = 0; at < names.len && !rc;) {
		const char *name = (const char *)names.data + at;

		at += strlen(name) + 1;
		rc = each(arg, name, err);
	}
	return rc;
}

/* ---- manifests ---- */

static int read_parts(const struct manifest *m, struct told_manifest *ret,
		      struct err *err)
{
	ret->parts = calloc(m->count + 1, sizeof(*ret->parts));
	if (!ret->parts)
		return err_nomem(err);
	if (!digest_is_zero(&m->config.digest))
		ret->parts[ret->count++] =
			(struct told_part){m->config.digest, m->config.size, true};
	for (size_t i = 0; i < m->count; i++)
		ret->parts[ret->count++] =
			(struct told_part){m->items[i].digest, m->items[i].size, false};
	return 0;
}

static int read_manifest(const void *bytes, size_t len, const char *media_type,
			 struct told_manifest *ret, struct err *err)
{
	enum descriptor_kind kind = descriptor_kind(media_type);
	bool said = kind == DESCRIPTOR_INDEX || kind == DESCRIPTOR_MANIFEST;
	auto_manifest struct manifest m = {0};
	int rc = manifest_parse(bytes, len, NULL, &m, err);

	if (!rc)
		rc = read_parts(&m, ret, err);
	buf_init(&ret->bytes, len);
	if (!rc)
		rc = buf_append(&ret->bytes, bytes, len, err);
	if (rc)
		return rc;
	ret->kind = m.kind;
	digest_of(bytes, len, &ret->digest);
	if (m.media_type)
		media_type = m.media_type;
	else if (!said)
		media_type = m.kind == MANIFEST_INDEX ? DESCRIPTOR_OCI_INDEX
						      : DESCRIPTOR_OCI_MANIFEST;
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", media_type);
	return 0;
}

/* Under the lock: finds it and puts it first. */
static struct entry *find(struct told *t, const char *repository,
			  const struct digest *digest)
{
	for (struct entry **at = &t->entries; *at; at = &(*at)->next) {
		struct entry *e = *at;

		if (!digest_equal(&e->manifest.digest, digest) ||
		    strcmp(e->repository, repository) != 0)
			continue;
		*at = e->next;
		e->next = t->entries;
		t->entries = e;
		return e;
	}
	return NULL;
}

/* Under the lock. */
static void make_room(struct told *t)
{
	while (t->entries && (t->entry_count > MANIFESTS_MAX || t->bytes > BYTES_MAX)) {
		struct entry **last = &t->entries;

		while ((*last)->next)
			last = &(*last)->next;
		t->entry_count--;
		t->bytes -= (*last)->manifest.bytes.len;
		entry_free(*last);
		*last = NULL;
	}
}

int told_add(struct told *t, const char *repository, const void *bytes, size_t len,
	     const char *media_type, struct err *err)
{
	struct entry *e = calloc(1, sizeof(*e));
	int rc = e ? read_manifest(bytes, len, media_type, &e->manifest, err)
		   : err_nomem(err);

	if (!rc) {
		e->repository = strdup(repository);
		if (!e->repository)
			rc = err_nomem(err);
	}
	if (rc) {
		if (e)
			entry_free(e);
		return rc;
	}
	pthread_mutex_lock(&t->lock);
	if (find(t, repository, &e->manifest.digest)) {
		entry_free(e);
	} else {
		e->next = t->entries;
		t->entries = e;
		t->entry_count++;
		t->bytes += len;
		make_room(t);
	}
	pthread_mutex_unlock(&t->lock);
	return 0;
}

static int copy(const struct told_manifest *m, struct told_manifest *ret, struct err *err)
{
	*ret = *m;
	buf_init(&ret->bytes, m->bytes.len);
	ret->parts = calloc(m->count + 1, sizeof(*ret->parts));
	if (!ret->parts)
		return err_nomem(err);
	if (m->count)
		memcpy(ret->parts, m->parts, m->count * sizeof(*ret->parts));
	return buf_append(&ret->bytes, m->bytes.data, m->bytes.len, err);
}

int told_get(struct told *t, const char *repository, const struct digest *digest,
	     struct told_manifest *ret, struct err *err)
{
	struct told_manifest m = {0};
	struct entry *e;
	int rc;

	pthread_mutex_lock(&t->lock);
	e = find(t, repository, digest);
	rc = e ? copy(&e->manifest, &m, err)
	       : err_set(err, ERR_NOTFOUND, "there is no such manifest");
	pthread_mutex_unlock(&t->lock);
	if (rc)
		told_manifest_release(&m);
	else
		*ret = m;
	return rc;
}

static int add_users(const struct told_manifest *m, const struct digest *part,
		     struct buf *ret, struct err *err)
{
	struct told_user user = {.manifest = m->digest};
	bool found = false;

	/* A config may be a layer, too: "{}" often is. */
	for (size_t i = 0; i < m->count && (!found || user.part.config); i++)
		if (digest_equal(&m->parts[i].digest, part)) {
			user.part = m->parts[i];
			found = true;
		}
	return found ? buf_append(ret, &user, sizeof(user), err) : 0;
}

int told_users(struct told *t, const char *repository, const struct digest *part,
	       struct buf *ret, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&t->lock);
	for (struct entry *e = t->entries; e && !rc; e = e->next)
		if (strcmp(e->repository, repository) == 0)
			rc = add_users(&e->manifest, part, ret, err);
	pthread_mutex_unlock(&t->lock);
	return rc;
}
