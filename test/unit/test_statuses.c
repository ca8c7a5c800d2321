/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_statuses.c: sets of statuses as operators write them.
 */
#include "core/statuses.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

typedef struct Vector
{
	const char *text;
	const char *expected; /* the set written again; NULL: refused */
	const char *bad;
} Vector;

static const Vector vectors[] = {
	{"", "", NULL},
	{"401", "401", NULL},
	/* new-api's own vectors, setting/operation_setting/status_code_ranges_test.go */
	{"401,403,500-599", "401,403,500-599", NULL},
	{"500-505,504,401,403,402", "401-403,500-505", NULL},
	{"99,600,foo,500-400,500-", NULL, "99, 600, foo, 500-400, 500-"},
	{"401 403", NULL, "401 403"},
	/* its defaults */
	{"100-199,300-399,401-407,409-499,500-503,505-523,525-599",
	 "100-199,300-399,401-407,409-503,505-523,525-599", NULL},
	{" 4 0 1 ，\t5 0 0 - 5 9 9 ,, ", "401,500-599", NULL},
	{"，", "", NULL},
	{"100-599", "100-599", NULL},
	{"100,599", "100,599", NULL},
	{"429,430,428", "428-430", NULL},
	{"0429", NULL, "0429"},
	{"-429", NULL, "-429"},
	{"429--430", NULL, "429--430"},
	{"429-430-431", NULL, "429-430-431"},
	{"4xx", NULL, "4xx"},
	{"429;500", NULL, "429;500"},
	{"429,x\xef\xbc", NULL, "x\xef\xbc"},
};

static void
test_memory(void)
{
	UeSlice text = UE_SLICE("99,600,foo,500-400,500-");
	UeStatuses set;
	UeSlice bad;
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, 16);
	ok(ue_statuses_parse(&arena, text, &set, &bad) == UE_NO_MEMORY,
	   "without memory for the wrong parts it says so");
	ue_arena_free(&arena);
}

int
main(void)
{
	UeStatuses all = {{0}};
	UeArena arena;
	Guard guard;

	ue_arena_init(&arena, &libc_allocator, SIZE_MAX);
	guard_init(&guard, 4096);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const Vector *v = &vectors[i];
		UeStatuses set = {{1}};
		UeSlice bad = {NULL, 0};
		UeSlice again;
		UeBuf buf;
		UeStatus status =
			ue_statuses_parse(&arena, guard_place(&guard, ue_slice_of(v->text)), &set,
							  &bad);

		if (v->expected == NULL)
		{
			ok(status == UE_INVALID_ARGUMENT && set.bits[0] == 1,
			   "\"%s\" is refused, and the set is as it was", v->text);
			is_text(bad, ue_slice_of(v->bad), "\"%s\": the wrong parts", v->text);
			continue;
		}
		ue_buf_init(&buf, &arena, 4096);
		ue_statuses_append(&buf, &set);
		ok(status == UE_OK && ue_buf_finish(&buf, &again) == UE_OK, "\"%s\" is read",
		   v->text);
		is_text(again, ue_slice_of(v->expected), "\"%s\" is written again", v->text);
		ok(ue_statuses_is_empty(&set) == (v->expected[0] == '\0'), "\"%s\": empty or not",
		   v->text);
	}
	ue_statuses_add(&all, 100, 599);
	ok(ue_statuses_has(&all, 100) && ue_statuses_has(&all, 599) &&
		   !ue_statuses_has(&all, 99) && !ue_statuses_has(&all, 600) &&
		   !ue_statuses_has(&all, 0) && !ue_statuses_has(&all, -1),
	   "nothing outside 100 to 599 is ever in a set");
	test_memory();
	guard_free(&guard);
	ue_arena_free(&arena);
	return done_testing();
}
