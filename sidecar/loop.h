/* SPDX-License-Identifier: PostgreSQL */
/*
 * loop.h: one thread's epoll loop, with timers.
 *
 * Each worker owns one loop; nothing here is shared between threads except
 * ue_loop_stop and ue_loop_wake, which any thread may call.  A watch or timer is embedded
 * in its owner's struct and must be removed before the owner is freed; an owner is never
 * freed inside the callback of another (use ue_loop_defer).
 */
#ifndef UE_LOOP_H
#define UE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct UeLoop UeLoop;

/* One file descriptor in the epoll set. */
typedef struct UeWatch
{
	int fd;
	uint32_t events; /* what is registered now, 0 when it is not; private */
	void (*on_ready)(struct UeWatch *watch, uint32_t events); /* EPOLLIN … */
} UeWatch;

/* Fires once at due_ms; coarse (1 ms), cheap to move: most are moved before they fire. */
typedef struct UeTimer
{
	int64_t due_ms; /* on ue_loop_now_ms's clock; private */
	struct UeTimer *prev, *next; /* private */
	void (*on_due)(struct UeTimer *timer);
} UeTimer;

/* Run once at the end of the turn, in the order deferred; then it may be freed. */
typedef struct UeDeferred
{
	struct UeDeferred *next; /* private */
	bool is_queued;          /* private */
	void (*run)(struct UeDeferred *deferred);
} UeDeferred;

/* A hook called at the end of every turn, before the loop sleeps (the batch sender). */
typedef struct UeTurn
{
	struct UeTurn *next; /* private */
	void (*on_turn)(struct UeTurn *turn);
} UeTurn;

extern UeLoop *ue_loop_new(void); /* NULL: errno says why */
extern void ue_loop_free(UeLoop *loop);

/* events 0 removes.  Returns false with errno set when epoll refuses. */
extern bool ue_loop_watch(UeLoop *loop, UeWatch *watch, uint32_t events);

/* Sets or moves the timer; delay_ms >= 0.  Cancel may be called on one that is not set. */
extern void ue_loop_set_timer(UeLoop *loop, UeTimer *timer, int64_t delay_ms);
extern void ue_loop_cancel_timer(UeLoop *loop, UeTimer *timer);

extern void ue_loop_defer(UeLoop *loop, UeDeferred *deferred);

/* For an owner that is freed before its turn comes; looks through all that is queued. */
extern void ue_loop_cancel_deferred(UeLoop *loop, UeDeferred *deferred);
extern void ue_loop_add_turn(UeLoop *loop, UeTurn *turn);

extern void ue_loop_run(UeLoop *loop);  /* until stopped */
extern void ue_loop_stop(UeLoop *loop); /* any thread, or a signal handler */
extern void ue_loop_wake(UeLoop *loop); /* any thread: makes it do one turn */

/* Monotonic time, read once per turn. */
extern int64_t ue_loop_now_ms(const UeLoop *loop);

#endif
