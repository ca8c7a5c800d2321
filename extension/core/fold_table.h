/* SPDX-License-Identifier: PostgreSQL */
/*
 * fold_table.h: Unicode's case folding as data; fold.c alone reads it.
 */
#ifndef UE_CORE_FOLD_TABLE_H
#define UE_CORE_FOLD_TABLE_H

#include <stdint.h>

#define UE_FOLD_BLOCK  64	/* code points of a block */
#define UE_FOLD_BLOCKS 1957 /* from there on nothing has another folded form */
#define UE_FOLD_DELTAS 97

/* Block of code points -> row of entries. */
extern const uint8_t ue_fold_table_block[UE_FOLD_BLOCKS];

/* Below UE_FOLD_DELTAS: number of a delta; else UE_FOLD_DELTAS plus number of a full one. */
extern const uint8_t ue_fold_table_entry[][UE_FOLD_BLOCK];

/* What is added to the code point; the first is 0. */
extern const int32_t ue_fold_table_delta[UE_FOLD_DELTAS];

/* Two or three code points; 0 in the third place is none. */
extern const uint16_t ue_fold_table_full[][3];

/* Bit b - 0xC0: some character whose UTF-8 begins with b has another folded form. */
extern const uint64_t ue_fold_table_leads;

#endif
