/* SPDX-License-Identifier: Apache-2.0
 * `layercache show X`: one document about an image, key, chain or layer, printed as JSON or as
 * lines.
 */
#ifndef TOOLS_SHOW_H
#define TOOLS_SHOW_H

#include <jansson.h>

#include "tools/command.h"
#include "tools/subject.h"

/* Each makes the document (a new reference). */
int show_image(struct command_reader *r, const struct record_image *image, json_t **ret,
	       struct err *err) MUST_CHECK;
int show_chain(struct command_reader *r, const struct record_chain *chain, json_t **ret,
	       struct err *err) MUST_CHECK;
int show_layer(struct command_reader *r, const struct record_layer *layer, json_t **ret,
	       struct err *err) MUST_CHECK;

int show_key(struct command_reader *r, const struct record_key *key, json_t **ret,
	     struct err *err) MUST_CHECK;

/* Adds "kept": what keeps X from a gc with so many seconds of grace. */
int show_kept(struct command_reader *r, const struct subject *x, int64_t grace,
	      json_t *document, struct err *err) MUST_CHECK;

/* Prints a document as lines: "KEY VALUE"; a list as one line per item under the singular
 * of its key, an item that is an object as its values in order; '-' for null. */
int show_lines(json_t *document, struct err *err) MUST_CHECK;

#endif
