/* SPDX-License-Identifier: PostgreSQL */
/*
 * ident.c: ids of events and requests.
 */
#include "ident.h"

#include <string.h>
#include <sys/random.h>

/* Random bytes in one id. */
#define ID_RANDOM 10

static void fill_pool(UeIdent *ident);
static bool is_hex(UeSlice text);

void
ue_ident_build_uuid(UeIdent *ident, int64_t unix_ms, unsigned char out[16])
{
	if (ident->n_left < ID_RANDOM)
		fill_pool(ident);
	ident->n_left -= ID_RANDOM;
	for (int i = 0; i < 6; i++)
		out[i] = (unsigned char) ((uint64_t) unix_ms >> (40 - 8 * i));
	memcpy(out + 6, ident->pool + ident->n_left, ID_RANDOM);
	out[6] = (unsigned char) (0x70 | (out[6] & 0x0f));
	out[8] = (unsigned char) (0x80 | (out[8] & 0x3f));
}

void
ue_ident_build_request_id(UeIdent *ident, int64_t unix_ms, char *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char uuid[16];

	ue_ident_build_uuid(ident, unix_ms, uuid);
	memcpy(out, "req_", 4);
	for (int i = 0; i < 16; i++)
	{
		out[4 + 2 * i] = digits[uuid[i] >> 4];
		out[5 + 2 * i] = digits[uuid[i] & 0x0f];
	}
}

uint64_t
ue_ident_random(UeIdent *ident)
{
	uint64_t random;

	if (ident->n_left < sizeof(random))
		fill_pool(ident);
	ident->n_left -= sizeof(random);
	memcpy(&random, ident->pool + ident->n_left, sizeof(random));
	return random;
}

bool
ue_ident_is_request_id(UeSlice text)
{
	if (text.len == 0 || text.len > 128)
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if (!((byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
			  (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == ':' ||
			  byte == '-'))
			return false;
	}
	return true;
}

/* "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"; later versions may be longer. */
UeSlice
ue_ident_find_trace_id(UeSlice traceparent)
{
	UeSlice none = {NULL, 0};
	UeSlice trace_id = ue_slice_sub(traceparent, 3, 32);

	if (traceparent.len < 55 || traceparent.ptr[2] != '-' || traceparent.ptr[35] != '-' ||
		traceparent.ptr[52] != '-' || !is_hex(ue_slice_sub(traceparent, 0, 2)) ||
		!is_hex(trace_id) ||
		ue_slice_is_equal(trace_id, UE_SLICE("00000000000000000000000000000000")))
		return none;
	return trace_id;
}

/*
 * A process that runs has an initialised kernel pool, so getrandom fails only when it does
 * not exist; then what is there is used again, and the time still tells ids apart.
 */
static void
fill_pool(UeIdent *ident)
{
	size_t filled = 0;

	while (filled < UE_IDENT_POOL)
	{
		ssize_t n_bytes = getrandom(ident->pool + filled, UE_IDENT_POOL - filled, 0);

		if (n_bytes <= 0)
			break;
		filled += (size_t) n_bytes;
	}
	ident->n_left = UE_IDENT_POOL;
}

/* Lower case only, as the recommendation demands. */
static bool
is_hex(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f')))
			return false;
	}
	return true;
}
