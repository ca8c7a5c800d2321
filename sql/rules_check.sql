-- What is refused, once each: which field, why, what is accepted, and whose row it is; then
-- the tests of rules, which a commit must pass.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE FUNCTION refused(assignment text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE format('INSERT INTO upstream_error_rules (name, error_codes, passthrough_code, response_code, %s) VALUES (''r'', ''{500}'', false, 503, %s)', assignment, value);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || ' / ' || detail;
END
$$;
-- rules, field by field
\a
SELECT field, value, refused(field, value) FROM (VALUES
	('id', '0'), ('id', '-1'), ('match_mode', $$'some'$$), ('match_mode', $$''$$), ('messages', $$'{"pt-BR": "a", "pt-br": "b"}'$$), ('keywords', $$'{"a"," "}'$$), ('keywords', $$'{NULL}'$$), ('keywords', $$ARRAY[repeat('x', 1025)]$$),
	('keywords', $$ARRAY(SELECT n::text FROM generate_series(1, 1001) AS n)$$),
	('patterns', $$'{"(a"}'$$), ('patterns', $$'{""}'$$), ('patterns', $$'{{a},{b}}'$$), ('classes', $$'{nonsense}'$$), ('codes', $$'{nonsense}'$$),
	('formats', $$'{nonsense}'$$), ('kinds', $$'{nonsense}'$$), ('tags', $$'[]'$$), ('tags', $$'{"team": 5}'$$), ('messages', $$'{"zh": 5}'$$), ('messages', $$'{"??": "x"}'$$),
	('min_attempt', '0'), ('max_attempt', '0'), ('retry_after', '0'), ('retry_after', '3601'), ('action', $$'explode'$$), ('action', $$'cooldown'$$),
	('cooldown_s', '10'), ('action, cooldown_s', $$'cooldown', 86401$$), ('passthrough_body', 'false'), ('passthrough_body, custom_message', $$false, E' \t'$$),
	('passthrough_body, custom_message', $$false, repeat('x', 8193)$$), ('description', $$'fine'$$)) AS t (field, value);
\a
INSERT INTO upstream_error_rules (name, error_codes) VALUES (' ', '{500}');
INSERT INTO upstream_error_rules (name, error_codes) VALUES (NULL, '{500}');
INSERT INTO upstream_error_rules (name, error_codes) VALUES (repeat('n', 101), '{500}');
INSERT INTO upstream_error_rules (name) VALUES ('no condition');
INSERT INTO upstream_error_rules (name, error_codes) VALUES ('a', '{99}');
INSERT INTO upstream_error_rules (name, error_codes, passthrough_code) VALUES ('no code', '{500}', false);
INSERT INTO upstream_error_rules (name, error_codes, passthrough_code, response_code) VALUES ('out of range', '{500}', false, 9999);
-- the rest of the tables
INSERT INTO upstream_error_mask_patterns (name, pattern) VALUES ('', 'x');
INSERT INTO upstream_error_mask_patterns (name, pattern) VALUES ('null', NULL);
INSERT INTO upstream_error_mask_patterns (name, pattern) VALUES ('broken', '(x');
INSERT INTO upstream_error_mask_patterns (name, pattern) VALUES ('everywhere', 'x*');
INSERT INTO upstream_error_mask_hosts (host) VALUES ('https://example.com/');
INSERT INTO upstream_error_mask_hosts (host) VALUES ('');
INSERT INTO upstream_error_mask_hosts (host) VALUES (NULL);
INSERT INTO upstream_error_messages (code, language, message) VALUES ('nonsense', 'en', 'x');
INSERT INTO upstream_error_messages (code, language, message) VALUES ('rate_limit_exceeded', '??', 'x');
INSERT INTO upstream_error_messages (code, language, message) VALUES ('rate_limit_exceeded', 'en', E' \n');
INSERT INTO upstream_error_messages (code, language, message) VALUES ('rate_limit_exceeded', 'en', repeat('x', 8193));
INSERT INTO upstream_error_settings (name, value) VALUES ('nonsense', 'x');
INSERT INTO upstream_error_settings (name, value) VALUES ('default_language', '5');
INSERT INTO upstream_error_rule_tests (name, status, expect_status) VALUES ('', 500, 500);
INSERT INTO upstream_error_rule_tests (name, status, expect_status) VALUES ('status', 99, 500);
INSERT INTO upstream_error_rule_tests (name, status) VALUES ('looks at nothing', 500);
INSERT INTO upstream_error_rule_tests (name, headers, expect_status) VALUES ('headers', '[]', 500);
INSERT INTO upstream_error_rule_tests (name, tags, expect_status) VALUES ('tags', '5', 500);
INSERT INTO upstream_error_rule_tests (name, attempt, expect_status) VALUES ('attempt', 0, 500);
INSERT INTO upstream_error_rule_tests (name, expect_status) VALUES ('expect_status', 600);
INSERT INTO upstream_error_rule_tests (name, expect_body_contains) VALUES ('contains', '');
INSERT INTO upstream_error_rule_tests (name, expect_action) VALUES ('action', 'explode');
INSERT INTO upstream_error_rule_tests (name, attempt, expect_status) VALUES ('attempt', 1001, 500);
INSERT INTO upstream_error_rule_tests (name, format, expect_status) VALUES ('format', 'soap', 500);
INSERT INTO upstream_error_rule_tests (name, format, expect_status) VALUES ('format', '', 500);
INSERT INTO upstream_error_rule_tests (name, kind, expect_status) VALUES ('kind', 'mishap', 500);
INSERT INTO upstream_error_rule_tests (name, network_error, expect_status) VALUES ('network_error', 'weather', 500);
INSERT INTO upstream_error_rule_tests (name, credential, expect_status) VALUES ('credential', 'theirs', 500);
INSERT INTO upstream_error_rule_tests (name, headers, expect_status) VALUES ('headers', '{"retry-after": 7}', 500);
INSERT INTO upstream_error_rule_tests (name, headers, expect_status) VALUES ('headers', '{"set-cookie": ["a", null]}', 500);
INSERT INTO upstream_error_rule_tests (name, tags, expect_status) VALUES ('tags', '{"team": {"a": "b"}}', 500);
INSERT INTO upstream_error_rule_tests (name, kind, expect_status) VALUES ('local_code', 'local_error', 503);
INSERT INTO upstream_error_rule_tests (name, kind, local_code, expect_status) VALUES ('local_code', 'local_error', 'no_such_code', 503);
INSERT INTO upstream_error_rule_tests (name, local_code, expect_status) VALUES ('local_code', 'no_channel', 503);

-- tests of rules: one that does not hold is not taken
TRUNCATE upstream_error_rules;
INSERT INTO upstream_error_rules (id, name, error_codes, keywords, match_mode, passthrough_code, response_code, passthrough_body, custom_message, messages)
VALUES (2001, 'overload', '{529}', '{overloaded}', 'all', false, 503, false, 'Busy, back in {retry_after} s.', '{"zh": "繁忙"}');
INSERT INTO upstream_error_rule_tests (name, platform, status, body, expect_rule) VALUES ('wrong', 'anthropic', 429, '{"error":{"message":"Overloaded"}}', 'overload');
INSERT INTO upstream_error_rule_tests (id, name, platform, status, body, format, expect_rule, expect_status, expect_body_contains)
VALUES (1, 'overload is told as 503', 'anthropic', 529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', 'openai', 'overload', 503, 'Busy, back in');
INSERT INTO upstream_error_rule_tests (id, name, platform, status, body, expect_rule, expect_status, expect_body_contains)
VALUES (2, 'others are left alone', 'anthropic', 429, '{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}', '', 429, 'Slow down');
-- a change that breaks it is refused: by the rule, by its end, by another rule, by a mask
UPDATE upstream_error_rules SET response_code = 502 WHERE id = 2001;
UPDATE upstream_error_rules SET enabled = false WHERE id = 2001;
DELETE FROM upstream_error_rules WHERE id = 2001;
TRUNCATE upstream_error_rules;
INSERT INTO upstream_error_rules (name, priority, error_codes) VALUES ('greedy', -1, '{429,529}');
INSERT INTO upstream_error_mask_patterns (name, pattern) VALUES ('hides the answer', 'Slow');
-- both at once are fine, in any order; nothing is said until the commit
BEGIN;
UPDATE upstream_error_rules SET response_code = 502 WHERE id = 2001;
UPDATE upstream_error_rule_tests SET expect_status = 502 WHERE id = 1;
COMMIT;
BEGIN;
UPDATE upstream_error_rules SET response_code = 500 WHERE id = 2001;
SELECT name, passed FROM upstream_error_test_rules() ORDER BY 1;
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE upstream_error_rules SET priority = 3 WHERE id = 2001;
INSERT INTO upstream_error_messages (code, language, message) VALUES ('rate_limit_exceeded', 'fr', 'Trop de demandes.');
UPDATE upstream_error_rules SET response_code = 500 WHERE id = 2001;
ROLLBACK;
-- a savepoint takes back what was wrong
BEGIN;
SAVEPOINT s;
UPDATE upstream_error_rules SET response_code = 500 WHERE id = 2001;
ROLLBACK TO s;
UPDATE upstream_error_rules SET priority = 4 WHERE id = 2001;
COMMIT;
-- a test that is switched off is not run
UPDATE upstream_error_rule_tests SET enabled = false WHERE id = 1;
UPDATE upstream_error_rules SET response_code = 500 WHERE id = 2001;
UPDATE upstream_error_rule_tests SET enabled = true WHERE id = 1;
-- a thousand rules are one check
INSERT INTO upstream_error_rules (name, keywords) SELECT 'many ' || n, ARRAY['keyword' || n] FROM generate_series(1, 1000) AS n;
SELECT id, response_code, version FROM upstream_error_rules WHERE id = 2001;
SELECT string_agg(operation || ' ' || version, ', ' ORDER BY generation) FROM upstream_error_changes WHERE object = 'rule' AND key = '2001';

TRUNCATE upstream_error_rule_tests;
TRUNCATE upstream_error_rules, upstream_error_mask_patterns, upstream_error_mask_hosts, upstream_error_messages, upstream_error_settings;
DROP FUNCTION refused;
