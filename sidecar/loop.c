/* SPDX-License-Identifier: PostgreSQL */
/*
 * loop.c: epoll, level-triggered, with timers, deferred work and turn hooks.
 *
 * One turn: wait; read the clock; call the watches that are ready; fire timers; run what
 * was deferred; call the turn hooks.  What a deferred function or a hook defers runs in
 * the next turn, which then does not sleep.
 *
 * A watch removed while its event waits in the same batch must not be called: its owner
 * may be freed.  So removing looks through the rest of the batch.
 */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "wheel.h"

/* Events taken at once: enough to batch, few enough that timers are not kept waiting. */
#define BATCH 256

struct UeLoop
{
	int epoll_fd; /* owned */
	UeWatch wake; /* its fd, an eventfd, is owned */
	atomic_bool is_stopped;
	bool is_running;
	int64_t now_ms;

	int n_ready; /* of the batch being dispatched */
	int i_ready; /* the first not dispatched yet */
	struct epoll_event ready[BATCH];

	UeDeferred *first_deferred, *last_deferred;
	UeDeferred *running; /* those of this turn that are still to run */
	UeTurn *first_turn, *last_turn;
	UeWheel wheel;
};

static int64_t read_clock_ms(void);
static void drain_wake(UeWatch *watch, uint32_t events);
static void forget_ready(UeLoop *loop, const UeWatch *watch);
static int find_timeout(UeLoop *loop);
static void wait_for_events(UeLoop *loop);
static void dispatch_ready(UeLoop *loop);
static void run_deferred(UeLoop *loop);
static bool unlink_deferred(UeDeferred **list, UeDeferred *deferred);

UeLoop *
ue_loop_new(void)
{
	UeLoop *loop = calloc(1, sizeof(*loop));
	int saved_errno;

	if (loop == NULL)
		return NULL;
	loop->wake.fd = -1;
	loop->wake.on_ready = drain_wake;
	loop->now_ms = read_clock_ms();
	ue_wheel_init(&loop->wheel, loop->now_ms);

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		goto failed;
	loop->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake.fd < 0)
		goto failed;
	if (!ue_loop_watch(loop, &loop->wake, EPOLLIN))
		goto failed;
	return loop;

failed:
	saved_errno = errno;
	ue_loop_free(loop);
	errno = saved_errno;
	return NULL;
}

void
ue_loop_free(UeLoop *loop)
{
	if (loop == NULL)
		return;
	ue_wheel_reset(&loop->wheel);
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop);
}

bool
ue_loop_watch(UeLoop *loop, UeWatch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};
	int operation = EPOLL_CTL_MOD;

	if (events == watch->events)
		return true;
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	else if (watch->events == 0)
		operation = EPOLL_CTL_ADD;

	if (events == 0)
	{
		forget_ready(loop, watch);
		watch->events = 0; /* also when epoll refuses: a closed fd has left by itself */
	}
	if (epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) != 0)
		return false;
	watch->events = events;
	return true;
}

void
ue_loop_set_timer(UeLoop *loop, UeTimer *timer, int64_t delay_ms)
{
	if (!loop->is_running)
		loop->now_ms = read_clock_ms();
	ue_wheel_set(&loop->wheel, timer, loop->now_ms + delay_ms);
}

void
ue_loop_cancel_timer(UeLoop *loop, UeTimer *timer)
{
	(void) loop;
	ue_wheel_cancel(timer);
}

void
ue_loop_defer(UeLoop *loop, UeDeferred *deferred)
{
	if (deferred->is_queued)
		return;
	deferred->is_queued = true;
	deferred->next = NULL;
	if (loop->last_deferred == NULL)
		loop->first_deferred = deferred;
	else
		loop->last_deferred->next = deferred;
	loop->last_deferred = deferred;
}

void
ue_loop_cancel_deferred(UeLoop *loop, UeDeferred *deferred)
{
	if (!deferred->is_queued)
		return;
	deferred->is_queued = false;
	if (unlink_deferred(&loop->running, deferred))
		return;
	unlink_deferred(&loop->first_deferred, deferred);
	loop->last_deferred = loop->first_deferred;
	while (loop->last_deferred != NULL && loop->last_deferred->next != NULL)
		loop->last_deferred = loop->last_deferred->next;
}

void
ue_loop_add_turn(UeLoop *loop, UeTurn *turn)
{
	turn->next = NULL;
	if (loop->last_turn == NULL)
		loop->first_turn = turn;
	else
		loop->last_turn->next = turn;
	loop->last_turn = turn;
}

void
ue_loop_run(UeLoop *loop)
{
	loop->is_running = true;
	loop->now_ms = read_clock_ms();
	while (!atomic_exchange(&loop->is_stopped, false))
	{
		wait_for_events(loop);
		loop->now_ms = read_clock_ms();
		dispatch_ready(loop);
		ue_wheel_advance(&loop->wheel, loop->now_ms);
		run_deferred(loop);
		for (UeTurn *turn = loop->first_turn; turn != NULL; turn = turn->next)
			turn->on_turn(turn);
	}
	loop->is_running = false;
}

void
ue_loop_stop(UeLoop *loop)
{
	atomic_store(&loop->is_stopped, true);
	ue_loop_wake(loop);
}

/* Also from a signal handler, so errno is kept. */
void
ue_loop_wake(UeLoop *loop)
{
	uint64_t one = 1;
	int saved_errno = errno;
	ssize_t n_written;

	/* the only failure is a counter that is full: then the loop wakes up anyway */
	n_written = write(loop->wake.fd, &one, sizeof(one));
	(void) n_written;
	errno = saved_errno;
}

int64_t
ue_loop_now_ms(const UeLoop *loop)
{
	return loop->now_ms;
}

static int64_t
read_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
drain_wake(UeWatch *watch, uint32_t events)
{
	uint64_t count;
	ssize_t n_read;

	(void) events;
	n_read = read(watch->fd, &count, sizeof(count));
	(void) n_read; /* nothing to read: somebody was quicker */
}

static void
forget_ready(UeLoop *loop, const UeWatch *watch)
{
	for (int i = loop->i_ready; i < loop->n_ready; i++)
	{
		if (loop->ready[i].data.ptr == watch)
			loop->ready[i].data.ptr = NULL;
	}
}

/* For epoll_wait: 0 when there is work already, -1 when only events can bring some. */
static int
find_timeout(UeLoop *loop)
{
	int64_t next_ms;

	if (loop->first_deferred != NULL)
		return 0;
	if (!ue_wheel_find_next(&loop->wheel, &next_ms))
		return -1;
	if (next_ms <= loop->now_ms)
		return 0;
	if (next_ms - loop->now_ms > INT_MAX)
		return INT_MAX;
	return (int) (next_ms - loop->now_ms);
}

static void
wait_for_events(UeLoop *loop)
{
	loop->i_ready = 0;
	loop->n_ready = epoll_wait(loop->epoll_fd, loop->ready, BATCH, find_timeout(loop));
	if (loop->n_ready < 0)
		loop->n_ready = 0; /* EINTR: a turn without events */
}

static void
dispatch_ready(UeLoop *loop)
{
	while (loop->i_ready < loop->n_ready)
	{
		const struct epoll_event *event = &loop->ready[loop->i_ready++];
		UeWatch *watch = event->data.ptr;
		uint32_t events;

		if (watch == NULL)
			continue;

		/* what the owner no longer wants since the batch was taken is left out */
		events = event->events & (watch->events | EPOLLERR | EPOLLHUP);
		if (events != 0)
			watch->on_ready(watch, events);
	}
}

/* Only what is queued now: what these defer waits for the next turn, so this ends. */
static void
run_deferred(UeLoop *loop)
{
	loop->running = loop->first_deferred;
	loop->first_deferred = NULL;
	loop->last_deferred = NULL;
	while (loop->running != NULL)
	{
		UeDeferred *deferred = loop->running;

		loop->running = deferred->next;
		deferred->is_queued = false;
		deferred->run(deferred);
	}
}

static bool
unlink_deferred(UeDeferred **list, UeDeferred *deferred)
{
	for (; *list != NULL; list = &(*list)->next)
	{
		if (*list == deferred)
		{
			*list = deferred->next;
			return true;
		}
	}
	return false;
}
