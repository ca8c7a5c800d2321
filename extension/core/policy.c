/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy.c: what a policy answers.
 */
#include "core/policy.h"

#include "core/language.h"
#include "core/limits.h"
#include "core/policy_private.h"

#define ENGLISH UE_SLICE("en")
#define CHINESE UE_SLICE("zh")

void
ue_policy_free(UePolicy *policy)
{
	UeAllocator allocator;

	if (policy == NULL)
		return;
	ue_rules_free(policy->rules);
	ue_breakers_free(policy->breakers);
	for (size_t i = 0; i < policy->n_patterns; i++)
		ue_pattern_free(policy->patterns[i]);
	ue_arena_free(&policy->arena);
	allocator = policy->allocator;
	allocator.release(allocator.context, policy);
}

int64_t
ue_policy_generation(const UePolicy *policy)
{
	return policy == NULL ? 0 : policy->generation;
}

const UeRules *
ue_policy_rules(const UePolicy *policy)
{
	return policy == NULL ? NULL : policy->rules;
}

const UeMaskSettings *
ue_policy_mask(const UePolicy *policy)
{
	return policy == NULL ? NULL : &policy->mask;
}

size_t
ue_policy_size(const UePolicy *policy)
{
	if (policy == NULL)
		return 0;
	return sizeof(UePolicy) + policy->arena.total + policy->pattern_bytes +
		   ue_rules_size(policy->rules) + ue_breakers_size(policy->breakers);
}

const UeChannel *
ue_policy_channels(const UePolicy *policy, size_t *n)
{
	*n = policy == NULL ? 0 : policy->n_channels;
	return *n == 0 ? NULL : policy->channels;
}

const UeRetryPolicy *
ue_policy_retry_policies(const UePolicy *policy, size_t *n)
{
	*n = policy == NULL ? 0 : policy->n_retry_policies;
	return *n == 0 ? NULL : policy->retry_policies;
}

const UeBreakers *
ue_policy_breakers(const UePolicy *policy)
{
	return policy == NULL ? NULL : policy->breakers;
}

const UeChannel *
ue_policy_find_channel(const UePolicy *policy, UeSlice name)
{
	size_t n;
	const UeChannel *channels = ue_policy_channels(policy, &n);

	for (size_t i = 0; i < n; i++)
		if (ue_slice_is_equal(channels[i].name, name))
			return &channels[i];
	return NULL;
}

UeSlice
ue_policy_default_language(const UePolicy *policy)
{
	return policy == NULL ? ENGLISH : policy->default_language;
}

/* The messages of one code stand together; the number of them, *first the first. */
static size_t
find_messages(const UePolicy *policy, UeSlice code, size_t *first)
{
	size_t n = 0;

	*first = 0;
	if (policy == NULL)
		return 0;
	while (*first < policy->n_messages &&
		   !ue_slice_is_equal(policy->messages[*first].code, code))
		(*first)++;
	while (*first + n < policy->n_messages && n < UE_LIMIT_LANGUAGES &&
		   ue_slice_is_equal(policy->messages[*first + n].code, code))
		n++;
	return n;
}

UeSlice
ue_policy_message(const UePolicy *policy, const UeCode *code, UeSlice accept_language,
				  UeSlice *language)
{
	UeSlice tags[UE_LIMIT_LANGUAGES + 2];
	size_t first;
	size_t n = find_messages(policy, code->name, &first);
	size_t best;

	/* ours stand behind the operator's, which so replace them in a language of both */
	for (size_t i = 0; i < n; i++)
		tags[i] = policy->messages[first + i].language;
	tags[n] = ENGLISH;
	tags[n + 1] = CHINESE;
	best = ue_language_choose(ue_policy_default_language(policy), tags, n + 2,
							  ue_language_choose(ENGLISH, tags, n + 2, n));
	best = ue_language_choose(accept_language, tags, n + 2, best);
	*language = tags[best];
	if (best < n)
		return policy->messages[first + best].text;
	return best == n ? code->message_en : code->message_zh;
}
