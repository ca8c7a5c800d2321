/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_private.h: what the files of the server share.
 *
 * server.c listens and owns the clients; server_client.c keeps deadlines and leads a
 * connection from request to request; server_input.c reads; server_output.c frames and
 * writes.
 *
 * A client is never freed while it may be on the call stack: closing it closes the socket
 * and defers the rest to the end of the turn.
 */
#ifndef UE_SERVER_PRIVATE_H
#define UE_SERVER_PRIVATE_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "loop.h"
#include "server.h"
#include "server_parse.h"

/* Read at once, into one buffer for all clients of a server. */
#define UE_SERVER_READ 65536

/* Bytes of the requests after this one that are taken from the socket meanwhile. */
#define UE_SERVER_REST 16384

/* Output that the socket did not take waits in blocks of this size. */
#define UE_SERVER_BLOCK 16384

/* Read and thrown away, so that a client can read an answer to what we do not want. */
#define UE_SERVER_LINGER_BYTES (1024 * 1024)

typedef struct UeBlock
{
	struct UeBlock *next;
	size_t at;	/* first byte not written */
	size_t end; /* one behind the last */
	char bytes[UE_SERVER_BLOCK - 3 * sizeof(size_t)];
} UeBlock;

typedef enum UeClientState
{
	UE_CLIENT_IDLE = 0, /* waits for the first byte of a request */
	UE_CLIENT_HEAD,		/* part of a head is there */
	UE_CLIENT_EXCHANGE, /* the handler has the request */
	UE_CLIENT_FLUSH,	/* the answer is whole, the socket has not taken all */
	UE_CLIENT_LINGER,	/* our side is shut; input is thrown away, so that the client can
						 * read the answer before a reset destroys it */
	UE_CLIENT_CLOSED,	/* no socket; freed at the end of the turn */
} UeClientState;

struct UeClient
{
	UeServer *server;
	UeClient *prev, *next; /* among the server's clients */
	UeWatch watch;
	UeTimer read_deadline;
	UeTimer write_deadline;
	UeDeferred later; /* whatever must not happen on the present stack */
	UeClientState state;
	void *context; /* the handler's */

	UeParser *parser; /* owned */
	char *rest;		  /* owned: input behind the present request; NULL when none */
	size_t rest_len;
	bool is_discarding;	 /* more came than may wait: none of it is served */
	size_t n_lingered;	 /* bytes thrown away */
	bool is_half_closed; /* seen while not reading: what it means shows when we read on */

	UeBlock *first_block, *last_block; /* owned: output not written */
	size_t n_output;				   /* bytes in them */
	bool is_stalled;	 /* the socket took less than all; its readiness is waited for */
	bool is_broken;		 /* a write failed; on_gone is to come */
	bool wants_writable; /* send_body said stop */

	/* the answer */
	bool has_head;
	bool has_body; /* may have: not to HEAD, 204, 304 */
	bool is_chunked;
	bool is_last;		 /* the connection ends after it */
	bool is_until_close; /* its end is the connection's end */
	bool is_whole;		 /* the handler has given all of it */
	bool is_refused;	 /* the request broke a rule: no more of it is read */
	bool is_cut;		 /* by us, at the end of the server */
	bool needs_linger;
	int64_t body_left;	/* announced and not given; -1: not announced */
	int64_t sent_bytes; /* of body, given by the handler */

	char address[64];
};

struct UeServer
{
	UeLoop *loop;				  /* not owned */
	const UeServerLimits *limits; /* not owned */
	const UeHandler *handler;	  /* not owned */
	void *context;
	UeWatch listener; /* its fd is owned; -1 once accepting has stopped */
	UeTimer accept_again;
	bool has_complained; /* about the lack of descriptors */
	bool is_draining;
	UeClient *clients; /* open and closing ones */
	int n_open;
	UeBlock *spare_blocks;
	int n_spare_blocks;
	char input[UE_SERVER_READ];
};

/* server.c */
extern UeClient *ue_server_add_client(UeServer *server, int fd,
									  const struct sockaddr_storage *address);
extern void ue_server_count_closed(UeServer *server);  /* one place is free */
extern void ue_server_remove_client(UeClient *client); /* closed; frees it */

/* server_client.c */
extern void ue_client_init(UeClient *client);
extern void ue_client_close(UeClient *client);
extern void ue_client_update_watch(UeClient *client);
extern void ue_client_finish_answer(UeClient *client);	/* FLUSH, and all is written */
extern void ue_client_drop_idle(UeClient *client);		/* unless a request is in */
extern void ue_client_begin_exchange(UeClient *client); /* the head is whole */
extern void ue_client_move_read_deadline(UeClient *client); /* to what the state wants */

/* The client is gone.  From the loop only, never below a call of the handler. */
extern void ue_client_leave(UeClient *client);

/* The client broke a rule or a deadline.  It is told when nothing else was said yet. */
extern void ue_client_refuse(UeClient *client, const UeRefusal *refusal);

/* server_input.c */
extern void ue_input_read(UeClient *client);
extern void ue_input_feed(UeClient *client, UeSlice bytes); /* read or kept */
extern size_t ue_input_find_size(const UeClient *client);	/* to read now; 0: nothing */

/*
 * The client's side is shut while we do not read.  With a whole request that means it has
 * left.  Else bytes of the request may still be in the socket: the end shows when they
 * have been read; a client that is gone altogether shows as an error when we write.
 */
extern void ue_input_note_hangup(UeClient *client);

/* server_output.c */
extern void ue_output_append(UeClient *client, UeSlice bytes);

/* Writes what waits, then parts; what the socket does not take, waits.  A failure shows
 * as is_broken, and later does the rest. */
extern void ue_output_write(UeClient *client, struct iovec *parts, int n_parts);
extern void ue_output_reset(UeClient *client); /* throws away what waits */
extern void ue_output_refuse(UeClient *client, const UeRefusal *refusal);

#endif
