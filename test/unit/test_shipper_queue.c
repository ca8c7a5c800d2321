/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_shipper_queue.c: when an event stops waiting for what became of it, and what the
 * position may be.
 */
#include <string.h>

#include "heap.h"
#include "shipper_queue.h"
#include "tap.h"

#define SECOND 1000000

static UeQueue queue;
static UeArena arena;

static UeSlice
finish(UeBuf *buf, UeStatus status)
{
	UeSlice bytes = {NULL, 0};

	if (status != UE_OK || ue_buf_finish(buf, &bytes) != UE_OK)
		printf("# could not encode\n");
	return bytes;
}

static void
append_event(unsigned char id, int64_t appended_us, bool is_earlier_run)
{
	UeJournalEntry entry = {.position = {.seq = 1, .offset = id},
							.is_earlier_run = is_earlier_run};
	UeEvent event;
	UeBuf buf;

	ue_event_init(&event);
	memset(event.event_id, id, 16);
	ue_buf_init(&buf, &arena, 4096);
	entry.record = (UeJournalRecord){UE_RECORD_EVENT, appended_us,
									 finish(&buf, ue_event_write(&buf, &event))};
	ue_queue_append(&queue, &entry);
}

static void
append_completion_of(const UeCompletion *completion, int64_t appended_us)
{
	UeJournalEntry entry = {.is_earlier_run = false};
	UeBuf buf;

	ue_buf_init(&buf, &arena, 4096);
	entry.record = (UeJournalRecord){UE_RECORD_COMPLETION, appended_us,
									 finish(&buf, ue_completion_write(&buf, completion))};
	ue_queue_append(&queue, &entry);
}

static void
append_completion(unsigned char id, int64_t appended_us)
{
	UeCompletion completion = {.response_status = 429,
							   .rule_id = 7,
							   .rule_version = 2,
							   .outcome = UE_SLICE_INIT("answered"),
							   .sent_bytes = UE_EVENT_NULL,
							   .total_ms = 5};

	memset(completion.event_id, id, 16);
	append_completion_of(&completion, appended_us);
}

static void
append_record(UeRecordKind kind, UeSlice payload, uint64_t offset)
{
	UeJournalEntry entry = {.record = {.kind = kind,
									   .appended_us = SECOND,
									   .payload = payload},
							.position = {.seq = 1, .offset = offset}};

	ue_queue_append(&queue, &entry);
}

static void
append_recovery(unsigned char id, uint64_t offset)
{
	UeRecovery recovery = {.at_us = SECOND, .response_status = 200, .total_ms = 5};
	UeBuf buf;

	memset(recovery.event_id, id, 16);
	ue_buf_init(&buf, &arena, 4096);
	append_record(UE_RECORD_RECOVERY, finish(&buf, ue_recovery_write(&buf, &recovery)),
				  offset);
}

static void
append_transition(unsigned char id, uint64_t offset)
{
	UeTransition transition = {.at_us = SECOND,
							   .change = {.channel_id = id, .to = UE_HEALTH_COOLING}};
	UeBuf buf;

	memset(transition.transition_id, id, 16);
	ue_buf_init(&buf, &arena, 4096);
	append_record(UE_RECORD_TRANSITION,
				  finish(&buf, ue_transition_write(&buf, &transition)), offset);
}

static size_t
count_ready(int64_t now_us, bool is_caught_up, bool is_past_earlier_runs)
{
	UeQueueTime time = {.now_us = now_us,
						.wait_us = SECOND,
						.is_caught_up = is_caught_up,
						.is_past_earlier_runs = is_past_earlier_runs};

	ue_queue_advance(&queue, &time);
	return queue.n_ready;
}

static void
check_join(void)
{
	UePending *taken[4];

	append_event(1, SECOND, false);
	append_event(2, SECOND, false);
	append_completion(2, SECOND + 10);
	ok(count_ready(SECOND + 20, true, true) == 1, "a completed event is ready at once");
	ok(ue_queue_take(&queue, taken, 4, 1 << 20) == 1 &&
		   taken[0]->event.response_status == 429 && taken[0]->event.rule_id == 7 &&
		   taken[0]->event.total_ms == 5 && taken[0]->event.sent_bytes == UE_EVENT_NULL &&
		   ue_slice_is_equal(taken[0]->event.outcome, UE_SLICE("answered")),
	   "with what its completion says");
	append_completion(2, SECOND + 30);
	append_completion(9, SECOND + 30);
	ok(taken[0]->event.response_status == 429 && queue.n_ready == 0,
	   "a second completion, or one of nobody's, changes nothing");
	ue_queue_reset(&queue);
}

static void
check_waiting(void)
{
	append_event(1, 10 * SECOND, false);
	ok(count_ready(10 * SECOND + SECOND / 2, true, true) == 0, "half a second: it waits");
	ok(count_ready(3600 * (int64_t) SECOND, false, true) == 0,
	   "an hour by the wall clock, but the journal is not read yet: it waits");
	append_event(2, 10 * SECOND + SECOND / 2, false);
	ok(count_ready(3600 * (int64_t) SECOND, false, true) == 0,
	   "half a second in the journal: it waits");
	append_event(3, 11 * SECOND, false);
	ok(count_ready(3600 * (int64_t) SECOND, false, true) == 1,
	   "a second in the journal: it goes as it is");
	ok(count_ready(3600 * (int64_t) SECOND, true, true) == 3,
	   "the journal is read to its end: the wall clock counts");
	ue_queue_reset(&queue);

	append_event(1, 100 * SECOND, false);
	ok(count_ready(50 * SECOND, true, true) == 1,
	   "a clock that was set back holds nothing up");
	ue_queue_reset(&queue);

	append_event(1, 5000 * (int64_t) SECOND, false);
	ok(count_ready(5000 * (int64_t) SECOND, true, true) == 0,
	   "a clock that jumped: it waits");
	append_event(2, 10 * SECOND, false);
	ok(count_ready(10 * SECOND, true, true) == 1 &&
		   queue.last->state == UE_PENDING_WAITING,
	   "and is set back: what comes then waits for its own completion");
	append_completion(2, 10 * SECOND + 10);
	ok(queue.last->event.response_status == 429, "which is not lost");
	ue_queue_reset(&queue);

	append_event(1, 10 * SECOND, true);
	ok(count_ready(3600 * (int64_t) SECOND, true, false) == 0,
	   "of a dead process: its completion may be in what is left to read");
	ok(count_ready(10 * SECOND, true, true) == 1,
	   "all of it read: no completion can come any more");
	ue_queue_reset(&queue);
}

static void
check_position(void)
{
	UePending *taken[4];
	UeJournalPosition position = {0, 0, 0};

	append_event(1, SECOND, false);
	append_event(2, SECOND, false);
	append_event(3, SECOND, false);
	append_completion(2, SECOND);
	ue_queue_take(&queue, taken, 4, 1 << 20);
	taken[0]->state = UE_PENDING_DONE;
	ok(ue_queue_pop(&queue, &position) && position.offset == 1,
	   "the position stays with the oldest that is not shipped");
	append_completion(1, SECOND);
	ue_queue_take(&queue, taken, 4, 1 << 20);
	ue_queue_give_back(&queue, taken[0]);
	ok(ue_queue_take(&queue, taken, 4, 1) == 1 && taken[0]->position.offset == 1,
	   "what is given back is taken again, and one is taken however large");
	taken[0]->state = UE_PENDING_DONE;
	ok(ue_queue_pop(&queue, &position) && position.offset == 3,
	   "and then passes all that are");
	ue_queue_reset(&queue);
}

static void
check_rules(void)
{
	UeCompletion completion = {.response_status = 500, .sent_bytes = UE_EVENT_NULL};
	UePending *taken[4];
	UePending *unmonitored;
	UeJournalPosition position = {0, 0, 0};

	/* the local verdict knew a rule that Postgres did not know any more */
	append_event(1, SECOND, false);
	queue.first->event.rule_id = 7;
	queue.first->event.rule_version = 2;
	memset(completion.event_id, 1, 16);
	append_completion_of(&completion, SECOND);
	ok(queue.first->event.rule_id == UE_EVENT_NULL &&
		   queue.first->event.rule_version == UE_EVENT_NULL,
	   "the completion has the last word about the rule, also that there is none");
	ue_queue_reset(&queue);

	append_event(1, SECOND, false);
	append_event(2, SECOND, false);
	append_event(3, SECOND, false);
	ok(count_ready(SECOND, false, false) == 0 &&
		   ue_queue_take_unmonitored(&queue) == NULL,
	   "without a completion nothing is unmonitored");
	memset(completion.event_id, 2, 16);
	completion.is_unmonitored = true;
	append_completion_of(&completion, SECOND);
	append_completion_of(&completion, SECOND);
	append_completion(1, SECOND);
	memset(completion.event_id, 1, 16);
	append_completion_of(&completion, SECOND);
	ok(queue.n_ready == 1 && queue.n_waiting == 1 &&
		   ue_queue_take(&queue, taken, 4, 1 << 20) == 1 &&
		   taken[0]->position.offset == 1,
	   "an unmonitored event is in no batch; the first completion counts");
	unmonitored = ue_queue_take_unmonitored(&queue);
	ok(unmonitored != NULL && unmonitored->position.offset == 2 &&
		   ue_queue_take_unmonitored(&queue) == NULL,
	   "it is given out once");
	unmonitored->state = UE_PENDING_DONE;
	ok(ue_queue_pop(&queue, &position) && position.offset == 1,
	   "and the position still waits for the one before it");
	taken[0]->state = UE_PENDING_DONE;
	ok(ue_queue_pop(&queue, &position) && position.offset == 3, "then passes both");
	ue_queue_reset(&queue);
}

static void
check_full(void)
{
	for (int i = 0; i < UE_QUEUE_MAX_EVENTS; i++)
		append_event((unsigned char) (i % 200), SECOND, false);
	ok(ue_queue_is_full(&queue) &&
		   count_ready(SECOND, false, true) == UE_QUEUE_MAX_EVENTS,
	   "a queue full of waiting ones waits no longer");
	ue_queue_reset(&queue);
}

static void
check_recoveries(void)
{
	UePending *events[4];
	UePending *taken[4];

	append_event(1, SECOND, false);
	append_event(2, SECOND, false);
	append_recovery(2, 3);
	append_recovery(1, 4);
	append_completion(1, SECOND);
	append_completion(2, SECOND);
	ok(ue_queue_take_follow_ups(&queue, UE_RECORD_RECOVERY, taken, 4, 1 << 20) == 0,
	   "a recovery waits while its event is ready");
	ok(ue_queue_take(&queue, events, 4, 1 << 20) == 2 &&
		   ue_queue_take_follow_ups(&queue, UE_RECORD_RECOVERY, taken, 4, 1 << 20) == 0,
	   "and while that is on its way");
	events[0]->state = UE_PENDING_DONE;
	ok(ue_queue_take_follow_ups(&queue, UE_RECORD_RECOVERY, taken, 4, 1 << 20) == 1 &&
		   taken[0]->position.offset == 4,
	   "committed: it goes, also past one that waits");
	taken[0]->state = UE_PENDING_DONE;
	append_recovery(9, 5);
	ok(ue_queue_take_follow_ups(&queue, UE_RECORD_RECOVERY, taken, 4, 1 << 20) == 1 &&
		   taken[0]->position.offset == 5,
	   "one of an event that was shipped before waits for nothing");
	taken[0]->state = UE_PENDING_DONE;
	events[1]->state = UE_PENDING_DONE;
	ok(ue_queue_take_follow_ups(&queue, UE_RECORD_RECOVERY, taken, 4, 1 << 20) == 1 &&
		   taken[0]->position.offset == 3,
	   "the other one follows");
	append_recovery(8, 6);
	ok(ue_queue_take_follow_ups(&queue, UE_RECORD_RECOVERY, taken, 4, 1 << 20) == 1,
	   "the list is whole when its last was taken");
	ue_queue_reset(&queue);
}

static void
check_transitions(void)
{
	UePending *taken[4];
	UeJournalPosition position = {0, 0, 0};

	append_event(1, SECOND, false);
	append_transition(1, 2);
	append_transition(2, 3);
	append_event(4, SECOND, false);
	ok(queue.n_follow_ups == 2 && queue.n_events == 2 &&
		   ue_queue_take_follow_ups(&queue, UE_RECORD_TRANSITION, taken, 4, 1 << 20) ==
			   2 &&
		   taken[0]->position.offset == 2 && taken[1]->position.offset == 3,
	   "transitions wait for nothing and keep their order");
	ok(taken[0]->transition.channel_id == 1 &&
		   taken[0]->transition.until_us == UE_EVENT_NULL &&
		   ue_slice_is_equal(taken[0]->transition.to_state, UE_SLICE("cooling")),
	   "with what they say");
	queue.first->state = UE_PENDING_DONE;
	queue.last->state = UE_PENDING_DONE;
	ok(ue_queue_pop(&queue, &position) && position.offset == 2 && queue.n_events == 0 &&
		   queue.last->position.offset == 3,
	   "one that stays long keeps the position, not what is done behind it");
	append_event(5, SECOND, false);
	ok(queue.last->position.offset == 5 && queue.n_events == 1,
	   "the queue goes on behind it");
	taken[0]->state = taken[1]->state = queue.last->state = UE_PENDING_DONE;
	ok(!ue_queue_pop(&queue, &position) && queue.first == NULL && queue.last == NULL &&
		   queue.n_follow_ups == 0 && queue.n_bytes == 0,
	   "and is empty in the end");
	append_record(UE_RECORD_TRANSITION, UE_SLICE("\1\5\2\2\0\0\0no"), 9);
	ok(queue.first == NULL, "what is no transition is passed over");
	ue_queue_reset(&queue);
}

int
main(void)
{
	ue_arena_init(&arena, &ue_heap_allocator, 256 << 20);
	ue_queue_init(&queue);
	check_join();
	check_waiting();
	check_position();
	check_rules();
	check_recoveries();
	check_transitions();
	check_full();
	ue_arena_free(&arena);
	return done_testing();
}
