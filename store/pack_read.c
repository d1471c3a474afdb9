/* SPDX-License-Identifier: Apache-2.0
 * Reading frames by place, through a set of open packs. */
#include "store/pack_private.h"

#include <pthread.h>
#include <sys/stat.h>

#include "store/base/io.h"

#define SLOTS     512u
#define PACKS_MAX (1u << 20) /* in one directory */

/* Packs are numbered one after the other, so few of them share a slot. */
struct pack_slot {
	int fd; /* -1: empty */
	uint32_t number;
	unsigned users;
};

struct packs {
	int dirfd;                           /* borrowed, as these: */
	int alternates[PACK_ALTERNATES_MAX]; /* -1: none */
	pthread_mutex_t lock;
	struct pack_slot slots[SLOTS];
};

int packs_new(int packs_dirfd, struct packs **ret, struct err *err)
{
	struct packs *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	p->dirfd = packs_dirfd;
	pthread_mutex_init(&p->lock, NULL);
	for (unsigned i = 0; i < SLOTS; i++)
		p->slots[i].fd = -1;
	for (unsigned i = 0; i < PACK_ALTERNATES_MAX; i++)
		p->alternates[i] = -1;
	*ret = p;
	return 0;
}

void packs_free(struct packs *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		if (p->slots[i].fd >= 0)
			close(p->slots[i].fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void packs_attach(struct packs *p, unsigned slot, int dirfd)
{
	pthread_mutex_lock(&p->lock);
	p->alternates[slot] = dirfd;
	pthread_mutex_unlock(&p->lock);
}

/* A pack that was aborted and made anew has its number again, but is another file. */
static bool is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || st.st_nlink == 0;
}

static bool slot_has(const struct pack_slot *slot, uint32_t number)
{
	return slot->fd >= 0 && slot->number == number;
}

/* With the lock. */
static int open_pack(const struct packs *p, uint32_t number, int *ret_fd, struct err *err)
{
	char name[PACK_NAME_SIZE];
	int dirfd = p->dirfd;

	if (number & PACK_ALTERNATE) {
		dirfd = p->alternates[(number & ~PACK_ALTERNATE) >> PACK_ALTERNATE_SHIFT];
		number &= ~PACK_ALTERNATE_BITS;
	}
	pack_name(number, name);
	if (dirfd < 0)
		return err_set(err, ERR_NOTFOUND, "pack '%s' is of no alternate", name);
	return io_open(dirfd, name, O_RDONLY, 0, ret_fd, err);
}

/* With the lock. *RET_FD is set if the slot is in use for another file. */
static int fill_slot(struct packs *p, struct pack_slot *slot, uint32_t number,
		     int *ret_fd, struct err *err)
{
	int r = open_pack(p, number, ret_fd, err);

	/* gc has removed it: a recipe that is being read still leads there. */
	if (r == -ERR_NOTFOUND && slot_has(slot, number))
		return 0;
	if (r == 0 && slot->users == 0) {
		if (slot->fd >= 0)
			close(slot->fd);
		*slot = (struct pack_slot){.fd = *ret_fd, .number = number};
		*ret_fd = -1;
	}
	return r;
}

int packs_acquire(struct packs *p, uint32_t number, struct pack_handle *ret,
		  struct err *err)
{
	struct pack_slot *slot = &p->slots[number % SLOTS];
	auto_fd int fd = -1;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (!slot_has(slot, number) || is_removed(slot->fd))
		r = fill_slot(p, slot, number, &fd, err);
	if (r == 0 && fd >= 0) {
		*ret = (struct pack_handle){.fd = steal_fd(&fd)};
	} else if (r == 0) {
		slot->users++;
		*ret = (struct pack_handle){.fd = slot->fd, .slot = slot};
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

void packs_warm(struct packs *p, uint32_t number)
{
	struct pack_handle h;

	if (packs_acquire(p, number, &h, NULL) == 0)
		packs_release(p, &h);
}

void packs_fetch(struct packs *p, const struct pack_place *at)
{
	struct pack_handle h;

	if (packs_acquire(p, at->pack, &h, NULL) < 0)
		return;
	(void)posix_fadvise(h.fd, (off_t)at->off, at->len, POSIX_FADV_WILLNEED);
	packs_release(p, &h);
}

void packs_drop_removed(struct packs *p)
{
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct pack_slot *slot = &p->slots[i];

		if (slot->fd < 0 || slot->users || !is_removed(slot->fd))
			continue;
		close(slot->fd);
		slot->fd = -1;
	}
	pthread_mutex_unlock(&p->lock);
}

void packs_release(struct packs *p, struct pack_handle *h)
{
	if (!h->slot) {
		close(h->fd);
		return;
	}
	pthread_mutex_lock(&p->lock);
	h->slot->users--;
	pthread_mutex_unlock(&p->lock);
}

/* ---- one frame ---- */

static int read_bytes(struct packs *p, const struct pack_place *at, struct buf *buf,
		      struct err *err)
{
	struct pack_handle h;
	char name[PACK_NAME_SIZE];
	int r;

	buf_clear(buf);
	if (at->len < PACK_FRAME_HEADER_SIZE)
		return err_set(err, ERR_CORRUPT, "no frame is %u bytes long", at->len);
	r = buf_reserve(buf, at->len, err);
	if (r == 0)
		r = packs_acquire(p, at->pack, &h, err);
	if (r < 0)
		return r;
	pack_name(at->pack, name);
	r = io_pread(h.fd, buf->data, at->len, at->off, name, err);
	packs_release(p, &h);
	if (r == 0)
		buf->len = at->len;
	return r;
}

static void tell_place(const struct pack_place *at, struct err *err)
{
	err_wrap(err, "pack %08x: frame at %llu", at->pack, (unsigned long long)at->off);
}

int pack_read(struct packs *p, const struct pack_place *at, struct buf *buf,
	      struct pack_frame *ret, struct err *err)
{
	int r = read_bytes(p, at, buf, err);

	if (r < 0)
		return r;
	r = pack_frame_decode(buf->data, buf->len, at->off, ret, err);
	if (r == -ERR_CORRUPT)
		tell_place(at, err);
	return r;
}

int pack_read_body(struct packs *p, const struct pack_place *at, struct codec *codec,
		   struct buf *scratch, struct buf *raw, enum pack_frame_type *ret_type,
		   struct err *err)
{
	struct pack_frame f;
	int r = pack_read(p, at, scratch, &f, err);

	buf_clear(raw);
	if (r == 0)
		r = buf_reserve(raw, f.raw_len, err);
	if (r < 0)
		return r;
	r = codec_decompress(codec, f.method, f.body, f.stored_len, raw->data, f.raw_len,
			     err);
	if (r == -ERR_CORRUPT)
		tell_place(at, err);
	if (r < 0)
		return r;
	raw->len = f.raw_len;
	*ret_type = f.type;
	return 0;
}

/* ---- what is there ---- */

static bool parse_name(const char *name, uint32_t *ret)
{
	char again[PACK_NAME_SIZE];
	unsigned long number = strtoul(name, NULL, 16);

	pack_name((uint32_t)number, again);
	*ret = (uint32_t)number;
	return number <= UINT32_MAX && strcmp(name, again) == 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int list_dir(DIR *dir, struct buf *numbers, struct err *err)
{
	struct dirent *e;
	uint32_t number;
	int r = 0;

	while (r == 0 && (errno = 0, e = readdir(dir)))
		if (parse_name(e->d_name, &number))
			r = buf_append(numbers, &number, sizeof(number), err);
	if (r == 0 && errno)
		r = err_sys(err, errno, "cannot list the packs");
	return r;
}

int packs_list(struct packs *p, uint32_t **ret, size_t *ret_count, struct err *err)
{
	auto_buf struct buf numbers;
	auto_dir DIR *dir = NULL;
	int r = io_opendir(p->dirfd, ".", &dir, err);

	buf_init(&numbers, PACKS_MAX * sizeof(uint32_t));
	if (r == 0)
		r = list_dir(dir, &numbers, err);
	if (r < 0)
		return r;
	*ret_count = numbers.len / sizeof(uint32_t);
	if (*ret_count)
		qsort(numbers.data, *ret_count, sizeof(uint32_t), compare_numbers);
	*ret = (uint32_t *)(void *)steal_ptr(&numbers.data);
	return 0;
}
