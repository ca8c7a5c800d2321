/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_metrics.c: counting, and that every line of the text is as Prometheus reads it.
 *
 * The checks are those of promtool: HELP and TYPE once and before the samples, a family's
 * samples together, no sample twice, names and labels well formed, buckets that grow and
 * end in +Inf.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "libc_allocator.h"
#include "metrics_text.h"
#include "tap.h"

#define MAX_SEEN 4096

static UeMetrics workers[2];
static const char *const platforms[] = {"openai", "od\"d\\\n"};
static char text[1024 * 1024];
static const char *seen[MAX_SEEN]; /* sample names with labels */
static size_t seen_lengths[MAX_SEEN];
static int n_seen;

static void
write_text(const UeMetricsSource *source)
{
	UeArena arena;
	UeBuf buf;
	UeSlice out;

	ue_arena_init(&arena, &libc_allocator, 8 * 1024 * 1024);
	ue_buf_init(&buf, &arena, sizeof(text) - 1);
	ue_metrics_append_text(&buf, source);
	text[0] = '\0';
	if (ue_buf_finish(&buf, &out) == UE_OK)
	{
		memcpy(text, out.ptr, out.len);
		text[out.len] = '\0';
	}
	ue_arena_free(&arena);
}

static bool
has_line(const char *line)
{
	for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
	{
		if ((at == text || at[-1] == '\n') && at[strlen(line)] == '\n')
			return true;
	}
	return false;
}

static size_t
measure_name(const char *at)
{
	size_t length = 0;

	while (isalpha((unsigned char) at[length]) || at[length] == '_' ||
		   at[length] == ':' || (length > 0 && isdigit((unsigned char) at[length])))
		length++;
	return length;
}

/* {name="value",…}: how long, 0 when not well formed. */
static size_t
measure_labels(const char *at)
{
	const char *begin = at;

	for (at++;; at++)
	{
		size_t length = measure_name(at);

		if (length == 0 || at[length] != '=' || at[length + 1] != '"')
			return 0;
		for (at += length + 2; *at != '"'; at++)
		{
			if (*at == '\0' || *at == '\n')
				return 0;
			if (*at == '\\' && strchr("\\\"n", *++at) == NULL)
				return 0;
		}
		at++;
		if (*at == '}')
			return (size_t) (at + 1 - begin);
		if (*at != ',')
			return 0;
	}
}

/* The family of a sample: without _bucket, _sum, _count when it is a histogram. */
static bool
is_of_family(const char *sample, size_t length, const char *family, const char *type)
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
	size_t family_length = strlen(family);

	if (strncmp(sample, family, family_length) != 0 || length < family_length)
		return false;
	if (strcmp(type, "histogram") != 0)
		return length == family_length;
	for (int i = 0; i < 3; i++)
	{
		if (length == family_length + strlen(suffixes[i]) &&
			strncmp(sample + family_length, suffixes[i], strlen(suffixes[i])) == 0)
			return true;
	}
	return false;
}

static bool
is_new(const char *sample, size_t length)
{
	for (int i = 0; i < n_seen; i++)
	{
		if (seen_lengths[i] == length && memcmp(seen[i], sample, length) == 0)
			return false;
	}
	seen[n_seen] = sample;
	seen_lengths[n_seen++] = length;
	return n_seen < MAX_SEEN;
}

static bool
check_sample(const char *line, const char *family, const char *type)
{
	size_t length = measure_name(line);
	size_t labels = 0;
	char *end;

	if (!is_of_family(line, length, family, type))
		return false;
	if (line[length] == '{')
	{
		labels = measure_labels(line + length);
		if (labels == 0)
			return false;
	}
	if (line[length + labels] != ' ' || !is_new(line, length + labels))
		return false;
	return strtod(line + length + labels + 1, &end) >= 0 && *end == '\n';
}

/* NULL, or the line at fault. */
static const char *
find_fault(void)
{
	static char family[128], type[32], next[128];
	const char *line = text;

	n_seen = 0;
	family[0] = '\0';
	while (*line != '\0')
	{
		const char *end = strchr(line, '\n');

		if (end == NULL)
			return line;
		if (sscanf(line, "# HELP %127s", next) == 1)
		{
			if (!is_new(line, 7 + strlen(next)))
				return line; /* the family was there before */
			memcpy(family, next, sizeof(family));
			type[0] = '\0';
		}
		else if (sscanf(line, "# TYPE %127s %31s", next, type) == 2)
		{
			bool is_total =
				strlen(next) > 6 && strcmp(next + strlen(next) - 6, "_total") == 0;

			if (strcmp(next, family) != 0 || is_total != (strcmp(type, "counter") == 0))
				return line;
		}
		else if (type[0] == '\0' || !check_sample(line, family, type))
			return line;
		line = end + 1;
	}
	return NULL;
}

static void
test_counting(void)
{
	static const int64_t edges[] = {0, 1, 2, 3, 4, 16384, 16385};
	static const int buckets[] = {0, 0, 1, 2, 2, 14, 15};
	static UeMetrics metrics;
	bool is_right = true;

	for (int i = 0; i < 7; i++)
	{
		unsigned long long before = metrics.total[0][buckets[i]];

		ue_metrics_count_request(&metrics, 0, UE_OUTCOME_OK, -1, edges[i]);
		is_right = is_right && metrics.total[0][buckets[i]] == before + 1;
	}
	ok(is_right, "counting: a duration goes into the first bucket that is not below it");
	ok(metrics.requests[0][UE_OUTCOME_OK] == 7 && metrics.first_byte[0][0] == 0,
	   "counting: without a first byte there is no time to it");
	ok(metrics.total_ms[0] == 0 + 1 + 2 + 3 + 4 + 16384 + 16385,
	   "counting: durations are added up");

	ue_metrics_count_request(&metrics, 1000, UE_OUTCOME_CLIENT_GONE, 5, 7);
	ue_metrics_count_request(&metrics, -1, UE_OUTCOME_CLIENT_GONE, 5, 7);
	ue_metrics_count_failure(&metrics, 99, UE_CLASS_INTERNAL);
	ok(metrics.requests[UE_METRICS_PLATFORMS - 1][UE_OUTCOME_CLIENT_GONE] == 2 &&
		   metrics.failures[UE_METRICS_PLATFORMS - 1][UE_CLASS_INTERNAL] == 1,
	   "counting: an index that is none counts as the unknown platform");
	ok(UE_CLASS_INTERNAL < UE_METRICS_CLASSES, "counting: there is room for every class");
}

static void
test_text(void)
{
	UeMetricsSource source = {.version = "1.0.0",
							  .started_at_s = 1795000000,
							  .workers = workers,
							  .n_workers = 2,
							  .platforms = platforms,
							  .n_platforms = 2,
							  .journal = {.appended_events = 12, .pending_bytes = 345},
							  .shipper = {.shipped_events = 11, .lag_ms = 1050},
							  .policy = {.generation = 42,
										 .n_rules = 9,
										 .is_listening = 1}};
	const char *fault;

	write_text(&source);
	fault = find_fault();
	ok(fault == NULL && strlen(text) > 1000,
	   "text: is well formed before anything happened");
	if (fault != NULL)
		printf("# %.100s\n", fault);
	ok(strstr(text, "requests_total{") == NULL, "text: a platform not used is not shown");
	ok(has_line("upstream_errors_database_connected 0"),
	   "text: no connection to Postgres");

	ue_metrics_count_request(&workers[0], 0, UE_OUTCOME_OK, 3, 1500);
	ue_metrics_count_request(&workers[1], 0, UE_OUTCOME_OK, 40000, 50000);
	ue_metrics_count_request(&workers[1], 1, UE_OUTCOME_ANSWERED, -1, 2);
	ue_metrics_count_request(&workers[1], 7, UE_OUTCOME_ABORTED, -1, 2);
	ue_metrics_count_failure(&workers[0], 0, UE_CLASS_RATE_LIMIT);
	ue_metrics_count_failure(&workers[1], 0, UE_CLASS_RATE_LIMIT);
	workers[0].verdicts_postgres = 5;
	workers[1].verdicts_local = 2;
	workers[0].unmonitored = 3;
	workers[1].unmonitored = 1;
	workers[1].excluded = 6;
	workers[0].open_clients = 3;
	workers[1].open_clients = 4;
	workers[1].database_connected = 1;
	write_text(&source);
	fault = find_fault();
	ok(fault == NULL, "text: is well formed with numbers and odd names");
	if (fault != NULL)
		printf("# %.100s\n", fault);

	ok(has_line("upstream_errors_build_info{version=\"1.0.0\"} 1"), "text: the version");
	ok(has_line("upstream_errors_requests_total{platform=\"openai\",outcome=\"ok\"} 2"),
	   "text: workers are added up");
	ok(has_line(
		   "upstream_errors_requests_total{platform=\"openai\",outcome=\"aborted\"} 0"),
	   "text: with the other outcomes at zero");
	ok(has_line(
		   "upstream_errors_requests_total{platform=\"od\\\"d\\\\\\n\",outcome=\"answered\"} 1"),
	   "text: odd names are escaped");
	ok(has_line(
		   "upstream_errors_requests_total{platform=\"unknown\",outcome=\"aborted\"} 1"),
	   "text: a platform without a name is unknown");
	ok(has_line(
		   "upstream_errors_failed_attempts_total{platform=\"openai\",class=\"rate_limit\"} 2"),
	   "text: failed attempts by class");
	ok(has_line(
		   "upstream_errors_first_byte_seconds_bucket{platform=\"openai\",le=\"0.004\"} 1") &&
		   has_line(
			   "upstream_errors_first_byte_seconds_bucket{platform=\"openai\",le=\"16.384\"} 1") &&
		   has_line(
			   "upstream_errors_first_byte_seconds_bucket{platform=\"openai\",le=\"+Inf\"} 2"),
	   "text: buckets hold all that is below them");
	ok(has_line("upstream_errors_first_byte_seconds_sum{platform=\"openai\"} 40.003") &&
		   has_line("upstream_errors_first_byte_seconds_count{platform=\"openai\"} 2"),
	   "text: sum in seconds, and count");
	ok(has_line("upstream_errors_verdicts_total{by=\"postgres\"} 5") &&
		   has_line("upstream_errors_verdicts_total{by=\"local\"} 2"),
	   "text: verdicts by who gave them");
	ok(has_line("upstream_errors_unmonitored_total{by=\"rule\"} 4") &&
		   has_line("upstream_errors_unmonitored_total{by=\"configuration\"} 6"),
	   "text: failures that were not to become rows");
	ok(has_line("upstream_errors_policy_generation 42") &&
		   has_line("upstream_errors_policy_rules 9") &&
		   has_line("upstream_errors_policy_listening 1"),
	   "text: the policy in force");
	ok(has_line("upstream_errors_open_clients 7") &&
		   has_line("upstream_errors_journal_appended_events_total 12") &&
		   has_line("upstream_errors_journal_pending_bytes 345") &&
		   has_line("upstream_errors_shipper_shipped_events_total 11") &&
		   has_line("upstream_errors_shipper_lag_seconds 1.050") &&
		   has_line("upstream_errors_database_connected 1"),
	   "text: gauges, journal, shipper, database");
}

/* The checker must be able to fail. */
static void
test_checker(void)
{
	static const char *const wrong[] = {
		"a 1\n",
		"# HELP a b\n# TYPE a gauge\na 1\na 1\n",
		"# HELP a b\n# TYPE a gauge\nb 1\n",
		"# HELP a b\n# TYPE a gauge\na{x=\"1\" 1\n",
		"# HELP a b\n# TYPE a gauge\na{x=\"\\q\"} 1\n",
		"# HELP a b\n# TYPE a gauge\na x\n",
		"# HELP a b\n# TYPE a gauge\na 1",
		"# HELP a_total b\n# TYPE a_total gauge\na_total 1\n",
		"# HELP a b\n# TYPE a gauge\na 1\n# HELP c b\n# TYPE c gauge\nc 1\n# HELP a b\n",
	};
	bool is_seen = true;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		snprintf(text, sizeof(text), "%s", wrong[i]);
		is_seen = is_seen && find_fault() != NULL;
	}
	ok(is_seen, "checker: sees each of nine faults");
}

int
main(void)
{
	test_counting();
	test_text();
	test_checker();
	return done_testing();
}
