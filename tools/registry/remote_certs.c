/* SPDX-License-Identifier: Apache-2.0
 * Certificates for one registry, from where docker and podman look for them too:
 *
 *	/etc/containers/certs.d/HOST[:PORT]/  /etc/docker/certs.d/HOST[:PORT]/
 *	$HOME/.config/containers/certs.d/HOST[:PORT]/
 *
 * "*.crt" are authorities; "X.cert" and "X.key" are ours. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "store/base/io.h"
#include "tools/registry/remote_private.h"

#define CA_MAX (4u << 20)

void remote_certs_release(struct remote_certs *c)
{
	buf_release(&c->ca);
	free(c->certificate);
	free(c->key);
	*c = (struct remote_certs){0};
}

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

static int add_authority(const char *path, struct buf *ca, struct err *err)
{
	int rc = io_read_file(AT_FDCWD, path, ca, err);

	return rc ? rc : buf_append_u8(ca, '\n', err);
}

/* PATH is "DIR/X.cert"; its key must be there. */
static int set_own(const char *path, struct remote_certs *c, struct err *err)
{
	size_t stem = strlen(path) - strlen(".cert");
	char *key = NULL;

	if (c->certificate)
		return 0;
	if (asprintf(&key, "%.*s.key", (int)stem, path) < 0)
		return err_nomem(err);
	if (access(key, R_OK) < 0) {
		free(key);
		return err_set(err, ERR_FAILED, "there is no key for '%s'", path);
	}
	c->key = key;
	c->certificate = strdup(path);
	return c->certificate ? 0 : err_nomem(err);
}

static int add_file(const char *dir, const char *name, struct remote_certs *c,
		    struct err *err)
{
	auto_free char *path = NULL;
	int rc = 0;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return err_nomem(err);
	}
	if (ends_in(name, ".crt"))
		rc = add_authority(path, &c->ca, err);
	else if (ends_in(name, ".cert"))
		rc = set_own(path, c, err);
	return rc;
}

static int read_dir(const char *dir, struct remote_certs *c, struct err *err)
{
	struct dirent **names = NULL;
	int count = scandir(dir, &names, NULL, alphasort), rc = 0;

	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = add_file(dir, names[i]->d_name, c, err);
		free(names[i]);
	}
	free(names);
	return rc;
}

static int read_below(const char *base, const char *rest, const char *host,
		      struct remote_certs *c, struct err *err)
{
	auto_free char *dir = NULL;

	if (!base)
		return 0;
	if (asprintf(&dir, "%s/%s/%s", base, rest, host) < 0) {
		dir = NULL;
		return err_nomem(err);
	}
	return read_dir(dir, c, err);
}

int remote_certs_read(const char *cert_dir, const char *host, struct remote_certs *ret,
		      struct err *err)
{
	struct remote_certs c = {0};
	int rc;

	buf_init(&c.ca, CA_MAX);
	if (cert_dir) {
		rc = access(cert_dir, R_OK | X_OK) == 0
			     ? read_dir(cert_dir, &c, err)
			     : err_sys(err, errno, "cannot open '%s'", cert_dir);
	} else {
		rc = read_below(getenv("HOME"), ".config/containers/certs.d", host, &c,
				err);
		if (!rc)
			rc = read_below("/etc/containers", "certs.d", host, &c, err);
		if (!rc)
			rc = read_below("/etc/docker", "certs.d", host, &c, err);
	}
	if (rc)
		remote_certs_release(&c);
	else
		*ret = c;
	return rc;
}
