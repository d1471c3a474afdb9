/* SPDX-License-Identifier: Apache-2.0
 * A build step executed: its root made, its inputs copied in, its command run, and what
 * changed recorded as a layer, an image and the result of the step's keys.
 */
#ifndef TOOLS_RUN_RUN_STEP_H
#define TOOLS_RUN_RUN_STEP_H

#include "tools/run/run_sandbox.h"
#include "tools/step.h"

struct run_step {
	struct store *store;
	const struct step *step;
	char *const *command; /* NULL-terminated; empty: only inputs and configuration */
	size_t command_count;
	const struct run_secret *secrets;
	size_t secret_count;
	const char *name; /* of the image, normalised; NULL: none */
	int64_t created;  /* seconds since the epoch */
	bool clamp;       /* no time in the layer is later than CREATED */
	bool replace;     /* a result that is there gives way */
};

struct run_done {
	int status;     /* of the command; not 0: nothing was recorded */
	struct err why; /* status 126 or 127: why it was not started */
	struct record_image image;
	bool moved; /* the name was another image's */
};

int run_step(const struct run_step *r, struct run_done *ret, struct err *err) MUST_CHECK;

#endif
