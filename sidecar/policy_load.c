/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_load.c: compile, put in force, tell.
 */
#include "policy_load.h"

#include <stdio.h>

#include "channel_table.h"
#include "core/limits.h"
#include "crc32c.h"
#include "heap.h"
#include "log.h"
#include "policy_store.h"

/* Reading takes several times the text; it is given back at once. */
#define SCRATCH_MEMORY (4 * UE_LIMIT_POLICY_MEMORY)

#define NUMBER_SIZE 24
#define TEXT_SIZE	512

static bool put_in_force(UePolicyLoad *load, UePolicy *policy, const char *source);
static void report_refusal(UeStatus status, const UePolicyProblem *problem,
						   const char *source);
static void write_text(char *out, size_t out_size, UeSlice text);

UePolicyLoadResult
ue_policy_load(UePolicyLoad *load, UeSlice snapshot, const char *source)
{
	uint32_t sum = ue_crc32c(0, snapshot.ptr, snapshot.len);
	UePolicyProblem problem = {0};
	UePolicy *policy = NULL;
	UeArena arena;
	UeStatus status;

	if (load->has_text && load->sum == sum && load->len == snapshot.len)
		return UE_POLICY_SAME;
	ue_arena_init(&arena, &ue_heap_allocator, SCRATCH_MEMORY);
	status = ue_policy_read(&ue_heap_allocator, UE_LIMIT_POLICY_MEMORY, &arena, snapshot,
							&policy, &problem);
	if (status == UE_OK && !put_in_force(load, policy, source))
	{
		ue_policy_free(policy);
		status = UE_NO_MEMORY;
	}
	if (status == UE_OK)
	{
		load->has_text = true;
		load->sum = sum;
		load->len = snapshot.len;
		load->has_refused = false;
	}
	else if (!load->has_refused || load->refused_sum != sum ||
			 load->refused_len != snapshot.len)
	{
		report_refusal(status, &problem, source);
		load->has_refused = true;
		load->refused_sum = sum;
		load->refused_len = snapshot.len;
	}
	ue_arena_free(&arena);
	return status == UE_OK ? UE_POLICY_LOADED : UE_POLICY_REFUSED;
}

/* The numbers are taken before: another thread may swap it out and free it at once. */
static bool
put_in_force(UePolicyLoad *load, UePolicy *policy, const char *source)
{
	const UeRules *rules = ue_policy_rules(policy);
	int64_t generation = ue_policy_generation(policy);
	size_t n_rules = rules == NULL ? 0 : ue_rules_count(rules);
	size_t n_bytes = ue_policy_size(policy);
	char numbers[2][NUMBER_SIZE];

	if (!ue_policy_store_swap(policy))
		return false;
	ue_policy_update_channels();
	load->generation = generation;
	load->n_rules = n_rules;
	load->n_bytes = n_bytes;
	snprintf(numbers[0], NUMBER_SIZE, "%lld", (long long) generation);
	snprintf(numbers[1], NUMBER_SIZE, "%zu", n_rules);
	ue_log_write(UE_LOG_INFO, "policy_in_force", "rules and masks are in force", "source",
				 source, "generation", numbers[0], "rules", numbers[1], NULL);
	return true;
}

void
ue_policy_update_channels(void)
{
	if (!ue_channel_table_update())
		ue_log_write(UE_LOG_ERROR, "channels_not_updated",
					 "no memory for the channels of the policy: those before stay in use",
					 NULL);
}

static void
report_refusal(UeStatus status, const UePolicyProblem *problem, const char *source)
{
	char line[NUMBER_SIZE];
	char rule[NUMBER_SIZE];
	char field[TEXT_SIZE];
	char reason[TEXT_SIZE];

	snprintf(line, sizeof(line), "%zu", problem->line);
	snprintf(rule, sizeof(rule), "%lld", (long long) problem->rule.rule_id);
	write_text(field, sizeof(field), problem->rule.field);
	write_text(reason, sizeof(reason), problem->rule.text);
	ue_log_write(UE_LOG_ERROR, "policy_refused",
				 "rules and masks cannot be used as they are: those before stay in force",
				 "source", source, "reason",
				 reason[0] == '\0' ? ue_status_name(status) : reason, "line",
				 problem->line == 0 ? NULL : line, "rule",
				 problem->rule.rule_id == 0 ? NULL : rule, "field",
				 field[0] == '\0' ? NULL : field, NULL);
}

static void
write_text(char *out, size_t out_size, UeSlice text)
{
	snprintf(out, out_size, "%.*s", (int) ue_slice_sub(text, 0, out_size - 1).len,
			 text.ptr == NULL ? "" : text.ptr);
}
