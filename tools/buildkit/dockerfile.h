/* SPDX-License-Identifier: Apache-2.0
 * A Dockerfile as its instructions: comments, line continuations and here-documents are done
 * as BuildKit does them; what an instruction's words mean is not looked at. Pure functions.
 */
#ifndef TOOLS_BUILDKIT_DOCKERFILE_H
#define TOOLS_BUILDKIT_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/err.h"

#define DOCKERFILE_MAX       (1u << 20)
#define DOCKERFILE_LINES_MAX 65536
#define DOCKERFILE_WORDS_MAX 4096

struct dockerfile_instruction {
	unsigned line;    /* where it begins */
	char word[16];    /* in capitals */
	char *text;       /* all of it on one line */
	const char *rest; /* in text: what stands behind the word */
	bool heredoc;     /* has a body, which is passed over */
};

struct dockerfile {
	struct dockerfile_instruction *items;
	size_t count;
	char escape; /* '\\' unless the file says '`' */
};

/* ERR_INVALID, ERR_LIMIT. */
int dockerfile_parse(const void *bytes, size_t len, struct dockerfile *ret,
		     struct err *err) MUST_CHECK;
void dockerfile_release(struct dockerfile *d); /* also a zeroed one */
#define auto_dockerfile __attribute__((cleanup(dockerfile_release)))

/* ---- words ---- */

struct dockerfile_words {
	char **items; /* ended by NULL */
	size_t count;
	bool json; /* they were a JSON array of strings */
};
void dockerfile_words_release(struct dockerfile_words *w); /* also a zeroed one */
#define auto_dockerfile_words __attribute__((cleanup(dockerfile_words_release)))

/* TEXT split where there is space; QUOTES: not inside of quotes, which stay. */
int dockerfile_split(const char *text, char escape, bool quotes,
		     struct dockerfile_words *ret, struct err *err) MUST_CHECK;

/* The same, but a JSON array of strings is its strings. */
int dockerfile_split_json(const char *text, char escape, struct dockerfile_words *ret,
			  struct err *err) MUST_CHECK;

/* The options "--name[=value]" at the front of TEXT; *ret_rest is what follows. */
int dockerfile_flags(const char *text, struct dockerfile_words *ret,
		     const char **ret_rest, struct err *err) MUST_CHECK;

/* The value of a variable; NULL: it has none. */
typedef const char *dockerfile_lookup_fn(void *arg, const char *name, size_t len);

/* WORD without its quotes, with variables replaced: a new text. ERR_INVALID for what is not
 * understood. */
int dockerfile_expand(const char *word, char escape, dockerfile_lookup_fn *lookup,
		      void *arg, char **ret, struct err *err) MUST_CHECK;

#endif
