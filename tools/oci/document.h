/* SPDX-License-Identifier: Apache-2.0
 * JSON documents of images, read strictly: one value that is an object or array, no duplicate
 * keys, UTF-8, nothing behind it, within budgets of size, depth and number of values. What
 * one reader would take and another not is refused.
 *
 * The getters treat null as absent, as Go's encoders write it. Texts are borrowed from the
 * document. Pure functions.
 */
#ifndef TOOLS_OCI_DOCUMENT_H
#define TOOLS_OCI_DOCUMENT_H

#include <jansson.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/digest.h"

#define DOCUMENT_MAX        (4u << 20) /* bytes */
#define DOCUMENT_DEPTH_MAX  64
#define DOCUMENT_NESTED_MAX 16384 /* objects and arrays */
#define DOCUMENT_VALUES_MAX 65536 /* members and elements */

/* The caller owns *ret (json_decref). ERR_INVALID, ERR_LIMIT. */
int document_parse(const void *bytes, size_t len, json_t **ret,
		   struct err *err) MUST_CHECK;

/* The same for documents that are mostly structure, within other budgets. */
struct document_budget {
	size_t bytes, nested, values;
};
int document_parse_within(const void *bytes, size_t len,
			  const struct document_budget *budget, json_t **ret,
			  struct err *err) MUST_CHECK;

/* The member KEY of an object; *ret is NULL if it is absent. ERR_INVALID if it has another
 * type. */
int document_text(const json_t *object, const char *key, const char **ret,
		  struct err *err) MUST_CHECK;
int document_array(const json_t *object, const char *key, json_t **ret,
		   struct err *err) MUST_CHECK;
int document_object(const json_t *object, const char *key, json_t **ret,
		    struct err *err) MUST_CHECK;

/* A size or digest that must be there. */
int document_size(const json_t *object, const char *key, uint64_t *ret,
		  struct err *err) MUST_CHECK;
int document_digest(const json_t *object, const char *key, struct digest *ret,
		    struct err *err) MUST_CHECK;

/* Refuses members that differ from one of KEYS (ended by NULL) only in case: some readers
 * would take them for it. */
int document_check_case(json_t *object, const char *const *keys,
			struct err *err) MUST_CHECK;

static inline void document_free(json_t *json)
{
	json_decref(json);
}
AUTO_DEFINE(document, json_t, document_free)
#define auto_document AUTO(document)

#endif
