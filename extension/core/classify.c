/* SPDX-License-Identifier: PostgreSQL */
/*
 * classify.c: the order in which the tables are asked.
 *
 * A fault without an HTTP answer is classified by what broke.  Otherwise the words decide,
 * finest first (reason, code, type); a generic word ("invalid_request_error", which comes
 * with a 401 as well) only where the status says no more; then the status; then a phrase of
 * the message may refine what is still open.
 */
#include "core/classify.h"
#include "core/classify_tables.h"

/* A limit "per day" that asks for less than this is a window that slides, and refills. */
#define SLIDING_WAIT_MS (3600 * 1000LL)

typedef struct NetworkRow
{
	UeNetwork network;
	UeSlice code;
} NetworkRow;

static const NetworkRow network_codes[] = {
	{UE_NETWORK_NONE, UE_SLICE_INIT("do_request_failed")},
	{UE_NETWORK_DNS, UE_SLICE_INIT("upstream_dns_failed")},
	{UE_NETWORK_CONNECT, UE_SLICE_INIT("upstream_connect_failed")},
	{UE_NETWORK_CONNECT_TIMEOUT, UE_SLICE_INIT("upstream_connect_timeout")},
	{UE_NETWORK_TLS, UE_SLICE_INIT("upstream_tls_failed")},
	{UE_NETWORK_RESET, UE_SLICE_INIT("upstream_reset")},
	{UE_NETWORK_SEND, UE_SLICE_INIT("upstream_send_failed")},
	{UE_NETWORK_FIRST_BYTE_TIMEOUT, UE_SLICE_INIT("upstream_first_byte_timeout")},
	{UE_NETWORK_IDLE_TIMEOUT, UE_SLICE_INIT("upstream_idle_timeout")},
	{UE_NETWORK_TOTAL_TIMEOUT, UE_SLICE_INIT("upstream_total_timeout")},
	{UE_NETWORK_TRUNCATED, UE_SLICE_INIT("upstream_truncated")},
	{UE_NETWORK_PROTOCOL, UE_SLICE_INIT("upstream_protocol_error")},
	{UE_NETWORK_PROXY, UE_SLICE_INIT("upstream_proxy_failed")},
};

static const UeCode *
find_network_code(UeNetwork network)
{
	for (size_t i = 0; i < sizeof(network_codes) / sizeof(network_codes[0]); i++)
		if (network_codes[i].network == network)
			return ue_catalog_find(network_codes[i].code);
	return ue_catalog_default(UE_CLASS_NETWORK);
}

static bool
is_error_status(int status)
{
	return status >= 400 && status <= 599;
}

/* The first telling word, a vendor's number before all; generic ones only when no other
 * is there. */
static const UeWord *
find_word(const UeFault *fault, UeSlice platform)
{
	const UeSlice fields[] = {fault->reason, fault->code, fault->type};
	UeSlice vendor = ue_slice_is_empty(fault->vendor) ? platform : fault->vendor;
	const UeWord *generic = NULL;
	const UeWord *number = ue_classify_find_number(vendor, fault->code);

	if (number == NULL)
		number = ue_classify_find_number(vendor, fault->reason);
	if (number != NULL)
		return number;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
	{
		const UeWord *word = ue_classify_find_word(fields[i]);

		if (word != NULL && !word->is_generic)
			return word;
		if (generic == NULL)
			generic = word;
	}
	return generic;
}

/*
 * A generic word against a status.  The status wins where its class is narrower than
 * "invalid request" or "server error"; a 200 has none, and a body's own status is one.
 */
static UeClass
weigh(const UeWord *word, int status, UeSlice platform)
{
	UeClass by_status;

	if (!is_error_status(status))
		return word != NULL ? word->class : UE_CLASS_BAD_RESPONSE;
	by_status = ue_classify_find_status(status, platform);
	if (word == NULL)
		return by_status;
	if (by_status != UE_CLASS_INVALID_REQUEST && by_status != UE_CLASS_SERVER_ERROR)
		return by_status;
	/* "invalid_request_error" with a 500 is the server's fault all the same; a 4xx with
	 * "api_error" the request's */
	if (word->class == UE_CLASS_INVALID_REQUEST || word->class == UE_CLASS_SERVER_ERROR)
		return by_status;
	return word->class;
}

static bool
is_error_object(const UeFault *fault)
{
	switch (fault->dialect)
	{
		case UE_DIALECT_OPENAI:
		case UE_DIALECT_ANTHROPIC:
		case UE_DIALECT_GOOGLE:
			return true;
		case UE_DIALECT_OTHER_JSON:
			return !ue_slice_is_empty(fault->message) || fault->body_status != 0;
		case UE_DIALECT_NONE:
		case UE_DIALECT_HTML:
		case UE_DIALECT_TEXT:
			break;
	}
	return false;
}

/* By the vendor's number; or by the sentence, unless a wait beside it says otherwise. */
static bool
is_daily(const UeFault *fault, const UeWord *word)
{
	if (word != NULL && word->is_daily)
		return true;
	return (fault->retry_after_ms == UE_RETRY_AFTER_NONE ||
			fault->retry_after_ms >= SLIDING_WAIT_MS) &&
		   ue_classify_is_daily(fault->message);
}

/*
 * Whether a sentence may say more than the word did.  Servers have one word for every limit
 * and one for every refusal, whatever is behind: requests, money, a missing right, a key.
 */
static bool
is_open(const UeWord *word, UeClass class)
{
	return word == NULL || word->is_generic || class == UE_CLASS_RATE_LIMIT ||
		   class == UE_CLASS_PERMISSION || class == UE_CLASS_BILLING;
}

/* An error object in a 200 whose words say nothing is the server's fault, and a 502. */
static void
classify_answer(UeFault *fault, UeSlice platform)
{
	int status = is_error_status(fault->status) ? fault->status : fault->body_status;
	const UeWord *word = find_word(fault, platform);

	if (word != NULL && !word->is_generic)
		fault->class = word->class;
	else if (!is_error_status(status) && word == NULL && is_error_object(fault))
		fault->class = UE_CLASS_SERVER_ERROR;
	else
		fault->class = weigh(word, status, platform);

	if (is_open(word, fault->class))
		(void) ue_classify_find_phrase(fault->message, fault->class, &fault->class);

	if (fault->class == UE_CLASS_RATE_LIMIT)
	{
		fault->is_quota_daily = fault->is_quota_daily || is_daily(fault, word);
		fault->is_beyond_limit = ue_classify_is_beyond(fault->message);
	}

	if (is_error_status(status))
		fault->effective_status = status;
	else if (word != NULL && (word->class == fault->class))
		fault->effective_status = word->status;
	else
		fault->effective_status = ue_classify_find_traits(fault->class)->status;
}

/* The code within the class. */
static const UeCode *
find_answer_code(const UeFault *fault)
{
	const UeCode *code = NULL;

	if (fault->class == UE_CLASS_BAD_RESPONSE && fault->dialect == UE_DIALECT_NONE)
		code = ue_catalog_find(UE_SLICE("empty_response"));
	else if (fault->class == UE_CLASS_BAD_RESPONSE)
		code = ue_catalog_find(UE_SLICE("bad_response_body"));
	else if (fault->class == UE_CLASS_SERVER_ERROR && !is_error_object(fault))
		code = ue_catalog_find(UE_SLICE("bad_response_status_code"));
	else
	{
		/* the upstream may be a gateway that speaks our own codes */
		code = ue_catalog_find(fault->code);
		if (code != NULL &&
			(code->class != fault->class || code->visibility != UE_VISIBILITY_SHOWN))
			code = NULL;
	}
	return code != NULL ? code : ue_catalog_default(fault->class);
}

static void
fill_traits(UeFault *fault, UeSource source)
{
	const UeTraits *traits = ue_classify_find_traits(fault->class);

	fault->phase = traits->phase;
	fault->owner = traits->owner;
	fault->source = source;
	fault->severity = traits->severity;
	fault->is_retryable = traits->is_retryable && !fault->is_quota_daily &&
						  !fault->is_beyond_limit && fault->effective_status != 501;
	fault->is_request_fault = traits->is_request_fault;
	fault->is_business_limited = traits->is_business_limited || fault->is_quota_daily;
}

static void
classify_network(UeFault *fault, UeNetwork network)
{
	fault->catalog_code = find_network_code(network);
	fault->class = fault->catalog_code->class;
	fault->effective_status = fault->catalog_code->client_status;
	fill_traits(fault, UE_SOURCE_GATEWAY);
	fault->phase = UE_PHASE_NETWORK;
}

static void
classify_http(UeFault *fault, UeSlice platform)
{
	classify_answer(fault, platform);
	fault->catalog_code = find_answer_code(fault);
	fill_traits(fault, UE_SOURCE_UPSTREAM_HTTP);
}

/* Cut or without its end: a stall is a timeout, everything else a broken stream. */
static void
classify_stream(UeFault *fault, UeSlice platform, UeNetwork network)
{
	if (is_error_object(fault) || is_error_status(fault->status))
	{
		classify_http(fault, platform);
		return;
	}
	if (network == UE_NETWORK_NONE || network == UE_NETWORK_RESET ||
		network == UE_NETWORK_TRUNCATED)
	{
		fault->class = UE_CLASS_STREAM;
		fault->catalog_code = ue_catalog_default(UE_CLASS_STREAM);
		fault->effective_status = fault->catalog_code->client_status;
		fill_traits(fault, UE_SOURCE_UPSTREAM_HTTP);
		return;
	}
	classify_network(fault, network);
}

/* Ours to mend, unless the code's class says that the request is at fault. */
static void
classify_local(UeFault *fault, const UeCode *code)
{
	fault->catalog_code = code != NULL ? code : ue_catalog_default(UE_CLASS_INTERNAL);
	fault->class = fault->catalog_code->class;
	fault->effective_status = fault->catalog_code->client_status;
	if (fault->effective_status == 0)
		fault->effective_status = ue_classify_find_traits(fault->class)->status;
	fill_traits(fault, UE_SOURCE_GATEWAY);
	fault->is_retryable = !fault->catalog_code->is_skip_retry;
	if (fault->owner == UE_OWNER_CLIENT)
		fault->source = UE_SOURCE_CLIENT_REQUEST;
	else
		fault->owner = UE_OWNER_PLATFORM;
	if (fault->phase == UE_PHASE_UPSTREAM || fault->phase == UE_PHASE_NETWORK)
		fault->phase = UE_PHASE_REQUEST;
	if ((fault->class == UE_CLASS_INTERNAL && fault->effective_status == 503) ||
		ue_slice_is_equal(fault->catalog_code->public_code, UE_SLICE("channel_error")))
		fault->phase = UE_PHASE_ROUTING;
}

void
ue_classify_fault(UeFault *fault, UeSlice platform, UeKind kind, UeNetwork network,
				  const UeCode *local_code)
{
	switch (kind)
	{
		case UE_KIND_HTTP_ERROR:
			classify_http(fault, platform);
			break;
		case UE_KIND_REQUEST_ERROR:
			classify_network(fault, network);
			break;
		case UE_KIND_STREAM_ERROR:
			classify_stream(fault, platform, network);
			break;
		case UE_KIND_RETRY_EXHAUSTED:
		case UE_KIND_FAILOVER:
			if (network != UE_NETWORK_NONE && !is_error_status(fault->status))
				classify_network(fault, network);
			else
				classify_http(fault, platform);
			break;
		case UE_KIND_CLIENT_GONE:
			classify_local(fault, ue_catalog_default(UE_CLASS_CLIENT_GONE));
			break;
		case UE_KIND_LOCAL_ERROR:
			classify_local(fault, local_code);
			break;
	}
}
