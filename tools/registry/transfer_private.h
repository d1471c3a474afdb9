/* SPDX-License-Identifier: Apache-2.0
 * What the parts of HTTP share: transfer.c (requests), transfer_pool.c (connections),
 * transfer_url.c (addresses). Included by these only.
 */
#ifndef TOOLS_REGISTRY_TRANSFER_PRIVATE_H
#define TOOLS_REGISTRY_TRANSFER_PRIVATE_H

#include <curl/curl.h>

#include "tools/registry/transfer.h"

#define TRANSFER_HEADERS_MAX (64u << 10)
#define TRANSFER_URL_MAX     (16u << 10)
/* libcurl hands over at most this much at once; it is kept when nobody wants it yet. */
#define TRANSFER_SPILL_MAX (2 * CURL_MAX_WRITE_SIZE)

struct transfer {
	struct transfers *owner;
	struct transfer *next; /* idle ones */
	CURLM *multi;          /* keeps the connections of this transfer */
	CURL *easy;
	bool added; /* EASY runs in MULTI */
	struct curl_slist *lines;
	char curl_error[CURL_ERROR_SIZE];

	struct buf url;     /* NUL-terminated */
	struct buf headers; /* of the last answer: lines, each ended by a NUL */
	bool answered;      /* all headers are there */
	bool finished;      /* RESULT is valid */
	CURLcode result;
	uint64_t moved_at; /* seconds: when the last byte came or went */

	/* the body that comes */
	uint8_t *want;
	size_t want_cap, want_len;
	struct buf spill;
	size_t spill_at;
	bool receiving_paused;

	/* the body that goes */
	const uint8_t *give;
	size_t give_len;
	bool give_end, sending_paused;
};

/* ---- transfer_pool.c ---- */

/* One that nobody uses, with handles and the owner's settings. */
int transfer_take(struct transfers *all, struct transfer **ret,
		  struct err *err) MUST_CHECK;
void transfer_give_back(struct transfer *t);
unsigned transfer_idle_seconds(const struct transfers *all);

#endif
