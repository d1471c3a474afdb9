/* SPDX-License-Identifier: Apache-2.0
 * Takes a free loop device.
 */
#include "tools/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include "store/base/io.h"

/* Others take devices too: between finding one and taking it, it may be gone. */
#define ATTEMPTS 16

int loop_device_new(int file, const char *what, int *ret_fd, char *path, size_t size,
		    struct err *err)
{
	struct loop_config config = {
		.fd = (unsigned)file,
		.info = {.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR},
	};
	auto_fd int control = -1;
	int rc;

	rc = io_open(AT_FDCWD, "/dev/loop-control", O_RDWR, 0, &control, err);
	for (unsigned i = 0; i < ATTEMPTS && !rc; i++) {
		auto_fd int device = -1;
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			return err_sys(err, errno, "cannot get a loop device for %s",
				       what);
		snprintf(path, size, "/dev/loop%d", number);
		rc = io_open(AT_FDCWD, path, O_RDONLY, 0, &device, err);
		if (!rc && ioctl(device, LOOP_CONFIGURE, &config) == 0) {
			*ret_fd = steal_fd(&device);
			return 0;
		}
		if (!rc && errno != EBUSY)
			return err_sys(err, errno, "cannot bind %s to '%s'", what, path);
	}
	return rc ? rc : err_set(err, ERR_BUSY, "no free loop device for %s", what);
}
