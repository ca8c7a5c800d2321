/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_transition.c: transitions and recoveries come back from their payloads, and nothing
 * else is one.
 */
#include <string.h>

#include "heap.h"
#include "tap.h"
#include "transition.h"

static UeArena arena;

static UeSlice
finish(UeBuf *buf, UeStatus status)
{
	UeSlice bytes = {NULL, 0};

	if (status != UE_OK || ue_buf_finish(buf, &bytes) != UE_OK)
		printf("# could not encode\n");
	return bytes;
}

static UeTransition
make_transition(void)
{
	UeTransition transition = {
		.at_us = 1795000000000001,
		.transition_id = "0123456789abcde",
		.change = {.channel_id = 42,
				   .model = "gpt-5",
				   .from = UE_HEALTH_HEALTHY,
				   .to = UE_HEALTH_DISABLED,
				   .until_ms = 1795000060000,
				   .level = 3},
		.channel = UE_SLICE_INIT("main"),
		.reason = UE_SLICE_INIT("Incorrect \xff key"),
		.class = UE_SLICE_INIT("authentication"),
		.status_code = 401,
		.rule_id = 7,
		.has_event = true,
		.event_id = "fedcba987654321",
		.request_id = UE_SLICE_INIT("req_1"),
		.instance = UE_SLICE_INIT("gateway-1"),
	};

	return transition;
}

static void
test_transition(void)
{
	UeTransition transition = make_transition();
	UeTransitionRow row;
	UeBuf buf;
	UeSlice bytes;
	int n_whole = 0;

	ue_buf_init(&buf, &arena, 4096);
	bytes = finish(&buf, ue_transition_write(&buf, &transition));
	ok(ue_transition_read(bytes, &row) == UE_OK && row.at_us == transition.at_us &&
		   memcmp(row.transition_id, transition.transition_id, 16) == 0 &&
		   row.channel_id == 42 && ue_slice_is_equal(row.model, UE_SLICE("gpt-5")) &&
		   ue_slice_is_equal(row.from_state, UE_SLICE("healthy")) &&
		   ue_slice_is_equal(row.to_state, UE_SLICE("disabled")) &&
		   row.until_us == 1795000060000000 && row.level == 3,
	   "a transition comes back");
	ok(row.status_code == 401 && row.rule_id == 7 &&
		   memcmp(row.event_id, transition.event_id, 16) == 0 &&
		   ue_slice_is_equal(row.channel, UE_SLICE("main")) &&
		   ue_slice_is_equal(row.class, UE_SLICE("authentication")) &&
		   ue_slice_is_equal(row.request_id, UE_SLICE("req_1")) &&
		   ue_slice_is_equal(row.instance, UE_SLICE("gateway-1")),
	   "with what it was caused by");
	ok(ue_slice_is_equal(row.reason, UE_SLICE("Incorrect \xef\xbf\xbd key")),
	   "its texts are such as a table takes");

	for (size_t len = 0; len < bytes.len; len++)
		n_whole +=
			ue_transition_read(ue_slice_sub(bytes, 0, len), &row) == UE_OK && len < 60;
	ok(n_whole == 0, "a beginning without its state is none");

	transition.has_event = false;
	transition.rule_id = transition.status_code = 0;
	transition.change.until_ms = 0;
	transition.change.model[0] = '\0';
	ue_buf_init(&buf, &arena, 4096);
	bytes = finish(&buf, ue_transition_write(&buf, &transition));
	ok(ue_transition_read(bytes, &row) == UE_OK && row.until_us == UE_EVENT_NULL &&
		   row.rule_id == UE_EVENT_NULL && row.status_code == UE_EVENT_NULL &&
		   row.model.len == 0 && !ue_columns_has_uuid(row.event_id),
	   "what it has not is NULL");

	memset(transition.transition_id, 0, 16);
	ue_buf_init(&buf, &arena, 4096);
	bytes = finish(&buf, ue_transition_write(&buf, &transition));
	ok(ue_transition_read(bytes, &row) == UE_MALFORMED, "one without an id is refused");
}

static void
test_states(void)
{
	UeTransition transition = make_transition();
	UeTransitionRow row;
	UeBuf buf;
	UeSlice bytes;
	char *state;

	ue_buf_init(&buf, &arena, 4096);
	bytes = finish(&buf, ue_transition_write(&buf, &transition));
	state = memmem((char *) bytes.ptr, bytes.len, "disabled", 8);
	if (state != NULL)
		state[0] = 'D';
	ok(state != NULL && ue_transition_read(bytes, &row) == UE_MALFORMED,
	   "a state that nobody knows is refused");
}

static void
test_recovery(void)
{
	UeRecovery recovery = {.at_us = 5,
						   .event_id = "0123456789abcde",
						   .request_id = UE_SLICE_INIT("req_1"),
						   .response_status = 200,
						   .total_ms = 1234,
						   .channel = UE_SLICE_INIT("b")};
	UeRecovery read;
	UeBuf buf;
	UeSlice bytes;

	ue_buf_init(&buf, &arena, 4096);
	bytes = finish(&buf, ue_recovery_write(&buf, &recovery));
	ok(ue_recovery_read(bytes, &read) == UE_OK && read.at_us == 5 &&
		   memcmp(read.event_id, recovery.event_id, 16) == 0 &&
		   read.response_status == 200 && read.total_ms == 1234 &&
		   ue_slice_is_equal(read.request_id, UE_SLICE("req_1")) &&
		   ue_slice_is_equal(read.channel, UE_SLICE("b")),
	   "a recovery comes back");
	memset(recovery.event_id, 0, 16);
	ue_buf_init(&buf, &arena, 4096);
	bytes = finish(&buf, ue_recovery_write(&buf, &recovery));
	ok(ue_recovery_read(bytes, &read) == UE_MALFORMED, "one of no event is refused");
	ok(ue_recovery_read(UE_SLICE("\2"), &read) == UE_MALFORMED &&
		   ue_recovery_read(UE_SLICE(""), &read) == UE_MALFORMED,
	   "and so is another version");
}

int
main(void)
{
	ue_arena_init(&arena, &ue_heap_allocator, 1 << 20);
	test_transition();
	test_states();
	test_recovery();
	ue_arena_free(&arena);
	return done_testing();
}
