/* SPDX-License-Identifier: Apache-2.0
 * A step's keys, the look for its result and the record of it.
 */
#include <string.h>

#include "tools/step_private.h"
#include "tools/subject.h"

/* Longer listings are not kept: the key says so, and --explain names the input only. */
#define LISTING_MAX (8u << 20)

/* ---- keys ---- */

static int make_inputs(const struct step *s, struct step_key_input **ret, struct err *err)
{
	struct step_key_input *inputs = calloc(s->input_count + 1, sizeof(*inputs));

	if (!inputs)
		return err_nomem(err);
	for (size_t i = 0; i < s->input_count; i++) {
		const struct step_input *in = &s->inputs[i];
		const struct buf *listing = &in->content.listing;

		inputs[i].dest = in->dest;
		inputs[i].content = in->content.digest;
		if (listing->len <= LISTING_MAX)
			digest_of(listing->data, listing->len, &inputs[i].listing);
	}
	*ret = inputs;
	return 0;
}

static int add_key(struct step *s, const struct step_key *k, struct err *err)
{
	struct buf *document = &s->documents[s->key_count];
	int rc = step_key_encode(k, document, err);

	if (rc)
		return rc;
	digest_of(document->data, document->len, &s->keys[s->key_count++]);
	return 0;
}

static int make_keys(struct step *s, char *const *command, size_t count, struct err *err)
{
	const struct step_options *o = s->options;
	auto_free struct step_key_input *inputs = NULL;
	struct step_key k = {
		.scope = o->scope,
		.instruction = o->instruction,
		.command = {(const char *const *)command, count},
		.args = {o->args.items, o->args.count},
		.network = s->network,
		.input_count = s->input_count,
	};
	int rc = make_inputs(s, &inputs, err);

	k.inputs = inputs;
	if (!rc && s->has_key) {
		k.parent_kind = STEP_KEY_PARENT_KEY;
		k.parent = s->parent_key;
		k.env = (struct step_key_texts){o->env.items, o->env.count};
		k.workdir = o->workdir;
		k.user = o->user;
		k.platform = o->platform;
		rc = add_key(s, &k, err);
	}
	if (rc || (s->has_key && !s->has_chain))
		return rc;
	k.parent_kind = s->has_chain ? STEP_KEY_PARENT_CHAIN : STEP_KEY_PARENT_NONE;
	k.parent = s->chainid;
	k.env = (struct step_key_texts){s->env, s->env_count};
	k.workdir = s->workdir;
	k.user = s->user;
	k.platform = s->platform;
	return add_key(s, &k, err);
}

int step_open(struct store *store, const struct step_options *options,
	      char *const *command, size_t count, struct step *ret, struct err *err)
{
	int rc;

	*ret = (struct step){.options = options};
	if (options->scope && strlen(options->scope) > RECORD_KEY_SCOPE_MAX)
		return err_set(err, ERR_INVALID, "a scope has at most %d bytes",
			       RECORD_KEY_SCOPE_MAX);
	rc = step_parent_find(store, ret, err);
	if (!rc)
		rc = step_effect_find(ret, err);
	if (!rc)
		rc = step_inputs_read(ret, err);
	return rc ? rc : make_keys(ret, command, count, err);
}

void step_release(struct step *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->documents); i++)
		buf_release(&s->documents[i]);
	step_inputs_release(s);
	image_config_release(&s->config);
	free(s->env);
	free(s->workdir);
	*s = (struct step){0};
}

/* ---- results ---- */

int step_lookup(struct catalog_txn *t, const struct step *s, struct record_key *ret,
		struct err *err)
{
	int rc = -ERR_NOTFOUND;

	for (size_t i = 0; i < s->key_count && rc == -ERR_NOTFOUND; i++)
		rc = catalog_key_get(t, &s->keys[i], ret, err);
	return rc;
}

static int put_listings(struct session *session, const struct step *s, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < s->input_count && !rc; i++) {
		const struct buf *listing = &s->inputs[i].content.listing;
		struct digest d;

		if (listing->len <= LISTING_MAX)
			rc = session_put_document(session, listing->data, listing->len,
						  &d, err);
	}
	return rc;
}

int step_record(struct session *session, const struct step *s,
		const struct digest *chainid, const struct digest *manifest, bool replace,
		struct err *err)
{
	int rc = put_listings(session, s, err);

	if (replace)
		session_replace_keys(session);
	for (size_t i = 0; i < s->key_count && !rc; i++) {
		struct record_item item = {.type = RECORD_KEY};
		const char *scope = s->options->scope;

		rc = session_put_document(session, s->documents[i].data,
					  s->documents[i].len, &item.key.key, err);
		item.key.chainid = *chainid;
		if (manifest)
			item.key.manifest = *manifest;
		if (i == 0 && s->has_key)
			item.key.parent = s->parent_key;
		if (scope)
			memcpy(item.key.scope, scope, strlen(scope));
		if (!rc)
			rc = session_add(session, &item, err);
	}
	return rc;
}

int step_own_key(const char *text, const char *scope, struct digest *ret,
		 struct buf *document, struct err *err)
{
	struct subject_text x;
	int rc;

	buf_clear(document);
	if (subject_parse(text, &x, NULL) == 0 && x.digest && x.digits == 64 &&
	    (!x.kind || x.kind == SUBJECT_KEY)) {
		*ret = x.prefix;
		return 0;
	}
	if (scope && strlen(scope) > RECORD_KEY_SCOPE_MAX)
		return err_set(err, ERR_INVALID, "a scope has at most %d bytes",
			       RECORD_KEY_SCOPE_MAX);
	rc = step_key_own(scope, text, document, err);
	if (!rc)
		digest_of(document->data, document->len, ret);
	return rc;
}
