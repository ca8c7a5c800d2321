-- The questions that people ask: requests, trend, distribution, fingerprints, recovery,
-- latency, service level, sizes.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
TRUNCATE upstream_error_events, upstream_error_traffic, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days, upstream_error_late_days;
INSERT INTO upstream_error_events (at, event_id, request_id, attempt, platform, channel, model, route, kind, class, code, error_code, owner,
	business_limited, request_fault, status_code, response_status, outcome, message, total_ms, first_byte_ms)
SELECT timestamptz '2020-03-01 10:00' + v.at, ('00000000-0000-0000-0000-' || lpad(row_number() OVER ()::text, 12, '0'))::uuid, v.request_id, v.attempt,
	v.platform, v.channel, v.model, v.route, 'http_error', v.class, v.class, v.error_code, v.owner, v.limited, v.fault, v.status, v.response_status, v.outcome,
	v.message, v.total_ms, v.first_byte_ms
FROM (VALUES
	(interval '1 min', 'a', 1, 'openai', 'o1', 'gpt-4o', '/v1/chat/completions', 'rate_limit', 'rate_limit_exceeded', 'provider', false, false, 429, NULL::int, 'retried', 'Limit 10, try again in 2s', 100, 90),
	(interval '62 s', 'a', 2, 'openai', 'o2', 'gpt-4o', '/v1/chat/completions', 'server_error', NULL, 'provider', false, false, 500, 200, 'recovered', 'Oops 17', 2000, NULL),
	(interval '5 min', 'b', 1, 'anthropic', 'a1', 'claude', '/v1/messages', 'overloaded', NULL, 'provider', false, false, 529, 529, 'answered', 'Overloaded', 300, 250),
	(interval '6 min', 'c', 1, 'openai', 'o1', 'gpt-4o', '/v1/chat/completions', 'rate_limit', 'rate_limit_exceeded', 'provider', true, false, 429, 429, 'answered', 'Limit 99, try again in 1m', 120, 110),
	(interval '7 min', 'd', 1, 'anthropic', 'a1', 'claude', '/v1/messages/count_tokens', 'overloaded', NULL, 'provider', false, false, 529, 529, 'answered', 'Overloaded', 310, 260),
	(interval '40 min', 'e', 1, 'openai', 'o1', 'gpt-4o', '/v1/chat/completions', 'invalid_request', NULL, 'client', false, true, 400, 400, 'answered', 'Bad field ''x''', 50, 49),
	(interval '50 min', 'f', 1, 'openai', 'o1', 'gpt-4', '/v1/chat/completions', 'rate_limit', 'rate_limit_exceeded', 'provider', false, false, 429, 429, 'error_frame', 'Limit 7, try again in 5s', 140, 130)
) AS v (at, request_id, attempt, platform, channel, model, route, class, error_code, owner, limited, fault, status, response_status, outcome, message, total_ms, first_byte_ms);
SELECT upstream_error_fingerprint_again('2020-03-01', '2020-03-02');

-- requests: attempts in order, the outcome of the last
SELECT request_id, started_at, duration_ms, attempts, outcome, response_status, statuses, channels, model, class, message
FROM upstream_error_requests('2020-03-01', '2020-03-02') ORDER BY request_id;
SELECT f.attempt, f.status_code, f.message FROM upstream_error_requests('2020-03-01', '2020-03-02') AS r, unnest(r.failures) AS f WHERE r.request_id = 'a';

-- trend: no gaps, aligned, what is outside is outside
SELECT * FROM upstream_error_trend('2020-03-01 10:00', '2020-03-01 11:00', '10 min');
SELECT bucket_start, total, by_class FROM upstream_error_trend('2020-03-01 10:01:01', '2020-03-01 10:06', '3 min');
SELECT bucket_start, total FROM upstream_error_trend('2020-03-01 10:00', '2020-03-01 11:00', '30 min', platform => 'anthropic');
SELECT sum(total), count(*) FROM upstream_error_trend(tstzrange('2020-03-01', '2020-03-02'), channel => 'o1');
SELECT sum(total), count(*) FROM upstream_error_trend(timestamptz '2020-03-01 10:00', '2020-03-01 12:00', class => 'rate_limit', model => 'gpt-4o');
SELECT count(*) FROM upstream_error_trend('2020-03-01 10:00', '2020-03-01 10:00');
SELECT count(*), sum(total) FROM upstream_error_trend('24h');
SELECT count(*), sum(total) FROM upstream_error_trend(interval '2h', interval '1h');

-- a bucket of a day is 24 hours, also where the session's clock is put forward or back
SET TimeZone = 'Europe/Berlin';
SELECT z.zone, t.season, count(*) AS buckets, bool_and(b.bucket_start = date_trunc('day', b.bucket_start, 'UTC')) AS aligned
FROM (VALUES ('spring', '2020-03-27 UTC'::timestamptz), ('autumn', '2020-10-23 UTC')) AS t (season, since),
	LATERAL (SELECT current_setting('TimeZone')) AS z (zone), upstream_error_trend(t.since, t.since + interval '120 hours', '1 day') AS b
GROUP BY 1, 2 ORDER BY 2;
BEGIN;
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
SELECT '2020-03-27 UTC'::timestamptz + i * interval '1 hour', gen_random_uuid(), 'dst', 'openai', 'http_error', 'x' FROM generate_series(0, 119) AS i;
SELECT bucket_start AT TIME ZONE 'UTC' AS bucket_start, total FROM upstream_error_trend('2020-03-27 UTC', '2020-04-01 UTC', '1 day');
ROLLBACK;
SET TimeZone = 'UTC';

-- distribution
SELECT * FROM upstream_error_distribution('2020-03-01', '2020-03-02');
SELECT value, total, share FROM upstream_error_distribution('2020-03-01', '2020-03-02', by => 'status', platform => 'openai');
SELECT value, total FROM upstream_error_distribution('2020-03-01', '2020-03-02', by => 'channel', top => 2);
SELECT d.by, count(*), sum(r.total) FROM unnest('{platform,channel,model,status,kind,class,code,fingerprint}'::text[]) AS d (by),
	upstream_error_distribution('2020-03-01', '2020-03-02', by => d.by) AS r GROUP BY 1 ORDER BY 1;

-- fingerprints: top, and new
SELECT platform, class, code, total, first_seen, last_seen, sparkline, sample_message, sample_request_id
FROM upstream_error_top_fingerprints('2020-03-01 10:00', '2020-03-01 11:00', slots => 12);
SELECT total, sample_message FROM upstream_error_top_fingerprints('2020-03-01 10:00', '2020-03-01 11:00', top => 1, class => 'rate_limit');
SELECT class, total, first_seen, sample_message FROM upstream_error_new_fingerprints('2020-03-01 10:06', '2020-03-01 11:00', '1h');
SELECT count(*) FROM upstream_error_new_fingerprints('2020-03-01 10:06', '2020-03-01 11:00', '1 s');
SELECT total, sparkline FROM upstream_error_top_fingerprints(tstzrange(NULL, NULL), top => 1);
SELECT upstream_error_sparkline('{0,1,2,3,4,5,6,7,8}'), upstream_error_sparkline('{0,0}'), upstream_error_sparkline('{}'), upstream_error_sparkline('{NULL,1000000}');

-- recovery: the request's own faults are nobody's
SELECT * FROM upstream_error_recovery('2020-03-01 10:00', '2020-03-01 11:00');
SELECT channel, incidents, is_failing FROM upstream_error_recovery('2020-03-01 10:00', '2020-03-01 11:00', quiet => '1h', platform => 'openai');
SELECT channel, error_free, error_free_max FROM upstream_error_recovery(tstzrange(NULL, NULL)) ORDER BY 1;

-- latency
SELECT * FROM upstream_error_latencies('2020-03-01', '2020-03-02');
SELECT value, failures, total_max_ms FROM upstream_error_latencies('2020-03-01', '2020-03-02', by => 'class', platform => 'openai');
BEGIN;
UPDATE upstream_error_events SET first_byte_ms = 30 WHERE outcome = 'recovered';
SELECT value, failures, total_max_ms FROM upstream_error_latencies('2020-03-01', '2020-03-02', by => 'class', platform => 'openai') WHERE value = 'server_error';
ROLLBACK;

-- service level: unknown without traffic, and 1 only when nothing failed
SELECT platform, answers, errors, errors_sla, sla, error_rate FROM upstream_error_sla('2020-03-01', '2020-03-02');
PREPARE traffic AS SELECT upstream_error_record_traffic(
	ARRAY['2020-03-01 10:00', '2020-03-01 10:00:59', '2020-03-01 10:01']::timestamptz[],
	ARRAY['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000003']::uuid[],
	'{openai,openai,gemini}', '{o1,o2,NULL}', '{gpt-4o,gpt-4o,NULL}', '{/v1/chat/completions,/v1/chat/completions,NULL}', '{NULL,NULL,NULL}',
	'{s1,s1,s2}', '{60,41,5}', '{58,40,5}', '{0,1,0}', ARRAY['{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}', NULL, NULL], '{NULL,NULL,NULL}');
EXECUTE traffic;
EXECUTE traffic; -- sent again
SELECT minute, platform, channel, requests, answers, recovered, first_byte_counts FROM upstream_error_traffic ORDER BY entry_id;
SELECT * FROM upstream_error_sla('2020-03-01', '2020-03-02');
SELECT platform, sla FROM upstream_error_sla('2020-03-01', '2020-03-02', platform => 'openai');
-- an entry that has grown, once in a batch with what it was before, and one that came late
SELECT upstream_error_record_traffic(array_fill('2020-03-01 10:00'::timestamptz, ARRAY[3]),
	ARRAY['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002']::uuid[],
	'{openai,openai,openai}', '{o1,o1,o2}', '{gpt-4o,gpt-4o,gpt-4o}', '{/v1,/v1,/v1}', '{NULL,NULL,NULL}', '{s1,s1,s1}',
	'{70,65,40}', '{67,62,39}', '{1,0,0}', ARRAY['{2,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}', NULL, NULL], '{NULL,NULL,NULL}');
SELECT channel, requests, answers, recovered, first_byte_counts[1] FROM upstream_error_traffic WHERE channel IS NOT NULL ORDER BY entry_id;
-- counting tokens is no service
SELECT count(upstream_error_record_traffic(ARRAY['2020-03-01 10:00'::timestamptz], ARRAY[gen_random_uuid()], '{openai}', '{o1}', '{gpt-4o}',
	ARRAY[r], '{NULL}', '{s1}', '{1000}', '{1000}', '{0}', '{NULL}', '{NULL}'))
FROM unnest('{/v1/messages/count_tokens,/v1/responses/input_tokens,/v1beta/models/gemini-pro:countTokens,/model/m/count-tokens}'::text[]) AS r;
SELECT r AS route, upstream_error_is_answered('answered', r), upstream_error_is_provider('provider', r)
FROM unnest('{/v1/messages/count_tokens,/v1/responses/input_tokens,/v1beta/models/gemini-pro:countTokens,/model/m/count-tokens,/v1/responses,/v1/tokens,NULL}'::text[]) AS r;
SELECT platform, requests, answers FROM upstream_error_sla('2020-03-01', '2020-03-02', platform => 'openai') WHERE platform IS NOT NULL;
\set SHOW_CONTEXT never
SELECT upstream_error_record_traffic(ARRAY[now()], '{}', '{a}', '{a}', '{a}', '{a}', '{a}', '{a}', '{1}', '{1}', '{1}', '{NULL}', '{NULL}');
SELECT upstream_error_record_traffic(NULL, NULL, '{a}', '{a}', '{a}', '{a}', '{a}', '{a}', '{1}', '{1}', '{1}', '{NULL}', '{NULL}');
\set VERBOSITY sqlstate
SELECT upstream_error_record_traffic(ARRAY[now()], ARRAY[gen_random_uuid()], '{a}', '{a}', '{a}', '{a}', '{a}', '{a}', '{1}', '{1}', '{1}', '{"{1,2}"}', '{NULL}');
SELECT upstream_error_record_traffic(ARRAY[now()], ARRAY[gen_random_uuid()], '{a}', '{a}', '{a}', '{a}', '{a}', '{a}', '{-1}', '{1}', '{1}', '{NULL}', '{NULL}');
\set VERBOSITY default

-- what is wrong is said
SELECT * FROM upstream_error_distribution('1h', by => 'colour');
SELECT * FROM upstream_error_distribution('1h', by => NULL);
SELECT * FROM upstream_error_trend('2020-03-01', '2020-03-02', '1 month');
SELECT * FROM upstream_error_trend('2020-03-01', '2020-03-02', '-1 min');
SELECT * FROM upstream_error_trend('2020-03-01', '2020-03-02', '1 ms');
SELECT * FROM upstream_error_trend('2016-01-01', '2026-01-01', bucket => '1 second');
SELECT * FROM upstream_error_trend(tstzrange(NULL, NULL));
SELECT * FROM upstream_error_trend('2020-03-02', '2020-03-01');
\set VERBOSITY terse
SELECT upstream_error_record_traffic('{infinity}', ARRAY[gen_random_uuid()], '{openai}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{s}', '{1}', '{1}', '{0}', '{NULL}', '{NULL}');
\set VERBOSITY default
SELECT * FROM upstream_error_requests(NULL::text);
SELECT * FROM upstream_error_sla('2020-03-02', '2020-03-01');

-- the planner sees through: a condition on the outside reaches the index beneath
CREATE FUNCTION uses(query text, wanted text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	SET LOCAL enable_seqscan = off;
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		plan := plan || line || E'\n';
	END LOOP;
	RETURN plan ~ wanted AND plan !~ 'Function Scan on upstream_error_(requests|trend|distribution|top|new|rec|lat|sla|counts)';
END
$$;
SELECT call, uses('SELECT * FROM ' || call, wanted) FROM (VALUES
	($$upstream_error_requests('2020-03-01', '2020-03-02') WHERE request_id = 'a'$$, 'request_id = ''a'''),
	($$upstream_error_requests('1h')$$, 'at_idx'),
	($$upstream_error_trend('2020-03-01', '2020-03-02', platform => 'openai')$$, 'platform_at_idx'),
	($$upstream_error_trend(interval '1h')$$, 'at_idx'),
	($$upstream_error_distribution('1h', platform => 'openai')$$, 'platform_at_idx'),
	($$upstream_error_top_fingerprints('1h', platform => 'openai')$$, 'platform_at_idx'),
	($$upstream_error_new_fingerprints(tstzrange('2020-03-01', '2020-03-02'))$$, 'at_idx.*at_idx'),
	($$upstream_error_recovery(now() - interval '1h', platform => 'openai')$$, 'platform_at_idx'),
	($$upstream_error_latencies('1h', platform => 'openai')$$, 'platform_at_idx'),
	($$upstream_error_sla('1h', platform => 'openai')$$, 'platform_at_idx')) AS v (call, wanted);

-- with daily partitions of half a year, the sample of a kind is looked for in the range's alone
CREATE FUNCTION partitions_scanned(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	line text;
	n bigint := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		n := n + (line ~ 'on upstream_error_events_\d')::int;
	END LOOP;
	RETURN n;
END
$$;
DO $$
BEGIN
	FOR i IN 1..180 LOOP
		EXECUTE format('CREATE TABLE upstream_error_events_%s PARTITION OF upstream_error_events FOR VALUES FROM (%L) TO (%L)',
			1000 + i, '2018-01-01 UTC'::timestamptz + i * interval '1 day', '2018-01-02 UTC'::timestamptz + i * interval '1 day');
	END LOOP;
END
$$;
SELECT call, partitions_scanned('SELECT * FROM ' || call) FROM (VALUES
	($$upstream_error_top_fingerprints('2018-03-01 10:00 UTC', '2018-03-01 11:00 UTC')$$),
	($$upstream_error_new_fingerprints('2018-03-01 10:00 UTC', '2018-03-01 11:00 UTC', baseline => '1 hour')$$)) AS v (call);
DO $$
BEGIN
	FOR i IN 1..180 LOOP
		EXECUTE format('DROP TABLE upstream_error_events_%s', 1000 + i);
	END LOOP;
END
$$;
DROP FUNCTION partitions_scanned;

-- sizes
SELECT contents, count(*) > 0 AS any, bool_and(total_bytes >= 0) AS ok FROM upstream_error_sizes() GROUP BY 1 ORDER BY 1;

TRUNCATE upstream_error_events, upstream_error_traffic, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days, upstream_error_late_days;
DEALLOCATE traffic;
DROP FUNCTION uses;
