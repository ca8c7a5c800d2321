/* SPDX-License-Identifier: PostgreSQL */
/*
 * jsonout.h: compact JSON into a UeBuf.
 *
 * The writer puts the commas; the caller nests begin and end.  Strings come out as valid
 * UTF-8 whatever went in (ue_utf8_clean's replacements), with '"', '\' and control
 * characters escaped and nothing else.
 */
#ifndef UE_CORE_JSONOUT_H
#define UE_CORE_JSONOUT_H

#include "core/buf.h"
#include "core/json.h"

typedef struct UeJsonOut
{
	UeBuf *buf;      /* not owned; its sticky status is ours */
	bool needs_comma; /* private */
} UeJsonOut;

extern void ue_jsonout_init(UeJsonOut *out, UeBuf *buf);
extern void ue_jsonout_append_begin(UeJsonOut *out, char bracket); /* '{' or '[' */
extern void ue_jsonout_append_end(UeJsonOut *out, char bracket);   /* '}' or ']' */
extern void ue_jsonout_append_key(UeJsonOut *out, UeSlice key);
extern void ue_jsonout_append_string(UeJsonOut *out, UeSlice text);
extern void ue_jsonout_append_int64(UeJsonOut *out, int64_t value);
extern void ue_jsonout_append_null(UeJsonOut *out);
extern void ue_jsonout_append_bool(UeJsonOut *out, bool value);

/* Text that is already one valid JSON value. */
extern void ue_jsonout_append_raw(UeJsonOut *out, UeSlice json);

#endif
