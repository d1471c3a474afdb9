/* SPDX-License-Identifier: Apache-2.0
 * Directories of a checkout by index, opened one in the other. */
#include "tools/checkout/checkout_private.h"

#include <fcntl.h>

void checkout_dirs_init(struct checkout_dirs *d, const struct checkout *c)
{
	*d = (struct checkout_dirs){.c = c};
	buf_init(&d->way, 1u << 30);
}

void checkout_dirs_release(struct checkout_dirs *d)
{
	for (unsigned i = 0; i < CHECKOUT_DIRS_OPEN; i++)
		if (d->open[i].dir)
			close(d->open[i].fd);
	buf_release(&d->way);
	*d = (struct checkout_dirs){0};
}

static bool is_open(const struct checkout_dirs *d, uint32_t dir, int *ret_fd)
{
	if (dir == 0)
		*ret_fd = d->c->root;
	else if (d->open[dir % CHECKOUT_DIRS_OPEN].dir == dir)
		*ret_fd = d->open[dir % CHECKOUT_DIRS_OPEN].fd;
	else
		return false;
	return true;
}

static void keep(struct checkout_dirs *d, uint32_t dir, int fd)
{
	unsigned slot = dir % CHECKOUT_DIRS_OPEN;

	if (d->open[slot].dir)
		close(d->open[slot].fd);
	d->open[slot].dir = dir;
	d->open[slot].fd = fd;
}

/* It may have its own mode already, which need not let its owner in. */
static int open_closed(int parent, const char *name, int flags)
{
	char path[64];
	auto_fd int fd = openat(parent, name, flags | O_PATH);

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, 0700) < 0)
		return -1;
	return openat(parent, name, flags);
}

static int open_dir(struct checkout_dirs *d, int parent, uint32_t dir, int *ret_fd,
		    struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	const struct checkout_name *at = &checkout_dir_at(d->c, dir)->at;
	char name[CHECKOUT_NAME_SIZE];
	int fd = openat(parent, checkout_name_text(at, name), flags);

	if (fd < 0 && errno == EACCES && d->removing)
		fd = open_closed(parent, name, flags);
	if (fd < 0)
		return checkout_failed(d->c, at, "open", errno, err);
	if (d->removing && fchmod(fd, 0700) < 0) {
		int errnum = errno;

		close(fd);
		return checkout_failed(d->c, at, "change the mode of", errnum, err);
	}
	*ret_fd = fd;
	return 0;
}

int checkout_dirs_get(struct checkout_dirs *d, uint32_t dir, int *ret_fd, struct err *err)
{
	int fd, r = 0;

	buf_clear(&d->way);
	while (!is_open(d, dir, &fd) && r == 0) {
		r = buf_append(&d->way, &dir, sizeof(dir), err);
		dir = checkout_dir_at(d->c, dir)->at.dir;
	}
	while (d->way.len && r == 0) {
		d->way.len -= sizeof(dir);
		memcpy(&dir, d->way.data + d->way.len, sizeof(dir));
		r = open_dir(d, fd, dir, &fd, err);
		if (r == 0)
			keep(d, dir, fd);
	}
	if (r == 0)
		*ret_fd = fd;
	return r;
}
