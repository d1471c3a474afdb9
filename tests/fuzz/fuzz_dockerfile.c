/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: Dockerfiles, and what build steps they make. */
#include <stddef.h>
#include <stdint.h>

#include "tools/buildkit/build_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_base(void *arg, struct build_plan_base *base, struct buf *env,
		   char **ret_cwd, char **ret_user, struct err *err)
{
	(void)arg;
	(void)env;
	(void)ret_cwd;
	(void)ret_user;
	return err_set(err, ERR_NOTFOUND, "no image '%s'", base->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct platform platform = {"linux", "arm", "v7"};
	static const char *const build_args[] = {"X=from outside", NULL};
	const struct build_plan_options options = {
		.platform = &platform, .build_args = build_args, .base = no_base};
	auto_dockerfile struct dockerfile d = {0};
	auto_build_plan struct build_plan plan = {0};
	struct err err = {0};
	int rc = dockerfile_parse(data, size, &d, &err);

	if (!rc)
		rc = build_plan_make(&d, &options, &plan, &err);
	if (rc && rc != -ERR_INVALID && rc != -ERR_LIMIT)
		abort();
	for (size_t i = 0; i < plan.step_count; i++) {
		const struct build_step *s = &plan.steps[i];

		if (s->stage >= plan.stage_count ||
		    (s->below != BUILD_PLAN_NONE && s->below >= i) ||
		    (!s->unknown && !s->record_count))
			abort();
		for (size_t k = 0; k < s->source_count; k++)
			if (s->sources[k][0] != '/')
				abort();
	}
	return 0;
}
