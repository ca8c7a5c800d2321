-- upstream_error_explain(): which rule decides and why, and what the client gets.
SET client_min_messages = warning;
-- nobody has written a rule
SELECT rule_id, rule_name, rule_version, action, response_status, matched_field, skip_monitoring, considered
FROM upstream_error_explain('openai', 429, '{"error":{"message":"Rate limit reached"}}');

INSERT INTO upstream_error_rules (name, priority, enabled, keywords, error_codes, match_mode, platforms, models, passthrough_code, response_code, passthrough_body, custom_message, skip_monitoring, action)
VALUES ('off', 1, false, '{quota}', '{}', 'any', '{}', '{}', true, NULL, true, NULL, false, 'answer'),
	('elsewhere', 2, true, '{quota}', '{}', 'any', '{anthropic}', '{}', true, NULL, true, NULL, false, 'answer'),
	('other model', 3, true, '{quota}', '{}', 'any', '{}', '{claude-*}', true, NULL, true, NULL, false, 'answer'),
	('both', 4, true, '{quota}', '{403}', 'all', '{}', '{}', true, NULL, true, NULL, false, 'answer'),
	('quota', 5, true, '{"QUOTA exceeded"}', '{}', 'any', '{}', '{}', false, 503, false, 'Come back in {retry_after} s, {request_id}', true, 'failover'),
	('later', 6, true, '{quota}', '{}', 'any', '{}', '{}', true, NULL, true, NULL, false, 'answer'),
	('no', 7, true, '{nothing of it}', '{500}', 'any', '{}', '{}', true, NULL, true, NULL, false, 'answer');
SELECT e.rule_id = r.id AS "the rule's id", e.rule_name, e.rule_version, e.action, e.response_status, e.response_body, e.response_headers ->> 'retry-after' AS retry_after,
	e.class, e.code, e.matched_field, e.matched_value, e.matched_text, e.skip_monitoring
FROM upstream_error_explain('openai', 429, '{"error":{"message":"Your quota exceeded its limit, see alice@example.com"}}', headers => '{"retry-after": "7"}', request_id => 'req_1', model => 'gpt-4o') AS e,
	upstream_error_rules AS r WHERE r.name = 'quota';
SELECT c.name, c.outcome, c.field, c.value
FROM upstream_error_explain('openai', 429, '{"error":{"message":"Your quota exceeded its limit"}}', model => 'gpt-4o') AS e,
	jsonb_to_recordset(e.considered) AS c (rule_id bigint, name text, outcome text, field text, value text);
-- the answer is the verdict's
SELECT (e.rule_id, e.rule_version, e.action, e.response_status, e.response_headers, e.response_body, e.response_frame, e.class, e.code, e.skip_monitoring)
	IS NOT DISTINCT FROM (v.rule_id, v.rule_version, v.action, v.response_status, v.response_headers, v.response_body, v.response_frame, v.class, v.code, v.skip_monitoring) AS same
FROM (VALUES ('openai', 429, '{"error":{"message":"Quota exceeded"}}'), ('anthropic', 529, 'quota'), ('gemini', 500, '<title>quota exceeded</title>'), ('', 403, '')) AS f (platform, status, body),
	upstream_error_explain(f.platform, f.status, f.body, 'anthropic', '{"x-request-id": "up"}', stream => true, request_id => 'r', at => '2026-01-01') AS e,
	upstream_error_decide(f.platform, f.status, f.body, '{"x-request-id": "up"}', 'anthropic', stream => true, request_id => 'r', at => '2026-01-01') AS v;

-- what matched is shown without the secrets around it, or not at all when it is one
SELECT matched_text, strpos(e::text, 'PLANTED') AS planted
FROM upstream_error_explain('openai', 400, 'quota exceeded for key sk-proj-PLANTEDabcdefghijklmnopqrstuvwxyz0123 ' || repeat('and so on ', 30)) AS e;
SELECT matched_field, matched_value, matched_text, strpos(e::text, 'PLANTED') AS planted
FROM upstream_error_explain('openai', 400, '{"detail":{"x":"it failed","api_key":"PLANTED0123456789"}}', rules => '[{"name": "by body", "keywords": ["it failed"]}]') AS e;
SELECT matched_field, matched_text, strpos(e.matched_text, 'PLANTED') AS planted
FROM upstream_error_explain('openai', 400, '{"error":{"message":"Bearer PLANTEDabcdefghijklmnopqrstuvwxyz0123456789 refused"}}', rules => '[{"name": "greedy", "patterns": ["PLANTED[a-z]+\\d+"]}]') AS e;
-- by what is no text there is nothing to show
SELECT f.rules, e.rule_name, e.matched_field, e.matched_value, e.matched_text
FROM (VALUES ('[{"name": "r", "error_codes": [400, 401]}]'::jsonb), ('[{"name": "r", "classes": ["authentication", "invalid_request"]}]'), ('[{"name": "r", "error_types": ["INVALID_TYPE"]}]'),
	('[{"name": "r", "upstream_codes": ["bad"]}]')) AS f (rules),
	upstream_error_explain('openai', 401, '{"error":{"message":"m","type":"invalid_type","code":"bad"}}', rules => f.rules) AS e;

-- a draft is tried in place of the table's rules; rules without an id come last
SELECT e.rule_id, e.rule_name, e.rule_version, e.response_status, e.considered
FROM upstream_error_explain('openai', 418, '', rules => '[{"name": "new", "error_codes": [418]}, {"id": 7, "name": "old", "version": 3, "error_codes": [418], "passthrough_code": false, "response_code": 503}, {"id": null, "name": "newer", "error_codes": [418]}]') AS e;
SELECT e.rule_name, e.matched_field FROM upstream_error_explain('openai', 429, 'quota exceeded', rules => (SELECT jsonb_agg(to_jsonb(r)) FROM upstream_error_rules AS r)) AS e;
SELECT rule_name, considered FROM upstream_error_explain('openai', 429, 'quota exceeded', rules => '[]');
-- one that changes from call to call, with masks and messages as they are now
DO $$
DECLARE
	draft jsonb;
	seen record;
BEGIN
	FOR i IN 501..503 LOOP
		draft := jsonb_build_array(jsonb_build_object('name', 'r' || i, 'error_codes', '[418]'::jsonb, 'passthrough_code', false, 'response_code', i));
		seen := upstream_error_explain('openai', 418, 'emp-1', rules => draft);
		RAISE WARNING '% %', seen.rule_name, seen.response_status;
		seen := upstream_error_explain('openai', 418, 'emp-1', rules => draft);
		RAISE WARNING '% %', seen.rule_name, seen.response_status;
		IF i = 502 THEN
			INSERT INTO upstream_error_mask_patterns (name, pattern) VALUES ('staff', 'r50\d');
		END IF;
	END LOOP;
END
$$;
DELETE FROM upstream_error_mask_patterns;
SELECT e.rule_name, e.response_status
FROM generate_series(501, 503) AS i, upstream_error_explain('openai', 418, '', rules => jsonb_build_array(jsonb_build_object('name', 'r' || i, 'error_codes', '[418]'::jsonb, 'passthrough_code', false, 'response_code', i))) AS e;
-- what is no draft
SELECT upstream_error_explain('openai', 418, '', rules => '{"name": "x"}');
SELECT upstream_error_explain('openai', 418, '', rules => '"x"');
SELECT upstream_error_explain('openai', 418, '', rules => '[5]');
SELECT upstream_error_explain('openai', 418, '', rules => '[{"name": "a", "error_codes": [418]}, {"name": "b", "error_codes": [418], "action": "cooldown"}]');
SELECT upstream_error_explain('openai', 418, '', rules => '[{"id": "x", "name": "a", "error_codes": [418]}]');

-- a failure of our own, one inside a stream
SELECT rule_name, matched_field, response_status, response_frame IS NOT NULL AS frame
FROM upstream_error_explain('', NULL, '', kind => 'local_error', local_code => 'channel:no_available_key', stream => true, has_output => true,
	rules => '[{"name": "ours", "codes": ["channel:no_available_key"], "kinds": ["local_error"], "has_output": true}]');
DELETE FROM upstream_error_rules;
-- the log of changes is for ever; others count in theirs
DROP EXTENSION upstream_errors;
CREATE EXTENSION upstream_errors;
