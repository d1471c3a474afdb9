/* SPDX-License-Identifier: Apache-2.0
 * Parses octal, base-256 and decimal numbers of tars. */
#include "store/tar_number.h"

static bool binary(const char *field, size_t size, int64_t *ret)
{
	bool negative = field[0] & 0x40;
	unsigned __int128 v = negative ? ~(unsigned __int128)0 : 0;
	__int128 value;

	v = v << 6 | (field[0] & 0x3f);
	for (size_t i = 1; i < size; i++)
		v = v << 8 | (uint8_t)field[i];
	value = (__int128)v;
	if (value < INT64_MIN || value > INT64_MAX)
		return false;
	*ret = (int64_t)value;
	return true;
}

bool tar_number_field(const char *field, size_t size, int64_t *ret)
{
	size_t i = 0, first;
	uint64_t v = 0;

	if (field[0] & 0x80)
		return binary(field, size, ret);
	while (i < size && field[i] == ' ')
		i++;
	for (first = i; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(field[i] - '0');
	if (i == first) {
		/* Some readers look for digits behind leading NULs, others do not. */
		for (; i < size; i++)
			if (field[i] != ' ' && field[i] != '\0')
				return false;
	}
	while (i < size && field[i] == ' ')
		i++;
	if (i < size && field[i] != '\0')
		return false;
	*ret = (int64_t)v;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool tar_number_decimal(const char *text, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]) || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v))
			return false;
	}
	if (v > INT64_MAX)
		return false;
	*ret = v;
	return true;
}

/* Digits behind the point as nanoseconds. */
static bool fraction(const char *text, size_t len, uint32_t *ret)
{
	uint32_t v = 0;

	for (size_t i = 0; i < len; i++)
		if (!is_digit(text[i]))
			return false;
	for (size_t i = 0; i < 9; i++)
		v = v * 10 + (i < len ? (uint32_t)(text[i] - '0') : 0);
	*ret = v;
	return true;
}

bool tar_number_time(const char *text, size_t len, int64_t *ret_s, uint32_t *ret_ns)
{
	bool negative = len > 0 && text[0] == '-';
	size_t at = negative ? 1 : 0, digits = at;
	__int128 s = 0;
	uint32_t ns = 0;

	while (digits < len && is_digit(text[digits]) && s <= INT64_MAX) {
		s = s * 10 + (text[digits] - '0');
		digits++;
	}
	if (digits == at)
		return false;
	if (digits < len &&
	    (text[digits] != '.' || !fraction(text + digits + 1, len - digits - 1, &ns)))
		return false;
	if (negative)
		s = -s - (ns > 0);
	if (s < INT64_MIN || s > INT64_MAX)
		return false;
	*ret_s = (int64_t)s;
	*ret_ns = negative && ns > 0 ? 1000000000 - ns : ns;
	return true;
}
