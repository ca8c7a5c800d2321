/* SPDX-License-Identifier: PostgreSQL */
/*
 * rules_private.h: what compiled rules are made of; between the files rules_*.c.
 *
 * Rules are numbered in the order in which they are tried.  Whatever many rules may ask is
 * answered for all of them at once, as a set of numbers; match then walks over the few that
 * are left.
 */
#ifndef UE_CORE_RULES_PRIVATE_H
#define UE_CORE_RULES_PRIVATE_H

#include "core/rules.h"

/* Conditions in the order of the table's columns; names in ue_rule_condition_name. */
typedef enum UeRuleCondition
{
	UE_RULE_ERROR_CODES = 0,
	UE_RULE_KEYWORDS,
	UE_RULE_PATTERNS,
	UE_RULE_CLASSES,
	UE_RULE_CODES,
	UE_RULE_ERROR_TYPES,
	UE_RULE_UPSTREAM_CODES,
} UeRuleCondition;

#define UE_RULE_CONDITION_COUNT (UE_RULE_UPSTREAM_CODES + 1)

/* Rules that name one value. */
typedef struct UeRuleSet
{
	const uint32_t *rules; /* ascending */
	size_t n;
	const uint64_t *bits; /* the same, where that is smaller; else NULL */
} UeRuleSet;

/* All values of one column, folded and sorted, and who names them. */
typedef struct UeRuleIndex
{
	const UeSlice *values;
	const UeRuleSet *sets;
	size_t n;
} UeRuleIndex;

struct UeRules
{
	UeAllocator allocator;
	/* Three arenas, for a block after a large one would be larger still, and mostly empty:
	 * of the first two each has one block of the right size. */
	UeArena rule_arena;
	UeArena matcher_arena;
	UeArena arena; /* everything else but the patterns */
	const UeRule *rules;
	size_t n;
	size_t n_words;		  /* of a set of rules in bits */
	size_t pattern_bytes; /* what the patterns hold */

	UePattern **patterns; /* of the enabled rules, one after the other */
	size_t n_patterns;
	const uint32_t *first_pattern; /* by rule, and one more */

	/* the keywords of the enabled rules, then literals of their patterns; NULL: none */
	const UeMatcher *matcher;
	size_t n_keywords;
	size_t n_needles;			   /* keywords and literals */
	const uint32_t *first_keyword; /* by rule, and one more */
	const uint32_t *needle_rules;  /* by keyword, then by literal */
	uint64_t *unguarded;		   /* rules with a pattern of which no literal is known */

	const uint64_t *enabled;
	const uint64_t *is_all;
	const uint64_t *configured[UE_RULE_CONDITION_COUNT];
	const uint64_t *without_platform;
	UeRuleIndex conditions[UE_RULE_CONDITION_COUNT]; /* not keywords and patterns */
	UeRuleIndex platforms;
};

extern UeSlice ue_rule_condition_name(UeRuleCondition condition);

/* The values of a condition that are texts; empty for error_codes. */
extern UeRuleList ue_rule_condition_list(const UeRule *rule, UeRuleCondition condition);
extern bool ue_rule_is_configured(const UeRule *rule, UeRuleCondition condition);

/* What the condition compares its texts with; empty for keywords and patterns. */
extern UeSlice ue_rule_condition_fact(const UeRuleFacts *facts,
									  UeRuleCondition condition);

/* True when every filter fits; else *field is the column of the first that does not. */
extern bool ue_rule_is_filter_fit(const UeRule *rule, const UeRuleFacts *facts,
								  UeSlice *field);

/*
 * The first of the patterns of rule number `rule` that is found in the message or the body;
 * UE_PATTERN_HIT sets the rest of *trace but rule and outcome.
 */
extern UeStatus ue_rules_find_pattern(const UeRules *rules, size_t rule, UeArena *arena,
									  const UeRuleFacts *facts, bool *is_found,
									  UeRuleTrace *trace) UE_MUST_CHECK;

/* The body's text is scanned, and the message's where it is no part of that.  found has
 * UE_MATCH_WORDS(n_needles) words, zeroed. */
extern void ue_rules_scan(const UeRules *rules, const UeRuleFacts *facts,
						  uint64_t *found);

/* Everything that rules hold, in one piece of the arena. */
extern UeStatus ue_rules_copy(UeArena *arena, const UeRule *const *rules, size_t n_rules,
							  UeRule **out) UE_MUST_CHECK;

static inline bool
ue_rules_has_bit(const uint64_t *bits, size_t number)
{
	return (bits[number / 64] >> number % 64 & 1) != 0;
}

static inline void
ue_rules_set_bit(uint64_t *bits, size_t number)
{
	bits[number / 64] |= UINT64_C(1) << number % 64;
}

#endif
