/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_html.c: what a page says in one line.
 *
 * Load balancers and CDNs answer in HTML ("502 Bad Gateway").  An operator wants the
 * title; a client never gets any of it.
 */
#include "core/buf.h"
#include "core/limits.h"
#include "core/parse_fields.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Titles are looked for in this much of the page. */
#define PAGE_HEAD 16384

typedef struct Entity
{
	UeSlice name;
	char byte;
} Entity;

static const Entity entities[] = {
	{UE_SLICE_INIT("&amp;"), '&'},	{UE_SLICE_INIT("&lt;"), '<'},
	{UE_SLICE_INIT("&gt;"), '>'},	{UE_SLICE_INIT("&quot;"), '"'},
	{UE_SLICE_INIT("&#39;"), '\''}, {UE_SLICE_INIT("&nbsp;"), ' '},
};

bool
ue_parse_is_html(UeSlice text)
{
	static const UeSlice starts[] = {
		UE_SLICE_INIT("<!doctype"), UE_SLICE_INIT("<html"),	  UE_SLICE_INIT("<head"),
		UE_SLICE_INIT("<body"),		UE_SLICE_INIT("<!--"),	  UE_SLICE_INIT("<h1"),
		UE_SLICE_INIT("<title"),	UE_SLICE_INIT("<center"), UE_SLICE_INIT("<?xml"),
	};

	for (size_t i = 0; i < N_ELEMENTS(starts); i++)
		if (ue_slice_has_prefix_fold(text, starts[i]))
			return true;
	return false;
}

static bool
is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Length of the entity at the beginning of text and its byte; 0 when there is none. */
static size_t
read_entity(UeSlice text, char *byte)
{
	for (size_t i = 0; i < N_ELEMENTS(entities); i++)
		if (ue_slice_has_prefix(text, entities[i].name))
		{
			*byte = entities[i].byte;
			return entities[i].name.len;
		}
	return 0;
}

/* Tags become blanks, runs of blanks one, entities their character. */
static UeStatus
copy_plain(UeArena *arena, UeSlice markup, UeSlice *out)
{
	UeBuf buf;
	UeSlice text;
	UeStatus status;
	bool is_tag = false;
	size_t i = 0;

	ue_buf_init(&buf, arena, UE_LIMIT_MESSAGE);
	while (i < markup.len && buf.len < UE_LIMIT_MESSAGE)
	{
		char byte = markup.ptr[i];
		size_t len = 1;

		if (byte == '<')
			is_tag = true;
		if (byte == '&' && !is_tag)
		{
			size_t entity = read_entity(ue_slice_sub(markup, i, markup.len), &byte);

			len = entity > 0 ? entity : 1;
		}
		if (is_tag || is_space(byte))
		{
			if (buf.len > 0 && buf.ptr[buf.len - 1] != ' ')
				ue_buf_append_byte(&buf, ' ');
		}
		else
			ue_buf_append_byte(&buf, byte);
		if (is_tag && byte == '>')
			is_tag = false;
		i += len;
	}
	status = ue_buf_finish(&buf, &text);
	if (status == UE_OK)
		*out = ue_slice_trim(text);
	return status;
}

UeStatus
ue_parse_html_title(UeArena *arena, UeSlice text, UeSlice *out)
{
	static const UeSlice opens[] = {UE_SLICE_INIT("<title"), UE_SLICE_INIT("<h1"),
									UE_SLICE_INIT("<h2"), UE_SLICE_INIT("<message")};
	static const UeSlice closes[] = {UE_SLICE_INIT("</title"), UE_SLICE_INIT("</h1"),
									 UE_SLICE_INIT("</h2"), UE_SLICE_INIT("</message")};
	UeSlice head = ue_slice_sub(text, 0, PAGE_HEAD);

	*out = (UeSlice){NULL, 0};
	for (size_t i = 0; i < N_ELEMENTS(opens) && ue_slice_is_empty(*out); i++)
	{
		UeSlice rest;
		UeStatus status;
		size_t at;

		if (!ue_slice_find_fold(head, opens[i], &at))
			continue;
		rest = ue_slice_sub(head, at + opens[i].len, head.len);
		if (!ue_slice_find(rest, UE_SLICE(">"), &at))
			continue;
		rest = ue_slice_sub(rest, at + 1, rest.len);
		if (ue_slice_find_fold(rest, closes[i], &at))
			rest = ue_slice_sub(rest, 0, at);
		status = copy_plain(arena, rest, out);
		if (status != UE_OK)
			return status;
	}
	return UE_OK;
}
