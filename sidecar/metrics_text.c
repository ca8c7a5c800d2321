/* SPDX-License-Identifier: PostgreSQL */
/*
 * metrics_text.c: one table of single values, and a function for each family with labels.
 *
 * A platform appears once it has been used; then all its series do, so that a rate has a
 * zero to start from.
 */
#include "metrics_text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "channel_table.h"

#define PREFIX "upstream_errors_"

/* Clients choose the names of models: so many states are shown one by one. */
#define MAX_STATES 1000

/* Where a single value is: an offset in … */
typedef enum Origin
{
	IN_COUNTERS = 0, /* UeMetrics, of an atomic_ullong: the workers' are added */
	IN_GAUGES,		 /* UeMetrics, of an atomic_llong: the same */
	IN_SOURCE,		 /* UeMetricsSource, of an int64_t or uint64_t */
	IN_SOURCE_MS,	 /* the same, milliseconds, shown in seconds */
} Origin;

typedef struct Single
{
	const char *name;
	const char *type;
	const char *help;
	Origin origin;
	size_t offset;
} Single;

#define COUNTER(field) IN_COUNTERS, offsetof(UeMetrics, field)
#define GAUGE(field)   IN_GAUGES, offsetof(UeMetrics, field)
#define SOURCE(field)  IN_SOURCE, offsetof(UeMetricsSource, field)

static const Single singles[] = {
	{"verdict_late_total", "counter",
	 "Verdicts of Postgres that came after the local one had been used.",
	 COUNTER(verdicts_late)},
	{"resends_total", "counter",
	 "Requests sent once more because a kept connection was dead.", COUNTER(resends)},
	{"retries_total", "counter", "Attempts after the first of a request.",
	 COUNTER(retries)},
	{"recovered_total", "counter",
	 "Requests that ended well after an attempt of theirs had failed.",
	 COUNTER(recovered)},
	{"client_received_bytes_total", "counter", "Request body bytes from clients.",
	 COUNTER(client_bytes_in)},
	{"client_sent_bytes_total", "counter", "Response body bytes to clients.",
	 COUNTER(client_bytes_out)},
	{"open_clients", "gauge", "Connections of clients.", GAUGE(open_clients)},
	{"open_transfers", "gauge", "Requests in progress at upstreams.",
	 GAUGE(open_transfers)},
	{"journal_appended_events_total", "counter", "Events written to the journal.",
	 SOURCE(journal.appended_events)},
	{"journal_appended_bytes_total", "counter", "Bytes written to the journal.",
	 SOURCE(journal.appended_bytes)},
	{"journal_failed_appends_total", "counter",
	 "Records that could not be written to the journal and are lost.",
	 SOURCE(journal.failed_appends)},
	{"journal_dropped_events_total", "counter",
	 "Events dropped unshipped because the journal had reached its budget.",
	 SOURCE(journal.dropped_events)},
	{"journal_torn_bytes_total", "counter",
	 "Bytes of incomplete records cut off when the journal was opened.",
	 SOURCE(journal.torn_bytes)},
	{"journal_pending_bytes", "gauge", "Bytes in the journal that are not shipped yet.",
	 SOURCE(journal.pending_bytes)},
	{"shipper_shipped_events_total", "counter", "Events committed by Postgres.",
	 SOURCE(shipper.shipped_events)},
	{"shipper_replayed_events_total", "counter",
	 "Shipped events that the table had already.", SOURCE(shipper.replayed_events)},
	{"shipper_quarantined_events_total", "counter",
	 "Events that Postgres refused, put into the quarantine file.",
	 SOURCE(shipper.quarantined_events)},
	{"shipper_shipped_transitions_total", "counter",
	 "Changes of channels' health committed by Postgres.",
	 SOURCE(shipper.shipped_transitions)},
	{"shipper_shipped_recoveries_total", "counter",
	 "Failed attempts of which Postgres knows that their request ended well.",
	 SOURCE(shipper.shipped_recoveries)},
	{"shipper_quarantined_follow_ups_total", "counter",
	 "Of these two, those that Postgres refused, put into the quarantine file.",
	 SOURCE(shipper.quarantined_follow_ups)},
	{"shipper_corrupt_records_total", "counter",
	 "Places in the journal that could not be read.", SOURCE(shipper.corrupt_records)},
	{"shipper_batches_total", "counter", "Batches committed by Postgres.",
	 SOURCE(shipper.batches)},
	{"shipper_failures_total", "counter", "Batches that failed and are sent again.",
	 SOURCE(shipper.failed_batches)},
	{"shipper_lag_seconds", "gauge", "Age of the oldest event that is not shipped yet.",
	 IN_SOURCE_MS, offsetof(UeMetricsSource, shipper.lag_ms)},
	{"policy_generation", "gauge",
	 "The generation of rules and masks in force; 0 when there are none.",
	 SOURCE(policy.generation)},
	{"policy_rules", "gauge", "Rules of the policy in force, disabled ones too.",
	 SOURCE(policy.n_rules)},
	{"policy_bytes", "gauge", "Memory of the policy in force.", SOURCE(policy.n_bytes)},
	{"policy_listening", "gauge",
	 "1 when changes are told by Postgres, 0 when it is asked, or away.",
	 SOURCE(policy.is_listening)},
	{"policy_loaded_time_seconds", "gauge",
	 "When the policy in force was put in force, as Unix time.",
	 SOURCE(policy.loaded_at_s)},
	{"policy_loads_total", "counter", "Policies put in force.", SOURCE(policy.loads)},
	{"policy_refusals_total", "counter",
	 "Policies that this version could not use: the one before stayed in force.",
	 SOURCE(policy.refusals)},
	{"policy_file_failures_total", "counter",
	 "Times that the copy of the policy on disk could not be read or written.",
	 SOURCE(policy.file_failures)},
	{"health_messages_total", "counter", "States of channels told by Postgres.",
	 SOURCE(policy.health_messages)},
	{"health_file_failures_total", "counter",
	 "Times that the states of channels on disk could not be read or written.",
	 SOURCE(policy.health_file_failures)},
	{"start_time_seconds", "gauge", "When the process started, as Unix time.",
	 SOURCE(started_at_s)},
};

static uint64_t sum_counter(const UeMetricsSource *source, size_t offset);
static int64_t sum_gauge(const UeMetricsSource *source, size_t offset);
static bool has_requests(const UeMetricsSource *source, int platform);
static bool has_failures(const UeMetricsSource *source, int platform);
static const char *platform_name(const UeMetricsSource *source, int platform);
static void append_text(UeBuf *buf, const char *text);
static void append_seconds(UeBuf *buf, int64_t ms);
static void append_label_value(UeBuf *buf, const char *value);
static void append_family(UeBuf *buf, const char *name, const char *type,
						  const char *help);
static void append_sample(UeBuf *buf, const char *name, const char *const *labels,
						  uint64_t value);
static void append_labels(UeBuf *buf, const char *const *labels);
static void append_single(UeBuf *buf, const UeMetricsSource *source,
						  const Single *single);
static void append_requests(UeBuf *buf, const UeMetricsSource *source);
static void append_failures(UeBuf *buf, const UeMetricsSource *source);
static void append_verdicts(UeBuf *buf, const UeMetricsSource *source);
static void append_unmonitored(UeBuf *buf, const UeMetricsSource *source);
static void append_health(UeBuf *buf, const UeMetricsSource *source);
static void append_state(void *context, const UeHealthChange *change, const char *reason);
static void append_histogram(UeBuf *buf, const UeMetricsSource *source, const char *name,
							 const char *help, size_t buckets, size_t sum);

void
ue_metrics_append_text(UeBuf *buf, const UeMetricsSource *source)
{
	const char *const version[] = {"version", source->version, NULL};
	const char *const no_labels[] = {NULL};

	append_family(buf, "build_info", "gauge", "Always 1; the version is in the label.");
	append_sample(buf, "build_info", version, 1);
	append_requests(buf, source);
	append_failures(buf, source);
	append_histogram(buf, source, "first_byte_seconds",
					 "From the request's arrival to the first byte of the answer.",
					 offsetof(UeMetrics, first_byte), offsetof(UeMetrics, first_byte_ms));
	append_histogram(buf, source, "duration_seconds",
					 "From the request's arrival to the end of the answer.",
					 offsetof(UeMetrics, total), offsetof(UeMetrics, total_ms));
	append_verdicts(buf, source);
	append_unmonitored(buf, source);
	if (source->health != NULL)
		append_health(buf, source);

	append_family(buf, "database_connected", "gauge",
				  "1 when a worker or the shipper is connected to Postgres.");
	append_sample(buf, "database_connected", no_labels, ue_metrics_has_database(source));
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++)
		append_single(buf, source, &singles[i]);
}

bool
ue_metrics_has_database(const UeMetricsSource *source)
{
	return source->shipper.is_connected ||
		   sum_gauge(source, offsetof(UeMetrics, database_connected)) > 0;
}

/* offset is that of an atomic_ullong in UeMetrics. */
static uint64_t
sum_counter(const UeMetricsSource *source, size_t offset)
{
	uint64_t sum = 0;

	for (int i = 0; i < source->n_workers; i++)
	{
		const char *metrics = (const char *) &source->workers[i];
		const atomic_ullong *counter = (const void *) (metrics + offset);

		sum += atomic_load_explicit(counter, memory_order_relaxed);
	}
	return sum;
}

static int64_t
sum_gauge(const UeMetricsSource *source, size_t offset)
{
	int64_t sum = 0;

	for (int i = 0; i < source->n_workers; i++)
	{
		const char *metrics = (const char *) &source->workers[i];
		const atomic_llong *gauge = (const void *) (metrics + offset);

		sum += atomic_load_explicit(gauge, memory_order_relaxed);
	}
	return sum;
}

static bool
has_requests(const UeMetricsSource *source, int platform)
{
	for (int i = 0; i < UE_METRICS_OUTCOMES; i++)
	{
		if (sum_counter(source, offsetof(UeMetrics, requests[platform][i])) > 0)
			return true;
	}
	return false;
}

static bool
has_failures(const UeMetricsSource *source, int platform)
{
	for (int i = 0; i < UE_METRICS_CLASSES; i++)
	{
		if (sum_counter(source, offsetof(UeMetrics, failures[platform][i])) > 0)
			return true;
	}
	return false;
}

static const char *
platform_name(const UeMetricsSource *source, int platform)
{
	const char *name = NULL;

	if (platform < source->n_platforms)
		return source->platforms[platform];
	if (platform < UE_METRICS_PLATFORMS - 1)
		name = ue_channel_table_platform_name(platform - source->n_platforms);
	return name == NULL ? "unknown" : name;
}

static void
append_text(UeBuf *buf, const char *text)
{
	ue_buf_append(buf, ue_slice_of(text));
}

static void
append_seconds(UeBuf *buf, int64_t ms)
{
	char text[40];

	snprintf(text, sizeof(text), "%lld.%03d", (long long) (ms / 1000), (int) (ms % 1000));
	append_text(buf, text);
}

static void
append_label_value(UeBuf *buf, const char *value)
{
	for (; *value != '\0'; value++)
	{
		if (*value == '\n')
			append_text(buf, "\\n");
		else
		{
			if (*value == '"' || *value == '\\')
				ue_buf_append_byte(buf, '\\');
			ue_buf_append_byte(buf, *value);
		}
	}
}

static void
append_family(UeBuf *buf, const char *name, const char *type, const char *help)
{
	append_text(buf, "# HELP " PREFIX);
	append_text(buf, name);
	append_text(buf, " ");
	append_text(buf, help);
	append_text(buf, "\n# TYPE " PREFIX);
	append_text(buf, name);
	append_text(buf, " ");
	append_text(buf, type);
	append_text(buf, "\n");
}

/* labels: pairs of name and value, ended by NULL. */
static void
append_labels(UeBuf *buf, const char *const *labels)
{
	for (int i = 0; labels[i] != NULL; i += 2)
	{
		append_text(buf, i == 0 ? "{" : ",");
		append_text(buf, labels[i]);
		append_text(buf, "=\"");
		append_label_value(buf, labels[i + 1]);
		append_text(buf, "\"");
	}
	append_text(buf, labels[0] == NULL ? " " : "} ");
}

static void
append_sample(UeBuf *buf, const char *name, const char *const *labels, uint64_t value)
{
	append_text(buf, PREFIX);
	append_text(buf, name);
	append_labels(buf, labels);
	ue_buf_append_int64(buf, (int64_t) value);
	append_text(buf, "\n");
}

static void
append_single(UeBuf *buf, const UeMetricsSource *source, const Single *single)
{
	int64_t value = 0;

	switch (single->origin)
	{
		case IN_COUNTERS:
			value = (int64_t) sum_counter(source, single->offset);
			break;
		case IN_GAUGES:
			value = sum_gauge(source, single->offset);
			break;
		case IN_SOURCE:
		case IN_SOURCE_MS:
			memcpy(&value, (const char *) source + single->offset, sizeof(value));
			break;
	}
	append_family(buf, single->name, single->type, single->help);
	append_text(buf, PREFIX);
	append_text(buf, single->name);
	append_text(buf, " ");
	if (single->origin == IN_SOURCE_MS)
		append_seconds(buf, value);
	else
		ue_buf_append_int64(buf, value);
	append_text(buf, "\n");
}

static void
append_requests(UeBuf *buf, const UeMetricsSource *source)
{
	append_family(buf, "requests_total", "counter",
				  "Requests of clients that have ended.");
	for (int platform = 0; platform < UE_METRICS_PLATFORMS; platform++)
	{
		if (!has_requests(source, platform))
			continue;
		for (int i = 0; i < UE_METRICS_OUTCOMES; i++)
		{
			const char *const labels[] = {"platform", platform_name(source, platform),
										  "outcome", ue_outcome_name((UeOutcome) i),
										  NULL};
			size_t offset = offsetof(UeMetrics, requests[platform][i]);

			append_sample(buf, "requests_total", labels, sum_counter(source, offset));
		}
	}
}

static void
append_failures(UeBuf *buf, const UeMetricsSource *source)
{
	append_family(buf, "failed_attempts_total", "counter",
				  "Attempts at an upstream that failed.");
	for (int platform = 0; platform < UE_METRICS_PLATFORMS; platform++)
	{
		if (!has_failures(source, platform))
			continue;
		for (int i = 0; i <= UE_CLASS_INTERNAL; i++)
		{
			const char *const labels[] = {"platform", platform_name(source, platform),
										  "class", ue_class_name((UeClass) i), NULL};
			size_t offset = offsetof(UeMetrics, failures[platform][i]);

			append_sample(buf, "failed_attempts_total", labels,
						  sum_counter(source, offset));
		}
	}
}

static void
append_verdicts(UeBuf *buf, const UeMetricsSource *source)
{
	const char *const postgres[] = {"by", "postgres", NULL};
	const char *const local[] = {"by", "local", NULL};

	append_family(buf, "verdicts_total", "counter", "Verdicts used, by who gave them.");
	append_sample(buf, "verdicts_total", postgres,
				  sum_counter(source, offsetof(UeMetrics, verdicts_postgres)));
	append_sample(buf, "verdicts_total", local,
				  sum_counter(source, offsetof(UeMetrics, verdicts_local)));
}

static void
append_unmonitored(UeBuf *buf, const UeMetricsSource *source)
{
	const char *const rule[] = {"by", "rule", NULL};
	const char *const configuration[] = {"by", "configuration", NULL};

	append_family(buf, "unmonitored_total", "counter",
				  "Failures that were not to become rows, by what says so.");
	append_sample(buf, "unmonitored_total", rule,
				  sum_counter(source, offsetof(UeMetrics, unmonitored)));
	append_sample(buf, "unmonitored_total", configuration,
				  sum_counter(source, offsetof(UeMetrics, excluded)));
}

typedef struct StateList
{
	UeBuf *buf;
	int64_t now_ms;
	int n_shown;
	uint64_t n_cooling, n_disabled, n_half_open;
} StateList;

static void
append_health(UeBuf *buf, const UeMetricsSource *source)
{
	StateList list = {.buf = buf, .now_ms = source->now_ms};
	const char *const cooling[] = {"state", "cooling", NULL};
	const char *const disabled[] = {"state", "disabled", NULL};
	const char *const half_open[] = {"state", "half_open", NULL};
	const char *const none[] = {NULL};
	UeHealthStats stats;

	append_family(buf, "channel_state", "gauge",
				  "Always 1; a channel, or with a model that one of it, that is not "
				  "healthy. The first 1000 of them.");
	ue_health_store_list(source->health, append_state, &list);
	append_family(buf, "channel_states", "gauge",
				  "Channels and models of channels that are not healthy, by state.");
	append_sample(buf, "channel_states", cooling, list.n_cooling);
	append_sample(buf, "channel_states", disabled, list.n_disabled);
	append_sample(buf, "channel_states", half_open, list.n_half_open);

	append_family(
		buf, "channels_unusable", "gauge",
		"Enabled channels that this sidecar cannot use, for want of their key.");
	append_sample(buf, "channels_unusable", none, ue_channel_table_count_unusable());

	ue_health_store_read_stats(source->health, &stats);
	append_family(buf, "channel_transitions_total", "counter",
				  "Changes of channels' health seen here, by the state after.");
	for (int i = UE_HEALTH_HEALTHY; i <= UE_HEALTH_DISABLED; i++)
	{
		const char *const labels[] = {"state", ue_health_state_name((UeHealthState) i),
									  NULL};

		append_sample(buf, "channel_transitions_total", labels, stats.transitions[i]);
	}
}

static void
append_state(void *context, const UeHealthChange *change, const char *reason)
{
	StateList *list = context;
	char channel_id[24];
	const char *state = ue_health_state_name(change->to);

	(void) reason;
	if (change->until_ms != 0 && change->until_ms <= list->now_ms)
	{
		state = "half_open";
		list->n_half_open++;
	}
	else if (change->to == UE_HEALTH_DISABLED)
		list->n_disabled++;
	else
		list->n_cooling++;
	if (list->n_shown == MAX_STATES)
		return;
	list->n_shown++;
	snprintf(channel_id, sizeof(channel_id), "%lld", (long long) change->channel_id);
	append_sample(list->buf, "channel_state",
				  (const char *const[]){"channel_id", channel_id, "model", change->model,
										"state", state, NULL},
				  1);
}

/* buckets and sum: offsets of the families in UeMetrics, each by platform first. */
static void
append_histogram(UeBuf *buf, const UeMetricsSource *source, const char *name,
				 const char *help, size_t buckets, size_t sum)
{
	char sample_name[64];

	append_family(buf, name, "histogram", help);
	for (int platform = 0; platform < UE_METRICS_PLATFORMS; platform++)
	{
		size_t counter =
			buckets + (size_t) platform * UE_METRICS_BUCKETS * sizeof(atomic_ullong);
		const char *label = platform_name(source, platform);
		const char *const labels[] = {"platform", label, NULL};
		uint64_t count = 0;

		if (!has_requests(source, platform))
			continue;
		snprintf(sample_name, sizeof(sample_name), "%s_bucket", name);
		for (int i = 0; i < UE_METRICS_BUCKETS; i++)
		{
			char bound[24] = "+Inf";
			const char *const bucket_labels[] = {"platform", label, "le", bound, NULL};

			if (i < UE_METRICS_BUCKETS - 1)
				snprintf(bound, sizeof(bound), "%d.%03d", (1 << i) / 1000,
						 (1 << i) % 1000);
			count += sum_counter(source, counter + (size_t) i * sizeof(atomic_ullong));
			append_sample(buf, sample_name, bucket_labels, count);
		}
		append_text(buf, PREFIX);
		append_text(buf, name);
		append_text(buf, "_sum");
		append_labels(buf, labels);
		append_seconds(buf,
					   (int64_t) sum_counter(source, sum + (size_t) platform *
															   sizeof(atomic_ullong)));
		append_text(buf, "\n");
		snprintf(sample_name, sizeof(sample_name), "%s_count", name);
		append_sample(buf, sample_name, labels, count);
	}
}
