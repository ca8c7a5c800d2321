/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_policy_health.c: states of channels as lines, and as a file beside the journal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "policy_file.h"
#include "policy_health.h"
#include "tap.h"

static char directory[] = "/tmp/ue-health-XXXXXX";

static void
count_state(void *context, const UeHealthChange *change, const char *reason)
{
	(void) change;
	(void) reason;
	++*(int *) context;
}

static int
count_states(UeHealthStore *store)
{
	int n_states = 0;

	ue_health_store_list(store, count_state, &n_states);
	return n_states;
}

static void
test_lines(void)
{
	static const char *const refused[] = {
		"",
		"{}",
		"[1]",
		"no json",
		"{\"channel_id\":1,\"model\":\"\",\"state\":\"cooling\",\"until_ms\":5",
		"{\"channel_id\":1,\"model\":\"\",\"state\":\"ill\",\"until_ms\":5,\"level\":1}",
		"{\"channel_id\":\"x\",\"state\":\"cooling\",\"until_ms\":5,\"level\":1}",
		"{\"channel_id\":1,\"state\":\"cooling\",\"until_ms\":1e300,\"level\":1}",
		"{\"channel_id\":1,\"state\":\"cooling\",\"until_ms\":-5,\"level\":1}",
		"{\"channel_id\":1,\"state\":\"cooling\",\"until_ms\":5,\"level\":5000000000}",
	};
	UeHealthStore *store = ue_health_store_new();
	UeHealthPause pause;
	char line[512];
	bool is_refused = true;

	ok(ue_health_merge_line(store, UE_SLICE("{\"channel_id\":3,\"model\":\"gpt-5\","
											"\"state\":\"cooling\",\"until_ms\":9000,"
											"\"level\":2,\"reason\":\"slow \\\"down\","
											"\"instance\":\"a\"}")) &&
		   ue_health_store_find_pause(store, 3, UE_SLICE("gpt-5"), 8000, &pause) &&
		   pause.until_ms == 9000 && strcmp(pause.reason, "slow \"down") == 0,
	   "a notification is a state");
	ok(ue_health_merge_line(store, UE_SLICE("{\"channel_id\":3,\"model\":\"\",\"state\":"
											"\"healthy\",\"until_ms\":0,\"level\":0,"
											"\"clear\":true}")) &&
		   count_states(store) == 0,
	   "clearing a channel clears its models");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		is_refused = is_refused &&
					 !ue_health_merge_line(store, ue_slice_of(refused[i])) &&
					 count_states(store) == 0;
	ok(is_refused, "what is no state changes nothing");
	snprintf(
		line, sizeof(line),
		"{\"channel_id\":1,\"model\":\"%0200d\",\"state\":\"cooling\",\"until_ms\":5,"
		"\"level\":1}",
		7);
	ok(!ue_health_merge_line(store, ue_slice_of(line)), "nor a model of 200 bytes");
	ue_health_store_free(store);
}

static void
test_file(void)
{
	UeHealthRule rule = {.threshold = 1, .duration_s = 3600, .base_s = 1, .max_s = 7200};
	UeHealthStore *store = ue_health_store_new();
	UeHealthStore *other = ue_health_store_new();
	UeHealthChange change;
	UeHealthCopy copy;
	UeHealthCopy read;
	UeHealthPause pause;
	UePolicyFile file;
	const char *reason = "";
	char path[128];
	struct stat info;
	int64_t now_ms = (int64_t) time(NULL) * 1000;

	snprintf(path, sizeof(path), "%s/%s", directory, UE_HEALTH_FILE_NAME);
	ue_health_copy_init(&copy, store, directory);
	ok(copy.failures == 0, "that there is no file is fine");
	ue_health_copy_save(&copy, "1/2", 5000);
	ok(stat(path, &info) != 0, "nothing has changed: nothing is written");
	(void) ue_health_store_fail(store, 1, UE_SLICE("a\"b\n"), &rule, now_ms, -1,
								UE_SLICE("say \"when\""), &change);
	(void) ue_health_store_fail(store, 2, UE_SLICE("over"), &rule, now_ms - 7200000, -1,
								UE_SLICE("old"), &change);
	rule.is_disabling = true;
	rule.duration_s = 0;
	(void) ue_health_store_fail(store, 3, (UeSlice){NULL, 0}, &rule, now_ms, -1,
								UE_SLICE("no credit"), &change);
	ue_health_copy_save(&copy, "1/2", 5000);
	ok(ue_policy_file_read(directory, UE_HEALTH_FILE_NAME, &file, &reason) ==
			   UE_POLICY_FILE_READ &&
		   strcmp(file.identity, "1/2") == 0,
	   "a change is written");
	free(file.bytes);

	ue_health_copy_init(&read, other, directory);
	ok(read.failures == 0 && count_states(other) == 2, "what is over is not read");
	ok(ue_health_store_find_pause(other, 1, UE_SLICE("a\"b\n"), now_ms, &pause) &&
		   pause.until_ms == now_ms + 3600000 &&
		   strcmp(pause.reason, "say \"when\"") == 0 &&
		   ue_health_store_find_pause(other, 3, UE_SLICE("any"), now_ms, &pause) &&
		   pause.state == UE_HEALTH_DISABLED && pause.until_ms == 0,
	   "the rest is as it was");

	ok(unlink(path) == 0, "(the file is taken away)");
	ue_health_copy_save(&copy, "1/2", INT64_MAX);
	ok(stat(path, &info) != 0, "written once for a change");
	ue_health_store_clear(store, 3, (UeSlice){NULL, 0});
	ue_health_copy_save(&copy, "1/2", 5500);
	ok(stat(path, &info) != 0, "not twice within a second");
	ue_health_copy_save(&copy, "1/2", 6000);
	ok(stat(path, &info) == 0, "but then");
	ok(truncate(path, info.st_size - 3) == 0, "(the file is torn)");
	ue_health_store_free(other);
	other = ue_health_store_new();
	ue_health_copy_init(&read, other, directory);
	ok(read.failures == 1 && count_states(other) == 0, "a torn one is counted, not used");

	copy.directory = "/nonexistent";
	ue_health_store_clear(store, 1, (UeSlice){NULL, 0});
	ue_health_copy_save(&copy, "1/2", 9000);
	ok(copy.failures == 1 && copy.saved_ms == 9000, "a disk that refuses is counted");
	unlink(path);
	ue_health_store_free(other);
	ue_health_store_free(store);
}

int
main(void)
{
	ue_log_init(UE_LOG_ERROR);
	if (mkdtemp(directory) == NULL)
		return 1;
	test_lines();
	test_file();
	rmdir(directory);
	return done_testing();
}
