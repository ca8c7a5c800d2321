/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_fields.c: reading single members, the same way for every dialect.
 */
#include "core/parse_fields.h"

UeSlice
ue_parse_field(const UeJson *object, UeSlice name)
{
	return ue_slice_trim(ue_json_text(ue_json_find(object, name)));
}

int
ue_parse_field_status(const UeJson *object, UeSlice name)
{
	int64_t value;

	if (!ue_slice_parse_int64(ue_parse_field(object, name), &value))
		return 0;
	return value >= 400 && value <= 599 ? (int) value : 0;
}
