/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_file.c: copies on disk, read and replaced.
 */
#include "policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"

/* "policy.jsonl.new" and the like */
#define NEW_NAME_SIZE 64

#define PREFIX	   "# crc32c "
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define SUM_LEN	   8 /* hexadecimal digits */
#define LABEL	   " database "
#define LABEL_LEN  (sizeof(LABEL) - 1)

/* A compiled policy is larger than its text. */
#define MAX_BYTES UE_LIMIT_POLICY_MEMORY

static char *read_whole(int fd, size_t *len, const char **reason);
static bool take_apart(char *bytes, size_t len, UePolicyFile *out, const char **reason);
static bool write_whole(int fd, const char *head, size_t head_len, UeSlice snapshot);
static bool write_bytes(int fd, const char *bytes, size_t len);

UePolicyFileResult
ue_policy_file_read(const char *directory, const char *name, UePolicyFile *out,
					const char **reason)
{
	int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;
	size_t len = 0;
	char *bytes;

	if (directory_fd >= 0)
	{
		fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
		close(directory_fd);
	}
	if (fd < 0)
	{
		*reason = strerror(errno);
		return errno == ENOENT ? UE_POLICY_FILE_MISSING : UE_POLICY_FILE_BAD;
	}
	bytes = read_whole(fd, &len, reason);
	close(fd);
	if (bytes == NULL)
		return UE_POLICY_FILE_BAD;
	if (take_apart(bytes, len, out, reason))
		return UE_POLICY_FILE_READ;
	free(bytes);
	return UE_POLICY_FILE_BAD;
}

bool
ue_policy_file_write(const char *directory, const char *name, const char *identity,
					 UeSlice snapshot, const char **reason)
{
	char new_name[NEW_NAME_SIZE];
	char head[PREFIX_LEN + SUM_LEN + LABEL_LEN + UE_POLICY_IDENTITY + 8];
	int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t summed = PREFIX_LEN + SUM_LEN;
	bool is_written = false;
	uint32_t sum;
	int fd = -1;
	int len;

	len = snprintf(head, sizeof(head), PREFIX "%08x" LABEL "%.*s\n", 0U,
				   UE_POLICY_IDENTITY - 1, identity[0] == '\0' ? "-" : identity);
	sum = ue_crc32c(0, head + summed, (size_t) len - summed);
	sum = ue_crc32c(sum, snapshot.ptr, snapshot.len);
	snprintf(head, PREFIX_LEN + SUM_LEN + 1, PREFIX "%08x", sum);
	head[summed] = ' '; /* snprintf ended the text there */

	snprintf(new_name, sizeof(new_name), "%s.new", name);
	if (directory_fd >= 0)
		fd = openat(directory_fd, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
					0600);
	if (fd >= 0)
		is_written = write_whole(fd, head, (size_t) len, snapshot) &&
					 renameat(directory_fd, new_name, directory_fd, name) == 0 &&
					 fsync(directory_fd) == 0;
	*reason = is_written ? "" : strerror(errno);
	if (fd >= 0)
		close(fd);
	if (directory_fd >= 0)
		close(directory_fd);
	return is_written;
}

static char *
read_whole(int fd, size_t *len, const char **reason)
{
	struct stat info;
	char *bytes = NULL;
	size_t n_read = 0;

	if (fstat(fd, &info) != 0)
		*reason = strerror(errno);
	else if (!S_ISREG(info.st_mode))
		*reason = "it is not a file";
	else if (info.st_size > (off_t) MAX_BYTES)
		*reason = "it is too large";
	else
	{
		bytes = malloc((size_t) info.st_size + 1);
		if (bytes == NULL)
			*reason = "out of memory";
	}
	while (bytes != NULL && n_read < (size_t) info.st_size)
	{
		ssize_t n = read(fd, bytes + n_read, (size_t) info.st_size - n_read);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			*reason = n < 0 ? strerror(errno) : "it became shorter while it was read";
			free(bytes);
			return NULL;
		}
		n_read += (size_t) n;
	}
	*len = n_read;
	return bytes;
}

/* On success bytes belong to out. */
static bool
take_apart(char *bytes, size_t len, UePolicyFile *out, const char **reason)
{
	size_t summed = PREFIX_LEN + SUM_LEN;
	const char *newline = memchr(bytes, '\n', len);
	size_t identity_len;
	char digits[SUM_LEN + 1];

	if (newline == NULL || (size_t) (newline - bytes) < summed + LABEL_LEN ||
		memcmp(bytes, PREFIX, PREFIX_LEN) != 0 ||
		memcmp(bytes + summed, LABEL, LABEL_LEN) != 0)
	{
		*reason = "its first line is not one of ours";
		return false;
	}
	snprintf(digits, sizeof(digits), "%08x", ue_crc32c(0, bytes + summed, len - summed));
	if (memcmp(digits, bytes + PREFIX_LEN, SUM_LEN) != 0)
	{
		*reason = "its checksum is wrong: it is torn, or was changed";
		return false;
	}
	identity_len = (size_t) (newline - bytes) - summed - LABEL_LEN;
	if (identity_len >= sizeof(out->identity))
	{
		*reason = "its first line is too long";
		return false;
	}
	memcpy(out->identity, bytes + summed + LABEL_LEN, identity_len);
	out->identity[identity_len] = '\0';
	out->bytes = bytes;
	out->snapshot = (UeSlice){newline + 1, len - (size_t) (newline + 1 - bytes)};
	return true;
}

static bool
write_whole(int fd, const char *head, size_t head_len, UeSlice snapshot)
{
	return write_bytes(fd, head, head_len) &&
		   write_bytes(fd, snapshot.ptr, snapshot.len) && fsync(fd) == 0;
}

static bool
write_bytes(int fd, const char *bytes, size_t len)
{
	while (len > 0)
	{
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t) n;
	}
	return true;
}
