/* SPDX-License-Identifier: PostgreSQL */
/*
 * spool.c: memory first, then a file without a name.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the memory part grows by at least. */
#define GROWTH 16384

struct UeSpool
{
	UeSpoolOptions options;
	UeSpoolState state;
	char *memory;
	size_t memory_len, memory_size;
	int fd; /* -1: none yet */
	size_t file_len;
};

static bool append_memory(UeSpool *spool, UeSlice bytes);
static bool append_file(UeSpool *spool, UeSlice bytes);
static int open_nameless(const char *directory);
static void give_back(UeSpool *spool);

UeSpool *
ue_spool_new(const UeSpoolOptions *options)
{
	UeSpool *spool = calloc(1, sizeof(*spool));

	if (spool == NULL)
		return NULL;
	spool->options = *options;
	spool->fd = -1;
	return spool;
}

void
ue_spool_free(UeSpool *spool)
{
	if (spool == NULL)
		return;
	give_back(spool);
	free(spool);
}

UeSpoolState
ue_spool_append(UeSpool *spool, UeSlice bytes)
{
	int saved_errno;

	if (spool->state != UE_SPOOL_WHOLE || ue_spool_extend(spool, bytes))
		return spool->state;
	saved_errno = errno;
	spool->state = bytes.len > spool->options.max_bytes - ue_spool_size(spool)
					   ? UE_SPOOL_FULL
					   : UE_SPOOL_FAILED;
	give_back(spool);
	errno = saved_errno;
	return spool->state;
}

bool
ue_spool_extend(UeSpool *spool, UeSlice bytes)
{
	size_t memory_len = spool->memory_len;
	size_t file_len = spool->file_len;
	size_t memory_room = spool->options.memory_bytes - spool->memory_len;
	UeSlice first = bytes;

	if (spool->state != UE_SPOOL_WHOLE ||
		bytes.len > spool->options.max_bytes - ue_spool_size(spool))
		return false;
	if (memory_room < first.len)
		first.len = memory_room;
	if (append_memory(spool, first) &&
		append_file(spool, ue_slice_sub(bytes, first.len, bytes.len)))
		return true;
	spool->memory_len = memory_len;
	spool->file_len = file_len;
	return false;
}

UeSpoolState
ue_spool_state(const UeSpool *spool)
{
	return spool->state;
}

size_t
ue_spool_size(const UeSpool *spool)
{
	return spool->memory_len + spool->file_len;
}

int64_t
ue_spool_read(const UeSpool *spool, size_t offset, char *buffer, size_t size)
{
	size_t left;
	ssize_t n_read;

	if (spool->state != UE_SPOOL_WHOLE)
		return -1;
	if (offset < spool->memory_len)
	{
		left = spool->memory_len - offset;
		if (left < size)
			size = left;
		memcpy(buffer, spool->memory + offset, size);
		return (int64_t) size;
	}
	offset -= spool->memory_len;
	if (offset >= spool->file_len)
		return 0;
	left = spool->file_len - offset;
	do
		n_read = pread(spool->fd, buffer, left < size ? left : size, (off_t) offset);
	while (n_read < 0 && errno == EINTR);
	/* a file that has become shorter by itself is a broken one */
	return n_read <= 0 ? -1 : n_read;
}

static bool
append_memory(UeSpool *spool, UeSlice bytes)
{
	size_t needed = spool->memory_len + bytes.len;

	if (bytes.len == 0)
		return true;
	if (needed > spool->memory_size)
	{
		size_t size = 2 * spool->memory_size + GROWTH;
		char *grown;

		if (size < needed)
			size = needed;
		if (size > spool->options.memory_bytes)
			size = spool->options.memory_bytes;
		grown = realloc(spool->memory, size);
		if (grown == NULL)
			return false;
		spool->memory = grown;
		spool->memory_size = size;
	}
	memcpy(spool->memory + spool->memory_len, bytes.ptr, bytes.len);
	spool->memory_len = needed;
	return true;
}

static bool
append_file(UeSpool *spool, UeSlice bytes)
{
	if (bytes.len > 0 && spool->fd < 0)
		spool->fd = open_nameless(spool->options.directory);
	if (bytes.len > 0 && spool->fd < 0)
		return false;
	while (bytes.len > 0)
	{
		ssize_t n_written =
			pwrite(spool->fd, bytes.ptr, bytes.len, (off_t) spool->file_len);

		if (n_written < 0 && errno == EINTR)
			continue;
		if (n_written <= 0)
			return false;
		spool->file_len += (size_t) n_written;
		bytes = ue_slice_sub(bytes, (size_t) n_written, bytes.len);
	}
	return true;
}

/* Not every file system has O_TMPFILE: NFS and old overlays do not. */
static int
open_nameless(const char *directory)
{
	char path[4096];
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int length;

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	length = snprintf(path, sizeof(path), "%s/body.XXXXXX", directory);
	if (length < 0 || (size_t) length >= sizeof(path))
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static void
give_back(UeSpool *spool)
{
	free(spool->memory);
	spool->memory = NULL;
	if (spool->fd >= 0)
		close(spool->fd);
	spool->fd = -1;
}
