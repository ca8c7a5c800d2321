/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_fields.h: what the files parse_*.c share.
 */
#ifndef UE_CORE_PARSE_FIELDS_H
#define UE_CORE_PARSE_FIELDS_H

#include "core/parse.h"

/* The trimmed text of a member that is a string or a number; empty otherwise. */
extern UeSlice ue_parse_field(const UeJson *object, UeSlice name);

/*
 * Steps down members by name, folded: Go servers write "Message" and "ERROR".  The name 0
 * is the first element of an array: "errors.0.code".  NULL as soon as one is missing.
 */
extern const UeJson *ue_parse_find_path(const UeJson *node, UeSlice dotted_path);

/* An integer member of 400 to 599, also as a string; 0 otherwise. */
extern int ue_parse_field_status(const UeJson *object, UeSlice name);

/* Members with names folded, values as readable text: what no dialect claims. */
extern UeStatus ue_parse_general(UeArena *arena, const UeJson *root,
								 UeFault *out) UE_MUST_CHECK;

/* Code, vendor and sentence of an error told by a vendor's number; else as it was. */
extern void ue_parse_numbering(const UeJson *root, UeFault *out);

/* The type that AWS put beside the body; else as it was. */
extern void ue_parse_aws_type(const UeResponse *response, const UeJson *root,
							  UeFault *fault);

/* Of texts that begin with a bracket, one after the other, the first that speaks of an
 * error, else the first.  Empty when text begins with no bracket. */
extern UeSlice ue_parse_find_value(UeSlice text);

/* Readable text of a value of any type: a string, an object's message, the entries of a
 * validation list.  Empty when there is none. */
extern UeStatus ue_parse_readable(UeArena *arena, const UeJson *node,
								  UeSlice *out) UE_MUST_CHECK;

/* True when text looks like a page. */
extern bool ue_parse_is_html(UeSlice text);

/* The page's title, or else its first heading, without markup. */
extern UeStatus ue_parse_html_title(UeArena *arena, UeSlice text,
									UeSlice *out) UE_MUST_CHECK;

/*
 * The data of an SSE text, its lines joined by LF: of the first event that is or holds an
 * error, else of the last event with data.  False when text is not an event stream.
 */
extern bool ue_parse_is_event(UeSlice text);
extern UeStatus ue_parse_event_data(UeArena *arena, UeSlice text,
									UeSlice *data) UE_MUST_CHECK;

/* Of an array of objects the first that is an error, or else the first: Google streams one
 * array, answers first and the error last.  Else the document itself. */
extern const UeJson *ue_parse_unwrap(const UeJson *root);

/* "{'error': {'code': None}}", Python's spelling, and the JSON it was. */
extern bool ue_parse_is_python(UeSlice text);
extern UeStatus ue_parse_python(UeArena *arena, UeSlice text,
								UeSlice *json) UE_MUST_CHECK;

/* The wait that a sentence asks for; false when it names none that has one meaning. */
extern bool ue_parse_prose_wait(UeSlice message, int64_t now_ms, int64_t *out);

/* The same of the fields of a document. */
extern bool ue_parse_body_wait(const UeJson *root, int64_t now_ms, int64_t *out);

/* Times, parse_date.c.  "2026-11-21T00:00:00Z" in Unix ms. */
extern bool ue_parse_rfc3339(UeSlice text, int64_t *out);

/*
 * A length of time at the beginning of text: "1h2m3.5s", "250ms", "20 seconds", or a bare
 * number, which counts in units of bare_unit_ms.  *len, when not NULL, is what was used.
 */
extern bool ue_parse_duration(UeSlice text, int64_t bare_unit_ms, size_t *len,
							  int64_t *out);

#endif
