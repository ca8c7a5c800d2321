/* SPDX-License-Identifier: PostgreSQL */
/*
 * database_array.c: PostgreSQL's binary form of arrays and of the types a row is made of.
 *
 * An array is ndim, a flag for nulls, the element's type, then length and lower bound per
 * dimension, then each element with its length in front, all big-endian.  The flag may
 * always be 1: array_recv only checks that it is 0 or 1 and looks for itself.
 */
#include "database.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

/* 2000-01-01 in Unix microseconds: timestamptz counts from there. */
#define POSTGRES_EPOCH_US INT64_C(946684800000000)

/* PGSQL_AF_INET and PGSQL_AF_INET6 of src/include/utils/inet.h. */
#define INET_FAMILY_4 2
#define INET_FAMILY_6 3

typedef struct ElementType
{
	uint32_t oid;
	uint32_t array_oid;
} ElementType;

/* src/include/catalog/pg_type.dat; these numbers are fixed for ever. */
static const ElementType element_types[] = {
	[UE_ELEMENT_TIMESTAMPTZ] = {1184, 1185}, [UE_ELEMENT_UUID] = {2950, 2951},
	[UE_ELEMENT_TEXT] = {25, 1009},			 [UE_ELEMENT_INT4] = {23, 1007},
	[UE_ELEMENT_INT8] = {20, 1016},			 [UE_ELEMENT_BOOL] = {16, 1000},
	[UE_ELEMENT_JSONB] = {3802, 3807},		 [UE_ELEMENT_INET] = {869, 1041},
	[UE_ELEMENT_BYTEA] = {17, 1001},
};

static void write_u32(UeBuf *buf, uint32_t value);
static void write_u64(UeBuf *buf, uint64_t value);
static void write_field(UeBuf *buf, const UeColumn *column, const char *field);
static UeElement find_element(UeColumnType type);

uint32_t
ue_database_array_oid(UeElement element)
{
	return element_types[element].array_oid;
}

void
ue_database_write_array(UeBuf *buf, UeElement element, size_t n_elements)
{
	write_u32(buf, n_elements > 0 ? 1 : 0);
	write_u32(buf, 1);
	write_u32(buf, element_types[element].oid);
	if (n_elements > 0)
	{
		write_u32(buf, (uint32_t) n_elements);
		write_u32(buf, 1);
	}
}

void
ue_database_write_null(UeBuf *buf)
{
	write_u32(buf, UINT32_MAX);
}

void
ue_database_write_bytes(UeBuf *buf, UeSlice bytes)
{
	write_u32(buf, (uint32_t) bytes.len);
	ue_buf_append(buf, bytes);
}

void
ue_database_write_int4(UeBuf *buf, int64_t value)
{
	if (value > INT32_MAX)
		value = INT32_MAX;
	if (value < INT32_MIN)
		value = INT32_MIN;
	write_u32(buf, 4);
	write_u32(buf, (uint32_t) value);
}

void
ue_database_write_int8(UeBuf *buf, int64_t value)
{
	write_u32(buf, 8);
	write_u64(buf, (uint64_t) value);
}

void
ue_database_write_bool(UeBuf *buf, bool value)
{
	write_u32(buf, 1);
	ue_buf_append_byte(buf, value);
}

void
ue_database_write_time(UeBuf *buf, int64_t unix_us)
{
	/* A clock before 4714 BC is damage; the subtraction must not overflow for it. */
	if (unix_us < INT64_MIN + 2 * POSTGRES_EPOCH_US)
		unix_us = 0;
	ue_database_write_int8(buf, unix_us - POSTGRES_EPOCH_US);
}

void
ue_database_write_jsonb(UeBuf *buf, UeSlice text)
{
	write_u32(buf, (uint32_t) text.len + 1);
	ue_buf_append_byte(buf, 1);
	ue_buf_append(buf, text);
}

void
ue_database_write_inet(UeBuf *buf, UeSlice text)
{
	char name[INET6_ADDRSTRLEN];
	char value[4 + 16] = {0};
	size_t size;

	if (text.len >= sizeof(name))
	{
		ue_database_write_null(buf);
		return;
	}
	memcpy(name, text.ptr, text.len);
	name[text.len] = '\0';
	if (inet_pton(AF_INET, name, value + 4) == 1)
	{
		value[0] = INET_FAMILY_4;
		size = 4;
	}
	else if (inet_pton(AF_INET6, name, value + 4) == 1)
	{
		value[0] = INET_FAMILY_6;
		size = 16;
	}
	else
	{
		ue_database_write_null(buf);
		return;
	}
	value[1] = (char) (8 * size); /* prefix: the whole address */
	value[3] = (char) size;		  /* value[2], is_cidr, stays 0 */
	ue_database_write_bytes(buf, (UeSlice){value, 4 + size});
}

void
ue_database_write_column(UeBuf *buf, const UeColumn *column, const void *const *records,
						 size_t n_records)
{
	ue_database_write_array(buf, find_element(column->type), n_records);
	for (size_t i = 0; i < n_records; i++)
		write_field(buf, column, (const char *) records[i] + column->offset);
}

static void
write_field(UeBuf *buf, const UeColumn *column, const char *field)
{
	const UeSlice *text = (const UeSlice *) field;
	const int64_t *number = (const int64_t *) field;

	switch (column->type)
	{
		case UE_COLUMN_TIMESTAMPTZ:
		case UE_COLUMN_INT4:
		case UE_COLUMN_INT8:
			if (*number == UE_EVENT_NULL)
				ue_database_write_null(buf);
			else if (column->type == UE_COLUMN_TIMESTAMPTZ)
				ue_database_write_time(buf, *number);
			else if (column->type == UE_COLUMN_INT4)
				ue_database_write_int4(buf, *number);
			else
				ue_database_write_int8(buf, *number);
			break;
		case UE_COLUMN_UUID:
			if (ue_columns_has_uuid(field))
				ue_database_write_bytes(buf, (UeSlice){field, 16});
			else
				ue_database_write_null(buf);
			break;
		case UE_COLUMN_TEXT:
		case UE_COLUMN_JSONB:
		case UE_COLUMN_INET:
			if (text->len == 0)
				ue_database_write_null(buf);
			else if (column->type == UE_COLUMN_TEXT)
				ue_database_write_bytes(buf, *text);
			else if (column->type == UE_COLUMN_JSONB)
				ue_database_write_jsonb(buf, *text);
			else
				ue_database_write_inet(buf, *text);
			break;
		case UE_COLUMN_BOOL:
			ue_database_write_bool(buf, *(const bool *) field);
			break;
	}
}

static UeElement
find_element(UeColumnType type)
{
	switch (type)
	{
		case UE_COLUMN_TIMESTAMPTZ:
			return UE_ELEMENT_TIMESTAMPTZ;
		case UE_COLUMN_UUID:
			return UE_ELEMENT_UUID;
		case UE_COLUMN_TEXT:
			return UE_ELEMENT_TEXT;
		case UE_COLUMN_INT4:
			return UE_ELEMENT_INT4;
		case UE_COLUMN_INT8:
			return UE_ELEMENT_INT8;
		case UE_COLUMN_BOOL:
			return UE_ELEMENT_BOOL;
		case UE_COLUMN_JSONB:
			return UE_ELEMENT_JSONB;
		case UE_COLUMN_INET:
			return UE_ELEMENT_INET;
	}
	return UE_ELEMENT_TEXT;
}

static void
write_u32(UeBuf *buf, uint32_t value)
{
	uint32_t wire = htonl(value);

	ue_buf_append(buf, (UeSlice){(const char *) &wire, sizeof(wire)});
}

static void
write_u64(UeBuf *buf, uint64_t value)
{
	write_u32(buf, (uint32_t) (value >> 32));
	write_u32(buf, (uint32_t) value);
}
