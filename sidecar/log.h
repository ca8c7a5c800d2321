/* SPDX-License-Identifier: PostgreSQL */
/*
 * log.h: one JSON object a line on stderr, masked.
 *
 * {"at":"…Z","level":"warning","event":"database_lost","message":"…", …}.  event is a
 * stable word for machines, message a sentence for people; both, and every value, go
 * through ue_mask_text.  Any thread.
 */
#ifndef UE_LOG_H
#define UE_LOG_H

#include <stdbool.h>

typedef enum UeLogLevel
{
	UE_LOG_ERROR = 0,
	UE_LOG_WARNING,
	UE_LOG_INFO,
	UE_LOG_DEBUG,
} UeLogLevel;

extern void ue_log_init(UeLogLevel level); /* before threads */
extern bool ue_log_find_level(const char *name, UeLogLevel *out);

/* Pairs of name and value, ended by NULL: ue_log_write(UE_LOG_INFO, "started",
 * "listening", "address", "127.0.0.1:8787", NULL).  A NULL value is left out. */
extern void ue_log_write(UeLogLevel level, const char *event, const char *message, ...)
	__attribute__((sentinel));

/* At level info, with our own listening address as it is: the operator has to find it. */
extern void ue_log_write_listener(const char *event, const char *message,
								  const char *address);

#endif
