/* SPDX-License-Identifier: Apache-2.0
 * Runs a fuzz target over files and directories of files, where libFuzzer is not: what was
 * found once stays a test. Prints how many inputs there were.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static void run(int fd, const char *name, size_t size)
{
	/* Exactly as large as the input, so that a sanitizer sees a byte too many. */
	uint8_t *data = malloc(size ? size : 1);
	size_t at = 0;

	if (!data)
		errx(2, "out of memory");
	while (at < size) {
		ssize_t n = read(fd, data + at, size - at);

		if (n <= 0)
			err(2, "cannot read '%s'", name);
		at += (size_t)n;
	}
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	inputs++;
}

static void run_at(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(2, "cannot open '%s'", name);
	if (S_ISREG(st.st_mode))
		run(fd, name, (size_t)st.st_size);
	close(fd);
}

static void run_directory(const char *path)
{
	struct dirent **names;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = scandir(path, &names, NULL, alphasort);

	if (dir < 0 || n < 0)
		err(2, "cannot read '%s'", path);
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			run_at(dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	close(dir);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) < 0)
			err(2, "cannot open '%s'", argv[i]);
		if (S_ISDIR(st.st_mode))
			run_directory(argv[i]);
		else
			run_at(AT_FDCWD, argv[i]);
	}
	printf("%u inputs\n", inputs);
	return inputs ? 0 : 1;
}
