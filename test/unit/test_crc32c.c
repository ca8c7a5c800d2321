/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_crc32c.c: the published check values, and the two ways of computing against each
 * other and against one bit at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "tap.h"

static uint32_t
sum_slowly(const unsigned char *data, size_t len)
{
	uint32_t crc = 0xFFFFFFFF;

	for (size_t i = 0; i < len; i++)
	{
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
	}
	return ~crc;
}

int
main(void)
{
	unsigned char data[1024];
	unsigned char zeros[32] = {0};
	unsigned char ones[32];
	bool is_same = true;
	bool is_chained = true;

	memset(ones, 0xFF, sizeof(ones));

	/* RFC 3720, appendix B.4; "123456789" is the customary check of CRC catalogues. */
	ok(ue_crc32c(0, "123456789", 9) == 0xE3069283, "the check value of CRC-32C");
	ok(ue_crc32c(0, zeros, 32) == 0x8A9136AA, "32 bytes of zeros as in RFC 3720");
	ok(ue_crc32c(0, ones, 32) == 0x62A8AB43, "32 bytes of ones as in RFC 3720");
	ok(ue_crc32c(0, "", 0) == 0, "nothing sums up to 0");

	srand(1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char) rand();
	for (size_t len = 0; len <= 200; len++)
	{
		for (size_t offset = 0; offset < 9; offset++)
		{
			uint32_t expected = sum_slowly(data + offset, len);

			is_same = is_same && ue_crc32c(0, data + offset, len) == expected &&
					  ue_crc32c_portable(0, data + offset, len) == expected;
		}
	}
	ok(is_same, "instruction, table and single bits agree at every length and alignment");
	for (size_t cut = 0; cut <= sizeof(data); cut++)
		is_chained = is_chained &&
					 ue_crc32c(ue_crc32c(0, data, cut), data + cut, sizeof(data) - cut) ==
						 ue_crc32c(0, data, sizeof(data));
	ok(is_chained, "a sum can be continued at any byte");
	return done_testing();
}
