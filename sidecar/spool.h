/* SPDX-License-Identifier: PostgreSQL */
/*
 * spool.h: a request's body, kept so that it can be sent again.
 *
 * The beginning is kept in memory, the rest in a file without a name, so that nothing of a
 * prompt stays on a disk when the process dies.  Writes go to the page cache; a body that
 * large takes longer on its way to us than into it.
 */
#ifndef UE_SPOOL_H
#define UE_SPOOL_H

#include "core/slice.h"

typedef struct UeSpool UeSpool;

typedef enum UeSpoolState
{
	UE_SPOOL_WHOLE = 0, /* all that was appended can be read */
	UE_SPOOL_FULL,		/* it would exceed max_bytes: nothing can be read any more */
	UE_SPOOL_FAILED,	/* no memory, or the disk refused: the same */
} UeSpoolState;

typedef struct UeSpoolOptions
{
	size_t memory_bytes;   /* so much stays in memory */
	size_t max_bytes;	   /* altogether */
	const char *directory; /* of the file; must outlive the spool */
} UeSpoolOptions;

/* NULL on exhaustion. */
extern UeSpool *ue_spool_new(const UeSpoolOptions *options);
extern void ue_spool_free(UeSpool *spool); /* NULL is fine */

/* Once it is not whole it stays so, and what was kept is given back; errno says why a disk
 * refused. */
extern UeSpoolState ue_spool_append(UeSpool *spool, UeSlice bytes);

/* The same, but what cannot be kept is left out, and what was kept stays: false then. */
extern bool ue_spool_extend(UeSpool *spool, UeSlice bytes);
extern UeSpoolState ue_spool_state(const UeSpool *spool);
extern size_t ue_spool_size(const UeSpool *spool); /* bytes appended */

/* Copies up to size bytes from offset on; 0: there are none; -1: the disk refused. */
extern int64_t ue_spool_read(const UeSpool *spool, size_t offset, char *buffer,
							 size_t size);

#endif
