/* SPDX-License-Identifier: PostgreSQL */
/*
 * classify_words.c: the words that vendors put into type, code, status and reason.
 *
 * Sources, by group, as published in November 2026: OpenAI's error code guide and OpenAPI
 * document; Anthropic's API errors page; Google's rpc/code.proto, error_reason.proto and
 * Gemini troubleshooting page; Azure OpenAI's content filter and quota pages; the Bedrock
 * Runtime API reference; Mistral's, Groq's and DeepSeek's error pages; vLLM's and LiteLLM's
 * servers; OpenRouter's errors and limits pages; the gateways new-api, sub2api and
 * CLIProxyAPI.
 */
#include "core/classify_tables.h"

#define WORD(text, class, status)                                                        \
	{                                                                                    \
		UE_SLICE_INIT(text), UE_CLASS_##class, status, false, false                      \
	}
#define GENERIC(text, class, status)                                                     \
	{                                                                                    \
		UE_SLICE_INIT(text), UE_CLASS_##class, status, true, false                       \
	}

static const UeWord words[] = {
	/* OpenAI: error codes guide, "API errors" */
	WORD("invalid_api_key", AUTHENTICATION, 401), /* sub2api writes it in capitals */
	WORD("incorrect_api_key", AUTHENTICATION, 401),
	WORD("account_deactivated", AUTHENTICATION, 401),
	WORD("invalid_organization", AUTHENTICATION, 401),
	WORD("mismatched_organization", AUTHENTICATION, 401),
	WORD("token_expired", AUTHENTICATION, 401), /* ChatGPT OAuth */
	WORD("token_revoked", AUTHENTICATION, 401),
	WORD("token_invalidated", AUTHENTICATION, 401),
	WORD("missing_scope", PERMISSION, 403),
	WORD("ip_not_authorized", PERMISSION, 401),
	WORD("unsupported_country_region_territory", PERMISSION, 403),
	WORD("data_residency_mismatch", PERMISSION, 403),
	WORD("usage_not_included", PERMISSION, 403), /* ChatGPT plan without the feature */
	WORD("insufficient_permissions", PERMISSION, 403),
	WORD("insufficient_quota", BILLING, 429),
	WORD("credit_balance_exhausted", BILLING, 429),
	WORD("organization_spend_limit_exceeded", BILLING, 429),
	WORD("project_spend_limit_exceeded", BILLING, 429),
	WORD("organization_usage_limit_exceeded", BILLING, 429),
	WORD("billing_hard_limit_reached", BILLING, 400), /* images */
	WORD("billing_not_active", BILLING, 429),
	WORD("access_terminated", PERMISSION, 403),
	WORD("rate_limit_exceeded", RATE_LIMIT, 429), /* also Google's ErrorInfo */
	WORD("rate_limit_reached", RATE_LIMIT, 429),
	WORD("usage_limit_reached", RATE_LIMIT, 429), /* resets_at says until when */
	WORD("requests", RATE_LIMIT, 429),			  /* type: the limit that was hit */
	WORD("tokens", RATE_LIMIT, 429),
	WORD("slow_down", RATE_LIMIT, 429), /* 503 until 2026 */
	WORD("server_is_overloaded", OVERLOADED, 503),
	WORD("engine_overloaded", OVERLOADED, 503),
	WORD("resource_unavailable", OVERLOADED, 429),	  /* Flex processing */
	WORD("engine_overloaded_error", OVERLOADED, 429), /* Moonshot */
	WORD("context_length_exceeded", CONTEXT_LENGTH, 400),
	WORD("context_window_exceeded", CONTEXT_LENGTH, 400),
	WORD("content_policy_violation", CONTENT_POLICY, 400),
	WORD("image_content_policy_violation", CONTENT_POLICY, 400),
	WORD("moderation_blocked", CONTENT_POLICY, 400),
	WORD("content_policy", CONTENT_POLICY, 403),
	WORD("cyber_policy", CONTENT_POLICY, 403),
	WORD("bio_policy", CONTENT_POLICY, 403),
	WORD("misalignment_policy_violation", CONTENT_POLICY, 400),
	WORD("invalid_prompt", CONTENT_POLICY, 400), /* "may violate our usage policy" */
	WORD("model_not_found", MODEL_NOT_FOUND, 404),
	WORD("model_not_available", MODEL_NOT_FOUND, 404),
	WORD("deployment_not_found", MODEL_NOT_FOUND, 404),
	WORD("invalid_model", MODEL_NOT_FOUND, 400),	 /* Mistral, code 1500 */
	WORD("message_too_big", REQUEST_TOO_LARGE, 413), /* Responses over WebSocket */
	WORD("previous_response_not_found", INVALID_REQUEST, 400),
	WORD("string_above_max_length", INVALID_REQUEST, 400),
	WORD("array_above_max_length", INVALID_REQUEST, 400),
	WORD("invalid_value", INVALID_REQUEST, 400),
	WORD("invalid_type", INVALID_REQUEST, 400),
	GENERIC("unsupported_value", INVALID_REQUEST,
			400), /* also of what an account lacks */
	WORD("unsupported_parameter", INVALID_REQUEST, 400),
	WORD("unknown_parameter", INVALID_REQUEST, 400),
	WORD("missing_required_parameter", INVALID_REQUEST, 400),
	WORD("invalid_image", INVALID_REQUEST, 400),
	WORD("invalid_base64", INVALID_REQUEST, 400),
	WORD("invalid_json", INVALID_REQUEST, 400),
	WORD("invalid_base64_image", INVALID_REQUEST, 400), /* response.failed, this to … */
	WORD("invalid_image_format", INVALID_REQUEST, 400),
	WORD("invalid_image_mode", INVALID_REQUEST, 400),
	WORD("invalid_image_url", INVALID_REQUEST, 400),
	WORD("image_too_large", INVALID_REQUEST, 400), /* in pixels */
	WORD("image_too_small", INVALID_REQUEST, 400),
	WORD("image_parse_error", INVALID_REQUEST, 400),
	WORD("image_file_not_found", INVALID_REQUEST, 400),
	WORD("unsupported_image_media_type", INVALID_REQUEST, 400),
	WORD("empty_image_file", INVALID_REQUEST, 400),
	WORD("failed_to_download_image", INVALID_REQUEST, 400),
	WORD("image_file_too_large", REQUEST_TOO_LARGE, 413), /* … here */
	WORD("unknown_url", NOT_FOUND, 404),
	WORD("vector_store_timeout", TIMEOUT, 504),
	WORD("request_timeout", TIMEOUT, 408),
	GENERIC("invalid_request_error", INVALID_REQUEST, 400), /* Anthropic says it too */
	GENERIC("invalid_request", INVALID_REQUEST, 400),
	GENERIC("image_generation_user_error", INVALID_REQUEST, 400),
	GENERIC("server_error", SERVER_ERROR, 503),
	GENERIC("internal_server_error", SERVER_ERROR, 500),
	GENERIC("internal_error", SERVER_ERROR, 500),

	/* Anthropic: API errors page */
	WORD("authentication_error", AUTHENTICATION, 401),
	WORD("authentication_failed", AUTHENTICATION, 401),
	WORD("billing_error", BILLING, 402),
	GENERIC("permission_error", PERMISSION, 403),
	GENERIC("not_found_error", NOT_FOUND, 404),
	WORD("conflict_error", CONFLICT, 409),
	WORD("request_too_large", REQUEST_TOO_LARGE, 413),
	WORD("rate_limit_error", RATE_LIMIT, 429),
	GENERIC("api_error", SERVER_ERROR, 500),
	WORD("timeout_error", TIMEOUT, 504),
	WORD("overloaded_error", OVERLOADED, 529),

	/* Anthropic: error.details.error_code (anthropic-sdk-typescript 1.11, shared.d.ts) */
	WORD("enforced_spend_limit_reached", BILLING, 429),
	WORD("contract_spend_limit_reached", BILLING, 429),
	WORD("linked_organization_billing_unavailable", BILLING, 402),
	WORD("linked_organization_spend_limit_reached", BILLING, 402),
	WORD("organization_on_hold", PERMISSION, 400),
	WORD("claude_code_key_creator_not_member", AUTHENTICATION, 400),
	WORD("cmek_key_disabled", PERMISSION, 400), /* the workspace's encryption key */
	WORD("cmek_key_network_blocked", PERMISSION, 400),
	WORD("ramp_limit_exceeded", RATE_LIMIT, 429),
	WORD("storage_quota_exceeded", REQUEST_TOO_LARGE, 403), /* of files: no key is bad */
	WORD("file_not_downloadable", INVALID_REQUEST, 400),

	/* Google: rpc/code.proto with its HTTP mapping */
	GENERIC("INVALID_ARGUMENT", INVALID_REQUEST, 400),
	GENERIC("FAILED_PRECONDITION", INVALID_REQUEST, 400),
	GENERIC("OUT_OF_RANGE", INVALID_REQUEST, 400),
	WORD("UNAUTHENTICATED", AUTHENTICATION, 401),
	GENERIC("PERMISSION_DENIED", PERMISSION, 403),
	GENERIC("NOT_FOUND", NOT_FOUND, 404),
	WORD("ALREADY_EXISTS", CONFLICT, 409),
	WORD("ABORTED", CONFLICT, 409),
	WORD("RESOURCE_EXHAUSTED", RATE_LIMIT, 429),
	WORD("CANCELLED", SERVER_ERROR, 499),
	GENERIC("UNKNOWN", SERVER_ERROR, 500),
	GENERIC("INTERNAL", SERVER_ERROR, 500),
	GENERIC("DATA_LOSS", SERVER_ERROR, 500),
	GENERIC("UNIMPLEMENTED", INVALID_REQUEST, 501),
	WORD("UNAVAILABLE", OVERLOADED, 503),
	WORD("DEADLINE_EXCEEDED", TIMEOUT, 504),

	/* Google: api/error_reason.proto, and Cloud Code's own */
	WORD("API_KEY_INVALID", AUTHENTICATION, 400),
	WORD("CREDENTIALS_MISSING", AUTHENTICATION, 401),
	WORD("ACCESS_TOKEN_EXPIRED", AUTHENTICATION, 401),
	WORD("ACCESS_TOKEN_TYPE_UNSUPPORTED", AUTHENTICATION, 401),
	WORD("ACCOUNT_STATE_INVALID", AUTHENTICATION, 401),
	WORD("ACCESS_TOKEN_SCOPE_INSUFFICIENT", PERMISSION, 403),
	WORD("SERVICE_DISABLED", PERMISSION, 403),
	WORD("API_KEY_SERVICE_BLOCKED", PERMISSION, 403),
	WORD("API_KEY_HTTP_REFERRER_BLOCKED", PERMISSION, 403),
	WORD("API_KEY_IP_ADDRESS_BLOCKED", PERMISSION, 403),
	WORD("CONSUMER_SUSPENDED", PERMISSION, 403),
	WORD("CONSUMER_INVALID", PERMISSION, 403),
	WORD("USER_PROJECT_DENIED", PERMISSION, 403),
	WORD("IAM_PERMISSION_DENIED", PERMISSION, 403),
	WORD("LOCATION_POLICY_VIOLATED", PERMISSION, 403),
	WORD("BILLING_DISABLED", BILLING, 403),
	WORD("RESOURCE_QUOTA_EXCEEDED", RATE_LIMIT, 429),
	WORD("QUOTA_EXHAUSTED", RATE_LIMIT, 429), /* Code Assist; quotaResetDelay beside it */
	WORD("MODEL_CAPACITY_EXHAUSTED", OVERLOADED, 503),

	/* Azure OpenAI */
	WORD("content_filter", CONTENT_POLICY, 400),
	WORD("ResponsibleAIPolicyViolation", CONTENT_POLICY, 400),
	WORD("contentFilter", CONTENT_POLICY, 400), /* images */
	WORD("DeploymentNotFound", MODEL_NOT_FOUND, 404),
	WORD("unavailable_model", MODEL_NOT_FOUND, 400), /* GitHub Models too */
	WORD("PermissionDenied", PERMISSION, 401),
	WORD("OperationNotSupported", INVALID_REQUEST, 400),
	WORD("NoCapacity", OVERLOADED, 429),
	WORD("too_many_requests", RATE_LIMIT, 429),
	GENERIC("InternalServerError", SERVER_ERROR, 500), /* vLLM too */

	/* Bedrock Runtime: InvokeModel and Converse; stream members differ in case only */
	WORD("AccessDeniedException", PERMISSION, 403),
	WORD("UnrecognizedClientException", AUTHENTICATION, 403),
	WORD("ExpiredTokenException", AUTHENTICATION, 403),
	WORD("InvalidSignatureException", AUTHENTICATION, 403),
	WORD("MissingAuthenticationTokenException", AUTHENTICATION, 403),
	WORD("IncompleteSignatureException", AUTHENTICATION, 403),
	WORD("ThrottlingException", RATE_LIMIT, 429),
	WORD("TooManyRequestsException", RATE_LIMIT, 429),
	WORD("ServiceQuotaExceededException", BILLING, 400),
	WORD("ResourceNotFoundException", MODEL_NOT_FOUND, 404),
	WORD("ConflictException", CONFLICT, 400),
	WORD("ModelNotReadyException", OVERLOADED, 429),
	WORD("ModelTimeoutException", TIMEOUT, 408),
	WORD("ModelErrorException", SERVER_ERROR, 424),
	WORD("ModelStreamErrorException", STREAM, 424),
	WORD("InternalServerException", SERVER_ERROR, 500),
	WORD("ServiceUnavailableException", OVERLOADED, 503),
	WORD("ServiceUnavailable", OVERLOADED, 503), /* of a frame; Azure */
	GENERIC("ValidationException", INVALID_REQUEST, 400),

	/* AWS in general: "Common errors" of its references, without Exception at the end */
	WORD("IncompleteSignature", AUTHENTICATION, 400),
	WORD("SignatureDoesNotMatch", AUTHENTICATION, 403),
	WORD("InvalidClientTokenId", AUTHENTICATION, 403),
	WORD("MissingAuthenticationToken", AUTHENTICATION, 403),
	WORD("RequestExpired", AUTHENTICATION, 400),
	WORD("NotAuthorized", PERMISSION, 400),
	WORD("OptInRequired", PERMISSION, 403),
	WORD("FTUFormNotFilled", MODEL_NOT_FOUND, 404), /* the form that Anthropic asks for */
	WORD("LimitExceededException", BILLING, 429), /* API Gateway: a usage plan's quota */

	/* Mistral, Groq, vLLM, LiteLLM */
	WORD("service_tier_capacity_exceeded", OVERLOADED, 429), /* Mistral, code 3505 */
	WORD("model_decommissioned", MODEL_NOT_FOUND, 400),		 /* Groq */
	WORD("json_validate_failed", INVALID_REQUEST, 400),		 /* Groq */
	WORD("tool_use_failed", INVALID_REQUEST, 400),			 /* Groq */
	WORD("request_blocked", CONTENT_POLICY, 403),			 /* Groq moderation */
	GENERIC("BadRequestError", INVALID_REQUEST, 400),		 /* vLLM */
	GENERIC("NotFoundError", NOT_FOUND, 404),
	GENERIC("UnprocessableEntityError", INVALID_REQUEST, 422),
	WORD("auth_error", AUTHENTICATION, 401), /* LiteLLM */
	WORD("token_not_found_in_db", AUTHENTICATION, 401),
	WORD("expired_key", AUTHENTICATION, 401),
	WORD("budget_exceeded", BILLING, 400),
	WORD("throttling_error", RATE_LIMIT, 429),
	WORD("ContextWindowExceededError", CONTEXT_LENGTH, 400),
	WORD("ContentPolicyViolationError", CONTENT_POLICY, 400),

	WORD("key_model_access_denied", MODEL_NOT_FOUND, 401), /* LiteLLM, ProxyErrorTypes */
	WORD("team_model_access_denied", MODEL_NOT_FOUND, 401),
	WORD("user_model_access_denied", MODEL_NOT_FOUND, 401),
	WORD("org_model_access_denied", MODEL_NOT_FOUND, 401),
	WORD("project_model_access_denied", MODEL_NOT_FOUND, 401),

	WORD("organization_restricted", PERMISSION, 400),	/* Groq */
	WORD("blocked_api_access", BILLING, 400),			/* Groq: the spend limit */
	WORD("model_terms_required", MODEL_NOT_FOUND, 400), /* Groq: not accepted yet */
	WORD("queue_exceeded", OVERLOADED, 429),			/* Cerebras */
	WORD("exceeded_current_quota_error", BILLING, 403), /* Moonshot */
	WORD("insufficient_funds", BILLING, 402),			/* Vercel, Hyperbolic */
	WORD("model_not_supported", MODEL_NOT_FOUND, 400),	/* Hugging Face, GitHub Copilot */
	WORD("overloaded", OVERLOADED, 503), /* Hugging Face, Together, Fireworks */

	/* OpenRouter: error.metadata.limit_source and error_type */
	WORD("openrouter_in_flight_budget", RATE_LIMIT,
		 402), /* ends with requests that run */
	WORD("openrouter_credits", BILLING, 402),
	WORD("openrouter_guardrail_budget", BILLING, 403),
	WORD("openrouter_workspace_budget", BILLING, 403),
	WORD("openrouter_key_limit", BILLING, 403),
	WORD("payment_required", BILLING, 402),
	WORD("provider_overloaded", OVERLOADED, 503),

	/* Alibaba: help.aliyun.com/zh/model-studio/error-code */
	WORD("Arrearage", BILLING, 400),
	WORD("DataInspectionFailed", CONTENT_POLICY, 400),
	WORD("data_inspection_failed", CONTENT_POLICY, 400),
	WORD("InvalidApiKey", AUTHENTICATION, 401),
	WORD("ModelNotFound", MODEL_NOT_FOUND, 404),
	WORD("AccessDenied", PERMISSION, 403), /* AWS and Azure too */
	WORD("Throttling", RATE_LIMIT, 429),
	WORD("AllocationQuota", BILLING, 403), /* .FreeTierOnly: the free tier is used up */

	/* Volcengine: volcengine.com/docs/82379/1299023 */
	WORD("AuthenticationError", AUTHENTICATION, 401),
	WORD("AccountOverdueError", BILLING, 403),
	WORD("SensitiveContentDetected", CONTENT_POLICY, 400),
	WORD("InputTextSensitiveContentDetected", CONTENT_POLICY, 400),
	WORD("InputImageSensitiveContentDetected", CONTENT_POLICY, 400),
	WORD("OutputTextSensitiveContentDetected", CONTENT_POLICY, 400),
	WORD("OutputImageSensitiveContentDetected", CONTENT_POLICY, 400),
	WORD("InputTextRiskDetection", CONTENT_POLICY, 400),
	WORD("InputImageRiskDetection", CONTENT_POLICY, 400),
	WORD("OutputTextRiskDetection", CONTENT_POLICY, 400),
	WORD("OutputImageRiskDetection", CONTENT_POLICY, 400),
	WORD("ContentSecurityDetectionError", CONTENT_POLICY, 400),
	WORD("InvalidEndpointOrModel", MODEL_NOT_FOUND, 404),
	WORD("ModelNotOpen", MODEL_NOT_FOUND, 404),
	WORD("InvalidEndpoint", MODEL_NOT_FOUND, 400),
	WORD("RateLimitExceeded", RATE_LIMIT, 429),
	WORD("ModelAccountRpmRateLimitExceeded", RATE_LIMIT, 429),
	WORD("ModelAccountTpmRateLimitExceeded", RATE_LIMIT, 429),
	WORD("SetLimitExceeded", RATE_LIMIT, 429),
	WORD("ServerOverloaded", OVERLOADED, 429),

	/* Tencent Cloud API 3.0: common error codes, with a status of 200 */
	WORD("AuthFailure", AUTHENTICATION, 401),
	WORD("UnauthorizedOperation", PERMISSION, 403),
	WORD("LimitExceeded", RATE_LIMIT, 429),
	WORD("RequestLimitExceeded", RATE_LIMIT, 429),
	GENERIC("InvalidParameterValue", INVALID_REQUEST, 400),
	GENERIC("InvalidParameter", INVALID_REQUEST, 400),
	WORD("MissingParameter", INVALID_REQUEST, 400),

	WORD("rate_limit_reached_requests", RATE_LIMIT, 429), /* IBM watsonx */
	WORD("too_many_tokens_error", RATE_LIMIT, 429),		  /* Cerebras */

	/* OAuth 2: RFC 6749 5.2, RFC 6750 3.1 */
	WORD("invalid_grant", AUTHENTICATION, 400),
	WORD("invalid_client", AUTHENTICATION, 401),
	WORD("unauthorized_client", AUTHENTICATION, 400),
	WORD("invalid_token", AUTHENTICATION, 401),
	WORD("insufficient_scope", PERMISSION, 403),

	/* gateways as upstreams: sub2api, new-api, CLIProxyAPI */
	WORD("INSUFFICIENT_BALANCE", BILLING, 402),
	WORD("API_KEY_REQUIRED", AUTHENTICATION, 401),
	WORD("API_KEY_EXPIRED", AUTHENTICATION, 401),
	WORD("API_KEY_DISABLED", AUTHENTICATION, 401),
	WORD("USER_NOT_FOUND", AUTHENTICATION, 401),
	WORD("USER_INACTIVE", AUTHENTICATION, 401),
	WORD("GROUP_DELETED", PERMISSION, 403),
	WORD("GROUP_DISABLED", PERMISSION, 403),
	WORD("api_key_in_query_deprecated", INVALID_REQUEST, 400),
	WORD("API_KEY_QUOTA_EXHAUSTED", BILLING, 403),
	WORD("USAGE_LIMIT_EXCEEDED", BILLING, 429),
	WORD("SUBSCRIPTION_NOT_FOUND", BILLING, 403),
	WORD("SUBSCRIPTION_INVALID", BILLING, 403),
	WORD("subscription_error", BILLING, 403),
	WORD("insufficient_user_quota", BILLING, 403),
	WORD("pre_consume_token_quota_failed", BILLING, 403),
	WORD("channel:no_available_key", OVERLOADED, 503),
	WORD("get_channel_failed", OVERLOADED, 503),
	WORD("auth_unavailable", OVERLOADED, 503),
	WORD("model_cooldown", RATE_LIMIT, 429),
	WORD("sensitive_words_detected", CONTENT_POLICY, 400),
	WORD("prompt_blocked", CONTENT_POLICY, 400),
	WORD("violation_fee.grok.csam", CONTENT_POLICY, 403),
	WORD("do_request_failed", NETWORK, 502),
	WORD("forbidden_error", PERMISSION, 403),
	WORD("service_unavailable", OVERLOADED, 503),
	WORD("service_unavailable_error", OVERLOADED, 503),
};

static const UeWord *
find_row(UeSlice word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].word.len == word.len && ue_slice_is_equal_fold(words[i].word, word))
			return &words[i];
	return NULL;
}

const UeWord *
ue_classify_find_word(UeSlice word)
{
	const UeWord *row = ue_slice_is_empty(word) ? NULL : find_row(word);
	size_t at;

	/* Alibaba, Tencent and Volcengine put the kind before a dot */
	if (row == NULL && ue_slice_find(word, UE_SLICE("."), &at) && at > 0)
		row = find_row(ue_slice_sub(word, 0, at));
	return row;
}
