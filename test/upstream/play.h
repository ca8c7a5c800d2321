/* SPDX-License-Identifier: PostgreSQL */
/*
 * play.h: the scenarios themselves.
 */
#ifndef UE_TEST_PLAY_H
#define UE_TEST_PLAY_H

#include "scenario.h"

#define UE_PLAY_NAME 256

typedef struct UeExchange
{
	UeWire *wire;
	UeWireRequest *request;
	const UeScenarioOptions *options;
	UeRoute route;
	bool is_stream;
	bool is_alive;			 /* the peer was there at the last write */
	int number;				 /* of this request among those of its scenario, from 1 */
	char name[UE_PLAY_NAME]; /* whole: with its argument */
	char model[UE_PLAY_NAME];
	const char *argument;	  /* what follows the colon, or "" */
	const UeVendorHint *hint; /* of a channel's script; NULL: the error's own */
} UeExchange;

extern bool ue_play_has(const char *name);

/* Whether it answers before the body has come. */
extern bool ue_play_is_early(const char *name);

/* The name must be one; true when the connection may be used again. */
extern bool ue_play_run(UeExchange *exchange);

extern void ue_play_pause(int ms);
extern void ue_play_print_names(void);

#endif
