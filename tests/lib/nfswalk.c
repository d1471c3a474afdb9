/* SPDX-License-Identifier: Apache-2.0
 * nfswalk SERVER EXPORT: walks an NFSv4 export with libnfs and prints a line per entry, as
 * treeimage.py does (unsorted, without xattrs):
 *
 *	PATH TYPE MODE UID GID SIZE MTIME NLINK CONTENT
 *
 * libnfs does not ask for device numbers: CONTENT of a device is "-". */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <nfsc/libnfs.h>

#include "store/base/buf.h"
#include "store/digest.h"

#define PIECE (1u << 20)

struct walk {
	struct nfs_context *nfs;
	struct hasher *hasher;
	char *todo; /* paths of directories, each with its NUL */
	size_t len, cap;
};

static void die(struct walk *w, const char *what, const char *path)
{
	fprintf(stderr, "nfswalk: %s '%s': %s\n", what, path, nfs_get_error(w->nfs));
	exit(1);
}

static void print_escaped(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c > 0x20 && c < 0x7f && c != '\\')
			putchar(c);
		else
			printf("\\x%02x", c);
	}
}

static void push(struct walk *w, const char *path)
{
	size_t n = strlen(path) + 1;

	while (w->cap - w->len < n) {
		w->cap = w->cap ? 2 * w->cap : 65536;
		w->todo = realloc(w->todo, w->cap);
		if (!w->todo)
			abort();
	}
	memcpy(w->todo + w->len, path, n);
	w->len += n;
}

/* Gives the last path that was pushed; false if there is none. */
static bool pop(struct walk *w, char *path, size_t size)
{
	size_t from = w->len;

	if (!from)
		return false;
	for (from--; from && w->todo[from - 1]; from--)
		;
	snprintf(path, size, "%s", w->todo + from);
	w->len = from;
	return true;
}

static void print_digest(struct walk *w, const char *path, uint64_t size)
{
	static uint8_t data[PIECE];
	char hex[DIGEST_HEX_SIZE];
	struct digest d;
	struct nfsfh *f;
	uint64_t off = 0;

	if (nfs_open(w->nfs, path, O_RDONLY, &f) < 0)
		die(w, "cannot open", path);
	while (off < size) {
		int n = nfs_pread(w->nfs, f, off, PIECE, data);

		if (n < 0)
			die(w, "cannot read", path);
		if (n == 0)
			break;
		hasher_update(w->hasher, data, (size_t)n);
		off += (uint64_t)n;
	}
	nfs_close(w->nfs, f);
	hasher_final(w->hasher, &d);
	fputs(digest_hex(&d, hex), stdout);
}

static void print_content(struct walk *w, const char *path, const struct nfs_stat_64 *st)
{
	char *target;

	if (S_ISREG(st->nfs_mode) && st->nfs_size) {
		print_digest(w, path, st->nfs_size);
	} else if (S_ISLNK(st->nfs_mode)) {
		if (nfs_readlink2(w->nfs, path, &target) < 0)
			die(w, "cannot read link", path);
		print_escaped(target);
		free(target);
	} else {
		putchar('-');
	}
}

static char type_letter(uint64_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 'f';
	case S_IFDIR:
		return 'd';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFIFO:
		return 'p';
	case S_IFLNK:
		return 'l';
	default:
		return '?';
	}
}

static void print_entry(struct walk *w, const char *path)
{
	struct nfs_stat_64 st;

	if (nfs_lstat64(w->nfs, path, &st) < 0)
		die(w, "cannot stat", path);
	print_escaped(path);
	printf(" %c %04o %u %u ", type_letter(st.nfs_mode),
	       (unsigned)(st.nfs_mode & 07777), (unsigned)st.nfs_uid,
	       (unsigned)st.nfs_gid);
	if (S_ISREG(st.nfs_mode) || S_ISLNK(st.nfs_mode))
		printf("%llu ", (unsigned long long)st.nfs_size);
	else
		fputs("- ", stdout);
	printf("%lld.%09llu ", (long long)st.nfs_mtime,
	       (unsigned long long)st.nfs_mtime_nsec);
	if (S_ISDIR(st.nfs_mode))
		fputs("- ", stdout);
	else
		printf("%llu ", (unsigned long long)st.nfs_nlink);
	print_content(w, path, &st);
	putchar('\n');
	if (S_ISDIR(st.nfs_mode))
		push(w, path);
}

static void walk_dir(struct walk *w, const char *path)
{
	struct nfsdir *dir;
	struct nfsdirent *e;
	char child[8192 + 256];

	if (nfs_opendir(w->nfs, path, &dir) < 0)
		die(w, "cannot list", path);
	while ((e = nfs_readdir(w->nfs, dir))) {
		if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
			continue;
		snprintf(child, sizeof(child), "%s/%s", path[1] ? path : "", e->name);
		print_entry(w, child);
	}
	nfs_closedir(w->nfs, dir);
}

int main(int argc, char **argv)
{
	struct walk w = {0};
	char path[8192];

	if (argc != 3) {
		fprintf(stderr, "usage: nfswalk SERVER EXPORT\n");
		return 2;
	}
	w.nfs = nfs_init_context();
	if (!w.nfs || hasher_new(&w.hasher, NULL) < 0)
		return 1;
	nfs_set_version(w.nfs, 4);
	nfs_set_autoreconnect(w.nfs, 0);
	if (nfs_mount(w.nfs, argv[1], argv[2]) < 0)
		die(&w, "cannot mount", argv[2]);
	print_entry(&w, "/");
	while (pop(&w, path, sizeof(path)))
		walk_dir(&w, path);
	hasher_free(w.hasher);
	free(w.todo);
	nfs_destroy_context(w.nfs);
	return fflush(stdout) ? 1 : 0;
}
