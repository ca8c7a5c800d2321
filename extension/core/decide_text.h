/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide_text.h: text of a fault, made fit to leave the core.
 */
#ifndef UE_CORE_DECIDE_TEXT_H
#define UE_CORE_DECIDE_TEXT_H

#include "core/decide.h"

/* What an answer is made of and a verdict does not keep. */
typedef struct UeDecideTexts
{
	UeSlice masked_json; /* the tree masked; empty when the body is not one JSON value */
	UeSlice message;	 /* the fault's, masked and clean, not cut */
} UeDecideTexts;

/*
 * Fills verdict's message, detail, error_type, error_code, upstream_request_id,
 * is_truncated and original_bytes from verdict->fault.
 */
extern UeStatus ue_decide_texts(UeArena *arena, const UeCase *kase, const UeJson *root,
								bool is_whole_body, UeVerdict *verdict,
								UeDecideTexts *texts) UE_MUST_CHECK;

/* Masked, valid UTF-8 without NUL, not cut. */
extern UeStatus ue_decide_clean(UeArena *arena, UeSlice text, UeSlice *out) UE_MUST_CHECK;

/* The same, cut to UE_LIMIT_TOKEN: type, code, param, ids. */
extern UeStatus ue_decide_token(UeArena *arena, UeSlice text, UeSlice *out) UE_MUST_CHECK;

/* What the catalogue says about the fault, with {status}, {platform}, {model} filled in
 * and local_message behind it. */
extern UeStatus ue_decide_catalog_message(UeArena *arena, const UeCase *kase,
										  const UeFault *fault,
										  UeSlice *out) UE_MUST_CHECK;

#endif
