-- upstream_errors(): which rows each form returns, and which ranges it refuses.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
TRUNCATE upstream_error_events;
CREATE FUNCTION add_event(at timestamptz, request_id text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
	VALUES (at, gen_random_uuid(), request_id, 'openai', 'http_error', 'overloaded')
$$;

-- start inclusive, end exclusive
SELECT add_event('2026-11-01 00:00:00', 'start'), add_event('2026-11-01 12:00', 'middle'),
	add_event('2026-11-01 23:59:59.999999', 'last'), add_event('2026-11-02 00:00:00', 'end');
SELECT request_id FROM upstream_errors('2026-11-01', '2026-11-02') ORDER BY at;
SELECT request_id FROM upstream_errors(timestamptz '2026-11-01', timestamptz '2026-11-02') ORDER BY at;
SELECT request_id FROM upstream_errors(date '2026-11-01', date '2026-11-02') ORDER BY at;
SELECT request_id FROM upstream_errors(until => '2026-11-02', since => '2026-11-01') ORDER BY at;
SELECT count(*) FROM upstream_errors('2026-11-01', '2026-11-01');

-- a range value keeps its bounds
SELECT request_id FROM upstream_errors(tstzrange('2026-11-01', '2026-11-02')) ORDER BY at;
SELECT request_id FROM upstream_errors(tstzrange('2026-11-01', '2026-11-02', '(]')) ORDER BY at;
SELECT request_id FROM upstream_errors(tstzrange('2026-11-01', '2026-11-02', '[]')) ORDER BY at;
SELECT request_id FROM upstream_errors(tstzrange('2026-11-01', '2026-11-02', '()')) ORDER BY at;
SELECT request_id FROM upstream_errors(tstzrange('2026-11-02', NULL)) ORDER BY at;
SELECT request_id FROM upstream_errors(tstzrange(NULL, '2026-11-01', '[]')) ORDER BY at;
SELECT count(*) FROM upstream_errors(tstzrange(NULL, NULL));
SELECT count(*) FROM upstream_errors(tstzrange '[-infinity,infinity]');
SELECT count(*) FROM upstream_errors(tstzrange 'empty');
SELECT count(*) FROM upstream_errors('-infinity', 'infinity');

-- back from now: in one transaction, so that now() stands still
BEGIN;
TRUNCATE upstream_error_events;
SELECT add_event(now() - interval '90 min', '90 min ago'), add_event(now() - interval '60 min', '60 min ago'),
	add_event(now() - interval '30 min', '30 min ago'), add_event(now(), 'now'),
	add_event(now() - interval '3 days', '3 days ago');
SELECT request_id FROM upstream_errors(now() - interval '1h') ORDER BY at;
SELECT request_id FROM upstream_errors(current_timestamp - interval '1h') ORDER BY at;
SELECT request_id FROM upstream_errors(interval '1h') ORDER BY at;
SELECT request_id FROM upstream_errors('1h') ORDER BY at;
SELECT request_id FROM upstream_errors('60 min') ORDER BY at;
SELECT request_id FROM upstream_errors('1h ago') ORDER BY at;
SELECT request_id FROM upstream_errors('-1h') ORDER BY at;
SELECT request_id FROM upstream_errors('PT1H') ORDER BY at;
SELECT request_id FROM upstream_errors('  1H  ') ORDER BY at;
SELECT request_id FROM upstream_errors('1h'::varchar) ORDER BY at;
SELECT request_id FROM upstream_errors('2h', '1h') ORDER BY at;
SELECT request_id FROM upstream_errors(interval '2h', interval '1h') ORDER BY at;
SELECT request_id FROM upstream_errors('2h', '31 min') ORDER BY at;
SELECT request_id FROM upstream_errors('4 days', '1 day') ORDER BY at;
SELECT count(*) FROM upstream_errors('1 month', 'tomorrow');
SELECT count(*) FROM upstream_errors('1 week', '1 day');
SELECT count(*) FROM upstream_errors(interval '1h', interval '-1h'); -- the future has begun
SELECT count(*) FROM upstream_errors('0h');

-- where it cannot be inlined it answers by itself, with the same rows
CREATE FUNCTION no_constant(text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT $1';
CREATE FUNCTION no_constant(timestamptz) RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION no_constant(interval) RETURNS interval LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION no_constant(tstzrange) RETURNS tstzrange LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION same_rows(one text, other text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	differences int;
BEGIN
	EXECUTE format('WITH a AS (SELECT e::text FROM %s AS e), b AS (SELECT e::text FROM %s AS e)
		SELECT count(*) FROM ((TABLE a EXCEPT ALL TABLE b) UNION ALL (TABLE b EXCEPT ALL TABLE a)) AS d', one, other)
		INTO differences;
	RETURN differences = 0;
END
$$;
SELECT same_rows($$upstream_errors(no_constant('2h'::text), '1h'::text)$$, $$upstream_errors('2h', '1h')$$);
SELECT same_rows($$upstream_errors(no_constant(now() - interval '1h'))$$, $$upstream_errors('1h')$$);
SELECT same_rows($$upstream_errors(no_constant(interval '1h'))$$, $$upstream_errors('1h')$$);
SELECT same_rows($$upstream_errors(no_constant(tstzrange(now() - interval '1h', now())))$$, $$upstream_errors('1h')$$);
SELECT same_rows($$upstream_errors((SELECT now() - interval '1h'))$$, $$upstream_errors('1h')$$);
SELECT same_rows($$upstream_errors('-infinity', 'infinity')$$, 'upstream_error_events');
SELECT same_rows($$upstream_errors(no_constant('-infinity'::text), 'infinity'::text)$$, 'upstream_error_events');
SELECT count(*), max(ordinality) FROM upstream_errors('2h') WITH ORDINALITY;
SELECT count(*) FROM ROWS FROM (upstream_errors('2h'), generate_series(1, 2));
SELECT count(*) FROM (SELECT upstream_errors('2h')) AS s;
SELECT (upstream_errors('2h', '1h')).request_id;
SELECT s.since, count(e.*) FROM (VALUES ('1h'), ('2h'), ('1 week')) AS s (since), upstream_errors(s.since) AS e
GROUP BY 1 ORDER BY 2;
ROLLBACK;

-- now() in a plan that is kept is the now of its execution
TRUNCATE upstream_error_events;
PREPARE last_hour AS SELECT count(*) FROM upstream_errors('1h');
SET plan_cache_mode = force_generic_plan;
EXECUTE last_hour;
SELECT add_event(now(), 'later than the plan');
EXECUTE last_hour;
RESET plan_cache_mode;
DEALLOCATE last_hour;

-- text means what the session's settings make of it, also in a plan that is kept
BEGIN;
TRUNCATE upstream_error_events;
SELECT add_event('2026-11-01 00:30+00', 'half past midnight in UTC');
PREPARE day(text, text) AS SELECT request_id FROM upstream_errors($1, $2);
SET LOCAL plan_cache_mode = force_generic_plan;
EXECUTE day('2026-11-01', '2026-11-02');
SET LOCAL TimeZone = 'America/New_York';
EXECUTE day('2026-11-01', '2026-11-02');
EXECUTE day('2026-11-01 UTC', '2026-11-02 UTC');
EXECUTE day('2026-11-01 Europe/Berlin', '2026-11-02 Europe/Berlin');
ROLLBACK;
DEALLOCATE day;

-- what is refused, and how: unparsable
\set VERBOSITY default
SELECT * FROM upstream_errors('an hour');
SELECT * FROM upstream_errors('');
SELECT * FROM upstream_errors('5'); -- of what?
SELECT * FROM upstream_errors('10:00'); -- a time of day or ten hours?
SELECT * FROM upstream_errors('1h', '2026-13-01');
SELECT * FROM upstream_errors(repeat('x', 100000));
SELECT * FROM upstream_errors('1h' || chr(1));
SELECT * FROM upstream_errors(no_such_column);
\set VERBOSITY sqlstate
SELECT * FROM upstream_errors('an hour');

-- upside down: seen while planning, at run time, and by the function itself
\set VERBOSITY default
SELECT * FROM upstream_errors('2026-11-02', '2026-11-01');
\set VERBOSITY terse
SELECT * FROM upstream_errors('1h', '2h');
SELECT * FROM upstream_errors(interval '1h', interval '2h');
SELECT * FROM upstream_errors(now(), now() - interval '1h');
-- but where it is never reached it is no error
EXPLAIN (COSTS OFF) SELECT * FROM upstream_errors('1h', '2h');
SELECT 'no' AS "failed" WHERE EXISTS (SELECT FROM upstream_errors('2026-11-01', '2026-11-02')) IS NULL AND EXISTS (SELECT FROM upstream_errors('1h', '2h'));
SELECT CASE WHEN now() IS NOT NULL THEN 'the other branch' ELSE (SELECT count(*)::text FROM upstream_errors('2026-11-02', '2026-11-01')) END AS taken;
SELECT CASE WHEN now() IS NOT NULL THEN 'the other branch' ELSE (SELECT count(*)::text FROM upstream_errors(NULL::timestamptz)) END AS taken;
\set VERBOSITY sqlstate
SELECT * FROM upstream_errors('2026-11-02', '2026-11-01');
SELECT add_event('2026-11-01', 'so that there is something to scan');
SELECT * FROM upstream_errors('tomorrow', 'yesterday');
SET plan_cache_mode = force_generic_plan;
PREPARE times(timestamptz, timestamptz) AS SELECT count(*) FROM upstream_errors($1, $2);
PREPARE backs(interval, interval) AS SELECT count(*) FROM upstream_errors($1, $2);
PREPARE texts(text, text) AS SELECT count(*) FROM upstream_errors($1, $2);
PREPARE ranges(tstzrange) AS SELECT count(*) FROM upstream_errors($1);
EXECUTE times('2026-11-01', '2026-11-02');
EXECUTE times('2026-11-02', '2026-11-01');
EXECUTE backs('1h', '2h');
EXECUTE texts('1h', '2h');
EXECUTE texts('garbage', '2h');
EXECUTE ranges('[2026-11-01, 2026-11-01]');
SELECT count(*) FROM (VALUES (timestamptz '2026-11-02')) AS s (since), upstream_errors(s.since, '2026-11-01'::timestamptz);
SELECT upstream_error_time('1h') = now() - interval '1h';

-- null is refused everywhere: it would look like "no failures"
SELECT * FROM upstream_errors(NULL);
SELECT * FROM upstream_errors('1h', NULL);
SELECT * FROM upstream_errors(NULL::timestamptz);
SELECT * FROM upstream_errors(NULL::interval);
SELECT * FROM upstream_errors(NULL::tstzrange);
EXECUTE times(NULL, '2026-11-01');
EXECUTE times('2026-11-01', NULL);
EXECUTE backs(NULL, '1h');
EXECUTE texts('1h', NULL);
EXECUTE ranges(NULL);
SELECT * FROM upstream_errors((SELECT NULL::timestamptz));
\set VERBOSITY default
SELECT * FROM upstream_errors(NULL);
RESET plan_cache_mode;
DEALLOCATE ALL;

-- PostgreSQL reads the literal as a timestamp, before any function is asked
\set VERBOSITY terse
SELECT * FROM upstream_errors(now() - '1h');

TRUNCATE upstream_error_events;
DROP FUNCTION add_event;

-- ends known only at run time: null or upside down is an error whichever way the rows go
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
VALUES ('2020-03-01 12:00 UTC', gen_random_uuid(), 'r', 'openai', 'http_error', 'overloaded');
CREATE TABLE ends (since timestamptz, until timestamptz);
INSERT INTO ends VALUES ('2020-03-01 UTC', NULL);
SELECT count(*) FROM ends, upstream_errors(since, until);
UPDATE ends SET since = NULL, until = '2020-03-02 UTC';
SELECT count(*) FROM ends, upstream_errors(since, until);
UPDATE ends SET since = '2020-03-02 UTC', until = '2020-02-01 UTC';
SELECT count(*) FROM ends, upstream_errors(since, until);
UPDATE ends SET since = '2020-03-01 UTC', until = '2020-03-02 UTC';
SELECT count(*) FROM ends, upstream_errors(since, until);
DROP TABLE ends;
DELETE FROM upstream_error_events;
