/* SPDX-License-Identifier: PostgreSQL */
/*
 * config_table.c: every setting, its default, its bounds and its manual.
 *
 * The names are the same as flags, environment variables and keys of the file.
 */
#include "config_private.h"

#include <stddef.h>

#define MS	   INT64_C(1)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define KB	   INT64_C(1024)
#define MB	   (1024 * KB)
#define GB	   (1024 * MB)

#define AT(field) offsetof(UeConfig, field)

const UeSetting ue_config_settings[] = {
	{"listen", UE_SETTING_TEXT, AT(listen), "127.0.0.1:8787", 0, 0, "ADDRESS",
	 "Where clients connect: host:port, [v6]:port, :port (every address) or unix:/path."},
	{"admin_listen", UE_SETTING_TEXT, AT(admin_listen), "127.0.0.1:8788", 0, 0, "ADDRESS",
	 "Where /healthz, /readyz and /metrics answer. Any other address than loopback or unix: "
	 "demands admin_token."},
	{"admin_token", UE_SETTING_SECRET, AT(admin_token), NULL, 0, 0, "TOKEN",
	 "What \"Authorization: Bearer\" must say on the admin listener. Better given by the "
	 "environment than by a flag, which every user of the machine can see."},
	{"database", UE_SETTING_CONNINFO, AT(database), NULL, 0, 0, "CONNINFO",
	 "libpq's connection string or URI. Without one events stay in the journal and every "
	 "verdict is local."},
	{"journal", UE_SETTING_TEXT, AT(journal), NULL, 0, 0, "DIRECTORY",
	 "Where events wait for the database; one sidecar each. Default: \"journal\" in "
	 "$STATE_DIRECTORY, else upstream-errors/journal in $XDG_STATE_HOME or ~/.local/state."},
	{"instance", UE_SETTING_TEXT, AT(instance), NULL, 0, 0, "NAME",
	 "The name of this sidecar in its rows. Default: the host's name."},
	{"region", UE_SETTING_TEXT, AT(region), NULL, 0, 0, "NAME",
	 "The region in its rows. Default: none."},
	{"log_level", UE_SETTING_LOG_LEVEL, AT(log_level), "info", 0, 0, "LEVEL",
	 "error, warning, info or debug."},
	{"workers", UE_SETTING_INTEGER, AT(workers), NULL, 1, 256, "N",
	 "Threads that serve. Default: one for each processor, at most 4."},
	{"upstream", UE_SETTING_UPSTREAM, 0, NULL, 0, 0, "PLATFORM=URL",
	 "A vendor's base URL, replacing the built-in one; may be given more than once. In the "
	 "environment several are separated by blanks, in the file they are an object."},
	{"verdict_deadline", UE_SETTING_DURATION, AT(verdict_deadline_ms), "50ms", 1, MINUTE,
	 "DURATION",
	 "So long the client's error answer may wait for the database; then the local verdict, "
	 "the same by the last known rules, is sent."},
	{"drain_timeout", UE_SETTING_DURATION, AT(drain_timeout_ms), "10s", 0, HOUR,
	 "DURATION",
	 "So long requests in progress may take to end after SIGTERM; then they get an "
	 "error."},
	{"header_size", UE_SETTING_SIZE, AT(server.header_bytes), "32kB", KB, MB, "SIZE",
	 "Request line and headers; above it the client gets 431."},
	{"body_window_size", UE_SETTING_SIZE, AT(server.body_window_bytes), "64kB", 4 * KB,
	 64 * MB, "SIZE", "So much of a request's body is held when the upstream is slow."},
	{"max_body_bytes", UE_SETTING_SIZE, AT(max_body_bytes), "0", 0, 1024 * GB, "SIZE",
	 "A request with a larger body is refused with 413, before the upstream is asked when "
	 "its length is announced. 0: any size, which is then a matter of the upstream."},
	{"output_high_size", UE_SETTING_SIZE, AT(server.output_high_bytes), "256kB", 4 * KB,
	 64 * MB, "SIZE",
	 "With so much unsent to a client its upstream is not read any more."},
	{"output_low_size", UE_SETTING_SIZE, AT(server.output_low_bytes), "64kB", 0, 64 * MB,
	 "SIZE", "Below this its upstream is read again."},
	{"max_connections", UE_SETTING_INTEGER, AT(server.max_connections), "10000", 1,
	 1000000, "N", "Client connections of each worker; more wait to be accepted."},
	{"header_timeout", UE_SETTING_DURATION, AT(server.header_timeout_ms), "10s", 1, HOUR,
	 "DURATION", "From the first byte of a request to its last header."},
	{"body_timeout", UE_SETTING_DURATION, AT(server.body_timeout_ms), "30s", 1, HOUR,
	 "DURATION", "Between two pieces of a request's body."},
	{"keep_alive_timeout", UE_SETTING_DURATION, AT(server.keep_alive_timeout_ms), "75s",
	 1, HOUR, "DURATION",
	 "So long a client's connection may be idle between two requests."},
	{"write_timeout", UE_SETTING_DURATION, AT(server.write_timeout_ms), "60s", 1, HOUR,
	 "DURATION", "A client that takes nothing for so long is dropped."},
	{"connect_timeout", UE_SETTING_DURATION, AT(upstream.connect_timeout_ms), "10s", 1,
	 HOUR, "DURATION", "To reach an upstream: name, TCP and TLS."},
	{"first_byte_timeout", UE_SETTING_DURATION, AT(upstream.first_byte_timeout_ms),
	 "10min", 1, 24 * HOUR, "DURATION",
	 "From the whole request sent to the head of the upstream's answer. The official SDKs "
	 "wait 10 min."},
	{"idle_timeout", UE_SETTING_DURATION, AT(upstream.idle_timeout_ms), "5min", 1,
	 24 * HOUR, "DURATION", "Between two pieces of an upstream's answer."},
	{"answer_head_size", UE_SETTING_SIZE, AT(upstream.max_head_bytes), "128kB", KB,
	 16 * MB, "SIZE",
	 "Headers of an upstream's answer; above it the answer is a failure."},
	{"error_body_size", UE_SETTING_SIZE, AT(error_body_bytes), "1MB", KB, 64 * MB, "SIZE",
	 "So much of a failed answer is kept for the verdict."},
	{"retry_body_memory", UE_SETTING_SIZE, AT(retry_body_memory_bytes), "256kB", 0,
	 64 * MB, "SIZE",
	 "Of a request's body larger than body_window_size so much is kept in memory for a "
	 "retry, where the platform has channels; the rest in a file without a name beside "
	 "the journal."},
	{"retry_body_size", UE_SETTING_SIZE, AT(retry_body_max_bytes), "64MB", 0, 16 * GB,
	 "SIZE", "A request with a larger body is sent once."},
	{"journal_fsync", UE_SETTING_FSYNC, AT(journal_fsync), "interval", 0, 0, "WHEN",
	 "interval (every 50 ms), always (each event waits for the disk) or never. An event "
	 "survives the end of the process in any case; this is about power cuts."},
	{"journal_segment_size", UE_SETTING_SIZE, AT(journal_segment_bytes), "16MB", 64 * KB,
	 GB, "SIZE", "The journal is a row of files of this size, removed one by one."},
	{"journal_budget", UE_SETTING_SIZE, AT(journal_budget_bytes), "1GB", MB, 1024 * GB,
	 "SIZE", "Above this the oldest events are dropped, and counted."},
	{"record_client_address", UE_SETTING_BOOLEAN, AT(record_client_address), "off", 0, 0,
	 "on|off", "Whether rows hold the client's address."},
	{"record_headers", UE_SETTING_BOOLEAN, AT(record_headers), "off", 0, 0, "on|off",
	 "Whether rows hold the headers of request and answer, masked."},
	{"record_statuses", UE_SETTING_STATUSES, AT(record_statuses), "400-599", 0, 0,
	 "STATUSES",
	 "Failures with other statuses than these do not become rows: \"429,500-599\". Of a "
	 "failure without a status that of its class counts: 504 for a timeout."},
	{"record_exclude", UE_SETTING_EXCLUDE, AT(record_exclude), "count_tokens", 0, 0,
	 "WORDS",
	 "Failures that do not become rows: kinds and classes (client_gone, "
	 "invalid_request), and count_tokens for calls that only count tokens; separated by "
	 "commas; none: all become rows. What clients get is the same."},
	{"tags", UE_SETTING_TAG, 0, NULL, 0, 0, "HEADER=NAME",
	 "A request header that rows keep as a tag, masked, and that rules can look at; may be "
	 "given more than once. In the environment several are separated by blanks, in the "
	 "file they are an object: {\"x-user-id\": \"user\"}."},
};

const int ue_config_n_settings =
	sizeof(ue_config_settings) / sizeof(ue_config_settings[0]);

/*
 * As public client libraries and gateways name each API's base, November 2026.  A base may
 * end in a version ("/v1"); a target that begins with one has it only once.  Azure, Bedrock
 * and Vertex have a host for each customer, so they have no default.
 */
const UeDefaultUpstream ue_config_upstreams[] = {
	{"openai", "https://api.openai.com"},
	{"anthropic", "https://api.anthropic.com"},
	{"gemini", "https://generativelanguage.googleapis.com"},
	{"mistral", "https://api.mistral.ai"},
	{"cohere", "https://api.cohere.com"},
	{"groq", "https://api.groq.com/openai"},
	{"deepseek", "https://api.deepseek.com"},
	{"xai", "https://api.x.ai"},
	{"openrouter", "https://openrouter.ai/api"},
	{"together", "https://api.together.xyz"},
	{"fireworks", "https://api.fireworks.ai/inference"},
	{"cerebras", "https://api.cerebras.ai"},
	{"moonshot", "https://api.moonshot.ai"},
	{"dashscope", "https://dashscope.aliyuncs.com/compatible-mode"},
	{"nvidia", "https://integrate.api.nvidia.com"},
	{"huggingface", "https://router.huggingface.co"},
	{"ollama", "http://127.0.0.1:11434"},
	{"vllm", "http://127.0.0.1:8000"},
};

const int ue_config_n_upstreams =
	sizeof(ue_config_upstreams) / sizeof(ue_config_upstreams[0]);
