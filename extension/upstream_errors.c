/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream_errors.c: the module as PostgreSQL loads it.
 *
 * Needs no shared_preload_libraries: the first call of one of its functions loads it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "guc.h"

PG_MODULE_MAGIC;

/* PG 15 gives PGDLLEXPORT no meaning on Linux; the prototype is for the compiler. */
extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	ue_guc_define();
}
