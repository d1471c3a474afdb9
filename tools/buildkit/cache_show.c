/* SPDX-License-Identifier: Apache-2.0
 * A build cache for people and programs. */
#include "tools/buildkit/cache_show.h"

#include <inttypes.h>
#include <string.h>

#include "tools/buildkit/cache_keys.h"
#include "tools/buildkit/cache_tree.h"
#include "tools/output.h"

#define INDENT_MAX 40
#define LINE_MAX   (64u << 10)

/* What there is to tell of one record. */
struct told {
	const struct cacheconfig_record *record;
	const struct cacheconfig_result *result; /* NULL: none whose layers are known */
	struct digest chainid;
	uint32_t layers;
	uint64_t size;    /* compressed, of its topmost layer */
	const char *here; /* NULL: nothing to be here, or no store */
	const char *what;
};

static int is_here(const struct cache_show *s, const struct digest *chainid,
		   const char **ret, struct err *err)
{
	struct record_chain chain;
	int rc;

	*ret = NULL;
	if (!s->txn)
		return 0;
	rc = catalog_chain_get(s->txn, chainid, &chain, err);
	*ret = rc ? "away" : "here";
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

static int look(const struct cache_show *s, uint32_t i, struct told *ret, struct err *err)
{
	const struct cacheconfig *doc = &s->cache->doc;
	uint32_t layers[CACHECONFIG_CHAIN_MAX];

	*ret = (struct told){.record = &doc->records[i]};
	ret->result = cache_result(s->cache, i, &ret->chainid);
	if (!ret->result) {
		ret->what = cache_steps_base(s->steps, &ret->record->digest);
		if (ret->what && !*ret->what)
			ret->what = "a base image";
		return 0;
	}
	ret->what = cache_steps_of(s->steps, &ret->chainid);
	ret->layers = cacheconfig_chain(doc, ret->result, layers);
	ret->size = s->cache->layers[layers[ret->layers - 1]].desc.size;
	return is_here(s, &ret->chainid, &ret->here, err);
}

/* ---- lines ---- */

static int put_what(struct buf *line, const char *what, struct err *err)
{
	int rc = buf_append_u8(line, ' ', err);

	return rc ? rc : output_quote(line, what ? what : "-", err);
}

static int put_indent(struct buf *line, uint32_t depth, struct err *err)
{
	buf_clear(line);
	for (uint32_t i = 0; i < depth && i < INDENT_MAX; i++) {
		int rc = buf_append(line, "  ", 2, err);

		if (rc)
			return rc;
	}
	return 0;
}

static void print(const struct buf *line)
{
	output_line("%.*s", (int)line->len, (const char *)line->data);
}

static int print_link(const struct cache_show *s, const struct cacheconfig_link *link,
		      const char *word, uint32_t depth, struct buf *line, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];
	struct told t;
	int rc = look(s, link->record, &t, err);

	if (!rc)
		rc = put_indent(line, depth + 1, err);
	if (!rc)
		rc = buf_printf(line, err, "%s %s", word,
				digest_format(&t.record->digest, digest));
	if (!rc)
		rc = put_what(line, t.what, err);
	if (!rc)
		print(line);
	return rc;
}

/* What else will do for input 0, and all that will do for the others. */
static int print_links(const struct cache_show *s, const struct cacheconfig_record *r,
		       uint32_t depth, struct buf *line, struct err *err)
{
	const struct cacheconfig_link *links = s->cache->doc.links + r->link_first;
	int rc = 0;

	for (uint32_t i = 1; i < r->link_count && !rc; i++) {
		bool again = links[i].input == links[i - 1].input;

		rc = print_link(s, &links[i], again ? "or" : "with", depth, line, err);
	}
	return rc;
}

static int print_record(const struct cache_show *s, const struct cache_tree_line *at,
			struct buf *line, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE], chain[DIGEST_TEXT_SIZE];
	struct told t;
	int rc = look(s, at->record, &t, err);

	if (!rc)
		rc = put_indent(line, at->depth, err);
	if (!rc)
		rc = buf_printf(line, err, "%s %s",
				t.record->link_count ? "step" : "root",
				digest_format(&t.record->digest, digest));
	if (!rc && t.result)
		rc = buf_printf(line, err, " %s %u %" PRIu64 " %s %s",
				digest_format(&t.chainid, chain), t.layers, t.size,
				t.result->created, t.here ? t.here : "-");
	else if (!rc && t.record->link_count)
		rc = buf_printf(line, err, " - - - - -");
	if (!rc)
		rc = put_what(line, t.what, err);
	if (rc)
		return rc;
	print(line);
	return print_links(s, t.record, at->depth, line, err);
}

struct counts {
	uint32_t results, lacking; /* lacking: steps without a result */
	uint64_t size;             /* of the blobs, each layer once */
};

static void count(const struct cache_show *s, struct counts *ret)
{
	const struct cacheconfig *doc = &s->cache->doc;
	struct digest chain;

	*ret = (struct counts){0};
	for (uint32_t i = 0; i < doc->record_count; i++) {
		bool found = cache_result(s->cache, i, &chain) != NULL;

		ret->results += found;
		ret->lacking += !found && doc->records[i].link_count;
	}
	for (uint32_t i = 0; i < doc->layer_count; i++)
		ret->size += s->cache->layers[i].desc.size;
}

static void print_head(const struct cache_show *s)
{
	char manifest[DIGEST_TEXT_SIZE], config[DIGEST_TEXT_SIZE];
	struct counts c;

	count(s, &c);
	output_line("cache %s", s->name);
	output_line("manifest %s", output_digest(&s->cache->record.manifest, manifest));
	output_line("config %s", output_digest(&s->cache->record.config, config));
	output_line("records %u", s->cache->doc.record_count);
	output_line("results %u", c.results);
	output_line("without_result %u", c.lacking);
	output_line("layers %u", s->cache->doc.layer_count);
	output_line("size %" PRIu64, c.size);
}

int cache_show_lines(const struct cache_show *s, struct err *err)
{
	auto_free struct cache_tree_line *lines = NULL;
	auto_buf struct buf line;
	uint32_t n = 0;
	int rc = cache_tree_lines(&s->cache->doc, &lines, &n, err);

	buf_init(&line, LINE_MAX);
	if (!rc)
		print_head(s);
	for (uint32_t i = 0; i < n && !rc && !output_failed(); i++)
		rc = print_record(s, &lines[i], &line, err);
	return rc;
}

/* ---- JSON ---- */

static json_t *json_inputs(const struct cacheconfig *doc,
			   const struct cacheconfig_record *r)
{
	json_t *inputs = json_array(), *links = NULL;

	for (uint32_t i = 0; i < r->link_count; i++) {
		const struct cacheconfig_link *link = &doc->links[r->link_first + i];

		if (i == 0 || link->input != link[-1].input) {
			links = json_array();
			json_array_append_new(inputs, links);
		}
		json_array_append_new(links,
				      json_pack("{s:i, s:o}", "record", (int)link->record,
						"selector",
						output_json_digest(&link->selector)));
	}
	return inputs;
}

static json_t *json_keys(const struct cache_keys *keys, uint32_t record)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < keys->counts[record]; k++)
		json_array_append_new(list, output_json_digest(&keys->keys[record][k]));
	return list;
}

static json_t *json_layers(const struct cache *c, const struct cacheconfig_result *r)
{
	struct digest diffids[CACHECONFIG_CHAIN_MAX];
	uint32_t n = cache_diffids(c, r, diffids);
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, output_json_digest(&diffids[i]));
	return list;
}

static json_t *json_text(const char *text)
{
	return text ? json_string(text) : json_null();
}

static int add_record(const struct cache_show *s, const struct cache_keys *keys,
		      uint32_t i, json_t *list, struct err *err)
{
	auto_json json_t *item = NULL;
	struct told t;
	int rc = look(s, i, &t, err);

	if (rc)
		return rc;
	item = json_pack("{s:o, s:o, s:o, s:o}", "digest",
			 output_json_digest(&t.record->digest), "step", json_text(t.what),
			 "inputs", json_inputs(&s->cache->doc, t.record), "keys",
			 json_keys(keys, i));
	if (!item || json_array_append(list, item) < 0)
		return err_nomem(err);
	if (!t.result)
		return output_json_set(item, "result", json_null(), err);
	return output_json_set(
		item, "result",
		json_pack("{s:o, s:o, s:s, s:o, s:o}", "chain",
			  output_json_digest(&t.chainid), "layers",
			  json_layers(s->cache, t.result), "created", t.result->created,
			  "size", output_json_u64(t.size), "here",
			  t.here ? json_boolean(*t.here == 'h') : json_null()),
		err);
}

int cache_show_json(const struct cache_show *s, json_t **ret, struct err *err)
{
	auto_cache_keys struct cache_keys keys = {0};
	auto_json json_t *records = json_array();
	struct counts c;
	json_t *out;
	int rc = cache_keys_make(&s->cache->doc, &keys, err);

	for (uint32_t i = 0; i < s->cache->doc.record_count && !rc; i++)
		rc = add_record(s, &keys, i, records, err);
	if (rc)
		return rc;
	count(s, &c);
	out = json_pack("{s:s, s:o, s:o, s:i, s:i, s:o, s:O}", "name", s->name,
			"manifest", output_json_digest(&s->cache->record.manifest),
			"config", output_json_digest(&s->cache->record.config),
			"result_count", (int)c.results, "layer_count",
			(int)s->cache->doc.layer_count, "size", output_json_u64(c.size),
			"records", records);
	if (!out)
		return err_nomem(err);
	*ret = out;
	return 0;
}
