/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_channel_table.c: channels made ready, and what is said of those that cannot be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel_table.h"
#include "core/limits.h"
#include "heap.h"
#include "policy_store.h"
#include "tap.h"

#define HEAD "{\"snapshot\":1,\"generation\":9,\"mask_revision\":0}\n"
#define CHANNEL(id, more)                                                                \
	"{\"channel\":{\"id\":" #id ",\"name\":\"c" #id                                      \
	"\",\"platform\":\"openai\",\"base_url\":"                                           \
	"\"https://a.example\"" more "}}\n"

static void
put_in_force(const char *text)
{
	UePolicyProblem problem;
	UePolicy *policy = NULL;
	UeArena arena;

	ue_arena_init(&arena, &ue_heap_allocator, SIZE_MAX);
	if (ue_policy_read(&ue_heap_allocator, UE_LIMIT_POLICY_MEMORY, &arena,
					   ue_slice_of(text), &policy, &problem) != UE_OK ||
		!ue_policy_store_swap(policy))
		abort();
	ue_arena_free(&arena);
	ok(ue_channel_table_update(), "a policy is put in force");
}

static void
test_references(void)
{
	char path[] = "/tmp/test_channel_table.XXXXXX";
	char text[4096];
	int fd = mkstemp(path);
	const UeChannelTable *table;
	const UeChannelTable *again;

	if (fd < 0 || write(fd, " sk-from-file\n", 14) != 14)
		abort();
	close(fd);
	setenv("UE_TEST_KEY", "sk-from-env", 1);
	setenv("UE_TEST_BAD", "two\nlines", 1);
	unsetenv("UE_TEST_NONE");
	snprintf(text, sizeof(text),
			 HEAD CHANNEL(1, "") CHANNEL(2, ",\"credential\":\"env:UE_TEST_KEY\"")
				 CHANNEL(3, ",\"credential\":\"file:%s\",\"proxy\":\"http://p:1\"")
					 CHANNEL(4, ",\"credential\":\"env:UE_TEST_NONE\"")
						 CHANNEL(5, ",\"credential\":\"env:UE_TEST_BAD\"")
							 CHANNEL(6, ",\"credential\":\"file:/nonexistent\"") CHANNEL(
								 7, ",\"proxy\":\"env:UE_TEST_KEY\"") "{\"end\":7}\n",
			 path);
	put_in_force(text);
	table = ue_channel_table_acquire();
	ok(table != NULL && table->n == 7 && table->breakers != NULL,
	   "all channels are there");
	ok(table->channels[0].problem == NULL && table->channels[0].credential == NULL,
	   "one passes the client's own credential on");
	ok(strcmp(table->channels[1].credential, "sk-from-env") == 0, "one has a variable's");
	ok(strcmp(table->channels[2].credential, "sk-from-file") == 0 &&
		   strcmp(table->channels[2].proxy, "http://p:1") == 0,
	   "one a file's, without its line end, and a proxy");
	for (int i = 3; i < 6; i++)
		ok(table->channels[i].problem != NULL && table->channels[i].credential == NULL,
		   "channel %d cannot be used: %s", i + 1, table->channels[i].problem);
	ok(strcmp(table->channels[6].proxy, "sk-from-env") == 0,
	   "a proxy can be a reference too");

	/* what has changed behind the references is seen by the next table alone */
	setenv("UE_TEST_KEY", "sk-second", 1);
	ok(ue_channel_table_update(), "the references are followed again");
	again = ue_channel_table_acquire();
	ok(strcmp(again->channels[1].credential, "sk-second") == 0 &&
		   strcmp(table->channels[1].credential, "sk-from-env") == 0,
	   "who has the table before keeps it");
	ok(again->channels[0].base == table->channels[0].base &&
		   again->channels[0].base == again->channels[1].base,
	   "a base URL is kept once");
	ue_channel_table_release(table);
	ue_channel_table_release(again);
	unlink(path);
}

/* How many retries a request for that model has. */
static int
take_all(const UeChannelTable *table, const char *model)
{
	UeSlice none = {NULL, 0};
	UeRetryBudget *budget = ue_channel_table_find_budget(
		table, ue_channel_table_find_policy(table, UE_SLICE("openai"), ue_slice_of(model),
											none));
	int n = 0;

	while (ue_retry_budget_take(budget))
		n++;
	return n;
}

static void
test_policies(void)
{
	const UeChannelTable *table;
	const UeChannelTable *before;
	UeSlice none = {NULL, 0};
	int n_taken;

	put_in_force(HEAD CHANNEL(1, "") "{\"retry_policy\":{\"id\":4,\"models\":[\"gpt-*\"],"
									 "\"max_attempts\":9,\"budget_burst\":3}}\n"
									 "{\"end\":2}\n");
	table = ue_channel_table_acquire();
	ok(ue_channel_table_find_policy(table, UE_SLICE("openai"), UE_SLICE("gpt-5"), none)
			   ->max_attempts == 9,
	   "the policy that fits");
	ok(ue_channel_table_find_policy(table, UE_SLICE("openai"), UE_SLICE("o4"), none) ==
		   &ue_retry_default,
	   "or the default one");
	n_taken = take_all(table, "gpt-5");
	ok(n_taken == 3 && take_all(table, "o4") == ue_retry_default.budget_burst,
	   "each has its own budget");
	ue_retry_budget_give_back(ue_channel_table_find_budget(table, &ue_retry_default));
	before = table;
	put_in_force(HEAD CHANNEL(1, "") "{\"retry_policy\":{\"id\":2,\"models\":[\"o3\"]}}\n"
									 "{\"retry_policy\":{\"id\":4,\"models\":[\"gpt-*\"],"
									 "\"budget_burst\":3}}\n{\"end\":3}\n");
	table = ue_channel_table_acquire();
	ok(take_all(table, "gpt-5") == 0 && take_all(table, "o4") == 1 &&
		   take_all(table, "o3") == ue_retry_default.budget_burst,
	   "which outlives a change of the policies");
	ue_retry_budget_give_back(ue_channel_table_find_budget(before, &ue_retry_default));
	ok(take_all(table, "o4") == 1,
	   "what a request of before gives back is there for all");
	ue_retry_budget_give_back(ue_channel_table_find_budget(table, &ue_retry_default));
	ok(take_all(before, "o4") == 1 && take_all(table, "o4") == 0,
	   "and what it takes is taken from all");
	ue_channel_table_release(before);
	ue_channel_table_release(table);
	put_in_force(HEAD "{\"end\":0}\n");
	ok(ue_channel_table_acquire() == NULL, "without channels there is no table");
	ue_channel_table_release(NULL);
	ue_policy_store_reset();
	ok(ue_channel_table_update() && ue_channel_table_acquire() == NULL,
	   "nor without a policy");
}

int
main(void)
{
	ok(ue_channel_table_acquire() == NULL, "at first there is none");
	test_references();
	test_policies();
	return done_testing();
}
