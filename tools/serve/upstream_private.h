/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the upstreams share: upstream.c (which one, its connections),
 * upstream_ask.c (requests). Included by these only.
 */
#ifndef TOOLS_SERVE_UPSTREAM_PRIVATE_H
#define TOOLS_SERVE_UPSTREAM_PRIVATE_H

#include <pthread.h>
#include <time.h>

#include "tools/serve/once.h"
#include "tools/serve/upstream.h"

struct upstream {
	char *name;     /* "docker.io" */
	char *registry; /* "mirror.example:5000/prefix" */
	time_t down;    /* until then it is not asked where there is something else */
};

/* One repository's connection, shared by who asks for something there. */
struct upstream_link {
	struct upstream_link *next;
	const struct upstream *upstream;
	char *name; /* as in the place */
	struct remote *remote;
	unsigned users;
	time_t made;
	bool old; /* goes with its last user */
};

struct upstreams {
	struct remote_options remote;
	unsigned fresh;
	int interrupt;
	struct fetches *fetches;
	struct told *told;
	struct once *once;
	struct upstream *items;
	size_t count;
	pthread_mutex_t lock; /* links, and each upstream's DOWN */
	struct upstream_link *links;
	size_t link_count;
};

time_t upstream_now(void);

/* Given back by upstream_unlink. OLD: what it knows (credentials) is no good any more. */
int upstream_link(struct upstreams *u, const struct upstream_place *p,
		  struct upstream_link **ret, struct err *err) MUST_CHECK;
void upstream_unlink(struct upstreams *u, struct upstream_link *l, bool old);

#endif
