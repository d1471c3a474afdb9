/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of reading tree images: everything comes back, and damage never leads astray. */
#include "store/record.h"
#include "tests/unit/tree_image_fixture.h"

/* ---- attributes ---- */

static void every_attribute_comes_back(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	struct tree_node n;
	struct digest d;
	struct tree t;
	uint32_t flags = tree_model_layer_flags(m);

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	assert_ok(tree_check(&t, err));
	assert_int_equal(t.inodes, tree_model_count(m));
	assert_int_equal(t.flags, flags);
	node_at(&t, "", &n);
	assert_int_equal(n.nid, TREE_ROOT_NID);
	assert_int_equal(n.mode, S_IFDIR | 0711);
	assert_int_equal(n.uid, 3);
	assert_int_equal(n.nlink, 2 + 3);
	node_at(&t, "old", &n);
	assert_int_equal(n.mode, S_IFREG | 07777);
	assert_int_equal(n.uid, UINT32_MAX - 1);
	assert_int_equal(n.gid, 3000000000u);
	assert_int_equal(n.mtime, -5);
	assert_int_equal(n.mtime_nsec, 999999999);
	assert_int_equal(n.size, 0);
	assert_true(digest_is_zero(&n.digest));
	node_at(&t, "large", &n);
	digest_of("large", 5, &d);
	assert_true(digest_equal(&n.digest, &d));
	assert_int_equal(n.size, 5ull << 40);
	node_at(&t, "huge", &n);
	assert_int_equal(n.size, 10ull << 43);
	node_at(&t, "d/sub/f", &n);
	assert_int_equal(n.nlink, 1);
	node_at(&t, LONGEST_NAME, &n);
	assert_int_equal(n.size, 3);
}

static void the_files_come_one_after_the_other(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	uint64_t nid = TREE_ROOT_NID, last = 0;
	unsigned tries = 10000, none = 0, found = 0;
	struct tree_node n, wanted;
	bool sub = false;
	struct tree t;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	node_at(&t, "d/sub/f", &wanted);
	assert_false(tree_next_file(&t, &nid, &none, &n));
	assert_int_equal(nid, TREE_ROOT_NID);
	while (tree_next_file(&t, &nid, &tries, &n)) {
		assert_true(S_ISREG(n.mode) && n.size > 0 && n.nid == nid && nid > last);
		sub = sub || nid == wanted.nid;
		last = nid;
		found++;
	}
	assert_true(sub && found > 3);
	nid = UINT64_MAX;
	assert_false(tree_next_file(&t, &nid, &tries, &n));
}

static void special_files_come_back(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	struct tree_node n;
	struct tree t;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	node_at(&t, "null", &n);
	assert_int_equal(n.mode, S_IFCHR | 0666);
	assert_int_equal(n.rdev_major, 1);
	assert_int_equal(n.rdev_minor, 3);
	node_at(&t, "disk", &n);
	assert_int_equal(n.mode, S_IFBLK | 0600);
	assert_int_equal(n.rdev_major, TREE_DEVICE_MAJOR_MAX);
	assert_int_equal(n.rdev_minor, TREE_DEVICE_MINOR_MAX);
	node_at(&t, "fifo", &n);
	assert_int_equal(n.mode, S_IFIFO | 0600);
	node_at(&t, "socket", &n);
	assert_int_equal(n.mode, S_IFSOCK | 0600);
	node_at(&t, "zero", &n);
	assert_int_equal(n.mode, S_IFCHR | 0640);
	assert_int_equal(n.flags, TREE_DEVICE_ZERO);
	assert_int_equal(n.rdev_major | n.rdev_minor, 0);
	node_at(&t, "gone", &n);
	assert_int_equal(n.mode & S_IFMT, S_IFCHR);
	assert_int_equal(n.flags, TREE_WHITEOUT);
	assert_int_equal(n.rdev_major | n.rdev_minor, 0);
	node_at(&t, "opaque", &n);
	assert_int_equal(n.flags, TREE_OPAQUE);
	node_at(&t, "implied", &n);
	assert_int_equal(n.flags, TREE_IMPLIED);
}

/* What the kernel would see: 0:0 is a whiteout to overlayfs. */
static void only_whiteouts_are_devices_zero_in_the_image(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	struct tree t;

	(void)state;
	model_add(m, "unflagged", &(struct tree_attr){.mode = S_IFCHR | 0600});
	image_make(m, &image);
	image_open(&image, &t);
	assert_int_equal(
		get_le32(image.data + nid_of(&t, "gone") * 32 + TREE_INODE_UNION), 0);
	assert_int_equal(
		get_le32(image.data + nid_of(&t, "zero") * 32 + TREE_INODE_UNION), 1);
	assert_int_equal(
		get_le32(image.data + nid_of(&t, "unflagged") * 32 + TREE_INODE_UNION),
		1);
}

static void hardlinks_are_one_inode(void **state)
{
	auto_tree_model struct tree_model *m = zoo(false);
	auto_buf struct buf image;
	struct tree_node n;
	struct tree t;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	node_at(&t, "a", &n);
	assert_int_equal(n.nlink, 3);
	assert_int_equal(nid_of(&t, "d/again"), n.nid);
	assert_int_equal(nid_of(&t, "d/sub/again"), n.nid);
}

static void assert_link(const struct tree *t, const char *path, size_t want)
{
	const char *target;
	size_t len;

	assert_ok(tree_readlink(t, nid_of(t, path), &target, &len, err));
	assert_int_equal(len, want);
}

static void link_targets_come_back(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	const char *target;
	struct tree t;
	size_t len;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	assert_link(&t, "longest", TREE_LINK_MAX);
	assert_ok(tree_readlink(&t, nid_of(&t, "link"), &target, &len, err));
	assert_int_equal(len, 10);
	assert_memory_equal(target, "d/sub/../f", len);
	assert_int_equal(tree_readlink(&t, nid_of(&t, "a"), &target, &len, NULL),
			 -ERR_INVALID);
	assert_ok(tree_unresolved(&t, nid_of(&t, "lower"), &target, &len, err));
	assert_int_equal(len, 12);
	assert_memory_equal(target, "usr/bin/perl", len);
	assert_int_equal(tree_unresolved(&t, nid_of(&t, "a"), &target, &len, NULL),
			 -ERR_NOTFOUND);
	assert_true(t.flags & LAYER_UNRESOLVED_LINKS);
}

/* Of every length, so that tails come to every place. */
static void links_of_any_length_come_back(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	char target[TREE_LINK_MAX + 1], path[32];
	auto_buf struct buf image;
	struct tree t;

	(void)state;
	for (unsigned len = 1; len <= TREE_LINK_MAX; len += 7) {
		memset(target, 'x', len);
		target[len] = '\0';
		snprintf(path, sizeof(path), "%u", len);
		model_symlink(m, path, target);
	}
	image_make(m, &image);
	image_open(&image, &t);
	assert_ok(tree_check(&t, err));
	for (unsigned len = 1; len <= TREE_LINK_MAX; len += 7) {
		snprintf(path, sizeof(path), "%u", len);
		assert_link(&t, path, len);
	}
}

/* ---- xattrs ---- */

struct names {
	char text[1024];
	size_t values;
};

static int add_name(void *arg, const char *prefix, const char *name, size_t name_len,
		    const void *value, size_t value_len, struct err *err)
{
	struct names *n = arg;
	size_t used = strlen(n->text);

	(void)value;
	(void)err;
	snprintf(n->text + used, sizeof(n->text) - used, "%s%.*s\n", prefix,
		 (int)name_len, name);
	n->values += value_len;
	return 0;
}

static void assert_xattrs(const struct tree *t, const char *path, bool all,
			  const char *want, size_t values)
{
	struct names n = {.text = ""};

	assert_ok(tree_xattr_each(t, nid_of(t, path), all, add_name, &n, err));
	assert_string_equal(n.text, want);
	assert_int_equal(n.values, values);
}

#define OF_THE_FILE \
	"security.capability\nsystem.posix_acl_access\ntrusted.layercache.link\n" \
	"trusted.overlay.overlay.redirect\nuser.empty\nuser.overlay.opaque\n"

static void xattrs_come_back_and_bookkeeping_is_hidden(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	struct tree t;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	assert_xattrs(&t, "xattrs", false, OF_THE_FILE, 20 + 44 + 4 + 11 + 1);
	assert_xattrs(&t, "xattrs", true,
		      "trusted.overlay.redirect\ntrusted.overlay.metacopy\n" OF_THE_FILE,
		      66 + 20 + 44 + 4 + 11 + 1);
	assert_xattrs(&t, "a", false, "", 0);
	assert_xattrs(&t, "empty", true, "", 0);
	assert_xattrs(&t, "opaque", false, "", 0);
	assert_xattrs(&t, "opaque", true, "trusted.overlay.opaque\n", 1);
	assert_xattrs(&t, "lower", false, "", 0);
	assert_xattrs(&t, "lower", true, "trusted.layercache.link\n", 12);
	assert_xattrs(&t, "gone", true, "", 0);
}

static int stop(void *arg, const char *prefix, const char *name, size_t name_len,
		const void *value, size_t value_len, struct err *err)
{
	(void)prefix;
	(void)name;
	(void)name_len;
	(void)value;
	(void)value_len;
	(void)err;
	return ++*(int *)arg == 2;
}

static void listing_xattrs_can_be_stopped(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	struct tree t;
	int seen = 0;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	assert_ok(tree_xattr_each(&t, nid_of(&t, "xattrs"), false, stop, &seen, err));
	assert_int_equal(seen, 2);
}

static void the_redirect_names_the_content(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	struct tree_attr a = {.mode = S_IFREG | 0644, .size = 9};
	auto_buf struct buf image;
	const uint8_t *value;
	struct tree t;

	(void)state;
	for (unsigned i = 0; i < DIGEST_SIZE; i++)
		a.digest.bytes[i] = (uint8_t)(i * 9 + 1);
	model_add(m, "f", &a);
	image_make(m, &image);
	image_open(&image, &t);
	value = image.data + nid_of(&t, "f") * 32 + 64 + 12 + 4 + strlen(TREE_REDIRECT);
	assert_memory_equal(value,
			    "/01/0a131c252e374049525b646d767f88919aa3acb5bec7d0d9e2ebf4fd"
			    "060f18",
			    66);
}

/* ---- directories ---- */

struct listing {
	char names[40][TREE_NAME_MAX + 1];
	uint64_t next[40];
	uint32_t types[40];
	size_t count, most;
};

static int add_entry(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		     uint64_t next, struct err *err)
{
	struct listing *l = arg;

	(void)err;
	assert_true(nid >= TREE_ROOT_NID);
	assert_true(l->count < 40);
	memcpy(l->names[l->count], name, len);
	l->names[l->count][len] = '\0';
	l->types[l->count] = type;
	l->next[l->count++] = next;
	return l->count == l->most;
}

static void a_directory_is_listed_in_byte_order(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	struct listing l = {.most = 0};
	struct tree t;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	assert_ok(tree_readdir(&t, TREE_ROOT_NID, 0, add_entry, &l, err));
	assert_int_equal(l.count, 24);
	assert_string_equal(l.names[0], "!before-the-dots");
	assert_string_equal(l.names[1], ".");
	assert_string_equal(l.names[2], "..");
	assert_string_equal(l.names[23], "\xff\xfe");
	for (size_t i = 1; i < l.count; i++)
		assert_true(strcmp(l.names[i - 1], l.names[i]) < 0);
	for (size_t i = 0; i < l.count; i++) {
		struct tree_node n;

		node_at(&t, l.names[i], &n);
		assert_int_equal(n.mode & S_IFMT, l.types[i]);
	}
}

static void a_listing_goes_on_anywhere(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;
	struct listing whole = {.most = 0};
	struct tree t;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	assert_ok(tree_readdir(&t, TREE_ROOT_NID, 0, add_entry, &whole, err));
	for (size_t i = 0; i < whole.count; i++) {
		struct listing rest = {.most = 0};

		assert_ok(tree_readdir(&t, TREE_ROOT_NID, whole.next[i], add_entry, &rest,
				       err));
		assert_int_equal(rest.count, whole.count - i - 1);
		if (rest.count)
			assert_string_equal(rest.names[0], whole.names[i + 1]);
	}
	whole.count = 0;
	assert_ok(tree_readdir(&t, TREE_ROOT_NID, UINT64_MAX, add_entry, &whole, err));
	assert_ok(tree_readdir(&t, TREE_ROOT_NID, 1ull << 62, add_entry, &whole, err));
	assert_int_equal(whole.count, 0);
}

static int count_entry(void *arg, const char *name, size_t len, uint64_t nid,
		       uint32_t type, uint64_t next, struct err *err)
{
	(void)name;
	(void)len;
	(void)nid;
	(void)type;
	(void)err;
	((uint64_t *)arg)[0]++;
	((uint64_t *)arg)[1] = next;
	return ((uint64_t *)arg)[0] % 1000 == 0;
}

static void every_name_of_a_large_directory_is_found(void **state)
{
	const unsigned count = 100000;
	auto_tree_model struct tree_model *m = model_new();
	uint64_t dir, nid, seen[2] = {0, 0}, before;
	auto_buf struct buf image;
	struct tree_node n;
	struct tree t;
	char name[32];

	(void)state;
	model_many(m, count);
	image_make(m, &image);
	image_open(&image, &t);
	dir = nid_of(&t, "many");
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(tree_lookup(&t, dir, name, strlen(name), &nid, NULL), 0);
		assert_int_equal(tree_node(&t, nid, &n, NULL), 0);
		snprintf(name, sizeof(name), "file-%u-", i);
		assert_int_equal(tree_lookup(&t, dir, name, strlen(name), &nid, NULL),
				 -ERR_NOTFOUND);
	}
	do {
		before = seen[0];
		assert_ok(tree_readdir(&t, dir, seen[1], count_entry, seen, err));
	} while (seen[0] != before);
	assert_int_equal(seen[0], count + 2);
}

static void missing_names_are_not_found(void **state)
{
	static const char *const missing[] = {"",
					      "!",
					      "zz",
					      "\xff\xff",
					      "d/nothing",
					      "a/below-a-file",
					      "nothing/at/all"};
	auto_tree_model struct tree_model *m = zoo(false);
	auto_buf struct buf image;
	struct tree t;
	uint64_t nid;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	assert_int_equal(tree_lookup(&t, TREE_ROOT_NID, "", 0, &nid, NULL),
			 -ERR_NOTFOUND);
	for (size_t i = 1; i < ARRAY_LEN(missing); i++)
		assert_int_equal(tree_path(&t, missing[i], &nid, NULL), -ERR_NOTFOUND);
	assert_int_equal(nid_of(&t, "/d//sub/"), nid_of(&t, "d/sub"));
	assert_int_equal(nid_of(&t, "d/sub/../.."), TREE_ROOT_NID);
	assert_int_equal(nid_of(&t, ".."), TREE_ROOT_NID);
}

/* ---- damage ---- */

/* What a daemon would do with it. */
static int use(const struct tree *t, const char *path)
{
	struct names names = {.text = ""};
	struct listing l = {.most = 10};
	struct tree_node n;
	const char *target;
	uint64_t nid;
	size_t len;
	int r = tree_path(t, path, &nid, NULL);

	if (r == 0)
		r = tree_node(t, nid, &n, NULL);
	if (r == 0)
		r = tree_xattr_each(t, nid, true, add_name, &names, NULL);
	if (r == 0 && S_ISLNK(n.mode))
		r = tree_readlink(t, nid, &target, &len, NULL);
	if (r == 0 && n.flags & TREE_UNRESOLVED)
		r = tree_unresolved(t, nid, &target, &len, NULL);
	if (r == 0 && S_ISDIR(n.mode))
		r = tree_readdir(t, nid, 0, add_entry, &l, NULL);
	return r;
}

static void assert_no_harm(const uint8_t *bytes, size_t len)
{
	static const char *const paths[] = {"", "f", "d", "d/g", "l", "d/x", "u"};
	struct tree t;
	int r = tree_open(&t, bytes, len, NULL);

	assert_true(r == 0 || r == -ERR_CORRUPT);
	if (r < 0)
		return;
	r = tree_check(&t, NULL);
	assert_true(r == 0 || r == -ERR_CORRUPT);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		r = use(&t, paths[i]);
		assert_true(r == 0 || r == -ERR_CORRUPT || r == -ERR_NOTFOUND);
	}
}

static void no_changed_byte_leads_astray(void **state)
{
	auto_tree_model struct tree_model *m = model_little();
	static const uint8_t patterns[] = {0x01, 0x80, 0xff, 0x10};
	auto_buf struct buf image;

	(void)state;
	image_make(m, &image);
	assert_int_equal(image.len, TREE_BLOCK);
	for (size_t i = 0; i < image.len; i++)
		for (size_t k = 0; k < ARRAY_LEN(patterns); k++) {
			image.data[i] ^= patterns[k];
			assert_no_harm(image.data, image.len);
			image.data[i] ^= patterns[k];
		}
}

static void a_cut_image_is_damage(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;

	(void)state;
	image_make(m, &image);
	for (size_t len = 0; len < image.len; len += 512) {
		/* An exact copy, so that a read beyond it is seen. */
		auto_free uint8_t *copy = malloc(len ? len : 1);
		struct tree t;

		memcpy(copy, image.data, len);
		assert_int_equal(tree_open(&t, copy, len, NULL), -ERR_CORRUPT);
		if (len < TREE_BLOCK || len % TREE_BLOCK)
			continue;
		put_le64(copy + TREE_HEADER_LENGTH, len);
		put_le32(copy + TREE_SUPER_OFFSET + TREE_SUPER_AT_BLOCKS,
			 (uint32_t)(len / TREE_BLOCK));
		if (get_le64(copy + TREE_HEADER_BLOCKS) > len)
			put_le64(copy + TREE_HEADER_BLOCKS, len);
		if (tree_open(&t, copy, len, NULL) == 0)
			assert_int_equal(tree_check(&t, NULL), -ERR_CORRUPT);
		assert_no_harm(copy, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_comes_back),
		cmocka_unit_test(the_files_come_one_after_the_other),
		cmocka_unit_test(special_files_come_back),
		cmocka_unit_test(only_whiteouts_are_devices_zero_in_the_image),
		cmocka_unit_test(hardlinks_are_one_inode),
		cmocka_unit_test(link_targets_come_back),
		cmocka_unit_test(links_of_any_length_come_back),
		cmocka_unit_test(xattrs_come_back_and_bookkeeping_is_hidden),
		cmocka_unit_test(listing_xattrs_can_be_stopped),
		cmocka_unit_test(the_redirect_names_the_content),
		cmocka_unit_test(a_directory_is_listed_in_byte_order),
		cmocka_unit_test(a_listing_goes_on_anywhere),
		cmocka_unit_test(every_name_of_a_large_directory_is_found),
		cmocka_unit_test(missing_names_are_not_found),
		cmocka_unit_test(no_changed_byte_leads_astray),
		cmocka_unit_test(a_cut_image_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
