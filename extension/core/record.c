/* SPDX-License-Identifier: PostgreSQL */
/*
 * record.c: typed members, and what is wrong with them.
 */
#include "core/record.h"

#include "core/limits.h"

/* What a message repeats of a wrong value. */
#define SHOWN_MAX 64

static void
complain_parts(UeRecord *record, UeSlice field, const UeSlice *parts, size_t n_parts)
{
	UeBuf buf;
	UeStatus status;

	if (record->status != UE_OK)
		return;
	ue_buf_init(&buf, record->arena, UE_LIMIT_BODY);
	for (size_t i = 0; i < n_parts; i++)
		ue_buf_append(&buf, parts[i]);
	status = ue_buf_finish(&buf, &record->problem);
	record->field = field;
	record->status = status == UE_OK ? UE_INVALID_ARGUMENT : status;
}

const UeJson *
ue_record_find(const UeRecord *record, const char *name)
{
	const UeJson *member;

	if (record->status != UE_OK)
		return NULL;
	member = ue_json_find(record->object, ue_slice_of(name));
	return member == NULL || member->type == UE_JSON_NULL ? NULL : member;
}

/* "12 is out of range; accepted are …": value as it was written, within bounds. */
static UeSlice
show(const UeJson *member)
{
	return ue_slice_sub(member->raw, 0, SHOWN_MAX);
}

void
ue_record_init(UeRecord *record, UeArena *arena, const UeJson *object)
{
	*record = (UeRecord){.arena = arena, .object = object};
	if (object == NULL || object->type != UE_JSON_OBJECT || object->is_cut)
		complain_parts(record, (UeSlice){NULL, 0}, &UE_SLICE("it must be a JSON object"),
					   1);
}

void
ue_record_allow(UeRecord *record, const UeSlice *names, size_t n_names)
{
	if (record->status != UE_OK)
		return;
	for (const UeJson *member = record->object->child; member != NULL;
		 member = member->next)
	{
		size_t i = 0;

		while (i < n_names && !ue_slice_is_equal(names[i], member->key))
			i++;
		if (i == n_names)
			complain_parts(record, ue_slice_sub(member->key, 0, SHOWN_MAX),
						   &UE_SLICE(
							   "there is no such field; accepted are the names of the "
							   "table's columns"),
						   1);
		else if (ue_json_find(record->object, member->key) != member)
			complain_parts(record, member->key,
						   &UE_SLICE("it is given twice; accepted is one value"), 1);
	}
}

void
ue_record_read_bool(UeRecord *record, const char *name, bool *out)
{
	const UeJson *member = ue_record_find(record, name);

	if (member == NULL)
		return;
	if (member->type == UE_JSON_TRUE || member->type == UE_JSON_FALSE)
		*out = member->type == UE_JSON_TRUE;
	else
		complain_parts(record, ue_slice_of(name),
					   (UeSlice[]){show(member),
								   UE_SLICE(" is not a boolean; accepted are true and "
											"false")},
					   2);
}

static void
complain_range(UeRecord *record, const char *name, const UeJson *member, int64_t lowest,
			   int64_t highest)
{
	UeBuf buf;
	UeSlice range;

	ue_buf_init(&buf, record->arena, UE_LIMIT_TOKEN);
	ue_buf_append_int64(&buf, lowest);
	ue_buf_append(&buf, UE_SLICE(" to "));
	ue_buf_append_int64(&buf, highest);
	record->status = ue_buf_finish(&buf, &range);
	complain_parts(record, ue_slice_of(name),
				   (UeSlice[]){show(member), UE_SLICE(" is out of range; accepted are "),
							   range},
				   3);
}

void
ue_record_read_int64(UeRecord *record, const char *name, int64_t lowest, int64_t highest,
					 int64_t *out)
{
	const UeJson *member = ue_record_find(record, name);
	int64_t value;

	if (member == NULL)
		return;
	if (member->type == UE_JSON_NUMBER && ue_slice_parse_int64(member->text, &value) &&
		value >= lowest && value <= highest)
		*out = value;
	else
		complain_range(record, name, member, lowest, highest);
}

void
ue_record_read_int32(UeRecord *record, const char *name, int32_t lowest, int32_t highest,
					 int32_t *out)
{
	int64_t value = *out;

	ue_record_read_int64(record, name, lowest, highest, &value);
	*out = (int32_t) value;
}

/* Trims *text; false, and a problem, when it is too long. */
static bool
fit_text(UeRecord *record, const char *name, size_t limit, UeSlice *text)
{
	UeBuf buf;
	UeSlice number;

	*text = ue_slice_trim(*text);
	if (text->len <= limit)
		return true;
	ue_buf_init(&buf, record->arena, UE_LIMIT_TOKEN);
	ue_buf_append_int64(&buf, (int64_t) limit);
	record->status = ue_buf_finish(&buf, &number);
	complain_parts(record, ue_slice_of(name),
				   (UeSlice[]){UE_SLICE("a text is too long; accepted are at most "),
							   number, UE_SLICE(" bytes")},
				   3);
	return false;
}

void
ue_record_read_text(UeRecord *record, const char *name, size_t limit, UeSlice *out)
{
	const UeJson *member = ue_record_find(record, name);
	UeSlice text;

	if (member == NULL)
		return;
	if (member->type != UE_JSON_STRING)
	{
		complain_parts(record, ue_slice_of(name),
					   (UeSlice[]){show(member),
								   UE_SLICE(" is not a text; accepted are texts")},
					   2);
		return;
	}
	text = member->text;
	if (fit_text(record, name, limit, &text) && text.len > 0)
		*out = text;
}

size_t
ue_record_count(const UeJson *node)
{
	size_t n = 0;

	for (const UeJson *child = node->child; child != NULL; child = child->next)
		n++;
	return n;
}

/* Elements of an array of texts into an array of slices in the arena. */
static const UeSlice *
read_items(UeRecord *record, const char *name, const UeJson *member, size_t n,
		   size_t limit)
{
	UeSlice *items = ue_arena_allocate(record->arena, (n + 1) * sizeof(*items));
	size_t i = 0;

	if (items == NULL)
	{
		record->status = UE_NO_MEMORY;
		return NULL;
	}
	for (const UeJson *child = member->child; child != NULL; child = child->next, i++)
	{
		items[i] = child->text;
		if (child->type != UE_JSON_STRING)
			complain_parts(record, ue_slice_of(name),
						   (UeSlice[]){show(child),
									   UE_SLICE(" is not a text; accepted are texts")},
						   2);
		else if (fit_text(record, name, limit, &items[i]) && items[i].len == 0)
			complain_parts(record, ue_slice_of(name),
						   &UE_SLICE("a text is blank; accepted are texts that are not"),
						   1);
		if (record->status != UE_OK)
			return NULL;
	}
	return items;
}

void
ue_record_read_list(UeRecord *record, const char *name, size_t limit, UeRecordList *out)
{
	const UeJson *member = ue_record_find(record, name);
	const UeSlice *items;
	size_t n;

	if (member == NULL)
		return;
	if (member->type != UE_JSON_ARRAY)
	{
		complain_parts(record, ue_slice_of(name),
					   (UeSlice[]){show(member),
								   UE_SLICE(
									   " is not a list of texts; accepted is one such as "
									   "[\"a\", \"b\"]")},
					   2);
		return;
	}
	n = ue_record_count(member);
	if (n > UE_LIMIT_LIST)
	{
		complain_parts(record, ue_slice_of(name),
					   &UE_SLICE("the list is too long; accepted are at most 1000 texts"),
					   1);
		return;
	}
	items = read_items(record, name, member, n, limit);
	if (items != NULL)
		*out = (UeRecordList){items, n};
}

void
ue_record_read_statuses(UeRecord *record, const char *name, UeStatuses *out)
{
	UeSlice text = {NULL, 0};
	UeSlice bad;
	UeStatus status;

	ue_record_read_text(record, name, UE_LIMIT_MESSAGE, &text);
	if (record->status != UE_OK || ue_record_find(record, name) == NULL)
		return;
	status = ue_statuses_parse(record->arena, text, out, &bad);
	if (status == UE_INVALID_ARGUMENT)
		complain_parts(record, ue_slice_of(name),
					   (UeSlice[]){bad, UE_SLICE(": not a status or a range; accepted "
												 "are parts like 429 and 500-599, 100 to "
												 "599, separated by commas")},
					   2);
	else
		record->status = status;
}

static int
find_word(UeSlice text, const char *const *names, int n_names)
{
	for (int i = 0; i < n_names; i++)
		if (ue_slice_is_equal(text, ue_slice_of(names[i])))
			return i;
	return -1;
}

static void
complain_word(UeRecord *record, const char *name, UeSlice text, const char *const *names,
			  int n_names)
{
	UeBuf buf;
	UeSlice list;

	ue_buf_init(&buf, record->arena, UE_LIMIT_MESSAGE);
	for (int i = 0; i < n_names; i++)
	{
		if (i > 0)
			ue_buf_append(&buf, UE_SLICE(", "));
		ue_buf_append(&buf, ue_slice_of(names[i]));
	}
	record->status = ue_buf_finish(&buf, &list);
	complain_parts(record, ue_slice_of(name),
				   (UeSlice[]){UE_SLICE("\""), ue_slice_sub(text, 0, SHOWN_MAX),
							   UE_SLICE("\" is not known; accepted are "), list},
				   4);
}

void
ue_record_read_word(UeRecord *record, const char *name, const char *const *names,
					int n_names, int *out)
{
	UeSlice text = {NULL, 0};
	int found;

	ue_record_read_text(record, name, UE_LIMIT_BODY, &text);
	/* a text that is blank is no word either */
	if (record->status != UE_OK || ue_record_find(record, name) == NULL)
		return;
	found = find_word(text, names, n_names);
	if (found < 0)
		complain_word(record, name, text, names, n_names);
	else
		*out = found;
}

void
ue_record_read_words(UeRecord *record, const char *name, const char *const *names,
					 int n_names, uint32_t *out)
{
	UeRecordList list = {NULL, 0};
	uint32_t bits = 0;

	ue_record_read_list(record, name, UE_LIMIT_BODY, &list);
	if (record->status != UE_OK || ue_record_find(record, name) == NULL)
		return;
	for (size_t i = 0; i < list.n; i++)
	{
		int found = find_word(list.items[i], names, n_names);

		if (found < 0)
		{
			complain_word(record, name, list.items[i], names, n_names);
			return;
		}
		bits |= UINT32_C(1) << found;
	}
	*out = bits;
}

void
ue_record_complain(UeRecord *record, const char *name, UeSlice problem)
{
	complain_parts(record, ue_slice_of(name), &problem, 1);
}
