/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide_rule.h: what a rule sees of a case, and what it has the client read.
 */
#ifndef UE_CORE_DECIDE_RULE_H
#define UE_CORE_DECIDE_RULE_H

#include "core/decide_text.h"

extern UeStatus ue_decide_rule_facts(UeArena *arena, const UeCase *kase,
									 const UeFault *fault,
									 UeRuleFacts *out) UE_MUST_CHECK;

/*
 * Sets answer->message, given the rest of answer: the rule's own, in the client's language
 * and with its values filled in; or the upstream's, where it spoke; or the catalogue's.
 */
extern UeStatus ue_decide_rule_message(UeArena *arena, const UePolicy *policy,
									   const UeCase *kase, const UeVerdict *verdict,
									   const UeDecideTexts *texts, const UeRule *rule,
									   UeAnswer *answer) UE_MUST_CHECK;

#endif
