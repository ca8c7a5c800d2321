/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_corpus_rules.c: every case of the corpus under every rule set of test/rules, in every
 * format: whatever operators write, the client gets one JSON object.
 */
#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "corpus.h"
#include "libc_allocator.h"
#include "tap.h"

static UeArena arena;

static UePolicy *
read_set(const char *name)
{
	CorpusCase folder = {.path = (char *) "test/rules"};
	CorpusText text = corpus_read_file(&folder, name);
	UePolicy *policy = NULL;
	UePolicyProblem problem;

	ue_arena_reset(&arena);
	if (ue_policy_read(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena,
					   (UeSlice){text.ptr, text.len}, &policy, &problem) != UE_OK)
		printf("# line %zu: %.*s: %.*s\n", problem.line, (int) problem.rule.field.len,
			   problem.rule.field.ptr, (int) problem.rule.text.len,
			   problem.rule.text.ptr);
	free(text.ptr);
	return policy;
}

static bool
is_sound(const UeVerdict *verdict)
{
	json_error_t error;
	json_t *root = json_loadb(verdict->answer.body.ptr, verdict->answer.body.len,
							  JSON_ALLOW_NUL, &error);
	bool is_object = json_is_object(root);

	json_decref(root);
	return is_object && verdict->answer.status >= 400 && verdict->answer.status <= 599 &&
		   ue_utf8_is_valid(verdict->answer.frame) &&
		   ue_utf8_is_valid(verdict->message) && ue_utf8_is_valid(verdict->detail) &&
		   verdict->message.len <= UE_LIMIT_MESSAGE &&
		   (verdict->action == UE_ACTION_COOLDOWN) == (verdict->cooldown_s > 0);
}

static void
test_set(const char *name, const Corpus *corpus)
{
	UePolicy *policy = read_set(name);
	size_t n_unsound = 0, n_matched = 0;
	bool is_plain = policy != NULL && ue_rules_count(ue_policy_rules(policy)) == 0;

	ok(policy != NULL, "%s is a policy", name);
	for (size_t i = 0; policy != NULL && i < corpus->n_cases; i++)
		for (int format = 0; format < CORPUS_FORMATS; format++)
		{
			UeCase kase = corpus->cases[i].kase;
			UeVerdict verdict;

			ue_arena_reset(&arena);
			kase.format = (UeFormat) format;
			if (ue_decide_case(&arena, policy, &kase, &verdict) != UE_OK ||
				!is_sound(&verdict))
			{
				printf("# %s\n", corpus->cases[i].name);
				n_unsound++;
			}
			else
				n_matched += verdict.rule_id != 0;
		}
	ok(n_unsound == 0, "%s: every verdict is sound, %zu by a rule", name, n_matched);
	ok(is_plain == (n_matched == 0), "%s: its rules are used", name);
	ue_policy_free(policy);
}

int
main(void)
{
	Corpus corpus = corpus_read("test/bodies");
	DIR *directory = opendir("test/rules");
	struct dirent *entry;
	int n_sets = 0;

	ue_arena_init(&arena, &libc_allocator, UE_LIMIT_POLICY_MEMORY);
	while (directory != NULL && (entry = readdir(directory)) != NULL)
		if (strstr(entry->d_name, ".jsonl") != NULL)
		{
			test_set(entry->d_name, &corpus);
			n_sets++;
		}
	ok(n_sets >= 8, "there are %d rule sets", n_sets);
	if (directory != NULL)
		closedir(directory);
	ue_arena_free(&arena);
	corpus_free(&corpus);
	return done_testing();
}
