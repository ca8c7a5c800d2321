/* SPDX-License-Identifier: PostgreSQL */
/*
 * columns.c: records with a table of columns as the journal's payloads.
 *
 * A payload is a version byte and then fields, each
 *
 *     u8 number    the column's place in the table of the record's kind
 *     u8 wire      how the value is written: 0 eight bytes, 1 one byte, 2 u32 length and bytes
 *     value
 *
 * with integers in little-endian order.  NULLs are left out.  A reader passes over numbers
 * it does not know, so a journal outlives an upgrade and a downgrade.
 */
#include "columns.h"

#include <limits.h>
#include <string.h>

#include "core/utf8.h"

#define VERSION 1

typedef enum Wire
{
	WIRE_EIGHT = 0,
	WIRE_ONE,
	WIRE_BYTES,
} Wire;

typedef struct Field
{
	int number;
	Wire wire;
	int64_t integer; /* WIRE_EIGHT, WIRE_ONE */
	UeSlice bytes;	 /* WIRE_BYTES */
} Field;

static UeStatus write_text(UeBuf *buf, int number, UeSlice text) UE_MUST_CHECK;
static void write_bytes(UeBuf *buf, int number, UeSlice bytes);
static void write_integer(UeBuf *buf, int number, int64_t value);
static UeStatus read_field(UeSlice bytes, size_t *at, Field *out) UE_MUST_CHECK;
static UeStatus store_field(const UeColumn *column, const Field *field,
							void *record) UE_MUST_CHECK;
static uint64_t read_little_endian(const char *ptr, int n_bytes);

void
ue_columns_init(const UeColumn *columns, int n_columns, void *record)
{
	for (int i = 0; i < n_columns; i++)
	{
		char *field = (char *) record + columns[i].offset;

		switch (columns[i].type)
		{
			case UE_COLUMN_TIMESTAMPTZ:
			case UE_COLUMN_INT4:
			case UE_COLUMN_INT8:
				*(int64_t *) field = UE_EVENT_NULL;
				break;
			case UE_COLUMN_UUID:
				memset(field, 0, 16);
				break;
			case UE_COLUMN_TEXT:
			case UE_COLUMN_JSONB:
			case UE_COLUMN_INET:
				*(UeSlice *) field = (UeSlice){NULL, 0};
				break;
			case UE_COLUMN_BOOL:
				*(bool *) field = false;
				break;
		}
	}
}

bool
ue_columns_has_uuid(const void *uuid)
{
	static const char nil[16];

	return memcmp(uuid, nil, sizeof(nil)) != 0;
}

UeStatus
ue_columns_write(UeBuf *buf, const UeColumn *columns, int n_columns, const void *record)
{
	ue_buf_append_byte(buf, VERSION);
	for (int i = 0; i < n_columns; i++)
	{
		const char *field = (const char *) record + columns[i].offset;

		switch (columns[i].type)
		{
			case UE_COLUMN_TIMESTAMPTZ:
			case UE_COLUMN_INT4:
			case UE_COLUMN_INT8:
				if (*(const int64_t *) field != UE_EVENT_NULL)
					write_integer(buf, i, *(const int64_t *) field);
				break;
			case UE_COLUMN_UUID:
				if (ue_columns_has_uuid(field))
					write_bytes(buf, i, (UeSlice){field, 16});
				break;
			case UE_COLUMN_TEXT:
			case UE_COLUMN_JSONB:
			case UE_COLUMN_INET:
			{
				UeStatus status = write_text(buf, i, *(const UeSlice *) field);

				if (status != UE_OK)
					return status;
				break;
			}
			case UE_COLUMN_BOOL:
				ue_buf_append_byte(buf, (char) i);
				ue_buf_append_byte(buf, WIRE_ONE);
				ue_buf_append_byte(buf, *(const bool *) field);
				break;
		}
	}
	return buf->status;
}

/* Paths, models and ids come from outside as they are; here they become text that the
 * table takes, so that no insert fails for them. */
static UeStatus
write_text(UeBuf *buf, int number, UeSlice text)
{
	UeSlice clean;
	UeStatus status;

	if (text.len == 0)
		return UE_OK;
	if (text.len > UINT_MAX)
		return UE_TOO_LARGE;
	status = ue_utf8_clean(buf->arena, text, &clean);
	if (status == UE_OK)
		write_bytes(buf, number, clean);
	return status;
}

static void
write_bytes(UeBuf *buf, int number, UeSlice bytes)
{
	char head[6] = {(char) number, WIRE_BYTES};

	for (int i = 0; i < 4; i++)
		head[2 + i] = (char) (bytes.len >> (8 * i));
	ue_buf_append(buf, (UeSlice){head, sizeof(head)});
	ue_buf_append(buf, bytes);
}

static void
write_integer(UeBuf *buf, int number, int64_t value)
{
	char field[10] = {(char) number, WIRE_EIGHT};

	for (int i = 0; i < 8; i++)
		field[2 + i] = (char) ((uint64_t) value >> (8 * i));
	ue_buf_append(buf, (UeSlice){field, sizeof(field)});
}

UeStatus
ue_columns_read(UeSlice bytes, const UeColumn *columns, int n_columns, void *record)
{
	size_t at = 1;

	if (bytes.len == 0 || bytes.ptr[0] != VERSION)
		return UE_MALFORMED;
	while (at < bytes.len)
	{
		Field field;
		UeStatus status;

		status = read_field(bytes, &at, &field);
		if (status == UE_OK && field.number < n_columns)
			status = store_field(&columns[field.number], &field, record);
		if (status != UE_OK)
			return status;
	}
	return UE_OK;
}

static UeStatus
read_field(UeSlice bytes, size_t *at, Field *out)
{
	size_t left = bytes.len - *at;
	const char *ptr = bytes.ptr + *at;
	size_t size;

	if (left < 3)
		return UE_MALFORMED;
	out->number = (unsigned char) ptr[0];
	out->wire = (unsigned char) ptr[1];
	out->integer = 0;
	out->bytes = (UeSlice){NULL, 0};
	if (out->wire == WIRE_EIGHT)
	{
		size = 10;
		if (left >= size)
			out->integer = (int64_t) read_little_endian(ptr + 2, 8);
	}
	else if (out->wire == WIRE_ONE)
	{
		size = 3;
		out->integer = (unsigned char) ptr[2];
	}
	else if (out->wire == WIRE_BYTES && left >= 6)
	{
		out->bytes = (UeSlice){ptr + 6, read_little_endian(ptr + 2, 4)};
		size = 6 + out->bytes.len;
	}
	else
		return UE_MALFORMED;
	if (size > left)
		return UE_MALFORMED;
	*at += size;
	return UE_OK;
}

static UeStatus
store_field(const UeColumn *column, const Field *field, void *record)
{
	char *target = (char *) record + column->offset;

	switch (column->type)
	{
		case UE_COLUMN_TIMESTAMPTZ:
		case UE_COLUMN_INT4:
		case UE_COLUMN_INT8:
			if (field->wire != WIRE_EIGHT)
				return UE_MALFORMED;
			*(int64_t *) target = field->integer;
			return UE_OK;
		case UE_COLUMN_UUID:
			if (field->wire != WIRE_BYTES || field->bytes.len != 16)
				return UE_MALFORMED;
			memcpy(target, field->bytes.ptr, 16);
			return UE_OK;
		case UE_COLUMN_TEXT:
		case UE_COLUMN_JSONB:
		case UE_COLUMN_INET:
			if (field->wire != WIRE_BYTES)
				return UE_MALFORMED;
			*(UeSlice *) target = field->bytes;
			return UE_OK;
		case UE_COLUMN_BOOL:
			if (field->wire != WIRE_ONE)
				return UE_MALFORMED;
			*(bool *) target = field->integer != 0;
			return UE_OK;
	}
	return UE_MALFORMED;
}

static uint64_t
read_little_endian(const char *ptr, int n_bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < n_bytes; i++)
		value |= (uint64_t) (unsigned char) ptr[i] << (8 * i);
	return value;
}
