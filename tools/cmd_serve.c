/* SPDX-License-Identifier: Apache-2.0
 * `layercache serve`: the store as a registry.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tools/commands.h"
#include "tools/output.h"
#include "tools/registry_options.h"
#include "tools/serve/listen.h"
#include "tools/serve/registry.h"

#define ADDRESS_DEFAULT "127.0.0.1:5000"
#define KEEP_UPLOAD     3600 /* seconds */
#define FRESH_DEFAULT   1    /* seconds */
#define FILES_MAX       8192

struct serve_values {
	bool writable, listen_any;
	struct option_list upstreams;
	struct option_number idle_exit, fresh;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_FLAG('w', "writable", struct serve_values, writable,
		    "take pushes and removals too"),
	OPTION_FLAG(0, "listen-any", struct serve_values, listen_any,
		    "allow an address that others can reach (no authentication!)"),
	OPTION_NUMBER(0, "idle-exit", "SECONDS", 1, 1000000, struct serve_values,
		      idle_exit, "end when nothing was asked for so long"),
	OPTION_LIST('u', "upstream", "[NAME=]REGISTRY[/PREFIX]", struct serve_values,
		    upstreams, "fetch what is not here from there, and keep it"),
	OPTION_NUMBER(0, "fresh", "SECONDS", 0, 1000000, struct serve_values, fresh,
		      "ask the upstream what a tag is no more often (1)"),
	REGISTRY_OPTIONS(struct serve_values, registry),
	OPTION_END,
};

/* Every connection and every blob that waits for its manifest is a file. */
static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILES_MAX) {
		limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Blocked before there are threads, so that they all leave it to this one. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void wait_for_end(const struct serve_values *v, const sigset_t *set,
			 struct http *http)
{
	const struct timespec second = {.tv_sec = 1};

	for (;;) {
		if (sigtimedwait(set, NULL, &second) > 0)
			return;
		if (v->idle_exit.given && http_idle(http) >= v->idle_exit.value)
			return;
	}
}

static int open_socket(const struct command_call *call, int *ret_fd, struct err *err)
{
	const struct serve_values *v = call->values;
	int rc = listen_inherited(v->listen_any, ret_fd, err);

	if (rc || *ret_fd >= 0)
		return rc;
	return listen_open(call->count ? call->args[0] : ADDRESS_DEFAULT, v->listen_any,
			   ret_fd, err);
}

/* Whoever asks itself asks for ever. */
static int check_not_self(const struct serve_values *v, const char *address,
			  struct err *err)
{
	const char *port = strrchr(address, ':');
	char local[LISTEN_TEXT_SIZE + 10];

	snprintf(local, sizeof(local), "localhost%s", port);
	for (size_t i = 0; i < v->upstreams.count; i++) {
		const char *equals = strchr(v->upstreams.items[i], '=');
		const char *registry = equals ? equals + 1 : v->upstreams.items[i];
		size_t len = strcspn(registry, "/");

		if ((strlen(address) == len && memcmp(registry, address, len) == 0) ||
		    (strlen(local) == len && memcmp(registry, local, len) == 0))
			return err_set(err, ERR_USAGE,
				       "the upstream '%s' is this server itself",
				       v->upstreams.items[i]);
	}
	return 0;
}

static int open_registry(struct command_call *call, struct store *store,
			 struct registry **ret, struct err *err)
{
	const struct serve_values *v = call->values;
	struct upstream_options upstream = {
		.texts = v->upstreams.items,
		.count = v->upstreams.count,
		.fresh = v->fresh.given ? (unsigned)v->fresh.value : FRESH_DEFAULT,
	};
	const struct registry_server o = {
		.writable = v->writable,
		.log = !call->quiet,
		.keep_upload = KEEP_UPLOAD,
		.upstream = upstream.count ? &upstream : NULL,
	};

	registry_options_take(&v->registry, &upstream.remote);
	return registry_new(store, &o, ret, err);
}

static int run(struct command_call *call, struct err *err)
{
	const struct serve_values *v = call->values;
	bool writes = v->writable || v->upstreams.count;
	auto_store struct store *store = NULL;
	auto_registry struct registry *registry = NULL;
	struct http_handler handler;
	char text[LISTEN_TEXT_SIZE];
	struct http *http = NULL;
	sigset_t signals;
	auto_fd int fd = -1;
	int rc = open_socket(call, &fd, err);

	if (rc)
		return rc;
	listen_address(fd, text);
	rc = check_not_self(v, text, err);
	if (!rc)
		rc = command_open_store(call, writes ? STORE_CREATE | STORE_WRITE : 0,
					&store, err);
	if (rc)
		return rc;
	raise_files();
	block_signals(&signals);
	rc = open_registry(call, store, &registry, err);
	if (rc)
		return rc;
	registry_handler(registry, &handler);
	rc = http_start(steal_fd(&fd), &handler, !call->quiet, &http, err);
	if (rc)
		return rc;
	output_line("http://%s", text);
	fflush(stdout);
	wait_for_end(v, &signals, http);
	registry_interrupt(registry);
	http_stop(http);
	return 0;
}

const struct command cmd_serve = {
	.name = "serve",
	.summary = "give the store to others as a registry",
	.arguments = "[ADDRESS:PORT]",
	.details =
		"An OCI registry on 127.0.0.1:5000 (port 0: any free one): docker, podman,\n"
		"buildah, skopeo and BuildKit pull every image of the store from it, also\n"
		"as --cache-from. Prints its address when it is ready, then a line on stderr\n"
		"for each request; ends with SIGTERM.\n"
		"\n"
		"HOST/PATH with a dot in HOST is the image of that name. Any other R is\n"
		"localhost/R, else docker.io/R as Docker completes it, else R of any other\n"
		"host. Layers whose compressed bytes were kept are given out as they came,\n"
		"others as plain tars: the image ID is the same, the manifest digest is not.\n"
		"\n"
		"With --writable, images, build caches and any other artifacts can be pushed;\n"
		"R becomes localhost/R. There is no authentication, so other addresses than\n"
		"loopback need --listen-any.\n"
		"\n"
		"With --upstream it is a pull-through cache: R is R of the (first) REGISTRY,\n"
		"which is asked what a tag is and gives what the store lacks, once for all who\n"
		"want it. If it does not answer, what the store has is given. Images come into\n"
		"the store, named NAME/R, when a layer is asked for. The upstream sees your\n"
		"credentials, as with `layercache pull`: whoever can reach this server reads\n"
		"there whatever you can.",
	.options = options,
	.values_size = sizeof(struct serve_values),
	.max_args = 1,
	.flags = 0,
	.run = run,
};
