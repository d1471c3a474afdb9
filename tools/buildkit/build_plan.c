/* SPDX-License-Identifier: Apache-2.0
 * From a Dockerfile to the steps of a build. */
#include "tools/buildkit/build_plan.h"

#include <string.h>

#include "tools/buildkit/build_plan_private.h"
#include "tools/buildkit/step_digest.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void build_plan_release(struct build_plan *p)
{
	for (size_t i = 0; i < p->memory_count; i++)
		free(p->memory[i]);
	free(p->memory);
	free(p->steps);
	free(p->stages);
	*p = (struct build_plan){0};
}

static void planning_release(struct planning *p)
{
	for (size_t i = 0; i < p->plan.stage_count; i++)
		build_vars_release(&p->states[i].vars);
	free(p->states);
	build_vars_release(&p->global);
	build_plan_release(&p->plan);
}

/* ---- shared parts ---- */

struct build_state *planning_state(struct planning *p)
{
	return &p->states[p->plan.stage_count - 1];
}

int planning_keep_memory(struct planning *p, void *memory, struct err *err)
{
	struct build_plan *plan = &p->plan;
	void **list;

	if (!memory)
		return err_nomem(err);
	list = reallocarray(plan->memory, plan->memory_count + 1, sizeof(*list));
	if (!list) {
		free(memory);
		return err_nomem(err);
	}
	plan->memory = list;
	list[plan->memory_count++] = memory;
	return 0;
}

const char *planning_keep(struct planning *p, const char *text)
{
	char *copy = strdup(text);

	return planning_keep_memory(p, copy, NULL) < 0 ? NULL : copy;
}

static const char *lookup(void *arg, const char *name, size_t len)
{
	return build_vars_get(arg, name, len);
}

static int expand_in(struct planning *p, struct build_vars *vars, const char *word,
		     const char **ret, struct err *err)
{
	char *text = NULL;
	int rc = dockerfile_expand(word, p->dockerfile->escape, lookup, vars, &text, err);

	if (!rc)
		rc = planning_keep_memory(p, text, err);
	if (!rc)
		*ret = text;
	return rc;
}

int planning_expand(struct planning *p, const char *word, const char **ret,
		    struct err *err)
{
	return expand_in(p, &planning_state(p)->vars, word, ret, err);
}

int planning_add_step(struct planning *p, const struct dockerfile_instruction *i,
		      enum build_step_kind kind, struct build_step **ret, struct err *err)
{
	struct build_plan *plan = &p->plan;
	struct build_stage *stage = &plan->stages[plan->stage_count - 1];
	struct build_step *steps =
		reallocarray(plan->steps, plan->step_count + 1, sizeof(*steps));

	if (!steps)
		return err_nomem(err);
	plan->steps = steps;
	*ret = &steps[plan->step_count];
	**ret = (struct build_step){
		.kind = kind,
		.stage = plan->stage_count - 1,
		.line = i->line,
		.text = i->text,
		.below = stage->last,
		.from = BUILD_PLAN_NONE,
	};
	stage->last = plan->step_count++;
	return 0;
}

size_t planning_stage(const struct planning *p, const char *name)
{
	const struct build_plan *plan = &p->plan;
	char *end;
	unsigned long n;

	for (size_t i = plan->stage_count; i-- > 0;)
		if (*plan->stages[i].name && strcasecmp(plan->stages[i].name, name) == 0)
			return i;
	if (*name < '0' || *name > '9')
		return BUILD_PLAN_NONE;
	n = strtoul(name, &end, 10);
	return *end || n >= plan->stage_count ? BUILD_PLAN_NONE : n;
}

/* ---- FROM ---- */

static int read_base(struct planning *p, struct build_stage *stage,
		     struct build_state *state, struct err *err)
{
	auto_free char *cwd = NULL, *user = NULL;
	auto_buf struct buf env;
	int rc = -ERR_NOTFOUND;

	buf_init(&env, 4u << 20);
	if (!stage->base.scratch)
		rc = p->options->base(p->options->arg, &stage->base, &env, &cwd, &user,
				      err);
	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	stage->base.known = stage->base.scratch || rc == 0;
	rc = 0;
	for (size_t at = 0; at < env.len && !rc;) {
		char *item = (char *)env.data + at, *equals = strchr(item, '=');

		at += strlen(item) + 1;
		if (!equals)
			continue;
		*equals = '\0';
		rc = build_vars_set(&state->vars, item, equals + 1, err);
	}
	if (!rc && !build_vars_get(&state->vars, "PATH", 4))
		rc = build_vars_set(&state->vars, "PATH", DEFAULT_PATH, err);
	if (!rc && cwd && *cwd)
		state->cwd = planning_keep(p, cwd);
	if (!rc && user)
		state->user = planning_keep(p, user);
	return rc || (state->cwd && state->user) ? rc : err_nomem(err);
}

static int add_stage(struct planning *p, struct build_stage **ret, struct err *err)
{
	struct build_plan *plan = &p->plan;
	struct build_stage *stages;
	struct build_state *states;

	if (plan->stage_count == BUILD_PLAN_STAGES_MAX)
		return err_set(err, ERR_LIMIT, "more than %d stages",
			       BUILD_PLAN_STAGES_MAX);
	stages = reallocarray(plan->stages, plan->stage_count + 1, sizeof(*stages));
	if (stages)
		plan->stages = stages;
	states = reallocarray(p->states, plan->stage_count + 1, sizeof(*states));
	if (states)
		p->states = states;
	if (!stages || !states)
		return err_nomem(err);
	stages[plan->stage_count] = (struct build_stage){
		.name = "", .parent = BUILD_PLAN_NONE, .last = BUILD_PLAN_NONE};
	states[plan->stage_count] = (struct build_state){.cwd = "/", .user = ""};
	*ret = &stages[plan->stage_count++];
	return 0;
}

static int default_shell(struct planning *p, struct build_state *state, struct err *err)
{
	const char **shell = calloc(3, sizeof(*shell));

	if (shell) {
		shell[0] = "/bin/sh";
		shell[1] = "-c";
	}
	state->shell = shell;
	return planning_keep_memory(p, shell, err);
}

static int begin_stage(struct planning *p, const char *image, const char *name,
		       struct err *err)
{
	size_t parent = planning_stage(p, image);
	struct build_stage *stage = NULL;
	struct build_state *state;
	int rc = add_stage(p, &stage, err);

	if (rc || !stage)
		return rc;
	state = planning_state(p);
	stage->name = name;
	stage->base.name = image;
	if (parent == BUILD_PLAN_NONE) {
		stage->base.scratch = strcmp(image, "scratch") == 0;
		rc = default_shell(p, state, err);
		return rc ? rc : read_base(p, stage, state, err);
	}
	stage->parent = parent;
	stage->base = p->plan.stages[parent].base;
	stage->last = p->plan.stages[parent].last;
	state->cwd = p->states[parent].cwd;
	state->user = p->states[parent].user;
	state->shell = p->states[parent].shell;
	return build_vars_copy(&p->states[parent].vars, &state->vars, err);
}

static int do_from(struct planning *p, const struct dockerfile_instruction *i,
		   struct err *err)
{
	auto_dockerfile_words struct dockerfile_words flags = {0}, words = {0};
	const char *rest, *image = NULL, *name = "";
	int rc = dockerfile_flags(i->rest, &flags, &rest, err);

	if (!rc)
		rc = dockerfile_split(rest, p->dockerfile->escape, false, &words, err);
	if (!rc && words.count != 1 &&
	    (words.count != 3 || strcasecmp(words.items[1], "as") != 0))
		rc = err_set(err, ERR_INVALID, "FROM takes an image and AS a name");
	if (!rc)
		rc = expand_in(p, &p->global, words.items[0], &image, err);
	if (!rc && !*image)
		rc = err_set(err, ERR_INVALID, "FROM has no image");
	if (!rc && words.count == 3) {
		name = planning_keep(p, words.items[2]);
		rc = name ? 0 : err_nomem(err);
	}
	return rc ? rc : begin_stage(p, image, name, err);
}

/* ---- variables ---- */

/* What --build-arg says; NULL: nothing. */
static const char *build_arg(const struct planning *p, const char *name)
{
	size_t len = strlen(name);

	for (const char *const *a = p->options->build_args; a && *a; a++)
		if (strncmp(*a, name, len) == 0 && (*a)[len] == '=')
			return *a + len + 1;
	return NULL;
}

/* What every build has once ARG asks for it. */
static const char *platform_arg(const struct planning *p, const char *name,
				char text[PLATFORM_TEXT_SIZE])
{
	const struct platform *pl = p->options->platform;

	if (strcmp(name, "TARGETPLATFORM") == 0 || strcmp(name, "BUILDPLATFORM") == 0)
		return platform_format(pl, text);
	if (strcmp(name, "TARGETOS") == 0 || strcmp(name, "BUILDOS") == 0)
		return pl->os;
	if (strcmp(name, "TARGETARCH") == 0 || strcmp(name, "BUILDARCH") == 0)
		return pl->arch;
	if (strcmp(name, "TARGETVARIANT") == 0 || strcmp(name, "BUILDVARIANT") == 0)
		return pl->variant;
	return NULL;
}

static int do_one_arg(struct planning *p, const char *word, struct err *err)
{
	bool global = p->plan.stage_count == 0;
	struct build_vars *vars = global ? &p->global : &planning_state(p)->vars;
	auto_free char *name = strndup(word, strcspn(word, "="));
	char text[PLATFORM_TEXT_SIZE];
	const char *equals = strchr(word, '='), *value;
	int rc = 0;

	if (!name)
		return err_nomem(err);
	value = build_arg(p, name);
	if (!value && equals)
		rc = expand_in(p, vars, equals + 1, &value, err);
	else if (!value && !global)
		value = build_vars_get(&p->global, name, strlen(name));
	if (!rc && !value)
		value = platform_arg(p, name, text);
	return rc || !value ? rc : build_vars_set(vars, name, value, err);
}

static int do_arg(struct planning *p, const struct dockerfile_instruction *i,
		  struct err *err)
{
	auto_dockerfile_words struct dockerfile_words words = {0};
	int rc = dockerfile_split(i->rest, p->dockerfile->escape, true, &words, err);

	for (size_t k = 0; k < words.count && !rc; k++)
		rc = do_one_arg(p, words.items[k], err);
	return rc;
}

/* "ENV NAME VALUE", the old form. */
static int do_old_env(struct planning *p, const char *rest, struct err *err)
{
	size_t n = strcspn(rest, " \t");
	auto_free char *name = strndup(rest, n);
	const char *value = NULL;
	int rc;

	if (!name)
		return err_nomem(err);
	rest += n + strspn(rest + n, " \t");
	if (!*rest)
		return err_set(err, ERR_INVALID, "ENV takes a name and a value");
	rc = planning_expand(p, rest, &value, err);
	return rc ? rc : build_vars_set(&planning_state(p)->vars, name, value, err);
}

static int do_env(struct planning *p, const struct dockerfile_instruction *i,
		  struct err *err)
{
	auto_dockerfile_words struct dockerfile_words words = {0};
	struct build_vars before = {0};
	int rc = dockerfile_split(i->rest, p->dockerfile->escape, true, &words, err);

	if (!rc && words.count && !strchr(words.items[0], '='))
		return do_old_env(p, i->rest, err);
	/* All of one instruction see what was before it. */
	if (!rc)
		rc = build_vars_copy(&planning_state(p)->vars, &before, err);
	for (size_t k = 0; k < words.count && !rc; k++) {
		char *equals = strchr(words.items[k], '=');
		const char *name = NULL, *value = NULL;

		if (!equals) {
			rc = err_set(err, ERR_INVALID, "ENV '%s' has no value",
				     words.items[k]);
			break;
		}
		*equals = '\0';
		rc = expand_in(p, &before, words.items[k], &name, err);
		if (!rc)
			rc = expand_in(p, &before, equals + 1, &value, err);
		if (!rc)
			rc = build_vars_set(&planning_state(p)->vars, name, value, err);
	}
	build_vars_release(&before);
	return rc;
}

/* ---- the rest ---- */

static int do_user(struct planning *p, const struct dockerfile_instruction *i,
		   struct err *err)
{
	return planning_expand(p, i->rest, &planning_state(p)->user, err);
}

static int do_shell(struct planning *p, const struct dockerfile_instruction *i,
		    struct err *err)
{
	auto_dockerfile_words struct dockerfile_words words = {0};
	const char **shell;
	int rc = dockerfile_split_json(i->rest, p->dockerfile->escape, &words, err);

	if (!rc && (!words.json || !words.count))
		rc = err_set(err, ERR_INVALID, "SHELL takes a JSON array of strings");
	if (rc)
		return rc;
	shell = calloc(words.count + 1, sizeof(*shell));
	rc = planning_keep_memory(p, shell, err);
	for (size_t k = 0; k < words.count && !rc; k++) {
		shell[k] = planning_keep(p, words.items[k]);
		rc = shell[k] ? 0 : err_nomem(err);
	}
	if (!rc)
		planning_state(p)->shell = shell;
	return rc;
}

static const struct {
	const char *word;
	int (*plan)(struct planning *p, const struct dockerfile_instruction *i,
		    struct err *err); /* NULL: makes no step and changes none */
} instructions[] = {
	{"FROM", do_from},     {"ARG", do_arg},         {"ENV", do_env},
	{"RUN", planning_run}, {"COPY", planning_copy}, {"ADD", planning_copy},
	{"USER", do_user},     {"SHELL", do_shell},     {"WORKDIR", planning_workdir},
	{"CMD", NULL},         {"ENTRYPOINT", NULL},    {"LABEL", NULL},
	{"EXPOSE", NULL},      {"VOLUME", NULL},        {"STOPSIGNAL", NULL},
	{"HEALTHCHECK", NULL}, {"ONBUILD", NULL},       {"MAINTAINER", NULL},
};

static int plan_instruction(struct planning *p, const struct dockerfile_instruction *i,
			    struct err *err)
{
	for (size_t k = 0; k < ARRAY_LEN(instructions); k++) {
		if (strcmp(instructions[k].word, i->word) != 0)
			continue;
		if (!p->plan.stage_count && k > 1)
			return err_set(err, ERR_INVALID, "%s before the first FROM",
				       i->word);
		return instructions[k].plan ? instructions[k].plan(p, i, err) : 0;
	}
	return err_set(err, ERR_INVALID, "unknown instruction '%s'", i->word);
}

/* A stage is needed if the target begins with it or copies from it; these come before. */
static int find_target(struct planning *p, struct err *err)
{
	struct build_plan *plan = &p->plan;

	if (!plan->stage_count)
		return err_set(err, ERR_INVALID, "it has no FROM");
	plan->target = plan->stage_count - 1;
	if (p->options->target)
		plan->target = planning_stage(p, p->options->target);
	if (plan->target == BUILD_PLAN_NONE)
		return err_set(err, ERR_NOTFOUND, "it has no stage '%s'",
			       p->options->target);
	plan->stages[plan->target].needed = true;
	for (size_t s = plan->stage_count; s-- > 0;) {
		if (!plan->stages[s].needed)
			continue;
		if (plan->stages[s].parent != BUILD_PLAN_NONE)
			plan->stages[plan->stages[s].parent].needed = true;
		for (size_t i = 0; i < plan->step_count; i++)
			if (plan->steps[i].stage == s &&
			    plan->steps[i].from != BUILD_PLAN_NONE)
				plan->stages[plan->steps[i].from].needed = true;
	}
	return 0;
}

int build_plan_make(const struct dockerfile *d, const struct build_plan_options *options,
		    struct build_plan *ret, struct err *err)
{
	struct planning p = {.dockerfile = d, .options = options};
	int rc = 0;

	for (size_t i = 0; i < d->count && !rc; i++) {
		rc = plan_instruction(&p, &d->items[i], err);
		if (rc)
			rc = err_wrap(err, "line %u", d->items[i].line);
	}
	if (!rc)
		rc = find_target(&p, err);
	if (!rc) {
		*ret = p.plan;
		for (size_t i = 0; i < p.plan.stage_count; i++)
			build_vars_release(&p.states[i].vars);
		p.plan = (struct build_plan){0};
	}
	planning_release(&p);
	return rc;
}
