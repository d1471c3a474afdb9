/* SPDX-License-Identifier: Apache-2.0
 * The socket that a server listens on. */
#include "tools/serve/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG     128
#define FIRST_FD    3 /* of those that systemd hands over */
#define HOST_LENGTH 64

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
	if (a->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
	return a->any.sa_family == AF_UNIX;
}

static bool parse_port(const char *text, uint16_t *ret)
{
	unsigned n = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned)(*text - '0');
	}
	*ret = htons((uint16_t)n);
	return n <= UINT16_MAX;
}

/* False: it is no address. */
static bool parse(const char *text, union address *ret, socklen_t *ret_len)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_LENGTH] = "127.0.0.1";
	size_t len = colon ? (size_t)(colon - text) : 0;
	bool v6 = len > 2 && text[0] == '[' && text[len - 1] == ']';
	uint16_t port;

	if (!colon || len >= sizeof(host) || !parse_port(colon + 1, &port))
		return false;
	if (v6)
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
	else if (len && !(len == 9 && memcmp(text, "localhost", len) == 0))
		snprintf(host, sizeof(host), "%.*s", (int)len, text);
	*ret = (union address){.any.sa_family = v6 ? AF_INET6 : AF_INET};
	if (v6) {
		ret->v6.sin6_port = port;
		*ret_len = sizeof(ret->v6);
		return inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1;
	}
	ret->v4.sin_port = port;
	*ret_len = sizeof(ret->v4);
	return inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1;
}

int listen_open(const char *text, bool any, int *ret_fd, struct err *err)
{
	union address a;
	auto_fd int fd = -1;
	socklen_t len;
	int on = 1;

	if (!parse(text, &a, &len))
		return err_set(err, ERR_USAGE,
			       "'%s' is no address: 127.0.0.1:5000, [::1]:5000 or :5000",
			       text);
	if (!any && !is_loopback(&a))
		return err_set(err, ERR_USAGE,
			       "'%s' can be reached by others, and there is no "
			       "authentication: --listen-any if that is meant",
			       text);
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &a.any, len) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(err, errno, "cannot listen on '%s'", text);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int listen_inherited(bool any, int *ret_fd, struct err *err)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	socklen_t len = sizeof(union address), size = sizeof(int);
	union address a = {0};
	int listening = 0;

	*ret_fd = -1;
	if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid() ||
	    strtol(count, NULL, 10) < 1)
		return 0;
	if (getsockopt(FIRST_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 ||
	    !listening || getsockname(FIRST_FD, &a.any, &len) < 0)
		return err_set(err, ERR_FAILED,
			       "what systemd handed over is no listening socket");
	if (!any && !is_loopback(&a))
		return err_set(err, ERR_FAILED,
			       "the socket that systemd handed over can be reached by "
			       "others, and there is no authentication: --listen-any if "
			       "that is meant");
	fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC);
	*ret_fd = FIRST_FD;
	return 0;
}

const char *listen_address(int fd, char text[LISTEN_TEXT_SIZE])
{
	union address a = {0};
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN] = "?";

	if (getsockname(fd, &a.any, &len) == 0 && a.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host));
		snprintf(text, LISTEN_TEXT_SIZE, "%s:%u", host, ntohs(a.v4.sin_port));
	} else if (a.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host));
		snprintf(text, LISTEN_TEXT_SIZE, "[%s]:%u", host, ntohs(a.v6.sin6_port));
	} else {
		snprintf(text, LISTEN_TEXT_SIZE, "a socket of systemd");
	}
	return text;
}
