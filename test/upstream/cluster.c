/* SPDX-License-Identifier: PostgreSQL */
/*
 * cluster.c: scripts, counts and records under one lock.
 */
#include "cluster.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "play.h"

#define MAX_CHANNELS 16
#define MAX_RECORDS	 60000
#define MAX_CASE	 64
#define N_CASES		 65536 /* buckets; a power of two */

struct UeClusterChannel
{
	char name[32];
	int port;
	UeScript script;
	int64_t started_ms; /* monotonic */
	int64_t n_requests; /* since then */
	int64_t n_open;
};

typedef struct Record
{
	int64_t at_us; /* Unix */
	const UeClusterChannel *channel;
	int64_t number;
	int64_t attempt; /* 0: no x-case */
	int64_t body_bytes;
	uint32_t body_crc;
	bool has_body; /* it came whole */
	bool is_gone;  /* the peer left before the answer was whole */
	bool is_over;
	char kase[MAX_CASE];
	char model[UE_SCRIPT_WORD];
	char scenario[UE_SCRIPT_WORD];
	char *target; /* these two are owned, and JSON without quotes */
	char *headers;
} Record;

typedef struct Case
{
	struct Case *next;
	int64_t n;
	char name[MAX_CASE];
} Case;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static UeClusterChannel channels[MAX_CHANNELS];
static int n_channels;
static Record *records;
static int64_t n_records, n_dropped, first_id; /* ids go on after the log was emptied */
static Case *cases[N_CASES];

static int64_t now_ms(void);
static int64_t count_case(const char *name);
static void add_record(UeClusterChannel *channel, const UeWireRequest *request,
					   UeClusterTurn *turn);
static Record *find_record(int64_t id);
static void take_line(const UeClusterChannel *channel, const UeScriptFacts *facts,
					  UeClusterTurn *turn);
static void collect_credentials(const UeWireRequest *request, char *out, size_t size);
static char *escape(const char *text, size_t len);
static bool set_script(UeWire *wire, const char *name);
static void write_channels(FILE *out);
static void write_log(FILE *out, const char *query);
static void write_record(FILE *out, const Record *record, bool has_headers);
static void write_credentials(FILE *out, const char *headers, const char *target);
static void empty_log(void);
static bool send_json(UeWire *wire, void (*write)(FILE *out, const char *),
					  const char *argument);


UeClusterChannel *
ue_cluster_add(const char *name)
{
	UeClusterChannel *channel = &channels[n_channels];
	size_t len = strlen(name);

	if (n_channels == MAX_CHANNELS || len == 0 || len >= sizeof(channel->name) ||
		strpbrk(name, "\"\\/?") != NULL)
		return NULL;
	memcpy(channel->name, name, len + 1);
	channel->started_ms = now_ms();
	n_channels++;
	return channel;
}

void
ue_cluster_set_port(UeClusterChannel *channel, int port)
{
	channel->port = port;
}

bool
ue_cluster_begin(UeClusterChannel *channel, const UeWireRequest *request,
				 UeClusterTurn *out)
{
	char credentials[4096];
	char kase[MAX_CASE];
	UeScriptFacts facts = {.channel = channel->name,
						   .model = "",
						   .credentials = credentials};

	memset(out, 0, sizeof(*out));
	collect_credentials(request, credentials, sizeof(credentials));
	pthread_mutex_lock(&lock);
	out->number = ++channel->n_requests;
	channel->n_open++;
	out->elapsed_ms = now_ms() - channel->started_ms;
	if (ue_wire_find_header(request, "x-case", kase, sizeof(kase)))
		out->attempt = count_case(kase);
	add_record(channel, request, out);
	facts.number = out->number;
	facts.elapsed_ms = out->elapsed_ms;
	facts.n_open = channel->n_open;
	facts.attempt = out->attempt;
	out->is_early = true;
	take_line(channel, &facts, out);
	out->is_early = out->scenario[0] != '\0';
	pthread_mutex_unlock(&lock);
	return out->is_early;
}

void
ue_cluster_choose(UeClusterChannel *channel, const UeWireRequest *request,
				  const char *model, bool is_stream, UeClusterTurn *turn)
{
	char credentials[4096];
	UeScriptFacts facts = {.channel = channel->name,
						   .number = turn->number,
						   .elapsed_ms = turn->elapsed_ms,
						   .attempt = turn->attempt,
						   .credentials = credentials,
						   .model = model,
						   .is_stream = is_stream};
	Record *record;

	collect_credentials(request, credentials, sizeof(credentials));
	pthread_mutex_lock(&lock);
	facts.n_open = channel->n_open;
	take_line(channel, &facts, turn);
	if (turn->scenario[0] == '\0')
		memcpy(turn->scenario, "ok", 3);
	record = find_record(turn->id);
	if (record != NULL)
	{
		record->has_body = true;
		record->body_bytes = request->body_bytes;
		record->body_crc = request->body_crc;
		snprintf(record->model, sizeof(record->model), "%s", model);
		memcpy(record->scenario, turn->scenario, sizeof(record->scenario));
	}
	pthread_mutex_unlock(&lock);
}

void
ue_cluster_end(UeClusterChannel *channel, const UeClusterTurn *turn, bool is_alive)
{
	Record *record;

	pthread_mutex_lock(&lock);
	channel->n_open--;
	record = find_record(turn->id);
	if (record != NULL)
	{
		record->is_over = true;
		record->is_gone = !is_alive;
	}
	pthread_mutex_unlock(&lock);
}

bool
ue_cluster_control(UeWire *wire, const UeWireRequest *request)
{
	static const char script_path[] = "/_script/";
	const char *query = strchr(request->target, '?');

	if (strncmp(request->target, script_path, sizeof(script_path) - 1) == 0)
		return set_script(wire, request->target + sizeof(script_path) - 1);
	if (strcmp(request->target, "/_channels") == 0)
		return send_json(wire, NULL, NULL);
	if (strncmp(request->target, "/_log", 5) != 0)
		return false;
	if (strcmp(request->method, "DELETE") == 0)
	{
		empty_log();
		return send_json(wire, NULL, NULL);
	}
	return send_json(wire, write_log, query == NULL ? "" : query + 1);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How often it was seen, this time counted; FNV-1a. */
static int64_t
count_case(const char *name)
{
	uint32_t hash = UINT32_C(2166136261);
	Case *found;

	for (const char *at = name; *at != '\0'; at++)
		hash = (hash ^ (unsigned char) *at) * UINT32_C(16777619);
	hash &= N_CASES - 1;
	for (found = cases[hash]; found != NULL && strcmp(found->name, name) != 0;)
		found = found->next;
	if (found == NULL)
	{
		found = calloc(1, sizeof(*found));
		if (found == NULL)
			return 1;
		snprintf(found->name, sizeof(found->name), "%s", name);
		found->next = cases[hash];
		cases[hash] = found;
	}
	return ++found->n;
}

static void
add_record(UeClusterChannel *channel, const UeWireRequest *request, UeClusterTurn *turn)
{
	struct timespec now;
	Record *record;

	turn->id = -1;
	if (records == NULL)
		records = calloc(MAX_RECORDS, sizeof(*records));
	if (records == NULL || n_records == MAX_RECORDS)
	{
		n_dropped++;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	record = &records[n_records];
	memset(record, 0, sizeof(*record));
	record->at_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
	record->channel = channel;
	record->number = turn->number;
	record->attempt = turn->attempt;
	(void) ue_wire_find_header(request, "x-case", record->kase, sizeof(record->kase));
	record->target = escape(request->target, strlen(request->target));
	record->headers = escape(request->headers, strlen(request->headers));
	turn->id = first_id + n_records++;
}

/* NULL: it was not kept, or has been forgotten since. */
static Record *
find_record(int64_t id)
{
	return id < first_id ? NULL : &records[id - first_id];
}

static void
take_line(const UeClusterChannel *channel, const UeScriptFacts *facts,
		  UeClusterTurn *turn)
{
	int index = ue_script_find(&channel->script, facts, turn->is_early);
	Record *record = find_record(turn->id);

	if (index < 0)
		return;
	memcpy(turn->scenario, channel->script.lines[index].scenario, sizeof(turn->scenario));
	turn->has_hint = channel->script.lines[index].has_hint;
	turn->hint = channel->script.lines[index].hint;
	if (record != NULL)
		memcpy(record->scenario, turn->scenario, sizeof(record->scenario));
}

/* Values of all headers that could be one, and the query, for conditions. */
static void
collect_credentials(const UeWireRequest *request, char *out, size_t size)
{
	static const char *const names[] = {"authorization", "x-api-key", "x-goog-api-key",
										"api-key"};
	const char *query = strchr(request->target, '?');
	char value[1024];
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ue_wire_find_header(request, names[i], value, sizeof(value)))
			len += (size_t) snprintf(out + len, size - len, "%.900s\n", value);
	if (query != NULL)
		snprintf(out + len, size - len, "%.300s", query);
}

/* As the inside of a JSON string. */
static char *
escape(const char *text, size_t len)
{
	char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 32 || c > 126)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fclose(out);
	return bytes;
}

static bool
set_script(UeWire *wire, const char *name)
{
	char *problem = NULL;
	size_t len = 0;
	FILE *error = open_memstream(&problem, &len);
	UeClusterChannel *channel = NULL;
	bool is_good = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < n_channels && channel == NULL; i++)
		if (strcmp(channels[i].name, name) == 0)
			channel = &channels[i];
	if (channel == NULL)
		fprintf(error, "there is no channel \"%s\"\n", name);
	else if (ue_script_read(wire->body, &channel->script, error))
	{
		channel->started_ms = now_ms();
		channel->n_requests = 0;
		is_good = true;
	}
	pthread_mutex_unlock(&lock);
	fclose(error);
	(void) ue_wire_send_answer(wire, is_good ? 200 : 400, "content-type: text/plain\r\n",
							   problem, len);
	free(problem);
	return true;
}

static void
write_channels(FILE *out)
{
	pthread_mutex_lock(&lock);
	fputs("{", out);
	for (int i = 0; i < n_channels; i++)
		fprintf(out, "%s\"%s\":{\"port\":%d,\"requests\":%lld,\"open\":%lld}",
				i > 0 ? "," : "", channels[i].name, channels[i].port,
				(long long) channels[i].n_requests, (long long) channels[i].n_open);
	fputs("}\n", out);
	pthread_mutex_unlock(&lock);
}

static void
write_log(FILE *out, const char *query)
{
	const char *kase = strstr(query, "case=");
	size_t len = kase == NULL ? 0 : strcspn(kase + 5, "&");
	bool has_headers = strstr(query, "headers=1") != NULL;
	bool is_first = true;

	pthread_mutex_lock(&lock);
	fprintf(out, "{\"dropped\":%lld,\"requests\":[", (long long) n_dropped);
	for (int64_t i = 0; i < n_records; i++)
	{
		const Record *record = &records[i];

		if (kase != NULL &&
			(strlen(record->kase) != len || memcmp(record->kase, kase + 5, len) != 0))
			continue;
		fputs(is_first ? "" : ",\n", out);
		is_first = false;
		write_record(out, record, has_headers);
	}
	fputs("]}\n", out);
	pthread_mutex_unlock(&lock);
}

static void
write_record(FILE *out, const Record *record, bool has_headers)
{
	char *kase = escape(record->kase, strlen(record->kase));
	char *model = escape(record->model, strlen(record->model));

	fprintf(out,
			"{\"at_us\":%lld,\"channel\":\"%s\",\"number\":%lld,\"attempt\":%lld,"
			"\"case\":\"%s\",\"target\":\"%s\",\"model\":\"%s\",\"scenario\":\"%s\","
			"\"over\":%s,\"gone\":%s,\"bytes\":%lld,\"crc32\":%lld,",
			(long long) record->at_us, record->channel->name, (long long) record->number,
			(long long) record->attempt, kase, record->target, model, record->scenario,
			record->is_over ? "true" : "false", record->is_gone ? "true" : "false",
			(long long) (record->has_body ? record->body_bytes : -1),
			(long long) (record->has_body ? (int64_t) record->body_crc : -1));
	write_credentials(out, record->headers, record->target);
	if (has_headers)
		fprintf(out, ",\"headers\":\"%s\"", record->headers);
	fputs("}", out);
	free(kase);
	free(model);
}

/* "credentials":{"authorization":"Bearer …",…}: whatever of it came. */
static void
write_credentials(FILE *out, const char *headers, const char *target)
{
	static const char *const names[] = {"authorization", "x-api-key", "x-goog-api-key",
										"api-key"};
	static const char line_end[] = "\\u000d\\u000a";
	const char *key = strpbrk(target, "?&");
	bool is_first = true;

	fputs("\"credentials\":{", out);
	for (const char *line = headers; *line != '\0';)
	{
		const char *end = strstr(line, line_end);
		size_t colon = strcspn(line, ":");

		if (end == NULL)
			break;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strlen(names[i]) == colon && strncasecmp(line, names[i], colon) == 0)
			{
				const char *value = line + colon + 1;

				value += strspn(value, " ");
				fprintf(out, "%s\"%s\":\"%.*s\"", is_first ? "" : ",", names[i],
						(int) (end - value), value);
				is_first = false;
			}
		line = end + sizeof(line_end) - 1;
	}
	while (key != NULL && strncmp(key + 1, "key=", 4) != 0)
		key = strpbrk(key + 1, "&");
	if (key != NULL)
		fprintf(out, "%s\"key\":\"%.*s\"", is_first ? "" : ",",
				(int) strcspn(key + 5, "&"), key + 5);
	fputs("}", out);
}

static void
empty_log(void)
{
	pthread_mutex_lock(&lock);
	for (int64_t i = 0; i < n_records; i++)
	{
		free(records[i].target);
		free(records[i].headers);
	}
	first_id += n_records;
	n_records = n_dropped = 0;
	for (int i = 0; i < N_CASES; i++)
		while (cases[i] != NULL)
		{
			Case *next = cases[i]->next;

			free(cases[i]);
			cases[i] = next;
		}
	pthread_mutex_unlock(&lock);
}

/* write NULL: the channels. */
static bool
send_json(UeWire *wire, void (*write)(FILE *out, const char *), const char *argument)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (write == NULL)
		write_channels(out);
	else
		write(out, argument);
	fclose(out);
	(void) ue_wire_send_answer(wire, 200, "content-type: application/json\r\n", text,
							   len);
	free(text);
	return true;
}
