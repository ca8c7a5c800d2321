/* SPDX-License-Identifier: PostgreSQL */
/*
 * transition.c: transitions and recoveries as rows and as payloads.
 */
#include "transition.h"

#include <string.h>

#define TRANSITION(field, name, type)                                                    \
	{                                                                                    \
		name, UE_COLUMN_##type, offsetof(UeTransitionRow, field)                         \
	}
#define RECOVERY(field, name, type)                                                      \
	{                                                                                    \
		name, UE_COLUMN_##type, offsetof(UeRecovery, field)                              \
	}

const UeColumn ue_transition_columns[UE_TRANSITION_COLUMNS] = {
	TRANSITION(at_us, "at", TIMESTAMPTZ),
	TRANSITION(transition_id, "transition_id", UUID),
	TRANSITION(channel_id, "channel_id", INT8),
	TRANSITION(channel, "channel", TEXT),
	TRANSITION(model, "model", TEXT),
	TRANSITION(from_state, "from_state", TEXT),
	TRANSITION(to_state, "to_state", TEXT),
	TRANSITION(until_us, "until", TIMESTAMPTZ),
	TRANSITION(level, "level", INT4),
	TRANSITION(reason, "reason", TEXT),
	TRANSITION(class, "class", TEXT),
	TRANSITION(status_code, "status_code", INT4),
	TRANSITION(rule_id, "rule_id", INT8),
	TRANSITION(event_id, "event_id", UUID),
	TRANSITION(request_id, "request_id", TEXT),
	TRANSITION(instance, "instance", TEXT),
};

const UeColumn ue_recovery_columns[UE_RECOVERY_COLUMNS] = {
	RECOVERY(at_us, "at", TIMESTAMPTZ),
	RECOVERY(event_id, "event_id", UUID),
	RECOVERY(request_id, "request_id", TEXT),
	RECOVERY(response_status, "response_status", INT4),
	RECOVERY(total_ms, "total_ms", INT4),
	RECOVERY(channel, "channel", TEXT),
};

static bool is_state(UeSlice name);

UeStatus
ue_transition_write(UeBuf *buf, const UeTransition *transition)
{
	const UeHealthChange *change = &transition->change;
	UeTransitionRow row = {
		.at_us = transition->at_us,
		.channel_id = change->channel_id,
		.channel = transition->channel,
		.model = ue_slice_of(change->model),
		.from_state = ue_slice_of(ue_health_state_name(change->from)),
		.to_state = ue_slice_of(ue_health_state_name(change->to)),
		.until_us = UE_EVENT_NULL,
		.level = change->level,
		.reason = transition->reason,
		.class = transition->class,
		.status_code =
			transition->status_code == 0 ? UE_EVENT_NULL : transition->status_code,
		.rule_id = transition->rule_id == 0 ? UE_EVENT_NULL : transition->rule_id,
		.request_id = transition->request_id,
		.instance = transition->instance,
	};

	memcpy(row.transition_id, transition->transition_id, sizeof(row.transition_id));
	if (change->until_ms > 0 && change->until_ms <= INT64_MAX / 1000)
		row.until_us = change->until_ms * 1000;
	if (transition->has_event)
		memcpy(row.event_id, transition->event_id, sizeof(row.event_id));
	return ue_columns_write(buf, ue_transition_columns, UE_TRANSITION_COLUMNS, &row);
}

UeStatus
ue_transition_read(UeSlice bytes, UeTransitionRow *out)
{
	UeTransitionRow row;
	UeStatus status;

	ue_columns_init(ue_transition_columns, UE_TRANSITION_COLUMNS, &row);
	status = ue_columns_read(bytes, ue_transition_columns, UE_TRANSITION_COLUMNS, &row);
	if (status == UE_OK &&
		(row.at_us == UE_EVENT_NULL || !ue_columns_has_uuid(row.transition_id) ||
		 row.channel_id == UE_EVENT_NULL || !is_state(row.from_state) ||
		 !is_state(row.to_state)))
		status = UE_MALFORMED;
	if (status == UE_OK)
		*out = row;
	return status;
}

UeStatus
ue_recovery_write(UeBuf *buf, const UeRecovery *recovery)
{
	return ue_columns_write(buf, ue_recovery_columns, UE_RECOVERY_COLUMNS, recovery);
}

UeStatus
ue_recovery_read(UeSlice bytes, UeRecovery *out)
{
	UeRecovery recovery;
	UeStatus status;

	ue_columns_init(ue_recovery_columns, UE_RECOVERY_COLUMNS, &recovery);
	status = ue_columns_read(bytes, ue_recovery_columns, UE_RECOVERY_COLUMNS, &recovery);
	if (status == UE_OK &&
		(recovery.at_us == UE_EVENT_NULL || !ue_columns_has_uuid(recovery.event_id)))
		status = UE_MALFORMED;
	if (status == UE_OK)
		*out = recovery;
	return status;
}

static bool
is_state(UeSlice name)
{
	static const UeHealthState states[] = {UE_HEALTH_HEALTHY, UE_HEALTH_COOLING,
										   UE_HEALTH_DISABLED};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (ue_slice_is_equal(name, ue_slice_of(ue_health_state_name(states[i]))))
			return true;
	return false;
}
