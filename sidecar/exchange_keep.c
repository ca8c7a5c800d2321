/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_keep.c: a good JSON answer, kept until it is whole.
 *
 * An upstream that breaks off in the middle of an answer has failed, and as long as the
 * client has nothing of it another channel can be asked.  So where there are channels an
 * answer of unknown length, or one that comes in several pieces, waits for its end, within
 * the bounds that the policy has for the beginning of a stream.  It costs no time that a
 * client would notice: it can use no half of such an answer, and vendors send them in one go.
 * What is wanted as a stream is not kept, whatever it is called.
 */
#include "exchange_attempts.h"

#include "peek.h"

static void handle_kept_long(UeTimer *timer);
static bool is_cut(const UeExchange *exchange);

bool
ue_exchange_may_keep(const UeExchange *exchange)
{
	const UeAttempts *attempts = exchange->attempts;
	size_t at;

	if (attempts == NULL || attempts->policy->hold_bytes <= 0 ||
		exchange->content_length > attempts->policy->hold_bytes || exchange->is_stream ||
		exchange->route.is_stream)
		return false;
	/* Cohere's is application/stream+json */
	return !ue_slice_find_fold(ue_exchange_find_header(exchange->headers,
													   exchange->n_headers,
													   UE_SLICE("content-type")),
							   UE_SLICE("stream"), &at);
}

void
ue_exchange_begin_keeping(UeExchange *exchange)
{
	UeAttempts *attempts = exchange->attempts;

	exchange->state = UE_EXCHANGE_KEEPING;
	if (attempts->policy->hold_ms <= 0)
		return;
	attempts->hold_end.on_due = handle_kept_long;
	ue_loop_set_timer(exchange->owner->loop, &attempts->hold_end,
					  attempts->policy->hold_ms);
}

bool
ue_exchange_keep_data(UeExchange *exchange, UeSlice bytes)
{
	size_t n_bytes = exchange->held_len + bytes.len;
	bool is_whole =
		exchange->content_length >= 0 && (int64_t) n_bytes >= exchange->content_length;
	bool may_go_on;

	if (!is_whole && n_bytes < (size_t) exchange->attempts->policy->hold_bytes &&
		ue_exchange_hold_bytes(exchange, bytes))
		return true;
	may_go_on = ue_exchange_pass_held(exchange);
	return bytes.len > 0 ? ue_client_send_body(exchange->client, bytes) : may_go_on;
}

UeNetwork
ue_exchange_end_keeping(UeExchange *exchange, UeNetwork network)
{
	if (network == UE_NETWORK_NONE && is_cut(exchange))
		network = UE_NETWORK_TRUNCATED;
	if (network == UE_NETWORK_NONE)
		ue_exchange_pass_held(exchange);
	return network;
}

/* Where the connection's end is the answer's, HTTP cannot tell the half of one. */
static bool
is_cut(const UeExchange *exchange)
{
	UeSlice text = ue_slice_trim((UeSlice){exchange->held, exchange->held_len});

	return ue_exchange_is_close_delimited(exchange) &&
		   !ue_exchange_is_encoded(exchange) && text.len > 0 &&
		   (text.ptr[0] == '{' || text.ptr[0] == '[') && !ue_peek_is_closed(text);
}

/* Above its high mark the client's side says so with the next bytes. */
static void
handle_kept_long(UeTimer *timer)
{
	UeAttempts *attempts =
		(UeAttempts *) ((char *) timer - offsetof(UeAttempts, hold_end));

	(void) ue_exchange_pass_held(attempts->exchange);
}
