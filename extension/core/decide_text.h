/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide_text.h: text of a fault, made fit to leave the core.
 */
#ifndef UE_CORE_DECIDE_TEXT_H
#define UE_CORE_DECIDE_TEXT_H

#include "core/decide.h"
#include "core/template.h"

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
extern UeStatus ue_decide_texts(UeArena *arena, const UeMaskSettings *mask,
								const UeCase *kase, const UeJson *root,
								bool is_whole_body, UeVerdict *verdict,
								UeDecideTexts *texts) UE_MUST_CHECK;

/* Masked, valid UTF-8 without NUL, not cut. */
extern UeStatus ue_decide_clean(UeArena *arena, const UeMaskSettings *mask, UeSlice text,
								UeSlice *out) UE_MUST_CHECK;

/* The same, cut to UE_LIMIT_TOKEN: type, code, param, ids. */
extern UeStatus ue_decide_token(UeArena *arena, const UeMaskSettings *mask, UeSlice text,
								UeSlice *out) UE_MUST_CHECK;

/* A template filled in, its values cut as far as needed to stay within UE_LIMIT_BODY. */
extern UeStatus ue_decide_fill(UeArena *arena, UeSlice text, UeTemplateValue *values,
							   size_t n_values, UeSlice *out) UE_MUST_CHECK;

/* What the operator or the catalogue says about the fault, with {status}, {platform},
 * {model} filled in and local_message behind it.  Nothing of it points into the policy. */
extern UeStatus ue_decide_catalog_message(UeArena *arena, const UePolicy *policy,
										  const UeCase *kase, const UeFault *fault,
										  UeSlice *out) UE_MUST_CHECK;

#endif
