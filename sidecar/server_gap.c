/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_gap.c: strict delimiters, whatever the parser's library lets pass.
 *
 * llhttp, compiled as it is by default before version 9, takes a bare CR for the end of a
 * header (CVE-2023-30589), folded values, any two bytes for the end of a chunk, LF alone
 * for the empty line, and RTSP for HTTP.  A server behind us may see it otherwise, and
 * then one request is two.  In a head the gaps must be exactly
 *
 *   target " HTTP/" version CRLF name ":" blanks value blanks CRLF … CRLF
 *
 * In a chunked body (sizes, extensions, trailers) each CR and each LF must be one of a
 * pair, and the data of a chunk must be followed by such a pair.
 */
#include "server_gap.h"

#include "core/slice.h"

static void scan(UeGap *gap, const char *end);
static void scan_head(UeGap *gap, char byte);
static void scan_chunk(UeGap *gap, char byte);
static bool is_gap(const UeGap *gap, UeSlice wanted);
static bool is_delimiter(const UeGap *gap, UePiece next);

void
ue_gap_begin_read(UeGap *gap, const char *at)
{
	gap->cursor = at;
}

bool
ue_gap_is_continued(UeGap *gap, UePiece piece, const char *at)
{
	scan(gap, at);
	return piece == gap->last && gap->len == 0;
}

bool
ue_gap_begin_piece(UeGap *gap, UePiece piece, const char *at)
{
	if (!ue_gap_is_continued(gap, piece, at) && !is_delimiter(gap, piece))
		gap->is_broken = true;
	gap->last = piece;
	gap->len = 0;
	gap->has_data = gap->has_data || piece == UE_PIECE_BODY;
	return !gap->is_broken;
}

void
ue_gap_end_piece(UeGap *gap, const char *end)
{
	gap->cursor = end;
}

bool
ue_gap_end_read(UeGap *gap, const char *end, bool is_whole)
{
	scan(gap, end);
	if (is_whole && gap->last != UE_PIECE_BODY)
		gap->is_broken = true;
	return !gap->is_broken;
}

/* Before the target stands the method, whose words the library knows. */
static void
scan(UeGap *gap, const char *end)
{
	for (; gap->cursor < end; gap->cursor++)
	{
		if (gap->last == UE_PIECE_BODY)
			scan_chunk(gap, *gap->cursor);
		else if (gap->last != UE_PIECE_NONE)
			scan_head(gap, *gap->cursor);
	}
}

/* Blanks around a value mean nothing.  Elsewhere they are kept, and are wrong. */
static void
scan_head(UeGap *gap, char byte)
{
	bool is_around_value =
		gap->last == UE_PIECE_VALUE || (gap->last == UE_PIECE_NAME && gap->len > 0);

	if (is_around_value && (byte == ' ' || byte == '\t'))
		return;
	if (gap->len < UE_GAP_SIZE)
		gap->bytes[gap->len] = byte;
	gap->len++;
	if ((gap->last != UE_PIECE_NAME && is_gap(gap, UE_SLICE("\r\n\r\n"))) ||
		(gap->last == UE_PIECE_NAME && is_gap(gap, UE_SLICE(":\r\n\r\n"))))
	{
		gap->last = UE_PIECE_BODY;
		gap->len = 0;
	}
}

static void
scan_chunk(UeGap *gap, char byte)
{
	bool is_after_data = gap->len == 0 && gap->has_data;

	gap->len++;
	if ((byte == '\n') != gap->is_after_cr || (is_after_data && byte != '\r'))
		gap->is_broken = true;
	gap->is_after_cr = byte == '\r';
}

static bool
is_gap(const UeGap *gap, UeSlice wanted)
{
	return gap->len <= UE_GAP_SIZE &&
		   ue_slice_is_equal((UeSlice){gap->bytes, gap->len}, wanted);
}

/* Whether the gap is what must stand between the last piece and the next. */
static bool
is_delimiter(const UeGap *gap, UePiece next)
{
	switch (next)
	{
		case UE_PIECE_TARGET:
			return gap->last == UE_PIECE_NONE;
		case UE_PIECE_VERSION:
			return gap->last == UE_PIECE_TARGET && is_gap(gap, UE_SLICE(" HTTP/"));
		case UE_PIECE_NAME:
			if (gap->last == UE_PIECE_NAME) /* without a value */
				return is_gap(gap, UE_SLICE(":\r\n"));
			return (gap->last == UE_PIECE_VERSION || gap->last == UE_PIECE_VALUE) &&
				   is_gap(gap, UE_SLICE("\r\n"));
		case UE_PIECE_VALUE:
			return gap->last == UE_PIECE_NAME && is_gap(gap, UE_SLICE(":"));
		case UE_PIECE_BODY:
			return gap->last == UE_PIECE_BODY;
		case UE_PIECE_NONE:
			break;
	}
	return false;
}
