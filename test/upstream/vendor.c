/* SPDX-License-Identifier: PostgreSQL */
/*
 * vendor.c: what OpenAI, Anthropic and Google send, good or bad.
 *
 * Shapes: OpenAI's OpenAPI document (chat, Responses, Error), Anthropic's API reference
 * (messages, streaming, errors), Google's REST reference (GenerateContentResponse,
 * google.rpc.Status with RetryInfo), as of November 2026.  Several messages carry what
 * real ones carry and nobody may see: keys, organization ids, hosts.  They are planted, so
 * that tests can look for them everywhere.
 */
#include "vendor.h"

#include <string.h>

static const UeVendorError errors[] = {
	{"429", 429, 7, "tokens", "rate_limit_exceeded", NULL, "rate_limit_error", 0,
	 "RESOURCE_EXHAUSTED", 0,
	 "Rate limit reached for the model in organization org-PLANTEDq8Zk2LmT5vXw on tokens per "
	 "min (TPM): Limit 30000, Used 29500, Requested 1200. Please try again in 7s."},
	{"529", 503, 0, "server_error", NULL, NULL, "overloaded_error", 529, "UNAVAILABLE", 0,
	 "The engine is currently overloaded, please try again later"},
	{"500", 500, 0, "server_error", NULL, NULL, "api_error", 0, "INTERNAL", 0,
	 "The server had an error while processing your request."},
	{"401", 401, 0, "invalid_request_error", "invalid_api_key", NULL,
	 "authentication_error", 0, "UNAUTHENTICATED", 0,
	 "Incorrect API key provided: sk-proj-PLANTED7hQ2mZx9LkT4vBn8Ws3. You can find your API "
	 "key at https://platform.openai.com/account/api-keys?user=PLANTEDuser41."},
	{"403", 403, 0, "invalid_request_error", "unsupported_country", NULL,
	 "permission_error", 0, "PERMISSION_DENIED", 0,
	 "Country, region, or territory not supported"},
	{"413", 413, 0, "invalid_request_error", "request_too_large", NULL,
	 "request_too_large", 0, "INVALID_ARGUMENT", 400, "Request exceeds the maximum size"},
	{"context", 400, 0, "invalid_request_error", "context_length_exceeded", "messages",
	 "invalid_request_error", 0, "INVALID_ARGUMENT", 0,
	 "This model's maximum context length is 128000 tokens. However, your messages resulted "
	 "in 130512 tokens. Please reduce the length of the messages."},
	{"param", 400, 0, "invalid_request_error", "invalid_value", "messages.0.content.1",
	 "invalid_request_error", 0, "INVALID_ARGUMENT", 0,
	 "Invalid value at messages.0.content.1: expected a string"},
	{"quota", 429, 0, "insufficient_quota", "insufficient_quota", NULL, "billing_error",
	 402, "RESOURCE_EXHAUSTED", 0,
	 "You exceeded your current quota, please check your plan and billing details."},
	/* limits, gateways and accounts that say nothing of a time */
	{"limit", 429, 0, "requests", "rate_limit_exceeded", NULL, "rate_limit_error", 0,
	 "RESOURCE_EXHAUSTED", 0, "Rate limit reached for requests"},
	{"502", 502, 0, "server_error", NULL, NULL, "api_error", 0, "INTERNAL", 0,
	 "Bad gateway"},
	{"503", 503, 0, "server_error", NULL, NULL, "api_error", 0, "UNAVAILABLE", 0,
	 "Service temporarily unavailable"},
	{"504", 504, 0, "server_error", NULL, NULL, "timeout_error", 0, "DEADLINE_EXCEEDED",
	 0, "Gateway timeout"},
	{"credit", 400, 0, "invalid_request_error", NULL, NULL, "invalid_request_error", 0,
	 "FAILED_PRECONDITION", 0,
	 "Your credit balance is too low to access the API. Please go to Plans & Billing to "
	 "upgrade or purchase credits."},
	{"404", 404, 0, "invalid_request_error", "model_not_found", NULL, "not_found_error",
	 0, "NOT_FOUND", 0,
	 "The model gpt-none does not exist or you do not have access to it."},
};

static const char *const delta_text[UE_VENDOR_DELTAS] = {"Good", " answers", " stream",
														 " straight", " through."};

static void write_chat_event(FILE *out, const char *model, int index);
static void write_responses_event(FILE *out, const char *model, int index);
static void write_anthropic_event(FILE *out, const char *model, int index);
static void write_gemini_event(FILE *out, const char *model, int index);
static void write_openai_object(FILE *out, const UeVendorError *error);
static void write_quoted(FILE *out, const char *text);


UeRoute
ue_vendor_find_route(const char *target)
{
	static const struct
	{
		const char *part;
		UeRoute route;
	} routes[] = {
		{"/chat/completions", UE_ROUTE_OPENAI_CHAT},
		{"/responses", UE_ROUTE_OPENAI_RESPONSES},
		{"/messages", UE_ROUTE_ANTHROPIC},
		{"/embeddings", UE_ROUTE_OPENAI_EMBEDDINGS},
		{":generateContent", UE_ROUTE_GEMINI},
		{":streamGenerateContent", UE_ROUTE_GEMINI},
		{"/v1beta/", UE_ROUTE_GEMINI},
		{"/models", UE_ROUTE_OPENAI_MODELS},
	};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strstr(target, routes[i].part) != NULL)
			return routes[i].route;
	return UE_ROUTE_OPENAI_CHAT;
}

const UeVendorError *
ue_vendor_find_error(const char *name)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return &errors[i];
	return NULL;
}

bool
ue_vendor_is_sse(UeRoute route, const char *target)
{
	return route != UE_ROUTE_GEMINI || strstr(target, "alt=sse") != NULL;
}

const char *
ue_vendor_headers(UeRoute route)
{
	switch (route)
	{
		case UE_ROUTE_OPENAI_CHAT:
		case UE_ROUTE_OPENAI_RESPONSES:
		case UE_ROUTE_OPENAI_EMBEDDINGS:
		case UE_ROUTE_OPENAI_MODELS:
			return "x-request-id: req_upstream0openai1\r\nopenai-processing-ms: 12\r\n"
				   "x-ratelimit-remaining-requests: 9999\r\n";
		case UE_ROUTE_ANTHROPIC:
			return "request-id: req_upstream0anthropic1\r\n"
				   "anthropic-ratelimit-requests-remaining: 49\r\n";
		case UE_ROUTE_GEMINI:
			return "server-timing: gfet4t7; dur=12\r\nvary: Origin\r\n";
	}
	return "";
}

void
ue_vendor_write_answer(FILE *out, UeRoute route, const char *model)
{
	switch (route)
	{
		case UE_ROUTE_OPENAI_CHAT:
			fprintf(
				out,
				"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1795000000,"
				"\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
				"\"content\":\"Good answers stream straight through.\",\"refusal\":null},"
				"\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,"
				"\"completion_tokens\":5,\"total_tokens\":14}}",
				model);
			return;
		case UE_ROUTE_OPENAI_RESPONSES:
			fprintf(
				out,
				"{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1795000000,"
				"\"status\":\"completed\",\"error\":null,\"incomplete_details\":null,"
				"\"model\":\"%s\",\"output\":[{\"type\":\"message\",\"id\":\"msg_1\","
				"\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":"
				"\"output_text\",\"text\":\"Good answers stream straight through.\","
				"\"annotations\":[]}]}],\"usage\":{\"input_tokens\":9,\"output_tokens\":5,"
				"\"total_tokens\":14}}",
				model);
			return;
		case UE_ROUTE_OPENAI_EMBEDDINGS:
			fprintf(
				out,
				"{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
				"\"embedding\":[0.25,-0.5,0.125]}],\"model\":\"%s\",\"usage\":"
				"{\"prompt_tokens\":2,\"total_tokens\":2}}",
				model);
			return;
		case UE_ROUTE_OPENAI_MODELS:
			fputs(
				"{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4o\",\"object\":\"model\","
				"\"created\":1715367049,\"owned_by\":\"system\"}]}",
				out);
			return;
		case UE_ROUTE_ANTHROPIC:
			fprintf(
				out,
				"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%s\","
				"\"content\":[{\"type\":\"text\",\"text\":\"Good answers stream straight "
				"through.\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":"
				"{\"input_tokens\":9,\"output_tokens\":5}}",
				model);
			return;
		case UE_ROUTE_GEMINI:
			fprintf(
				out,
				"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Good answers stream "
				"straight through.\"}],\"role\":\"model\"},\"finishReason\":\"STOP\","
				"\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,"
				"\"candidatesTokenCount\":5,\"totalTokenCount\":14},\"modelVersion\":\"%s\"}",
				model);
			return;
	}
}

int
ue_vendor_count_events(UeRoute route)
{
	switch (route)
	{
		case UE_ROUTE_OPENAI_RESPONSES:
			return UE_VENDOR_DELTAS + 5;
		case UE_ROUTE_ANTHROPIC:
			return UE_VENDOR_DELTAS + 5;
		case UE_ROUTE_GEMINI:
			return UE_VENDOR_DELTAS;
		case UE_ROUTE_OPENAI_CHAT:
		case UE_ROUTE_OPENAI_EMBEDDINGS:
		case UE_ROUTE_OPENAI_MODELS:
			return UE_VENDOR_DELTAS + 3;
	}
	return 0;
}

void
ue_vendor_write_event(FILE *out, UeRoute route, const char *model, int index)
{
	switch (route)
	{
		case UE_ROUTE_OPENAI_RESPONSES:
			write_responses_event(out, model, index);
			return;
		case UE_ROUTE_ANTHROPIC:
			write_anthropic_event(out, model, index);
			return;
		case UE_ROUTE_GEMINI:
			write_gemini_event(out, model, index);
			return;
		case UE_ROUTE_OPENAI_CHAT:
		case UE_ROUTE_OPENAI_EMBEDDINGS:
		case UE_ROUTE_OPENAI_MODELS:
			write_chat_event(out, model, index);
			return;
	}
}

int
ue_vendor_status(const UeVendorError *error, UeRoute route)
{
	if (route == UE_ROUTE_ANTHROPIC && error->anthropic_status != 0)
		return error->anthropic_status;
	if (route == UE_ROUTE_GEMINI && error->google_code != 0)
		return error->google_code;
	return error->status;
}

void
ue_vendor_write_error_headers(FILE *out, const UeVendorError *error,
							  const UeVendorHint *hint, UeRoute route)
{
	fputs("content-type: application/json\r\n", out);
	fputs(ue_vendor_headers(route), out);
	if (hint != NULL)
	{
		if (hint->retry_after[0] != '\0')
			fprintf(out, "retry-after: %s\r\n", hint->retry_after);
		if (hint->retry_after_ms[0] != '\0')
			fprintf(out, "retry-after-ms: %s\r\n", hint->retry_after_ms);
	}
	/* Google says how long to wait in the body alone */
	else if (error->retry_after_s > 0 && route != UE_ROUTE_GEMINI)
		fprintf(out, "retry-after: %d\r\n", error->retry_after_s);
}

void
ue_vendor_write_error(FILE *out, const UeVendorError *error, const UeVendorHint *hint,
					  UeRoute route)
{
	char delay[64] = "";

	if (route == UE_ROUTE_ANTHROPIC)
		fprintf(out,
				"{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"%s\"},"
				"\"request_id\":\"req_upstream0anthropic1\"}",
				error->anthropic_type, error->message);
	else if (route == UE_ROUTE_GEMINI)
	{
		fprintf(out, "{\"error\":{\"code\":%d,\"message\":\"%s\",\"status\":\"%s\"",
				ue_vendor_status(error, route), error->message, error->google_status);
		if (hint != NULL)
			snprintf(delay, sizeof(delay), "%s", hint->retry_info);
		else if (error->retry_after_s > 0)
			snprintf(delay, sizeof(delay), "%ds", error->retry_after_s);
		if (delay[0] != '\0')
			fprintf(
				out,
				",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
				"\"retryDelay\":\"%s\"}]",
				delay);
		fputs("}}", out);
	}
	else
	{
		fputs("{\"error\":", out);
		write_openai_object(out, error);
		fputs("}", out);
	}
}

void
ue_vendor_write_error_event(FILE *out, const UeVendorError *error, UeRoute route)
{
	if (route == UE_ROUTE_OPENAI_RESPONSES)
	{
		fputs("event: error\ndata: {\"type\":\"error\",\"code\":", out);
		write_quoted(out, error->openai_code);
		fprintf(out, ",\"message\":\"%s\",\"param\":null,\"sequence_number\":3}\n\n",
				error->message);
		return;
	}
	fputs(route == UE_ROUTE_ANTHROPIC ? "event: error\ndata: " : "data: ", out);
	ue_vendor_write_error(out, error, NULL, route);
	fputs(route == UE_ROUTE_GEMINI ? "\r\n\r\n" : "\n\n", out);
}

/* role, deltas, finish, [DONE] */
static void
write_chat_event(FILE *out, const char *model, int index)
{
	if (index == UE_VENDOR_DELTAS + 2)
	{
		fputs("data: [DONE]\n\n", out);
		return;
	}
	fprintf(
		out,
		"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
		"\"created\":1795000000,\"model\":\"%s\",\"choices\":[{\"index\":0,\"delta\":",
		model);
	if (index == 0)
		fputs("{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
			  out);
	else if (index <= UE_VENDOR_DELTAS)
		fprintf(out, "{\"content\":\"%s\"},\"finish_reason\":null}]}\n\n",
				delta_text[index - 1]);
	else
		fputs("{},\"finish_reason\":\"stop\"}]}\n\n", out);
}

/* created, item, part, deltas, item done, completed */
static void
write_responses_event(FILE *out, const char *model, int index)
{
	static const char *const before[] = {"response.created", "response.output_item.added",
										 "response.content_part.added"};

	if (index < 3 || index == UE_VENDOR_DELTAS + 4)
	{
		const char *name = index < 3 ? before[index] : "response.completed";

		fprintf(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%d,", name,
				name, index);
		if (index == 1)
			fputs(
				"\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"status\":"
				"\"in_progress\",\"role\":\"assistant\",\"content\":[]}}\n\n",
				out);
		else if (index == 2)
			fputs(
				"\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"part\":{\"type\":"
				"\"output_text\",\"text\":\"\",\"annotations\":[]}}\n\n",
				out);
		else
		{
			fputs("\"response\":", out);
			if (index == 0)
				fprintf(
					out,
					"{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1795000000,"
					"\"status\":\"in_progress\",\"model\":\"%s\",\"output\":[]}",
					model);
			else
				ue_vendor_write_answer(out, UE_ROUTE_OPENAI_RESPONSES, model);
			fputs("}\n\n", out);
		}
	}
	else if (index < UE_VENDOR_DELTAS + 3)
		fprintf(
			out,
			"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
			"\"sequence_number\":%d,\"item_id\":\"msg_1\",\"output_index\":0,"
			"\"content_index\":0,\"delta\":\"%s\"}\n\n",
			index, delta_text[index - 3]);
	else
		fprintf(
			out,
			"event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\","
			"\"sequence_number\":%d,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,"
			"\"text\":\"Good answers stream straight through.\"}\n\n",
			index);
}

/* message_start, content_block_start, deltas, content_block_stop, message_delta, message_stop */
static void
write_anthropic_event(FILE *out, const char *model, int index)
{
	if (index == 0)
		fprintf(
			out,
			"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","
			"\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%s\",\"content\":[],"
			"\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":9,"
			"\"output_tokens\":1}}}\n\n",
			model);
	else if (index == 1)
		fputs(
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
			"\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
			"event: ping\ndata: {\"type\":\"ping\"}\n\n",
			out);
	else if (index < UE_VENDOR_DELTAS + 2)
		fprintf(
			out,
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
			"\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n",
			delta_text[index - 2]);
	else if (index == UE_VENDOR_DELTAS + 2)
		fputs(
			"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
			out);
	else if (index == UE_VENDOR_DELTAS + 3)
		fputs(
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
			"\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":5}}\n\n",
			out);
	else
		fputs("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", out);
}

static void
write_gemini_event(FILE *out, const char *model, int index)
{
	fprintf(
		out,
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"%s\"}],\"role\":\"model\"},",
		delta_text[index]);
	if (index == UE_VENDOR_DELTAS - 1)
		fputs("\"finishReason\":\"STOP\",", out);
	fprintf(
		out,
		"\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"totalTokenCount\":%d},"
		"\"modelVersion\":\"%s\"}\r\n\r\n",
		10 + index, model);
}

static void
write_openai_object(FILE *out, const UeVendorError *error)
{
	fprintf(out, "{\"message\":\"%s\",\"type\":\"%s\",\"param\":", error->message,
			error->openai_type);
	write_quoted(out, error->openai_param);
	fputs(",\"code\":", out);
	write_quoted(out, error->openai_code);
	fputs("}", out);
}

static void
write_quoted(FILE *out, const char *text)
{
	if (text == NULL)
		fputs("null", out);
	else
		fprintf(out, "\"%s\"", text);
}
