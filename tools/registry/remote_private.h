/* SPDX-License-Identifier: Apache-2.0
 * What the parts of a remote share: remote.c (requests), remote_auth.c (tokens),
 * remote_certs.c (certs.d), remote_documents.c, remote_referrers.c, remote_blob.c,
 * remote_upload.c. Included by these only.
 */
#ifndef TOOLS_REGISTRY_REMOTE_PRIVATE_H
#define TOOLS_REGISTRY_REMOTE_PRIVATE_H

#include <pthread.h>

#include "tools/registry/credentials.h"
#include "tools/registry/remote.h"
#include "tools/registry/transfer.h"

#define REMOTE_URL_MAX   (16u << 10)
#define REMOTE_ERROR_MAX (64u << 10) /* bytes read of an error's text */

struct remote {
	struct remote_options options;
	struct transfers *transfers;
	char *host;      /* as in the name: "docker.io" */
	char *server;    /* where it answers: "registry-1.docker.io" */
	char *path;      /* of the repository */
	char *reference; /* tag or digest */
	char *mount_from;
	bool push;

	pthread_mutex_t lock; /* all below */
	const char *scheme;   /* NULL: not known yet */
	bool credentials_read;
	struct credentials credentials;
	char *authorization; /* NULL: none, so far */
	unsigned renewals;   /* how often that was replaced */
	bool no_referrers;   /* the registry keeps no lists of them */
};

/* ---- remote.c ---- */

/* Makes a request to "/v2/<path>/<TARGET>", or to TARGET if it is a whole address; URL,
 * authorization of REQUEST are set here. Answers that mean failure are errors: ERR_NOTFOUND,
 * ERR_FAILED if the registry will not, ERR_SYSTEM if it cannot be reached or is too busy. */
int remote_request(struct remote *r, const char *target, struct transfer_request *request,
		   struct transfer **ret, struct err *err) MUST_CHECK;

/* The same without another try, and without judging the answer but for 401. */
int remote_request_once(struct remote *r, const char *target,
			struct transfer_request *request, struct transfer **ret,
			struct err *err) MUST_CHECK;

/* Follows a list over its pages from TARGET on, each given to EACH; *ret_enough: no more are
 * wanted. *ret_all false: there were more than MAX. */
typedef int remote_page_fn(void *arg, const struct buf *body, bool *ret_enough,
			   struct err *err);
int remote_pages(struct remote *r, const char *target, const char *accept, unsigned max,
		 remote_page_fn *each, void *arg, bool *ret_all,
		 struct err *err) MUST_CHECK;

/* The error that an answer stands for: ERR_AGAIN, ERR_NOTFOUND, ERR_FAILED. */
int remote_failure(struct transfer *t, struct err *err);

/* Whether an address belongs to this registry: only then are credentials sent there. */
bool remote_is_own(struct remote *r, const char *url);

/* ---- remote_auth.c ---- */

/* A copy of what to send (*ret NULL: nothing), and the number of its kind. */
int remote_auth_get(struct remote *r, char **ret, unsigned *ret_renewals,
		    struct err *err) MUST_CHECK;

/* After a 401 to what had RENEWALS: asks as T demands. ERR_FAILED: there is no other way to
 * ask. */
int remote_auth_renew(struct remote *r, const struct transfer *t, unsigned renewals,
		      struct err *err) MUST_CHECK;

/* ---- remote_certs.c ---- */

/* Certificates for the registry: appends authorities to CA; files of our own, or NULL. */
struct remote_certs {
	struct buf ca;
	char *certificate, *key;
};

int remote_certs_read(const char *cert_dir, const char *host, struct remote_certs *ret,
		      struct err *err) MUST_CHECK;
void remote_certs_release(struct remote_certs *c);

#endif
