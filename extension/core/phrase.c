/* SPDX-License-Identifier: PostgreSQL */
/*
 * phrase.c: the three bytes that end at each place as one number, kept while reading on.
 *
 * Of each byte five bits count, the same for a letter and its capital; three bytes make
 * fifteen bits, folded to the twelve that the filter has.
 */
#include "core/phrase.h"

#define BITS_PER_BYTE 5
#define HEAD_MASK	  0x7fffu
#define FILTER_BITS	  12

static uint32_t
append_byte(uint32_t head, char byte)
{
	return ((head << BITS_PER_BYTE) ^ ((uint32_t) byte & 0x1f)) & HEAD_MASK;
}

/* The bit of a head. */
static uint32_t
fold_head(uint32_t head)
{
	return (head ^ head >> FILTER_BITS) & ((1u << FILTER_BITS) - 1);
}

void
ue_phrase_init(UePhraseFilter *filter)
{
	*filter = (UePhraseFilter){{0}};
}

void
ue_phrase_append(UePhraseFilter *filter, UeSlice phrase)
{
	uint32_t head = 0;
	uint32_t bit;

	for (size_t i = 0; i < UE_PHRASE_HEAD && i < phrase.len; i++)
		head = append_byte(head, phrase.ptr[i]);
	bit = fold_head(head);
	filter->words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

bool
ue_phrase_next(const UePhraseFilter *filter, UeSlice text, size_t from, size_t *at)
{
	uint32_t head = 0;
	size_t end = from;

	for (; end < text.len && end - from < UE_PHRASE_HEAD - 1; end++)
		head = append_byte(head, text.ptr[end]);
	for (; end < text.len; end++)
	{
		uint32_t bit;

		head = append_byte(head, text.ptr[end]);
		bit = fold_head(head);
		if ((filter->words[bit / 64] >> (bit % 64) & 1) != 0)
		{
			*at = end - (UE_PHRASE_HEAD - 1);
			return true;
		}
	}
	return false;
}
