/* SPDX-License-Identifier: Apache-2.0
 * Notes of sessions in shared memory. */
#include "store/pins.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store/base/endian.h"
#include "store/perms.h"
#include "store/store_private.h"

#define DIRECTORY "pins"
#define STATE     "state"
/* 2^24 bits and 4 of them for each digest: of 10^6 noted ones, 2 in 1000 others pass too. */
#define SET_WORDS (1u << 18)
#define SET_BYTES (SET_WORDS * sizeof(uint64_t))
#define SET_BITS  4u

typedef _Atomic uint64_t word;

struct pins {
	struct store *store;
	int dirfd, fd;
	char name[32];
	word *state, *set;
};

struct pins_seen {
	int dirfd;
	bool frozen;
	uint64_t frozen_state;
	word *state;
	size_t count; /* of sessions */
	uint64_t *set;
};

/* ---- shared memory ---- */

static int map(int fd, size_t size, word **ret, struct err *err)
{
	void *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(err, errno, "cannot map a file in 'pins'");
	*ret = p;
	return 0;
}

static void unmap(word *p, size_t size)
{
	if (p)
		munmap((void *)(uintptr_t)p, size);
}

static int open_directory(struct store *s, int *ret_fd, struct err *err)
{
	int r = perms_mkdir(s->dirfd, DIRECTORY, err);

	return r < 0 ? r
		     : io_open(s->dirfd, DIRECTORY, O_RDONLY | O_DIRECTORY, 0, ret_fd,
			       err);
}

/* A file shorter than its mapping would be SIGBUS, so its length is set in any case. */
static int map_state(int dirfd, word **ret, struct err *err)
{
	auto_fd int fd = -1;
	int r = perms_create(dirfd, STATE, O_RDWR, &fd, NULL, err);

	if (r == 0 && ftruncate(fd, sizeof(word)) < 0)
		r = err_sys(err, errno, "cannot set the size of 'pins/state'");
	return r < 0 ? r : map(fd, sizeof(word), ret, err);
}

/* ---- a session's side ---- */

/* *RET_ST: of the file that is locked. */
static int make_locked(struct pins *p, int *ret_fd, struct stat *ret_st, struct err *err)
{
	auto_fd int fd = -1;
	uint64_t random;
	int r;

	r = io_random(&random, sizeof(random), err);
	if (r < 0)
		return r;
	snprintf(p->name, sizeof(p->name), "%016llx", (unsigned long long)random);
	r = perms_create(p->dirfd, p->name, O_RDWR, &fd, NULL, err);
	if (r < 0)
		return r;
	r = io_lock(fd, true, true, p->name, err);
	if (r == 0 && fstat(fd, ret_st) < 0)
		r = err_sys(err, errno, "cannot stat '%s'", p->name);
	if (r < 0)
		unlinkat(p->dirfd, p->name, 0);
	else
		*ret_fd = steal_fd(&fd);
	return r;
}

/* gc sweeps files that are not locked, at any time. */
static int make_file(struct pins *p, struct err *err)
{
	struct stat st;
	int r;

	for (;;) {
		auto_fd int fd = -1;

		r = make_locked(p, &fd, &st, err);
		if (r < 0)
			return r;
		if (st.st_nlink == 0 || st.st_size != 0)
			continue;
		p->fd = steal_fd(&fd);
		/* Nothing of it has to be on the disk, but there has to be room. */
		r = posix_fallocate(p->fd, 0, SET_BYTES);
		return r ? err_sys(err, r, "cannot make a file in 'pins'") : 0;
	}
}

int pins_new(struct store *s, struct pins **ret, struct err *err)
{
	struct pins *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_nomem(err);
	p->store = s;
	p->dirfd = p->fd = -1;
	r = open_directory(s, &p->dirfd, err);
	if (r == 0)
		r = map_state(p->dirfd, &p->state, err);
	if (r == 0)
		r = make_file(p, err);
	if (r == 0)
		r = map(p->fd, SET_BYTES, &p->set, err);
	if (r < 0) {
		pins_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void pins_free(struct pins *p)
{
	if (!p)
		return;
	unmap(p->set, SET_BYTES);
	unmap(p->state, sizeof(word));
	if (p->fd >= 0) {
		unlinkat(p->dirfd, p->name, 0);
		close(p->fd);
	}
	if (p->dirfd >= 0)
		close(p->dirfd);
	free(p);
}

/* A digest is random already; the multiplications spread its bits anew for each. */
static uint64_t bit_of(uint64_t prefix, unsigned i)
{
	static const uint64_t odd[SET_BITS] = {
		0x9e3779b97f4a7c15ull, 0xc2b2ae3d27d4eb4full, 0x165667b19e3779f9ull,
		0xd6e8feb86659fd93ull};

	return (prefix * odd[i]) >> (64 - 24);
}

/* A gc that was killed has left the store lock and an odd state. */
static int wait_for_gc(struct pins *p, uint64_t odd, struct err *err)
{
	int r = store_lock(p->store, err);

	if (r < 0)
		return r;
	atomic_compare_exchange_strong(p->state, &odd, odd + 1);
	store_unlock(p->store);
	return 0;
}

int pins_note(struct pins *p, const struct digest *d, uint64_t *ret, struct err *err)
{
	uint64_t prefix = get_le64(d->bytes), state;
	int r;

	for (unsigned i = 0; i < SET_BITS; i++) {
		uint64_t bit = bit_of(prefix, i);

		if (!(atomic_load_explicit(&p->set[bit / 64], memory_order_relaxed) &
		      1ull << bit % 64))
			atomic_fetch_or(&p->set[bit / 64], 1ull << bit % 64);
	}
	atomic_thread_fence(memory_order_seq_cst);
	while ((state = atomic_load(p->state)) % 2) {
		r = wait_for_gc(p, state, err);
		if (r < 0)
			return r;
	}
	*ret = state;
	return 0;
}

bool pins_hold(struct pins *p, uint64_t state)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load(p->state) == state;
}

/* ---- gc's side ---- */

static int add_set(struct pins_seen *n, int fd, const char *name, struct err *err)
{
	struct stat st;
	word *set = NULL;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot stat 'pins/%s'", name);
	if ((uint64_t)st.st_size < SET_BYTES)
		return 0; /* it has just begun and will see what we do */
	r = map(fd, SET_BYTES, &set, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < SET_WORDS; i++)
		n->set[i] |= atomic_load_explicit(&set[i], memory_order_relaxed);
	unmap(set, SET_BYTES);
	n->count++;
	return 0;
}

static int look_at(struct pins_seen *n, const char *name, struct err *err)
{
	auto_fd int fd = -1;
	int r = io_open(n->dirfd, name, O_RDWR, 0, &fd, err);

	if (r < 0)
		return r == -ERR_NOTFOUND ? 0 : r;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return add_set(n, fd, name, err);
	/* Its session is dead, or about to lock it and to find that it is gone. */
	unlinkat(n->dirfd, name, 0);
	return 0;
}

static int look_at_all(struct pins_seen *n, struct err *err)
{
	auto_dir DIR *dir = NULL;
	struct dirent *e;
	int r = io_opendir(n->dirfd, ".", &dir, err);

	while (r == 0 && (e = readdir(dir)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, STATE) != 0)
			r = look_at(n, e->d_name, err);
	return r;
}

static void freeze(struct pins_seen *n)
{
	uint64_t state = atomic_load(n->state);

	/* Odd already: left by a gc that was killed. */
	if (state % 2 == 0)
		atomic_store(n->state, ++state);
	atomic_thread_fence(memory_order_seq_cst);
	n->frozen = true;
	n->frozen_state = state;
}

int pins_see(struct store *s, bool frozen, struct pins_seen **ret, struct err *err)
{
	struct pins_seen *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_nomem(err);
	n->dirfd = -1;
	n->set = calloc(SET_WORDS, sizeof(*n->set));
	r = n->set ? open_directory(s, &n->dirfd, err) : err_nomem(err);
	if (r == 0)
		r = map_state(n->dirfd, &n->state, err);
	if (r == 0 && frozen)
		freeze(n);
	if (r == 0)
		r = look_at_all(n, err);
	if (r < 0) {
		pins_thaw(n);
		return r;
	}
	*ret = n;
	return 0;
}

bool pins_seen_has(const struct pins_seen *n, uint64_t prefix)
{
	if (!n->count)
		return false;
	for (unsigned i = 0; i < SET_BITS; i++) {
		uint64_t bit = bit_of(prefix, i);

		if (!(n->set[bit / 64] & 1ull << bit % 64))
			return false;
	}
	return true;
}

void pins_thaw(struct pins_seen *n)
{
	uint64_t state;

	if (!n)
		return;
	state = n->frozen_state;
	if (n->frozen)
		atomic_compare_exchange_strong(n->state, &state, state + 1);
	unmap(n->state, sizeof(word));
	if (n->dirfd >= 0)
		close(n->dirfd);
	free(n->set);
	free(n);
}
