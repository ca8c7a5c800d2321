/* SPDX-License-Identifier: PostgreSQL */
/*
 * channel_table.h: the channels of the policy in force, ready to be used.
 *
 * Made with each policy: base URLs parsed, references to credentials and proxies followed.
 * Whoever routes a request acquires the table and keeps it until the request has ended.
 * Any thread.
 */
#ifndef UE_CHANNEL_TABLE_H
#define UE_CHANNEL_TABLE_H

#include "config.h"
#include "core/breaker.h"
#include "core/channel.h"
#include "core/policy.h"
#include "core/retry.h"
#include "core/routing.h"
#include "upstream.h"

typedef struct UeTableChannel
{
	const UeChannel *channel;
	const UeBaseUrl *base; /* lives as long as the process */
	const char *proxy;	   /* the same; NULL: none */
	char *credential;	   /* NULL: the client's own */
	UeHeader header;	   /* which says it, in the platform's way; owned as well */
	const char *problem;   /* why it cannot be used; NULL: it can */
} UeTableChannel;

typedef struct UeChannelTable
{
	const UePolicy *policy;
	UeTableChannel *channels; /* all of the policy, in its order */
	size_t n;
	UeRetryBudget *
		*budgets; /* of each retry policy, in its order, and of the default one;
								these live as long as the process */
	const UeBreakers *breakers; /* never NULL */
	UeBreakers *own_breakers;	/* the defaults, when the policy has none */
	size_t n_users;				/* private, and so is the next */
	struct UeChannelTable *next;
} UeChannelTable;

/* NULL: the policy in force has no channels; costs one load from memory then. */
extern const UeChannelTable *ue_channel_table_acquire(void);
extern void ue_channel_table_release(const UeChannelTable *table); /* NULL is fine */

/*
 * A platform by the channels that there are for it, also when the sidecar has no base URL
 * of its own for it; base of the result is NULL.  index counts platforms as
 * they came and stays.  NULL: no channel is of that platform.
 */
extern const UeConfigUpstream *ue_channel_table_find_platform(UeSlice name, int *index);

/* NULL: there are not so many. */
extern const char *ue_channel_table_platform_name(int index);

/*
 * Makes the table of the policy in force anew: after another one was put in force, and when
 * the files and variables behind the credentials may have changed.  False: no memory, and
 * the table before it stays.
 */
extern bool ue_channel_table_update(void);

/* Enabled channels that cannot be used. */
extern size_t ue_channel_table_count_unusable(void);

/* Whether a channel that could not be used could be by now: its file has come. */
extern bool ue_channel_table_has_news(void);

/* The policy for a request; never NULL, lives as long as the table. */
extern const UeRetryPolicy *ue_channel_table_find_policy(const UeChannelTable *table,
														 UeSlice platform, UeSlice model,
														 UeSlice route);

/* Its budget, of all workers and of all tables that a policy of that id has been in. */
extern UeRetryBudget *ue_channel_table_find_budget(const UeChannelTable *table,
												   const UeRetryPolicy *policy);

#endif
