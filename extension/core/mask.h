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
#include "core/pattern.h"

/* Moves whenever the same text would come out otherwise. */
#define UE_MASK_VERSION 2

/*
 * What an operator hides on top: every match, or, where the pattern's first group took part
 * in it, that group, becomes "***".  Patterns see a text as the built-in rules leave it, and
 * each sees what those before it wrote.  Left alone is what is hidden already: stars, and a
 * match that is all of what the built-in rules wrote ("sk-***").  The whole text becomes
 * "***" where all matches of a pattern together cost more than UE_LIMIT_PATTERN_STEPS, in a
 * text longer than an error body that for each so many bytes of it, and where patterns and
 * rules keep changing each other's results.
 */
typedef struct UeMaskSettings
{
	const UePattern *const *patterns;
	size_t n_patterns;
	const UeSlice
		*hosts; /* never hidden; lower case, no port; ".example.com" is that domain
						   * and all below it, an address is "10.0.0.1" or "::1" */
	size_t n_hosts;
	int32_t revision; /* moves with each change of the above; 0: there never was one */
} UeMaskSettings;

/* UE_MASK_VERSION and the revision in one number, stored on each row; NULL: revision 0. */
extern int32_t ue_mask_version(const UeMaskSettings *settings);

/*
 * Returns the input itself when there is nothing to hide.  settings may be NULL.
 * UE_NO_MEMORY, UE_TOO_LARGE.
 */
extern UeStatus ue_mask_text(UeArena *arena, const UeMaskSettings *settings, UeSlice text,
							 UeSlice *out) UE_MUST_CHECK;

/*
 * A JSON document written anew with every string masked, and the values of members whose
 * names say that they are secrets replaced.  Other numbers stay as written, and so do names
 * in which there is nothing to hide.  A cut document comes out closed, so the result is
 * always one valid JSON value.
 */
extern UeStatus ue_mask_json(UeArena *arena, const UeMaskSettings *settings,
							 const UeJson *root, UeSlice *out) UE_MUST_CHECK;

#endif
