/* SPDX-License-Identifier: Apache-2.0
 * A published store: which index counts, and the state that is sealed into it. */
#include "store/share_private.h"

#include <ctype.h>
#include <string.h>

#include "store/base/io.h"

#define REFS_MAX (1u << 20)

/* A name and what it points to. */
struct share_ref {
	struct record_ref ref;
	void *memory;
};

static const struct share_ref *refs_of(const struct share *s)
{
	return (const struct share_ref *)(const void *)s->refs.data;
}

/* ---- current ---- */

/* "index-" and what file names of ours are made of: never a path. */
static bool is_index_name(const char *name, size_t len)
{
	size_t prefix = strlen(SHARE_INDEX_PREFIX);

	if (len <= prefix || len >= sizeof(((struct share_current *)NULL)->index) ||
	    strncmp(name, SHARE_INDEX_PREFIX, prefix) != 0)
		return false;
	for (size_t i = prefix; i < len; i++)
		if (!isxdigit((unsigned char)name[i]) && name[i] != '-')
			return false;
	return true;
}

static bool take_text(struct cursor *c, const char *text)
{
	size_t len = strlen(text);
	const uint8_t *p;

	return c->left >= len && memcmp(c->p, text, len) == 0 && cursor_bytes(c, len, &p);
}

static int parse_current(const struct buf *text, struct share_current *ret,
			 struct err *err)
{
	struct cursor c = {text->data, text->len};
	const char *name, *end;

	if (!take_text(&c, SHARE_CURRENT_TEXT) || !take_text(&c, "index "))
		return err_set(err, ERR_CORRUPT,
			       "'%s' makes no sense, or is of a newer version",
			       SHARE_CURRENT);
	name = (const char *)c.p;
	end = memchr(name, '\n', c.left);
	if (!end || !is_index_name(name, (size_t)(end - name)))
		return err_set(err, ERR_CORRUPT, "'%s' names no index", SHARE_CURRENT);
	memcpy(ret->index, name, (size_t)(end - name));
	ret->index[end - name] = '\0';
	buf_init(&ret->rest, SHARE_CURRENT_MAX);
	return buf_append(&ret->rest, end + 1,
			  (size_t)((const char *)text->data + text->len - end - 1), err);
}

int share_current_read(int dirfd, struct share_current *ret, struct err *err)
{
	auto_buf struct buf text;
	int r;

	buf_init(&text, SHARE_CURRENT_MAX);
	r = io_read_file(dirfd, SHARE_CURRENT, &text, err);
	return r < 0 ? r : parse_current(&text, ret, err);
}

/* ---- state ---- */

static int put_into(struct digest_map *m, const struct digest *d, const void *record,
		    struct err *err)
{
	int64_t known = digest_map_find(m, d);
	uint32_t i = (uint32_t)known;
	int r = known < 0 ? digest_map_add(m, d, &i, err) : 0;

	if (r == 0)
		memcpy(digest_map_entry(m, i), record, m->entry_size);
	return r;
}

static int put_ref(struct share *s, const struct record_ref *ref, struct err *err)
{
	struct share_ref copy;
	int r = record_ref_copy(ref, &copy.ref, &copy.memory, err);

	if (r == 0)
		r = buf_append(&s->refs, &copy, sizeof(copy), err);
	if (r == -ERR_LIMIT)
		r = err_set(err, ERR_LIMIT, "more than %u names", REFS_MAX);
	if (r < 0)
		free(copy.memory);
	return r;
}

static int on_item(void *arg, const struct record_item *item, struct err *err)
{
	struct share *s = arg;

	switch (item->type) {
	case RECORD_LAYER:
		return put_into(&s->layers, &item->layer.diffid, &item->layer, err);
	case RECORD_BLOB:
		return put_into(&s->blobs, &item->blob.blob, &item->blob, err);
	case RECORD_ENCODING:
		return put_into(&s->encodings, &item->encoding.blob, &item->encoding,
				err);
	case RECORD_CHAIN:
		return put_into(&s->chains, &item->chain.chainid, &item->chain, err);
	case RECORD_IMAGE:
		return put_into(&s->images, &item->image.manifest, &item->image, err);
	case RECORD_KEY:
		return put_into(&s->keys, &item->key.key, &item->key, err);
	case RECORD_REF:
		return put_ref(s, &item->ref, err);
	default: /* of use to the publisher only */
		return 0;
	}
}

static int read_state(struct share *s, struct err *err)
{
	auto_buf struct buf state;
	int r;

	buf_init(&state, SHARE_STATE_MAX + SHARE_BLOCK);
	r = share_index_state(s, &state, err);
	if (r == 0)
		r = record_decode(state.data, state.len, on_item, s, err);
	return r < 0 ? err_wrap(err, "published index '%s'", s->name) : 0;
}

/* ---- open, close ---- */

int share_open(int dirfd, const char *name, struct share **ret, struct err *err)
{
	struct share *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_nomem(err);
	s->fd = -1;
	snprintf(s->name, sizeof(s->name), "%s", name);
	pthread_mutex_init(&s->lock, NULL);
	digest_map_init(&s->layers, sizeof(struct record_layer));
	digest_map_init(&s->blobs, sizeof(struct record_blob));
	digest_map_init(&s->encodings, sizeof(struct record_encoding));
	digest_map_init(&s->chains, sizeof(struct record_chain));
	digest_map_init(&s->images, sizeof(struct record_image));
	digest_map_init(&s->keys, sizeof(struct record_key));
	buf_init(&s->refs, REFS_MAX * sizeof(struct share_ref));
	r = share_index_open(s, dirfd, err);
	if (r == 0)
		r = read_state(s, err);
	if (r < 0) {
		share_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void share_close(struct share *s)
{
	if (!s)
		return;
	share_index_close(s);
	digest_map_release(&s->layers);
	digest_map_release(&s->blobs);
	digest_map_release(&s->encodings);
	digest_map_release(&s->chains);
	digest_map_release(&s->images);
	digest_map_release(&s->keys);
	for (size_t i = 0; i < share_ref_count(s); i++)
		free(refs_of(s)[i].memory);
	buf_release(&s->refs);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const char *share_index_name(const struct share *s)
{
	return s->name;
}

static const void *find_in(const struct digest_map *m, const struct digest *d)
{
	int64_t i = digest_map_find(m, d);

	return i < 0 ? NULL : digest_map_entry(m, (uint32_t)i);
}

const struct record_layer *share_layer(const struct share *s, const struct digest *diffid)
{
	return find_in(&s->layers, diffid);
}

const void *share_row(const struct share *s, enum record_type type,
		      const struct digest *d)
{
	switch (type) {
	case RECORD_BLOB:
		return find_in(&s->blobs, d);
	case RECORD_ENCODING:
		return find_in(&s->encodings, d);
	case RECORD_CHAIN:
		return find_in(&s->chains, d);
	case RECORD_IMAGE:
		return find_in(&s->images, d);
	case RECORD_KEY:
		return find_in(&s->keys, d);
	default:
		return NULL;
	}
}

size_t share_key_count(const struct share *s)
{
	return s->keys.count;
}

const struct record_key *share_key(const struct share *s, size_t number)
{
	return digest_map_entry(&s->keys, (uint32_t)number);
}

size_t share_ref_count(const struct share *s)
{
	return s->refs.len / sizeof(struct share_ref);
}

const struct record_ref *share_ref(const struct share *s, size_t number)
{
	return &refs_of(s)[number].ref;
}
