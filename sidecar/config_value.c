/* SPDX-License-Identifier: PostgreSQL */
/*
 * config_value.c: text into the fields of UeConfig, and back.
 */
#include "config_private.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "log.h"
#include "metrics.h"

typedef struct Unit
{
	const char *name;
	int64_t factor;
} Unit;

/* As in postgresql.conf; the first is what a bare number counts in, the last the largest. */
static const Unit durations[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}};
static const Unit sizes[] = {{"B", 1},
							 {"kB", 1024},
							 {"MB", 1024 * 1024},
							 {"GB", INT64_C(1024) * 1024 * 1024}};

#define N_UNITS 4

static const char *const fsync_names[] = {[UE_FSYNC_INTERVAL] = "interval",
										  [UE_FSYNC_ALWAYS] = "always",
										  [UE_FSYNC_NEVER] = "never"};

static bool apply_text(char **field, const char *text, char *error, size_t error_size);
static bool apply_log_level(char **field, const char *text, char *error,
							size_t error_size);
static bool apply_integer(int *field, const UeSetting *setting, const char *text,
						  char *error, size_t error_size);
static bool apply_boolean(bool *field, const char *text, char *error, size_t error_size);
static bool apply_fsync(UeFsync *field, const char *text, char *error, size_t error_size);
static bool apply_pairs(UeConfig *config, const UeSetting *setting, const char *text,
						char *error, size_t error_size);
static bool parse_quantity(const UeSetting *setting, const Unit *units, const char *text,
						   int64_t *out, char *error, size_t error_size);
static bool parse_number(const char *text, const char **end, int64_t *out);
static void write_quantity(int64_t value, const Unit *units, char *out, size_t out_size);
static bool is_platform(const char *name, size_t len);

bool
ue_config_apply_value(UeConfig *config, const UeSetting *setting, const char *text,
					  char *error, size_t error_size)
{
	void *field = (char *) config + setting->offset;
	int64_t number;

	switch (setting->type)
	{
		case UE_SETTING_TEXT:
		case UE_SETTING_SECRET:
			return apply_text(field, text, error, error_size);
		case UE_SETTING_CONNINFO:
			if (!ue_database_check_conninfo(text, error, error_size))
				return false;
			return apply_text(field, text, error, error_size);
		case UE_SETTING_LOG_LEVEL:
			return apply_log_level(field, text, error, error_size);
		case UE_SETTING_INTEGER:
			return apply_integer(field, setting, text, error, error_size);
		case UE_SETTING_DURATION:
			if (!parse_quantity(setting, durations, text, &number, error, error_size))
				return false;
			*(int64_t *) field = number;
			return true;
		case UE_SETTING_SIZE:
			if (!parse_quantity(setting, sizes, text, &number, error, error_size))
				return false;
			*(size_t *) field = (size_t) number;
			return true;
		case UE_SETTING_BOOLEAN:
			return apply_boolean(field, text, error, error_size);
		case UE_SETTING_FSYNC:
			return apply_fsync(field, text, error, error_size);
		case UE_SETTING_UPSTREAM:
		case UE_SETTING_TAG:
			return apply_pairs(config, setting, text, error, error_size);
		case UE_SETTING_STATUSES:
			return ue_config_apply_statuses(field, text, error, error_size);
		case UE_SETTING_EXCLUDE:
			return ue_config_apply_exclude(field, text, error, error_size);
	}
	return false;
}

bool
ue_config_write_value(const UeConfig *config, const UeSetting *setting, char *out,
					  size_t out_size)
{
	const void *field = (const char *) config + setting->offset;
	const char *text = NULL;

	switch (setting->type)
	{
		case UE_SETTING_TEXT:
		case UE_SETTING_LOG_LEVEL:
			text = *(char *const *) field;
			break;
		case UE_SETTING_SECRET:
			text = *(char *const *) field == NULL ? NULL : "***";
			break;
		case UE_SETTING_CONNINFO:
			return *(char *const *) field != NULL &&
				   ue_database_mask_conninfo(*(char *const *) field, out, out_size);
		case UE_SETTING_INTEGER:
			snprintf(out, out_size, "%d", *(const int *) field);
			return true;
		case UE_SETTING_DURATION:
			write_quantity(*(const int64_t *) field, durations, out, out_size);
			return true;
		case UE_SETTING_SIZE:
			write_quantity((int64_t) * (const size_t *) field, sizes, out, out_size);
			return true;
		case UE_SETTING_BOOLEAN:
			text = *(const bool *) field ? "on" : "off";
			break;
		case UE_SETTING_FSYNC:
			text = fsync_names[*(const UeFsync *) field];
			break;
		case UE_SETTING_STATUSES:
			return ue_config_write_statuses(field, out, out_size);
		case UE_SETTING_EXCLUDE:
			ue_config_write_exclude(field, out, out_size);
			return true;
		case UE_SETTING_UPSTREAM:
		case UE_SETTING_TAG:
			return false;
	}
	if (text == NULL)
		return false;
	snprintf(out, out_size, "%s", text);
	return true;
}

bool
ue_config_add_pair(UeConfig *config, const UeSetting *setting, const char *name,
				   size_t name_len, const char *value, char *error, size_t error_size)
{
	if (setting->type == UE_SETTING_TAG)
		return ue_config_add_tag(config, name, name_len, value, error, error_size);
	return ue_config_add_upstream(config, name, name_len, value, error, error_size);
}

bool
ue_config_add_upstream(UeConfig *config, const char *platform, size_t platform_len,
					   const char *url, char *error, size_t error_size)
{
	UeConfigUpstream *upstream = NULL;
	UeBaseUrl *base;
	char *name = strndup(platform, platform_len);
	char *copy = strdup(url);
	char reason[256];

	if (name == NULL || copy == NULL || !is_platform(platform, platform_len))
	{
		snprintf(error, error_size,
				 "\"%.*s\" is not a platform's name: letters, digits, '-' and '_'",
				 (int) platform_len, platform);
		goto failed;
	}
	for (char *at = name; *at != '\0'; at++)
		*at = (char) tolower((unsigned char) *at);
	base = ue_base_url_parse(url, reason, sizeof(reason));
	if (base == NULL)
	{
		snprintf(error, error_size, "%s", reason);
		goto failed;
	}
	for (size_t i = 0; i < config->n_upstreams; i++)
	{
		if (strcmp(config->upstreams[i].platform, name) == 0)
			upstream = &config->upstreams[i];
	}
	if (upstream == NULL && config->n_upstreams == UE_METRICS_PLATFORMS - 1)
	{
		snprintf(error, error_size, "there may be at most %d platforms",
				 UE_METRICS_PLATFORMS - 1);
		ue_base_url_free(base);
		goto failed;
	}
	if (upstream == NULL)
		upstream = &config->upstreams[config->n_upstreams++];
	free(upstream->platform);
	free(upstream->url);
	ue_base_url_free(upstream->base);
	*upstream = (UeConfigUpstream){.platform = name, .url = copy, .base = base};
	return true;

failed:
	free(copy);
	free(name);
	return false;
}

static bool
apply_text(char **field, const char *text, char *error, size_t error_size)
{
	char *copy;

	if (text[0] == '\0')
	{
		snprintf(error, error_size, "must not be empty");
		return false;
	}
	copy = strdup(text);
	if (copy == NULL)
	{
		snprintf(error, error_size, "out of memory");
		return false;
	}
	free(*field);
	*field = copy;
	return true;
}

static bool
apply_log_level(char **field, const char *text, char *error, size_t error_size)
{
	UeLogLevel level;

	if (ue_log_find_level(text, &level))
		return apply_text(field, text, error, error_size);
	snprintf(error, error_size, "\"%s\" is not one of error, warning, info, debug", text);
	return false;
}

static bool
apply_integer(int *field, const UeSetting *setting, const char *text, char *error,
			  size_t error_size)
{
	const char *end;
	int64_t number;

	if (!parse_number(text, &end, &number) || *end != '\0' || number < setting->min ||
		number > setting->max)
	{
		snprintf(error, error_size,
				 "\"%s\" is not an integer from %" PRId64 " to %" PRId64, text,
				 setting->min, setting->max);
		return false;
	}
	*field = (int) number;
	return true;
}

static bool
apply_boolean(bool *field, const char *text, char *error, size_t error_size)
{
	static const char *const on[] = {"on", "true", "yes", "1"};
	static const char *const off[] = {"off", "false", "no", "0"};

	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
	{
		if (strcmp(text, on[i]) == 0 || strcmp(text, off[i]) == 0)
		{
			*field = strcmp(text, on[i]) == 0;
			return true;
		}
	}
	snprintf(error, error_size,
			 "\"%s\" is not one of on, off, true, false, yes, no, 1, 0", text);
	return false;
}

static bool
apply_fsync(UeFsync *field, const char *text, char *error, size_t error_size)
{
	for (size_t i = 0; i < sizeof(fsync_names) / sizeof(fsync_names[0]); i++)
	{
		if (strcmp(text, fsync_names[i]) == 0)
		{
			*field = (UeFsync) i;
			return true;
		}
	}
	snprintf(error, error_size, "\"%s\" is not one of interval, always, never", text);
	return false;
}

/* One or more NAME=VALUE, separated by blanks. */
static bool
apply_pairs(UeConfig *config, const UeSetting *setting, const char *text, char *error,
			size_t error_size)
{
	char *copy = strdup(text);
	char *rest = copy;
	bool is_applied = copy != NULL;
	int n_applied = 0;

	while (is_applied)
	{
		char *word;
		char *equals;

		rest += strspn(rest, " \t\n");
		if (*rest == '\0')
			break;
		word = rest;
		rest += strcspn(rest, " \t\n");
		if (*rest != '\0')
			*rest++ = '\0';
		equals = strchr(word, '=');
		if (equals == NULL)
		{
			/* it may be a URL with a credential in it, which is not repeated */
			snprintf(error, error_size, "\"%.*s%s\" is not %s",
					 (int) strcspn(word, "@?#:"), word,
					 word[strcspn(word, "@?#:")] == '\0' ? "" : "***", setting->unit);
			is_applied = false;
			break;
		}
		is_applied = ue_config_add_pair(config, setting, word, (size_t) (equals - word),
										equals + 1, error, error_size);
		n_applied++;
	}
	if (is_applied && n_applied == 0)
	{
		snprintf(error, error_size, "\"%s\" is not %s", text, setting->unit);
		is_applied = false;
	}
	free(copy);
	return is_applied;
}

static bool
parse_quantity(const UeSetting *setting, const Unit *units, const char *text,
			   int64_t *out, char *error, size_t error_size)
{
	const char *end;
	char low[32], high[32];
	int64_t number;

	if (parse_number(text, &end, &number))
	{
		end += strspn(end, " ");
		for (int i = 0; i < N_UNITS; i++)
		{
			if (strcmp(end, units[i].name) != 0 && (i > 0 || *end != '\0'))
				continue;
			if (number > INT64_MAX / units[i].factor ||
				number * units[i].factor < setting->min ||
				number * units[i].factor > setting->max)
				break;
			*out = number * units[i].factor;
			return true;
		}
	}
	write_quantity(setting->min, units, low, sizeof(low));
	write_quantity(setting->max, units, high, sizeof(high));
	snprintf(error, error_size,
			 "\"%s\" is not a %s from %s to %s (a number with %s, %s, %s or %s)", text,
			 setting->type == UE_SETTING_SIZE ? "size" : "duration", low, high,
			 units[0].name, units[1].name, units[2].name, units[3].name);
	return false;
}

/* Digits only: strtoll would take blanks, signs and nothing at all. */
static bool
parse_number(const char *text, const char **end, int64_t *out)
{
	size_t n_digits = strspn(text, "0123456789");

	if (n_digits == 0 || n_digits > 18)
		return false;
	*out = strtoll(text, NULL, 10);
	*end = text + n_digits;
	return true;
}

/* In the largest unit that leaves a whole number. */
static void
write_quantity(int64_t value, const Unit *units, char *out, size_t out_size)
{
	int i = N_UNITS - 1;

	while (i > 0 && (value == 0 || value % units[i].factor != 0))
		i--;
	snprintf(out, out_size, "%" PRId64 "%s", value / units[i].factor, units[i].name);
}

static bool
is_platform(const char *name, size_t len)
{
	if (len == 0 || len > UE_LIMIT_TOKEN)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (!isalnum((unsigned char) name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	}
	return true;
}
