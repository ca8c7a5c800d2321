-- Partitions ahead, an empty default partition, retention.  Nothing printed here may
-- depend on the day it runs.
SET TimeZone = 'Pacific/Auckland'; -- days are UTC days, wherever the session is
SET client_min_messages = error;
TRUNCATE upstream_error_events, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days, upstream_error_late_days;
CREATE FUNCTION add_events(since timestamptz, n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
	SELECT since + i * interval '1 ms', gen_random_uuid(), 'req', 'openai', 'http_error', 'overloaded'
	FROM generate_series(1, n) AS i
$$;
-- start from nothing, whatever ran before
CREATE FUNCTION drop_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	partition regclass;
BEGIN
	FOR partition IN SELECT p.partition FROM upstream_error_partitions() AS p LOOP
		EXECUTE format('DROP TABLE %s', partition);
	END LOOP;
END
$$;
CREATE VIEW days AS SELECT CASE WHEN isfinite(since)
		THEN (since AT TIME ZONE 'UTC')::date - (now() AT TIME ZONE 'UTC')::date END AS day,
	CASE WHEN isfinite(since) THEN until - since END AS length, partition, is_ours
	FROM upstream_error_partitions();
SELECT drop_partitions();

-- yesterday, today and a week ahead; the second call finds it done
SELECT partitions_created, partitions_dropped, partitions_skipped, rows_moved, rows_expired, rows_in_default, already_running FROM upstream_error_maintain();
SELECT partitions_created, partitions_dropped, partitions_skipped, rows_moved, rows_expired, rows_in_default, already_running FROM upstream_error_maintain();
SELECT day, length, is_ours FROM days ORDER BY day;
SELECT bool_and(relname = 'upstream_error_events_' || to_char(current_date_utc + day, 'YYYYMMDD')) AS "named by day"
FROM days JOIN pg_class AS c ON c.oid = partition, LATERAL (SELECT (now() AT TIME ZONE 'UTC')::date) AS u (current_date_utc);

-- partitions are like their pattern and belong to the table's owner; none is of the extension
SELECT count(DISTINCT p.partition) AS partitions, count(*) AS indexes, count(*) FILTER (WHERE i.indisprimary) AS keys
FROM upstream_error_partitions() AS p JOIN pg_index AS i ON i.indrelid = p.partition;
SELECT bool_and(c.relowner = t.relowner) AS "same owner", count(d.*) AS "of the extension"
FROM upstream_error_partitions() AS p JOIN pg_class AS c ON c.oid = p.partition
JOIN pg_class AS t ON t.oid = 'upstream_error_events'::regclass
LEFT JOIN pg_depend AS d ON d.objid = c.oid AND d.deptype = 'e';

-- events that came before their partition are moved into it: today's, and those of days
-- that maintenance was not asked about
SELECT drop_partitions();
SELECT add_events(now(), 3), add_events(now() - interval '5 days', 4);
SELECT count(*) FROM upstream_error_events_default;
SELECT partitions_created, partitions_dropped, partitions_skipped, rows_moved, rows_expired, rows_in_default, already_running FROM upstream_error_maintain();
SELECT count(*) FROM upstream_error_events_default;
SELECT count(*) FROM upstream_error_events;
SELECT day FROM days ORDER BY day;

-- a replay of a moved event is still passed over
INSERT INTO upstream_error_events SELECT * FROM upstream_error_events ON CONFLICT DO NOTHING;
SELECT count(*) FROM upstream_error_events;

-- an event from a clock far ahead, or older than any partition worth making, stays and is counted
SET upstream_errors.retention = 0;
SELECT add_events(now() + interval '30 days', 1), add_events(now() - interval '100 days', 1);
SELECT partitions_created, partitions_dropped, partitions_skipped, rows_moved, rows_expired, rows_in_default, already_running FROM upstream_error_maintain();

-- retention: expired rows of the default partition and expired partitions go
SET upstream_errors.retention = '30d';
SELECT partitions_created, partitions_dropped, partitions_skipped, rows_moved, rows_expired, rows_in_default, already_running FROM upstream_error_maintain();
SET upstream_errors.retention = '3d';
SELECT partitions_created, partitions_dropped, partitions_skipped, rows_moved, rows_expired, rows_in_default, already_running FROM upstream_error_maintain();
SELECT day FROM days ORDER BY day LIMIT 1;
SELECT count(*) FROM upstream_error_events;
DELETE FROM upstream_error_events_default;

-- a partition that goes on being young enough stays: its last instant counts
SET upstream_errors.retention = '1h';
SELECT partitions_dropped IN (0, 1) AS ok FROM upstream_error_maintain();
SELECT min(day) IN (-1, 0) AS ok FROM days;

-- and a day that has expired is not made only to be dropped
SET upstream_errors.retention = '1min';
SELECT partitions_dropped IN (0, 1) AS ok FROM upstream_error_maintain();
SELECT partitions_created, partitions_dropped FROM upstream_error_maintain();

-- only partitions named as ours are dropped; a foreign one covers its days
RESET upstream_errors.retention;
SELECT drop_partitions();
DO $$
BEGIN
	EXECUTE format('CREATE TABLE archive PARTITION OF upstream_error_events FOR VALUES FROM (MINVALUE) TO (%L)',
		date_trunc('day', now() AT TIME ZONE 'UTC')::timestamp AT TIME ZONE 'UTC' - interval '40 days');
	EXECUTE format('CREATE TABLE this_week PARTITION OF upstream_error_events FOR VALUES FROM (%L) TO (%L)',
		date_trunc('day', now() AT TIME ZONE 'UTC')::timestamp AT TIME ZONE 'UTC' - interval '1 day',
		date_trunc('day', now() AT TIME ZONE 'UTC')::timestamp AT TIME ZONE 'UTC' + interval '6 days');
END
$$;
SELECT partitions_created, partitions_dropped FROM upstream_error_maintain();
SELECT partition, is_ours FROM days WHERE NOT is_ours ORDER BY day NULLS FIRST;
DROP TABLE archive, this_week;

-- a table of that name in the way, and a partition that somebody's view reads
SELECT partitions_created, partitions_dropped, partitions_skipped, rows_moved, rows_expired, rows_in_default, already_running FROM upstream_error_maintain();
DO $$
BEGIN
	EXECUTE format('ALTER TABLE upstream_error_events DETACH PARTITION %s', (SELECT partition FROM days WHERE day = 3));
	EXECUTE format('CREATE VIEW reads_partition AS SELECT * FROM %s', (SELECT partition FROM days WHERE day = -1));
END
$$;
SET upstream_errors.retention = '1min';
SELECT partitions_created, partitions_skipped IN (1, 2) AS skipped, partitions_dropped FROM upstream_error_maintain();
RESET upstream_errors.retention;
DROP VIEW reads_partition;
DO $$
BEGIN
	EXECUTE format('DROP TABLE %I', 'upstream_error_events_' || to_char((now() AT TIME ZONE 'UTC')::date + 3, 'YYYYMMDD'));
END
$$;

-- a table elsewhere is not ours to drop, whatever its name
BEGIN;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE upstream_error_events_20200101 PARTITION OF upstream_error_events
	FOR VALUES FROM ('2020-01-01 UTC') TO ('2020-01-02 UTC') SERVER elsewhere;
SELECT partitions_dropped, partitions_skipped FROM upstream_error_maintain();
SELECT partition, is_ours FROM days WHERE partition = 'upstream_error_events_20200101'::regclass;
ROLLBACK;
-- nor one that somebody keeps in a schema of his own
BEGIN;
CREATE SCHEMA archive;
CREATE TABLE archive.upstream_error_events_20200101 PARTITION OF upstream_error_events FOR VALUES FROM ('2020-01-01 UTC') TO ('2020-01-02 UTC');
SELECT partitions_dropped, partitions_skipped FROM upstream_error_maintain();
SELECT partition, is_ours FROM upstream_error_partitions() WHERE until < '2020-02-01';
ROLLBACK;

-- without its pattern there are no partitions
ALTER TABLE upstream_error_events DETACH PARTITION upstream_error_events_default;
\set SHOW_CONTEXT never
SELECT upstream_error_maintain();
ALTER TABLE upstream_error_events ATTACH PARTITION upstream_error_events_default DEFAULT;

-- the setting
SHOW upstream_errors.retention;
SELECT upstream_error_retention();
SET upstream_errors.retention = '2d';
SELECT upstream_error_retention();
SET upstream_errors.retention = 0;
SELECT upstream_error_retention() IS NULL AS "kept for ever";
\set VERBOSITY sqlstate
SET upstream_errors.retention = -1;
SET upstream_errors.retention = '1 fortnight';
SET upstream_errors.retentoin = 1;
\set VERBOSITY default
-- whoever may call the function may not shorten the time for it
CREATE ROLE somebody_else;
SET ROLE somebody_else;
SET upstream_errors.retention = '1min';
RESET ROLE;
DROP ROLE somebody_else;

-- a type in the way of one partition does not stop the others, nor what comes after
SELECT drop_partitions();
DO $$ BEGIN
	EXECUTE format('CREATE TYPE %I AS ENUM ()', 'upstream_error_events_' || to_char(now() AT TIME ZONE 'UTC' + interval '2 days', 'YYYYMMDD'));
END $$;
SET client_min_messages = error; -- the warning names a day
SELECT partitions_created, partitions_skipped FROM upstream_error_maintain();
RESET client_min_messages;
DO $$ BEGIN EXECUTE format('DROP TYPE %I', 'upstream_error_events_' || to_char(now() AT TIME ZONE 'UTC' + interval '2 days', 'YYYYMMDD')); END $$;

-- events that come into the default partition after the others were moved go with them, and
-- no constraint that made it quick is left
SELECT drop_partitions();
TRUNCATE upstream_error_events;
CREATE FUNCTION add_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.upstream_error_events (at, event_id, request_id, platform, kind, class)
	VALUES (OLD.at, gen_random_uuid(), 'late', 'openai', 'http_error', 'overloaded');
	RETURN NULL;
END
$$;
CREATE TRIGGER add_late AFTER DELETE ON upstream_error_events_default FOR EACH ROW WHEN (OLD.request_id = 'req') EXECUTE FUNCTION add_late();
SELECT add_events(now(), 3), add_events(now() - interval '5 days', 4);
SELECT partitions_created, partitions_dropped, partitions_skipped, rows_moved, rows_expired, rows_in_default, already_running FROM upstream_error_maintain();
DROP TRIGGER add_late ON upstream_error_events_default;
DROP FUNCTION add_late;
SELECT request_id, count(*), count(*) FILTER (WHERE tableoid = 'upstream_error_events_default'::regclass) AS in_default
FROM upstream_error_events GROUP BY 1 ORDER BY 1;
SELECT c.conname FROM pg_constraint AS c
WHERE c.contype = 'c' AND (c.conrelid = 'upstream_error_events_default'::regclass OR c.conrelid IN (SELECT partition FROM days));

-- who makes the partition of a day to come does not stand in the way of inserts
DO $$ BEGIN EXECUTE format('DROP TABLE %s', (SELECT partition FROM days WHERE day = 7)); END $$;
BEGIN;
SELECT partitions_created, partitions_skipped FROM upstream_error_maintain();
SELECT l.mode FROM pg_locks AS l WHERE l.pid = pg_backend_pid() AND l.relation = 'upstream_error_events'::regclass ORDER BY 1;
COMMIT;

SELECT drop_partitions();
TRUNCATE upstream_error_events, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days, upstream_error_late_days;
DROP VIEW days;
DROP FUNCTION add_events, drop_partitions;

-- the setting holds also where the module is loaded in the middle of a parallel query
ALTER DATABASE :"DBNAME" SET upstream_errors.retention = '90d';
\c
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT (SELECT count(*) > 0 FROM pg_class) AS "in parallel", count(*) > 0 AS "many sizes" FROM upstream_error_sizes();
SELECT upstream_error_retention();
ALTER DATABASE :"DBNAME" RESET upstream_errors.retention;
\c
