/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_record.c: framing of records, and finding them again behind damage.
 */
#include "journal_record.h"

#include <string.h>

#include "crc32c.h"

#define VERSION 1

/* "UER" and the ASCII record separator. */
static const char marker[4] = {'U', 'E', 'R', 0x1E};

/* CR and LF show a copy that was taken as text. */
static const char magic[8] = {'U', 'E', 'J', 'R', 'N', 'L', '\r', '\n'};

static uint32_t read_u32(const char *ptr);
static void write_u32(char *ptr, uint32_t value);
static uint32_t sum_record(const char *record, size_t payload_len);

UeRecordResult
ue_record_parse(UeSlice bytes, UeJournalRecord *out, size_t *size)
{
	size_t n_compared = bytes.len < sizeof(marker) ? bytes.len : sizeof(marker);
	uint32_t payload_len;
	uint64_t appended_us = 0;

	if (memcmp(bytes.ptr, marker, n_compared) != 0)
	{
		*size = ue_record_find_next(bytes);
		return UE_RECORD_CORRUPT;
	}
	if (bytes.len < UE_RECORD_HEADER)
	{
		*size = UE_RECORD_HEADER;
		return UE_RECORD_CUT;
	}
	payload_len = read_u32(bytes.ptr + 4);
	if (payload_len > UE_RECORD_MAX_PAYLOAD)
	{
		*size = ue_record_find_next(bytes);
		return UE_RECORD_CORRUPT;
	}
	if (bytes.len < UE_RECORD_HEADER + (size_t) payload_len)
	{
		*size = UE_RECORD_HEADER + (size_t) payload_len;
		return UE_RECORD_CUT;
	}
	if (sum_record(bytes.ptr, payload_len) != read_u32(bytes.ptr + 8))
	{
		*size = ue_record_find_next(bytes);
		return UE_RECORD_CORRUPT;
	}
	for (int i = 0; i < 8; i++)
		appended_us |= (uint64_t) (unsigned char) bytes.ptr[16 + i] << (8 * i);
	out->kind = (unsigned char) bytes.ptr[12];
	out->appended_us = (int64_t) appended_us;
	out->payload = ue_slice_sub(bytes, UE_RECORD_HEADER, payload_len);
	*size = UE_RECORD_HEADER + (size_t) payload_len;
	return UE_RECORD_OK;
}

size_t
ue_record_find_next(UeSlice bytes)
{
	const char *end = bytes.ptr + bytes.len;
	const char *at = bytes.ptr;

	while (at + 1 < end && (at = memchr(at + 1, marker[0], end - at - 1)) != NULL)
	{
		size_t left = end - at;

		if (memcmp(at, marker, left < sizeof(marker) ? left : sizeof(marker)) == 0)
			return at - bytes.ptr;
	}
	return bytes.len;
}

void
ue_record_write_header(char *record, UeRecordKind kind, int64_t appended_us,
					   size_t payload_len)
{
	memcpy(record, marker, sizeof(marker));
	write_u32(record + 4, (uint32_t) payload_len);
	write_u32(record + 12, (uint32_t) kind);
	write_u32(record + 16, (uint32_t) ((uint64_t) appended_us & 0xFFFFFFFF));
	write_u32(record + 20, (uint32_t) ((uint64_t) appended_us >> 32));
	write_u32(record + 8, sum_record(record, payload_len));
}

size_t
ue_record_measure(UeSlice record)
{
	return UE_RECORD_HEADER + (size_t) read_u32(record.ptr + 4);
}

UeRecordKind
ue_record_kind(UeSlice record)
{
	return (UeRecordKind) (unsigned char) record.ptr[12];
}

void
ue_record_write_segment_header(char *header)
{
	memcpy(header, magic, sizeof(magic));
	write_u32(header + 8, VERSION);
	write_u32(header + 12, ue_crc32c(0, header, 12));
}

UeStatus
ue_record_check_segment_header(UeSlice bytes)
{
	if (bytes.len < UE_RECORD_SEGMENT_HEADER ||
		memcmp(bytes.ptr, magic, sizeof(magic)) != 0 ||
		read_u32(bytes.ptr + 12) != ue_crc32c(0, bytes.ptr, 12))
		return UE_MALFORMED;
	return read_u32(bytes.ptr + 8) == VERSION ? UE_OK : UE_INVALID_ARGUMENT;
}

static uint32_t
sum_record(const char *record, size_t payload_len)
{
	return ue_crc32c(ue_crc32c(0, record + 4, 4), record + 12,
					 UE_RECORD_HEADER - 12 + payload_len);
}

static uint32_t
read_u32(const char *ptr)
{
	const unsigned char *bytes = (const unsigned char *) ptr;

	return (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 |
		   (uint32_t) bytes[3] << 24;
}

static void
write_u32(char *ptr, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		ptr[i] = (char) (value >> (8 * i));
}
