/* SPDX-License-Identifier: PostgreSQL */
/*
 * rules_match.c: the first rule that fits.
 *
 * All rules at once are asked what sets can answer: which keywords are in the texts, who
 * names this status, class, code, type, platform.  A word of 64 rules at a time these are
 * put together, and only for the rules that are left, in order, the dear questions are
 * asked: globs, tags and, last, patterns.  The texts are not even read where what is known
 * without them settles it.
 */
#include "core/rules_private.h"

#include <string.h>

#include "core/fold.h"

#define STATUS_DIGITS 3

/* What sets have answered; of patterns, which rules have one that may be found. */
typedef struct Answers
{
	const uint64_t *hits[UE_RULE_CONDITION_COUNT];
	const uint64_t *platform;
} Answers;

static bool
is_part(UeSlice part, UeSlice whole)
{
	uintptr_t start = (uintptr_t) whole.ptr;
	uintptr_t at = (uintptr_t) part.ptr;
	size_t found;

	/* a message that needed no unescaping is where it was read */
	if (at >= start && at - start <= whole.len && part.len <= whole.len - (at - start))
		return true;
	return ue_slice_find(whole, part, &found);
}

void
ue_rules_scan(const UeRules *rules, const UeRuleFacts *facts, uint64_t *found)
{
	if (rules->matcher == NULL)
		return;
	ue_matcher_scan(rules->matcher, facts->body, found);
	if (!is_part(facts->message, facts->body))
		ue_matcher_scan(rules->matcher, facts->message, found);
}

UeStatus
ue_rules_find_pattern(const UeRules *rules, size_t rule, UeArena *arena,
					  const UeRuleFacts *facts, bool *is_found, UeRuleTrace *trace)
{
	size_t first = rules->first_pattern[rule];

	*is_found = false;
	for (size_t i = first; i < rules->first_pattern[rule + 1]; i++)
		for (int is_in_body = 0; is_in_body < 2; is_in_body++)
		{
			UePatternResult result;
			UePatternSpan span;
			UeStatus status = ue_pattern_find(rules->patterns[i], arena,
											  is_in_body ? facts->body : facts->message,
											  0, &result, &span);

			if (status != UE_OK)
				return status;
			if (result != UE_PATTERN_HIT)
				continue;
			trace->field = ue_rule_condition_name(UE_RULE_PATTERNS);
			trace->value = rules->rules[rule].patterns.items[i - first];
			trace->start = span.start;
			trace->end = span.end;
			trace->is_in_body = is_in_body == 1;
			*is_found = true;
			return UE_OK;
		}
	return UE_OK;
}

static int
compare_values(UeSlice a, UeSlice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static const UeRuleSet *
find_set(const UeRuleIndex *index, UeSlice value)
{
	size_t low = 0;
	size_t high = index->n;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;
		int order = compare_values(index->values[middle], value);

		if (order == 0)
			return &index->sets[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* A set in bits: its own, or made of its numbers in memory of the arena. */
static UeStatus
get_bits(const UeRules *rules, UeArena *arena, const UeRuleSet *set, const uint64_t **out)
{
	uint64_t *bits;

	if (set == NULL || set->bits != NULL)
	{
		*out = set == NULL ? NULL : set->bits;
		return UE_OK;
	}
	bits = ue_arena_allocate_zero(arena, rules->n_words * sizeof(uint64_t));
	if (bits == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < set->n; i++)
		ue_rules_set_bit(bits, set->rules[i]);
	*out = bits;
	return UE_OK;
}

/* Who names the value; *out stays NULL when nobody does. */
static UeStatus
ask_index(const UeRules *rules, UeArena *arena, const UeRuleIndex *index, UeSlice value,
		  const uint64_t **out)
{
	UeSlice folded;
	UeStatus status;

	if (index->n == 0 || ue_slice_is_empty(value))
		return UE_OK;
	status = ue_fold_text(arena, value, &folded);
	if (status != UE_OK)
		return status;
	return get_bits(rules, arena, find_set(index, folded), out);
}

static UeStatus
ask_texts(const UeRules *rules, UeArena *arena, const UeRuleFacts *facts,
		  Answers *answers)
{
	size_t n_found = UE_MATCH_WORDS(rules->n_needles);
	uint64_t *found =
		ue_arena_allocate_zero(arena, (n_found + 2 * rules->n_words) * sizeof(uint64_t));
	uint64_t *keywords;
	uint64_t *patterns;

	if (found == NULL)
		return UE_NO_MEMORY;
	keywords = found + n_found;
	patterns = keywords + rules->n_words;
	memcpy(patterns, rules->unguarded, rules->n_words * sizeof(uint64_t));
	ue_rules_scan(rules, facts, found);
	for (size_t word = 0; word < n_found; word++)
		for (uint64_t rest = found[word]; rest != 0; rest &= rest - 1)
		{
			size_t needle = word * 64 + (size_t) __builtin_ctzll(rest);

			ue_rules_set_bit(needle < rules->n_keywords ? keywords : patterns,
							 rules->needle_rules[needle]);
		}
	answers->hits[UE_RULE_KEYWORDS] = keywords;
	answers->hits[UE_RULE_PATTERNS] = patterns;
	return UE_OK;
}

/* What can be known without the texts, as if every keyword and pattern were in them. */
static UeStatus
ask_words(const UeRules *rules, UeArena *arena, const UeRuleFacts *facts,
		  Answers *answers)
{
	char digits[STATUS_DIGITS] = {(char) ('0' + facts->status / 100 % 10),
								  (char) ('0' + facts->status / 10 % 10),
								  (char) ('0' + facts->status % 10)};
	UeStatus status = UE_OK;

	answers->hits[UE_RULE_KEYWORDS] = rules->configured[UE_RULE_KEYWORDS];
	answers->hits[UE_RULE_PATTERNS] = rules->configured[UE_RULE_PATTERNS];
	if (facts->status >= 100 && facts->status <= 999)
		status = ask_index(rules, arena, &rules->conditions[UE_RULE_ERROR_CODES],
						   (UeSlice){digits, STATUS_DIGITS},
						   &answers->hits[UE_RULE_ERROR_CODES]);
	for (int i = UE_RULE_CLASSES; i < UE_RULE_CONDITION_COUNT && status == UE_OK; i++)
		status = ask_index(rules, arena, &rules->conditions[i],
						   ue_rule_condition_fact(facts, (UeRuleCondition) i),
						   &answers->hits[i]);
	if (status == UE_OK)
		status = ask_index(rules, arena, &rules->platforms, facts->platform,
						   &answers->platform);
	return status;
}

/*
 * Of 64 rules those that the sets do not rule out.  *decided are those that need no pattern
 * any more, or none at all.
 */
static uint64_t
find_candidates(const UeRules *rules, const Answers *answers, size_t word,
				uint64_t *decided)
{
	uint64_t has_patterns = rules->configured[UE_RULE_PATTERNS][word];
	uint64_t patterns = answers->hits[UE_RULE_PATTERNS][word] & has_patterns;
	uint64_t is_all = rules->is_all[word];
	uint64_t any = 0;
	uint64_t all = ~UINT64_C(0);
	uint64_t platform = rules->without_platform[word];

	for (size_t i = 0; i < UE_RULE_CONDITION_COUNT; i++)
	{
		uint64_t hit = answers->hits[i] == NULL ? 0 : answers->hits[i][word];

		if (i != UE_RULE_PATTERNS)
			any |= hit;
		all &= hit | ~rules->configured[i][word];
	}
	if (answers->platform != NULL)
		platform |= answers->platform[word];
	*decided = (is_all & ~has_patterns) | (~is_all & any);
	return rules->enabled[word] & platform &
		   ((is_all & all) | (~is_all & (any | patterns)));
}

/* Whether there is a rule that the texts could still make fit; answers are ask_words'. */
static bool
is_text_asked(const UeRules *rules, const Answers *answers)
{
	for (size_t word = 0; word < rules->n_words; word++)
	{
		uint64_t texts = rules->configured[UE_RULE_KEYWORDS][word] |
						 rules->configured[UE_RULE_PATTERNS][word];
		uint64_t decided;

		if ((find_candidates(rules, answers, word, &decided) & texts) != 0)
			return true;
	}
	return false;
}

UeStatus
ue_rules_need_texts(const UeRules *rules, UeArena *arena, const UeRuleFacts *facts,
					bool *out)
{
	Answers answers = {.platform = NULL};
	UeStatus status;

	*out = false;
	if (ue_rules_count(rules) == 0)
		return UE_OK;
	status = ask_words(rules, arena, facts, &answers);
	if (status == UE_OK)
		*out = is_text_asked(rules, &answers);
	return status;
}

UeStatus
ue_rules_match(const UeRules *rules, UeArena *arena, const UeRuleFacts *facts,
			   const UeRule **out)
{
	Answers answers = {.platform = NULL};
	UeStatus status = UE_OK;

	if (ue_rules_count(rules) > 0)
		status = ask_words(rules, arena, facts, &answers);
	if (status == UE_OK && ue_rules_count(rules) > 0 && is_text_asked(rules, &answers))
		status = ask_texts(rules, arena, facts, &answers);
	if (status != UE_OK)
		return status;
	for (size_t word = 0; rules != NULL && word < rules->n_words; word++)
	{
		uint64_t decided;
		uint64_t rest = find_candidates(rules, &answers, word, &decided);

		for (; rest != 0; rest &= rest - 1)
		{
			unsigned int bit = (unsigned int) __builtin_ctzll(rest);
			const UeRule *rule = &rules->rules[word * 64 + bit];
			bool is_fit = (decided >> bit & 1) != 0;
			UeRuleTrace trace;
			UeSlice field;

			if (!ue_rule_is_filter_fit(rule, facts, &field))
				continue;
			if (!is_fit)
				status = ue_rules_find_pattern(rules, word * 64 + bit, arena, facts,
											   &is_fit, &trace);
			if (status != UE_OK)
				return status;
			if (!is_fit)
				continue;
			*out = rule;
			return UE_OK;
		}
	}
	*out = NULL;
	return UE_OK;
}
