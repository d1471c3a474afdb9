/* SPDX-License-Identifier: Apache-2.0
 * `layercache serve`: the store as a registry.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "tools/commands.h"
#include "tools/output.h"
#include "tools/serve/listen.h"
#include "tools/serve/registry.h"

#define ADDRESS_DEFAULT "127.0.0.1:5000"
#define KEEP_UPLOAD     3600 /* seconds */
#define FILES_MAX       8192

struct serve_values {
	bool writable, listen_any;
	struct option_number idle_exit;
};

static const struct option_spec options[] = {
	OPTION_FLAG('w', "writable", struct serve_values, writable,
		    "take pushes and removals too"),
	OPTION_FLAG(0, "listen-any", struct serve_values, listen_any,
		    "allow an address that others can reach (no authentication!)"),
	OPTION_NUMBER(0, "idle-exit", "SECONDS", 1, 1000000, struct serve_values,
		      idle_exit, "end when nothing was asked for so long"),
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

static int run(struct command_call *call, struct err *err)
{
	const struct serve_values *v = call->values;
	const struct registry_options o = {v->writable, KEEP_UPLOAD};
	auto_store struct store *store = NULL;
	auto_registry struct registry *registry = NULL;
	struct http_handler handler;
	char text[LISTEN_TEXT_SIZE];
	struct http *http = NULL;
	sigset_t signals;
	auto_fd int fd = -1;
	int rc = open_socket(call, &fd, err);

	if (!rc)
		rc = command_open_store(
			call, v->writable ? STORE_CREATE | STORE_WRITE : 0, &store, err);
	if (rc)
		return rc;
	raise_files();
	block_signals(&signals);
	rc = registry_new(store, &o, &registry, err);
	if (rc)
		return rc;
	listen_address(fd, text);
	registry_handler(registry, &handler);
	rc = http_start(steal_fd(&fd), &handler, !call->quiet, &http, err);
	if (rc)
		return rc;
	output_line("http://%s", text);
	fflush(stdout);
	wait_for_end(v, &signals, http);
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
		"loopback need --listen-any.",
	.options = options,
	.values_size = sizeof(struct serve_values),
	.max_args = 1,
	.flags = 0,
	.run = run,
};
