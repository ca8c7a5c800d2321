/* SPDX-License-Identifier: PostgreSQL */
/*
 * rules_build.c: rules put in order and compiled into the sets that match asks.
 */
#include "core/rules_private.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/fold.h"
#include "core/limits.h"

/* What alignment adds to the pieces of a matcher, of which there are fewer than sixteen. */
#define MATCHER_SLACK (16 * sizeof(max_align_t))

/* A value that a rule names. */
typedef struct Mention
{
	UeSlice value; /* folded */
	uint32_t rule;
} Mention;

typedef struct Builder
{
	UeRules *rules;
	UeArena *arena; /* scratch, and the problem's text */
	UeRuleProblem *problem;
} Builder;

/* By (priority, id); drafts that have no ids yet as they were given. */
static int
compare_rules(const void *left, const void *right)
{
	const UeRule *a = *(const UeRule *const *) left;
	const UeRule *b = *(const UeRule *const *) right;

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int
compare_ids(const void *left, const void *right)
{
	int64_t a = *(const int64_t *) left;
	int64_t b = *(const int64_t *) right;

	return a < b ? -1 : a > b;
}

static int
compare_mentions(const void *left, const void *right)
{
	const Mention *a = left;
	const Mention *b = right;
	size_t len = a->value.len < b->value.len ? a->value.len : b->value.len;
	int order = len > 0 ? memcmp(a->value.ptr, b->value.ptr, len) : 0;

	if (order != 0)
		return order;
	if (a->value.len != b->value.len)
		return a->value.len < b->value.len ? -1 : 1;
	return a->rule < b->rule ? -1 : a->rule > b->rule;
}

/* Memory of the result. */
static UeStatus
take(Builder *builder, size_t n, size_t size, void *out)
{
	UeArena *arena = &builder->rules->arena;
	void *memory;

	if (n > 0 && size > arena->ceiling / n)
		return UE_TOO_LARGE;
	memory = ue_arena_allocate_zero(arena, n * size);
	if (memory == NULL)
		return UE_NO_MEMORY;
	memcpy(out, &memory, sizeof(memory));
	return UE_OK;
}

static UeStatus
complain(Builder *builder, int64_t rule_id, const char *field, UeSlice subject,
		 UeSlice text)
{
	UeBuf buf;
	UeRuleProblem problem = {.rule_id = rule_id, .field = ue_slice_of(field)};
	UeStatus status;

	ue_buf_init(&buf, builder->arena, UE_LIMIT_BODY);
	ue_buf_append(&buf, subject);
	ue_buf_append(&buf, text);
	status = ue_buf_finish(&buf, &problem.text);
	if (status != UE_OK)
		return status;
	*builder->problem = problem;
	return UE_INVALID_ARGUMENT;
}

/* Which of two rules an id means must never be a question. */
static UeStatus
check_ids(Builder *builder, const UeRule *rules, size_t n_rules)
{
	int64_t *ids = ue_arena_allocate(builder->arena, n_rules * sizeof(int64_t));
	UeBuf buf;
	UeSlice number;
	UeStatus status;

	if (ids == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < n_rules; i++)
		ids[i] = rules[i].id;
	qsort(ids, n_rules, sizeof(int64_t), compare_ids);
	for (size_t i = 1; i < n_rules; i++)
	{
		if (ids[i] != ids[i - 1] || ids[i] == 0)
			continue;
		ue_buf_init(&buf, builder->arena, UE_LIMIT_TOKEN);
		ue_buf_append_int64(&buf, ids[i]);
		status = ue_buf_finish(&buf, &number);
		if (status != UE_OK)
			return status;
		return complain(builder, ids[i], "id", number,
						UE_SLICE(" is the id of two rules; each has its own"));
	}
	return UE_OK;
}

static UeStatus
copy_in_order(Builder *builder, const UeRule *rules, size_t n_rules)
{
	const UeRule **order = ue_arena_allocate(builder->arena, n_rules * sizeof(*order));
	UeRule *copies;
	UeStatus status;

	if (order == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < n_rules; i++)
		order[i] = &rules[i];
	qsort(order, n_rules, sizeof(*order), compare_rules);
	status = ue_rules_copy(&builder->rules->rule_arena, order, n_rules, &copies);
	if (status != UE_OK)
		return status;
	builder->rules->arena.ceiling -= builder->rules->rule_arena.total;
	builder->rules->rules = copies;
	builder->rules->n = n_rules;
	builder->rules->n_words = (n_rules + 63) / 64;
	return UE_OK;
}

static UeStatus
compile_pattern(Builder *builder, const UeRule *rule, UeSlice text)
{
	UeRules *rules = builder->rules;
	UePatternError error;
	UePattern *pattern;
	UeStatus status =
		ue_pattern_compile(&rules->allocator, text, false, &pattern, &error);

	if (status == UE_INVALID_ARGUMENT)
		return complain(builder, rule->id, "patterns", text, ue_slice_of(error.text));
	if (status != UE_OK)
		return status;
	rules->patterns[rules->n_patterns++] = pattern;
	rules->pattern_bytes += ue_pattern_size(pattern);
	return rules->pattern_bytes > rules->arena.ceiling ? UE_TOO_LARGE : UE_OK;
}

static UeStatus
build_patterns(Builder *builder)
{
	UeRules *rules = builder->rules;
	uint32_t *first;
	size_t n_patterns = 0;
	UeStatus status = take(builder, rules->n + 1, sizeof(uint32_t), &first);

	for (size_t i = 0; i < rules->n; i++)
		if (rules->rules[i].is_enabled)
			n_patterns += rules->rules[i].patterns.n;
	if (status == UE_OK)
		status = take(builder, n_patterns, sizeof(UePattern *), &rules->patterns);
	for (size_t i = 0; i < rules->n && status == UE_OK; i++)
	{
		const UeRule *rule = &rules->rules[i];

		for (size_t j = 0; rule->is_enabled && j < rule->patterns.n && status == UE_OK;
			 j++)
			status = compile_pattern(builder, rule, rule->patterns.items[j]);
		first[i + 1] = (uint32_t) rules->n_patterns;
	}
	if (status == UE_OK)
		rules->first_pattern = first;
	return status;
}

/* Built once to learn how large it is, and then in a block of that size. */
static UeStatus
build_matcher(Builder *builder, const UeSlice *keywords, size_t n_keywords)
{
	UeRules *rules = builder->rules;
	UeArena trial;
	const UeMatcher *matcher;
	size_t size = 0;
	UeStatus status;

	ue_arena_init(&trial, &rules->allocator, rules->arena.ceiling);
	status = ue_matcher_build(&trial, keywords, n_keywords, &matcher);
	if (status == UE_OK)
		size = ue_matcher_size(matcher) + MATCHER_SLACK;
	ue_arena_free(&trial);
	if (status != UE_OK)
		return status;
	ue_arena_init(&rules->matcher_arena, &rules->allocator, rules->arena.ceiling);
	if (ue_arena_allocate_zero(&rules->matcher_arena, size) == NULL)
		return UE_NO_MEMORY;
	ue_arena_reset(&rules->matcher_arena);
	status =
		ue_matcher_build(&rules->matcher_arena, keywords, n_keywords, &rules->matcher);
	if (status != UE_OK)
		return status;
	rules->arena.ceiling -= rules->matcher_arena.total;
	return rules->arena.total > rules->arena.ceiling ? UE_TOO_LARGE : UE_OK;
}

/* Adds the literals of all patterns to the needles, of which there are n. */
static size_t
add_literals(UeRules *rules, UeSlice *needles, uint32_t *owners, size_t n)
{
	for (size_t i = 0; i < rules->n; i++)
	{
		const UeRule *rule = &rules->rules[i];

		for (size_t j = 0; rule->is_enabled && j < rule->patterns.n; j++)
		{
			UeSlice literal = ue_pattern_find_literal(rule->patterns.items[j]);

			if (ue_slice_is_empty(literal))
			{
				ue_rules_set_bit(rules->unguarded, i);
				continue;
			}
			needles[n] = literal;
			owners[n++] = (uint32_t) i;
		}
	}
	return n;
}

static UeStatus
build_keywords(Builder *builder)
{
	UeRules *rules = builder->rules;
	uint32_t *first;
	uint32_t *owners;
	UeSlice *needles;
	size_t n_keywords = 0;
	UeStatus status = take(builder, rules->n + 1, sizeof(uint32_t), &first);

	for (size_t i = 0; i < rules->n && status == UE_OK; i++)
	{
		if (rules->rules[i].is_enabled)
			n_keywords += rules->rules[i].keywords.n;
		first[i + 1] = (uint32_t) n_keywords;
	}
	if (status == UE_OK)
		status = take(builder, n_keywords + rules->n_patterns, sizeof(uint32_t), &owners);
	if (status == UE_OK)
		status = take(builder, rules->n_words, sizeof(uint64_t), &rules->unguarded);
	if (status != UE_OK)
		return status;
	needles = ue_arena_allocate(builder->arena,
								(n_keywords + rules->n_patterns) * sizeof(UeSlice));
	if (needles == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < rules->n; i++)
		for (size_t k = first[i]; k < first[i + 1]; k++)
		{
			needles[k] = rules->rules[i].keywords.items[k - first[i]];
			owners[k] = (uint32_t) i;
		}
	rules->first_keyword = first;
	rules->needle_rules = owners;
	rules->n_keywords = n_keywords;
	rules->n_needles = add_literals(rules, needles, owners, n_keywords);
	return rules->n_needles == 0 ? UE_OK
								 : build_matcher(builder, needles, rules->n_needles);
}

/* --- indexes: value to rules --- */

/* Bits where they take less room than the numbers do. */
static UeStatus
fill_set(Builder *builder, const Mention *mentions, size_t n, uint32_t *numbers,
		 UeRuleSet *set)
{
	size_t n_words = builder->rules->n_words;
	uint64_t *bits = NULL;
	UeStatus status = UE_OK;

	for (size_t i = 0; i < n; i++)
		numbers[i] = mentions[i].rule;
	if (n * sizeof(uint32_t) >= n_words * sizeof(uint64_t))
	{
		status = take(builder, n_words, sizeof(uint64_t), &bits);
		for (size_t i = 0; i < n && status == UE_OK; i++)
			ue_rules_set_bit(bits, mentions[i].rule);
	}
	*set = (UeRuleSet){numbers, n, bits};
	return status;
}

static UeStatus
fill_index(Builder *builder, Mention *mentions, size_t n_mentions, UeRuleIndex *index)
{
	UeSlice *values;
	UeRuleSet *sets;
	uint32_t *numbers;
	size_t n_values = 0;
	UeStatus status;

	qsort(mentions, n_mentions, sizeof(Mention), compare_mentions);
	for (size_t i = 0; i < n_mentions; i++)
		n_values +=
			i == 0 || !ue_slice_is_equal(mentions[i].value, mentions[i - 1].value);
	status = take(builder, n_values, sizeof(UeSlice), &values);
	if (status == UE_OK)
		status = take(builder, n_values, sizeof(UeRuleSet), &sets);
	if (status == UE_OK)
		status = take(builder, n_mentions, sizeof(uint32_t), &numbers);
	for (size_t i = 0, value = 0; i < n_mentions && status == UE_OK; value++)
	{
		size_t n = 1;

		while (i + n < n_mentions &&
			   ue_slice_is_equal(mentions[i + n].value, mentions[i].value))
			n++;
		status = ue_arena_copy(&builder->rules->arena, mentions[i].value, &values[value]);
		if (status == UE_OK)
			status = fill_set(builder, &mentions[i], n, &numbers[i], &sets[value]);
		i += n;
	}
	if (status == UE_OK)
		*index = (UeRuleIndex){values, sets, n_values};
	return status;
}

static UeStatus
print_status(UeArena *arena, int32_t code, UeSlice *out)
{
	UeBuf buf;

	ue_buf_init(&buf, arena, UE_LIMIT_TOKEN);
	ue_buf_append_int64(&buf, code);
	return ue_buf_finish(&buf, out);
}

/* Statuses are indexed as the texts that they are written as. */
static UeStatus
build_status_index(Builder *builder)
{
	UeRules *rules = builder->rules;
	Mention *mentions;
	size_t n_mentions = 0;
	UeStatus status = UE_OK;

	for (size_t i = 0; i < rules->n; i++)
		n_mentions += rules->rules[i].n_error_codes;
	mentions = ue_arena_allocate(builder->arena, n_mentions * sizeof(Mention));
	if (mentions == NULL)
		return UE_NO_MEMORY;
	n_mentions = 0;
	for (size_t i = 0; i < rules->n; i++)
		for (size_t j = 0; j < rules->rules[i].n_error_codes && status == UE_OK; j++)
		{
			mentions[n_mentions].rule = (uint32_t) i;
			status = print_status(builder->arena, rules->rules[i].error_codes[j],
								  &mentions[n_mentions++].value);
		}
	return status == UE_OK ? fill_index(builder, mentions, n_mentions,
										&rules->conditions[UE_RULE_ERROR_CODES])
						   : status;
}

static UeRuleList
get_platforms(const UeRule *rule)
{
	return rule->platforms;
}

/* The index of a column of texts; condition UE_RULE_CONDITION_COUNT is the platforms. */
static UeStatus
build_text_index(Builder *builder, int condition, UeRuleIndex *index)
{
	UeRules *rules = builder->rules;
	Mention *mentions;
	size_t n_mentions = 0;
	UeStatus status = UE_OK;

	for (int pass = 0; pass < 2; pass++)
	{
		size_t n = 0;

		mentions = ue_arena_allocate(builder->arena, n_mentions * sizeof(Mention));
		if (mentions == NULL)
			return UE_NO_MEMORY;
		for (size_t i = 0; i < rules->n && status == UE_OK; i++)
		{
			const UeRule *rule = &rules->rules[i];
			UeRuleList list =
				condition == UE_RULE_CONDITION_COUNT
					? get_platforms(rule)
					: ue_rule_condition_list(rule, (UeRuleCondition) condition);

			for (size_t j = 0; pass == 1 && j < list.n && status == UE_OK; j++)
			{
				mentions[n + j].rule = (uint32_t) i;
				status =
					ue_fold_text(builder->arena, list.items[j], &mentions[n + j].value);
			}
			n += list.n;
		}
		n_mentions = n;
	}
	return status == UE_OK ? fill_index(builder, mentions, n_mentions, index) : status;
}

static UeStatus
build_bits(Builder *builder)
{
	UeRules *rules = builder->rules;
	size_t n_sets = UE_RULE_CONDITION_COUNT + 3;
	uint64_t *bits;
	UeStatus status = take(builder, n_sets * rules->n_words, sizeof(uint64_t), &bits);

	if (status != UE_OK)
		return status;
	for (size_t i = 0; i < rules->n; i++)
	{
		const UeRule *rule = &rules->rules[i];
		const bool members[] = {rule->is_enabled, rule->is_all, rule->platforms.n == 0};

		for (size_t set = 0; set < n_sets; set++)
			if (set < 3 ? members[set]
						: ue_rule_is_configured(rule, (UeRuleCondition) (set - 3)))
				ue_rules_set_bit(bits + set * rules->n_words, i);
	}
	rules->enabled = bits;
	rules->is_all = bits + rules->n_words;
	rules->without_platform = bits + 2 * rules->n_words;
	for (size_t i = 0; i < UE_RULE_CONDITION_COUNT; i++)
		rules->configured[i] = bits + (3 + i) * rules->n_words;
	return UE_OK;
}

static UeStatus
build_all(Builder *builder, const UeRule *rules, size_t n_rules)
{
	UeStatus status = check_ids(builder, rules, n_rules);

	if (status == UE_OK)
		status = copy_in_order(builder, rules, n_rules);
	if (status == UE_OK)
		status = build_patterns(builder);
	if (status == UE_OK)
		status = build_keywords(builder);
	if (status == UE_OK)
		status = build_bits(builder);
	if (status == UE_OK)
		status = build_status_index(builder);
	for (int i = UE_RULE_CLASSES; i < UE_RULE_CONDITION_COUNT && status == UE_OK; i++)
		status = build_text_index(builder, i, &builder->rules->conditions[i]);
	if (status == UE_OK)
		status = build_text_index(builder, UE_RULE_CONDITION_COUNT,
								  &builder->rules->platforms);
	return status;
}

UeStatus
ue_rules_build(const UeAllocator *allocator, size_t ceiling, UeArena *arena,
			   const UeRule *rules, size_t n_rules, UeRules **out, UeRuleProblem *problem)
{
	UeRules *built;
	Builder builder = {.arena = arena, .problem = problem};
	UeStatus status;

	if (ceiling < sizeof(UeRules) || n_rules > UINT32_MAX)
		return UE_TOO_LARGE;
	built = allocator->allocate(allocator->context, sizeof(UeRules));
	if (built == NULL)
		return UE_NO_MEMORY;
	memset(built, 0, sizeof(UeRules));
	built->allocator = *allocator;
	ue_arena_init(&built->rule_arena, &built->allocator, ceiling);
	ue_arena_init(&built->arena, &built->allocator, ceiling);
	builder.rules = built;
	status = build_all(&builder, rules, n_rules);
	/* the operator can mend the one, and not the other */
	if (status == UE_NO_MEMORY &&
		(ue_arena_is_full(&built->arena) || ue_arena_is_full(&built->rule_arena) ||
		 ue_arena_is_full(&built->matcher_arena)))
		status = UE_TOO_LARGE;
	if (status == UE_OK && ue_rules_size(built) > ceiling)
		status = UE_TOO_LARGE;
	if (status == UE_OK)
		*out = built;
	else
		ue_rules_free(built);
	return status;
}

void
ue_rules_free(UeRules *rules)
{
	UeAllocator allocator;

	if (rules == NULL)
		return;
	for (size_t i = 0; i < rules->n_patterns; i++)
		ue_pattern_free(rules->patterns[i]);
	ue_arena_free(&rules->arena);
	ue_arena_free(&rules->matcher_arena);
	ue_arena_free(&rules->rule_arena);
	allocator = rules->allocator;
	allocator.release(allocator.context, rules);
}

size_t
ue_rules_count(const UeRules *rules)
{
	return rules == NULL ? 0 : rules->n;
}

size_t
ue_rules_size(const UeRules *rules)
{
	if (rules == NULL)
		return 0;
	return sizeof(UeRules) + rules->arena.total + rules->matcher_arena.total +
		   rules->rule_arena.total + rules->pattern_bytes;
}
