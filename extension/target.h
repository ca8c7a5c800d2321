/* SPDX-License-Identifier: PostgreSQL */
/*
 * target.h: where the rows of upstream_error_events really are.
 */
#ifndef UE_TARGET_H
#define UE_TARGET_H

#include "postgres.h"

#pragma GCC visibility push(hidden)

/*
 * True when the table in that schema is an ordinary one of this server.  False when Citus
 * has distributed it, when a partition is a foreign table, or when there is none.
 */
extern bool ue_target_is_local(Oid schema);

#pragma GCC visibility pop

#endif
