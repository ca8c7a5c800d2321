/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_spool.c: bodies that are kept, in memory and beyond it.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "spool.h"
#include "tap.h"

#define BODY 200000

static char body[BODY];

/* Whether everything from offset on comes back, in pieces of a given size. */
static bool
reads_back(const UeSpool *spool, size_t offset, size_t piece)
{
	char *got = malloc(BODY);
	int64_t n;
	size_t at = offset;
	bool is_equal;

	while ((n = ue_spool_read(spool, at, got + at,
							  piece < BODY - at ? piece : BODY - at)) > 0)
		at += (size_t) n;
	is_equal = n == 0 && at == ue_spool_size(spool) &&
			   memcmp(got + offset, body + offset, at - offset) == 0;
	free(got);
	return is_equal;
}

static int
count_files(const char *directory)
{
	DIR *stream = opendir(directory);
	int n = 0;

	while (stream != NULL && readdir(stream) != NULL)
		n++;
	closedir(stream);
	return n - 2;
}

static void
test_sizes(const char *directory)
{
	static const size_t pieces[] = {1, 7, 4096, 65536, BODY};
	static const size_t memories[] = {0, 1, 50000, BODY, 10 * BODY};

	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
		for (size_t m = 0; m < sizeof(memories) / sizeof(memories[0]); m++)
		{
			UeSpoolOptions options = {memories[m], 10 * BODY, directory};
			UeSpool *spool = ue_spool_new(&options);
			bool is_whole = true;

			/* byte by byte into a file takes too long for all of it */
			for (size_t at = 0; at < (pieces[p] < 7 ? 5000 : BODY); at += pieces[p])
				is_whole &=
					ue_spool_append(spool, ue_slice_sub((UeSlice){body, BODY}, at,
														pieces[p])) == UE_SPOOL_WHOLE;
			ok(is_whole && reads_back(spool, 0, 1000) && reads_back(spool, 4999, 65536),
			   "pieces of %zu, %zu in memory: all comes back", pieces[p], memories[m]);
			ok(ue_spool_read(spool, ue_spool_size(spool), body, 1) == 0 &&
				   ue_spool_read(spool, SIZE_MAX, body, 1) == 0,
			   "behind the end there is nothing");
			ok(count_files(directory) == 0, "no file has a name");
			ue_spool_free(spool);
		}
}

static void
test_limits(const char *directory)
{
	UeSpoolOptions options = {100, 1000, directory};
	UeSpool *spool = ue_spool_new(&options);
	char byte;

	ok(ue_spool_append(spool, (UeSlice){body, 1000}) == UE_SPOOL_WHOLE,
	   "as much as it may hold");
	ok(ue_spool_append(spool, (UeSlice){body, 0}) == UE_SPOOL_WHOLE, "nothing more");
	ok(ue_spool_append(spool, (UeSlice){body, 1}) == UE_SPOOL_FULL &&
		   ue_spool_state(spool) == UE_SPOOL_FULL &&
		   ue_spool_read(spool, 0, &byte, 1) == -1,
	   "one byte more is too much, and all is given up");
	ok(ue_spool_append(spool, (UeSlice){body, 1}) == UE_SPOOL_FULL, "for good");
	ue_spool_free(spool);
	ue_spool_free(NULL);
}

static void
test_disk(const char *directory)
{
	struct rlimit limit = {5000, RLIM_INFINITY};
	struct rlimit old;
	UeSpoolOptions nowhere = {0, 1000, "/nonexistent"};
	UeSpoolOptions options = {0, BODY, directory};
	UeSpool *spool = ue_spool_new(&nowhere);

	ok(ue_spool_append(spool, (UeSlice){body, 1}) == UE_SPOOL_FAILED,
	   "a directory that is not there");
	ue_spool_free(spool);

	/* a disk that is full, as far as a process can have one of its own */
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	setrlimit(RLIMIT_FSIZE, &limit);
	spool = ue_spool_new(&options);
	ok(ue_spool_append(spool, (UeSlice){body, 4000}) == UE_SPOOL_WHOLE &&
		   ue_spool_append(spool, (UeSlice){body, 4000}) == UE_SPOOL_FAILED,
	   "a disk that is full");
	setrlimit(RLIMIT_FSIZE, &old);
	ue_spool_free(spool);
}

int
main(void)
{
	char directory[] = "/tmp/test_spool.XXXXXX";

	for (size_t i = 0; i < BODY; i++)
		body[i] = (char) (i * 31 + i / 251);
	if (mkdtemp(directory) == NULL)
		return EXIT_FAILURE;
	test_sizes(directory);
	test_limits(directory);
	test_disk(directory);
	rmdir(directory);
	return done_testing();
}
