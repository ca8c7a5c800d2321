/* SPDX-License-Identifier: PostgreSQL */
/*
 * kase.h: a failed attempt (UeCase) out of SQL values.
 *
 * The words of closed lists are checked: SQLSTATE 22023, naming the value and the list.
 * An empty word is the list's default.
 */
#ifndef UE_KASE_H
#define UE_KASE_H

#include "postgres.h"

#include "core/decide.h"

#pragma GCC visibility push(hidden)

/* An HTTP error with no more said about it, now. */
extern void ue_kase_init(UeCase *kase);

/* The vendor's name in lower case, copied where it is not; in the current context. */
extern void ue_kase_set_platform(UeCase *kase, UeSlice platform);

/* 0 to 999; 0: there was no answer. */
extern void ue_kase_set_status(UeCase *kase, int32 status);

extern void ue_kase_set_kind(UeCase *kase, UeSlice name);
extern void ue_kase_set_network(UeCase *kase, UeSlice name);
extern void ue_kase_set_format(UeCase *kase, UeSlice name);
extern void ue_kase_set_credential(UeCase *kase, UeSlice name);

/* For upstream_error_render, which has no case. */
extern UeFormat ue_kase_find_format(UeSlice name);
extern UeClass ue_kase_find_class(UeSlice name);

/* ue_decide_case; raises what it reports. */
extern void ue_kase_decide(UeArena *arena, const UeCase *kase, UeVerdict *out);

#pragma GCC visibility pop

#endif
