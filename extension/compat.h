/* SPDX-License-Identifier: PostgreSQL */
/*
 * compat.h: where PostgreSQL 15 to 18 differ.  Nothing else in the extension asks for the
 * version.
 */
#ifndef UE_COMPAT_H
#define UE_COMPAT_H

#include "postgres.h"

#include "utils/datetime.h"

/* 16 takes the macros of variable-length values out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 replaces pg_attribute_noreturn() by pg_noreturn, at the other end. */
#define UE_NORETURN __attribute__((noreturn))

/* 16 adds details of the failure, which we do not look at. */
static inline int
ue_compat_decode_datetime(char **field, int *ftype, int nf, int *dtype, struct pg_tm *tm,
						  fsec_t *fsec, int *tz)
{
#if PG_VERSION_NUM >= 160000
	DateTimeErrorExtra extra;

	return DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tz, &extra);
#else
	return DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tz);
#endif
}

#endif
