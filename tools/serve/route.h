/* SPDX-License-Identifier: Apache-2.0
 * What the path of a request asks for, by the rules of the OCI distribution specification. A
 * repository is named by small letters, digits, separators and '/' only: nothing here can
 * ever lead out of anything. Pure functions of untrusted text.
 */
#ifndef TOOLS_SERVE_ROUTE_H
#define TOOLS_SERVE_ROUTE_H

#include "store/digest.h"

#define ROUTE_NAME_MAX 255
#define ROUTE_TAG_MAX  128
#define ROUTE_ID_SIZE  33 /* of an upload: 32 hex digits and NUL */

enum route_kind {
	ROUTE_NONE,     /* no such path */
	ROUTE_BASE,     /* /v2/ */
	ROUTE_CATALOG,  /* /v2/_catalog */
	ROUTE_TAGS,     /* /v2/NAME/tags/list */
	ROUTE_MANIFEST, /* /v2/NAME/manifests/TAG or DIGEST */
	ROUTE_BLOB,     /* /v2/NAME/blobs/DIGEST */
	ROUTE_START,    /* /v2/NAME/blobs/uploads/ */
	ROUTE_UPLOAD,   /* /v2/NAME/blobs/uploads/ID */
	ROUTE_REFERRERS /* /v2/NAME/referrers/DIGEST */
};

/* What is wrong with a path whose kind is known. */
enum route_fault {
	ROUTE_FINE,
	ROUTE_BAD_NAME,
	ROUTE_BAD_TAG,
	ROUTE_BAD_DIGEST,
	ROUTE_BAD_ID,
};

struct route {
	enum route_kind kind;
	enum route_fault fault;
	char name[ROUTE_NAME_MAX + 1];
	char tag[ROUTE_TAG_MAX + 1]; /* "": the manifest is named by its digest */
	struct digest digest;
	char id[ROUTE_ID_SIZE];
};

void route_parse(const char *path, struct route *ret);

/* Whether TEXT can be the name of a repository. */
bool route_is_name(const char *text, size_t len);

/* One range of bytes of a whole of SIZE: "bytes=A-B", "bytes=A-", "bytes=-N". What is no such
 * range is ignored, as HTTP says. */
enum route_range {
	ROUTE_WHOLE,
	ROUTE_PART,
	ROUTE_OUTSIDE, /* cannot be satisfied */
};
enum route_range route_range_parse(const char *text, uint64_t size, uint64_t *ret_from,
				   uint64_t *ret_length);

/* "A-B", with or without "bytes " before and a "/..." behind, of a piece of an upload. */
bool route_piece_parse(const char *text, uint64_t *ret_from, uint64_t *ret_length);

/* Digits only, without overflow. LEN 0: none. */
bool route_number_parse(const char *text, size_t len, uint64_t *ret);

#endif
