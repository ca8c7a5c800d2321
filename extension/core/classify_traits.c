/* SPDX-License-Identifier: PostgreSQL */
/*
 * classify_traits.c: from a status to a class, and what follows from a class.
 */
#include "core/classify_tables.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

typedef struct StatusClass
{
	int status;
	UeClass class;
} StatusClass;

typedef struct VendorStatus
{
	UeSlice platform;
	int status;
	UeClass class;
} VendorStatus;

static const VendorStatus vendor_statuses[] = {
	{UE_SLICE_INIT("groq"), 498, UE_CLASS_OVERLOADED}, /* the flex tier has no capacity */
	/* its OpenAPI document: "contains a deny-listed token" */
	{UE_SLICE_INIT("cohere"), 498, UE_CLASS_CONTENT_POLICY},
};

/* RFC 9110 15.5 and 15.6 unless said otherwise.  Other 4xx: invalid_request; other 5xx:
 * server_error. */
static const StatusClass statuses[] = {
	{401, UE_CLASS_AUTHENTICATION},
	{402, UE_CLASS_BILLING}, /* DeepSeek, OpenRouter, Anthropic */
	{403, UE_CLASS_PERMISSION},
	{404, UE_CLASS_NOT_FOUND},
	{407, UE_CLASS_NETWORK}, /* an outbound proxy wants its credential */
	{408, UE_CLASS_TIMEOUT},
	{409, UE_CLASS_CONFLICT},
	{410, UE_CLASS_NOT_FOUND},
	{413, UE_CLASS_REQUEST_TOO_LARGE},
	{414, UE_CLASS_REQUEST_TOO_LARGE},
	{423, UE_CLASS_CONFLICT},	  /* RFC 4918 */
	{424, UE_CLASS_SERVER_ERROR}, /* Bedrock: the model failed */
	{429, UE_CLASS_RATE_LIMIT},
	{431, UE_CLASS_REQUEST_TOO_LARGE},
	{451, UE_CLASS_PERMISSION},
	{498, UE_CLASS_AUTHENTICATION}, /* invalid token: Esri, and gateways after it */
	{499, UE_CLASS_SERVER_ERROR},	/* Google's CANCELLED, Cohere: closed on their side */
	{501, UE_CLASS_INVALID_REQUEST}, /* asks for what is not there */
	{503, UE_CLASS_OVERLOADED},		 /* "temporary overload or scheduled maintenance" */
	{504, UE_CLASS_TIMEOUT},
	{505, UE_CLASS_INVALID_REQUEST},
	/* Cloudflare's 5xx page: 521 to 523, 525 to 527 and 530 between it and the origin */
	{521, UE_CLASS_NETWORK},
	{522, UE_CLASS_TIMEOUT},
	{523, UE_CLASS_NETWORK},
	{524, UE_CLASS_TIMEOUT},
	{525, UE_CLASS_NETWORK},
	{526, UE_CLASS_NETWORK},
	{527, UE_CLASS_NETWORK},
	{529, UE_CLASS_OVERLOADED}, /* Anthropic */
	{530, UE_CLASS_NETWORK},
	{598, UE_CLASS_TIMEOUT},
	{599, UE_CLASS_TIMEOUT},
};

/* Owner: who can mend it.  Retryable: the same request may succeed soon. */
static const UeTraits traits[] = {
	{UE_CLASS_AUTHENTICATION, 401, UE_PHASE_AUTH, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_request_fault = true},
	{UE_CLASS_PERMISSION, 403, UE_PHASE_AUTH, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_request_fault = true},
	{UE_CLASS_BILLING, 402, UE_PHASE_UPSTREAM, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_business_limited = true},
	{UE_CLASS_RATE_LIMIT, 429, UE_PHASE_UPSTREAM, UE_OWNER_PROVIDER, UE_SEVERITY_P1,
	 .is_retryable = true},
	{UE_CLASS_OVERLOADED, 503, UE_PHASE_UPSTREAM, UE_OWNER_PROVIDER, UE_SEVERITY_P1,
	 .is_retryable = true},
	{UE_CLASS_CONTEXT_LENGTH, 400, UE_PHASE_REQUEST, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_request_fault = true},
	{UE_CLASS_CONTENT_POLICY, 400, UE_PHASE_REQUEST, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_request_fault = true, .is_business_limited = true},
	{UE_CLASS_INVALID_REQUEST, 400, UE_PHASE_REQUEST, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_request_fault = true},
	{UE_CLASS_MODEL_NOT_FOUND, 404, UE_PHASE_REQUEST, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_request_fault = true},
	{UE_CLASS_NOT_FOUND, 404, UE_PHASE_REQUEST, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_request_fault = true},
	{UE_CLASS_CONFLICT, 409, UE_PHASE_REQUEST, UE_OWNER_CLIENT, UE_SEVERITY_P2,
	 .is_retryable = true, .is_request_fault = true},
	{UE_CLASS_REQUEST_TOO_LARGE, 413, UE_PHASE_REQUEST, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_request_fault = true},
	{UE_CLASS_TIMEOUT, 504, UE_PHASE_UPSTREAM, UE_OWNER_PROVIDER, UE_SEVERITY_P1,
	 .is_retryable = true},
	{UE_CLASS_NETWORK, 502, UE_PHASE_NETWORK, UE_OWNER_PROVIDER, UE_SEVERITY_P1,
	 .is_retryable = true},
	{UE_CLASS_STREAM, 502, UE_PHASE_UPSTREAM, UE_OWNER_PROVIDER, UE_SEVERITY_P1,
	 .is_retryable = true},
	{UE_CLASS_SERVER_ERROR, 502, UE_PHASE_UPSTREAM, UE_OWNER_PROVIDER, UE_SEVERITY_P1,
	 .is_retryable = true},
	{UE_CLASS_BAD_RESPONSE, 502, UE_PHASE_UPSTREAM, UE_OWNER_PROVIDER, UE_SEVERITY_P1,
	 .is_retryable = true},
	{UE_CLASS_CLIENT_GONE, 499, UE_PHASE_REQUEST, UE_OWNER_CLIENT, UE_SEVERITY_P3,
	 .is_retryable = false},
	{UE_CLASS_INTERNAL, 500, UE_PHASE_INTERNAL, UE_OWNER_PLATFORM, UE_SEVERITY_P1,
	 .is_retryable = false},
};

UeClass
ue_classify_find_status(int status, UeSlice platform)
{
	for (size_t i = 0; i < N_ELEMENTS(vendor_statuses); i++)
		if (vendor_statuses[i].status == status &&
			ue_slice_is_equal_fold(vendor_statuses[i].platform, platform))
			return vendor_statuses[i].class;
	for (size_t i = 0; i < N_ELEMENTS(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].class;
	return status >= 500 ? UE_CLASS_SERVER_ERROR : UE_CLASS_INVALID_REQUEST;
}

const UeTraits *
ue_classify_find_traits(UeClass class)
{
	for (size_t i = 0; i < N_ELEMENTS(traits); i++)
		if (traits[i].class == class)
			return &traits[i];
	return &traits[N_ELEMENTS(traits) - 1]; /* not reached: every class has its row */
}
