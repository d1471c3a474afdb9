/* SPDX-License-Identifier: Apache-2.0
 * Where the last reader is, and how far ahead of it files are decoded and given away.
 */
#include "fs/ahead.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/nodeid.h"
#include "store/base/workers.h"

/* How far decoding reaches: in places where an inode may begin (a file takes about 7 of
 * them), and in bytes of content. Small against the cache of decoded frames, since files
 * next to each other may come from many frames. */
#define WINDOW_NIDS  2048u
#define WINDOW_BYTES (8u << 20)
/* What is to be decoded is read from disk before, that much further on; a few files are asked
 * for in one turn. */
#define FETCH_NIDS  8192u
#define FETCH_FILES 8u
/* A file that is at most so many places behind the last one is the next one: what lies
 * between the two may have been given away. */
#define NEAR_NIDS 512u
/* What one request may give the kernel: no reader waits long for its answer. */
#define GIVE_FILES 32u
#define GIVE_NIDS  512u
#define GIVE_BYTES (1u << 20)
/* Larger files are worth a request each. */
#define GIVE_FILE_MAX (128u << 10)
/* Files in order before anything is done: a lone read is no walk. */
#define TRUST_MIN 3u
#define TRUST_MAX 16u
/* Directories given away without a read: from the first number on one file of each is left
 * out to see whether anybody reads, from the second on nobody does. */
#define UNREAD_ASK 8u
#define UNREAD_MAX 16u

struct ahead {
	struct objects *objects;
	struct forest *forest;
	struct fuse_session *session;
	ahead_given_fn *given;
	void *given_arg;
	_Atomic unsigned readers;
	atomic_flag giving;
	uint8_t *content; /* of the one who is giving */

	pthread_mutex_t lock; /* all below */
	uint32_t tree;
	uint64_t from; /* nid: read last, or before what was given last */
	unsigned trust;
	unsigned unread;
	uint64_t decoded; /* nid: all between FROM and it is decoded */
	uint64_t bytes;   /* of content between the two, about */
	uint64_t fetched; /* nid: all between DECODED and it is read; of the thread */
	bool decoding;
	struct workers_job job;
	struct workers *worker;
};

/* ---- decoding ---- */

/* Called with the lock held. */
static bool decode_more(const struct ahead *a)
{
	return a->trust >= TRUST_MIN && a->bytes < WINDOW_BYTES &&
	       a->decoded - a->from < WINDOW_NIDS;
}

/* Decodes the first frame of the next file behind *NID. False at the end of the tree. */
static bool decode_next(struct ahead *a, const struct tree *t, uint64_t *nid,
			uint64_t *bytes)
{
	unsigned tries = WINDOW_NIDS;
	struct tree_node node;
	uint8_t byte;
	size_t got;

	*bytes = 0;
	if (!tree_next_file(t, nid, &tries, &node))
		return tries == 0;
	*bytes = node.size;
	/* One byte brings the frame into the cache. What goes wrong here will go wrong for
	 * the reader as well, who then tells. */
	if (!objects_is_decoded(a->objects, &node.digest))
		(void)!objects_read(a->objects, &node.digest, 0, &byte, 1, &got, NULL);
	return true;
}

static void fetch_next(struct ahead *a, const struct tree *t, uint64_t decoded)
{
	unsigned tries = WINDOW_NIDS;
	struct tree_node node;

	if (a->fetched < decoded || a->fetched - decoded > FETCH_NIDS)
		a->fetched = decoded;
	for (unsigned i = 0; i < FETCH_FILES && a->fetched - decoded < FETCH_NIDS &&
			     tree_next_file(t, &a->fetched, &tries, &node);
	     i++)
		objects_fetch(a->objects, &node.digest);
}

/* Decodes one file further on each turn, as the reader may be elsewhere by then. */
static void decode_window(struct ahead *a, const struct forest_tree *t)
{
	bool more = true;

	pthread_mutex_lock(&a->lock);
	while (more && a->tree == t->number && decode_more(a)) {
		uint64_t at = a->decoded, next = at, bytes;

		pthread_mutex_unlock(&a->lock);
		fetch_next(a, &t->tree, at);
		more = decode_next(a, &t->tree, &next, &bytes);
		pthread_mutex_lock(&a->lock);
		if (a->tree == t->number && a->decoded == at) {
			a->decoded = next;
			a->bytes += bytes;
		}
	}
	a->decoding = false;
	pthread_mutex_unlock(&a->lock);
}

static void run(struct workers_job *job, unsigned thread)
{
	struct ahead *a =
		(struct ahead *)(void *)((char *)job - offsetof(struct ahead, job));
	struct forest_tree *t;
	uint32_t number;

	(void)thread;
	pthread_mutex_lock(&a->lock);
	number = a->tree;
	pthread_mutex_unlock(&a->lock);
	if (forest_get(a->forest, number, &t, NULL) == 0) {
		decode_window(a, t);
		forest_put(a->forest, t);
		return;
	}
	pthread_mutex_lock(&a->lock);
	a->decoding = false;
	pthread_mutex_unlock(&a->lock);
}

/* ---- where the reader is; all with the lock held ---- */

static void go_on_decoding(struct ahead *a)
{
	if (a->decoding || !decode_more(a))
		return;
	a->decoding = true;
	workers_submit(a->worker, &a->job);
}

static void move_to(struct ahead *a, uint32_t tree, uint64_t nid)
{
	if (tree != a->tree || nid > a->decoded || a->decoded - nid > WINDOW_NIDS) {
		a->decoded = nid;
		a->bytes = 0;
	}
	a->tree = tree;
	a->from = nid;
}

static void note_read(struct ahead *a, uint32_t tree, uint64_t nid)
{
	bool near = tree == a->tree && nid > a->from && nid - a->from < NEAR_NIDS;

	if (!near)
		a->trust /= 2;
	else if (a->trust < TRUST_MAX)
		a->trust++;
	a->unread = 0;
	move_to(a, tree, nid);
}

/* Up to NID all is given away, which takes it out of the window. */
static void note_given(struct ahead *a, uint32_t tree, uint64_t nid, uint64_t bytes)
{
	a->bytes -= a->bytes < bytes ? a->bytes : bytes;
	if (tree == a->tree && a->decoded < nid)
		a->decoded = nid;
}

/* ---- giving ---- */

/* False if that would cost waiting, or the kernel does not have the file yet. */
static bool give(struct ahead *a, const struct forest_tree *t,
		 const struct tree_node *node)
{
	struct fuse_bufvec content = FUSE_BUFVEC_INIT(node->size);
	size_t got;

	if (node->size > GIVE_FILE_MAX || !objects_is_decoded(a->objects, &node->digest))
		return false;
	if (objects_read(a->objects, &node->digest, 0, a->content, node->size, &got,
			 NULL) < 0 ||
	    got != node->size)
		return false;
	content.buf[0].mem = a->content;
	if (fuse_lowlevel_notify_store(a->session, nodeid_tree(t->number, node->nid), 0,
				       &content, 0) != 0)
		return false;
	a->given(a->given_arg, node->size);
	return true;
}

/* Gives the files behind NID. */
static void give_behind(struct ahead *a, const struct forest_tree *t, uint64_t nid)
{
	unsigned tries = GIVE_NIDS;
	struct tree_node node;
	uint64_t bytes = 0, at = nid;

	for (unsigned i = 0; i < GIVE_FILES && bytes < GIVE_BYTES; i++) {
		if (!tree_next_file(&t->tree, &at, &tries, &node) || !give(a, t, &node))
			break;
		bytes += node.size;
		nid = at;
	}
	pthread_mutex_lock(&a->lock);
	note_given(a, t->number, nid, bytes);
	go_on_decoding(a);
	pthread_mutex_unlock(&a->lock);
}

/* READERS: those who are known to be no danger. */
static bool begin_giving(struct ahead *a, unsigned readers)
{
	return a->session && atomic_load(&a->readers) == readers &&
	       !atomic_flag_test_and_set(&a->giving);
}

static void end_giving(struct ahead *a)
{
	atomic_flag_clear(&a->giving);
}

/* ---- the public side ---- */

void ahead_begin(struct ahead *a)
{
	atomic_fetch_add(&a->readers, 1);
}

void ahead_end(struct ahead *a)
{
	atomic_fetch_sub(&a->readers, 1);
}

void ahead_read(struct ahead *a, const struct forest_tree *t, uint64_t nid)
{
	bool walk;

	pthread_mutex_lock(&a->lock);
	note_read(a, t->number, nid);
	walk = a->trust >= TRUST_MIN;
	go_on_decoding(a);
	pthread_mutex_unlock(&a->lock);
	if (!walk || !begin_giving(a, 1))
		return;
	give_behind(a, t, nid);
	end_giving(a);
}

/* Stops at the first file. */
static int take_file(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		     uint64_t next, struct err *err)
{
	(void)name;
	(void)len;
	(void)next;
	(void)err;
	if (!S_ISREG(type))
		return 0;
	*(uint64_t *)arg = nid;
	return 1;
}

void ahead_listed(struct ahead *a, const struct forest_tree *t, uint64_t nid)
{
	struct tree_node first;
	uint64_t at = 0;
	bool walk, ask;

	if (tree_readdir(&t->tree, nid, 0, take_file, &at, NULL) < 0 || at == 0 ||
	    tree_node(&t->tree, at, &first, NULL) < 0)
		return;
	pthread_mutex_lock(&a->lock);
	walk = t->number == a->tree && a->trust >= TRUST_MIN && a->unread < UNREAD_MAX;
	ask = walk && ++a->unread > UNREAD_ASK;
	if (walk) {
		move_to(a, t->number, at);
		a->from = at - 1;
	}
	pthread_mutex_unlock(&a->lock);
	if (!walk || !begin_giving(a, 0))
		return;
	if (ask || first.size == 0 || give(a, t, &first))
		give_behind(a, t, at);
	end_giving(a);
}

void ahead_serve(struct ahead *a, struct fuse_session *session, ahead_given_fn *given,
		 void *arg)
{
	a->session = session;
	a->given = given;
	a->given_arg = arg;
}

int ahead_new(struct objects *o, struct forest *f, struct ahead **ret, struct err *err)
{
	struct ahead *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return err_nomem(err);
	a->objects = o;
	a->forest = f;
	a->job.run = run;
	atomic_flag_clear(&a->giving);
	pthread_mutex_init(&a->lock, NULL);
	a->content = malloc(GIVE_FILE_MAX);
	rc = a->content ? workers_new(1, 1, &a->worker, err) : err_nomem(err);
	if (rc) {
		ahead_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	workers_free(a->worker);
	pthread_mutex_destroy(&a->lock);
	free(a->content);
	free(a);
}
