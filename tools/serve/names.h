/* SPDX-License-Identifier: Apache-2.0
 * Repositories as clients spell them, and the names of the store behind them.
 *
 * A repository HOST/PATH, whose first part has a dot or is "localhost", is exactly that. Any
 * other repository R stands for the first of these that has the tag:
 *
 *	localhost/R                           what was pushed as R, or imported without a name
 *	docker.io/R, docker.io/library/R      as Docker completes names
 *	HOST/R                                of any other host, in byte order
 *
 * What is pushed to R becomes localhost/R, so it is what is pulled again.
 */
#ifndef TOOLS_SERVE_NAMES_H
#define TOOLS_SERVE_NAMES_H

#include "store/catalog.h"

/* As catalog_ref_get. ERR_NOTFOUND. */
int names_find(struct catalog_txn *t, const char *repository, const char *tag,
	       struct record_ref *ret, void **ret_memory, struct err *err) MUST_CHECK;

/* Appends the name that a push to it sets, and a NUL. ERR_INVALID. */
int names_pushed(const char *repository, const char *tag, struct buf *ret,
		 struct err *err) MUST_CHECK;

struct names_list {
	char **items; /* in byte order, each once */
	size_t count, room;
};
void names_list_release(struct names_list *list);

/* All tags of a repository; all repositories. */
int names_tags(struct catalog_txn *t, const char *repository, struct names_list *ret,
	       struct err *err) MUST_CHECK;
int names_repositories(struct catalog_txn *t, struct names_list *ret,
		       struct err *err) MUST_CHECK;

/* EACH is told of every name with a tag that REPOSITORY stands for; not only the first. */
int names_each(struct catalog_txn *t, const char *repository, catalog_ref_fn *each,
	       void *arg, struct err *err) MUST_CHECK;

#define auto_names_list __attribute__((cleanup(names_list_release)))

#endif
