/* SPDX-License-Identifier: Apache-2.0
 * File handles, as an NFS server keeps them.
 *
 *	handle make MOUNT        paths on stdin -> "TYPE:HEX PATH" on stdout
 *	handle open MOUNT        these lines on stdin -> "INODE MODE SIZE SHA256 PATH"
 *
 * A handle that cannot be opened gives the line "ERROR PATH". SHA256 is "-" for everything but
 * regular files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/auto.h"
#include "store/digest.h"

struct any_handle {
	struct file_handle h;
	unsigned char bytes[MAX_HANDLE_SZ]; /* where h.f_handle begins */
};

static void make(int mount, const char *path)
{
	struct any_handle a = {.h.handle_bytes = MAX_HANDLE_SZ};
	int id;

	(void)mount;
	if (name_to_handle_at(AT_FDCWD, path, &a.h, &id, 0) < 0) {
		printf("%s %s\n", strerror(errno), path);
		return;
	}
	printf("%x:", (unsigned)a.h.handle_type);
	for (unsigned i = 0; i < a.h.handle_bytes; i++)
		printf("%02x", a.bytes[i]);
	printf(" %s\n", path);
}

static int parse(const char *line, struct any_handle *ret, const char **ret_path)
{
	unsigned type, byte;
	int used = 0;

	if (sscanf(line, "%x:%n", &type, &used) != 1 || used == 0)
		return -1;
	ret->h.handle_type = (int)type;
	ret->h.handle_bytes = 0;
	for (line += used; *line != ' '; line += 2) {
		if (ret->h.handle_bytes == MAX_HANDLE_SZ ||
		    sscanf(line, "%2x", &byte) != 1)
			return -1;
		ret->bytes[ret->h.handle_bytes++] = (unsigned char)byte;
	}
	*ret_path = line + 1;
	return 0;
}

static int print_digest(int mount, struct any_handle *a)
{
	static unsigned char data[1 << 16];
	auto_hasher struct hasher *hasher = NULL;
	auto_fd int fd = open_by_handle_at(mount, &a->h, O_RDONLY);
	char hex[DIGEST_HEX_SIZE];
	struct digest d;
	ssize_t n;

	if (fd < 0 || hasher_new(&hasher, NULL) < 0)
		return -1;
	while ((n = read(fd, data, sizeof(data))) > 0)
		hasher_update(hasher, data, (size_t)n);
	hasher_final(hasher, &d);
	printf("%s ", digest_hex(&d, hex));
	return n < 0 ? -1 : 0;
}

static void use(int mount, const char *line)
{
	struct any_handle a;
	const char *path;
	struct stat st;
	auto_fd int fd = -1;

	if (parse(line, &a, &path) < 0) {
		printf("not a handle: %s\n", line);
		return;
	}
	fd = open_by_handle_at(mount, &a.h, O_PATH);
	if (fd < 0 || fstat(fd, &st) < 0) {
		printf("%s %s\n", strerror(errno), path);
		return;
	}
	printf("%llu %o %llu ", (unsigned long long)st.st_ino, (unsigned)st.st_mode,
	       (unsigned long long)(S_ISDIR(st.st_mode) ? 0 : st.st_size));
	if (!S_ISREG(st.st_mode))
		printf("- ");
	else if (print_digest(mount, &a) < 0)
		printf("%s ", strerror(errno));
	printf("%s\n", path);
}

int main(int argc, char **argv)
{
	void (*each)(int mount, const char *line) = NULL;
	auto_free char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int mount;

	if (argc == 3 && strcmp(argv[1], "make") == 0)
		each = make;
	else if (argc == 3 && strcmp(argv[1], "open") == 0)
		each = use;
	if (!each) {
		fprintf(stderr, "usage: handle make|open MOUNT\n");
		return 2;
	}
	mount = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (mount < 0) {
		perror(argv[2]);
		return 1;
	}
	while ((len = getline(&line, &cap, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		each(mount, line);
	}
	close(mount);
	return 0;
}
