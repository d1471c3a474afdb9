/* SPDX-License-Identifier: Apache-2.0
 * Where the store and its mount are when nobody says.
 */
#ifndef TOOLS_PATHS_H
#define TOOLS_PATHS_H

#include "store/base/err.h"

/* LAYERCACHE_STORE, else /var/cache/layercache (root), else $XDG_DATA_HOME/layercache or
 * ~/.local/share/layercache. The caller frees *ret. */
int paths_store(char **ret, struct err *err) MUST_CHECK;

/* /var/lib/layercache (root), else $XDG_RUNTIME_DIR/layercache. The caller frees *ret.
 * ERR_FAILED for a user without a runtime directory. */
int paths_mountpoint(char **ret, struct err *err) MUST_CHECK;

/* PATH as an absolute one without ".", ".." and links. The last part need not be there (or be
 * a mountpoint that does not answer). The caller frees *ret. ERR_NOTFOUND. */
int paths_resolve(const char *path, char **ret, struct err *err) MUST_CHECK;

/* A mount on the store or above it would hide the store from every other command:
 * ERR_INVALID. */
int paths_check_mountpoint(const char *store, const char *mountpoint,
			   struct err *err) MUST_CHECK;

#endif
