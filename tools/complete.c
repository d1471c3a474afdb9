/* SPDX-License-Identifier: Apache-2.0
 * `layercache --complete WORD...`: what could stand at the cursor.
 */
#include "tools/complete.h"

#include <string.h>

#include "tools/commands.h"
#include "tools/output.h"
#include "tools/paths.h"

struct completion {
	const char *word; /* the one being completed */
	const char *store;
	const struct command *command; /* NULL before its name */
	const char *option_before;     /* the word before, if it wants a value */
};

static void offer(const struct completion *c, const char *text)
{
	if (strncmp(text, c->word, strlen(c->word)) == 0)
		output_line("%s", text);
}

static void offer_words(const struct completion *c, const char *words)
{
	char word[64];

	for (const char *w = words; *w; w += strspn(w, " ")) {
		size_t n = strcspn(w, " ");

		if (n < sizeof(word)) {
			memcpy(word, w, n);
			word[n] = '\0';
			offer(c, word);
		}
		w += n;
	}
}

static int offer_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	const struct completion *c = arg;
	static const char hub[] = "docker.io/library/";

	(void)err;
	offer(c, ref->name);
	/* The short spelling too, once the user has begun to write it so. */
	if (*c->word && strncmp(ref->name, hub, strlen(hub)) == 0)
		offer(c, ref->name + strlen(hub));
	return 0;
}

static void offer_names(struct completion *c)
{
	auto_command_reader struct command_reader r = {0};
	auto_free char *store = NULL;
	struct command_call call = {.store = c->store};
	struct err err;

	if (!call.store && paths_store(&store, &err) == 0)
		call.store = store;
	if (call.store && command_reader_open(&call, &r, &err) == 0 &&
	    catalog_ref_each(r.txn, NULL, offer_ref, c, &err) < 0)
		return;
}

static void offer_kind(struct completion *c, enum option_completion kind,
		       const char *words)
{
	switch (kind) {
	case COMPLETE_NOTHING:
		break;
	case COMPLETE_FILE:
		output_line(":file");
		break;
	case COMPLETE_DIRECTORY:
		output_line(":directory");
		break;
	case COMPLETE_NAME:
		offer_names(c);
		break;
	case COMPLETE_VERB:
		for (size_t i = 0; commands[i]; i++)
			offer(c, commands[i]->name);
		break;
	case COMPLETE_SOURCE:
		if (strchr(c->word, ':'))
			output_line(":file");
		else
			offer_words(c,
				    "oci: oci-archive: docker-archive: dir: share: tar:");
		break;
	case COMPLETE_WORDS:
		offer_words(c, words);
		break;
	}
}

static void offer_options(const struct completion *c, const struct option_spec *specs)
{
	char text[64];

	for (; specs && specs->type != OPTION_IS_END; specs++) {
		snprintf(text, sizeof(text), "--%s", specs->name);
		offer(c, text);
	}
}

static void offer_members(const struct completion *c)
{
	for (size_t i = 0; c->command->group[i]; i++)
		offer(c, command_short_name(c->command->group[i]));
}

static const struct option_spec *find_option(const struct completion *c, const char *word)
{
	const struct option_spec *spec = options_find(command_common_options, word);

	if (!spec && c->command)
		spec = options_find(c->command->options, word);
	return spec;
}

/* Goes through the finished words; leaves what they mean for the last one. */
static void scan(struct completion *c, char *const *words, unsigned count)
{
	for (unsigned i = 0; i + 1 < count; i++) {
		const struct option_spec *spec;

		c->option_before = NULL;
		if (words[i][0] != '-') {
			if (!c->command)
				c->command = commands_find(words[i]);
			else if (c->command->group)
				c->command = command_member(c->command, words[i]);
			continue;
		}
		spec = find_option(c, words[i]);
		if (!spec || spec->type == OPTION_IS_FLAG || strchr(words[i], '='))
			continue;
		c->option_before = words[i];
		if (i + 2 < count) {
			i++; /* its value */
			if (strcmp(spec->name, "store") == 0)
				c->store = words[i];
			c->option_before = NULL;
		}
	}
}

void complete_print(char *const *words, unsigned count)
{
	struct completion c = {.word = count ? words[count - 1] : ""};

	scan(&c, words, count);
	if (c.option_before) {
		const struct option_spec *spec = find_option(&c, c.option_before);

		offer_kind(&c, spec->complete, spec->words);
	} else if (c.word[0] == '-') {
		offer_options(&c, command_common_options);
		if (c.command && (c.command->flags & COMMAND_JSON))
			offer_options(&c, command_json_option);
		if (c.command)
			offer_options(&c, c.command->options);
		else
			offer_words(&c, "--version");
	} else if (c.command && c.command->group) {
		offer_members(&c);
	} else {
		offer_kind(&c, c.command ? c.command->complete : COMPLETE_VERB,
			   c.command ? c.command->words : NULL);
	}
}
