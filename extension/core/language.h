/* SPDX-License-Identifier: PostgreSQL */
/*
 * language.h: which language a client reads.
 */
#ifndef UE_CORE_LANGUAGE_H
#define UE_CORE_LANGUAGE_H

#include "core/slice.h"

typedef enum UeLanguage
{
	UE_LANGUAGE_ENGLISH = 0,
	UE_LANGUAGE_CHINESE,
} UeLanguage;

/*
 * The better liked of the two by an Accept-Language header (RFC 9110 12.5.4); the first
 * named when both are liked the same.  English when it is empty, broken, or names neither.
 */
extern UeLanguage ue_language_parse(UeSlice accept_language);

/*
 * Which of the tags, "pt-BR", a client with that header likes best: a range of the header
 * means the tag that it equals, else the longest that begins it, else the first that it
 * begins.  fallback when it likes none of them, and where it takes any.
 */
extern size_t ue_language_choose(UeSlice accept_language, const UeSlice *tags,
								 size_t n_tags, size_t fallback);

#endif
