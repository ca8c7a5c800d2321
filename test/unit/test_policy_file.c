/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_policy_file.c: the policy's copy on disk comes back as it was, and anything else, cut
 * or changed at any byte, is refused.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy_file.h"
#include "tap.h"

static const UeSlice snapshot =
	UE_SLICE_INIT("{\"snapshot\":1,\"generation\":42,\"mask_revision\":3}\n"
				  "{\"mask_host\":\"api.example.com\"}\n{\"end\":1}\n");

static char directory[] = "/tmp/ue-policy-XXXXXX";
static char path[sizeof(directory) + 32];

static void
write_bytes(const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t) len)
		abort();
	close(fd);
}

static size_t
read_bytes(char *bytes, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, bytes, size);

	if (fd < 0 || len < 0)
		abort();
	close(fd);
	return (size_t) len;
}

static bool
is_refused(const char *why)
{
	UePolicyFile file;
	const char *reason = "";

	if (ue_policy_file_read(directory, UE_POLICY_FILE_NAME, &file, &reason) != UE_POLICY_FILE_BAD)
		return false;
	return strstr(reason, why) != NULL;
}

static void
check_round(void)
{
	UePolicyFile file = {.bytes = NULL};
	const char *reason = "";
	struct stat info;

	ok(ue_policy_file_read(directory, UE_POLICY_FILE_NAME, &file, &reason) == UE_POLICY_FILE_MISSING,
	   "at first there is none");
	ok(ue_policy_file_write(directory, UE_POLICY_FILE_NAME, "730/5", snapshot, &reason), "one is written");
	ok(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600, "for its owner alone");
	ok(ue_policy_file_read(directory, UE_POLICY_FILE_NAME, &file, &reason) == UE_POLICY_FILE_READ &&
		   strcmp(file.identity, "730/5") == 0,
	   "and read, with whose it is");
	is_text(file.snapshot, snapshot, "the snapshot is what was given");
	free(file.bytes);

	ok(ue_policy_file_write(directory, UE_POLICY_FILE_NAME, "", UE_SLICE("{}\n"), &reason) &&
		   ue_policy_file_read(directory, UE_POLICY_FILE_NAME, &file, &reason) == UE_POLICY_FILE_READ &&
		   strcmp(file.identity, "-") == 0 && file.snapshot.len == 3,
	   "it is replaced whole by a shorter one, of nobody known");
	free(file.bytes);
	ok(ue_policy_file_write(directory, UE_POLICY_FILE_NAME, "1/2", (UeSlice){NULL, 0}, &reason) &&
		   ue_policy_file_read(directory, UE_POLICY_FILE_NAME, &file, &reason) == UE_POLICY_FILE_READ &&
		   file.snapshot.len == 0,
	   "an empty text is a text");
	free(file.bytes);
}

static void
check_damage(void)
{
	char good[512], bad[512];
	const char *reason = "";
	size_t len;
	int n_accepted = 0;

	if (!ue_policy_file_write(directory, UE_POLICY_FILE_NAME, "730/5", snapshot, &reason))
		abort();
	len = read_bytes(good, sizeof(good));
	for (size_t cut = 0; cut < len; cut++)
	{
		write_bytes(good, cut);
		n_accepted += !is_refused("");
	}
	ok(n_accepted == 0, "a file that is torn at any byte is refused");
	for (size_t i = 0; i < len; i++)
	{
		memcpy(bad, good, len);
		bad[i] ^= 0x20;
		write_bytes(bad, len);
		n_accepted += !is_refused("");
	}
	ok(n_accepted == 0, "and so is one in which any byte has changed");
	memcpy(bad, good, len);
	bad[len] = '\n';
	write_bytes(bad, len + 1);
	ok(is_refused("checksum"), "or with one byte more");
	write_bytes("{\"snapshot\":1}\n", 15);
	ok(is_refused("first line"), "or a snapshot without the line that guards it");
	memset(bad, '#', sizeof(bad));
	write_bytes(bad, sizeof(bad));
	ok(is_refused("first line"), "or garbage");
}

static void
check_places(void)
{
	UePolicyFile file;
	const char *reason = "";
	char left[sizeof(path) + 8];

	unlink(path);
	if (mkdir(path, 0700) != 0)
		abort();
	ok(is_refused("not a file") &&
		   !ue_policy_file_write(directory, UE_POLICY_FILE_NAME, "1/1", snapshot, &reason) &&
		   reason[0] != '\0',
	   "a directory in its place is refused, and said");
	rmdir(path);
	snprintf(left, sizeof(left), "%s.new", path);
	unlink(left);
	ok(!ue_policy_file_write("/nonexistent", UE_POLICY_FILE_NAME, "1/1", snapshot, &reason) &&
		   strcmp(reason, "No such file or directory") == 0 &&
		   ue_policy_file_read("/nonexistent", UE_POLICY_FILE_NAME, &file, &reason) == UE_POLICY_FILE_MISSING,
	   "so is a directory that is not there");
}

int
main(void)
{
	if (mkdtemp(directory) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/%s", directory, UE_POLICY_FILE_NAME);
	check_round();
	check_damage();
	check_places();
	unlink(path);
	rmdir(directory);
	return done_testing();
}
