/* SPDX-License-Identifier: PostgreSQL */
/*
 * cluster.h: channels of the scripted upstream, each a listener with a script of its own,
 * and the record of all requests that came.
 *
 * On the first listener:
 *     PUT  /_script/NAME   the body is that channel's script (script.h); its numbers and its
 *                          clock start again
 *     GET  /_channels      {"a":{"port":N,"requests":N,"open":N},…}
 *     GET  /_log           {"dropped":N,"requests":[{…},…]}; ?case=X: those with that x-case,
 *                          ?headers=1: with their headers
 *     DELETE /_log         forgets all requests, also those that x-case counted
 */
#ifndef UE_TEST_CLUSTER_H
#define UE_TEST_CLUSTER_H

#include "script.h"
#include "wire.h"

typedef struct UeClusterChannel UeClusterChannel;

/* What a script says about a request.  Copied: the script may change meanwhile. */
typedef struct UeClusterTurn
{
	int64_t id; /* of its record; -1: none was kept */
	int64_t number;
	int64_t attempt;
	int64_t elapsed_ms;
	bool is_early;
	char scenario[UE_SCRIPT_WORD];
	bool has_hint;
	UeVendorHint hint;
} UeClusterTurn;

/* Before any thread; NULL: there are too many, or the name is not one. */
extern UeClusterChannel *ue_cluster_add(const char *name);
extern void ue_cluster_set_port(UeClusterChannel *channel, int port);

/*
 * A request has come, its body not yet: counted and recorded.  True: it is answered early,
 * and out says how.  Else ue_cluster_choose asks the rest of the script once the body is
 * there.  Each is ended by ue_cluster_end.
 */
extern bool ue_cluster_begin(UeClusterChannel *channel, const UeWireRequest *request,
							 UeClusterTurn *out);
extern void ue_cluster_choose(UeClusterChannel *channel, const UeWireRequest *request,
							  const char *model, bool is_stream, UeClusterTurn *turn);
extern void ue_cluster_end(UeClusterChannel *channel, const UeClusterTurn *turn,
						   bool is_alive);

/* One of the paths above; false: it is none.  The body has been read. */
extern bool ue_cluster_control(UeWire *wire, const UeWireRequest *request);

#endif
