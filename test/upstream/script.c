/* SPDX-License-Identifier: PostgreSQL */
/*
 * script.c: words to lines, lines to what happens.
 */
#include "script.h"

#include <stdlib.h>
#include <string.h>

#include "play.h"

#define BLANKS " \t\r"

static bool read_line(const char *text, size_t len, int number, UeScriptLine *out,
					  FILE *error);
static bool read_word(char *word, UeScriptLine *out, FILE *error);
static bool read_range(const char *text, UeScriptRange *out);
static bool copy_word(const char *text, char *out);
static bool is_in(const UeScriptRange *range, int64_t value);
static double draw(const UeScriptFacts *facts, int line);


bool
ue_script_read(const char *text, UeScript *out, FILE *error)
{
	UeScript script = {.n_lines = 0};

	for (int number = 1; *text != '\0'; number++)
	{
		size_t len = strcspn(text, "\n");
		size_t start = strspn(text, BLANKS);

		if (start < len && text[start] != '#')
		{
			if (script.n_lines == UE_SCRIPT_LINES)
			{
				fprintf(error, "line %d: too many lines; accepted are %d\n", number,
						UE_SCRIPT_LINES);
				return false;
			}
			if (!read_line(text, len, number, &script.lines[script.n_lines++], error))
				return false;
		}
		text += len + (text[len] == '\n');
	}
	*out = script;
	return true;
}

int
ue_script_find(const UeScript *script, const UeScriptFacts *facts, bool is_early)
{
	for (int i = 0; i < script->n_lines; i++)
	{
		const UeScriptLine *line = &script->lines[i];

		if (ue_play_is_early(line->scenario) == is_early &&
			is_in(&line->n, facts->number) && is_in(&line->t, facts->elapsed_ms) &&
			is_in(&line->open, facts->n_open) && is_in(&line->attempt, facts->attempt) &&
			(line->key[0] == '\0' || strstr(facts->credentials, line->key) != NULL) &&
			(line->model[0] == '\0' || strcmp(facts->model, line->model) == 0) &&
			(!line->is_stream_asked || line->is_stream == facts->is_stream) &&
			(line->share >= 1 || draw(facts, i) < line->share))
			return i;
	}
	return -1;
}

static bool
read_line(const char *text, size_t len, int number, UeScriptLine *out, FILE *error)
{
	char copy[1024];
	char *rest = NULL;

	memset(out, 0, sizeof(*out));
	out->n.last = out->t.last = out->open.last = out->attempt.last = INT64_MAX;
	out->share = 1;
	if (len >= sizeof(copy))
	{
		fprintf(error, "line %d: it is too long\n", number);
		return false;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (char *word = strtok_r(copy, BLANKS, &rest); word != NULL;
		 word = strtok_r(NULL, BLANKS, &rest))
	{
		if (!read_word(word, out, error))
		{
			fprintf(error, " in line %d\n", number);
			return false;
		}
	}
	if (out->scenario[0] == '\0')
		fprintf(error, "line %d names no scenario\n", number);
	return out->scenario[0] != '\0';
}

/* A scenario, or name=value. */
static bool
read_word(char *word, UeScriptLine *out, FILE *error)
{
	char *value = strchr(word, '=');
	bool is_good = false;

	if (value == NULL)
	{
		is_good = ue_play_has(word) && out->scenario[0] == '\0' &&
				  copy_word(word, out->scenario);
		if (!is_good)
			fprintf(error, "no scenario, or a second one: \"%s\"", word);
		return is_good;
	}
	*value++ = '\0';
	if (strcmp(word, "n") == 0)
		is_good = read_range(value, &out->n);
	else if (strcmp(word, "t") == 0)
		is_good = read_range(value, &out->t);
	else if (strcmp(word, "open") == 0)
		is_good = read_range(value, &out->open);
	else if (strcmp(word, "try") == 0)
		is_good = read_range(value, &out->attempt);
	else if (strcmp(word, "share") == 0)
	{
		char *end;

		out->share = strtod(value, &end);
		is_good = end > value && *end == '\0' && out->share >= 0 && out->share <= 1;
	}
	else if (strcmp(word, "key") == 0)
		is_good = copy_word(value, out->key);
	else if (strcmp(word, "model") == 0)
		is_good = copy_word(value, out->model);
	else if (strcmp(word, "stream") == 0)
	{
		out->is_stream_asked = true;
		out->is_stream = strcmp(value, "yes") == 0;
		is_good = out->is_stream || strcmp(value, "no") == 0;
	}
	else if (strcmp(word, "retry-after") == 0)
		is_good = copy_word(value, out->hint.retry_after);
	else if (strcmp(word, "retry-after-ms") == 0)
		is_good = copy_word(value, out->hint.retry_after_ms);
	else if (strcmp(word, "retry-info") == 0)
		is_good = copy_word(value, out->hint.retry_info);
	out->has_hint |= strncmp(word, "retry-", 6) == 0;
	if (!is_good)
		fprintf(error, "nothing to use: \"%s=%s\"", word, value);
	return is_good;
}

/* "3", "3-", "3-5" */
static bool
read_range(const char *text, UeScriptRange *out)
{
	char *end;

	out->first = out->last = strtoll(text, &end, 10);
	if (end == text || out->first < 0)
		return false;
	if (*end == '-')
	{
		const char *last = end + 1;

		out->last = *last == '\0' ? INT64_MAX : strtoll(last, &end, 10);
		if (*last == '\0')
			end++;
		else if (end == last)
			return false;
	}
	return *end == '\0' && out->last >= out->first;
}

static bool
copy_word(const char *text, char *out)
{
	size_t len = strlen(text);

	if (len == 0 || len >= UE_SCRIPT_WORD)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool
is_in(const UeScriptRange *range, int64_t value)
{
	return value >= range->first && value <= range->last;
}

/* Between 0 and 1, of channel, request and line alone, so that runs can be repeated. */
static double
draw(const UeScriptFacts *facts, int line)
{
	uint64_t state = UINT64_C(14695981039346656037);

	for (const char *at = facts->channel; *at != '\0'; at++)
		state = (state ^ (unsigned char) *at) * UINT64_C(1099511628211);
	state += ((uint64_t) facts->number << 8) + (uint64_t) line;
	/* the end of splitmix64 */
	state = (state ^ (state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	state = (state ^ (state >> 27)) * UINT64_C(0x94d049bb133111eb);
	state ^= state >> 31;
	return (double) (state >> 11) / (double) (UINT64_C(1) << 53);
}
