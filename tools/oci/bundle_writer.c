/* SPDX-License-Identifier: Apache-2.0
 * Sets of named files being written: the names, and archives. */
#include <string.h>

#include "store/base/io.h"
#include "store/tar_write.h"
#include "tools/new_file.h"
#include "tools/oci/bundle_writer_private.h"

#define NAMES_MAX   100000
#define HEADER_SIZE TAR_BLOCK_SIZE

static bool is_written(const struct bundle_writer *w, const char *name)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->names[i], name) == 0)
			return true;
	return false;
}

bool bundle_writer_has(struct bundle_writer *w, const char *name)
{
	return is_written(w, name) || (w->ops->has && w->ops->has(w, name));
}

static int add_name(struct bundle_writer *w, const char *name, struct err *err)
{
	char **names;

	if (w->count == NAMES_MAX)
		return err_set(err, ERR_LIMIT, "more than %d files", NAMES_MAX);
	names = reallocarray(w->names, w->count + 1, sizeof(char *));
	if (!names)
		return err_nomem(err);
	w->names = names;
	names[w->count] = strdup(name);
	if (!names[w->count])
		return err_nomem(err);
	w->count++;
	return 0;
}

int bundle_writer_begin(struct bundle_writer *w, struct err *err)
{
	return w->ops->begin(w, err);
}

int bundle_writer_write(struct bundle_writer *w, const void *data, size_t len,
			struct err *err)
{
	return w->ops->write(w, data, len, err);
}

int bundle_writer_end(struct bundle_writer *w, const char *name, struct err *err)
{
	bool known = is_written(w, name);
	int rc = w->ops->end(w, known ? NULL : name, err);

	return rc || known ? rc : add_name(w, name, err);
}

int bundle_writer_put(struct bundle_writer *w, const char *name, const void *data,
		      size_t len, struct err *err)
{
	int rc = bundle_writer_begin(w, err);

	if (!rc)
		rc = bundle_writer_write(w, data, len, err);
	return rc ? rc : bundle_writer_end(w, name, err);
}

int bundle_writer_finish(struct bundle_writer *w, struct err *err)
{
	return w->ops->finish(w, err);
}

void bundle_writer_free(struct bundle_writer *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++)
		free(w->names[i]);
	free(w->names);
	free(w->path);
	w->ops->free(w);
}

int bundle_writer_parents(const char *name, bundle_writer_parent_fn *each, void *arg,
			  struct err *err)
{
	char dir[4096];
	int rc = 0;

	for (const char *slash = strchr(name, '/'); slash && !rc;
	     slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - name);

		if (len >= sizeof(dir))
			return err_set(err, ERR_LIMIT, "the name '%s' is too long", name);
		memcpy(dir, name, len);
		dir[len] = '\0';
		rc = each(arg, dir, err);
	}
	return rc;
}

/* ---- archives ---- */

struct archive_writer {
	struct bundle_writer base;
	struct new_file file;
	uint64_t start, at; /* of the member being written; where the next byte goes */
};

static int put_header(struct archive_writer *a, enum tar_type type, const char *name,
		      uint64_t size, uint64_t at, struct err *err)
{
	struct tar_entry e = {.type = type,
			      .path = name,
			      .path_len = strlen(name),
			      .link = "",
			      .mode = type == TAR_DIR ? 0755 : 0644};
	unsigned sum = 0;
	auto_buf struct buf header;
	char text[16];
	int rc;

	buf_init(&header, 64u << 10);
	rc = tar_write_entry(&header, &e, err);
	if (!rc && header.len != HEADER_SIZE)
		rc = err_set(err, ERR_LIMIT, "the name '%s' is too long", name);
	if (rc)
		return rc;
	/* The size last, in binary where eight digits and more would need a PAX header:
	 * there is room for one block. */
	if (size < 1ull << 33) {
		snprintf(text, sizeof(text), "%011jo", (uintmax_t)size);
		memcpy(header.data + 124, text, 12);
	} else {
		memset(header.data + 124, 0, 12);
		header.data[124] = 0x80;
		for (unsigned i = 0; i < 8; i++)
			header.data[135 - i] = (uint8_t)(size >> 8 * i);
	}
	memset(header.data + 148, ' ', 8);
	for (size_t i = 0; i < HEADER_SIZE; i++)
		sum += header.data[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(header.data + 148, text, 7);
	return io_pwrite(a->file.fd, header.data, HEADER_SIZE, at, a->base.path, err);
}

static int put_dir(void *arg, const char *dir, struct err *err)
{
	struct archive_writer *a = arg;
	int rc = put_header(a, TAR_DIR, dir, 0, a->at, err);
	a->at += HEADER_SIZE;
	return rc;
}

static int begin_member(struct bundle_writer *w, struct err *err)
{
	struct archive_writer *a = (struct archive_writer *)w;

	(void)err;
	a->start = a->at;
	a->at += HEADER_SIZE;
	return 0;
}

static int write_member(struct bundle_writer *w, const void *data, size_t len,
			struct err *err)
{
	struct archive_writer *a = (struct archive_writer *)w;
	int rc = io_pwrite(a->file.fd, data, len, a->at, w->path, err);

	a->at += len;
	return rc;
}

static int end_member(struct bundle_writer *w, const char *name, struct err *err)
{
	static const char zeros[TAR_BLOCK_SIZE];
	struct archive_writer *a = (struct archive_writer *)w;
	uint64_t size = a->at - a->start - HEADER_SIZE;
	size_t padding = tar_write_padding(size);
	int rc;

	if (!name) {
		a->at = a->start;
		return io_truncate(a->file.fd, a->at, w->path, err);
	}
	rc = put_header(a, TAR_FILE, name, size, a->start, err);
	if (!rc && padding)
		rc = io_pwrite(a->file.fd, zeros, padding, a->at, w->path, err);
	a->at += padding;
	return rc;
}

static int finish_archive(struct bundle_writer *w, struct err *err)
{
	static const char end[2 * TAR_BLOCK_SIZE];
	struct archive_writer *a = (struct archive_writer *)w;
	int rc = io_pwrite(a->file.fd, end, sizeof(end), a->at, w->path, err);

	return rc ? rc : new_file_finish(&a->file, err);
}

static void free_archive(struct bundle_writer *w)
{
	struct archive_writer *a = (struct archive_writer *)w;

	new_file_release(&a->file);
	free(a);
}

static const struct bundle_writer_ops archive_ops = {
	.begin = begin_member,
	.write = write_member,
	.end = end_member,
	.finish = finish_archive,
	.free = free_archive,
};

int bundle_writer_archive(const char *path, const char *dirs, int spool_dirfd,
			  struct bundle_writer **ret, struct err *err)
{
	auto_bundle_writer struct bundle_writer *w = NULL;
	struct archive_writer *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return err_nomem(err);
	a->base.ops = &archive_ops;
	w = &a->base;
	w->path = strdup(path);
	if (!w->path)
		return err_nomem(err);
	rc = new_file_open(path, spool_dirfd, &a->file, err);
	if (!rc)
		rc = bundle_writer_parents(dirs, put_dir, a, err);
	if (!rc)
		*ret = steal_ptr(&w);
	return rc;
}
