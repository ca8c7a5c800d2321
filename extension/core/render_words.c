/* SPDX-License-Identifier: PostgreSQL */
/*
 * render_words.c: what each dialect calls a class.
 *
 * OpenAI: the types its servers send (error code guide); where it has none, the words that
 * OpenAI-compatible gateways agree on.  Anthropic: the closed list of its API errors page.
 * Google: rpc/code.proto binds names to statuses, so the status decides there, and the class
 * only for statuses that Google does not send.  AWS: the Bedrock Runtime API reference.
 */
#include "core/render_words.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

typedef struct ClassWords
{
	UeClass class;
	UeSlice openai;
	UeSlice anthropic;
	UeSlice google;
	UeSlice aws;
} ClassWords;

#define WORDS(class, openai, anthropic, google, aws)                                     \
	{                                                                                    \
		UE_CLASS_##class, UE_SLICE_INIT(openai), UE_SLICE_INIT(anthropic),               \
			UE_SLICE_INIT(google), UE_SLICE_INIT(aws)                                    \
	}

static const ClassWords class_words[] = {
	WORDS(AUTHENTICATION, "authentication_error", "authentication_error",
		  "UNAUTHENTICATED", "UnrecognizedClientException"),
	WORDS(PERMISSION, "permission_error", "permission_error", "PERMISSION_DENIED",
		  "AccessDeniedException"),
	WORDS(BILLING, "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED",
		  "ServiceQuotaExceededException"),
	WORDS(RATE_LIMIT, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED",
		  "ThrottlingException"),
	WORDS(OVERLOADED, "server_error", "overloaded_error", "UNAVAILABLE",
		  "ServiceUnavailableException"),
	WORDS(CONTEXT_LENGTH, "invalid_request_error", "invalid_request_error",
		  "INVALID_ARGUMENT", "ValidationException"),
	WORDS(CONTENT_POLICY, "invalid_request_error", "invalid_request_error",
		  "INVALID_ARGUMENT", "ValidationException"),
	WORDS(INVALID_REQUEST, "invalid_request_error", "invalid_request_error",
		  "INVALID_ARGUMENT", "ValidationException"),
	WORDS(MODEL_NOT_FOUND, "invalid_request_error", "not_found_error", "NOT_FOUND",
		  "ResourceNotFoundException"),
	WORDS(NOT_FOUND, "invalid_request_error", "not_found_error", "NOT_FOUND",
		  "ResourceNotFoundException"),
	WORDS(CONFLICT, "conflict_error", "conflict_error", "ABORTED", "ConflictException"),
	WORDS(REQUEST_TOO_LARGE, "invalid_request_error", "request_too_large",
		  "INVALID_ARGUMENT", "ValidationException"),
	WORDS(TIMEOUT, "timeout_error", "timeout_error", "DEADLINE_EXCEEDED",
		  "ModelTimeoutException"),
	WORDS(NETWORK, "server_error", "api_error", "UNAVAILABLE",
		  "ServiceUnavailableException"),
	WORDS(STREAM, "server_error", "api_error", "UNAVAILABLE",
		  "ModelStreamErrorException"),
	WORDS(SERVER_ERROR, "server_error", "api_error", "INTERNAL",
		  "InternalServerException"),
	WORDS(BAD_RESPONSE, "server_error", "api_error", "INTERNAL",
		  "InternalServerException"),
	WORDS(CLIENT_GONE, "invalid_request_error", "invalid_request_error", "CANCELLED",
		  "ValidationException"),
	WORDS(INTERNAL, "server_error", "api_error", "INTERNAL", "InternalServerException"),
};

typedef struct StatusName
{
	int status;
	UeSlice name;
} StatusName;

/* The HTTP mapping written in rpc/code.proto, the most general code of each status. */
static const StatusName status_names[] = {
	{400, UE_SLICE_INIT("INVALID_ARGUMENT")},	{401, UE_SLICE_INIT("UNAUTHENTICATED")},
	{403, UE_SLICE_INIT("PERMISSION_DENIED")},	{404, UE_SLICE_INIT("NOT_FOUND")},
	{408, UE_SLICE_INIT("DEADLINE_EXCEEDED")},	{409, UE_SLICE_INIT("ABORTED")},
	{429, UE_SLICE_INIT("RESOURCE_EXHAUSTED")}, {499, UE_SLICE_INIT("CANCELLED")},
	{500, UE_SLICE_INIT("INTERNAL")},			{501, UE_SLICE_INIT("UNIMPLEMENTED")},
	{502, UE_SLICE_INIT("UNAVAILABLE")},		{503, UE_SLICE_INIT("UNAVAILABLE")},
	{504, UE_SLICE_INIT("DEADLINE_EXCEEDED")},	{529, UE_SLICE_INIT("UNAVAILABLE")},
};

static const ClassWords *
find_class(UeClass class)
{
	for (size_t i = 0; i < N_ELEMENTS(class_words); i++)
		if (class_words[i].class == class)
			return &class_words[i];
	return &class_words[N_ELEMENTS(class_words) -
						1]; /* not reached: every class has its row */
}

UeSlice
ue_render_openai_type(UeClass class)
{
	return find_class(class)->openai;
}

UeSlice
ue_render_anthropic_type(UeClass class)
{
	return find_class(class)->anthropic;
}

UeSlice
ue_render_google_status(UeClass class, int status)
{
	for (size_t i = 0; i < N_ELEMENTS(status_names); i++)
		if (status_names[i].status == status)
			return status_names[i].name;
	return find_class(class)->google;
}

UeSlice
ue_render_aws_exception(UeClass class)
{
	return find_class(class)->aws;
}
