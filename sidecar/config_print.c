/* SPDX-License-Identifier: PostgreSQL */
/*
 * config_print.c: names of settings, suggestions, and --help.
 */
#include "config_private.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define HELP_WIDTH	88
#define HELP_INDENT 6

static char fold(char c);
static int measure_distance(const char *a, const char *b);
static void print_wrapped(const char *text);

void
ue_config_name_flag(const UeSetting *setting, char *out)
{
	snprintf(out, UE_CONFIG_NAME_SIZE, "%s", setting->name);
	for (char *at = out; *at != '\0'; at++)
	{
		if (*at == '_')
			*at = '-';
	}
}

void
ue_config_name_variable(const UeSetting *setting, char *out)
{
	snprintf(out, UE_CONFIG_NAME_SIZE, "UPSTREAM_ERRORS_%s", setting->name);
	for (char *at = out; *at != '\0'; at++)
		*at = (char) toupper((unsigned char) *at);
}

const UeSetting *
ue_config_find_setting(const char *name, size_t len)
{
	for (int i = 0; i < ue_config_n_settings; i++)
	{
		const char *known = ue_config_settings[i].name;
		size_t at = 0;

		while (at < len && known[at] != '\0' && fold(known[at]) == fold(name[at]))
			at++;
		if (at == len && known[at] == '\0')
			return &ue_config_settings[i];
	}
	return NULL;
}

void
ue_config_suggest(const char *name, char *out, size_t out_size)
{
	char text[UE_CONFIG_ERROR_SIZE] = "";
	size_t len = 0;
	int n_named = 0;

	for (int limit = 1; limit <= 3 && n_named == 0; limit++)
	{
		for (int i = 0; i < ue_config_n_settings && n_named < 3; i++)
		{
			const char *known = ue_config_settings[i].name;

			if (measure_distance(name, known) > limit &&
				(strlen(name) < 4 || strstr(known, name) == NULL))
				continue;
			len += (size_t) snprintf(text + len, sizeof(text) - len, "%s%s",
									 n_named == 0 ? "; did you mean " : " or ", known);
			n_named++;
		}
	}
	snprintf(out, out_size, "%s%s", text, n_named > 0 ? "?" : "; see --help");
}

void
ue_config_print_help(void)
{
	char flag[UE_CONFIG_NAME_SIZE];

	printf(
		"upstream-errors-sidecar %s: passes requests on to upstreams, answers for them "
		"when they fail,\nand records every failure in PostgreSQL.\n\n"
		"Usage: upstream-errors-sidecar [--config FILE] [--NAME VALUE | --NAME=VALUE]...\n\n"
		"      --config FILE\n"
		"      A JSON object of the settings below: {\"first_byte_timeout\": \"2min\"}.\n"
		"      --check      say what is wrong with the settings, or print them, and end\n"
		"      --version    print the version and end\n"
		"      --help       print this and end\n\n"
		"Every setting can also be given by the environment, as UPSTREAM_ERRORS_NAME. "
		"Flags win\nover the environment, that over the file. Durations take ms, s, min, "
		"h (a bare number is\nms); sizes take B, kB, MB, GB.\n\n",
		UE_VERSION);
	for (int i = 0; i < ue_config_n_settings; i++)
	{
		const UeSetting *setting = &ue_config_settings[i];

		ue_config_name_flag(setting, flag);
		printf("  --%s %s", flag, setting->unit);
		if (setting->value != NULL)
			printf("  (default: %s)", setting->value);
		putchar('\n');
		print_wrapped(setting->help);
	}
	printf("\nBuilt-in upstreams, each reached as /PLATFORM/...:\n");
	for (int i = 0; i < ue_config_n_upstreams; i++)
		printf("  %-12s %s\n", ue_config_upstreams[i].platform,
			   ue_config_upstreams[i].url);
}

/* '-' and '_' are one, case does not matter. */
static char
fold(char c)
{
	return c == '-' ? '_' : (char) tolower((unsigned char) c);
}

/* Levenshtein's, on the folded names; long ones are far from everything. */
static int
measure_distance(const char *a, const char *b)
{
	int row[UE_CONFIG_NAME_SIZE + 1];
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);

	if (a_len > UE_CONFIG_NAME_SIZE || b_len > UE_CONFIG_NAME_SIZE)
		return UE_CONFIG_NAME_SIZE;
	for (size_t i = 0; i <= b_len; i++)
		row[i] = (int) i;
	for (size_t i = 1; i <= a_len; i++)
	{
		int diagonal = row[0];

		row[0] = (int) i;
		for (size_t j = 1; j <= b_len; j++)
		{
			int best = diagonal + (fold(a[i - 1]) != fold(b[j - 1]));

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_len];
}

static void
print_wrapped(const char *text)
{
	int column = 0;

	while (*text != '\0')
	{
		int len = (int) strcspn(text, " ");

		if (column == 0)
			column = printf("%*s%.*s", HELP_INDENT, "", len, text);
		else if (column + 1 + len > HELP_WIDTH)
			column = printf("\n%*s%.*s", HELP_INDENT, "", len, text) - 1;
		else
			column += printf(" %.*s", len, text);
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}
