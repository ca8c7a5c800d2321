/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_json.c: the mask over a JSON tree.
 */
#include "core/mask.h"

#include "core/jsonout.h"
#include "core/mask_value.h"

typedef struct Writer
{
	UeArena *arena;
	const UeMaskSettings *settings;
	UeJsonOut *out;
} Writer;

static UeStatus write_node(const Writer *writer, const UeJson *node);

UeStatus
ue_mask_json(UeArena *arena, const UeMaskSettings *settings, const UeJson *root,
			 UeSlice *out)
{
	UeBuf buf;
	UeJsonOut json;
	Writer writer = {arena, settings, &json};
	UeStatus status;

	ue_buf_init(&buf, arena, SIZE_MAX - 1);
	ue_jsonout_init(&json, &buf);
	status = write_node(&writer, root);
	return status == UE_OK ? ue_buf_finish(&buf, out) : status;
}

/* A member whose name says that its value is secret. */
static bool
is_secret(const UeJson *node)
{
	if (node->type == UE_JSON_STRING)
		return node->text.len > 0 && ue_mask_is_secret_member(node->key, node->text);
	return node->type >= UE_JSON_NUMBER &&
		   ue_mask_find_name(node->key) == UE_MASK_SECRECY_ALL;
}

static UeStatus
write_children(const Writer *writer, const UeJson *node)
{
	UeJsonOut *out = writer->out;

	for (const UeJson *child = node->child; child != NULL; child = child->next)
	{
		UeStatus status;

		if (node->type == UE_JSON_OBJECT)
		{
			UeSlice key;

			/* a name may be a secret itself: {"invalid":{"sk-…":1}} */
			status = ue_mask_text(writer->arena, writer->settings, child->key, &key);
			if (status != UE_OK)
				return status;
			ue_jsonout_append_key(out, key);
			if (is_secret(child))
			{
				ue_jsonout_append_string(out, UE_SLICE("***"));
				continue;
			}
		}
		status = write_node(writer, child);
		if (status != UE_OK)
			return status;
	}
	return UE_OK;
}

/* Recursion is bounded: ue_json_parse has made no tree deeper than UE_LIMIT_JSON_DEPTH. */
static UeStatus
write_node(const Writer *writer, const UeJson *node)
{
	UeJsonOut *out = writer->out;
	UeSlice text;
	UeStatus status = UE_OK;

	switch (node->type)
	{
		case UE_JSON_NULL:
			ue_jsonout_append_null(out);
			break;
		case UE_JSON_FALSE:
		case UE_JSON_TRUE:
			ue_jsonout_append_bool(out, node->type == UE_JSON_TRUE);
			break;
		case UE_JSON_NUMBER:
			ue_jsonout_append_raw(out, node->raw);
			break;
		case UE_JSON_STRING:
			status = ue_mask_text(writer->arena, writer->settings, node->text, &text);
			if (status == UE_OK)
				ue_jsonout_append_string(out, text);
			break;
		case UE_JSON_ARRAY:
			ue_jsonout_append_begin(out, '[');
			status = write_children(writer, node);
			ue_jsonout_append_end(out, ']');
			break;
		case UE_JSON_OBJECT:
			ue_jsonout_append_begin(out, '{');
			status = write_children(writer, node);
			ue_jsonout_append_end(out, '}');
			break;
	}
	return status;
}
