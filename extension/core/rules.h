/* SPDX-License-Identifier: PostgreSQL */
/*
 * rules.h: an operator's instructions, compiled; which of them fits a fault.
 *
 * A rule is a row of upstream_error_rules; here it is read from that row as JSON (SQL's
 * to_jsonb, a line of a snapshot, a draft), so that every home reads the same.
 *
 * Conditions (error_codes, keywords, patterns, classes, codes, error_types, upstream_codes)
 * are combined by match_mode; values inside one condition are alternatives.  Filters
 * (platforms, models, channels, routes, formats, kinds, tags, attempt, output) must all
 * fit.  Rules are tried by (priority, id); the first that fits wins.
 */
#ifndef UE_CORE_RULES_H
#define UE_CORE_RULES_H

#include "core/fault.h"
#include "core/json.h"
#include "core/match.h"
#include "core/pattern.h"

typedef struct UeRules UeRules;

/* What to do about the attempt; the retry policy obeys. */
typedef enum UeAction
{
	UE_ACTION_ANSWER = 0, /* no instruction: the policy decides; without one, answer */
	UE_ACTION_STOP,		  /* no further attempt, answer now */
	UE_ACTION_RETRY,	  /* again, on the same channel if need be */
	UE_ACTION_FAILOVER,	  /* again, on another channel */
	UE_ACTION_COOLDOWN,	  /* the same, and leave this channel alone for cooldown_s */
	UE_ACTION_DISABLE,	  /* the same, and disable this channel */
} UeAction;

#define UE_ACTION_COUNT (UE_ACTION_DISABLE + 1)

/* A message for the readers of one language. */
typedef struct UeRuleMessage
{
	UeSlice language; /* "zh", "pt-BR" */
	UeSlice text;
} UeRuleMessage;

typedef struct UeRuleTag
{
	UeSlice name;
	UeSlice glob;
} UeRuleTag;

typedef struct UeRuleList
{
	const UeSlice *items;
	size_t n;
} UeRuleList;

/* Slices point into the JSON it was read from, or the arena. */
typedef struct UeRule
{
	int64_t id;
	int32_t version;
	int32_t priority;
	UeSlice name;

	/* conditions */
	const int32_t *error_codes; /* HTTP statuses, 100 to 599 */
	UeRuleList keywords;		/* trimmed; in message, or first 64 KiB of body */
	UeRuleList patterns;		/* PCRE2, in the same texts */
	UeRuleList classes;			/* ue_class_name */
	UeRuleList codes;			/* names in our catalogue */
	UeRuleList error_types;		/* the upstream's words, without regard to case */
	UeRuleList upstream_codes;	/* the same */

	/* filters; empty: any */
	UeRuleList platforms;
	UeRuleList models;	 /* globs; so are the next two */
	UeRuleList channels; /* in the channel's name */
	UeRuleList routes;	 /* the client's path */
	UeRuleList formats;
	UeRuleList kinds;
	const UeRuleTag *tags; /* every name must fit one of its globs */

	/* what the client gets */
	UeSlice custom_message;
	const UeRuleMessage *messages; /* per language; custom_message is for all others */
	UeSlice response_type;		   /* error.type; empty: as without the rule */
	UeSlice response_error_code;   /* error.code; empty: as without the rule */

	/* the small ones, side by side: backends hold a thousand rules each */
	uint32_t n_error_codes;
	uint32_t n_tags;
	uint32_t n_messages;
	int32_t min_attempt, max_attempt; /* 0: open */
	int response_code;				  /* 400 to 599 unless is_code_passed */
	int retry_after_s;				  /* 1 to 3600; 0: as without the rule */
	int32_t cooldown_s;				  /* with UE_ACTION_COOLDOWN: 1 to 86400 */
	UeAction action;
	bool is_enabled;
	bool is_all;		 /* match_mode */
	int8_t has_output;	 /* 1: only once output has begun, 0: only before, -1: either */
	bool is_code_passed; /* passthrough_code */
	bool is_body_passed; /* passthrough_body */
	bool is_unmonitored; /* skip_monitoring: no row */
} UeRule;

/* Why a rule was refused: "response_code" and "9999 is out of range; accepted are …". */
typedef struct UeRuleProblem
{
	int64_t rule_id; /* 0: unknown */
	UeSlice field;	 /* a column's name; empty: the rule as a whole */
	UeSlice text;	 /* in the arena, readable, ends without a full stop */
} UeRuleProblem;

extern const char *ue_action_name(UeAction action);
extern bool ue_action_find(UeSlice name, UeAction *out);

/*
 * Checks everything about one rule, its patterns too.  A member that is null or absent has
 * its column's default; an unknown member is a problem.  UE_OK, UE_NO_MEMORY, or
 * UE_INVALID_ARGUMENT with *problem filled.
 */
extern UeStatus ue_rule_read(UeArena *arena, const UeJson *object, UeRule *out,
							 UeRuleProblem *problem) UE_MUST_CHECK;

/*
 * Rules in any order; those that are not enabled are kept for explain alone.  Memory comes
 * from the allocator, at most ceiling bytes; ue_rules_free gives it back.  Texts are
 * copied.  UE_OK, UE_NO_MEMORY, UE_TOO_LARGE, UE_INVALID_ARGUMENT with *problem.
 */
extern UeStatus ue_rules_build(const UeAllocator *allocator, size_t ceiling,
							   UeArena *arena, const UeRule *rules, size_t n_rules,
							   UeRules **out, UeRuleProblem *problem) UE_MUST_CHECK;
extern void ue_rules_free(UeRules *rules); /* NULL is fine */
extern size_t ue_rules_count(const UeRules *rules);
extern size_t ue_rules_size(const UeRules *rules); /* bytes */

/* What a rule may look at.  Empty slices match no glob but "*". */
typedef struct UeRuleFacts
{
	UeSlice platform;
	int status; /* the fault's effective status; for a local error the catalogue's */
	UeKind kind;
	UeClass class;
	UeSlice code;		/* ours */
	UeSlice error_type; /* the upstream's, unmasked */
	UeSlice error_code;
	UeSlice message; /* readable, unmasked, valid UTF-8 */
	UeSlice body;	 /* the first UE_LIMIT_BODY bytes, valid UTF-8 */
	UeSlice model;
	UeSlice channel;
	UeSlice route;
	UeFormat format;
	const UeHeader *tags; /* name and value */
	size_t n_tags;
	int attempt; /* from 1 */
	bool has_output;
} UeRuleFacts;

/*
 * The first enabled rule that fits, NULL when none does; it lives as long as rules.  Scratch
 * comes from the arena.  A pattern that runs into its limit does not match.
 * UE_OK or UE_NO_MEMORY.
 */
extern UeStatus ue_rules_match(const UeRules *rules, UeArena *arena,
							   const UeRuleFacts *facts,
							   const UeRule **out) UE_MUST_CHECK;

/*
 * Whether message and body matter at all, told by the other facts: who has to fetch them
 * from far away need not where they do not.  UE_OK or UE_NO_MEMORY.
 */
extern UeStatus ue_rules_need_texts(const UeRules *rules, UeArena *arena,
									const UeRuleFacts *facts, bool *out) UE_MUST_CHECK;

typedef enum UeRuleOutcome
{
	UE_RULE_MATCHED = 0, /* the winner */
	UE_RULE_SHADOWED,	 /* fits too, but an earlier one has won */
	UE_RULE_DISABLED,
	UE_RULE_FILTERED, /* a filter does not fit */
	UE_RULE_MISSED,	  /* no condition is met, or in mode all not every one */
} UeRuleOutcome;

/* How one rule fared, for operators. */
typedef struct UeRuleTrace
{
	const UeRule *rule;
	UeRuleOutcome outcome;
	UeSlice field; /* the column that decided: matched on it, or failed on it */
	UeSlice value; /* the keyword, pattern, code that was found; empty when none was */
	size_t start, end; /* where, in the text that it was found in; both 0: not a text */
	bool is_in_body;   /* else in the message */
} UeRuleTrace;

extern const char *ue_rule_outcome_name(UeRuleOutcome outcome); /* "matched", … */

/* All rules in the order they are tried; *traces has ue_rules_count elements. */
extern UeStatus ue_rules_explain(const UeRules *rules, UeArena *arena,
								 const UeRuleFacts *facts,
								 UeRuleTrace **traces) UE_MUST_CHECK;

#endif
