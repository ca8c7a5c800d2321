/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_question.c: the questions as statements.
 */
#include "policy_question.h"

/* text, text, text, int8: src/include/catalog/pg_type.dat */
static const uint32_t acknowledge_types[] = {25, 25, 25, 20};

const UeStatement ue_question_statements[UE_QUESTIONS] = {
	[UE_QUESTION_LISTEN] = {.name = "policy_listen", .sql = "LISTEN upstream_errors"},
	[UE_QUESTION_LISTEN_HEALTH] = {.name = "policy_listen_health",
								   .sql = "LISTEN " UE_QUESTION_HEALTH_CHANNEL},
	[UE_QUESTION_HEALTH] =
		{.name = "policy_health",
		 .sql =
			 "SELECT h.channel_id, h.model, h.state,"
			 " coalesce(pg_catalog.ceil(extract(epoch FROM nullif(h.until, 'infinity')) * 1000)"
			 "::pg_catalog.int8, 0),"
			 " h.level, coalesce(h.reason, '')"
			 " FROM %s.upstream_error_health() AS h"},
	[UE_QUESTION_IDENTITY] =
		{.name = "policy_identity",
		 .sql = "SELECT s.system_identifier::pg_catalog.text || '/' ||"
				" d.oid::pg_catalog.text"
				" FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d"
				" WHERE d.datname = pg_catalog.current_database()"},
	[UE_QUESTION_SNAPSHOT] = {.name = "policy_snapshot",
							  .sql = "SELECT %s.upstream_error_snapshot()"},
	[UE_QUESTION_STATUS] = {.name = "policy_status",
							.sql = "SELECT %s.upstream_error_generation(),"
								   " pg_catalog.pg_is_in_recovery()"},
	[UE_QUESTION_ACKNOWLEDGE] =
		{.name = "policy_acknowledge",
		 .sql = "SELECT %s.upstream_error_acknowledge($1, $2, $3, $4)",
		 .n_parameters = 4,
		 .types = acknowledge_types},
};
