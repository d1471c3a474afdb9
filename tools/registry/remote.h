/* SPDX-License-Identifier: Apache-2.0
 * One repository of a registry, as the distribution API shows it: documents, blobs, tags,
 * uploads. Who uses it need not know of tokens, redirects, retries and quirks.
 *
 *	remote_open            "docker.io/library/app:v1"; no request is made yet
 *	remote_manifest_get    a document by tag or digest
 *	remote_blob_open       a blob as a stream, resumed where the connection breaks
 *	remote_tags            all tags
 *	remote_blob_mount, remote_upload_begin ..., remote_manifest_put
 *
 * https, except for loopback (tried in plain HTTP first) and where the options say so. What
 * may pass (408, 429, 500, 502, 503, 504, a lost connection) is tried again, later and
 * later, as Retry-After says. Thread-safe, but for one upload or stream by itself.
 *
 * ERR_NOTFOUND: the registry says that the thing asked for is not there.
 */
#ifndef TOOLS_REGISTRY_REMOTE_H
#define TOOLS_REGISTRY_REMOTE_H

#include <jansson.h>

#include "store/base/buf.h"
#include "store/base/stream.h"
#include "store/digest.h"

struct remote;

/* What the user says of registries; all may be zero. Texts live as long as the remote. */
struct remote_options {
	bool plain_http; /* no TLS */
	bool insecure;   /* TLS without checking, or plain HTTP where there is none */
	const char *authfile;    /* instead of those of credentials.h */
	const char *credentials; /* "USER:SECRET", instead of any file */
	const char *cert_dir;    /* instead of those of certs.d */
	bool hasty; /* somebody waits: two tries, and nothing that takes long between them */
};

/* The answer behind the calling thread's last failure, until it is asked for. */
struct remote_refusal {
	unsigned status;     /* 0: there was no answer */
	int64_t retry_after; /* seconds; -1: it does not say */
};
void remote_last_refusal(struct remote_refusal *ret);

/* NAME: normalised (reference.h). PUSH: the right to write is asked for. OPTIONS may be
 * NULL. */
int remote_open(const char *name, const struct remote_options *options, bool push,
		struct remote **ret, struct err *err) MUST_CHECK;
void remote_close(struct remote *r); /* NULL is ignored */

AUTO_DEFINE(remote, struct remote, remote_close)
#define auto_remote AUTO(remote)

/* What the name ends in: the tag, or the text of the digest. */
const char *remote_reference(const struct remote *r);

/* Blobs may be taken from where NAME (normalised) says, if that is another repository of the
 * same registry. Before the first request. */
int remote_mount_from(struct remote *r, const char *name, struct err *err) MUST_CHECK;

/* Whether the registry answers and takes our credentials. */
int remote_ping(struct remote *r, struct err *err) MUST_CHECK;

/* ---- documents ---- */

#define REMOTE_TYPE_MAX 128

struct remote_manifest {
	struct digest digest;
	char media_type[REMOTE_TYPE_MAX]; /* as the server says it; "": it does not */
};

/* Appends a manifest or index, whatever its type, verbatim. REFERENCE: tag or digest; the
 * bytes are checked against it and against what the server says of them. ERR_LIMIT: more than
 * DOCUMENT_MAX. */
int remote_manifest_get(struct remote *r, const char *reference, struct buf *buf,
			struct remote_manifest *ret, struct err *err) MUST_CHECK;

/* Only whether it is there, and as what: a zero digest if the server does not say. */
int remote_manifest_head(struct remote *r, const char *reference, struct digest *ret,
			 struct err *err) MUST_CHECK;

/* *ret_about (or NULL): the registry has noted what the manifest is about. */
int remote_manifest_put(struct remote *r, const char *reference, const char *media_type,
			const void *data, size_t len, bool *ret_about,
			struct err *err) MUST_CHECK;

/* In the order of the registry. */
typedef int remote_tag_fn(void *arg, const char *tag, struct err *err);
int remote_tags(struct remote *r, remote_tag_fn *each, void *arg,
		struct err *err) MUST_CHECK;

#define REMOTE_REFERRERS_MAX 1024

/* Appends to LIST the descriptors of what is about D as the registry lists it, of one type only
 * unless ARTIFACT_TYPE is NULL; if it has no such lists, those of the index that clients keep
 * under the tag "sha256-<hex>", of any type. Nothing of it is checked. What is more than
 * REMOTE_REFERRERS_MAX is left out. */
int remote_referrers(struct remote *r, const struct digest *d, const char *artifact_type,
		     json_t *list, struct err *err) MUST_CHECK;

/* Adds the descriptors FRESH to that index. Two clients that do so at once may lose entries:
 * registries offer no way to prevent that. */
int remote_referrers_add(struct remote *r, const struct digest *d, const json_t *fresh,
			 struct err *err) MUST_CHECK;

/* ---- blobs ---- */

/* SIZE: what the descriptor says. The first request is made by the first read. A server that
 * gives another size, or another rest when asked to go on, is ERR_INVALID; the digest is
 * checked by the reader. The stream must not outlive R. */
int remote_blob_open(struct remote *r, const struct digest *d, uint64_t size,
		     struct stream **ret, struct err *err) MUST_CHECK;

/* The same of the bytes FROM .. UNTIL (exclusive). ERR_FAILED: the registry does not give parts
 * of a blob. */
int remote_blob_open_range(struct remote *r, const struct digest *d, uint64_t size,
			   uint64_t from, uint64_t until, struct stream **ret,
			   struct err *err) MUST_CHECK;

/* *ret_size (or NULL): UINT64_MAX if the server does not say. */
int remote_blob_head(struct remote *r, const struct digest *d, uint64_t *ret_size,
		     struct err *err) MUST_CHECK;

/* ---- uploads ---- */

/* Takes the blob over from the repository of remote_mount_from; *ret_mounted false: it has to
 * be uploaded. */
int remote_blob_mount(struct remote *r, const struct digest *d, bool *ret_mounted,
		      struct err *err) MUST_CHECK;

struct remote_upload;

/* D and SIZE known: one request has all of it. D NULL: it is sent as it comes, and named at
 * the end. ERR_AGAIN from here on: another upload from the start may succeed. */
int remote_upload_begin(struct remote *r, const struct digest *d, uint64_t size,
			struct remote_upload **ret, struct err *err) MUST_CHECK;
int remote_upload_write(struct remote_upload *u, const void *data, size_t len,
			struct err *err) MUST_CHECK;
int remote_upload_finish(struct remote_upload *u, const struct digest *d,
			 struct err *err) MUST_CHECK;
/* Gives up what is not finished, and tells the registry. NULL is ignored. */
void remote_upload_free(struct remote_upload *u);

AUTO_DEFINE(remote_upload, struct remote_upload, remote_upload_free)
#define auto_remote_upload AUTO(remote_upload)

/* Waits before the attempt after ATTEMPT (from 0), later and later. False: enough tried. */
bool remote_wait(unsigned attempt);

#endif
