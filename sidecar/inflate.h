/* SPDX-License-Identifier: PostgreSQL */
/*
 * inflate.h: a compressed error body, readable.
 *
 * Good answers pass as they came.  A failed one has to be read, and the client gets our
 * answer in its place, so it is decoded here.  inflate.c alone includes <zlib.h>.
 */
#ifndef UE_INFLATE_H
#define UE_INFLATE_H

#include "core/arena.h"

/*
 * Decodes gzip, x-gzip and deflate (in either of the two forms that servers send).  What
 * could be decoded before the ceiling, a cut or damage is *out.  The body itself when
 * encoding is empty or identity; the empty slice, and false, for an encoding that is not
 * understood (br, zstd).  Damage and a cut are no failure: what was seen still counts.
 */
extern bool ue_inflate_body(UeArena *arena, UeSlice encoding, UeSlice body,
							size_t ceiling, UeSlice *out);

#endif
