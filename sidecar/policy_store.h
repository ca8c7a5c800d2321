/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_store.h: the policy in force, for everybody in the process.
 *
 * Whoever needs it acquires it, uses it for as short a time as one failure takes, and
 * releases it.  Another one may be put in force meanwhile: what was acquired stays valid
 * until it is released, and is freed with its last user.  Any thread.
 */
#ifndef UE_POLICY_STORE_H
#define UE_POLICY_STORE_H

#include "core/policy.h"

/* NULL: none was ever in force, which is a policy too. */
extern const UePolicy *ue_policy_store_acquire(void);
extern void ue_policy_store_release(const UePolicy *policy); /* NULL is fine */

/* Puts one in force and owns it.  False: no memory, and the policy is still the caller's. */
extern bool ue_policy_store_swap(UePolicy *policy) UE_MUST_CHECK;
extern void ue_policy_store_reset(void); /* none is in force any more */

#endif
