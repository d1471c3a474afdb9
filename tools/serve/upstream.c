/* SPDX-License-Identifier: Apache-2.0
 * Other registries behind this one: which of them, and connections to them. */
#include "tools/serve/upstream.h"

#include <string.h>
#include <sys/eventfd.h>

#include "store/base/io.h"
#include "tools/oci/reference.h"
#include "tools/serve/upstream_private.h"

#define LINKS_MAX    64
#define LINK_SECONDS 300 /* then credentials are read again */

time_t upstream_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* ---- what the user names ---- */

/* Whether HOST/PATH is a name with just that host. */
static bool is_host(const char *host, size_t len)
{
	auto_buf struct buf text, name;

	buf_init(&text, RECORD_REF_NAME_MAX);
	buf_init(&name, RECORD_REF_NAME_MAX);
	return !buf_printf(&text, NULL, "%.*s/a/b:c%c", (int)len, host, 0) &&
	       !reference_normalize((const char *)text.data, &name, NULL) &&
	       strncmp((const char *)name.data, host, len) == 0 && name.data[len] == '/';
}

static int parse(const char *text, struct upstream *ret, struct err *err)
{
	const char *equals = strchr(text, '='), *registry = equals ? equals + 1 : text;
	size_t host = strcspn(registry, "/"), len = strlen(registry);

	if (strstr(text, "://"))
		return err_set(err, ERR_USAGE,
			       "bad upstream '%s': a registry is HOST[:PORT], without "
			       "a scheme",
			       text);
	if (len > 0 && registry[len - 1] == '/')
		len--;
	if (!is_host(registry, host) ||
	    (equals && !is_host(text, (size_t)(equals - text))))
		return err_set(err, ERR_USAGE,
			       "bad upstream '%s': not [NAME=]REGISTRY[/PREFIX]", text);
	ret->name =
		equals ? strndup(text, (size_t)(equals - text)) : strndup(registry, host);
	ret->registry = strndup(registry, len);
	return ret->name && ret->registry ? 0 : err_nomem(err);
}

static int parse_all(struct upstreams *u, const struct upstream_options *o,
		     struct err *err)
{
	int rc = 0;

	u->items = calloc(o->count, sizeof(*u->items));
	if (!u->items)
		return err_nomem(err);
	for (size_t i = 0; i < o->count && !rc; i++) {
		rc = parse(o->texts[i], &u->items[u->count++], err);
		for (size_t k = 0; k < i && !rc; k++)
			if (strcmp(u->items[k].name, u->items[i].name) == 0)
				rc = err_set(err, ERR_USAGE,
					     "two upstreams are called '%s'",
					     u->items[i].name);
	}
	if (!rc && o->remote.credentials && o->count > 1)
		rc = err_set(err, ERR_USAGE,
			     "--creds is for one upstream; use an auth file for %zu",
			     o->count);
	return rc;
}

int upstreams_new(const struct blobs *blobs, const struct upstream_options *o,
		  struct upstreams **ret, struct err *err)
{
	struct upstreams *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return err_nomem(err);
	pthread_mutex_init(&u->lock, NULL);
	u->remote = o->remote;
	u->remote.hasty = true;
	u->fresh = o->fresh;
	u->interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = u->interrupt < 0 ? err_sys(err, errno, "cannot make an eventfd") : 0;
	if (!rc)
		rc = parse_all(u, o, err);
	if (!rc)
		rc = told_new(&u->told, err);
	if (!rc)
		rc = once_new(&u->once, err);
	if (!rc)
		rc = fetches_new(blobs, u->interrupt, &u->fetches, err);
	if (rc)
		upstreams_free(u);
	else
		*ret = u;
	return rc;
}

static void link_free(struct upstream_link *l)
{
	remote_close(l->remote);
	free(l->name);
	free(l);
}

void upstreams_free(struct upstreams *u)
{
	if (!u)
		return;
	if (u->interrupt >= 0)
		upstreams_interrupt(u);
	fetches_free(u->fetches);
	for (struct upstream_link *l = u->links, *next; l; l = next) {
		next = l->next;
		link_free(l);
	}
	once_free(u->once);
	told_free(u->told);
	for (size_t i = 0; i < u->count; i++) {
		free(u->items[i].name);
		free(u->items[i].registry);
	}
	free(u->items);
	if (u->interrupt >= 0)
		close(u->interrupt);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

void upstreams_interrupt(struct upstreams *u)
{
	eventfd_write(u->interrupt, 1);
}

void upstreams_enter(struct upstreams *u)
{
	stream_set_interrupt(u->interrupt);
}

struct told *upstreams_told(struct upstreams *u)
{
	return u->told;
}

/* ---- places ---- */

static struct upstream *named(struct upstreams *u, const char *host, size_t len)
{
	for (size_t i = 0; i < u->count; i++)
		if (strlen(u->items[i].name) == len &&
		    memcmp(u->items[i].name, host, len) == 0)
			return &u->items[i];
	return NULL;
}

/* "docker.io/library/app" of "docker.io" and "app". */
static bool set_name(struct upstream_place *p, const char *path)
{
	auto_buf struct buf text, name;
	char *tag;

	buf_init(&text, RECORD_REF_NAME_MAX + 1);
	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	if (buf_printf(&text, NULL, "%s/%s:x%c", p->upstream->name, path, 0) ||
	    reference_normalize((const char *)text.data, &name, NULL))
		return false;
	tag = strrchr((char *)name.data, ':');
	*tag = '\0';
	snprintf(p->name, sizeof(p->name), "%s", (const char *)name.data);
	return true;
}

bool upstreams_place(struct upstreams *u, const char *repository, const char *host,
		     struct upstream_place *ret)
{
	size_t len = names_host(repository);

	if (host) {
		ret->upstream = named(u, host, strlen(host));
	} else if (len) {
		ret->upstream = named(u, repository, len);
		repository += len + 1;
	} else {
		ret->upstream = &u->items[0];
	}
	return ret->upstream && set_name(ret, repository);
}

/* ---- links ---- */

static int remote_name(const struct upstream_place *p, struct buf *ret, struct err *err)
{
	const char *path = p->name + strlen(p->upstream->name) + 1;
	auto_buf struct buf text;
	int rc;

	buf_init(&text, RECORD_REF_NAME_MAX);
	rc = buf_printf(&text, err, "%s/%s:x%c", p->upstream->registry, path, 0);
	return rc ? rc : reference_normalize((const char *)text.data, ret, err);
}

static int link_new(struct upstreams *u, const struct upstream_place *p,
		    struct upstream_link **ret, struct err *err)
{
	struct upstream_link *l = calloc(1, sizeof(*l));
	auto_buf struct buf name;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	if (!l)
		return err_nomem(err);
	l->upstream = p->upstream;
	l->made = upstream_now();
	l->name = strdup(p->name);
	rc = l->name ? remote_name(p, &name, err) : err_nomem(err);
	if (!rc)
		rc = remote_open((const char *)name.data, &u->remote, false, &l->remote,
				 err);
	if (rc)
		link_free(l);
	else
		*ret = l;
	return rc;
}

/* Under the lock: what is old, or too much, and unused. */
static void drop_old(struct upstreams *u)
{
	time_t oldest = upstream_now() - LINK_SECONDS;
	struct upstream_link **at = &u->links;

	while (*at) {
		struct upstream_link *l = *at;

		l->old = l->old || l->made < oldest;
		if (l->users || !(l->old || u->link_count > LINKS_MAX)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		u->link_count--;
		link_free(l);
	}
}

int upstream_link(struct upstreams *u, const struct upstream_place *p,
		  struct upstream_link **ret, struct err *err)
{
	struct upstream_link *l;
	int rc = 0;

	pthread_mutex_lock(&u->lock);
	drop_old(u);
	for (l = u->links; l; l = l->next)
		if (!l->old && strcmp(l->name, p->name) == 0)
			break;
	if (!l) {
		rc = link_new(u, p, &l, err);
		if (!rc) {
			l->next = u->links;
			u->links = l;
			u->link_count++;
		}
	}
	if (!rc) {
		l->users++;
		*ret = l;
	}
	pthread_mutex_unlock(&u->lock);
	return rc;
}

void upstream_unlink(struct upstreams *u, struct upstream_link *l, bool old)
{
	pthread_mutex_lock(&u->lock);
	l->users--;
	l->old = l->old || old;
	pthread_mutex_unlock(&u->lock);
}
