/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_fields.c: reading single members, the same way for every dialect.
 */
#include "core/parse_fields.h"

#include "core/telltale.h"

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

const UeJson *
ue_parse_find_path(const UeJson *node, UeSlice dotted_path)
{
	while (node != NULL && dotted_path.len > 0)
	{
		UeSlice name = dotted_path;
		size_t len;

		if (ue_slice_find(dotted_path, UE_SLICE("."), &len))
			name = ue_slice_sub(dotted_path, 0, len);
		if (node->type == UE_JSON_ARRAY && ue_slice_is_equal(name, UE_SLICE("0")))
			node = node->child;
		else
			node = ue_json_find_fold(node, name);
		dotted_path = ue_slice_sub(dotted_path, name.len + 1, dotted_path.len);
	}
	return node;
}

const UeJson *
ue_parse_unwrap(const UeJson *root)
{
	if (root->type != UE_JSON_ARRAY || root->child == NULL ||
		root->child->type != UE_JSON_OBJECT)
		return root;
	for (const UeJson *each = root->child; each != NULL; each = each->next)
		if (ue_telltale_is_error_object(each))
			return each;
	return root->child;
}
