/* SPDX-License-Identifier: PostgreSQL */
/*
 * wheel.c: hierarchical timing wheel.
 *
 * A timer lies in the lowest level whose span reaches its due time: within 256 ms of now
 * in level 0, in the slot of its very millisecond; within 65.5 s in level 1, in the slot
 * of its 256 ms, and so on.  When time enters a slot of a higher level the slot's timers
 * are placed anew, which puts them one level lower.  So a deadline of 60 s that nobody
 * moves is touched three times in its life, and one that is moved never but then.
 *
 * A timer further away than the top level reaches goes into its last slot and is placed
 * anew from there.
 */
#include "wheel.h"

#include <stddef.h>

#define LEVEL_BITS 8
#define SLOT_MASK  (UE_WHEEL_SLOTS - 1)
#define SPAN_MS	   ((INT64_C(1) << (LEVEL_BITS * UE_WHEEL_LEVELS)) - 1)

static void init_list(UeTimer *head);
static bool is_list_empty(const UeTimer *head);
static void append_timer(UeTimer *head, UeTimer *timer);
static void unlink_timer(UeTimer *timer);
static void move_list(UeTimer *from, UeTimer *into);
static void place_timer(UeWheel *wheel, UeTimer *timer);
static void place_slot_anew(UeWheel *wheel, int level);
static void fire_list(UeTimer *list);
static bool find_used_slot(UeWheel *wheel, int level, unsigned *distance);

void
ue_wheel_init(UeWheel *wheel, int64_t now_ms)
{
	wheel->at_ms = now_ms;
	init_list(&wheel->expired);
	for (int level = 0; level < UE_WHEEL_LEVELS; level++)
	{
		for (int i = 0; i < UE_WHEEL_SLOTS; i++)
			init_list(&wheel->slots[level][i]);
		for (int i = 0; i < UE_WHEEL_SLOTS / 64; i++)
			wheel->used[level][i] = 0;
	}
}

void
ue_wheel_set(UeWheel *wheel, UeTimer *timer, int64_t due_ms)
{
	/* each event of a stream moves its deadline, most of them within a millisecond */
	if (timer->next != NULL && timer->due_ms == due_ms)
		return;
	unlink_timer(timer);
	timer->due_ms = due_ms;
	place_timer(wheel, timer);
}

void
ue_wheel_cancel(UeTimer *timer)
{
	unlink_timer(timer);
}

void
ue_wheel_advance(UeWheel *wheel, int64_t now_ms)
{
	UeTimer list;

	move_list(&wheel->expired, &list);
	fire_list(&list);

	while (wheel->at_ms < now_ms)
	{
		unsigned slot;

		wheel->at_ms++;
		for (int level = 1; level < UE_WHEEL_LEVELS; level++)
		{
			if ((wheel->at_ms & ((INT64_C(1) << (LEVEL_BITS * level)) - 1)) != 0)
				break;
			place_slot_anew(wheel, level);
		}

		slot = (unsigned) (wheel->at_ms & SLOT_MASK);
		if ((wheel->used[0][slot / 64] >> (slot % 64)) & 1)
		{
			wheel->used[0][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
			move_list(&wheel->slots[0][slot], &list);
			fire_list(&list);
		}
	}
}

bool
ue_wheel_find_next(UeWheel *wheel, int64_t *next_ms)
{
	bool is_found = false;

	if (!is_list_empty(&wheel->expired))
	{
		*next_ms = wheel->at_ms;
		return true;
	}
	for (int level = 0; level < UE_WHEEL_LEVELS; level++)
	{
		unsigned distance;
		int shift = LEVEL_BITS * level;
		int64_t start_ms;

		if (!find_used_slot(wheel, level, &distance))
			continue;
		start_ms = ((wheel->at_ms >> shift) + distance) << shift;
		if (!is_found || start_ms < *next_ms)
			*next_ms = start_ms;
		is_found = true;
	}
	return is_found;
}

void
ue_wheel_reset(UeWheel *wheel)
{
	while (!is_list_empty(&wheel->expired))
		unlink_timer(wheel->expired.next);
	for (int level = 0; level < UE_WHEEL_LEVELS; level++)
		for (int i = 0; i < UE_WHEEL_SLOTS; i++)
			while (!is_list_empty(&wheel->slots[level][i]))
				unlink_timer(wheel->slots[level][i].next);
}

static void
init_list(UeTimer *head)
{
	head->prev = head;
	head->next = head;
}

static bool
is_list_empty(const UeTimer *head)
{
	return head->next == head;
}

static void
append_timer(UeTimer *head, UeTimer *timer)
{
	timer->prev = head->prev;
	timer->next = head;
	head->prev->next = timer;
	head->prev = timer;
}

/* A timer that is not set has NULL links, as a zeroed struct has. */
static void
unlink_timer(UeTimer *timer)
{
	if (timer->next == NULL)
		return;
	timer->prev->next = timer->next;
	timer->next->prev = timer->prev;
	timer->prev = NULL;
	timer->next = NULL;
}

/* Leaves from empty.  into is a new head. */
static void
move_list(UeTimer *from, UeTimer *into)
{
	if (is_list_empty(from))
	{
		init_list(into);
		return;
	}
	into->next = from->next;
	into->prev = from->prev;
	into->next->prev = into;
	into->prev->next = into;
	init_list(from);
}

static void
place_timer(UeWheel *wheel, UeTimer *timer)
{
	int64_t delta_ms = timer->due_ms - wheel->at_ms;
	int64_t due_ms = timer->due_ms;
	unsigned slot;
	int level = 0;

	if (delta_ms <= 0)
	{
		append_timer(&wheel->expired, timer);
		return;
	}
	if (delta_ms > SPAN_MS)
	{
		delta_ms = SPAN_MS;
		due_ms = wheel->at_ms + SPAN_MS;
	}
	while (delta_ms >> (LEVEL_BITS * (level + 1)) != 0)
		level++;
	slot = (unsigned) ((due_ms >> (LEVEL_BITS * level)) & SLOT_MASK);
	append_timer(&wheel->slots[level][slot], timer);
	wheel->used[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}

/*
 * The slot that at_ms has just entered.  One due at this very millisecond is given to
 * level 0's present slot, which is fired next, and not to expired.
 */
static void
place_slot_anew(UeWheel *wheel, int level)
{
	unsigned slot = (unsigned) ((wheel->at_ms >> (LEVEL_BITS * level)) & SLOT_MASK);
	UeTimer list;

	wheel->used[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	move_list(&wheel->slots[level][slot], &list);
	while (!is_list_empty(&list))
	{
		UeTimer *timer = list.next;

		unlink_timer(timer);
		if (timer->due_ms <= wheel->at_ms)
		{
			unsigned now = (unsigned) (wheel->at_ms & SLOT_MASK);

			append_timer(&wheel->slots[0][now], timer);
			wheel->used[0][now / 64] |= UINT64_C(1) << (now % 64);
		}
		else
			place_timer(wheel, timer);
	}
}

/* A callback may set or cancel any timer, also those still in the list. */
static void
fire_list(UeTimer *list)
{
	while (!is_list_empty(list))
	{
		UeTimer *timer = list->next;

		unlink_timer(timer);
		timer->on_due(timer);
	}
}

/* Slots from the present one to the first that holds timers: 1 … 256. */
static bool
find_used_slot(UeWheel *wheel, int level, unsigned *distance)
{
	unsigned present = (unsigned) ((wheel->at_ms >> (LEVEL_BITS * level)) & SLOT_MASK);
	unsigned step = 1;

	while (step <= UE_WHEEL_SLOTS)
	{
		unsigned slot = (present + step) & SLOT_MASK;
		uint64_t rest = wheel->used[level][slot / 64] >> (slot % 64);

		if (rest == 0)
		{
			step += 64 - slot % 64;
			continue;
		}
		step += (unsigned) __builtin_ctzll(rest);
		if (step > UE_WHEEL_SLOTS)
			break;
		slot = (present + step) & SLOT_MASK;
		if (!is_list_empty(&wheel->slots[level][slot]))
		{
			*distance = step;
			return true;
		}
		wheel->used[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
		step++;
	}
	return false;
}
