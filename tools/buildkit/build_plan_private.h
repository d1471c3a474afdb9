/* SPDX-License-Identifier: Apache-2.0
 * The parts of build_plan_make: the state of a stage while its instructions are read.
 */
#ifndef TOOLS_BUILDKIT_BUILD_PLAN_PRIVATE_H
#define TOOLS_BUILDKIT_BUILD_PLAN_PRIVATE_H

#include "store/base/buf.h"
#include "tools/buildkit/build_plan.h"
#include "tools/buildkit/build_vars.h"

/* What a stage has come to; kept for stages that begin with it. */
struct build_state {
	struct build_vars vars;
	const char *cwd;    /* absolute */
	const char *user;   /* "" nobody in particular */
	const char **shell; /* ended by NULL */
};

struct planning {
	const struct dockerfile *dockerfile;
	const struct build_plan_options *options;
	struct build_plan plan;
	struct build_vars global;   /* ARG before the first FROM */
	struct build_state *states; /* per stage */
};

/* The state of the last stage. */
struct build_state *planning_state(struct planning *p);

/* A copy of TEXT that lives as long as the plan; NULL without memory. */
const char *planning_keep(struct planning *p, const char *text);

/* Takes MEMORY over, which may be NULL. */
int planning_keep_memory(struct planning *p, void *memory, struct err *err) MUST_CHECK;

/* WORD expanded in the last stage, kept by the plan. */
int planning_expand(struct planning *p, const char *word, const char **ret,
		    struct err *err) MUST_CHECK;

/* A new step of the last stage; *ret is valid until the next one. */
int planning_add_step(struct planning *p, const struct dockerfile_instruction *i,
		      enum build_step_kind kind, struct build_step **ret,
		      struct err *err) MUST_CHECK;

/* PATH below the stage's working directory, cleaned. */
int planning_path(struct planning *p, const char *path, const char **ret,
		  struct err *err) MUST_CHECK;

/* The stage by name or number; BUILD_PLAN_NONE: there is none. */
size_t planning_stage(const struct planning *p, const char *name);

/* One instruction each. */
int planning_run(struct planning *p, const struct dockerfile_instruction *i,
		 struct err *err) MUST_CHECK;
int planning_copy(struct planning *p, const struct dockerfile_instruction *i,
		  struct err *err) MUST_CHECK;
int planning_workdir(struct planning *p, const struct dockerfile_instruction *i,
		     struct err *err) MUST_CHECK;

#endif
