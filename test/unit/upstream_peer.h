/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream_peer.h: an HTTP server for test_upstream.c that misbehaves as its path says.
 */
#ifndef UPSTREAM_PEER_H
#define UPSTREAM_PEER_H

#include <stdatomic.h>
#include <stddef.h>

/* Of "/large". */
#define LARGE_BYTES (3 * 1024 * 1024)

/* Connections. */
extern atomic_int upstream_peer_accepted, upstream_peer_closed;

/* On a free port of loopback, until the process ends; its URL. */
extern void upstream_peer_start(char *url, size_t size);

#endif
