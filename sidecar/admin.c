/* SPDX-License-Identifier: PostgreSQL */
/*
 * admin.c: a UeServer with three paths.
 *
 * Readiness says whether clients should be sent here.  It does not depend on the database,
 * for the sidecar serves without it; but it says how the database is.
 */
#include "admin.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/jsonout.h"
#include "heap.h"
#include "server.h"

/* Of one answer; /metrics with 33 platforms is 200 kB. */
#define MAX_ANSWER (2 * 1024 * 1024)

/* The answer grows by doubling in an arena, which keeps the smaller ones meanwhile. */
#define MAX_MEMORY (4 * MAX_ANSWER)

struct UeAdmin
{
	const UeAdminState *state; /* not owned */
	UeLoop *loop;			   /* owned */
	UeServer *server;		   /* owned */
	pthread_t thread;
};

typedef struct Answer
{
	int status;
	const char *reason;
	const char *content_type;
	const char *extra_name; /* NULL: no further header */
	const char *extra_value;
} Answer;

static bool start_thread(UeAdmin *admin);
static void *run_thread(void *arg);
static void on_request(void *server_context, UeClient *client, const UeRequest *request);
static void on_body(void *context, UeClient *client);
static void on_writable(void *context, UeClient *client);
static void on_gone(void *context, UeClient *client);
static UeSlice find_path(const UeRequest *request);
static bool has_access(const UeAdminState *state, const UeRequest *request);
static bool is_same_secret(UeSlice given, UeSlice wanted);
static void write_answer(const UeAdminState *state, const UeRequest *request, UeBuf *buf,
						 Answer *answer);
static void write_error(UeBuf *buf, Answer *answer, int status, const char *reason,
						const char *code, const char *message);
static void write_health(const UeAdminState *state, UeBuf *buf);
static void write_readiness(const UeAdminState *state, UeBuf *buf, Answer *answer);
static void read_source(const UeAdminState *state, UeMetricsSource *source);
static bool is_writable(const char *directory);
static void append_flag(UeJsonOut *out, UeSlice key, bool value);
static void send_answer(UeClient *client, const Answer *answer, UeSlice body);

static const UeServerLimits limits = {
	.header_bytes = 16 * 1024,
	.body_window_bytes = 16 * 1024,
	.output_high_bytes = MAX_ANSWER,
	.output_low_bytes = MAX_ANSWER / 2,
	.max_connections = 64,
	.header_timeout_ms = 5000,
	.body_timeout_ms = 5000,
	.keep_alive_timeout_ms = 60000,
	.write_timeout_ms = 10000,
};

static const UeHandler handler = {
	.on_request = on_request,
	.on_body = on_body,
	.on_writable = on_writable,
	.on_gone = on_gone,
};

UeAdmin *
ue_admin_start(const char *address, const UeAdminState *state, char *error,
			   size_t error_size)
{
	UeAdmin *admin = calloc(1, sizeof(*admin));
	int fd = -1;

	if (admin == NULL)
	{
		snprintf(error, error_size, "could not start the admin listener: out of memory");
		return NULL;
	}
	admin->state = state;
	fd = ue_server_listen(address, false, error, error_size);
	if (fd < 0)
		goto failed;
	admin->loop = ue_loop_new();
	if (admin->loop != NULL)
		admin->server = ue_server_new(admin->loop, fd, &limits, &handler, admin);
	if (admin->server == NULL)
	{
		close(fd);
		snprintf(error, error_size,
				 "could not start the admin listener: out of memory or descriptors");
		goto failed;
	}
	if (!start_thread(admin))
	{
		snprintf(error, error_size, "could not start the admin listener's thread");
		goto failed;
	}
	return admin;

failed:
	ue_server_free(admin->server);
	ue_loop_free(admin->loop);
	free(admin);
	return NULL;
}

void
ue_admin_stop(UeAdmin *admin)
{
	if (admin == NULL)
		return;
	ue_loop_stop(admin->loop);
	pthread_join(admin->thread, NULL);
	ue_server_free(admin->server);
	ue_loop_free(admin->loop);
	free(admin);
}

/* Signals are for the main thread. */
static bool
start_thread(UeAdmin *admin)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&admin->thread, NULL, run_thread, admin);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code == 0;
}

static void *
run_thread(void *arg)
{
	UeAdmin *admin = arg;

	ue_loop_run(admin->loop);
	return NULL;
}

/* A body is not looked at: the server drops it. */
static void
on_request(void *server_context, UeClient *client, const UeRequest *request)
{
	const UeAdmin *admin = server_context;
	Answer answer = {200, "OK", "application/json", NULL, NULL};
	UeArena arena;
	UeBuf buf;
	UeSlice body;

	ue_arena_init(&arena, &ue_heap_allocator, MAX_MEMORY);
	ue_buf_init(&buf, &arena, MAX_ANSWER);
	write_answer(admin->state, request, &buf, &answer);
	if (ue_buf_finish(&buf, &body) == UE_OK)
	{
		send_answer(client, &answer, body);
		ue_client_end(client);
	}
	else
		ue_client_abort(client);
	ue_arena_free(&arena);
}

/* Every request is answered before on_request returns, so these are never called. */
static void
on_body(void *context, UeClient *client)
{
	(void) context;
	(void) client;
}

static void
on_writable(void *context, UeClient *client)
{
	(void) context;
	(void) client;
}

static void
on_gone(void *context, UeClient *client)
{
	(void) context;
	(void) client;
}

static UeSlice
find_path(const UeRequest *request)
{
	size_t query;

	if (ue_slice_find(request->target, UE_SLICE("?"), &query))
		return ue_slice_sub(request->target, 0, query);
	return request->target;
}

static bool
has_access(const UeAdminState *state, const UeRequest *request)
{
	UeSlice scheme = UE_SLICE("Bearer ");

	if (state->token == NULL)
		return true;
	for (size_t i = 0; i < request->n_headers; i++)
	{
		UeSlice value = request->headers[i].value;

		if (!ue_slice_is_equal_fold(request->headers[i].name, UE_SLICE("authorization")))
			continue;
		return ue_slice_has_prefix_fold(value, scheme) &&
			   is_same_secret(ue_slice_trim(ue_slice_sub(value, scheme.len, value.len)),
							  ue_slice_of(state->token));
	}
	return false;
}

/* Takes the same time wherever the first difference is. */
static bool
is_same_secret(UeSlice given, UeSlice wanted)
{
	size_t difference = given.len ^ wanted.len;

	for (size_t i = 0; i < given.len && wanted.len > 0; i++)
		difference |= (size_t) (unsigned char) given.ptr[i] ^
					  (size_t) (unsigned char) wanted.ptr[i % wanted.len];
	return difference == 0;
}

static void
write_answer(const UeAdminState *state, const UeRequest *request, UeBuf *buf,
			 Answer *answer)
{
	UeSlice path = find_path(request);
	bool is_health = ue_slice_is_equal(path, UE_SLICE("/healthz"));
	bool is_readiness = ue_slice_is_equal(path, UE_SLICE("/readyz"));
	bool is_metrics = ue_slice_is_equal(path, UE_SLICE("/metrics"));
	bool is_read = ue_slice_is_equal(request->method, UE_SLICE("GET")) ||
				   ue_slice_is_equal(request->method, UE_SLICE("HEAD"));

	if (!has_access(state, request))
	{
		write_error(buf, answer, 401, "Unauthorized", "unauthorized",
					"this listener wants the header Authorization: Bearer and its token");
		answer->extra_name = "www-authenticate";
		answer->extra_value = "Bearer";
	}
	else if (!is_health && !is_readiness && !is_metrics)
		write_error(buf, answer, 404, "Not Found", "not_found",
					"there are /healthz, /readyz and /metrics");
	else if (!is_read)
	{
		write_error(buf, answer, 405, "Method Not Allowed", "method_not_allowed",
					"only GET and HEAD");
		answer->extra_name = "allow";
		answer->extra_value = "GET, HEAD";
	}
	else if (is_health)
		write_health(state, buf);
	else if (is_readiness)
		write_readiness(state, buf, answer);
	else
	{
		UeMetricsSource source;

		read_source(state, &source);
		answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
		ue_metrics_append_text(buf, &source);
	}
}

/* In the same shape as the refusals of the server. */
static void
write_error(UeBuf *buf, Answer *answer, int status, const char *reason, const char *code,
			const char *message)
{
	UeJsonOut out;

	answer->status = status;
	answer->reason = reason;
	ue_jsonout_init(&out, buf);
	ue_jsonout_append_begin(&out, '{');
	ue_jsonout_append_key(&out, UE_SLICE("error"));
	ue_jsonout_append_begin(&out, '{');
	ue_jsonout_append_key(&out, UE_SLICE("message"));
	ue_jsonout_append_string(&out, ue_slice_of(message));
	ue_jsonout_append_key(&out, UE_SLICE("type"));
	ue_jsonout_append_string(&out, UE_SLICE("invalid_request_error"));
	ue_jsonout_append_key(&out, UE_SLICE("param"));
	ue_jsonout_append_null(&out);
	ue_jsonout_append_key(&out, UE_SLICE("code"));
	ue_jsonout_append_string(&out, ue_slice_of(code));
	ue_jsonout_append_end(&out, '}');
	ue_jsonout_append_end(&out, '}');
}

static void
write_health(const UeAdminState *state, UeBuf *buf)
{
	UeJsonOut out;

	ue_jsonout_init(&out, buf);
	ue_jsonout_append_begin(&out, '{');
	ue_jsonout_append_key(&out, UE_SLICE("status"));
	ue_jsonout_append_string(&out, UE_SLICE("ok"));
	ue_jsonout_append_key(&out, UE_SLICE("version"));
	ue_jsonout_append_string(&out, ue_slice_of(state->version));
	if (state->instance != NULL)
	{
		ue_jsonout_append_key(&out, UE_SLICE("instance"));
		ue_jsonout_append_string(&out, ue_slice_of(state->instance));
	}
	ue_jsonout_append_end(&out, '}');
}

static void
write_readiness(const UeAdminState *state, UeBuf *buf, Answer *answer)
{
	bool is_listening = atomic_load(&state->is_listening);
	bool is_draining = atomic_load(&state->is_draining);
	bool has_journal = is_writable(state->journal_directory);
	bool is_ready = is_listening && !is_draining && has_journal;
	const char *database = "not configured";
	UeMetricsSource source;
	UeJsonOut out;

	read_source(state, &source);
	if (state->has_database)
		database = ue_metrics_has_database(&source) ? "connected" : "not connected";
	if (!is_ready)
	{
		answer->status = 503;
		answer->reason = "Service Unavailable";
	}
	ue_jsonout_init(&out, buf);
	ue_jsonout_append_begin(&out, '{');
	append_flag(&out, UE_SLICE("ready"), is_ready);
	append_flag(&out, UE_SLICE("listening"), is_listening);
	append_flag(&out, UE_SLICE("draining"), is_draining);
	append_flag(&out, UE_SLICE("journal_writable"), has_journal);
	ue_jsonout_append_key(&out, UE_SLICE("database"));
	ue_jsonout_append_string(&out, ue_slice_of(database));
	ue_jsonout_append_end(&out, '}');
}

static void
read_source(const UeAdminState *state, UeMetricsSource *source)
{
	memset(source, 0, sizeof(*source));
	source->version = state->version;
	source->started_at_s = state->started_at_s;
	source->workers = state->workers;
	source->n_workers = state->n_workers;
	source->platforms = state->platforms;
	source->n_platforms = state->n_platforms;
	source->health = state->health;
	source->now_ms = (int64_t) time(NULL) * 1000;
	if (state->read_journal_stats != NULL)
		state->read_journal_stats(state->context, &source->journal);
	if (state->read_shipper_stats != NULL)
		state->read_shipper_stats(state->context, &source->shipper);
	if (state->read_policy_stats != NULL)
		state->read_policy_stats(state->context, &source->policy);
}

/* Not read-only, not forbidden, not full. */
static bool
is_writable(const char *directory)
{
	struct statvfs file_system;

	return access(directory, W_OK | X_OK) == 0 && statvfs(directory, &file_system) == 0 &&
		   file_system.f_bavail > 0;
}

static void
append_flag(UeJsonOut *out, UeSlice key, bool value)
{
	ue_jsonout_append_key(out, key);
	ue_jsonout_append_bool(out, value);
}

static void
send_answer(UeClient *client, const Answer *answer, UeSlice body)
{
	UeHeader headers[3];
	size_t n_headers = 0;

	headers[n_headers].name = UE_SLICE("content-type");
	headers[n_headers++].value = ue_slice_of(answer->content_type);
	headers[n_headers].name = UE_SLICE("cache-control");
	headers[n_headers++].value = UE_SLICE("no-store");
	if (answer->extra_name != NULL)
	{
		headers[n_headers].name = ue_slice_of(answer->extra_name);
		headers[n_headers++].value = ue_slice_of(answer->extra_value);
	}
	ue_client_send_head(client, answer->status, ue_slice_of(answer->reason), headers,
						n_headers, (int64_t) body.len);
	ue_client_send_body(client, body);
}
