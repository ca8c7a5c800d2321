/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_journal.c: nothing that was appended gets lost or comes twice: not at a cut anywhere,
 * a flipped byte, a full disk, a killed process, a reader beside writers.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crc32c.h"
#include "journal_aid.h"
#include "journal_reader.h"
#include "tap.h"

#define N_THREADS		  4
#define EVENTS_PER_THREAD 5000
#define KILL_ROUNDS		  20

static void
check_order(void)
{
	UeJournal *journal;
	UeJournalReader *reader;
	UeCompletion completion = {.response_status = 429,
							   .outcome = UE_SLICE_INIT("answered")};
	UeJournalStats stats;
	bool is_ordered = true;

	journal_aid_make_directory();
	journal = journal_aid_open_default();
	reader = ue_journal_reader_new(journal);
	ok(journal_aid_read_number(reader) == -1, "an empty journal has nothing to read");
	for (uint32_t i = 0; i < 100; i++)
	{
		is_ordered = is_ordered && journal_aid_append_number(journal, i);
		is_ordered = is_ordered && ue_journal_append_completion(journal, &completion);
	}
	for (int64_t i = 0; i < 100; i++)
		is_ordered = is_ordered && journal_aid_read_number(reader) == i;
	ok(is_ordered && journal_aid_read_number(reader) == -1,
	   "events come back in their order");
	journal_aid_append_number(journal, 100);
	ok(journal_aid_read_number(reader) == 100,
	   "a reader that has read all goes on with the next append");
	ue_journal_read_stats(journal, &stats);
	ok(stats.appended_events == 101 && stats.failed_appends == 0 &&
		   stats.pending_bytes > 0,
	   "appends are counted");
	ue_journal_release(journal, ue_journal_reader_position(reader));
	ue_journal_read_stats(journal, &stats);
	ok(stats.pending_bytes == 0, "nothing is pending behind the position");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);

	journal = journal_aid_open_default();
	journal_aid_append_number(journal, 101);
	reader = ue_journal_reader_new(journal);
	ok(journal_aid_read_number(reader) == 101 && journal_aid_read_number(reader) == -1,
	   "a new process goes on behind the position that was kept");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

static void
check_lock(void)
{
	UeJournal *journal;
	UeJournalOptions options = {journal_aid_directory, DEFAULT_SEGMENT, DEFAULT_BUDGET,
								UE_FSYNC_NEVER};
	char error[256] = "";
	struct stat info;

	journal_aid_make_directory();
	journal = journal_aid_open_default();
	ok(ue_journal_open(&options, error, sizeof(error)) == NULL &&
		   strstr(error, "in use by another process") != NULL &&
		   strstr(error, journal_aid_directory) != NULL,
	   "a directory belongs to one process at a time");
	ok(stat(journal_aid_directory, &info) == 0 && (info.st_mode & 0777) == 0700,
	   "for its owner only");
	ue_journal_close(journal);
	options.directory = "/proc/nowhere";
	ok(ue_journal_open(&options, error, sizeof(error)) == NULL &&
		   strstr(error, "/proc/nowhere") != NULL,
	   "a directory that cannot be made is named");
}

static void
check_torn_tail(void)
{
	static char bytes[4096];
	size_t ends[3];
	size_t len = journal_aid_build_segment(bytes, sizeof(bytes), ends);
	bool is_right = true;

	for (size_t cut = 0; cut <= len && is_right; cut++)
	{
		UeJournal *journal;
		UeJournalReader *reader;
		UeJournalStats stats;
		size_t whole = cut < UE_RECORD_SEGMENT_HEADER ? 0 : UE_RECORD_SEGMENT_HEADER;
		int64_t n_whole = 0;

		while (n_whole < 3 && ends[n_whole] <= cut)
			whole = ends[n_whole++];
		journal_aid_make_directory();
		journal_aid_write_segment(1, bytes, cut);
		journal = journal_aid_open_default();
		journal_aid_append_number(journal, 99);
		reader = ue_journal_reader_new(journal);
		for (int64_t i = 1; i <= n_whole; i++)
			is_right = is_right && journal_aid_read_number(reader) == i;
		ue_journal_read_stats(journal, &stats);
		is_right = is_right && journal_aid_read_number(reader) == 99 &&
				   journal_aid_read_number(reader) == -1 &&
				   stats.torn_bytes == cut - whole &&
				   ue_journal_reader_count_corrupt(reader) == 0;
		if (!is_right)
			printf("# cut at %zu\n", cut);
		ue_journal_reader_free(reader);
		ue_journal_close(journal);
	}
	ok(is_right, "a tail torn at any byte costs that record only, and is counted");
}

/* A flipped byte in the middle record, or in its length: the third is found again. */
static void
check_damage(void)
{
	static char bytes[4096];
	size_t ends[3];
	size_t len = journal_aid_build_segment(bytes, sizeof(bytes), ends);
	bool is_right = true;

	for (size_t at = ends[0]; at < ends[1] && is_right; at++)
	{
		UeJournal *journal;
		UeJournalReader *reader;

		journal_aid_make_directory();
		bytes[at] ^= 0x41;
		journal_aid_write_segment(1, bytes, len);
		bytes[at] ^= 0x41;
		journal = journal_aid_open_default();
		journal_aid_append_number(journal, 99);
		reader = ue_journal_reader_new(journal);
		is_right = journal_aid_read_number(reader) == 1 &&
				   journal_aid_read_number(reader) == 3 &&
				   journal_aid_read_number(reader) == 99 &&
				   journal_aid_read_number(reader) == -1 &&
				   ue_journal_reader_count_corrupt(reader) == 1;
		if (!is_right)
			printf("# flipped at %zu\n", at);
		ue_journal_reader_free(reader);
		ue_journal_close(journal);
	}
	ok(is_right,
	   "a flipped byte costs one record, is counted once, and the next is found");
}

static void
check_foreign_files(void)
{
	static char bytes[4096];
	size_t ends[3];
	size_t len = journal_aid_build_segment(bytes, sizeof(bytes), ends);
	char path[128];
	UeJournalOptions options = {journal_aid_directory, DEFAULT_SEGMENT, DEFAULT_BUDGET,
								UE_FSYNC_NEVER};
	char error[256] = "";
	UeJournal *journal;
	UeJournalReader *reader;

	journal_aid_make_directory();
	journal_aid_write_segment(1, "this is no segment, but somebody's notes", 40);
	journal_aid_write_segment(2, bytes, len);
	journal = journal_aid_open_default();
	reader = ue_journal_reader_new(journal);
	snprintf(path, sizeof(path), "%s/%016x.journal.corrupt", journal_aid_directory, 1);
	ok(journal_aid_read_number(reader) == 1 && access(path, F_OK) == 0,
	   "a file that is no segment is set aside, the others are read");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);

	journal_aid_make_directory();
	ue_record_write_segment_header(bytes);
	bytes[8] = 2;
	{
		/* the sum of the changed header, as that version would write it */
		uint32_t sum = ue_crc32c(0, bytes, 12);

		for (int i = 0; i < 4; i++)
			bytes[12 + i] = (char) (sum >> (8 * i));
	}
	journal_aid_write_segment(1, bytes, len);
	ok(ue_journal_open(&options, error, sizeof(error)) == NULL &&
		   strstr(error, "newer version") != NULL,
	   "a journal of a newer version is left alone");
}

static void
check_rotation(void)
{
	UeJournal *journal;
	UeJournalReader *reader;
	char path[128];
	bool is_right = true;

	journal_aid_make_directory();
	journal = journal_aid_open_journal(4096, DEFAULT_BUDGET, UE_FSYNC_INTERVAL);
	for (uint32_t i = 0; i < 500; i++)
		journal_aid_append_number(journal, i);
	ue_journal_close(journal);
	journal = journal_aid_open_journal(4096, DEFAULT_BUDGET, UE_FSYNC_ALWAYS);
	for (uint32_t i = 500; i < 600; i++)
		journal_aid_append_number(journal, i);
	reader = ue_journal_reader_new(journal);
	for (int64_t i = 0; i < 600; i++)
	{
		is_right = is_right && journal_aid_read_number(reader) == i;
		if (i == 300)
			is_right = is_right &&
					   ue_journal_release(journal, ue_journal_reader_position(reader));
	}
	ok(is_right && journal_aid_read_number(reader) == -1,
	   "segments follow one another, across processes");
	snprintf(path, sizeof(path), "%s/%016x.journal", journal_aid_directory, 1);
	ok(access(path, F_OK) != 0, "a segment before the position is removed");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);

	journal = journal_aid_open_journal(4096, DEFAULT_BUDGET, UE_FSYNC_NEVER);
	reader = ue_journal_reader_new(journal);
	is_right = true;
	for (int64_t i = 301; i < 600; i++)
		is_right = is_right && journal_aid_read_number(reader) == i;
	ok(is_right && journal_aid_read_number(reader) == -1,
	   "the next process begins at the position, not before and not after");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

static uint64_t
wait_for_drops(UeJournal *journal, size_t budget)
{
	UeJournalStats stats = {.pending_bytes = budget + 1};

	for (int i = 0; i < 500 && stats.pending_bytes > budget; i++)
	{
		struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

		nanosleep(&pause, NULL);
		ue_journal_read_stats(journal, &stats);
	}
	return stats.dropped_events;
}

static void
check_budget(void)
{
	size_t budget = 65536;
	UeJournal *journal;
	UeJournalReader *reader;
	uint64_t n_dropped;
	uint64_t n_read = 0;
	int64_t number;
	UeJournalStats stats;

	journal_aid_make_directory();
	journal = journal_aid_open_journal(8192, budget, UE_FSYNC_NEVER);
	for (uint32_t i = 0; i < 3000; i++)
		journal_aid_append_number(journal, i);
	n_dropped = wait_for_drops(journal, budget);
	reader = ue_journal_reader_new(journal);
	number = journal_aid_read_number(reader);
	ok(n_dropped > 0 && number == (int64_t) n_dropped,
	   "over its budget the journal drops the oldest, and counts them");
	while (number >= 0)
	{
		n_read++;
		number = journal_aid_read_number(reader);
	}
	ok(n_read + n_dropped == 3000, "what is dropped and what is read is all there was");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);

	journal = journal_aid_open_default();
	ue_journal_read_stats(journal, &stats);
	ok(stats.dropped_events == n_dropped,
	   "the count of dropped events outlives the process");
	ok(ue_journal_take_lost(journal) == 0,
	   "a loss is not told while some of it may be under way");
	reader = ue_journal_reader_new(journal);
	journal_aid_read_number(reader);
	ue_journal_release(journal, ue_journal_reader_position(reader));
	ue_journal_reader_free(reader);
	ok(ue_journal_take_lost(journal) == n_dropped && ue_journal_take_lost(journal) == 0,
	   "a loss is given out to be told once");
	ue_journal_return_lost(journal, 5);
	ok(ue_journal_take_lost(journal) == 5, "and again when it could not be told");
	ue_journal_release(journal, ue_journal_position(journal));
	ue_journal_close(journal);
	journal = journal_aid_open_default();
	ok(ue_journal_take_lost(journal) == 0,
	   "what was told is not told by the next process");
	ue_journal_count_shipped(journal, 1, 3);
	ue_journal_read_stats(journal, &stats);
	ok(stats.dropped_events == n_dropped - 3,
	   "events that were shipped while their segment was dropped are not dropped");
	ue_journal_close(journal);
}

static atomic_bool must_fail_sync;

/* In place of the C library's. */
int
fdatasync(int fd)
{
	if (!atomic_load(&must_fail_sync))
		return fsync(fd);
	errno = EIO;
	return -1;
}

/* What is written will be shipped, so it must not be told as lost. */
static void
check_failed_sync(void)
{
	UeJournal *journal;
	UeJournalStats stats;

	journal_aid_make_directory();
	journal = journal_aid_open_journal(DEFAULT_SEGMENT, DEFAULT_BUDGET, UE_FSYNC_ALWAYS);
	atomic_store(&must_fail_sync, true);
	ok(journal_aid_append_number(journal, 1),
	   "a record that could not be synced is written");
	atomic_store(&must_fail_sync, false);
	ue_journal_read_stats(journal, &stats);
	ok(stats.appended_events == 1 && stats.failed_appends == 0 &&
		   ue_journal_take_lost(journal) == 0,
	   "and not lost");
	ue_journal_close(journal);
}

/* A file size limit is how a test makes a disk full at a byte of its choice. */
static void
check_full_disk(void)
{
	struct rlimit saved, limit;
	UeJournal *journal;
	UeJournalReader *reader;
	UeJournalStats stats;
	uint64_t n_failed = 0;
	uint32_t n_appended = 0;
	bool is_right = true;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &saved);
	journal_aid_make_directory();
	journal = journal_aid_open_default();
	for (rlim_t bytes = 1000; bytes < 1400; bytes++)
	{
		limit = (struct rlimit){bytes, saved.rlim_max};
		setrlimit(RLIMIT_FSIZE, &limit);
		if (journal_aid_append_number(journal, n_appended))
			n_appended++;
		else
			n_failed++;
	}
	setrlimit(RLIMIT_FSIZE, &saved);
	for (int i = 0; i < 10; i++)
		is_right = is_right && journal_aid_append_number(journal, n_appended++);
	ue_journal_read_stats(journal, &stats);
	ok(is_right && n_failed > 100 && stats.failed_appends == n_failed &&
		   stats.appended_events == n_appended,
	   "on a full disk appends fail and are counted, and go on when there is room");
	reader = ue_journal_reader_new(journal);
	for (int64_t i = 0; i < n_appended; i++)
		is_right = is_right && journal_aid_read_number(reader) == i;
	ok(is_right && journal_aid_read_number(reader) == -1 &&
		   ue_journal_reader_count_corrupt(reader) == 0,
	   "half-written records leave nothing behind");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

typedef struct Writer
{
	UeJournal *journal;
	uint32_t first;
	int report_fd; /* -1: none */
	pthread_t thread;
} Writer;

static void *
run_writer(void *argument)
{
	Writer *writer = argument;

	for (uint32_t i = 0; i < EVENTS_PER_THREAD; i++)
	{
		uint32_t number = writer->first + i;

		if (!journal_aid_append_number(writer->journal, number))
			abort();
		if (writer->report_fd >= 0 &&
			write(writer->report_fd, &number, sizeof(number)) != sizeof(number))
			abort();
	}
	return NULL;
}

static void
start_writers(UeJournal *journal, Writer *writers, uint32_t first, int report_fd)
{
	for (uint32_t i = 0; i < N_THREADS; i++)
	{
		writers[i] = (Writer){journal, first + i * EVENTS_PER_THREAD, report_fd, 0};
		pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]);
	}
}

static void
check_reader_beside_writers(void)
{
	static unsigned char seen[N_THREADS * EVENTS_PER_THREAD];
	Writer writers[N_THREADS];
	UeJournal *journal;
	UeJournalReader *reader;
	int n_seen = 0;
	int n_idle = 0;
	bool is_right = true;

	journal_aid_make_directory();
	journal = journal_aid_open_journal(32768, DEFAULT_BUDGET, UE_FSYNC_INTERVAL);
	reader = ue_journal_reader_new(journal);
	start_writers(journal, writers, 0, -1);
	while (n_seen < N_THREADS * EVENTS_PER_THREAD && n_idle < 10000 && is_right)
	{
		int64_t number = journal_aid_read_number(reader);

		if (number == -1)
		{
			struct timespec pause = {.tv_nsec = 1000 * 1000};

			n_idle++;
			nanosleep(&pause, NULL);
			continue;
		}
		is_right = number >= 0 && number < N_THREADS * EVENTS_PER_THREAD && !seen[number];
		if (!is_right)
			break;
		seen[number] = 1;
		n_seen++;
		if (n_seen % 1000 == 0)
			ue_journal_release(journal, ue_journal_reader_position(reader));
	}
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(writers[i].thread, NULL);
	ok(is_right && n_seen == N_THREADS * EVENTS_PER_THREAD &&
		   journal_aid_read_number(reader) == -1 &&
		   ue_journal_reader_count_corrupt(reader) == 0,
	   "a reader beside four writers sees every event once, and nothing half-written");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

static void
write_until_killed(int report_fd, uint32_t first)
{
	Writer writers[N_THREADS];
	UeJournal *journal =
		journal_aid_open_journal(65536, DEFAULT_BUDGET, UE_FSYNC_INTERVAL);

	if (journal == NULL)
		_exit(1);
	start_writers(journal, writers, first, report_fd);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(writers[i].thread, NULL);
	pause();
}

/* What the killed process had been told was written; n_acknowledged of them. */
static void
run_and_kill(uint32_t first, unsigned char *acknowledged, size_t *n_acknowledged)
{
	struct timespec pause = {.tv_nsec = (1 + rand() % 30) * 1000 * 1000};
	uint32_t number;
	int report[2];
	pid_t child;

	if (pipe(report) != 0)
		abort();
	fflush(stdout);
	child = fork();
	if (child == 0)
	{
		close(report[0]);
		write_until_killed(report[1], first);
	}
	close(report[1]);

	/* the clock starts with the first append, so that a slow start is not all there is */
	if (read(report[0], &number, sizeof(number)) == sizeof(number))
	{
		acknowledged[number] = 1;
		(*n_acknowledged)++;
	}
	fcntl(report[0], F_SETPIPE_SZ, 1 << 20);
	nanosleep(&pause, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	while (read(report[0], &number, sizeof(number)) == sizeof(number))
	{
		acknowledged[number] = 1;
		(*n_acknowledged)++;
	}
	close(report[0]);
}

static void
check_kill(void)
{
	enum
	{
		TOTAL = KILL_ROUNDS * N_THREADS * EVENTS_PER_THREAD
	};
	static unsigned char acknowledged[TOTAL];
	static unsigned char seen[TOTAL];
	UeJournal *journal;
	UeJournalReader *reader;
	size_t n_acknowledged = 0;
	size_t n_lost = 0;
	size_t n_doubled = 0;
	int64_t number;

	journal_aid_make_directory();
	for (uint32_t round = 0; round < KILL_ROUNDS; round++)
		run_and_kill(round * N_THREADS * EVENTS_PER_THREAD, acknowledged,
					 &n_acknowledged);
	journal = journal_aid_open_default();
	reader = ue_journal_reader_new(journal);
	while ((number = journal_aid_read_number(reader)) >= 0 && number < TOTAL)
	{
		n_doubled += seen[number];
		seen[number] = 1;
	}
	for (int i = 0; i < TOTAL; i++)
		n_lost += acknowledged[i] && !seen[i];
	printf("# %zu events acknowledged in %d killed processes\n", n_acknowledged,
		   KILL_ROUNDS);
	ok(number == -1 && n_acknowledged > KILL_ROUNDS && n_lost == 0 && n_doubled == 0 &&
		   ue_journal_reader_count_corrupt(reader) == 0,
	   "20 processes killed while they append: nothing acknowledged is lost or doubled");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

int
main(void)
{
	srand((unsigned) time(NULL));
	check_order();
	check_lock();
	check_torn_tail();
	check_damage();
	check_foreign_files();
	check_rotation();
	check_budget();
	check_full_disk();
	check_failed_sync();
	check_reader_beside_writers();
	check_kill();
	journal_aid_remove_directory();
	return done_testing();
}
