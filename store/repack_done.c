/* SPDX-License-Identifier: Apache-2.0
 * The file `repacked`: a line for each range of frames, sorted. */
#include "store/repack_done.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/perms.h"

#define FIRST_LINE "layercache repacked 1\n"
#define LEVEL_MAX  99
/* Neighbours join, so there are few of them for each pack. */
#define RANGES_MAX (1u << 20)
#define LINE_SIZE  80
#define FILE_MAX   (RANGES_MAX * LINE_SIZE)

void repack_done_init(struct repack_done *d)
{
	buf_init(&d->ranges, RANGES_MAX * sizeof(struct repack_range));
}

void repack_done_release(struct repack_done *d)
{
	buf_release(&d->ranges);
}

static struct repack_range *ranges_of(const struct repack_done *d)
{
	return (struct repack_range *)(void *)d->ranges.data;
}

static size_t count_of(const struct repack_done *d)
{
	return d->ranges.len / sizeof(struct repack_range);
}

/* The number of ranges that begin at this place or before. */
static size_t find(const struct repack_done *d, uint32_t pack, uint64_t off)
{
	size_t low = 0, high = count_of(d);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct repack_range *m = &ranges_of(d)[middle];

		if (m->pack < pack || (m->pack == pack && m->from <= off))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int repack_done_level(const struct repack_done *d, uint32_t pack, uint64_t off)
{
	size_t i = find(d, pack, off);
	const struct repack_range *range = i ? &ranges_of(d)[i - 1] : NULL;

	return range && range->pack == pack && off < range->to ? range->level : 0;
}

int repack_done_add(struct repack_done *d, const struct repack_range *range,
		    struct err *err)
{
	size_t i = find(d, range->pack, range->from), count = count_of(d);
	struct repack_range *last = i ? &ranges_of(d)[i - 1] : NULL;
	int r;

	if (last && last->pack == range->pack && last->to == range->from &&
	    last->level == range->level) {
		last->to = range->to;
		return 0;
	}
	r = buf_append(&d->ranges, range, sizeof(*range), err);
	if (r < 0)
		return r;
	memmove(ranges_of(d) + i + 1, ranges_of(d) + i, (count - i) * sizeof(*range));
	ranges_of(d)[i] = *range;
	return 0;
}

void repack_done_prune(struct repack_done *d, repack_range_fn *is_there, void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < count_of(d); i++) {
		struct repack_range range = ranges_of(d)[i];

		if (is_there(arg, &range))
			ranges_of(d)[kept++] = range;
	}
	d->ranges.len = kept * sizeof(struct repack_range);
}

/* ---- the file ---- */

static bool is_behind(const struct repack_done *d, const struct repack_range *range)
{
	const struct repack_range *last;

	if (count_of(d) == 0)
		return true;
	last = &ranges_of(d)[count_of(d) - 1];
	return range->pack > last->pack ||
	       (range->pack == last->pack && range->from >= last->to);
}

static bool parse_line(const char *line, size_t len, struct repack_range *ret)
{
	char text[LINE_SIZE];
	int used = -1;

	if (len >= sizeof(text))
		return false;
	memcpy(text, line, len);
	text[len] = '\0';
	if (sscanf(text, "%8" SCNx32 " %20" SCNu64 " %20" SCNu64 " %2d%n", &ret->pack,
		   &ret->from, &ret->to, &ret->level, &used) != 4)
		return false;
	return used == (int)len && ret->from < ret->to && ret->level > 0 &&
	       ret->level <= LEVEL_MAX;
}

int repack_done_parse(struct repack_done *d, const char *text, size_t len,
		      struct err *err)
{
	size_t first = strlen(FIRST_LINE);
	const char *p = text, *end = text + len;
	int r = 0;

	if (len < first || memcmp(text, FIRST_LINE, first) != 0)
		return 0;
	for (p += first; p < end && r == 0;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		struct repack_range range;

		if (!newline || !parse_line(p, (size_t)(newline - p), &range) ||
		    !is_behind(d, &range))
			break;
		r = repack_done_add(d, &range, err);
		p = newline + 1;
	}
	return r;
}

int repack_done_read(struct repack_done *d, int dirfd, struct err *err)
{
	auto_buf struct buf text;
	int r;

	buf_init(&text, FILE_MAX);
	r = io_read_file(dirfd, REPACK_DONE_FILE, &text, err);
	if (r == -ERR_NOTFOUND)
		return 0;
	return r < 0 ? r : repack_done_parse(d, (const char *)text.data, text.len, err);
}

int repack_done_write(const struct repack_done *d, int dirfd, struct err *err)
{
	auto_buf struct buf text;
	int r;

	buf_init(&text, FILE_MAX);
	r = buf_append(&text, FIRST_LINE, strlen(FIRST_LINE), err);
	for (size_t i = 0; i < count_of(d) && r == 0; i++) {
		const struct repack_range *range = &ranges_of(d)[i];
		char line[LINE_SIZE];
		int n = snprintf(line, sizeof(line),
				 "%08" PRIx32 " %" PRIu64 " %" PRIu64 " %d\n",
				 range->pack, range->from, range->to, range->level);

		r = buf_append(&text, line, (size_t)n, err);
	}
	return r < 0 ? r
		     : perms_replace_file(dirfd, REPACK_DONE_FILE, text.data, text.len,
					  err);
}
