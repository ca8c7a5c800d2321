-- Recording a batch: exactly once, whole or not at all.
SET client_min_messages = warning;
TRUNCATE upstream_error_events;

-- upstream_error_record has a parameter per column that a sidecar knows: this fills them from rows
CREATE FUNCTION record_rows(events upstream_error_events[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	inserted bigint;
BEGIN
	EXECUTE (
		SELECT format('SELECT upstream_error_record(%s)', string_agg(
			format('%1$I => ARRAY(SELECT e.%1$I FROM unnest($1) AS e)', attname), ', '))
		FROM pg_attribute WHERE attrelid = 'upstream_error_events'::regclass AND attnum > 0 AND attname <> 'recovered_by'
	) USING events INTO inserted;
	RETURN inserted;
END
$$;
-- a row with what must be there and the rest null
CREATE FUNCTION make_event(n int, fields jsonb DEFAULT '{}') RETURNS upstream_error_events
LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::upstream_error_events, jsonb_build_object(
		'at', timestamptz '2026-01-02 03:04:05.678901+00' + n * interval '1 s',
		'event_id', format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0')),
		'request_id', 'req_' || n, 'attempt', 1, 'platform', 'openai',
		'kind', 'http_error', 'class', 'rate_limit') || fields)
$$;

-- new events are counted, known ones passed over: within a batch and between batches
SELECT record_rows(ARRAY[make_event(1), make_event(2), make_event(2)]);
SELECT record_rows(ARRAY[make_event(1), make_event(2), make_event(3)]);
SELECT record_rows(ARRAY[make_event(1), make_event(2), make_event(3)]);
SELECT request_id, attempt, platform, kind, class, channel FROM upstream_error_events ORDER BY at;

-- the first version of an event stays
SELECT record_rows(ARRAY[make_event(1, '{"platform": "gemini"}')]);
SELECT platform FROM upstream_error_events WHERE request_id = 'req_1';

-- attempts of one request are different events
SELECT record_rows(ARRAY[make_event(4), make_event(5, '{"request_id": "req_4", "attempt": 2}')]);
SELECT request_id, attempt FROM upstream_error_events WHERE request_id = 'req_4' ORDER BY at;

-- every column arrives in its place
SELECT record_rows(ARRAY[make_event(6, $${
	"attempt": 3, "platform": "anthropic", "channel": "c", "account_id": "acc", "route": "/v1/messages",
	"format": "anthropic", "model": "m", "upstream_model": "um", "stream": true, "kind": "stream_error",
	"network_error": "reset", "class": "overloaded", "phase": "upstream", "owner": "provider",
	"source": "upstream_http", "severity": "P1", "retryable": true, "request_fault": false,
	"business_limited": false, "error_type": "overloaded_error", "error_code": "x", "code": "overloaded",
	"status_code": 529, "upstream_request_id": "up", "message": "Überlastet ☃", "detail": "d",
	"truncated": true, "original_bytes": 9000000000, "request_headers": {"a": ["1", "2"]},
	"response_headers": {"b": "3"}, "retry_after_ms": 1500, "first_byte_ms": 10, "total_ms": 20,
	"sent_bytes": 5000000000, "response_status": 503, "outcome": "error_frame", "decided_by": "local",
	"rule_id": 7, "rule_version": 8, "fingerprint": -9, "fingerprint_version": 1, "mask_version": 1,
	"trace_id": "0af7651916cd43dd8448eb211c80319c", "tags": {"user": "u"}, "client_address": "2001:db8::1",
	"region": "eu", "instance": "i1", "step": "failover", "step_reason": "retry_status", "wait_ms": 250,
	"passed_over": [{"channel": "b", "why": "cooling", "until": "2026-01-02T03:05:00Z"}]}$$)]);
SELECT key, value FROM upstream_error_events AS e, jsonb_each_text(to_jsonb(e) - 'at')
WHERE request_id = 'req_6' ORDER BY key COLLATE "C";

-- a rule may name the kind of failure, from the version on that does so
INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (2901, 'kind', '{529}'), (2902, 'another', '{503}');
UPDATE upstream_error_rules SET fingerprint = ' busy hour ' WHERE id = 2901;
SELECT record_rows(ARRAY[make_event(31, '{"rule_id": 2901, "rule_version": 2, "fingerprint": 5, "fingerprint_version": 1, "message": "one"}'),
	make_event(32, '{"rule_id": 2901, "rule_version": 2, "fingerprint": 6, "fingerprint_version": 1, "message": "two"}'),
	make_event(33, '{"rule_id": 2901, "rule_version": 1, "fingerprint": 7, "fingerprint_version": 1}'),
	make_event(34, '{"rule_id": 2902, "rule_version": 1, "fingerprint": 8, "fingerprint_version": 1}'),
	make_event(35, '{"rule_id": 2903, "rule_version": 1}'), make_event(36, '{"fingerprint": 9, "fingerprint_version": 1}')]);
SELECT request_id, CASE WHEN fingerprint = upstream_error_fingerprint('', '', 'busy hour', '') THEN 'busy hour' ELSE fingerprint::text END AS kind, fingerprint_version
FROM upstream_error_events WHERE request_id BETWEEN 'req_31' AND 'req_36' ORDER BY 1;
-- also when the rule is gone
DELETE FROM upstream_error_rules WHERE id = 2901;
SELECT record_rows(ARRAY[make_event(37, '{"rule_id": 2901, "rule_version": 2, "fingerprint": 5, "fingerprint_version": 1}')]);
-- and it is not computed again
SELECT upstream_error_fingerprint_again('2026-01-01', '2026-01-03', force => true) > 0 AS computed;
SELECT count(*), count(DISTINCT fingerprint) FROM upstream_error_events WHERE fingerprint_version = 0;
TRUNCATE upstream_error_rules;

-- a time without a day is refused, whichever way it comes, and whole
\set VERBOSITY terse
SELECT record_rows(ARRAY[make_event(7), make_event(8, '{"at": "infinity"}')]);
INSERT INTO upstream_error_events SELECT (make_event(8, '{"at": "-infinity"}')).*;
COPY upstream_error_events (at, event_id, request_id, platform, kind, class) FROM STDIN;
infinity	00000000-0000-4000-8000-000000000009	req_9	openai	http_error	rate_limit
\.
\set VERBOSITY default
SELECT count(*) FROM upstream_error_events WHERE request_id IN ('req_7', 'req_8', 'req_9');

-- nothing to record is no error
SELECT record_rows(ARRAY[]::upstream_error_events[]);

-- one bad event and nothing of the batch is there; the error names the column
\set VERBOSITY terse
SELECT record_rows(ARRAY[make_event(10), make_event(11, '{"class": null}')]);
\set VERBOSITY default
SELECT count(*) FROM upstream_error_events WHERE request_id IN ('req_10', 'req_11');

-- arrays of different lengths, and one that is missing
CREATE FUNCTION record_wrong(wrong text, value text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	inserted bigint;
BEGIN
	EXECUTE (
		SELECT format('SELECT upstream_error_record(%s)', string_agg(CASE WHEN attname = wrong
			THEN format('%I => %s', attname, value)
			ELSE format('%1$I => ARRAY(SELECT e.%1$I FROM unnest($1) AS e)', attname) END, ', '))
		FROM pg_attribute WHERE attrelid = 'upstream_error_events'::regclass AND attnum > 0 AND attname <> 'recovered_by'
	) USING ARRAY[make_event(20), make_event(21)] INTO inserted;
	RETURN inserted;
END
$$;
\set SHOW_CONTEXT never
SELECT record_wrong('detail', $$'{a,b,c}'$$);
SELECT record_wrong('detail', $$'{a}'$$);
SELECT record_wrong('tags', 'NULL');
SELECT record_wrong('passed_over', 'NULL');
SELECT record_wrong('wait_ms', $$'{1}'$$);
SELECT record_wrong('at', 'NULL');
SELECT record_wrong('at', $$'{}'$$);
\set VERBOSITY sqlstate
SELECT record_wrong('instance', $$'{a}'$$);
\set VERBOSITY default
SELECT count(*) FROM upstream_error_events WHERE request_id IN ('req_20', 'req_21');

-- large batches, and text at its ceiling
SELECT record_rows(ARRAY(SELECT make_event(n, CASE WHEN n % 100 = 0 THEN jsonb_build_object('detail', repeat('é', 4096)) ELSE '{}' END)
	FROM generate_series(1000, 1999) AS n));
SELECT count(*), count(detail), max(octet_length(detail)) FROM upstream_error_events WHERE request_id LIKE 'req_1___';

TRUNCATE upstream_error_events;
DROP FUNCTION record_rows, make_event, record_wrong;
