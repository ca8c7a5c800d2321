-- What became of a request: recoveries, and its story in words.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
TRUNCATE upstream_error_events;
CREATE TABLE start AS SELECT date_trunc('second', now()) - interval '10 min' AS at;
CREATE FUNCTION put(request int, attempt int, fields jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
	INSERT INTO upstream_error_events
	SELECT r.* FROM start AS s, jsonb_populate_record(NULL::upstream_error_events, jsonb_build_object(
		'at', s.at + request * interval '6 ms' + attempt * interval '1 s',
		'event_id', format('00000000-0000-4000-8000-%s', lpad((request * 100 + attempt)::text, 12, '0')),
		'request_id', 'req_' || request, 'attempt', attempt, 'platform', 'openai', 'model', 'gpt-5',
		'kind', 'http_error', 'class', 'rate_limit', 'status_code', 429, 'message', 'slow down') || fields) AS r
$$;
CREATE PROCEDURE show(request text) LANGUAGE plpgsql AS $$
DECLARE
	line record;
BEGIN
	FOR line IN SELECT * FROM upstream_error_explain_request(request) LOOP
		RAISE WARNING '%', line.what;
	END LOOP;
END
$$;

-- three attempts, two channels passed over, the third saves it
SELECT put(1, 1, '{"channel": "a", "upstream_model": "gpt-5-2025", "rule_id": 7, "rule_version": 2, "step": "retry", "step_reason": "status", "wait_ms": 250, "outcome": "retried"}');
SELECT put(1, 2, '{"channel": "a", "kind": "request_error", "network_error": "reset", "class": "network", "status_code": null, "message": null,
	"step": "failover", "step_reason": "network", "wait_ms": 0, "outcome": "retried",
	"passed_over": [{"channel": "b", "why": "cooling", "until": "2026-11-01T12:00:00Z"}, {"channel": "c", "why": "disabled"}]}');
SELECT put(1, 3, '{"channel": "d", "kind": "stream_error", "network_error": "idle_timeout", "class": "stream", "status_code": 200, "message": "",
	"step": "failover", "step_reason": "class", "wait_ms": 3, "outcome": "retried"}');
CALL show('req_1');
-- its recovery; told twice, and of rows that are not there
CREATE FUNCTION recover(requests int[], attempt int, status int, total int, channel text) RETURNS bigint LANGUAGE sql AS $$
	SELECT upstream_error_record_recoveries(array_agg(s.at + n * interval '6 ms' + attempt * interval '1 s'),
		array_agg(format('00000000-0000-4000-8000-%s', lpad((n * 100 + attempt)::text, 12, '0'))::uuid),
		array_agg('req_' || n), array_agg(status), array_agg(total), array_agg(channel))
	FROM start AS s, unnest(requests) AS n
$$;
SELECT recover('{1,900}', 3, 200, 3210, 'e');
SELECT recover('{1,900}', 3, 200, 3210, 'e') AS again;
CALL show('req_1');
SELECT attempt, channel, model, class, status_code, message, rule_id, step, step_reason, wait_ms, passed_over FROM upstream_error_explain_request('req_1');
SELECT attempt, outcome, response_status, total_ms, recovered_by FROM upstream_error_events WHERE request_id = 'req_1' ORDER BY attempt;
SELECT request_id, attempts, outcome, response_status, statuses, channels, duration_ms FROM upstream_error_requests('1h') WHERE request_id = 'req_1';
-- the channel may be one that nobody named; another answer is another row
SELECT recover('{1}', 3, 201, NULL, NULL);
CALL show('req_1');

-- how else it may end
SELECT put(2, 1, '{"channel": "a", "step": "answer", "step_reason": "no_channel", "outcome": "answered", "response_status": 503}');
CALL show('req_2');
SELECT put(3, 1, '{"kind": "stream_error", "class": "stream", "status_code": 200, "sent_bytes": 512, "step": "answer", "step_reason": "output", "outcome": "error_frame", "response_status": 200}');
CALL show('req_3');
SELECT put(4, 1, '{"kind": "client_gone", "class": "client_gone", "status_code": null, "message": null, "step": "answer", "step_reason": "client_gone", "outcome": "client_gone"}');
CALL show('req_4');
SELECT put(5, 1, '{"platform": "", "model": null, "kind": "local_error", "class": "internal", "status_code": null, "message": "all channels are cooling down", "outcome": "answered", "response_status": 503}');
CALL show('req_5');
SELECT put(6, 1, '{"outcome": "aborted"}');
CALL show('req_6');
SELECT put(7, 1);
CALL show('req_7');
SELECT put(8, 1, jsonb_build_object('message', repeat('long ', 60), 'step', 'wait', 'step_reason', 'why not', 'outcome', 'answered', 'passed_over', '{"no": "list"}'::jsonb));
CALL show('req_8');
SELECT reason, upstream_error_explain_step('answer', reason, 0, NULL) FROM unnest('{output,client_gone,rule,body,attempts,budget,skip_retry,request_fault,class,code,network,status,no_channel,hint,deadline}'::text[]) AS reason;
SELECT upstream_error_explain_step('failover', 'rule', 10, 'x'), upstream_error_explain_step('retry', NULL, NULL, 'x'), upstream_error_explain_step(NULL, 'rule', 1, 'x');

-- nothing failed, or not then
SELECT count(*) FROM upstream_error_explain_request('req_none');
SELECT count(*) FROM upstream_error_explain_request('req_2', now() - interval '2 days', now() - interval '1 day');
SELECT count(*) FROM upstream_error_explain_request(NULL);
-- times as people write them
SELECT count(*) > 0 AS found FROM upstream_error_explain_request('req_2', '7d');
SELECT count(*) FROM upstream_error_explain_request('req_2', '2d', '1d');
\set VERBOSITY terse
SELECT count(*) FROM upstream_error_explain_request('req_2', 'last week');
\set VERBOSITY default
\set VERBOSITY terse
SELECT count(*) FROM upstream_error_explain_request('req_2', now(), now() - interval '1 day');
\set VERBOSITY default
SELECT upstream_error_record_recoveries(ARRAY[now()], '{}', '{}', '{}', '{}', '{}');
SELECT upstream_error_record_recoveries('{}', '{}', '{}', '{}', '{}', NULL);
SELECT upstream_error_record_recoveries('{}', '{}', '{}', '{}', '{}', '{}');

-- indexes find the rows, whatever the statistics say; what was counted before is flushed first
SELECT sum(CASE WHEN put(n, 1) IS NULL THEN 1 ELSE 1 END) AS rows FROM generate_series(1000, 2999) AS n;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT recover(array_agg(n), 1, 200, 5, 'b') FROM generate_series(1001, 1100) AS n;
SELECT sum(seq_scan) AS scans, sum(idx_scan) >= 100 AS "index lookups" FROM pg_stat_xact_user_tables WHERE relname LIKE 'upstream\_error\_events%';
COMMIT;
ANALYZE upstream_error_events;
SET enable_bitmapscan = off;
EXPLAIN (COSTS off) SELECT * FROM upstream_error_events AS e WHERE e.request_id = 'req_1' AND e.at >= now() - interval '1 day' AND e.at < now();
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT attempt, status_code, channel FROM upstream_error_explain_request('req_1050');
SELECT sum(seq_scan) AS scans, sum(idx_scan) > 0 AS "index lookups" FROM pg_stat_xact_user_tables WHERE relname LIKE 'upstream\_error\_events%';
COMMIT;

-- the recoveries of a day that is over have it counted again
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
VALUES ('2026-01-02 03:04:05+00', '00000000-0000-4000-8000-000000000001', 'old', 'openai', 'http_error', 'rate_limit');
SELECT upstream_error_record_recoveries('{2026-01-02 03:04:05+00}', '{00000000-0000-4000-8000-000000000001}', '{old}', '{200}', '{1}', '{a}');
SELECT upstream_error_record_recoveries('{2026-01-02 03:04:05+00}', '{00000000-0000-4000-8000-000000000001}', '{old}', '{200}', '{1}', '{a}');
SELECT day AT TIME ZONE 'UTC' AS day FROM upstream_error_late_days;

RESET enable_bitmapscan;
TRUNCATE upstream_error_events, upstream_error_late_days;
DROP TABLE start;
DROP FUNCTION put, recover;
DROP PROCEDURE show;
