/* SPDX-License-Identifier: Apache-2.0
 * From a step to its result. */
#include "tools/run/run_step.h"

#include <string.h>
#include <sys/stat.h>

#include "store/snapshot.h"
#include "tools/image_record.h"
#include "tools/run/run_copy.h"
#include "tools/run/run_space.h"
#include "tools/snapshot_parent.h"

#define HISTORY_MAX  (256u << 10)
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- what the history says ---- */

static int put_texts(struct buf *out, const char *word, const char *const *texts,
		     size_t count, struct err *err)
{
	int rc = buf_printf(out, err, "%s", word);

	for (size_t i = 0; i < count && !rc; i++)
		rc = buf_printf(out, err, " %s", texts[i]);
	return rc;
}

/* As Docker writes it: "RUN |2 A=1 B=2 /bin/sh -c make". */
static int put_run(const struct run_step *r, struct buf *out, struct err *err)
{
	const struct option_list *args = &r->step->options->args;
	int rc = buf_printf(out, err, "%sRUN", out->len ? "; " : "");

	if (!rc && args->count)
		rc = buf_printf(out, err, " |%zu", args->count);
	if (!rc && args->count)
		rc = put_texts(out, "", args->items, args->count, err);
	return rc ? rc
		  : put_texts(out, "", (const char *const *)r->command, r->command_count,
			      err);
}

static int put_config(const struct run_step *r, struct buf *out, struct err *err)
{
	const struct step_options *o = r->step->options;
	int rc = 0;

	if (o->env.count)
		rc = put_texts(out, "ENV", o->env.items, o->env.count, err);
	if (!rc && o->workdir)
		rc = buf_printf(out, err, "%sWORKDIR %s", out->len ? "; " : "",
				r->step->workdir);
	if (!rc && o->user)
		rc = buf_printf(out, err, "%sUSER %s", out->len ? "; " : "", o->user);
	return rc;
}

static int describe(const struct run_step *r, struct buf *out, struct err *err)
{
	const struct step *s = r->step;
	int rc = 0;

	if (s->options->instruction)
		rc = buf_printf(out, err, "%s", s->options->instruction);
	for (size_t i = 0; i < s->input_count && !s->options->instruction && !rc; i++) {
		if (i)
			rc = buf_printf(out, err, "; ");
		if (!rc)
			rc = run_copy_text(&s->inputs[i], out, err);
	}
	if (!rc && !s->options->instruction && r->command_count)
		rc = put_run(r, out, err);
	if (!rc && !out->len)
		rc = put_config(r, out, err);
	return rc ? rc : buf_append_u8(out, '\0', err);
}

/* ---- the command ---- */

static bool has_variable(const char *const *env, size_t count, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < count; i++)
		if (strncmp(env[i], name, len) == 0 && env[i][len] == '=')
			return true;
	return false;
}

/* The step's, its arguments where the environment does not say otherwise, and what every
 * program expects. HOME is memory for one of them. */
static int make_env(const struct step *s, const char *home, const char ***ret,
		    struct err *err)
{
	const struct option_list *args = &s->options->args;
	const char **env = calloc(s->env_count + args->count + 3, sizeof(*env));
	size_t count = s->env_count;

	if (!env)
		return err_nomem(err);
	memcpy(env, s->env, count * sizeof(*env));
	for (size_t i = 0; i < args->count; i++) {
		auto_free char *name =
			strndup(args->items[i], strcspn(args->items[i], "="));

		if (!name) {
			free(env);
			return err_nomem(err);
		}
		if (!has_variable(s->env, s->env_count, name))
			env[count++] = args->items[i];
	}
	if (!has_variable(env, count, "PATH"))
		env[count++] = DEFAULT_PATH;
	if (!has_variable(env, count, "HOME"))
		env[count++] = home;
	*ret = env;
	return 0;
}

static int run_command(const struct run_step *r, const struct run_space *space,
		       struct run_done *ret, struct err *err)
{
	auto_free const char **env = NULL;
	struct run_user user;
	char home[sizeof(user.home) + 8];
	int rc = run_root_user(space->rootfd, r->step->user, &user, err);

	if (rc)
		return rc;
	snprintf(home, sizeof(home), "HOME=%s", user.home);
	rc = make_env(r->step, home, &env, err);
	if (!rc) {
		const struct run_sandbox sandbox = {
			.root = space->root,
			.rootfd = space->rootfd,
			.command = r->command,
			.env = (char *const *)(uintptr_t)env,
			.workdir = r->step->workdir,
			.user = &user,
			.network = strcmp(r->step->network, "none") != 0,
			.secrets = r->secrets,
			.secret_count = r->secret_count,
		};

		rc = run_sandbox_run(&sandbox, &ret->status, &ret->why, err);
	}
	return rc;
}

/* Inputs in, command run. */
static int work(const struct run_step *r, const struct run_space *space,
		struct run_done *ret, struct err *err)
{
	const struct step *s = r->step;
	auto_fd int workdir = -1;
	int rc = 0;

	if (s->options->workdir || r->command_count || s->input_count)
		rc = run_root_make_dir(space->rootfd, s->workdir, &workdir, NULL, err);
	for (size_t i = 0; i < s->input_count && !rc; i++)
		rc = run_copy_input(space->rootfd, s, &s->inputs[i], err);
	return rc || !r->command_count ? rc : run_command(r, space, ret, err);
}

/* ---- the record ---- */

static void change_of(const struct run_step *r, bool no_layer, struct config_change *ret)
{
	const struct step_options *o = r->step->options;

	*ret = (struct config_change){
		.env = o->env.items,
		.env_count = o->env.count,
		.workdir = o->workdir ? r->step->workdir : NULL,
		.user = o->user,
		.no_layer = no_layer,
	};
}

static int open_parent(const struct run_step *r, struct snapshot_parent *ret,
		       struct err *err)
{
	char text[DIGEST_TEXT_SIZE + 8] = "chain:";

	if (!r->step->has_chain)
		return 0;
	digest_format(&r->step->chainid, text + 6);
	return snapshot_parent_open(r->store, text, NULL, ret, err);
}

static int take_layer(const struct run_step *r, struct session *session,
		      const struct snapshot_parent *parent, const char *upper,
		      struct image_bare *bare, struct err *err)
{
	const struct snapshot_options how = {
		.epoch = r->clamp ? r->created : INT64_MAX,
		.parent = parent->tree ? &parent->tree->tree : NULL,
		.upper = parent->tree != NULL,
		.objects = parent->objects,
	};
	struct layer layer;
	int rc = snapshot_take(session, upper, &how, &layer, NULL, err);

	if (rc)
		return rc;
	bare->diffid = layer.record.diffid;
	bare->tar_size = layer.record.tar_size;
	layer_release(&layer);
	return 0;
}

/* UPPER NULL: there is no layer. */
static int record(const struct run_step *r, const struct snapshot_parent *parent,
		  const char *upper, struct run_done *ret, struct err *err)
{
	const struct step *s = r->step;
	auto_session struct session *session = NULL;
	struct config_change change;
	auto_buf struct buf text;
	struct image_bare bare = {
		.name = r->name,
		.created = r->created,
		.below = parent->diffids,
		.below_count = parent->count,
		.parent = s->has_image ? &s->image : NULL,
		.objects = parent->objects,
		.change = &change,
	};
	int rc;

	buf_init(&text, HISTORY_MAX);
	change_of(r, !upper, &change);
	rc = describe(r, &text, err);
	bare.created_by = (const char *)text.data;
	if (!rc)
		rc = session_begin(r->store, NULL, &session, err);
	if (!rc && upper)
		rc = take_layer(r, session, parent, upper, &bare, err);
	if (!rc)
		rc = image_record_bare(session, &bare, &ret->image, &ret->moved, err);
	if (!rc)
		rc = step_record(session, s, &ret->image.chainid, &ret->image.manifest,
				 r->replace, err);
	return rc ? rc : session_commit(steal_ptr(&session), err);
}

/* A step that only says something needs no root. */
static bool needs_root(const struct run_step *r, const struct snapshot_parent *parent)
{
	struct tree_node node;
	uint64_t nid;

	if (r->command_count || r->step->input_count || !parent->tree)
		return true;
	if (!r->step->options->workdir)
		return false;
	return tree_path(&parent->tree->tree, r->step->workdir, &nid, NULL) < 0 ||
	       tree_node(&parent->tree->tree, nid, &node, NULL) < 0 ||
	       !S_ISDIR(node.mode);
}

static int execute(const struct run_step *r, struct run_done *ret, struct err *err)
{
	auto_snapshot_parent struct snapshot_parent parent = {0};
	auto_run_space struct run_space space = {.lock = -1, .rootfd = -1};
	int rc = run_space_open(r->store, r->step->has_chain ? &r->step->chainid : NULL,
				&space, err);

	if (!rc)
		rc = work(r, &space, ret, err);
	if (rc || ret->status)
		return rc;
	rc = run_space_finish(&space, err);
	if (!rc)
		rc = open_parent(r, &parent, err);
	return rc ? rc : record(r, &parent, space.upper, ret, err);
}

int run_step(const struct run_step *r, struct run_done *ret, struct err *err)
{
	struct run_done done = {0};
	bool root = true;
	int rc = 0;

	if (!r->command_count && !r->step->input_count) {
		auto_snapshot_parent struct snapshot_parent parent = {0};

		rc = open_parent(r, &parent, err);
		root = needs_root(r, &parent);
		if (!rc && !root)
			rc = record(r, &parent, NULL, &done, err);
	}
	if (!rc && root)
		rc = execute(r, &done, err);
	if (!rc)
		*ret = done;
	return rc;
}
