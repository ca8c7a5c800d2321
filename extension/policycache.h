/* SPDX-License-Identifier: PostgreSQL */
/*
 * policycache.h: the policy of this database, compiled once per backend.
 *
 * It is that of the last commit, and of this transaction's own changes, whatever the
 * transaction's isolation level.
 *
 * function is one of ours, whose schema is the extension's; usually the one that runs.
 */
#ifndef UE_POLICYCACHE_H
#define UE_POLICYCACHE_H

#include "postgres.h"

#include "core/policy.h"

#pragma GCC visibility push(hidden)

/*
 * NULL when there is none.  Good until the next call of a function here, so until other SQL
 * runs.
 *
 * Rows that cannot be compiled (they were never committed here, but restored past the
 * triggers) leave the last good policy in force, with one WARNING.
 */
extern const UePolicy *ue_policycache_find(Oid function);

/* The same, but rows that cannot be compiled raise an error of that SQLSTATE. */
extern const UePolicy *ue_policycache_require(Oid function, int sqlstate);

/* The masks of that policy; what an operator's pattern may hide is not shown without it. */
extern const UeMaskSettings *ue_policycache_mask(Oid function);

/* Moves whenever what is compiled may have changed. */
extern uint64 ue_policycache_serial(void);

/* This transaction has changed what is compiled; others hear of it at its commit. */
extern void ue_policycache_change(Oid function);

#pragma GCC visibility pop

#endif
