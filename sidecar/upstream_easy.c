/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream_easy.c: one transfer, and what libcurl is told of it.
 *
 * Handles are pooled and never reset: the options that are the same for all transfers are
 * set once, the others when they differ from the last use (both measured, the second at
 * 2 µs a request).  libcurl is kept from inventing headers: an end-to-end header is sent
 * when the client sent it, and Host, Content-Length and Transfer-Encoding are ours.
 *
 * A body that is whole goes as POSTFIELDS: head and body in one packet, and it can be sent
 * once more when a pooled connection turns out to have been closed (may_resend).  A streamed
 * body cannot be sent again once a part of it has left.
 */
#include "upstream_private.h"

#include <stdlib.h>
#include <string.h>

/* Room for "Expect:", "Accept:", "Content-Type:" behind the request's own headers. */
#define UE_EXTRA_LINES 3

/* Above a megabyte libcurl sends "Expect: 100-continue" (7.88.1: lib/http.h). */
#define UE_UNEXPECTED_BYTES (1024 * 1024)

/* RFC 9110 9.2.2. */
static const UeSlice idempotent_methods[] = {
	UE_SLICE_INIT("GET"),	 UE_SLICE_INIT("HEAD"),	   UE_SLICE_INIT("PUT"),
	UE_SLICE_INIT("DELETE"), UE_SLICE_INIT("OPTIONS"), UE_SLICE_INIT("TRACE"),
};

static bool set_constant_options(UeTransfer *transfer);
static bool set_ways(UeTransfer *transfer, const UeTransferRequest *request);
static bool set_method(UeTransfer *transfer, const UeTransferRequest *request);
static bool set_body(UeTransfer *transfer, const UeTransferRequest *request);
static bool set_lines(UeTransfer *transfer, const UeTransferRequest *request);
static char *write_line(char *out, const UeHeader *header);

UeTransfer *
ue_transfer_new(UeUpstream *upstream)
{
	UeTransfer *transfer = calloc(1, sizeof(*transfer));

	if (transfer == NULL)
		return NULL;
	transfer->upstream = upstream;
	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL || !set_constant_options(transfer))
	{
		ue_transfer_free(transfer);
		return NULL;
	}
	return transfer;
}

void
ue_transfer_free(UeTransfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	free(transfer->lines);
	free(transfer->text);
	free(transfer->head);
	free(transfer->headers);
	free(transfer->early);
	free(transfer);
}

bool
ue_transfer_prepare(UeTransfer *transfer, const UeTransferRequest *request, CURLU *curlu)
{
	long read_bytes = request->is_stream ? UE_STREAM_READ_BYTES : UE_READ_BYTES;

	transfer->content_length = -1;
	transfer->first_byte_ms = -1;
	transfer->start_ms = ue_loop_now_ms(transfer->upstream->loop);
	transfer->error_text[0] = '\0';
	if (transfer->base != request->base)
	{
		if (curl_easy_setopt(transfer->easy, CURLOPT_CURLU, curlu) != CURLE_OK)
			return false;
		transfer->base = request->base;
	}
	if (transfer->read_bytes != read_bytes)
	{
		if (curl_easy_setopt(transfer->easy, CURLOPT_BUFFERSIZE, read_bytes) != CURLE_OK)
			return false;
		transfer->read_bytes = read_bytes;
	}
	return set_ways(transfer, request) && set_lines(transfer, request) &&
		   set_body(transfer, request) && set_method(transfer, request);
}

void
ue_transfer_reset(UeTransfer *transfer)
{
	if (transfer->text_size > UE_IDLE_BUFFER_BYTES)
	{
		free(transfer->text);
		transfer->text = NULL;
		transfer->text_size = 0;
	}
	if (transfer->head_size > UE_IDLE_BUFFER_BYTES)
	{
		free(transfer->head);
		transfer->head = NULL;
		transfer->head_size = 0;
	}
	if (transfer->early_size > UE_IDLE_BUFFER_BYTES)
	{
		free(transfer->early);
		transfer->early = NULL;
		transfer->early_size = 0;
	}
	transfer->multi = NULL;
	transfer->context = NULL;
	transfer->head_len = 0;
	transfer->extra_len = 0;
	transfer->body_len = 0;
	transfer->early_len = 0;
	transfer->n_headers = 0;
	transfer->status = 0;
	transfer->reason = (UeSlice){NULL, 0};
	transfer->result = CURLE_OK;
	transfer->network = UE_NETWORK_NONE;
	transfer->is_body_streamed = false;
	transfer->is_connected = false;
	transfer->is_idempotent = false;
	transfer->is_sent = false;
	transfer->is_resent = false;
	transfer->sent_ms = 0;
	transfer->died_ms = 0;
	transfer->is_head_complete = false;
	transfer->is_head_delivered = false;
	transfer->is_receive_held = false;
	transfer->is_receive_paused = false;
	transfer->is_send_paused = false;
	transfer->must_unpause_send = false;
	transfer->must_unpause_receive = false;
	transfer->must_start = false;
	transfer->is_cancelled = false;
	transfer->is_ended = false;
	transfer->has_result = false;
}

bool
ue_transfer_has_sent_body(const UeTransfer *transfer)
{
	curl_off_t sent = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	return (int64_t) sent >= transfer->body_len;
}

/* Options whose values are strings or callbacks that never change. */
static bool
set_constant_options(UeTransfer *transfer)
{
	CURL *easy = transfer->easy;
	UeUpstream *upstream = transfer->upstream;
	CURLcode result = CURLE_OK;

	result |= curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	result |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text);
	result |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* 7.88.1 does not bound what it buffers of a paused HTTP/2 stream */
	result |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	result |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	/* not the one that the environment happens to name */
	result |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
	result |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	/* by CONNECT, also for http: the target that we set is none that a proxy could use */
	result |= curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	result |= curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	result |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	result |= curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	result |= curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	result |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	result |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, ue_upstream_open_socket);
	result |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	result |=
		curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, ue_upstream_close_socket);
	result |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, upstream);
	result |=
		curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, ue_transfer_handle_connected);
	result |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
	result |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, ue_transfer_handle_header);
	result |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	result |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ue_transfer_handle_data);
	result |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	result |= curl_easy_setopt(easy, CURLOPT_READFUNCTION, ue_transfer_handle_read);
	result |= curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
	return result == CURLE_OK;
}

/* Deadlines and the proxy, which are nearly always the same as the last time. */
static bool
set_ways(UeTransfer *transfer, const UeTransferRequest *request)
{
	const UeUpstreamLimits *limits = transfer->upstream->limits;
	long connect_timeout_ms =
		(long) (request->connect_timeout_ms > 0 ? request->connect_timeout_ms
												: limits->connect_timeout_ms);

	transfer->first_byte_timeout_ms = request->first_byte_timeout_ms > 0
										  ? request->first_byte_timeout_ms
										  : limits->first_byte_timeout_ms;
	transfer->idle_timeout_ms =
		request->idle_timeout_ms > 0 ? request->idle_timeout_ms : limits->idle_timeout_ms;
	if (transfer->connect_timeout_ms != connect_timeout_ms)
	{
		if (curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS,
							 connect_timeout_ms) != CURLE_OK)
			return false;
		transfer->connect_timeout_ms = connect_timeout_ms;
	}
	if (request->proxy == NULL && !transfer->has_proxy)
		return true;
	transfer->has_proxy = request->proxy != NULL;
	return curl_easy_setopt(transfer->easy, CURLOPT_PROXY,
							request->proxy == NULL ? "" : request->proxy) == CURLE_OK;
}

/* After set_body, which may have chosen POST. */
static bool
set_method(UeTransfer *transfer, const UeTransferRequest *request)
{
	CURL *easy = transfer->easy;
	char method[sizeof(transfer->method)] = "";

	for (size_t i = 0; i < sizeof(idempotent_methods) / sizeof(UeSlice); i++)
		transfer->is_idempotent |=
			ue_slice_is_equal(request->method, idempotent_methods[i]);
	if (ue_slice_is_equal(request->method, UE_SLICE("HEAD")))
	{
		/* no answer's body is waited for */
		if (curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) != CURLE_OK)
			return false;
	}
	else if (request->method.len >= sizeof(method))
		return false;
	else
		memcpy(method, request->method.ptr, request->method.len);
	if (strcmp(method, transfer->method) == 0)
		return true;
	memcpy(transfer->method, method, sizeof(method));
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
							method[0] == '\0' ? NULL : method) == CURLE_OK;
}

static bool
set_body(UeTransfer *transfer, const UeTransferRequest *request)
{
	CURL *easy = transfer->easy;
	CURLcode result = CURLE_OK;
	bool is_whole = request->whole_body.len > 0;
	/* these announce an empty body too: servers answer 411 without a Content-Length */
	bool has_body = request->content_length != 0 || is_whole ||
					ue_slice_is_equal(request->method, UE_SLICE("POST")) ||
					ue_slice_is_equal(request->method, UE_SLICE("PUT")) ||
					ue_slice_is_equal(request->method, UE_SLICE("PATCH"));
	curl_off_t size = is_whole ? (curl_off_t) request->whole_body.len
							   : (curl_off_t) request->content_length;

	transfer->body_len = is_whole ? (int64_t) size : 0;
	transfer->is_body_streamed = has_body && size != 0 && !is_whole;
	if (!has_body)
		return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	result |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
	result |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
	result |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
							   is_whole						? request->whole_body.ptr
							   : transfer->is_body_streamed ? NULL
															: "");
	return result == CURLE_OK;
}

/*
 * The request target and the header lines, all in one buffer of the transfer's.  libcurl
 * holds each line against some twenty names, and writes it out; so lines are put together
 * to one, but for those that it must find, because it would send a header of its own else.
 */
static bool
set_lines(UeTransfer *transfer, const UeTransferRequest *request)
{
	size_t target_size = ue_base_url_target_size(request->base, request->target);
	size_t needed = target_size;
	size_t n_lines = request->n_headers + UE_EXTRA_LINES;
	const char *extra[UE_EXTRA_LINES] = {NULL, "Accept:", "Content-Type:"};
	struct curl_slist *line;
	bool is_alone = true; /* nothing may be put behind the last line */
	char *out;

	for (size_t i = 0; i < request->n_headers; i++)
		needed += request->headers[i].name.len + request->headers[i].value.len + 4;
	if (!ue_transfer_reserve(&transfer->text, &transfer->text_size, needed))
		return false;
	if (n_lines > transfer->lines_size)
	{
		struct curl_slist *lines = realloc(transfer->lines, n_lines * sizeof(*lines));

		if (lines == NULL)
			return false;
		transfer->lines = lines;
		transfer->lines_size = n_lines;
	}
	ue_base_url_write_target(request->base, request->target, transfer->text);
	out = transfer->text + target_size;
	line = transfer->lines;
	for (size_t i = 0; i < request->n_headers; i++)
	{
		const UeHeader *header = &request->headers[i];
		bool is_empty = header->value.len == 0;
		bool is_looked_for = true;

		if (ue_slice_is_equal_fold(header->name, UE_SLICE("accept")))
			extra[1] = NULL;
		else if (ue_slice_is_equal_fold(header->name, UE_SLICE("content-type")))
			extra[2] = NULL;
		else
			is_looked_for = false;
		if (is_alone || is_looked_for || is_empty)
		{
			line->data = out;
			line->next = line + 1;
			line++;
		}
		else
		{
			out[-1] = '\r';
			*out++ = '\n';
		}
		out = write_line(out, header);
		is_alone = is_empty;
	}
	if (request->content_length < 0 || request->content_length > UE_UNEXPECTED_BYTES)
		extra[0] = "Expect:";
	for (size_t i = 0; i < UE_EXTRA_LINES; i++)
	{
		if (extra[i] == NULL)
			continue;
		/* libcurl only reads them */
		line->data = (char *) extra[i];
		line->next = line + 1;
		line++;
	}
	if (line > transfer->lines)
		line[-1].next = NULL;
	return curl_easy_setopt(transfer->easy, CURLOPT_REQUEST_TARGET, transfer->text) ==
			   CURLE_OK &&
		   curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER,
							line > transfer->lines ? transfer->lines : NULL) == CURLE_OK;
}

/* "name: value", or "name;", which is how libcurl is told to send an empty value. */
static char *
write_line(char *out, const UeHeader *header)
{
	memcpy(out, header->name.ptr, header->name.len);
	out += header->name.len;
	if (header->value.len == 0)
		*out++ = ';';
	else
	{
		*out++ = ':';
		*out++ = ' ';
		memcpy(out, header->value.ptr, header->value.len);
		out += header->value.len;
	}
	*out++ = '\0';
	return out;
}

bool
ue_transfer_reserve(char **buffer, size_t *size, size_t needed)
{
	size_t new_size = *size < 256 ? 256 : *size;
	char *grown;

	if (needed <= *size)
		return true;
	while (new_size < needed)
		new_size *= 2;
	grown = realloc(*buffer, new_size);
	if (grown == NULL)
		return false;
	*buffer = grown;
	*size = new_size;
	return true;
}
