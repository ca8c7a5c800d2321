/* SPDX-License-Identifier: PostgreSQL */
/*
 * rules.c: actions by name.
 */
#include "core/rules.h"

static const char *const action_names[UE_ACTION_COUNT] = {
	[UE_ACTION_ANSWER] = "answer",	   [UE_ACTION_STOP] = "stop",
	[UE_ACTION_RETRY] = "retry",	   [UE_ACTION_FAILOVER] = "failover",
	[UE_ACTION_COOLDOWN] = "cooldown", [UE_ACTION_DISABLE] = "disable",
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
