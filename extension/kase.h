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
#include "fmgr.h"

#pragma GCC visibility push(hidden)

/*
 * Where an SQL function has its parameters, from 0.  Any of them may be null: that is its
 * default.
 */
typedef struct UeKaseParameters
{
	int platform;
	int status;
	int body; /* text or bytea */
	int headers;
	int format;
	int kind;
	int network_error;
	int credential;
	int stream;
	int request_id;
	int model;
	int at;
	int accept_language;
	int channel;
	int route;
	int attempt;
	int has_output;
	int tags;
	int local_code;
	int local_message;
} UeKaseParameters;

/* The case that a call is about; it points into the call's arguments. */
extern void ue_kase_read(FunctionCallInfo fcinfo, const UeKaseParameters *parameters,
						 UeCase *kase);

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

/* From 1; 0 is taken for 1. */
extern void ue_kase_set_attempt(UeCase *kase, int32 attempt);

/* For upstream_error_render, which has no case. */
extern UeFormat ue_kase_find_format(UeSlice name);
extern UeClass ue_kase_find_class(UeSlice name);

/* ue_decide_case; raises what it reports.  policy may be NULL. */
extern void ue_kase_decide(UeArena *arena, const UePolicy *policy, const UeCase *kase,
						   UeVerdict *out);

#pragma GCC visibility pop

#endif
