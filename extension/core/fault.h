/* SPDX-License-Identifier: PostgreSQL */
/*
 * fault.h: the words of the error model.
 *
 * A fault is somebody else's error as our data: what the upstream said, in its own words,
 * and what we make of it.  The names of the enumerators are the texts stored in rows and
 * used in SQL; ue_<enum>_name and ue_<enum>_find convert.
 */
#ifndef UE_CORE_FAULT_H
#define UE_CORE_FAULT_H

#include "core/slice.h"

/* How an attempt failed (SPEC 1.2). */
typedef enum UeKind
{
	UE_KIND_HTTP_ERROR = 0,  /* an answer with a status >= 400, or an error object inside a 200 */
	UE_KIND_REQUEST_ERROR,   /* no HTTP answer; UeNetwork says why */
	UE_KIND_STREAM_ERROR,    /* error frame inside a 200, cut, stalled, no terminal event */
	UE_KIND_RETRY_EXHAUSTED, /* the last attempt of several */
	UE_KIND_FAILOVER,        /* given up on this channel for another */
	UE_KIND_CLIENT_GONE,     /* the client left first */
	UE_KIND_LOCAL_ERROR,     /* we refused it ourselves; UeCase.local_code says why */
} UeKind;

/* What broke below HTTP. */
typedef enum UeNetwork
{
	UE_NETWORK_NONE = 0,
	UE_NETWORK_DNS,                /* name not resolved */
	UE_NETWORK_CONNECT,            /* refused, unreachable */
	UE_NETWORK_CONNECT_TIMEOUT,
	UE_NETWORK_TLS,                /* handshake or certificate */
	UE_NETWORK_RESET,              /* closed or reset before the answer was whole */
	UE_NETWORK_SEND,               /* the request could not be sent */
	UE_NETWORK_FIRST_BYTE_TIMEOUT, /* no answer in time */
	UE_NETWORK_IDLE_TIMEOUT,       /* an answer stalled */
	UE_NETWORK_TOTAL_TIMEOUT,
	UE_NETWORK_TRUNCATED,          /* the answer ended before its announced end */
	UE_NETWORK_PROTOCOL,           /* not HTTP */
	UE_NETWORK_PROXY,              /* the outbound proxy refused */
} UeNetwork;

/* What kind of fault it is: the closed list of SPEC 3.3. */
typedef enum UeClass
{
	UE_CLASS_AUTHENTICATION = 0,
	UE_CLASS_PERMISSION,
	UE_CLASS_BILLING, /* out of credit or of a quota that waiting does not refill */
	UE_CLASS_RATE_LIMIT,
	UE_CLASS_OVERLOADED,
	UE_CLASS_CONTEXT_LENGTH,
	UE_CLASS_CONTENT_POLICY,
	UE_CLASS_INVALID_REQUEST,
	UE_CLASS_MODEL_NOT_FOUND,
	UE_CLASS_NOT_FOUND,
	UE_CLASS_CONFLICT,
	UE_CLASS_REQUEST_TOO_LARGE,
	UE_CLASS_TIMEOUT,
	UE_CLASS_NETWORK,
	UE_CLASS_STREAM,
	UE_CLASS_SERVER_ERROR,
	UE_CLASS_BAD_RESPONSE, /* an answer that is not what it says */
	UE_CLASS_CLIENT_GONE,
	UE_CLASS_INTERNAL, /* ours */
} UeClass;

typedef enum UePhase
{
	UE_PHASE_REQUEST = 0,
	UE_PHASE_AUTH,
	UE_PHASE_ACCOUNT_AUTH,
	UE_PHASE_ROUTING,
	UE_PHASE_UPSTREAM,
	UE_PHASE_NETWORK,
	UE_PHASE_INTERNAL,
} UePhase;

typedef enum UeOwner
{
	UE_OWNER_PROVIDER = 0,
	UE_OWNER_CLIENT,
	UE_OWNER_PLATFORM, /* whoever runs the sidecar */
} UeOwner;

typedef enum UeSource
{
	UE_SOURCE_UPSTREAM_HTTP = 0,
	UE_SOURCE_GATEWAY,
	UE_SOURCE_CLIENT_REQUEST,
} UeSource;

typedef enum UeSeverity
{
	UE_SEVERITY_P0 = 0,
	UE_SEVERITY_P1,
	UE_SEVERITY_P2,
	UE_SEVERITY_P3,
} UeSeverity;

/* The dialect of the client's route. */
typedef enum UeFormat
{
	UE_FORMAT_OPENAI = 0,
	UE_FORMAT_OPENAI_RESPONSES,
	UE_FORMAT_ANTHROPIC,
	UE_FORMAT_GEMINI,
} UeFormat;

/* Whose key the upstream saw: with the client's own, a 401 is the client's to mend. */
typedef enum UeCredential
{
	UE_CREDENTIAL_CLIENT = 0,
	UE_CREDENTIAL_OURS,
} UeCredential;

/* Which dialect the body was found to be. */
typedef enum UeDialect
{
	UE_DIALECT_NONE = 0, /* empty body, or no HTTP answer */
	UE_DIALECT_OPENAI,
	UE_DIALECT_ANTHROPIC,
	UE_DIALECT_GOOGLE,
	UE_DIALECT_OTHER_JSON, /* JSON of no known shape */
	UE_DIALECT_HTML,
	UE_DIALECT_TEXT,
} UeDialect;

typedef struct UeHeader
{
	UeSlice name; /* any case */
	UeSlice value;
} UeHeader;

#define UE_RETRY_AFTER_NONE (-1)

typedef struct UeFault
{
	/* as the upstream said it, not masked; empty when it did not say */
	UeDialect dialect;
	int status;        /* of the HTTP answer; 0 when there was none */
	int body_status;   /* the one that the body itself names, 400 to 599; else 0 */
	UeSlice type;
	UeSlice code;      /* also when it was sent as a number */
	UeSlice reason;    /* a finer word than code: Google's ErrorInfo, Azure's innererror, or
						* the code of an error wrapped in this one's text */
	UeSlice vendor;    /* whose numbers code is one of, where the shape of the body tells */
	UeSlice param;
	UeSlice message;   /* readable text; of an HTML page its title */
	UeSlice upstream_request_id;
	int64_t retry_after_ms; /* from headers or body; UE_RETRY_AFTER_NONE */
	bool is_quota_daily;    /* a quota that only a new day (or more) refills */
	bool is_beyond_limit;   /* more than the limit ever allows at once: no wait helps */
	bool is_cut;            /* the body ended inside its JSON */

	/* what we make of it: classify.h */
	UeClass class;
	int effective_status; /* status, or inferred when that is 0 or a 2xx */
	UePhase phase;
	UeOwner owner;
	UeSource source;
	UeSeverity severity;
	bool is_retryable;
	bool is_request_fault;     /* the request itself is at fault: no channel is to blame */
	bool is_business_limited;  /* a limit somebody set on purpose */
	const struct UeCode *catalog_code; /* never NULL once classified */
} UeFault;

/* Enumerator to text, never NULL, and back: false when the text names none. */
extern const char *ue_kind_name(UeKind kind);
extern const char *ue_network_name(UeNetwork network);
extern const char *ue_class_name(UeClass class);
extern const char *ue_phase_name(UePhase phase);
extern const char *ue_owner_name(UeOwner owner);
extern const char *ue_source_name(UeSource source);
extern const char *ue_severity_name(UeSeverity severity);
extern const char *ue_format_name(UeFormat format);
extern const char *ue_credential_name(UeCredential credential);
extern const char *ue_dialect_name(UeDialect dialect);
extern bool ue_kind_find(UeSlice name, UeKind *out);
extern bool ue_network_find(UeSlice name, UeNetwork *out);
extern bool ue_class_find(UeSlice name, UeClass *out);
extern bool ue_format_find(UeSlice name, UeFormat *out);
extern bool ue_credential_find(UeSlice name, UeCredential *out);

#endif
