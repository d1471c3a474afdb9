/* SPDX-License-Identifier: Apache-2.0
 * A layer that an alternate has, as this store's own: recipe and tree are copied into the
 * session's pack, content stays where it is. No byte of the layer's tar is read.
 */
#ifndef STORE_LAYER_ADOPT_H
#define STORE_LAYER_ADOPT_H

#include "store/session.h"

/* Adds the LAYER item. ERR_NOTFOUND: no alternate has it. Thread-safe. */
int layer_adopt(struct session *s, const struct digest *diffid, struct record_layer *ret,
		struct err *err) MUST_CHECK;

#endif
