/* SPDX-License-Identifier: PostgreSQL */
/*
 * body_scan.h: which model a request body names, found while it passes.
 *
 * SDKs of Python write the conversation first and the model behind it, so of a long one the
 * model is not in the beginning that is held.  Bytes are looked at once, in any pieces;
 * nothing but the name is kept.
 */
#ifndef UE_BODY_SCAN_H
#define UE_BODY_SCAN_H

#include "core/slice.h"

typedef struct UeBodyScan UeBodyScan;

extern UeBodyScan *ue_body_scan_new(void); /* NULL on exhaustion */
extern void ue_body_scan_free(UeBodyScan *scan);

/* The next bytes of the body.  False: no more of them need be shown, for the object has
 * ended, or this is no JSON object. */
extern bool ue_body_scan_feed(UeBodyScan *scan, UeSlice bytes);

/* The first "model" that is a text: as written, with its quotes, and where in the body it
 * stands between them.  False: not seen, or longer than any name. */
extern bool ue_body_scan_model(const UeBodyScan *scan, UeSlice *quoted, size_t *start,
							   size_t *end);

/* What the last "stream" that was seen says; false when there is none. */
extern bool ue_body_scan_is_stream(const UeBodyScan *scan);

/* The object has begun, and it is not closed yet. */
extern bool ue_body_scan_is_open(const UeBodyScan *scan);

#endif
