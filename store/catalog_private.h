/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the catalog share: catalog_env.c (LMDB environments), catalog.c (the
 * open catalog, transactions, replacement), catalog_compact.c (full pages),
 * catalog_objects.c and catalog_tables.c (tables).
 * Included by these only.
 */
#ifndef STORE_CATALOG_PRIVATE_H
#define STORE_CATALOG_PRIVATE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "store/catalog.h"

/* Of keys and values below and in the tables; another one means: rebuild. */
#define CATALOG_LAYOUT 5

enum catalog_table {
	CATALOG_META, /* LMDB's main table */
	CATALOG_OBJECTS,
	CATALOG_LAYERS,
	CATALOG_CHAINS,
	CATALOG_BLOBS,
	CATALOG_IMAGES,
	CATALOG_REFS,
	CATALOG_TREES,
	CATALOG_PACKS,
	CATALOG_KEYS,
	CATALOG_ENCODINGS,
	CATALOG_ARTIFACTS,
	CATALOG_TABLES,
};

/* One LMDB environment. Freed with its last user. */
struct catalog_env {
	MDB_env *mdb;
	MDB_dbi tables[CATALOG_TABLES];
	unsigned users; /* guarded by the catalog that it belongs to */
	bool lockless;  /* no reader table: see catalog_env_open */
	dev_t dev;      /* of data.mdb */
	ino_t ino;
	atomic_size_t seen; /* the last transaction that a look at the file followed */
};

struct catalog {
	char *store; /* the store's path */
	dev_t dev;   /* of the store directory */
	ino_t ino;
	bool writable;
	bool side; /* being built beside the one in use */
	unsigned users;
	struct catalog *next;

	pthread_mutex_t lock; /* env, its users, looked */
	struct catalog_env *env;
	time_t looked; /* when the file was last compared with what is open */
};

enum catalog_env_flags {
	CATALOG_ENV_WRITE = 1,
	CATALOG_ENV_BULK = 2, /* nothing is durable before catalog_env_sync */
};

/* Opens the environment in DIR (made if CATALOG_ENV_WRITE). A directory whose lock file we
 * may not write is read without a reader table: then nothing but the store lock keeps
 * writers from reusing what we read. ERR_NOTFOUND: there is none; ERR_CORRUPT: it is
 * unusable, or of another layout. */
int catalog_env_open(const char *dir, unsigned flags, struct catalog_env **ret,
		     struct err *err) MUST_CHECK;
void catalog_env_close(struct catalog_env *e); /* NULL is ignored */
int catalog_env_sync(struct catalog_env *e, struct err *err) MUST_CHECK;

/* An empty commit to one that is of no use any more: its readers see that something is new
 * and look. If it fails they look within a second. */
void catalog_env_touch(struct catalog_env *e);

/* mdb_txn_begin, once more after the slots of dead readers are freed. */
int catalog_env_begin(struct catalog_env *e, bool write, MDB_txn **ret,
		      struct err *err) MUST_CHECK;

struct catalog_txn {
	struct catalog *catalog;
	struct catalog_env *env;
	MDB_txn *mdb;
	int lock_fd; /* of a lockless one, else -1 */
};

/* As catalog_install, but the one in use is the old or the new at any moment: fails where
 * the filesystem cannot exchange two directories. Who has the old one open in another
 * process goes over with its next transaction. */
int catalog_exchange(struct catalog *in_use, struct catalog *side,
		     struct err *err) MUST_CHECK;

/* Turns an LMDB result into an error: WHAT says what was being done. */
int catalog_error(int rc, const char *what, struct err *err);

#define CATALOG_MARK_SIZE 32

#endif
