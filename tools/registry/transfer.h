/* SPDX-License-Identifier: Apache-2.0
 * HTTP requests, one at a time per transfer, both ends of them as streams: what comes is
 * pulled, what goes is pushed, and no more than a few packets wait in memory. The only place
 * that knows libcurl.
 *
 * HTTP/1.1, because parallel transfers are parallel connections here. Connections are kept
 * and used again. Proxies come from the environment (never for loopback). Redirects are
 * followed for requests without a body, from https never to http; what authorises a request
 * goes to the origin it was meant for and to no other.
 *
 * Nothing here is tried twice. A failure that may pass (a connection lost, no byte for
 * TRANSFER_IDLE_SECONDS) is ERR_AGAIN, any other of network or TLS ERR_SYSTEM.
 */
#ifndef TOOLS_REGISTRY_TRANSFER_H
#define TOOLS_REGISTRY_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"

#define TRANSFER_IDLE_SECONDS 60 /* or what LAYERCACHE_NET_TIMEOUT says */
#define TRANSFER_REDIRECTS    10
#define TRANSFER_SIZE_UNKNOWN UINT64_MAX

/* What all requests to one place have in common; thread-safe. */
struct transfers;

struct transfers_options {
	bool insecure;           /* certificates are not checked */
	const void *ca;          /* PEM certificates, trusted besides the system's */
	size_t ca_len;           /* 0: none */
	const char *certificate; /* files of our own certificate; NULL: none */
	const char *key;
};

int transfers_new(const struct transfers_options *options, struct transfers **ret,
		  struct err *err) MUST_CHECK;
void transfers_free(struct transfers *all); /* no transfer may be left; NULL is ignored */

struct transfer_request {
	const char *method; /* "GET" */
	const char *url;
	const char *authorization; /* the value of that header, or NULL */
	const char *accept;        /* likewise */
	const char *content_type;  /* likewise */
	uint64_t from;             /* asks for the bytes from here on */
	const void *body; /* sent as it is, borrowed; with content_type or NULL */
	size_t body_len;
	bool streamed;          /* the body follows by transfer_write */
	uint64_t streamed_size; /* or TRANSFER_SIZE_UNKNOWN: sent in chunks */
};

struct transfer;

/* Returns when the answer's headers are there; of a streamed one, when it can be written.
 * The status may be any. */
int transfer_begin(struct transfers *all, const struct transfer_request *request,
		   struct transfer **ret, struct err *err) MUST_CHECK;

/* Closes the connection if not all was read. NULL is ignored. */
void transfer_end(struct transfer *t);

AUTO_DEFINE(transfer, struct transfer, transfer_end)
#define auto_transfer AUTO(transfer)

/* Sends all of DATA, or less if the answer is there before: *ret_answered. */
int transfer_write(struct transfer *t, const void *data, size_t len, bool *ret_answered,
		   struct err *err) MUST_CHECK;

/* The end of what is sent; returns when the answer's headers are there. */
int transfer_written(struct transfer *t, struct err *err) MUST_CHECK;

/* ---- the answer ---- */

unsigned transfer_status(const struct transfer *t);

/* The value of the NTH header of this name (any case), or NULL. Valid until the end. */
const char *transfer_header(const struct transfer *t, const char *name, size_t nth);

/* TRANSFER_SIZE_UNKNOWN if the answer does not say. */
uint64_t transfer_size(const struct transfer *t);

/* Where the answer came from, after redirects. */
const char *transfer_url(const struct transfer *t);

/* Up to CAP bytes of the body; *ret_len 0 only at its end. ERR_AGAIN: it ended early. */
int transfer_read(struct transfer *t, void *data, size_t cap, size_t *ret_len,
		  struct err *err) MUST_CHECK;

/* Appends the rest of the body to BUF. ERR_LIMIT: more than buf->max. */
int transfer_read_all(struct transfer *t, struct buf *buf, struct err *err) MUST_CHECK;

/* ---- addresses ---- */

/* Appends what LOCATION means at BASE, and a NUL. ERR_INVALID: no address of http or
 * https. */
int transfer_resolve(const char *base, const char *location, struct buf *ret,
		     struct err *err) MUST_CHECK;

/* Same scheme, host and port. */
bool transfer_same_origin(const char *a, const char *b);

/* Whether the host of an address (or "host[:port]") is this machine itself. */
bool transfer_is_loopback(const char *url);

#endif
