/* SPDX-License-Identifier: PostgreSQL */
/*
 * event.c: the columns of a row, and what of them a verdict knows.
 */
#include "event.h"

#include <string.h>

#include "core/fingerprint.h"
#include "core/mask.h"

#define COLUMN(name, type)                                                               \
	{                                                                                    \
#name, UE_COLUMN_##type, offsetof(UeEvent, name)                                 \
	}

const UeColumn ue_event_columns[UE_EVENT_COLUMNS] = {
	{"at", UE_COLUMN_TIMESTAMPTZ, offsetof(UeEvent, at_us)},
	COLUMN(event_id, UUID),
	COLUMN(request_id, TEXT),
	COLUMN(attempt, INT4),
	COLUMN(platform, TEXT),
	COLUMN(channel, TEXT),
	COLUMN(account_id, TEXT),
	COLUMN(route, TEXT),
	COLUMN(format, TEXT),
	COLUMN(model, TEXT),
	COLUMN(upstream_model, TEXT),
	COLUMN(stream, BOOL),
	COLUMN(kind, TEXT),
	COLUMN(network_error, TEXT),
	COLUMN(class, TEXT),
	COLUMN(phase, TEXT),
	COLUMN(owner, TEXT),
	COLUMN(source, TEXT),
	COLUMN(severity, TEXT),
	COLUMN(retryable, BOOL),
	COLUMN(request_fault, BOOL),
	COLUMN(business_limited, BOOL),
	COLUMN(error_type, TEXT),
	COLUMN(error_code, TEXT),
	COLUMN(code, TEXT),
	COLUMN(status_code, INT4),
	COLUMN(upstream_request_id, TEXT),
	COLUMN(message, TEXT),
	COLUMN(detail, TEXT),
	COLUMN(truncated, BOOL),
	COLUMN(original_bytes, INT8),
	COLUMN(request_headers, JSONB),
	COLUMN(response_headers, JSONB),
	COLUMN(retry_after_ms, INT8),
	COLUMN(first_byte_ms, INT4),
	COLUMN(total_ms, INT4),
	COLUMN(sent_bytes, INT8),
	COLUMN(response_status, INT4),
	COLUMN(outcome, TEXT),
	COLUMN(decided_by, TEXT),
	COLUMN(rule_id, INT8),
	COLUMN(rule_version, INT4),
	COLUMN(fingerprint, INT8),
	COLUMN(fingerprint_version, INT4),
	COLUMN(mask_version, INT4),
	COLUMN(trace_id, TEXT),
	COLUMN(tags, JSONB),
	COLUMN(client_address, INET),
	COLUMN(region, TEXT),
	COLUMN(instance, TEXT),
	COLUMN(step, TEXT),
	COLUMN(step_reason, TEXT),
	COLUMN(wait_ms, INT4),
	COLUMN(passed_over, JSONB),
};

static const UeColumn completion_columns[] = {
	{"event_id", UE_COLUMN_UUID, offsetof(UeCompletion, event_id)},
	{"response_status", UE_COLUMN_INT4, offsetof(UeCompletion, response_status)},
	{"outcome", UE_COLUMN_TEXT, offsetof(UeCompletion, outcome)},
	{"decided_by", UE_COLUMN_TEXT, offsetof(UeCompletion, decided_by)},
	{"rule_id", UE_COLUMN_INT8, offsetof(UeCompletion, rule_id)},
	{"rule_version", UE_COLUMN_INT4, offsetof(UeCompletion, rule_version)},
	{"sent_bytes", UE_COLUMN_INT8, offsetof(UeCompletion, sent_bytes)},
	{"total_ms", UE_COLUMN_INT4, offsetof(UeCompletion, total_ms)},
	{"is_unmonitored", UE_COLUMN_BOOL, offsetof(UeCompletion, is_unmonitored)},
	{"step", UE_COLUMN_TEXT, offsetof(UeCompletion, step)},
	{"step_reason", UE_COLUMN_TEXT, offsetof(UeCompletion, step_reason)},
	{"wait_ms", UE_COLUMN_INT4, offsetof(UeCompletion, wait_ms)},
	{"passed_over", UE_COLUMN_JSONB, offsetof(UeCompletion, passed_over)},
};

#define COMPLETION_COLUMNS                                                               \
	((int) (sizeof(completion_columns) / sizeof(completion_columns[0])))

void
ue_event_init(UeEvent *event)
{
	memset(event, 0, sizeof(*event));
	ue_columns_init(ue_event_columns, UE_EVENT_COLUMNS, event);
}

UeStatus
ue_event_write(UeBuf *buf, const UeEvent *event)
{
	return ue_columns_write(buf, ue_event_columns, UE_EVENT_COLUMNS, event);
}

UeStatus
ue_event_read(UeSlice bytes, UeEvent *out)
{
	UeEvent event;
	UeStatus status;

	ue_event_init(&event);
	status = ue_columns_read(bytes, ue_event_columns, UE_EVENT_COLUMNS, &event);
	if (status == UE_OK)
		*out = event;
	return status;
}

UeStatus
ue_completion_write(UeBuf *buf, const UeCompletion *completion)
{
	return ue_columns_write(buf, completion_columns, COMPLETION_COLUMNS, completion);
}

UeStatus
ue_completion_read(UeSlice bytes, UeCompletion *out)
{
	UeCompletion completion;
	UeStatus status;

	memset(&completion, 0, sizeof(completion));
	ue_columns_init(completion_columns, COMPLETION_COLUMNS, &completion);
	status = ue_columns_read(bytes, completion_columns, COMPLETION_COLUMNS, &completion);
	if (status == UE_OK)
		*out = completion;
	return status;
}

void
ue_event_apply_verdict(UeEvent *event, const UeCase *kase, const UeVerdict *verdict)
{
	const UeFault *fault = &verdict->fault;

	event->request_id = kase->request_id;
	event->attempt = kase->attempt < 1 ? 1 : kase->attempt;
	event->channel = kase->channel;
	event->route = kase->route;
	event->platform = kase->response.platform;
	event->format = ue_slice_of(ue_format_name(kase->format));
	event->model = kase->model;
	event->stream = kase->is_stream;
	event->kind = ue_slice_of(ue_kind_name(kase->kind));
	if (kase->network != UE_NETWORK_NONE)
		event->network_error = ue_slice_of(ue_network_name(kase->network));

	event->class = ue_slice_of(ue_class_name(fault->class));
	event->phase = ue_slice_of(ue_phase_name(fault->phase));
	event->owner = ue_slice_of(ue_owner_name(fault->owner));
	event->source = ue_slice_of(ue_source_name(fault->source));
	event->severity = ue_slice_of(ue_severity_name(fault->severity));
	event->retryable = fault->is_retryable;
	event->request_fault = fault->is_request_fault;
	event->business_limited = fault->is_business_limited;
	if (fault->status != 0)
		event->status_code = fault->status;
	if (fault->retry_after_ms != UE_RETRY_AFTER_NONE)
		event->retry_after_ms = fault->retry_after_ms;
	event->code = fault->catalog_code->name;

	event->error_type = verdict->error_type;
	event->error_code = verdict->error_code;
	event->upstream_request_id = verdict->upstream_request_id;
	event->message = verdict->message;
	event->detail = verdict->detail;
	event->truncated = verdict->is_truncated;
	event->original_bytes = verdict->original_bytes;
	event->mask_version = verdict->mask_version;
	event->fingerprint =
		ue_fingerprint_build(event->platform, event->class,
							 event->error_code.len > 0 ? event->error_code : event->code,
							 event->message);
	event->fingerprint_version = UE_FINGERPRINT_VERSION;
	if (verdict->rule_id != 0)
	{
		event->rule_id = verdict->rule_id;
		event->rule_version = verdict->rule_version;
	}
}
