/* SPDX-License-Identifier: Apache-2.0
 * Cache keys: a build step written down so that equal steps give equal bytes. The key (the
 * step's cache digest) is the SHA-256 of these bytes, and they are kept as a document under
 * it, so what a key stands for can be read, shown and compared. Every byte is in FORMAT.md,
 * "Key documents"; tests/lib/stepkey.py writes the same from the same.
 *
 * A step has two keys where its parent has one, and its result is recorded under both:
 * - by the parent's key, known before the parent was ever made. It has what was given for
 *   this step; what the parent's configuration adds (environment, workdir, user) follows from
 *   the parent's key;
 * - by the parent's ChainID. It has the effective environment, workdir and user, the
 *   parent's configuration applied.
 * What else an image's configuration says (CMD, labels) is in neither: it does not change
 * what the step does to the files.
 *
 * A user's own key is any text: KEY of it and its scope is the SHA-256 of a document, too.
 */
#ifndef STORE_STEP_KEY_H
#define STORE_STEP_KEY_H

#include "store/base/buf.h"
#include "store/digest.h"

#define STEP_KEY_DOCUMENT_MAX (4u << 20) /* bytes */
#define STEP_KEY_FIELDS_MAX   65536

enum step_key_parent {
	STEP_KEY_PARENT_NONE = 0, /* the step begins with nothing */
	STEP_KEY_PARENT_KEY = 1,
	STEP_KEY_PARENT_CHAIN = 2,
};

struct step_key_texts {
	const char *const *items;
	size_t count;
};

/* An input: a file or directory of the host, copied to DEST before the command runs. */
struct step_key_input {
	const char *dest;      /* as given */
	struct digest content; /* content_hash.digest */
	struct digest listing; /* SHA-256 of its listing; zero: none is kept */
};

/* NULL texts count as "". */
struct step_key {
	enum step_key_parent parent_kind;
	struct digest parent; /* key or ChainID */
	const char *scope;
	const char *instruction; /* text of a Dockerfile's instruction, or the like */
	struct step_key_texts command; /* the arguments, in order */
	struct step_key_texts
		env; /* NAME=VALUE in any order; of a name the last one counts */
	struct step_key_texts args; /* the same */
	const char *workdir, *user, *network, *platform;
	const struct step_key_input *inputs; /* in the order of copying */
	size_t input_count;
};

/* Replaces DOCUMENT by the step's; its SHA-256 (digest_of) is the key. ERR_LIMIT. */
int step_key_encode(const struct step_key *s, struct buf *document,
		    struct err *err) MUST_CHECK;

/* The document of a user's own key. */
int step_key_own(const char *scope, const char *text, struct buf *document,
		 struct err *err) MUST_CHECK;

/* ---- reading ---- */

enum step_key_kind {
	STEP_KEY_OF_STEP = 1,
	STEP_KEY_OF_USER = 2,
};

enum step_key_field {
	STEP_KEY_SCOPE,
	STEP_KEY_PARENT, /* "none", "key sha256:<hex>", "chain sha256:<hex>" */
	STEP_KEY_INSTRUCTION,
	STEP_KEY_COMMAND,
	STEP_KEY_ENV,
	STEP_KEY_ARG,
	STEP_KEY_WORKDIR,
	STEP_KEY_USER,
	STEP_KEY_NETWORK,
	STEP_KEY_PLATFORM,
	STEP_KEY_INPUT, /* "<content> <listing or -> <dest>" */
	STEP_KEY_TEXT,  /* a user's own text */
};

/* The word a field begins with in the document: "env". */
const char *step_key_field_name(enum step_key_field field);

/* A field of a document: not terminated. */
struct step_key_value {
	enum step_key_field field;
	const char *text;
	size_t len;
};

struct step_key_document {
	enum step_key_kind kind;
	struct step_key_value
		*values; /* in their order; they point into the decoded bytes */
	size_t count;
};

/* ERR_INVALID for a document of another kind or version (keys of BuildKit's results are such),
 * ERR_CORRUPT for one that is none. Pure: a fuzz target. */
int step_key_decode(const void *bytes, size_t len, struct step_key_document *ret,
		    struct err *err) MUST_CHECK;
void step_key_document_release(struct step_key_document *d); /* also a zeroed one */
#define auto_step_key_document __attribute__((cleanup(step_key_document_release)))

/* The parent that a PARENT value names. */
int step_key_parent_of(const struct step_key_value *v, enum step_key_parent *ret_kind,
		       struct digest *ret, struct err *err) MUST_CHECK;

/* The parts of an INPUT value; *ret_dest is its tail, *ret_dest_len bytes. */
int step_key_input_of(const struct step_key_value *v, struct digest *ret_content,
		      struct digest *ret_listing, const char **ret_dest,
		      size_t *ret_dest_len, struct err *err) MUST_CHECK;

#endif
