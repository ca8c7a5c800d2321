/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_parse.c: any answer gives a fault, and every byte of it can be read.
 *
 * Input: a byte that chooses the status, a byte that lets an allocation fail (255: none),
 * header lines, a NUL, the body.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/parse_fields.h"

#define NEVER 255

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int statuses[] = {0, 200, 400, 401, 403, 404, 429, 500, 503, 529};

static void *
allocate(void *context, size_t size)
{
	size_t *left = context;

	if (*left == 0)
		return NULL;
	if (*left != SIZE_MAX)
		(*left)--;
	return malloc(size);
}

static void
release(void *context, void *block)
{
	(void) context;
	free(block);
}

/* Reads every byte, so that a slice that points astray is seen. */
static unsigned
touch(UeSlice slice)
{
	unsigned sum = 0;

	for (size_t i = 0; i < slice.len; i++)
		sum += (unsigned char) slice.ptr[i];
	return sum;
}

static void
check_fault(const UeFault *fault, const UeJson *root)
{
	unsigned sum = 0;

	sum += touch(fault->type) + touch(fault->code) + touch(fault->param);
	sum +=
		touch(fault->reason) + touch(fault->message) + touch(fault->upstream_request_id);
	if (root != NULL)
		sum += touch(root->raw);
	if (sum == UINT_MAX) /* no input is long enough; but now the bytes must be read */
		abort();
	if (fault->retry_after_ms != UE_RETRY_AFTER_NONE &&
		(fault->retry_after_ms < 0 || fault->retry_after_ms > UE_LIMIT_RETRY_AFTER_MS))
		abort();
	if (fault->body_status != 0 && (fault->body_status < 400 || fault->body_status > 599))
		abort();
	if (fault->message.len > UE_LIMIT_BODY)
		abort();
}

static void
check_times(UeSlice text)
{
	int64_t when;
	int64_t wait;
	size_t len;

	if (ue_parse_duration(text, 1000, &len, &wait) && (len > text.len || wait < 0))
		abort();
	if (ue_parse_http_date(text, &when) && when < 0)
		abort();
	(void) ue_parse_rfc3339(text, &when);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t left;
	UeAllocator allocator = {allocate, release, &left};
	UeArena arena;
	UeHeader *headers = NULL;
	UeResponse response = {.now_ms = 1795219200000LL, .platform = UE_SLICE("openai")};
	UeFault fault;
	const UeJson *root;
	UeSlice text;
	UeStatus status;
	size_t at = 0;
	bool is_whole;

	if (size < 2)
		return 0;
	response.status = statuses[data[0] % (sizeof(statuses) / sizeof(statuses[0]))];
	left = data[1] == NEVER ? SIZE_MAX : data[1];
	text = (UeSlice){(const char *) data + 2, size - 2};
	if (!ue_slice_find(text, (UeSlice){"", 1}, &at))
		at = 0;
	response.body = ue_slice_sub(text, at > 0 ? at + 1 : 0, text.len);

	ue_arena_init(&arena, &allocator, UE_LIMIT_CASE_MEMORY);
	status = ue_parse_header_block(&arena, ue_slice_sub(text, 0, at), &headers,
								   &response.n_headers);
	response.headers = headers;
	if (status == UE_OK)
		status = ue_parse_response_tree(&arena, &response, &fault, &root, &is_whole);
	if (status == UE_OK)
		check_fault(&fault, root);
	else if (status != UE_NO_MEMORY || left == SIZE_MAX)
		abort();
	check_times(ue_slice_sub(text, 0, 64));
	ue_arena_free(&arena);
	return 0;
}
