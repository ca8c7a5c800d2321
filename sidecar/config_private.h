/* SPDX-License-Identifier: PostgreSQL */
/*
 * config_private.h: the table of settings, and what reads and prints by it.
 *
 * config_table.c holds the table, config_value.c turns text into values and back (those
 * that say what is recorded: config_record.c), config_print.c writes --help and --check,
 * config.c gathers the sources.
 */
#ifndef UE_CONFIG_PRIVATE_H
#define UE_CONFIG_PRIVATE_H

#include "config.h"

typedef enum UeSettingType
{
	UE_SETTING_TEXT = 0,
	UE_SETTING_SECRET,	 /* text, never printed */
	UE_SETTING_CONNINFO, /* text, its password never printed */
	UE_SETTING_INTEGER,	 /* int */
	UE_SETTING_DURATION, /* int64_t, ms */
	UE_SETTING_SIZE,	 /* size_t, bytes */
	UE_SETTING_BOOLEAN,
	UE_SETTING_LOG_LEVEL, /* text, one of a list */
	UE_SETTING_FSYNC,	  /* UeFsync */
	UE_SETTING_UPSTREAM,  /* PLATFORM=URL, may be given more than once */
	UE_SETTING_TAG,		  /* HEADER=NAME, may be given more than once */
	UE_SETTING_STATUSES,  /* UeStatuses */
	UE_SETTING_EXCLUDE,	  /* UeConfigExclude */
} UeSettingType;

typedef struct UeSetting
{
	const char *name; /* as in the file: words joined by _ */
	UeSettingType type;
	size_t offset;	   /* in UeConfig */
	const char *value; /* default; NULL: none, or found out at start */
	int64_t min, max;  /* numbers */
	const char *unit;  /* what --help calls the value: "ADDRESS" */
	const char *help;  /* one or more sentences, the manual */
} UeSetting;

extern const UeSetting ue_config_settings[];
extern const int ue_config_n_settings;

typedef struct UeDefaultUpstream
{
	const char *platform;
	const char *url;
} UeDefaultUpstream;

extern const UeDefaultUpstream ue_config_upstreams[];
extern const int ue_config_n_upstreams;

#define UE_CONFIG_NAME_SIZE	 64
#define UE_CONFIG_ERROR_SIZE 512

/* "first-byte-timeout", and "UPSTREAM_ERRORS_FIRST_BYTE_TIMEOUT". */
extern void ue_config_name_flag(const UeSetting *setting, char *out);
extern void ue_config_name_variable(const UeSetting *setting, char *out);

/* By its name in the file or as a flag ('-' and '_' are the same); NULL when none. */
extern const UeSetting *ue_config_find_setting(const char *name, size_t len);

/* Names that somebody may have meant by name, at most three, in error's words: "" or
 * "; did you mean …?". */
extern void ue_config_suggest(const char *name, char *out, size_t out_size);

/* Sets one value.  False and a predicate in error: "\"abc\" is not an integer from 1 to 256". */
extern bool ue_config_apply_value(UeConfig *config, const UeSetting *setting,
								  const char *text, char *error, size_t error_size);

/* The value as one would write it; secrets as "***".  False: it has none. */
extern bool ue_config_write_value(const UeConfig *config, const UeSetting *setting,
								  char *out, size_t out_size);

/* One of a setting that has several: PLATFORM=URL, HEADER=NAME. */
extern bool ue_config_add_pair(UeConfig *config, const UeSetting *setting,
							   const char *name, size_t name_len, const char *value,
							   char *error, size_t error_size);
extern bool ue_config_add_upstream(UeConfig *config, const char *platform,
								   size_t platform_len, const char *url, char *error,
								   size_t error_size);

/* config_record.c */
extern bool ue_config_apply_statuses(UeStatuses *field, const char *text, char *error,
									 size_t error_size);
extern bool ue_config_write_statuses(const UeStatuses *statuses, char *out,
									 size_t out_size);
extern bool ue_config_apply_exclude(UeConfigExclude *field, const char *text, char *error,
									size_t error_size);
extern void ue_config_write_exclude(const UeConfigExclude *exclude, char *out,
									size_t out_size);
extern bool ue_config_add_tag(UeConfig *config, const char *header, size_t header_len,
							  const char *name, char *error, size_t error_size);

extern void ue_config_print_help(void);
extern void
ue_config_print_values(const UeConfig *config); /* a valid file, but for secrets */

/* config_file.c: false after saying on stderr what is wrong. */
extern bool ue_config_read_file(UeConfig *config, const char *path);

/* "upstream-errors-sidecar: --NAME (SOURCE): REASON" on stderr. */
extern void ue_config_report(const UeSetting *setting, const char *source,
							 const char *reason);

#endif
