/* SPDX-License-Identifier: Apache-2.0
 * Writes the table of contents of a layer. */
#include "tools/chunked/toc_write.h"

#include <string.h>

#define CHUNKS_MAX (4u << 20) /* of one file */

struct chunk {
	struct digest digest;
	uint64_t off, len; /* in the file */
	uint64_t at, end;  /* in the blob */
};

struct toc_write_item {
	json_t *entry;
	uint64_t size;
	struct digest digest; /* of the whole file, once it is known */
	bool whole, front;
	uint64_t front_at;
	struct chunk *chunks;
	size_t count, cap, placed;
};

int toc_write_init(struct toc_write *w, enum toc_form form, struct err *err)
{
	static const char head[] = "{\"version\":1,\"entries\":[";

	*w = (struct toc_write){.form = form};
	packed_text_init(&w->text);
	return packed_text_add(&w->text, head, strlen(head), err);
}

static void item_release(struct toc_write_item *item)
{
	json_decref(item->entry);
	free(item->chunks);
}

void toc_write_release(struct toc_write *w)
{
	for (size_t i = 0; i < w->count; i++)
		item_release(&w->items[i]);
	free(w->items);
	packed_text_release(&w->text);
}

/* ---- one entry as text ---- */

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *text_of(const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	return json_string(digest_format(d, text));
}

static int add_json(struct toc_write *w, const json_t *entry, struct err *err)
{
	bool first = w->text.size == strlen("{\"version\":1,\"entries\":[");
	auto_free char *text = json_dumps(entry, JSON_COMPACT);
	int rc = text ? 0 : err_nomem(err);

	if (!rc && !first)
		rc = packed_text_add(&w->text, ",", 1, err);
	return rc ? rc : packed_text_add(&w->text, text, strlen(text), err);
}

/* LAST: of the file; eStargz says its size by saying none. */
static void set_chunk(const struct toc_write *w, json_t *entry, const struct chunk *c,
		      bool last)
{
	if (!last || w->form == TOC_ZSTD_CHUNKED)
		set(entry, "chunkSize", number(c->len));
	if (c->off)
		set(entry, "chunkOffset", number(c->off));
	set(entry, "chunkDigest", text_of(&c->digest));
}

static int add_item(struct toc_write *w, const struct toc_write_item *item,
		    struct err *err)
{
	const char *name = json_string_value(json_object_get(item->entry, "name"));
	int rc;

	if (item->count) {
		set(item->entry, "digest", text_of(&item->digest));
		set(item->entry, "offset", number(item->chunks[0].at));
	}
	if (item->front)
		set(item->entry, "headersOffset", number(item->front_at));
	if (item->count && w->form == TOC_ZSTD_CHUNKED)
		set(item->entry, "endOffset", number(item->chunks[item->count - 1].end));
	if (item->count > (w->form == TOC_ZSTD_CHUNKED ? 1 : 0))
		set_chunk(w, item->entry, &item->chunks[0], item->count == 1);
	rc = add_json(w, item->entry, err);
	for (size_t i = 1; i < item->count && !rc; i++) {
		json_t *entry = json_pack("{s:s, s:s, s:o}", "type", "chunk", "name",
					  name, "offset", number(item->chunks[i].at));

		set_chunk(w, entry, &item->chunks[i], i == item->count - 1);
		rc = add_json(w, entry, err);
		json_decref(entry);
	}
	return rc;
}

/* ---- entries that wait ---- */

static bool is_ready(const struct toc_write_item *item)
{
	return item->size == 0 || (item->whole && item->placed == item->count);
}

/* Writes the oldest entries that are complete. */
static int flush(struct toc_write *w, struct err *err)
{
	size_t done = 0;
	int rc = 0;

	while (done < w->count && is_ready(&w->items[done]) && !rc) {
		rc = add_item(w, &w->items[done], err);
		item_release(&w->items[done++]);
	}
	if (done)
		memmove(w->items, w->items + done, (w->count - done) * sizeof(*w->items));
	w->count -= done;
	w->placing = w->placing > done ? w->placing - done : 0;
	return rc;
}

int toc_write_entry(struct toc_write *w, json_t *entry, uint64_t size, struct err *err)
{
	if (w->count == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 64;
		struct toc_write_item *items =
			reallocarray(w->items, cap, sizeof(*items));

		if (!items) {
			json_decref(entry);
			return err_nomem(err);
		}
		w->items = items;
		w->cap = cap;
	}
	w->items[w->count++] = (struct toc_write_item){.entry = entry, .size = size};
	return flush(w, err);
}

void toc_write_front(struct toc_write *w)
{
	w->items[w->count - 1].front = true;
}

int toc_write_chunk(struct toc_write *w, const struct digest *digest, uint64_t len,
		    struct err *err)
{
	struct toc_write_item *item = &w->items[w->count - 1];
	struct chunk *c;

	if (item->count == CHUNKS_MAX)
		return err_set(err, ERR_LIMIT, "a file of more than %u chunks",
			       CHUNKS_MAX);
	if (item->count == item->cap) {
		size_t cap = item->cap ? 2 * item->cap : 1;
		struct chunk *chunks = reallocarray(item->chunks, cap, sizeof(*chunks));

		if (!chunks)
			return err_nomem(err);
		item->chunks = chunks;
		item->cap = cap;
	}
	c = &item->chunks[item->count];
	*c = (struct chunk){.digest = *digest, .len = len};
	if (item->count)
		c->off = c[-1].off + c[-1].len;
	item->count++;
	return 0;
}

void toc_write_content(struct toc_write *w, const struct digest *digest)
{
	w->items[w->count - 1].digest = *digest;
	w->items[w->count - 1].whole = true;
}

int toc_write_place(struct toc_write *w, uint64_t at, uint64_t len, struct err *err)
{
	struct toc_write_item *item;

	while (w->placing < w->count && is_ready(&w->items[w->placing]))
		w->placing++;
	if (w->placing == w->count ||
	    w->items[w->placing].placed == w->items[w->placing].count)
		return err_set(err, ERR_FAILED, "a chunk has no entry");
	item = &w->items[w->placing];
	if (!item->placed)
		item->front_at = w->front;
	item->chunks[item->placed].at = at;
	item->chunks[item->placed++].end = at + len;
	return flush(w, err);
}

int toc_write_finish(struct toc_write *w, const struct digest *split, struct err *err)
{
	char text[DIGEST_TEXT_SIZE], end[DIGEST_TEXT_SIZE + 32];

	if (w->count)
		return err_set(err, ERR_FAILED, "an entry was not written");
	if (split)
		snprintf(end, sizeof(end), "],\"tarSplitDigest\":\"%s\"}",
			 digest_format(split, text));
	else
		snprintf(end, sizeof(end), "]}");
	if (packed_text_add(&w->text, end, strlen(end), err))
		return -ERR_LIMIT;
	return packed_text_finish(&w->text, err);
}
