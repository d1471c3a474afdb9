/* SPDX-License-Identifier: Apache-2.0
 * A repository of a registry as a set of files being written. */
#include "tools/registry/push_writer.h"

#include <string.h>

#include "tools/oci/bundle_writer_private.h"

struct push_writer {
	struct bundle_writer base;
	struct remote *remote;
	struct remote_upload *upload;
	bool expected;
	struct digest digest;
	uint64_t size;
};

static int begin(struct bundle_writer *w, struct err *err)
{
	struct push_writer *p = (struct push_writer *)w;
	bool expected = p->expected;

	p->expected = false;
	remote_upload_free(steal_ptr(&p->upload));
	return remote_upload_begin(p->remote, expected ? &p->digest : NULL, p->size,
				   &p->upload, err);
}

static int write_on(struct bundle_writer *w, const void *data, size_t len,
		    struct err *err)
{
	return remote_upload_write(((struct push_writer *)w)->upload, data, len, err);
}

static int end(struct bundle_writer *w, const char *name, struct err *err)
{
	struct push_writer *p = (struct push_writer *)w;
	struct digest d;
	int rc = 0;

	if (name)
		rc = digest_parse(name, strlen(name), &d, err);
	if (!rc && name)
		rc = remote_upload_finish(p->upload, &d, err);
	remote_upload_free(steal_ptr(&p->upload));
	return rc;
}

static int finish(struct bundle_writer *w, struct err *err)
{
	(void)w;
	(void)err;
	return 0;
}

static void free_writer(struct bundle_writer *w)
{
	struct push_writer *p = (struct push_writer *)w;

	remote_upload_free(p->upload);
	free(p);
}

static const struct bundle_writer_ops push_ops = {
	.begin = begin,
	.write = write_on,
	.end = end,
	.finish = finish,
	.free = free_writer,
};

int push_writer_new(struct remote *remote, struct bundle_writer **ret, struct err *err)
{
	struct push_writer *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	p->base.ops = &push_ops;
	p->remote = remote;
	*ret = &p->base;
	return 0;
}

void push_writer_expect(struct bundle_writer *w, const struct digest *d, uint64_t size)
{
	struct push_writer *p = (struct push_writer *)w;

	p->expected = true;
	p->digest = *d;
	p->size = size;
}
