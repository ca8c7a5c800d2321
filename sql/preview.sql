-- upstream_error_preview(): what a set of rules would have made of recorded events.
SET client_min_messages = warning;
TRUNCATE upstream_error_events;
INSERT INTO upstream_error_events (at, event_id, request_id, attempt, platform, channel, route, format, model, kind, class, error_type, error_code, code, status_code, message, detail, sent_bytes, tags, rule_id, response_status)
VALUES
	('2026-03-01 00:00:00+00', gen_random_uuid(), 'a', 1, 'openai', 'main', '/v1/chat/completions', 'openai', 'gpt-4o', 'http_error', 'rate_limit', 'requests', 'rate_limit_exceeded', 'rate_limit_exceeded', 429, 'Rate limit reached', '{"error":{"message":"Rate limit reached"}}', 0, '{"team": "search", "odd": 5}', NULL, 429),
	('2026-03-01 00:00:01+00', gen_random_uuid(), 'b', 2, 'anthropic', 'spare', '/v1/messages', 'anthropic', 'claude-3', 'http_error', 'overloaded', 'overloaded_error', NULL, 'overloaded', 529, 'Überlastet', NULL, 0, '[]', NULL, 529),
	('2026-03-01 00:00:02+00', gen_random_uuid(), 'c', 1, 'openai', 'main', '/v1/responses', 'openai_responses', 'gpt-4o', 'stream_error', 'server_error', 'server_error', NULL, 'server_error', 200, 'The server had an error', NULL, 512, NULL, NULL, NULL),
	('2026-03-01 00:00:03+00', gen_random_uuid(), 'd', 1, '', NULL, '/v1/messages', 'anthropic', NULL, 'local_error', 'overloaded', NULL, NULL, 'channel:no_available_key', NULL, 'Nobody there', NULL, NULL, NULL, NULL, 503),
	('2026-03-01 00:00:04+00', gen_random_uuid(), 'e', 1, 'openai', 'main', '/v1/chat/completions', 'gemini', 'gpt-4o', 'http_error', 'overloaded', NULL, NULL, 'overloaded', 529, 'busy', '<html>busy</html>', 0, '{}', 99, 500),
	('2026-03-01 00:00:05+00', gen_random_uuid(), 'f', 1, 'future', NULL, NULL, 'new_format', NULL, 'new_kind', 'new_class', NULL, NULL, 'new:code', NULL, NULL, NULL, NULL, 'null', NULL, NULL);
CREATE FUNCTION preview(rules jsonb) RETURNS TABLE (request_id text, was_rule bigint, was int, rule_id bigint, rule_name text, status int, action text, changed bool) LANGUAGE sql STABLE AS $$
	SELECT request_id, was_rule_id, was_status, rule_id, rule_name, response_status, action, is_changed FROM upstream_error_preview(rules, '2026-03-01 UTC', '2026-03-02 UTC') ORDER BY at
$$;
-- without rules: the default verdicts, and a rule of then decides no more
SELECT * FROM preview('[]');
SELECT * FROM preview(NULL);
-- each event is searched as it was recorded
SELECT * FROM preview('[{"name": "slow", "keywords": ["RATE limit"], "passthrough_code": false, "response_code": 503}, {"name": "umlaut", "keywords": ["ÜBERLASTET"], "action": "failover"}]');
SELECT string_agg(p.request_id, ' ' ORDER BY p.request_id), r.rules FROM (VALUES ('{"error_codes": [529]}'::jsonb), ('{"classes": ["overloaded"]}'), ('{"codes": ["channel:no_available_key"]}'),
	('{"error_types": ["SERVER_error"]}'), ('{"upstream_codes": ["rate_limit_exceeded"]}'), ('{"patterns": ["<html>"]}'), ('{"error_codes": [500]}'),
	('{"classes": ["overloaded"], "platforms": ["Anthropic"]}'), ('{"classes": ["overloaded"], "models": ["gpt-*"]}'), ('{"classes": ["overloaded"], "channels": ["SPARE"]}'),
	('{"classes": ["overloaded"], "routes": ["*/messages"]}'), ('{"classes": ["overloaded"], "formats": ["gemini"]}'), ('{"classes": ["overloaded"], "kinds": ["local_error"]}'),
	('{"classes": ["rate_limit"], "tags": {"team": "s*"}}'), ('{"classes": ["overloaded"], "min_attempt": 2}'), ('{"classes": ["server_error"], "has_output": true}')) AS r (rules)
LEFT JOIN LATERAL (SELECT * FROM preview(jsonb_build_array(r.rules || '{"name": "r"}')) WHERE rule_name = 'r') AS p ON true
GROUP BY r.rules ORDER BY r.rules::text COLLATE "C";
-- it agrees with what is decided of the same fault
SELECT f.status, p.response_status = v.response_status AS same_status, p.rule_id IS NOT DISTINCT FROM v.rule_id AS same_rule
FROM (VALUES (400, 'invalid_request'), (401, 'authentication'), (404, 'not_found'), (407, 'authentication'), (429, 'rate_limit'), (499, 'client_gone'), (500, 'server_error'), (529, 'overloaded')) AS f (status, class),
	upstream_error_decide('openai', f.status, '', format => 'gemini') AS v,
	upstream_error_preview_event(NULL, 'openai', f.status, 'http_error', v.class, v.code, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'gemini', 1, 0, NULL, NULL, NULL) AS p;

-- a status that no client was told of does not change: another attempt saved the request, or the stream had begun
INSERT INTO upstream_error_events (at, event_id, request_id, platform, format, kind, class, code, status_code, outcome, response_status) VALUES
	('2026-03-03 00:00:00+00', gen_random_uuid(), 'saved', 'openai', 'openai', 'http_error', 'rate_limit', 'rate_limit_exceeded', 429, 'recovered', 200),
	('2026-03-03 00:00:01+00', gen_random_uuid(), 'begun', 'openai', 'openai', 'stream_error', 'overloaded', 'overloaded', 200, 'error_frame', 200),
	('2026-03-03 00:00:02+00', gen_random_uuid(), 'told', 'openai', 'openai', 'http_error', 'rate_limit', 'rate_limit_exceeded', 429, 'answered', 429);
SELECT d.draft, p.request_id, p.was_status, p.response_status, p.is_changed
FROM (VALUES (1, '[]'::jsonb), (2, '[{"name": "x", "error_codes": [429], "passthrough_code": false, "response_code": 503}]')) AS d (draft, rules),
	upstream_error_preview(d.rules, '2026-03-03 UTC', '2026-03-04 UTC') AS p ORDER BY 1, p.at;
DELETE FROM upstream_error_events WHERE at >= '2026-03-03 UTC';

-- the table's rules, and a change of them that is not committed
BEGIN;
INSERT INTO upstream_error_rules (name, classes, passthrough_code, response_code) VALUES ('busy', '{overloaded}', false, 503);
SELECT request_id, rule_name, status, changed FROM preview(NULL) WHERE rule_name IS NOT NULL;
SELECT request_id, rule_name, status, changed FROM preview((SELECT jsonb_agg(to_jsonb(r) || '{"response_code": 504}') FROM upstream_error_rules AS r)) WHERE rule_name IS NOT NULL;
ROLLBACK;

-- ranges
SELECT count(*) FROM upstream_error_preview('[]', '2026-03-01 00:00:01 UTC', '2026-03-01 00:00:03 UTC');
SELECT count(*) FROM upstream_error_preview('[]', '2026-03-01'::timestamptz, '2026-04-01'::timestamptz);
SELECT count(*) FROM upstream_error_preview('[]', '1h');
SELECT count(*) FROM upstream_error_preview('[]', '2026-03-02', '2026-03-01');
SELECT count(*) FROM upstream_error_preview('[]', NULL::timestamptz);
SELECT * FROM upstream_error_preview('[{"name": "x"}]', '2026-03-01 UTC', '2026-03-02 UTC');

-- the planner sees through it: index, filter, parallel workers
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (costs off) ' || query;
END
$$;
SELECT count(*) FILTER (WHERE line LIKE '%Function Scan%') AS "function scans", count(*) FILTER (WHERE line LIKE '%upstream_error_events_default_at_idx%' OR line LIKE '%Index Cond%at >=%') > 0 AS index
FROM plan($$SELECT rule_name, count(*) FROM upstream_error_preview('[]', '2026-03-01 00:00:01 UTC', '2026-03-01 00:00:02 UTC') GROUP BY 1$$) AS line;
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, status_code, message)
SELECT '2026-03-03 UTC'::timestamptz + i * interval '1 s', gen_random_uuid(), 'p' || i, 'openai', 'http_error', 'rate_limit', 429, 'number ' || i FROM generate_series(1, 5000) AS i;
ANALYZE upstream_error_events_default;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SELECT count(*) > 0 AS parallel FROM plan($$SELECT rule_name, count(*) FROM upstream_error_preview('[{"name": "seven", "patterns": ["7$"]}]', '2026-03-03 UTC', '2026-03-04 UTC') GROUP BY 1$$) AS line WHERE line LIKE '%Workers Planned%';
SELECT rule_name, count(*) FROM upstream_error_preview('[{"name": "seven", "patterns": ["7$"]}]', '2026-03-03 UTC', '2026-03-04 UTC') GROUP BY 1 ORDER BY 1;
BEGIN;
INSERT INTO upstream_error_rules (name, patterns) VALUES ('eight', '{8$}');
SELECT rule_name, count(*) FROM upstream_error_preview(NULL, '2026-03-03 UTC', '2026-03-04 UTC') GROUP BY 1 ORDER BY 1;
ROLLBACK;
SELECT rule_name, count(*) FROM upstream_error_preview(NULL, '2026-03-03 UTC', '2026-03-04 UTC') GROUP BY 1 ORDER BY 1;
DROP FUNCTION plan;
DROP FUNCTION preview;
TRUNCATE upstream_error_events;
-- the log of changes is for ever; others count in theirs
DROP EXTENSION upstream_errors;
CREATE EXTENSION upstream_errors;
