/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide_text.c: text of a fault, made fit to leave the core.
 *
 * Always in the order clean, mask, cut.  A cut first could leave a secret's head, which the
 * mask would not know again; a mask before cleaning would see other words than the mask
 * that goes over a stored row once more.
 */
#include "core/decide_text.h"
#include "core/buf.h"
#include "core/eventframe.h"
#include "core/mask.h"
#include "core/utf8.h"

UeStatus
ue_decide_clean(UeArena *arena, const UeMaskSettings *mask, UeSlice text, UeSlice *out)
{
	UeSlice cleaned;
	UeStatus status = ue_utf8_clean(arena, text, &cleaned);

	if (status != UE_OK)
		return status;
	return ue_mask_text(arena, mask, cleaned, out);
}

/* Cuts *text to limit bytes; *is_cut is set when there was more, and else left alone. */
static void
cut_text(UeSlice *text, size_t limit, bool *is_cut)
{
	size_t len = ue_utf8_cut(*text, limit);

	if (len < text->len)
		*is_cut = true;
	text->len = len;
}

UeStatus
ue_decide_token(UeArena *arena, const UeMaskSettings *mask, UeSlice text, UeSlice *out)
{
	UeStatus status = ue_decide_clean(arena, mask, text, out);

	if (status == UE_OK)
		out->len = ue_utf8_cut(*out, UE_LIMIT_TOKEN);
	return status;
}

/* What a reader of the row wants to see of a body: of Amazon's binary frames the words. */
static UeSlice
find_readable(UeSlice body)
{
	UeEventFrame frame;

	if (!ue_eventframe_is_frame(body) || !ue_eventframe_find_error(body, &frame))
		return body;
	return ue_slice_is_empty(frame.payload) ? frame.message : frame.payload;
}

static UeStatus
fill_detail(UeArena *arena, const UeMaskSettings *mask, const UeCase *kase,
			const UeJson *root, bool is_whole_body, UeVerdict *verdict,
			UeSlice *masked_json)
{
	UeSlice body = find_readable(ue_slice_sub(kase->response.body, 0, UE_LIMIT_BODY));
	UeStatus status = UE_OK;

	*masked_json = (UeSlice){NULL, 0};
	if (root != NULL)
		status = ue_mask_json(arena, mask, root, masked_json);
	if (status == UE_NO_MEMORY)
		return status;
	if (root != NULL && status == UE_OK && is_whole_body)
		status = ue_utf8_clean(arena, *masked_json, &verdict->detail);
	else
		status = ue_decide_clean(arena, mask, ue_slice_trim(body), &verdict->detail);
	if (status != UE_OK)
		return status;
	verdict->original_bytes = (int64_t) kase->response.body.len;
	if (kase->response.body.len > UE_LIMIT_BODY)
		verdict->is_truncated = true;
	cut_text(&verdict->detail, UE_LIMIT_DETAIL, &verdict->is_truncated);
	return UE_OK;
}

UeStatus
ue_decide_texts(UeArena *arena, const UeMaskSettings *mask, const UeCase *kase,
				const UeJson *root, bool is_whole_body, UeVerdict *verdict,
				UeDecideTexts *texts)
{
	const UeFault *fault = &verdict->fault;
	UeStatus status;

	status =
		fill_detail(arena, mask, kase, root, is_whole_body, verdict, &texts->masked_json);
	if (status == UE_OK)
		status = ue_decide_clean(arena, mask, fault->message, &texts->message);
	if (status == UE_OK)
		status = ue_decide_token(arena, mask, fault->type, &verdict->error_type);
	if (status == UE_OK)
		status = ue_decide_token(arena, mask, fault->code, &verdict->error_code);
	if (status == UE_OK)
		status = ue_decide_token(arena, mask, fault->upstream_request_id,
								 &verdict->upstream_request_id);
	if (status != UE_OK)
		return status;
	verdict->message = texts->message;
	cut_text(&verdict->message, UE_LIMIT_MESSAGE, &verdict->is_truncated);
	return UE_OK;
}

/* "Unknown route." and "GET /x" are "Unknown route: GET /x". */
static UeStatus
append_local_message(UeArena *arena, const UeMaskSettings *mask, UeSlice language,
					 UeSlice sentence, UeSlice about, UeSlice *out)
{
	bool is_chinese = ue_slice_has_prefix_fold(language, UE_SLICE("zh"));
	UeSlice stop = is_chinese ? UE_SLICE("。") : UE_SLICE(".");
	UeSlice colon = is_chinese ? UE_SLICE("：") : UE_SLICE(": ");
	UeBuf buf;
	UeSlice cleaned;
	UeStatus status = ue_decide_clean(arena, mask, about, &cleaned);

	if (status != UE_OK)
		return status;
	cleaned.len = ue_utf8_cut(cleaned, UE_LIMIT_MESSAGE);
	if (ue_slice_has_suffix_fold(sentence, stop))
		sentence.len -= stop.len;
	ue_buf_init(&buf, arena, UE_LIMIT_ANSWER);
	ue_buf_append(&buf, sentence);
	ue_buf_append(&buf, colon);
	ue_buf_append(&buf, cleaned);
	return ue_buf_finish(&buf, out);
}

UeStatus
ue_decide_fill(UeArena *arena, UeSlice text, UeTemplateValue *values, size_t n_values,
			   UeSlice *out)
{
	size_t n_braces = 1;
	size_t room;

	for (size_t i = 0; i < text.len; i++)
		n_braces += text.ptr[i] == '{';
	room = text.len < UE_LIMIT_BODY ? (UE_LIMIT_BODY - text.len) / n_braces : 0;
	for (size_t i = 0; i < n_values; i++)
		values[i].value.len = ue_utf8_cut(values[i].value, room);
	return ue_template_render(arena, text, values, n_values, out);
}

UeStatus
ue_decide_catalog_message(UeArena *arena, const UePolicy *policy, const UeCase *kase,
						  const UeFault *fault, UeSlice *out)
{
	UeTemplateValue values[] = {
		{UE_SLICE("status"), {NULL, 0}},
		{UE_SLICE("platform"), kase->response.platform},
		{UE_SLICE("model"), kase->model},
	};
	const UeCode *code = fault->catalog_code;
	UeSlice language;
	UeSlice text = ue_policy_message(policy, code, kase->accept_language, &language);
	UeBuf number;
	UeSlice sentence;
	UeStatus status;

	ue_buf_init(&number, arena, UE_LIMIT_TOKEN);
	ue_buf_append_int64(&number, fault->effective_status);
	status = ue_buf_finish(&number, &values[0].value);
	if (status == UE_OK && policy != NULL)
		status = ue_arena_copy(arena, text, &text);
	if (status == UE_OK)
		status = ue_decide_fill(arena, text, values, sizeof(values) / sizeof(values[0]),
								&sentence);
	if (status != UE_OK)
		return status;
	if (kase->kind == UE_KIND_LOCAL_ERROR && !ue_slice_is_empty(kase->local_message) &&
		code->visibility != UE_VISIBILITY_INTERNAL)
		return append_local_message(arena, ue_policy_mask(policy), language, sentence,
									kase->local_message, out);
	*out = sentence;
	return UE_OK;
}
