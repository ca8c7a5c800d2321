/* SPDX-License-Identifier: PostgreSQL */
/*
 * classify.h: what kind of fault it is, whose, and whether a retry helps.
 *
 * Tables: structured fields first (type, code, status name), then the HTTP status, then
 * the network, and text last and only by phrases; never a number found in free text.
 */
#ifndef UE_CORE_CLASSIFY_H
#define UE_CORE_CLASSIFY_H

#include "core/catalog.h"
#include "core/fault.h"

/*
 * Fills the second part of *fault ("what we make of it") from the first.
 * local_code: for UE_KIND_LOCAL_ERROR the catalogue's code; NULL otherwise.
 */
extern void ue_classify_fault(UeFault *fault, UeSlice platform, UeKind kind,
							  UeNetwork network, const UeCode *local_code);

#endif
