/* SPDX-License-Identifier: Apache-2.0
 * Digests of BuildKit's records against those that BuildKit computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/buildkit/step_digest.h"

#include <string.h>

static void a_base_image_is_known_by_its_layers(void **state)
{
	struct digest chain, record;
	char text[DIGEST_TEXT_SIZE];

	(void)state;
	assert_int_equal(digest_parse("sha256:a113ab06253f0d2ff29c54b51d3259cb"
				      "9abbd9d0e95bc1246861d03c567b0a57",
				      71, &chain, NULL),
			 0);
	step_digest_base(&chain, &record);
	assert_string_equal(digest_format(&record, text),
			    "sha256:f192481cf3fb9cc4bd934db0ad15dbc0"
			    "01f9c953fc3b2e6497bef0760d5ffa4c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_base_image_is_known_by_its_layers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
