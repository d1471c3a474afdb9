/* SPDX-License-Identifier: Apache-2.0
 * The numbers of tar headers and PAX records. Strict: what two readers could take for
 * different numbers is none.
 */
#ifndef STORE_TAR_NUMBER_H
#define STORE_TAR_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field of SIZE (at most 12) bytes of a header: octal digits, blanks before, blanks or a
 * NUL behind; all blank is 0. Or, if the first bit is set, a signed binary number with the
 * high byte first (GNU, star). False: no number, or not one of 64 bits. */
bool tar_number_field(const char *field, size_t size, int64_t *ret);

/* One or more decimal digits, nothing else, up to INT64_MAX. */
bool tar_number_decimal(const char *text, size_t len, uint64_t *ret);

/* A time of PAX: seconds with sign and fraction. The fraction is cut after nanoseconds and
 * *ret_ns counts up from *ret_s, for negative times too: "-0.25" is -1 s and 750000000 ns. */
bool tar_number_time(const char *text, size_t len, int64_t *ret_s, uint32_t *ret_ns);

#endif
