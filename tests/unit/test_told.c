/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of what an upstream has told: tags with their age, manifests and who names what,
 * and that all of it is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "tools/serve/told.h"

#define REPO   "docker.io/library/app"
#define DIGEST "sha256:%064x"
#define IMAGE \
	"{\"schemaVersion\":2," \
	"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\"," \
	"\"digest\":\"" DIGEST "\",\"size\":2}," \
	"\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\"," \
	"\"digest\":\"" DIGEST "\",\"size\":3}]}"
#define INDEX \
	"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":" \
	"\"application/vnd.oci.image.manifest.v1+json\"," \
	"\"digest\":\"%s\",\"size\":%zu}]}"

static struct told *told;
static struct err err[1];

static int setup(void **state)
{
	(void)state;
	return told_new(&told, NULL);
}

static int teardown(void **state)
{
	(void)state;
	told_free(told);
	return 0;
}

static struct digest add(const char *repository, unsigned config, unsigned layer)
{
	char text[1024];
	struct digest d;
	int len = snprintf(text, sizeof(text), IMAGE, config, layer);

	assert_int_equal(told_add(told, repository, text, (size_t)len, "text/plain", err),
			 0);
	digest_of(text, (size_t)len, &d);
	return d;
}

static struct digest number(unsigned n)
{
	char text[80];
	struct digest d;

	snprintf(text, sizeof(text), DIGEST, n);
	assert_int_equal(digest_parse(text, strlen(text), &d, err), 0);
	return d;
}

static int count_name(void *arg, const char *name, struct err *e)
{
	(void)e;
	assert_non_null(strstr(name, REPO ":"));
	++*(unsigned *)arg;
	return 0;
}

static void tags_move_and_go(void **state)
{
	struct digest one = number(1), two = number(2), is;
	unsigned age = 99, names = 0;

	(void)state;
	assert_false(told_tag(told, REPO ":v1", &is, &age));
	assert_int_equal(told_tag_set(told, REPO ":v1", &one, err), 0);
	assert_int_equal(told_tag_set(told, REPO ":v2", &one, err), 0);
	assert_int_equal(told_tag_set(told, REPO "2:v2", &one, err), 0);
	assert_true(told_tag(told, REPO ":v1", &is, &age));
	assert_true(digest_equal(&is, &one));
	assert_in_range(age, 0, 5);
	assert_int_equal(told_names(told, REPO, &one, count_name, &names, err), 0);
	assert_int_equal(names, 2);
	assert_int_equal(told_tag_set(told, REPO ":v1", &two, err), 0);
	assert_true(told_tag(told, REPO ":v1", &is, &age));
	assert_true(digest_equal(&is, &two));
	told_tag_forget(told, REPO ":v1");
	told_tag_forget(told, REPO ":v1");
	assert_false(told_tag(told, REPO ":v1", &is, &age));
}

static void tags_are_bounded(void **state)
{
	struct digest d = number(1), is;
	char name[64];
	unsigned age;

	(void)state;
	for (unsigned i = 0; i <= 4096; i++) {
		snprintf(name, sizeof(name), REPO ":%u", i);
		assert_int_equal(told_tag_set(told, name, &d, err), 0);
		assert_true(told_tag(told, REPO ":0", &is, &age)); /* stays in use */
	}
	assert_false(told_tag(told, REPO ":1", &is, &age));
	assert_true(told_tag(told, REPO ":2", &is, &age));
}

static void a_manifest_is_of_its_repository(void **state)
{
	struct digest d = add(REPO, 1, 2);
	struct told_manifest m = {0};

	(void)state;
	assert_int_equal(told_get(told, REPO "2", &d, &m, err), -ERR_NOTFOUND);
	assert_int_equal(told_get(told, REPO, &d, &m, err), 0);
	assert_int_equal(m.kind, MANIFEST_IMAGE);
	assert_string_equal(m.media_type, DESCRIPTOR_OCI_MANIFEST);
	assert_int_equal(m.count, 2);
	assert_true(m.parts[0].config);
	assert_false(m.parts[1].config);
	assert_int_equal(m.parts[1].size, 3);
	told_manifest_release(&m);
	assert_int_equal(told_add(told, REPO, "{}", 2, "", err), -ERR_INVALID);
	assert_int_equal(told_add(told, REPO, "[", 1, NULL, err), -ERR_INVALID);
}

static void users_of(const struct digest *part, struct buf *users)
{
	buf_init(users, 1u << 20);
	assert_int_equal(told_users(told, REPO, part, users, err), 0);
}

static void parts_lead_to_manifests(void **state)
{
	struct digest image = add(REPO, 1, 2), both = add(REPO, 7, 7), part = number(2);
	const struct told_user *user;
	char text[512], digest[DIGEST_TEXT_SIZE];
	struct buf users;

	(void)state;
	users_of(&part, &users);
	assert_int_equal(users.len, sizeof(*user));
	user = (const void *)users.data;
	assert_true(digest_equal(&user->manifest, &image));
	assert_false(user->part.config);
	buf_release(&users);

	/* A config that is a layer as well counts as a layer. */
	part = number(7);
	users_of(&part, &users);
	user = (const void *)users.data;
	assert_int_equal(users.len, sizeof(*user));
	assert_true(digest_equal(&user->manifest, &both));
	assert_false(user->part.config);
	buf_release(&users);

	snprintf(text, sizeof(text), INDEX, digest_format(&image, digest), (size_t)1);
	assert_int_equal(told_add(told, REPO, text, strlen(text), NULL, err), 0);
	users_of(&image, &users);
	assert_int_equal(users.len, sizeof(*user));
	buf_release(&users);
}

static void manifests_are_bounded(void **state)
{
	struct digest first = add(REPO, 0, 1), second = add(REPO, 1, 1);
	struct told_manifest m = {0};

	(void)state;
	for (unsigned i = 2; i <= 2048; i++) {
		add(REPO, i, 1);
		assert_int_equal(told_get(told, REPO, &first, &m, err), 0);
		told_manifest_release(&m);
	}
	assert_int_equal(told_get(told, REPO, &second, &m, err), -ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tags_move_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(tags_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_manifest_is_of_its_repository, setup,
						teardown),
		cmocka_unit_test_setup_teardown(parts_lead_to_manifests, setup, teardown),
		cmocka_unit_test_setup_teardown(manifests_are_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
