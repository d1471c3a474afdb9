/* SPDX-License-Identifier: Apache-2.0
 * A fork and a pipe.
 */
#include "fs/daemonise.h"

#include <string.h>
#include <sys/wait.h>

#include "store/base/io.h"

struct report {
	int rc;
	struct err err;
};

static int wait_for_report(int fd, struct err *err)
{
	struct report r;
	size_t len;
	int rc = io_read(fd, &r, sizeof(r), &len, "the daemon's report", err);

	if (rc)
		return rc;
	if (len != sizeof(r))
		return err_set(err, ERR_FAILED, "the daemon died while it started");
	return r.rc ? err_copy(err, &r.err) : 0;
}

static int detach(struct err *err)
{
	int null;
	int rc = io_open(AT_FDCWD, "/dev/null", O_RDWR, 0, &null, err);

	if (rc)
		return rc;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
	setsid();
	return 0;
}

int daemonise_start(int *ret_report, struct err *err)
{
	auto_fd int in = -1;
	auto_fd int out = -1;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "cannot make a pipe");
	in = fds[0];
	out = fds[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "cannot start the daemon");
	if (pid > 0) {
		close(steal_fd(&out));
		*ret_report = -1;
		return wait_for_report(in, err);
	}
	*ret_report = steal_fd(&out);

	struct err failed = {0};
	int rc = detach(&failed);

	if (rc) {
		daemonise_report(ret_report, rc, &failed);
		_exit(1);
	}
	return 0;
}

void daemonise_report(int *report, int rc, const struct err *err)
{
	struct report r = {.rc = rc};

	if (*report < 0)
		return;
	if (rc)
		r.err = *err;
	/* If the parent is gone nobody wants to know. */
	(void)!io_write(*report, &r, sizeof(r), "the report", NULL);
	close(steal_fd(report));
}
