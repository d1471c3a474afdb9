/* SPDX-License-Identifier: Apache-2.0
 * What is in effect of a step: what was given, over what its parent's configuration says.
 */
#include <string.h>

#include "tools/step_private.h"

static const json_t *config_of(const struct step *s)
{
	return json_object_get(s->config.config, "config");
}

static const char *config_text(const struct step *s, const char *key)
{
	const char *text = json_string_value(json_object_get(config_of(s), key));

	return text && *text ? text : NULL;
}

static int check_variables(const struct option_list *list, const char *option,
			   struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *sign = strchr(list->items[i], '=');

		if (!sign || sign == list->items[i])
			return err_set(err, ERR_USAGE, "--%s '%s' is not NAME=VALUE",
				       option, list->items[i]);
	}
	return 0;
}

/* In the place of what has the same name, else at the end. */
static void add_variable(struct step *s, const char *text)
{
	size_t n = strcspn(text, "=");
	size_t i = 0;

	while (i < s->env_count &&
	       (strcspn(s->env[i], "=") != n || memcmp(s->env[i], text, n) != 0))
		i++;
	s->env[i] = text;
	s->env_count += i == s->env_count;
}

static int find_env(struct step *s, struct err *err)
{
	const struct option_list *given = &s->options->env;
	const json_t *list = json_object_get(config_of(s), "Env"), *item;
	size_t i;

	s->env = calloc(json_array_size(list) + given->count + 1, sizeof(*s->env));
	if (!s->env)
		return err_nomem(err);
	json_array_foreach(list, i, item) if (json_is_string(item))
		add_variable(s, json_string_value(item));
	for (i = 0; i < given->count; i++)
		add_variable(s, given->items[i]);
	return 0;
}

/* As WORKDIR: below the parent's if it is relative. */
static int find_workdir(struct step *s, struct err *err)
{
	const char *given = s->options->workdir, *base = config_text(s, "WorkingDir");
	const char *slash = "";
	int n;

	if (given && *given == '/')
		base = "";
	else if (!base)
		base = given && *given ? "" : "/";
	if (given && *given && *given != '/' && (!*base || base[strlen(base) - 1] != '/'))
		slash = "/";
	n = asprintf(&s->workdir, "%s%s%s%s", *base && *base != '/' ? "/" : "", base,
		     slash, given ? given : "");
	return n < 0 ? err_nomem(err) : 0;
}

int step_effect_find(struct step *s, struct err *err)
{
	const struct step_options *o = s->options;
	const char *user = o->user ? o->user : config_text(s, "User");
	int rc = check_variables(&o->env, "env", err);

	if (!rc)
		rc = check_variables(&o->args, "arg", err);
	if (!rc)
		rc = find_env(s, err);
	if (!rc)
		rc = find_workdir(s, err);
	s->user = user ? user : "";
	s->network = o->network ? o->network : "host";
	if (s->has_image)
		s->platform = s->image.platform;
	else
		s->platform = o->platform ? o->platform : "";
	return rc;
}
