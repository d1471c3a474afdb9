/* SPDX-License-Identifier: Apache-2.0
 * Tree images on disk: EROFS metadata without file data. See FORMAT.md, "Trees".
 *
 *	image := our header (64), zeros up to 1024 | EROFS superblock (128) | inodes
 *	         | zeros up to a block | blocks of directories and long symlinks
 *
 * The root's inode comes first, directly behind the superblock. Then, directory by
 * directory, the inodes of everything in it in the order of names, and after them the same
 * for the directories among these: what a walk with readdirplus reads lies in a row.
 *
 *	inode := core (64) | xattr area | chunk map of a file, or the tail of a directory or
 *	         symlink | zeros up to a multiple of 32
 *
 * All inodes are of the extended form. All integers little-endian. Offsets are normative.
 */
#ifndef STORE_TREE_FORMAT_H
#define STORE_TREE_FORMAT_H

#include <stdint.h>

#define TREE_MAGIC      "LCTREE01"
#define TREE_BLOCK_BITS 12
#define TREE_BLOCK      (1u << TREE_BLOCK_BITS)
#define TREE_SLOT       32u /* inodes begin at multiples of this; nid = offset / TREE_SLOT */

/* Our header, in the bytes that EROFS leaves to boot loaders. */
enum tree_header_field {
	TREE_HEADER_MAGIC = 0,   /* 8 bytes */
	TREE_HEADER_VERSION = 8, /* u32 TREE_WRITER_VERSION */
	TREE_HEADER_FLAGS = 12,  /* u32 enum layer_flags */
	TREE_HEADER_LENGTH = 16, /* u64 bytes of the image */
	TREE_HEADER_INODES = 24, /* u32 how many */
	TREE_HEADER_BLOCKS = 32, /* u64 offset behind the inodes, where blocks begin */
	TREE_HEADER_SIZE = 64,
};

/* The superblock; what is not named here is zero. */
#define TREE_SUPER_OFFSET   1024u
#define TREE_SUPER_SIZE     128u
#define TREE_SUPER_MAGIC    0xe0f5e1e2u
#define TREE_SUPER_COMPAT   2u /* mtimes are mtimes */
#define TREE_SUPER_INCOMPAT 4u /* chunk-based files */

enum tree_super_field {
	TREE_SUPER_AT_MAGIC = 0,     /* u32 */
	TREE_SUPER_AT_COMPAT = 8,    /* u32 */
	TREE_SUPER_AT_BITS = 12,     /* u8 TREE_BLOCK_BITS */
	TREE_SUPER_AT_ROOT = 14,     /* u16 nid */
	TREE_SUPER_AT_INODES = 16,   /* u64 */
	TREE_SUPER_AT_BLOCKS = 36,   /* u32 blocks of the image */
	TREE_SUPER_AT_UUID = 48,     /* 16 bytes: XXH3-128 of what follows the
				      * superblock; overlayfs wants every lower's own */
	TREE_SUPER_AT_INCOMPAT = 80, /* u32 */
};

enum tree_inode_field {
	TREE_INODE_FORMAT = 0,      /* u16: 1 (extended) | enum tree_layout << 1 */
	TREE_INODE_XATTRS = 2,      /* u16: 0, or (bytes of the area - 12) / 4 + 1 */
	TREE_INODE_MODE = 4,        /* u16 */
	TREE_INODE_SIZE = 8,        /* u64 */
	TREE_INODE_UNION = 16,      /* u32 first block, device or log2(chunk) - 12 */
	TREE_INODE_NUMBER = 20,     /* u32 counted from 1, for 32-bit programs */
	TREE_INODE_UID = 24,        /* u32 */
	TREE_INODE_GID = 28,        /* u32 */
	TREE_INODE_MTIME = 32,      /* s64 */
	TREE_INODE_MTIME_NSEC = 40, /* u32 */
	TREE_INODE_NLINK = 44,      /* u32: how many directory entries name it */
	TREE_INODE_FLAGS = 48, /* u32 enum tree_inode_flags, in bytes that EROFS reserves:
				     * as xattrs they would shine through an overlay */
	TREE_INODE_CORE = 64,
};

/* Directories and symlinks are TREE_INLINE (last partial block behind the xattrs, never
 * across a block boundary) or TREE_PLAIN (all in blocks). Files with content are
 * TREE_CHUNKS of holes, all others TREE_PLAIN. */
enum tree_layout {
	TREE_PLAIN = 0,
	TREE_INLINE = 2,
	TREE_CHUNKS = 4,
};

#define TREE_CHUNK_BITS_MAX 31          /* above TREE_BLOCK_BITS: chunks of 8 TiB */
#define TREE_HOLE           0xffffffffu /* entry of a chunk map */
#define TREE_FILE_MAX       (1ull << 53)
#define TREE_LINK_MAX       4095u
#define TREE_NAME_MAX       255u

/* A character device 0:0 that is data (TREE_DEVICE_ZERO) is 0:1 in the image, because
 * overlayfs takes 0:0 for a whiteout. Other devices: 12 bits major, 20 bits minor. */
#define TREE_ZERO_DEVICE      1u
#define TREE_DEVICE_MAJOR_MAX 0xfffu
#define TREE_DEVICE_MINOR_MAX 0xfffffu

/* Directory data, in blocks: entries of 12 bytes, then their names back to back. Sorted by
 * bytes over the whole directory, "." and ".." included. The first entry's name offset
 * tells how many there are; the last name ends at a NUL or at the end of the data. */
enum tree_dirent_field {
	TREE_DIRENT_NID = 0,   /* u64 */
	TREE_DIRENT_NAME = 8,  /* u16 offset in the block */
	TREE_DIRENT_TYPE = 10, /* u8 enum tree_dirent_type */
	TREE_DIRENT_SIZE = 12,
};

enum tree_dirent_type {
	TREE_TYPE_FILE = 1,
	TREE_TYPE_DIR,
	TREE_TYPE_CHAR,
	TREE_TYPE_BLOCK,
	TREE_TYPE_FIFO,
	TREE_TYPE_SOCKET,
	TREE_TYPE_SYMLINK,
};

/* The xattr area: 12 bytes (zeros: no filter, nothing shared), then entries, each padded to
 * a multiple of 4: u8 name length, u8 enum tree_xattr_prefix, u16 value length, name without
 * the prefix, value.
 *
 * What the tree keeps for itself comes first, at fixed places: of files with content
 * trusted.overlay.redirect and trusted.overlay.metacopy, of opaque directories
 * trusted.overlay.opaque, of hardlinks into lower layers trusted.layercache.link (the path).
 * Then the file's own, sorted by full name. */
enum tree_xattr_prefix {
	TREE_PREFIX_USER = 1,
	TREE_PREFIX_ACL_ACCESS = 2,
	TREE_PREFIX_ACL_DEFAULT = 3,
	TREE_PREFIX_TRUSTED = 4,
	TREE_PREFIX_SECURITY = 6,
};

#define TREE_XATTR_HEADER    12u
#define TREE_XATTR_ENTRY     4u
#define TREE_XATTR_VALUE_MAX 65535u
#define TREE_XATTR_AREA_MAX  (TREE_XATTR_HEADER + 65534u * 4u)

#define TREE_REDIRECT        "overlay.redirect"
#define TREE_REDIRECT_LENGTH 66u /* "/", 2 digits, "/", 62 digits */
#define TREE_METACOPY        "overlay.metacopy"
#define TREE_OPAQUE_NAME     "overlay.opaque"
#define TREE_OPAQUE_VALUE    "y"
#define TREE_LINK_NAME       "layercache.link"

/* Bytes of an entry in the area. */
static inline uint32_t tree_xattr_size(uint32_t name_len, uint32_t value_len)
{
	return (TREE_XATTR_ENTRY + name_len + value_len + 3) & ~3u;
}

#endif
