/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask.h: no secret leaves.
 *
 * Keys, tokens, credentials in URLs, hosts, addresses, account ids are replaced; field
 * paths, file names, model names, versions, timestamps and counters are not.  One pass finds
 * it all; another follows only where a change may matter to what stands beside it.  Linear
 * time, and ue_mask_text(ue_mask_text(x)) = ue_mask_text(x).
 */
#ifndef UE_CORE_MASK_H
#define UE_CORE_MASK_H

#include "core/arena.h"
#include "core/json.h"

/* Moves whenever the same text would come out otherwise; stored on each row. */
#define UE_MASK_VERSION 1

/* Returns the input itself when there is nothing to hide.  UE_NO_MEMORY, UE_TOO_LARGE. */
extern UeStatus ue_mask_text(UeArena *arena, UeSlice text, UeSlice *out) UE_MUST_CHECK;

/*
 * A JSON document written anew with every string masked, and the values of members whose
 * names say that they are secrets replaced.  Other numbers stay as written, and so do names
 * in which there is nothing to hide.  A cut document comes out closed, so the result is
 * always one valid JSON value.
 */
extern UeStatus ue_mask_json(UeArena *arena, const UeJson *root,
							 UeSlice *out) UE_MUST_CHECK;

#endif
