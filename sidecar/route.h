/* SPDX-License-Identifier: PostgreSQL */
/*
 * route.h: whose request it is: path and a few headers to vendor, format and target.
 */
#ifndef UE_ROUTE_H
#define UE_ROUTE_H

#include "config.h"

typedef struct UeRoute
{
	const UeConfigUpstream *upstream; /* NULL: nobody's; format is then a guess */
	int platform; /* its index in the configuration, behind these of those that only
				   * channels know; -1 */
	UeFormat format;
	UeSlice target; /* what the upstream is asked for: path and query */
	UeSlice path;	/* the client's, without query */
	UeSlice model;	/* when the path names it, as it is written there; else empty */
	bool is_stream; /* the path or Accept asks for an event stream */
	bool is_api;	/* a path of the vendors' APIs */
	bool
		has_answer; /* and one that is always answered with a body, JSON or an event stream */
	bool is_counting; /* asks how many tokens something has, and no more */
	bool
		is_climbing; /* has a segment "." or "..", which would leave the base URL's path */
} UeRoute;

/* A segment of a path as it is meant: "%3A" is ":".  out has room for text.len bytes; the
 * length of what is written. */
extern size_t ue_route_decode(UeSlice text, char *out);

/* Slices of *out point into the request. */
extern void ue_route_find(const UeConfig *config, const UeRequest *request, UeRoute *out);

#endif
