/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_question.h: what the policy keeper asks the database.
 */
#ifndef UE_POLICY_QUESTION_H
#define UE_POLICY_QUESTION_H

#include "database.h"

#define UE_QUESTION_HEALTH_CHANNEL "upstream_errors_health"

/* In the order in which they are sent when several are wanted. */
typedef enum UeQuestion
{
	UE_QUESTION_LISTEN = 0,
	UE_QUESTION_LISTEN_HEALTH,
	UE_QUESTION_IDENTITY,
	UE_QUESTION_STATUS,
	UE_QUESTION_HEALTH,
	UE_QUESTION_SNAPSHOT,
	UE_QUESTION_ACKNOWLEDGE,
} UeQuestion;

#define UE_QUESTIONS (UE_QUESTION_ACKNOWLEDGE + 1)

extern const UeStatement ue_question_statements[UE_QUESTIONS]; /* by question */

#endif
