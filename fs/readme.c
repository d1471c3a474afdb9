/* SPDX-License-Identifier: Apache-2.0
 * The text of the README.
 */
#include "fs/readme.h"

static const char text[] =
	"This is layercache: every container layer in the store\n"
	"    %s\n"
	"as a directory. Everything here is read-only, and a directory that is named by a\n"
	"digest never changes.\n"
	"\n"
	"images/HOST/REPOSITORY/NAME:TAG     a link to the image's root filesystem; other\n"
	"                                    platforms are at NAME:TAG@OS-ARCH\n"
	"chains/sha256/CHAINID/              the root filesystem of a chain of layers: no\n"
	"                                    whiteouts left, one overlay lowerdir is enough\n"
	"layers/sha256/DIFFID/               one layer as overlayfs wants it: a whiteout is a\n"
	"                                    character device 0:0, an opaque directory has\n"
	"                                    the xattr %s.overlay.opaque=y\n"
	"cache/sha256/KEY/                   the root filesystem of a cached build step\n"
	"objects/AA/REST                     a file's content by its SHA-256 (not listed;\n"
	"                                    for root, or mount with -o share=objects)\n"
	"stats                               counters, in Prometheus' text form\n"
	"\n"
	"A root filesystem to work in:\n"
	"    mount -t overlay -o nosuid,nodev,lowerdir=IMAGE,upperdir=U,workdir=W none TARGET\n"
	"(overlayfs does not inherit nosuid and nodev from here), or, with metadata and warm\n"
	"files at the kernel's own speed,\n"
	"    layercache overlay NAME TARGET\n"
	"\n"
	"What was a trusted.overlay.* xattr in a layer is data, not an instruction: it shows\n"
	"as trusted.overlay.overlay.*, which overlayfs turns back.\n"
	"\n"
	"Over NFS, trusted.* and security.* xattrs do not travel: use chains/ and cache/.\n"
	"\n"
	"New imports appear at once. `layercache help` lists the commands.\n";

int readme_format(const char *store, bool opaque_user, struct buf *out, struct err *err)
{
	return buf_printf(out, err, text, store, opaque_user ? "user" : "trusted");
}
