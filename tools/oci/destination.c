/* SPDX-License-Identifier: Apache-2.0
 * Where images go to. */
#include "tools/oci/destination.h"

#include <string.h>

#include "store/base/io.h"
#include "tools/oci/reference.h"
#include "tools/oci/source.h"
#include "tools/registry/push_writer.h"
#include "tools/registry/remote_source.h"

#define LAYOUT_VERSION "{\"imageLayoutVersion\":\"1.0.0\"}"
#define DIR_VERSION    "Directory Transport Version: 1.1\n"
#define NAME_BYTES_MAX 1024

static const struct {
	const char *name;
	enum destination_kind kind;
} transports[] = {
	{"oci", DESTINATION_OCI},
	{"oci-archive", DESTINATION_OCI_ARCHIVE},
	{"docker-archive", DESTINATION_DOCKER_ARCHIVE},
	{"dir", DESTINATION_DIR},
};

void destination_release(struct destination *d)
{
	bundle_writer_free(d->writer);
	remote_close(d->remote);
	json_decref(d->listed);
	free(d->path);
	free(d->ref);
	*d = (struct destination){0};
}

int destination_share(const struct destination *d, struct destination *ret,
		      struct err *err)
{
	*ret = (struct destination){.kind = d->kind, .remote = d->remote};
	return push_writer_new(d->remote, &ret->writer, err);
}

void destination_unshare(struct destination *d)
{
	bundle_writer_free(d->writer);
	*d = (struct destination){0};
}

/* ---- opening ---- */

static bool is_docker(const struct destination *d)
{
	return d->kind == DESTINATION_DOCKER_ARCHIVE;
}

static bool has_ref(const struct destination *d)
{
	return d->kind != DESTINATION_DIR;
}

/* "PATH[:REF]": PATH may have colons where it exists already; else the first one ends it. */
static int split(struct destination *d, const char *text, struct err *err)
{
	char *colon, *first;

	d->path = strdup(text);
	if (!d->path)
		return err_nomem(err);
	if (!has_ref(d) || access(d->path, F_OK) == 0)
		return 0;
	first = strchr(d->path, ':');
	for (colon = strrchr(d->path, ':'); colon && colon != first;
	     colon = memrchr(d->path, ':', (size_t)(colon - d->path))) {
		*colon = '\0';
		if (access(d->path, F_OK) == 0)
			break;
		*colon = ':';
	}
	if (!colon)
		return 0;
	*colon = '\0';
	d->ref = strdup(colon + 1);
	return d->ref ? 0 : err_nomem(err);
}

static int check(const struct destination *d, const char *text, struct err *err)
{
	if (!*d->path)
		return err_set(err, ERR_USAGE, "bad destination '%s': no path", text);
	if (strcmp(d->path, "-") == 0 &&
	    (d->kind == DESTINATION_OCI || d->kind == DESTINATION_DIR))
		return err_set(err, ERR_USAGE,
			       "bad destination '%s': a directory is no stream", text);
	if (d->ref && !is_docker(d) && !reference_is_tag(d->ref) &&
	    !strpbrk(d->ref, "/:"))
		return err_set(err, ERR_USAGE, "bad destination '%s': bad tag", text);
	return 0;
}

static int open_writer(struct destination *d, int spool_dirfd, struct err *err)
{
	switch (d->kind) {
	case DESTINATION_OCI:
		return bundle_writer_dir(d->path, BUNDLE_WRITER_ADD, "oci-layout",
					 &d->writer, err);
	case DESTINATION_DIR:
		return bundle_writer_dir(d->path, BUNDLE_WRITER_REPLACE, "version",
					 &d->writer, err);
	case DESTINATION_OCI_ARCHIVE:
		return bundle_writer_archive(d->path, "blobs/sha256/", spool_dirfd,
					     &d->writer, err);
	case DESTINATION_DOCKER_ARCHIVE:
	case DESTINATION_REGISTRY:
		break;
	}
	return bundle_writer_archive(d->path, "", spool_dirfd, &d->writer, err);
}

static int open_registry(struct destination *d, const char *name,
			 const struct remote_options *options, struct err *err)
{
	struct buf full;
	int rc;

	d->kind = DESTINATION_REGISTRY;
	buf_init(&full, NAME_BYTES_MAX);
	rc = reference_normalize(name, &full, err);
	d->ref = (char *)full.data;
	if (!rc)
		rc = remote_open(d->ref, options, true, &d->remote, err);
	return rc ? rc : push_writer_new(d->remote, &d->writer, err);
}

int destination_open(const char *text, int spool_dirfd,
		     const struct remote_options *registry, struct destination *ret,
		     struct err *err)
{
	auto_destination struct destination d = {0};
	const char *rest = NULL, *name = remote_source_name(text);
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(transports) && !d.kind; i++)
		if (source_transport(text, transports[i].name, &rest))
			d.kind = transports[i].kind;
	if (!d.kind && !name)
		return err_set(err, ERR_USAGE,
			       "bad destination '%s': not oci:DIR, oci-archive:FILE, "
			       "docker-archive:FILE, dir:DIR, docker://REF or tar:FILE",
			       text);
	if (d.kind) {
		rc = split(&d, rest, err);
		if (!rc)
			rc = check(&d, text, err);
		if (!rc)
			rc = open_writer(&d, spool_dirfd, err);
	} else {
		rc = open_registry(&d, name, registry, err);
	}
	if (!rc) {
		*ret = d;
		d = (struct destination){0};
	}
	return rc;
}

/* ---- names ---- */

static bool is_layout(const struct destination *d)
{
	return d->kind == DESTINATION_OCI || d->kind == DESTINATION_OCI_ARCHIVE;
}

static const char *blob_name(const struct destination *d, const struct digest *digest,
			     const char *suffix, char name[DESTINATION_NAME_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(name, DESTINATION_NAME_SIZE, "%s%s%s",
		 is_layout(d) ? "blobs/sha256/" : "", digest_hex(digest, hex), suffix);
	return name;
}

const char *destination_layer_name(const struct destination *d, const struct digest *blob,
				   const struct digest *diffid,
				   char name[DESTINATION_NAME_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	if (d->kind == DESTINATION_REGISTRY) {
		snprintf(name, DESTINATION_NAME_SIZE, "sha256:%s", digest_hex(blob, hex));
		return name;
	}
	return is_docker(d) ? blob_name(d, diffid, ".tar", name)
			    : blob_name(d, blob, "", name);
}

int destination_has_layer(struct destination *d, const struct digest *blob, bool *ret,
			  struct err *err)
{
	int rc;

	*ret = false;
	if (d->kind != DESTINATION_REGISTRY)
		return 0;
	rc = remote_blob_head(d->remote, blob, NULL, err);
	*ret = rc == 0;
	if (rc != -ERR_NOTFOUND && rc != -ERR_FAILED)
		return rc;
	return remote_blob_mount(d->remote, blob, ret, err);
}

void destination_expect_layer(struct destination *d, const struct digest *blob,
			      uint64_t size)
{
	if (d->kind == DESTINATION_REGISTRY)
		push_writer_expect(d->writer, blob, size);
}

/* A blob that is whole in memory, so that it can be tried again. */
static int push_blob(struct destination *d, const struct digest *digest, const void *data,
		     size_t len, struct err *err)
{
	char name[DESTINATION_NAME_SIZE];
	int rc = remote_blob_head(d->remote, digest, NULL, err);

	destination_layer_name(d, digest, digest, name);
	for (unsigned i = 0; rc == -ERR_NOTFOUND || rc == -ERR_FAILED || rc == -ERR_AGAIN;
	     i++) {
		push_writer_expect(d->writer, digest, len);
		rc = bundle_writer_put(d->writer, name, data, len, err);
		if (rc && (rc != -ERR_AGAIN || !remote_wait(i)))
			break;
	}
	return rc;
}

static int put(struct destination *d, const char *name, const void *data, size_t len,
	       struct err *err)
{
	return bundle_writer_has(d->writer, name)
		       ? 0
		       : bundle_writer_put(d->writer, name, data, len, err);
}

int destination_put_config(struct destination *d, const struct digest *digest,
			   const void *data, size_t len, struct err *err)
{
	char name[DESTINATION_NAME_SIZE];

	if (d->kind == DESTINATION_REGISTRY)
		return push_blob(d, digest, data, len, err);
	return put(d, blob_name(d, digest, is_docker(d) ? ".json" : "", name), data, len,
		   err);
}

int destination_put_manifest(struct destination *d, const struct descriptor *desc,
			     const void *data, size_t len, struct err *err)
{
	char name[DESTINATION_NAME_SIZE], text[DIGEST_TEXT_SIZE];

	if (is_docker(d))
		return 0;
	if (d->kind == DESTINATION_REGISTRY)
		return remote_manifest_put(d->remote, digest_format(&desc->digest, text),
					   desc->media_type, data, len, NULL, err);
	return put(
		d,
		blob_name(d, &desc->digest, is_layout(d) ? "" : ".manifest.json", name),
		data, len, err);
}

/* Notes of the manifest are among those of its descriptor: none of them may be a name here. */
int destination_list(struct destination *d, const json_t *descriptor, struct err *err)
{
	json_t *entry = json_deep_copy(descriptor);
	json_t *notes = json_object_get(entry, "annotations");

	json_object_del(notes, "org.opencontainers.image.ref.name");
	json_object_del(notes, "io.containerd.image.name");
	if (!d->listed)
		d->listed = json_array();
	return json_array_append_new(d->listed, entry) < 0 ? err_nomem(err) : 0;
}

/* ---- the root ---- */

/* The tag of a full reference; NULL if it ends in a digest. */
static const char *tag_of(const char *name)
{
	const char *colon = name ? strrchr(name, ':') : NULL;

	return colon && !strchr(colon, '/') && !strchr(name, '@') ? colon + 1 : NULL;
}

static int read_index(const struct destination *d, struct buf *old, struct err *err)
{
	auto_free char *path = NULL;
	int rc;

	if (d->kind != DESTINATION_OCI)
		return 0;
	if (asprintf(&path, "%s/index.json", d->path) < 0) {
		path = NULL;
		return err_nomem(err);
	}
	rc = io_read_file(AT_FDCWD, path, old, err);
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

static int finish_layout(struct destination *d, const struct destination_root *root,
			 struct err *err)
{
	struct manifest_edit_root entry = {.desc = root->desc,
					   .tag = d->ref ? d->ref : tag_of(root->name),
					   .besides = d->listed};
	auto_buf struct buf old, index;
	int rc;

	buf_init(&old, DOCUMENT_MAX);
	buf_init(&index, DOCUMENT_MAX);
	if (!d->ref)
		entry.name = root->name;
	rc = destination_put_manifest(d, &root->desc, root->data, root->len, err);
	if (!rc)
		rc = put(d, "oci-layout", LAYOUT_VERSION, strlen(LAYOUT_VERSION), err);
	if (!rc)
		rc = read_index(d, &old, err);
	if (!rc)
		rc = manifest_edit_layout(old.data, old.len, &entry, &index, err);
	return rc ? rc
		  : bundle_writer_put(d->writer, "index.json", index.data, index.len,
				      err);
}

static int finish_docker(struct destination *d, const struct destination_root *root,
			 struct err *err)
{
	auto_buf struct buf list, name;
	int rc = 0;

	buf_init(&list, DOCUMENT_MAX);
	buf_init(&name, 4096);
	if (d->ref)
		rc = reference_normalize(d->ref, &name, err);
	if (!rc)
		rc = manifest_edit_docker(
			root->config,
			d->ref ? (const char *)name.data
			       : (tag_of(root->name) ? root->name : NULL),
			root->diffids, root->layers, &list, err);
	return rc ? rc
		  : bundle_writer_put(d->writer, "manifest.json", list.data, list.len,
				      err);
}

/* The name, last of all: whoever reads it finds everything there. */
static int finish_registry(struct destination *d, const struct destination_root *root,
			   struct err *err)
{
	const char *reference = remote_reference(d->remote);
	char text[DIGEST_TEXT_SIZE];

	digest_format(&root->desc.digest, text);
	if (strchr(reference, ':') && strcmp(reference, text) != 0)
		return err_set(err, ERR_INVALID, "the digest of it would be %s", text);
	if (digest_equal(&d->there, &root->desc.digest))
		return 0;
	return remote_manifest_put(d->remote, reference, root->desc.media_type,
				   root->data, root->len, NULL, err);
}

int destination_finish(struct destination *d, const struct destination_root *root,
		       struct err *err)
{
	int rc;

	if (d->kind == DESTINATION_REGISTRY)
		return finish_registry(d, root, err);
	if (is_layout(d)) {
		rc = finish_layout(d, root, err);
	} else if (is_docker(d)) {
		rc = finish_docker(d, root, err);
	} else {
		rc = put(d, "manifest.json", root->data, root->len, err);
		if (!rc)
			rc = put(d, "version", DIR_VERSION, strlen(DIR_VERSION), err);
	}
	return rc ? rc : bundle_writer_finish(d->writer, err);
}
