/* SPDX-License-Identifier: Apache-2.0
 * Programs that keep secrets. */
#include "tools/registry/credential_helper.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "store/base/io.h"

#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

extern char **environ;

/* Gives back the pid; *ret_in and *ret_out are our ends of the pipes. */
static int start(char *const argv[], int in[2], int out[2], pid_t *ret, struct err *err)
{
	posix_spawn_file_actions_t actions;
	int rc;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, errno, "cannot make a pipe");
	rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return err_sys(err, rc, "cannot start '%s'", argv[0]);
	rc = posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	if (!rc)
		rc = posix_spawnp(ret, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc ? err_sys(err, rc, "cannot start '%s'", argv[0]) : 0;
}

static int read_all(int fd, const char *what, struct buf *out, struct err *err)
{
	size_t len = 1;
	int rc = 0;

	while (!rc && len) {
		char chunk[4096];

		rc = io_read(fd, chunk, sizeof(chunk), &len, what, err);
		if (!rc)
			rc = buf_append(out, chunk, len, err);
	}
	return rc;
}

static int finish(pid_t pid, const char *what, const char *verb, const struct buf *out,
		  struct err *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "cannot wait for '%s'", what);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (out->len && memmem(out->data, out->len, "not found", 9))
		return err_set(err, ERR_NOTFOUND, "'%s' has no entry", what);
	return err_set(err, ERR_FAILED, "'%s %s': %.*s", what, verb,
		       out->len < 200 ? (int)out->len : 200,
		       out->len ? (const char *)out->data : "failed");
}

int credential_helper_run(const char *name, const char *verb, const char *input,
			  size_t len, struct buf *out, struct err *err)
{
	int in[2] = {-1, -1}, from[2] = {-1, -1};
	auto_free char *program = NULL;
	char *argv[] = {NULL, NULL, NULL};
	auto_free char *word = strdup(verb);
	pid_t pid = 0;
	int rc, ended;

	if (!*name || strspn(name, NAME_LETTERS) != strlen(name))
		return err_set(err, ERR_INVALID, "bad credential helper '%.60s'", name);
	if (asprintf(&program, "docker-credential-%s", name) < 0) {
		program = NULL;
		return err_nomem(err);
	}
	if (!word)
		return err_nomem(err);
	argv[0] = program;
	argv[1] = word;
	rc = start(argv, in, from, &pid, err);
	if (in[0] >= 0)
		close(in[0]);
	if (from[1] >= 0)
		close(from[1]);
	/* One that does not read its input is no failure of ours. */
	if (!rc)
		(void)!io_write(in[1], input, len, program, NULL);
	if (in[1] >= 0)
		close(in[1]);
	if (!rc)
		rc = read_all(from[0], program, out, err);
	if (from[0] >= 0)
		close(from[0]);
	if (pid <= 0)
		return rc;
	ended = finish(pid, program, verb, out, rc ? NULL : err);
	return rc ? rc : ended;
}
