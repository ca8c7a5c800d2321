/* SPDX-License-Identifier: PostgreSQL */
/*
 * report.h: failures of our own code as PostgreSQL errors.
 */
#ifndef UE_REPORT_H
#define UE_REPORT_H

#include "postgres.h"

#include "compat.h"
#include "core/slice.h"
#include "core/status.h"

#pragma GCC visibility push(hidden)

/* Raises status, which must not be UE_OK. */
extern void ue_report(UeStatus status) UE_NORETURN;

/*
 * Raises "unrecognized <field> "<value>"", SQLSTATE 22023, with the names accepted in the
 * hint; name_at gives the names from 0 to last.
 */
extern void ue_report_unrecognized(const char *field, UeSlice value,
								   const char *(*name_at)(int index),
								   int last) UE_NORETURN;

/* At most 64 bytes of a rejected value, NUL-terminated and cut between characters. */
extern char *ue_report_excerpt(UeSlice value);

#pragma GCC visibility pop

#endif
