/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: the index of a published store, opened and searched. Input as it is, and as the
 * body of an index whose checksums are right: byte 0 says how many records there are. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "store/base/endian.h"
#include "store/base/io.h"
#include "store/share.h"
#include "store/share_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(int r)
{
	if (r < 0 && r != -ERR_CORRUPT && r != -ERR_NOTFOUND && r != -ERR_FAILED)
		abort();
}

static void search(struct share *s, const uint8_t *data, size_t size)
{
	struct object_place place;
	struct digest d = {0};
	uint64_t sum = 0;

	for (size_t at = 0; at <= size && at < 64 * DIGEST_SIZE; at += DIGEST_SIZE) {
		memcpy(d.bytes, data + at,
		       size - at < DIGEST_SIZE ? size - at : DIGEST_SIZE);
		judge(share_object_get(s, &d, &place, NULL));
		judge(share_object_by_prefix(s, __builtin_bswap64(get_le64(d.bytes)), 60,
					     &d, NULL));
		sum += share_layer(s, &d) != NULL;
		sum += share_row(s, RECORD_BLOB, &d) != NULL;
		sum += share_row(s, RECORD_CHAIN, &d) != NULL;
		sum += share_row(s, RECORD_IMAGE, &d) != NULL;
		sum += share_row(s, RECORD_KEY, &d) != NULL;
	}
	for (size_t i = 0; i < share_ref_count(s); i++)
		sum += strlen(share_ref(s, i)->name);
	if (sum == UINT64_MAX)
		abort();
}

static void open_and_search(int fd, const uint8_t *data, size_t size)
{
	struct share *s = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = share_open(AT_FDCWD, path, &s, NULL);
	judge(r);
	if (r == 0)
		search(s, data, size);
	share_close(s);
}

/* DATA behind a header and before a table that belong to it. */
static int frame(int fd, const uint8_t *data, size_t size)
{
	uint8_t h[SHARE_HEADER_SIZE] = SHARE_MAGIC;
	uint64_t records = size ? data[0] : 0, sums[64];
	size_t blocks = 0;

	if (records * SHARE_RECORD_SIZE > size)
		records = size / SHARE_RECORD_SIZE;
	for (size_t at = 0; at < size && blocks < ARRAY_LEN(sums); at += SHARE_BLOCK) {
		size_t len = size - at < SHARE_BLOCK ? size - at : SHARE_BLOCK;

		put_le64(&sums[blocks++], XXH3_64bits(data + at, len));
	}
	put_le64(h + 8, records);
	put_le64(h + 16, size - records * SHARE_RECORD_SIZE);
	put_le64(h + 24, XXH3_64bits(sums, blocks * sizeof(sums[0])));
	put_le64(h + 40, XXH3_64bits(h, 40));
	if (io_pwrite(fd, h, sizeof(h), 0, "index", NULL) < 0 ||
	    io_pwrite(fd, data, size, sizeof(h), "index", NULL) < 0)
		return -1;
	return io_pwrite(fd, sums, blocks * sizeof(sums[0]), sizeof(h) + size, "index",
			 NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_fd int plain = memfd_create("index", MFD_CLOEXEC);
	auto_fd int framed = memfd_create("index", MFD_CLOEXEC);

	if (plain < 0 || framed < 0 || size > 1u << 20)
		return 0;
	if (io_pwrite(plain, data, size, 0, "index", NULL) == 0)
		open_and_search(plain, data, size);
	if (frame(framed, data, size) == 0)
		open_and_search(framed, data, size);
	return 0;
}
