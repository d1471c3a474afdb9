/* SPDX-License-Identifier: Apache-2.0
 * The processes of a build step: a first one that has the namespaces, mounts and reaps, and
 * the command. */
#include "tools/run/run_sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store/base/io.h"
#include "tools/run/run_sandbox_private.h"

#define HOSTNAME    "layercache"
#define DEFAULT_BIN "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What the first process says of itself, once: that it could not start, and why. */
struct report {
	int status; /* 0: a failure of our own; 126, 127: of the command */
	struct err err;
};

static _Noreturn void give_up(int fd, int status, const struct err *err)
{
	struct report report = {.status = status, .err = *err};
	ssize_t n = write(fd, &report, sizeof(report));

	(void)n;
	_exit(125);
}

/* ---- what the command may do ---- */

/* Docker's default set. */
static const unsigned capabilities[] = {
	CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FSETID,           CAP_FOWNER,
	CAP_MKNOD,   CAP_NET_RAW,      CAP_SETGID,           CAP_SETUID,
	CAP_SETFCAP, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
	CAP_KILL,    CAP_AUDIT_WRITE,
};

static uint64_t wanted_capabilities(void)
{
	uint64_t set = 0;

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		set |= UINT64_C(1) << capabilities[i];
	return set;
}

static int limit_capabilities(bool root, struct err *err)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {0};
	uint64_t set = wanted_capabilities();

	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!(set >> cap & 1) && prctl(PR_CAPBSET_DROP, cap) != 0)
			return err_sys(err, errno, "cannot drop a capability");
	if (!root)
		return 0; /* setuid has dropped all */
	if (syscall(SYS_capget, &head, data) != 0)
		return err_sys(err, errno, "cannot read the capabilities");
	for (unsigned i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(set >> (32 * i));

		data[i].effective &= half;
		data[i].permitted &= half;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) != 0)
		return err_sys(err, errno, "cannot set the capabilities");
	return 0;
}

static int become(const struct run_user *u, struct err *err)
{
	int rc;

	if (setgroups(u->group_count, u->groups) != 0 ||
	    setresgid(u->gid, u->gid, u->gid) != 0)
		return err_sys(err, errno, "cannot become the group %u", u->gid);
	/* The bounding set can only be cut as root. */
	rc = limit_capabilities(u->uid == 0, err);
	if (!rc && setresuid(u->uid, u->uid, u->uid) != 0)
		rc = err_sys(err, errno, "cannot become the user %u", u->uid);
	return rc;
}

static int raise_loopback(struct err *err)
{
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {.ifr_name = "lo"};

	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r) != 0)
		return err_sys(err, errno, "cannot raise the loopback");
	return 0;
}

/* ---- the command ---- */

static void reset_signals(void)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static const char *search_path(char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return DEFAULT_BIN;
}

/* As execvpe, but for scripts without "#!", which Docker does not run either. */
static void execute(const struct run_sandbox *s)
{
	const char *name = s->command[0], *dir = search_path(s->env);
	bool denied = false;
	char path[4200];

	if (strchr(name, '/')) {
		execve(name, s->command, s->env);
		return;
	}
	errno = ENOENT;
	while (*dir) {
		size_t len = strcspn(dir, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)len, len ? dir : ".", name);
		execve(path, s->command, s->env);
		if (errno == EACCES)
			denied = true;
		else if (errno != ENOENT && errno != ENOTDIR)
			return;
		dir += len + (dir[len] == ':');
	}
	errno = denied ? EACCES : ENOENT;
}

static _Noreturn void command(const struct run_sandbox *s, int report)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err err = {0};
	int rc = 0;

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		rc = err_sys(&err, errno, "cannot set the command's standard streams");
	if (!rc)
		rc = become(s->user, &err);
	if (!rc && chdir(s->workdir) != 0)
		rc = err_sys(&err, errno, "cannot go to the working directory '%s'",
			     s->workdir);
	/* What our caller had open would be a way out. */
	if (!rc && syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) != 0)
		rc = err_sys(&err, errno, "cannot close the caller's files");
	if (rc)
		give_up(report, 0, &err);
	umask(022);
	reset_signals();
	execute(s);
	err_sys(&err, errno, "cannot execute '%s'", s->command[0]);
	give_up(report, err.sys == ENOENT || err.sys == ENOTDIR ? 127 : 126, &err);
}

/* ---- the first process ---- */

static int status_of(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

/* Reaps whatever is left behind here until the command ends; the rest goes with us. */
static _Noreturn void reap(pid_t child)
{
	int status;
	pid_t pid;

	while ((pid = wait(&status)) != child)
		if (pid < 0 && errno != EINTR)
			_exit(125);
	_exit(status_of(status));
}

/* The namespaces that do not come with the process. The root is found again in the new one. */
static int isolate(struct run_sandbox *s, struct err *err)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
		    (s->network ? 0 : CLONE_NEWNET)) != 0)
		return err_sys(err, errno, "cannot make namespaces");
	if (sethostname(HOSTNAME, strlen(HOSTNAME)) != 0)
		return err_sys(err, errno, "cannot set the host's name");
	return io_open(AT_FDCWD, s->root, O_RDONLY | O_DIRECTORY, 0, &s->rootfd, err);
}

static bool is_unheard(int report)
{
	struct pollfd p = {.fd = report};

	return poll(&p, 1, 0) > 0 && p.revents & POLLERR;
}

static _Noreturn void first(struct run_sandbox s, int report)
{
	struct err err = {0};
	pid_t child;
	int rc = 0;

	/* With us goes everything in the namespace. From here the parent has no number: that
	 * it ended before we said so shows by the pipe. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || is_unheard(report))
		rc = err_set(&err, ERR_FAILED, "the parent process has ended");
	if (!rc)
		rc = isolate(&s, &err);
	if (!rc && !s.network)
		rc = raise_loopback(&err);
	if (!rc)
		rc = run_mounts_make(&s, &err);
	if (rc)
		give_up(report, 0, &err);
	child = fork();
	if (child < 0) {
		err_sys(&err, errno, "cannot start a process");
		give_up(report, 0, &err);
	}
	if (child == 0)
		command(&s, report);
	close(report);
	reap(child);
}

/* ---- our side ---- */

/* Forks into a new pid namespace, and only that child: our own later ones stay here. */
static pid_t fork_first(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, 0);
}

static int stopped(int signal, struct err *err)
{
	int rc = err_set(err, ERR_CANCELED, "stopped by signal %d (%s)", signal,
			 strsignal(signal));

	if (err)
		err->sys = signal;
	return rc;
}

/* Waits for CHILD. A signal to us ends it. */
static int wait_for(pid_t child, int signals, int *ret_status, struct err *err)
{
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		ssize_t n = read(signals, &info, sizeof(info));

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "cannot wait for the command");
		if (n == (ssize_t)sizeof(info) && info.ssi_signo != SIGCHLD) {
			(void)kill(child, SIGKILL);
			(void)waitpid(child, NULL, 0);
			return stopped((int)info.ssi_signo, err);
		}
		if (waitpid(child, &status, WNOHANG) == child)
			break;
	}
	*ret_status = status_of(status);
	return 0;
}

/* What it said, if anything: then the command was not started. */
static int hear(int fd, int *status, struct err *why, struct err *err)
{
	struct report report;
	size_t len;

	if (io_read(fd, &report, sizeof(report), &len, "the step's report", err) != 0)
		return -ERR_SYSTEM;
	if (len < sizeof(report))
		return 0;
	if (!report.status)
		return err_copy(err, &report.err);
	*status = report.status;
	(void)err_copy(why, &report.err);
	return 0;
}

static int run(const struct run_sandbox *s, int signals, int *ret_status, struct err *why,
	       struct err *err)
{
	auto_fd int read_end = -1;
	int ends[2], status = 0, rc;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_sys(err, errno, "cannot make a pipe");
	read_end = ends[0];
	child = fork_first();
	if (child == 0) {
		close(steal_fd(&read_end));
		first(*s, ends[1]);
	}
	close(ends[1]);
	if (child < 0)
		return err_sys(err, errno, "cannot make a pid namespace");
	rc = wait_for(child, signals, &status, err);
	if (!rc)
		rc = hear(read_end, &status, why, err);
	if (!rc)
		*ret_status = status;
	return rc;
}

int run_sandbox_run(const struct run_sandbox *s, int *ret_status, struct err *why,
		    struct err *err)
{
	auto_free struct run_stubs *stubs = calloc(1, sizeof(*stubs));
	auto_fd int signals = -1;
	sigset_t ours, before;
	int rc;

	if (!stubs)
		return err_nomem(err);
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ours, &before);
	signals = signalfd(-1, &ours, SFD_CLOEXEC);
	rc = signals < 0 ? err_sys(err, errno, "cannot wait for signals")
			 : run_mounts_prepare(s, stubs, err);
	if (!rc)
		rc = run(s, signals, ret_status, why, err);
	run_mounts_clean(s, stubs);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}
