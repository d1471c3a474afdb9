/* SPDX-License-Identifier: Apache-2.0
 * Counting, hashing and bounding streams around a layer's decoder. */
#include "store/layer_meter.h"

#define PROGRESS_STEP (1u << 20)

/* ---- compressed bytes ---- */

struct meter_stream {
	struct stream base;
	struct stream *in;
	struct layer_meter *meter;
};

static int meter_read(struct stream *base, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	struct meter_stream *s = (struct meter_stream *)base;
	struct layer_meter *m = s->meter;
	uint64_t count = m->count;
	uint64_t room = m->expect == UINT64_MAX ? UINT64_MAX : m->expect - count + 1;
	size_t n;
	int r = s->in->read(s->in, data, cap < room ? cap : (size_t)room, &n, err);

	if (r < 0)
		return r;
	if (m->expect != UINT64_MAX && count + n > m->expect)
		return err_set(err, ERR_INVALID,
			       "it is longer than the %llu bytes announced",
			       (unsigned long long)m->expect);
	if (n == 0 && m->expect != UINT64_MAX && count < m->expect)
		return err_set(err, ERR_INVALID,
			       "it ends after %llu of the %llu bytes announced",
			       (unsigned long long)count, (unsigned long long)m->expect);
	if (m->hashing)
		hasher_update(m->hasher, data, n);
	m->at_end = n == 0;
	m->count = count + n;
	*ret_len = n;
	return 0;
}

static void meter_close(struct stream *base)
{
	struct meter_stream *s = (struct meter_stream *)base;

	stream_close(s->in);
	free(s);
}

int layer_meter_open(struct layer_meter *m, struct stream *in, uint64_t expect,
		     struct stream **ret, struct err *err)
{
	struct meter_stream *s = calloc(1, sizeof(*s));
	int r;

	*m = (struct layer_meter){.expect = expect, .hashing = true};
	r = s ? hasher_new(&m->hasher, err) : err_nomem(err);
	if (r < 0) {
		stream_close(in);
		free(s);
		return r;
	}
	s->base = (struct stream){meter_read, meter_close};
	s->in = in;
	s->meter = m;
	*ret = &s->base;
	return 0;
}

void layer_meter_digest(struct layer_meter *m, struct digest *ret)
{
	hasher_final(m->hasher, ret);
}

void layer_meter_release(struct layer_meter *m)
{
	hasher_free(m->hasher);
	m->hasher = NULL;
}

/* ---- decoded bytes ---- */

static int gauge_read(struct stream *base, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	struct layer_gauge *g = (struct layer_gauge *)base;
	uint64_t compressed;
	size_t n;
	int r = g->in->read(g->in, data, cap, &n, err);

	if (r < 0)
		return r;
	g->decoded += n;
	compressed = g->meter->count;
	if (g->decoded > g->limits->ratio_from &&
	    g->decoded / g->limits->ratio > compressed)
		return err_set(err, ERR_LIMIT, "it expands more than %llu times",
			       (unsigned long long)g->limits->ratio);
	if (g->progress && (n == 0 || compressed - g->told >= PROGRESS_STEP)) {
		g->told = compressed;
		r = g->progress(g->progress_arg, compressed, err);
		if (r < 0)
			return r;
	}
	*ret_len = n;
	return 0;
}

static void gauge_close(struct stream *base)
{
	(void)base;
}

void layer_gauge_init(struct layer_gauge *g, struct stream *in,
		      const struct layer_meter *meter, const struct layer_limits *limits,
		      layer_progress_fn *progress, void *arg)
{
	*g = (struct layer_gauge){.base = {gauge_read, gauge_close},
				  .in = in,
				  .meter = meter,
				  .limits = limits,
				  .progress = progress,
				  .progress_arg = arg};
}
