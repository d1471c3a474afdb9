/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: the file `repacked`. What is taken is in order, is found again at its places, and
 * says the same when it was written and read once more.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/repack_done.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct repack_range *range_at(const struct repack_done *d, size_t i)
{
	return (const struct repack_range *)(const void *)d->ranges.data + i;
}

static void check(const struct repack_done *d)
{
	size_t count = d->ranges.len / sizeof(struct repack_range);

	for (size_t i = 0; i < count; i++) {
		const struct repack_range *here = range_at(d, i);
		const struct repack_range *last = i ? here - 1 : NULL;

		if (here->from >= here->to || here->level <= 0)
			abort();
		if (last && (last->pack > here->pack ||
			     (last->pack == here->pack && last->to > here->from)))
			abort();
		if (repack_done_level(d, here->pack, here->from) != here->level ||
		    repack_done_level(d, here->pack, here->to - 1) != here->level)
			abort();
	}
}

static void written_and_read(const struct repack_done *d, int dirfd)
{
	struct repack_done again;

	repack_done_init(&again);
	if (repack_done_write(d, dirfd, NULL) == 0) {
		if (repack_done_read(&again, dirfd, NULL) < 0 ||
		    again.ranges.len != d->ranges.len)
			abort();
		for (size_t i = 0; i < d->ranges.len / sizeof(struct repack_range); i++) {
			const struct repack_range *a = range_at(d, i);
			const struct repack_range *b = range_at(&again, i);

			if (a->pack != b->pack || a->level != b->level ||
			    a->from != b->from || a->to != b->to)
				abort();
		}
	}
	repack_done_release(&again);
}

/* Replacing a file is durable, which is slow: only one in 64 inputs is written. */
static bool is_chosen(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + data[i];
	return sum % 64 == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/fuzz-repacked.XXXXXX";
	struct repack_done done;

	repack_done_init(&done);
	if (repack_done_parse(&done, (const char *)data, size, NULL) == 0)
		check(&done);
	if (is_chosen(data, size) && mkdtemp(dir)) {
		auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			written_and_read(&done, fd);
		if (fd >= 0)
			unlinkat(fd, REPACK_DONE_FILE, 0);
		rmdir(dir);
	}
	repack_done_release(&done);
	return 0;
}
