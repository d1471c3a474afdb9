/* SPDX-License-Identifier: Apache-2.0
 * The options of all commands that talk to a registry.
 */
#ifndef TOOLS_REGISTRY_OPTIONS_H
#define TOOLS_REGISTRY_OPTIONS_H

#include <string.h>

#include "tools/options.h"
#include "tools/registry/remote.h"

struct registry_options {
	const char *authfile, *creds, *cert_dir, *tls_verify;
	bool plain_http;
};

/* Rows of a table whose struct S has a struct registry_options M. */
#define REGISTRY_OPTIONS(s, m) \
	OPTION_TEXT(0, "authfile", "FILE", s, m.authfile, "credentials of registries"), \
		OPTION_TEXT(0, "creds", "USER:SECRET", s, m.creds, \
			    "credentials, instead of those in files"), \
		OPTION_TEXT(0, "cert-dir", "DIR", s, m.cert_dir, \
			    "certificates, instead of those in certs.d"), \
		OPTION_WORD(0, "tls-verify", "BOOL", "true false", s, m.tls_verify, \
			    "false: take any certificate, or plain HTTP"), \
		OPTION_FLAG(0, "plain-http", s, m.plain_http, \
			    "no TLS (for loopback this is tried first anyway)")

static inline void registry_options_take(const struct registry_options *o,
					 struct remote_options *ret)
{
	*ret = (struct remote_options){
		.plain_http = o->plain_http,
		.insecure = o->tls_verify && strcmp(o->tls_verify, "false") == 0,
		.authfile = o->authfile,
		.credentials = o->creds,
		.cert_dir = o->cert_dir,
	};
}

#endif
