/* SPDX-License-Identifier: Apache-2.0
 * Platforms of images. */
#include "tools/oci/platform.h"

#include <string.h>
#include <sys/utsname.h>

#include "tools/oci/document.h"

_Static_assert(sizeof(((struct platform *)0)->os) * 3 <= PLATFORM_TEXT_SIZE,
	       "a platform's text fits");

/* Other spellings of an architecture, and the variant that goes with them. */
static const struct {
	const char *spelled, *arch, *variant;
} aliases[] = {
	{"x86_64", "amd64", ""},  {"x86-64", "amd64", ""}, {"i386", "386", ""},
	{"i486", "386", ""},      {"i586", "386", ""},     {"i686", "386", ""},
	{"aarch64", "arm64", ""}, {"armhf", "arm", "v7"},  {"armel", "arm", "v6"},
	{"armv7l", "arm", "v7"},  {"armv6l", "arm", "v6"}, {"armv8l", "arm", "v7"},
};

/* Variants that are what the architecture means without one. */
static const struct {
	const char *arch, *variant;
} defaults[] = {
	{"amd64", "v1"},
	{"arm64", "v8"},
	{"arm64", "8"},
};

static void normalize(struct platform *p)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
		if (strcmp(p->arch, aliases[i].spelled) != 0)
			continue;
		snprintf(p->arch, sizeof(p->arch), "%s", aliases[i].arch);
		if (!*p->variant)
			snprintf(p->variant, sizeof(p->variant), "%s",
				 aliases[i].variant);
	}
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (strcmp(p->arch, defaults[i].arch) == 0 &&
		    strcmp(p->variant, defaults[i].variant) == 0)
			*p->variant = '\0';
	if (strcmp(p->arch, "arm") != 0)
		return;
	if (!*p->variant)
		snprintf(p->variant, sizeof(p->variant), "v7");
	else if (p->variant[0] >= '5' && p->variant[0] <= '8' && !p->variant[1])
		snprintf(p->variant, sizeof(p->variant), "v%c", p->variant[0]);
}

/* A part becomes a piece of a file name in the mount, so its letters are few. */
static int set_part(char part[20], const char *text, size_t len, const char *what,
		    struct err *err)
{
	if (len >= 20)
		return err_set(err, ERR_INVALID, "%s '%.*s' of the platform is too long",
			       what, (int)(len > 100 ? 100 : len), text);
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || strchr("._-", c)) ||
		    (i == 0 && c == '.'))
			return err_set(err, ERR_INVALID, "bad %s '%.*s' of the platform",
				       what, (int)len, text);
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		part[i] = c;
	}
	part[len] = '\0';
	return 0;
}

int platform_parse(const char *text, struct platform *ret, struct err *err)
{
	static const char *const names[] = {"os", "architecture", "variant"};
	struct platform p = {0};
	char *parts[] = {p.os, p.arch, p.variant};
	const char *at = text;
	size_t n = 0;

	for (;; n++) {
		size_t len = strcspn(at, "/");
		int rc;

		if (n == ARRAY_LEN(parts) || len == 0)
			return err_set(err, ERR_INVALID,
				       "bad platform '%s': not OS/ARCH[/VARIANT]", text);
		rc = set_part(parts[n], at, len, names[n], err);
		if (rc)
			return rc;
		if (!at[len])
			break;
		at += len + 1;
	}
	if (n == 0)
		return err_set(err, ERR_INVALID,
			       "bad platform '%s': not OS/ARCH[/VARIANT]", text);
	normalize(&p);
	*ret = p;
	return 0;
}

int platform_from_json(const json_t *object, struct platform *ret, struct err *err)
{
	static const char *const names[] = {"os", "architecture", "variant"};
	struct platform p = {0};
	char *parts[] = {p.os, p.arch, p.variant};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *text;
		int rc = document_text(object, names[i], &text, err);

		if (!rc && text)
			rc = set_part(parts[i], text, strlen(text), names[i], err);
		if (rc)
			return rc;
	}
	normalize(&p);
	*ret = p;
	return 0;
}

bool platform_known(const struct platform *p)
{
	return *p->os && *p->arch && strcmp(p->os, "unknown") != 0;
}

const char *platform_format(const struct platform *p, char text[PLATFORM_TEXT_SIZE])
{
	text[0] = '\0';
	if (*p->os && *p->arch)
		snprintf(text, PLATFORM_TEXT_SIZE, "%s/%s%s%s", p->os, p->arch,
			 *p->variant ? "/" : "", p->variant);
	return text;
}

void platform_host(struct platform *ret)
{
	struct utsname name;
	struct platform p = {.os = "linux"};

	if (uname(&name) < 0 ||
	    set_part(p.arch, name.machine, strlen(name.machine), "machine", NULL))
		p.arch[0] = '\0';
	normalize(&p);
	*ret = p;
}

/* The number of "v7", 0 of no variant, -1 of anything else. */
static int variant_number(const char *variant)
{
	if (!*variant)
		return 0;
	if (variant[0] != 'v' || variant[1] < '0' || variant[1] > '9' || variant[2])
		return -1;
	return variant[1] - '0';
}

unsigned platform_match(const struct platform *want, const struct platform *have)
{
	int w = variant_number(want->variant), h = variant_number(have->variant);

	if (!platform_known(have) || strcmp(want->os, have->os) != 0 ||
	    strcmp(want->arch, have->arch) != 0)
		return 0;
	if (strcmp(want->variant, have->variant) == 0)
		return 100;
	/* A newer variant runs what is made for an older one. */
	return w < 0 || h < 0 || h > w ? 0 : (unsigned)(10 + h);
}
