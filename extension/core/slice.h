/* SPDX-License-Identifier: PostgreSQL */
/*
 * slice.h: a pointer and a length that travel together.
 *
 * A slice owns nothing and is passed by value.  It is never assumed to end in NUL.  The
 * empty slice has len 0; its ptr may be NULL.  "Fold" means ASCII case-insensitive.
 */
#ifndef UE_CORE_SLICE_H
#define UE_CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct UeSlice
{
	const char *ptr; /* not owned */
	size_t len;      /* bytes */
} UeSlice;

/* A slice of a string literal, usable in expressions and, as UE_SLICE_INIT, in tables. */
#define UE_SLICE_INIT(literal) {"" literal, sizeof(literal) - 1}
#define UE_SLICE(literal) ((UeSlice) UE_SLICE_INIT(literal))

extern UeSlice ue_slice_of(const char *text); /* NULL gives the empty slice */
extern bool ue_slice_is_empty(UeSlice slice);
static inline bool ue_slice_is_equal(UeSlice a, UeSlice b);
static inline bool ue_slice_is_equal_fold(UeSlice a, UeSlice b);
static inline bool ue_slice_has_prefix(UeSlice slice, UeSlice prefix);
static inline bool ue_slice_has_prefix_fold(UeSlice slice, UeSlice prefix);
extern bool ue_slice_has_suffix_fold(UeSlice slice, UeSlice suffix);

/* Offset of the first occurrence in *at; false, *at untouched, when there is none.  An
 * empty needle is found at 0.  Linear in the haystack times the needle at worst. */
extern bool ue_slice_find(UeSlice haystack, UeSlice needle, size_t *at);
extern bool ue_slice_find_fold(UeSlice haystack, UeSlice needle, size_t *at);

/* A byte below 0x20, or 0x7f. */
extern bool ue_slice_has_control(UeSlice slice);

/* Without leading and trailing ASCII white space. */
extern UeSlice ue_slice_trim(UeSlice slice);

/* The part from offset on, at most len bytes; clamped to the slice. */
static inline UeSlice ue_slice_sub(UeSlice slice, size_t offset, size_t len);

/* The whole slice as a decimal integer, sign allowed, no blanks; false on overflow or
 * any other byte. */
extern bool ue_slice_parse_int64(UeSlice slice, int64_t *out);

/*
 * Inline are those that are asked for each header, member and event, nearly always to find
 * that the lengths differ, or with a literal, whose comparison the compiler then writes out.
 * memcmp must not be given NULL even for no bytes, and the empty slice may hold NULL.
 */

/* slice.c */
extern bool ue_slice_are_bytes_equal_fold(const char *a, const char *b, size_t len);

/* Where case does not count, bytes that are equal differ in no bit but that of case.  Tables
 * are held against text row by row, and nearly all rows begin with another byte. */
static inline bool
ue_slice_begin_alike(const char *a, const char *b, size_t len)
{
	return len == 0 || ((a[0] ^ b[0]) & ~0x20) == 0;
}

static inline bool
ue_slice_is_equal(UeSlice a, UeSlice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool
ue_slice_is_equal_fold(UeSlice a, UeSlice b)
{
	return a.len == b.len && ue_slice_begin_alike(a.ptr, b.ptr, a.len) &&
		   ue_slice_are_bytes_equal_fold(a.ptr, b.ptr, a.len);
}

static inline bool
ue_slice_has_prefix(UeSlice slice, UeSlice prefix)
{
	return prefix.len == 0 ||
		   (slice.len >= prefix.len && memcmp(slice.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool
ue_slice_has_prefix_fold(UeSlice slice, UeSlice prefix)
{
	return slice.len >= prefix.len &&
		   ue_slice_begin_alike(slice.ptr, prefix.ptr, prefix.len) &&
		   ue_slice_are_bytes_equal_fold(slice.ptr, prefix.ptr, prefix.len);
}

static inline UeSlice
ue_slice_sub(UeSlice slice, size_t offset, size_t len)
{
	if (slice.len == 0)
		return slice;
	if (offset > slice.len)
		offset = slice.len;
	if (len > slice.len - offset)
		len = slice.len - offset;
	slice.ptr += offset;
	slice.len = len;
	return slice;
}

#endif
