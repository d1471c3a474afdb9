/* SPDX-License-Identifier: Apache-2.0
 * Platforms of images: "os/architecture[/variant]", spelled as containerd spells them, and
 * which image of several is the best for a machine. Pure but for platform_host.
 */
#ifndef TOOLS_OCI_PLATFORM_H
#define TOOLS_OCI_PLATFORM_H

#include <stdbool.h>

#include <jansson.h>

#include "store/base/err.h"

#define PLATFORM_TEXT_SIZE 64 /* with NUL: what a record holds */

/* Empty texts: unknown. arm has always a variant; amd64 v1 and arm64 v8 have none. */
struct platform {
	char os[20];
	char arch[20];
	char variant[20];
};

/* What the user wrote. ERR_INVALID. */
int platform_parse(const char *text, struct platform *ret, struct err *err) MUST_CHECK;

/* From a descriptor's `platform` or a config; absent members are unknown. ERR_INVALID. */
int platform_from_json(const json_t *object, struct platform *ret,
		       struct err *err) MUST_CHECK;

/* "linux/arm/v7", "" if unknown. Returns TEXT. */
const char *platform_format(const struct platform *p, char text[PLATFORM_TEXT_SIZE]);

/* This machine. */
void platform_host(struct platform *ret);

bool platform_known(const struct platform *p);

/* How well what is for HAVE runs on WANT: 0 not at all, more is better. */
unsigned platform_match(const struct platform *want, const struct platform *have);

#endif
