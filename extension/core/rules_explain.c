/* SPDX-License-Identifier: PostgreSQL */
/*
 * rules_explain.c: how every rule fared, one after the other, for operators.
 *
 * It asks each rule by itself and so is slow where match is fast; that both agree is a
 * property that test_rules checks.
 */
#include "core/rules_private.h"

#include "core/buf.h"
#include "core/fold.h"
#include "core/limits.h"

typedef struct Explainer
{
	const UeRules *rules;
	UeArena *arena;
	const UeRuleFacts *facts;
	const uint64_t *found; /* keywords */
} Explainer;

static UeStatus
find_status(const Explainer *explainer, const UeRule *rule, bool *is_found,
			UeRuleTrace *trace)
{
	UeBuf buf;

	for (size_t i = 0; i < rule->n_error_codes; i++)
	{
		if (rule->error_codes[i] != explainer->facts->status)
			continue;
		*is_found = true;
		ue_buf_init(&buf, explainer->arena, UE_LIMIT_TOKEN);
		ue_buf_append_int64(&buf, rule->error_codes[i]);
		return ue_buf_finish(&buf, &trace->value);
	}
	return UE_OK;
}

static void
find_keyword(const Explainer *explainer, size_t number, bool *is_found,
			 UeRuleTrace *trace)
{
	const UeRules *rules = explainer->rules;
	size_t first = rules->first_keyword[number];

	for (size_t i = first; i < rules->first_keyword[number + 1]; i++)
	{
		if (!ue_rules_has_bit(explainer->found, i))
			continue;
		*is_found = true;
		trace->value = rules->rules[number].keywords.items[i - first];
		trace->is_in_body =
			!ue_matcher_locate(rules->matcher, i, explainer->facts->message,
							   &trace->start, &trace->end);
		if (trace->is_in_body)
			(void) ue_matcher_locate(rules->matcher, i, explainer->facts->body,
									 &trace->start, &trace->end);
		return;
	}
}

static void
find_text(const Explainer *explainer, const UeRule *rule, UeRuleCondition condition,
		  bool *is_found, UeRuleTrace *trace)
{
	UeRuleList list = ue_rule_condition_list(rule, condition);
	UeSlice fact = ue_rule_condition_fact(explainer->facts, condition);

	for (size_t i = 0; i < list.n; i++)
		if (ue_fold_is_equal(list.items[i], fact))
		{
			*is_found = true;
			trace->value = list.items[i];
			return;
		}
}

/* Whether one condition is met; *trace says by what. */
static UeStatus
check_condition(const Explainer *explainer, size_t number, UeRuleCondition condition,
				bool *is_found, UeRuleTrace *trace)
{
	const UeRule *rule = &explainer->rules->rules[number];

	*is_found = false;
	*trace = (UeRuleTrace){.rule = rule, .field = ue_rule_condition_name(condition)};
	switch (condition)
	{
		case UE_RULE_ERROR_CODES:
			return find_status(explainer, rule, is_found, trace);
		case UE_RULE_KEYWORDS:
			find_keyword(explainer, number, is_found, trace);
			return UE_OK;
		case UE_RULE_PATTERNS:
			return ue_rules_find_pattern(explainer->rules, number, explainer->arena,
										 explainer->facts, is_found, trace);
		case UE_RULE_CLASSES:
		case UE_RULE_CODES:
		case UE_RULE_ERROR_TYPES:
		case UE_RULE_UPSTREAM_CODES:
			find_text(explainer, rule, condition, is_found, trace);
			return UE_OK;
	}
	return UE_OK;
}

/* A place in a text tells an operator more than a status does. */
static bool
is_telling(const UeRuleTrace *trace)
{
	return trace->end > 0;
}

/*
 * Mode any: the first condition that is met.  Mode all: the first that is not, or of those
 * that are the one that points into a text, else the first.
 */
static UeStatus
check_conditions(const Explainer *explainer, size_t number, bool *is_fit,
				 UeRuleTrace *trace)
{
	const UeRule *rule = &explainer->rules->rules[number];
	UeRuleTrace best = {.rule = NULL};

	*is_fit = false;
	for (int i = 0; i < UE_RULE_CONDITION_COUNT; i++)
	{
		UeRuleTrace one;
		bool is_found;
		UeStatus status;

		if (!ue_rule_is_configured(rule, (UeRuleCondition) i))
			continue;
		status = check_condition(explainer, number, (UeRuleCondition) i, &is_found, &one);
		if (status != UE_OK)
			return status;
		if (is_found != rule->is_all)
		{
			/* it decides: found is enough, or not found is too little */
			*is_fit = is_found;
			*trace = one;
			return UE_OK;
		}
		if (best.rule == NULL || (is_found && is_telling(&one) && !is_telling(&best)))
			best = one;
	}
	*is_fit = rule->is_all && best.rule != NULL;
	*trace = best;
	trace->rule = rule;
	return UE_OK;
}

static UeStatus
explain_rule(const Explainer *explainer, size_t number, bool *has_winner,
			 UeRuleTrace *trace)
{
	const UeRule *rule = &explainer->rules->rules[number];
	UeSlice field;
	bool is_fit;
	UeStatus status;

	*trace = (UeRuleTrace){.rule = rule, .outcome = UE_RULE_DISABLED};
	if (!rule->is_enabled)
		return UE_OK;
	if (!ue_rule_is_filter_fit(rule, explainer->facts, &field))
	{
		trace->outcome = UE_RULE_FILTERED;
		trace->field = field;
		return UE_OK;
	}
	status = check_conditions(explainer, number, &is_fit, trace);
	trace->outcome = UE_RULE_MISSED;
	if (status == UE_OK && is_fit)
	{
		trace->outcome = *has_winner ? UE_RULE_SHADOWED : UE_RULE_MATCHED;
		*has_winner = true;
	}
	return status;
}

UeStatus
ue_rules_explain(const UeRules *rules, UeArena *arena, const UeRuleFacts *facts,
				 UeRuleTrace **traces)
{
	Explainer explainer = {.rules = rules, .arena = arena, .facts = facts};
	size_t n = ue_rules_count(rules);
	UeRuleTrace *all = ue_arena_allocate(arena, n * sizeof(UeRuleTrace));
	bool has_winner = false;
	UeStatus status = UE_OK;
	uint64_t *found;

	if (all == NULL)
		return UE_NO_MEMORY;
	if (n > 0)
	{
		found = ue_arena_allocate_zero(arena, UE_MATCH_WORDS(rules->n_needles) *
												  sizeof(uint64_t));
		if (found == NULL)
			return UE_NO_MEMORY;
		ue_rules_scan(rules, facts, found);
		explainer.found = found;
	}
	for (size_t i = 0; i < n && status == UE_OK; i++)
		status = explain_rule(&explainer, i, &has_winner, &all[i]);
	if (status == UE_OK)
		*traces = all;
	return status;
}
