/* SPDX-License-Identifier: PostgreSQL */
/*
 * target.c: tables that the planner must not see through upstream_errors().
 *
 * Citus refuses an inlined SQL function over a distributed table, and a foreign table gets
 * now() in its WHERE fetched whole, since only constants and parameters are shipped.  For
 * both the query of scan.c, with its bounds as parameters, is right.
 */
#include "postgres.h"

#include "target.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "partitioning/partdesc.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Citus' list of tables; logicalrelid is its first column in all versions. */
#define CITUS_TABLES		  "pg_dist_partition"
#define CITUS_TABLES_RELATION 1

static bool is_distributed(Oid table);
static bool has_foreign_part(Oid table);

bool
ue_target_is_local(Oid schema)
{
	Oid events = get_relname_relid("upstream_error_events", schema);

	return OidIsValid(events) && !is_distributed(events) && !has_foreign_part(events);
}

static bool
is_distributed(Oid table)
{
	Oid citus_tables = get_relname_relid(CITUS_TABLES, PG_CATALOG_NAMESPACE);
	Relation relation;
	SysScanDesc scan;
	ScanKeyData key;
	bool is_listed;

	if (!OidIsValid(citus_tables))
		return false;
	ScanKeyInit(&key, CITUS_TABLES_RELATION, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table));
	relation = table_open(citus_tables, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	is_listed = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return is_listed;
}

/* The query that is about to be planned locks the same tables anyway. */
static bool
has_foreign_part(Oid table)
{
	Relation relation;
	PartitionDesc parts;
	bool has_foreign = false;

	check_stack_depth();
	relation = table_open(table, AccessShareLock);
	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		parts = RelationGetPartitionDesc(relation, true);
		for (int i = 0; i < parts->nparts && !has_foreign; i++)
		{
			switch (get_rel_relkind(parts->oids[i]))
			{
				case RELKIND_FOREIGN_TABLE:
					has_foreign = true;
					break;
				case RELKIND_PARTITIONED_TABLE:
					has_foreign = has_foreign_part(parts->oids[i]);
					break;
			}
		}
	}
	table_close(relation, NoLock);
	return has_foreign;
}
