/* SPDX-License-Identifier: PostgreSQL */
/*
 * status.h: what can go wrong in our own code.
 *
 * UeStatus is ours; the upstream's error is a UeFault (fault.h).  A function that can fail
 * returns a UeStatus, which must be checked, and leaves its out-parameters alone when it
 * is not UE_OK.
 */
#ifndef UE_CORE_STATUS_H
#define UE_CORE_STATUS_H

#define UE_MUST_CHECK __attribute__((warn_unused_result))

typedef enum UeStatus
{
	UE_OK = 0,
	UE_NO_MEMORY,        /* the allocator returned NULL, or the arena's ceiling is reached */
	UE_TOO_LARGE,        /* a ceiling of limits.h on a size or a count is exceeded */
	UE_TOO_DEEP,         /* nesting beyond UE_LIMIT_JSON_DEPTH */
	UE_MALFORMED,        /* the text is not what its format demands */
	UE_INVALID_ARGUMENT, /* a value outside its closed list or range */
} UeStatus;

/* A short lower-case sentence without a full stop, for messages; never NULL. */
extern const char *ue_status_name(UeStatus status);

#endif
