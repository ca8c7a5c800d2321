/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_numbering.c: errors that are told by a number of the vendor's own, most of them
 * with a status of 200.
 *
 * The member that holds the number says whose numbers they are; what they mean is in
 * classify_numbers.c.  Zero is success.
 */
#include "core/parse_fields.h"

typedef struct Numbering
{
	UeSlice number;	 /* path of the number */
	UeSlice beside;	 /* path that must exist too; empty: none need */
	UeSlice message; /* path of the sentence; empty: where general JSON has it */
	UeSlice vendor;
} Numbering;

static const Numbering numberings[] = {
	/* MiniMax: {"choices": null, …, "base_resp": {"status_code", "status_msg"}} */
	{UE_SLICE_INIT("base_resp.status_code"), UE_SLICE_INIT("base_resp.status_msg"),
	 UE_SLICE_INIT("base_resp.status_msg"), UE_SLICE_INIT("minimax")},
	/* Baidu: {"error_code", "error_msg", "id"} */
	{UE_SLICE_INIT("error_code"), UE_SLICE_INIT("error_msg"), UE_SLICE_INIT("error_msg"),
	 UE_SLICE_INIT("baidu")},
	/* iFlytek: {"header": {"code", "message", "sid"}} and {"code", "message", "sid"} */
	{UE_SLICE_INIT("header.code"), UE_SLICE_INIT("header.sid"),
	 UE_SLICE_INIT("header.message"), UE_SLICE_INIT("iflytek")},
	{UE_SLICE_INIT("code"), UE_SLICE_INIT("sid"), UE_SLICE_INIT("message"),
	 UE_SLICE_INIT("iflytek")},
	/* Cloudflare API v4: {"success": false, "errors": [{"code", "message"}]} */
	{UE_SLICE_INIT("errors.0.code"), UE_SLICE_INIT("success"), UE_SLICE_INIT(""),
	 UE_SLICE_INIT("cloudflare")},
};

void
ue_parse_numbering(const UeJson *root, UeFault *out)
{
	for (size_t i = 0; i < sizeof(numberings) / sizeof(numberings[0]); i++)
	{
		const Numbering *each = &numberings[i];
		UeSlice text = ue_json_text(ue_parse_find_path(root, each->number));
		int64_t number;

		if (!ue_slice_parse_int64(ue_slice_trim(text), &number) || number == 0 ||
			ue_parse_find_path(root, each->beside) == NULL)
			continue;
		out->code = ue_slice_trim(text);
		out->vendor = each->vendor;
		if (!ue_slice_is_empty(each->message))
			out->message =
				ue_slice_trim(ue_json_text(ue_parse_find_path(root, each->message)));
		return;
	}
}
