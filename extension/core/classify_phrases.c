/* SPDX-License-Identifier: PostgreSQL */
/*
 * classify_phrases.c: what vendors say only in their sentences.
 *
 * Text is the last resort, so a phrase may only refine a class that status and words left
 * open, and each row says which.  A phrase matches where a word begins, without case, and
 * is never a number: a status in free text may be a token id somebody sent.
 */
#include "core/classify_tables.h"
#include "core/phrase.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Sentences of errors begin with what matters; the rest is echoed input. */
#define MESSAGE_HEAD 1024

#define MAY(class) (1u << UE_CLASS_##class)

/* What a bare 4xx leads to, or a 500 from servers that know no other status. */
#define OPEN (MAY(INVALID_REQUEST) | MAY(SERVER_ERROR))

typedef struct Phrase
{
	UeSlice text;  /* lower case */
	uint32_t from; /* classes that it may refine, MAY(…) */
	UeClass to;
} Phrase;

static const Phrase phrases[] = {
	/* OpenAI, vLLM, DeepSeek, Groq: "This model's maximum context length is …" */
	{UE_SLICE_INIT("maximum context length"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("exceeds the context window"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("context length exceeded"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("context window exceeded"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	/* Anthropic: "prompt is too long: 210000 tokens > 200000 maximum" */
	{UE_SLICE_INIT("prompt is too long"), OPEN | MAY(REQUEST_TOO_LARGE),
	 UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("exceed context limit"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	/* Gemini: "The input token count (…) exceeds the maximum number of tokens allowed" */
	{UE_SLICE_INIT("exceeds the maximum number of tokens"), OPEN,
	 UE_CLASS_CONTEXT_LENGTH},
	/* Bedrock: "Input is too long for requested model." */
	{UE_SLICE_INIT("input is too long for requested model"), OPEN,
	 UE_CLASS_CONTEXT_LENGTH},
	/* Cohere: "too many tokens: total number of tokens …" */
	{UE_SLICE_INIT("too many tokens: "), OPEN, UE_CLASS_CONTEXT_LENGTH},
	/* Mistral: "Prompt contains … tokens … too large for model with … maximum context" */
	{UE_SLICE_INIT("too large for model with"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	/* llama.cpp: "the request exceeds the available context size" */
	{UE_SLICE_INIT("exceeds the available context size"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("context size has been exceeded"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	/* vLLM: "The decoder prompt (length …) is longer than the maximum model length of …" */
	{UE_SLICE_INIT("longer than the maximum model length"), OPEN,
	 UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("model's context length is only"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	/* xAI: "This model's maximum prompt length is … but the request contains … tokens." */
	{UE_SLICE_INIT("maximum prompt length is"), OPEN, UE_CLASS_CONTEXT_LENGTH},

	/* SGLang, LM Studio, text-generation-inference, Moonshot */
	{UE_SLICE_INIT("longer than the model's context length"), OPEN,
	 UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("load the model with a larger context length"), OPEN,
	 UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("inputs` tokens + `max_new_tokens` must be"), OPEN,
	 UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("inputs` must have less than"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	{UE_SLICE_INIT("exceeded model token limit"), OPEN, UE_CLASS_CONTEXT_LENGTH},
	/* Alibaba: "Range of input length should be [1, 30720]" */
	{UE_SLICE_INIT("range of input length should be"), OPEN, UE_CLASS_CONTEXT_LENGTH},

	/* Anthropic: "Your credit balance is too low to access the Anthropic API." */
	{UE_SLICE_INIT("credit balance is too low"), OPEN | MAY(PERMISSION),
	 UE_CLASS_BILLING},
	/* Anthropic: "You have reached your specified API usage limits." (400) */
	{UE_SLICE_INIT("reached your specified api usage limits"), OPEN, UE_CLASS_BILLING},
	{UE_SLICE_INIT("reached your specified workspace api usage limits"), OPEN,
	 UE_CLASS_BILLING},
	/* Anthropic's plans: "You're out of extra usage." (400), the others with a 429 */
	{UE_SLICE_INIT("out of extra usage"), OPEN | MAY(RATE_LIMIT), UE_CLASS_BILLING},
	{UE_SLICE_INIT("extra usage is required"), OPEN | MAY(RATE_LIMIT), UE_CLASS_BILLING},
	{UE_SLICE_INIT("out_of_credits"), MAY(RATE_LIMIT), UE_CLASS_BILLING},
	/* Gemini (429): "Your prepayment credits are depleted."; a project's spend cap; a model
	 * of which the free tier has none: "… limit: 0, model: gemini-3-pro" */
	{UE_SLICE_INIT("prepayment credits are depleted"), MAY(RATE_LIMIT), UE_CLASS_BILLING},
	{UE_SLICE_INIT("exceeded its monthly spending cap"), MAY(RATE_LIMIT),
	 UE_CLASS_BILLING},
	{UE_SLICE_INIT("limit: 0, model"), MAY(RATE_LIMIT), UE_CLASS_BILLING},
	/* DeepSeek, OpenRouter and others with any status */
	{UE_SLICE_INIT("insufficient balance"), OPEN | MAY(PERMISSION) | MAY(RATE_LIMIT),
	 UE_CLASS_BILLING},
	{UE_SLICE_INIT("insufficient credits"), OPEN | MAY(PERMISSION) | MAY(RATE_LIMIT),
	 UE_CLASS_BILLING},
	/* xAI: "… has either used all available credits or reached its monthly spending limit" */
	{UE_SLICE_INIT("used all available credits"),
	 OPEN | MAY(PERMISSION) | MAY(RATE_LIMIT), UE_CLASS_BILLING},
	/* xAI (403): "Your newly created team doesn't have any credits yet." */
	{UE_SLICE_INIT("doesn't have any credits"), MAY(PERMISSION), UE_CLASS_BILLING},
	{UE_SLICE_INIT("run out of credits"), MAY(PERMISSION) | MAY(RATE_LIMIT),
	 UE_CLASS_BILLING},
	/* Novita (403), Hyperbolic (429) */
	{UE_SLICE_INIT("not enough balance"), OPEN | MAY(PERMISSION) | MAY(RATE_LIMIT),
	 UE_CLASS_BILLING},
	/* Azure API Management (403): "Out of call volume quota. Quota will be replenished …" */
	{UE_SLICE_INIT("out of call volume quota"), MAY(PERMISSION) | MAY(RATE_LIMIT),
	 UE_CLASS_BILLING},
	/* Bedrock (403): AWS Marketplace could not charge the account */
	{UE_SLICE_INIT("invalid_payment_instrument"), OPEN | MAY(PERMISSION),
	 UE_CLASS_BILLING},
	/* Alibaba (429): tokens per minute, in OpenAI's words for an empty account */
	{UE_SLICE_INIT("model-studio/error-code#token-limit"), MAY(BILLING),
	 UE_CLASS_RATE_LIMIT},

	/* Fireworks (412): "Account … is suspended, possibly due to reaching the monthly …" */
	{UE_SLICE_INIT("reaching the monthly spending limit"), OPEN, UE_CLASS_BILLING},
	/* Gemini (400): "… free tier is not available in your country. Please enable billing" */
	{UE_SLICE_INIT("please enable billing on your project"), OPEN, UE_CLASS_BILLING},
	/* Chinese vendors (Tencent, Zhipu, …): "the account is in arrears", "no balance" */
	{UE_SLICE_INIT("欠费"), OPEN | MAY(PERMISSION) | MAY(RATE_LIMIT), UE_CLASS_BILLING},
	{UE_SLICE_INIT("余额不足"), OPEN | MAY(PERMISSION) | MAY(RATE_LIMIT),
	 UE_CLASS_BILLING},

	/* Gemini (400): "API key not valid. Please pass a valid API key." */
	{UE_SLICE_INIT("api key not valid"), OPEN, UE_CLASS_AUTHENTICATION},
	{UE_SLICE_INIT("api key expired"), OPEN, UE_CLASS_AUTHENTICATION},
	/* Gemini (403): a key that was found in public; no key at all */
	{UE_SLICE_INIT("api key was reported as leaked"), MAY(PERMISSION),
	 UE_CLASS_AUTHENTICATION},
	{UE_SLICE_INIT("method doesn't allow unregistered callers"), MAY(PERMISSION),
	 UE_CLASS_AUTHENTICATION},
	/* Bedrock (403): its API keys */
	{UE_SLICE_INIT("bearer token has expired"), MAY(PERMISSION), UE_CLASS_AUTHENTICATION},
	{UE_SLICE_INIT("please make sure your api key is valid"), MAY(PERMISSION),
	 UE_CLASS_AUTHENTICATION},
	/* xAI (400): "Incorrect API key provided: …" */
	{UE_SLICE_INIT("incorrect api key provided"), OPEN | MAY(PERMISSION),
	 UE_CLASS_AUTHENTICATION},
	/* Gemini (400): "User location is not supported for the API use." */
	{UE_SLICE_INIT("user location is not supported"), OPEN, UE_CLASS_PERMISSION},
	/* Anthropic (400): sub2api and its users report both */
	{UE_SLICE_INIT("identity verification is required"), OPEN, UE_CLASS_PERMISSION},
	/* Anthropic (400): "This organization has been disabled." */
	{UE_SLICE_INIT("organization has been disabled"), OPEN, UE_CLASS_PERMISSION},

	/* Azure (400) without its code; Anthropic: "Output blocked by content filtering policy" */
	{UE_SLICE_INIT("content management policy"), OPEN, UE_CLASS_CONTENT_POLICY},
	{UE_SLICE_INIT("blocked by content filtering policy"), OPEN, UE_CLASS_CONTENT_POLICY},
	{UE_SLICE_INIT("rejected by the safety system"), OPEN, UE_CLASS_CONTENT_POLICY},
	/* Anthropic (400): "… appears to violate our Usage Policy" */
	{UE_SLICE_INIT("appears to violate our usage policy"), OPEN, UE_CLASS_CONTENT_POLICY},
	{UE_SLICE_INIT("content exists risk"), OPEN, UE_CLASS_CONTENT_POLICY}, /* DeepSeek */
	/* xAI and OpenRouter, with a 403 */
	{UE_SLICE_INIT("content violates usage guidelines"), OPEN | MAY(PERMISSION),
	 UE_CLASS_CONTENT_POLICY},
	{UE_SLICE_INIT("your input was flagged for"), MAY(PERMISSION),
	 UE_CLASS_CONTENT_POLICY},
	/* Chinese vendors: "contains sensitive information" */
	{UE_SLICE_INIT("敏感信息"), OPEN, UE_CLASS_CONTENT_POLICY},
	{UE_SLICE_INIT("敏感内容"), OPEN, UE_CLASS_CONTENT_POLICY},

	/* vLLM, Ollama, OpenAI-alikes: "The model `x` does not exist" */
	{UE_SLICE_INIT("the model "), MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	/* Ollama: model "llama9" not found, try pulling it first; Anthropic: "model: claude-9" */
	{UE_SLICE_INIT("model \""), MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	{UE_SLICE_INIT("model '"), MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	{UE_SLICE_INIT("model: "), MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	/* Gemini: "models/gemini-9 is not found for API version v1beta"; Vertex: "Publisher Model" */
	{UE_SLICE_INIT("models/"), MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	{UE_SLICE_INIT("publisher model "), MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	/* Cohere: "model 'x' not found"; OpenRouter (400): "x is not a valid model ID" */
	{UE_SLICE_INIT("not a valid model id"), OPEN, UE_CLASS_MODEL_NOT_FOUND},
	/* Fireworks: "Model not found, inaccessible, and/or not deployed" */
	{UE_SLICE_INIT("model not found"), OPEN | MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	/* OpenRouter: "No endpoints found for meta-llama/llama-9." */
	{UE_SLICE_INIT("no endpoints found"), MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	/* Bedrock (400): "The provided model identifier is invalid." */
	{UE_SLICE_INIT("provided model identifier is invalid"), OPEN,
	 UE_CLASS_MODEL_NOT_FOUND},
	/* an account that may not use this model may use others: OpenAI (400,
	 * unsupported_value): "Your organization must be verified to stream this model."; Vertex
	 * (400): "Project … is not allowed to use Publisher Model …" */
	{UE_SLICE_INIT("organization must be verified to"), OPEN, UE_CLASS_MODEL_NOT_FOUND},
	{UE_SLICE_INIT("not allowed to use publisher model"), OPEN, UE_CLASS_MODEL_NOT_FOUND},
	{UE_SLICE_INIT("模型不存在"), OPEN | MAY(NOT_FOUND), UE_CLASS_MODEL_NOT_FOUND},
	{UE_SLICE_INIT("model not exist"), OPEN, UE_CLASS_MODEL_NOT_FOUND},	   /* DeepSeek */
	{UE_SLICE_INIT("invalid model name"), OPEN, UE_CLASS_MODEL_NOT_FOUND}, /* LiteLLM */

	/* Cloudflare (403), the titles of its challenges: it is the sidecar's address or browser
	 * that it doubts, and the key has not been looked at */
	{UE_SLICE_INIT("just a moment..."), MAY(PERMISSION), UE_CLASS_NETWORK},
	{UE_SLICE_INIT("attention required! | cloudflare"), MAY(PERMISSION),
	 UE_CLASS_NETWORK},

	/* OpenAI (503), Gemini, DeepSeek: "… is currently overloaded" */
	{UE_SLICE_INIT("currently overloaded"), MAY(SERVER_ERROR), UE_CLASS_OVERLOADED},
	{UE_SLICE_INIT("server overloaded"), MAY(SERVER_ERROR), UE_CLASS_OVERLOADED},
	{UE_SLICE_INIT("model is overloaded"), MAY(SERVER_ERROR), UE_CLASS_OVERLOADED},
	/* xAI (503): "The model is at capacity and currently cannot serve this request." */
	{UE_SLICE_INIT("model is at capacity"), MAY(SERVER_ERROR), UE_CLASS_OVERLOADED},
	/* Ollama (503): "server busy, please try again.  maximum pending requests exceeded" */
	{UE_SLICE_INIT("server busy"), MAY(SERVER_ERROR), UE_CLASS_OVERLOADED},
	/* Azure (429): "The system is currently experiencing high demand …" */
	{UE_SLICE_INIT("experiencing high demand"), MAY(SERVER_ERROR) | MAY(RATE_LIMIT),
	 UE_CLASS_OVERLOADED},
	/* Mistral (429), before it had a word for it */
	{UE_SLICE_INIT("service tier capacity exceeded"), MAY(RATE_LIMIT),
	 UE_CLASS_OVERLOADED},

	/* gateways that say it with a 400, 403 or 500 */
	{UE_SLICE_INIT("rate limit exceeded"), OPEN | MAY(PERMISSION), UE_CLASS_RATE_LIMIT},
	{UE_SLICE_INIT("rate limit reached"), OPEN | MAY(PERMISSION), UE_CLASS_RATE_LIMIT},
	{UE_SLICE_INIT("too many requests"), OPEN | MAY(PERMISSION), UE_CLASS_RATE_LIMIT},
};

/* Of limits that no wait of minutes refills; also within a word (UserByModelByDay). */
static const UeSlice daily_phrases[] = {
	UE_SLICE_INIT("per day"),	 /* OpenAI, Groq, Cerebras, Bedrock */
	UE_SLICE_INIT("per-day"),	 /* OpenRouter: free-models-per-day */
	UE_SLICE_INIT("per 86400s"), /* GitHub Models */
	UE_SLICE_INIT("daily"),		 /* Anthropic, Cloudflare, Baidu */
	UE_SLICE_INIT(" tpd "),		 /* Moonshot */
	UE_SLICE_INIT(" rpd "),
	UE_SLICE_INIT("today's quota"), /* ModelScope */
	UE_SLICE_INIT("per month"),
	UE_SLICE_INIT("calls / month"),		 /* Cohere */
	UE_SLICE_INIT("weekly usage limit"), /* Ollama */
	UE_SLICE_INIT("今日"),				 /* Zhipu */
	UE_SLICE_INIT("每日"),
};

/* OpenAI, Groq: "Request too large for gpt-4o …: Limit 30000, Requested 30601." */
static const UeSlice beyond_phrases[] = {
	UE_SLICE_INIT("request too large for"),
	UE_SLICE_INIT("must be reduced in order to run"),
};

static bool
is_word_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
		   (byte >= '0' && byte <= '9') || byte == '_';
}

/* The first row, in table order of those that match at text's beginning. */
static const Phrase *
match_here(UeSlice text, UeClass class)
{
	for (size_t i = 0; i < N_ELEMENTS(phrases); i++)
		if ((phrases[i].from & (1u << class)) != 0 &&
			ue_slice_has_prefix_fold(text, phrases[i].text))
			return &phrases[i];
	return NULL;
}

bool
ue_classify_find_phrase(UeSlice message, UeClass class, UeClass *out)
{
	UeSlice head = ue_slice_sub(message, 0, MESSAGE_HEAD);
	const Phrase *best = NULL;
	UePhraseFilter filter;

	ue_phrase_init(&filter);
	for (size_t i = 0; i < N_ELEMENTS(phrases); i++)
		if ((phrases[i].from & (1u << class)) != 0)
			ue_phrase_append(&filter, phrases[i].text);
	for (size_t i = 0; ue_phrase_next(&filter, head, i, &i); i++)
	{
		const Phrase *found;

		if (i > 0 && is_word_byte(head.ptr[i - 1]))
			continue;
		found = match_here(ue_slice_sub(head, i, head.len), class);
		if (found != NULL && (best == NULL || found < best))
			best = found; /* table order is the order of trust */
	}
	if (best == NULL)
		return false;
	*out = best->to;
	return true;
}

static bool
has_any(UeSlice message, const UeSlice *list, size_t n_list)
{
	UeSlice head = ue_slice_sub(message, 0, MESSAGE_HEAD);
	UePhraseFilter filter;

	ue_phrase_init(&filter);
	for (size_t i = 0; i < n_list; i++)
		ue_phrase_append(&filter, list[i]);
	for (size_t at = 0; ue_phrase_next(&filter, head, at, &at); at++)
		for (size_t i = 0; i < n_list; i++)
			if (ue_slice_has_prefix_fold(ue_slice_sub(head, at, head.len), list[i]))
				return true;
	return false;
}

bool
ue_classify_is_daily(UeSlice message)
{
	return has_any(message, daily_phrases, N_ELEMENTS(daily_phrases));
}

bool
ue_classify_is_beyond(UeSlice message)
{
	return has_any(message, beyond_phrases, N_ELEMENTS(beyond_phrases));
}
