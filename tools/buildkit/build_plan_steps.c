/* SPDX-License-Identifier: Apache-2.0
 * The instructions that make steps: RUN, COPY and ADD, WORKDIR. */
#include <string.h>

#include "tools/buildkit/build_op.h"
#include "tools/buildkit/build_plan_private.h"

/* Adds what the record's digest can be. */
static void add_record(struct build_step *step, const struct digest *record)
{
	for (size_t i = 0; i < step->record_count; i++)
		if (digest_equal(&step->records[i], record))
			return;
	if (step->record_count < BUILD_PLAN_RECORDS_MAX)
		step->records[step->record_count++] = *record;
}

static bool on_scratch(const struct planning *p, const struct build_step *step)
{
	return step->below == BUILD_PLAN_NONE && p->plan.stages[step->stage].base.scratch;
}

/* ---- paths ---- */

/* "/a/../b//c/." becomes "/b/c", in place. */
static void clean(char *path)
{
	char *out = path;

	for (char *in = path; *in;) {
		size_t n = strcspn(in, "/");

		if (n == 2 && memcmp(in, "..", 2) == 0) {
			while (out > path && *--out != '/')
				;
		} else if (n && !(n == 1 && *in == '.')) {
			*out++ = '/';
			memmove(out, in, n);
			out += n;
		}
		in += n;
		in += *in == '/';
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

int planning_path(struct planning *p, const char *path, const char **ret, struct err *err)
{
	char *text = NULL;
	int rc;

	/* One byte more in front, so that cleaning never writes ahead of reading. */
	if (asprintf(&text, "/%s/%s", *path == '/' ? "" : planning_state(p)->cwd, path) <
	    0)
		text = NULL;
	rc = planning_keep_memory(p, text, err);
	if (rc)
		return rc;
	clean(text);
	*ret = text;
	return 0;
}

/* The last part of a clean path. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* ---- RUN ---- */

/* Reads what RUN's options say; what they make unknown is told in the step. */
static int run_options(struct build_step *step, const struct dockerfile_words *flags,
		       int *ret_network)
{
	*ret_network = -1;
	for (size_t i = 0; i < flags->count; i++) {
		const char *f = flags->items[i];

		if (strcmp(f, "--network=none") == 0)
			*ret_network = BUILD_OP_NETWORK_NONE;
		else if (strcmp(f, "--network=host") == 0)
			*ret_network = BUILD_OP_NETWORK_HOST;
		else if (strcmp(f, "--network=default") == 0)
			*ret_network = BUILD_OP_NETWORK_DEFAULT;
		else
			step->unknown = strncmp(f, "--mount", 7) == 0
						? "it has mounts"
						: "it has options that are not known";
	}
	return 0;
}

/* The network of the whole build is not in the Dockerfile, nor is BuildKit's version. */
static int run_records(struct planning *p, struct build_step *step,
		       const char *const *args, int network, struct err *err)
{
	struct build_op_exec op = {
		.args = args,
		.env = build_vars_list(&planning_state(p)->vars),
		.cwd = planning_state(p)->cwd,
		.user = planning_state(p)->user,
		.platform = p->options->platform,
	};
	int first = network < 0 ? BUILD_OP_NETWORK_DEFAULT : network;
	int last = network < 0 ? BUILD_OP_NETWORK_NONE : network;
	int rc = 0;

	for (int n = first; n <= last && !rc; n++) {
		for (int stubs = 1; stubs >= 0 && !rc; stubs--) {
			struct digest record;

			op.network = (enum build_op_network)n;
			op.stubs = stubs;
			rc = build_op_exec(&op, &record, err);
			if (!rc)
				add_record(step, &record);
		}
	}
	return rc;
}

static int shell_command(struct planning *p, struct build_step *step, const char *command,
			 int network, struct err *err)
{
	const char **shell = planning_state(p)->shell;
	auto_free const char **args = NULL;
	size_t n = 0;

	while (shell[n])
		n++;
	args = calloc(n + 2, sizeof(*args));
	if (!args)
		return err_nomem(err);
	memcpy(args, shell, n * sizeof(*args));
	args[n] = command;
	return run_records(p, step, args, network, err);
}

int planning_run(struct planning *p, const struct dockerfile_instruction *i,
		 struct err *err)
{
	auto_dockerfile_words struct dockerfile_words flags = {0}, words = {0};
	struct build_step *step;
	const char *rest;
	int network = -1;
	int rc = planning_add_step(p, i, BUILD_STEP_RUN, &step, err);

	if (!rc)
		rc = dockerfile_flags(i->rest, &flags, &rest, err);
	if (!rc)
		rc = run_options(step, &flags, &network);
	if (!rc && i->heredoc)
		step->unknown = "it has a here-document";
	if (rc || step->unknown)
		return rc;
	rc = dockerfile_split_json(rest, p->dockerfile->escape, &words, err);
	if (rc)
		return rc;
	if (words.json && words.count)
		return run_records(p, step, (const char *const *)words.items, network,
				   err);
	return shell_command(p, step, rest, network, err);
}

/* ---- COPY, ADD ---- */

struct copying {
	struct planning *p;
	struct build_step *step;
	int64_t mode, uid, gid;
	bool unpack;
};

/* "7", "7:8": numbers only; names are looked up in files of the base image. */
static bool parse_owner(struct copying *c, const char *text)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	c->uid = strtol(text, &end, 10);
	if (*end == ':' && end[1] >= '0' && end[1] <= '9')
		c->gid = strtol(end + 1, &end, 10);
	return !*end;
}

static bool parse_mode(struct copying *c, const char *text)
{
	char *end;

	c->mode = strtol(text, &end, 8);
	return *text && !*end && c->mode >= 0 && c->mode <= 07777;
}

static int copy_from(struct copying *c, const char *name)
{
	c->step->from = planning_stage(c->p, name);
	/* A stage cannot copy from itself: then it is an image's name. */
	if (c->step->from == c->step->stage)
		c->step->from = BUILD_PLAN_NONE;
	if (c->step->from == BUILD_PLAN_NONE)
		c->step->unknown = "it copies from another image";
	return 0;
}

static int copy_option(struct copying *c, const char *flag, struct err *err)
{
	const char *equals = strchr(flag, '='), *value = "";
	size_t len = equals ? (size_t)(equals - flag) : strlen(flag);
	int rc = equals ? planning_expand(c->p, equals + 1, &value, err) : 0;

	if (rc)
		return rc;
	if (len == 6 && memcmp(flag, "--from", 6) == 0)
		return copy_from(c, value);
	if (len == 7 && memcmp(flag, "--chown", 7) == 0) {
		c->step->sets_owner = true;
		if (!parse_owner(c, value))
			c->step->unknown = "its owner is a name";
	} else if (len == 7 && memcmp(flag, "--chmod", 7) == 0) {
		c->step->sets_mode = true;
		if (!parse_mode(c, value))
			c->step->unknown = "its mode is no number";
	} else {
		c->step->unknown = "it has options that are not known";
	}
	return 0;
}

static int add_sources(struct copying *c, const struct dockerfile_words *words,
		       struct err *err)
{
	struct build_step *step = c->step;
	size_t count = words->count - 1;
	int rc;

	step->sources = calloc(count + 1, sizeof(*step->sources));
	rc = planning_keep_memory(c->p, step->sources, err);
	for (size_t i = 0; i < count && !rc; i++) {
		const char *word = NULL;
		char *path = NULL;

		rc = planning_expand(c->p, words->items[i], &word, err);
		if (rc)
			return rc;
		if (c->unpack && (strstr(word, "://") || strncmp(word, "git@", 4) == 0))
			step->unknown = "it adds what is elsewhere";
		if (asprintf(&path, "//%s", word) < 0)
			path = NULL;
		rc = planning_keep_memory(c->p, path, err);
		if (rc)
			return rc;
		clean(path);
		step->sources[step->source_count++] = path;
	}
	return rc;
}

static int set_dest(struct copying *c, const char *word, struct err *err)
{
	const char *text = NULL, *path = NULL;
	char *dest = NULL;
	size_t len;
	int rc = planning_expand(c->p, word, &text, err);

	if (!rc)
		rc = planning_path(c->p, text, &path, err);
	if (rc)
		return rc;
	len = strlen(text);
	if (asprintf(&dest, "%s%s", path,
		     path[1] && (!len || text[len - 1] == '/' || strcmp(text, ".") == 0)
			     ? "/"
			     : "") < 0)
		dest = NULL;
	c->step->dest = dest;
	return planning_keep_memory(c->p, dest, err);
}

static int copy_records(struct copying *c, struct err *err)
{
	struct build_step *step = c->step;
	auto_free struct build_op_copy *copies =
		calloc(step->source_count, sizeof(*copies));
	struct build_op_files op = {.copies = copies,
				    .count = step->source_count,
				    .scratch = on_scratch(c->p, step)};
	int rc = 0;

	if (!copies)
		return err_nomem(err);
	for (size_t i = 0; i < step->source_count; i++)
		copies[i] = (struct build_op_copy){base_name(step->sources[i]),
						   step->dest,
						   c->mode,
						   c->uid,
						   c->gid,
						   c->unpack};
	for (int by_id = 0; by_id < 2 && !rc; by_id++) {
		struct digest record;

		op.by_id_new = by_id;
		rc = build_op_files(&op, &record, err);
		if (!rc)
			add_record(step, &record);
	}
	return rc ? rc
		  : build_op_selector(step->sources, step->source_count, &step->selector,
				      err);
}

int planning_copy(struct planning *p, const struct dockerfile_instruction *i,
		  struct err *err)
{
	auto_dockerfile_words struct dockerfile_words flags = {0}, words = {0};
	struct copying c = {.p = p, .mode = -1, .uid = -1, .gid = -1};
	const char *rest;
	int rc = planning_add_step(p, i, BUILD_STEP_COPY, &c.step, err);

	c.unpack = strcmp(i->word, "ADD") == 0;
	if (!rc)
		rc = dockerfile_flags(i->rest, &flags, &rest, err);
	for (size_t k = 0; k < flags.count && !rc; k++)
		rc = copy_option(&c, flags.items[k], err);
	if (!rc && i->heredoc)
		c.step->unknown = "it has a here-document";
	if (rc || i->heredoc)
		return rc;
	rc = dockerfile_split_json(rest, p->dockerfile->escape, &words, err);
	if (!rc && words.count < 2)
		rc = err_set(err, ERR_INVALID, "%s takes a source and a destination",
			     i->word);
	if (!rc)
		rc = add_sources(&c, &words, err);
	if (!rc)
		rc = set_dest(&c, words.items[words.count - 1], err);
	return rc || c.step->unknown ? rc : copy_records(&c, err);
}

/* ---- WORKDIR ---- */

static int workdir_records(struct planning *p, struct build_step *step, struct err *err)
{
	const char *user = planning_state(p)->user;
	struct build_op_files op = {
		.dir = planning_state(p)->cwd, .uid = -1, .scratch = on_scratch(p, step)};
	int rc = 0;

	if (*user) {
		char *end;

		op.uid = strtol(user, &end, 10);
		if (*end || *user < '0' || *user > '9') {
			step->unknown = "its owner is a name";
			return 0;
		}
	}
	for (int by_id = 0; by_id < 2 && !rc; by_id++) {
		struct digest record;

		op.by_id_new = by_id;
		rc = build_op_files(&op, &record, err);
		if (!rc)
			add_record(step, &record);
	}
	return rc;
}

int planning_workdir(struct planning *p, const struct dockerfile_instruction *i,
		     struct err *err)
{
	const char *text = NULL, *path = NULL;
	struct build_step *step;
	int rc = planning_expand(p, i->rest, &text, err);

	if (!rc)
		rc = planning_path(p, text, &path, err);
	if (rc)
		return rc;
	planning_state(p)->cwd = path;
	if (!path[1])
		return 0;
	rc = planning_add_step(p, i, BUILD_STEP_WORKDIR, &step, err);
	return rc ? rc : workdir_records(p, step, err);
}
