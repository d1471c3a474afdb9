/* SPDX-License-Identifier: Apache-2.0
 * `layercache gc`: gives back what nothing needs any more.
 */
#include <inttypes.h>
#include <string.h>

#include "store/gc.h"
#include "tools/buildkit/cache_roots.h"
#include "tools/commands.h"
#include "tools/in_use.h"
#include "tools/output.h"

#define IN_USE_MAX (96u << 20)
#define DAY        86400

struct gc_values {
	bool dry_run;
	const char *max_size;
	struct option_number keep_days, keep_keys;
};

static const struct option_spec options[] = {
	OPTION_FLAG('n', "dry-run", struct gc_values, dry_run,
		    "only print what would go; nothing is changed"),
	OPTION_NUMBER(0, "keep-days", "N", 0, 36500, struct gc_values, keep_days,
		      "keep what was imported or used within N days (default 1)"),
	OPTION_NUMBER(0, "keep-keys", "N", 1, 36500, struct gc_values, keep_keys,
		      "drop keys that were not used within N days (default: none)"),
	OPTION_TEXT(0, "max-size", "N", struct gc_values, max_size,
		    "while packs have more bytes, keep less of both (K, M, G, T)"),
	OPTION_END,
};

static int parse_size(const char *text, uint64_t *ret, struct err *err)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || text[0] < '0' || text[0] > '9')
		n = 0;
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);

		n = n > UINT64_MAX >> shift ? 0 : n << shift;
		end++;
	}
	if (n == 0 || *end)
		return err_set(err, ERR_USAGE, "'%s' is no size (as 500M or 20G)", text);
	*ret = n;
	return 0;
}

static void tell(void *arg, const char *kind, const struct digest *id)
{
	char text[DIGEST_TEXT_SIZE];
	json_t *gone = arg;

	digest_format(id, text);
	if (gone)
		json_array_append_new(gone,
				      json_pack("{s:s, s:s}", "kind", kind, "id", text));
	else
		output_line("%s %s", kind, text);
}

/* Takes the reference to GONE. */
static int print(const struct command_call *call, const struct gc_result *r, json_t *gone,
		 struct err *err)
{
	if (call->json)
		return output_json(
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "gone",
				  gone, "objects", output_json_u64(r->objects),
				  "live_objects", output_json_u64(r->live_objects),
				  "packs_dropped", output_json_u64(r->packs_dropped),
				  "packs_rewritten", output_json_u64(r->packs_rewritten),
				  "packs_busy", output_json_u64(r->packs_busy),
				  "bytes_before", output_json_u64(r->bytes_before),
				  "bytes_after", output_json_u64(r->bytes_after)),
			err);
	output_line("images %" PRIu64 " chains %" PRIu64 " layers %" PRIu64
		    " keys %" PRIu64 " packs-dropped %" PRIu64 " packs-rewritten %" PRIu64
		    " packs-busy %" PRIu64 " bytes-before %" PRIu64
		    " bytes-after %" PRIu64,
		    r->images, r->chains, r->layers, r->keys, r->packs_dropped,
		    r->packs_rewritten, r->packs_busy, r->bytes_before, r->bytes_after);
	return 0;
}

/* What build caches need is needed; their keys go with the last of their names. */
static int settle_caches(struct store *store, const struct gc_options *o,
			 struct buf *roots, struct err *err)
{
	auto_cache_roots struct cache_roots caches = {0};
	int rc = cache_roots_list(store, o->grace, &caches, err);

	if (!rc)
		rc = buf_append(roots, caches.chains.data, caches.chains.len, err);
	return rc || o->dry_run ? rc : cache_roots_drop(store, &caches, err);
}

static int run(struct command_call *call, struct err *err)
{
	const struct gc_values *v = call->values;
	struct gc_options o = {
		.dry_run = v->dry_run,
		.grace = v->keep_days.given ? v->keep_days.value * DAY : GC_GRACE_DEFAULT,
		.keep_keys = v->keep_keys.given ? v->keep_keys.value * DAY : 0,
		.tell = tell,
	};
	auto_json json_t *gone = call->json ? json_array() : NULL;
	auto_store struct store *store = NULL;
	auto_buf struct buf roots;
	struct gc_result result;
	int rc = 0;

	buf_init(&roots, IN_USE_MAX);
	o.arg = gone;
	if (v->max_size)
		rc = parse_size(v->max_size, &o.max_size, err);
	if (!rc)
		rc = command_open_store(call, v->dry_run ? 0 : STORE_WRITE, &store, err);
	if (!rc)
		rc = in_use_list(store_path(store), &roots, err);
	if (!rc)
		rc = settle_caches(store, &o, &roots, err);
	if (rc)
		return rc;
	o.roots = (const struct digest *)(const void *)roots.data;
	o.root_count = roots.len / sizeof(struct digest);
	rc = gc_run(store, &o, &result, err);
	return rc ? err_wrap(err, "gc '%s'", call->store)
		  : print(call, &result, steal_ptr(&gone), err);
}

const struct command cmd_gc = {
	.name = "gc",
	.summary = "give back the space of what nothing needs",
	.arguments = "",
	.details =
		"Removes layers, chains and images that have no name and no key, are not\n"
		"mounted, and were neither imported nor used lately, and gives their space\n"
		"back. Keys stay unless --keep-keys or --max-size lets those go that were\n"
		"used least recently, and whose results nothing else needs. Packs of which\n"
		"less than half is needed are rewritten. May run while others import, read\n"
		"and mount. Prints what went, line by line, and then\n"
		"  images N chains N layers N keys N packs-dropped N packs-rewritten N\n"
		"  packs-busy N bytes-before N bytes-after N\n"
		"on one line. Busy packs have the importer that appends to them, or damage,\n"
		"in the way.",
	.options = options,
	.values_size = sizeof(struct gc_values),
	.flags = COMMAND_JSON,
	.run = run,
};
