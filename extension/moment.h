/* SPDX-License-Identifier: PostgreSQL */
/*
 * moment.h: a time as people write it: '1h', 'yesterday', '2026-11-01 12:00'.
 */
#ifndef UE_MOMENT_H
#define UE_MOMENT_H

#include "postgres.h"

#include "core/slice.h"
#include "utils/timestamp.h"

#pragma GCC visibility push(hidden)

typedef struct UeMoment
{
	bool is_back; /* counted back from now; else a point in time */
	bool
		is_fixed; /* a point in time spelt in digits: means the same at any time of the day */
	bool is_now;	/* the word itself */
	Interval back;	/* is_back; never negative */
	TimestampTz at; /* not is_back */
} UeMoment;

/* Raises SQLSTATE 22007 with the accepted spellings when text is none of them. */
extern void ue_moment_parse(UeSlice text, UeMoment *out);

/* The point in time, as seen from this transaction. */
extern TimestampTz ue_moment_read(const UeMoment *moment);

/* now() - back */
extern TimestampTz ue_moment_read_back(const Interval *back);

#pragma GCC visibility pop

#endif
