/* SPDX-License-Identifier: Apache-2.0
 * The one error type. It belongs to the caller, lives on its stack and needs no malloc.
 *
 * Every fallible function takes `struct err *err` as its last parameter (NULL: the caller
 * does not want the text) and returns 0 or a negative enum err_code. On success err is
 * left alone. Outputs (`ret_x` parameters) are written only on success.
 *
 *	return err_set(err, ERR_INVALID, "layer %u: digest mismatch", n);
 *	return err_sys(err, errno, "cannot open '%s'", path);     // "...: No such file"
 *	return err_wrap(err, "import '%s'", ref);                 // "import 'x': <inner>"
 *
 * Text: lower case, no full stop, the subject in single quotes, outer context first. Text
 * is made only on failure, so hot paths pay nothing. Bytes that came from outside (names
 * in archives) are made printable by err_set: control bytes become '?'.
 */
#ifndef STORE_BASE_ERR_H
#define STORE_BASE_ERR_H

#include "store/base/auto.h"

/* What a caller can branch on; the command line maps it to an exit status. */
enum err_code {
	ERR_FAILED = 1, /* anything without a code of its own; bad environment */
	ERR_INVALID,    /* the input is not acceptable (bad archive, document, digest) */
	ERR_NOTFOUND,   /* the named thing is not there (= cache miss) */
	ERR_CORRUPT,    /* damage inside this store */
	ERR_USAGE,      /* the command line makes no sense */
	ERR_LIMIT,      /* a budget is exceeded (hostile or huge input) */
	ERR_SYSTEM,     /* a system call failed; err->sys has errno */
	ERR_NOMEM,      /* memory could not be had */
	ERR_STALE,      /* the thing was there but is gone (file handle, tree number) */
	ERR_BUSY,       /* somebody else holds it */
	ERR_CANCELED,   /* stopped because another part of the same work failed */
	ERR_AGAIN,      /* it may pass: the network, or a server that is busy */
};

struct err {
	int code; /* enum err_code, 0 when unset */
	int sys;  /* errno of an ERR_SYSTEM error, else 0 */
	char msg[480];
};

/* Sets the error (replacing what was there) and returns -code. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set with ERR_SYSTEM (ENOMEM: ERR_NOMEM) and ": strerror(errnum)" appended. */
int err_sys(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* ERR_NOMEM with a standard text. */
int err_nomem(struct err *err);

/* Prepends "context: " to a set error, keeps its code, and returns -code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Copies src to dst (dst may be NULL) and returns -src->code: hands on a thread's error. */
int err_copy(struct err *dst, const struct err *src);

#endif
