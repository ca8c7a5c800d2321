/* SPDX-License-Identifier: PostgreSQL */
/*
 * rules.c: words of rules, their copies, and how one rule's filters are looked at.
 */
#include "core/rules.h"

#include <string.h>

#include "core/fold.h"
#include "core/rules_private.h"

/* Every piece of a copy begins where a pointer may. */
#define PIECE_ALIGNMENT _Alignof(UeRule)

static const char *const action_names[UE_ACTION_COUNT] = {
	[UE_ACTION_ANSWER] = "answer",	   [UE_ACTION_STOP] = "stop",
	[UE_ACTION_RETRY] = "retry",	   [UE_ACTION_FAILOVER] = "failover",
	[UE_ACTION_COOLDOWN] = "cooldown", [UE_ACTION_DISABLE] = "disable",
};

static const char *const outcome_names[] = {
	[UE_RULE_MATCHED] = "matched",	 [UE_RULE_SHADOWED] = "shadowed",
	[UE_RULE_DISABLED] = "disabled", [UE_RULE_FILTERED] = "filtered",
	[UE_RULE_MISSED] = "missed",
};

static const char *const condition_names[UE_RULE_CONDITION_COUNT] = {
	[UE_RULE_ERROR_CODES] = "error_codes",
	[UE_RULE_KEYWORDS] = "keywords",
	[UE_RULE_PATTERNS] = "patterns",
	[UE_RULE_CLASSES] = "classes",
	[UE_RULE_CODES] = "codes",
	[UE_RULE_ERROR_TYPES] = "error_types",
	[UE_RULE_UPSTREAM_CODES] = "upstream_codes",
};

const char *
ue_action_name(UeAction action)
{
	return (unsigned int) action < UE_ACTION_COUNT ? action_names[action] : "answer";
}

bool
ue_action_find(UeSlice name, UeAction *out)
{
	for (int i = 0; i < UE_ACTION_COUNT; i++)
		if (ue_slice_is_equal(name, ue_slice_of(action_names[i])))
		{
			*out = (UeAction) i;
			return true;
		}
	return false;
}

const char *
ue_rule_outcome_name(UeRuleOutcome outcome)
{
	return (unsigned int) outcome <= UE_RULE_MISSED ? outcome_names[outcome] : "missed";
}

UeSlice
ue_rule_condition_name(UeRuleCondition condition)
{
	return ue_slice_of(condition_names[condition]);
}

UeRuleList
ue_rule_condition_list(const UeRule *rule, UeRuleCondition condition)
{
	switch (condition)
	{
		case UE_RULE_ERROR_CODES:
			break;
		case UE_RULE_KEYWORDS:
			return rule->keywords;
		case UE_RULE_PATTERNS:
			return rule->patterns;
		case UE_RULE_CLASSES:
			return rule->classes;
		case UE_RULE_CODES:
			return rule->codes;
		case UE_RULE_ERROR_TYPES:
			return rule->error_types;
		case UE_RULE_UPSTREAM_CODES:
			return rule->upstream_codes;
	}
	return (UeRuleList){NULL, 0};
}

bool
ue_rule_is_configured(const UeRule *rule, UeRuleCondition condition)
{
	return condition == UE_RULE_ERROR_CODES
			   ? rule->n_error_codes > 0
			   : ue_rule_condition_list(rule, condition).n > 0;
}

UeSlice
ue_rule_condition_fact(const UeRuleFacts *facts, UeRuleCondition condition)
{
	switch (condition)
	{
		case UE_RULE_ERROR_CODES:
		case UE_RULE_KEYWORDS:
		case UE_RULE_PATTERNS:
			break;
		case UE_RULE_CLASSES:
			return ue_slice_of(ue_class_name(facts->class));
		case UE_RULE_CODES:
			return facts->code;
		case UE_RULE_ERROR_TYPES:
			return facts->error_type;
		case UE_RULE_UPSTREAM_CODES:
			return facts->error_code;
	}
	return (UeSlice){NULL, 0};
}

/* --- copies: the same walk counts the bytes and then fills them --- */

typedef struct Copier
{
	char *memory; /* NULL: count only */
	size_t used;
} Copier;

static void *
copy_piece(Copier *copier, const void *piece, size_t size)
{
	void *copy = NULL;

	if (copier->memory != NULL)
	{
		copy = copier->memory + copier->used;
		if (size > 0)
			memcpy(copy, piece, size);
	}
	copier->used += (size + PIECE_ALIGNMENT - 1) & ~(PIECE_ALIGNMENT - 1);
	return copy;
}

static size_t
round_up(size_t size)
{
	return (size + PIECE_ALIGNMENT - 1) & ~(PIECE_ALIGNMENT - 1);
}

/* Texts stand close together: they are most of a policy. */
static UeSlice
copy_text(Copier *copier, UeSlice text)
{
	char *copy = NULL;

	if (copier->memory != NULL && text.len > 0)
	{
		copy = copier->memory + copier->used;
		memcpy(copy, text.ptr, text.len);
	}
	copier->used += text.len;
	return (UeSlice){copy, text.len};
}

static void
copy_list(Copier *copier, UeRuleList *list)
{
	UeSlice *items = copy_piece(copier, list->items, list->n * sizeof(UeSlice));

	for (size_t i = 0; i < list->n; i++)
	{
		UeSlice text = copy_text(copier, list->items[i]);

		if (items != NULL)
			items[i] = text;
	}
	copier->used = round_up(copier->used);
	list->items = items;
}

static void
copy_pairs(Copier *copier, UeRule *rule)
{
	UeRuleTag *tags = copy_piece(copier, rule->tags, rule->n_tags * sizeof(UeRuleTag));
	UeRuleMessage *messages =
		copy_piece(copier, rule->messages, rule->n_messages * sizeof(UeRuleMessage));

	for (size_t i = 0; i < rule->n_tags; i++)
	{
		UeRuleTag tag = {copy_text(copier, rule->tags[i].name),
						 copy_text(copier, rule->tags[i].glob)};

		if (tags != NULL)
			tags[i] = tag;
	}
	for (size_t i = 0; i < rule->n_messages; i++)
	{
		UeRuleMessage message = {copy_text(copier, rule->messages[i].language),
								 copy_text(copier, rule->messages[i].text)};

		if (messages != NULL)
			messages[i] = message;
	}
	copier->used = round_up(copier->used);
	rule->tags = tags;
	rule->messages = messages;
}

/* What the rule points to is copied, and it points to the copies. */
static void
copy_rule(Copier *copier, UeRule *rule)
{
	UeRuleList *const lists[] = {
		&rule->keywords,	&rule->patterns,	   &rule->classes,	 &rule->codes,
		&rule->error_types, &rule->upstream_codes, &rule->platforms, &rule->models,
		&rule->channels,	&rule->routes,		   &rule->formats,	 &rule->kinds,
	};

	rule->error_codes =
		copy_piece(copier, rule->error_codes, rule->n_error_codes * sizeof(int32_t));
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		copy_list(copier, lists[i]);
	copy_pairs(copier, rule);
	rule->name = copy_text(copier, rule->name);
	rule->custom_message = copy_text(copier, rule->custom_message);
	rule->response_type = copy_text(copier, rule->response_type);
	rule->response_error_code = copy_text(copier, rule->response_error_code);
	copier->used = round_up(copier->used);
}

UeStatus
ue_rules_copy(UeArena *arena, const UeRule *const *rules, size_t n_rules, UeRule **out)
{
	Copier copier = {NULL, 0};
	UeRule *copies;

	copier.used = round_up(n_rules * sizeof(UeRule));
	for (size_t i = 0; i < n_rules; i++)
	{
		UeRule rule = *rules[i];

		copy_rule(&copier, &rule);
	}
	if (copier.used > arena->ceiling)
		return UE_TOO_LARGE;
	copier.memory = ue_arena_allocate(arena, copier.used);
	if (copier.memory == NULL)
		return UE_NO_MEMORY;
	copies = (UeRule *) (void *) copier.memory;
	copier.used = round_up(n_rules * sizeof(UeRule));
	for (size_t i = 0; i < n_rules; i++)
	{
		copies[i] = *rules[i];
		copy_rule(&copier, &copies[i]);
	}
	*out = copies;
	return UE_OK;
}

/* --- filters --- */

static bool
is_listed(UeRuleList list, UeSlice value)
{
	for (size_t i = 0; i < list.n; i++)
		if (ue_fold_is_equal(list.items[i], value))
			return true;
	return list.n == 0;
}

static bool
is_glob_listed(UeRuleList list, UeSlice value)
{
	for (size_t i = 0; i < list.n; i++)
		if (ue_fold_is_glob_match(list.items[i], value))
			return true;
	return list.n == 0;
}

/* Whether a value of that name fits; a request without the tag has an empty value. */
static bool
is_tag_fit(const UeRuleTag *tag, const UeRuleFacts *facts)
{
	bool is_known = false;

	for (size_t i = 0; i < facts->n_tags; i++)
	{
		if (!ue_fold_is_equal(facts->tags[i].name, tag->name))
			continue;
		if (ue_fold_is_glob_match(tag->glob, facts->tags[i].value))
			return true;
		is_known = true;
	}
	return !is_known && ue_fold_is_glob_match(tag->glob, (UeSlice){NULL, 0});
}

/* Globs of one name stand together and are alternatives. */
static bool
is_tagged(const UeRule *rule, const UeRuleFacts *facts)
{
	for (size_t i = 0; i < rule->n_tags;)
	{
		UeSlice name = rule->tags[i].name;
		bool is_fit = false;

		for (; i < rule->n_tags && ue_slice_is_equal(rule->tags[i].name, name); i++)
			is_fit = is_fit || is_tag_fit(&rule->tags[i], facts);
		if (!is_fit)
			return false;
	}
	return true;
}

bool
ue_rule_is_filter_fit(const UeRule *rule, const UeRuleFacts *facts, UeSlice *field)
{
	const char *name = NULL;

	if (!is_listed(rule->platforms, facts->platform))
		name = "platforms";
	else if (!is_glob_listed(rule->models, facts->model))
		name = "models";
	else if (!is_glob_listed(rule->channels, facts->channel))
		name = "channels";
	else if (!is_glob_listed(rule->routes, facts->route))
		name = "routes";
	else if (!is_listed(rule->formats, ue_slice_of(ue_format_name(facts->format))))
		name = "formats";
	else if (!is_listed(rule->kinds, ue_slice_of(ue_kind_name(facts->kind))))
		name = "kinds";
	else if (!is_tagged(rule, facts))
		name = "tags";
	else if (rule->min_attempt > 0 && facts->attempt < rule->min_attempt)
		name = "min_attempt";
	else if (rule->max_attempt > 0 && facts->attempt > rule->max_attempt)
		name = "max_attempt";
	else if (rule->has_output >= 0 && facts->has_output != (rule->has_output == 1))
		name = "has_output";
	*field = ue_slice_of(name);
	return name == NULL;
}
