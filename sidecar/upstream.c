/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream.c: libcurl's multis on our loop.
 *
 * Several multis, filled first fit; each has one timer of the loop.  What libcurl may not be
 * told now, and what the handler may not be told now, waits in the pending list.
 */
#include "upstream_private.h"

#include <stdlib.h>
#include <string.h>

static void run_deferred(UeDeferred *deferred);
static void run_pending(UeUpstream *upstream);
static void work_off(UeTransfer *transfer);
static void unpause(UeTransfer *transfer);
static UeMulti *find_multi(UeUpstream *upstream);
static UeMulti *new_multi(UeUpstream *upstream);
static CURLU *find_curlu(UeUpstream *upstream, const UeBaseUrl *base);
static bool add_to_multi(UeTransfer *transfer);
static void read_messages(UeMulti *multi);
static void finish(UeTransfer *transfer, CURLcode result);
static void remove_from_multi(UeTransfer *transfer);
static void release(UeTransfer *transfer);
static void handle_deadline(UeTimer *timer);
static int handle_timer(CURLM *curlm, long timeout_ms, void *context);
static void handle_timer_due(UeTimer *timer);

/*
 * libcurl asks nine times for each request, and glibc 2.36's calloc passes by the cache of
 * the thread, where malloc finds most of them.  The compiler would make a calloc of the two
 * again, if it knew which function is called.
 */
static void *
allocate_zeroed(size_t count, size_t size)
{
	static void *(*volatile const allocate)(size_t) = malloc;
	size_t n_bytes;
	void *block;

	if (__builtin_mul_overflow(count, size, &n_bytes))
		return NULL;
	block = allocate(n_bytes);
	if (block != NULL)
		memset(block, 0, n_bytes);
	return block;
}

bool
ue_upstream_global_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_ALL, malloc, free, realloc, strdup,
								allocate_zeroed) == CURLE_OK;
}

UeUpstream *
ue_upstream_new(UeLoop *loop, const UeUpstreamLimits *limits,
				const UeTransferHandler *handler)
{
	UeUpstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	upstream->loop = loop;
	upstream->limits = limits;
	upstream->handler = handler;
	upstream->pending_end = &upstream->pending;
	upstream->deferred.run = run_deferred;
	return upstream;
}

void
ue_upstream_free(UeUpstream *upstream)
{
	if (upstream == NULL)
		return;
	run_pending(upstream);
	while (upstream->idle != NULL)
	{
		UeTransfer *transfer = upstream->idle;

		upstream->idle = transfer->next;
		ue_transfer_free(transfer);
	}
	for (size_t i = 0; i < upstream->n_multis; i++)
	{
		/* closes the kept connections, which come back to ue_upstream_close_socket */
		curl_multi_cleanup(upstream->multis[i]->curlm);
		ue_loop_cancel_timer(upstream->loop, &upstream->multis[i]->timer);
		free(upstream->multis[i]);
	}
	for (size_t i = 0; i < upstream->n_bases; i++)
		curl_url_cleanup(upstream->bases[i].curlu);
	ue_upstream_free_sockets(upstream);
	free(upstream->multis);
	free(upstream->bases);
	free(upstream);
}

int
ue_upstream_count_transfers(const UeUpstream *upstream)
{
	return upstream->n_transfers;
}

UeTransfer *
ue_upstream_start(UeUpstream *upstream, const UeTransferRequest *request, void *context)
{
	CURLU *curlu = find_curlu(upstream, request->base);
	UeTransfer *transfer = upstream->idle;

	if (curlu == NULL)
		return NULL;
	if (transfer != NULL)
	{
		upstream->idle = transfer->next;
		upstream->n_idle--;
	}
	else
	{
		transfer = ue_transfer_new(upstream);
		if (transfer == NULL)
			return NULL;
		transfer->timer.on_due = handle_deadline;
	}
	upstream->n_transfers++;
	transfer->context = context;
	if (!ue_transfer_prepare(transfer, request, curlu))
	{
		release(transfer);
		return NULL;
	}
	if (upstream->busy > 0)
	{
		/* perhaps inside a callback of libcurl's */
		transfer->must_start = true;
		ue_upstream_add_pending(transfer);
		return transfer;
	}
	if (!add_to_multi(transfer))
	{
		release(transfer);
		return NULL;
	}
	/*
	 * A request that is whole is sent now, not at the end of the turn: it saves others in
	 * the same turn from waiting for it (a fifth of the delay in bursts of 50).
	 */
	if (!transfer->is_body_streamed)
	{
		upstream->busy++;
		upstream->is_starting = true;
		ue_upstream_drive(transfer->multi, CURL_SOCKET_TIMEOUT, 0);
		upstream->is_starting = false;
		upstream->busy--;
	}
	return transfer;
}

void
ue_transfer_resume_send(UeTransfer *transfer)
{
	if (!transfer->is_send_paused || transfer->is_cancelled)
		return;
	transfer->must_unpause_send = true;
	ue_upstream_add_pending(transfer);
}

void
ue_transfer_resume_receive(UeTransfer *transfer)
{
	if (!transfer->is_receive_held || transfer->is_cancelled)
		return;
	transfer->is_receive_held = false;
	ue_loop_set_timer(transfer->upstream->loop, &transfer->timer,
					  transfer->idle_timeout_ms);
	if (transfer->is_receive_paused)
	{
		transfer->must_unpause_receive = true;
		ue_upstream_add_pending(transfer);
	}
}

void
ue_transfer_cancel(UeTransfer *transfer)
{
	if (transfer->is_cancelled)
		return;
	transfer->is_cancelled = true;
	ue_loop_cancel_timer(transfer->upstream->loop, &transfer->timer);
	if (transfer->upstream->busy > 0)
	{
		ue_upstream_add_pending(transfer);
		return;
	}
	remove_from_multi(transfer);
	release(transfer);
}

void
ue_upstream_add_pending(UeTransfer *transfer)
{
	UeUpstream *upstream = transfer->upstream;

	if (transfer->is_pending)
		return;
	transfer->is_pending = true;
	transfer->next_pending = NULL;
	*upstream->pending_end = transfer;
	upstream->pending_end = &transfer->next_pending;
	ue_loop_defer(upstream->loop, &upstream->deferred);
}

void
ue_upstream_leave(UeUpstream *upstream)
{
	upstream->busy--;
	if (upstream->busy == 0)
		run_pending(upstream);
}

static void
run_deferred(UeDeferred *deferred)
{
	UeUpstream *upstream =
		(UeUpstream *) ((char *) deferred - offsetof(UeUpstream, deferred));

	run_pending(upstream);
	ue_upstream_free_graves(upstream);
}

static void
run_pending(UeUpstream *upstream)
{
	upstream->busy++;
	while (upstream->pending != NULL)
	{
		UeTransfer *transfer = upstream->pending;

		upstream->pending = transfer->next_pending;
		if (upstream->pending == NULL)
			upstream->pending_end = &upstream->pending;
		transfer->is_pending = false;
		work_off(transfer);
	}
	upstream->busy--;
}

/* A cancel from inside a handler that is called here puts the transfer on the list again. */
static void
work_off(UeTransfer *transfer)
{
	UeUpstream *upstream = transfer->upstream;

	if (transfer->is_ended)
	{
		release(transfer);
		return;
	}
	if (transfer->is_cancelled)
	{
		remove_from_multi(transfer);
		release(transfer);
		return;
	}
	if (transfer->must_start)
	{
		transfer->must_start = false;
		if (!add_to_multi(transfer))
			finish(transfer, CURLE_OUT_OF_MEMORY);
		return;
	}
	if (transfer->is_head_complete && !transfer->is_head_delivered)
	{
		transfer->is_head_delivered = true;
		upstream->handler->on_head(transfer->context, transfer->status, transfer->reason,
								   transfer->headers, transfer->n_headers,
								   transfer->content_length);
	}
	if (!transfer->is_cancelled && transfer->early_len > 0)
	{
		UeSlice early = {transfer->early, transfer->early_len};

		transfer->early_len = 0;
		ue_transfer_deliver(transfer, early);
		/* the handler has had enough: what libcurl keeps, it keeps until the resume */
		if (transfer->is_receive_held)
			transfer->must_unpause_receive = false;
	}
	if (!transfer->is_cancelled &&
		(transfer->must_unpause_receive || transfer->must_unpause_send))
		unpause(transfer);
	if (!transfer->is_cancelled && transfer->has_result)
		finish(transfer, transfer->result);
}

/* May call handle_data and handle_read at once. */
static void
unpause(UeTransfer *transfer)
{
	int mask;

	if (transfer->must_unpause_receive)
		transfer->is_receive_paused = false;
	if (transfer->must_unpause_send)
	{
		transfer->is_send_paused = false;
		ue_loop_set_timer(transfer->upstream->loop, &transfer->timer,
						  transfer->first_byte_timeout_ms);
	}
	transfer->must_unpause_receive = false;
	transfer->must_unpause_send = false;
	mask = (transfer->is_receive_paused ? CURLPAUSE_RECV : 0) |
		   (transfer->is_send_paused ? CURLPAUSE_SEND : 0);
	curl_easy_pause(transfer->easy, mask);
}

static UeMulti *
find_multi(UeUpstream *upstream)
{
	for (size_t i = 0; i < upstream->n_multis; i++)
	{
		if (upstream->multis[i]->n_transfers < UE_MULTI_TRANSFERS)
			return upstream->multis[i];
	}
	return new_multi(upstream);
}

static UeMulti *
new_multi(UeUpstream *upstream)
{
	UeMulti **multis =
		realloc(upstream->multis, (upstream->n_multis + 1) * sizeof(*multis));
	UeMulti *multi = calloc(1, sizeof(*multi));

	if (multis != NULL)
		upstream->multis = multis;
	if (multis == NULL || multi == NULL)
		goto failed;
	multi->curlm = curl_multi_init();
	if (multi->curlm == NULL)
		goto failed;
	multi->upstream = upstream;
	multi->timer.on_due = handle_timer_due;
	curl_multi_setopt(multi->curlm, CURLMOPT_SOCKETFUNCTION, ue_upstream_handle_socket);
	curl_multi_setopt(multi->curlm, CURLMOPT_SOCKETDATA, multi);
	curl_multi_setopt(multi->curlm, CURLMOPT_TIMERFUNCTION, handle_timer);
	curl_multi_setopt(multi->curlm, CURLMOPT_TIMERDATA, multi);
	curl_multi_setopt(multi->curlm, CURLMOPT_MAXCONNECTS, (long) UE_MULTI_CONNECTIONS);
	upstream->multis[upstream->n_multis++] = multi;
	return multi;

failed:
	free(multi);
	return NULL;
}

static CURLU *
find_curlu(UeUpstream *upstream, const UeBaseUrl *base)
{
	UeParsedBase *bases;
	CURLU *curlu;

	for (size_t i = 0; i < upstream->n_bases; i++)
	{
		if (upstream->bases[i].base == base)
			return upstream->bases[i].curlu;
	}
	bases = realloc(upstream->bases, (upstream->n_bases + 1) * sizeof(*bases));
	if (bases == NULL)
		return NULL;
	upstream->bases = bases;
	curlu = curl_url();
	if (curlu == NULL || curl_url_set(curlu, CURLUPART_URL, base->origin, 0) != CURLUE_OK)
	{
		curl_url_cleanup(curlu);
		return NULL;
	}
	bases[upstream->n_bases++] = (UeParsedBase){base, curlu};
	return curlu;
}

static bool
add_to_multi(UeTransfer *transfer)
{
	UeMulti *multi = find_multi(transfer->upstream);

	if (multi == NULL || curl_multi_add_handle(multi->curlm, transfer->easy) != CURLM_OK)
		return false;
	transfer->multi = multi;
	multi->n_transfers++;
	return true;
}

void
ue_upstream_drive(UeMulti *multi, curl_socket_t fd, int flags)
{
	int running;

	curl_multi_socket_action(multi->curlm, fd, flags, &running);
	read_messages(multi);
}

static void
read_messages(UeMulti *multi)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi->curlm, &left)) != NULL)
	{
		CURLcode result = message->data.result;
		UeTransfer *transfer;
		char *private_data;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private_data);
		transfer = (UeTransfer *) private_data;
		if (transfer->is_cancelled)
			continue;
		if (multi->upstream->is_starting || transfer->is_pending)
		{
			/* the pending list delivers the head first, and outside of the start */
			transfer->result = result;
			transfer->has_result = true;
			ue_upstream_add_pending(transfer);
			continue;
		}
		finish(transfer, result);
	}
}

static void
finish(UeTransfer *transfer, CURLcode result)
{
	UeUpstream *upstream = transfer->upstream;
	UeTransferEnd end = {
		.network = ue_transfer_find_network(transfer, result),
		.status = transfer->is_head_complete ? transfer->status : 0,
		.reason = transfer->error_text[0] != '\0' ? transfer->error_text
				  : result != CURLE_OK			  ? curl_easy_strerror(result)
												  : NULL,
		.total_ms = ue_loop_now_ms(upstream->loop) - transfer->start_ms,
		.first_byte_ms = transfer->first_byte_ms,
	};

	transfer->is_worn |= result != CURLE_OK;
	remove_from_multi(transfer);
	upstream->handler->on_end(transfer->context, &end);
	release(transfer);
}

/* Of a transfer that has not ended this closes the connection. */
static void
remove_from_multi(UeTransfer *transfer)
{
	ue_loop_cancel_timer(transfer->upstream->loop, &transfer->timer);
	if (transfer->multi == NULL)
		return;
	curl_multi_remove_handle(transfer->multi->curlm, transfer->easy);
	transfer->multi->n_transfers--;
	transfer->multi = NULL;
}

static void
release(UeTransfer *transfer)
{
	UeUpstream *upstream = transfer->upstream;

	if (transfer->is_pending)
	{
		transfer->is_ended = true;
		return;
	}
	upstream->n_transfers--;
	if (transfer->is_worn || upstream->n_idle >= UE_IDLE_TRANSFERS)
	{
		ue_transfer_free(transfer);
		return;
	}
	ue_transfer_reset(transfer);
	transfer->next = upstream->idle;
	upstream->idle = transfer;
	upstream->n_idle++;
}

static void
handle_deadline(UeTimer *timer)
{
	UeTransfer *transfer = (UeTransfer *) ((char *) timer - offsetof(UeTransfer, timer));
	UeUpstream *upstream = transfer->upstream;

	if (transfer->has_result)
		return;
	upstream->busy++;
	transfer->network = transfer->is_head_complete ? UE_NETWORK_IDLE_TIMEOUT
												   : UE_NETWORK_FIRST_BYTE_TIMEOUT;
	finish(transfer, CURLE_OPERATION_TIMEDOUT);
	ue_upstream_leave(upstream);
}

static int
handle_timer(CURLM *curlm, long timeout_ms, void *context)
{
	UeMulti *multi = context;

	(void) curlm;
	if (timeout_ms < 0)
		ue_loop_cancel_timer(multi->upstream->loop, &multi->timer);
	else
		ue_loop_set_timer(multi->upstream->loop, &multi->timer, timeout_ms);
	return 0;
}

static void
handle_timer_due(UeTimer *timer)
{
	UeMulti *multi = (UeMulti *) ((char *) timer - offsetof(UeMulti, timer));

	multi->upstream->busy++;
	ue_upstream_drive(multi, CURL_SOCKET_TIMEOUT, 0);
	ue_upstream_leave(multi->upstream);
}
