/* SPDX-License-Identifier: PostgreSQL */
/*
 * database_resolve.h: the host names of a conninfo into addresses, in a thread of its own.
 *
 * libpq asks for them with getaddrinfo, which waits for name servers; a loop must not.
 * What comes out are the lists that libpq takes as host, hostaddr and port: a host stands
 * in them once for each of its addresses, which libpq then tries in turn.  Names that only
 * a service file named in the conninfo knows stay with libpq.
 */
#ifndef UE_DATABASE_RESOLVE_H
#define UE_DATABASE_RESOLVE_H

#include <stdbool.h>

typedef struct UeResolve UeResolve;

/* False: addresses and socket directories only. */
extern bool ue_resolve_is_needed(const char *conninfo);

extern UeResolve *ue_resolve_start(const char *conninfo); /* NULL on exhaustion */

/* Becomes readable when it is done; open until released. */
extern int ue_resolve_fd(const UeResolve *resolve);
extern bool ue_resolve_is_done(const UeResolve *resolve);

/* When it is done; valid until released.  error: NULL, or why no host has an address. */
extern const char *ue_resolve_error(const UeResolve *resolve);
extern const char *ue_resolve_hosts(const UeResolve *resolve);
extern const char *ue_resolve_addresses(const UeResolve *resolve);
extern const char *ue_resolve_ports(const UeResolve *resolve);

/* At any time: a thread that still waits goes on by itself and frees what is left. */
extern void ue_resolve_release(UeResolve *resolve);

#endif
