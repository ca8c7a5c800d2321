/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_gap.h: what stands between the parts of a request that the parser hands out.
 *
 * Private to the server.  The parser names the pieces (target, version, header names and
 * values, body) as it comes to them; everything else in the request is a gap, and is held
 * against the delimiters of RFC 9112.
 */
#ifndef UE_SERVER_GAP_H
#define UE_SERVER_GAP_H

#include <stdbool.h>
#include <stddef.h>

/* In the order of a request. */
typedef enum UePiece
{
	UE_PIECE_NONE = 0,
	UE_PIECE_TARGET,
	UE_PIECE_VERSION,
	UE_PIECE_NAME,
	UE_PIECE_VALUE,
	UE_PIECE_BODY, /* after the empty line */
} UePiece;

/* The longest delimiter in a head is ":\r\n\r\n"; a longer gap is none. */
#define UE_GAP_SIZE 8

/* Zeroed at the beginning of a request; private. */
typedef struct UeGap
{
	const char *cursor; /* in the bytes being read: up to here all was seen */
	UePiece last;
	char bytes[UE_GAP_SIZE]; /* since the last piece, without blanks around a value */
	size_t len;				 /* may exceed the size: then it is no delimiter */
	bool has_data;			 /* body bytes were seen */
	bool is_after_cr;		 /* the last byte of the chunked body's gaps was CR */
	bool is_broken;
} UeGap;

extern void ue_gap_begin_read(UeGap *gap, const char *at);

/* Whether the piece at at goes on from an earlier call or read, without a gap. */
extern bool ue_gap_is_continued(UeGap *gap, UePiece piece, const char *at);

/* False: what stands before the piece is not what must stand there. */
extern bool ue_gap_begin_piece(UeGap *gap, UePiece piece, const char *at);
extern void ue_gap_end_piece(UeGap *gap, const char *end);

/* The bytes up to end were used.  False: a gap in them is wrong, or the request is whole
 * without the empty line that ends a head. */
extern bool ue_gap_end_read(UeGap *gap, const char *end, bool is_whole);

#endif
