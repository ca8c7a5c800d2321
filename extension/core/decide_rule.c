/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide_rule.c: what a rule sees of a case, and what it has the client read.
 */
#include "core/decide_rule.h"

#include "core/language.h"
#include "core/utf8.h"

/* Rules search the texts as they came, but a text of a rule can match only what is text. */
UeStatus
ue_decide_rule_facts(UeArena *arena, const UeCase *kase, const UeFault *fault,
					 UeRuleFacts *out)
{
	UeRuleFacts facts = {
		.platform = kase->response.platform,
		.status = fault->effective_status,
		.kind = kase->kind,
		.class = fault->class,
		.code = fault->catalog_code->name,
		.error_type = fault->type,
		.error_code = fault->code,
		.model = kase->model,
		.channel = kase->channel,
		.route = kase->route,
		.format = kase->format,
		.tags = kase->tags,
		.n_tags = kase->n_tags,
		.attempt = kase->attempt > 0 ? kase->attempt : 1,
		.has_output = kase->has_output,
	};
	UeStatus status = ue_utf8_clean(arena, fault->message, &facts.message);

	if (status == UE_OK)
		status = ue_utf8_clean(arena, ue_slice_sub(kase->response.body, 0, UE_LIMIT_BODY),
							   &facts.body);
	if (status == UE_OK)
		*out = facts;
	return status;
}

/*
 * Whether there are words of the upstream that a rule can pass on.  A rule is asked for
 * them where the default verdict would keep them back, but a page is no message.
 */
static bool
has_words(const UeCase *kase, const UeFault *fault, const UeDecideTexts *texts)
{
	if (kase->kind == UE_KIND_LOCAL_ERROR ||
		ue_slice_is_empty(ue_slice_trim(texts->message)))
		return false;
	switch (fault->dialect)
	{
		case UE_DIALECT_OPENAI:
		case UE_DIALECT_ANTHROPIC:
		case UE_DIALECT_GOOGLE:
		case UE_DIALECT_OTHER_JSON:
			return true;
		case UE_DIALECT_TEXT:
			return texts->message.ptr[0] != '<';
		case UE_DIALECT_NONE:
		case UE_DIALECT_HTML:
			break;
	}
	return false;
}

/* The rule's text in the language that the client likes best; custom_message is in the
 * default language, and for all others. */
static UeSlice
choose_text(const UePolicy *policy, const UeCase *kase, const UeRule *rule)
{
	UeSlice tags[UE_LIMIT_LANGUAGES + 1];
	size_t n = 0;
	size_t best;

	for (; n < rule->n_messages && n < UE_LIMIT_LANGUAGES; n++)
		tags[n] = rule->messages[n].language;
	tags[n] = ue_policy_default_language(policy);
	best = ue_language_choose(kase->accept_language, tags, n + 1, n);
	return best == n ? rule->custom_message : rule->messages[best].text;
}

/* The wait in whole seconds: the rule's, else the upstream's, else that of the answer. */
static int64_t
choose_wait(const UeRule *rule, const UeFault *fault, const UeAnswer *answer)
{
	if (rule->retry_after_s > 0)
		return rule->retry_after_s;
	if (fault->retry_after_ms > 0)
		return (fault->retry_after_ms + 999) / 1000;
	return answer->retry_after_s;
}

static UeStatus
print_number(UeArena *arena, int64_t number, UeSlice *out)
{
	UeBuf buf;

	ue_buf_init(&buf, arena, UE_LIMIT_TOKEN);
	ue_buf_append_int64(&buf, number);
	return ue_buf_finish(&buf, out);
}

static UeStatus
fill_text(UeArena *arena, const UePolicy *policy, const UeCase *kase,
		  const UeVerdict *verdict, UeSlice upstream_message, const UeRule *rule,
		  const UeAnswer *answer, UeSlice *out)
{
	const UeMaskSettings *mask = ue_policy_mask(policy);
	const UeFault *fault = &verdict->fault;
	UeTemplateValue values[] = {
		{UE_SLICE("upstream_message"), upstream_message},
		{UE_SLICE("request_id"), kase->request_id},
		{UE_SLICE("class"), ue_slice_of(ue_class_name(fault->class))},
		{UE_SLICE("code"), answer->code},
		{UE_SLICE("model"), {NULL, 0}},
		{UE_SLICE("platform"), {NULL, 0}},
		{UE_SLICE("channel"), {NULL, 0}},
		{UE_SLICE("status"), {NULL, 0}},
		{UE_SLICE("retry_after"), {NULL, 0}},
	};
	UeSlice text;
	UeStatus status = ue_utf8_clean(arena, choose_text(policy, kase, rule), &text);

	if (status == UE_OK)
		status = ue_decide_token(arena, mask, kase->model, &values[4].value);
	if (status == UE_OK)
		status = ue_decide_token(arena, mask, kase->response.platform, &values[5].value);
	if (status == UE_OK)
		status = ue_decide_token(arena, mask, kase->channel, &values[6].value);
	if (status == UE_OK)
		status = print_number(arena, fault->effective_status, &values[7].value);
	if (status == UE_OK)
		status = print_number(arena, choose_wait(rule, fault, answer), &values[8].value);
	if (status == UE_OK)
		status = ue_decide_fill(arena, text, values, sizeof(values) / sizeof(values[0]),
								&text);
	/* the policy may be gone before the verdict is read */
	return status == UE_OK ? ue_arena_copy(arena, text, out) : status;
}

UeStatus
ue_decide_rule_message(UeArena *arena, const UePolicy *policy, const UeCase *kase,
					   const UeVerdict *verdict, const UeDecideTexts *texts,
					   const UeRule *rule, UeAnswer *answer)
{
	UeSlice message = texts->message;
	UeStatus status = UE_OK;

	if (!has_words(kase, &verdict->fault, texts))
		status =
			ue_decide_catalog_message(arena, policy, kase, &verdict->fault, &message);
	if (status == UE_OK && !rule->is_body_passed)
		status = fill_text(arena, policy, kase, verdict, message, rule, answer, &message);
	if (status == UE_OK)
		answer->message = message;
	return status;
}
