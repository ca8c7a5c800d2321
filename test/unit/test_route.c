/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_route.c: whose request it is; base URLs; ids.
 */
#include <stdlib.h>
#include <string.h>

#include "base_url.h"
#include "ident.h"
#include "route.h"
#include "tap.h"

typedef struct Case
{
	const char *target;
	const char *header;	  /* one header's name, or NULL */
	const char *platform; /* NULL: nobody's */
	UeFormat format;
	const char *sent;
	const char *model;
	bool is_stream;
} Case;

static const Case cases[] = {
	{"/v1/chat/completions", NULL, "openai", UE_FORMAT_OPENAI, NULL, "", false},
	{"/v1/chat/completions?api-version=1", NULL, "openai", UE_FORMAT_OPENAI, NULL, "",
	 false},
	{"/v1/completions", NULL, "openai", UE_FORMAT_OPENAI, NULL, "", false},
	{"/v1/responses", NULL, "openai", UE_FORMAT_OPENAI_RESPONSES, NULL, "", false},
	{"/v1/responses/resp_1/cancel", NULL, "openai", UE_FORMAT_OPENAI_RESPONSES, NULL, "",
	 false},
	{"/v1/responsesx", NULL, NULL, UE_FORMAT_OPENAI, NULL, "", false},
	{"/v1/embeddings", NULL, "openai", UE_FORMAT_OPENAI, NULL, "", false},
	{"/v1/models", NULL, "openai", UE_FORMAT_OPENAI, NULL, "", false},
	{"/v1/models", "Anthropic-Version", "anthropic", UE_FORMAT_ANTHROPIC, NULL, "",
	 false},
	{"/v1/models/claude-x", "anthropic-version", "anthropic", UE_FORMAT_ANTHROPIC, NULL,
	 "claude-x", false},
	{"/v1/models", "x-goog-api-key", "gemini", UE_FORMAT_GEMINI, NULL, "", false},
	{"/v1/messages", NULL, "anthropic", UE_FORMAT_ANTHROPIC, NULL, "", false},
	{"/v1/messages/count_tokens", NULL, "anthropic", UE_FORMAT_ANTHROPIC, NULL, "",
	 false},
	{"/v1/complete", NULL, "anthropic", UE_FORMAT_ANTHROPIC, NULL, "", false},
	{"/v1beta/models/gemini-3-pro:generateContent", NULL, "gemini", UE_FORMAT_GEMINI,
	 NULL, "gemini-3-pro", false},
	{"/v1beta/models/g:streamGenerateContent?alt=sse", NULL, "gemini", UE_FORMAT_GEMINI,
	 NULL, "g", true},
	{"/v1beta/openai/chat/completions", NULL, "gemini", UE_FORMAT_OPENAI, NULL, "",
	 false},
	{"/v1alpha/models", NULL, "gemini", UE_FORMAT_GEMINI, NULL, "", false},
	{"/v1/projects/p/locations/l/publishers/google/models/g2:countTokens", NULL, "gemini",
	 UE_FORMAT_GEMINI, NULL, "g2", false},
	{"/groq/v1/chat/completions?x=1", NULL, "groq", UE_FORMAT_OPENAI,
	 "/v1/chat/completions?x=1", "", false},
	{"/GROQ/v1/messages", NULL, "groq", UE_FORMAT_ANTHROPIC, "/v1/messages", "", false},
	{"/anthropic/anything", NULL, "anthropic", UE_FORMAT_ANTHROPIC, "/anything", "",
	 false},
	{"/groq", NULL, "groq", UE_FORMAT_OPENAI, "/", "", false},
	{"/groq?a=b", NULL, "groq", UE_FORMAT_OPENAI, "?a=b", "", false},
	{"/groq/openai/deployments/d1/chat/completions", NULL, "groq", UE_FORMAT_OPENAI,
	 "/openai/deployments/d1/chat/completions", "d1", false},
	/* Azure's own path, which no other vendor has; its first segment is no platform there */
	{"/openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21", NULL,
	 "azure", UE_FORMAT_OPENAI, NULL, "gpt-4o-eu", false},
	{"/openai/deployments", NULL, "azure", UE_FORMAT_OPENAI, NULL, "", false},
	{"/openai/deploymentsx/y", NULL, "openai", UE_FORMAT_OPENAI, "/deploymentsx/y", "",
	 false},
	{"/azure/openai/deployments/d1/embeddings", NULL, "azure", UE_FORMAT_OPENAI,
	 "/openai/deployments/d1/embeddings", "d1", false},
	/* Bedrock's: an id may hold a colon, an ARN slashes, which are encoded */
	{"/model/amazon.nova-pro-v1:0/converse", NULL, "bedrock", UE_FORMAT_OPENAI, NULL,
	 "amazon.nova-pro-v1:0", false},
	{"/model/anthropic.claude-3-5-sonnet-20241022-v2:0/converse-stream", NULL, "bedrock",
	 UE_FORMAT_OPENAI, NULL, "anthropic.claude-3-5-sonnet-20241022-v2:0", true},
	{"/bedrock/model/m%3A0/invoke", NULL, "bedrock", UE_FORMAT_OPENAI,
	 "/model/m%3A0/invoke", "m%3A0", false},
	{"/bedrock/model/m/invoke-with-response-stream", NULL, "bedrock", UE_FORMAT_OPENAI,
	 "/model/m/invoke-with-response-stream", "m", true},
	{"/bedrock/model/m/count-tokens", NULL, "bedrock", UE_FORMAT_OPENAI,
	 "/model/m/count-tokens", "m", false},
	{"/bedrock/guardrail/g/model/m/apply", NULL, "bedrock", UE_FORMAT_OPENAI,
	 "/guardrail/g/model/m/apply", "", false},
	{"/models", NULL, NULL, UE_FORMAT_OPENAI, NULL, "", false},
	{"http://sidecar.test/v1/messages", NULL, "anthropic", UE_FORMAT_ANTHROPIC,
	 "/v1/messages", "", false},
	{"/nobody/v1/messages", NULL, NULL, UE_FORMAT_OPENAI, NULL, "", false},
	{"/nobody", "anthropic-version", NULL, UE_FORMAT_ANTHROPIC, NULL, "", false},
	{"/nobody", "x-goog-api-key", NULL, UE_FORMAT_GEMINI, NULL, "", false},
	{"/", NULL, NULL, UE_FORMAT_OPENAI, NULL, "", false},
	{"*", NULL, NULL, UE_FORMAT_OPENAI, NULL, "", false},
};

static void
test_routes(void)
{
	UeConfigUpstream upstreams[] = {
		{.platform = (char *) "openai"}, {.platform = (char *) "anthropic"},
		{.platform = (char *) "gemini"}, {.platform = (char *) "groq"},
		{.platform = (char *) "azure"},	 {.platform = (char *) "bedrock"},
	};
	UeConfig config = {.upstreams = upstreams, .n_upstreams = 6};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Case *expected = &cases[i];
		UeHeader header = {.name = ue_slice_of(expected->header), .value = UE_SLICE("x")};
		UeRequest request = {
			.target = ue_slice_of(expected->target),
			.headers = &header,
			.n_headers = expected->header != NULL,
		};
		UeRoute route;
		bool is_right;

		ue_route_find(&config, &request, &route);
		is_right = expected->platform == NULL
					   ? route.upstream == NULL && route.platform == -1
					   : route.upstream != NULL &&
							 strcmp(route.upstream->platform, expected->platform) == 0 &&
							 route.upstream == &upstreams[route.platform];
		ok(is_right && route.format == expected->format &&
			   route.is_stream == expected->is_stream &&
			   ue_slice_is_equal(route.model, ue_slice_of(expected->model)),
		   "route: %s %s", expected->target,
		   expected->header == NULL ? "" : expected->header);
		is_text(route.target,
				ue_slice_of(expected->sent == NULL ? expected->target : expected->sent),
				"route: the upstream is asked for %s",
				expected->sent == NULL ? expected->target : expected->sent);
	}
}

/* Without that platform the path is what its first segment says. */
static void
test_azure_unknown(void)
{
	UeConfigUpstream upstream = {.platform = (char *) "openai"};
	UeConfig config = {.upstreams = &upstream, .n_upstreams = 1};
	UeRequest request = {.method = UE_SLICE("POST"),
						 .target = UE_SLICE("/openai/deployments/d/embeddings")};
	UeRoute route;

	ue_route_find(&config, &request, &route);
	ok(route.platform == 0 && ue_slice_is_equal(route.model, UE_SLICE("d")),
	   "route: nobody is Azure: /openai is the platform");
	is_text(route.target, UE_SLICE("/deployments/d/embeddings"), "route: and goes");
}

static void
test_decoding(void)
{
	static const struct
	{
		const char *text, *decoded;
	} names[] = {
		{"plain", "plain"},
		{"anthropic.claude-v2%3A0", "anthropic.claude-v2:0"},
		{"arn%3aaws%3Abedrock%3Aeu%3A1%3Ainference-profile%2Fx",
		 "arn:aws:bedrock:eu:1:inference-profile/x"},
		{"%E6%A8%A1", "\xE6\xA8\xA1"},
		{"%", "%"},
		{"a%4", "a%4"},
		{"%zz%41", "%zzA"},
		{"%2541", "%41"},
		{"", ""},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		char out[64];
		UeSlice decoded = {out, ue_route_decode(ue_slice_of(names[i].text), out)};

		is_text(decoded, ue_slice_of(names[i].decoded),
				"route: \"%s\" is decoded once", names[i].text);
	}
}

/* What would leave the path of a base URL, and where an answer is certain. */
static void
test_marks(void)
{
	static const struct
	{
		const char *method;
		const char *target;
		bool is_climbing, has_answer;
	} marks[] = {
		{"POST", "/v1/chat/completions", false, true},
		{"GET", "/v1/chat/completions", false, false},
		{"POST", "/v1/responses/resp_1/cancel", false, true},
		{"POST", "/v1/audio/speech", false, false},
		{"POST", "/v1/realtime/calls/c/hangup", false, false},
		{"POST", "/upload/v1beta/files", false, false},
		{"POST", "/v1beta/models/g:generateContent?x=..", false, true},
		{"POST", "/v1beta/models/g:other", false, false},
		{"POST", "/groq/v1/messages", false, true},
		{"POST", "/groq/messages", false, false},
		{"POST", "/groq/model/m/converse", false, true},
		{"POST", "/groq/model/m/converse-stream", false, true},
		{"POST", "/groq/model/m/other", false, false},
		{"POST", "/groq/openai/deployments/d/chat/completions", false, true},
		{"POST", "/groq/openai/deployments/d/audio/speech", false, false},
		{"GET", "/groq/../b", true, false},
		{"GET", "/groq/%2e%2E/b", true, false},
		{"GET", "/groq/a/.%2e", true, false},
		{"GET", "/groq/a%2f..%5Cb", true, false},
		{"GET", "/groq/./b", true, false},
		{"GET", "/..", true, false},
		{"GET", "/groq/..b/b../.../a.b/.c", false, false},
		{"GET", "/groq/%2e%2e%2e/%2", false, false},
		{"GET", "/groq/a?b=/../c", false, false},
	};
	UeConfigUpstream upstream = {.platform = (char *) "groq"};
	UeConfig config = {.upstreams = &upstream, .n_upstreams = 1};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
	{
		UeRequest request = {.method = ue_slice_of(marks[i].method),
							 .target = ue_slice_of(marks[i].target)};
		UeRoute route;

		ue_route_find(&config, &request, &route);
		ok(route.is_climbing == marks[i].is_climbing &&
			   route.has_answer == marks[i].has_answer,
		   "route: %s %s%s%s", marks[i].method, marks[i].target,
		   marks[i].is_climbing ? " climbs" : "",
		   marks[i].has_answer ? " has an answer" : "");
	}
}

static void
test_accept(void)
{
	UeConfigUpstream upstream = {.platform = (char *) "openai"};
	UeConfig config = {.upstreams = &upstream, .n_upstreams = 1};
	UeHeader header = {UE_SLICE("Accept"),
					   UE_SLICE("application/json, Text/Event-Stream")};
	UeRequest request = {.target = UE_SLICE("/v1/chat/completions?x"),
						 .headers = &header,
						 .n_headers = 1};
	UeRoute route;

	ue_route_find(&config, &request, &route);
	ok(route.is_stream, "route: Accept asks for a stream");
	is_text(route.path, UE_SLICE("/v1/chat/completions"), "route: the path has no query");
}

static void
test_join(const char *url, const char *target, const char *expected)
{
	char error[256];
	UeBaseUrl *base = ue_base_url_parse(url, error, sizeof(error));
	UeSlice slice = ue_slice_of(target);
	char *joined;

	if (!ok(base != NULL, "base url: %s is one", url))
		return;
	joined = malloc(ue_base_url_target_size(base, slice));
	ue_base_url_write_target(base, slice, joined);
	is_text(ue_slice_of(joined), ue_slice_of(expected), "base url: %s + %s", url, target);
	free(joined);
	ue_base_url_free(base);
}

static void
test_base_urls(void)
{
	static const char *const refused[] = {
		"",
		"api.openai.com",
		"ftp://a",
		"http://",
		"https:///v1",
		"http://u:p@a",
		"http://a?b",
		"http://a#b",
		"http://a b",
		"http://a:0",
		"http://a:65536",
		"http://a:x",
		"http://a:",
		"http://[::1",
		"http://a\tb",
		"http://a:+1",
	};
	char error[512];
	UeBaseUrl *base;

	test_join("https://api.openai.com", "/v1/models", "/v1/models");
	test_join("https://api.openai.com/", "/v1/models?a=1", "/v1/models?a=1");
	test_join("https://api.openai.com/v1", "/v1/models", "/v1/models");
	test_join("https://api.openai.com/v1/", "/v1/models", "/v1/models");
	test_join("https://api.groq.com/openai", "/v1/models", "/openai/v1/models");
	test_join("https://api.groq.com/openai/v1", "/v1/models", "/openai/v1/models");
	test_join("https://a/v1", "/v1beta/models", "/v1/v1beta/models");
	test_join("https://a/v1beta", "/v1beta/models", "/v1beta/models");
	test_join("https://a/v1", "/chat", "/v1/chat");
	test_join("http://[::1]:80/x", "/", "/x/");
	test_join("http://a", "?a=b", "/?a=b");
	test_join("http://a", "*", "*");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		error[0] = '\0';
		base = ue_base_url_parse(refused[i], error, sizeof(error));
		ok(base == NULL && strstr(error, "accepted is") != NULL,
		   "base url: \"%s\" is refused with a reason", refused[i]);
		ue_base_url_free(base);
	}
	base = ue_base_url_parse("HTTPS://[2001:db8::1]:8443", error, sizeof(error));
	ok(base != NULL && base->is_tls &&
		   strcmp(base->origin, "https://[2001:db8::1]:8443/") == 0 &&
		   strcmp(ue_base_url_host(base), "2001:db8::1") == 0,
	   "base url: an IPv6 address");
	ue_base_url_free(base);
}

static void
test_idents(void)
{
	UeIdent ident = {.n_left = 0};
	unsigned char ids[200][16];
	char request_id[UE_IDENT_REQUEST_ID];
	size_t n_wrong = 0;
	UeSlice parent = UE_SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

	for (size_t i = 0; i < 200; i++)
	{
		ue_ident_build_uuid(&ident, 0x0123456789ab, ids[i]);
		if (memcmp(ids[i], "\x01\x23\x45\x67\x89\xab", 6) != 0 || ids[i][6] >> 4 != 7 ||
			ids[i][8] >> 6 != 2)
			n_wrong++;
		for (size_t k = 0; k < i; k++)
			n_wrong += memcmp(ids[i], ids[k], 16) == 0;
	}
	ok(n_wrong == 0, "ident: version 7, with the time in front, no two alike");
	ue_ident_build_request_id(&ident, 1, request_id);
	ok(memcmp(request_id, "req_000000000001", 16) == 0 &&
		   ue_ident_is_request_id((UeSlice){request_id, sizeof(request_id)}),
	   "ident: a request id is one that would be accepted");
	ok(!ue_ident_is_request_id(UE_SLICE("")) &&
		   !ue_ident_is_request_id(UE_SLICE("a b")) &&
		   !ue_ident_is_request_id(UE_SLICE("a\r")) &&
		   ue_ident_is_request_id(UE_SLICE("A.z:9-_")),
	   "ident: ids that could do harm are not taken");
	is_text(ue_ident_find_trace_id(parent), UE_SLICE("4bf92f3577b34da6a3ce929d0e0e4736"),
			"ident: the trace id of a traceparent");
	ok(ue_ident_find_trace_id(ue_slice_sub(parent, 0, 54)).len == 0 &&
		   ue_ident_find_trace_id(UE_SLICE("00-4BF92f3577b34da6a3ce929d0e0e4736-"
										   "00f067aa0ba902b7-01"))
				   .len == 0,
	   "ident: what is not a traceparent has none");
}

int
main(void)
{
	test_routes();
	test_azure_unknown();
	test_decoding();
	test_marks();
	test_accept();
	test_base_urls();
	test_idents();
	return done_testing();
}
