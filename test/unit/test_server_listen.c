/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_server_listen.c: addresses to listen on.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "server_probe.h"
#include "tap.h"

#define H "Host: a\r\n"

static void
test_listen(void)
{
	char directory[] = "/tmp/ue_test_server_XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[200], error[256] = "", text[1024];
	int fd, second;

	snprintf(path, sizeof(path), "unix:%s/socket", mkdtemp(directory));
	probe_start_server_at(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ok(connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0,
	   "listen: a unix socket");
	probe_send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	ok(probe_receive_until(fd, "hello", text, sizeof(text)) &&
		   strcmp(probe.seen_address, "unix") == 0,
	   "listen: serves over it");
	close(fd);
	ok(ue_server_listen(path, false, error, sizeof(error)) < 0 &&
		   strstr(error, "in use") != NULL,
	   "listen: a unix socket that answers is not replaced");
	probe_stop_server();
	fd = ue_server_listen(path, false, error, sizeof(error));
	ok(fd >= 0, "listen: one left behind is replaced");
	second = ue_server_listen(path, true, error, sizeof(error));
	ok(second >= 0 && second != fd, "listen: threads share a unix socket");
	close(second);
	close(fd);
	unlink(address.sun_path);
	rmdir(directory);

	probe_start_server_at("[::1]:0");
	probe_stop_server();
	fd = ue_server_listen(":0", true, error, sizeof(error));
	ok(fd >= 0, "listen: every address");
	close(fd);

	fd = ue_server_listen("127.0.0.1:0", true, error, sizeof(error));
	{
		struct sockaddr_in bound;
		socklen_t length = sizeof(bound);
		char same[64];

		getsockname(fd, (struct sockaddr *) &bound, &length);
		snprintf(same, sizeof(same), "127.0.0.1:%d", ntohs(bound.sin_port));
		second = ue_server_listen(same, true, error, sizeof(error));
		ok(second >= 0, "listen: a shared port is taken twice");
		ok(ue_server_listen(same, false, error, sizeof(error)) < 0 &&
			   strstr(error, same) != NULL && strstr(error, "in use") != NULL,
		   "listen: one that is not shared says that it is in use");
		close(second);
	}
	close(fd);
}

static void
test_bad_addresses(void)
{
	static const char *const bad[] = {
		"",		   "localhost",		"127.0.0.1:",	"127.0.0.1:x", "::1:80",
		"a:70000", "unix:relative", "127.0.0.1:-1", "[::1]80",	   "a:123456789"};
	char error[256];
	bool is_told = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		error[0] = '\0';
		is_told = is_told &&
				  ue_server_listen(bad[i], false, error, sizeof(error)) == -1 &&
				  strstr(error, bad[i]) != NULL;
		if (!is_told)
		{
			printf("# %s: %s\n", bad[i], error);
			break;
		}
	}
	ok(is_told, "listen: what is no address is refused and quoted");
}

int
main(void)
{
	alarm(120);
	test_listen();
	test_bad_addresses();
	return done_testing();
}
