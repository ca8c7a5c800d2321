/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_position.c: the file "position": how far Postgres has everything.
 *
 * One line "upstream-errors-position 1 SEQ OFFSET EVENTS DROPPED TOLD CRC32C", in hex, the
 * sum over what is before it.  Replaced as a whole by rename, so it is the old or the new
 * one; when it is neither, everything that is left is shipped again, which is harmless.
 */
#include "journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "log.h"

#define LINE_SIZE 160

static bool replace_file(int directory_fd, const char *line, size_t len);

void
ue_journal_read_position(UeJournal *journal)
{
	char line[LINE_SIZE];
	UeJournalPosition position;
	uint64_t dropped, told;
	uint32_t sum;
	int at = 0;
	int fd;
	ssize_t len;

	fd = openat(journal->directory_fd, "position", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[len < 0 ? 0 : len] = '\0';
	if (sscanf(line,
			   "upstream-errors-position 1 %16" SCNx64 " %16" SCNx64 " %16" SCNx64
			   " %16" SCNx64 " %16" SCNx64 "%n %8" SCNx32,
			   &position.seq, &position.offset, &position.events, &dropped, &told, &at,
			   &sum) != 6 ||
		at == 0 || ue_crc32c(0, line, (size_t) at) != sum ||
		position.seq >= UINT64_MAX / 2)
		return;
	journal->position = position;
	journal->told_dropped = told;
	atomic_store(&journal->dropped_events, dropped);
}

bool
ue_journal_write_position(UeJournal *journal)
{
	char line[LINE_SIZE];
	UeJournalPosition position;
	uint64_t told;
	int len;
	bool is_written;

	pthread_mutex_lock(&journal->position_lock);
	pthread_mutex_lock(&journal->lock);
	position = journal->position;
	told = journal->told_dropped;
	pthread_mutex_unlock(&journal->lock);
	len = snprintf(line, sizeof(line),
				   "upstream-errors-position 1 %016" PRIx64 " %" PRIx64 " %" PRIx64
				   " %" PRIx64 " %" PRIx64,
				   position.seq, position.offset, position.events,
				   (uint64_t) atomic_load(&journal->dropped_events), told);
	len += snprintf(line + len, sizeof(line) - (size_t) len, " %08" PRIx32 "\n",
					ue_crc32c(0, line, (size_t) len));
	is_written = replace_file(journal->directory_fd, line, (size_t) len);
	pthread_mutex_unlock(&journal->position_lock);
	return is_written;
}

static bool
replace_file(int directory_fd, const char *line, size_t len)
{
	int fd;
	bool is_written;

	fd = openat(directory_fd, "position.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				0600);
	if (fd < 0)
		return false;
	is_written = write(fd, line, len) == (ssize_t) len && fdatasync(fd) == 0;
	close(fd);
	return is_written &&
		   renameat(directory_fd, "position.new", directory_fd, "position") == 0;
}
