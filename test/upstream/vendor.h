/* SPDX-License-Identifier: PostgreSQL */
/*
 * vendor.h: good answers, streams and errors in each vendor's own shape.
 *
 * Everything is written to a stdio stream (open_memstream), JSON without spaces.
 */
#ifndef UE_TEST_VENDOR_H
#define UE_TEST_VENDOR_H

#include <stdbool.h>
#include <stdio.h>

typedef enum UeRoute
{
	UE_ROUTE_OPENAI_CHAT = 0,
	UE_ROUTE_OPENAI_RESPONSES,
	UE_ROUTE_OPENAI_EMBEDDINGS,
	UE_ROUTE_OPENAI_MODELS,
	UE_ROUTE_ANTHROPIC,
	UE_ROUTE_GEMINI,
} UeRoute;

/* An error as each vendor words it; a row of the table in vendor.c. */
typedef struct UeVendorError
{
	const char *name; /* of the scenario */
	int status;
	int retry_after_s; /* 0: none; a header, and for Google RetryInfo in the body */
	const char *openai_type;
	const char *openai_code;  /* NULL: null */
	const char *openai_param; /* NULL: null */
	const char *anthropic_type;
	int anthropic_status; /* 0: status */
	const char *google_status;
	int google_code;	 /* 0: status */
	const char *message; /* goes into JSON as it is: no quotes or backslashes */
} UeVendorError;

/* How long to wait, in place of the error's own retry_after_s; "": it does not say so. */
typedef struct UeVendorHint
{
	char retry_after[64];	 /* header, seconds or a date */
	char retry_after_ms[64]; /* header, OpenAI's */
	char retry_info[64];	 /* Google's RetryInfo, "1.5s" */
} UeVendorHint;

#define UE_VENDOR_DELTAS 5 /* pieces of text in a good stream */

extern UeRoute ue_vendor_find_route(const char *target);
extern const UeVendorError *ue_vendor_find_error(const char *name);
extern bool ue_vendor_is_sse(UeRoute route, const char *target);

extern void ue_vendor_write_answer(FILE *out, UeRoute route, const char *model);

/* Events 0 to ue_vendor_count_events() - 1 of a good stream; the last is terminal. */
extern int ue_vendor_count_events(UeRoute route);
extern void ue_vendor_write_event(FILE *out, UeRoute route, const char *model, int index);

/* hint, here and below: NULL is the error's own. */
extern int ue_vendor_status(const UeVendorError *error, UeRoute route);
extern void ue_vendor_write_error_headers(FILE *out, const UeVendorError *error,
										  const UeVendorHint *hint, UeRoute route);
extern void ue_vendor_write_error(FILE *out, const UeVendorError *error,
								  const UeVendorHint *hint, UeRoute route);
extern void ue_vendor_write_error_event(FILE *out, const UeVendorError *error,
										UeRoute route);

/* Request id headers and the like of a good answer, content type not included. */
extern const char *ue_vendor_headers(UeRoute route);

#endif
