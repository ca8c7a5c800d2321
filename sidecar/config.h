/* SPDX-License-Identifier: PostgreSQL */
/*
 * config.h: what the operator set, by flag, environment or file, from one table.
 *
 * Flags win over the environment, that over the file, that over the defaults.  The names
 * are the same everywhere: --first-byte-timeout, UPSTREAM_ERRORS_FIRST_BYTE_TIMEOUT,
 * "first_byte_timeout".  Durations take ms, s, min, h; sizes kB, MB, GB as in
 * postgresql.conf.  config_file.c alone reads JSON, by <jansson.h>.
 */
#ifndef UE_CONFIG_H
#define UE_CONFIG_H

#include "core/statuses.h"
#include "journal.h"
#include "server.h"
#include "upstream.h"

/* One vendor's base URL. */
typedef struct UeConfigUpstream
{
	char *platform; /* lower case */
	char *url;
	UeBaseUrl *base;
} UeConfigUpstream;

/* A request header that rows keep, masked, and rules may look at. */
typedef struct UeConfigTag
{
	char *header; /* lower case */
	char *name;
} UeConfigTag;

#define UE_CONFIG_TAGS	   16
#define UE_CONFIG_TAG_NAME 63 /* bytes; as long as a column's name may be */

/* Failures that do not become rows. */
typedef struct UeConfigExclude
{
	uint32_t kinds, classes; /* bits by enumerator */
	bool is_counting;		 /* calls that only count tokens */
} UeConfigExclude;

typedef struct UeConfig
{
	char *listen;		/* 127.0.0.1:8787 */
	char *admin_listen; /* 127.0.0.1:8788 */
	char *admin_token;	/* NULL: loopback needs none */
	char *database;		/* conninfo; NULL: journal only */
	char *journal;		/* directory */
	char *instance;		/* default: host name */
	char *region;		/* NULL: none */
	char *log_level;	/* error, warning, info, debug */
	int workers;
	UeConfigUpstream *upstreams; /* defaults plus --upstream's */
	size_t n_upstreams;
	int64_t verdict_deadline_ms; /* 50 */
	int64_t drain_timeout_ms;	 /* 10 s: what is in progress may end */
	UeServerLimits server;
	UeUpstreamLimits upstream;
	size_t max_body_bytes;			/* of a request; above: 413; 0: any */
	size_t error_body_bytes;		/* of a failed answer kept for the verdict: 1 MB */
	size_t retry_body_memory_bytes; /* of a request's body kept for a retry: 256 kB, */
	size_t retry_body_max_bytes;	/* and with a file behind it: 64 MB */
	UeFsync journal_fsync;
	size_t journal_segment_bytes;
	size_t journal_budget_bytes;
	bool record_client_address;
	bool record_headers;
	UeStatuses record_statuses; /* of the fault, inferred where there was none */
	UeConfigExclude record_exclude;
	UeConfigTag tags[UE_CONFIG_TAGS];
	size_t n_tags;
} UeConfig;

typedef enum UeConfigResult
{
	UE_CONFIG_RUN = 0,
	UE_CONFIG_EXIT_OK, /* --help, --version, --check passed: printed */
	UE_CONFIG_EXIT_ERROR, /* said on stderr: which setting, where, the value, what is accepted */
} UeConfigResult;

extern UeConfigResult ue_config_read(int argc, char **argv, UeConfig *out);
extern void ue_config_free(UeConfig *config);

/* NULL when the platform has no base URL. */
extern const UeConfigUpstream *ue_config_find_upstream(const UeConfig *config,
													   UeSlice platform);

#endif
