/* SPDX-License-Identifier: Apache-2.0
 * `layercache import SOURCE [NAME]`: images into the store.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/import_options.h"
#include "tools/imports_print.h"
#include "tools/oci/reference.h"
#include "tools/output.h"
#include "tools/registry/remote_source.h"
#include "tools/share_source.h"

/* ---- tar: ---- */

static int open_tar(const char *path, struct stream **ret, uint64_t *ret_size,
		    struct err *err)
{
	bool piped = strcmp(path, "-") == 0;
	auto_fd int fd = piped ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			       : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot open '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID, "'%s' is a directory, not a tar", path);
	*ret_size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	/* Standard input is read from where it is. */
	if (piped || !S_ISREG(st.st_mode))
		return stream_from_pipe(fd, path, ret, err);
	return stream_from_fd(fd, 0, UINT64_MAX, path, ret, err);
}

static int import_tar(struct store *store, const char *path,
		      struct image_import_options *o, struct imports *ret,
		      struct err *err)
{
	auto_free char *stem = source_stem(path);
	auto_buf struct buf name;
	struct stream *in = NULL;
	uint64_t size = 0;
	int rc = 0;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	if (!stem)
		return err_nomem(err);
	if (!o->name) {
		rc = reference_local(stem, NULL, &name, err);
		o->name = (const char *)name.data;
	}
	if (!rc)
		rc = open_tar(path, &in, &size, err);
	return rc ? rc : image_import_tar(store, in, size, o, ret, err);
}

/* ---- all others ---- */

static int import_source(struct store *store, const char *text,
			 const struct registry_options *registry,
			 const struct image_import_options *o, struct imports *ret,
			 struct err *err)
{
	auto_source struct source *source = NULL;
	struct remote_options remote;
	const char *rest;
	int rc;

	registry_options_take(registry, &remote);
	if (source_transport(text, "share", &rest))
		rc = share_source_open(store, text, rest, &source, err);
	else if (remote_source_name(text))
		rc = remote_source_open(text, &remote, &source, err);
	else
		rc = source_open(text, store_dirfd(store), &source, err);
	return rc ? rc : image_import(store, source, o, ret, err);
}

static int check(const char *source, const struct image_import_options *o,
		 struct err *err)
{
	auto_buf struct buf name;
	const char *path;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	if (!source_is_known(source) && !source_transport(source, "tar", &path) &&
	    !source_transport(source, "share", &path))
		return err_set(err, ERR_USAGE,
			       "bad source '%s': not oci:DIR, oci-archive:FILE, "
			       "docker-archive:FILE, dir:DIR, docker://REF, share:DIR or "
			       "tar:FILE",
			       source);
	if (!o->name && strcmp(source, "tar:-") == 0)
		return err_set(err, ERR_USAGE,
			       "standard input has no name: give one after '%s'", source);
	return o->name ? reference_normalize(o->name, &name, err) : 0;
}

static int run(struct command_call *call, struct err *err)
{
	const struct import_options *v = call->values;
	struct image_import_options o;
	auto_imports struct imports done = {0};
	auto_store struct store *store = NULL;
	const char *source = call->args[0], *path;
	struct platform platform;
	int rc = import_options_take(call, &platform, &o, err);

	if (!rc)
		rc = check(source, &o, err);
	if (!rc)
		rc = command_open_store(call, STORE_CREATE | STORE_WRITE, &store, err);
	if (rc)
		return rc;
	rc = source_transport(source, "tar", &path) && *path
		     ? import_tar(store, path, &o, &done, err)
		     : import_source(store, source, &v->registry, &o, &done, err);
	if (rc)
		return rc == -ERR_USAGE ? rc : err_wrap(err, "import '%s'", source);
	return imports_print(&done, call->json, call->quiet, err);
}

const struct command cmd_import = {
	.name = "import",
	.summary = "take images into the store",
	.arguments = "SOURCE [NAME]",
	.details =
		"SOURCE is one of\n"
		"  oci:DIR[:TAG]              an OCI image layout\n"
		"  oci-archive:FILE[:TAG]     the same in a tar archive\n"
		"  docker-archive:FILE[:REF]  what `docker save` writes\n"
		"  dir:DIR                    skopeo's directory\n"
		"  docker://REF               a registry, as `layercache pull` does it\n"
		"  share:DIR[:REF]            what another store has published in DIR, which\n"
		"                             becomes an alternate: no content is copied\n"
		"  tar:FILE                   one layer\n"
		"Archives and tars may be compressed; FILE '-' is standard input. In place\n"
		"of TAG, '@sha256:...' chooses by the manifest's digest.\n"
		"\n"
		"Takes images and build caches of BuildKit ('help cache').\n"
		"Prints 'NAME IMAGE-ID CHAIN-ID' for every image. Without NAME it is the\n"
		"source's own full name, else localhost/<file>:<tag>. A NAME that exists\n"
		"moves to the new image. Layers the store has are not read again. With\n"
		"--keep-blobs export gives every blob and manifest as it came; with\n"
		"--match-blobs too, but how layers were compressed is found out and tried\n"
		"first, and only those that come out different are kept.",
	.options = import_options,
	.values_size = sizeof(struct import_options),
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.complete = COMPLETE_SOURCE,
	.run = run,
};
