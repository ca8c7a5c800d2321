/* SPDX-License-Identifier: PostgreSQL */
/*
 * tap.h: the Test Anything Protocol in one header, for programs of one file.
 *
 * A test is a claim in words: ok(condition, "arena: a reset keeps one block").  The number
 * of claims is printed at the end, so a program that dies early fails under prove.
 */
#ifndef UE_TEST_TAP_H
#define UE_TEST_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/slice.h"

static int tap_count;
static int tap_failed;

#define ok(condition, ...) tap_report((condition), __FILE__, __LINE__, __VA_ARGS__)

__attribute__((unused, format(printf, 4, 5))) static bool
tap_report(bool is_true, const char *file, int line, const char *claim, ...)
{
	va_list arguments;

	tap_count++;
	tap_failed += !is_true;
	printf("%s %d - ", is_true ? "ok" : "not ok", tap_count);
	va_start(arguments, claim);
	vprintf(claim, arguments);
	va_end(arguments);
	printf("\n");
	if (!is_true)
		printf("# at %s:%d\n", file, line);
	return is_true;
}

/* A claim that two texts are equal; shows both when they are not. */
#define is_text(got, expected, ...)                                                      \
	tap_report_text((got), (expected), __FILE__, __LINE__, __VA_ARGS__)

__attribute__((unused, format(printf, 5, 6))) static bool
tap_report_text(UeSlice got, UeSlice expected, const char *file, int line,
				const char *claim, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, claim);
	(void) vsnprintf(text, sizeof(text), claim, arguments);
	va_end(arguments);
	if (tap_report(ue_slice_is_equal(got, expected), file, line, "%s", text))
		return true;
	printf("#      got: %.*s\n", (int) got.len, got.ptr == NULL ? "" : got.ptr);
	printf("# expected: %.*s\n", (int) expected.len,
		   expected.ptr == NULL ? "" : expected.ptr);
	return false;
}

__attribute__((unused)) static int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif
