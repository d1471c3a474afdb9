/* SPDX-License-Identifier: Apache-2.0
 * Who we are at a registry. */
#include "tools/registry/credentials.h"

#include <fcntl.h>
#include <string.h>

#include "store/base/io.h"
#include "tools/buildkit/base64.h"
#include "tools/oci/document.h"
#include "tools/registry/credential_helper.h"

#define FILE_MAX   (4u << 20)
#define OUTPUT_MAX (64u << 10)
#define DOCKER_KEY "https://index.docker.io/v1/"

static void erase(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void credentials_release(struct credentials *c)
{
	erase(c->user);
	erase(c->secret);
	erase(c->identity_token);
	erase(c->registry_token);
	*c = (struct credentials){0};
}

static int copy(const char *text, char **ret, struct err *err)
{
	if (!text || !*text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : err_nomem(err);
}

int credentials_split(const char *text, struct credentials *ret, struct err *err)
{
	const char *colon = strchr(text, ':');
	struct credentials c = {0};

	if (!colon || colon == text)
		return err_set(err, ERR_USAGE, "credentials are USER:SECRET");
	c.user = strndup(text, (size_t)(colon - text));
	c.secret = strdup(colon + 1);
	if (!c.user || !c.secret) {
		credentials_release(&c);
		return err_nomem(err);
	}
	*ret = c;
	return 0;
}

/* ---- the files ---- */

static char *path_in(const char *dir, const char *rest)
{
	char *path = NULL;

	if (!dir || !*dir || asprintf(&path, "%s/%s", dir, rest) < 0)
		return NULL;
	return path;
}

static char *docker_file(void)
{
	const char *config = getenv("DOCKER_CONFIG");

	return config && *config ? path_in(config, "config.json")
				 : path_in(getenv("HOME"), ".docker/config.json");
}

static const char *named_file(const char *authfile)
{
	const char *named = authfile ? authfile : getenv("REGISTRY_AUTH_FILE");

	return named && *named ? named : NULL;
}

/* *ret is NULL if there is no such file. */
static int read_file(const char *path, json_t **ret, struct err *err)
{
	auto_buf struct buf bytes;
	int rc;

	*ret = NULL;
	buf_init(&bytes, FILE_MAX);
	rc = io_read_file(AT_FDCWD, path, &bytes, err);
	if (rc == -ERR_NOTFOUND)
		return 0;
	if (!rc && bytes.len == 0)
		return 0;
	if (!rc)
		rc = document_parse(bytes.data, bytes.len, ret, err);
	if (bytes.len)
		explicit_bzero(bytes.data, bytes.len);
	if (!rc && !json_is_object(*ret)) {
		json_decref(*ret);
		rc = err_set(err, ERR_INVALID, "not an object");
	}
	return rc ? err_wrap(err, "'%s'", path) : 0;
}

/* ---- keys ---- */

/* The part of a key that counts: without scheme, "/v1/" and the like. */
static size_t key_part(const char *key, const char **ret)
{
	const char *scheme = strstr(key, "://");
	size_t len;

	*ret = scheme ? scheme + 3 : key;
	len = strlen(*ret);
	while (len && (*ret)[len - 1] == '/')
		len--;
	if (len > 3 && (memcmp(*ret + len - 3, "/v1", 3) == 0 ||
			memcmp(*ret + len - 3, "/v2", 3) == 0))
		len -= 3;
	return len;
}

static bool is_docker_host(const char *host, size_t len)
{
	static const char *const names[] = {"docker.io", "index.docker.io",
					    "registry-1.docker.io"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == len && memcmp(names[i], host, len) == 0)
			return true;
	return false;
}

/* How much of HOST/PATH the key names; 0: another place. */
static size_t key_match(const char *key, const char *host, const char *path)
{
	const char *part;
	size_t len = key_part(key, &part), host_len = 0;

	while (host_len < len && part[host_len] != '/')
		host_len++;
	if (!(strlen(host) == host_len && memcmp(host, part, host_len) == 0) &&
	    !(is_docker_host(host, strlen(host)) && is_docker_host(part, host_len)))
		return 0;
	if (host_len == len)
		return 1;
	len -= host_len + 1;
	part += host_len + 1;
	if (strncmp(path, part, len) != 0 || (path[len] && path[len] != '/'))
		return 0;
	return 1 + len;
}

static const char *best_key(json_t *object, const char *host, const char *path)
{
	const char *key, *best = NULL;
	size_t most = 0;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		size_t match = key_match(key, host, path);

		if (match > most) {
			most = match;
			best = key;
		}
	}
	return best;
}

/* The name that docker itself uses. */
static const char *key_of(const char *host)
{
	return is_docker_host(host, strlen(host)) ? DOCKER_KEY : host;
}

/* ---- reading ---- */

/* "auth" is base64 of USER:SECRET. */
static int read_auth(json_t *entry, struct credentials *ret, struct err *err)
{
	const char *auth = NULL, *identity = NULL, *registry = NULL;
	auto_buf struct buf plain;
	int rc = document_text(entry, "auth", &auth, err);

	buf_init(&plain, OUTPUT_MAX);
	if (!rc)
		rc = document_text(entry, "identitytoken", &identity, err);
	if (!rc)
		rc = document_text(entry, "registrytoken", &registry, err);
	if (!rc && auth && *auth) {
		rc = base64_decode(auth, strlen(auth), &plain, err);
		if (!rc)
			rc = buf_append_u8(&plain, 0, err);
		if (!rc && credentials_split((const char *)plain.data, ret, NULL))
			rc = err_set(err, ERR_INVALID, "bad 'auth'");
	}
	if (!rc)
		rc = copy(identity, &ret->identity_token, err);
	if (!rc)
		rc = copy(registry, &ret->registry_token, err);
	if (plain.len)
		explicit_bzero(plain.data, plain.len);
	return rc;
}

static int ask_helper(const char *helper, const char *host, struct credentials *ret,
		      struct err *err)
{
	const char *user = NULL, *secret = NULL, *key = key_of(host);
	auto_document json_t *json = NULL;
	auto_buf struct buf out;
	int rc;

	buf_init(&out, OUTPUT_MAX);
	rc = credential_helper_run(helper, "get", key, strlen(key), &out, err);
	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	rc = document_parse(out.data, out.len, &json, err);
	explicit_bzero(out.data, out.len);
	if (!rc)
		rc = document_text(json, "Username", &user, err);
	if (!rc)
		rc = document_text(json, "Secret", &secret, err);
	if (rc)
		return err_wrap(err, "docker-credential-%s", helper);
	if (user && strcmp(user, "<token>") == 0)
		return copy(secret, &ret->identity_token, err);
	rc = copy(user, &ret->user, err);
	return rc ? rc : copy(secret, &ret->secret, err);
}

/* The program that keeps secrets for HOST; NULL: the file itself does. */
static int find_helper(json_t *file, const char *host, const char **ret, struct err *err)
{
	json_t *helpers;
	const char *key;
	int rc = document_object(file, "credHelpers", &helpers, err);

	*ret = NULL;
	if (rc)
		return rc;
	key = helpers ? best_key(helpers, host, "") : NULL;
	if (key)
		return document_text(helpers, key, ret, err);
	rc = document_text(file, "credsStore", ret, err);
	if (!rc && *ret && !**ret)
		*ret = NULL;
	return rc;
}

static bool is_empty(const struct credentials *c)
{
	return !c->user && !c->identity_token && !c->registry_token;
}

static int find_in(const char *path, bool required, const char *host, const char *repo,
		   struct credentials *ret, struct err *err)
{
	auto_document json_t *file = NULL;
	const char *helper = NULL, *key;
	json_t *auths, *entry = NULL;
	int rc = read_file(path, &file, err);

	if (!rc && !file && required)
		return err_set(err, ERR_FAILED, "there is no file '%s'", path);
	if (rc || !file)
		return rc;
	rc = find_helper(file, host, &helper, err);
	if (!rc && helper)
		rc = ask_helper(helper, host, ret, err);
	if (rc || !is_empty(ret))
		return rc;
	rc = document_object(file, "auths", &auths, err);
	key = !rc && auths ? best_key(auths, host, repo) : NULL;
	if (key)
		rc = document_object(auths, key, &entry, err);
	if (!rc && entry)
		rc = read_auth(entry, ret, err);
	return rc ? err_wrap(err, "'%s'", path) : 0;
}

int credentials_find(const char *authfile, const char *host, const char *path,
		     struct credentials *ret, struct err *err)
{
	const char *named = named_file(authfile);
	auto_free char *podman =
		path_in(getenv("XDG_RUNTIME_DIR"), "containers/auth.json");
	auto_free char *docker = docker_file();
	auto_credentials struct credentials c = {0};
	int rc = 0;

	if (named)
		rc = find_in(named, true, host, path, &c, err);
	if (!rc && !named && podman)
		rc = find_in(podman, false, host, path, &c, err);
	if (!rc && !named && docker && is_empty(&c))
		rc = find_in(docker, false, host, path, &c, err);
	if (!rc) {
		*ret = c;
		c = (struct credentials){0};
	}
	return rc;
}

/* ---- writing ---- */

static int helper_store(const char *helper, const char *host, const struct credentials *c,
			struct err *err)
{
	const char *key = key_of(host);
	auto_document json_t *json = NULL;
	auto_free char *text = NULL;
	auto_buf struct buf out;
	int rc;

	buf_init(&out, OUTPUT_MAX);
	if (!c)
		return credential_helper_run(helper, "erase", key, strlen(key), &out,
					     err);
	json = json_pack("{s:s, s:s, s:s}", "ServerURL", key, "Username", c->user,
			 "Secret", c->secret);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text)
		return err_nomem(err);
	rc = credential_helper_run(helper, "store", text, strlen(text), &out, err);
	explicit_bzero(text, strlen(text));
	return rc;
}

static int file_store(json_t *file, const char *host, const struct credentials *c,
		      struct err *err)
{
	auto_buf struct buf pair, coded;
	const char *key;
	json_t *auths;
	int rc = document_object(file, "auths", &auths, err);

	if (rc)
		return rc;
	if (!auths && json_object_set_new(file, "auths", auths = json_object()) < 0)
		return err_nomem(err);
	key = best_key(auths, host, "");
	if (!c && !key)
		return err_set(err, ERR_NOTFOUND, "not logged in to '%s'", host);
	if (key)
		json_object_del(auths, key);
	if (!c)
		return 0;
	buf_init(&pair, OUTPUT_MAX);
	buf_init(&coded, 2 * OUTPUT_MAX);
	rc = buf_printf(&pair, err, "%s:%s", c->user, c->secret);
	if (!rc)
		rc = base64_encode(pair.data, pair.len, &coded, err);
	if (!rc)
		rc = buf_append_u8(&coded, 0, err);
	if (!rc &&
	    json_object_set_new(auths, key_of(host),
				json_pack("{s:s}", "auth", (const char *)coded.data)) < 0)
		rc = err_nomem(err);
	return rc;
}

/* The directory of a file that is not there yet. */
static int make_parent(const char *path, struct err *err)
{
	auto_free char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!dir)
		return err_nomem(err);
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return io_mkdir(AT_FDCWD, dir, 0700, err);
}

static int write_file(const char *path, json_t *file, struct err *err)
{
	auto_free char *text = json_dumps(file, JSON_INDENT(8));
	int rc = text ? make_parent(path, err) : err_nomem(err);

	if (!rc)
		rc = io_replace_file(AT_FDCWD, path, text, strlen(text), 0600, false,
				     err);
	if (text)
		explicit_bzero(text, strlen(text));
	return rc;
}

int credentials_store(const char *authfile, const char *host, const struct credentials *c,
		      struct err *err)
{
	const char *named = named_file(authfile), *helper = NULL;
	auto_free char *path = named ? strdup(named) : docker_file();
	auto_document json_t *file = NULL;
	int rc;

	if (!path)
		return err_set(err, ERR_FAILED,
			       "no file for credentials: HOME is not set");
	rc = read_file(path, &file, err);
	if (!rc && !file)
		file = json_object();
	if (!rc && !file)
		return err_nomem(err);
	if (!rc)
		rc = find_helper(file, host, &helper, err);
	if (!rc && helper)
		return helper_store(helper, host, c, err);
	if (!rc)
		rc = file_store(file, host, c, err);
	return rc ? rc : write_file(path, file, err);
}
