/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_file.h: what the database said last on disk, for a start without it.
 *
 * policy.jsonl and health.jsonl in the journal's directory: a line that guards the rest,
 *
 *     # crc32c 1a2b3c4d database 7301234567890123456/16384
 *
 * and then, in the first, the snapshot as upstream_error_snapshot() gave it.  The sum is over everything
 * behind its eight digits.  The file is replaced whole, so a reader sees the one before or
 * the one after.
 */
#ifndef UE_POLICY_FILE_H
#define UE_POLICY_FILE_H

#include "core/arena.h"
#include "core/limits.h"

#define UE_POLICY_FILE_NAME "policy.jsonl"
#define UE_HEALTH_FILE_NAME "health.jsonl"

/* system identifier, '/', the database's OID */
#define UE_POLICY_IDENTITY 64

typedef struct UePolicyFile
{
	char identity[UE_POLICY_IDENTITY]; /* "" or "-": not known */
	char *bytes;					   /* the whole file; owned, free() */
	UeSlice snapshot;				   /* points into it */
} UePolicyFile;

typedef enum UePolicyFileResult
{
	UE_POLICY_FILE_READ = 0,
	UE_POLICY_FILE_MISSING,
	UE_POLICY_FILE_BAD, /* unreadable, torn, changed, too large: *reason says what */
} UePolicyFileResult;

/* *reason is static or strerror's. */
extern UePolicyFileResult ue_policy_file_read(const char *directory, const char *name,
											  UePolicyFile *out, const char **reason);

/* Durable when it returns true.  False and *reason: the file is what it was before. */
extern bool ue_policy_file_write(const char *directory, const char *name,
								 const char *identity, UeSlice snapshot,
								 const char **reason);

#endif
