/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide.h: a failed attempt in, a verdict out.
 *
 * The one function that the SQL functions and the sidecar's local path both call, so that
 * they give the same bytes.  The operator's rules enter between classify and render;
 * where none fits every class has its default verdict.
 */
#ifndef UE_CORE_DECIDE_H
#define UE_CORE_DECIDE_H

#include "core/catalog.h"
#include "core/parse.h"
#include "core/policy.h"
#include "core/render.h"

/* Everything that a verdict may depend on. */
typedef struct UeCase
{
	UeResponse response; /* what the upstream sent; for a stream error the event's text */
	UeKind kind;
	UeNetwork network;
	UeFormat format;
	UeCredential credential;
	bool is_stream;			 /* the client asked for an event stream */
	UeSlice request_id;		 /* ours; goes into the answer */
	UeSlice model;			 /* as the client asked for it; may be empty */
	UeSlice local_code;		 /* UE_KIND_LOCAL_ERROR: a name in the catalogue */
	UeSlice local_message;	 /* and what it was about, for the client; may be empty */
	UeSlice accept_language; /* the client's header; empty: the default language */
	UeSlice channel;		 /* its name; empty: none */
	UeSlice route;			 /* the client's path, without its query; for rules */
	int attempt;			 /* from 1; 0 is taken for 1 */
	bool has_output;		 /* the client has had bytes of this answer */
	const UeHeader *tags;	 /* configured request headers: user, team */
	size_t n_tags;
} UeCase;

typedef struct UeVerdict
{
	UeAction action;
	UeFault fault;	   /* unmasked: never stored or sent as it is */
	UeRendered answer; /* what the client gets, whole */

	/* masked, cleaned UTF-8, within limits.h: fit for a row, a log line, a metric */
	UeSlice message;
	UeSlice detail; /* the beginning of the body */
	UeSlice error_type;
	UeSlice error_code;
	UeSlice upstream_request_id;
	bool is_truncated;		/* message or detail was cut */
	int64_t original_bytes; /* length of the body that detail is the beginning of */

	int64_t rule_id; /* 0: the default verdict */
	int32_t rule_version;
	int32_t cooldown_s;	 /* with UE_ACTION_COOLDOWN */
	bool is_unmonitored; /* the rule says that there be no row */
	int32_t mask_version;
} UeVerdict;

/*
 * policy may be NULL; nothing of the verdict points into it.  UE_OK, UE_NO_MEMORY, or
 * UE_INVALID_ARGUMENT (local_code is not in the catalogue).  Whatever the upstream sent,
 * there is a verdict.
 */
extern UeStatus ue_decide_case(UeArena *arena, const UePolicy *policy, const UeCase *kase,
							   UeVerdict *out) UE_MUST_CHECK;

/*
 * What the rules look at in that case, for explain: the same facts that ue_decide_case
 * matches with.  They point into the case and the arena.  Status as above.
 */
extern UeStatus ue_decide_facts(UeArena *arena, const UeCase *kase,
								UeRuleFacts *out) UE_MUST_CHECK;

/*
 * The status that a client gets of a classified fault where no rule says another.  Of the
 * case only format and credential are looked at.
 */
extern int ue_decide_status(const UeCase *kase, const UeFault *fault);

#endif
