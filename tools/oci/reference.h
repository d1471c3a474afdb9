/* SPDX-License-Identifier: Apache-2.0
 * Names of images, normalised as Docker does:
 *
 *	reference := [host "/"] path [":" tag] ["@" digest]
 *
 *	app                  docker.io/library/app:latest
 *	user/app:v1          docker.io/user/app:v1
 *	localhost:5000/app   localhost:5000/app:latest
 *	host.tld/a/b@sha256:...   as it is; a tag before a digest is dropped
 *
 * The first part is a host if it has a '.' or ':' or is "localhost". Pure functions.
 */
#ifndef TOOLS_OCI_REFERENCE_H
#define TOOLS_OCI_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/buf.h"
#include "store/base/err.h"

#define REFERENCE_NAME_MAX 255 /* host and path together, normalised */
#define REFERENCE_TAG_MAX  128

/* Appends "host/path:tag" or "host/path@sha256:<hex>" and a NUL to RET. ERR_INVALID. */
int reference_normalize(const char *text, struct buf *ret, struct err *err) MUST_CHECK;

/* Whether TEXT can be a tag. */
bool reference_is_tag(const char *text);

/* Appends "localhost/<stem>:<tag>" and a NUL: the name of what came without one. STEM is any
 * text (a file's name); what a name cannot have becomes '-', capitals become small. TAG NULL:
 * "latest". ERR_INVALID if TAG is none. */
int reference_local(const char *stem, const char *tag, struct buf *ret,
		    struct err *err) MUST_CHECK;

#endif
