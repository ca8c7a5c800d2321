/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_admin.c: the admin listener, asked over loopback.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "server.h"
#include "tap.h"

static UeMetrics workers[1];
static const char *const platforms[] = {"openai"};
static char directory[] = "/tmp/ue_test_admin_XXXXXX";
static UeAdminState state;
static int port;
static char answer[1024 * 1024];

/* A port that was free a moment ago. */
static int
find_port(void)
{
	char error[256];
	struct sockaddr_in bound;
	socklen_t length = sizeof(bound);
	int fd = ue_server_listen("127.0.0.1:0", false, error, sizeof(error));

	getsockname(fd, (struct sockaddr *) &bound, &length);
	close(fd);
	return ntohs(bound.sin_port);
}

/* The body of the answer, or "" */
static const char *
ask(const char *method, const char *path, const char *header)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t) port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char request[512];
	size_t length = 0;
	ssize_t n_read;
	const char *body;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	answer[0] = '\0';
	if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
	{
		snprintf(request, sizeof(request),
				 "%s %s HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n", method, path,
				 header);
		if (send(fd, request, strlen(request), MSG_NOSIGNAL) > 0)
		{
			while ((n_read = recv(fd, answer + length, sizeof(answer) - 1 - length, 0)) >
				   0)
				length += (size_t) n_read;
		}
		answer[length] = '\0';
	}
	close(fd);
	body = strstr(answer, "\r\n\r\n");
	return body == NULL ? "" : body + 4;
}

static bool
has_status(int status)
{
	return strlen(answer) > 12 && atoi(answer + 9) == status;
}

static bool
has_member(const char *body, const char *name, const char *value)
{
	json_t *root = json_loads(body, 0, NULL);
	char *shown = json_dumps(json_object_get(root, name), JSON_ENCODE_ANY);
	bool is_same = shown != NULL && strcmp(shown, value) == 0;

	free(shown);
	json_decref(root);
	return is_same;
}

static void
read_journal_stats(void *context, UeJournalStats *out)
{
	(void) context;
	out->appended_events = 77;
}

static void
read_shipper_stats(void *context, UeShipperStats *out)
{
	(void) context;
	out->shipped_events = 66;
}

static UeAdmin *
start_admin(void)
{
	char address[64];
	char error[256] = "";
	UeAdmin *admin;

	port = find_port();
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	admin = ue_admin_start(address, &state, error, sizeof(error));
	if (admin == NULL)
		printf("# %s\n", error);
	return admin;
}

static void
test_paths(void)
{
	const char *body = ask("GET", "/healthz", "");

	ok(has_status(200) && has_member(body, "status", "\"ok\"") &&
		   has_member(body, "version", "\"9.8.7\""),
	   "health: 200, with the version");
	ask("HEAD", "/healthz?x=1", "");
	ok(has_status(200) && strstr(answer, "\r\n\r\n")[4] == '\0',
	   "health: HEAD has no body");
	body = ask("GET", "/metrics", "");
	ok(has_status(200) &&
		   strstr(answer, "content-type: text/plain; version=0.0.4") != NULL &&
		   strstr(body, "\nupstream_errors_journal_appended_events_total 77\n") != NULL &&
		   strstr(body, "\nupstream_errors_shipper_shipped_events_total 66\n") != NULL,
	   "metrics: text, with the journal's and the shipper's numbers");
	body = ask("GET", "/nothing", "");
	ok(has_status(404) && strstr(body, "\"code\":\"not_found\"") != NULL,
	   "paths: another is 404 in JSON");
	body = ask("DELETE", "/metrics", "");
	ok(has_status(405) && strstr(answer, "allow: GET, HEAD\r\n") != NULL &&
		   strstr(body, "\"code\":\"method_not_allowed\"") != NULL,
	   "paths: another method is 405, and says which are allowed");
}

static void
test_readiness(void)
{
	const char *body = ask("GET", "/readyz", "");

	ok(has_status(503) && has_member(body, "ready", "false") &&
		   has_member(body, "listening", "false"),
	   "ready: not before the workers listen");
	atomic_store(&state.is_listening, true);
	body = ask("GET", "/readyz", "");
	ok(has_status(200) && has_member(body, "ready", "true") &&
		   has_member(body, "database", "\"not connected\""),
	   "ready: without the database, which is told");
	atomic_store(&workers[0].database_connected, 1);
	body = ask("GET", "/readyz", "");
	ok(has_status(200) && has_member(body, "database", "\"connected\""),
	   "ready: and with it");
	atomic_store(&state.is_draining, true);
	body = ask("GET", "/readyz", "");
	ok(has_status(503) && has_member(body, "draining", "true"),
	   "ready: not when draining");
	atomic_store(&state.is_draining, false);
	rmdir(directory);
	body = ask("GET", "/readyz", "");
	ok(has_status(503) && has_member(body, "journal_writable", "false"),
	   "ready: not without a journal");
	ask("GET", "/healthz", "");
	ok(has_status(200), "health: but alive");
}

static void
test_token(void)
{
	static const char *const wrong[] = {"",
										"Authorization: Bearer\r\n",
										"Authorization: Bearer s3cre\r\n",
										"Authorization: Bearer s3cretss3cret\r\n",
										"Authorization: Basic s3cret\r\n",
										"X: Bearer s3cret\r\n"};
	UeAdmin *admin;
	bool is_refused = true;

	state.token = "s3cret";
	admin = start_admin();
	ok(admin != NULL, "token: the listener starts");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		const char *body = ask("GET", "/metrics", wrong[i]);

		is_refused = is_refused && has_status(401) &&
					 strstr(answer, "www-authenticate: Bearer\r\n") != NULL &&
					 strstr(body, "upstream_errors_") == NULL;
	}
	ok(is_refused, "token: without the right one 401");
	ask("GET", "/metrics", "Authorization: bearer  s3cret \r\n");
	ok(has_status(200), "token: with it 200");
	ue_admin_stop(admin);
	state.token = NULL;
}

static void
test_start_error(void)
{
	char error[256] = "";

	ok(ue_admin_start("nonsense", &state, error, sizeof(error)) == NULL &&
		   strstr(error, "\"nonsense\"") != NULL && strstr(error, "host:port") != NULL,
	   "start: an address that is none is quoted, and what is accepted is said");
	ue_admin_stop(NULL);
}

int
main(void)
{
	UeAdmin *admin;

	alarm(60);
	if (mkdtemp(directory) == NULL)
		return 2;
	state = (UeAdminState){.version = "9.8.7",
						   .instance = "here",
						   .workers = workers,
						   .n_workers = 1,
						   .platforms = platforms,
						   .n_platforms = 1,
						   .has_database = true,
						   .journal_directory = directory,
						   .read_journal_stats = read_journal_stats,
						   .read_shipper_stats = read_shipper_stats};
	admin = start_admin();
	ok(admin != NULL, "start: the listener starts");
	test_paths();
	test_readiness();
	ue_admin_stop(admin);
	test_token();
	test_start_error();
	return done_testing();
}
