/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_pool.c: exchanges from their pool and back to it, and what a worker's share.
 */
#include "exchange_attempts.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"

static void handle_recording(UeTurn *turn);
static void handle_answering(UeTurn *turn);

UeExchanges *
ue_exchanges_new(UeLoop *loop, const UeConfig *config, UeJournal *journal,
				 UeHealthStore *health, UeMetrics *metrics)
{
	UeExchanges *exchanges = calloc(1, sizeof(*exchanges));
	UeDeciderOptions options = {
		.conninfo = config->database,
		.deadline_ms = config->verdict_deadline_ms,
		.reconnect_ms = 100,
	};

	if (exchanges == NULL)
		return NULL;
	exchanges->loop = loop;
	exchanges->config = config;
	exchanges->journal = journal;
	exchanges->health = health;
	exchanges->metrics = metrics;
	exchanges->records = ue_journal_batch_new(journal);
	exchanges->recording.on_turn = handle_recording;
	exchanges->answering.on_turn = handle_answering;
	exchanges->upstream =
		ue_upstream_new(loop, &config->upstream, &ue_exchange_transfer_handler);
	/* what the decider is asked at the end of a turn is in the journal before */
	ue_loop_add_turn(loop, &exchanges->recording);
	exchanges->decider = ue_decider_new(loop, &options);
	ue_loop_add_turn(loop, &exchanges->answering);
	exchanges->traffic = ue_traffic_new();
	if (exchanges->records == NULL || exchanges->upstream == NULL ||
		exchanges->decider == NULL || exchanges->traffic == NULL)
	{
		ue_exchanges_free(exchanges);
		return NULL;
	}
	return exchanges;
}

void
ue_exchanges_update_metrics(UeExchanges *exchanges)
{
	UeMetrics *metrics = exchanges->metrics;

	atomic_store_explicit(&metrics->open_transfers,
						  ue_upstream_count_transfers(exchanges->upstream),
						  memory_order_relaxed);
	atomic_store_explicit(&metrics->database_connected,
						  ue_decider_is_connected(exchanges->decider),
						  memory_order_relaxed);
	atomic_store_explicit(&metrics->verdicts_late,
						  ue_decider_count_late(exchanges->decider),
						  memory_order_relaxed);
}

void
ue_exchanges_free(UeExchanges *exchanges)
{
	if (exchanges == NULL)
		return;
	if (exchanges->is_traffic_due)
	{
		ue_exchange_write_traffic(exchanges);
		ue_loop_cancel_timer(exchanges->loop, &exchanges->traffic_due);
	}
	ue_traffic_free(exchanges->traffic);
	ue_journal_batch_free(exchanges->records);
	ue_decider_free(exchanges->decider);
	ue_upstream_free(exchanges->upstream);
	while (exchanges->idle != NULL)
	{
		UeExchange *exchange = exchanges->idle;

		exchanges->idle = exchange->next;
		free(exchange);
	}
	free(exchanges->headers);
	free(exchanges);
}

static void
handle_recording(UeTurn *turn)
{
	UeExchanges *exchanges =
		(UeExchanges *) ((char *) turn - offsetof(UeExchanges, recording));

	ue_journal_batch_write(exchanges->records);
}

static void
handle_answering(UeTurn *turn)
{
	ue_exchanges_send_answers(
		(UeExchanges *) ((char *) turn - offsetof(UeExchanges, answering)));
}

UeExchange *
ue_exchange_new(UeExchanges *owner)
{
	UeExchange *exchange = owner->idle;

	if (exchange != NULL)
	{
		owner->idle = exchange->next;
		owner->n_idle--;
	}
	else
	{
		exchange = malloc(sizeof(*exchange));
		if (exchange == NULL)
			return NULL;
	}
	memset(exchange, 0, sizeof(*exchange));
	exchange->owner = owner;
	exchange->attempt = 1;
	exchange->start_ms = exchange->attempt_ms = ue_loop_now_ms(owner->loop);
	exchange->first_byte_ms = -1;
	exchange->content_length = -1;
	ue_arena_init(&exchange->arena, &ue_heap_allocator,
				  UE_LIMIT_CASE_MEMORY + 2 * owner->config->error_body_bytes);
	return exchange;
}

void
ue_exchange_reset_attempt(UeExchange *exchange)
{
	ue_loop_cancel_timer(exchange->owner->loop, &exchange->collecting);
	if (exchange->transfer != NULL)
		ue_transfer_cancel(exchange->transfer);
	exchange->transfer = NULL;
	ue_stream_reset(&exchange->stream);
	memset(&exchange->stream, 0, sizeof(exchange->stream));
	ue_body_scan_free(exchange->answer_scan);
	exchange->answer_scan = NULL;
	free(exchange->held);
	exchange->held = NULL;
	exchange->held_len = exchange->held_size = 0;
	exchange->is_body_lent = false;
	exchange->end_reason = NULL;
	exchange->first_byte_ms = -1;
	exchange->status = 0;
	exchange->reason = (UeSlice){NULL, 0};
	exchange->headers = NULL;
	exchange->n_headers = 0;
	exchange->content_length = -1;
	exchange->failure = NULL;
	ue_arena_reset(&exchange->arena);
}

void
ue_exchange_end(UeExchange *exchange, UeOutcome outcome)
{
	UeExchanges *owner = exchange->owner;
	int platform = exchange->route.platform;

	if (platform < 0 || platform >= UE_METRICS_PLATFORMS - 1)
		platform = UE_METRICS_PLATFORMS - 1;
	ue_metrics_count_request(owner->metrics, platform, outcome, exchange->first_byte_ms,
							 ue_loop_now_ms(owner->loop) - exchange->start_ms);
	ue_exchange_count_traffic(exchange, outcome);
	atomic_fetch_add_explicit(&owner->metrics->client_bytes_in,
							  (unsigned long long) exchange->received_bytes,
							  memory_order_relaxed);
	atomic_fetch_add_explicit(&owner->metrics->client_bytes_out,
							  (unsigned long long) ue_client_sent_bytes(exchange->client),
							  memory_order_relaxed);
	if (exchange->attempts != NULL && outcome == UE_OUTCOME_OK)
		ue_attempts_note_end(exchange->attempts);
	ue_loop_cancel_timer(owner->loop, &exchange->collecting);
	if (exchange->transfer != NULL)
		ue_transfer_cancel(exchange->transfer);
	ue_attempts_free(exchange->attempts);
	ue_stream_reset(&exchange->stream);
	free(exchange->held);
	ue_body_scan_free(exchange->scan);
	ue_body_scan_free(exchange->answer_scan);
	ue_spool_free(exchange->spool);
	free(exchange->model);
	free(exchange->path_model);
	ue_arena_free(&exchange->arena);
	if (owner->n_idle >= UE_IDLE_EXCHANGES)
	{
		free(exchange);
		return;
	}
	exchange->next = owner->idle;
	owner->idle = exchange;
	owner->n_idle++;
}
