/* SPDX-License-Identifier: Apache-2.0
 * What may be opened as a store: the version file, the filesystem below. */
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "store/base/io.h"
#include "store/perms.h"
#include "store/store_private.h"

#define VERSION_TEXT_MAX 4096

int store_gate_version(int dirfd, const char *path, bool writing, struct err *err)
{
	unsigned read_version, write_version;
	auto_buf struct buf text;
	int used = 0, r;

	buf_init(&text, VERSION_TEXT_MAX);
	r = io_read_file(dirfd, STORE_VERSION_FILE, &text, err);
	if (r == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "there is no store in '%s'", path);
	if (r == 0)
		r = buf_append_u8(&text, '\0', err);
	if (r < 0)
		return r;
	/* Lines behind these are for versions to come. */
	if (sscanf((const char *)text.data, "layercache store\nread %9u\nwrite %9u\n%n",
		   &read_version, &write_version, &used) != 2 ||
	    used == 0)
		return err_set(err, ERR_CORRUPT,
			       "store '%s': its file 'version' makes no sense", path);
	if (read_version > STORE_READ_VERSION)
		return err_set(err, ERR_FAILED,
			       "store '%s' needs a newer layercache (read version %u)",
			       path, read_version);
	if (writing && write_version > STORE_WRITE_VERSION)
		return err_set(err, ERR_FAILED,
			       "store '%s' can only be read: writing needs a newer "
			       "layercache (write version %u)",
			       path, write_version);
	return 0;
}

int store_gate_write_version(int dirfd, struct err *err)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "layercache store\nread %d\nwrite %d\n",
			   STORE_READ_VERSION, STORE_WRITE_VERSION);

	return perms_replace_file(dirfd, STORE_VERSION_FILE, text, (size_t)len, err);
}

/* Not all of these are in linux/magic.h. */
static const struct {
	uint32_t magic;
	const char *name;
} network[] = {
	{NFS_SUPER_MAGIC, "NFS"},     {SMB_SUPER_MAGIC, "SMB"},
	{0xff534d42, "CIFS"},         {0xfe534d42, "SMB"},
	{V9FS_MAGIC, "9P"},           {0x00c36400, "Ceph"},
	{0x0bd00bd0, "Lustre"},       {AFS_SUPER_MAGIC, "AFS"},
	{AFS_FS_MAGIC, "AFS"},        {CODA_SUPER_MAGIC, "Coda"},
	{NCP_SUPER_MAGIC, "NCP"},     {0x47504653, "GPFS"},
	{0x19830326, "BeeGFS"},       {0x20030528, "OrangeFS"},
	{OCFS2_SUPER_MAGIC, "OCFS2"}, {0x01161970, "GFS2"},
};

int store_gate_filesystem(int dirfd, const char *path, struct err *err)
{
	struct statfs st;

	if (fstatfs(dirfd, &st) < 0)
		return err_sys(err, errno, "cannot look at the filesystem of '%s'", path);
	for (size_t i = 0; i < ARRAY_LEN(network); i++)
		if ((uint32_t)st.f_type == network[i].magic)
			return err_set(
				err, ERR_FAILED,
				"store '%s' is on a network filesystem (%s); it has "
				"to be on a local one",
				path, network[i].name);
	return 0;
}
