/* SPDX-License-Identifier: Apache-2.0
 * The operations of a build as BuildKit names them: the record digest of a RUN, a COPY or ADD,
 * a WORKDIR. It is the hash of JSON that Go wrote, so every byte of that counts. What depends
 * on BuildKit's version is a parameter. Pure functions.
 */
#ifndef TOOLS_BUILDKIT_BUILD_OP_H
#define TOOLS_BUILDKIT_BUILD_OP_H

#include "store/base/buf.h"
#include "store/digest.h"
#include "tools/oci/platform.h"

enum build_op_network {
	BUILD_OP_NETWORK_DEFAULT = 0,
	BUILD_OP_NETWORK_HOST = 1,
	BUILD_OP_NETWORK_NONE = 2,
};

/* A command on a root filesystem, with no mounts of its own. */
struct build_op_exec {
	const char *const *args; /* NULL-terminated */
	const char *const *env;  /* NAME=VALUE, NULL-terminated */
	const char *cwd;
	const char *user; /* "": nobody in particular */
	enum build_op_network network;
	bool stubs; /* BuildKit 0.12 and later remove mount points in a second way */
	const struct platform *platform;
};
int build_op_exec(const struct build_op_exec *op, struct digest *ret,
		  struct err *err) MUST_CHECK;

/* Files from one source. */
struct build_op_copy {
	const char *src;  /* the last part of its path; "/" for all of it */
	const char *dest; /* absolute */
	int64_t mode;     /* -1: as the source has it */
	int64_t uid, gid; /* -1: not given */
	bool unpack;      /* ADD: archives are unpacked */
};

struct build_op_files {
	const struct build_op_copy *copies; /* COUNT of them, NULL: makes a directory */
	size_t count;
	const char *dir; /* absolute */
	int64_t uid;     /* whose DIR is; -1: root's */
	bool scratch;    /* there is nothing below */
	bool by_id_new;  /* BuildKit 0.18 and later spell numbers of users "byId" */
};
int build_op_files(const struct build_op_files *op, struct digest *ret,
		   struct err *err) MUST_CHECK;

/* The selector of paths of a result: absolute, as they are given. "/" is all of it. */
int build_op_selector(const char *const *paths, size_t count, struct digest *ret,
		      struct err *err) MUST_CHECK;

#endif
