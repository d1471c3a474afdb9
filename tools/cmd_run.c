/* SPDX-License-Identifier: Apache-2.0
 * `layercache run -- CMD...`: one cached build step.
 */
#include <ctype.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "store/key_adopt.h"
#include "store/key_use.h"
#include "tools/commands.h"
#include "tools/image_record.h"
#include "tools/key_remote.h"
#include "tools/oci/reference.h"
#include "tools/output.h"
#include "tools/run/run_guard.h"
#include "tools/run/run_lock.h"
#include "tools/run/run_step.h"

#define FAILED 125

struct run_options {
	struct step_options step;
	struct option_list secrets;
	struct option_number epoch;
	const char *name;
	bool no_cache;
	struct option_list cache_from;
	const char *cache_to;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	STEP_OPTIONS(struct run_options, step),
	OPTION_LIST(0, "secret", "ID=FILE", struct run_options, secrets,
		    "a file the command finds as /run/secrets/ID; leaves no trace"),
	OPTION_TEXT_OF(COMPLETE_NAME, 'n', "name", "NAME", struct run_options, name,
		       "give the resulting image a name"),
	OPTION_NUMBER(0, "epoch", "SECONDS", 0, 253402300799, struct run_options, epoch,
		      "no time is later than this (seconds since 1970)"),
	OPTION_FLAG(0, "no-cache", struct run_options, no_cache,
		    "run although there is a result, which gives way"),
	KEY_REMOTE_FROM(struct run_options, cache_from),
	OPTION_TEXT(0, "cache-to", "REF", struct run_options, cache_to,
		    "send the result there, for the --cache-from of others"),
	REGISTRY_OPTIONS(struct run_options, registry),
	OPTION_END,
};

struct call {
	struct command_call *call;
	const struct run_options *o;
	struct store *store;
	const struct step *step;
	const char *name; /* normalised; NULL: none */
	const struct key_remote *remote;
};

/* ---- secrets ---- */

static bool is_id(const char *text)
{
	if (!*text || *text == '.')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._-", *text))
			return false;
	return true;
}

struct secrets {
	struct run_secret *items;
	char **texts;
	size_t count;
};

static void secrets_release(struct secrets *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->texts[i]);
	free(s->texts);
	free(s->items);
}

static int secrets_parse(const struct option_list *list, struct secrets *ret,
			 struct err *err)
{
	ret->items = calloc(list->count + 1, sizeof(*ret->items));
	ret->texts = calloc(list->count + 1, sizeof(*ret->texts));
	if (!ret->items || !ret->texts)
		return err_nomem(err);
	for (size_t i = 0; i < list->count; i++) {
		char *text = strdup(list->items[i]), *value;

		if (!text)
			return err_nomem(err);
		ret->texts[ret->count++] = text;
		value = strchr(text, '=');
		if (value)
			*value++ = '\0';
		if (!value || !*value || !is_id(text))
			return err_set(err, ERR_USAGE,
				       "bad secret '%s': not ID=FILE, ID of letters, "
				       "digits, '.', '_', '-'",
				       list->items[i]);
		ret->items[i] = (struct run_secret){text, value};
	}
	return 0;
}

/* ---- results ---- */

static int print(const struct call *c, const struct record_key *key, bool hit,
		 struct err *err)
{
	char diffid[DIGEST_TEXT_SIZE], chain[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE];
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_chain top;
	int rc = catalog_begin(store_catalog(c->store), false, &t, err);

	if (!rc)
		rc = catalog_chain_get(t, &key->chainid, &top, err);
	if (rc)
		return rc;
	if (c->call->json)
		return output_json(
			json_pack("{s:o, s:o, s:o, s:o, s:b}", "layer",
				  output_json_digest(&top.diffid), "chain",
				  output_json_digest(&key->chainid), "manifest",
				  output_json_digest(&key->manifest), "key",
				  output_json_digest(&c->step->keys[0]), "hit", hit),
			err);
	output_line("%s %s %s", output_digest(&top.diffid, diffid),
		    output_digest(&key->chainid, chain),
		    output_digest(&c->step->keys[0], text));
	return 0;
}

static int lookup(const struct call *c, struct record_key *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(c->store), false, &t, err);

	return rc ? rc : step_lookup(t, c->step, ret, err);
}

/* Here, or published by another store. A result that cannot be had from there is none. */
static int lookup_all(const struct call *c, struct record_key *ret, struct err *err)
{
	int rc = lookup(c, ret, err);

	for (size_t i = 0; i < c->step->key_count && rc == -ERR_NOTFOUND; i++) {
		struct err why = {0};

		rc = key_adopt(c->store, &c->step->keys[i], ret, &why);
		if (rc && rc != -ERR_NOTFOUND) {
			output_notice(c->call->quiet,
				      "a published result is of no use: %s", why.msg);
			rc = -ERR_NOTFOUND;
		}
	}
	return rc;
}

/* The name for what KEY leads to, in SESSION. */
static int add_name(const struct call *c, const struct record_key *key,
		    struct session *session, bool *ret_moved, struct err *err)
{
	const struct digest no_index = {0};
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_image image;
	const struct record_image *images[] = {&image};
	int rc;

	if (digest_is_zero(&key->manifest))
		return err_set(err, ERR_FAILED,
			       "the result has no image that could get a name");
	rc = catalog_begin(store_catalog(c->store), false, &t, err);
	if (!rc)
		rc = catalog_image_get(t, &key->manifest, &image, err);
	return rc ? rc
		  : image_record_name(session, c->name, &no_index, images, 1, ret_moved,
				      err);
}

/* A result that was found under one of the step's keys gets the other, and the name. */
static int adopt(const struct call *c, const struct record_key *key, struct err *err)
{
	auto_session struct session *session = NULL;
	bool moved = false;
	int rc;

	if (!c->name && digest_equal(&key->key, &c->step->keys[0]))
		return 0;
	rc = session_begin(c->store, NULL, &session, err);
	if (!rc)
		rc = step_record(session, c->step, &key->chainid, &key->manifest, false,
				 err);
	if (!rc && c->name)
		rc = add_name(c, key, session, &moved, err);
	if (!rc)
		rc = session_commit(steal_ptr(&session), err);
	if (!rc && moved)
		output_notice(c->call->quiet, "'%s' now names another image", c->name);
	return rc;
}

/* FROM: where the result was found; NULL: here. */
static int share(const struct call *c, const struct digest *manifest, const char *from,
		 struct err *err)
{
	const char *to = c->o->cache_to;

	if (!to || (from && strcmp(from, to) == 0))
		return 0;
	return key_remote_put(c->remote, to, &c->step->keys[0], manifest, err);
}

static int give(const struct call *c, const struct record_key *key, const char *from,
		struct err *err)
{
	int rc = adopt(c, key, err);

	if (!digest_is_zero(&key->key))
		key_use_note(c->store, &key->key);
	if (!rc)
		rc = share(c, &key->manifest, from, err);
	return rc ? rc : print(c, key, true, err);
}

/* ERR_NOTFOUND: nobody else has it either. */
static int fetch(const struct call *c, struct err *err)
{
	struct record_key key = {0};
	struct record_image image;
	const char *from;
	int rc = key_remote_get(c->remote, &c->o->cache_from, &c->step->keys[0], &image,
				&from, err);

	if (rc)
		return rc;
	key.chainid = image.chainid;
	key.manifest = image.manifest;
	return give(c, &key, from, err);
}

/* ---- a miss ---- */

static int execute(const struct call *c, const struct secrets *secrets, struct err *err)
{
	const struct run_options *o = c->o;
	const struct run_step r = {
		.store = c->store,
		.step = c->step,
		.command = c->call->args,
		.command_count = c->call->count,
		.secrets = secrets->items,
		.secret_count = secrets->count,
		.name = c->name,
		.created = o->epoch.given ? o->epoch.value : time(NULL),
		.clamp = o->epoch.given,
		.replace = o->no_cache,
	};
	struct run_done done = {0};
	struct record_key key = {0};
	int rc = run_step(&r, &done, err);

	if (rc)
		return rc;
	if (done.status) {
		c->call->status = done.status;
		if (done.why.code)
			fprintf(stderr, "layercache: run: %s\n", done.why.msg);
		else
			output_notice(c->call->quiet,
				      "the command ended with status %d: nothing is kept",
				      done.status);
		return 0;
	}
	if (done.moved)
		output_notice(c->call->quiet, "'%s' now names another image", c->name);
	key.chainid = done.image.chainid;
	key.manifest = done.image.manifest;
	rc = share(c, &key.manifest, NULL, err);
	return rc ? rc : print(c, &key, false, err);
}

static int run_or_wait(const struct call *c, const struct secrets *secrets,
		       struct err *err)
{
	auto_run_lock struct run_lock lock = RUN_LOCK_NONE;
	const struct digest *key = &c->step->keys[c->step->key_count - 1];
	struct record_key found;
	bool waited;
	int rc = run_lock_take(c->store, key, &lock, &waited, err);

	if (!rc && waited && !c->o->no_cache) {
		rc = lookup(c, &found, err);
		if (rc != -ERR_NOTFOUND)
			return rc ? rc : give(c, &found, NULL, err);
		rc = 0;
	}
	if (!rc && !c->o->no_cache) {
		rc = fetch(c, err);
		if (rc != -ERR_NOTFOUND)
			return rc;
		rc = 0;
	}
	return rc ? rc : execute(c, secrets, err);
}

static int run_step_call(struct call *c, const struct secrets *secrets, struct err *err)
{
	auto_step struct step step = {0};
	struct record_key found;
	int rc = step_open(c->store, &c->o->step, c->call->args, c->call->count, &step,
			   err);

	c->step = &step;
	if (!rc && step.options->parent && !step.has_chain)
		rc = err_set(err, ERR_NOTFOUND,
			     "'%s' is a key without a result: there is nothing to begin "
			     "with",
			     step.options->parent);
	if (rc)
		return rc;
	rc = c->o->no_cache ? -ERR_NOTFOUND : lookup_all(c, &found, err);
	if (rc != -ERR_NOTFOUND)
		return rc ? rc : give(c, &found, NULL, err);
	rc = run_guard_enter(err);
	return rc ? rc : run_or_wait(c, secrets, err);
}

static int check_remotes(const struct run_options *o, struct err *err)
{
	int rc = o->cache_to ? key_remote_check(o->cache_to, err) : 0;

	for (size_t i = 0; i < o->cache_from.count && !rc; i++)
		rc = key_remote_check(o->cache_from.items[i], err);
	return rc;
}

static int run_step_of(struct command_call *call, struct err *err)
{
	const struct run_options *o = call->values;
	struct remote_options registry;
	struct key_remote remote = {.registry = &registry, .quiet = call->quiet};
	__attribute__((cleanup(secrets_release))) struct secrets secrets = {0};
	struct call c = {.call = call, .o = o, .remote = &remote};
	auto_store struct store *store = NULL;
	auto_buf struct buf name;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	if (!call->count && !o->step.inputs.count && !o->step.env.count &&
	    !o->step.workdir && !o->step.user)
		return err_set(err, ERR_USAGE,
			       "nothing to do: no command, no --input, --env, --workdir "
			       "or --user");
	registry_options_take(&o->registry, &registry);
	rc = check_remotes(o, err);
	if (!rc)
		rc = secrets_parse(&o->secrets, &secrets, err);
	if (!rc && o->name) {
		rc = reference_normalize(o->name, &name, err);
		c.name = (const char *)name.data;
	}
	if (!rc)
		rc = command_open_store(call, STORE_CREATE | STORE_WRITE, &store, err);
	c.store = remote.store = store;
	if (!rc)
		rc = run_step_call(&c, &secrets, err);
	return rc;
}

/* A shell that runs a script of steps stops by Ctrl-C only if what it waits for did so. */
static void end_by(int signal_number, const struct err *err)
{
	fprintf(stderr, "layercache: run: %s\n", err->msg);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static int run(struct command_call *call, struct err *err)
{
	int rc = run_step_of(call, err);

	if (rc == -ERR_CANCELED && err->sys)
		end_by(err->sys, err);
	return rc ? err_wrap(err, "run") : 0;
}

const struct command cmd_run = {
	.name = "run",
	.summary = "run a build step, unless its result is there",
	.arguments = "[-- COMMAND...]",
	.details =
		"Copies the inputs into the files of the --parent, runs COMMAND there, and\n"
		"records what changed as a layer and an image, under the step's key (see\n"
		"'help key'). If the key has a result already nothing is run. Prints\n"
		"  DIFF-ID CHAIN-ID KEY\n"
		"as its last line; COMMAND's own output goes to standard error. Without\n"
		"COMMAND only the inputs are copied, and --env, --workdir and --user set.\n"
		"\n"
		"COMMAND has namespaces of its own, Docker's default capabilities and no\n"
		"standard input. If it fails nothing is kept and its status is given back;\n"
		"125 is a failure of layercache's own, 126 and 127 that COMMAND cannot be\n"
		"executed or is not there. Of two equal steps at once one runs, the other\n"
		"waits for its result. The store need not be mounted.\n"
		"\n"
		"With --cache-to the result is sent to a repository as an image tagged by its\n"
		"key, in which others look for it by --cache-from: [docker://]REF[:TAG] or\n"
		"oci:DIR[:TAG]. A --cache-from that cannot be asked counts as a miss. What\n"
		"another store has published counts as a hit with --alternate.",
	.options = options,
	.values_size = sizeof(struct run_options),
	.max_args = COMMAND_ANY_ARGS,
	.flags = COMMAND_JSON,
	.failure = FAILED,
	.run = run,
};
