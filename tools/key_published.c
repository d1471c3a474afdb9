/* SPDX-License-Identifier: Apache-2.0
 * Keys that alternates have. */
#include "tools/key_published.h"

#include "store/key_adopt.h"

static bool matches(const void *arg, const struct digest *d)
{
	return subject_matches(arg, d);
}

int key_published_find(struct store *store, const char *text, struct digest *ret,
		       struct err *err)
{
	struct subject_text x;
	int rc;

	if (subject_parse(text, &x, NULL) || !x.digest ||
	    (x.kind && x.kind != SUBJECT_KEY))
		return -ERR_NOTFOUND;
	rc = alternates_key_match(store_alternates(store), matches, &x, ret, err);
	return rc == -ERR_INVALID ? err_wrap(err, "'%s' is ambiguous", text) : rc;
}

/* Without success the key is still not there, which the caller sees. */
static void adopt(const struct command_call *call, const struct digest *key)
{
	auto_store struct store *store = NULL;
	struct record_key record;

	if (command_open_store(call, STORE_WRITE, &store, NULL) == 0)
		(void)!key_adopt(store, key, &record, NULL);
}

int key_published_subject(const struct command_call *call, struct command_reader *r,
			  const char *text, const char *platform, struct subject *ret,
			  struct err *err)
{
	struct err why = {0};
	struct digest key;
	int rc = subject_find(r->txn, text, platform, 0, ret, err), found;

	if (rc != -ERR_NOTFOUND || !alternates_any(store_alternates(r->store)))
		return rc;
	found = key_published_find(r->store, text, &key, &why);
	if (found)
		return found == -ERR_INVALID ? err_copy(err, &why) : rc;
	/* A process has a catalog open in one way only. */
	command_reader_close(r);
	adopt(call, &key);
	rc = command_reader_open(call, r, err);
	return rc ? rc : subject_find(r->txn, text, platform, 0, ret, err);
}

int key_published_check(struct store *store, const struct digest *key,
			const struct digest *chainid, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_key record;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = catalog_key_get(t, key, &record, err);
	if (rc != -ERR_NOTFOUND)
		return rc;
	rc = alternates_key_get(store_alternates(store), key, &record, err);
	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	if (!digest_equal(&record.chainid, chainid))
		return err_set(err, ERR_BUSY,
			       "an alternate has another result of the key");
	return 0;
}
