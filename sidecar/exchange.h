/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange.h: a client's request from its head to the end of its answer.
 *
 * One UeExchanges per worker: it owns the worker's upstream and decider and is the handler
 * of its server, with the UeExchanges as server context.
 */
#ifndef UE_EXCHANGE_H
#define UE_EXCHANGE_H

#include "config.h"
#include "health_store.h"
#include "journal.h"
#include "loop.h"
#include "metrics.h"

typedef struct UeExchanges UeExchanges;

extern const UeHandler ue_exchange_handler;

/* Nothing is owned; all must outlive it.  health may be NULL: channels are always asked.
 * NULL on exhaustion. */
extern UeExchanges *ue_exchanges_new(UeLoop *loop, const UeConfig *config,
									 UeJournal *journal, UeHealthStore *health,
									 UeMetrics *metrics);

/* Once per turn: open transfers and the database's state into the metrics. */
extern void ue_exchanges_update_metrics(UeExchanges *exchanges);

/* After the server has been freed, so that none is in progress. */
/* What has been decided leaves, once it is in the journal: at the end of a turn, and behind
 * ue_server_last_call. */
extern void ue_exchanges_send_answers(UeExchanges *exchanges);
extern void ue_exchanges_free(UeExchanges *exchanges);

#endif
