/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_headers.c: response headers, found by name and read from lines.
 */
#include "core/limits.h"
#include "core/parse_fields.h"

UeSlice
ue_parse_find_header(const UeResponse *response, UeSlice name)
{
	size_t n_headers = response->n_headers;

	if (n_headers > UE_LIMIT_HEADERS)
		n_headers = UE_LIMIT_HEADERS;
	for (size_t i = 0; i < n_headers; i++)
		if (ue_slice_is_equal_fold(response->headers[i].name, name))
			return ue_slice_trim(response->headers[i].value);
	return (UeSlice){NULL, 0};
}

/* Takes a line off *rest; false when nothing is left. */
static bool
next_line(UeSlice *rest, UeSlice *line)
{
	size_t at;

	if (ue_slice_is_empty(*rest))
		return false;
	if (!ue_slice_find(*rest, UE_SLICE("\n"), &at))
		at = rest->len;
	*line = ue_slice_trim(ue_slice_sub(*rest, 0, at));
	*rest = ue_slice_sub(*rest, at + 1, rest->len);
	return true;
}

static bool
read_header(UeSlice line, UeHeader *header)
{
	size_t at;

	if (!ue_slice_find(line, UE_SLICE(":"), &at) || at == 0)
		return false;
	header->name = ue_slice_trim(ue_slice_sub(line, 0, at));
	header->value = ue_slice_trim(ue_slice_sub(line, at + 1, line.len));
	return true;
}

UeStatus
ue_parse_header_block(UeArena *arena, UeSlice block, UeHeader **out, size_t *n_out)
{
	UeHeader *headers;
	UeSlice rest = block;
	UeSlice line;
	size_t n_lines = 0; /* no more headers than these */
	size_t n_headers = 0;

	while (n_lines < UE_LIMIT_HEADERS && next_line(&rest, &line))
		n_lines++;
	headers = ue_arena_allocate(arena, n_lines * sizeof(*headers));
	if (headers == NULL)
		return UE_NO_MEMORY;
	rest = block;
	while (n_headers < n_lines && next_line(&rest, &line))
		n_headers += read_header(line, &headers[n_headers]);
	*out = headers;
	*n_out = n_headers;
	return UE_OK;
}
