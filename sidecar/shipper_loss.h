/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_loss.h: what could not be kept is told in a row.
 *
 * Events that the byte budget dropped, or that a full disk refused, are counted by the
 * journal; their number goes into an event of its own, through the journal like any other.
 */
#ifndef UE_SHIPPER_LOSS_H
#define UE_SHIPPER_LOSS_H

#include "journal_reader.h"

/* Appends one event when there is a loss that has not been told.  instance and region may
 * be NULL. */
extern void ue_loss_append(UeJournal *journal, const char *instance, const char *region);

#endif
