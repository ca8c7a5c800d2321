/* SPDX-License-Identifier: PostgreSQL */
/*
 * corpus_claims.c: what a careful reader expects of a case, beside what was recorded.
 *
 * An absent line claims nothing; a line without a value claims that the upstream did not
 * say it.  Texts are compared as the upstream sent them, before the mask, without the
 * white space around them.
 */
#include "corpus_claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* A wait in fractions of a millisecond may be rounded either way. */
#define ROUNDING_MS 1

/* Of a long text a contradiction shows the beginning. */
#define SHOWN 300

typedef bool (*Check)(const UeVerdict *verdict, UeSlice expected);
typedef void (*Print)(FILE *file, const UeVerdict *verdict);

typedef struct Claim
{
	UeSlice name;
	Check holds;
	Print print;
} Claim;

static void
print_slice(FILE *file, UeSlice text)
{
	if (text.len > 0)
		fwrite(text.ptr, 1, text.len < SHOWN ? text.len : SHOWN, file);
}

/* The byte that a letter after a backslash stands for. */
static char
unescape(char letter)
{
	switch (letter)
	{
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		case '0':
			return '\0';
	}
	return letter;
}

/* expected, in which \n, \r, \t, \0 and \\ are escapes, is text. */
static bool
is_text(UeSlice text, UeSlice expected)
{
	char *plain = malloc(expected.len + 1);
	size_t len = 0;
	bool is_equal;

	if (plain == NULL)
		abort();
	for (size_t i = 0; i < expected.len; i++)
	{
		bool is_escape = expected.ptr[i] == '\\' && i + 1 < expected.len;

		plain[len++] = is_escape ? unescape(expected.ptr[++i]) : expected.ptr[i];
	}
	is_equal =
		ue_slice_is_equal(ue_slice_trim(text), ue_slice_trim((UeSlice){plain, len}));
	free(plain);
	return is_equal;
}

#define TEXT_CLAIM(field)                                                                \
	static bool holds_##field(const UeVerdict *verdict, UeSlice expected)                \
	{                                                                                    \
		return is_text(verdict->fault.field, expected);                                  \
	}                                                                                    \
	static void print_##field(FILE *file, const UeVerdict *verdict)                      \
	{                                                                                    \
		print_slice(file, verdict->fault.field);                                         \
	}

TEXT_CLAIM(type)
TEXT_CLAIM(code)
TEXT_CLAIM(message)
TEXT_CLAIM(param)
TEXT_CLAIM(upstream_request_id)


/* One of the names, separated by commas, in the lines class and class_also. */
static bool
is_listed(UeSlice list, UeSlice name)
{
	while (!ue_slice_is_empty(list))
	{
		size_t at;

		if (!ue_slice_find(list, UE_SLICE(","), &at))
			at = list.len;
		if (ue_slice_is_equal(ue_slice_trim(ue_slice_sub(list, 0, at)), name))
			return true;
		list = ue_slice_sub(list, at + 1, list.len);
	}
	return false;
}

static bool
holds_wait(const UeVerdict *verdict, UeSlice expected)
{
	int64_t wait;

	if (ue_slice_is_empty(expected))
		return verdict->fault.retry_after_ms == UE_RETRY_AFTER_NONE;
	return ue_slice_parse_int64(expected, &wait) &&
		   verdict->fault.retry_after_ms >= wait - ROUNDING_MS &&
		   verdict->fault.retry_after_ms <= wait + ROUNDING_MS;
}

static void
print_wait(FILE *file, const UeVerdict *verdict)
{
	fprintf(file, "%lld", (long long) verdict->fault.retry_after_ms);
}

static bool
holds_bool(bool value, UeSlice expected)
{
	return ue_slice_is_equal(expected, value ? UE_SLICE("true") : UE_SLICE("false"));
}

static bool
holds_quota_daily(const UeVerdict *verdict, UeSlice expected)
{
	return holds_bool(verdict->fault.is_quota_daily, expected);
}

static void
print_quota_daily(FILE *file, const UeVerdict *verdict)
{
	fputs(verdict->fault.is_quota_daily ? "true" : "false", file);
}

static bool
holds_cut(const UeVerdict *verdict, UeSlice expected)
{
	return holds_bool(verdict->fault.is_cut, expected);
}

static void
print_cut(FILE *file, const UeVerdict *verdict)
{
	fputs(verdict->fault.is_cut ? "true" : "false", file);
}

static const Claim claims[] = {
	{UE_SLICE_INIT("expect_type"), holds_type, print_type},
	{UE_SLICE_INIT("expect_code"), holds_code, print_code},
	{UE_SLICE_INIT("expect_message"), holds_message, print_message},
	{UE_SLICE_INIT("expect_param"), holds_param, print_param},
	{UE_SLICE_INIT("expect_request_id"), holds_upstream_request_id,
	 print_upstream_request_id},
	{UE_SLICE_INIT("expect_retry_after_ms"), holds_wait, print_wait},
	{UE_SLICE_INIT("expect_quota_daily"), holds_quota_daily, print_quota_daily},
	{UE_SLICE_INIT("expect_cut"), holds_cut, print_cut},
};

bool
corpus_is_claim(UeSlice name)
{
	for (size_t i = 0; i < N_ELEMENTS(claims); i++)
		if (ue_slice_is_equal(claims[i].name, name))
			return true;
	return ue_slice_is_equal(name, UE_SLICE("class")) ||
		   ue_slice_is_equal(name, UE_SLICE("class_also"));
}

static void
check_class(FILE *file, const CorpusCase *one, const UeVerdict *verdict, size_t *n_claims)
{
	UeSlice name = ue_slice_of(ue_class_name(verdict->fault.class));
	UeSlice expected;
	UeSlice also = {NULL, 0};

	if (!corpus_find_setting(one, UE_SLICE("class"), &expected))
		return;
	(*n_claims)++;
	(void) corpus_find_setting(one, UE_SLICE("class_also"), &also);
	if (!is_listed(expected, name) && !is_listed(also, name))
		fprintf(file, "class: %.*s expected, %s found\n", (int) expected.len,
				expected.ptr, ue_class_name(verdict->fault.class));
}

CorpusText
corpus_find_contradictions(const CorpusCase *one, const UeVerdict *verdict,
						   size_t *n_claims)
{
	CorpusText text = {NULL, 0};
	FILE *file = open_memstream(&text.ptr, &text.len);

	if (file == NULL)
		abort();
	check_class(file, one, verdict, n_claims);
	for (size_t i = 0; i < N_ELEMENTS(claims); i++)
	{
		UeSlice expected;

		if (!corpus_find_setting(one, claims[i].name, &expected))
			continue;
		(*n_claims)++;
		if (claims[i].holds(verdict, expected))
			continue;
		fprintf(file, "%.*s: \"", (int) claims[i].name.len, claims[i].name.ptr);
		print_slice(file, expected);
		fputs("\" expected, \"", file);
		claims[i].print(file, verdict);
		fputs("\" found\n", file);
	}
	if (fclose(file) != 0)
		abort();
	return text;
}
