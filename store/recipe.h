/* SPDX-License-Identifier: Apache-2.0
 * Recipes: what a tar holds besides file content, with references to the content's objects.
 * Export is a recipe read as a stream: the identical tar, so DiffID and image ID survive.
 */
#ifndef STORE_RECIPE_H
#define STORE_RECIPE_H

#include "store/base/stream.h"
#include "store/object.h"
#include "store/recipe_format.h"
#include "store/session.h"

/* ---- writing ---- */

struct recipe_writer;

int recipe_writer_new(struct session *s, struct recipe_writer **ret,
		      struct err *err) MUST_CHECK;
void recipe_writer_free(struct recipe_writer *w); /* NULL is ignored */

AUTO_DEFINE(recipe_writer, struct recipe_writer, recipe_writer_free)
#define auto_recipe_writer AUTO(recipe_writer)

/* The next LEN bytes of the tar, verbatim. Zero runs of 512 bytes and more inside become
 * ZEROS. All others stay in the recipe however long they are, so that what is not file
 * content (and with it the tree) never depends on objects. */
int recipe_literal(struct recipe_writer *w, const void *data, size_t len,
		   struct err *err) MUST_CHECK;

/* The next LEN bytes of the tar are bytes [off, off + len) of object D. LEN 0, OFF 0: the
 * content of a file that is one hole (recipe_format.h). */
int recipe_object(struct recipe_writer *w, const struct digest *d, uint64_t off,
		  uint64_t len, struct err *err) MUST_CHECK;

/* Writes the last segment and the index; *ret is the index frame's place. */
int recipe_finish(struct recipe_writer *w, struct pack_place *ret, uint64_t *ret_tar_size,
		  struct err *err) MUST_CHECK;

/* ---- reading ---- */

/* The tar as a stream. OBJECTS NULL: payload is delivered as zeros without reading content
 * (a replay for tar_scan with skip_data). */
int recipe_open(struct store *s, struct objects *objects, const struct pack_place *index,
		struct stream **ret, struct err *err) MUST_CHECK;

/* The same from byte AT of the tar on: segments before it are not read. */
int recipe_open_at(struct store *s, struct objects *objects,
		   const struct pack_place *index, uint64_t at, struct stream **ret,
		   struct err *err) MUST_CHECK;

/* Calls EACH for every op in order (LITERAL: data; OBJECT: digest, offset) with its tar
 * offset and length: gc, verify. */
struct recipe_step {
	enum recipe_op op;
	uint64_t at;  /* tar offset */
	uint64_t len; /* tar bytes */
	const uint8_t *literal;
	struct digest object;
	uint64_t object_off;
};
typedef int recipe_each_fn(void *arg, const struct recipe_step *step, struct err *err);
int recipe_each(struct store *s, const struct pack_place *index, recipe_each_fn *each,
		void *arg, struct err *err) MUST_CHECK;

/* As recipe_open without OBJECTS, and tells WATCH of each step before the first byte of it
 * (or of anything after it) is delivered: tree rebuilding. */
int recipe_replay(struct store *s, const struct pack_place *index, recipe_each_fn *watch,
		  void *arg, struct stream **ret, struct err *err) MUST_CHECK;

/* As recipe_open, and tells WATCH as recipe_replay does: verify looks at single objects while
 * the tar passes by. */
int recipe_watch(struct store *s, struct objects *objects, const struct pack_place *index,
		 recipe_each_fn *watch, void *arg, struct stream **ret,
		 struct err *err) MUST_CHECK;

/* Decoders of untrusted bytes, pure: the fuzz targets. ERR_CORRUPT. */
int recipe_segment_decode(const uint8_t *bytes, size_t len, uint64_t at,
			  recipe_each_fn *each, void *arg, struct err *err) MUST_CHECK;

/* EACH is told where every segment lies and which tar bytes [at, at + len) it covers. */
typedef int recipe_index_fn(void *arg, const struct pack_place *segment, uint64_t at,
			    uint64_t len, struct err *err);
int recipe_index_decode(const uint8_t *bytes, size_t len, recipe_index_fn *each,
			void *arg, uint64_t *ret_tar_size, struct err *err) MUST_CHECK;

#endif
