/* SPDX-License-Identifier: PostgreSQL */
/*
 * catalog.h: every error code we speak of, what it means and what a client is told.
 *
 * A const table; SELECT * FROM upstream_error_codes() prints it.
 */
#ifndef UE_CORE_CATALOG_H
#define UE_CORE_CATALOG_H

#include "core/fault.h"

typedef enum UeVisibility
{
	UE_VISIBILITY_SHOWN = 0, /* the upstream's own message, masked */
	UE_VISIBILITY_REPLACED,	 /* the catalogue's message instead */
	UE_VISIBILITY_INTERNAL,	 /* the public code's general message; never the cause */
} UeVisibility;

typedef struct UeCode
{
	UeSlice name;		 /* "rate_limit_exceeded", "channel:no_available_key" */
	UeSlice public_code; /* one of SPEC 3.4's nine */
	UeClass class;	   /* a fault of this class has this code by default, or shares it */
	int client_status; /* 400 to 599; 0: the upstream's own */
	UeVisibility visibility;
	bool is_skip_retry;
	bool is_recorded;
	int retry_after_s;	/* for a client that may retry when the upstream named no wait; 0:
						 * that of the class */
	UeSlice message_en; /* what a client reads when the upstream's words are not shown */
	UeSlice message_zh;
	UeSlice cause; /* for operators, English */
	UeSlice remedy;
} UeCode;

extern const char *ue_visibility_name(UeVisibility visibility);

extern size_t ue_catalog_count(void);
extern const UeCode *ue_catalog_at(size_t index);		/* NULL beyond the end */
extern const UeCode *ue_catalog_find(UeSlice name);		/* NULL when there is none */
extern const UeCode *ue_catalog_default(UeClass class); /* never NULL */

/* Seconds to tell a client that may retry and was named no wait; 0: none. */
extern int ue_catalog_retry_after(const UeCode *code);

#endif
