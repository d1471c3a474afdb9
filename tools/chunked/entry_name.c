/* SPDX-License-Identifier: Apache-2.0
 * Names of a tar's entries. */
#include "tools/chunked/entry_name.h"

#include "store/base/buf.h"

int entry_name_digest(const char *path, size_t len, struct digest *ret, struct err *err)
{
	const char *end = path + len;
	auto_buf struct buf clean;
	int rc = 0;

	buf_init(&clean, len + 1);
	while (path < end && !rc) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t part = (size_t)((slash ? slash : end) - path);

		if (part && !(part == 1 && *path == '.')) {
			rc = buf_append(&clean, "/", 1, err);
			if (!rc)
				rc = buf_append(&clean, path, part, err);
		}
		path += part + 1;
	}
	if (!rc)
		digest_of(clean.data, clean.len, ret);
	return rc;
}
