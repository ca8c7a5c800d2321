/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_head.c: which headers pass.
 *
 * Dropped are those that belong to one connection only (RFC 9110 7.6.1: the known ones and
 * whatever Connection names), those that our own framing replaces, and Expect, which the
 * server has answered.  Everything else passes as it came, and nothing is added, but to a good
 * answer behind failed attempts the name under which their rows are found.
 */
#include <stdlib.h>

#include "exchange_attempts.h"

static const UeSlice request_id_header = UE_SLICE_INIT("x-upstream-errors-request-id");

static const UeHeader *filter(UeExchanges *owner, const UeHeader *headers,
							  size_t n_headers, UeSlice dropped, size_t *n_out);
static bool is_hop_header(UeSlice name);
static bool is_connection_telling(const UeHeader *headers, size_t n_headers);
static bool is_named_by_connection(const UeHeader *headers, size_t n_headers,
								   UeSlice name);
static bool has_token(UeSlice list, UeSlice token);

/* Host is the base URL's. */
const UeHeader *
ue_exchange_filter_request(UeExchange *exchange, size_t *n_out)
{
	return filter(exchange->owner, exchange->request->headers,
				  exchange->request->n_headers, UE_SLICE("host"), n_out);
}

const UeHeader *
ue_exchange_filter_answer(UeExchange *exchange, size_t *n_out)
{
	UeSlice none = {NULL, 0};

	const UeAttempts *attempts = exchange->attempts;
	UeHeader *headers;

	if (attempts == NULL || exchange->attempt == 1 || attempts->request_id_len == 0)
		return filter(exchange->owner, exchange->headers, exchange->n_headers, none,
					  n_out);
	if (filter(exchange->owner, exchange->headers, exchange->n_headers, request_id_header,
			   n_out) == NULL)
		return NULL;
	headers = ue_exchange_reserve_headers(exchange->owner, *n_out + 1);
	if (headers == NULL)
		return NULL;
	headers[*n_out].name = request_id_header;
	headers[*n_out].value = (UeSlice){attempts->request_id, attempts->request_id_len};
	(*n_out)++;
	return headers;
}

UeHeader *
ue_exchange_reserve_headers(UeExchanges *owner, size_t n)
{
	UeHeader *grown;

	if (n <= owner->headers_size && owner->headers != NULL)
		return owner->headers;
	grown = realloc(owner->headers, (n + 32) * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	owner->headers = grown;
	owner->headers_size = n + 32;
	return grown;
}

UeSlice
ue_exchange_find_header(const UeHeader *headers, size_t n_headers, UeSlice name)
{
	for (size_t i = 0; i < n_headers; i++)
	{
		if (ue_slice_is_equal_fold(headers[i].name, name))
			return headers[i].value;
	}
	return (UeSlice){NULL, 0};
}

static const UeHeader *
filter(UeExchanges *owner, const UeHeader *headers, size_t n_headers, UeSlice dropped,
	   size_t *n_out)
{
	bool names_headers = is_connection_telling(headers, n_headers);
	size_t n_kept = 0;

	if (ue_exchange_reserve_headers(owner, n_headers) == NULL)
		return NULL;
	for (size_t i = 0; i < n_headers; i++)
	{
		UeSlice name = headers[i].name;

		if (is_hop_header(name) || ue_slice_is_equal_fold(name, dropped) ||
			(names_headers && is_named_by_connection(headers, n_headers, name)))
			continue;
		owner->headers[n_kept++] = headers[i];
	}
	*n_out = n_kept;
	return owner->headers;
}

/* By length, for it is asked of each header of each request and answer. */
static bool
is_hop_header(UeSlice name)
{
	switch (name.len)
	{
		case 2:
			return ue_slice_is_equal_fold(name, UE_SLICE("te"));
		case 6:
			return ue_slice_is_equal_fold(name, UE_SLICE("expect"));
		case 7:
			return ue_slice_is_equal_fold(name, UE_SLICE("trailer")) ||
				   ue_slice_is_equal_fold(name, UE_SLICE("upgrade"));
		case 10:
			return ue_slice_is_equal_fold(name, UE_SLICE("connection")) ||
				   ue_slice_is_equal_fold(name, UE_SLICE("keep-alive"));
		case 14:
			return ue_slice_is_equal_fold(name, UE_SLICE("content-length")) ||
				   ue_slice_is_equal_fold(name, UE_SLICE("http2-settings"));
		case 16:
			return ue_slice_is_equal_fold(name, UE_SLICE("proxy-connection"));
		case 17:
			return ue_slice_is_equal_fold(name, UE_SLICE("transfer-encoding"));
		case 18:
			return ue_slice_is_equal_fold(name, UE_SLICE("proxy-authenticate"));
		case 19:
			return ue_slice_is_equal_fold(name, UE_SLICE("proxy-authorization"));
	}
	return false;
}

/* Nearly always it names no header; there may be several of it. */
static bool
is_connection_telling(const UeHeader *headers, size_t n_headers)
{
	for (size_t i = 0; i < n_headers; i++)
	{
		if (ue_slice_is_equal_fold(headers[i].name, UE_SLICE("connection")) &&
			headers[i].value.len > 0 &&
			!ue_slice_is_equal_fold(headers[i].value, UE_SLICE("keep-alive")) &&
			!ue_slice_is_equal_fold(headers[i].value, UE_SLICE("close")))
			return true;
	}
	return false;
}

static bool
is_named_by_connection(const UeHeader *headers, size_t n_headers, UeSlice name)
{
	for (size_t i = 0; i < n_headers; i++)
	{
		if (ue_slice_is_equal_fold(headers[i].name, UE_SLICE("connection")) &&
			has_token(headers[i].value, name))
			return true;
	}
	return false;
}

static bool
has_token(UeSlice list, UeSlice token)
{
	while (list.len > 0)
	{
		size_t comma;

		if (!ue_slice_find(list, UE_SLICE(","), &comma))
			comma = list.len;
		if (ue_slice_is_equal_fold(ue_slice_trim(ue_slice_sub(list, 0, comma)), token))
			return true;
		list = ue_slice_sub(list, comma + 1, list.len);
	}
	return false;
}
