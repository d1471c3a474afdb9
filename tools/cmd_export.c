/* SPDX-License-Identifier: Apache-2.0
 * `layercache export X tar:FILE`: the identical tar of a layer.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/layer.h"
#include "tools/commands.h"
#include "tools/oci/source.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/subject.h"

#define CACHE_BYTES (32u << 20)
#define COPY_SIZE   (1u << 20)

struct export_options {
	struct option_number layer;
};

static const struct option_spec options[] = {
	OPTION_NUMBER(0, "layer", "N", 1, 100000, struct export_options, layer,
		      "of several layers, the Nth from the bottom"),
	OPTION_END,
};

/* ---- which layer ---- */

/* The layer of an image or chain: its only one or the one asked for. */
static int pick_layer(struct catalog_txn *t, const struct subject *x,
		      const struct option_number *layer, struct digest *ret,
		      struct err *err)
{
	auto_free struct record_chain *chains = NULL;
	struct digest chain;
	size_t count, n;
	int rc = subject_chain(t, x, &chain, err);

	if (!rc)
		rc = subject_chain_layers(t, &chain, &chains, &count, err);
	if (rc)
		return rc;
	if (!layer->given && count != 1)
		return err_set(err, ERR_INVALID,
			       "it has %zu layers: choose one with --layer N", count);
	n = layer->given ? (size_t)layer->value : 1;
	if (n > count)
		return err_set(err, ERR_NOTFOUND, "it has only %zu layers", count);
	*ret = chains[n - 1].diffid;
	return 0;
}

static int find_layer(struct store *store, const char *text,
		      const struct option_number *layer, struct digest *ret,
		      struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct subject x;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = subject_find(t, text, NULL, layer->given ? 0 : SUBJECT_LAYER_FIRST,
				  &x, err);
	if (rc)
		return rc;
	if (x.kind != SUBJECT_LAYER)
		return pick_layer(t, &x, layer, ret, err);
	*ret = x.layer.diffid;
	return 0;
}

/* ---- where to ---- */

/* A file that appears when it is complete. */
struct target {
	const char *path;
	char *part; /* the file being written; NULL: PATH itself is */
	int fd;
};

static int open_target(const char *path, struct target *ret, struct err *err)
{
	struct stat st;

	*ret = (struct target){.path = path, .fd = -1};
	if (strcmp(path, "-") == 0) {
		ret->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		ret->fd = open(path, O_WRONLY | O_CLOEXEC);
	} else if (asprintf(&ret->part, "%s.part", path) < 0) {
		ret->part = NULL;
		return err_nomem(err);
	} else {
		ret->fd = open(ret->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	}
	if (ret->fd < 0) {
		int rc = err_sys(err, errno, "cannot write '%s'", path);

		free(steal_ptr(&ret->part));
		return rc;
	}
	return 0;
}

/* Gives the file its name if RC is 0, else leaves nothing of it. Returns RC or an error. */
static int close_target(struct target *t, int rc, struct err *err)
{
	if (close(t->fd) < 0 && !rc)
		rc = err_sys(err, errno, "cannot write '%s'", t->path);
	if (t->part && !rc)
		rc = io_rename(AT_FDCWD, t->part, t->path, err);
	if (t->part && rc)
		unlink(t->part);
	free(t->part);
	return rc;
}

/* ---- the copy ---- */

static int copy(struct stream *from, const struct target *to, struct progress *p,
		struct err *err)
{
	auto_free char *chunk = malloc(COPY_SIZE);
	size_t len = 0;
	int rc = chunk ? 0 : err_nomem(err);

	while (!rc) {
		rc = from->read(from, chunk, COPY_SIZE, &len, err);
		if (rc || len == 0)
			break;
		rc = io_write(to->fd, chunk, len, to->path, err);
		progress_add(p, len);
	}
	return rc;
}

static int export_layer(struct store *store, const struct digest *diffid,
			const char *path, bool quiet, struct err *err)
{
	auto_progress struct progress *progress = NULL;
	auto_objects struct objects *objects = NULL;
	auto_stream struct stream *tar = NULL;
	struct record_layer record;
	struct target target;
	int rc = objects_new(store, CACHE_BYTES, &objects, err);

	if (!rc)
		rc = layer_open(store, objects, diffid, &tar, &record, err);
	if (!rc)
		rc = open_target(path, &target, err);
	if (rc)
		return rc;
	progress = progress_begin(record.tar_size, "export", quiet);
	return close_target(&target, copy(tar, &target, progress, err), err);
}

static int run(struct command_call *call, struct err *err)
{
	const struct export_options *o = call->values;
	const char *x = call->args[0], *to = call->args[1], *path;
	auto_store struct store *store = NULL;
	struct digest diffid;
	int rc;

	if (!source_transport(to, "tar", &path)) {
		if (!source_is_known(to) && !source_transport(to, "docker", &path))
			return err_set(err, ERR_USAGE, "bad destination '%s'", to);
		return err_set(err, ERR_FAILED,
			       "destination '%s' is not supported by this version, "
			       "only tar:FILE",
			       to);
	}
	if (!*path)
		return err_set(err, ERR_USAGE, "bad destination '%s': no file", to);
	rc = command_open_store(call, 0, &store, err);
	if (!rc)
		rc = find_layer(store, x, &o->layer, &diffid, err);
	if (!rc)
		rc = export_layer(store, &diffid, path, call->quiet, err);
	return rc ? err_wrap(err, "export '%s'", x) : 0;
}

const struct command cmd_export = {
	.name = "export",
	.summary = "write a layer's tar, byte for byte as it came",
	.arguments = "X tar:FILE",
	.details =
		"X is a layer, or a chain or image of one layer (else --layer N). FILE '-'\n"
		"is standard output. FILE appears when it is complete.",
	.options = options,
	.values_size = sizeof(struct export_options),
	.min_args = 2,
	.max_args = 2,
	.flags = COMMAND_PROGRESS,
	.complete = COMPLETE_NAME,
	.run = run,
};
