/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_python.c: what Python's repr() made of a JSON document, back into JSON.
 *
 * Relays that send str(error) answer {'error': {'message': "can't", 'code': None}}.  Only
 * the spelling differs: quotes, escapes, three words, tuples.  What is neither is copied,
 * and the JSON reader has the last word.
 */
#include "core/buf.h"
#include "core/limits.h"
#include "core/parse_fields.h"

typedef struct Word
{
	UeSlice python;
	UeSlice json;
} Word;

static const Word words[] = {
	{UE_SLICE_INIT("None"), UE_SLICE_INIT("null")},
	{UE_SLICE_INIT("True"), UE_SLICE_INIT("true")},
	{UE_SLICE_INIT("False"), UE_SLICE_INIT("false")},
};

/* The escape at the beginning of text; returns its length. */
static size_t
copy_escape(UeBuf *buf, UeSlice text)
{
	char byte = text.len > 1 ? text.ptr[1] : '\0';

	switch (byte)
	{
		case '\0': /* cut here */
			return text.len;
		case '\'':
			ue_buf_append_byte(buf, '\'');
			return 2;
		case 'x':
			ue_buf_append(buf, UE_SLICE("\\u00"));
			return 2;
		case 'U': /* eight digits, the first four zero but for planes JSON writes in two */
			ue_buf_append(buf, UE_SLICE("\\ufffd"));
			return text.len < 10 ? text.len : 10;
		default:
			ue_buf_append(buf, ue_slice_sub(text, 0, 2));
			return 2;
	}
}

/* From the opening quote; returns the length with both quotes, or up to the text's end. */
static size_t
copy_string(UeBuf *buf, UeSlice text)
{
	char quote = text.ptr[0];
	size_t at = 1;

	ue_buf_append_byte(buf, '"');
	while (at < text.len && text.ptr[at] != quote)
	{
		if (text.ptr[at] == '\\')
		{
			at += copy_escape(buf, ue_slice_sub(text, at, text.len));
			continue;
		}
		if (text.ptr[at] == '"')
			ue_buf_append_byte(buf, '\\');
		ue_buf_append_byte(buf, text.ptr[at++]);
	}
	if (at >= text.len)
		return text.len;
	ue_buf_append_byte(buf, '"');
	return at + 1;
}

static size_t
copy_word(UeBuf *buf, UeSlice text)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (ue_slice_has_prefix(text, words[i].python))
		{
			ue_buf_append(buf, words[i].json);
			return words[i].python.len;
		}
	if (text.ptr[0] == '(' || text.ptr[0] == ')')
		ue_buf_append_byte(buf, text.ptr[0] == '(' ? '[' : ']');
	else
		ue_buf_append_byte(buf, text.ptr[0]);
	return 1;
}

bool
ue_parse_is_python(UeSlice text)
{
	return ue_slice_has_prefix(text, UE_SLICE("{'")) ||
		   ue_slice_has_prefix(text, UE_SLICE("[{'"));
}

UeStatus
ue_parse_python(UeArena *arena, UeSlice text, UeSlice *json)
{
	UeBuf buf;
	size_t at = 0;

	ue_buf_init(&buf, arena, 4 * UE_LIMIT_BODY);
	while (at < text.len)
	{
		UeSlice rest = ue_slice_sub(text, at, text.len);

		at += rest.ptr[0] == '\'' || rest.ptr[0] == '"' ? copy_string(&buf, rest)
														: copy_word(&buf, rest);
	}
	return ue_buf_finish(&buf, json);
}
