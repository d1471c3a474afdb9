/* SPDX-License-Identifier: Apache-2.0
 * The inputs of a build step, copied into its root as COPY does: what counts in the key is
 * copied (names, types, modes, xattrs, link targets, bytes; not ACLs), and the time of change.
 * Directories are merged, files replaced.
 */
#ifndef TOOLS_RUN_RUN_COPY_H
#define TOOLS_RUN_RUN_COPY_H

#include "tools/step.h"

/* ROOTFD: the step's root. S: workdir and owners. An input that is not any more what its
 * digest says is ERR_FAILED. */
int run_copy_input(int rootfd, const struct step *s, const struct step_input *input,
		   struct err *err) MUST_CHECK;

/* "COPY PATH DEST", for the history: of an absolute PATH the last part, so that it does not
 * matter where a host has it. */
int run_copy_text(const struct step_input *input, struct buf *out,
		  struct err *err) MUST_CHECK;

#endif
