/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_retry.c: how long the upstream wants us to wait.
 *
 * Four places, the most explicit first; the first believable one is the answer:
 *
 *	1. headers that answer this very question (retry-after and its kin);
 *	2. fields of the body that do (RetryInfo, resets_in_seconds, …);
 *	3. the message: "Please try again in 1m30s" (parse_prose.c);
 *	4. rate limit reset headers.  OpenAI and Anthropic send these with every answer, so
 *	   they count only where the status is a refusal for load, and only for limits that
 *	   are used up, or of which nothing says how much remains.
 *
 * A wait that is negative or longer than UE_LIMIT_RETRY_AFTER_MS is not believed, nor is a
 * date that has passed (clocks differ; the vendors' SDKs do not believe it either), and the
 * next place is asked.
 */
#include "core/limits.h"
#include "core/parse_fields.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Unix times in seconds are above this since 2001, in milliseconds above its thousandfold. */
#define UNIX_SECONDS_FROM 1000000000LL

/* Details and limits looked at; Google sends four. */
#define MAX_DETAILS 16

/* How much of a page is looked at. */
#define PAGE_HEAD 2048

typedef enum WaitForm
{
	WAIT_MS,	  /* a number of milliseconds */
	WAIT_SECONDS, /* a number of seconds, a duration, or an HTTP-date */
	WAIT_RESET,	  /* the same, or a Unix time, or RFC 3339 */
} WaitForm;

typedef struct WaitSource
{
	UeSlice name;
	WaitForm form;
} WaitSource;

static const WaitSource retry_headers[] = {
	{UE_SLICE_INIT("retry-after-ms"), WAIT_MS},		 /* OpenAI, Azure OpenAI */
	{UE_SLICE_INIT("x-ms-retry-after-ms"), WAIT_MS}, /* Azure */
	{UE_SLICE_INIT("retry-after"), WAIT_SECONDS},	 /* RFC 9110 10.2.3 */
};

static const WaitSource body_fields[] = {
	{UE_SLICE_INIT("retry_after_ms"), WAIT_MS},
	{UE_SLICE_INIT("resets_in_seconds"), WAIT_SECONDS}, /* OpenAI usage_limit_reached */
	{UE_SLICE_INIT("resets_at"), WAIT_RESET},			/* the same */
	{UE_SLICE_INIT("retry_after"), WAIT_SECONDS},
	{UE_SLICE_INIT("retryAfter"), WAIT_SECONDS},
	{UE_SLICE_INIT("reset_seconds"), WAIT_SECONDS}, /* CLIProxyAPI model_cooldown */
	{UE_SLICE_INIT("estimated_time"),
	 WAIT_SECONDS}, /* Hugging Face: a model is loading */
	{UE_SLICE_INIT("X-RateLimit-Reset"), WAIT_RESET}, /* OpenRouter: metadata.headers */
};

static const UeSlice body_places[] = {
	UE_SLICE_INIT("error"),
	UE_SLICE_INIT("response.error"),
	UE_SLICE_INIT("error.metadata"),
	UE_SLICE_INIT("error.metadata.headers"),
};

typedef struct ResetHeader
{
	UeSlice reset;
	UeSlice remaining;
} ResetHeader;

static const ResetHeader reset_headers[] = {
	/* OpenAI, Groq, Azure: "6m0s", "7.66s", "20ms", "60" */
	{UE_SLICE_INIT("x-ratelimit-reset-requests"),
	 UE_SLICE_INIT("x-ratelimit-remaining-requests")},
	{UE_SLICE_INIT("x-ratelimit-reset-tokens"),
	 UE_SLICE_INIT("x-ratelimit-remaining-tokens")},
	/* Cohere: Unix seconds; OpenRouter: Unix milliseconds */
	{UE_SLICE_INIT("x-ratelimit-reset"), UE_SLICE_INIT("x-ratelimit-remaining")},
	/* draft-ietf-httpapi-ratelimit-headers: seconds */
	{UE_SLICE_INIT("ratelimit-reset"), UE_SLICE_INIT("ratelimit-remaining")},
	/* Anthropic: RFC 3339, the unified ones Unix seconds */
	{UE_SLICE_INIT("anthropic-ratelimit-requests-reset"),
	 UE_SLICE_INIT("anthropic-ratelimit-requests-remaining")},
	{UE_SLICE_INIT("anthropic-ratelimit-tokens-reset"),
	 UE_SLICE_INIT("anthropic-ratelimit-tokens-remaining")},
	{UE_SLICE_INIT("anthropic-ratelimit-input-tokens-reset"),
	 UE_SLICE_INIT("anthropic-ratelimit-input-tokens-remaining")},
	{UE_SLICE_INIT("anthropic-ratelimit-output-tokens-reset"),
	 UE_SLICE_INIT("anthropic-ratelimit-output-tokens-remaining")},
	{UE_SLICE_INIT("anthropic-ratelimit-unified-reset"),
	 UE_SLICE_INIT("anthropic-ratelimit-unified-remaining")},
	/* the windows of its plans: "allowed", "allowed_warning", "rejected" */
	{UE_SLICE_INIT("anthropic-ratelimit-unified-5h-reset"),
	 UE_SLICE_INIT("anthropic-ratelimit-unified-5h-status")},
	{UE_SLICE_INIT("anthropic-ratelimit-unified-7d-reset"),
	 UE_SLICE_INIT("anthropic-ratelimit-unified-7d-status")},
};

static bool
is_believable(int64_t wait)
{
	return wait >= 0 && wait <= UE_LIMIT_RETRY_AFTER_MS;
}

static bool
read_until(int64_t when, int64_t now_ms, int64_t *out)
{
	if (now_ms <= 0)
		return false;
	*out = when - now_ms;
	return when >= now_ms;
}

static bool
read_wait(UeSlice text, WaitForm form, int64_t now_ms, int64_t *out)
{
	int64_t when;
	int64_t number;
	int64_t wait = 0;
	size_t len;
	bool is_read;

	text = ue_slice_trim(text);
	if (form == WAIT_RESET && ue_slice_parse_int64(text, &number) &&
		number >= UNIX_SECONDS_FROM)
	{
		if (number > INT64_MAX / 1000)
			return false;
		when = number >= UNIX_SECONDS_FROM * 1000 ? number : number * 1000;
		is_read = read_until(when, now_ms, &wait);
	}
	else if (ue_parse_http_date(text, &when) || ue_parse_rfc3339(text, &when))
		is_read = read_until(when, now_ms, &wait);
	else
		is_read = ue_parse_duration(text, form == WAIT_MS ? 1 : 1000, &len, &wait) &&
				  len == text.len;

	if (!is_read || !is_believable(wait))
		return false;
	*out = wait;
	return true;
}

static bool
find_in_headers(const UeResponse *response, int64_t *out)
{
	for (size_t i = 0; i < N_ELEMENTS(retry_headers); i++)
	{
		UeSlice value = ue_parse_find_header(response, retry_headers[i].name);

		if (!ue_slice_is_empty(value) &&
			read_wait(value, retry_headers[i].form, response->now_ms, out))
			return true;
	}
	return false;
}

static bool
find_in_object(const UeJson *object, int64_t now_ms, int64_t *out)
{
	for (size_t i = 0; i < N_ELEMENTS(body_fields); i++)
	{
		UeSlice text = ue_parse_field(object, body_fields[i].name);

		if (!ue_slice_is_empty(text) && read_wait(text, body_fields[i].form, now_ms, out))
			return true;
	}
	return false;
}

/* Google's details: RetryInfo.retryDelay, ErrorInfo.metadata.quotaResetDelay. */
static bool
find_in_details(const UeJson *details, int64_t now_ms, int64_t *out)
{
	const UeJson *each = details != NULL ? details->child : NULL;

	for (int i = 0; each != NULL && i < MAX_DETAILS; each = each->next, i++)
	{
		UeSlice text = ue_parse_field(each, UE_SLICE("retryDelay"));

		if (ue_slice_is_empty(text))
			text = ue_json_text(
				ue_json_find_path(each, UE_SLICE("metadata.quotaResetDelay")));
		if (!ue_slice_is_empty(text) && read_wait(text, WAIT_SECONDS, now_ms, out))
			return true;
	}
	return false;
}

bool
ue_parse_body_wait(const UeJson *root, int64_t now_ms, int64_t *out)
{
	if (root != NULL)
		root = ue_parse_unwrap(root);
	if (find_in_details(ue_json_find_path(root, UE_SLICE("error.details")), now_ms, out))
		return true;
	for (size_t i = 0; i < N_ELEMENTS(body_places); i++)
		if (find_in_object(ue_json_find_path(root, body_places[i]), now_ms, out))
			return true;
	return find_in_object(root, now_ms, out);
}

/* What is left of a limit, told as a number or as a word; false: it does not say. */
static bool
read_left(UeSlice remaining, int64_t *left)
{
	if (ue_slice_parse_int64(remaining, left))
		return true;
	*left = ue_slice_is_equal_fold(remaining, UE_SLICE("rejected")) ? 0 : 1;
	return *left == 0 || ue_slice_has_prefix_fold(remaining, UE_SLICE("allowed"));
}

/* The value of ";name=" in a list of parameters (RFC 9651 3.1.2); empty: none. */
static UeSlice
find_parameter(UeSlice list, UeSlice name)
{
	size_t at;
	size_t end;

	if (!ue_slice_find(list, name, &at))
		return (UeSlice){NULL, 0};
	list = ue_slice_sub(list, at + name.len, list.len);
	for (end = 0; end < list.len && list.ptr[end] >= '0' && list.ptr[end] <= '9'; end++)
		;
	return ue_slice_sub(list, 0, end);
}

/*
 * RateLimit: "api";r=0;t=55 (draft-ietf-httpapi-ratelimit-headers-10; Hugging Face): what
 * is left, and the seconds until there is more.
 */
static bool
find_in_ratelimit(const UeResponse *response, int64_t *out)
{
	UeSlice value = ue_parse_find_header(response, UE_SLICE("ratelimit"));
	UeSlice seconds = find_parameter(value, UE_SLICE(";t="));

	return ue_slice_is_equal(find_parameter(value, UE_SLICE(";r=")), UE_SLICE("0")) &&
		   read_wait(seconds, WAIT_SECONDS, response->now_ms, out);
}

/* Of the limits that are used up the longest wait; else, of those that do not say, the
 * shortest. */
static bool
find_in_resets(const UeResponse *response, int64_t *out)
{
	int64_t longest = -1;
	int64_t shortest = -1;
	int64_t wait;

	if (response->status != 429 && response->status != 503 && response->status != 529)
		return false;
	for (size_t i = 0; i < N_ELEMENTS(reset_headers); i++)
	{
		UeSlice value = ue_parse_find_header(response, reset_headers[i].reset);
		UeSlice remaining = ue_parse_find_header(response, reset_headers[i].remaining);
		bool is_known;
		int64_t left;

		if (ue_slice_is_empty(value) ||
			!read_wait(value, WAIT_RESET, response->now_ms, &wait))
			continue;
		is_known = read_left(remaining, &left);
		if (is_known && left <= 0)
			longest = wait > longest ? wait : longest;
		if (!is_known && (shortest < 0 || wait < shortest))
			shortest = wait;
	}
	if (longest < 0 && find_in_ratelimit(response, &wait))
		longest = wait;
	if (longest < 0 && shortest < 0)
		return false;
	*out = longest >= 0 ? longest : shortest;
	return true;
}

int64_t
ue_parse_retry_after(const UeResponse *response, const UeJson *root, UeSlice message)
{
	/* of a page the title is the message, but the wait is in a paragraph */
	UeSlice text = root != NULL ? message : ue_slice_sub(response->body, 0, PAGE_HEAD);
	int64_t wait;

	if (find_in_headers(response, &wait) ||
		ue_parse_body_wait(root, response->now_ms, &wait) ||
		ue_parse_prose_wait(text, response->now_ms, &wait) ||
		find_in_resets(response, &wait))
		return wait;
	return UE_RETRY_AFTER_NONE;
}
