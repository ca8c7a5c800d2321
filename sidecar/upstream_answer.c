/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream_answer.c: what libcurl tells of a transfer: that it is sent, its answer's head,
 * its bytes; and what it is given of a streamed body.
 */
#include "upstream_private.h"

#include <stdlib.h>
#include <string.h>

static bool may_resend(UeTransfer *transfer);
static bool count_extra(UeTransfer *transfer, size_t len);
static void drop_request(UeTransfer *transfer);
static bool keep_early(UeTransfer *transfer, UeSlice bytes);
static bool split_head(UeTransfer *transfer);
static void split_status_line(UeTransfer *transfer, UeSlice line);
static void add_header(UeTransfer *transfer, char *line, size_t len);

/* Connected (or a pooled connection chosen), the request is about to be sent. */
int
ue_transfer_handle_connected(void *context, char *primary_ip, char *local_ip,
							 int primary_port, int local_port)
{
	UeTransfer *transfer = context;

	(void) primary_ip;
	(void) local_ip;
	(void) primary_port;
	(void) local_port;
	if (transfer->is_cancelled)
		return CURL_PREREQFUNC_ABORT;
	if (transfer->is_sent && !may_resend(transfer))
	{
		transfer->network = UE_NETWORK_RESET;
		return CURL_PREREQFUNC_ABORT;
	}
	transfer->sent_ms = ue_loop_now_ms(transfer->upstream->loop);
	transfer->is_sent = true;
	transfer->is_connected = true;
	ue_loop_set_timer(transfer->upstream->loop, &transfer->timer,
					  transfer->first_byte_timeout_ms);
	return CURL_PREREQFUNC_OK;
}

/*
 * libcurl sends a request again by itself when a kept connection ends before a byte of the
 * answer, up to five times and however long that took (7.88.1, Curl_retry_request).  The
 * upstream may have closed it before the request came, or have begun with the work: only the
 * first is worth a second time, unless the method does no harm (RFC 9110 9.2.2).
 */
static bool
may_resend(UeTransfer *transfer)
{
	UeUpstream *upstream = transfer->upstream;

	/* libcurl counts these over the handle's whole life, so this is its last transfer */
	transfer->is_worn = true;
	if (transfer->is_resent || !ue_transfer_is_repeatable(transfer))
		return false;
	transfer->is_resent = true;
	return upstream->handler->may_resend == NULL ||
		   upstream->handler->may_resend(transfer->context);
}

bool
ue_transfer_is_repeatable(const UeTransfer *transfer)
{
	int64_t died_ms = transfer->died_ms > 0 ? transfer->died_ms
											: ue_loop_now_ms(transfer->upstream->loop);

	return transfer->is_idempotent || died_ms - transfer->sent_ms <= UE_RESEND_MS;
}

size_t
ue_transfer_handle_header(char *ptr, size_t size, size_t count, void *context)
{
	UeTransfer *transfer = context;
	UeUpstream *upstream = transfer->upstream;
	size_t len = size * count;

	if (transfer->is_cancelled)
		return 0;
	/* trailers: the answer's framing towards the client has no room for them */
	if (transfer->is_head_complete)
		return count_extra(transfer, len) ? len : 0;
	if (transfer->head_len + len > upstream->limits->max_head_bytes ||
		!ue_transfer_reserve(&transfer->head, &transfer->head_size,
							 transfer->head_len + len))
	{
		transfer->network = UE_NETWORK_PROTOCOL;
		return 0;
	}
	memcpy(transfer->head + transfer->head_len, ptr, len);
	transfer->head_len += len;
	if (len > 2 || ptr[0] == ' ' || (ptr[0] != '\r' && ptr[0] != '\n'))
		return len;
	if (!split_head(transfer))
		return 0;
	if (transfer->status < 200)
	{
		/* an interim answer; the real one follows */
		len = count_extra(transfer, transfer->head_len) ? len : 0;
		transfer->head_len = 0;
		transfer->n_headers = 0;
		return len;
	}
	transfer->is_head_complete = true;
	if (transfer->read_bytes == UE_STREAM_READ_BYTES && transfer->status < 300)
		drop_request(transfer);
	transfer->first_byte_ms = ue_loop_now_ms(upstream->loop) - transfer->start_ms;
	ue_loop_set_timer(upstream->loop, &transfer->timer, transfer->idle_timeout_ms);
	if (upstream->is_starting)
	{
		ue_upstream_add_pending(transfer);
		return len;
	}
	transfer->is_head_delivered = true;
	upstream->handler->on_head(transfer->context, transfer->status, transfer->reason,
							   transfer->headers, transfer->n_headers,
							   transfer->content_length);
	return transfer->is_cancelled ? 0 : len;
}

/* A stream stays open for minutes, and its request will not be sent again: libcurl follows
 * nothing and answers no challenge. */
static void
drop_request(UeTransfer *transfer)
{
	if (curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL) != CURLE_OK)
		return;
	free(transfer->lines);
	transfer->lines = NULL;
	transfer->lines_size = 0;
	free(transfer->text);
	transfer->text = NULL;
	transfer->text_size = 0;
}

/* libcurl has no ceiling for what it keeps of them (7.88.1: lib/headers.c). */
static bool
count_extra(UeTransfer *transfer, size_t len)
{
	transfer->extra_len += len;
	if (transfer->extra_len <= transfer->upstream->limits->max_head_bytes)
		return true;
	transfer->network = UE_NETWORK_PROTOCOL;
	return false;
}

size_t
ue_transfer_handle_data(char *ptr, size_t size, size_t count, void *context)
{
	UeTransfer *transfer = context;
	UeUpstream *upstream = transfer->upstream;
	UeSlice bytes = {ptr, size * count};

	if (transfer->is_cancelled)
		return 0;
	if (!transfer->is_head_delivered || upstream->is_starting)
	{
		ue_upstream_add_pending(transfer);
		if (keep_early(transfer, bytes))
			return bytes.len;
		transfer->is_receive_paused = true;
		transfer->must_unpause_receive = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (transfer->is_receive_held)
	{
		transfer->is_receive_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	ue_transfer_deliver(transfer, bytes);
	return transfer->is_cancelled ? 0 : bytes.len;
}

void
ue_transfer_deliver(UeTransfer *transfer, UeSlice bytes)
{
	UeUpstream *upstream = transfer->upstream;

	if (upstream->handler->on_data(transfer->context, bytes))
		ue_loop_set_timer(upstream->loop, &transfer->timer, transfer->idle_timeout_ms);
	else if (!transfer->is_cancelled)
	{
		/* These bytes are taken; libcurl is told with the next ones, which it keeps.  The
		 * stall is the client's, so no deadline runs. */
		transfer->is_receive_held = true;
		ue_loop_cancel_timer(upstream->loop, &transfer->timer);
	}
}

static bool
keep_early(UeTransfer *transfer, UeSlice bytes)
{
	size_t needed = transfer->early_len + bytes.len;

	if (needed > UE_EARLY_BYTES ||
		!ue_transfer_reserve(&transfer->early, &transfer->early_size, needed))
		return false;
	memcpy(transfer->early + transfer->early_len, bytes.ptr, bytes.len);
	transfer->early_len = needed;
	return true;
}

size_t
ue_transfer_handle_read(char *buffer, size_t size, size_t count, void *context)
{
	UeTransfer *transfer = context;
	UeUpstream *upstream = transfer->upstream;
	bool is_end = false;
	int64_t n_bytes;

	if (transfer->is_cancelled)
		return CURL_READFUNC_ABORT;
	if (upstream->is_starting)
	{
		transfer->is_send_paused = true;
		transfer->must_unpause_send = true;
		ue_upstream_add_pending(transfer);
		return CURL_READFUNC_PAUSE;
	}
	n_bytes =
		upstream->handler->read_body(transfer->context, buffer, size * count, &is_end);
	if (n_bytes < 0 || transfer->is_cancelled)
		return CURL_READFUNC_ABORT;
	if (n_bytes == 0 && !is_end)
	{
		/* the client is to send more; its deadline runs, not the upstream's */
		transfer->is_send_paused = true;
		ue_loop_cancel_timer(upstream->loop, &transfer->timer);
		return CURL_READFUNC_PAUSE;
	}
	ue_loop_set_timer(upstream->loop, &transfer->timer, transfer->first_byte_timeout_ms);
	return (size_t) n_bytes;
}

/* The status line, the headers, the length of the body. */
static bool
split_head(UeTransfer *transfer)
{
	char *line = transfer->head;
	char *end = transfer->head + transfer->head_len;
	bool is_first = true;
	bool is_chunked = false;
	size_t n_lines = 0;

	for (const char *at = line; (at = memchr(at, '\n', (size_t) (end - at))) != NULL;
		 at++)
		n_lines++;
	if (n_lines > transfer->headers_size)
	{
		UeHeader *headers = realloc(transfer->headers, n_lines * sizeof(*headers));

		if (headers == NULL)
			return false;
		transfer->headers = headers;
		transfer->headers_size = n_lines;
	}
	transfer->n_headers = 0;
	transfer->content_length = -1;
	while (line < end)
	{
		char *stop = memchr(line, '\n', (size_t) (end - line));
		size_t len = (size_t) ((stop == NULL ? end : stop) - line);

		if (is_first)
			split_status_line(transfer, ue_slice_trim((UeSlice){line, len}));
		else
			add_header(transfer, line, len);
		is_first = false;
		line = stop == NULL ? end : stop + 1;
	}
	for (size_t i = 0; i < transfer->n_headers; i++)
	{
		UeSlice name = transfer->headers[i].name;
		int64_t number;

		if (ue_slice_is_equal_fold(name, UE_SLICE("transfer-encoding")))
			is_chunked = true;
		else if (ue_slice_is_equal_fold(name, UE_SLICE("content-length")) &&
				 ue_slice_parse_int64(transfer->headers[i].value, &number) && number >= 0)
		{
			/* two that differ: nobody knows where the answer ends (RFC 9112 6.3) */
			if (transfer->content_length >= 0 && transfer->content_length != number)
				transfer->network = UE_NETWORK_PROTOCOL;
			transfer->content_length = number;
		}
	}
	if (is_chunked)
		transfer->content_length = -1;
	return transfer->network == UE_NETWORK_NONE;
}

/* "HTTP/1.1 200 OK"; libcurl has checked that there is a number. */
static void
split_status_line(UeTransfer *transfer, UeSlice line)
{
	long status = 0;
	size_t at;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->status = (int) status;
	transfer->reason = (UeSlice){NULL, 0};
	if (ue_slice_find(line, UE_SLICE(" "), &at))
	{
		line = ue_slice_trim(ue_slice_sub(line, at + 1, line.len));
		if (ue_slice_find(line, UE_SLICE(" "), &at))
			transfer->reason = ue_slice_trim(ue_slice_sub(line, at + 1, line.len));
	}
}

static void
add_header(UeTransfer *transfer, char *line, size_t len)
{
	UeSlice whole = {line, len};
	UeHeader *last;
	size_t colon;

	if (len > 0 && (line[0] == ' ' || line[0] == '\t') && transfer->n_headers > 0)
	{
		/* RFC 9112 5.2: a folded line continues the value; its line end becomes blanks */
		last = &transfer->headers[transfer->n_headers - 1];
		if (last->value.len == 0)
			last->value.ptr = line;
		for (char *at = (char *) last->value.ptr + last->value.len; at < line; at++)
			*at = ' ';
		last->value.len = (size_t) (line + len - last->value.ptr);
		last->value = ue_slice_trim(last->value);
		return;
	}
	if (!ue_slice_find(whole, UE_SLICE(":"), &colon) || colon == 0)
		return;
	last = &transfer->headers[transfer->n_headers++];
	last->name = ue_slice_trim(ue_slice_sub(whole, 0, colon));
	last->value = ue_slice_trim(ue_slice_sub(whole, colon + 1, len));
}
