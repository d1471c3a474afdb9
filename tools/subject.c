/* SPDX-License-Identifier: Apache-2.0
 * From what a user wrote to a record of the catalog.
 */
#include "tools/subject.h"

#include "tools/oci/reference.h"

#define DIGITS           64u
#define CANDIDATES_SHOWN 4u
#define CHAIN_MAX        4096u

static const struct {
	const char *word;
	enum subject_kind kind;
} kinds[] = {
	{"image", SUBJECT_IMAGE},
	{"chain", SUBJECT_CHAIN},
	{"layer", SUBJECT_LAYER},
	{"key", SUBJECT_KEY},
};

static const char *kind_word(enum subject_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].word;
	return "digest";
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Reads all of TEXT as digits. */
static bool parse_digits(const char *text, struct subject_text *x)
{
	size_t len = strlen(text);

	if (len < SUBJECT_PREFIX_MIN || len > DIGITS)
		return false;
	x->prefix = (struct digest){0};
	for (size_t i = 0; i < len; i++) {
		int v = hex_value(text[i]);

		if (v < 0)
			return false;
		x->prefix.bytes[i / 2] |= (uint8_t)(i % 2 ? v : v << 4);
	}
	x->digits = (unsigned)len;
	x->digest = true;
	x->certain = len == DIGITS;
	return true;
}

int subject_parse(const char *text, struct subject_text *ret, struct err *err)
{
	struct subject_text x = {0};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i].word);
		const char *rest = text + n + 1;

		if (strncmp(text, kinds[i].word, n) != 0 || text[n] != ':')
			continue;
		if (strncmp(rest, "sha256:", 7) == 0)
			rest += 7;
		if (!parse_digits(rest, &x))
			continue;
		x.kind = kinds[i].kind;
		x.certain = true;
		*ret = x;
		return 0;
	}
	if (strncmp(text, "sha256:", 7) == 0) {
		if (!parse_digits(text + 7, &x))
			return err_set(err, ERR_INVALID,
				       "'%s' is no digest: need %u to %u hex digits",
				       text, SUBJECT_PREFIX_MIN, DIGITS);
		x.certain = true;
	} else {
		parse_digits(text, &x);
	}
	if (!x.digest)
		x = (struct subject_text){0};
	*ret = x;
	return 0;
}

bool subject_matches(const struct subject_text *x, const struct digest *d)
{
	unsigned whole = x->digits / 2;

	if (memcmp(x->prefix.bytes, d->bytes, whole) != 0)
		return false;
	return x->digits % 2 == 0 || (d->bytes[whole] & 0xf0) == x->prefix.bytes[whole];
}

/* ---- by digest ---- */

/* What a prefix fits so far: things with one digest count once, the first one is kept. */
struct search {
	const struct subject_text *text;
	struct subject first;
	unsigned count;
	struct {
		enum subject_kind kind;
		struct digest digest;
	} found[CANDIDATES_SHOWN];
};

/* True if it is the first one. */
static bool search_add(struct search *s, enum subject_kind kind, const struct digest *d)
{
	unsigned known = s->count < CANDIDATES_SHOWN ? s->count : CANDIDATES_SHOWN;

	for (unsigned i = 0; i < known; i++)
		if (digest_equal(&s->found[i].digest, d))
			return false;
	if (s->count < CANDIDATES_SHOWN) {
		s->found[s->count].kind = kind;
		s->found[s->count].digest = *d;
	}
	if (s->count++)
		return false;
	s->first.kind = kind;
	return true;
}

static int match_image(void *arg, const struct record_image *image, struct err *err)
{
	struct search *s = arg;

	(void)err;
	if (subject_matches(s->text, &image->config)) {
		if (search_add(s, SUBJECT_IMAGE, &image->config))
			s->first.image = *image;
	} else if (subject_matches(s->text, &image->manifest)) {
		if (search_add(s, SUBJECT_IMAGE, &image->manifest))
			s->first.image = *image;
	}
	return 0;
}

static int match_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	struct search *s = arg;

	(void)err;
	if (!subject_matches(s->text, &chain->chainid))
		return 1;
	if (search_add(s, SUBJECT_CHAIN, &chain->chainid))
		s->first.chain = *chain;
	return 0;
}

static int match_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct search *s = arg;

	(void)err;
	if (!subject_matches(s->text, &layer->diffid))
		return 1;
	if (search_add(s, SUBJECT_LAYER, &layer->diffid))
		s->first.layer = *layer;
	return 0;
}

static int match_key(void *arg, const struct record_key *key, struct err *err)
{
	struct search *s = arg;

	(void)err;
	if (!subject_matches(s->text, &key->key))
		return 1;
	if (search_add(s, SUBJECT_KEY, &key->key))
		s->first.key = *key;
	return 0;
}

static int search_kind(struct catalog_txn *t, enum subject_kind kind, struct search *s,
		       struct err *err)
{
	const struct digest *from = &s->text->prefix;

	switch (kind) {
	case SUBJECT_IMAGE: /* kept by manifest, so all are looked at */
		return catalog_image_each(t, NULL, match_image, s, err);
	case SUBJECT_CHAIN:
		return catalog_chain_each(t, from, match_chain, s, err);
	case SUBJECT_LAYER:
		return catalog_layer_each(t, from, match_layer, s, err);
	case SUBJECT_KEY:
		return catalog_key_each(t, from, match_key, s, err);
	}
	abort();
}

static int ambiguous(const struct search *s, const char *text, struct err *err)
{
	unsigned shown = s->count < CANDIDATES_SHOWN ? s->count : CANDIDATES_SHOWN;
	auto_buf struct buf list;
	int rc = 0;

	buf_init(&list, 1024);
	for (unsigned i = 0; i < shown && !rc; i++) {
		char hex[DIGEST_HEX_SIZE];

		rc = buf_printf(&list, err, "%s%s:%.*s", i ? ", " : "",
				kind_word(s->found[i].kind), (int)s->text->digits + 6,
				digest_hex(&s->found[i].digest, hex));
	}
	if (!rc && s->count > shown)
		rc = buf_printf(&list, err, " and %u more", s->count - shown);
	if (rc)
		return rc;
	return err_set(err, ERR_INVALID, "'%s' is ambiguous: %.*s", text, (int)list.len,
		       (char *)list.data);
}

static int find_digest(struct catalog_txn *t, const char *text,
		       const struct subject_text *x, unsigned flags, struct subject *ret,
		       struct err *err)
{
	static const enum subject_kind usual[] = {SUBJECT_KEY, SUBJECT_IMAGE,
						  SUBJECT_CHAIN, SUBJECT_LAYER};
	static const enum subject_kind layer_first[] = {SUBJECT_LAYER, SUBJECT_KEY,
							SUBJECT_IMAGE, SUBJECT_CHAIN};
	const enum subject_kind *order =
		flags & SUBJECT_LAYER_FIRST ? layer_first : usual;
	struct search s = {.text = x};

	for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
		int rc;

		if (x->kind && x->kind != order[i])
			continue;
		rc = search_kind(t, order[i], &s, err);
		if (rc < 0)
			return rc;
	}
	if (s.count > 1)
		return ambiguous(&s, text, err);
	if (!s.count)
		return err_set(err, ERR_NOTFOUND, "no %s '%s' in this store",
			       x->kind ? kind_word(x->kind)
				       : "key, image, chain or layer",
			       text);
	*ret = s.first;
	return 0;
}

/* ---- by name ---- */

/* "linux/arm64" also stands for "linux/arm64/v8". */
static bool is_platform(const char *have, const char *wanted)
{
	size_t n = strlen(wanted);

	return strncmp(have, wanted, n) == 0 && (!have[n] || have[n] == '/');
}

static int pick_target(const struct record_ref *ref, const char *platform,
		       struct digest *ret, struct err *err)
{
	if (ref->count == 0)
		return err_set(err, ERR_NOTFOUND, "'%s' is an artifact, not an image",
			       ref->name);
	for (uint32_t i = 0; i < ref->count; i++) {
		if (!platform || is_platform(ref->targets[i].platform, platform)) {
			*ret = ref->targets[i].manifest;
			return 0;
		}
	}
	return err_set(err, ERR_NOTFOUND, "image '%s' is not there for platform '%s'",
		       ref->name, platform ? platform : "any");
}

static int find_name(struct catalog_txn *t, const char *name, const char *platform,
		     struct subject *ret, struct err *err)
{
	auto_free void *memory = NULL;
	struct digest manifest;
	struct record_ref ref;
	int rc;

	rc = catalog_ref_get(t, name, &ref, &memory, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "no image '%s' in this store", name);
	if (!rc)
		rc = pick_target(&ref, platform, &manifest, err);
	if (rc)
		return rc;
	rc = catalog_image_get(t, &manifest, &ret->image, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "name '%s' leads to no image", name);
	if (rc)
		return rc;
	ret->kind = SUBJECT_IMAGE;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

int subject_find(struct catalog_txn *t, const char *text, const char *platform,
		 unsigned flags, struct subject *ret, struct err *err)
{
	struct subject found = {0};
	auto_buf struct buf name;
	struct subject_text x;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	rc = subject_parse(text, &x, err);
	if (rc)
		return rc;
	if (!x.certain) {
		rc = reference_normalize(text, &name, err);
		if (!rc)
			rc = find_name(t, (const char *)name.data, platform, &found, err);
	}
	/* Digits that are no name are the start of a digest. */
	if (x.digest && (x.certain || rc == -ERR_NOTFOUND))
		rc = find_digest(t, text, &x, flags, &found, err);
	if (!rc)
		*ret = found;
	return rc;
}

/* ---- what hangs on it ---- */

int subject_chain(struct catalog_txn *t, const struct subject *s, struct digest *ret,
		  struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct record_chain chain;
	int rc;

	if (s->kind == SUBJECT_CHAIN) {
		*ret = s->chain.chainid;
		return 0;
	}
	if (s->kind == SUBJECT_KEY) {
		*ret = s->key.chainid;
		return 0;
	}
	if (s->kind == SUBJECT_IMAGE) {
		if (digest_is_zero(&s->image.chainid))
			return err_set(err, ERR_INVALID, "image '%s' has no layers",
				       *s->name ? s->name
						: digest_format(&s->image.config, text));
		*ret = s->image.chainid;
		return 0;
	}
	rc = catalog_chain_get(t, &s->layer.diffid, &chain, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND,
			       "layer '%s' is no root filesystem by itself: name a chain",
			       digest_format(&s->layer.diffid, text));
	if (!rc)
		*ret = chain.chainid;
	return rc;
}

int subject_image(struct catalog_txn *t, const struct subject *s,
		  struct record_image *ret, struct err *err)
{
	if (s->kind == SUBJECT_IMAGE) {
		*ret = s->image;
		return 0;
	}
	if (s->kind == SUBJECT_KEY && !digest_is_zero(&s->key.manifest))
		return catalog_image_get(t, &s->key.manifest, ret, err);
	return err_set(err, ERR_NOTFOUND, "no image");
}

static int get_link(struct catalog_txn *t, const struct digest *id,
		    struct record_chain *ret, struct err *err)
{
	int rc = catalog_chain_get(t, id, ret, err);
	char text[DIGEST_TEXT_SIZE];

	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "chain '%s' is missing",
			       digest_format(id, text));
	return rc;
}

int subject_chain_layers(struct catalog_txn *t, const struct digest *chainid,
			 struct record_chain **ret, size_t *ret_count, struct err *err)
{
	auto_free struct record_chain *links = NULL;
	struct digest next = *chainid;
	size_t count = 0;

	while (!digest_is_zero(&next)) {
		struct record_chain *more;
		int rc;

		if (count == CHAIN_MAX)
			return err_set(err, ERR_CORRUPT, "chain of more than %u layers",
				       CHAIN_MAX);
		more = reallocarray(links, count + 1, sizeof(*links));
		if (!more)
			return err_nomem(err);
		links = more;
		rc = get_link(t, &next, &links[count], err);
		if (rc)
			return rc;
		next = links[count++].parent;
	}
	for (size_t i = 0; i < count / 2; i++) {
		struct record_chain swap = links[i];

		links[i] = links[count - 1 - i];
		links[count - 1 - i] = swap;
	}
	*ret = steal_ptr(&links);
	*ret_count = count;
	return 0;
}
