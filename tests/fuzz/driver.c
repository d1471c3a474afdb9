/* SPDX-License-Identifier: Apache-2.0
 * main() of a fuzz target that is built without libFuzzer: runs it once over each file given,
 * and over each file below the directories given, in the order of their names. Options of
 * libFuzzer (-runs=0) are passed over. */
#include <ftw.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"

#define FILE_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* nftw has no argument for its callback. */
static struct {
	char **items;
	size_t count;
} paths;

static int add_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	char **items;

	(void)at;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	items = reallocarray(paths.items, paths.count + 1, sizeof(*items));
	if (!items)
		return -1;
	paths.items = items;
	items[paths.count] = strdup(path);
	return items[paths.count] ? (paths.count++, 0) : -1;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The input lies in memory of exactly its size: reads behind it are seen by sanitizers. */
static int run_file(const char *path, struct err *err)
{
	auto_buf struct buf content;
	auto_free uint8_t *exact = NULL;
	int r;

	buf_init(&content, FILE_MAX);
	r = io_read_file(AT_FDCWD, path, &content, err);
	if (r < 0)
		return r;
	exact = malloc(content.len ? content.len : 1);
	if (!exact)
		return err_nomem(err);
	if (content.len)
		memcpy(exact, content.data, content.len);
	LLVMFuzzerTestOneInput(exact, content.len);
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	size_t done = 0;

	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-' && nftw(argv[i], add_path, 16, FTW_PHYS) != 0) {
			fprintf(stderr, "cannot list '%s'\n", argv[i]);
			return 1;
		}
	if (paths.count)
		qsort(paths.items, paths.count, sizeof(*paths.items), compare);
	for (; done < paths.count; done++) {
		if (run_file(paths.items[done], &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			return 1;
		}
		free(paths.items[done]);
	}
	free(paths.items);
	printf("%zu inputs\n", done);
	return done ? 0 : 1;
}
