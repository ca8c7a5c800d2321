/* SPDX-License-Identifier: PostgreSQL */
/*
 * crc32c.h: the Castagnoli checksum that guards each journal record.
 */
#ifndef UE_CRC32C_H
#define UE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues from crc, which is 0 at the beginning and then the last result.  Any thread. */
extern uint32_t ue_crc32c(uint32_t crc, const void *data, size_t len);

/* The same by table, on every machine; ue_crc32c takes the processor's instruction where
 * there is one.  For the test that compares the two. */
extern uint32_t ue_crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
