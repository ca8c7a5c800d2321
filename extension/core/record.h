/* SPDX-License-Identifier: PostgreSQL */
/*
 * record.h: rows of SQL that arrive as JSON objects, read member by member.
 *
 * A reader notes the first problem with the member's name and what is accepted, and goes
 * on as if nothing were: the caller asks once at the end.  A member that is absent or null
 * leaves *out as it is, which is how defaults work.
 */
#ifndef UE_CORE_RECORD_H
#define UE_CORE_RECORD_H

#include "core/buf.h"
#include "core/json.h"
#include "core/statuses.h"

typedef struct UeRecord
{
	UeArena *arena;
	const UeJson *object;
	UeStatus status; /* UE_OK, UE_NO_MEMORY, or UE_INVALID_ARGUMENT with the next two */
	UeSlice field;
	UeSlice problem; /* readable, without a full stop */
} UeRecord;

/* Slices of a text[] column, or what a row holds of it. */
typedef struct UeRecordList
{
	const UeSlice *items;
	size_t n;
} UeRecordList;

/* Not an object: a problem without a field. */
extern void ue_record_init(UeRecord *record, UeArena *arena, const UeJson *object);

/* Members must be among the names; a member that occurs twice is a problem too. */
extern void ue_record_allow(UeRecord *record, const UeSlice *names, size_t n_names);

extern void ue_record_read_bool(UeRecord *record, const char *name, bool *out);
extern void ue_record_read_int64(UeRecord *record, const char *name, int64_t lowest,
								 int64_t highest, int64_t *out);
extern void ue_record_read_int32(UeRecord *record, const char *name, int32_t lowest,
								 int32_t highest, int32_t *out);

/* Trimmed text of at most limit bytes; blank text is as good as absent. */
extern void ue_record_read_text(UeRecord *record, const char *name, size_t limit,
								UeSlice *out);

/* Each trimmed, none blank, at most UE_LIMIT_LIST of at most limit bytes. */
extern void ue_record_read_list(UeRecord *record, const char *name, size_t limit,
								UeRecordList *out);

/* "401-407,500-599" */
extern void ue_record_read_statuses(UeRecord *record, const char *name, UeStatuses *out);

/* One of names, by number. */
extern void ue_record_read_word(UeRecord *record, const char *name,
								const char *const *names, int n_names, int *out);

/* A list of such words, as bits by number. */
extern void ue_record_read_words(UeRecord *record, const char *name,
								 const char *const *names, int n_names, uint32_t *out);

/* The member, unless it is absent, null, or a problem is known already. */
extern const UeJson *ue_record_find(const UeRecord *record, const char *name);

/* Elements of an array, members of an object. */
extern size_t ue_record_count(const UeJson *node);

/* For checks of the caller's own: format is plain text. */
extern void ue_record_complain(UeRecord *record, const char *name, UeSlice problem);

#endif
