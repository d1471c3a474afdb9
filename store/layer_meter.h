/* SPDX-License-Identifier: Apache-2.0
 * Meters on a layer's way in: one on the compressed bytes (count, digest, announced size),
 * which the decoding thread pulls through, one on the decoded bytes (expansion budget,
 * progress), read by the scanning thread.
 */
#ifndef STORE_LAYER_METER_H
#define STORE_LAYER_METER_H

#include "store/base/stream.h"
#include "store/layer.h"

/* Lives longer than the stream that layer_meter_open makes. */
struct layer_meter {
	uint64_t expect; /* bytes; UINT64_MAX: unknown */
	bool hashing;    /* may be cleared before the decoding thread starts */
	bool at_end;
	struct hasher *hasher;
	_Atomic uint64_t count; /* bytes so far: any thread */
};

/* Wraps IN, which belongs to the new stream, also on failure. Reading past EXPECT bytes, or
 * the end before it, is ERR_INVALID; no more than EXPECT + 1 bytes are ever taken. */
int layer_meter_open(struct layer_meter *m, struct stream *in, uint64_t expect,
		     struct stream **ret, struct err *err) MUST_CHECK;

/* Once the stream is closed. The digest if HASHING was left on. */
void layer_meter_digest(struct layer_meter *m, struct digest *ret);
void layer_meter_release(struct layer_meter *m);

/* The decoded side: a stream on the caller's stack; it borrows everything, closing it is not
 * needed. */
struct layer_gauge {
	struct stream base;
	struct stream *in;
	const struct layer_meter *meter;
	const struct layer_limits *limits;
	layer_progress_fn *progress; /* may be NULL */
	void *progress_arg;
	uint64_t decoded, told;
};

void layer_gauge_init(struct layer_gauge *g, struct stream *in,
		      const struct layer_meter *meter, const struct layer_limits *limits,
		      layer_progress_fn *progress, void *arg);

#endif
