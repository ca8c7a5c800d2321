/* SPDX-License-Identifier: PostgreSQL */
/*
 * fault.c: enumerators and the texts that rows and SQL use for them.
 *
 * One table per enum, indexed by the enumerator; both directions read the same table.
 */
#include "core/fault.h"

#define N_NAMES(names) (sizeof(names) / sizeof((names)[0]))

static const char *const kind_names[] = {
	[UE_KIND_HTTP_ERROR] = "http_error",
	[UE_KIND_REQUEST_ERROR] = "request_error",
	[UE_KIND_STREAM_ERROR] = "stream_error",
	[UE_KIND_RETRY_EXHAUSTED] = "retry_exhausted",
	[UE_KIND_FAILOVER] = "failover",
	[UE_KIND_CLIENT_GONE] = "client_gone",
	[UE_KIND_LOCAL_ERROR] = "local_error",
};

static const char *const network_names[] = {
	[UE_NETWORK_NONE] = "none",
	[UE_NETWORK_DNS] = "dns",
	[UE_NETWORK_CONNECT] = "connect",
	[UE_NETWORK_CONNECT_TIMEOUT] = "connect_timeout",
	[UE_NETWORK_TLS] = "tls",
	[UE_NETWORK_RESET] = "reset",
	[UE_NETWORK_SEND] = "send",
	[UE_NETWORK_FIRST_BYTE_TIMEOUT] = "first_byte_timeout",
	[UE_NETWORK_IDLE_TIMEOUT] = "idle_timeout",
	[UE_NETWORK_TOTAL_TIMEOUT] = "total_timeout",
	[UE_NETWORK_TRUNCATED] = "truncated",
	[UE_NETWORK_PROTOCOL] = "protocol",
	[UE_NETWORK_PROXY] = "proxy",
};

static const char *const class_names[] = {
	[UE_CLASS_AUTHENTICATION] = "authentication",
	[UE_CLASS_PERMISSION] = "permission",
	[UE_CLASS_BILLING] = "billing",
	[UE_CLASS_RATE_LIMIT] = "rate_limit",
	[UE_CLASS_OVERLOADED] = "overloaded",
	[UE_CLASS_CONTEXT_LENGTH] = "context_length",
	[UE_CLASS_CONTENT_POLICY] = "content_policy",
	[UE_CLASS_INVALID_REQUEST] = "invalid_request",
	[UE_CLASS_MODEL_NOT_FOUND] = "model_not_found",
	[UE_CLASS_NOT_FOUND] = "not_found",
	[UE_CLASS_CONFLICT] = "conflict",
	[UE_CLASS_REQUEST_TOO_LARGE] = "request_too_large",
	[UE_CLASS_TIMEOUT] = "timeout",
	[UE_CLASS_NETWORK] = "network",
	[UE_CLASS_STREAM] = "stream",
	[UE_CLASS_SERVER_ERROR] = "server_error",
	[UE_CLASS_BAD_RESPONSE] = "bad_response",
	[UE_CLASS_CLIENT_GONE] = "client_gone",
	[UE_CLASS_INTERNAL] = "internal",
};

static const char *const phase_names[] = {
	[UE_PHASE_REQUEST] = "request",			  [UE_PHASE_AUTH] = "auth",
	[UE_PHASE_ACCOUNT_AUTH] = "account_auth", [UE_PHASE_ROUTING] = "routing",
	[UE_PHASE_UPSTREAM] = "upstream",		  [UE_PHASE_NETWORK] = "network",
	[UE_PHASE_INTERNAL] = "internal",
};

static const char *const owner_names[] = {
	[UE_OWNER_PROVIDER] = "provider",
	[UE_OWNER_CLIENT] = "client",
	[UE_OWNER_PLATFORM] = "platform",
};

static const char *const source_names[] = {
	[UE_SOURCE_UPSTREAM_HTTP] = "upstream_http",
	[UE_SOURCE_GATEWAY] = "gateway",
	[UE_SOURCE_CLIENT_REQUEST] = "client_request",
};

static const char *const severity_names[] = {
	[UE_SEVERITY_P0] = "P0",
	[UE_SEVERITY_P1] = "P1",
	[UE_SEVERITY_P2] = "P2",
	[UE_SEVERITY_P3] = "P3",
};

static const char *const format_names[] = {
	[UE_FORMAT_OPENAI] = "openai",
	[UE_FORMAT_OPENAI_RESPONSES] = "openai_responses",
	[UE_FORMAT_ANTHROPIC] = "anthropic",
	[UE_FORMAT_GEMINI] = "gemini",
};

static const char *const credential_names[] = {
	[UE_CREDENTIAL_CLIENT] = "client",
	[UE_CREDENTIAL_OURS] = "ours",
};

static const char *const dialect_names[] = {
	[UE_DIALECT_NONE] = "none",
	[UE_DIALECT_OPENAI] = "openai",
	[UE_DIALECT_ANTHROPIC] = "anthropic",
	[UE_DIALECT_GOOGLE] = "google",
	[UE_DIALECT_OTHER_JSON] = "other_json",
	[UE_DIALECT_HTML] = "html",
	[UE_DIALECT_TEXT] = "text",
};

/* A value outside its enum is a bug elsewhere; it must not become a wild read here. */
static const char *
read_name(const char *const *names, size_t n_names, size_t index)
{
	return index < n_names ? names[index] : "unknown";
}

static bool
find_name(const char *const *names, size_t n_names, UeSlice name, size_t *out)
{
	for (size_t i = 0; i < n_names; i++)
	{
		if (ue_slice_is_equal(name, ue_slice_of(names[i])))
		{
			*out = i;
			return true;
		}
	}
	return false;
}

const char *
ue_kind_name(UeKind kind)
{
	return read_name(kind_names, N_NAMES(kind_names), (size_t) kind);
}

const char *
ue_network_name(UeNetwork network)
{
	return read_name(network_names, N_NAMES(network_names), (size_t) network);
}

const char *
ue_class_name(UeClass class)
{
	return read_name(class_names, N_NAMES(class_names), (size_t) class);
}

const char *
ue_phase_name(UePhase phase)
{
	return read_name(phase_names, N_NAMES(phase_names), (size_t) phase);
}

const char *
ue_owner_name(UeOwner owner)
{
	return read_name(owner_names, N_NAMES(owner_names), (size_t) owner);
}

const char *
ue_source_name(UeSource source)
{
	return read_name(source_names, N_NAMES(source_names), (size_t) source);
}

const char *
ue_severity_name(UeSeverity severity)
{
	return read_name(severity_names, N_NAMES(severity_names), (size_t) severity);
}

const char *
ue_format_name(UeFormat format)
{
	return read_name(format_names, N_NAMES(format_names), (size_t) format);
}

const char *
ue_credential_name(UeCredential credential)
{
	return read_name(credential_names, N_NAMES(credential_names), (size_t) credential);
}

const char *
ue_dialect_name(UeDialect dialect)
{
	return read_name(dialect_names, N_NAMES(dialect_names), (size_t) dialect);
}

bool
ue_kind_find(UeSlice name, UeKind *out)
{
	size_t index;

	if (!find_name(kind_names, N_NAMES(kind_names), name, &index))
		return false;
	*out = (UeKind) index;
	return true;
}

bool
ue_network_find(UeSlice name, UeNetwork *out)
{
	size_t index;

	if (!find_name(network_names, N_NAMES(network_names), name, &index))
		return false;
	*out = (UeNetwork) index;
	return true;
}

bool
ue_class_find(UeSlice name, UeClass *out)
{
	size_t index;

	if (!find_name(class_names, N_NAMES(class_names), name, &index))
		return false;
	*out = (UeClass) index;
	return true;
}

bool
ue_format_find(UeSlice name, UeFormat *out)
{
	size_t index;

	if (!find_name(format_names, N_NAMES(format_names), name, &index))
		return false;
	*out = (UeFormat) index;
	return true;
}

bool
ue_credential_find(UeSlice name, UeCredential *out)
{
	size_t index;

	if (!find_name(credential_names, N_NAMES(credential_names), name, &index))
		return false;
	*out = (UeCredential) index;
	return true;
}
