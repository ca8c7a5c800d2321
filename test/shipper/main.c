/* SPDX-License-Identifier: PostgreSQL */
/*
 * main.c: journal-writer DIRECTORY CONNINFO FIRST COUNT THREADS BUDGET_MB
 *
 * A sidecar without its HTTP half, for tests that kill it: threads append events as fast as
 * a busy worker would, and the shipper brings them to the database.  Each number that has
 * been appended is written to stdout, so that a test knows what may not get lost.
 *
 * Events are numbered from FIRST.  Every third has no completion, every 1000th holds tags
 * that are no JSON, which the database must refuse.  Every tenth is followed by a transition
 * (of numbers ending in 990 one that the database must refuse), and every seventh by a
 * recovery, before it or its completion can have been shipped.  After COUNT events it says "done" and
 * goes on shipping; SIGTERM ships what is left and prints the counters.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"
#include "shipper.h"

#define SEGMENT_BYTES 262144
#define MAX_THREADS	  16

static UeJournal *journal;
static atomic_uint next_number;
static uint32_t end_number;

static void
fill_id(unsigned char *event_id, uint32_t number)
{
	memset(event_id, 0xA5, 16);
	for (int i = 0; i < 4; i++)
		event_id[12 + i] = (unsigned char) (number >> (24 - 8 * i));
}

static bool
append_event(uint32_t number, int64_t *at_us)
{
	struct timespec now;
	UeEvent event;
	char request_id[32];

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(request_id, sizeof(request_id), "req-%" PRIu32, number);
	ue_event_init(&event);
	event.at_us = *at_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
	fill_id(event.event_id, number);
	event.request_id = ue_slice_of(request_id);
	event.attempt = 1;
	event.platform = UE_SLICE("openai");
	event.route = (UeSlice){"/v1/\xC3\0chat", 10};
	event.kind = UE_SLICE("http_error");
	event.class = UE_SLICE("rate_limit");
	event.status_code = 429;
	event.message = UE_SLICE("Rate limit reached for requests");
	event.client_address =
		number % 2 == 0 ? UE_SLICE("192.0.2.7") : UE_SLICE("2001:db8::7");
	event.tags =
		number % 1000 == 999 ? UE_SLICE("{no json") : UE_SLICE("{\"team\": \"a\"}");
	event.step = UE_SLICE("failover");
	event.step_reason = UE_SLICE("retry_status");
	event.wait_ms = 250;
	event.passed_over = UE_SLICE("[{\"channel\": \"b\", \"why\": \"cooling\"}]");
	return ue_journal_append_event(journal, &event);
}

static void
append_completion(uint32_t number)
{
	UeCompletion completion = {
		.response_status = 503,
		.outcome = UE_SLICE_INIT("answered"),
		.decided_by = UE_SLICE_INIT("postgres"),
		.rule_id = UE_EVENT_NULL,
		.rule_version = UE_EVENT_NULL,
		.sent_bytes = 0,
		.total_ms = 12,
	};

	fill_id(completion.event_id, number);
	ue_journal_append_completion(journal, &completion);
}

static bool
append_transition(uint32_t number)
{
	UeTransition transition = {
		.at_us =
			INT64_C(1767225600000000) + number, /* 2026, for all processes in order */
		.change = {.channel_id = 1 + number % 4,
				   .from = UE_HEALTH_HEALTHY,
				   .to = UE_HEALTH_COOLING,
				   .until_ms = number % 1000 == 990 ? 0 : INT64_C(1767225600000) + number,
				   .level = 1},
		.channel = UE_SLICE_INIT("main"),
		.reason = UE_SLICE_INIT("Rate limit reached"),
		.class = UE_SLICE_INIT("rate_limit"),
		.status_code = 429,
		.has_event = true,
		.instance = UE_SLICE_INIT("writer"),
	};

	fill_id(transition.transition_id, number);
	fill_id(transition.event_id, number);
	snprintf(transition.change.model, sizeof(transition.change.model), "m%" PRIu32,
			 number % 8);
	return ue_journal_append_transition(journal, &transition);
}

static bool
append_recovery(uint32_t number, int64_t at_us)
{
	char request_id[32];
	UeRecovery recovery = {
		.at_us = at_us,
		.response_status = 200,
		.total_ms = 34,
		.channel = UE_SLICE_INIT("other"),
	};

	snprintf(request_id, sizeof(request_id), "req-%" PRIu32, number);
	recovery.request_id = ue_slice_of(request_id);
	fill_id(recovery.event_id, number);
	return ue_journal_append_recovery(journal, &recovery);
}

static void *
run_thread(void *argument)
{
	uint32_t number;

	(void) argument;
	while ((number = atomic_fetch_add(&next_number, 1)) < end_number)
	{
		char line[16];
		int len = snprintf(line, sizeof(line), "%" PRIu32 "\n", number);
		int64_t at_us;

		if (!append_event(number, &at_us) ||
			(number % 10 == 0 && !append_transition(number)) ||
			(number % 7 == 0 && !append_recovery(number, at_us)) ||
			write(STDOUT_FILENO, line, (size_t) len) != len)
			_exit(3);
		if (number % 3 != 0)
			append_completion(number);
		if (number % 32 == 0)
			usleep(2000);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	UeJournalOptions options = {NULL, SEGMENT_BYTES, 0, UE_FSYNC_INTERVAL};
	UeShipperOptions shipping = {NULL, 1000, 50, "writer", NULL};
	UeShipperStats stats;
	UeShipper *shipper;
	pthread_t threads[MAX_THREADS];
	int n_threads;
	char error[256];
	sigset_t term;
	int number;

	if (argc != 7 || (n_threads = (int) strtol(argv[5], NULL, 10)) > MAX_THREADS)
		return 2;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	signal(SIGPIPE, SIG_IGN);
	options.directory = argv[1];
	options.budget_bytes = strtoul(argv[6], NULL, 10) << 20;
	shipping.conninfo = argv[2];
	atomic_store(&next_number, (unsigned) strtoul(argv[3], NULL, 10));
	end_number = atomic_load(&next_number) + (uint32_t) strtoul(argv[4], NULL, 10);

	journal = ue_journal_open(&options, error, sizeof(error));
	if (journal == NULL)
	{
		fprintf(stderr, "%s\n", error);
		return 2;
	}
	shipper = ue_shipper_start(journal, &shipping);
	if (shipper == NULL)
		return 2;
	for (int i = 0; i < n_threads; i++)
		pthread_create(&threads[i], NULL, run_thread, NULL);
	for (int i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	printf("done\n");
	fflush(stdout);

	sigwait(&term, &number);
	ue_shipper_read_stats(shipper, &stats);
	ue_shipper_stop(shipper, 10000);
	fprintf(stderr,
			"shipped %" PRIu64 " replayed %" PRIu64 " quarantined %" PRIu64
			" batches %" PRIu64 " failed %" PRIu64 " corrupt %" PRIu64
			" transitions %" PRIu64 " recoveries %" PRIu64 "\n",
			stats.shipped_events, stats.replayed_events, stats.quarantined_events,
			stats.batches, stats.failed_batches, stats.corrupt_records,
			stats.shipped_transitions, stats.shipped_recoveries);
	ue_journal_close(journal);
	return 0;
}
