/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_value.h: what stands behind the name of a secret; mask_name.c finds the names.
 */
#ifndef UE_CORE_MASK_VALUE_H
#define UE_CORE_MASK_VALUE_H

#include "core/mask_fragment.h"

/* How name and value are written down. */
typedef enum UeMaskForm
{
	UE_MASK_FORM_COLON = 0, /* also %3A */
	UE_MASK_FORM_EQUALS,	/* also %3D */
	UE_MASK_FORM_ARROW,		/* "=>" of Ruby, PHP and Perl; ":=" of Go */
} UeMaskForm;

/* The name found before a separator, and what its value would be. */
typedef struct UeMaskNamed
{
	const UeMaskFragment *fragment;
	UeMaskForm form;
	bool is_encoded;   /* the separator is written %3A or %3D */
	bool is_quoted;	   /* the name stands in quotes: JSON, or a dict of Python */
	bool is_subscript; /* or in brackets: headers[x-api-key] */
	bool is_certain;   /* the value is secret whatever it looks like */
	size_t name_at, name_end;
	size_t likely_at; /* nothing begins in the name before this; or SIZE_MAX */
	size_t at;		  /* the value's first byte */
} UeMaskNamed;

static inline bool
ue_mask_is_quote(char byte)
{
	return byte == '"' || byte == '\'' || byte == '`';
}

/* A quote as HTML writes it: "&quot;", and "&amp;quot;" in HTML that is shown in HTML. */
extern bool ue_mask_is_entity(const UeMaskScan *scan, size_t at, size_t *len);

/* Whether the first bytes of a value are those of a key, as behind "key" they seldom are. */
extern bool ue_mask_may_look(UeMaskScan *scan, size_t at);

/*
 * True where a sentence goes on with a short word in lower case: what most colons of prose
 * stand before is decided here.
 */
extern bool ue_mask_skip_sentence(UeMaskScan *scan, size_t at);

/* Hides the value, if it is one; value->at may stand on blanks before it. */
extern bool ue_mask_apply_value(UeMaskScan *scan, UeMaskNamed *value);

/* A value of an uncertain name that is no word of a sentence; and one that is no name either. */
extern bool ue_mask_is_likely_secret(const UeMaskNamed *value, UeSlice text);
extern bool ue_mask_is_key_like(UeSlice text);

/* The same for what stands between the tags of an element, up to `end`. */
extern bool ue_mask_apply_content(UeMaskScan *scan, const UeMaskNamed *value, size_t end);

/* Whether a string of JSON is secret because of its member's name. */
extern bool ue_mask_is_secret_member(UeSlice name, UeSlice text);

/*
 * mask_name.c: "x-api-key: authorization: …", "secret: token = …": what follows the value's
 * word is the value of another name, which is left to its own rule.  Returns where that name
 * begins; end when there is none.
 */
extern size_t ue_mask_find_other_name(const UeMaskScan *scan, size_t start, size_t end);

#endif
