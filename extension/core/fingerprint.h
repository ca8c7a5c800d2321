/* SPDX-License-Identifier: PostgreSQL */
/*
 * fingerprint.h: one number for all faults that are alike.
 *
 * What makes two reports of one fault differ is taken out of the message: every number,
 * time, duration, id, key, address, model name and quoted value becomes "#", and so does a
 * row of them; case, runs of blanks and the dots of sentences go too.  What is left, with
 * platform, class and code, is hashed.
 *
 *     Rate limit reached for gpt-4o in organization org-*** on tokens per min (TPM):
 *     Limit 30000, Used 29000. Please try again in 7m12s.
 *
 *     rate limit reached for # in organization # on tokens per min (tpm): limit #, used #
 *     please try again in #
 *
 * It is made of the masked message, which is what a row keeps, so history can be computed
 * again.  The number is the same on every machine: FNV-1a, 64 bits, over the bytes of
 * platform, class, code (each folded to lower case and followed by 0x1F) and what is left
 * of the message, then the finalizer of MurmurHash3 (public domain, A. Appleby).
 */
#ifndef UE_CORE_FINGERPRINT_H
#define UE_CORE_FINGERPRINT_H

#include "core/buf.h"

/* Moves whenever the same fault would get another number. */
#define UE_FINGERPRINT_VERSION 1

/*
 * Stored in place of the version beside a fingerprint that was given and not computed, by
 * a rule for instance: such a row is left alone when history is computed again.
 */
#define UE_FINGERPRINT_VERSION_GIVEN 0

/*
 * Never INT64_MIN, which callers may use for "none".  Any argument may be empty.  code: the
 * upstream's own if it said one, else ours.  Linear, takes no memory, cannot fail.
 */
extern int64_t ue_fingerprint_build(UeSlice platform, UeSlice class, UeSlice code,
									UeSlice message);

/* What of the message is looked at: at most UE_LIMIT_FINGERPRINT bytes. */
extern void ue_fingerprint_write_message(UeBuf *buf, UeSlice message);

#endif
