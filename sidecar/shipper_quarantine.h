/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_quarantine.h: where a record goes that Postgres will never take.
 *
 * One JSON object a line in quarantine.jsonl beside the journal:
 * {"sqlstate":…,"reason":…,"event":{column: value, …}}, or "transition" or "recovery"
 * instead of "event"; every text masked.
 */
#ifndef UE_SHIPPER_QUARANTINE_H
#define UE_SHIPPER_QUARANTINE_H

#include "shipper_queue.h"

/* Durable when true; false: could not be written now, try again. */
extern bool ue_quarantine_append(int directory_fd, const UePending *pending,
								 const char *sqlstate, const char *reason);

#endif
