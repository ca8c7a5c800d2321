/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_render.c: whatever was sent, the answer is one JSON object in valid UTF-8.
 *
 * Input: five bytes that choose kind with platform, network with language, status, format
 * with credential, and the allocation that fails (255: none); then the body.  jansson reads what was rendered;
 * masking the verdict's texts once more changes nothing.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/mask.h"
#include "core/utf8.h"

#define NEVER	  255
#define N_CHOICES 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int statuses[] = {0,	200, 400, 401, 402, 403, 404, 407, 413,
							   422, 429, 498, 499, 500, 503, 522, 529};

/* Those whose numbers or statuses mean something of their own. */
static const UeSlice platforms[] = {
	UE_SLICE_INIT(""),		  UE_SLICE_INIT("openai"),	   UE_SLICE_INIT("zhipu"),
	UE_SLICE_INIT("minimax"), UE_SLICE_INIT("cloudflare"), UE_SLICE_INIT("groq"),
	UE_SLICE_INIT("iflytek"), UE_SLICE_INIT("baidu"),
};

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

/* U+0000 in a passed body is legal JSON, which jansson refuses unless told. */
static void
check_json(UeSlice text)
{
	json_error_t error;
	json_t *root = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, &error);

	if (root == NULL || !json_is_object(json_object_get(root, "error")))
		abort();
	json_decref(root);
}

static void
check_frame(UeSlice frame)
{
	size_t at;

	if (!ue_slice_find(frame, UE_SLICE("data: "), &at) || frame.len < at + 8)
		abort();
	frame = ue_slice_sub(frame, at + 6, frame.len);
	if (frame.ptr[frame.len - 1] != '\n' || frame.ptr[frame.len - 2] != '\n')
		abort();
	frame.len -= 2;
	if (ue_slice_find(frame, UE_SLICE("\n"), &at))
		abort();
	check_json(frame);
}

static void
check_text(UeArena *arena, UeSlice text, size_t limit)
{
	UeSlice again;
	size_t at;

	if (text.len > limit || !ue_utf8_is_valid(text) ||
		ue_slice_find(text, (UeSlice){"", 1}, &at))
		abort();
	/* a cut, at the limit or up to a character before it, may have left half a word */
	if (ue_mask_text(arena, NULL, text, &again) == UE_OK && text.len + 4 <= limit &&
		!ue_slice_is_equal(text, again))
		abort();
}

static void
check_verdict(UeArena *arena, const UeVerdict *verdict)
{
	const UeRendered *answer = &verdict->answer;

	if (answer->status < 400 || answer->status > 599 ||
		verdict->fault.catalog_code == NULL)
		abort();
	check_json(answer->body);
	check_frame(answer->frame);
	for (size_t i = 0; i < answer->n_headers; i++)
		for (size_t j = 0; j < answer->headers[i].value.len; j++)
			if (answer->headers[i].value.ptr[j] < ' ' ||
				answer->headers[i].value.ptr[j] > '~')
				abort();
	check_text(arena, verdict->message, UE_LIMIT_MESSAGE);
	check_text(arena, verdict->error_type, UE_LIMIT_TOKEN);
	check_text(arena, verdict->error_code, UE_LIMIT_TOKEN);
	if (verdict->detail.len > UE_LIMIT_DETAIL || !ue_utf8_is_valid(verdict->detail))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t left = SIZE_MAX;
	UeAllocator allocator = {allocate, release, &left};
	UeArena arena;
	UeCase kase = {.request_id = UE_SLICE("req_fuzz"),
				   .local_code = UE_SLICE("unknown_route")};
	UeVerdict verdict;
	UeStatus status;

	if (size < N_CHOICES)
		return 0;
	kase.kind = data[0] % (UE_KIND_LOCAL_ERROR + 1);
	kase.network = data[1] % (UE_NETWORK_PROXY + 1);
	kase.response.platform =
		platforms[data[0] / 16 % (sizeof(platforms) / sizeof(platforms[0]))];
	if (data[1] / 16 % 4 == 1)
		kase.accept_language = UE_SLICE("zh-CN");
	else if (data[1] / 16 % 4 == 2)
		kase.accept_language =
			(UeSlice){(const char *) data + N_CHOICES, size - N_CHOICES};
	kase.response.status = statuses[data[2] % (sizeof(statuses) / sizeof(statuses[0]))];
	kase.format = data[3] % (UE_FORMAT_GEMINI + 1);
	kase.credential = data[3] / 16 % (UE_CREDENTIAL_OURS + 1);
	kase.response.now_ms = 1795219200000LL;
	kase.response.body = (UeSlice){(const char *) data + N_CHOICES, size - N_CHOICES};
	kase.local_message = ue_slice_sub(kase.response.body, 0, 100);
	if (data[4] != NEVER)
		left = data[4];

	ue_arena_init(&arena, &allocator, UE_LIMIT_CASE_MEMORY);
	status = ue_decide_case(&arena, NULL, &kase, &verdict);
	if (status == UE_OK)
	{
		left = SIZE_MAX;
		check_verdict(&arena, &verdict);
	}
	else if (status != UE_NO_MEMORY || left == SIZE_MAX)
		abort();
	ue_arena_free(&arena);
	return 0;
}
