/* SPDX-License-Identifier: PostgreSQL */
/*
 * counts.h: how often each scenario was asked for, so that tests can count attempts.
 */
#ifndef UE_TEST_COUNTS_H
#define UE_TEST_COUNTS_H

#include <stdio.h>

/* All may be called by any thread; an unknown name adds a row while there is room. */
extern int ue_counts_begin(const char *name); /* the number of this request, from 1 */
extern void
ue_counts_gone(const char *name); /* the peer left before the answer was whole */
extern void ue_counts_end(const char *name);

/* {"ok":{"requests":3,"open":0,"gone":1},…} */
extern void ue_counts_write(FILE *out);
extern void ue_counts_reset(void);

#endif
