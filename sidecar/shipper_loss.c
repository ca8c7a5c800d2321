/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_loss.c: the row that says how many rows are missing.
 *
 * A process killed between the append and the next writing of the position tells the same
 * loss again when it is back: better twice than never.
 */
#include "shipper_loss.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "ident.h"

void
ue_loss_append(UeJournal *journal, const char *instance, const char *region)
{
	uint64_t n_lost = ue_journal_take_lost(journal);
	char request_id[UE_IDENT_REQUEST_ID];
	char message[128];
	char tags[64];
	struct timespec now;
	UeIdent ident = {.n_left = 0};
	UeEvent event;
	int64_t now_ms;

	if (n_lost == 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
	snprintf(message, sizeof(message),
			 "%" PRIu64
			 " events were lost: the journal was over its budget or the disk full",
			 n_lost);
	snprintf(tags, sizeof(tags), "{\"lost_events\": %" PRIu64 "}", n_lost);

	ue_event_init(&event);
	ue_ident_build_uuid(&ident, now_ms, event.event_id);
	ue_ident_build_request_id(&ident, now_ms, request_id);
	event.at_us = now_ms * 1000;
	event.attempt = 1;
	event.request_id = (UeSlice){request_id, sizeof(request_id)};
	event.platform = UE_SLICE("upstream_errors");
	event.kind = ue_slice_of(ue_kind_name(UE_KIND_LOCAL_ERROR));
	event.class = ue_slice_of(ue_class_name(UE_CLASS_INTERNAL));
	event.phase = ue_slice_of(ue_phase_name(UE_PHASE_INTERNAL));
	event.owner = ue_slice_of(ue_owner_name(UE_OWNER_PLATFORM));
	event.source = ue_slice_of(ue_source_name(UE_SOURCE_GATEWAY));
	event.severity = ue_slice_of(ue_severity_name(UE_SEVERITY_P1));
	event.code = UE_SLICE("internal_error");
	event.message = ue_slice_of(message);
	event.tags = ue_slice_of(tags);
	event.instance = ue_slice_of(instance);
	event.region = ue_slice_of(region);
	if (!ue_journal_append_event(journal, &event))
		ue_journal_return_lost(journal, n_lost);
}
