/* SPDX-License-Identifier: PostgreSQL */
/*
 * match_table.h: what a matcher is made of; between match.c, which explains it, and
 * match_build.c.
 */
#ifndef UE_CORE_MATCH_TABLE_H
#define UE_CORE_MATCH_TABLE_H

#include "core/match.h"

/*
 * A state as a scan carries it.  One with a row is the row's offset in rows; one without is
 * its number and the DEEP bit.  The OUTPUT bit says that keywords end here.
 */
#define UE_MATCH_DEEP	UINT32_C(0x80000000)
#define UE_MATCH_OUTPUT UINT32_C(0x40000000)
#define UE_MATCH_PLACE	(UE_MATCH_OUTPUT - 1)

/* Instead of a byte class: a character that must be read and folded begins here. */
#define UE_MATCH_FOLD 255

/* No group. */
#define UE_MATCH_NONE UINT32_MAX

/* Equal keywords, and what ends where they end. */
typedef struct UeMatchGroup
{
	uint32_t first; /* in ids */
	uint32_t n;
	uint32_t link; /* the longest proper suffix that is a keyword, or UE_MATCH_NONE */
	uint32_t last; /* this and all up to it lead here by links */
	uint32_t len;  /* bytes of the folded keyword */
} UeMatchGroup;

/* All arrays live in the arena that the matcher does. */
struct UeMatcher
{
	size_t size; /* bytes altogether */
	uint32_t n_states;
	uint32_t n_rows; /* states below this have one */
	uint32_t n_classes;
	uint32_t n_groups;
	const uint32_t *rows; /* n_rows times n_classes cells */
	/* by state, and one more: where the run of children begins, told from the state on;
	 * and by state its failure.  Breadth first, a child lies at most two levels ahead and a
	 * failure is near the root, so 16 bits do for all but the largest; NULL when they do not */
	const uint16_t *near_children;
	const uint16_t *near_failures;
	const uint32_t *children; /* in their place: the numbers themselves; else NULL */
	const uint32_t *failures;
	const uint8_t *labels;	 /* by state: class of the byte that leads to it, ascending */
	const uint64_t *outputs; /* a bit by state: some keyword ends here */
	const uint32_t *n_before; /* by word of outputs: bits in those before it */
	const uint32_t *nearest;  /* by bit that is set: group of the longest such keyword */
	const UeMatchGroup *groups;
	const uint32_t *ids;	  /* keyword numbers, group by group */
	const uint32_t *group_of; /* by keyword number */
	uint8_t classes[256];	  /* of a byte of the text, or UE_MATCH_FOLD */
	uint8_t folded[256];	  /* of a byte of the folded text; 0: in no keyword */
};

static inline uint32_t
ue_match_find_children(const UeMatcher *matcher, uint32_t state)
{
	return matcher->near_children != NULL ? state + matcher->near_children[state]
										  : matcher->children[state];
}

static inline uint32_t
ue_match_find_failure(const UeMatcher *matcher, uint32_t state)
{
	return matcher->near_failures != NULL ? matcher->near_failures[state]
										  : matcher->failures[state];
}

/* The state that a byte of this class leads to from one that has no row. */
extern uint32_t ue_match_find_next(const UeMatcher *matcher, uint32_t state,
								   unsigned int class);

#endif
