/* SPDX-License-Identifier: PostgreSQL */
/*
 * status.c: our own failures in words.
 */
#include "core/status.h"

const char *
ue_status_name(UeStatus status)
{
	switch (status)
	{
		case UE_OK:
			return "success";
		case UE_NO_MEMORY:
			return "out of memory";
		case UE_TOO_LARGE:
			return "too large";
		case UE_TOO_DEEP:
			return "nested too deeply";
		case UE_MALFORMED:
			return "malformed text";
		case UE_INVALID_ARGUMENT:
			return "invalid argument";
	}
	return "unknown status";
}
