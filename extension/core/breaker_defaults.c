/* SPDX-License-Identifier: PostgreSQL */
/*
 * breaker_defaults.c: the health rules that hold when an operator has written none.
 *
 * Their sources are the three gateways' own numbers.  Where these punish a channel for one
 * failure that the next request need not share, a threshold stands in between, which is
 * what their users ask for.
 */
#include "core/breaker.h"

/* A row; JSON without blanks to read. */
#define ROW(id, name, match, effect)                                                     \
	UE_SLICE_INIT("{\"id\":" #id "," effect ",\"match\":{\"id\":" #id                    \
				  ",\"name\":\"" name "\",\"priority\":" #id "," match "}}")

static const UeSlice rows[] = {
	/* sub2api and CLIProxyAPI: the upstream's own wait, else 1 s doubled up to 30 min, for
	 * that model */
	ROW(1, "rate limit", "\"classes\":[\"rate_limit\"]",
		"\"scope\":\"model\",\"base_s\":1,\"max_s\":1800"),
	/* sub2api pauses an account for 10 min on the first 529; the next request a minute later
	 * is often served */
	ROW(2, "overloaded", "\"classes\":[\"overloaded\"]",
		"\"scope\":\"model\",\"base_s\":5,\"max_s\":600"),
	/* new-api's AutomaticDisableKeywords, as it ships them */
	ROW(3, "account refused",
		"\"keywords\":[\"Your credit balance is too low\",\"This organization has been "
		"disabled.\",\"You exceeded your current quota\",\"Permission denied\",\"The "
		"security token included in the request is invalid\",\"Operation not "
		"allowed\",\"Your account is not authorized\"]",
		"\"scope\":\"channel\",\"action\":\"disable\",\"use_hint\":false,"
		"\"duration_s\":86400"),
	/* CLIProxyAPI: 401, 402 and 403 for half an hour; new-api disables on 401 */
	ROW(4, "key refused", "\"classes\":[\"authentication\",\"billing\"]",
		"\"scope\":\"channel\",\"use_hint\":false,\"duration_s\":1800"),
	/* sub2api: 10 min, and at the third time within 3 h until somebody looks at it */
	ROW(5, "permission refused", "\"classes\":[\"permission\"]",
		"\"scope\":\"channel\",\"use_hint\":false,\"duration_s\":600"),
	ROW(6, "permission refused three times", "\"classes\":[\"permission\"]",
		"\"scope\":\"channel\",\"action\":\"disable\",\"use_hint\":false,\"threshold\":3,"
		"\"window_s\":10800"),
	/* sub2api: 30 min without that model */
	ROW(7, "model not found", "\"classes\":[\"model_not_found\"]",
		"\"scope\":\"model\",\"use_hint\":false,\"duration_s\":1800"),
	/* sub2api's breaker of transient statuses: the second in a row 10 s, then 45 s */
	ROW(8, "server errors", "\"classes\":[\"server_error\",\"timeout\",\"bad_response\"]",
		"\"scope\":\"model\",\"threshold\":2,\"window_s\":60,\"base_s\":10,\"max_s\":45"),
	/* a host that cannot be reached takes all its models along */
	ROW(9, "network errors", "\"classes\":[\"network\"]",
		"\"scope\":\"channel\",\"threshold\":3,\"window_s\":60,\"base_s\":10,\"max_s\":60"),
	/* sub2api: 3 in 10 min, 5 min */
	ROW(10, "broken streams", "\"classes\":[\"stream\"]",
		"\"scope\":\"model\",\"use_hint\":false,\"threshold\":3,\"window_s\":600,"
		"\"duration_s\":300"),
};

size_t
ue_breaker_count_defaults(void)
{
	return sizeof(rows) / sizeof(rows[0]);
}

UeSlice
ue_breaker_default_at(size_t index)
{
	return rows[index];
}
