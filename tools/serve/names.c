/* SPDX-License-Identifier: Apache-2.0
 * Repositories as clients spell them. */
#include "tools/serve/names.h"

#include "tools/oci/reference.h"

#define LIST_MAX (1u << 20)

/* "host/path:tag". */
struct spelled {
	const char *host, *path, *tag;
	size_t host_len, path_len;
};

/* False: it has no tag but a digest. */
static bool spell(const char *name, struct spelled *ret)
{
	const char *slash = strchr(name, '/'), *colon = strrchr(name, ':');

	if (!slash || !colon || colon < slash || strchr(slash, '@'))
		return false;
	*ret = (struct spelled){name, slash + 1, colon + 1, (size_t)(slash - name),
				(size_t)(colon - slash - 1)};
	return true;
}

/* Whether the repository begins with a host. */
static bool has_host(const char *repository)
{
	const char *slash = strchr(repository, '/');
	size_t len = slash ? (size_t)(slash - repository) : 0;

	return slash && (memchr(repository, '.', len) ||
			 (len == 9 && memcmp(repository, "localhost", len) == 0));
}

static bool is_text(const char *at, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(at, text, len) == 0;
}

static bool stands_for(const char *repository, const struct spelled *s)
{
	static const char library[] = "library/";
	size_t skip = sizeof(library) - 1, len = s->host_len;

	if (has_host(repository))
		return strncmp(repository, s->host, len) == 0 && repository[len] == '/' &&
		       is_text(s->path, s->path_len, repository + len + 1);
	if (is_text(s->host, len, "docker.io") && !strchr(repository, '/'))
		return s->path_len > skip && memcmp(s->path, library, skip) == 0 &&
		       is_text(s->path + skip, s->path_len - skip, repository);
	return is_text(s->path, s->path_len, repository);
}

/* ---- one name ---- */

int names_pushed(const char *repository, const char *tag, struct buf *ret,
		 struct err *err)
{
	auto_buf struct buf text;
	int rc;

	buf_init(&text, RECORD_REF_NAME_MAX + 1);
	rc = buf_printf(&text, err, "%s%s:%s%c", has_host(repository) ? "" : "localhost/",
			repository, tag, 0);
	return rc ? rc : reference_normalize((const char *)text.data, ret, err);
}

struct search {
	const char *repository, *tag;
	catalog_ref_fn *each;
	void *arg;
	char name[RECORD_REF_NAME_MAX + 1];
};

static int on_any_host(void *arg, const struct record_ref *ref, struct err *err)
{
	struct search *s = arg;
	struct spelled name;

	(void)err;
	if (!spell(ref->name, &name) || strcmp(name.tag, s->tag) != 0 ||
	    !stands_for(s->repository, &name))
		return 0;
	snprintf(s->name, sizeof(s->name), "%s", ref->name);
	return 1;
}

static int find_exactly(struct catalog_txn *t, const char *host, const char *repository,
			const char *tag, struct record_ref *ret, void **ret_memory,
			struct err *err)
{
	auto_buf struct buf text, name;
	int rc;

	buf_init(&text, RECORD_REF_NAME_MAX + 1);
	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	rc = buf_printf(&text, err, "%s%s:%s%c", host, repository, tag, 0);
	if (!rc)
		rc = reference_normalize((const char *)text.data, &name, err);
	return rc ? rc
		  : catalog_ref_get(t, (const char *)name.data, ret, ret_memory, err);
}

int names_find(struct catalog_txn *t, const char *repository, const char *tag,
	       struct record_ref *ret, void **ret_memory, struct err *err)
{
	static const char *const hosts[] = {"localhost/", "docker.io/"};
	struct search s = {.repository = repository, .tag = tag};
	int rc = -ERR_NOTFOUND;

	if (has_host(repository))
		return find_exactly(t, "", repository, tag, ret, ret_memory, err);
	for (size_t i = 0; i < ARRAY_LEN(hosts) && rc == -ERR_NOTFOUND; i++)
		rc = find_exactly(t, hosts[i], repository, tag, ret, ret_memory, err);
	if (rc != -ERR_NOTFOUND)
		return rc;
	rc = catalog_ref_each(t, NULL, on_any_host, &s, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(err, ERR_NOTFOUND, "there is no '%s:%s'", repository, tag);
	return catalog_ref_get(t, s.name, ret, ret_memory, err);
}

/* ---- lists ---- */

void names_list_release(struct names_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct names_list){0};
}

static int add(struct names_list *list, const char *text, size_t len, struct err *err)
{
	if (list->count == LIST_MAX)
		return err_set(err, ERR_LIMIT, "more than %u names", LIST_MAX);
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		char **items = reallocarray(list->items, room, sizeof(*items));

		if (!items)
			return err_nomem(err);
		list->items = items;
		list->room = room;
	}
	list->items[list->count] = strndup(text, len);
	if (!list->items[list->count])
		return err_nomem(err);
	list->count++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct names_list *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare);
	for (size_t i = 0; i < list->count; i++) {
		if (kept && strcmp(list->items[kept - 1], list->items[i]) == 0)
			free(list->items[i]);
		else
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

static int on_each(void *arg, const struct record_ref *ref, struct err *err)
{
	struct search *s = arg;
	struct spelled name;

	if (!spell(ref->name, &name) || !stands_for(s->repository, &name))
		return 0;
	return s->each(s->arg, ref, err);
}

int names_each(struct catalog_txn *t, const char *repository, catalog_ref_fn *each,
	       void *arg, struct err *err)
{
	struct search s = {.repository = repository, .each = each, .arg = arg};

	return catalog_ref_each(t, NULL, on_each, &s, err);
}

static int add_tag(void *arg, const struct record_ref *ref, struct err *err)
{
	struct spelled name;

	return spell(ref->name, &name) ? add(arg, name.tag, strlen(name.tag), err) : 0;
}

int names_tags(struct catalog_txn *t, const char *repository, struct names_list *ret,
	       struct err *err)
{
	int rc = names_each(t, repository, add_tag, ret, err);

	sort(ret);
	return rc;
}

/* The shortest spelling that leads to it: a host with a port cannot stand in a path. */
static int add_repository(void *arg, const struct record_ref *ref, struct err *err)
{
	struct spelled s;
	bool bare;

	if (!spell(ref->name, &s))
		return 0;
	bare = is_text(s.host, s.host_len, "localhost") && !has_host(s.path);
	if (bare || memchr(s.host, ':', s.host_len))
		return add(arg, s.path, s.path_len, err);
	return add(arg, s.host, (size_t)(s.path + s.path_len - s.host), err);
}

int names_repositories(struct catalog_txn *t, struct names_list *ret, struct err *err)
{
	int rc = catalog_ref_each(t, NULL, add_repository, ret, err);

	sort(ret);
	return rc;
}
