/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_loop.c: the timing wheel against a naive model, and the loop's promises on order,
 * removal and waking.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop.h"
#include "tap.h"
#include "wheel.h"

#define N_TIMERS 400
#define N_STEPS	 20000

typedef struct ModelTimer
{
	UeTimer timer;
	bool is_set;
	int64_t due_ms;
	int n_fired;
} ModelTimer;

static UeWheel wheel;
static ModelTimer timers[N_TIMERS];
static int64_t model_now_ms;
static bool has_early, has_stray;

static UeLoop *loop;
static char trace[256];

static void
note(const char *what)
{
	size_t length = strlen(trace);

	snprintf(trace + length, sizeof(trace) - length, "%s ", what);
}

static void
fire_model(UeTimer *timer)
{
	ModelTimer *model = (ModelTimer *) timer;

	has_early = has_early || wheel.at_ms < model->due_ms;
	has_stray = has_stray || !model->is_set;
	model->is_set = false;
	model->n_fired++;
	if (rand() % 4 == 0)
	{
		model->is_set = true;
		model->due_ms = model_now_ms + rand() % 300;
		ue_wheel_set(&wheel, timer, model->due_ms);
	}
}

/* Mostly near, as deadlines are; some as far as the highest level and beyond. */
static int64_t
choose_delay(void)
{
	switch (rand() % 5)
	{
		case 0:
			return rand() % 3;
		case 1:
			return rand() % 400;
		case 2:
			return rand() % 70000;
		case 3:
			return rand() % 20000000;
		default:
			return (int64_t) rand() * 4;
	}
}

static int64_t
choose_step(void)
{
	int64_t next_ms;

	if (rand() % 3 == 0 && ue_wheel_find_next(&wheel, &next_ms))
		return next_ms - model_now_ms > 0 ? next_ms - model_now_ms : 0;
	return rand() % 50;
}

/* Whether all that was due before this advance has fired, and the next wake is in time. */
static bool
check_model(void)
{
	int64_t first_ms = INT64_MAX;
	int64_t next_ms = INT64_MAX;

	for (int i = 0; i < N_TIMERS; i++)
	{
		if (!timers[i].is_set)
			continue;
		if (timers[i].due_ms < model_now_ms)
			return false;
		if (timers[i].due_ms < first_ms)
			first_ms = timers[i].due_ms;
	}
	if (!ue_wheel_find_next(&wheel, &next_ms))
		return first_ms == INT64_MAX;
	return next_ms <= first_ms || next_ms <= model_now_ms;
}

static void
test_wheel(void)
{
	bool is_in_time = true;
	int n_fired = 0;

	srand(20261121);
	model_now_ms = 1234567;
	ue_wheel_init(&wheel, model_now_ms);
	for (int step = 0; step < N_STEPS; step++)
	{
		ModelTimer *model = &timers[rand() % N_TIMERS];

		model->timer.on_due = fire_model;
		if (rand() % 4 == 0)
		{
			ue_wheel_cancel(&model->timer);
			model->is_set = false;
		}
		else
		{
			model->is_set = true;
			model->due_ms = model_now_ms + choose_delay();
			ue_wheel_set(&wheel, &model->timer, model->due_ms);
		}
		if (rand() % 2 == 0)
		{
			model_now_ms += choose_step();
			ue_wheel_advance(&wheel, model_now_ms);
			is_in_time = is_in_time && check_model();
		}
	}
	for (int i = 0; i < N_TIMERS; i++)
		n_fired += timers[i].n_fired;
	ok(n_fired > 1000, "wheel: thousands of random timers fire");
	ok(!has_early, "wheel: none fires before it is due");
	ok(!has_stray, "wheel: none fires that was cancelled or has fired");
	ok(is_in_time, "wheel: none is late, and find_next never oversleeps");

	ue_wheel_reset(&wheel);
	n_fired = 0;
	for (int i = 0; i < N_TIMERS; i++)
		n_fired += timers[i].timer.next != NULL;
	ok(n_fired == 0, "wheel: reset leaves no timer set");
}

static void
test_far_timer(void)
{
	ModelTimer far = {.timer.on_due = fire_model, .is_set = true};
	int64_t year_ms = INT64_C(366) * 24 * 3600 * 1000;
	int64_t next_ms = 0;
	int n_steps = 0;

	has_early = false;
	model_now_ms = 0;
	ue_wheel_init(&wheel, 0);
	far.due_ms = year_ms;
	ue_wheel_set(&wheel, &far.timer, year_ms);
	while (far.n_fired == 0 && n_steps < 10000 && ue_wheel_find_next(&wheel, &next_ms))
	{
		/* as if the time between had been slept through: at_ms is moved, not walked */
		wheel.at_ms = next_ms - 1;
		model_now_ms = next_ms;
		ue_wheel_advance(&wheel, next_ms);
		n_steps++;
	}
	ok(far.n_fired == 1 && !has_early && next_ms == year_ms,
	   "wheel: a timer beyond the top level fires on its millisecond");
	ue_wheel_reset(&wheel);
}

static UeTimer timer_a, timer_b, timer_c;
static int n_again;

static void
fire_a(UeTimer *timer)
{
	(void) timer;
	note("a");
	ue_loop_cancel_timer(loop, &timer_b);
}

static void
fire_b(UeTimer *timer)
{
	(void) timer;
	note("b");
}

static void
fire_again(UeTimer *timer)
{
	note("c");
	if (++n_again < 3)
		ue_loop_set_timer(loop, timer, 0);
	else
		ue_loop_stop(loop);
}

static void
test_timers(void)
{
	int64_t start_ms;

	trace[0] = '\0';
	timer_a.on_due = fire_a;
	timer_b.on_due = fire_b;
	timer_c.on_due = fire_again;
	ue_loop_set_timer(loop, &timer_b, 5);
	ue_loop_set_timer(loop, &timer_c, 20);
	ue_loop_set_timer(loop, &timer_a, 1);
	start_ms = ue_loop_now_ms(loop);
	ue_loop_run(loop);
	ok(strcmp(trace, "a c c c ") == 0,
	   "timers: by due time; one may cancel another, and set itself again");
	ok(ue_loop_now_ms(loop) - start_ms >= 20, "timers: the clock has moved on");
}

static UeDeferred deferred_a, deferred_b;
static UeTurn turn;
static bool has_turned;

static void
run_deferred_a(UeDeferred *deferred)
{
	note("a");
	ue_loop_defer(loop, &deferred_b);
	ue_loop_defer(loop, &deferred_b); /* once, however often */
	(void) deferred;
}

static void
run_deferred_b(UeDeferred *deferred)
{
	(void) deferred;
	note("b");
	ue_loop_stop(loop);
}

static void
on_turn(UeTurn *hook)
{
	(void) hook;
	if (!has_turned)
		note("turn");
	has_turned = true;
}

static void
test_deferred(void)
{
	trace[0] = '\0';
	deferred_a.run = run_deferred_a;
	deferred_b.run = run_deferred_b;
	turn.on_turn = on_turn;
	ue_loop_add_turn(loop, &turn);
	ue_loop_defer(loop, &deferred_a);
	ue_loop_run(loop);
	ok(strcmp(trace, "a turn b ") == 0,
	   "deferred: what a deferred one defers runs in the next turn, without sleeping");

	trace[0] = '\0';
	ue_loop_defer(loop, &deferred_b);
	ue_loop_defer(loop, &deferred_a);
	ue_loop_cancel_deferred(loop, &deferred_a);
	ue_loop_cancel_deferred(loop, &deferred_a);
	ue_loop_run(loop);
	ok(strcmp(trace, "b ") == 0, "deferred: a cancelled one does not run");
}

static UeWatch watch_a, watch_b;
static int pipe_a[2], pipe_b[2];
static int n_called;

/* Whichever is called first removes the other, whose event is in the same batch. */
static void
remove_other(UeWatch *watch, uint32_t events)
{
	UeWatch *other = watch == &watch_a ? &watch_b : &watch_a;

	(void) events;
	n_called++;
	ue_loop_watch(loop, other, 0);
	ue_loop_watch(loop, watch, 0);
	ue_loop_stop(loop);
}

static void
test_removed_watch(void)
{
	if (pipe(pipe_a) != 0 || pipe(pipe_b) != 0)
		exit(2);
	watch_a = (UeWatch){.fd = pipe_a[0], .on_ready = remove_other};
	watch_b = (UeWatch){.fd = pipe_b[0], .on_ready = remove_other};
	ok(ue_loop_watch(loop, &watch_a, EPOLLIN) && ue_loop_watch(loop, &watch_b, EPOLLIN),
	   "watch: pipes are taken");
	ok(write(pipe_a[1], "x", 1) == 1 && write(pipe_b[1], "x", 1) == 1,
	   "watch: both are ready at once");
	ue_loop_run(loop);
	ok(n_called == 1, "watch: one removed in the same batch is not called");
	ok(watch_a.events == 0 && watch_b.events == 0, "watch: both are out");
	close(pipe_a[0]);
	close(pipe_a[1]);
	close(pipe_b[0]);
	close(pipe_b[1]);

	watch_a.fd = -1;
	ok(!ue_loop_watch(loop, &watch_a, EPOLLIN) && watch_a.events == 0,
	   "watch: what epoll refuses is said, and is not registered");
}

static UeTurn counter;
static atomic_int n_turns;

static void
count_turn(UeTurn *hook)
{
	(void) hook;
	if (atomic_fetch_add(&n_turns, 1) == 2)
		ue_loop_stop(loop);
}

static void *
wake_loop(void *arg)
{
	(void) arg;
	while (atomic_load(&n_turns) < 3)
	{
		usleep(2000);
		ue_loop_wake(loop);
	}
	return NULL;
}

static void *
stop_loop(void *arg)
{
	(void) arg;
	usleep(2000);
	ue_loop_stop(loop);
	return NULL;
}

static void
test_threads(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, stop_loop, NULL);
	ue_loop_run(loop); /* nothing else would end it */
	pthread_join(thread, NULL);
	ok(true, "stop: from another thread ends a loop that sleeps");

	counter.on_turn = count_turn;
	ue_loop_add_turn(loop, &counter);
	pthread_create(&thread, NULL, wake_loop, NULL);
	ue_loop_run(loop);
	pthread_join(thread, NULL);
	ok(atomic_load(&n_turns) >= 3, "wake: from another thread makes a turn");

	ue_loop_stop(loop);
	ue_loop_run(loop);
	ok(true, "stop: before run makes run return at once");
}

int
main(void)
{
	alarm(60); /* a loop that does not end is a failure, not a hang */
	test_wheel();
	test_far_timer();
	loop = ue_loop_new();
	ok(loop != NULL, "loop: is made");
	test_timers();
	test_deferred();
	test_removed_watch();
	test_threads();
	ue_loop_free(loop);
	ue_loop_free(NULL);
	return done_testing();
}
