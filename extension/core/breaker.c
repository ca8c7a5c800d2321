/* SPDX-License-Identifier: PostgreSQL */
/*
 * breaker.c: health rules read, compiled and asked.
 */
#include "core/breaker.h"

#include <string.h>

#include "core/limits.h"

/* The longest pause, in s: 31 days, as Google's monthly quota. */
#define PAUSE_MAX 2678400

struct UeBreakers
{
	UeAllocator allocator;
	UeRules *rules;		 /* owned */
	UeBreaker *breakers; /* owned; in any order */
	size_t n;
};

static const UeSlice members[] = {
	UE_SLICE_INIT("id"),		 UE_SLICE_INIT("scope"),	UE_SLICE_INIT("action"),
	UE_SLICE_INIT("threshold"),	 UE_SLICE_INIT("window_s"), UE_SLICE_INIT("use_hint"),
	UE_SLICE_INIT("duration_s"), UE_SLICE_INIT("base_s"),	UE_SLICE_INIT("max_s"),
	UE_SLICE_INIT("match"),
};

static const char *const scopes[] = {"model", "channel"};
static const char *const actions[] = {"cooldown", "disable"};

static void
read_effect(UeRecord *record, UeBreaker *out)
{
	int scope = 0;
	int action = 0;

	*out = (UeBreaker){.effect = {.threshold = 1,
								  .window_s = 60,
								  .is_hint_used = true,
								  .base_s = 1,
								  .max_s = 1800}};
	ue_record_allow(record, members, sizeof(members) / sizeof(members[0]));
	ue_record_read_int64(record, "id", 1, INT64_MAX, &out->id);
	ue_record_read_word(record, "scope", scopes, 2, &scope);
	ue_record_read_word(record, "action", actions, 2, &action);
	ue_record_read_int32(record, "threshold", 1, UE_HEALTH_FAILURES_MAX,
						 &out->effect.threshold);
	ue_record_read_int32(record, "window_s", 1, PAUSE_MAX, &out->effect.window_s);
	ue_record_read_bool(record, "use_hint", &out->effect.is_hint_used);
	ue_record_read_int32(record, "duration_s", 1, PAUSE_MAX, &out->effect.duration_s);
	ue_record_read_int32(record, "base_s", 1, PAUSE_MAX, &out->effect.base_s);
	ue_record_read_int32(record, "max_s", 1, PAUSE_MAX, &out->effect.max_s);
	out->is_whole_channel = scope == 1;
	out->effect.is_disabling = action == 1;
	if (record->status == UE_OK && out->effect.max_s < out->effect.base_s)
		ue_record_complain(record, "max_s",
						   UE_SLICE(
							   "it is below base_s; accepted are numbers from there"));
}

UeStatus
ue_breaker_read(UeArena *arena, const UeJson *object, UeRule *match, UeBreaker *out,
				UeRuleProblem *problem)
{
	UeRecord record;

	ue_record_init(&record, arena, object);
	read_effect(&record, out);
	if (record.status == UE_OK)
		return ue_rule_read(arena, ue_json_find(object, UE_SLICE("match")), match,
							problem);
	*problem = (UeRuleProblem){out->id, record.field, record.problem};
	return record.status;
}

UeStatus
ue_breakers_build(const UeAllocator *allocator, size_t ceiling, UeArena *arena,
				  const UeRule *matches, const UeBreaker *breakers, size_t n,
				  UeBreakers **out, UeRuleProblem *problem)
{
	UeBreakers *built;
	UeStatus status;

	if (ceiling < sizeof(*built) || n > (ceiling - sizeof(*built)) / sizeof(UeBreaker))
		return UE_TOO_LARGE;
	built = allocator->allocate(allocator->context, sizeof(*built));
	if (built == NULL)
		return UE_NO_MEMORY;
	*built = (UeBreakers){.allocator = *allocator, .n = n};
	built->breakers =
		allocator->allocate(allocator->context, (n + 1) * sizeof(UeBreaker));
	status = built->breakers == NULL ? UE_NO_MEMORY : UE_OK;
	if (status == UE_OK && n > 0)
		memcpy(built->breakers, breakers, n * sizeof(UeBreaker));
	if (status == UE_OK)
		status =
			ue_rules_build(allocator, ceiling - sizeof(*built) - n * sizeof(UeBreaker),
						   arena, matches, n, &built->rules, problem);
	if (status == UE_OK)
		*out = built;
	else
		ue_breakers_free(built);
	return status;
}

UeStatus
ue_breakers_build_defaults(const UeAllocator *allocator, UeArena *arena, UeBreakers **out)
{
	size_t n = ue_breaker_count_defaults();
	UeRule *matches = ue_arena_allocate(arena, n * sizeof(UeRule));
	UeBreaker *breakers = ue_arena_allocate(arena, n * sizeof(UeBreaker));
	UeRuleProblem problem;

	if (matches == NULL || breakers == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < n; i++)
	{
		const UeJson *root;
		UeStatus status = ue_json_parse(arena, ue_breaker_default_at(i), &root);

		if (status == UE_OK)
			status = ue_breaker_read(arena, root, &matches[i], &breakers[i], &problem);
		if (status != UE_OK)
			return status;
	}
	return ue_breakers_build(allocator, UE_LIMIT_POLICY_MEMORY, arena, matches, breakers,
							 n, out, &problem);
}

void
ue_breakers_free(UeBreakers *breakers)
{
	UeAllocator allocator;

	if (breakers == NULL)
		return;
	allocator = breakers->allocator;
	ue_rules_free(breakers->rules);
	if (breakers->breakers != NULL)
		allocator.release(allocator.context, breakers->breakers);
	allocator.release(allocator.context, breakers);
}

size_t
ue_breakers_size(const UeBreakers *breakers)
{
	return breakers == NULL ? 0
							: sizeof(*breakers) + breakers->n * sizeof(UeBreaker) +
								  ue_rules_size(breakers->rules);
}

static const UeBreaker *
find_by_id(const UeBreakers *breakers, int64_t id)
{
	for (size_t i = 0; i < breakers->n; i++)
		if (breakers->breakers[i].id == id)
			return &breakers->breakers[i];
	return NULL;
}

UeStatus
ue_breakers_find(const UeBreakers *breakers, UeArena *arena, const UeRuleFacts *facts,
				 const UeBreaker ***out, size_t *n_out)
{
	size_t n = breakers == NULL ? 0 : ue_rules_count(breakers->rules);
	const UeBreaker **found = ue_arena_allocate(arena, (n + 1) * sizeof(*found));
	size_t n_found = 0;
	UeRuleTrace *traces;
	UeStatus status;

	if (found == NULL)
		return UE_NO_MEMORY;
	if (n > 0)
	{
		status = ue_rules_explain(breakers->rules, arena, facts, &traces);
		if (status != UE_OK)
			return status;
		for (size_t i = 0; i < n; i++)
			if (traces[i].outcome == UE_RULE_MATCHED ||
				traces[i].outcome == UE_RULE_SHADOWED)
			{
				found[n_found] = find_by_id(breakers, traces[i].rule->id);
				n_found += found[n_found] != NULL;
			}
	}
	*out = found;
	*n_out = n_found;
	return UE_OK;
}
