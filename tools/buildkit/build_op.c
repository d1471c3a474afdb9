/* SPDX-License-Identifier: Apache-2.0
 * The operations of a build as BuildKit names them. */
#include "tools/buildkit/build_op.h"

#include <string.h>

#include "tools/buildkit/base64.h"
#include "tools/buildkit/go_json.h"
#include "tools/buildkit/step_digest.h"

#define JSON_MAX (8u << 20)

static void finish(const struct buf *json, struct digest *ret)
{
	struct digest op;

	digest_of(json->data, json->len, &op);
	step_digest_record(&op, ret);
}

/* ---- commands ---- */

static int put_meta(const struct build_op_exec *op, struct buf *json, struct err *err)
{
	int rc = buf_printf(json, err, "{\"args\":");

	if (!rc)
		rc = go_json_strings(json, op->args, err);
	if (!rc && op->env[0])
		rc = buf_printf(json, err, ",\"env\":");
	if (!rc && op->env[0])
		rc = go_json_strings(json, op->env, err);
	if (!rc)
		rc = buf_printf(json, err, ",\"cwd\":");
	if (!rc)
		rc = go_json_string(json, op->cwd, err);
	if (!rc && *op->user)
		rc = buf_printf(json, err, ",\"user\":");
	if (!rc && *op->user)
		rc = go_json_string(json, op->user, err);
	if (!rc && op->stubs)
		rc = buf_printf(json, err, ",\"removeMountStubsRecursive\":true");
	return rc ? rc : buf_append_u8(json, '}', err);
}

int build_op_exec(const struct build_op_exec *op, struct digest *ret, struct err *err)
{
	auto_buf struct buf json;
	int rc;

	buf_init(&json, JSON_MAX);
	rc = buf_printf(&json, err, "{\"Type\":\"buildkit.exec.v0\",\"Exec\":{\"meta\":");
	if (!rc)
		rc = put_meta(op, &json, err);
	if (!rc && op->network)
		rc = buf_printf(&json, err, ",\"network\":%d", op->network);
	if (!rc)
		rc = buf_printf(&json, err, "},\"OS\":\"%s\",\"Arch\":\"%s\"",
				op->platform->os, op->platform->arch);
	if (!rc && *op->platform->variant)
		rc = buf_printf(&json, err, ",\"Variant\":\"%s\"", op->platform->variant);
	if (!rc)
		rc = buf_append_u8(&json, '}', err);
	if (!rc)
		finish(&json, ret);
	return rc;
}

/* ---- files ---- */

static int put_owner(const struct build_op_files *op, int64_t uid, int64_t gid,
		     struct buf *json, struct err *err)
{
	const char *key = op->by_id_new ? "byId" : "byID";
	int rc = 0;

	if (uid < 0)
		return 0;
	rc = buf_printf(json, err, ",\"owner\":{\"user\":{\"User\":{\"%s\":%ju}}", key,
			(uintmax_t)uid);
	if (!rc && gid >= 0)
		rc = buf_printf(json, err, ",\"group\":{\"User\":{\"%s\":%ju}}", key,
				(uintmax_t)gid);
	return rc ? rc : buf_append_u8(json, '}', err);
}

static int put_copy(const struct build_op_files *op, const struct build_op_copy *c,
		    struct buf *json, struct err *err)
{
	int rc = buf_printf(json, err, "{\"src\":");

	if (!rc)
		rc = go_json_string(json, c->src, err);
	if (!rc)
		rc = buf_printf(json, err, ",\"dest\":");
	if (!rc)
		rc = go_json_string(json, c->dest, err);
	if (!rc)
		rc = put_owner(op, c->uid, c->gid, json, err);
	return rc ? rc
		  : buf_printf(json, err,
			       ",\"mode\":%jd,\"followSymlink\":true,"
			       "\"dirCopyContents\":true%s,\"createDestPath\":true,"
			       "\"allowWildcard\":true,\"allowEmptyWildcard\":true,"
			       "\"timestamp\":-1}",
			       (intmax_t)c->mode,
			       c->unpack ? ",\"attemptUnpackDockerCompatibility\":true"
					 : "");
}

static int put_mkdir(const struct build_op_files *op, struct buf *json, struct err *err)
{
	int rc = buf_printf(json, err, "{\"path\":");

	if (!rc)
		rc = go_json_string(json, op->dir, err);
	if (!rc)
		rc = buf_printf(json, err, ",\"mode\":493,\"makeParents\":true");
	if (!rc)
		rc = put_owner(op, op->uid, -1, json, err);
	return rc ? rc : buf_printf(json, err, ",\"timestamp\":-1}");
}

static int put_action(const struct build_op_files *op, size_t i, struct buf *json,
		      struct err *err)
{
	auto_buf struct buf action;
	int rc;

	buf_init(&action, JSON_MAX);
	rc = op->copies ? put_copy(op, &op->copies[i], &action, err)
			: put_mkdir(op, &action, err);
	if (!rc)
		rc = buf_printf(json, err, i ? ",\"" : "\"");
	if (!rc)
		rc = base64_encode(action.data, action.len, json, err);
	return rc ? rc : buf_append_u8(json, '"', err);
}

/* Which inputs each action has and where its result goes. The commonest ways are left out: what
 * is below is input 0, the source 1, and an action's result the next one's input. That is
 * numbered after as many inputs as there are actions, which is right for up to two. */
static int put_indexes(const struct build_op_files *op, size_t count, struct buf *json,
		       struct err *err)
{
	int inputs = (op->scratch ? 0 : 1) + (op->copies ? 1 : 0);
	int source = op->copies ? inputs - 1 : -1;
	int rc = 0;

	if (!op->scratch && (count == 1 || count == (size_t)inputs))
		return 0;
	rc = buf_printf(json, err, ",\"indexes\":[");
	for (size_t i = 0; i < count && !rc; i++) {
		int below = i ? inputs + (int)i - 1 : op->scratch ? -1 : 0;

		rc = buf_printf(json, err, "%s[%d,%d,%d]", i ? "," : "", below, source,
				i + 1 == count ? 0 : -1);
	}
	return rc ? rc : buf_append_u8(json, ']', err);
}

int build_op_files(const struct build_op_files *op, struct digest *ret, struct err *err)
{
	size_t count = op->copies ? op->count : 1;
	auto_buf struct buf json;
	int rc;

	buf_init(&json, JSON_MAX);
	rc = buf_printf(&json, err, "{\"Type\":\"buildkit.file.v0\",\"Actions\":[");
	for (size_t i = 0; i < count && !rc; i++)
		rc = put_action(op, i, &json, err);
	if (!rc)
		rc = buf_append_u8(&json, ']', err);
	if (!rc)
		rc = put_indexes(op, count, &json, err);
	if (!rc)
		rc = buf_append_u8(&json, '}', err);
	if (!rc)
		finish(&json, ret);
	return rc;
}

/* ---- selectors ---- */

static int compare_down(const void *x, const void *y)
{
	const char *const *a = x, *const *b = y;

	return strcmp(*b, *a);
}

int build_op_selector(const char *const *paths, size_t count, struct digest *ret,
		      struct err *err)
{
	auto_free const char **sorted = calloc(count + 1, sizeof(*sorted));
	auto_buf struct buf text;
	int rc = 0;

	if (!sorted)
		return err_nomem(err);
	buf_init(&text, JSON_MAX);
	for (size_t i = 0; i < count; i++)
		sorted[i] = paths[i];
	qsort(sorted, count, sizeof(*sorted), compare_down);
	for (size_t i = 0; i < count && !rc; i++) {
		if (i && strcmp(sorted[i], sorted[i - 1]) == 0)
			continue;
		if (i)
			rc = buf_append_u8(&text, 0, err);
		if (!rc)
			rc = buf_append(&text, sorted[i], strlen(sorted[i]), err);
	}
	digest_of(text.data, text.len, ret);
	return rc;
}
