-- Import and export: sub2api's JSON as it is, ours beyond.
SET client_min_messages = warning;
SET timezone = 'UTC';

-- sub2api's admin API answers like this; lists that were never set are null, texts empty
SELECT $${
  "code": 0,
  "message": "success",
  "data": [
    {
      "id": 3, "name": "Context window", "enabled": true, "priority": 10,
      "error_codes": [400], "keywords": ["context_length_exceeded", "上下文过长", "maximum context length"],
      "match_mode": "all", "platforms": ["OpenAI", "anthropic"],
      "passthrough_code": true, "response_code": null, "passthrough_body": true, "custom_message": null,
      "skip_monitoring": true, "description": "the request is too long: not our fault",
      "created_at": "2026-01-15T08:30:00.123456+08:00", "updated_at": "2026-02-01T09:00:00Z"
    },
    {
      "id": 7, "name": "Quota", "enabled": true, "priority": 20,
      "error_codes": [402, 429], "keywords": null, "match_mode": "any", "platforms": null,
      "passthrough_code": false, "response_code": 503, "passthrough_body": false, "custom_message": "额度不足，请联系管理员",
      "skip_monitoring": false, "description": null,
      "created_at": "2026-01-16T00:00:00Z", "updated_at": "2026-01-16T00:00:00Z"
    },
    {
      "id": 9, "name": "Quota", "enabled": false, "priority": 20,
      "error_codes": null, "keywords": [" insufficient_quota "], "match_mode": "any", "platforms": [],
      "passthrough_code": true, "response_code": null, "passthrough_body": true, "custom_message": null,
      "skip_monitoring": false, "description": "the same name twice is fine there",
      "created_at": "2026-01-17T00:00:00Z", "updated_at": "2026-01-17T00:00:00Z"
    }
  ]
}$$ AS sub2api \gset
SELECT id, name, enabled, priority, error_codes, keywords, platforms, response_code, custom_message, version, created_at
FROM upstream_error_rules_import(:'sub2api');
-- again: the same rules, no new version
SELECT id, name, version FROM upstream_error_rules_import(:'sub2api');
SELECT id, name, version FROM upstream_error_rules_import((:'sub2api'::jsonb -> 'data'), replace => true);
SELECT id, version FROM upstream_error_rules_import(jsonb_build_object('rules', :'sub2api'::jsonb -> 'data'));

-- what comes out is what went in, tidied
SELECT jsonb_pretty(upstream_error_rules_export());
CREATE TEMP TABLE before AS SELECT upstream_error_rules_export() AS rules;
TRUNCATE upstream_error_rules;
SELECT count(*) FROM upstream_error_rules_import((SELECT rules FROM before));
SELECT a.id, b.value - 'updated_at' = a.value - 'updated_at' AS same
FROM jsonb_array_elements((SELECT rules FROM before)) AS b (value)
FULL JOIN (SELECT (value ->> 'id')::int AS id, value FROM jsonb_array_elements(upstream_error_rules_export())) AS a ON a.id = (b.value ->> 'id')::int ORDER BY 1;

-- ours beyond theirs, round trip, with and without ids
INSERT INTO upstream_error_rules (id, name, patterns, classes, codes, error_types, upstream_codes, models, channels, routes, formats, kinds, tags,
	min_attempt, max_attempt, has_output, response_type, response_error_code, retry_after, messages, action, cooldown_s, fingerprint, passthrough_body,
	custom_message, match_mode)
VALUES (20, 'all of it', '{"limit: [0-9]+"}', '{rate_limit}', '{rate_limit_exceeded}', '{tokens}', '{rate_limit}', '{gpt-4*}', '{main*}', '{/v1/*}',
	'{openai}', '{http_error}', '{"team": ["a*", "b"]}', 1, 3, false, 'overloaded_error', 'busy', 30, '{"zh": "请稍候"}', 'cooldown', 60, ' busy hour ', false,
	'Try again in {retry_after} s.', 'all');
SELECT value - '{id,created_at,updated_at}'::text[] AS ours FROM jsonb_array_elements(upstream_error_rules_export()) WHERE value ->> 'name' = 'all of it';
CREATE TEMP TABLE second AS SELECT upstream_error_rules_export() AS rules;
TRUNCATE upstream_error_rules;
SELECT count(*) FROM upstream_error_rules_import((SELECT jsonb_agg(e - 'id' ORDER BY (e ->> 'id')::int) FROM second, jsonb_array_elements(rules) AS e));
SELECT (SELECT jsonb_agg(e - '{id,updated_at}'::text[] ORDER BY e ->> 'name', e -> 'enabled') FROM second, jsonb_array_elements(rules) AS e)
	= (SELECT jsonb_agg(e - '{id,updated_at}'::text[] ORDER BY e ->> 'name', e -> 'enabled') FROM jsonb_array_elements(upstream_error_rules_export()) AS e) AS same;

-- who is who: by name, an id only where it is free or, with replace, is meant
TRUNCATE upstream_error_rules;
SELECT id > 100 AS fresh, name FROM upstream_error_rules_import('[{"id": 100, "name": "a", "error_codes": [500]}, {"name": "b", "error_codes": [501]}]') ORDER BY name;
SELECT id > 100 AS fresh, name, error_codes, version FROM upstream_error_rules_import('[{"id": 100, "name": "other", "error_codes": [502]}, {"id": 5, "name": "a", "error_codes": [503]}]');
SELECT id, name, error_codes FROM upstream_error_rules_import('{"id": 100, "name": "a, renamed", "error_codes": [500]}', replace => true);
SELECT id, name, error_codes FROM upstream_error_rules;
-- what is left out has its default
UPDATE upstream_error_rules SET priority = 7, patterns = '{x}';
SELECT id, priority, patterns FROM upstream_error_rules_import('[{"name": "a, renamed", "error_codes": [500]}]');
SELECT count(*) FROM upstream_error_rules_import('[]');
SELECT count(*) FROM upstream_error_rules_import('[]', replace => true);
SELECT upstream_error_rules_export();

-- back to how it was
SELECT count(*) FROM upstream_error_rules_import((SELECT rules FROM second));
SELECT pg_sleep(0.001), clock_timestamp() AS then \gset
UPDATE upstream_error_rules SET priority = 99;
DELETE FROM upstream_error_rules WHERE id = 20;
INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (30, 'new', '{500}');
SELECT id, name, priority FROM upstream_error_rules_at(:'then'::timestamptz);
SELECT id, name, priority FROM upstream_error_rules_import((SELECT jsonb_agg(to_jsonb(r)) FROM upstream_error_rules_at(:'then'::timestamptz) AS r), replace => true);
SELECT count(*) FROM upstream_error_rules;

-- refused: which element, which field; and nothing of the rest is written
TRUNCATE upstream_error_rules;
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT upstream_error_rules_import('5');
SELECT upstream_error_rules_import(NULL);
SELECT upstream_error_rules_import('[{"name": "a", "error_codes": [500]}, 7]');
SELECT upstream_error_rules_import('[{"name": "a", "error_codes": [500]}, {"name": "b", "error_codes": [500], "response_code": 9999, "passthrough_code": false}]');
SELECT upstream_error_rules_import('[{"name": "a", "error_codes": [500], "created_at": "yesterday evening"}]');
SELECT upstream_error_rules_import('[{"error_codes": [500]}]');
SELECT count(*) FROM upstream_error_rules;
