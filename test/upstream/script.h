/* SPDX-License-Identifier: PostgreSQL */
/*
 * script.h: what a channel of the scripted upstream does, told as lines of text.
 *
 * The first line whose conditions all hold says what happens to a request; without any the
 * channel is good.  A line is a scenario (play.c) with conditions and hints in any order:
 *
 *     # the third to fifth request, and a quarter of all in the first two seconds
 *     n=3-5 error:limit retry-after=2
 *     t=0-2000 share=0.25 error:529
 *     ok
 *
 * Conditions: n (number of the request on this channel since its script was set, from 1), t
 * (ms since then), open (requests under way here, this one counted), try (how often this
 * request of a client was seen by any channel, from 1; told by its x-case header), all as
 * A, A- or A-B; share (a part of the requests, the same ones in every run), key (text in a
 * credential), model, stream (yes, no).  Hints of an error, in place of its own: retry-after,
 * retry-after-ms (headers), retry-info (Google's RetryInfo, "1.5s"; ignored for others).
 */
#ifndef UE_TEST_SCRIPT_H
#define UE_TEST_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vendor.h"

#define UE_SCRIPT_LINES 64
#define UE_SCRIPT_WORD	64

typedef struct UeScriptRange
{
	int64_t first;
	int64_t last;
} UeScriptRange;

typedef struct UeScriptLine
{
	UeScriptRange n, t, open, attempt;
	double share;
	char key[UE_SCRIPT_WORD]; /* "": any; so is the next */
	char model[UE_SCRIPT_WORD];
	bool is_stream_asked, is_stream;
	bool has_hint;
	UeVendorHint hint;
	char scenario[UE_SCRIPT_WORD]; /* with its argument */
} UeScriptLine;

typedef struct UeScript
{
	UeScriptLine lines[UE_SCRIPT_LINES];
	int n_lines;
} UeScript;

/* What conditions are asked about. */
typedef struct UeScriptFacts
{
	const char *channel;
	int64_t number;
	int64_t elapsed_ms;
	int64_t n_open;
	int64_t attempt;
	const char *credentials;
	const char *model;
	bool is_stream;
} UeScriptFacts;

/* False: *out is as it was, and the problem with its line has been written to error. */
extern bool ue_script_read(const char *text, UeScript *out, FILE *error);

/*
 * The index of the line that fits; -1: none.  Before a request's body has come only those
 * are asked whose scenario does not wait for it (ue_play_is_early), and afterwards only the
 * others.
 */
extern int ue_script_find(const UeScript *script, const UeScriptFacts *facts,
						  bool is_early);

#endif
