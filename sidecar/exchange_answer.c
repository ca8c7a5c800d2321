/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_answer.c: the verdict to the client.
 *
 * Before the first byte an answer of its own; in an event stream the frame that makes the
 * client's SDK raise; in any other answer that has begun, a cut connection, which is the
 * only thing there that cannot be taken for success.  The completion of the row goes into
 * the journal before that: all verdicts of a turn are completed first, in one write, and
 * then answered.
 *
 * Of the upstream's headers an error answer keeps the rate limits: clients pace themselves
 * by them.  Everything else about the upstream is in the row.
 */
#include "core/eventframe.h"
#include "core/json.h"
#include "core/jsonout.h"
#include "exchange_attempts.h"
#include "log.h"
#include "policy_store.h"

/* Kept rate-limit headers; vendors send up to 12. */
#define MAX_KEPT_HEADERS 24

static const UeSlice kept_prefixes[] = {
	UE_SLICE_INIT("x-ratelimit-"),
	UE_SLICE_INIT("anthropic-ratelimit-"),
};

/* RFC 9110 15 and what vendors use beyond; a status without one goes without. */
typedef struct UeReason
{
	int status;
	UeSlice text;
} UeReason;

static const UeReason reasons[] = {
	{400, UE_SLICE_INIT("Bad Request")},
	{401, UE_SLICE_INIT("Unauthorized")},
	{402, UE_SLICE_INIT("Payment Required")},
	{403, UE_SLICE_INIT("Forbidden")},
	{404, UE_SLICE_INIT("Not Found")},
	{405, UE_SLICE_INIT("Method Not Allowed")},
	{408, UE_SLICE_INIT("Request Timeout")},
	{409, UE_SLICE_INIT("Conflict")},
	{410, UE_SLICE_INIT("Gone")},
	{413, UE_SLICE_INIT("Content Too Large")},
	{415, UE_SLICE_INIT("Unsupported Media Type")},
	{422, UE_SLICE_INIT("Unprocessable Content")},
	{429, UE_SLICE_INIT("Too Many Requests")},
	{500, UE_SLICE_INIT("Internal Server Error")},
	{501, UE_SLICE_INIT("Not Implemented")},
	{502, UE_SLICE_INIT("Bad Gateway")},
	{503, UE_SLICE_INIT("Service Unavailable")},
	{504, UE_SLICE_INIT("Gateway Timeout")},
	{529, UE_SLICE_INIT("Overloaded")}, /* Anthropic's overloaded_error */
};

static void add_answer(UeExchange *exchange);
static UeSlice find_reason(int status);
static void send_outcome(UeExchange *exchange);
static UeOutcome find_outcome(const UeExchange *exchange);
static void send_answer(UeExchange *exchange);
static void send_frame(UeExchange *exchange);
static UeSlice find_exception(int status);
static UeStatus build_binary_frame(UeArena *arena, const UeRendered *answer,
								   UeSlice *out);
static size_t keep_headers(UeExchange *exchange, UeHeader *headers, size_t n_headers);
static bool is_kept(UeSlice name);
static void log_failure(const UeExchange *exchange, UeOutcome outcome);

void
ue_exchange_answer(UeDecision *decision)
{
	UeExchange *exchange =
		(UeExchange *) ((char *) decision->arena - offsetof(UeExchange, arena));
	UeMetrics *metrics = exchange->owner->metrics;

	atomic_fetch_add_explicit(decision->is_from_postgres ? &metrics->verdicts_postgres
														 : &metrics->verdicts_local,
							  1, memory_order_relaxed);
	if (exchange->attempts != NULL && ue_attempts_go_on(exchange->attempts))
		return; /* what was here is gone: the next attempt begins anew */
	add_answer(exchange);
}

void
ue_exchange_stop_deciding(UeExchange *exchange)
{
	if (exchange->is_answer_due)
		return;
	ue_decider_cancel(&exchange->failure->decision);
	atomic_fetch_add_explicit(&exchange->owner->metrics->verdicts_local, 1,
							  memory_order_relaxed);
	if (exchange->attempts != NULL)
		ue_attempts_give_up(exchange->attempts, UE_STEP_DEADLINE);
	add_answer(exchange);
}

static void
add_answer(UeExchange *exchange)
{
	UeExchanges *owner = exchange->owner;

	exchange->is_answer_due = true;
	exchange->next_answer = NULL;
	if (owner->last_answer == NULL)
		owner->first_answer = exchange;
	else
		owner->last_answer->next_answer = exchange;
	owner->last_answer = exchange;
}

void
ue_exchanges_send_answers(UeExchanges *owner)
{
	UeExchange *due = owner->first_answer;

	for (UeExchange *exchange = due; exchange != NULL; exchange = exchange->next_answer)
	{
		UeOutcome outcome = find_outcome(exchange);

		ue_exchange_complete(exchange, outcome,
							 outcome == UE_OUTCOME_ANSWERED
								 ? exchange->failure->decision.verdict.answer.status
								 : exchange->status);
		log_failure(exchange, outcome);
	}
	ue_journal_batch_write(owner->records);
	while ((due = owner->first_answer) != NULL)
	{
		ue_exchange_drop_answer(due);
		send_outcome(due);
	}
	/* what a request that was waiting behind its answer had to say */
	ue_journal_batch_write(owner->records);
}

void
ue_exchange_drop_answer(UeExchange *exchange)
{
	UeExchanges *owner = exchange->owner;
	UeExchange *before = NULL;

	if (!exchange->is_answer_due)
		return;
	exchange->is_answer_due = false;
	for (UeExchange *at = owner->first_answer; at != exchange; at = at->next_answer)
		before = at;
	if (before == NULL)
		owner->first_answer = exchange->next_answer;
	else
		before->next_answer = exchange->next_answer;
	if (owner->last_answer == exchange)
		owner->last_answer = before;
}

/* As find_outcome has said. */
static void
send_outcome(UeExchange *exchange)
{
	UeOutcome outcome = find_outcome(exchange);
	UeClient *client = exchange->client;

	switch (outcome)
	{
		case UE_OUTCOME_ANSWERED:
			send_answer(exchange);
			break;
		case UE_OUTCOME_ERROR_FRAME:
			send_frame(exchange);
			break;
		case UE_OUTCOME_ABORTED:
			ue_exchange_end(exchange, outcome);
			ue_client_abort(client);
			return;
		case UE_OUTCOME_OK:
		case UE_OUTCOME_CLIENT_GONE:
		case UE_OUTCOME_RETRIED:
			break;
	}
	ue_exchange_end(exchange, outcome);
	ue_client_end(client);
}

void
ue_exchange_complete(UeExchange *exchange, UeOutcome outcome, int64_t status)
{
	UeFailure *failure = exchange->failure;
	const UeVerdict *verdict = &failure->decision.verdict;
	UeCompletion completion = {
		.response_status = status,
		.outcome = ue_slice_of(ue_outcome_name(outcome)),
		.decided_by =
			failure->decision.is_from_postgres ? UE_SLICE("postgres") : UE_SLICE("local"),
		.rule_id = verdict->rule_id,
		.rule_version = verdict->rule_version,
		.sent_bytes = ue_client_sent_bytes(exchange->client),
		.total_ms = ue_loop_now_ms(exchange->owner->loop) - exchange->attempt_ms,
		.wait_ms = UE_EVENT_NULL,
		.is_unmonitored = verdict->is_unmonitored,
	};

	if (!failure->is_recorded)
		return;
	if (exchange->attempts != NULL)
	{
		const UeStep *step = &exchange->attempts->step;

		completion.step = ue_slice_of(ue_step_kind_name(step->kind));
		completion.step_reason = ue_slice_of(ue_step_reason_name(step->reason));
		if (step->kind != UE_STEP_ANSWER)
			completion.wait_ms = step->wait_ms;
		completion.passed_over = ue_attempts_write_passed_over(exchange->attempts);
	}
	if (verdict->is_unmonitored)
		atomic_fetch_add_explicit(&exchange->owner->metrics->unmonitored, 1,
								  memory_order_relaxed);
	for (size_t i = 0; i < sizeof(completion.event_id); i++)
		completion.event_id[i] = failure->event_id[i];
	ue_journal_batch_append_completion(exchange->owner->records, &completion);
}

/* Memory ran out on the way to a verdict. */
void
ue_exchange_answer_bare(UeExchange *exchange)
{
	static const UeHeader headers[] = {
		{UE_SLICE_INIT("content-type"), UE_SLICE_INIT("application/json")},
	};
	UeSlice body = UE_SLICE("{\"error\":{\"message\":\"The request failed.\","
							"\"type\":\"server_error\",\"param\":null,"
							"\"code\":\"internal_service_error\"}}");
	UeClient *client = exchange->client;

	if (exchange->is_client_gone)
	{
		ue_exchange_end(exchange, UE_OUTCOME_CLIENT_GONE);
		return;
	}
	if (ue_client_has_sent_head(client))
	{
		ue_exchange_end(exchange, UE_OUTCOME_ABORTED);
		ue_client_abort(client);
		return;
	}
	ue_client_send_head(client, 500, UE_SLICE("Internal Server Error"), headers, 1,
						(int64_t) body.len);
	ue_client_send_body(client, body);
	ue_exchange_end(exchange, UE_OUTCOME_ANSWERED);
	ue_client_end(client);
}

static UeOutcome
find_outcome(const UeExchange *exchange)
{
	if (!ue_client_has_sent_head(exchange->client))
		return UE_OUTCOME_ANSWERED;
	if (ue_stream_takes_frame(&exchange->stream) &&
		exchange->failure->decision.verdict.answer.frame.len > 0)
		return UE_OUTCOME_ERROR_FRAME;
	return UE_OUTCOME_ABORTED;
}

static UeSlice
find_reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
	{
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return (UeSlice){NULL, 0};
}

static void
send_answer(UeExchange *exchange)
{
	const UeRendered *answer = &exchange->failure->decision.verdict.answer;
	UeHeader headers[UE_LIMIT_ANSWER_HEADERS + MAX_KEPT_HEADERS];
	size_t n_headers = 0;

	while (n_headers < answer->n_headers)
	{
		headers[n_headers] = answer->headers[n_headers];
		n_headers++;
	}
	n_headers = keep_headers(exchange, headers, n_headers);
	ue_client_send_head(exchange->client, answer->status, find_reason(answer->status),
						headers, n_headers, (int64_t) answer->body.len);
	ue_client_send_body(exchange->client, answer->body);
}

/*
 * What AWS's SDKs raise: the exceptions that a response stream of Bedrock can carry, with
 * the statuses that the API reference gives them (InvokeModelWithResponseStream, November
 * 2026).
 */
static UeSlice
find_exception(int status)
{
	switch (status)
	{
		case 408:
		case 504:
			return UE_SLICE("modelTimeoutException");
		case 424:
			return UE_SLICE("modelStreamErrorException");
		case 429:
			return UE_SLICE("throttlingException");
		case 503:
		case 529:
			return UE_SLICE("serviceUnavailableException");
	}
	return status < 500 ? UE_SLICE("validationException")
						: UE_SLICE("internalServerException");
}

/* The verdict as a binary frame: its words are in its body, which has them in any format. */
static UeStatus
build_binary_frame(UeArena *arena, const UeRendered *answer, UeSlice *out)
{
	const UeJson *root;
	UeBuf buf;
	UeJsonOut json;
	UeSlice payload;
	UeStatus status = ue_json_parse(arena, answer->body, &root);

	if (status != UE_OK)
		return status;
	ue_buf_init(&buf, arena, UE_LIMIT_ANSWER);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_begin(&json, '{');
	ue_jsonout_append_key(&json, UE_SLICE("message"));
	ue_jsonout_append_string(&json,
							 ue_json_text(
								 ue_json_find_path(root, UE_SLICE("error.message"))));
	ue_jsonout_append_end(&json, '}');
	status = ue_buf_finish(&buf, &payload);
	if (status != UE_OK)
		return status;
	return ue_eventframe_build(arena, find_exception(answer->status), payload, out);
}

static void
send_frame(UeExchange *exchange)
{
	if (exchange->stream.dialect == UE_STREAM_FRAMES)
	{
		UeSlice frame = {"", 1};

		/* without memory for it one byte of a frame, which cannot be taken for an end */
		(void) build_binary_frame(&exchange->arena,
								  &exchange->failure->decision.verdict.answer, &frame);
		ue_client_send_body(exchange->client, frame);
		return;
	}
	ue_client_send_body(exchange->client, ue_stream_separator(&exchange->stream));
	ue_client_send_body(exchange->client,
						exchange->failure->decision.verdict.answer.frame);
}

static size_t
keep_headers(UeExchange *exchange, UeHeader *headers, size_t n_headers)
{
	size_t ceiling = n_headers + MAX_KEPT_HEADERS;
	const UePolicy *policy = ue_policy_store_acquire();
	const UeMaskSettings *mask = ue_policy_mask(policy);

	for (size_t i = 0; i < exchange->n_headers && n_headers < ceiling; i++)
	{
		const UeHeader *header = &exchange->headers[i];
		UeSlice value;

		if (!is_kept(header->name) ||
			ue_mask_text(&exchange->arena, mask, header->value, &value) != UE_OK)
			continue;
		headers[n_headers].name = header->name;
		headers[n_headers].value = value;
		n_headers++;
	}
	ue_policy_store_release(policy);
	return n_headers;
}

static bool
is_kept(UeSlice name)
{
	for (size_t i = 0; i < sizeof(kept_prefixes) / sizeof(kept_prefixes[0]); i++)
	{
		if (ue_slice_has_prefix_fold(name, kept_prefixes[i]))
			return true;
	}
	return false;
}

/* The row says it all; the log says it to those who debug without a database. */
static void
log_failure(const UeExchange *exchange, UeOutcome outcome)
{
	const UeVerdict *verdict = &exchange->failure->decision.verdict;
	const UeCase *kase = &exchange->failure->kase;

	ue_log_write(UE_LOG_DEBUG, "attempt_failed", "an upstream failed", "class",
				 ue_class_name(verdict->fault.class), "outcome", ue_outcome_name(outcome),
				 "kind", ue_kind_name(kase->kind), NULL);
}
