/* SPDX-License-Identifier: PostgreSQL */
/*
 * template.h: names in braces, replaced by values.
 *
 * "HTTP {status}" with status = "500" is "HTTP 500".  A name that is not among the values
 * stays as it is written, braces included.
 */
#ifndef UE_CORE_TEMPLATE_H
#define UE_CORE_TEMPLATE_H

#include "core/arena.h"

typedef struct UeTemplateValue
{
	UeSlice name;
	UeSlice value;
} UeTemplateValue;

/* Returns the text itself when it has no braces.  UE_NO_MEMORY, UE_TOO_LARGE. */
extern UeStatus ue_template_render(UeArena *arena, UeSlice text,
								   const UeTemplateValue *values, size_t n_values,
								   UeSlice *out) UE_MUST_CHECK;

#endif
