/* SPDX-License-Identifier: PostgreSQL */
/*
 * rules_read.c: a row of upstream_error_rules, as JSON, checked column by column.
 *
 * Checked is what a rule could never mean: sub2api accepts a status of 9999 and an empty
 * keyword, which fits everything.
 */
#include "core/rules.h"

#include "core/catalog.h"
#include "core/limits.h"
#include "core/record.h"
#include "core/utf8.h"

#define NAME_CHARACTERS 100
#define PATTERNS_MAX	50
#define ITEM_BYTES		1024
#define MESSAGE_BYTES	8192
#define LANGUAGES_MAX	100
#define LANGUAGE_BYTES	35 /* RFC 5646 4.4.1: long enough for every tag in use */
#define ATTEMPTS_MAX	1000
#define RETRY_AFTER_MAX 3600
#define COOLDOWN_MAX	86400

static const UeSlice columns[] = {
	UE_SLICE_INIT("id"),
	UE_SLICE_INIT("name"),
	UE_SLICE_INIT("enabled"),
	UE_SLICE_INIT("priority"),
	UE_SLICE_INIT("error_codes"),
	UE_SLICE_INIT("keywords"),
	UE_SLICE_INIT("match_mode"),
	UE_SLICE_INIT("platforms"),
	UE_SLICE_INIT("passthrough_code"),
	UE_SLICE_INIT("response_code"),
	UE_SLICE_INIT("passthrough_body"),
	UE_SLICE_INIT("custom_message"),
	UE_SLICE_INIT("skip_monitoring"),
	UE_SLICE_INIT("description"),
	UE_SLICE_INIT("created_at"),
	UE_SLICE_INIT("updated_at"),
	UE_SLICE_INIT("patterns"),
	UE_SLICE_INIT("classes"),
	UE_SLICE_INIT("codes"),
	UE_SLICE_INIT("error_types"),
	UE_SLICE_INIT("upstream_codes"),
	UE_SLICE_INIT("models"),
	UE_SLICE_INIT("channels"),
	UE_SLICE_INIT("routes"),
	UE_SLICE_INIT("formats"),
	UE_SLICE_INIT("kinds"),
	UE_SLICE_INIT("tags"),
	UE_SLICE_INIT("min_attempt"),
	UE_SLICE_INIT("max_attempt"),
	UE_SLICE_INIT("has_output"),
	UE_SLICE_INIT("response_type"),
	UE_SLICE_INIT("response_error_code"),
	UE_SLICE_INIT("retry_after"),
	UE_SLICE_INIT("messages"),
	UE_SLICE_INIT("action"),
	UE_SLICE_INIT("cooldown_s"),
	UE_SLICE_INIT("fingerprint"),
	UE_SLICE_INIT("version"),
	UE_SLICE_INIT("generation"),
};

/* Parts of a sentence, put together for ue_record_complain. */
static void
complain(UeRecord *record, const char *field, UeSlice before, UeSlice subject,
		 UeSlice after)
{
	UeBuf buf;
	UeSlice text;
	UeStatus status;

	if (record->status != UE_OK)
		return;
	ue_buf_init(&buf, record->arena, UE_LIMIT_BODY);
	ue_buf_append(&buf, before);
	ue_buf_append(&buf, ue_slice_sub(subject, 0, ue_utf8_cut(subject, UE_LIMIT_TOKEN)));
	ue_buf_append(&buf, after);
	status = ue_buf_finish(&buf, &text);
	if (status != UE_OK)
		record->status = status;
	else
		ue_record_complain(record, field, text);
}

/* Unicode's White_Space (PropList.txt), for a keyword pasted from a web page. */
static bool
is_blank(uint32_t point)
{
	return (point >= 0x09 && point <= 0x0D) || point == 0x20 || point == 0x85 ||
		   point == 0xA0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200A) ||
		   point == 0x2028 || point == 0x2029 || point == 0x202F || point == 0x205F ||
		   point == 0x3000;
}

static UeSlice
trim(UeSlice text)
{
	size_t end = 0;
	uint32_t point;

	for (size_t len; text.len > 0; text = ue_slice_sub(text, len, text.len))
	{
		len = ue_utf8_read(text, &point);
		if (len == 0 || !is_blank(point))
			break;
	}
	for (size_t i = 0; i < text.len;)
	{
		size_t len = ue_utf8_read(ue_slice_sub(text, i, text.len), &point);

		i += len == 0 ? 1 : len;
		if (len == 0 || !is_blank(point))
			end = i;
	}
	return ue_slice_sub(text, 0, end);
}

static void
read_list(UeRecord *record, const char *name, UeRuleList *out)
{
	UeRecordList list = {NULL, 0};
	UeSlice *items;

	ue_record_read_list(record, name, ITEM_BYTES, &list);
	if (record->status != UE_OK || list.n == 0)
		return;
	items = ue_arena_allocate(record->arena, list.n * sizeof(UeSlice));
	if (items == NULL)
	{
		record->status = UE_NO_MEMORY;
		return;
	}
	for (size_t i = 0; i < list.n; i++)
	{
		items[i] = trim(list.items[i]);
		if (items[i].len == 0)
			ue_record_complain(record, name,
							   UE_SLICE(
								   "a text is blank; accepted are texts that are not"));
	}
	*out = (UeRuleList){items, list.n};
}

/* A list of words of ours; the bits only say that all of them are known. */
static void
read_words(UeRecord *record, const char *name, const char *const *names, int n_names,
		   UeRuleList *out)
{
	uint32_t bits = 0;

	ue_record_read_words(record, name, names, n_names, &bits);
	read_list(record, name, out);
}

static void
read_closed_lists(UeRecord *record, UeRule *rule)
{
	const char *classes[UE_CLASS_INTERNAL + 1];
	const char *formats[UE_FORMAT_GEMINI + 1];
	const char *kinds[UE_KIND_LOCAL_ERROR + 1];

	for (int i = 0; i <= UE_CLASS_INTERNAL; i++)
		classes[i] = ue_class_name((UeClass) i);
	for (int i = 0; i <= UE_FORMAT_GEMINI; i++)
		formats[i] = ue_format_name((UeFormat) i);
	for (int i = 0; i <= UE_KIND_LOCAL_ERROR; i++)
		kinds[i] = ue_kind_name((UeKind) i);
	read_words(record, "classes", classes, UE_CLASS_INTERNAL + 1, &rule->classes);
	read_words(record, "formats", formats, UE_FORMAT_GEMINI + 1, &rule->formats);
	read_words(record, "kinds", kinds, UE_KIND_LOCAL_ERROR + 1, &rule->kinds);
}

static void
read_codes(UeRecord *record, UeRule *rule)
{
	read_list(record, "codes", &rule->codes);
	for (size_t i = 0; record->status == UE_OK && i < rule->codes.n; i++)
		if (ue_catalog_find(rule->codes.items[i]) == NULL)
			complain(record, "codes", UE_SLICE("\""), rule->codes.items[i],
					 UE_SLICE("\" is not in the catalogue; accepted are the codes that "
							  "upstream_error_codes() lists"));
}

static void
read_name(UeRecord *record, UeRule *rule)
{
	size_t n = 0;

	/* however long it is, the limit is told in characters */
	ue_record_read_text(record, "name", SIZE_MAX, &rule->name);
	rule->name = trim(rule->name);
	for (size_t i = 0; i < rule->name.len; i++)
		n += ((unsigned char) rule->name.ptr[i] & 0xC0) != 0x80;
	if (n == 0)
		ue_record_complain(record, "name",
						   UE_SLICE(
							   "a rule needs a name; accepted are 1 to 100 characters"));
	else if (n > NAME_CHARACTERS)
		ue_record_complain(record, "name",
						   UE_SLICE("it is too long; accepted are 1 to 100 characters"));
}

static void
read_error_codes(UeRecord *record, UeRule *rule)
{
	const UeJson *member = ue_record_find(record, "error_codes");
	int32_t *codes;
	size_t n;
	size_t i = 0;

	if (member == NULL)
		return;
	if (member->type != UE_JSON_ARRAY)
	{
		complain(record, "error_codes", UE_SLICE(""), member->raw,
				 UE_SLICE(
					 " is not a list of statuses; accepted is one such as [429, 529]"));
		return;
	}
	n = ue_record_count(member);
	if (n > UE_LIMIT_LIST)
		ue_record_complain(
			record, "error_codes",
			UE_SLICE("the list is too long; accepted are at most 1000 statuses"));
	codes = ue_arena_allocate(record->arena, n * sizeof(int32_t));
	if (codes == NULL)
		record->status = UE_NO_MEMORY;
	for (const UeJson *child = member->child; child != NULL && record->status == UE_OK;
		 child = child->next)
	{
		int64_t value;

		if (child->type != UE_JSON_NUMBER || !ue_slice_parse_int64(child->text, &value) ||
			value < 100 || value > 599)
			complain(record, "error_codes", UE_SLICE(""), child->raw,
					 UE_SLICE(" is out of range; accepted are 100 to 599"));
		else
			codes[i++] = (int32_t) value;
	}
	if (record->status != UE_OK)
		return;
	rule->error_codes = codes;
	rule->n_error_codes = (uint32_t) n;
}

static void
check_pattern(UeRecord *record, UeSlice text)
{
	UePattern *pattern = NULL;
	UePatternError error;
	UeStatus status =
		ue_pattern_compile(record->arena->allocator, text, false, &pattern, &error);
	UeBuf buf;
	UeSlice why;

	ue_pattern_free(pattern);
	if (status != UE_INVALID_ARGUMENT)
	{
		record->status = status;
		return;
	}
	ue_buf_init(&buf, record->arena, UE_LIMIT_MESSAGE);
	ue_buf_append(&buf, UE_SLICE("\" is no pattern: "));
	ue_buf_append(&buf, ue_slice_of(error.text));
	ue_buf_append(&buf, UE_SLICE(" at byte "));
	ue_buf_append_int64(&buf, (int64_t) error.offset);
	ue_buf_append(&buf, UE_SLICE("; accepted is PCRE2's syntax"));
	status = ue_buf_finish(&buf, &why);
	if (status != UE_OK)
		record->status = status;
	else
		complain(record, "patterns", UE_SLICE("\""), text, why);
}

/* Blanks at the ends of a pattern are a part of it. */
static void
read_patterns(UeRecord *record, UeRule *rule)
{
	const UeJson *member = ue_record_find(record, "patterns");
	UeRecordList list = {NULL, 0};
	UeSlice *items;
	size_t i = 0;

	ue_record_read_list(record, "patterns", UE_LIMIT_PATTERN, &list);
	if (record->status != UE_OK || list.n == 0)
		return;
	if (list.n > PATTERNS_MAX)
	{
		ue_record_complain(record, "patterns",
						   UE_SLICE(
							   "the list is too long; accepted are at most 50 patterns"));
		return;
	}
	items = ue_arena_allocate(record->arena, list.n * sizeof(UeSlice));
	if (items == NULL)
	{
		record->status = UE_NO_MEMORY;
		return;
	}
	for (const UeJson *child = member->child; child != NULL && record->status == UE_OK;
		 child = child->next)
	{
		items[i++] = child->text;
		if (child->text.len > UE_LIMIT_PATTERN)
			ue_record_complain(
				record, "patterns",
				UE_SLICE("a text is too long; accepted are at most 4096 bytes"));
		else
			check_pattern(record, child->text);
	}
	rule->patterns = (UeRuleList){items, list.n};
}

/* --- members that are objects --- */

static const UeJson *
find_object(UeRecord *record, const char *name, UeSlice why)
{
	const UeJson *member = ue_record_find(record, name);

	if (member == NULL || member->type == UE_JSON_OBJECT)
		return member;
	complain(record, name, UE_SLICE(""), member->raw, why);
	return NULL;
}

static void
add_tag(UeRecord *record, UeSlice name, const UeJson *value, UeRuleTag *tags, size_t *n)
{
	UeSlice glob = trim(value->text);

	if (value->type != UE_JSON_STRING || glob.len == 0 || trim(name).len == 0)
		complain(record, "tags", UE_SLICE(""), value->raw,
				 UE_SLICE(" is not accepted; accepted are globs by name, as in "
						  "{\"team\":\"a*\",\"user\":[\"x\",\"y\"]}"));
	else if (glob.len > ITEM_BYTES || name.len > ITEM_BYTES)
		ue_record_complain(record, "tags",
						   UE_SLICE(
							   "a text is too long; accepted are at most 1024 bytes"));
	else
		tags[(*n)++] = (UeRuleTag){trim(name), glob};
}

static void
read_tags(UeRecord *record, UeRule *rule)
{
	const UeJson *object =
		find_object(record, "tags",
					UE_SLICE(" is not an object; accepted are globs by name, as in "
							 "{\"team\":\"a*\",\"user\":[\"x\",\"y\"]}"));
	UeRuleTag *tags;
	size_t n_values = 0;
	size_t n = 0;

	if (object == NULL)
		return;
	for (const UeJson *tag = object->child; tag != NULL; tag = tag->next)
		n_values += tag->type == UE_JSON_ARRAY ? ue_record_count(tag) : 1;
	if (n_values > UE_LIMIT_LIST)
		ue_record_complain(record, "tags",
						   UE_SLICE("it is too long; accepted are at most 1000 globs"));
	tags = ue_arena_allocate(record->arena, n_values * sizeof(UeRuleTag));
	if (tags == NULL)
		record->status = UE_NO_MEMORY;
	for (const UeJson *tag = object->child; tag != NULL && record->status == UE_OK;
		 tag = tag->next)
	{
		if (tag->type != UE_JSON_ARRAY)
			add_tag(record, tag->key, tag, tags, &n);
		else if (tag->child == NULL)
			complain(
				record, "tags", UE_SLICE("\""), tag->key,
				UE_SLICE(
					"\" has no glob, so that nothing could fit; accepted is at least "
					"one"));
		for (const UeJson *value = tag->child;
			 tag->type == UE_JSON_ARRAY && value != NULL && record->status == UE_OK;
			 value = value->next)
			add_tag(record, tag->key, value, tags, &n);
	}
	rule->tags = tags;
	rule->n_tags = (uint32_t) n;
}

/* Letters and digits in parts of at most eight, as in "zh-Hant-TW" (RFC 5646 2.1). */
static bool
is_language_tag(UeSlice text)
{
	size_t part = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if (byte == '-' && part > 0)
			part = 0;
		else if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
				 (byte >= '0' && byte <= '9' && i > 0))
			part++;
		else
			return false;
		if (part > 8)
			return false;
	}
	return part > 0 && text.len <= LANGUAGE_BYTES;
}

static bool
has_language(const UeRuleMessage *messages, size_t n, UeSlice language)
{
	for (size_t i = 0; i < n; i++)
		if (ue_slice_is_equal_fold(messages[i].language, language))
			return true;
	return false;
}

static void
read_messages(UeRecord *record, UeRule *rule)
{
	const UeJson *object =
		find_object(record, "messages",
					UE_SLICE(
						" is not an object; accepted are messages by language, as in "
						"{\"zh\":\"…\"}"));
	UeRuleMessage *messages;
	size_t n = 0;

	if (object == NULL)
		return;
	if (ue_record_count(object) > LANGUAGES_MAX)
		ue_record_complain(record, "messages",
						   UE_SLICE(
							   "there are too many; accepted are at most 100 languages"));
	messages =
		ue_arena_allocate(record->arena, ue_record_count(object) * sizeof(UeRuleMessage));
	if (messages == NULL)
		record->status = UE_NO_MEMORY;
	for (const UeJson *member = object->child; member != NULL && record->status == UE_OK;
		 member = member->next)
	{
		if (!is_language_tag(member->key))
			complain(record, "messages", UE_SLICE("\""), member->key,
					 UE_SLICE("\" is not a language; accepted are tags like zh and "
							  "pt-BR"));
		else if (member->type != UE_JSON_STRING || trim(member->text).len == 0)
			complain(
				record, "messages", UE_SLICE("the one for \""), member->key,
				UE_SLICE(
					"\" is not a text or is blank; accepted are texts that are not"));
		else if (member->text.len > MESSAGE_BYTES)
			complain(record, "messages", UE_SLICE("the one for \""), member->key,
					 UE_SLICE("\" is too long; accepted are at most 8192 bytes"));
		else if (has_language(messages, n, member->key))
			complain(record, "messages", UE_SLICE("\""), member->key,
					 UE_SLICE("\" is given twice; accepted is one message for a "
							  "language, however it is written"));
		else
			messages[n++] = (UeRuleMessage){member->key, member->text};
	}
	rule->messages = messages;
	rule->n_messages = (uint32_t) n;
}

/* --- groups of columns --- */

static void
read_head(UeRecord *record, UeRule *rule)
{
	static const char *const modes[] = {"any", "all"};
	UeSlice description = {NULL, 0};
	int mode = 0;

	ue_record_read_int64(record, "id", 0, INT64_MAX, &rule->id);
	ue_record_read_int32(record, "version", 0, INT32_MAX, &rule->version);
	read_name(record, rule);
	ue_record_read_bool(record, "enabled", &rule->is_enabled);
	ue_record_read_int32(record, "priority", INT32_MIN, INT32_MAX, &rule->priority);
	ue_record_read_word(record, "match_mode", modes, 2, &mode);
	rule->is_all = mode == 1;
	ue_record_read_text(record, "description", UE_LIMIT_BODY, &description);
}

static void
read_conditions(UeRecord *record, UeRule *rule)
{
	read_error_codes(record, rule);
	read_list(record, "keywords", &rule->keywords);
	read_patterns(record, rule);
	read_closed_lists(record, rule);
	read_codes(record, rule);
	read_list(record, "error_types", &rule->error_types);
	read_list(record, "upstream_codes", &rule->upstream_codes);
	if (rule->n_error_codes + rule->keywords.n + rule->patterns.n + rule->classes.n +
			rule->codes.n + rule->error_types.n + rule->upstream_codes.n ==
		0)
		ue_record_complain(
			record, "",
			UE_SLICE("a rule needs a condition: at least one of error_codes, keywords, "
					 "patterns, classes, codes, error_types, upstream_codes"));
}

static void
read_filters(UeRecord *record, UeRule *rule)
{
	bool has_output = false;

	read_list(record, "platforms", &rule->platforms);
	read_list(record, "models", &rule->models);
	read_list(record, "channels", &rule->channels);
	read_list(record, "routes", &rule->routes);
	read_tags(record, rule);
	ue_record_read_int32(record, "min_attempt", 1, ATTEMPTS_MAX, &rule->min_attempt);
	ue_record_read_int32(record, "max_attempt", 1, ATTEMPTS_MAX, &rule->max_attempt);
	if (rule->max_attempt > 0 && rule->min_attempt > rule->max_attempt)
		ue_record_complain(record, "max_attempt",
						   UE_SLICE("it is below min_attempt, so that nothing could fit; "
									"accepted are min_attempt and more"));
	if (ue_record_find(record, "has_output") != NULL)
	{
		ue_record_read_bool(record, "has_output", &has_output);
		rule->has_output = has_output ? 1 : 0;
	}
}

/* Blanks at its ends stay: it is the operator's text. */
static void
read_custom_message(UeRecord *record, UeRule *rule)
{
	const UeJson *member = ue_record_find(record, "custom_message");

	ue_record_read_text(record, "custom_message", MESSAGE_BYTES, &rule->custom_message);
	if (record->status == UE_OK && rule->custom_message.len > 0)
	{
		if (member->text.len > MESSAGE_BYTES)
			ue_record_complain(
				record, "custom_message",
				UE_SLICE("a text is too long; accepted are at most 8192 bytes"));
		if (trim(rule->custom_message).len > 0)
			rule->custom_message = member->text;
		else
			rule->custom_message.len = 0;
	}
	ue_record_read_bool(record, "passthrough_body", &rule->is_body_passed);
	if (!rule->is_body_passed && rule->custom_message.len == 0)
		ue_record_complain(record, "custom_message",
						   UE_SLICE("it is needed when passthrough_body is false; "
									"accepted is a text that is not blank"));
}

static void
read_answer(UeRecord *record, UeRule *rule)
{
	int32_t code = 0;
	int32_t retry_after = 0;
	UeSlice fingerprint = {NULL, 0};

	ue_record_read_bool(record, "passthrough_code", &rule->is_code_passed);
	ue_record_read_int32(record, "response_code", 400, 599, &code);
	rule->response_code = code;
	if (!rule->is_code_passed && code == 0)
		ue_record_complain(record, "response_code",
						   UE_SLICE("it is needed when passthrough_code is false; "
									"accepted are 400 to 599"));
	read_custom_message(record, rule);
	read_messages(record, rule);
	ue_record_read_text(record, "response_type", UE_LIMIT_TOKEN, &rule->response_type);
	ue_record_read_text(record, "response_error_code", UE_LIMIT_TOKEN,
						&rule->response_error_code);
	ue_record_read_int32(record, "retry_after", 1, RETRY_AFTER_MAX, &retry_after);
	rule->retry_after_s = retry_after;
	ue_record_read_bool(record, "skip_monitoring", &rule->is_unmonitored);
	/* upstream_error_record() looks it up when the event is stored; checked here alone */
	ue_record_read_text(record, "fingerprint", UE_LIMIT_TOKEN, &fingerprint);
}

static void
read_action(UeRecord *record, UeRule *rule)
{
	const char *actions[UE_ACTION_COUNT];
	int action = UE_ACTION_ANSWER;

	for (int i = 0; i < UE_ACTION_COUNT; i++)
		actions[i] = ue_action_name((UeAction) i);
	ue_record_read_word(record, "action", actions, UE_ACTION_COUNT, &action);
	ue_record_read_int32(record, "cooldown_s", 1, COOLDOWN_MAX, &rule->cooldown_s);
	rule->action = (UeAction) action;
	if (rule->action == UE_ACTION_COOLDOWN && rule->cooldown_s == 0)
		ue_record_complain(
			record, "cooldown_s",
			UE_SLICE("it is needed with action cooldown; accepted are 1 to 86400"));
	else if (rule->action != UE_ACTION_COOLDOWN && rule->cooldown_s != 0)
		ue_record_complain(record, "cooldown_s",
						   UE_SLICE("it is accepted with action cooldown only"));
}

UeStatus
ue_rule_read(UeArena *arena, const UeJson *object, UeRule *out, UeRuleProblem *problem)
{
	UeRule rule = {.version = 1,
				   .is_enabled = true,
				   .has_output = -1,
				   .is_code_passed = true,
				   .is_body_passed = true,
				   .action = UE_ACTION_ANSWER};
	UeRecord record;

	ue_record_init(&record, arena, object);
	if (record.status == UE_OK && !ue_utf8_is_valid(object->raw))
		ue_record_complain(&record, "",
						   UE_SLICE("it is not valid UTF-8; accepted is what is"));
	ue_record_allow(&record, columns, sizeof(columns) / sizeof(columns[0]));
	read_head(&record, &rule);
	read_conditions(&record, &rule);
	read_filters(&record, &rule);
	read_answer(&record, &rule);
	read_action(&record, &rule);
	if (record.status == UE_INVALID_ARGUMENT)
		*problem = (UeRuleProblem){rule.id, record.field, record.problem};
	else if (record.status == UE_OK)
		*out = rule;
	return record.status;
}
