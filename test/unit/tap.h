/* SPDX-License-Identifier: PostgreSQL */
/*
 * tap.h: claims, printed as prove reads them.
 *
 * A claim is a sentence; a failed one says where it stands.  main ends with
 * "return done_testing();".
 */
#ifndef UE_TEST_TAP_H
#define UE_TEST_TAP_H

#include <stdbool.h>
#include <stdio.h>

static int tap_count;
static int tap_n_failed;

#define ok(condition, name) tap_check((condition), (name), __FILE__, __LINE__)

static inline bool
tap_check(bool is_true, const char *name, const char *file, int line)
{
	tap_count++;
	printf("%sok %d - %s\n", is_true ? "" : "not ", tap_count, name);
	if (!is_true)
	{
		tap_n_failed++;
		printf("# at %s:%d\n", file, line);
	}
	fflush(stdout);
	return is_true;
}

static inline int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_n_failed != 0;
}

#endif
