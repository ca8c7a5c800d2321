-- upstream_errors() costs what the table costs: every query has the plan of the same query
-- against the table.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
TRUNCATE upstream_error_events;
CREATE SCHEMA range_plans;
DO $$
DECLARE
	partition regclass;
BEGIN
	FOR partition IN SELECT p.partition FROM upstream_error_partitions() AS p LOOP
		EXECUTE format('DROP TABLE %s', partition);
	END LOOP;
	FOR day IN 1..4 LOOP
		EXECUTE format('CREATE TABLE range_plans.day_%s (LIKE upstream_error_events_default INCLUDING ALL)', day);
		EXECUTE format('ALTER TABLE upstream_error_events ATTACH PARTITION range_plans.day_%s
			FOR VALUES FROM (''2020-03-0%s'') TO (''2020-03-0%s'')', day, day, day + 1);
	END LOOP;
END
$$;
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, status_code)
SELECT timestamptz '2020-03-01' + i * interval '10 s', gen_random_uuid(), 'req_' || i,
	(ARRAY['openai', 'anthropic', 'gemini'])[1 + i % 3], 'http_error',
	(ARRAY['rate_limit', 'overloaded', 'server_error', 'timeout'])[1 + i % 4], 429
FROM generate_series(0, 4 * 8640 - 1) AS i;
VACUUM ANALYZE upstream_error_events;

CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		plan := plan || line || E'\n';
	END LOOP;
	RETURN plan;
END
$$;
-- query: with FROM %s AS e %s; the second is a WHERE or AND
CREATE FUNCTION compare(query text, call text, raw text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	ours text := plan_of(format(query, call || ' AS e WHERE true'));
	theirs text := plan_of(format(query, 'upstream_error_events AS e WHERE ' || raw));
BEGIN
	IF ours = theirs THEN
		RETURN 'same';
	END IF;
	RETURN E'\nOURS\n' || ours || E'RAW\n' || theirs;
END
$$;
CREATE TABLE range_plans.ranges (n int, call text, raw text);
INSERT INTO range_plans.ranges VALUES
	(1, $$upstream_errors('2020-03-02', '2020-03-03')$$, $$e.at >= '2020-03-02' AND e.at < '2020-03-03'$$),
	(2, $$upstream_errors(timestamptz '2020-03-02 10:00', '2020-03-02 11:00')$$, $$e.at >= '2020-03-02 10:00' AND e.at < '2020-03-02 11:00'$$),
	(3, $$upstream_errors('2020-03-02')$$, $$e.at >= '2020-03-02' AND e.at < now()$$),
	(4, $$upstream_errors('1h')$$, $$e.at >= now() - interval '1h' AND e.at < now()$$),
	(5, $$upstream_errors('2h', '1h')$$, $$e.at >= now() - interval '2h' AND e.at < now() - interval '1h'$$),
	(6, $$upstream_errors(interval '1h')$$, $$e.at >= now() - interval '1h' AND e.at < now()$$),
	(7, $$upstream_errors(now() - interval '24h')$$, $$e.at >= now() - interval '24h' AND e.at < now()$$),
	(8, $$upstream_errors(tstzrange('2020-03-02', '2020-03-03'))$$, $$e.at >= '2020-03-02' AND e.at < '2020-03-03'$$),
	(9, $$upstream_errors(tstzrange('2020-03-02', '2020-03-02 01:00', '(]'))$$, $$e.at >= '2020-03-02 00:00:00.000001' AND e.at < '2020-03-02 01:00:00.000001'$$),
	(10, $$upstream_errors('2020-03-01', '2020-03-04')$$, $$e.at >= '2020-03-01' AND e.at < '2020-03-04'$$);
CREATE TABLE range_plans.queries (n int, query text);
INSERT INTO range_plans.queries VALUES
	(1, $$SELECT count(*) FROM %s$$),
	(2, $$SELECT count(*) FROM %s AND e.platform = 'openai'$$),
	(3, $$SELECT * FROM %s LIMIT 100$$),
	(4, $$SELECT e.at, e.message FROM %s ORDER BY e.at DESC LIMIT 10$$),
	(5, $$SELECT * FROM %s ORDER BY e.at$$),
	(6, $$SELECT e.platform, e.class, count(*) FROM %s GROUP BY 1, 2$$),
	(7, $$SELECT * FROM %s AND e.platform = 'openai' ORDER BY e.at DESC LIMIT 10$$),
	(8, $$SELECT e.request_id FROM %s AND e.request_id = 'req_9000'$$),
	(9, $$SELECT date_trunc('hour', e.at), count(*) FILTER (WHERE e.status_code = 429) FROM %s GROUP BY 1 ORDER BY 1$$),
	(10, $$SELECT p.n, count(e.request_id) FROM (VALUES (1), (2)) AS p (n) LEFT JOIN LATERAL (SELECT * FROM %s AND e.attempt = p.n) AS e ON true GROUP BY 1$$),
	(11, $$SELECT 1 WHERE EXISTS (SELECT FROM %s AND e.class = 'overloaded')$$);
SELECT r.n AS range, q.n AS query, compare(q.query, r.call, r.raw)
FROM range_plans.ranges AS r, range_plans.queries AS q ORDER BY 1, 2;

-- also in parallel
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SELECT r.n AS range, q.n AS query, compare(q.query, r.call, r.raw)
FROM range_plans.ranges AS r, range_plans.queries AS q WHERE q.n IN (1, 6) ORDER BY 1, 2;
SELECT plan_of($$SELECT count(*) FROM upstream_errors('2020-03-01', '2020-03-05')$$) ~ 'Parallel' AS parallel;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET min_parallel_index_scan_size;

-- what that looks like: the index is used, other days are pruned while planning
EXPLAIN (COSTS OFF) SELECT count(*) FROM upstream_errors('2020-03-02 10:00', '2020-03-02 11:00') WHERE platform = 'openai';
EXPLAIN (COSTS OFF) SELECT * FROM upstream_errors('2020-03-02 10:00', '2020-03-03 11:00') ORDER BY at DESC LIMIT 10;

-- a generic plan: parameters as ends, the check rides on the start
SET plan_cache_mode = force_generic_plan;
PREPARE times(timestamptz, timestamptz) AS SELECT count(*) FROM upstream_errors($1, $2) WHERE platform = 'openai';
EXPLAIN (COSTS OFF) EXECUTE times('2020-03-02 10:00', '2020-03-02 11:00');
EXECUTE times('2020-03-02 10:00', '2020-03-02 11:00');
PREPARE texts(text) AS SELECT count(*) FROM upstream_errors($1, '2020-03-05') WHERE platform = 'openai';
EXPLAIN (COSTS OFF) EXECUTE texts('2020-03-04');
EXECUTE texts('2020-03-04');
-- a custom plan has them as constants, and is the table's
SET plan_cache_mode = force_custom_plan;
EXPLAIN (COSTS OFF) EXECUTE times('2020-03-02 10:00', '2020-03-02 11:00');
RESET plan_cache_mode;
DEALLOCATE ALL;

-- as the inner side of a join, one index scan for each range
SELECT plan_of($$SELECT count(*) FROM (VALUES (timestamptz '2020-03-02'), ('2020-03-03')) AS s (since),
	upstream_errors(s.since, s.since + interval '1h') AS e$$) ~ 'Index Only Scan using day_2_at_idx' AS "index scan";
SELECT s.since, count(*) FROM (VALUES (timestamptz '2020-03-02'), ('2020-03-03')) AS s (since),
	upstream_errors(s.since, s.since + interval '1h') AS e GROUP BY 1 ORDER BY 1;

-- row security applies as it does to the table, and the index is used beneath it
CREATE ROLE tenant;
SELECT count(*) FROM upstream_errors('2020-03-02 10:00', '2020-03-02 11:00');
ALTER TABLE upstream_error_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON upstream_error_events FOR SELECT TO tenant USING (platform = 'gemini');
GRANT SELECT ON upstream_error_events TO tenant;
DO $$
DECLARE
	routine regprocedure;
BEGIN
	FOR routine IN SELECT oid::regprocedure FROM pg_proc
		WHERE proname IN ('upstream_errors', 'upstream_error_scan', 'upstream_error_range_start') LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tenant', routine);
	END LOOP;
END
$$;
SET ROLE tenant;
SELECT platform, count(*) FROM upstream_errors('2020-03-02 10:00', '2020-03-02 11:00') GROUP BY 1;
SELECT platform, count(*) FROM upstream_errors((SELECT timestamptz '2020-03-02 10:00'), '2020-03-02 11:00') GROUP BY 1;
EXPLAIN (COSTS OFF) SELECT count(*) FROM upstream_errors('2020-03-02 10:00', '2020-03-02 11:00');
RESET ROLE;
ALTER TABLE upstream_error_events DISABLE ROW LEVEL SECURITY;
DROP POLICY own ON upstream_error_events;
DROP OWNED BY tenant;
DROP ROLE tenant;

-- volatile arguments, sub-selects, tables elsewhere: the function runs itself
SELECT plan_of($$SELECT * FROM upstream_errors(clock_timestamp() - interval '1h')$$) AS volatile;
SELECT plan_of($$SELECT * FROM upstream_errors((SELECT timestamptz '2020-03-02'))$$) LIKE 'Function Scan on upstream_errors%' AS "sub-select";
-- Citus lists its tables in pg_dist_partition
BEGIN;
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL);
SELECT compare('SELECT * FROM %s', $$upstream_errors('2020-03-02', '2020-03-03')$$,
	$$e.at >= '2020-03-02' AND e.at < '2020-03-03'$$) AS "another table is distributed";
INSERT INTO pg_catalog.pg_dist_partition VALUES ('upstream_error_events');
SELECT plan_of($$SELECT * FROM upstream_errors('2020-03-02', '2020-03-03')$$) AS "this one is";
SELECT count(*) FROM upstream_errors('2020-03-02', '2020-03-03');
ROLLBACK;
-- a partition behind a foreign server; a wrapper without a handler is enough to plan by
BEGIN;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE range_plans.far_away PARTITION OF upstream_error_events
	FOR VALUES FROM ('2020-03-10') TO ('2020-03-11') SERVER elsewhere;
SELECT plan_of($$SELECT * FROM upstream_errors('2020-03-02', '2020-03-03')$$) AS "foreign partition";
SELECT count(*) FROM upstream_errors('2020-03-02', '2020-03-03');
ROLLBACK;
SELECT compare('SELECT * FROM %s', $$upstream_errors('2020-03-02', '2020-03-03')$$,
	$$e.at >= '2020-03-02' AND e.at < '2020-03-03'$$) AS "and back";

-- a column added to the table changes neither
BEGIN;
ALTER TABLE upstream_error_events ADD COLUMN extra int;
SELECT count(*) FROM upstream_errors('2020-03-02', '2020-03-03') WHERE platform = 'openai';
SELECT count(*) FROM upstream_errors((SELECT timestamptz '2020-03-02'), '2020-03-03') WHERE platform = 'openai';
ROLLBACK;

TRUNCATE upstream_error_events;
DROP SCHEMA range_plans CASCADE;
DROP FUNCTION plan_of, compare;
