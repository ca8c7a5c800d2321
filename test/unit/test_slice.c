/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_slice.c: slices, and the names of our statuses.
 */
#include <stdint.h>

#include "core/slice.h"
#include "core/status.h"
#include "guard.h"
#include "tap.h"

static const UeSlice empty = {NULL, 0};

static void
test_comparisons(void)
{
	ok(ue_slice_is_empty(empty) && ue_slice_is_empty(ue_slice_of(NULL)),
	   "slice: NULL is empty");
	ok(ue_slice_is_equal(empty, UE_SLICE("")), "slice: empty equals empty, NULL or not");
	ok(ue_slice_is_equal(UE_SLICE("a\0b"), UE_SLICE("a\0b")),
	   "slice: NUL is a byte like others");
	ok(!ue_slice_is_equal(UE_SLICE("a\0b"), UE_SLICE("a\0c")),
	   "slice: NUL ends no comparison");
	ok(ue_slice_is_equal_fold(UE_SLICE("Retry-After"), UE_SLICE("rETRY-aFTER")),
	   "slice: fold");
	ok(!ue_slice_is_equal_fold(UE_SLICE("["), UE_SLICE("{")), "slice: only letters fold");
	ok(!ue_slice_is_equal_fold(UE_SLICE("\xC4"), UE_SLICE("\xE4")),
	   "slice: only ASCII folds");
	ok(ue_slice_has_prefix(UE_SLICE("abc"), empty),
	   "slice: the empty prefix is in everything");
	ok(ue_slice_has_prefix(UE_SLICE("abc"), UE_SLICE("ab")), "slice: prefix");
	ok(!ue_slice_has_prefix(UE_SLICE("ab"), UE_SLICE("abc")),
	   "slice: no prefix beyond the end");
	ok(ue_slice_has_prefix_fold(UE_SLICE("ABc"), UE_SLICE("ab")), "slice: prefix, fold");
	ok(ue_slice_has_suffix_fold(UE_SLICE("x.JSON"), UE_SLICE(".json")),
	   "slice: suffix, fold");
	ok(!ue_slice_has_suffix_fold(UE_SLICE("json"), UE_SLICE(".json")),
	   "slice: suffix too long");
}

static void
test_search(void)
{
	size_t at = 99;

	ok(ue_slice_find(UE_SLICE("banana"), UE_SLICE("nan"), &at) && at == 2, "slice: find");
	ok(ue_slice_find(UE_SLICE("aab"), UE_SLICE("ab"), &at) && at == 1,
	   "slice: find past a start");
	ok(ue_slice_find(UE_SLICE("abc"), empty, &at) && at == 0, "slice: empty needle at 0");
	ok(ue_slice_find(empty, empty, &at) && at == 0,
	   "slice: empty needle in an empty haystack");
	at = 99;
	ok(!ue_slice_find(UE_SLICE("abc"), UE_SLICE("cd"), &at) && at == 99,
	   "slice: *at untouched");
	ok(!ue_slice_find(empty, UE_SLICE("a"), &at), "slice: nothing in nothing");
	ok(ue_slice_find_fold(UE_SLICE("Too Many"), UE_SLICE("many"), &at) && at == 4,
	   "slice: find, fold");
	ok(!ue_slice_find_fold(UE_SLICE("man"), UE_SLICE("many"), &at),
	   "slice: find, fold, too long");
}

static void
test_parts(void)
{
	is_text(ue_slice_trim(UE_SLICE(" \t\r\n a b \v\f")), UE_SLICE("a b"), "slice: trim");
	is_text(ue_slice_trim(UE_SLICE(" \n ")), empty, "slice: trim of blanks");
	is_text(ue_slice_sub(UE_SLICE("hello"), 1, 3), UE_SLICE("ell"), "slice: sub");
	is_text(ue_slice_sub(UE_SLICE("hello"), 3, SIZE_MAX), UE_SLICE("lo"),
			"slice: sub, clamped");
	is_text(ue_slice_sub(UE_SLICE("hello"), 9, 1), empty, "slice: sub beyond the end");
	is_text(ue_slice_sub(empty, 1, 1), empty, "slice: sub of nothing");
}

/* Each byte, at each place of texts of other bytes at both ends of the range. */
static void
test_control(void)
{
	static const char around[] = {' ', 'a', '~', '\x80', '\xff'};
	Guard guard;
	int n_wrong = 0;

	guard_init(&guard, 64);
	for (size_t i = 0; i < sizeof(around); i++)
		for (size_t len = 1; len <= 20; len++)
			for (size_t at = 0; at < len; at++)
				for (int byte = 0; byte < 256; byte++)
				{
					char text[20];

					memset(text, around[i], sizeof(text));
					text[at] = (char) byte;
					n_wrong +=
						ue_slice_has_control(guard_place(&guard, (UeSlice){text, len})) !=
						(byte < 0x20 || byte == 0x7f);
				}
	ok(n_wrong == 0 && !ue_slice_has_control((UeSlice){NULL, 0}),
	   "slice: control bytes are found wherever they stand");
	guard_free(&guard);
}

static void
test_integers(void)
{
	static const struct
	{
		const char *text;
		bool is_number;
		int64_t value;
	} cases[] = {
		{"0", true, 0},
		{"-0", true, 0},
		{"+17", true, 17},
		{"0042", true, 42},
		{"9223372036854775807", true, INT64_MAX},
		{"-9223372036854775808", true, INT64_MIN},
		{"9223372036854775808", false, 0},
		{"-9223372036854775809", false, 0},
		{"92233720368547758070", false, 0},
		{"", false, 0},
		{"-", false, 0},
		{"1 ", false, 0},
		{" 1", false, 0},
		{"1.0", false, 0},
		{"0x1", false, 0},
	};
	Guard guard;

	guard_init(&guard, 64);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		int64_t value = 77;
		UeSlice text = guard_place(&guard, ue_slice_of(cases[i].text));
		bool is_number = ue_slice_parse_int64(text, &value);

		ok(is_number == cases[i].is_number && value == (is_number ? cases[i].value : 77),
		   "slice: integer '%s'", cases[i].text);
	}
	guard_free(&guard);
}

int
main(void)
{
	test_comparisons();
	test_search();
	test_parts();
	test_control();
	test_integers();
	for (int i = UE_OK; i <= UE_INVALID_ARGUMENT; i++)
		ok(ue_status_name((UeStatus) i)[0] != '\0', "status %d: %s", i,
		   ue_status_name((UeStatus) i));
	return done_testing();
}
