/* SPDX-License-Identifier: Apache-2.0
 * All layers of an image or a build cache on their way out. */
#include "tools/layers_out.h"

#include <pthread.h>
#include <string.h>

#include "store/base/workers.h"

/* Compressing takes all CPUs already: more layers at a time only help where the encoder has
 * one thread, or the network is slow. */
#define THREADS_MIN 2u
#define THREADS_MAX 4u

struct sending {
	struct store *store;
	struct objects *objects;
	const struct layer_out *items;
	size_t count, of;
	const struct layer_blob_options *options;
	struct progress *progress;
	pthread_mutex_t lock; /* all below */
	size_t next;
	int rc; /* the first failure */
	struct err err;
};

struct sender {
	struct workers_job job; /* first */
	struct sending *all;
	struct destination dest; /* with a writer of its own */
	struct blob_notes notes;
};

static int write_item(struct sending *s, const struct layer_out *item,
		      struct destination *dest, struct blob_notes *notes, struct err *err)
{
	int rc;

	if (item->blob->how == LAYER_BLOB_THERE)
		return 0;
	for (unsigned attempt = 0;; attempt++) {
		rc = layer_blob_write(s->store, s->objects, item->diffid, item->came,
				      s->options, dest, s->progress, notes, item->blob,
				      err);
		if (rc != -ERR_AGAIN || !remote_wait(attempt))
			break;
	}
	return rc ? err_wrap(err, "layer %zu of %zu", item->number, s->of) : 0;
}

/* ---- one after another ---- */

static int write_in_turn(struct sending *s, struct destination *dest,
			 struct blob_notes *notes, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < s->count && !rc; i++) {
		char text[64];

		snprintf(text, sizeof(text), "layer %zu of %zu", s->items[i].number,
			 s->of);
		progress_label(s->progress, text);
		rc = write_item(s, &s->items[i], dest, notes, err);
	}
	return rc;
}

/* ---- several at a time ---- */

static const struct layer_out *take(struct sending *s)
{
	const struct layer_out *item = NULL;

	pthread_mutex_lock(&s->lock);
	if (!s->rc && s->next < s->count)
		item = &s->items[s->next++];
	pthread_mutex_unlock(&s->lock);
	return item;
}

static void send_items(struct workers_job *job, unsigned thread)
{
	struct sender *sender = (struct sender *)job;
	struct sending *s = sender->all;
	const struct layer_out *item;

	(void)thread;
	while ((item = take(s))) {
		struct err err = {0};
		int rc = write_item(s, item, &sender->dest, &sender->notes, &err);

		if (!rc)
			continue;
		pthread_mutex_lock(&s->lock);
		if (!s->rc) {
			s->rc = rc;
			s->err = err;
		}
		pthread_mutex_unlock(&s->lock);
	}
}

static int run_senders(struct sending *s, struct sender *senders, unsigned count,
		       struct err *err)
{
	auto_workers struct workers *pool = NULL;
	int rc = workers_new(count, count, &pool, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < count; i++)
		workers_submit(pool, &senders[i].job);
	workers_wait(pool);
	return s->rc ? err_copy(err, &s->err) : 0;
}

static int write_side_by_side(struct sending *s, unsigned count, struct destination *dest,
			      struct blob_notes *notes, struct err *err)
{
	struct sender senders[THREADS_MAX] = {0};
	unsigned n;
	int rc = 0;

	for (n = 0; n < count && !rc; n++) {
		senders[n].job.run = send_items;
		senders[n].all = s;
		rc = destination_share(dest, &senders[n].dest, err);
	}
	if (!rc)
		rc = run_senders(s, senders, count, err);
	for (unsigned i = 0; i < n; i++) {
		if (!rc)
			rc = blob_notes_join(notes, &senders[i].notes, err);
		blob_notes_release(&senders[i].notes);
		destination_unshare(&senders[i].dest);
	}
	return rc;
}

int layers_out_write(struct store *store, struct objects *objects,
		     const struct layer_out *items, size_t count, size_t of,
		     const struct layer_blob_options *options, struct destination *dest,
		     struct progress *progress, struct blob_notes *notes, struct err *err)
{
	struct sending s = {
		.store = store,
		.objects = objects,
		.items = items,
		.count = count,
		.of = of,
		.options = options,
		.progress = progress,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	unsigned threads = workers_cpus();

	if (threads < THREADS_MIN)
		threads = THREADS_MIN;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (threads > count)
		threads = (unsigned)count;
	if (threads < 2 || dest->kind != DESTINATION_REGISTRY)
		return write_in_turn(&s, dest, notes, err);
	return write_side_by_side(&s, threads, dest, notes, err);
}
