/* SPDX-License-Identifier: Apache-2.0
 * A loop device for kernels that cannot mount a file.
 */
#ifndef TOOLS_LOOP_DEVICE_H
#define TOOLS_LOOP_DEVICE_H

#include <stddef.h>

#include "store/base/err.h"

/* Binds FILE (open for reading) read-only to a free loop device, whose path goes to PATH.
 * The device lives as long as *ret_fd or a mount of it. */
int loop_device_new(int file, const char *what, int *ret_fd, char *path, size_t size,
		    struct err *err) MUST_CHECK;

#endif
