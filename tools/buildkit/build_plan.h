/* SPDX-License-Identifier: Apache-2.0
 * From a Dockerfile to the steps that BuildKit would make of it, each with the digests that
 * its record can have. What cannot be computed from outside (mounts, here-documents, remote
 * files, another frontend) says so; the steps after it still have theirs.
 */
#ifndef TOOLS_BUILDKIT_BUILD_PLAN_H
#define TOOLS_BUILDKIT_BUILD_PLAN_H

#include "store/base/buf.h"
#include "store/digest.h"
#include "tools/buildkit/dockerfile.h"
#include "tools/oci/platform.h"

#define BUILD_PLAN_STAGES_MAX  1024
#define BUILD_PLAN_RECORDS_MAX 8
#define BUILD_PLAN_BASES_MAX   3
#define BUILD_PLAN_NONE        SIZE_MAX

/* What a base image says, for FROM. */
struct build_plan_base {
	bool known; /* it is in the store: RECORDS are set */
	bool scratch;
	struct digest records[BUILD_PLAN_BASES_MAX]; /* by layers, manifest, index */
	size_t record_count;
	const char *name; /* as FROM has it */
};

/* Fills in the records and appends the image's environment, NAME=VALUE and NUL each, to ENV; *ret_cwd
 * and *ret_user are texts that the caller frees, or NULL. ERR_NOTFOUND: it is not there. */
typedef int build_plan_base_fn(void *arg, struct build_plan_base *base, struct buf *env,
			       char **ret_cwd, char **ret_user, struct err *err);

enum build_step_kind {
	BUILD_STEP_RUN = 1,
	BUILD_STEP_COPY, /* and ADD */
	BUILD_STEP_WORKDIR,
};

struct build_step {
	enum build_step_kind kind;
	size_t stage;
	unsigned line;
	const char *text;    /* of the instruction, on one line */
	const char *unknown; /* why its digests are not known; NULL: they are */
	size_t below;        /* the step it rests on; BUILD_PLAN_NONE: its stage's base */
	struct digest records[BUILD_PLAN_RECORDS_MAX];
	size_t record_count;
	/* COPY: */
	size_t from;          /* stage; BUILD_PLAN_NONE: the context */
	const char **sources; /* below the root of that: "/src"; patterns are as given */
	size_t source_count;
	struct digest selector; /* with a stage */
	const char *dest;       /* absolute, "/" at the end as given */
	bool sets_mode, sets_owner;
};

struct build_stage {
	const char *name; /* "" if it has none */
	struct build_plan_base base;
	size_t parent; /* the stage that it begins with; BUILD_PLAN_NONE: base */
	size_t last;   /* its last step, or what PARENT ends in; BUILD_PLAN_NONE: base */
	bool needed;   /* for the target */
};

struct build_plan {
	struct build_step *steps;
	size_t step_count;
	struct build_stage *stages;
	size_t stage_count;
	size_t target;
	void **memory; /* texts */
	size_t memory_count;
};

struct build_plan_options {
	const struct platform *platform;
	const char *target;            /* stage; NULL: the last */
	const char *const *build_args; /* NAME=VALUE, ended by NULL */
	build_plan_base_fn *base;
	void *arg;
};

/* D is used as long as the plan. ERR_INVALID: what Docker would refuse, too. */
int build_plan_make(const struct dockerfile *d, const struct build_plan_options *options,
		    struct build_plan *ret, struct err *err) MUST_CHECK;
void build_plan_release(struct build_plan *p); /* also a zeroed one */
#define auto_build_plan __attribute__((cleanup(build_plan_release)))

#endif
