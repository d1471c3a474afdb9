/* SPDX-License-Identifier: Apache-2.0
 * Blobs of a repository as streams that survive a broken connection. */
#include <string.h>

#include "tools/registry/remote_private.h"

#define FAILURES_MAX   6 /* in a row, without a byte between them */
#define FAILURES_HASTY 2
#define RECONNECTS_MAX 1000 /* altogether */

struct blob {
	struct stream base;
	struct remote *remote;
	struct digest digest;
	uint64_t size;
	uint64_t end;              /* of what is wanted */
	bool part;                 /* all of the blob instead will not do */
	struct transfer *transfer; /* NULL: to be opened */
	uint64_t at;               /* bytes given out */
	uint64_t skip; /* that come again, because the server knows no ranges */
	unsigned failures, reconnects;
};

static char *make_target(const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE], *target = NULL;

	return asprintf(&target, "blobs/%s", digest_format(d, text)) < 0 ? NULL : target;
}

/* ---- opening, and opening again ---- */

static int wrong_size(const struct blob *b, uint64_t is, struct err *err)
{
	return err_set(err, ERR_INVALID, "size mismatch: the blob has %ju bytes, not %ju",
		       (uintmax_t)is, (uintmax_t)b->size);
}

/* "bytes 10-99/100", with a star if the total is not known. */
static int check_range(const struct blob *b, const char *text, struct err *err)
{
	unsigned long long from, to, total;
	int n = text ? sscanf(text, "bytes %llu-%llu/%llu", &from, &to, &total) : 0;

	if (n < 2 || from != b->at || to < from)
		return err_set(err, ERR_INVALID,
			       "the registry gives another part than was asked for");
	return n == 3 && total != b->size ? wrong_size(b, total, err) : 0;
}

static int check_answer(struct blob *b, struct err *err)
{
	const struct transfer *t = b->transfer;
	uint64_t size = transfer_size(t);

	if (transfer_status(t) == 206)
		return check_range(b, transfer_header(t, "Content-Range", 0), err);
	if (b->part)
		return err_set(err, ERR_FAILED,
			       "the registry does not give parts of a blob");
	b->skip = b->at;
	return size != TRANSFER_SIZE_UNKNOWN && size != b->size ? wrong_size(b, size, err)
								: 0;
}

static int open_at(struct blob *b, struct err *err)
{
	struct transfer_request request = {
		.method = "GET", .from = b->at, .until = b->part ? b->end : 0};
	auto_free char *target = make_target(&b->digest);
	int rc;

	if (!target)
		return err_nomem(err);
	b->skip = 0;
	rc = remote_request(b->remote, target, &request, &b->transfer, err);
	if (rc == -ERR_FAILED && b->at && !b->part) {
		/* Ranges may be refused: all of it, then. */
		request.from = 0;
		rc = remote_request(b->remote, target, &request, &b->transfer, err);
	}
	return rc ? rc : check_answer(b, err);
}

/* ---- reading ---- */

static int read_some(struct blob *b, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	int rc = 0;

	if (!b->transfer)
		rc = open_at(b, err);
	while (!rc) {
		size_t want = b->skip && b->skip < cap ? (size_t)b->skip : cap;

		rc = transfer_read(b->transfer, data, want, ret_len, err);
		if (!rc && *ret_len == 0)
			rc = err_set(err, ERR_AGAIN, "the blob ends early");
		if (rc || !b->skip)
			break;
		b->skip -= *ret_len;
	}
	return rc;
}

static int blob_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct blob *b = (struct blob *)s;
	unsigned failures_max = b->remote->options.hasty ? FAILURES_HASTY : FAILURES_MAX;
	struct err broken; /* what is mended must leave no trace in ERR */
	size_t len = 0;
	int rc = 0;

	if (cap > b->end - b->at)
		cap = (size_t)(b->end - b->at);
	while (cap) {
		rc = read_some(b, data, cap, &len, &broken);
		if (!rc)
			break;
		transfer_end(steal_ptr(&b->transfer));
		if (rc != -ERR_AGAIN || b->failures == failures_max ||
		    b->reconnects == RECONNECTS_MAX)
			return err_copy(err, &broken);
		if (b->failures)
			remote_wait(b->failures - 1);
		b->failures++;
		b->reconnects++;
	}
	b->failures = 0;
	b->at += len;
	*ret_len = len;
	return 0;
}

/* A connection can serve again once the end of the answer was seen, which is there already
 * where its size was told. */
static void see_end(struct blob *b)
{
	const struct transfer *t = b->transfer;
	size_t len;
	char byte;

	if (t && b->at == b->end && transfer_status(t) == 200 &&
	    transfer_size(t) != TRANSFER_SIZE_UNKNOWN)
		(void)!transfer_read(b->transfer, &byte, 1, &len, NULL);
}

static void blob_close(struct stream *s)
{
	struct blob *b = (struct blob *)s;

	see_end(b);
	transfer_end(b->transfer);
	free(b);
}

static int open_blob(struct remote *r, const struct digest *d, uint64_t size,
		     uint64_t from, uint64_t until, bool part, struct stream **ret,
		     struct err *err)
{
	struct blob *b = calloc(1, sizeof(*b));

	if (!b)
		return err_nomem(err);
	*b = (struct blob){
		.base = {blob_read, blob_close},
		.remote = r,
		.digest = *d,
		.size = size,
		.at = from,
		.end = until,
		.part = part,
	};
	*ret = &b->base;
	return 0;
}

int remote_blob_open(struct remote *r, const struct digest *d, uint64_t size,
		     struct stream **ret, struct err *err)
{
	return open_blob(r, d, size, 0, size, false, ret, err);
}

int remote_blob_open_range(struct remote *r, const struct digest *d, uint64_t size,
			   uint64_t from, uint64_t until, struct stream **ret,
			   struct err *err)
{
	return open_blob(r, d, size, from, until, true, ret, err);
}

/* ---- small ones ---- */

int remote_blob_head(struct remote *r, const struct digest *d, uint64_t *ret_size,
		     struct err *err)
{
	struct transfer_request request = {.method = "HEAD"};
	auto_transfer struct transfer *t = NULL;
	auto_free char *target = make_target(d);

	int rc;

	if (!target)
		return err_nomem(err);
	rc = remote_request(r, target, &request, &t, err);
	if (!rc && ret_size)
		*ret_size = transfer_size(t);
	return rc;
}
