/* SPDX-License-Identifier: Apache-2.0
 * Who we are at a registry: the files that docker, podman and skopeo share, and the helper
 * programs that these name.
 *
 *	--authfile, $REGISTRY_AUTH_FILE, ${XDG_RUNTIME_DIR}/containers/auth.json,
 *	$DOCKER_CONFIG/config.json, ~/.docker/config.json
 *
 * A file that was named must be there; of the others the first with an entry counts. In a
 * file credHelpers come before credsStore, this before auths, and of auths the longest path.
 */
#ifndef TOOLS_REGISTRY_CREDENTIALS_H
#define TOOLS_REGISTRY_CREDENTIALS_H

#include "store/base/err.h"

/* NULL: there is none. Erased when they are released. */
struct credentials {
	char *user, *secret;
	char *identity_token; /* to get tokens with */
	char *registry_token; /* a token by itself */
};

void credentials_release(struct credentials *c);
#define auto_credentials __attribute__((cleanup(credentials_release)))

/* For HOST ("docker.io") and the repository PATH there. None at all is no error. */
int credentials_find(const char *authfile, const char *host, const char *path,
		     struct credentials *ret, struct err *err) MUST_CHECK;

/* "USER:SECRET", for the command line. ERR_USAGE. */
int credentials_split(const char *text, struct credentials *ret,
		      struct err *err) MUST_CHECK;

/* Stores (C not NULL) or removes the entry for HOST, by the helper if the file names one. The
 * rest of the file stays as it is. AUTHFILE NULL: $REGISTRY_AUTH_FILE, else docker's.
 * ERR_NOTFOUND: there was none to remove. */
int credentials_store(const char *authfile, const char *host, const struct credentials *c,
		      struct err *err) MUST_CHECK;

#endif
