/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_sequence.c: one JSON text of several, or one with something behind it.
 *
 * Ollama streams a value a line, the error last; servers that fail while they write an
 * answer append a second object; proxies append comments.
 */
#include "core/parse_fields.h"

/* Length of the value that text, which begins with a bracket, begins with; all of text
 * when the value does not end. */
static size_t
measure_value(UeSlice text)
{
	size_t depth = 0;
	bool is_string = false;

	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if (is_string && byte == '\\')
			i++;
		else if (byte == '"')
			is_string = !is_string;
		else if (!is_string && (byte == '{' || byte == '['))
			depth++;
		else if (!is_string && (byte == '}' || byte == ']') && --depth == 0)
			return i + 1;
	}
	return text.len;
}

UeSlice
ue_parse_find_value(UeSlice text)
{
	UeSlice rest = text;
	UeSlice first = {NULL, 0};

	while (rest.len > 0 && (rest.ptr[0] == '{' || rest.ptr[0] == '['))
	{
		UeSlice value = ue_slice_sub(rest, 0, measure_value(rest));
		size_t at;

		if (ue_slice_is_empty(first))
			first = value;
		if (ue_slice_find(value, UE_SLICE("\"error\""), &at))
			return value;
		rest = ue_slice_trim(ue_slice_sub(rest, value.len, rest.len));
	}
	return first;
}
