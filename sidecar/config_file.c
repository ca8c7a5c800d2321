/* SPDX-License-Identifier: PostgreSQL */
/*
 * config_file.c: the JSON file, an object of settings.
 *
 * Values are strings as a flag would have them, or numbers and booleans; "upstream" is an
 * object of platform to URL, "tags" one of header to tag.  What is not in the table is an error: a misspelt setting
 * must not be ignored.
 */
#include "config_private.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static bool apply_member(UeConfig *config, const char *path, const char *key,
						 const json_t *value);
static bool apply_pairs_object(UeConfig *config, const UeSetting *setting,
							   const char *source, json_t *object);

bool
ue_config_read_file(UeConfig *config, const char *path)
{
	json_error_t error;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	const char *key;
	json_t *value;
	bool is_read = true;

	if (root == NULL)
	{
		if (error.line > 0)
			fprintf(stderr, "upstream-errors-sidecar: --config: %s:%d:%d: %s\n", path,
					error.line, error.column, error.text);
		else
			fprintf(stderr, "upstream-errors-sidecar: --config: %s\n", error.text);
		return false;
	}
	if (!json_is_object(root))
	{
		fprintf(stderr,
				"upstream-errors-sidecar: --config: %s: must be one JSON object of "
				"settings\n",
				path);
		json_decref(root);
		return false;
	}
	json_object_foreach(root, key, value)
	{
		is_read = apply_member(config, path, key, value) && is_read;
	}
	json_decref(root);
	return is_read;
}

static bool
apply_member(UeConfig *config, const char *path, const char *key, const json_t *value)
{
	const UeSetting *setting = ue_config_find_setting(key, strlen(key));
	char source[UE_CONFIG_ERROR_SIZE];
	char error[UE_CONFIG_ERROR_SIZE];
	char number[32];
	const char *text = NULL;
	bool is_several;

	if (setting == NULL)
	{
		ue_config_suggest(key, error, sizeof(error));
		fprintf(stderr,
				"upstream-errors-sidecar: --config: %s: there is no setting \"%s\"%s\n",
				path, key, error);
		return false;
	}
	snprintf(source, sizeof(source), "from file %s, key \"%s\"", path, key);
	is_several = setting->type == UE_SETTING_UPSTREAM || setting->type == UE_SETTING_TAG;
	if (is_several && json_is_object(value))
		return apply_pairs_object(config, setting, source, (json_t *) value);

	if (json_is_string(value))
		text = json_string_value(value);
	else if (json_is_integer(value))
	{
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
				 json_integer_value(value));
		text = number;
	}
	else if (json_is_boolean(value))
		text = json_is_true(value) ? "on" : "off";
	else
	{
		snprintf(error, sizeof(error), "must be %s%s",
				 is_several ? "an object of " : "a string, an integer, true or false",
				 is_several ? setting->unit : "");
		ue_config_report(setting, source, error);
		return false;
	}
	if (ue_config_apply_value(config, setting, text, error, sizeof(error)))
		return true;
	ue_config_report(setting, source, error);
	return false;
}

static bool
apply_pairs_object(UeConfig *config, const UeSetting *setting, const char *source,
				   json_t *object)
{
	const char *name;
	json_t *text;
	char error[UE_CONFIG_ERROR_SIZE];

	json_object_foreach(object, name, text)
	{
		if (!json_is_string(text))
			snprintf(error, sizeof(error), "the %s of \"%s\" must be a string",
					 setting->type == UE_SETTING_TAG ? "tag" : "URL", name);
		else if (ue_config_add_pair(config, setting, name, strlen(name),
									json_string_value(text), error, sizeof(error)))
			continue;
		ue_config_report(setting, source, error);
		return false;
	}
	return true;
}

void
ue_config_print_values(const UeConfig *config)
{
	json_t *root = json_object();
	json_t *upstreams = json_object();
	json_t *tags = json_object();
	char value[4096];

	for (int i = 0; i < ue_config_n_settings; i++)
	{
		const UeSetting *setting = &ue_config_settings[i];

		if (ue_config_write_value(config, setting, value, sizeof(value)))
			json_object_set_new(root, setting->name, json_string(value));
	}
	for (size_t i = 0; i < config->n_upstreams; i++)
		json_object_set_new(upstreams, config->upstreams[i].platform,
							json_string(config->upstreams[i].url));
	json_object_set_new(root, "upstream", upstreams);
	for (size_t i = 0; i < config->n_tags; i++)
		json_object_set_new(tags, config->tags[i].header,
							json_string(config->tags[i].name));
	json_object_set_new(root, "tags", tags);
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}
