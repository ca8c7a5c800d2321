/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_judge.c: what a head without an error status says of the answer behind it.
 */
#include "exchange_private.h"

/*
 * What no caller of an API expects though its status is no error: a redirection, which an
 * SDK would follow past us, to a host that it need not know; and, where JSON or events are
 * always the answer, a page or nothing.
 */
bool
ue_exchange_is_misplaced(const UeExchange *exchange, UeSlice type)
{
	if (exchange->status == 304)
		return exchange->route.has_answer;
	if (exchange->status >= 300)
		return exchange->route.is_api;
	return exchange->route.has_answer && exchange->status == 200 &&
		   (exchange->content_length == 0 ||
			ue_slice_has_prefix_fold(type, UE_SLICE("text/html")));
}

/* "application/problem+json", "text/json; charset=utf-8"; without a type its bytes decide. */
bool
ue_exchange_may_be_json(UeSlice type)
{
	size_t end;

	if (ue_slice_find(type, UE_SLICE(";"), &end))
		type = ue_slice_sub(type, 0, end);
	type = ue_slice_trim(type);
	if (type.len == 0)
		return true;
	return type.len > 5 && (ue_slice_is_equal_fold(ue_slice_sub(type, type.len - 5, 5),
												   UE_SLICE("/json")) ||
							ue_slice_is_equal_fold(ue_slice_sub(type, type.len - 5, 5),
												   UE_SLICE("+json")));
}

/*
 * Some gateways call everything text.  What a GET reads may tell of an error and be a good
 * answer: the state of a job that has failed, the lines of a batch, a file.  A list of models
 * never does.
 */
bool
ue_exchange_is_worth_a_look(const UeExchange *exchange, UeSlice type)
{
	if (ue_slice_is_equal(exchange->request->method, UE_SLICE("GET")) &&
		!ue_slice_has_suffix_fold(exchange->route.path, UE_SLICE("/models")))
		return false;
	return ue_exchange_may_be_json(type) ||
		   (exchange->route.has_answer &&
			ue_slice_has_prefix_fold(type, UE_SLICE("text/plain")));
}

/* Events that were asked for, and came under the name of something else. */
bool
ue_exchange_is_misnamed_stream(const UeExchange *exchange, UeSlice beginning)
{
	return (exchange->is_stream || exchange->route.is_stream) &&
		   (ue_slice_has_prefix(beginning, UE_SLICE("data:")) ||
			ue_slice_has_prefix(beginning, UE_SLICE("event:")));
}

bool
ue_exchange_is_encoded(const UeExchange *exchange)
{
	UeSlice encoding = ue_exchange_find_header(exchange->headers, exchange->n_headers,
											   UE_SLICE("content-encoding"));

	return encoding.len > 0 && !ue_slice_is_equal_fold(encoding, UE_SLICE("identity"));
}

/* Of the vendors themselves; who imitates them may end in other ways. */
UeStreamDialect
ue_exchange_find_dialect(const UeExchange *exchange)
{
	UeSlice platform = ue_slice_of(exchange->route.upstream->platform);
	UeFormat format = exchange->route.format;

	if (!exchange->route.is_api)
		return UE_STREAM_ANY;
	if (ue_slice_is_equal_fold(platform, UE_SLICE("openai")))
		return format == UE_FORMAT_OPENAI			  ? UE_STREAM_OPENAI_CHAT
			   : format == UE_FORMAT_OPENAI_RESPONSES ? UE_STREAM_OPENAI_RESPONSES
													  : UE_STREAM_ANY;
	if (ue_slice_is_equal_fold(platform, UE_SLICE("anthropic")))
		return format == UE_FORMAT_ANTHROPIC ? UE_STREAM_ANTHROPIC : UE_STREAM_ANY;
	if (ue_slice_is_equal_fold(platform, UE_SLICE("gemini")))
		return format == UE_FORMAT_GEMINI ? UE_STREAM_GEMINI : UE_STREAM_ANY;
	return UE_STREAM_ANY;
}

/* Then an answer that was cut looks to HTTP like a whole one. */
bool
ue_exchange_is_close_delimited(const UeExchange *exchange)
{
	return exchange->content_length < 0 &&
		   ue_exchange_find_header(exchange->headers, exchange->n_headers,
								   UE_SLICE("transfer-encoding"))
				   .len == 0;
}
