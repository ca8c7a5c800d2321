/* SPDX-License-Identifier: PostgreSQL */
/*
 * scenario.h: what the scripted upstream does with a request.
 *
 * The scenario's name is the header x-scenario, else the model of the request (in the body,
 * or in a Google path) when that names one, else the last part of the path, else "ok".
 * After a colon stands its argument: "case:openai-overloaded", "big:1000000"; after an @ in
 * Google's paths, where a colon begins the method.  On the listener of a channel its script
 * alone says what happens (script.h).
 */
#ifndef UE_TEST_SCENARIO_H
#define UE_TEST_SCENARIO_H

#include "cluster.h"
#include "vendor.h"
#include "wire.h"

typedef struct UeScenarioOptions
{
	const char *bodies;		   /* the corpus; NULL: none */
	bool is_demo;			   /* requests that name no scenario fail now and then */
	UeClusterChannel *channel; /* NULL: the request names its scenario */
} UeScenarioOptions;

/* Reads the body, answers; false when the connection is to be closed. */
extern bool ue_scenario_answer(UeWire *wire, UeWireRequest *request,
							   const UeScenarioOptions *options);

#endif
