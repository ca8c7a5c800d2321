-- Counted days give the same answers as their events, whatever happens to the events.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SELECT setseed(0.42);
TRUNCATE upstream_error_events;
CREATE FUNCTION drop_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	partition regclass;
BEGIN
	FOR partition IN SELECT p.partition FROM upstream_error_partitions() AS p LOOP
		EXECUTE format('DROP TABLE %s', partition);
	END LOOP;
END
$$;
SELECT drop_partitions();
-- five whole days and what there is of this one: at every hour of the day each has its share
CREATE VIEW made AS
	SELECT at_first + random() * (now() - at_first) AS at, gen_random_uuid() AS event_id, 'req_' || n AS request_id, 1 AS attempt,
		(ARRAY['openai', 'anthropic', 'gemini'])[1 + floor(random() * 3)] AS platform, 'c' || n % 3 AS channel,
		(ARRAY['/v1/messages', '/v1/messages/count_tokens', '/v1beta/models/gemini-pro:countTokens', NULL])[1 + floor(random() * 4)] AS route,
		'http_error' AS kind, (ARRAY['rate_limit', 'overloaded', 'server_error'])[1 + floor(random() * 3)] AS class,
		(ARRAY['provider', 'client', NULL])[1 + floor(random() * 3)] AS owner,
		(ARRAY['x', 'y', NULL])[1 + floor(random() * 3)] AS code, (ARRAY[429, 529, 500, NULL])[1 + floor(random() * 4)] AS status_code,
		(ARRAY[true, false, NULL])[1 + floor(random() * 3)] AS business_limited,
		(ARRAY['answered', 'error_frame', 'aborted', 'recovered', 'client_gone', NULL])[1 + floor(random() * 6)] AS outcome
	FROM generate_series(1, 2000) AS n, (SELECT date_trunc('day', now() - interval '1 hour') - interval '5 days' AS at_first) AS f;
CREATE FUNCTION add_events(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO upstream_error_events (at, event_id, request_id, attempt, platform, channel, route, kind, class, owner, code, status_code, business_limited, outcome)
	SELECT m.at, m.event_id, m.request_id, m.attempt, m.platform, m.channel, m.route, m.kind, m.class, m.owner, m.code, m.status_code, m.business_limited, m.outcome
	FROM made AS m LIMIT n
$$;
-- through the sidecar's door: one array per column
CREATE FUNCTION record_events(n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	recorded bigint;
BEGIN
	CREATE TEMP TABLE batch AS SELECT (jsonb_populate_record(NULL::upstream_error_events, to_jsonb(m))).* FROM made AS m LIMIT n;
	EXECUTE (SELECT format('SELECT upstream_error_record(%s)', string_agg(format('%I => (SELECT array_agg(b.%1$I ORDER BY b.event_id) FROM batch AS b)', attname), ', '))
		FROM pg_attribute WHERE attrelid = 'upstream_error_events'::regclass AND attnum > 0 AND attname <> 'recovered_by') INTO recorded;
	DROP TABLE batch;
	RETURN recorded;
END
$$;
-- every difference between the answers with and without counts, over ranges and filters
CREATE FUNCTION differences() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	call text;
	found bigint;
	total bigint := 0;
BEGIN
	FOREACH call IN ARRAY ARRAY[
		$q$trend(now() - interval '6 days', now()$q$, $q$trend(now() - interval '6 days', now(), '10 min'$q$, $q$trend('7d', '1d', '1 day', class => 'overloaded'$q$,
		$q$trend(interval '5 days', bucket => '90 min', platform => 'openai'$q$,
		$q$trend(date_trunc('day', now()) - interval '3 days', date_trunc('day', now()) - interval '2 days'$q$,
		$q$distribution('7d', by => 'status'$q$, $q$distribution('7d', by => 'code', platform => 'gemini'$q$,
		$q$distribution('50h', by => 'platform', top => 2$q$]
		-- and ranges that cut days, hours and minutes, the shortest within one minute
		|| ARRAY(SELECT format($q$%s'%s'::timestamptz, until => '%s'$q$, (ARRAY['trend(', 'trend(bucket => ''1 hour'', since => ', 'distribution(by => ''kind'', since => '])[1 + n % 3],
				r.since, r.since + random() * (ARRAY['90 s', '80 min', '50 h'])[1 + n % 3]::interval)
			FROM generate_series(1, 4) AS n, LATERAL (SELECT m.at - random() * interval '2 min' * (n % 2) AS since FROM upstream_error_events AS m OFFSET 50 * n LIMIT 1) AS r)
	LOOP
		EXECUTE format('WITH w AS (SELECT * FROM upstream_error_%s)), o AS (SELECT * FROM upstream_error_%1$s, use_counts => false))
			SELECT count(*) FROM ((TABLE w EXCEPT ALL TABLE o) UNION ALL (TABLE o EXCEPT ALL TABLE w)) AS d', call) INTO found;
		IF found > 0 THEN
			RAISE WARNING '% differs in % rows', call, found;
		END IF;
		total := total + found;
	END LOOP;
	RETURN total;
END
$$;
CREATE FUNCTION believed() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM upstream_error_believed_days('-infinity', 'infinity') $$;

-- the partitions of events that a query has looked into
CREATE FUNCTION looked_into(query text) RETURNS SETOF regclass LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) ' || query INTO plan;
	RETURN QUERY SELECT DISTINCT (n ->> 'Relation Name')::regclass
		FROM jsonb_path_query(plan, 'strict $.**') AS n
		WHERE n ->> 'Relation Name' ~ '^upstream_error_events_[0-9]' AND (n ->> 'Actual Loops')::numeric > 0;
END
$$;

SELECT add_events(2000);
SELECT differences(), believed(), (SELECT sum(total) FROM upstream_error_trend('7d')) AS total;
SELECT FROM upstream_error_maintain(); -- makes the partitions
SELECT days_counted IN (5, 6) AS counted FROM upstream_error_maintain();
SELECT differences(), believed() IN (5, 6) AS believed, (SELECT sum(total) FROM upstream_error_trend('7d')) AS total;
-- null is no way to lose them
SELECT t.total = n.total AS trend, t.total = c.total AS counts
FROM (SELECT sum(total) AS total FROM upstream_error_trend('7d')) AS t, (SELECT sum(total) AS total FROM upstream_error_trend('7d', use_counts => NULL)) AS n,
	(SELECT sum(failures) AS total FROM upstream_error_counts(now() - interval '7 days', now(), NULL, NULL)) AS c;
SELECT sum(failures) > 1000 AS many FROM upstream_error_minutes;
SELECT (SELECT sum(failures) FROM upstream_error_minutes) = (SELECT sum(failures) FROM upstream_error_hours) AS same;
SELECT days_counted FROM upstream_error_maintain();

-- late events count at once, in the transaction that records them, and for nobody if it fails
BEGIN;
SELECT record_events(1000);
SELECT differences(), believed(), (SELECT sum(total) FROM upstream_error_trend('7d')) AS total;
ROLLBACK;
SELECT count(*) FROM upstream_error_late_days;
SELECT differences(), (SELECT sum(total) FROM upstream_error_trend('7d')) AS total;
SELECT record_events(1500);
SELECT differences(), believed(), (SELECT sum(total) FROM upstream_error_trend('7d')) AS total;
SELECT days_counted IN (5, 6) AS counted FROM upstream_error_maintain();
SELECT count(*) FROM upstream_error_late_days;
SELECT differences(), believed() IN (5, 6) AS believed, (SELECT sum(total) FROM upstream_error_trend('7d')) AS total;

-- so do those that come through any other door, and what is changed or taken away
SELECT add_events(100);
SELECT differences(), believed();
SELECT days_counted IN (5, 6) AS counted FROM upstream_error_maintain();
UPDATE upstream_error_events SET class = 'timeout' WHERE class = 'overloaded' AND at < now() - interval '3 days';
SELECT differences(), believed() BETWEEN 1 AND 3 AS "some are";
SELECT count(*) > 1 AS "others are looked into", count(*) FILTER (WHERE d.day IN (SELECT upstream_error_believed_days('-infinity', 'infinity'))) AS believed
FROM looked_into($$SELECT * FROM upstream_error_trend('7d', bucket => '1 hour')$$) AS p JOIN upstream_error_counted_days AS d ON d.partition = p;
SELECT count(*) FILTER (WHERE d.day IN (SELECT upstream_error_believed_days('-infinity', 'infinity'))) > 0 AS "without counts they are"
FROM looked_into($$SELECT * FROM upstream_error_trend('7d', bucket => '1 hour', use_counts => false)$$) AS p JOIN upstream_error_counted_days AS d ON d.partition = p;
SELECT days_counted IN (3, 4) AS counted FROM upstream_error_maintain();
SELECT differences(), believed() IN (5, 6) AS believed;
DELETE FROM upstream_error_events WHERE at < now() - interval '4 days';
SELECT differences(), believed() BETWEEN 1 AND 4 AS "some are";
SELECT days_counted > 0 AS counted FROM upstream_error_maintain();
DO $$ BEGIN EXECUTE format('TRUNCATE %s', (SELECT partition FROM upstream_error_partitions() WHERE until <= now() ORDER BY since DESC LIMIT 1)); END $$;
SELECT differences();
DO $$ BEGIN EXECUTE format('ALTER TABLE upstream_error_events DETACH PARTITION %s', (SELECT partition FROM upstream_error_partitions() WHERE since < now() - interval '3 days' ORDER BY since DESC LIMIT 1)); END $$;
SELECT differences();

-- statistics that began anew may come to the number that they had when the day was counted
SELECT drop_partitions();
TRUNCATE upstream_error_events;
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
VALUES (date_trunc('day', now()) - interval '2 days', gen_random_uuid(), 'one', 'openai', 'http_error', 'overloaded');
SELECT FROM upstream_error_maintain();
SELECT days_counted > 0 AS counted FROM upstream_error_maintain();
SELECT d.changes FROM upstream_error_counted_days AS d JOIN upstream_errors('7d') AS e ON d.day = e.at;
SELECT pg_stat_force_next_flush();
SELECT pg_stat_reset();
UPDATE upstream_error_events SET class = 'timeout';
SELECT d.changes = upstream_error_partition_changes(d.partition) AS "the same number"
FROM upstream_error_counted_days AS d JOIN upstream_errors('7d') AS e ON d.day = e.at;
SELECT differences();
SELECT days_counted > 0 AS counted FROM upstream_error_maintain();
SELECT differences(), believed() > 0 AS believed;
SELECT drop_partitions();
TRUNCATE upstream_error_events, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days, upstream_error_late_days;

-- tables elsewhere have no statistics here, and Citus' none that tell: they are not counted
BEGIN;
DO $$
DECLARE
	day CONSTANT timestamptz := date_trunc('day', now()) - interval '20 days';
BEGIN
	CREATE FOREIGN DATA WRAPPER nowhere;
	CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
	EXECUTE format('CREATE FOREIGN TABLE far_away PARTITION OF upstream_error_events FOR VALUES FROM (%L) TO (%L) SERVER elsewhere', day, day + interval '1 day');
	EXECUTE format('CREATE TABLE parted PARTITION OF upstream_error_events FOR VALUES FROM (%L) TO (%L) PARTITION BY LIST (platform)', day + interval '1 day', day + interval '2 days');
END
$$;
SELECT FROM upstream_error_maintain();
SELECT count(*) FROM upstream_error_counted_days WHERE partition IN ('far_away'::regclass, 'parted'::regclass);
ROLLBACK;
BEGIN;
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL);
INSERT INTO pg_catalog.pg_dist_partition VALUES ('upstream_error_events');
SELECT days_counted FROM upstream_error_maintain();
SELECT believed();
ROLLBACK;

-- retention: the counts of a dropped day stay, also when late events of it come and go
SELECT drop_partitions();
TRUNCATE upstream_error_events, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days, upstream_error_late_days;
DO $$
DECLARE
	partition regclass;
BEGIN
	FOR partition IN SELECT oid::regclass FROM pg_class WHERE relname ~ '^upstream_error_events_[0-9]{8}$' AND relkind = 'r' LOOP
		EXECUTE format('DROP TABLE %s', partition);
	END LOOP;
END
$$;
SELECT add_events(2000);
SELECT FROM upstream_error_maintain();
SELECT FROM upstream_error_maintain();
CREATE TEMP TABLE before AS SELECT * FROM upstream_error_trend(now() - interval '7 days', date_trunc('day', now()), '1 hour');
SET upstream_errors.retention = '1d';
SELECT partitions_dropped > 3 AS dropped FROM upstream_error_maintain();
SELECT record_events(100);
SELECT rows_expired > 0 AS expired FROM upstream_error_maintain();
SELECT count(*) FILTER (WHERE b.total > t.total) AS lost, count(*) FILTER (WHERE b.total < t.total AND b.bucket_start < now() - interval '3 days') AS doubled
FROM before AS b JOIN upstream_error_trend(now() - interval '7 days', date_trunc('day', now()), '1 hour') AS t USING (bucket_start);
SELECT sum(total) > 0 AS "days without events" FROM upstream_error_trend(now() - interval '6 days', now() - interval '3 days');
SELECT sum(total) FROM upstream_error_trend(now() - interval '6 days', now() - interval '3 days', use_counts => false);
-- and the counts have a retention of their own
SHOW upstream_errors.rollup_retention;
SET upstream_errors.rollup_retention = '2d';
SELECT FROM upstream_error_maintain();
SELECT min(minute) >= date_trunc('day', now() - interval '2 days') AS kept FROM upstream_error_minutes;
RESET upstream_errors.rollup_retention;
RESET upstream_errors.retention;

-- where row security filters events, the counts of all of them are not shown
CREATE ROLE tenant;
SELECT upstream_error_create_roles();
GRANT upstream_errors_reader TO tenant;
ALTER TABLE upstream_error_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON upstream_error_events FOR SELECT TO tenant USING (platform = 'gemini');
SET ROLE tenant;
SELECT differences(), believed();
SELECT value FROM upstream_error_distribution('7d', by => 'platform');
RESET ROLE;
DROP POLICY own ON upstream_error_events;
ALTER TABLE upstream_error_events DISABLE ROW LEVEL SECURITY;
REVOKE upstream_errors_reader FROM tenant;
DROP ROLE tenant;
DROP OWNED BY upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP ROLE upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;

SELECT drop_partitions();
TRUNCATE upstream_error_events, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days, upstream_error_late_days;
DROP TABLE before;
DROP VIEW made;
DROP FUNCTION add_events, record_events, differences, believed, looked_into, drop_partitions;
