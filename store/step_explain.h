/* SPDX-License-Identifier: Apache-2.0
 * Why two keys differ: the first thing in their documents that is not the same, and for an
 * input which file, and which of its attributes.
 *
 * In this order: parent, instruction, command, workdir, user, network, platform, scope,
 * environment, arguments, inputs.
 */
#ifndef STORE_STEP_EXPLAIN_H
#define STORE_STEP_EXPLAIN_H

#include "store/step_key.h"

#define STEP_EXPLAIN_TEXT_MAX (64u << 10) /* longer values are cut in `a` and `b` */

struct step_explain {
	/* "parent", "instruction", "command", "workdir", "user", "network", "platform", "scope",
	 * "env", "arg", "input", "file", "key"; NULL: the keys do not differ. */
	const char *what;
	/* Of a command the number of the argument, of env and arg the variable, of input its
	 * destination, of a file that and its path below; else "". */
	struct buf name;
	/* Of a file that both have: "type", "mode", "owner", "device", "link", "xattr NAME" or
	 * "content"; else "". */
	struct buf attribute;
	struct buf a, b; /* what each has */
	bool has_a, has_b;
};

/* Gives the listing D; ERR_NOTFOUND: it is not known any more. */
typedef int step_explain_load_fn(void *arg, const struct digest *d, struct buf *ret,
				 struct err *err);

/* Compares. RET is released by step_explain_release, also after an error. An input whose
 * listings are not known is named as a whole. ERR_INVALID for documents of different kinds. */
int step_explain(const struct step_key_document *a, const struct step_key_document *b,
		 step_explain_load_fn *load, void *arg, struct step_explain *ret,
		 struct err *err) MUST_CHECK;
void step_explain_release(struct step_explain *e); /* also a zeroed one */
#define auto_step_explain __attribute__((cleanup(step_explain_release)))

#endif
