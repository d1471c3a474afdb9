/* SPDX-License-Identifier: Apache-2.0
 * Draws the progress bar: whoever adds to it draws it when the last drawing is old enough.
 */
#include "tools/progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "tools/output.h"

#define DRAW_INTERVAL_NS 100000000u
#define BAR_CELLS        24
#define LABEL_MAX        64
#define WIDTH_MAX        160

struct progress {
	_Atomic uint64_t done, total;
	_Atomic uint64_t next_draw; /* ns since the start */
	struct timespec start;
	pthread_mutex_t lock; /* the label and the terminal */
	char label[LABEL_MAX];
};

static uint64_t elapsed_ns(const struct progress *p)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - p->start.tv_sec) * 1000000000ll + now.tv_nsec -
			  p->start.tv_nsec);
}

/* "0:42", "1:02:03" */
static void format_time(uint64_t seconds, char *out, size_t size)
{
	unsigned long long s = seconds;

	if (s >= 3600)
		snprintf(out, size, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%llu:%02llu", s / 60, s % 60);
}

void progress_format(const char *label, uint64_t done, uint64_t total, uint64_t now_ns,
		     unsigned width, char *out, size_t size)
{
	char bar[BAR_CELLS + 1], amount[OUTPUT_SIZE_TEXT], rate[OUTPUT_SIZE_TEXT],
		left[32];
	double seconds = (double)now_ns / 1e9;
	double speed = seconds > 0 ? (double)done / seconds : 0;
	double share = total ? (double)done / (double)total : 0;
	size_t limit = width + 1 < size ? width + 1 : size;
	unsigned cells;

	if (share > 1)
		share = 1;
	output_size(done, amount);
	output_size((uint64_t)speed, rate);
	if (!total) {
		snprintf(out, limit, "%s %s, %s/s", label, amount, rate);
		return;
	}
	cells = (unsigned)(share * BAR_CELLS);
	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', cells);
	bar[BAR_CELLS] = '\0';
	snprintf(left, sizeof(left), "-:--");
	/* The first half second says nothing about the rest. */
	if (speed > 0 && seconds >= 0.5 && done <= total)
		format_time((uint64_t)((double)(total - done) / speed + 0.5), left,
			    sizeof(left));
	snprintf(out, limit, "%s [%s] %3u%% %s, %s/s, %s left", label, bar,
		 (unsigned)(share * 100), amount, rate, left);
}

static unsigned terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
		return 79;
	/* A full last column would wrap on some terminals. */
	return size.ws_col > WIDTH_MAX ? WIDTH_MAX - 1 : size.ws_col - 1u;
}

/* Called with the lock. */
static void draw(struct progress *p, uint64_t now)
{
	char line[WIDTH_MAX];

	progress_format(p->label, p->done, p->total, now, terminal_width(), line,
			sizeof(line));
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
}

static void draw_if_due(struct progress *p)
{
	uint64_t now = elapsed_ns(p), due = p->next_draw;

	if (now < due ||
	    !atomic_compare_exchange_strong(&p->next_draw, &due, now + DRAW_INTERVAL_NS))
		return;
	pthread_mutex_lock(&p->lock);
	draw(p, now);
	pthread_mutex_unlock(&p->lock);
}

static void set_label(struct progress *p, const char *label)
{
	size_t n = strnlen(label, LABEL_MAX - 1);

	memcpy(p->label, label, n);
	p->label[n] = '\0';
}

struct progress *progress_begin(uint64_t total, const char *label, bool quiet)
{
	const char *term = getenv("TERM");
	struct progress *p;

	if (quiet || !isatty(STDERR_FILENO) || (term && strcmp(term, "dumb") == 0))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->total = total;
	p->next_draw = DRAW_INTERVAL_NS; /* what is done by then needs no bar */
	pthread_mutex_init(&p->lock, NULL);
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	set_label(p, label);
	return p;
}

void progress_expect(struct progress *p, uint64_t bytes)
{
	if (p)
		p->total += bytes;
}

void progress_add(struct progress *p, uint64_t bytes)
{
	if (!p)
		return;
	p->done += bytes;
	draw_if_due(p);
}

void progress_label(struct progress *p, const char *label)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	set_label(p, label);
	pthread_mutex_unlock(&p->lock);
	draw_if_due(p);
}

void progress_end(struct progress *p)
{
	if (!p)
		return;
	if (p->next_draw > DRAW_INTERVAL_NS)
		fputs("\r\033[K", stderr);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
