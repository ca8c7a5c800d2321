/* SPDX-License-Identifier: PostgreSQL */
/*
 * traffic_row.c: counts of traffic as rows and as payloads.
 */
#include "traffic_row.h"

#include <string.h>

#define TRAFFIC(field, name, type)                                                       \
	{                                                                                    \
		name, UE_COLUMN_##type, offsetof(UeTrafficRow, field)                            \
	}

const int ue_traffic_bounds[UE_TRAFFIC_BUCKETS - 1] = {
	5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000, 300000,
};

const UeColumn ue_traffic_columns[UE_TRAFFIC_COLUMNS] = {
	TRAFFIC(minute_us, "minute", TIMESTAMPTZ),
	TRAFFIC(entry_id, "entry_id", UUID),
	TRAFFIC(platform, "platform", TEXT),
	TRAFFIC(channel, "channel", TEXT),
	TRAFFIC(model, "model", TEXT),
	TRAFFIC(route, "route", TEXT),
	TRAFFIC(region, "region", TEXT),
	TRAFFIC(instance, "instance", TEXT),
	TRAFFIC(requests, "requests", INT8),
	TRAFFIC(answers, "answers", INT8),
	TRAFFIC(recovered, "recovered", INT8),
	TRAFFIC(first_byte_counts, "first_byte_counts", TEXT),
	TRAFFIC(total_counts, "total_counts", TEXT),
};

UeStatus
ue_traffic_row_write(UeBuf *buf, const UeTrafficRow *row)
{
	return ue_columns_write(buf, ue_traffic_columns, UE_TRAFFIC_COLUMNS, row);
}

UeStatus
ue_traffic_row_read(UeSlice bytes, UeTrafficRow *out)
{
	UeTrafficRow row;
	UeStatus status;

	ue_columns_init(ue_traffic_columns, UE_TRAFFIC_COLUMNS, &row);
	status = ue_columns_read(bytes, ue_traffic_columns, UE_TRAFFIC_COLUMNS, &row);
	if (status == UE_OK &&
		(row.minute_us == UE_EVENT_NULL || !ue_columns_has_uuid(row.entry_id) ||
		 row.platform.len == 0 || row.instance.len == 0 || row.requests < 0 ||
		 row.answers < 0 || row.recovered < 0))
		status = UE_MALFORMED;
	if (status == UE_OK)
		*out = row;
	return status;
}
