/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_probe.h: what the server's tests share.
 *
 * A server in a thread, whose handler acts by path (/small, /echo, /silent, …), seen from
 * blocking client sockets.  Waiting is for a condition and bounded by PROBE_PATIENCE_MS.
 */
#ifndef UE_TEST_SERVER_PROBE_H
#define UE_TEST_SERVER_PROBE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "server.h"

#define PROBE_PATIENCE_MS 10000
#define PROBE_BIG_BYTES	  (16 * 1024 * 1024) /* of the answer to /big */
#define PROBE_PIECES	  200				 /* of 1,000 bytes, from /pieces */
#define PROBE_ANSWER	  (256 * 1024)		 /* room for answers */

typedef struct Probe
{
	UeServerLimits limits; /* may be changed while no server runs */
	bool answers_refusals; /* the handler, not the server; as above */
	UeLoop *loop;
	UeServer *server;
	pthread_t thread;
	int port;

	/* counted by the handler since the start */
	atomic_int n_requests, n_gone, n_cut, n_clients, n_stops;
	atomic_llong n_consumed, max_unread;

	atomic_bool may_consume; /* /slow waits for it */
	atomic_bool wants_drain; /* set and wake the loop */

	/* of the last request; read after its answer */
	char seen_target[64], seen_value[64], seen_address[64];
	bool seen_upgrade;
	size_t seen_headers;
} Probe;

extern Probe probe;

extern void probe_start_server(void); /* 127.0.0.1, any port */
extern void probe_start_server_at(const char *address);
extern void probe_stop_server(void);

extern int64_t probe_now_ms(void);

/* Until the number is at least so much; for clients: exactly. */
extern bool probe_wait_for(atomic_int *number, int wanted);
extern bool probe_wait_for_clients(int wanted);

extern int probe_connect_client(void); /* -1: refused */
extern bool probe_send_all(int fd, const char *bytes, size_t length);
extern bool probe_send_text(int fd, const char *text);

/* As recv; -2: nothing came in time. */
extern ssize_t probe_receive_some(int fd, char *bytes, size_t size);

/* Until the text has wanted in it, the connection ends, or patience does. */
extern bool probe_receive_until(int fd, const char *wanted, char *text, size_t size);

/* All until the connection ends; false when it does not in time. */
extern bool probe_receive_all(int fd, char *text, size_t size);

extern int probe_count_text(const char *text, const char *wanted);

/* One request on a connection of its own; the whole answer in text. */
extern void probe_ask(const char *request, size_t length, char *text, size_t size);
extern void probe_ask_text(const char *request, char *text, size_t size);

#endif
