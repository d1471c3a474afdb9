/* SPDX-License-Identifier: Apache-2.0
 * `layercache show X`: explains an image, a key, a chain or a layer.
 */
#include "store/gc.h"
#include "tools/buildkit/cache.h"
#include "tools/commands.h"
#include "tools/key_published.h"
#include "tools/output.h"
#include "tools/show.h"
#include "tools/subject.h"

#define CACHE_BYTES (1u << 20)
#define DAY         86400

struct show_options {
	const char *platform;
	struct option_number keep_days;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH", struct show_options, platform,
		    "which platform of a name"),
	OPTION_NUMBER(0, "keep-days", "N", 0, 36500, struct show_options, keep_days,
		      "what a gc with that option would keep (default 1)"),
	OPTION_END,
};

static bool is_cache(struct command_reader *r, const struct record_image *image)
{
	auto_objects struct objects *objects = NULL;
	bool cache = false;

	return objects_new(r->store, CACHE_BYTES, &objects, NULL) == 0 &&
	       cache_is(objects, image, &cache, NULL) == 0 && cache;
}

static int describe(struct command_reader *r, const struct subject *x, json_t **ret,
		    struct err *err)
{
	switch (x->kind) {
	case SUBJECT_IMAGE:
		return is_cache(r, &x->image)
			       ? err_set(err, ERR_INVALID,
					 "it is a build cache: 'cache show' tells of it")
			       : show_image(r, &x->image, ret, err);
	case SUBJECT_CHAIN:
		return show_chain(r, &x->chain, ret, err);
	case SUBJECT_LAYER:
		return show_layer(r, &x->layer, ret, err);
	case SUBJECT_KEY:
		return show_key(r, &x->key, ret, err);
	}
	abort();
}

static int print(const struct command_call *call, json_t *document, struct err *err)
{
	int rc;

	if (call->json)
		return output_json(json_incref(document), err);
	rc = show_lines(document, err);
	if (!rc && json_array_size(json_object_get(document, "kept")) == 0)
		output_line("kept nothing: the next gc takes it");
	return rc;
}

static int run(struct command_call *call, struct err *err)
{
	auto_command_reader struct command_reader r = {0};
	const struct show_options *o = call->values;
	auto_json json_t *document = NULL;
	struct subject x;
	int64_t grace = o->keep_days.given ? o->keep_days.value * DAY : GC_GRACE_DEFAULT;
	int rc;

	rc = command_reader_open(call, &r, err);
	if (!rc)
		rc = key_published_subject(call, &r, call->args[0], o->platform, &x, err);
	if (!rc)
		rc = describe(&r, &x, &document, err);
	if (!rc)
		rc = show_kept(&r, &x, grace, document, err);
	return rc ? rc : print(call, document, err);
}

const struct command cmd_show = {
	.name = "show",
	.summary = "explain an image, key, chain or layer",
	.arguments = "X",
	.details =
		"One 'KEY VALUE' per line, sizes in bytes, '-' for none. Of an image also\n"
		"  step DIFF-ID COMPRESSED TAR CONTENT ENTRIES own|shared CREATED-BY\n"
		"per step of its history ('-' where a step made no layer); 'shared' layers\n"
		"are in other named images too, own_size is what only this image needs;\n"
		"  referrer DIGEST TYPE SIZE   a signature, an SBOM, ... of it or its index\n"
		"Of a layer: whether layers/ stacked by an overlay gives exactly what the\n"
		"chain gives, and if not, why. 'path' and 'overlay' tell where it can be\n"
		"seen now. Of a key: its result, and the step it stands for, inputs as\n"
		"  input DEST DIGEST ENTRIES\n"
		"Last, what keeps it from gc, at most 100 lines of a kind:\n"
		"  kept name|key|lease|mount|open|chain|artifact|cache WHAT\n"
		"  kept grace DIGEST USED   imported or used lately\n"
		"'lease' and 'mount': an overlay; 'open': a tree file somebody reads.",
	.options = options,
	.values_size = sizeof(struct show_options),
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};
