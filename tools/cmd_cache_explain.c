/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache explain --context DIR [-f FILE] REF`: what a build would find in a cache.
 */
#include <fcntl.h>
#include <string.h>

#include "store/base/io.h"
#include "tools/buildkit/cache_explain.h"
#include "tools/buildkit/cache_find.h"
#include "tools/buildkit/explain_base.h"
#include "tools/buildkit/explain_files.h"
#include "tools/commands.h"
#include "tools/output.h"

#define CACHE_BYTES (64u << 20)
#define LINE_BYTES  (64u << 10)

struct values {
	const char *context, *file, *target, *platform;
	struct option_list build_args;
};

static const struct option_spec options[] = {
	OPTION_TEXT_OF(COMPLETE_DIRECTORY, 0, "context", "DIR", struct values, context,
		       "the build context (default: here)"),
	OPTION_TEXT_OF(COMPLETE_FILE, 'f', "file", "FILE", struct values, file,
		       "the Dockerfile (default: DIR/Dockerfile)"),
	OPTION_TEXT(0, "target", "STAGE", struct values, target,
		    "the stage that is built (default: the last)"),
	OPTION_LIST(0, "build-arg", "NAME=VALUE", struct values, build_args,
		    "as the build gets it (may be repeated)"),
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct values, platform,
		    "the platform that is built for"),
	OPTION_END,
};

struct explaining {
	const struct command_call *call;
	struct command_reader reader;
	struct objects *objects;
	struct forest *forest;
	struct cache_found found;
	struct cache_steps steps;
	struct dockerfile dockerfile;
	struct build_context context;
	struct build_plan plan;
	struct cache_explained result;
	json_t *json; /* array; NULL: lines */
	struct buf line;
};

static void explaining_release(struct explaining *e)
{
	buf_release(&e->line);
	json_decref(e->json);
	cache_explained_release(&e->result);
	build_plan_release(&e->plan);
	build_context_release(&e->context);
	dockerfile_release(&e->dockerfile);
	cache_steps_release(&e->steps);
	cache_found_release(&e->found);
	if (e->forest)
		forest_free(e->forest);
	objects_free(e->objects);
	command_reader_close(&e->reader);
}

/* ---- reading ---- */

static int read_dockerfile(struct explaining *e, const char *path, struct err *err)
{
	auto_buf struct buf text;
	int rc;

	buf_init(&text, DOCKERFILE_MAX + 1);
	rc = io_read_file(AT_FDCWD, path, &text, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_INVALID, "there is no file '%s'", path);
	if (!rc)
		rc = dockerfile_parse(text.data, text.len, &e->dockerfile, err);
	return rc ? err_wrap(err, "'%s'", path) : 0;
}

static int open_inputs(struct explaining *e, struct err *err)
{
	const struct values *v = e->call->values;
	const char *dir = v->context ? v->context : ".";
	auto_free char *file = NULL;
	int rc = 0;

	if (asprintf(&file, v->file ? "%s" : "%s/Dockerfile", v->file ? v->file : dir) <
	    0) {
		file = NULL;
		return err_nomem(err);
	}
	rc = read_dockerfile(e, file, err);
	return rc ? rc : build_context_open(dir, file, &e->context, err);
}

static int open_cache(struct explaining *e, struct err *err)
{
	const struct values *v = e->call->values;
	int rc = command_reader_open(e->call, &e->reader, err);

	if (!rc)
		rc = objects_new(e->reader.store, CACHE_BYTES, &e->objects, err);
	if (!rc)
		rc = forest_new(e->reader.store, 0, &e->forest, err);
	if (!rc)
		rc = cache_find(e->reader.txn, e->objects, e->call->args[0], v->platform,
				&e->found, err);
	return rc ? rc : cache_steps_learn(&e->steps, e->reader.txn, e->objects, err);
}

static int make_plan(struct explaining *e, struct err *err)
{
	const struct values *v = e->call->values;
	auto_free const char **args = calloc(v->build_args.count + 1, sizeof(*args));
	struct explain_base base = {.txn = e->reader.txn,
				    .objects = e->objects,
				    .platform = v->platform,
				    .image = &e->found.image,
				    .dockerfile = &e->dockerfile};
	struct platform platform;
	struct build_plan_options o = {.platform = &platform,
				       .target = v->target,
				       .build_args = args,
				       .base = explain_base,
				       .arg = &base};
	int rc = 0;

	if (!args)
		return err_nomem(err);
	for (size_t i = 0; i < v->build_args.count; i++)
		args[i] = v->build_args.items[i];
	platform_host(&platform);
	if (v->platform)
		rc = platform_parse(v->platform, &platform, err);
	return rc ? rc : build_plan_make(&e->dockerfile, &o, &e->plan, err);
}

/* ---- telling ---- */

static const char *state_name(enum cache_explain_state state)
{
	static const char *const names[] = {
		[CACHE_EXPLAIN_HIT] = "hit",         [CACHE_EXPLAIN_BARE] = "lost",
		[CACHE_EXPLAIN_MISS] = "miss",       [CACHE_EXPLAIN_AFTER] = "after",
		[CACHE_EXPLAIN_UNKNOWN] = "unknown",
	};

	return names[state];
}

static int quote_line(struct explaining *e, const char *text, struct err *err)
{
	int rc = buf_append_u8(&e->line, ' ', err);

	return rc ? rc : output_quote(&e->line, text ? text : "-", err);
}

static int print_file(struct explaining *e, const struct explain_file *f, struct err *err)
{
	int rc;

	buf_clear(&e->line);
	rc = buf_printf(&e->line, err, "  %s", f->what);
	if (!rc)
		rc = quote_line(e, f->path, err);
	if (!rc && f->was)
		rc = quote_line(e, f->was, err);
	if (!rc && f->now)
		rc = quote_line(e, f->now, err);
	if (!rc)
		output_line("%.*s", (int)e->line.len, (char *)e->line.data);
	return rc;
}

static int set_text(json_t *object, const char *key, const char *text, struct err *err)
{
	return text ? output_json_set_text(object, key, text, err)
		    : output_json_set(object, key, json_null(), err);
}

static int add_file(const struct explain_file *f, json_t *list, struct err *err)
{
	auto_json json_t *item = json_pack("{s:s}", "what", f->what);
	int rc = item ? 0 : err_nomem(err);

	if (!rc)
		rc = set_text(item, "path", f->path, err);
	if (!rc)
		rc = set_text(item, "was", f->was, err);
	if (!rc)
		rc = set_text(item, "now", f->now, err);
	if (!rc && json_array_append(list, item))
		rc = err_nomem(err);
	return rc;
}

/* What differs in the files of a step; nothing if the store does not have its layers. */
static int find_files(struct explaining *e, size_t i, struct explain_files *ret,
		      struct err *err)
{
	const struct cache_explain_step *s = &e->result.steps[i];
	const struct cacheconfig_result *result = NULL;
	struct digest chain;
	int rc;

	if (s->files && s->record != CACHECONFIG_NONE)
		result = cache_result(&e->found.cache, s->record, &chain);
	if (!result)
		return 0;
	rc = explain_files(e->forest, &e->found.cache, result, &e->plan.steps[i],
			   &e->context, ret, err);
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

/* What is cached on top of the same step, where a step itself is another. */
static const char *cached_instead(struct explaining *e, size_t i)
{
	const struct cacheconfig *doc = &e->found.cache.doc;
	size_t below = e->plan.steps[i].below;
	uint32_t under = below == BUILD_PLAN_NONE ? CACHECONFIG_NONE
						  : e->result.steps[below].record;

	if (e->result.steps[i].record != CACHECONFIG_NONE || under == CACHECONFIG_NONE)
		return NULL;
	for (uint32_t r = 0; r < doc->record_count; r++) {
		const struct cacheconfig_record *record = &doc->records[r];
		struct digest chain;
		const char *what;

		if (!record->link_count ||
		    doc->links[record->link_first].record != under ||
		    !cache_result(&e->found.cache, r, &chain))
			continue;
		what = cache_steps_of(&e->steps, &chain);
		if (what)
			return what;
	}
	return NULL;
}

static int print_step(struct explaining *e, size_t i, const struct explain_files *files,
		      struct err *err)
{
	const struct build_step *step = &e->plan.steps[i];
	const struct cache_explain_step *s = &e->result.steps[i];
	const char *stage = e->plan.stages[step->stage].name;
	const char *instead = cached_instead(e, i);
	char digest[DIGEST_TEXT_SIZE];
	int rc;

	buf_clear(&e->line);
	rc = buf_printf(
		&e->line, err, "%s %s %u %s", state_name(s->state), *stage ? stage : "-",
		step->line,
		output_digest(s->record == CACHECONFIG_NONE
				      ? NULL
				      : &e->found.cache.doc.records[s->record].digest,
			      digest));
	if (!rc)
		rc = quote_line(e, step->text, err);
	if (rc)
		return rc;
	output_line("%.*s", (int)e->line.len, (char *)e->line.data);
	if (s->why)
		output_line("  why %s", s->why);
	for (size_t k = 0; k < files->count && !rc; k++)
		rc = print_file(e, &files->items[k], err);
	if (files->cut)
		output_line("  and more");
	if (!instead || rc)
		return rc;
	buf_clear(&e->line);
	rc = buf_printf(&e->line, err, "  cached");
	if (!rc)
		rc = quote_line(e, instead, err);
	if (!rc)
		output_line("%.*s", (int)e->line.len, (char *)e->line.data);
	return rc;
}

static json_t *json_records(const struct build_step *step)
{
	json_t *list = json_array();

	for (size_t i = 0; i < step->record_count; i++)
		json_array_append_new(list, output_json_digest(&step->records[i]));
	return list;
}

static int add_step(struct explaining *e, size_t i, const struct explain_files *files,
		    struct err *err)
{
	const struct build_step *step = &e->plan.steps[i];
	const struct cache_explain_step *s = &e->result.steps[i];
	const struct cacheconfig *doc = &e->found.cache.doc;
	auto_json json_t *list = json_array(), *item = NULL;
	int rc = 0;

	item = json_pack("{s:s, s:i, s:o, s:o, s:o, s:O}", "state", state_name(s->state),
			 "line", (int)step->line, "record",
			 output_json_digest(s->record == CACHECONFIG_NONE
						    ? NULL
						    : &doc->records[s->record].digest),
			 "digests", json_records(step), "content",
			 output_json_digest(s->has_content ? &s->content : NULL), "files",
			 list);
	if (!item || json_array_append(e->json, item))
		return err_nomem(err);
	rc = set_text(item, "stage", e->plan.stages[step->stage].name, err);
	if (!rc)
		rc = set_text(item, "instruction", step->text, err);
	if (!rc)
		rc = set_text(item, "why", s->why, err);
	if (!rc)
		rc = set_text(item, "cached", cached_instead(e, i), err);
	for (size_t k = 0; k < files->count && !rc; k++)
		rc = add_file(&files->items[k], list, err);
	return rc;
}

static void tell_bases(const struct explaining *e)
{
	for (size_t i = 0; i < e->plan.stage_count; i++) {
		const struct build_stage *s = &e->plan.stages[i];

		if (s->needed && s->parent == BUILD_PLAN_NONE && !s->base.known)
			output_notice(e->call->quiet,
				      "base image '%s' is not in the store: it is taken "
				      "for the cache's",
				      s->base.name);
	}
}

static int tell(struct explaining *e, struct err *err)
{
	int rc = 0;

	tell_bases(e);
	for (size_t i = 0; i < e->plan.step_count && !rc; i++) {
		auto_explain_files struct explain_files files = {0};

		if (!e->result.steps[i].state)
			continue;
		rc = find_files(e, i, &files, err);
		if (!rc)
			rc = e->json ? add_step(e, i, &files, err)
				     : print_step(e, i, &files, err);
	}
	return rc || !e->json ? rc : output_json(steal_ptr(&e->json), err);
}

static int run(struct command_call *call, struct err *err)
{
	__attribute__((cleanup(explaining_release))) struct explaining e = {.call = call};
	int rc;

	buf_init(&e.line, LINE_BYTES + DOCKERFILE_MAX * 4);
	if (call->json) {
		e.json = json_array();
		if (!e.json)
			return err_nomem(err);
	}
	rc = open_cache(&e, err);
	if (!rc)
		rc = open_inputs(&e, err);
	if (!rc)
		rc = make_plan(&e, err);
	if (!rc)
		rc = cache_explain(&e.found.cache, &e.plan, &e.context, &e.result, err);
	if (!rc)
		rc = tell(&e, err);
	return rc && rc != -ERR_USAGE ? err_wrap(err, "explain '%s'", call->args[0]) : rc;
}

const struct command cmd_cache_explain = {
	.name = "cache explain",
	.summary = "tell which steps of a build hit, and why not",
	.arguments = "REF",
	.details =
		"Computes the digests that BuildKit computes for the steps of a Dockerfile\n"
		"and looks for them in a build cache in the store. A line per step:\n"
		"  hit|lost|miss|after|unknown STAGE LINE DIGEST INSTRUCTION\n"
		"lost: the record is there, its result is not; after: only what the step\n"
		"rests on or copies from is not found; unknown: mounts, here-documents and\n"
		"the like cannot be computed from outside. Below a miss 'why' and, of files,\n"
		"what differs from those of the cached step:\n"
		"  content|mode|type|link|added|removed|renamed PATH [WAS] [NOW]\n"
		"Base images should be in the store; else they are taken for the cache's.",
	.options = options,
	.values_size = sizeof(struct values),
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};
