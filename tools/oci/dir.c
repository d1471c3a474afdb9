/* SPDX-License-Identifier: Apache-2.0
 * skopeo's dir: transport: manifest.json, blobs named by their hex digits, the manifests of
 * an index as <hex>.manifest.json. */
#include <string.h>

#include "tools/oci/bundle.h"
#include "tools/oci/source.h"

struct dir {
	struct source source;
	struct bundle *bundle;
	struct manifest manifest;
};

static int open_blob(struct source *s, const struct descriptor *d, struct stream **ret,
		     uint64_t *ret_size, struct err *err)
{
	struct dir *dir = (struct dir *)s;
	char hex[DIGEST_HEX_SIZE], name[32 + DIGEST_HEX_SIZE];
	int rc =
		bundle_open(dir->bundle, digest_hex(&d->digest, hex), ret, ret_size, err);

	if (rc != -ERR_NOTFOUND)
		return rc;
	snprintf(name, sizeof(name), "%s.manifest.json", hex);
	return bundle_open(dir->bundle, name, ret, ret_size, err);
}

static void close_dir(struct source *s)
{
	struct dir *dir = (struct dir *)s;

	manifest_release(&dir->manifest);
	bundle_close(dir->bundle);
	free(dir);
}

static const struct source_ops dir_ops = {open_blob, close_dir};

static int read_root(struct dir *dir, struct err *err)
{
	struct descriptor root;
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX + 1);
	rc = bundle_read(dir->bundle, "manifest.json", &bytes, err);
	if (rc)
		return rc;
	rc = manifest_parse(bytes.data, bytes.len, NULL, &dir->manifest, err);
	if (rc)
		return err_wrap(err, "manifest.json");
	rc = source_add_document(&dir->source, &bytes, &root, err);
	if (rc)
		return rc;
	root.media_type = dir->manifest.media_type;
	root.kind = descriptor_kind(root.media_type);
	return source_add_root(&dir->source, &root, NULL, NULL, err);
}

int dir_open(const char *path, int spool_dirfd, struct source **ret, struct err *err)
{
	auto_source struct source *s = NULL;
	struct bundle *bundle;
	struct dir *dir;
	int rc = bundle_open_dir(path, &bundle, err);

	(void)spool_dirfd;
	if (rc)
		return rc;
	dir = calloc(1, sizeof(*dir));
	if (!dir) {
		bundle_close(bundle);
		return err_nomem(err);
	}
	dir->bundle = bundle;
	dir->source.ops = &dir_ops;
	s = &dir->source;
	rc = read_root(dir, err);
	if (!rc)
		*ret = steal_ptr(&s);
	return rc;
}
