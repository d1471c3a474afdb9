/* SPDX-License-Identifier: Apache-2.0
 * Blobs on their way in: each is spooled to a file without a name in the store's directory,
 * so whatever ends this process leaves nothing behind. A whole blob waits there until a
 * manifest needs it, and goes if none does for a while.
 *
 * Thread-safe; one upload is used by one thread at a time.
 */
#ifndef TOOLS_SERVE_UPLOADS_H
#define TOOLS_SERVE_UPLOADS_H

#include "store/base/stream.h"
#include "store/digest.h"

#define UPLOADS_ID_SIZE 33   /* 32 hex digits and NUL */
#define UPLOADS_MAX     1024 /* uploads and blobs together */

struct uploads;
struct upload;
struct spooled;

/* DIRFD: where files are made. KEEP: seconds that an upload or blob waits unused. */
int uploads_new(int dirfd, unsigned keep, struct uploads **ret,
		struct err *err) MUST_CHECK;
void uploads_free(struct uploads *u); /* NULL is ignored */

/* ERR_LIMIT: there are too many. */
int uploads_start(struct uploads *u, struct upload **ret, struct err *err) MUST_CHECK;
/* ERR_NOTFOUND; ERR_BUSY: another request is sending to it. */
int uploads_take(struct uploads *u, const char *id, struct upload **ret,
		 struct err *err) MUST_CHECK;
/* After uploads_start or uploads_take: it may be taken again. */
void uploads_put_back(struct uploads *u, struct upload *up);
void uploads_drop(struct uploads *u, struct upload *up);

const char *upload_id(const struct upload *up);
uint64_t upload_size(const struct upload *up);
int upload_write(struct upload *up, const void *data, size_t len,
		 struct err *err) MUST_CHECK;

/* The upload is over: it becomes a blob if its digest is DIGEST, else ERR_INVALID. */
int uploads_finish(struct uploads *u, struct upload *up, const struct digest *digest,
		   struct err *err) MUST_CHECK;

/* A whole blob; NULL: there is none. It stays until it is put back. */
struct spooled *uploads_find(struct uploads *u, const struct digest *digest);
void uploads_release(struct uploads *u, struct spooled *b); /* NULL is ignored */
uint64_t spooled_size(const struct spooled *b);
/* Bytes from AT on. The blob must be held until the stream is closed. */
int spooled_open(const struct spooled *b, uint64_t at, struct stream **ret,
		 struct err *err) MUST_CHECK;

/* The blob is in the store now, or not wanted. False: there was none. */
bool uploads_forget(struct uploads *u, const struct digest *digest);

#endif
