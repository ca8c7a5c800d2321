/* SPDX-License-Identifier: PostgreSQL */
/*
 * phrase.h: where in a text one of many phrases may begin.
 *
 * A filter made of the phrases' first three bytes, without case.  It never leaves out a
 * place where a phrase begins and lets few others through, so that a text is read once
 * for a table of phrases and not once for each.  It lives where the caller puts it and
 * owns nothing.
 */
#ifndef UE_CORE_PHRASE_H
#define UE_CORE_PHRASE_H

#include <stdint.h>

#include "core/slice.h"

/* Bytes of a phrase that are looked at; none is shorter. */
#define UE_PHRASE_HEAD 3

/* 4096 bits: a hundred phrases leave it nearly empty. */
#define UE_PHRASE_WORDS 64

typedef struct UePhraseFilter
{
	uint64_t words[UE_PHRASE_WORDS];
} UePhraseFilter;

extern void ue_phrase_init(UePhraseFilter *filter);

/* The phrase has at least UE_PHRASE_HEAD bytes. */
extern void ue_phrase_append(UePhraseFilter *filter, UeSlice phrase);

/* The first place at or after from where a phrase may begin; false when there is none. */
extern bool ue_phrase_next(const UePhraseFilter *filter, UeSlice text, size_t from,
						   size_t *at);

#endif
