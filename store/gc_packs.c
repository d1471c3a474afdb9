/* SPDX-License-Identifier: Apache-2.0
 * Which packs go, and how: copied from, then gone in one commit, then unlinked. */
#include <string.h>
#include <sys/stat.h>

#include "store/gc_private.h"
#include "store/pack_private.h"

/* A pack with less than this part of its bytes live is rewritten, in percent. */
#define LIVE_PERCENT 50
#define VICTIMS_MAX  256

struct pack_use {
	uint32_t number;
	uint64_t length, live;
	struct pack_writer *lock; /* of a victim */
};

struct plan {
	struct gc_mark *mark;
	const struct gc_options *options;
	struct gc_result *result;
	struct buf packs; /* struct pack_use, by number */
};

static struct pack_use *uses_of(const struct plan *p)
{
	return (struct pack_use *)(void *)p->packs.data;
}

static size_t use_count(const struct plan *p)
{
	return p->packs.len / sizeof(struct pack_use);
}

/* ---- how much of each is live ---- */

static int by_number(const void *a, const void *b)
{
	const struct pack_use *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static void add_live(struct plan *p, uint32_t number, uint64_t bytes)
{
	const struct pack_use key = {.number = number};
	struct pack_use *use = use_count(p) ? bsearch(&key, uses_of(p), use_count(p),
						      sizeof(key), by_number)
					    : NULL;

	if (use)
		use->live += bytes;
}

/* A frame counts by the part of its objects that is live. */
static void add_frames(struct plan *p)
{
	const struct gc_mark *m = p->mark;
	const struct gc_frame *frames =
		(const struct gc_frame *)(const void *)m->frames.data;
	const struct pack_place *plain =
		(const struct pack_place *)(const void *)m->plain.data;

	for (size_t i = 0; i < m->frames.len / sizeof(*frames); i++) {
		const struct gc_frame *f = &frames[i];
		uint64_t share = f->bytes ? (uint64_t)((unsigned __int128)f->at.len *
						       f->live / f->bytes)
					  : 0;

		if (f->live)
			add_live(p, f->at.pack, share ? share : 1);
	}
	for (size_t i = 0; i < m->plain.len / sizeof(*plain); i++)
		add_live(p, plain[i].pack, plain[i].len);
}

static int measure(struct plan *p, struct err *err)
{
	const struct gc_pack *packs =
		(const struct gc_pack *)(const void *)p->mark->packs.data;
	size_t count = p->mark->packs.len / sizeof(*packs);
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		const struct pack_use use = {.number = packs[i].number,
					     .length = packs[i].length};

		r = buf_append(&p->packs, &use, sizeof(use), err);
	}
	if (r == 0)
		add_frames(p);
	return r;
}

static bool is_victim(const struct plan *p, const struct pack_use *use)
{
	unsigned percent = p->options->live_percent;

	return use->live < use->length * (percent ? percent : LIVE_PERCENT) / 100;
}

/* ---- locking ---- */

/* Nobody appends to a pack that is locked here, so it stays what it was when it was marked. */
static int lock_victims(struct commit *c, void *arg, struct err *err)
{
	struct plan *p = arg;
	int dirfd = store_packs_dirfd(p->mark->store), r = 0;
	size_t locked = 0;

	for (size_t i = 0; i < use_count(p) && r == 0 && locked < VICTIMS_MAX; i++) {
		struct pack_use *use = &uses_of(p)[i];
		uint64_t length;

		if (!is_victim(p, use))
			continue;
		r = catalog_pack_get(store_commit_txn(c), use->number, &length, err);
		if (r == 0 && length == use->length)
			r = pack_writer_open(dirfd, use->number, length, false,
					     &use->lock, err);
		/* Busy, or damaged: verify tells. */
		if (r == -ERR_BUSY || r == -ERR_NOTFOUND || r == -ERR_CORRUPT)
			r = 0;
		if (use->lock)
			locked++;
		else
			p->result->packs_busy++;
	}
	return r;
}

static bool has_victims(const struct plan *p)
{
	for (size_t i = 0; i < use_count(p); i++)
		if (uses_of(p)[i].lock)
			return true;
	return false;
}

static void unlock(struct plan *p)
{
	for (size_t i = 0; i < use_count(p); i++) {
		pack_writer_close(uses_of(p)[i].lock);
		uses_of(p)[i].lock = NULL;
	}
}

/* ---- the commit ---- */

struct emptying {
	struct plan *plan;
	struct pack_use *use;
	struct session *session;
	struct gc_copy copy;
	struct pins_seen *pins;
};

/* Unless somebody has changed the layer meanwhile; then it has nothing in the pack, as that
 * was locked all the time. */
static int move_layer(struct commit *c, const struct gc_moved *moved, uint32_t pack,
		      struct err *err)
{
	struct record_item item = {.type = RECORD_LAYER};
	struct record_layer *layer = &item.layer;
	int r = catalog_layer_get(store_commit_txn(c), &moved->diffid, layer, err);

	if (r == -ERR_NOTFOUND)
		return 0;
	if (r < 0)
		return r;
	if (memcmp(&layer->recipe, &moved->recipe, sizeof(layer->recipe)) != 0 ||
	    memcmp(&layer->tree, &moved->tree, sizeof(layer->tree)) != 0)
		return layer->recipe.pack == pack || layer->tree.pack == pack
			       ? err_set(err, ERR_BUSY, "a layer came into pack %08x",
					 pack)
			       : 0;
	layer->recipe = moved->new_recipe;
	layer->tree = moved->new_tree;
	return store_commit_add(c, &item, err);
}

static int drop(struct commit *c, struct gc_mark *m, size_t object,
		const struct digest *d, struct err *err)
{
	const struct record_item item = {.type = RECORD_DROP, .drop.object = *d};

	m->flags[object] |= GC_DROPPED;
	return store_commit_add(c, &item, err);
}

/* The copies of what is dead here lie in packs that stay. Nobody has to find them there: what
 * they are made of may be gone. */
static int drop_copies(struct commit *c, struct emptying *e, struct err *err)
{
	struct gc_mark *m = e->plan->mark;
	int r = 0;

	for (size_t i = 0; i < e->copy.left.len / sizeof(struct gc_left) && r == 0; i++) {
		struct gc_left left;

		memcpy(&left, e->copy.left.data + i * sizeof(left), sizeof(left));
		if ((m->flags[left.object] & (GC_LIVE | GC_TWICE | GC_DROPPED)) ==
		    GC_TWICE)
			r = drop(c, m, left.object, &left.digest, err);
	}
	return r;
}

/* Chunks go, so lists that are dead, wherever they are, must not be found again: whoever has
 * such a content stores it anew. */
static int drop_lists(struct commit *c, struct emptying *e, struct err *err)
{
	struct gc_mark *m = e->plan->mark;
	int r = 0;

	for (size_t i = 0; i < m->count && r == 0; i++) {
		struct digest d;

		if ((m->flags[i] & (GC_LIVE | GC_CHUNKED | GC_DROPPED)) != GC_CHUNKED)
			continue;
		r = catalog_object_by_prefix(store_commit_txn(c), m->keys[i], 64, &d,
					     err);
		if (r == 0)
			r = drop(c, m, i, &d, err);
		else if (r == -ERR_NOTFOUND)
			r = 0;
	}
	return r;
}

static int add_items(struct commit *c, struct emptying *e, struct err *err)
{
	const struct record_item gone = {.type = RECORD_PACK_GONE,
					 .pack_gone.pack = e->use->number};
	const struct gc_moved *moved =
		(const struct gc_moved *)(const void *)e->copy.moved.data;
	int r = store_commit_add(c, &gone, err);

	if (r == 0)
		r = drop_copies(c, e, err);
	if (r == 0 && e->copy.left_whole)
		r = drop_lists(c, e, err);
	if (r == 0)
		r = session_commit_packs(e->session, c, err);
	for (size_t i = 0; i < e->copy.moved.len / sizeof(*moved) && r == 0; i++)
		r = move_layer(c, &moved[i], e->use->number, err);
	return r;
}

/* What has been committed since the marking, or is noted by a session that runs, needs its
 * part of the pack as well. With the notes frozen this is the last word. */
static int publish(struct commit *c, void *arg, struct err *err)
{
	struct emptying *e = arg;
	struct gc_mark *m = e->plan->mark;
	int r = pins_see(m->store, true, &e->pins, err);

	if (r == 0)
		r = gc_mark_more(m, store_commit_txn(c), err);
	if (r == 0)
		r = gc_mark_pinned(m, e->pins, err);
	if (r == 0)
		r = gc_mark_twice_more(m, store_commit_txn(c), err);
	if (r == 0)
		r = gc_copy_check(&e->copy, store_commit_txn(c), err);
	if (r == 0)
		r = gc_copy_late(&e->copy, err);
	if (r == 0)
		r = session_pack_sync(e->session, err);
	return r < 0 ? r : add_items(c, e, err);
}

/* Dropping once more harms nothing; taking for dropped what is not would. */
static void forget_drops(struct gc_mark *m)
{
	for (size_t i = 0; i < m->count; i++)
		m->flags[i] &= (uint8_t)~GC_DROPPED;
}

static int commit(struct emptying *e, struct err *err)
{
	struct err failure;
	int r = store_commit(e->plan->mark->store, publish, e, NULL, 0, &failure);

	pins_thaw(e->pins);
	if (r == 0) {
		session_pack_close(e->session);
		return 0;
	}
	forget_drops(e->plan->mark);
	return session_commit_settle(e->session, &failure, err);
}

/* What is known to be wanted early need not be copied under the lock. */
static int mark_early(struct gc_mark *m, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct pins_seen *pins = NULL;
	int r = catalog_begin(store_catalog(m->store), false, &t, err);

	if (r == 0)
		r = gc_mark_more(m, t, err);
	if (r == 0)
		r = pins_see(m->store, false, &pins, err);
	if (r == 0)
		r = gc_mark_pinned(m, pins, err);
	pins_thaw(pins);
	return r;
}

static int empty_pack(struct plan *p, struct pack_use *use, struct err *err)
{
	const struct session_options options = {.level = p->options->level, .threads = 1};
	struct emptying e = {.plan = p, .use = use};
	int r = mark_early(p->mark, err);

	if (r == 0)
		r = session_begin(p->mark->store, &options, &e.session, err);
	if (r < 0)
		return r;
	gc_copy_init(&e.copy, p->mark, p->options, e.session, use->number);
	r = gc_copy_run(&e.copy, use->length, err);
	if (r == 0)
		r = session_pack_settle_on(e.session, err);
	if (r == 0)
		r = session_pack_sync(e.session, err);
	if (r == 0)
		r = commit(&e, err);
	gc_copy_release(&e.copy);
	session_abort(e.session);
	if (r < 0)
		return r;
	pack_writer_remove(steal_ptr(&use->lock));
	packs_drop_removed(store_packs(p->mark->store));
	if (use->live)
		p->result->packs_rewritten++;
	else
		p->result->packs_dropped++;
	return 0;
}

/* A damaged pack is left to repair; the others need not wait for that. */
static int empty_packs(struct plan *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < use_count(p) && r == 0; i++) {
		struct pack_use *use = &uses_of(p)[i];

		if (!use->lock)
			continue;
		r = empty_pack(p, use, err);
		if (r == -ERR_CORRUPT || r == -ERR_BUSY) {
			p->result->packs_busy++;
			r = 0;
		}
	}
	return r;
}

static void count_victims(struct plan *p)
{
	uint64_t saved = 0;

	for (size_t i = 0; i < use_count(p); i++) {
		const struct pack_use *use = &uses_of(p)[i];

		if (!is_victim(p, use))
			continue;
		saved += use->length - use->live;
		if (use->live)
			p->result->packs_rewritten++;
		else
			p->result->packs_dropped++;
	}
	p->result->bytes_after =
		p->result->bytes_before > saved ? p->result->bytes_before - saved : 0;
}

int gc_packs_run(struct gc_mark *m, const struct gc_options *o, struct gc_result *result,
		 struct err *err)
{
	struct plan p = {.mark = m, .options = o, .result = result};
	int r;

	buf_init(&p.packs, (size_t)1 << 30);
	gc_mark_weigh(m);
	r = measure(&p, err);
	if (r == 0 && o->dry_run) {
		count_victims(&p);
	} else if (r == 0) {
		r = store_commit(m->store, lock_victims, &p, NULL, 0, err);
		if (r == 0 && has_victims(&p))
			r = gc_mark_twice(m, err);
		if (r == 0)
			r = empty_packs(&p, err);
		unlock(&p);
	}
	buf_release(&p.packs);
	return r;
}

int gc_packs_size(struct store *s, uint64_t *ret, struct err *err)
{
	auto_free uint32_t *numbers = NULL;
	uint64_t size = 0;
	size_t count;
	int r = packs_list(store_packs(s), &numbers, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		char name[PACK_NAME_SIZE];
		struct stat st;

		pack_name(numbers[i], name);
		if (fstatat(store_packs_dirfd(s), name, &st, 0) == 0)
			size += (uint64_t)st.st_size;
	}
	*ret = size;
	return 0;
}
