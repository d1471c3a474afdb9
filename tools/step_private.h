/* SPDX-License-Identifier: Apache-2.0
 * The parts of step_open.
 */
#ifndef TOOLS_STEP_PRIVATE_H
#define TOOLS_STEP_PRIVATE_H

#include "tools/step.h"

/* Fills in the parent, if there is one, and what its configuration says. */
int step_parent_find(struct store *store, struct step *s, struct err *err) MUST_CHECK;

/* Environment, workdir, user, platform, network. */
int step_effect_find(struct step *s, struct err *err) MUST_CHECK;

/* Reads --chown and all inputs. */
int step_inputs_read(struct step *s, struct err *err) MUST_CHECK;
void step_inputs_release(struct step *s);

#endif
