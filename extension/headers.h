/* SPDX-License-Identifier: PostgreSQL */
/*
 * headers.h: HTTP headers between jsonb and the core.
 */
#ifndef UE_HEADERS_H
#define UE_HEADERS_H

#include "postgres.h"

#include "core/fault.h"
#include "utils/jsonb.h"

#pragma GCC visibility push(hidden)

/*
 * An object of name to value, or to an array of values, as headers; allocated in the
 * current context, pointing into headers.  Beyond UE_LIMIT_HEADERS they are checked but
 * left out.  SQLSTATE 22023 for any other shape.  Tags look the same; only the words of
 * the error differ.
 */
extern UeHeader *ue_headers_read(Jsonb *headers, size_t *n_out);
extern UeHeader *ue_headers_read_tags(Jsonb *tags, size_t *n_out);

/* Tags of a stored row, which nobody can mend now: what is no string is passed over. */
extern UeHeader *ue_headers_read_stored(Jsonb *tags, size_t *n_out);

/* The opposite; names are taken to be different. */
extern Datum ue_headers_build(const UeHeader *headers, size_t n_headers);

#pragma GCC visibility pop

#endif
