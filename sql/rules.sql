-- Rules and the like as rows: what a change does, what the log keeps, what the snapshot holds.
SET client_min_messages = warning;
SET timezone = 'UTC';
-- The log goes on through all tests; each one looks at what came after its start.
SELECT upstream_error_generation() AS start \gset
CREATE FUNCTION changes_since(since bigint) RETURNS TABLE (object text, key text, version int, operation text, old text, new text) LANGUAGE sql AS $$
	SELECT c.object, c.key, c.version, c.operation, coalesce(c.old ->> 'name', c.old ->> 'host', c.old ->> 'message', c.old ->> 'value'),
		coalesce(c.new ->> 'name', c.new ->> 'host', c.new ->> 'message', c.new ->> 'value')
	FROM upstream_error_changes AS c WHERE c.generation > since ORDER BY c.generation
$$;

-- defaults: what is left out, what is null, and what the function says are the same
INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (1001, 'plain', '{500}');
INSERT INTO upstream_error_rules (id, name, enabled, priority, error_codes, keywords, match_mode, platforms, passthrough_code,
	passthrough_body, skip_monitoring, patterns, classes, codes, error_types, upstream_codes, models, channels, routes, formats, kinds,
	tags, messages, action)
VALUES (1002, 'plain', NULL, NULL, '{500}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	NULL, NULL, NULL);
SELECT count(DISTINCT to_jsonb(r) - '{id,generation,created_at,updated_at}'::text[]) AS alike,
	bool_and(to_jsonb(r) @> (upstream_error_rule_defaults() - 'error_codes')) AS "as defaults say"
FROM upstream_error_rules AS r;
SELECT array_agg(k ORDER BY k) AS "no default" FROM upstream_error_rules AS r, jsonb_object_keys(to_jsonb(r)) AS k
WHERE r.id = 1001 AND NOT upstream_error_rule_defaults() ? k;
-- sub2api's columns come first, in its order
SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'upstream_error_rules'::regclass AND attnum BETWEEN 1 AND 16;

-- tidied: white space of any script, case of platforms
UPDATE upstream_error_rules SET name = E'\u3000plain \t', keywords = ARRAY[E'\u00a0quota\u2003', E'\nZwei Worte\u0085'], platforms = '{" OpenAI",ANTHROPIC}'
WHERE id = 1001 RETURNING name, keywords, platforms, version;

-- versions: one for each change; none where nothing changes; not to be written by hand
UPDATE upstream_error_rules SET priority = 5 WHERE id = 1001 RETURNING version;
UPDATE upstream_error_rules SET priority = 5, keywords = ARRAY[' quota', 'Zwei Worte'] WHERE id = 1001 RETURNING version;
UPDATE upstream_error_rules SET version = 99, generation = 1, created_at = '2001-01-01', updated_at = '2001-01-01' WHERE id = 1001
RETURNING version, generation > 1 AS numbered, created_at > '2001-01-02' AS created, updated_at > '2001-01-02' AS updated;
INSERT INTO upstream_error_rules (id, name, error_codes, version, generation) VALUES (1003, 'numbered', '{500}', 99, 1)
RETURNING version, generation > :start AS numbered;
BEGIN;
UPDATE upstream_error_rules SET priority = 6 WHERE id = 1001 RETURNING version;
SAVEPOINT s;
UPDATE upstream_error_rules SET priority = 7 WHERE id = 1001 RETURNING version;
ROLLBACK TO s;
UPDATE upstream_error_rules SET priority = 8 WHERE id = 1001 RETURNING version;
ROLLBACK;
SELECT * FROM changes_since(:start);

-- upsert
SELECT upstream_error_generation() AS upsert \gset
INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (1001, 'x', '{500}') ON CONFLICT DO NOTHING;
INSERT INTO upstream_error_rules (id, name, error_codes, keywords) VALUES (1001, 'upserted', '{500}', '{" a "}')
ON CONFLICT (id) DO UPDATE SET name = excluded.name, keywords = excluded.keywords, version = excluded.version, generation = excluded.generation
RETURNING name, keywords, version;
INSERT INTO upstream_error_rules (id, name, error_codes, keywords) VALUES (1001, 'upserted', '{500}', '{" a "}')
ON CONFLICT (id) DO UPDATE SET name = excluded.name, keywords = excluded.keywords RETURNING name, keywords, version;
SELECT * FROM changes_since(:upsert);

-- an id stays, and is never given out twice
\set VERBOSITY terse
UPDATE upstream_error_rules SET id = 7 WHERE id = 1001;
\set VERBOSITY default
INSERT INTO upstream_error_rules (name, error_codes) VALUES ('next', '{500}') RETURNING id > 1003 AS fresh;
DELETE FROM upstream_error_rules WHERE name = 'next';
INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (1900, 'first', '{500}') RETURNING version;
DELETE FROM upstream_error_rules WHERE id = 1900;
INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (1900, 'again', '{500}') RETURNING version;
-- a rule that was deleted comes back as a new version, though it carries its old generation
DELETE FROM upstream_error_rules WHERE id = 1900;
INSERT INTO upstream_error_rules SELECT * FROM upstream_error_rule_version(1900, 3) RETURNING name, version;
SELECT key, version, operation FROM upstream_error_changes WHERE object = 'rule' AND key = '1900' ORDER BY generation;

-- TRUNCATE
SELECT upstream_error_generation() AS truncated \gset
TRUNCATE upstream_error_rules;
SELECT object, key, version, operation, old FROM changes_since(:truncated) ORDER BY key;
TRUNCATE upstream_error_rules;
SELECT count(*) AS "nothing left to log" FROM changes_since(:truncated);
INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (1001, 'after', '{500}') RETURNING version;

-- COPY
COPY upstream_error_rules (id, name, priority, keywords) FROM STDIN;
1011	copied	2	{" Überlast ",overloaded}
1012	copied too	1	{busy}
\.
SELECT id, name, keywords, version FROM upstream_error_rules ORDER BY priority, id;

-- the other tables
SELECT upstream_error_generation() AS others \gset
INSERT INTO upstream_error_mask_patterns (id, name, pattern, case_sensitive, enabled) VALUES (1, 'customer', '\bC-([0-9]+)', NULL, NULL), (2, 'off', 'x+', false, false);
UPDATE upstream_error_mask_patterns SET description = 'numbers of customers' WHERE id = 1;
INSERT INTO upstream_error_mask_hosts (host) VALUES (' Status.Example.com '), ('.docs.example.com');
UPDATE upstream_error_mask_hosts SET host = 'status.example.org' WHERE host = 'status.example.com' RETURNING host, version;
UPDATE upstream_error_mask_hosts SET host = 'status.example.com' WHERE host = 'status.example.org' RETURNING host, version;
INSERT INTO upstream_error_messages (code, language, message) VALUES ('rate_limit_exceeded', 'PT_br', 'Muitas solicitações.'), ('rate_limit_exceeded', 'zh-hant-tw', '請求過多。')
RETURNING code, language, version;
INSERT INTO upstream_error_settings (name, value) VALUES ('default_language', 'ZH') ON CONFLICT (name) DO UPDATE SET value = excluded.value RETURNING value, version;
INSERT INTO upstream_error_settings (name, value) VALUES ('default_language', 'de') ON CONFLICT (name) DO UPDATE SET value = excluded.value RETURNING value, version;
SELECT * FROM changes_since(:others);

-- the snapshot: every line, in order; the disabled mask is not in it, a disabled rule is
UPDATE upstream_error_rules SET enabled = false WHERE id = 1012;
SELECT l.place, CASE WHEN l.line ? 'rule' THEN jsonb_build_object('rule', l.line -> 'rule' -> 'name', 'enabled', coalesce(l.line -> 'rule' -> 'enabled', 'true'))
	WHEN l.line ? 'snapshot' THEN jsonb_build_object('snapshot', l.line -> 'snapshot', 'current', (l.line ->> 'generation')::bigint = upstream_error_generation(),
		'revision', (l.line ->> 'mask_revision')::bigint - (SELECT count(*) FROM upstream_error_changes AS c WHERE c.generation <= :start AND c.object LIKE 'mask%'))
	ELSE l.line END AS line
FROM (SELECT place, line::jsonb FROM regexp_split_to_table(rtrim(upstream_error_snapshot(), E'\n'), E'\n') WITH ORDINALITY AS t (line, place)) AS l ORDER BY 1;
SELECT right(upstream_error_snapshot(), 1) = E'\n' AS "ends with its line";
-- what a rule's line leaves out is the default: of a rule that has none, of one that has all but
INSERT INTO upstream_error_rules (name, error_codes) VALUES ('line of defaults', '{418}');
INSERT INTO upstream_error_rules (name, enabled, priority, error_codes, keywords, match_mode, platforms, passthrough_code, response_code, passthrough_body, custom_message, skip_monitoring, description, patterns, classes, codes, error_types, upstream_codes, models, channels, routes, formats, kinds, tags, min_attempt, max_attempt, has_output, response_type, response_error_code, retry_after, messages, action, cooldown_s, fingerprint)
VALUES ('line of everything', false, 7, '{418}', '{tea}', 'all', '{openai}', false, 503, false, E'a\\b\n{status}', true, 'why', '{a+}', '{rate_limit}', '{rate_limit_exceeded}', '{x}', '{y}', '{gpt-*}', '{c}', '{/v1/*}', '{openai}', '{http_error}', '{"team": ["a", "b"]}', 1, 3, false, 't', 'e', 60, '{"zh": "\u6ee1"}', 'cooldown', 30, 'tea');
SELECT r.name, (SELECT count(*) FROM jsonb_object_keys(l.rule)) AS members,
	upstream_error_rule_defaults() || l.rule = to_jsonb(r) - '{created_at,updated_at,generation}'::text[] || '{"description": null, "fingerprint": null}' AS "a rule is its row"
FROM (SELECT line::jsonb -> 'rule' AS rule FROM regexp_split_to_table(upstream_error_snapshot(), E'\n') AS t (line) WHERE line LIKE '{"rule"%') AS l
JOIN upstream_error_rules AS r ON r.id = (l.rule -> 'id')::bigint WHERE r.name LIKE 'line of %' ORDER BY 1;
DELETE FROM upstream_error_rules WHERE name LIKE 'line of %';
SET timezone = 'Asia/Kathmandu';
SELECT md5(upstream_error_snapshot()) AS elsewhere \gset
SET timezone = 'UTC';
SELECT md5(upstream_error_snapshot()) = :'elsewhere' AS "the same everywhere";

-- the log is nobody's to edit; nor is its order
\set VERBOSITY terse
DELETE FROM upstream_error_changes;
UPDATE upstream_error_changes SET changed_by = 'nobody';
TRUNCATE upstream_error_changes CASCADE;
\set VERBOSITY default
SELECT bool_and(changed_at >= previous) AS "in order" FROM (SELECT changed_at, lag(changed_at) OVER (ORDER BY generation) AS previous FROM upstream_error_changes) AS c;
SELECT DISTINCT changed_by = session_user AS "by whom" FROM upstream_error_changes;
-- it holds each row that exists
SELECT count(*) AS "not as the log says" FROM upstream_error_rules AS r LEFT JOIN upstream_error_changes AS c USING (generation)
WHERE (c.object, c.key, c.version) IS DISTINCT FROM ('rule', r.id::text, r.version) OR c.new IS DISTINCT FROM to_jsonb(r);

-- a search_path or an object of the caller's bends nothing
CREATE SCHEMA trap;
CREATE TABLE trap.upstream_error_changes (LIKE upstream_error_changes);
CREATE FUNCTION trap.to_jsonb(anyelement) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.btrim(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
SET search_path = trap, pg_catalog, public;
UPDATE upstream_error_rules SET priority = 10 WHERE id = 1001;
SELECT upstream_error_snapshot() IS NOT NULL AS snapshot, upstream_error_generation() > 0 AS generation;
RESET search_path;
SELECT count(*) FROM trap.upstream_error_changes;
DROP SCHEMA trap CASCADE;

-- what others have hung on the log does not run with its owner's rights
CREATE ROLE ue_stranger;
GRANT TRIGGER ON upstream_error_changes TO ue_stranger;
CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''struck by %'', current_user; END';
ALTER FUNCTION strike() OWNER TO ue_stranger;
SET ROLE ue_stranger;
CREATE TRIGGER strike BEFORE INSERT ON upstream_error_changes FOR EACH ROW EXECUTE FUNCTION strike();
RESET ROLE;
\set VERBOSITY terse
UPDATE upstream_error_rules SET priority = 11 WHERE id = 1001;
TRUNCATE upstream_error_rules;
\set VERBOSITY default
DROP TRIGGER strike ON upstream_error_changes;
DROP FUNCTION strike();
DROP OWNED BY ue_stranger;
DROP ROLE ue_stranger;

-- the largest id there is leaves ids for others, also when it is rolled back
BEGIN;
INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (9223372036854775807, 'the last', '{500}') RETURNING id;
ROLLBACK;
INSERT INTO upstream_error_rules (name, error_codes) VALUES ('one more', '{500}') RETURNING id < 10000 AS "goes on";
SELECT count(*) FROM upstream_error_rules_import('[{"id": 9223372036854775807, "name": "the last", "error_codes": [500]}, {"name": "and one", "error_codes": [500]}]');
SELECT id < 10000 AS "goes on" FROM upstream_error_rules WHERE name IN ('the last', 'and one') ORDER BY id;

TRUNCATE upstream_error_rules, upstream_error_mask_patterns, upstream_error_mask_hosts, upstream_error_messages, upstream_error_settings;
DROP FUNCTION changes_since;
