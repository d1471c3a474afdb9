/* SPDX-License-Identifier: Apache-2.0
 * Error texts: set, extend, hand on. */
#include "store/base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static void append_strerror(struct err *err, int errnum)
{
	size_t used = strlen(err->msg);
	char text[128];

	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s",
		 strerror_r(errnum, text, sizeof(text)));
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	assert(code > 0);
	if (!err)
		return -(int)code;
	err->code = (int)code;
	err->sys = 0;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	make_printable(err->msg);
	return -(int)code;
}

int err_sys(struct err *err, int errnum, const char *fmt, ...)
{
	enum err_code code = errnum == ENOMEM ? ERR_NOMEM : ERR_SYSTEM;
	va_list ap;

	if (!err)
		return -(int)code;
	err->code = (int)code;
	err->sys = errnum;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	make_printable(err->msg);
	append_strerror(err, errnum);
	return -(int)code;
}

int err_nomem(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	size_t used;
	va_list ap;

	if (!err)
		return -ERR_FAILED;
	assert(err->code > 0);
	memcpy(inner, err->msg, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	make_printable(err->msg);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", inner);
	return -err->code;
}

int err_copy(struct err *dst, const struct err *src)
{
	assert(src->code > 0);
	if (dst)
		*dst = *src;
	return -src->code;
}
