/* SPDX-License-Identifier: PostgreSQL */
/*
 * crc32c.c: CRC-32C (polynomial 0x1EDC6F41, reflected 0x82F63B78; RFC 3720 appendix B.4).
 *
 * By the SSE 4.2 instruction where the processor has it, else eight bytes a step from
 * eight tables: table[n][b] is the checksum of byte b followed by n zero bytes, so the
 * eight contributions can be looked up side by side.
 */
#include "crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x82F63B78u

static uint32_t table[8][256];
static bool has_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void build_tables(void);
static uint32_t step_by_table(uint32_t crc, const unsigned char *ptr, size_t len);
#if defined(__x86_64__)
static uint32_t step_by_instruction(uint32_t crc, const unsigned char *ptr, size_t len);
#endif

uint32_t
ue_crc32c(uint32_t crc, const void *data, size_t len)
{
	pthread_once(&once, build_tables);
#if defined(__x86_64__)
	if (has_instruction)
		return ~step_by_instruction(~crc, data, len);
#endif
	return ~step_by_table(~crc, data, len);
}

uint32_t
ue_crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	pthread_once(&once, build_tables);
	return ~step_by_table(~crc, data, len);
}

static void
build_tables(void)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
		table[0][i] = crc;
	}
	for (int i = 1; i < 8; i++)
	{
		for (int byte = 0; byte < 256; byte++)
			table[i][byte] =
				table[i - 1][byte] >> 8 ^ table[0][table[i - 1][byte] & 0xFF];
	}
#if defined(__x86_64__)
	has_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

static uint32_t
step_by_table(uint32_t crc, const unsigned char *ptr, size_t len)
{
	while (len >= 8)
	{
		crc ^= (uint32_t) ptr[0] | (uint32_t) ptr[1] << 8 | (uint32_t) ptr[2] << 16 |
			   (uint32_t) ptr[3] << 24;
		crc = table[7][crc & 0xFF] ^ table[6][crc >> 8 & 0xFF] ^
			  table[5][crc >> 16 & 0xFF] ^ table[4][crc >> 24] ^ table[3][ptr[4]] ^
			  table[2][ptr[5]] ^ table[1][ptr[6]] ^ table[0][ptr[7]];
		ptr += 8;
		len -= 8;
	}
	while (len-- > 0)
		crc = crc >> 8 ^ table[0][(crc ^ *ptr++) & 0xFF];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
step_by_instruction(uint32_t crc, const unsigned char *ptr, size_t len)
{
	uint64_t wide = crc;

	while (len >= 8)
	{
		uint64_t word;

		memcpy(&word, ptr, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
		ptr += 8;
		len -= 8;
	}
	crc = (uint32_t) wide;
	while (len-- > 0)
		crc = __builtin_ia32_crc32qi(crc, *ptr++);
	return crc;
}
#endif
