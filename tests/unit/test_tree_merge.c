/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of layers merged onto chains. */
#include "store/tree_merge.h"
#include "store/tree_write.h"
#include "tests/unit/tree_fixture.h"

/* The layer goes through its image, as it does in a store. */
static int merge_model(struct tree_model *chain, struct tree_model *layer, unsigned times,
		       struct err *err)
{
	auto_buf struct buf image;
	struct tree t;
	int r = 0;

	buf_init(&image, 64 << 20);
	if (tree_write(layer, &image, err) < 0 ||
	    tree_open(&t, image.data, image.len, err) < 0 || tree_check(&t, err) < 0)
		fail_msg("%s", err->msg);
	while (r == 0 && times-- > 0)
		r = tree_merge(chain, &t, err);
	return r;
}

static int merge_entries(struct tree_model *chain, const char *const *entries,
			 struct err *err)
{
	auto_tree_model struct tree_model *layer = NULL;

	if (tree_model_new(&layer, err) < 0)
		fail_msg("%s", err->msg);
	entries_apply(layer, entries);
	return merge_model(chain, layer, 1, err);
}

/* The counts that the model keeps are those of the tree that it writes. */
static void assert_sound(struct tree_model *chain)
{
	auto_buf struct buf image;
	struct tree t;

	buf_init(&image, 64 << 20);
	assert_ok(tree_write(chain, &image, err));
	assert_ok(tree_open(&t, image.data, image.len, err));
	assert_ok(tree_check(&t, err));
	assert_int_equal(t.inodes, tree_model_count(chain));
	assert_int_equal(t.flags & ~(uint32_t)4, 0);
}

static void assert_chain(const char *const *lower, const char *const *upper,
			 const char *expected)
{
	auto_tree_model struct tree_model *chain = NULL;

	assert_ok(tree_model_new(&chain, err));
	assert_ok(merge_entries(chain, lower, err));
	assert_ok(merge_entries(chain, upper, err));
	assert_tree(chain, expected);
	assert_sound(chain);
}

static void assert_refused(const char *const *lower, const char *const *upper,
			   const char *text)
{
	auto_tree_model struct tree_model *chain = NULL;
	struct err why = {0};

	assert_ok(tree_model_new(&chain, err));
	assert_ok(merge_entries(chain, lower, err));
	assert_int_equal(merge_entries(chain, upper, &why), -ERR_INVALID);
	if (!strstr(why.msg, text))
		fail_msg("'%s' is not in '%s'", text, why.msg);
}

#define LOWER(...) ENTRIES(__VA_ARGS__)
#define UPPER(...) ENTRIES(__VA_ARGS__)

static void the_first_layer_is_copied_without_its_marks(void **state)
{
	(void)state;
	assert_chain(LOWER("d a 700", "f a/b x", "h c a/b", "s l a", "f .wh.w", "f i/j",
			   "d o", "f o/.wh..wh..opq", "c z 0:0", "c n 1:3"),
		     UPPER("d ./ 711"),
		     "/ 711\na/ 700\na/b x *2\nc x *2\ni/ 755\ni/j\nl > a\nn 1:3\n"
		     "o/ 755\nz 0:0 Z\n");
}

static void all_attributes_and_xattrs_come_along(void **state)
{
	static const struct tar_xattr xattrs[] = {
		{"user.a", 6, "1", 1},
		{"trusted.overlay.redirect", 24, "/x", 2},
		{"security.capability", 19, "cap", 3},
	};
	const struct digest d = digest_of_letter('q');
	struct tar_entry e = {.type = TAR_FILE,
			      .path = "f",
			      .path_len = 1,
			      .mode = 04755,
			      .uid = 70000,
			      .gid = 80000,
			      .mtime = -5,
			      .mtime_nsec = 6,
			      .size = 1000,
			      .xattrs = xattrs,
			      .xattr_count = 3};
	auto_tree_model struct tree_model *layer = NULL, *chain = NULL;
	struct tree_attr a;

	(void)state;
	assert_ok(tree_model_new(&layer, err));
	assert_ok(tree_model_new(&chain, err));
	assert_ok(tree_model_apply(layer, &e, &d, NULL, err));
	e.type = TAR_DIR;
	e.path = "d";
	assert_ok(tree_model_apply(layer, &e, NULL, NULL, err));
	assert_ok(merge_model(chain, layer, 2, err));
	tree_model_get(chain, ref_at(chain, "f"), &a);
	assert_int_equal(a.mode, S_IFREG | 04755);
	assert_int_equal(a.uid, 70000);
	assert_int_equal(a.gid, 80000);
	assert_int_equal(a.mtime, -5);
	assert_int_equal(a.mtime_nsec, 6);
	assert_int_equal(a.size, 1000);
	assert_true(digest_equal(&a.digest, &d));
	assert_int_equal(a.xattr_count, 3);
	assert_string_equal(a.xattrs[0].name, "security.capability");
	assert_memory_equal(a.xattrs[0].value, "cap", 3);
	assert_string_equal(a.xattrs[1].name, "trusted.overlay.overlay.redirect");
	assert_memory_equal(a.xattrs[1].value, "/x", 2);
	assert_string_equal(a.xattrs[2].name, "user.a");
	tree_model_get(chain, ref_at(chain, "d"), &a);
	assert_int_equal(a.mode, S_IFDIR | 04755);
	assert_int_equal(a.mtime_nsec, 6);
	assert_int_equal(a.xattr_count, 3);
}

static void whiteouts_hide_what_is_below(void **state)
{
	(void)state;
	assert_chain(LOWER("d a", "d a/b", "f a/b/c", "f a/d", "f e", "h g e"),
		     UPPER("f a/.wh.b", "f .wh.e", "f .wh.missing", "f no/.wh.x"),
		     "/ 755\na/ 755\na/d\ng\nno/ 755\n");
	assert_chain(LOWER("d a 700", "f a/b"), UPPER("f .wh.a", "f a/c"),
		     "/ 755\na/ 755\na/c\n");
	assert_chain(LOWER("d a 700", "f a/b"), UPPER("d a 711", "f a/c", "f .wh.a"),
		     "/ 755\na/ 711\na/c\n");
	assert_chain(LOWER("f a"), UPPER("f .wh.a", "s a b"), "/ 755\na > b\n");
}

static void opaque_directories_hide_what_is_below(void **state)
{
	(void)state;
	assert_chain(LOWER("d a 700", "f a/b", "d a/s", "f a/s/t"),
		     UPPER("f a/.wh..wh..opq", "f a/s/u"),
		     "/ 755\na/ 700\na/s/ 755\na/s/u\n");
	assert_chain(LOWER("d a 700", "f a/b"), UPPER("d a 711", "f a/.wh..wh..opq"),
		     "/ 755\na/ 711\n");
	assert_chain(LOWER("d a", "f a/b", "f c"), UPPER("f .wh..wh..opq", "f d"),
		     "/ 755\nd\n");
	assert_chain(LOWER("f a"), UPPER("f a/.wh..wh..opq"), "/ 755\na/ 755\n");
}

static void directories_are_merged_and_all_else_replaces(void **state)
{
	(void)state;
	assert_chain(LOWER("d a 700", "f a/b x", "f a/c x"),
		     UPPER("d a 711", "f a/b y", "f a/d"),
		     "/ 755\na/ 711\na/b y\na/c x\na/d\n");
	assert_chain(LOWER("d a 700", "f a/b"), UPPER("f a/c"),
		     "/ 755\na/ 700\na/b\na/c\n");
	assert_chain(LOWER("d a", "f a/b"), UPPER("f a x"), "/ 755\na x\n");
	assert_chain(LOWER("f a"), UPPER("d a 700"), "/ 755\na/ 700\n");
	assert_chain(LOWER("f a"), UPPER("f a/b"), "/ 755\na/ 755\na/b\n");
	assert_chain(LOWER("d a", "f a/b"), UPPER("f a", "d a 700"), "/ 755\na/ 700\n");
	assert_chain(LOWER("f a x", "h b a"), UPPER("f b y"), "/ 755\na x\nb y\n");
}

static void own_directories_replace_links_and_implied_ones_follow_them(void **state)
{
	(void)state;
	assert_chain(LOWER("d usr", "d usr/lib 700", "s lib usr/lib"), UPPER("f lib/a x"),
		     "/ 755\nlib > usr/lib\nusr/ 755\nusr/lib/ 700\nusr/lib/a x\n");
	assert_chain(LOWER("d usr", "d usr/lib", "s lib usr/lib"),
		     UPPER("d lib 711", "f lib/a x"),
		     "/ 755\nlib/ 711\nlib/a x\nusr/ 755\nusr/lib/ 755\n");
	assert_chain(LOWER("d b", "d a", "s a/l ../../../b"), UPPER("f a/l/x"),
		     "/ 755\na/ 755\na/l > ../../../b\nb/ 755\nb/x\n");
	assert_chain(LOWER("d b", "s l m", "s m /n", "s n b/."), UPPER("f l/x"),
		     "/ 755\nb/ 755\nb/x\nl > m\nm > /n\nn > b/.\n");
	/* A removed link is not followed, whatever the order. */
	assert_chain(LOWER("d b", "f b/y", "s l b"), UPPER("f l/x", "f .wh.l"),
		     "/ 755\nb/ 755\nb/y\nl/ 755\nl/x\n");
	/* But an opaque mark goes where the link leads. */
	assert_chain(LOWER("d b 700", "f b/y", "s l b"),
		     UPPER("f l/x", "f l/.wh..wh..opq"), "/ 755\nb/ 700\nb/x\nl > b\n");
	assert_chain(LOWER("d b", "f b/y", "f b/z", "s l b"), UPPER("f l/.wh.y"),
		     "/ 755\nb/ 755\nb/z\nl > b\n");
}

static void links_that_lead_to_no_directory_are_replaced(void **state)
{
	(void)state;
	assert_chain(LOWER("s l nowhere"), UPPER("f l/x"), "/ 755\nl/ 755\nl/x\n");
	assert_chain(LOWER("s l f", "f f"), UPPER("f l/x"), "/ 755\nf\nl/ 755\nl/x\n");
	assert_chain(LOWER("s l m", "s m l"), UPPER("f l/x"),
		     "/ 755\nl/ 755\nl/x\nm > l\n");
	assert_chain(LOWER("s l f/..", "f f"), UPPER("f l/x"), "/ 755\nf\nl/ 755\nl/x\n");
}

static void forty_links_are_followed_and_no_more(void **state)
{
	auto_tree_model struct tree_model *chain = NULL;
	char text[32];

	(void)state;
	assert_ok(tree_model_new(&chain, err));
	assert_ok(merge_entries(chain, ENTRIES("d l0"), err));
	for (unsigned i = 1; i <= 41; i++) {
		snprintf(text, sizeof(text), "s l%u l%u", i, i - 1);
		assert_ok(merge_entries(chain, ENTRIES(text), err));
	}
	assert_ok(merge_entries(chain, ENTRIES("f l40/x", "f l41/y"), err));
	assert_int_not_equal(ref_at(chain, "l0/x"), TREE_NONE);
	assert_int_equal(ref_at(chain, "l0/y"), TREE_NONE);
	assert_int_not_equal(ref_at(chain, "l41/y"), TREE_NONE);
	assert_sound(chain);
}

/* Two directories of the layer that are one in the chain. */
static void what_the_layer_brings_is_never_hidden_by_it(void **state)
{
	(void)state;
	assert_chain(LOWER("d usr", "f usr/x x", "s a usr"),
		     UPPER("f a/x y", "f usr/.wh.x"),
		     "/ 755\na > usr\nusr/ 755\nusr/x y\n");
	assert_chain(LOWER("d usr", "f usr/x x", "s z usr"),
		     UPPER("f z/.wh.x", "f usr/x y"),
		     "/ 755\nusr/ 755\nusr/x y\nz > usr\n");
	assert_chain(LOWER("d usr", "f usr/x x", "s a usr"),
		     UPPER("f a/y", "f usr/.wh..wh..opq", "f usr/z"),
		     "/ 755\na > usr\nusr/ 755\nusr/y\nusr/z\n");
	/* The place that a link led to is taken by the layer itself. */
	assert_chain(LOWER("d d", "f d/e", "s a d"), UPPER("f a/x", "f a/y/z", "f d f"),
		     "/ 755\na > d\nd f\n");
}

static void hardlinks_reach_what_was_below(void **state)
{
	(void)state;
	assert_chain(LOWER("f a x"), UPPER("h b a"), "/ 755\na x *2\nb x *2\n");
	assert_chain(LOWER("f a x"), UPPER("h b a", "h c b", "f .wh.a"),
		     "/ 755\nb x *2\nc x *2\n");
	assert_chain(LOWER("f a x"), UPPER("h b a", "f a y"), "/ 755\na y\nb x\n");
	assert_chain(LOWER("f a x"), UPPER("h a a"), "/ 755\na x\n");
	assert_chain(LOWER("d d", "f d/a x"), UPPER("h d d/a"), "/ 755\nd x\n");
	assert_chain(LOWER("s a t"), UPPER("h b a"), "/ 755\na > t *2\nb > t *2\n");
	assert_chain(LOWER("d usr", "f usr/a x", "s lib usr"), UPPER("h e/b lib/a"),
		     "/ 755\ne/ 755\ne/b x *2\nlib > usr\nusr/ 755\nusr/a x *2\n");
	assert_chain(
		LOWER("d usr", "d usr/lib", "f usr/lib/a x", "d lib"),
		UPPER("s lib usr/lib", "h b lib/a"),
		"/ 755\nb x *2\nlib > usr/lib\nusr/ 755\nusr/lib/ 755\nusr/lib/a x *2\n");
	assert_chain(LOWER("d d", "f d/a x"), UPPER("f d/.wh..wh..opq", "h d/b d/a"),
		     "/ 755\nd/ 755\nd/b x\n");
}

static void hardlinks_to_nothing_are_refused(void **state)
{
	(void)state;
	assert_refused(LOWER("f a"), UPPER("h b c"),
		       "hardlink target 'c' does not exist");
	assert_refused(LOWER("f a"), UPPER("h b a/c"), "'a/c' does not exist");
	assert_refused(LOWER("d d"), UPPER("h b d"), "'d' is a directory");
}

/* ---- against a plain model ---- */

/* Paths over {a,b,c} of up to three names; layers without links. What each entry does is
 * said here once more, in the simplest way. */
struct plain {
	char path[8];
	char letter;   /* 0: directory */
	unsigned mode; /* of directories */
	bool own;      /* touched by this layer */
	bool explicit; /* directory with an entry in this layer */
};

struct plain_tree {
	struct plain at[64];
	size_t count;
};

static struct plain *plain_find(struct plain_tree *t, const char *path)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->at[i].path, path) == 0)
			return &t->at[i];
	return NULL;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return len == 0 || (strncmp(path, dir, len) == 0 && path[len] == '/');
}

/* Removes what is below DIR, with SELF also DIR; what is the layer's own stays if
 * KEEP_OWN, its implied directories being made anew. */
static void plain_remove(struct plain_tree *t, const char *dir, bool self, bool keep_own)
{
	for (size_t i = 0; i < t->count;) {
		struct plain *p = &t->at[i];
		bool hit = is_below(p->path, dir) || (self && strcmp(p->path, dir) == 0);

		if (hit && keep_own && p->own) {
			if (!p->letter && !p->explicit)
				p->mode = 0755;
			i++;
		} else if (hit) {
			*p = t->at[--t->count];
		} else {
			i++;
		}
	}
}

static struct plain *plain_add(struct plain_tree *t, const char *path)
{
	struct plain *p = &t->at[t->count++];

	*p = (struct plain){.mode = 0755, .own = true};
	strcpy(p->path, path);
	return p;
}

static void plain_parents(struct plain_tree *t, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		char dir[8] = "";
		struct plain *p;

		memcpy(dir, path, (size_t)(slash - path));
		p = plain_find(t, dir);
		if (p && p->letter) {
			plain_remove(t, dir, true, false);
			p = NULL;
		}
		p = p ? p : plain_add(t, dir);
		p->own = true;
	}
}

static void plain_apply(struct plain_tree *t, char kind, const char *path, char letter,
			unsigned mode)
{
	struct plain *p;

	plain_parents(t, path);
	p = plain_find(t, path);
	if (kind == 'w' && p && (!p->own || !p->letter))
		plain_remove(t, path, true, true);
	if (kind == 'w')
		return;
	if (kind == 'o' || (kind == 'd' && p && !p->letter)) {
		if (!p || p->letter) {
			plain_remove(t, path, true, false);
			p = plain_add(t, path);
		}
		p->own = true;
		p->explicit = p->explicit || kind == 'd';
		if (kind == 'd')
			p->mode = mode;
		else
			plain_remove(t, path, false, true);
		return;
	}
	plain_remove(t, path, true, false);
	p = plain_add(t, path);
	p->letter = kind == 'f' ? letter : '\0';
	p->mode = mode;
	p->explicit = true;
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void plain_text(const struct plain_tree *t, char out[4096])
{
	char lines[65][32] = {"/ 755"};
	size_t used = 0;

	for (size_t i = 0; i < t->count; i++)
		if (t->at[i].letter)
			snprintf(lines[i + 1], 32, "%s %c", t->at[i].path,
				 t->at[i].letter);
		else
			snprintf(lines[i + 1], 32, "%s/ %o", t->at[i].path,
				 t->at[i].mode);
	qsort(lines, t->count + 1, 32, text_cmp);
	for (size_t i = 0; i <= t->count; i++)
		used += (size_t)sprintf(out + used, "%s\n", lines[i]);
}

static unsigned random_below(uint64_t *seed, unsigned n)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(*seed >> 33) % n;
}

static void random_entry(uint64_t *seed, struct plain_tree *t, char text[64])
{
	static const char kinds[] = "fffffddddwwo";
	char path[8] = "", kind = kinds[random_below(seed, 12)];
	char letter = (char)('p' + random_below(seed, 8));
	unsigned names = 1 + random_below(seed, 3), mode = 0700 + random_below(seed, 64);
	const char *base;

	for (unsigned i = 0; i < names; i++)
		sprintf(path + strlen(path), "%s%c", i ? "/" : "",
			'a' + random_below(seed, 3));
	base = path + strlen(path) - 1;
	if (kind == 'f')
		sprintf(text, "f %s %c", path, letter);
	else if (kind == 'd')
		sprintf(text, "d %s %o", path, mode);
	else if (kind == 'w')
		sprintf(text, "f %.*s.wh.%s", (int)(base - path), path, base);
	else
		sprintf(text, "f %s/.wh..wh..opq", path);
	plain_apply(t, kind, path, letter, mode);
}

static void merging_gives_what_applying_in_order_gives(void **state)
{
	uint64_t seed = 1;
	char expected[4096];

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		auto_tree_model struct tree_model *chain = NULL;
		struct plain_tree plain = {.count = 0};

		assert_ok(tree_model_new(&chain, err));
		for (unsigned n = 0; n < 3; n++) {
			char texts[12][64];
			const char *entries[13] = {NULL};
			unsigned count = 1 + random_below(&seed, 12);

			for (size_t i = 0; i < plain.count; i++)
				plain.at[i].own = plain.at[i].explicit = false;
			for (unsigned i = 0; i < count; i++) {
				random_entry(&seed, &plain, texts[i]);
				entries[i] = texts[i];
			}
			assert_ok(merge_entries(chain, entries, err));
		}
		plain_text(&plain, expected);
		assert_tree(chain, expected);
		assert_sound(chain);
	}
}

/* ---- damage ---- */

static void damaged_images_end_in_errors(void **state)
{
	auto_tree_model struct tree_model *layer = NULL;
	auto_buf struct buf image;

	(void)state;
	buf_init(&image, 1 << 20);
	assert_ok(tree_model_new(&layer, err));
	entries_apply(layer, ENTRIES("d a", "f a/b x", "h c a/b", "s l a", "f .wh.w",
				     "h u low", "d a/d", "f a/d/e y"));
	assert_ok(tree_write(layer, &image, err));
	for (size_t i = 0; i < image.len; i++)
		for (unsigned bit = 0; bit < 8; bit += 3) {
			auto_tree_model struct tree_model *chain = NULL;
			struct tree t;
			int r;

			image.data[i] ^= (uint8_t)(1u << bit);
			assert_ok(tree_model_new(&chain, err));
			assert_ok(entry_apply(chain, "f low z", NULL, err));
			r = tree_open(&t, image.data, image.len, NULL);
			if (r == 0)
				r = tree_merge(chain, &t, NULL);
			assert_true(r == 0 || r == -ERR_CORRUPT || r == -ERR_INVALID ||
				    r == -ERR_LIMIT);
			image.data[i] ^= (uint8_t)(1u << bit);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_layer_is_copied_without_its_marks),
		cmocka_unit_test(all_attributes_and_xattrs_come_along),
		cmocka_unit_test(whiteouts_hide_what_is_below),
		cmocka_unit_test(opaque_directories_hide_what_is_below),
		cmocka_unit_test(directories_are_merged_and_all_else_replaces),
		cmocka_unit_test(
			own_directories_replace_links_and_implied_ones_follow_them),
		cmocka_unit_test(links_that_lead_to_no_directory_are_replaced),
		cmocka_unit_test(forty_links_are_followed_and_no_more),
		cmocka_unit_test(what_the_layer_brings_is_never_hidden_by_it),
		cmocka_unit_test(hardlinks_reach_what_was_below),
		cmocka_unit_test(hardlinks_to_nothing_are_refused),
		cmocka_unit_test(merging_gives_what_applying_in_order_gives),
		cmocka_unit_test(damaged_images_end_in_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
