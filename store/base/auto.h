/* SPDX-License-Identifier: Apache-2.0
 * Scope-bound cleanup: what a function acquires is released on every way out.
 *
 * auto_free char *p = malloc(n);      freed when p goes out of scope
 * auto_fd int fd = open(...);         closed (if >= 0) when fd goes out of scope
 * return steal_ptr(&p);               hands p to the caller instead
 *
 * Modules define their own AUTO_DEFINE(name, type, destructor) for their handles.
 */
#ifndef STORE_BASE_AUTO_H
#define STORE_BASE_AUTO_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))

/* Defines auto_<name> for pointers to TYPE that DESTRUCTOR (NULL-safe) releases. */
#define AUTO_DEFINE(name, type, destructor) \
	static inline void auto_##name##_cleanup_(type **p) \
	{ \
		destructor(*p); \
	}

#define AUTO(name) __attribute__((cleanup(auto_##name##_cleanup_)))

static inline void auto_free_cleanup_(void *p)
{
	free(*(void **)p);
}

static inline void auto_fd_cleanup_(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void auto_file_cleanup_(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define auto_free AUTO(free)
#define auto_fd   AUTO(fd)
#define auto_file AUTO(file)

/* Takes the value out of a variable and leaves it empty, so cleanup does nothing. */
#define steal_ptr(pp) \
	({ \
		typeof(*(pp)) stolen_ = *(pp); \
		*(pp) = NULL; \
		stolen_; \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif
