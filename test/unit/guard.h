/* SPDX-License-Identifier: PostgreSQL */
/*
 * guard.h: inputs that end where memory ends.
 *
 * A text placed here is followed, without a byte between, by a page that cannot be read:
 * a function that looks beyond its slice dies at once, under any compiler.
 */
#ifndef UE_TEST_GUARD_H
#define UE_TEST_GUARD_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/slice.h"

typedef struct Guard
{
	char *pages;
	size_t size; /* readable bytes */
	size_t page; /* bytes of the page behind them */
} Guard;

__attribute__((unused)) static void
guard_init(Guard *guard, size_t size)
{
	guard->page = (size_t) sysconf(_SC_PAGESIZE);
	guard->size = (size + guard->page - 1) / guard->page * guard->page;
	guard->pages = mmap(NULL, guard->size + guard->page, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guard->pages == MAP_FAILED ||
		mprotect(guard->pages + guard->size, guard->page, PROT_NONE) != 0)
		abort();
}

/* A copy of text, flush against the unreadable page; the last one placed is gone. */
__attribute__((unused)) static UeSlice
guard_place(Guard *guard, UeSlice text)
{
	UeSlice placed = {guard->pages + guard->size - text.len, text.len};

	if (text.len > guard->size)
		abort();
	if (text.len > 0)
		memmove(guard->pages + guard->size - text.len, text.ptr, text.len);
	return placed;
}

__attribute__((unused)) static void
guard_free(Guard *guard)
{
	(void) munmap(guard->pages, guard->size + guard->page);
}

#endif
