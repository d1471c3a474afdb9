/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: tree images, checked and walked as a daemon would. */
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "store/base/auto.h"
#include "store/tree_model.h"
#include "store/tree_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A damaged tree may lead in circles: this many steps, then it is enough. */
#define STEPS_MAX 2000
#define QUEUE     256

struct walk {
	const struct tree *t;
	uint64_t dir, queue[QUEUE];
	size_t head, tail;
	unsigned steps;
	uint64_t sum;
};

static void judge(int r)
{
	if (r < 0 && r != -ERR_CORRUPT && r != -ERR_NOTFOUND)
		abort();
}

static void touch(struct walk *w, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		w->sum += ((const uint8_t *)bytes)[i];
}

static int on_xattr(void *arg, const char *prefix, const char *name, size_t name_len,
		    const void *value, size_t value_len, struct err *err)
{
	struct walk *w = arg;

	(void)prefix;
	(void)err;
	touch(w, name, name_len);
	touch(w, value, value_len);
	return ++w->steps > STEPS_MAX;
}

static void look_at(struct walk *w, uint64_t nid)
{
	struct tree_node node;
	const char *text;
	size_t len;
	int r = tree_node(w->t, nid, &node, NULL);

	judge(r);
	if (r < 0)
		return;
	touch(w, &node.digest, sizeof(node.digest));
	judge(tree_xattr_each(w->t, nid, w->steps % 2, on_xattr, w, NULL));
	if (S_ISLNK(node.mode)) {
		r = tree_readlink(w->t, nid, &text, &len, NULL);
		judge(r);
		if (r == 0)
			touch(w, text, len);
	}
	r = tree_unresolved(w->t, nid, &text, &len, NULL);
	judge(r);
	if (r == 0)
		touch(w, text, len);
	if (S_ISDIR(node.mode) && w->tail < QUEUE)
		w->queue[w->tail++] = nid;
}

static int on_entry(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		    uint64_t next, struct err *err)
{
	struct walk *w = arg;
	uint64_t found;

	(void)type;
	(void)err;
	w->sum += next;
	judge(tree_lookup(w->t, w->dir, name, len, &found, NULL));
	look_at(w, nid);
	return ++w->steps > STEPS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = {0};
	struct tree t;
	struct walk w = {.t = &t};
	uint64_t nid;

	if (tree_open(&t, data, size, &err) < 0) {
		if (err.code != ERR_CORRUPT)
			abort();
		return 0;
	}
	judge(tree_check(&t, &err));
	judge(tree_path(&t, "d/sub/../f", &nid, NULL));
	look_at(&w, TREE_ROOT_NID);
	while (w.head < w.tail && w.steps <= STEPS_MAX) {
		w.dir = w.queue[w.head++];
		judge(tree_readdir(&t, w.dir, 0, on_entry, &w, NULL));
		judge(tree_readdir(&t, w.dir, w.sum, on_entry, &w, NULL));
	}
	return 0;
}
