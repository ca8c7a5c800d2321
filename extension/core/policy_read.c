/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_read.c: a snapshot, line by line, into a policy.
 *
 * A line's JSON tree is given back before the next line is read; what a rule says is
 * copied close together at once.  So reading takes a few times the snapshot, not the
 * eighty times that its trees would.
 */
#include "core/policy.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/policy_private.h"
#include "core/record.h"
#include "core/rules_private.h"
#include "core/utf8.h"

#define SNAPSHOT_VERSION  1
#define FIRST_ROOM		  64
#define HOST_BYTES		  255 /* RFC 1035 2.3.4, and a leading dot */
#define MESSAGE_BYTES	  8192
#define LANGUAGE_BYTES	  35
#define MASK_PATTERNS_MAX 1000

typedef struct Reader
{
	UePolicy *policy;
	UeArena *arena; /* scratch that lives to the end */
	UeArena line;	/* and to the end of a line */
	UePolicyProblem *problem;
	size_t number; /* of the line */
	bool is_ended;

	UeRule *rules;
	size_t n_rules, room_rules;
	UeSlice *hosts;
	size_t n_hosts, room_hosts;
	UePolicyMessage *messages;
	size_t n_messages, room_messages;
	UePattern **patterns;
	size_t room_patterns;
	size_t room_channels;
	size_t room_retry_policies;
	UeRule *breaker_matches; /* as many as breakers */
	UeBreaker *breakers;
	size_t n_breakers, room_breaker_matches, room_breakers;
} Reader;

static UeStatus
complain(Reader *reader, int64_t rule_id, UeSlice field, UeSlice text)
{
	UePolicyProblem problem = {.line = reader->number, .rule = {.rule_id = rule_id}};
	UeStatus status = ue_arena_copy(reader->arena, field, &problem.rule.field);

	if (status == UE_OK)
		status = ue_utf8_clean(reader->arena, text, &text);
	if (status == UE_OK)
		status = ue_arena_copy(reader->arena, text, &problem.rule.text);
	if (status != UE_OK)
		return status;
	*reader->problem = problem;
	return UE_INVALID_ARGUMENT;
}

static UeStatus
complain_record(Reader *reader, const UeRecord *record)
{
	return record->status == UE_INVALID_ARGUMENT
			   ? complain(reader, 0, record->field, record->problem)
			   : record->status;
}

static UeStatus
complain_torn(Reader *reader, const char *why)
{
	UeStatus status = complain(reader, 0, (UeSlice){NULL, 0}, ue_slice_of(why));

	return status == UE_INVALID_ARGUMENT ? UE_MALFORMED : status;
}

/* Room for one element more. */
static UeStatus
reserve(UeArena *arena, size_t n, size_t size, size_t *room, void *elements)
{
	size_t new_room = *room == 0 ? FIRST_ROOM : 2 * *room;
	void *memory;

	if (n < *room)
		return UE_OK;
	memcpy(&memory, elements, sizeof(memory));
	memory = ue_arena_grow(arena, memory, *room * size, new_room * size);
	if (memory == NULL)
		return UE_NO_MEMORY;
	memcpy(elements, &memory, sizeof(memory));
	*room = new_room;
	return UE_OK;
}

/* --- lines --- */

static UeStatus
read_rule(Reader *reader, const UeJson *value)
{
	UeRule rule;
	const UeRule *const rules[] = {&rule};
	UeRule *copy;
	UeRuleProblem problem;
	UeStatus status = ue_rule_read(&reader->line, value, &rule, &problem);

	if (status == UE_INVALID_ARGUMENT)
		return complain(reader, problem.rule_id, problem.field, problem.text);
	if (status == UE_OK)
		status = reserve(reader->arena, reader->n_rules, sizeof(UeRule),
						 &reader->room_rules, &reader->rules);
	if (status == UE_OK)
		status = ue_rules_copy(reader->arena, rules, 1, &copy);
	if (status == UE_OK)
		reader->rules[reader->n_rules++] = *copy;
	return status;
}

static UeStatus
add_pattern(Reader *reader, UeSlice text, bool is_case_sensitive)
{
	UePolicy *policy = reader->policy;
	UePattern *pattern;
	UePatternError error;
	UeStatus status;

	if (policy->n_patterns == MASK_PATTERNS_MAX)
		return complain(reader, 0, UE_SLICE("mask_pattern"),
						UE_SLICE("there are too many; accepted are at most 1000"));
	status = reserve(&policy->arena, policy->n_patterns, sizeof(UePattern *),
					 &reader->room_patterns, &policy->patterns);
	if (status == UE_OK)
		status = ue_pattern_compile(&policy->allocator, text, !is_case_sensitive,
									&pattern, &error);
	if (status == UE_INVALID_ARGUMENT)
		return complain(reader, 0, UE_SLICE("pattern"), ue_slice_of(error.text));
	if (status != UE_OK)
		return status;
	policy->patterns[policy->n_patterns++] = pattern;
	policy->pattern_bytes += ue_pattern_size(pattern);
	if (ue_pattern_is_empty_match(pattern))
		return complain(reader, 0, UE_SLICE("pattern"),
						UE_SLICE("it matches the empty text, and so everywhere; accepted "
								 "are patterns that match something"));
	return policy->pattern_bytes > policy->arena.ceiling ? UE_TOO_LARGE : UE_OK;
}

static UeStatus
read_mask_pattern(Reader *reader, const UeJson *value)
{
	static const UeSlice members[] = {UE_SLICE_INIT("id"), UE_SLICE_INIT("name"),
									  UE_SLICE_INIT("pattern"),
									  UE_SLICE_INIT("case_sensitive")};
	const UeJson *pattern = ue_json_find(value, UE_SLICE("pattern"));
	bool is_case_sensitive = true;
	UeSlice text = {NULL, 0};
	UeRecord record;

	ue_record_init(&record, &reader->line, value);
	ue_record_allow(&record, members, sizeof(members) / sizeof(members[0]));
	ue_record_read_text(&record, "pattern", UE_LIMIT_BODY, &text);
	ue_record_read_bool(&record, "case_sensitive", &is_case_sensitive);
	if (record.status == UE_OK && (pattern == NULL || pattern->text.len == 0))
		ue_record_complain(&record, "pattern", UE_SLICE("a pattern is needed"));
	if (record.status != UE_OK)
		return complain_record(reader, &record);
	return add_pattern(reader, pattern->text, is_case_sensitive);
}

static UeStatus
read_mask_host(Reader *reader, const UeJson *value)
{
	UePolicy *policy = reader->policy;
	UeSlice host;
	UeStatus status;

	if (value->type != UE_JSON_STRING || value->text.len == 0 ||
		value->text.len > HOST_BYTES)
		return complain(reader, 0, UE_SLICE("mask_host"),
						UE_SLICE("it must be a host's name of at most 255 bytes"));
	status = reserve(&policy->arena, reader->n_hosts, sizeof(UeSlice),
					 &reader->room_hosts, &reader->hosts);
	if (status == UE_OK)
		status = ue_arena_copy(&policy->arena, value->text, &host);
	if (status == UE_OK)
		reader->hosts[reader->n_hosts++] = host;
	return status;
}

static UeStatus
read_message(Reader *reader, const UeJson *value)
{
	static const UeSlice members[] = {UE_SLICE_INIT("code"), UE_SLICE_INIT("language"),
									  UE_SLICE_INIT("message")};
	UePolicy *policy = reader->policy;
	UePolicyMessage message = {.code = {NULL, 0}};
	UeRecord record;
	UeStatus status;

	ue_record_init(&record, &reader->line, value);
	ue_record_allow(&record, members, sizeof(members) / sizeof(members[0]));
	ue_record_read_text(&record, "code", UE_LIMIT_TOKEN, &message.code);
	ue_record_read_text(&record, "language", LANGUAGE_BYTES, &message.language);
	ue_record_read_text(&record, "message", MESSAGE_BYTES, &message.text);
	if (record.status == UE_OK &&
		(message.code.len == 0 || message.language.len == 0 || message.text.len == 0))
		ue_record_complain(&record, "message",
						   UE_SLICE("code, language and message are needed"));
	if (record.status != UE_OK)
		return complain_record(reader, &record);
	status = reserve(reader->arena, reader->n_messages, sizeof(UePolicyMessage),
					 &reader->room_messages, &reader->messages);
	if (status == UE_OK)
		status = ue_arena_copy(&policy->arena, message.code, &message.code);
	if (status == UE_OK)
		status = ue_arena_copy(&policy->arena, message.language, &message.language);
	if (status == UE_OK)
		status = ue_arena_copy(&policy->arena, message.text, &message.text);
	if (status == UE_OK)
		reader->messages[reader->n_messages++] = message;
	return status;
}

static UeStatus
read_setting(Reader *reader, const UeJson *value)
{
	static const UeSlice members[] = {UE_SLICE_INIT("name"), UE_SLICE_INIT("value")};
	UeSlice name = {NULL, 0};
	UeSlice text = {NULL, 0};
	UeRecord record;

	ue_record_init(&record, &reader->line, value);
	ue_record_allow(&record, members, sizeof(members) / sizeof(members[0]));
	ue_record_read_text(&record, "name", UE_LIMIT_TOKEN, &name);
	ue_record_read_text(&record, "value", UE_LIMIT_MESSAGE, &text);
	if (record.status == UE_OK && !ue_slice_is_equal(name, UE_SLICE("default_language")))
		ue_record_complain(&record, "name",
						   UE_SLICE("there is no such setting; accepted is "
									"default_language"));
	else if (record.status == UE_OK && (text.len == 0 || text.len > LANGUAGE_BYTES))
		ue_record_complain(&record, "value",
						   UE_SLICE("it is no language; accepted are tags like zh and "
									"pt-BR"));
	if (record.status != UE_OK)
		return complain_record(reader, &record);
	return ue_arena_copy(&reader->policy->arena, text, &reader->policy->default_language);
}

/* The value in memory that lives as long as the policy: what is read from it points there. */
static UeStatus
keep_value(Reader *reader, const UeJson *value, const UeJson **kept)
{
	UeArena *arena = &reader->policy->arena;
	UeSlice text;
	UeStatus status = ue_arena_copy(arena, value->raw, &text);

	return status == UE_OK ? ue_json_parse(arena, text, kept) : status;
}

static UeStatus
read_channel(Reader *reader, const UeJson *value)
{
	UePolicy *policy = reader->policy;
	UeChannel channel;
	const UeJson *kept;
	UeRecord record;
	UeStatus status = keep_value(reader, value, &kept);

	if (status == UE_OK)
		status = reserve(&policy->arena, policy->n_channels, sizeof(UeChannel),
						 &reader->room_channels, &policy->channels);
	if (status != UE_OK)
		return status;
	ue_record_init(&record, &policy->arena, kept);
	ue_channel_read(&record, &channel);
	if (record.status != UE_OK)
		return complain_record(reader, &record);
	policy->channels[policy->n_channels++] = channel;
	return UE_OK;
}

static UeStatus
read_retry_policy(Reader *reader, const UeJson *value)
{
	UePolicy *policy = reader->policy;
	UeRetryPolicy retry;
	const UeJson *kept;
	UeRecord record;
	UeStatus status = keep_value(reader, value, &kept);

	if (status == UE_OK)
		status = reserve(&policy->arena, policy->n_retry_policies, sizeof(UeRetryPolicy),
						 &reader->room_retry_policies, &policy->retry_policies);
	if (status != UE_OK)
		return status;
	ue_record_init(&record, &policy->arena, kept);
	ue_retry_policy_read(&record, &retry);
	if (record.status != UE_OK)
		return complain_record(reader, &record);
	policy->retry_policies[policy->n_retry_policies++] = retry;
	return UE_OK;
}

static UeStatus
read_health_rule(Reader *reader, const UeJson *value)
{
	UeBreaker breaker;
	UeRule match;
	const UeRule *const matches[] = {&match};
	UeRule *copy;
	UeRuleProblem problem;
	UeStatus status = ue_breaker_read(&reader->line, value, &match, &breaker, &problem);

	if (status == UE_INVALID_ARGUMENT)
		return complain(reader, problem.rule_id, problem.field, problem.text);
	if (status == UE_OK)
		status = reserve(reader->arena, reader->n_breakers, sizeof(UeRule),
						 &reader->room_breaker_matches, &reader->breaker_matches);
	if (status == UE_OK)
		status = reserve(reader->arena, reader->n_breakers, sizeof(UeBreaker),
						 &reader->room_breakers, &reader->breakers);
	if (status == UE_OK)
		status = ue_rules_copy(reader->arena, matches, 1, &copy);
	if (status != UE_OK)
		return status;
	reader->breaker_matches[reader->n_breakers] = *copy;
	reader->breakers[reader->n_breakers++] = breaker;
	return UE_OK;
}

static UeStatus
read_end(Reader *reader, const UeJson *value)
{
	int64_t n;

	if (value->type != UE_JSON_NUMBER || !ue_slice_parse_int64(value->text, &n) ||
		n < 0 || (uint64_t) n != reader->number - 2)
		return complain_torn(reader, "the last line counts other lines than there are: "
									 "the snapshot is torn");
	reader->is_ended = true;
	return UE_OK;
}

typedef struct Line
{
	UeSlice name;
	UeStatus (*read)(Reader *reader, const UeJson *value);
} Line;

static const Line lines[] = {
	{UE_SLICE_INIT("rule"), read_rule},
	{UE_SLICE_INIT("mask_pattern"), read_mask_pattern},
	{UE_SLICE_INIT("mask_host"), read_mask_host},
	{UE_SLICE_INIT("message"), read_message},
	{UE_SLICE_INIT("setting"), read_setting},
	{UE_SLICE_INIT("channel"), read_channel},
	{UE_SLICE_INIT("retry_policy"), read_retry_policy},
	{UE_SLICE_INIT("health_rule"), read_health_rule},
	{UE_SLICE_INIT("end"), read_end},
};

static UeStatus
read_head(Reader *reader, const UeJson *object)
{
	static const UeSlice members[] = {UE_SLICE_INIT("snapshot"),
									  UE_SLICE_INIT("generation"),
									  UE_SLICE_INIT("mask_revision")};
	int32_t version = 0;
	UeRecord record;

	ue_record_init(&record, &reader->line, object);
	ue_record_allow(&record, members, sizeof(members) / sizeof(members[0]));
	ue_record_read_int32(&record, "snapshot", SNAPSHOT_VERSION, SNAPSHOT_VERSION,
						 &version);
	ue_record_read_int64(&record, "generation", 0, INT64_MAX,
						 &reader->policy->generation);
	ue_record_read_int32(&record, "mask_revision", 0, INT32_MAX,
						 &reader->policy->mask.revision);
	if (record.status == UE_OK && version != SNAPSHOT_VERSION)
		ue_record_complain(&record, "snapshot",
						   UE_SLICE("the first line must say {\"snapshot\":1,…}"));
	return record.status == UE_OK ? UE_OK : complain_record(reader, &record);
}

static UeStatus
read_line(Reader *reader, UeSlice text)
{
	const UeJson *root = NULL;
	UeStatus status = ue_json_parse(&reader->line, text, &root);

	if (status == UE_NO_MEMORY)
		return status;
	if (status == UE_TOO_DEEP || status == UE_TOO_LARGE)
		return complain(reader, 0, (UeSlice){NULL, 0},
						ue_slice_of(ue_status_name(status)));
	if (status != UE_OK || root->is_cut || root->type != UE_JSON_OBJECT)
		return complain_torn(reader, "the line is not one JSON object");
	if (reader->number == 1)
		return read_head(reader, root);
	if (reader->is_ended)
		return complain_torn(reader, "there is a line behind the end");
	if (root->child == NULL || root->child->next != NULL)
		return complain(reader, 0, (UeSlice){NULL, 0},
						UE_SLICE("the line must have one member"));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (ue_slice_is_equal(root->child->key, lines[i].name))
			return lines[i].read(reader, root->child);
	return complain(reader, 0, ue_slice_sub(root->child->key, 0, UE_LIMIT_TOKEN),
					UE_SLICE("this version knows no such line"));
}

static UeStatus
read_lines(Reader *reader, UeSlice snapshot)
{
	UeStatus status = UE_OK;

	if (!ue_utf8_is_valid(snapshot))
		return complain_torn(reader, "the snapshot is not valid UTF-8");
	while (!ue_slice_is_empty(snapshot) && status == UE_OK)
	{
		size_t len;

		if (!ue_slice_find(snapshot, UE_SLICE("\n"), &len))
			len = snapshot.len;
		reader->number++;
		status = read_line(reader, ue_slice_sub(snapshot, 0, len));
		ue_arena_reset(&reader->line);
		snapshot = ue_slice_sub(snapshot, len + 1, snapshot.len);
	}
	if (status == UE_OK && !reader->is_ended)
	{
		reader->number = 0;
		return complain_torn(reader, "the snapshot has no last line: it is torn");
	}
	return status;
}

/* --- the whole --- */

static int
compare_messages(const void *left, const void *right)
{
	const UePolicyMessage *a = left;
	const UePolicyMessage *b = right;
	size_t len = a->code.len < b->code.len ? a->code.len : b->code.len;
	int order = memcmp(a->code.ptr, b->code.ptr, len);

	if (order != 0)
		return order;
	if (a->code.len != b->code.len)
		return a->code.len < b->code.len ? -1 : 1;
	len = a->language.len < b->language.len ? a->language.len : b->language.len;
	order = memcmp(a->language.ptr, b->language.ptr, len);
	return order != 0 ? order
					  : (a->language.len > b->language.len) -
							(a->language.len < b->language.len);
}

static UeStatus
keep_messages(Reader *reader)
{
	UePolicy *policy = reader->policy;

	if (reader->n_messages == 0)
		return UE_OK;
	policy->messages =
		ue_arena_allocate(&policy->arena, reader->n_messages * sizeof(UePolicyMessage));
	if (policy->messages == NULL)
		return UE_NO_MEMORY;
	if (reader->n_messages > 0)
	{
		memcpy(policy->messages, reader->messages,
			   reader->n_messages * sizeof(UePolicyMessage));
		qsort(policy->messages, reader->n_messages, sizeof(UePolicyMessage),
			  compare_messages);
	}
	policy->n_messages = reader->n_messages;
	return UE_OK;
}

static UeStatus
build_rules(Reader *reader)
{
	UePolicy *policy = reader->policy;
	size_t ceiling = policy->arena.ceiling;
	size_t used = policy->arena.total + policy->pattern_bytes;
	UeRuleProblem problem = {.rule_id = 0};
	UeStatus status;

	if (used > ceiling)
		return UE_TOO_LARGE;
	status = ue_rules_build(&policy->allocator, ceiling - used, reader->arena,
							reader->rules, reader->n_rules, &policy->rules, &problem);
	if (status == UE_OK && reader->n_breakers > 0)
		status =
			ue_breakers_build(&policy->allocator,
							  ceiling - used - ue_rules_size(policy->rules),
							  reader->arena, reader->breaker_matches, reader->breakers,
							  reader->n_breakers, &policy->breakers, &problem);
	if (status == UE_INVALID_ARGUMENT)
	{
		reader->number = 0;
		return complain(reader, problem.rule_id, problem.field, problem.text);
	}
	return status;
}

static UeStatus
read_policy(Reader *reader, UeSlice snapshot)
{
	UePolicy *policy = reader->policy;
	UeStatus status = read_lines(reader, snapshot);

	if (status == UE_OK)
		status = keep_messages(reader);
	if (status == UE_OK)
		status = build_rules(reader);
	if (status != UE_OK)
		return status;
	policy->mask.patterns = (const UePattern *const *) policy->patterns;
	policy->mask.n_patterns = policy->n_patterns;
	policy->mask.hosts = reader->hosts;
	policy->mask.n_hosts = reader->n_hosts;
	return UE_OK;
}

UeStatus
ue_policy_read(const UeAllocator *allocator, size_t ceiling, UeArena *arena,
			   UeSlice snapshot, UePolicy **out, UePolicyProblem *problem)
{
	Reader reader = {.arena = arena, .problem = problem};
	UePolicy *policy;
	UeStatus status;

	if (ceiling < sizeof(UePolicy))
		return UE_TOO_LARGE;
	policy = allocator->allocate(allocator->context, sizeof(UePolicy));
	if (policy == NULL)
		return UE_NO_MEMORY;
	memset(policy, 0, sizeof(UePolicy));
	policy->allocator = *allocator;
	policy->default_language = UE_SLICE("en");
	ue_arena_init(&policy->arena, &policy->allocator, ceiling - sizeof(UePolicy));
	ue_arena_init(&reader.line, allocator, ceiling);
	reader.policy = policy;
	status = read_policy(&reader, snapshot);
	if (status == UE_NO_MEMORY &&
		(ue_arena_is_full(&policy->arena) || ue_arena_is_full(&reader.line) ||
		 ue_arena_is_full(arena)))
		status = UE_TOO_LARGE;
	ue_arena_free(&reader.line);
	if (status == UE_OK)
		*out = policy;
	else
		ue_policy_free(policy);
	return status;
}
