/* SPDX-License-Identifier: Apache-2.0
 * Looks for a tree in the mount table and in the leases of overlays.
 */
#include "tools/whereabouts.h"

#include <string.h>

#include "fs/mounts.h"
#include "tools/output.h"
#include "tools/overlay_lease.h"

struct search {
	const char *path; /* in the live mount; NULL: not mounted */
	const char *store;
	const struct digest *chainid; /* NULL: a layer */
	json_t *overlays;
	/* the mount that is being looked at */
	const struct mounts_entry *mount;
	bool leased;
};

static int match_lease(void *arg, const struct overlay_lease *lease, struct err *err)
{
	struct search *s = arg;

	(void)err;
	if (!lease->same_boot || lease->mount != s->mount->id ||
	    strcmp(lease->target, s->mount->mountpoint) != 0 ||
	    !digest_equal(&lease->chainid, s->chainid))
		return 0;
	s->leased = true;
	return 1;
}

static int look_at(void *arg, const struct mounts_entry *m, struct err *err)
{
	struct search *s = arg;
	int rc;

	if (strcmp(m->fstype, "overlay") != 0)
		return 0;
	s->mount = m;
	s->leased = false;
	if (s->chainid) {
		rc = overlay_lease_each(s->store, match_lease, s, err);
		if (rc)
			return rc;
	}
	if (!s->leased && !(s->path && strstr(m->options, s->path)))
		return 0;
	/* A path that is no UTF-8 is left out: this list is for people. */
	if (json_array_append_new(s->overlays, json_string_nocheck(m->mountpoint)) != 0)
		return err_nomem(err);
	return 0;
}

int whereabouts_set(json_t *object, const struct store *store, const char *kind,
		    const struct digest *d, struct err *err)
{
	auto_free char *mountpoint = NULL, *path = NULL;
	char hex[DIGEST_HEX_SIZE];
	struct search s = {
		.store = store_path(store),
		.chainid = strcmp(kind, "chains") == 0 ? d : NULL,
		.overlays = json_array(),
	};
	int rc;

	if (json_object_set_new(object, "path", json_null()) != 0 ||
	    json_object_set_new(object, "overlays", s.overlays) != 0)
		return err_nomem(err);
	rc = mounts_find(s.store, &mountpoint, err);
	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	if (!rc) {
		if (asprintf(&path, "%s/%s/sha256/%s", mountpoint, kind,
			     digest_hex(d, hex)) < 0)
			return err_nomem(err);
		s.path = path;
		rc = output_json_set_text(object, "path", path, err);
		if (rc)
			return rc;
	}
	rc = mounts_each(look_at, &s, err);
	return rc < 0 ? rc : 0;
}
