-- What rules have done: hits from events, the text of the rule behind an answer, history.
SET client_min_messages = warning;
SET timezone = 'UTC';
TRUNCATE upstream_error_events, upstream_error_rules;
INSERT INTO upstream_error_rules (id, name, priority, error_codes, skip_monitoring) VALUES (501, 'busy', 2, '{529}', false), (502, 'quota', 1, '{429}', false),
	(503, 'never', 3, '{418}', false), (504, 'silent', 4, '{400}', true), (505, 'gone', 5, '{500}', false);
UPDATE upstream_error_rules SET response_code = 503, passthrough_code = false WHERE id = 501;
DELETE FROM upstream_error_rules WHERE id = 505;
CREATE FUNCTION happened(at timestamptz, rule bigint, version int, status int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, rule_id, rule_version, response_status)
	VALUES (at, gen_random_uuid(), 'r', 'openai', 'http_error', 'overloaded', rule, version, status)
$$;
SELECT happened('2026-03-01 12:00'::timestamptz + n * interval '1 min', 501, 1 + (n >= 2)::int, CASE WHEN n < 2 THEN 529 ELSE 503 END) FROM generate_series(0, 4) AS n;
SELECT happened('2026-03-01 12:30', 505, 1, 500), happened('2026-03-01 12:31', NULL, NULL, 502), happened('2026-03-01 13:00', 502, 1, 429),
	happened('2026-03-01 12:40', 501, 2, NULL);

SELECT * FROM upstream_error_rule_hits('2026-03-01 12:00'::timestamptz, '2026-03-01 13:00');
SELECT name, hits FROM upstream_error_rule_hits('2026-03-01 12:01', '2026-03-01 13:01');
SELECT name, hits FROM upstream_error_rule_hits('2026-03-01 13:00'::timestamptz) WHERE hits > 0;
SELECT name FROM upstream_error_rule_hits('1h') WHERE hits = 0 AND NOT skip_monitoring;
\set VERBOSITY terse
SELECT * FROM upstream_error_rule_hits('2026-03-02'::timestamptz, '2026-03-01');
\set VERBOSITY default
-- the range finds the partitions and their index
EXPLAIN (COSTS OFF) SELECT name, hits FROM upstream_error_rule_hits('2026-03-01 12:00'::timestamptz, '2026-03-01 13:00');

-- which text of the rule gave these answers
SELECT e.at, e.response_status, r.name, r.version, r.passthrough_code, r.response_code
FROM upstream_errors('2026-03-01', '2026-03-02') AS e
CROSS JOIN LATERAL upstream_error_rule_version(e.rule_id, e.rule_version) AS r ORDER BY e.at;
SELECT count(*) FROM upstream_error_rule_version(501, 99);
SELECT count(*) FROM upstream_error_rule_version(NULL, NULL);

-- history
SELECT version, operation, name, changed, old IS NULL AS "no old", new IS NULL AS "no new", changed_by = session_user AS "by me"
FROM upstream_error_rule_history(501) WHERE changed_at > now() - interval '1 h';
SELECT rule_id, operation, version FROM upstream_error_rule_history() WHERE rule_id BETWEEN 501 AND 505;
SELECT count(*) FROM upstream_error_rules_at('2000-01-01');
SELECT id, version FROM upstream_error_rules_at('now');

-- sidecars
TRUNCATE upstream_error_sidecars;
SELECT upstream_error_acknowledge('gateway-1', 'eu', '1.0.0', upstream_error_generation());
SELECT upstream_error_acknowledge('gateway-2', NULL, '1.0.0', upstream_error_generation() - 1);
SELECT upstream_error_acknowledge('gateway-3', 'us', '1.0.0', 0);
SELECT instance, region, version, is_current, missing_changes > 0 AS misses, lag > interval '0' AS lags, current_generation = upstream_error_generation() AS known
FROM upstream_error_sidecar_status ORDER BY 1;
SELECT missing_changes FROM upstream_error_sidecar_status WHERE instance = 'gateway-2';
SELECT upstream_error_acknowledge('gateway-2', 'asia', '1.0.1', upstream_error_generation());
SELECT instance, region, version, is_current, lag FROM upstream_error_sidecar_status WHERE is_current ORDER BY 1;
DELETE FROM upstream_error_sidecars WHERE instance = 'gateway-3';
SELECT count(*) FROM upstream_error_sidecar_status;
\set SHOW_CONTEXT never
SELECT upstream_error_acknowledge('', 'eu', '1', 1);
SELECT upstream_error_acknowledge(NULL, 'eu', '1', 1);
SELECT upstream_error_acknowledge('x', 'eu', '1', -1);
SELECT upstream_error_acknowledge('x', 'eu', '1', NULL);

DROP FUNCTION happened;
TRUNCATE upstream_error_events, upstream_error_rules, upstream_error_sidecars;
