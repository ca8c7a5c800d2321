/* SPDX-License-Identifier: PostgreSQL */
/*
 * headers.c: {"retry-after": "2", "set-cookie": ["a", "b"]} and back.
 */
#include "postgres.h"

#include "headers.h"

#include "core/limits.h"
#include "report.h"
#include "utils/builtins.h"

/* What they are called when they are wrong. */
typedef struct Wording
{
	const char *one;
	const char *many;
	const char *hint;
} Wording;

typedef struct HeaderList
{
	const Wording *wording;
	UeHeader *headers; /* room for UE_LIMIT_HEADERS */
	size_t n;
} HeaderList;

static UeHeader *read_object(Jsonb *object, const Wording *wording, size_t *n_out);
static void read_values(JsonbIterator **iterator, UeSlice name, HeaderList *list);
static void append_header(HeaderList *list, UeSlice name, UeSlice value);
static UeSlice slice_of(const JsonbValue *string);
static void report_shape(const Wording *wording, const char *name) UE_NORETURN;

UeHeader *
ue_headers_read(Jsonb *headers, size_t *n_out)
{
	static const Wording wording = {
		"header", "headers",
		"Write headers as {\"retry-after\": \"2\", \"set-cookie\": [\"a=1\", \"b=2\"]}."};

	return read_object(headers, &wording, n_out);
}

UeHeader *
ue_headers_read_tags(Jsonb *tags, size_t *n_out)
{
	static const Wording wording = {
		"tag", "tags", "Write tags as {\"team\": \"search\", \"user\": \"alice\"}."};

	return read_object(tags, &wording, n_out);
}

static UeHeader *
read_object(Jsonb *object, const Wording *wording, size_t *n_out)
{
	HeaderList list;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;
	UeSlice name;

	if (!JB_ROOT_IS_OBJECT(object))
		report_shape(wording, NULL);
	list.wording = wording;
	list.headers = palloc(sizeof(UeHeader) * UE_LIMIT_HEADERS);
	list.n = 0;
	iterator = JsonbIteratorInit(&object->root);
	(void) JsonbIteratorNext(&iterator, &value, false); /* the object's beginning */
	while ((token = JsonbIteratorNext(&iterator, &value, false)) == WJB_KEY)
	{
		name = slice_of(&value);
		read_values(&iterator, name, &list);
	}
	Assert(token == WJB_END_OBJECT);
	*n_out = list.n;
	return list.headers;
}

/* What follows a name: a string, or an array of them. */
static void
read_values(JsonbIterator **iterator, UeSlice name, HeaderList *list)
{
	JsonbValue value;
	JsonbIteratorToken token = JsonbIteratorNext(iterator, &value, false);

	if (token == WJB_VALUE && value.type == jbvString)
	{
		append_header(list, name, slice_of(&value));
		return;
	}
	if (token != WJB_BEGIN_ARRAY)
		report_shape(list->wording, ue_report_excerpt(name));
	while ((token = JsonbIteratorNext(iterator, &value, false)) == WJB_ELEM)
	{
		if (value.type != jbvString)
			report_shape(list->wording, ue_report_excerpt(name));
		append_header(list, name, slice_of(&value));
	}
	if (token != WJB_END_ARRAY)
		report_shape(list->wording, ue_report_excerpt(name));
}

UeHeader *
ue_headers_read_stored(Jsonb *tags, size_t *n_out)
{
	HeaderList list = {.n = 0};
	JsonbIterator *iterator;
	JsonbValue value;
	UeSlice name;

	*n_out = 0;
	if (!JB_ROOT_IS_OBJECT(tags) || JB_ROOT_COUNT(tags) == 0)
		return NULL;
	list.headers = palloc(sizeof(UeHeader) * Min(JB_ROOT_COUNT(tags), UE_LIMIT_HEADERS));
	iterator = JsonbIteratorInit(&tags->root);
	(void) JsonbIteratorNext(&iterator, &value, false); /* the object's beginning */
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_KEY)
	{
		name = slice_of(&value);
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (value.type == jbvString)
			append_header(&list, name, slice_of(&value));
	}
	*n_out = list.n;
	return list.headers;
}

static void
append_header(HeaderList *list, UeSlice name, UeSlice value)
{
	if (list->n == UE_LIMIT_HEADERS)
		return;
	list->headers[list->n].name = name;
	list->headers[list->n].value = value;
	list->n++;
}

static UeSlice
slice_of(const JsonbValue *string)
{
	UeSlice slice = {string->val.string.val, (size_t) string->val.string.len};

	return slice;
}

/* name: of the one that is wrong; NULL when the whole is. */
static void
report_shape(const Wording *wording, const char *name)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 name ? errmsg("value of %s \"%s\" is neither a string nor an array of strings",
					   wording->one, name)
			  : errmsg("%s are not a JSON object", wording->many),
		 errhint("%s", wording->hint)));
	pg_unreachable();
}

Datum
ue_headers_build(const UeHeader *headers, size_t n_headers)
{
	JsonbParseState *state = NULL;
	JsonbValue string;
	JsonbValue *object;

	string.type = jbvString;
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (size_t i = 0; i < n_headers; i++)
	{
		string.val.string.val = unconstify(char *, headers[i].name.ptr);
		string.val.string.len = (int) headers[i].name.len;
		(void) pushJsonbValue(&state, WJB_KEY, &string);
		string.val.string.val = unconstify(char *, headers[i].value.ptr);
		string.val.string.len = (int) headers[i].value.len;
		(void) pushJsonbValue(&state, WJB_VALUE, &string);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(object));
}
