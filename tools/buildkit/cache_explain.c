/* SPDX-License-Identifier: Apache-2.0
 * Which steps of a build would be found in a build cache, and why not. */
#include "tools/buildkit/cache_explain.h"

#include <string.h>

#define CELLS_MAX (64u << 20)

struct matching {
	const struct cache *cache;
	const struct cacheconfig *doc;
	const struct build_plan *plan;
	const struct build_context *context;
	bool *sets; /* step by record: the step is this record */
	struct cache_explain_step *steps;
};

void cache_explained_release(struct cache_explained *e)
{
	free(e->steps);
	*e = (struct cache_explained){0};
}

/* ---- what steps rest on ---- */

/* Of a base image that is not in the store every root may be it. */
static bool is_base(const struct matching *m, const struct build_stage *stage, uint32_t r)
{
	if (m->doc->records[r].link_count || stage->base.scratch)
		return false;
	for (size_t i = 0; i < stage->base.record_count; i++)
		if (digest_equal(&m->doc->records[r].digest, &stage->base.records[i]))
			return true;
	return !stage->base.known;
}

/* Whether the record is what STAGE has come to at step AT. */
static bool is_at(const struct matching *m, size_t stage, size_t at, uint32_t r)
{
	if (at == BUILD_PLAN_NONE)
		return is_base(m, &m->plan->stages[stage], r);
	return m->sets[at * m->doc->record_count + r];
}

static bool on_scratch(const struct matching *m, const struct build_step *step)
{
	return step->below == BUILD_PLAN_NONE &&
	       m->plan->stages[step->stage].base.scratch;
}

static bool rests_on(const struct matching *m, const struct build_step *step, uint32_t r)
{
	const struct cacheconfig_record *record = &m->doc->records[r];

	if (on_scratch(m, step))
		return step->kind != BUILD_STEP_WORKDIR || record->link_count == 0;
	for (uint32_t i = 0; i < record->link_count; i++) {
		const struct cacheconfig_link *l = &m->doc->links[record->link_first + i];

		if (l->input == 0 && is_at(m, step->stage, step->below, l->record))
			return true;
	}
	return false;
}

/* ---- what they copy ---- */

static bool is_source(const struct matching *m, const struct build_step *step,
		      const struct cache_explain_step *e,
		      const struct cacheconfig_link *l)
{
	if (step->from == BUILD_PLAN_NONE)
		return e->has_content && digest_is_zero(&l->selector) &&
		       digest_equal(&m->doc->records[l->record].digest, &e->content);
	return digest_equal(&l->selector, &step->selector) &&
	       is_at(m, step->from, m->plan->stages[step->from].last, l->record);
}

static bool has_source(const struct matching *m, const struct build_step *step,
		       const struct cache_explain_step *e, uint32_t r)
{
	const struct cacheconfig_record *record = &m->doc->records[r];
	uint32_t input = on_scratch(m, step) ? 0 : 1;

	if (step->kind != BUILD_STEP_COPY)
		return true;
	for (uint32_t i = 0; i < record->link_count; i++) {
		const struct cacheconfig_link *l = &m->doc->links[record->link_first + i];

		if (l->input == input && is_source(m, step, e, l))
			return true;
	}
	return false;
}

/* ---- one step ---- */

static bool is_candidate(const struct matching *m, const struct build_step *step,
			 uint32_t r)
{
	for (size_t i = 0; i < step->record_count; i++)
		if (digest_equal(&step->records[i], &m->doc->records[r].digest))
			return true;
	return false;
}

/* How near a record comes to a step; the higher the better. */
static unsigned nearness(const struct matching *m, const struct build_step *step,
			 const struct cache_explain_step *e, uint32_t r)
{
	struct digest chain;

	return (rests_on(m, step, r) ? 4u : 0) + (has_source(m, step, e, r) ? 2u : 0) +
	       (cache_result(m->cache, r, &chain) ? 1u : 0);
}

#define BOTH (4u + 2u)

/* *ret_unknown: the files that it copies cannot be counted. */
static int find_content(const struct matching *m, const struct build_step *step,
			struct cache_explain_step *e, bool *ret_unknown, struct err *err)
{
	enum build_context_content state;
	const char *missing;
	int rc;

	*ret_unknown = step->unknown != NULL;
	e->why = step->unknown;
	if (step->kind != BUILD_STEP_COPY || step->from != BUILD_PLAN_NONE ||
	    step->unknown)
		return 0;
	rc = build_context_record(m->context, step->sources, step->source_count, &state,
				  &missing, &e->content, err);
	if (rc)
		return rc;
	e->has_content = state == BUILD_CONTEXT_KNOWN;
	if (state == BUILD_CONTEXT_MISSING)
		e->why = "a file that it copies is not there";
	*ret_unknown = state == BUILD_CONTEXT_UNKNOWN;
	if (*ret_unknown)
		e->why = "a pattern matches directories";
	return 0;
}

/* Steps after one that is not known are looked at as if it were there: all that rests on what
 * it rests on may be it. */
static void guess(struct matching *m, size_t i)
{
	const struct build_step *step = &m->plan->steps[i];

	for (uint32_t r = 0; r < m->doc->record_count; r++)
		m->sets[i * m->doc->record_count + r] =
			m->doc->records[r].link_count && rests_on(m, step, r);
}

static const char *why_none(const struct build_step *step)
{
	switch (step->kind) {
	case BUILD_STEP_RUN:
		return "no record of this command with this environment, directory and "
		       "user";
	case BUILD_STEP_COPY:
		return "no record of a copy of these names to there";
	case BUILD_STEP_WORKDIR:
		break;
	}
	return "no record of this directory";
}

/* NEAR: of the best candidate. */
static void judge(const struct build_step *step, unsigned near,
		  struct cache_explain_step *e)
{
	if ((near & BOTH) == BOTH) {
		e->state = near & 1 ? CACHE_EXPLAIN_HIT : CACHE_EXPLAIN_BARE;
		if (e->state == CACHE_EXPLAIN_BARE)
			e->why = "the cache has lost its result: 'cache complete' may "
				 "give it back";
	} else if (near & 2) {
		e->state = CACHE_EXPLAIN_AFTER;
	} else if (step->from != BUILD_PLAN_NONE) {
		e->state = CACHE_EXPLAIN_AFTER;
		e->why = "the stage that it copies from is not found; if the files come "
			 "out the same, this is";
	} else {
		e->state = CACHE_EXPLAIN_MISS;
		e->files = true;
		if (!e->why)
			e->why = "its files are others";
	}
}

static void match(struct matching *m, size_t i)
{
	const struct build_step *step = &m->plan->steps[i];
	struct cache_explain_step *e = &m->steps[i];
	unsigned best = 0;

	e->record = CACHECONFIG_NONE;
	for (uint32_t r = 0; r < m->doc->record_count; r++) {
		unsigned near;

		if (!is_candidate(m, step, r))
			continue;
		near = nearness(m, step, e, r);
		m->sets[i * m->doc->record_count + r] = (near & BOTH) == BOTH;
		if (e->record != CACHECONFIG_NONE && near <= best)
			continue;
		best = near;
		e->record = r;
	}
	if (e->record != CACHECONFIG_NONE) {
		judge(step, best, e);
		return;
	}
	if (step->kind == BUILD_STEP_RUN && !m->plan->stages[step->stage].base.known) {
		e->state = CACHE_EXPLAIN_UNKNOWN;
		e->why = "the base image is not in the store, nor its environment known";
		guess(m, i);
		return;
	}
	e->state = CACHE_EXPLAIN_MISS;
	if (!e->why)
		e->why = why_none(step);
}

static int explain_step(struct matching *m, size_t i, struct err *err)
{
	struct cache_explain_step *e = &m->steps[i];
	bool unknown;
	int rc = find_content(m, &m->plan->steps[i], e, &unknown, err);

	if (rc)
		return rc;
	e->record = CACHECONFIG_NONE;
	if (unknown) {
		e->state = CACHE_EXPLAIN_UNKNOWN;
		guess(m, i);
		return 0;
	}
	match(m, i);
	return 0;
}

int cache_explain(const struct cache *c, const struct build_plan *plan,
		  const struct build_context *context, struct cache_explained *ret,
		  struct err *err)
{
	size_t cells = plan->step_count * c->doc.record_count;
	auto_free bool *sets = NULL;
	auto_cache_explained struct cache_explained out = {0};
	struct matching m = {
		.cache = c, .doc = &c->doc, .plan = plan, .context = context};
	int rc = 0;

	if (cells > CELLS_MAX)
		return err_set(err, ERR_LIMIT, "too many steps for so many records");
	sets = calloc(cells + 1, sizeof(*sets));
	out.steps = calloc(plan->step_count + 1, sizeof(*out.steps));
	if (!sets || !out.steps)
		return err_nomem(err);
	m.sets = sets;
	m.steps = out.steps;
	for (size_t i = 0; i < plan->step_count && !rc; i++)
		if (plan->stages[plan->steps[i].stage].needed)
			rc = explain_step(&m, i, err);
	if (rc)
		return rc;
	*ret = out;
	out = (struct cache_explained){0};
	return 0;
}
