/* SPDX-License-Identifier: PostgreSQL */
/*
 * template.c: names in braces, replaced by values.
 */
#include "core/template.h"
#include "core/buf.h"
#include "core/limits.h"

/* The value of the name that text begins with, "{name}…"; NULL when it is none of ours. */
static const UeTemplateValue *
find_value(UeSlice text, const UeTemplateValue *values, size_t n_values)
{
	for (size_t i = 0; i < n_values; i++)
	{
		size_t len = values[i].name.len;

		if (text.len >= len + 2 && text.ptr[len + 1] == '}' &&
			ue_slice_is_equal(ue_slice_sub(text, 1, len), values[i].name))
			return &values[i];
	}
	return NULL;
}

UeStatus
ue_template_render(UeArena *arena, UeSlice text, const UeTemplateValue *values,
				   size_t n_values, UeSlice *out)
{
	UeBuf buf;
	size_t at;

	if (!ue_slice_find(text, UE_SLICE("{"), &at))
	{
		*out = text;
		return UE_OK;
	}
	ue_buf_init(&buf, arena, UE_LIMIT_BODY);
	for (size_t i = 0; i < text.len;)
	{
		UeSlice rest = ue_slice_sub(text, i, text.len);
		const UeTemplateValue *value =
			text.ptr[i] == '{' ? find_value(rest, values, n_values) : NULL;

		if (value != NULL)
		{
			ue_buf_append(&buf, value->value);
			i += value->name.len + 2;
			continue;
		}
		if (!ue_slice_find(ue_slice_sub(rest, 1, rest.len), UE_SLICE("{"), &at))
			at = rest.len - 1;
		ue_buf_append(&buf, ue_slice_sub(rest, 0, at + 1));
		i += at + 1;
	}
	return ue_buf_finish(&buf, out);
}
