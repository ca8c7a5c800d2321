/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide.c: the verdict: the default one, and what a rule changes of it.
 *
 * An error object of the client's own format, whole and well-formed, passes with every
 * secret masked, so the SDK sees what its vendor said.  Everything else is rebuilt: with
 * the upstream's words where it spoke JSON, or said in a sentence what is wrong with the
 * request; with the catalogue's where it sent a page, any other text, or nothing.  The status is the upstream's where it has one; where the upstream refused
 * *our* credential, the client is told that the service failed, for it cannot mend that.
 */
#include "core/decide.h"
#include "core/channel.h"
#include "core/classify.h"
#include "core/decide_format.h"
#include "core/decide_rule.h"
#include "core/decide_text.h"
#include "core/mask.h"
#include "core/utf8.h"

/* Statuses that no SDK knows, or that mean something else between the client and us. */
#define STATUS_PROXY_AUTHENTICATION 407
#define STATUS_INVALID_TOKEN		498
#define STATUS_CLIENT_CLOSED		499
#define STATUS_OVERLOADED			529

/* A text as a message: bytes. */
#define SENTENCE_MAX 1024

/* Not our client's to mend: told as a failure of the service. */
static bool
is_our_credential_refused(const UeCase *kase, const UeFault *fault)
{
	return kase->credential == UE_CREDENTIAL_OURS &&
		   fault->source == UE_SOURCE_UPSTREAM_HTTP &&
		   (fault->class == UE_CLASS_AUTHENTICATION ||
			fault->class == UE_CLASS_PERMISSION || fault->class == UE_CLASS_BILLING);
}

static void
blame_operator(UeFault *fault)
{
	fault->catalog_code = ue_catalog_find(UE_SLICE("channel:invalid_key"));
	fault->phase = UE_PHASE_ACCOUNT_AUTH;
	fault->owner = UE_OWNER_PLATFORM;
	fault->severity = UE_SEVERITY_P1;
	fault->is_retryable = false;
	fault->is_request_fault = false;
}

int
ue_decide_status(const UeCase *kase, const UeFault *fault)
{
	const UeCode *code = fault->catalog_code;
	int status = fault->effective_status;

	if (is_our_credential_refused(kase, fault))
		return code->client_status;
	/* a filter's 403 is not about a key, but would be read so */
	if (kase->credential == UE_CREDENTIAL_OURS && (status == 401 || status == 403) &&
		fault->source == UE_SOURCE_UPSTREAM_HTTP)
		return fault->is_request_fault ? 400 : 502;
	/* between a client and us these would speak of the client's proxy, its right to pass a
	 * firewall, or its hanging up */
	if (status == STATUS_PROXY_AUTHENTICATION ||
		(status < 500 && fault->class == UE_CLASS_NETWORK) ||
		(status == STATUS_CLIENT_CLOSED && fault->class != UE_CLASS_CLIENT_GONE))
		return 502;
	if (status == STATUS_INVALID_TOKEN && fault->class == UE_CLASS_AUTHENTICATION)
		return 401;
	if (status == STATUS_INVALID_TOKEN)
		return fault->is_request_fault ? 400 : 503;
	/* python-genai retries 503 but does not know 529 */
	if (status == STATUS_OVERLOADED && kase->format == UE_FORMAT_GEMINI)
		return 503;
	return status >= 400 && status <= 599 ? status : 502;
}

static void
choose_retry(const UeCase *kase, const UeFault *fault, UeAnswer *answer)
{
	UeSlice asked = ue_parse_find_header(&kase->response, UE_SLICE("x-should-retry"));
	int64_t longest_ms = UE_LIMIT_RETRY_AFTER_S * 1000LL;

	answer->is_retry_useless = !fault->is_retryable ||
							   fault->retry_after_ms > longest_ms ||
							   ue_slice_is_equal_fold(asked, UE_SLICE("false"));
	if (answer->is_retry_useless)
		return;
	if (fault->retry_after_ms == UE_RETRY_AFTER_NONE)
	{
		answer->retry_after_s = ue_catalog_retry_after(fault->catalog_code);
		return;
	}
	answer->retry_after_s = (int) ((fault->retry_after_ms + 999) / 1000);
	if (answer->retry_after_s == 0)
		answer->retry_after_s = 1;
}

/* Letters, digits and what joins them: a word, not a sentence or a URL. */
static bool
is_word(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if ((byte < 'a' || byte > 'z') && (byte < 'A' || byte > 'Z') &&
			(byte < '0' || byte > '9') && byte != '_' && byte != '-' && byte != '.')
			return false;
	}
	return text.len > 0;
}

/* A word worth sending on; Python servers write None, others a sentence or a URL. */
static UeSlice
keep_word(UeSlice word)
{
	if (!is_word(word) || ue_slice_is_equal(word, UE_SLICE("None")) ||
		ue_slice_is_equal(word, UE_SLICE("null")))
		return (UeSlice){NULL, 0};
	return word;
}

/* A number that only repeats the status says less than our own code does. */
static UeSlice
keep_code(UeSlice code, const UeFault *fault)
{
	int64_t number;

	if (ue_slice_parse_int64(code, &number) &&
		(number == fault->status || number == fault->body_status))
		return (UeSlice){NULL, 0};
	return keep_word(code);
}

static UeSlice
keep_param(UeSlice param)
{
	return ue_slice_is_equal(param, UE_SLICE("None")) ? (UeSlice){NULL, 0} : param;
}

/* Type, code and param: the upstream's where they are at home, else ours. */
static UeStatus
choose_words(UeArena *arena, const UeMaskSettings *mask, const UeCase *kase,
			 const UeVerdict *verdict, bool is_shown, UeAnswer *answer)
{
	const UeFault *fault = &verdict->fault;
	UeSlice code = kase->format == UE_FORMAT_GEMINI ? fault->reason : fault->code;
	UeStatus status;

	if (is_shown && ue_decide_is_own_dialect(kase->format, fault->dialect))
	{
		/* Google's status names belong to their HTTP statuses */
		if (kase->format != UE_FORMAT_GEMINI || answer->status == fault->body_status)
			answer->type = keep_word(verdict->error_type);
		status = ue_decide_token(arena, mask, keep_code(code, fault), &answer->code);
		if (status == UE_OK)
			status =
				ue_decide_token(arena, mask, keep_param(fault->param), &answer->param);
		if (status != UE_OK)
			return status;
	}
	if (ue_slice_is_empty(answer->code))
		answer->code = fault->catalog_code->visibility == UE_VISIBILITY_SHOWN
						   ? fault->catalog_code->name
						   : fault->catalog_code->public_code;
	return UE_OK;
}

/* One line of readable text, no markup, no dump: the length is sub2api's for a message. */
static bool
is_sentence(UeSlice text)
{
	if (text.len > 0 && text.ptr[0] == '<')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char) text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
			return false;
	return text.len <= SENTENCE_MAX && ue_utf8_is_valid(text);
}

/* Whether what the upstream said itself is for the client. */
static bool
is_shown_as_said(const UeFault *fault, const UeCase *kase)
{
	return fault->source == UE_SOURCE_UPSTREAM_HTTP &&
		   fault->catalog_code->visibility == UE_VISIBILITY_SHOWN &&
		   kase->kind != UE_KIND_LOCAL_ERROR;
}

/* And whether its message is, which must be words and not a page. */
static bool
is_message_shown(const UeFault *fault, const UeCase *kase)
{
	if (!is_shown_as_said(fault, kase) || ue_slice_is_empty(fault->message))
		return false;
	switch (fault->dialect)
	{
		case UE_DIALECT_OPENAI:
		case UE_DIALECT_ANTHROPIC:
		case UE_DIALECT_GOOGLE:
		case UE_DIALECT_OTHER_JSON:
			return true;
		case UE_DIALECT_TEXT:
			/* whoever is to mend the request must know what is wrong with it */
			return fault->is_request_fault && is_sentence(fault->message);
		case UE_DIALECT_NONE:
		case UE_DIALECT_HTML:
			break;
	}
	return false;
}

/*
 * Whether type and code are, which are worth having even where the message is missing.
 * Then a body that is cut may have cut them too, and a number alone may be a status.
 */
static bool
are_words_shown(const UeFault *fault, const UeCase *kase)
{
	bool is_code_word =
		fault->code.len > 0 && (fault->code.ptr[0] < '0' || fault->code.ptr[0] > '9');

	if (!is_shown_as_said(fault, kase))
		return false;
	if (!ue_slice_is_empty(fault->message))
		return is_message_shown(fault, kase);
	return !fault->is_cut && (!ue_slice_is_empty(fault->type) || is_code_word);
}

/* What a rule says about the answer beside its message and its status. */
static void
apply_rule(const UeRule *rule, UeAnswer *answer)
{
	if (!ue_slice_is_empty(rule->response_type))
		answer->type = rule->response_type;
	if (!ue_slice_is_empty(rule->response_error_code))
		answer->code = rule->response_error_code;
	if (rule->retry_after_s == 0)
		return;
	answer->is_retry_useless = false;
	answer->retry_after_s = rule->retry_after_s < UE_LIMIT_RETRY_AFTER_S
								? rule->retry_after_s
								: UE_LIMIT_RETRY_AFTER_S;
}

/* Whether the rule leaves alone all that a body would say about itself. */
static bool
is_answer_kept(const UeRule *rule, int default_status)
{
	return rule == NULL ||
		   (rule->is_body_passed && ue_slice_is_empty(rule->response_type) &&
			ue_slice_is_empty(rule->response_error_code) &&
			(rule->is_code_passed || rule->response_code == default_status));
}

static UeStatus
choose_message(UeArena *arena, const UePolicy *policy, const UeCase *kase,
			   const UeVerdict *verdict, const UeDecideTexts *texts, const UeRule *rule,
			   UeAnswer *answer)
{
	if (rule != NULL)
		return ue_decide_rule_message(arena, policy, kase, verdict, texts, rule, answer);
	if (is_message_shown(&verdict->fault, kase))
	{
		answer->message = texts->message;
		return UE_OK;
	}
	return ue_decide_catalog_message(arena, policy, kase, &verdict->fault,
									 &answer->message);
}

/* The channel's own mapping stands in for what the upstream said, where it said it. */
static int
map_status(const UePolicy *policy, const UeCase *kase, const UeFault *fault, int status)
{
	const UeChannel *channel = NULL;
	int mapped;

	if (!ue_slice_is_empty(kase->channel) && fault->source == UE_SOURCE_UPSTREAM_HTTP)
		channel = ue_policy_find_channel(policy, kase->channel);
	if (channel == NULL)
		return status;
	mapped = ue_channel_map_status(channel, fault->effective_status);
	return mapped == fault->effective_status ? status : mapped;
}

static UeStatus
build_answer(UeArena *arena, const UePolicy *policy, const UeCase *kase,
			 const UeVerdict *verdict, const UeJson *root, const UeDecideTexts *texts,
			 const UeRule *rule, UeAnswer *answer)
{
	const UeFault *fault = &verdict->fault;
	bool is_shown = is_message_shown(fault, kase);
	int default_status = map_status(policy, kase, fault, ue_decide_status(kase, fault));
	UeStatus status;

	answer->status =
		rule != NULL && !rule->is_code_passed ? rule->response_code : default_status;
	answer->class = fault->class;
	answer->request_id = kase->request_id;
	answer->upstream_request_id = verdict->upstream_request_id;
	answer->is_aws =
		kase->format == UE_FORMAT_OPENAI && ue_decide_is_aws_route(kase->route);
	choose_retry(kase, fault, answer);
	if (is_our_credential_refused(kase, fault))
		answer->class = UE_CLASS_SERVER_ERROR;
	status = choose_words(arena, ue_policy_mask(policy), kase, verdict,
						  are_words_shown(fault, kase), answer);
	if (status == UE_OK && rule != NULL)
		apply_rule(rule, answer);
	if (status == UE_OK)
		status = choose_message(arena, policy, kase, verdict, texts, rule, answer);
	if (status == UE_OK && is_shown && !answer->is_aws &&
		is_answer_kept(rule, default_status) &&
		ue_decide_is_of_format(kase->format, fault, root, answer->status) &&
		texts->masked_json.len <= UE_LIMIT_ANSWER)
		answer->passed_body = texts->masked_json;
	return status;
}

/* The rule that fits, and what it says about the attempt; NULL: none does. */
static UeStatus
find_rule(UeArena *arena, const UePolicy *policy, const UeCase *kase, UeVerdict *verdict,
		  const UeRule **out)
{
	UeRuleFacts facts;
	UeStatus status;

	*out = NULL;
	if (ue_rules_count(ue_policy_rules(policy)) == 0)
		return UE_OK;
	status = ue_decide_rule_facts(arena, kase, &verdict->fault, &facts);
	if (status == UE_OK)
		status = ue_rules_match(ue_policy_rules(policy), arena, &facts, out);
	if (status != UE_OK || *out == NULL)
		return status;
	verdict->rule_id = (*out)->id;
	verdict->rule_version = (*out)->version;
	verdict->action = (*out)->action;
	verdict->cooldown_s = (*out)->cooldown_s;
	verdict->is_unmonitored = (*out)->is_unmonitored;
	return UE_OK;
}

/* What a one-element array holds; Google's SDKs ask for streams as arrays. */
static const UeJson *
unwrap_array(const UeJson *root)
{
	if (root != NULL && root->type == UE_JSON_ARRAY && root->child != NULL &&
		root->child->next == NULL && root->child->type == UE_JSON_OBJECT)
		return root->child;
	return root;
}

/*
 * The fault, as it is classified and blamed, and the tree that it was read from.
 */
static UeStatus
read_fault(UeArena *arena, const UeCase *kase, UeFault *fault, const UeJson **root,
		   bool *is_whole_body)
{
	const UeCode *local_code = NULL;
	UeStatus status;

	if (kase->kind == UE_KIND_LOCAL_ERROR)
	{
		local_code = ue_catalog_find(kase->local_code);
		if (local_code == NULL)
			return UE_INVALID_ARGUMENT;
	}
	status = ue_parse_response_tree(arena, &kase->response, fault, root, is_whole_body);
	if (status != UE_OK)
		return status;
	*root = unwrap_array(*root);
	ue_classify_fault(fault, kase->response.platform, kase->kind, kase->network,
					  local_code);
	if (is_our_credential_refused(kase, fault))
		blame_operator(fault);
	return UE_OK;
}

UeStatus
ue_decide_facts(UeArena *arena, const UeCase *kase, UeRuleFacts *out)
{
	UeFault *fault = ue_arena_allocate_zero(arena, sizeof(UeFault));
	const UeJson *root;
	bool is_whole_body;
	UeStatus status;

	if (fault == NULL)
		return UE_NO_MEMORY;
	status = read_fault(arena, kase, fault, &root, &is_whole_body);
	return status == UE_OK ? ue_decide_rule_facts(arena, kase, fault, out) : status;
}

UeStatus
ue_decide_case(UeArena *arena, const UePolicy *policy, const UeCase *kase, UeVerdict *out)
{
	const UeMaskSettings *mask = ue_policy_mask(policy);
	UeVerdict verdict = {.action = UE_ACTION_ANSWER,
						 .mask_version = ue_mask_version(mask)};
	UeAnswer answer = {.status = 0};
	const UeJson *root = NULL;
	const UeRule *rule = NULL;
	UeDecideTexts texts = {{NULL, 0}, {NULL, 0}};
	UeStatus status;
	bool is_whole_body;

	status = read_fault(arena, kase, &verdict.fault, &root, &is_whole_body);
	if (status == UE_OK)
		status = find_rule(arena, policy, kase, &verdict, &rule);
	if (status == UE_OK)
		status =
			ue_decide_texts(arena, mask, kase, root, is_whole_body, &verdict, &texts);
	if (status == UE_OK)
		status = build_answer(arena, policy, kase, &verdict, root, &texts, rule, &answer);
	if (status == UE_OK)
		status = ue_render_answer(arena, kase->format, &answer, &verdict.answer);
	if (status != UE_OK)
		return status;
	/* a row should read well too when the upstream said nothing */
	if (ue_slice_is_empty(verdict.message))
		verdict.message = ue_slice_sub(answer.message, 0,
									   ue_utf8_cut(answer.message, UE_LIMIT_MESSAGE));
	*out = verdict;
	return UE_OK;
}
