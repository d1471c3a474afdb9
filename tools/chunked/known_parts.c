/* SPDX-License-Identifier: Apache-2.0
 * What of a layer the store or an alternate has. */
#include "tools/chunked/known_parts.h"

#define NOTES_MAX (64u << 20)

void known_parts_init(struct known_parts *k, struct objects *objects)
{
	*k = (struct known_parts){.objects = objects};
	buf_init(&k->notes, NOTES_MAX);
}

void known_parts_release(struct known_parts *k)
{
	buf_release(&k->notes);
}

int known_parts_has(const struct known_parts *k, const struct digest *d, uint64_t size,
		    bool *ret, struct err *err)
{
	uint64_t is = 0;
	int rc = objects_size(k->objects, d, &is, err);

	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	*ret = !rc && is == size;
	return 0;
}

int known_parts_note(struct known_parts *k, uint8_t note, struct err *err)
{
	return buf_append_u8(&k->notes, note, err);
}

uint8_t known_parts_next(struct known_parts *k)
{
	return k->notes.data[k->at++];
}

int known_parts_read(const struct known_parts *k, const struct digest *d, uint64_t off,
		     void *data, size_t cap, size_t *ret_len, struct err *err)
{
	int rc = objects_read(k->objects, d, off, data, cap, ret_len, err);

	if (!rc && *ret_len == 0)
		rc = err_set(err, ERR_FAILED,
			     "an object of the store has become shorter");
	return rc;
}
