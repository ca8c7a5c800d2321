/* SPDX-License-Identifier: PostgreSQL */
/*
 * route.c: a table of paths.
 *
 * A row matches whole path segments.  Rows are tried in order, so the longer path of two
 * comes first, and a row with a header before the same path without.
 *
 * Sources: the endpoint lists of the vendors' API references (OpenAI, Anthropic, Google AI
 * for Developers, Vertex AI, Azure OpenAI, Amazon Bedrock; November 2026).
 */
#include "route.h"

#include <string.h>

#include "channel_table.h"

typedef struct UeRouteRow
{
	UeSlice path;
	UeSlice header; /* must be present; empty: none is asked for */
	UeSlice platform;
	UeSlice fallback; /* when that platform has no base URL; empty: none */
	UeFormat format;
} UeRouteRow;

#define ROW(path, header, platform, fallback, format)                                    \
	{                                                                                    \
		UE_SLICE_INIT(path), UE_SLICE_INIT(header), UE_SLICE_INIT(platform),             \
			UE_SLICE_INIT(fallback), format                                              \
	}

static const UeRouteRow route_rows[] = {
	/* Google speaks OpenAI's dialect below this path */
	ROW("/v1beta/openai", "", "gemini", "", UE_FORMAT_OPENAI),
	ROW("/v1beta", "", "gemini", "", UE_FORMAT_GEMINI),
	ROW("/v1alpha", "", "gemini", "", UE_FORMAT_GEMINI),
	ROW("/upload/v1beta", "", "gemini", "", UE_FORMAT_GEMINI),
	ROW("/v1beta1", "", "vertex", "gemini", UE_FORMAT_GEMINI),
	ROW("/v1/projects", "", "vertex", "gemini", UE_FORMAT_GEMINI),
	ROW("/v1/publishers", "", "vertex", "gemini", UE_FORMAT_GEMINI),
	ROW("/v1", "x-goog-api-key", "gemini", "", UE_FORMAT_GEMINI),

	ROW("/v1/messages", "", "anthropic", "", UE_FORMAT_ANTHROPIC),
	ROW("/v1/complete", "", "anthropic", "", UE_FORMAT_ANTHROPIC),
	/* models, files, organizations, skills: both have them, this one names its version */
	ROW("/v1", "anthropic-version", "anthropic", "", UE_FORMAT_ANTHROPIC),

	/* Azure's and Bedrock's, whose dialects a client of OpenAI's is nearest to */
	ROW("/openai/deployments", "", "azure", "", UE_FORMAT_OPENAI),
	ROW("/model", "", "bedrock", "", UE_FORMAT_OPENAI),

	ROW("/v1/responses", "", "openai", "", UE_FORMAT_OPENAI_RESPONSES),
	ROW("/v1/conversations", "", "openai", "", UE_FORMAT_OPENAI_RESPONSES),
	ROW("/v1/chat", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/completions", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/embeddings", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/models", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/images", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/audio", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/videos", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/files", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/uploads", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/batches", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/moderations", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/fine_tuning", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/vector_stores", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/containers", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/evals", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/assistants", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/threads", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/realtime", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/chatkit", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/skills", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/organization", "", "openai", "", UE_FORMAT_OPENAI),
	ROW("/v1/projects", "", "openai", "", UE_FORMAT_OPENAI),
};

/*
 * A POST to one of these has JSON or events for an answer.  Others have good answers that
 * are empty or no JSON: a started upload, a realtime call that was hung up, speech.
 */
static const UeSlice answer_paths[] = {
	UE_SLICE_INIT("/v1/chat/completions"),
	UE_SLICE_INIT("/v1/completions"),
	UE_SLICE_INIT("/v1/responses"),
	UE_SLICE_INIT("/v1/embeddings"),
	UE_SLICE_INIT("/v1/moderations"),
	UE_SLICE_INIT("/v1/messages"),
	UE_SLICE_INIT("/v1/complete"),
	UE_SLICE_INIT("/v1beta/openai/chat/completions"),
	UE_SLICE_INIT("/v1beta/openai/embeddings"),
};

/* The same of Azure's and Bedrock's, at the end; "/invoke" may answer with an image. */
static const UeSlice answer_ends[] = {
	UE_SLICE_INIT("/chat/completions"), UE_SLICE_INIT("/completions"),
	UE_SLICE_INIT("/embeddings"),		UE_SLICE_INIT("/converse"),
	UE_SLICE_INIT("/converse-stream"),
};

/* The same of Google's, behind the model. */
static const UeSlice answer_methods[] = {
	UE_SLICE_INIT(":generateContent"),	  UE_SLICE_INIT(":streamGenerateContent"),
	UE_SLICE_INIT(":countTokens"),		  UE_SLICE_INIT(":embedContent"),
	UE_SLICE_INIT(":batchEmbedContents"),
};

/* What the vendors call counting tokens (their API references, November 2026). */
static const UeSlice counting_ends[] = {
	UE_SLICE_INIT("/messages/count_tokens"),
	UE_SLICE_INIT("/responses/input_tokens"),
	UE_SLICE_INIT(":countTokens"),
	UE_SLICE_INIT("/count-tokens"),
};

/* What makes an event stream of an answer, whatever the body says. */
static const UeSlice stream_words[] = {
	UE_SLICE_INIT(":streamGenerateContent"),
	UE_SLICE_INIT(":streamRawPredict"),
	UE_SLICE_INIT("/converse-stream"),
	UE_SLICE_INIT("/invoke-with-response-stream"),
};

/* The format of a platform whose path says nothing. */
typedef struct UePlatformFormat
{
	UeSlice platform;
	UeFormat format;
} UePlatformFormat;

static const UePlatformFormat platform_formats[] = {
	{UE_SLICE_INIT("anthropic"), UE_FORMAT_ANTHROPIC},
	{UE_SLICE_INIT("antigravity"), UE_FORMAT_GEMINI},
	{UE_SLICE_INIT("gemini"), UE_FORMAT_GEMINI},
	{UE_SLICE_INIT("vertex"), UE_FORMAT_GEMINI},
};

/* Bedrock's paths begin so, and the model follows. */
#define BEDROCK_MODEL "/model/"

/* Azure's path begins with what could be the name of a platform, but no vendor else has it. */
#define AZURE_PATH "/openai/deployments"

/* Behind these the path names the model, up to a slash or to what else ends it: a colon
 * begins Google's methods, and is a part of the name elsewhere. */
typedef struct UeModelMarker
{
	UeSlice text;
	char end;
} UeModelMarker;

static const UeModelMarker model_markers[] = {
	{UE_SLICE_INIT("/models/"), ':'},
	{UE_SLICE_INIT("/tunedModels/"), ':'},
	{UE_SLICE_INIT("/deployments/"), '/'},
};

static UeSlice strip_origin(UeSlice target);
static bool find_platform(const UeConfig *config, UeSlice target, UeRoute *out);
static const UeRouteRow *find_row(const UeRequest *request, UeSlice path);
static bool has_path(UeSlice path, UeSlice prefix);
static bool has_header(const UeRequest *request, UeSlice name);
static UeSlice find_path(UeSlice target);
static UeFormat guess_format(UeSlice platform);
static bool is_always_answered(const UeRequest *request, const UeRouteRow *row,
							   UeSlice path);
static bool is_counting(UeSlice path);
static bool has_dot_segment(UeSlice path);
static size_t measure_separator(UeSlice text);
static size_t measure_dot(UeSlice text);
static int read_digit(char digit);
static UeSlice find_model(UeSlice path);
static bool is_stream_asked(const UeRequest *request, UeSlice path);
static void choose_upstream(const UeConfig *config, UeSlice platform, UeRoute *out);

void
ue_route_find(const UeConfig *config, const UeRequest *request, UeRoute *out)
{
	UeSlice target = strip_origin(request->target);
	const UeRouteRow *row;
	UeSlice path;
	bool is_named;

	*out = (UeRoute){.platform = -1, .target = target, .path = find_path(target)};
	is_named = find_platform(config, target, out);
	path = find_path(out->target);
	row = find_row(request, path);
	if (row != NULL)
		out->format = row->format;
	else if (is_named)
		out->format = guess_format(ue_slice_of(out->upstream->platform));
	else if (has_header(request, UE_SLICE("anthropic-version")))
		out->format = UE_FORMAT_ANTHROPIC;
	else if (has_header(request, UE_SLICE("x-goog-api-key")))
		out->format = UE_FORMAT_GEMINI;
	if (!is_named && row != NULL)
	{
		choose_upstream(config, row->platform, out);
		if (out->upstream == NULL && row->fallback.len > 0)
			choose_upstream(config, row->fallback, out);
	}
	out->model = find_model(path);
	out->is_stream = is_stream_asked(request, path);
	out->is_api = row != NULL;
	out->has_answer = row != NULL && is_always_answered(request, row, path);
	out->is_counting = is_counting(path);
	out->is_climbing = has_dot_segment(out->path);
}

/* The absolute form of a target, which a server must accept (RFC 9112 3.2.2). */
static UeSlice
strip_origin(UeSlice target)
{
	size_t start = 0;
	size_t slash;
	UeSlice rest;

	if (ue_slice_has_prefix_fold(target, UE_SLICE("http://")))
		start = 7;
	else if (ue_slice_has_prefix_fold(target, UE_SLICE("https://")))
		start = 8;
	else
		return target;
	rest = ue_slice_sub(target, start, target.len);
	if (!ue_slice_find(rest, UE_SLICE("/"), &slash))
		return UE_SLICE("/");
	return ue_slice_sub(rest, slash, rest.len);
}

/* "/groq/openai/v1/…": the first segment names a configured platform, and goes. */
static bool
find_platform(const UeConfig *config, UeSlice target, UeRoute *out)
{
	UeSlice path = find_path(target);
	UeSlice rest = ue_slice_sub(path, 1, path.len);
	size_t len;

	if (path.len < 2 || path.ptr[0] != '/')
		return false;
	if (has_path(path, UE_SLICE(AZURE_PATH)))
	{
		choose_upstream(config, UE_SLICE("azure"), out);
		if (out->upstream != NULL)
			return true;
	}
	if (!ue_slice_find(rest, UE_SLICE("/"), &len))
		len = rest.len;
	choose_upstream(config, ue_slice_sub(rest, 0, len), out);
	if (out->upstream == NULL)
		return false;
	out->target = ue_slice_sub(target, len + 1, target.len);
	if (out->target.len == 0)
		out->target = UE_SLICE("/");
	return true;
}

static void
choose_upstream(const UeConfig *config, UeSlice platform, UeRoute *out)
{
	int index;

	out->upstream = ue_config_find_upstream(config, platform);
	if (out->upstream != NULL)
	{
		out->platform = (int) (out->upstream - config->upstreams);
		return;
	}
	out->upstream = ue_channel_table_find_platform(platform, &index);
	if (out->upstream != NULL)
		out->platform = (int) config->n_upstreams + index;
}

static const UeRouteRow *
find_row(const UeRequest *request, UeSlice path)
{
	for (size_t i = 0; i < sizeof(route_rows) / sizeof(route_rows[0]); i++)
	{
		const UeRouteRow *row = &route_rows[i];

		if (has_path(path, row->path) &&
			(row->header.len == 0 || has_header(request, row->header)))
			return row;
	}
	return NULL;
}

/* Where the segment ends is looked at first: that is where most paths differ. */
static bool
has_path(UeSlice path, UeSlice prefix)
{
	return path.len >= prefix.len &&
		   (path.len == prefix.len || path.ptr[prefix.len] == '/') &&
		   ue_slice_has_prefix(path, prefix);
}

static bool
has_header(const UeRequest *request, UeSlice name)
{
	for (size_t i = 0; i < request->n_headers; i++)
	{
		if (ue_slice_is_equal_fold(request->headers[i].name, name))
			return true;
	}
	return false;
}

static UeSlice
find_path(UeSlice target)
{
	size_t at;

	if (ue_slice_find(target, UE_SLICE("?"), &at))
		return ue_slice_sub(target, 0, at);
	return target;
}

static UeFormat
guess_format(UeSlice platform)
{
	for (size_t i = 0; i < sizeof(platform_formats) / sizeof(platform_formats[0]); i++)
	{
		if (ue_slice_is_equal_fold(platform, platform_formats[i].platform))
			return platform_formats[i].format;
	}
	return UE_FORMAT_OPENAI;
}

static bool
is_always_answered(const UeRequest *request, const UeRouteRow *row, UeSlice path)
{
	size_t at;

	if (!ue_slice_is_equal(request->method, UE_SLICE("POST")))
		return false;
	for (size_t i = 0; i < sizeof(answer_paths) / sizeof(answer_paths[0]); i++)
	{
		if (has_path(path, answer_paths[i]))
			return true;
	}
	if (row->format != UE_FORMAT_GEMINI)
	{
		/* rows of others that end so are paths in the list above */
		for (size_t i = 0; i < sizeof(answer_ends) / sizeof(answer_ends[0]); i++)
		{
			if ((has_path(path, UE_SLICE(AZURE_PATH)) ||
				 ue_slice_has_prefix(path, UE_SLICE(BEDROCK_MODEL))) &&
				ue_slice_has_suffix_fold(path, answer_ends[i]))
				return true;
		}
		return false;
	}
	if (!ue_slice_find(path, UE_SLICE(":"), &at))
		return false;
	for (size_t i = 0; i < sizeof(answer_methods) / sizeof(answer_methods[0]); i++)
	{
		if (ue_slice_is_equal(ue_slice_sub(path, at, path.len), answer_methods[i]))
			return true;
	}
	return false;
}

static bool
is_counting(UeSlice path)
{
	for (size_t i = 0; i < sizeof(counting_ends) / sizeof(counting_ends[0]); i++)
	{
		if (ue_slice_has_suffix_fold(path, counting_ends[i]))
			return true;
	}
	return false;
}

/* As any server might read it: also percent-encoded, and with an encoded separator. */
static bool
has_dot_segment(UeSlice path)
{
	size_t at = 0;

	/* nearly all have none, in either writing */
	if (path.len == 0 || (memchr(path.ptr, '.', path.len) == NULL &&
						  memchr(path.ptr, '%', path.len) == NULL))
		return false;
	while (at < path.len)
	{
		size_t n_dots = 0;
		size_t len;

		while (n_dots < 3 && (len = measure_dot(ue_slice_sub(path, at, path.len))) > 0)
		{
			at += len;
			n_dots++;
		}
		if ((n_dots == 1 || n_dots == 2) &&
			(at >= path.len || measure_separator(ue_slice_sub(path, at, path.len)) > 0))
			return true;
		while (at < path.len && measure_separator(ue_slice_sub(path, at, path.len)) == 0)
			at++;
		at += measure_separator(ue_slice_sub(path, at, path.len));
	}
	return false;
}

/* Of a separator at the beginning; 0: there is none. */
static size_t
measure_separator(UeSlice text)
{
	if (text.len > 0 && (text.ptr[0] == '/' || text.ptr[0] == '\\'))
		return 1;
	return ue_slice_has_prefix_fold(text, UE_SLICE("%2f")) ||
				   ue_slice_has_prefix_fold(text, UE_SLICE("%5c"))
			   ? 3
			   : 0;
}

static size_t
measure_dot(UeSlice text)
{
	if (text.len > 0 && text.ptr[0] == '.')
		return 1;
	return ue_slice_has_prefix_fold(text, UE_SLICE("%2e")) ? 3 : 0;
}

size_t
ue_route_decode(UeSlice text, char *out)
{
	size_t n_out = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		int high = -1;
		int low = -1;

		if (text.ptr[i] == '%' && i + 2 < text.len)
		{
			high = read_digit(text.ptr[i + 1]);
			low = read_digit(text.ptr[i + 2]);
		}
		if (high < 0 || low < 0)
		{
			out[n_out++] = text.ptr[i];
			continue;
		}
		out[n_out++] = (char) (high * 16 + low);
		i += 2;
	}
	return n_out;
}

/* Of a hexadecimal digit; -1: it is none. */
static int
read_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* "…/models/gemini-3-pro:streamGenerateContent", "/model/amazon.nova-pro-v1:0/converse" */
static UeSlice
find_model(UeSlice path)
{
	UeSlice none = {NULL, 0};

	if (ue_slice_has_prefix(path, UE_SLICE(BEDROCK_MODEL)))
	{
		UeSlice rest = ue_slice_sub(path, sizeof(BEDROCK_MODEL) - 1, path.len);
		size_t len;

		return ue_slice_find(rest, UE_SLICE("/"), &len) ? ue_slice_sub(rest, 0, len)
														: none;
	}
	for (size_t i = 0; i < sizeof(model_markers) / sizeof(model_markers[0]); i++)
	{
		UeSlice rest;
		size_t at;
		size_t len = 0;

		if (!ue_slice_find(path, model_markers[i].text, &at))
			continue;
		rest = ue_slice_sub(path, at + model_markers[i].text.len, path.len);
		while (len < rest.len && rest.ptr[len] != '/' &&
			   rest.ptr[len] != model_markers[i].end)
			len++;
		return ue_slice_sub(rest, 0, len);
	}
	return none;
}

static bool
is_stream_asked(const UeRequest *request, UeSlice path)
{
	size_t at;

	for (size_t i = 0; i < sizeof(stream_words) / sizeof(stream_words[0]); i++)
	{
		if (ue_slice_find(path, stream_words[i], &at))
			return true;
	}
	for (size_t i = 0; i < request->n_headers; i++)
	{
		if (ue_slice_is_equal_fold(request->headers[i].name, UE_SLICE("accept")) &&
			ue_slice_find_fold(request->headers[i].value, UE_SLICE("text/event-stream"),
							   &at))
			return true;
	}
	return false;
}
