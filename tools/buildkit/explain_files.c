/* SPDX-License-Identifier: Apache-2.0
 * The files of a context against those of a cached step. */
#include "tools/buildkit/explain_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/buf.h"
#include "store/base/stream.h"

#define PATH_SIZE 8192

/* A file that the step puts there. */
struct wanted {
	char *path; /* in the layer, without a slash in front */
	const struct content_entry *entry;
	bool added;
};

struct comparing {
	const struct build_step *step;
	const struct build_context *context;
	const struct tree *chain, *layer;
	struct wanted *wanted;
	size_t count;
	struct explain_files out;
};

void explain_files_release(struct explain_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].path);
		free(f->items[i].was);
		free(f->items[i].now);
	}
	free(f->items);
	*f = (struct explain_files){0};
}

static void comparing_release(struct comparing *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->wanted[i].path);
	free(c->wanted);
	explain_files_release(&c->out);
}

/* ---- telling ---- */

/* Takes the texts over, which may be NULL. */
static int tell(struct comparing *c, char *path, const char *what, char *was, char *now,
		struct err *err)
{
	struct explain_file *items;

	if (c->out.count == EXPLAIN_FILES_MAX) {
		c->out.cut = true;
		free(path);
		free(was);
		free(now);
		return 0;
	}
	items = reallocarray(c->out.items, c->out.count + 1, sizeof(*items));
	if (items)
		c->out.items = items;
	if (!items || !path) {
		free(path);
		free(was);
		free(now);
		return err_nomem(err);
	}
	items[c->out.count++] = (struct explain_file){path, what, was, now};
	return 0;
}

static char *text_of(const struct content_text *t)
{
	return t->len ? strndup(t->at, t->len) : strdup(".");
}

static char *mode_text(uint32_t mode)
{
	char *text;

	return asprintf(&text, "%04o", mode & 07777) < 0 ? NULL : text;
}

/* ---- what the step puts where ---- */

static int want(struct comparing *c, const char *dir, const char *name, size_t name_len,
		const struct content_entry *e, struct err *err)
{
	struct wanted *wanted = reallocarray(c->wanted, c->count + 1, sizeof(*wanted));
	const char *slash = *dir && name_len ? "/" : "";

	if (!wanted)
		return err_nomem(err);
	c->wanted = wanted;
	wanted[c->count] = (struct wanted){.entry = e};
	if (asprintf(&wanted[c->count].path, "%s%s%.*s", dir, slash, (int)name_len,
		     name) < 0)
		return err_nomem(err);
	c->count++;
	return 0;
}

static bool is_below(const struct content_entry *e, const struct content_entry *dir)
{
	if (!dir->path.len)
		return e != dir;
	return e->path.len > dir->path.len && e->path.at[dir->path.len] == '/' &&
	       memcmp(e->path.at, dir->path.at, dir->path.len) == 0;
}

/* Of a directory all that is in it; entries of one directory lie side by side. */
static int want_below(struct comparing *c, const char *dest,
		      const struct content_entry *dir, struct err *err)
{
	const struct content_entry *end = c->context->entries + c->context->count;
	size_t skip = dir->path.len + (dir->path.len > 0);
	int rc = 0;

	for (const struct content_entry *e = dir + 1; e < end && is_below(e, dir) && !rc;
	     e++)
		rc = want(c, dest, e->path.at + skip, e->path.len - skip, e, err);
	return rc;
}

/* "/usr/src/app/" is "usr/src/app". */
static const char *dest_path(const struct build_step *step, char path[PATH_SIZE])
{
	size_t len;

	snprintf(path, PATH_SIZE, "%s", step->dest + 1);
	len = strlen(path);
	if (len && path[len - 1] == '/')
		path[len - 1] = '\0';
	return path;
}

static bool is_dir_in(const struct tree *t, const char *path)
{
	struct tree_node node;
	uint64_t nid;

	return tree_path(t, path, &nid, NULL) == 0 &&
	       tree_node(t, nid, &node, NULL) == 0 && S_ISDIR(node.mode);
}

/* A file goes into DEST if that is a directory, else it is DEST. The name is what the source
 * says, symlink or not. */
static int want_file(struct comparing *c, const char *dest, const char *name,
		     const struct content_entry *e, struct err *err)
{
	size_t len = strlen(c->step->dest);
	bool into = c->step->dest[len - 1] == '/' || c->step->source_count > 1 ||
		    is_dir_in(c->chain, dest);

	return into ? want(c, dest, name, strlen(name), e, err)
		    : want(c, dest, "", 0, e, err);
}

static int want_source(struct comparing *c, const char *dest, const char *source,
		       struct err *err)
{
	const struct content_entry *e;
	int rc = 0;

	if (!build_context_is_pattern(source)) {
		const char *slash = strrchr(source, '/');

		e = build_context_find(c->context, source);
		if (!e)
			return tell(c, strdup(source + 1), "removed", NULL, NULL, err);
		return e->type == '5' ? want_below(c, dest, e, err)
				      : want_file(c, dest, slash + 1, e, err);
	}
	for (size_t i = 1; i < c->context->count && !rc; i++) {
		char name[PATH_SIZE];
		const char *slash;

		e = &c->context->entries[i];
		if (!build_context_matches(c->context, i, source))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)e->path.len, e->path.at);
		slash = strrchr(name, '/');
		rc = want_file(c, dest, slash ? slash + 1 : name, e, err);
	}
	return rc;
}

/* ---- what differs ---- */

static char type_of(uint32_t mode)
{
	static const struct {
		uint32_t type;
		char letter;
	} types[] = {{S_IFREG, '0'}, {S_IFLNK, '2'}, {S_IFCHR, '3'},
		     {S_IFBLK, '4'}, {S_IFDIR, '5'}, {S_IFIFO, '6'}};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if ((mode & S_IFMT) == types[i].type)
			return types[i].letter;
	return '?';
}

static const char *type_name(char letter)
{
	static const char *const names[] = {"file",   "?",         "symlink", "device",
					    "device", "directory", "fifo"};

	return letter >= '0' && letter <= '6' ? names[letter - '0'] : "?";
}

/* The SHA-256 of a file of the context, which is what the tree has. */
static int hash_file(const struct comparing *c, const struct content_entry *e,
		     struct digest *ret, struct err *err)
{
	auto_stream struct stream *in = NULL;
	char path[PATH_SIZE];
	auto_fd int fd = -1;
	int rc;

	snprintf(path, sizeof(path), "%s/%.*s", c->context->path, (int)e->path.len,
		 e->path.at);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(err, errno, "cannot open '%s'", path);
	rc = stream_from_fd(fd, 0, UINT64_MAX, path, &in, err);
	return rc ? rc : digest_of_stream(in, ret, err);
}

static int same_content(const struct comparing *c, const struct content_entry *e,
			const struct tree_node *node, bool *ret, struct err *err)
{
	struct digest digest;
	int rc;

	*ret = e->size == node->size && e->size == 0;
	if (e->size != node->size || e->size == 0)
		return 0;
	rc = hash_file(c, e, &digest, err);
	*ret = !rc && digest_equal(&digest, &node->digest);
	return rc;
}

static int compare_link(struct comparing *c, const struct wanted *w, uint64_t nid,
			struct err *err)
{
	const char *target;
	size_t len;
	int rc = tree_readlink(c->chain, nid, &target, &len, err);

	if (rc ||
	    (len == w->entry->link.len && memcmp(target, w->entry->link.at, len) == 0))
		return rc;
	return tell(c, text_of(&w->entry->path), "link", strndup(target, len),
		    text_of(&w->entry->link), err);
}

static int compare_file(struct comparing *c, const struct wanted *w,
			const struct tree_node *node, struct err *err)
{
	char *was = NULL, *now = NULL;
	bool same;
	int rc = same_content(c, w->entry, node, &same, err);

	if (rc || same)
		return rc;
	if (w->entry->size != node->size &&
	    (asprintf(&was, "%ju bytes", (uintmax_t)node->size) < 0 ||
	     asprintf(&now, "%ju bytes", (uintmax_t)w->entry->size) < 0))
		return err_nomem(err);
	return tell(c, text_of(&w->entry->path), "content", was, now, err);
}

static int compare_node(struct comparing *c, const struct wanted *w, uint64_t nid,
			struct err *err)
{
	const struct content_entry *e = w->entry;
	struct tree_node node;
	int rc = tree_node(c->chain, nid, &node, err);

	if (rc)
		return rc;
	if (type_of(node.mode) != e->type)
		return tell(c, text_of(&e->path), "type",
			    strdup(type_name(type_of(node.mode))),
			    strdup(type_name(e->type)), err);
	if (e->type == '2')
		return compare_link(c, w, nid, err);
	if (!c->step->sets_mode && (node.mode & 07777) != e->mode)
		rc = tell(c, text_of(&e->path), "mode", mode_text(node.mode),
			  mode_text(e->mode), err);
	if (!rc && e->type == '0')
		rc = compare_file(c, w, &node, err);
	return rc;
}

static int compare_wanted(struct comparing *c, struct wanted *w, struct err *err)
{
	uint64_t nid;
	int rc = tree_path(c->chain, w->path, &nid, err);

	w->added = rc == -ERR_NOTFOUND;
	return rc ? (w->added ? 0 : rc) : compare_node(c, w, nid, err);
}

/* ---- what is there no more ---- */

static int by_path(const void *x, const void *y)
{
	const struct wanted *a = x, *b = y;

	return strcmp(a->path, b->path);
}

/* One directory of the layer that is still to look at. */
struct todo {
	char *path;
	uint64_t nid;
};

struct removing {
	struct comparing *c;
	struct todo *todo;
	size_t count;
	const char *dir; /* the one that is read */
};

/* A new one with the same content, which has not been told yet; NULL: there is none. */
static struct wanted *find_renamed(struct comparing *c, const struct tree_node *node)
{
	for (size_t i = 0; i < c->count; i++) {
		struct wanted *w = &c->wanted[i];
		bool same = false;

		if (w->added && w->entry->type == '0' && S_ISREG(node->mode) &&
		    same_content(c, w->entry, node, &same, NULL) == 0 && same)
			return w;
	}
	return NULL;
}

static int tell_removed(struct comparing *c, const char *path, uint64_t nid,
			struct err *err)
{
	struct tree_node node;
	struct wanted *w;
	int rc = tree_node(c->layer, nid, &node, err);

	if (rc)
		return rc;
	w = find_renamed(c, &node);
	if (!w)
		return tell(c, strdup(path), "removed", NULL, NULL, err);
	w->added = false;
	return tell(c, text_of(&w->entry->path), "renamed", strdup(path), NULL, err);
}

static int see_entry(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		     uint64_t next, struct err *err)
{
	struct removing *r = arg;
	struct wanted key = {0};
	struct todo *todo;
	int rc = 0;

	(void)next;
	if ((len == 1 && *name == '.') || (len == 2 && memcmp(name, "..", 2) == 0))
		return 0;
	if (asprintf(&key.path, "%s%s%.*s", r->dir, *r->dir ? "/" : "", (int)len, name) <
	    0)
		return err_nomem(err);
	if (!bsearch(&key, r->c->wanted, r->c->count, sizeof(key), by_path))
		rc = tell_removed(r->c, key.path, nid, err);
	if (rc || type != S_IFDIR) {
		free(key.path);
		return rc;
	}
	todo = reallocarray(r->todo, r->count + 1, sizeof(*todo));
	if (!todo) {
		free(key.path);
		return err_nomem(err);
	}
	r->todo = todo;
	todo[r->count++] = (struct todo){key.path, nid};
	return 0;
}

static int find_removed(struct comparing *c, const char *dest, struct err *err)
{
	struct removing r = {.c = c};
	uint64_t nid;
	int rc = 0;

	if (!is_dir_in(c->layer, dest) || tree_path(c->layer, dest, &nid, NULL) < 0)
		return 0;
	qsort(c->wanted, c->count, sizeof(*c->wanted), by_path);
	r.dir = dest;
	for (;;) {
		struct todo at;

		rc = tree_readdir(c->layer, nid, 0, see_entry, &r, err);
		if (r.dir != dest)
			free((char *)(uintptr_t)r.dir);
		if (rc || r.count == 0)
			break;
		at = r.todo[--r.count];
		r.dir = at.path;
		nid = at.nid;
	}
	while (r.count > 0)
		free(r.todo[--r.count].path);
	free(r.todo);
	return rc;
}

/* ---- all of it ---- */

static int compare(struct comparing *c, struct err *err)
{
	char path[PATH_SIZE];
	const char *dest = dest_path(c->step, path);
	int rc = 0;

	for (size_t i = 0; i < c->step->source_count && !rc; i++)
		rc = want_source(c, dest, c->step->sources[i], err);
	for (size_t i = 0; i < c->count && !rc; i++)
		rc = compare_wanted(c, &c->wanted[i], err);
	if (!rc)
		rc = find_removed(c, dest, err);
	for (size_t i = 0; i < c->count && !rc; i++)
		if (c->wanted[i].added)
			rc = tell(c, text_of(&c->wanted[i].entry->path), "added", NULL,
				  NULL, err);
	return rc;
}

int explain_files(struct forest *f, const struct cache *cache,
		  const struct cacheconfig_result *result, const struct build_step *step,
		  const struct build_context *context, struct explain_files *ret,
		  struct err *err)
{
	struct digest diffids[CACHECONFIG_CHAIN_MAX], chain = {0};
	uint32_t count = cache_diffids(cache, result, diffids);
	struct forest_tree *whole = NULL, *layer = NULL;
	struct comparing c = {.step = step, .context = context};
	int rc;

	for (uint32_t i = 0; i < count; i++) {
		struct digest below = chain;

		digest_chain(i ? &below : NULL, &diffids[i], &chain);
	}
	rc = forest_get_chain(f, &chain, &whole, err);
	if (!rc)
		rc = forest_get_layer(f, &diffids[count - 1], &layer, err);
	if (!rc) {
		c.chain = &whole->tree;
		c.layer = &layer->tree;
		rc = compare(&c, err);
	}
	forest_put(f, layer);
	forest_put(f, whole);
	if (!rc) {
		*ret = c.out;
		c.out = (struct explain_files){0};
	}
	comparing_release(&c);
	return rc;
}
