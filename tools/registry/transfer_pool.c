/* SPDX-License-Identifier: Apache-2.0
 * Handles of libcurl that are used again and again, with their connections. */
#include <pthread.h>
#include <string.h>

#include "tools/registry/transfer_private.h"
#include "tools/version.h"

#define CONNECT_SECONDS 30
#define BUFFER_SIZE     (256l << 10)

struct transfers {
	pthread_mutex_t lock;
	struct transfer *idle;
	bool insecure;
	struct buf ca;
	char *certificate, *key;
	unsigned idle_seconds;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static unsigned idle_limit(void)
{
	const char *text = getenv("LAYERCACHE_NET_TIMEOUT");
	char *end = NULL;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;

	return text && end != text && !*end && value > 0 && value < 86400
		       ? (unsigned)value
		       : TRANSFER_IDLE_SECONDS;
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

int transfers_new(const struct transfers_options *o, struct transfers **ret,
		  struct err *err)
{
	struct transfers *all = calloc(1, sizeof(*all));
	int rc = 0;

	if (!all)
		return err_nomem(err);
	pthread_once(&once, start_curl);
	pthread_mutex_init(&all->lock, NULL);
	all->insecure = o->insecure;
	all->idle_seconds = idle_limit();
	all->certificate = copy(o->certificate);
	all->key = copy(o->key);
	buf_init(&all->ca, o->ca_len);
	if (o->ca_len)
		rc = buf_append(&all->ca, o->ca, o->ca_len, err);
	if (!rc && ((o->certificate && !all->certificate) || (o->key && !all->key)))
		rc = err_nomem(err);
	if (rc)
		transfers_free(all);
	else
		*ret = all;
	return rc;
}

static void destroy(struct transfer *t)
{
	curl_slist_free_all(t->lines);
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi);
	buf_release(&t->url);
	buf_release(&t->headers);
	buf_release(&t->spill);
	free(t);
}

void transfers_free(struct transfers *all)
{
	if (!all)
		return;
	while (all->idle) {
		struct transfer *t = all->idle;

		all->idle = t->next;
		destroy(t);
	}
	buf_release(&all->ca);
	free(all->certificate);
	free(all->key);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* Trusted are the system's certificates (a directory) and those of OWN. */
static CURLcode set_tls(CURL *easy, struct transfers *own)
{
	struct curl_blob ca = {own->ca.data, own->ca.len, CURL_BLOB_NOCOPY};
	CURLcode rc = CURLE_OK;

	if (own->ca.len)
		rc = curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
	if (!rc && own->certificate)
		rc = curl_easy_setopt(easy, CURLOPT_SSLCERT, own->certificate);
	if (!rc && own->key)
		rc = curl_easy_setopt(easy, CURLOPT_SSLKEY, own->key);
	if (!rc && own->insecure)
		rc = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0l);
	if (!rc && own->insecure)
		rc = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0l);
	return rc;
}

static CURLcode set_common(struct transfer *t)
{
	CURL *easy = t->easy;
	CURLcode rc = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1l);

	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
				      (long)CURL_HTTP_VERSION_1_1);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_USERAGENT,
				      "layercache/" VERSION_TEXT);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_error);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT,
				      (long)CONNECT_SECONDS);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE);
	if (!rc)
		rc = curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1l);
	return rc ? rc : set_tls(easy, t->owner);
}

static struct transfer *pop(struct transfers *all)
{
	struct transfer *t;

	pthread_mutex_lock(&all->lock);
	t = all->idle;
	if (t)
		all->idle = t->next;
	pthread_mutex_unlock(&all->lock);
	return t;
}

static struct transfer *create(struct transfers *all)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->owner = all;
	buf_init(&t->url, TRANSFER_URL_MAX);
	buf_init(&t->headers, TRANSFER_HEADERS_MAX);
	buf_init(&t->spill, TRANSFER_SPILL_MAX);
	t->multi = curl_multi_init();
	t->easy = curl_easy_init();
	if (t->multi && t->easy)
		return t;
	destroy(t);
	return NULL;
}

int transfer_take(struct transfers *all, struct transfer **ret, struct err *err)
{
	struct transfer *t = pop(all);
	CURLcode rc;

	if (!t)
		t = create(all);
	if (!t)
		return err_nomem(err);
	curl_easy_reset(t->easy);
	rc = set_common(t);
	if (rc) {
		destroy(t);
		return err_set(err, ERR_FAILED, "cannot set up HTTP: %s",
			       curl_easy_strerror(rc));
	}
	*ret = t;
	return 0;
}

void transfer_give_back(struct transfer *t)
{
	struct transfers *all = t->owner;

	pthread_mutex_lock(&all->lock);
	t->next = all->idle;
	all->idle = t;
	pthread_mutex_unlock(&all->lock);
}

unsigned transfer_idle_seconds(const struct transfers *all)
{
	return all->idle_seconds;
}
