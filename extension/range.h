/* SPDX-License-Identifier: PostgreSQL */
/*
 * range.h: the two ends of a time range: start inclusive, end exclusive.
 */
#ifndef UE_RANGE_H
#define UE_RANGE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#pragma GCC visibility push(hidden)

/* Raises SQLSTATE 22023 when until lies before since.  Equal ends are an empty range. */
extern void ue_range_check(TimestampTz since, TimestampTz until);

/* Raises SQLSTATE 22004. */
extern void ue_range_report_null(void);

/*
 * A tstzrange as [since, until): timestamps count in microseconds, so an end of the other
 * kind is one of them away.  A missing bound is infinity; an empty range has equal ends.
 */
extern void ue_range_read(Datum range, TimestampTz *since, TimestampTz *until);

#pragma GCC visibility pop

#endif
