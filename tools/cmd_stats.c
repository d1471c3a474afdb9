/* SPDX-License-Identifier: Apache-2.0
 * `layercache stats`: how much is in the store, and what it saves.
 */
#include <inttypes.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "tools/commands.h"
#include "tools/output.h"

struct stats {
	uint64_t names, images, chains, layers, objects;
	uint64_t tar_bytes, content_bytes, new_bytes;
	uint64_t packs, pack_bytes, tree_bytes, catalog_bytes;
};

static int count_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	struct stats *s = arg;

	(void)ref;
	(void)err;
	s->names++;
	return 0;
}

static int count_image(void *arg, const struct record_image *image, struct err *err)
{
	struct stats *s = arg;

	(void)image;
	(void)err;
	s->images++;
	return 0;
}

static int count_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	struct stats *s = arg;

	(void)chain;
	(void)err;
	s->chains++;
	return 0;
}

static int count_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct stats *s = arg;

	(void)err;
	s->layers++;
	s->tar_bytes += layer->tar_size;
	s->content_bytes += layer->content_size;
	s->new_bytes += layer->new_size;
	return 0;
}

static int count_object(void *arg, const struct digest *d,
			const struct object_place *place, struct err *err)
{
	struct stats *s = arg;

	(void)d;
	(void)place;
	(void)err;
	s->objects++;
	return 0;
}

static int count_pack(void *arg, uint32_t number, uint64_t length, struct err *err)
{
	struct stats *s = arg;

	(void)number;
	(void)err;
	s->packs++;
	s->pack_bytes += length;
	return 0;
}

/* Bytes that the files of a directory take on disk; a directory that is not there has
 * none. */
static int count_files(const struct store *store, const char *name, uint64_t *ret,
		       struct err *err)
{
	auto_dir DIR *dir = NULL;
	uint64_t bytes = 0;
	struct dirent *e;
	int rc = io_opendir(store_dirfd(store), name, &dir, err);

	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	while ((e = readdir(dir)) != NULL) {
		struct stat st;

		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	*ret = bytes;
	return 0;
}

static int collect(struct command_reader *r, struct stats *s, struct err *err)
{
	int rc;

	rc = catalog_ref_each(r->txn, NULL, count_ref, s, err);
	if (!rc)
		rc = catalog_image_each(r->txn, NULL, count_image, s, err);
	if (!rc)
		rc = catalog_chain_each(r->txn, NULL, count_chain, s, err);
	if (!rc)
		rc = catalog_layer_each(r->txn, NULL, count_layer, s, err);
	if (!rc)
		rc = catalog_object_each(r->txn, count_object, s, err);
	if (!rc)
		rc = catalog_pack_each(r->txn, count_pack, s, err);
	if (!rc)
		rc = count_files(r->store, "trees", &s->tree_bytes, err);
	if (!rc)
		rc = count_files(r->store, "catalog", &s->catalog_bytes, err);
	return rc;
}

static double ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 1;
}

static int print(const struct command_call *call, const struct stats *s, struct err *err)
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"names", s->names},
		{"images", s->images},
		{"chains", s->chains},
		{"layers", s->layers},
		{"objects", s->objects},
		{"tar_bytes", s->tar_bytes},
		{"content_bytes", s->content_bytes},
		{"new_bytes", s->new_bytes},
		{"packs", s->packs},
		{"pack_bytes", s->pack_bytes},
		{"tree_bytes", s->tree_bytes},
		{"catalog_bytes", s->catalog_bytes},
	};
	const struct {
		const char *name;
		double value;
	} ratios[] = {
		{"dedup_ratio", ratio(s->content_bytes, s->new_bytes)},
		{"compression_ratio", ratio(s->new_bytes, s->pack_bytes)},
		{"total_ratio", ratio(s->tar_bytes, s->pack_bytes)},
	};
	auto_json json_t *json = json_object();

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		if (!call->json)
			output_line("%s %" PRIu64, counts[i].name, counts[i].value);
		else if (json_object_set_new(json, counts[i].name,
					     output_json_u64(counts[i].value)) != 0)
			return err_nomem(err);
	}
	for (size_t i = 0; i < ARRAY_LEN(ratios); i++) {
		if (!call->json)
			output_line("%s %.2f", ratios[i].name, ratios[i].value);
		else if (json_object_set_new(json, ratios[i].name,
					     json_real(ratios[i].value)) != 0)
			return err_nomem(err);
	}
	return call->json ? output_json(steal_ptr(&json), err) : 0;
}

static int run(struct command_call *call, struct err *err)
{
	auto_command_reader struct command_reader r = {0};
	struct stats s = {0};
	int rc;

	rc = command_reader_open(call, &r, err);
	if (!rc)
		rc = collect(&r, &s, err);
	return rc ? rc : print(call, &s, err);
}

const struct command cmd_stats = {
	.name = "stats",
	.summary = "count what is in the store and what it takes",
	.arguments = "",
	.details = "One 'NAME VALUE' per line, sizes in bytes:\n"
		   "  names images chains layers objects packs   how many there are\n"
		   "  tar_bytes          all layers as tar\n"
		   "  content_bytes      the files in them, each once per layer\n"
		   "  new_bytes          of these, what was not yet in the store\n"
		   "  pack_bytes         what all of it takes on disk, compressed\n"
		   "  tree_bytes, catalog_bytes   derived files\n"
		   "  dedup_ratio        content_bytes / new_bytes\n"
		   "  compression_ratio  new_bytes / pack_bytes\n"
		   "  total_ratio        tar_bytes / pack_bytes",
	.flags = COMMAND_JSON,
	.run = run,
};
