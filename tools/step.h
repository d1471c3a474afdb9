/* SPDX-License-Identifier: Apache-2.0
 * A build step on the command line: the options that `key` and `run` share, what they mean,
 * and the keys of it.
 *
 *	step_open	options -> parent, effective configuration, input digests, keys
 *	step_lookup	is there a result?
 *	step_record	there is one now
 *
 * Parent: X is a key, or an image that was recorded under one (`run`, `snapshot --key`): then
 * it stands for that key. Any other image, chain or layer stands for its ChainID. A whole
 * digest that the store does not know is taken for a key that is yet to be recorded: such a
 * step has a key but no chain, so it can be computed and looked up and not run.
 *
 * Environment, workdir and user that are not given come from the parent's image
 * configuration. In the key by the parent's key only what was given counts (the rest follows
 * from that key); in the key by the ChainID what is in effect counts (step_key.h).
 * Network is "host" if not given.
 *
 * An input is PATH[:DEST], split at the last colon. DEST is where it is copied to: relative
 * to the workdir, PATH's last part if not given. As with COPY, a file goes into DEST if that
 * ends in '/'. A directory's contents go into DEST, whose own attributes are those of PATH
 * itself; if PATH ends in "." (".", "src/.") those of PATH neither count nor
 * are copied (`bare`). What the .dockerignore at the top of an input directory and --exclude
 * leave out is neither counted nor copied; `ignore` says what. Copied are just the things
 * that count (content_hash.h), owners are `uid` and `gid`.
 */
#ifndef TOOLS_STEP_H
#define TOOLS_STEP_H

#include "store/content_hash.h"
#include "store/session.h"
#include "store/step_key.h"
#include "tools/image_config.h"
#include "tools/options.h"

struct step_options {
	const char *parent, *platform;
	const char *instruction, *workdir, *user, *network, *chown, *scope;
	struct option_list inputs, env, args, excludes;
};

/* Rows for the table of a command whose values struct S has a struct step_options M. */
#define STEP_OPTIONS(s, m) \
	OPTION_TEXT_OF(COMPLETE_NAME, 'p', "parent", "X", s, m.parent, \
		       "the step begins with the files of X"), \
		OPTION_TEXT(0, "platform", "OS/ARCH", s, m.platform, \
			    "which platform of X"), \
		OPTION_LIST('i', "input", "PATH[:DEST]", s, m.inputs, \
			    "a file or directory that is copied in (may be repeated)"), \
		OPTION_LIST('e', "env", "NAME=VALUE", s, m.env, \
			    "environment of the command, and of the result"), \
		OPTION_LIST(0, "arg", "NAME=VALUE", s, m.args, \
			    "environment of the command only"), \
		OPTION_TEXT('w', "workdir", "DIR", s, m.workdir, \
			    "where the command runs; X's if not given"), \
		OPTION_TEXT('u', "user", "USER[:GROUP]", s, m.user, \
			    "as whom the command runs; X's if not given"), \
		OPTION_WORD(0, "network", "WHICH", "host none", s, m.network, \
			    "host (if not given) or none"), \
		OPTION_TEXT(0, "chown", "UID[:GID]", s, m.chown, \
			    "who owns the inputs; 0:0 if not given"), \
		OPTION_LIST(0, "exclude", "PATTERN", s, m.excludes, \
			    "leave out of input directories, as a .dockerignore does"), \
		OPTION_TEXT(0, "instruction", "TEXT", s, m.instruction, \
			    "what the step is called; counts as well"), \
		OPTION_TEXT(0, "scope", "TEXT", s, m.scope, \
			    "steps of different scopes never share a result")

struct step_input {
	char *source; /* PATH */
	char *dest;   /* DEST as given, or the default */
	bool is_dir;
	bool bare;             /* is_dir: PATH's own attributes do not count */
	struct ignore *ignore; /* is_dir: what is left out */
	struct content_hash content;
};

struct step {
	const struct step_options *options;
	/* the parent */
	bool has_chain, has_image, has_key;
	struct digest chainid;      /* has_chain: what the step begins with */
	struct record_image image;  /* has_image: whose configuration goes on */
	struct image_config config; /* has_image */
	struct digest parent_key;   /* has_key */
	/* what is in effect */
	const char **env; /* NAME=VALUE: the parent's, then --env; each name once */
	size_t env_count;
	char *workdir;    /* absolute; "/" if nobody says */
	const char *user; /* "" if nobody says */
	const char *network;
	const char *platform; /* "" if nobody says */
	uint32_t uid, gid;    /* of the inputs */
	struct step_input *inputs;
	size_t input_count;
	/* keys[0] is the one to print: by the parent's key if it has one. */
	struct digest keys[2];
	struct buf documents[2];
	size_t key_count;
};

/* Finds the parent, reads the inputs, computes the keys. STORE may be NULL if there is no
 * --parent. COMMAND: what is behind `--`, not checked. RET is released by step_release, also
 * after an error; OPTIONS and COMMAND are used until then. ERR_NOTFOUND: no such parent. */
int step_open(struct store *store, const struct step_options *options,
	      char *const *command, size_t count, struct step *ret,
	      struct err *err) MUST_CHECK;
void step_release(struct step *s); /* also a zeroed one */
#define auto_step __attribute__((cleanup(step_release)))

/* The result under the first of the keys that has one. ERR_NOTFOUND: a miss. */
int step_lookup(struct catalog_txn *t, const struct step *s, struct record_key *ret,
		struct err *err) MUST_CHECK;

/* Adds the result to SESSION under all keys of the step, with their documents and the
 * listings of the inputs. MANIFEST: of the image that was made of it; NULL: none. The commit
 * fails with ERR_BUSY if a key leads to another chain meanwhile, unless REPLACE. */
int step_record(struct session *session, const struct step *s,
		const struct digest *chainid, const struct digest *manifest, bool replace,
		struct err *err) MUST_CHECK;

/* A key as users write it: a whole digest ("sha256:" or "key:" before it or not) is the key
 * itself; any other text is a user's own, hashed with SCOPE (NULL: none). DOCUMENT is empty
 * for a digest, else what the key is the SHA-256 of. */
int step_own_key(const char *text, const char *scope, struct digest *ret,
		 struct buf *document, struct err *err) MUST_CHECK;

#endif
