/* SPDX-License-Identifier: Apache-2.0
 * statwalk DIR: the least that anything can do that looks for changes in a tree: lists every
 * directory and asks for the attributes of every entry. Prints how many there are. */
#include <dirent.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned long walk(int fd)
{
	DIR *dir = fdopendir(fd);
	unsigned long count = 0;
	struct dirent *e;

	if (!dir)
		error(1, errno, "cannot list a directory");
	while ((e = readdir(dir))) {
		struct statx st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (statx(dirfd(dir), e->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS,
			  &st) != 0)
			error(1, errno, "cannot read the attributes of '%s'", e->d_name);
		count++;
		if (S_ISDIR(st.stx_mode)) {
			int sub = openat(dirfd(dir), e->d_name,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub < 0)
				error(1, errno, "cannot open '%s'", e->d_name);
			count += walk(sub);
		}
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0)
		error(1, argc == 2 ? errno : 0, "usage: statwalk DIR");
	printf("%lu\n", walk(fd));
	return 0;
}
