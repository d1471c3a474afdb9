/* SPDX-License-Identifier: Apache-2.0
 * The variables of a build stage. */
#include "tools/buildkit/build_vars.h"

#include <string.h>

#define VARS_MAX 4096

void build_vars_release(struct build_vars *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct build_vars){0};
}

static size_t find(const struct build_vars *v, const char *name, size_t len)
{
	size_t i = 0;

	while (i < v->count &&
	       (strncmp(v->items[i], name, len) != 0 || v->items[i][len] != '='))
		i++;
	return i;
}

static void drop(struct build_vars *v, size_t i)
{
	free(v->items[i]);
	memmove(&v->items[i], &v->items[i + 1], (v->count - i) * sizeof(*v->items));
	v->count--;
}

int build_vars_set(struct build_vars *v, const char *name, const char *value,
		   struct err *err)
{
	size_t at = find(v, name, strlen(name));
	char **items, *item;

	if (v->count >= VARS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d variables", VARS_MAX);
	if (asprintf(&item, "%s=%s", name, value) < 0)
		return err_nomem(err);
	if (at < v->count)
		drop(v, at);
	items = reallocarray(v->items, v->count + 2, sizeof(*items));
	if (!items) {
		free(item);
		return err_nomem(err);
	}
	v->items = items;
	items[v->count++] = item;
	items[v->count] = NULL;
	return 0;
}

int build_vars_copy(const struct build_vars *from, struct build_vars *to, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < from->count && !rc; i++) {
		const char *equals = strchr(from->items[i], '=');
		auto_free char *name =
			strndup(from->items[i], (size_t)(equals - from->items[i]));

		rc = name ? build_vars_set(to, name, equals + 1, err) : err_nomem(err);
	}
	return rc;
}

const char *build_vars_get(const struct build_vars *v, const char *name, size_t len)
{
	size_t i = find(v, name, len);

	return i < v->count ? v->items[i] + len + 1 : NULL;
}

const char *const *build_vars_list(const struct build_vars *v)
{
	static const char *const none[] = {NULL};

	return v->items ? (const char *const *)v->items : none;
}
