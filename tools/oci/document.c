/* SPDX-License-Identifier: Apache-2.0
 * JSON documents of images, read strictly. */
#include "tools/oci/document.h"

#include <string.h>
#include <strings.h>

/* Counts what a parser would have to build, before it builds it: small text can become
 * hundreds of times its size in memory. Well-formedness is the parser's business. */
static int check_budget(const char *text, size_t len,
			const struct document_budget *budget, struct err *err)
{
	size_t depth = 0, nested = 0, values = 0;
	bool inside = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (inside) {
			if (c == '\\')
				i++;
			else if (c == '"')
				inside = false;
			continue;
		}
		if (c == '"') {
			inside = true;
		} else if (c == '{' || c == '[') {
			nested++;
			depth++;
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		} else if (c == ',') {
			values++;
		}
		if (depth > DOCUMENT_DEPTH_MAX)
			return err_set(err, ERR_LIMIT, "JSON nested deeper than %d",
				       DOCUMENT_DEPTH_MAX);
		if (nested > budget->nested || values > budget->values)
			return err_set(err, ERR_LIMIT, "JSON with too many values");
	}
	return 0;
}

int document_parse(const void *bytes, size_t len, json_t **ret, struct err *err)
{
	static const struct document_budget budget = {DOCUMENT_MAX, DOCUMENT_NESTED_MAX,
						      DOCUMENT_VALUES_MAX};

	return document_parse_within(bytes, len, &budget, ret, err);
}

int document_parse_within(const void *bytes, size_t len,
			  const struct document_budget *budget, json_t **ret,
			  struct err *err)
{
	json_error_t why;
	json_t *json;
	int rc;

	if (len > budget->bytes)
		return err_set(err, ERR_LIMIT, "document larger than %zu bytes",
			       budget->bytes);
	rc = check_budget(bytes, len, budget, err);
	if (rc)
		return rc;
	json = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &why);
	if (!json && json_error_code(&why) == json_error_out_of_memory)
		return err_nomem(err);
	if (!json)
		return err_set(err, ERR_INVALID, "bad JSON at line %d column %d: %s",
			       why.line, why.column, why.text);
	*ret = json;
	return 0;
}

static int get(const json_t *object, const char *key, json_type type, const char *what,
	       json_t **ret, struct err *err)
{
	json_t *value = json_object_get(object, key);

	if (value && json_is_null(value))
		value = NULL;
	if (value && json_typeof(value) != type)
		return err_set(err, ERR_INVALID, "%s is not %s", key, what);
	*ret = value;
	return 0;
}

int document_text(const json_t *object, const char *key, const char **ret,
		  struct err *err)
{
	json_t *value = NULL;
	int rc = get(object, key, JSON_STRING, "a string", &value, err);

	if (!rc)
		*ret = json_string_value(value);
	return rc;
}

int document_array(const json_t *object, const char *key, json_t **ret, struct err *err)
{
	return get(object, key, JSON_ARRAY, "an array", ret, err);
}

int document_object(const json_t *object, const char *key, json_t **ret, struct err *err)
{
	return get(object, key, JSON_OBJECT, "an object", ret, err);
}

int document_size(const json_t *object, const char *key, uint64_t *ret, struct err *err)
{
	json_t *value = NULL;
	int rc = get(object, key, JSON_INTEGER, "an integer", &value, err);

	if (rc)
		return rc;
	if (!value)
		return err_set(err, ERR_INVALID, "%s is missing", key);
	if (json_integer_value(value) < 0)
		return err_set(err, ERR_INVALID, "%s is negative", key);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

int document_digest(const json_t *object, const char *key, struct digest *ret,
		    struct err *err)
{
	const char *text;
	int rc = document_text(object, key, &text, err);

	if (rc)
		return rc;
	if (!text)
		return err_set(err, ERR_INVALID, "%s is missing", key);
	rc = digest_parse(text, strlen(text), ret, err);
	return rc ? err_wrap(err, "%s", key) : 0;
}

int document_check_case(json_t *object, const char *const *keys, struct err *err)
{
	const char *name;
	json_t *value = NULL;

	json_object_foreach(object, name, value)
	{
		for (size_t i = 0; keys[i]; i++)
			if (strcasecmp(name, keys[i]) == 0 && strcmp(name, keys[i]) != 0)
				return err_set(err, ERR_INVALID,
					       "member '%s' can be mistaken for '%s'",
					       name, keys[i]);
	}
	return 0;
}
