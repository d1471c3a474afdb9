/* SPDX-License-Identifier: Apache-2.0
 * `layercache login HOST`: credentials for a registry into the file that all clients share.
 */
#include <string.h>
#include <termios.h>

#include "store/base/io.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/registry/credentials.h"
#include "tools/registry_options.h"

#define SECRET_MAX 65536

struct login_options {
	const char *username;
	bool password_stdin;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_TEXT('u', "username", "USER", struct login_options, username,
		    "who logs in"),
	OPTION_FLAG(0, "password-stdin", struct login_options, password_stdin,
		    "read the password or token from standard input"),
	REGISTRY_OPTIONS(struct login_options, registry),
	OPTION_END,
};

/* From a terminal nothing of it is shown. */
static int read_secret(char *out, size_t size, size_t *ret_len, struct err *err)
{
	struct termios old, silent;
	bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;
	size_t len = 0;
	int rc = 0;

	if (terminal) {
		silent = old;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		fprintf(stderr, "password: ");
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	while (!rc && len < size && !memchr(out, '\n', len)) {
		size_t n = 0;

		rc = io_read(STDIN_FILENO, out + len, terminal ? 1 : size - len, &n,
			     "standard input", err);
		if (n == 0)
			break;
		len += n;
	}
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fprintf(stderr, "\n");
	}
	if (!rc)
		*ret_len = len;
	return rc;
}

static int take_secret(struct credentials *c, struct err *err)
{
	char secret[SECRET_MAX];
	size_t len = 0;
	int rc = read_secret(secret, sizeof(secret) - 1, &len, err);

	if (rc)
		return rc;
	while (len && (secret[len - 1] == '\n' || secret[len - 1] == '\r'))
		len--;
	secret[len] = '\0';
	if (len == 0)
		rc = err_set(err, ERR_FAILED, "there is no password");
	else if (!(c->secret = strdup(secret)))
		rc = err_nomem(err);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

static int take_credentials(const struct login_options *v, struct credentials *c,
			    struct err *err)
{
	if (v->registry.creds)
		return credentials_split(v->registry.creds, c, err);
	if (!v->username)
		return err_set(err, ERR_USAGE, "give --username, or --creds");
	if (!*v->username || strchr(v->username, ':'))
		return err_set(err, ERR_USAGE, "bad user name '%s'", v->username);
	if (!v->password_stdin && !isatty(STDIN_FILENO))
		return err_set(err, ERR_USAGE,
			       "standard input is no terminal: give --password-stdin");
	c->user = strdup(v->username);
	return c->user ? take_secret(c, err) : err_nomem(err);
}

/* Whether the registry takes them. */
static int try(const char *host, const struct credentials *c,
	       const struct login_options *v, struct err *err)
{
	auto_free char *pair = NULL, *name = NULL;
	auto_remote struct remote *r = NULL;
	struct remote_options remote;
	int rc;

	if (asprintf(&pair, "%s:%s", c->user, c->secret) < 0 ||
	    asprintf(&name, "%s/", host) < 0)
		return err_nomem(err);
	registry_options_take(&v->registry, &remote);
	remote.credentials = pair;
	rc = remote_open(name, &remote, false, &r, err);
	if (!rc)
		rc = remote_ping(r, err);
	explicit_bzero(pair, strlen(pair));
	return rc == -ERR_NOTFOUND ? err_set(err, ERR_FAILED, "it is no registry") : rc;
}

static int run(struct command_call *call, struct err *err)
{
	const struct login_options *v = call->values;
	const char *host = call->count ? call->args[0] : "docker.io";
	auto_credentials struct credentials c = {0};
	int rc;

	if (!*host || strpbrk(host, "/@ "))
		return err_set(err, ERR_USAGE, "'%s' is no registry's name", host);
	rc = take_credentials(v, &c, err);
	if (!rc)
		rc = try(host, &c, v, err);
	if (!rc)
		rc = credentials_store(v->registry.authfile, host, &c, err);
	return rc && rc != -ERR_USAGE ? err_wrap(err, "log in at '%s'", host) : rc;
}

const struct command cmd_login = {
	.name = "login",
	.summary = "keep credentials for a registry",
	.arguments = "[HOST]",
	.details =
		"HOST is docker.io by default. The credentials are tried, then stored in the\n"
		"file that docker, podman and skopeo read too: --authfile,\n"
		"$REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or ~/.docker/config.json;\n"
		"or handed to the helper that this file names.",
	.options = options,
	.values_size = sizeof(struct login_options),
	.max_args = 1,
	.run = run,
};
