/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_fold.c: secrets that are cut over the data lines of an event stream.
 *
 * An event's data may be written in several lines, each after "data:" (HTML, 9.2.6), and a
 * line may end anywhere: behind a key's prefix, inside of it, between a name and its value.
 * No rule knows of that.  Instead the text is joined for a trial, its folds taken out, and
 * scanned; where something secret reaches over a fold, that fold is taken out for good, and
 * the rules find in the text what they found in the trial.  All other folds stay.  Where a
 * line begins with a word, that may hide the end of what stands before it, so there are
 * three trials: with all folds taken out, with every second one, and with the others; only
 * the first where there are so many folds that nobody cut the text by accident.
 *
 *   data: the key is sk-pr        data: the key is sk-proj-abcdefgh, it
 *   data: oj-abcdefgh, it   ->    data: is invalid
 *   data: is invalid
 */
#include "core/mask_scan.h"

#define FOLD_LEN 6

/* What no secret goes on with, but JSON does: the joined text would be none. */
static const char stops[] = "{}[]\r\n";

/* Behind a fold whose line feed is at `at`; 0 if it is none. */
static size_t
skip_fold(UeSlice text, size_t at)
{
	size_t room = text.len - at;

	if (room <= FOLD_LEN || memcmp(text.ptr + at, "\ndata:", FOLD_LEN) != 0)
		return 0;
	at += FOLD_LEN;
	at += text.ptr[at] == ' ';
	return at < text.len && memchr(stops, text.ptr[at], sizeof(stops) - 1) == NULL ? at
																				   : 0;
}

/* Whether the trial is one without the fold that was found. */
static bool
is_taken(UeMaskFolds *folds)
{
	bool is_even = folds->n_found++ % 2 == 0;

	return folds->trial == UE_MASK_TRIAL_ALL ||
		   is_even == (folds->trial == UE_MASK_TRIAL_EVEN);
}

/* Moves on to the next fold; folds->at is the text's end when there is none. */
static void
find_next_fold(UeMaskFolds *folds)
{
	UeSlice text = folds->text;
	size_t from = folds->next;
	size_t at = from;

	while (at < text.len)
	{
		const char *found = memchr(text.ptr + at, '\n', text.len - at);
		size_t start;

		if (found == NULL)
			break;
		at = (size_t) (found - text.ptr);
		start = at > from && text.ptr[at - 1] == '\r' ? at - 1 : at;
		/* behind an empty line another event begins */
		if (start > 0 && text.ptr[start - 1] != '\n')
		{
			folds->next = skip_fold(text, at);
			if (folds->next > 0 && is_taken(folds))
			{
				folds->at = start;
				folds->joined += start - from;
				return;
			}
		}
		at++;
	}
	folds->joined += text.len - from;
	folds->at = text.len;
	folds->next = text.len;
}

void
ue_mask_note_region(UeMaskFolds *folds, size_t start, size_t end)
{
	while (folds->at < folds->text.len && folds->joined < end)
	{
		if (folds->joined > start)
		{
			ue_buf_append(folds->out, ue_slice_sub(folds->text, folds->copied,
												   folds->at - folds->copied));
			folds->copied = folds->next;
		}
		find_next_fold(folds);
	}
}

/* The text without its folds; *n_found is the number of all of them. */
static UeStatus
build_joined(UeBuf *buf, UeMaskTrial trial, UeSlice text, UeSlice *joined,
			 size_t *n_found)
{
	UeMaskFolds folds = {.trial = trial, .text = text};
	size_t from = 0;

	while (from < text.len)
	{
		find_next_fold(&folds);
		ue_buf_append(buf, ue_slice_sub(text, from, folds.at - from));
		from = folds.next;
	}
	*n_found = folds.n_found;
	return ue_buf_finish(buf, joined);
}

/* One trial; *out is text itself when nothing reaches over a fold. */
static UeStatus
join(UeArena *arena, UeBuf *buf, const UeMaskSettings *settings, UeMaskFolds *folds,
	 UeSlice *out, size_t *n_found)
{
	UeSlice text = folds->text;
	UeMaskScan scan = {.settings = settings, .folds = folds};
	UeBuf joined;
	UeBuf probe;
	UeStatus status;

	*out = text;
	buf->len = 0;
	ue_buf_init(&joined, arena, SIZE_MAX - 1);
	ue_buf_init(&probe, arena, SIZE_MAX - 1);
	status = build_joined(&joined, folds->trial, text, &scan.text, n_found);
	if (status != UE_OK)
		return status;
	scan.buf = &probe;
	ue_mask_scan(&scan);
	if (probe.status != UE_OK)
		return probe.status;
	if (folds->copied == 0)
		return UE_OK;
	ue_buf_append(buf, ue_slice_sub(text, folds->copied, text.len));
	return ue_buf_finish(buf, out);
}

UeStatus
ue_mask_join(UeArena *arena, UeBuf *buf, const UeMaskSettings *settings,
			 UeMaskTrial trial, UeSlice text, UeSlice *out, size_t *n_folds)
{
	UeMaskFolds folds = {.trial = trial, .text = text, .out = buf};
	UeStatus status = UE_OK;

	*out = text;
	find_next_fold(&folds);
	*n_folds = folds.n_found;
	if (folds.at < text.len)
		status = join(arena, buf, settings, &folds, out, n_folds);
	return status;
}
