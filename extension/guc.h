/* SPDX-License-Identifier: PostgreSQL */
/*
 * guc.h: the settings upstream_errors.*, all of them.
 */
#ifndef UE_GUC_H
#define UE_GUC_H

#pragma GCC visibility push(hidden)

/* Minutes that events are kept; 0: for ever. */
extern int ue_guc_retention;

/* The same of counts of them and of traffic. */
extern int ue_guc_rollup_retention;

/* Once per backend, when the module is loaded. */
extern void ue_guc_define(void);

#pragma GCC visibility pop

#endif
