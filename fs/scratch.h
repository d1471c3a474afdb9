/* SPDX-License-Identifier: Apache-2.0
 * One buffer per thread for replies, kept between requests: a read of a megabyte should not
 * pay for fresh pages each time.
 */
#ifndef FS_SCRATCH_H
#define FS_SCRATCH_H

#include <stddef.h>

/* At least SIZE bytes, valid until the thread's next call; NULL if there is no memory. Freed
 * when the thread ends. */
void *scratch_get(size_t size);

#endif
