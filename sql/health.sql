-- Health rules, transitions and what they make of the state of channels, and clearing it.
SET client_min_messages = warning;
\set SHOW_CONTEXT never

-- the rules that hold without any: the sidecar's own, as rows
SELECT id, name, scope, action, threshold, window_s, use_hint, duration_s, base_s, max_s, classes, cardinality(keywords) AS keywords
FROM upstream_error_health_defaults();
SELECT count(*) AS "lines of no rule" FROM regexp_split_to_table(upstream_error_snapshot(), E'\n') AS l (line) WHERE l.line ~ '^\{"health_rule"';
-- taken over they are the same to a sidecar
INSERT INTO upstream_error_health_rules SELECT * FROM upstream_error_health_defaults();
SELECT count(*) AS rules, bool_and(version = 1 AND created_at IS NOT NULL AND generation > 0) AS "numbered" FROM upstream_error_health_rules;
SELECT count(*) AS same
FROM upstream_error_health_default_lines() AS d (line)
JOIN regexp_split_to_table(upstream_error_snapshot(), E'\n') AS l (line) ON l.line ~ '^\{"health_rule"' AND (l.line::jsonb #> '{health_rule,id}') = d.line -> 'id'
WHERE d.line - 'match' <@ (l.line::jsonb -> 'health_rule') - 'match' AND d.line -> 'match' <@ (l.line::jsonb #> '{health_rule,match}');
SELECT object, count(*) FROM upstream_error_changes WHERE object = 'health_rule' GROUP BY 1;
-- one is edited: its line says so
UPDATE upstream_error_health_rules SET duration_s = 600, use_hint = NULL, keywords = '{" broke "}', platforms = '{ OpenAI }' WHERE name = 'key refused'
RETURNING version, use_hint, keywords, platforms, upstream_error_health_rule_line(to_jsonb(upstream_error_health_rules));
SELECT class AS "the snapshot compiles" FROM upstream_error_explain('openai', 429, '{}');

CREATE PROCEDURE refuse_rule(fields jsonb) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	INSERT INTO upstream_error_health_rules SELECT * FROM jsonb_populate_record(NULL::upstream_error_health_rules,
		'{"id": 900, "name": "bad", "classes": ["rate_limit"]}'::jsonb || fields);
	RAISE WARNING 'accepted: %', fields;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE WARNING '% % [%]', SQLSTATE, SQLERRM, detail;
END
$$;
CALL refuse_rule('{"name": " "}');
CALL refuse_rule('{"classes": []}');
CALL refuse_rule('{"classes": ["bad_luck"]}');
CALL refuse_rule('{"codes": ["no_such_code"]}');
CALL refuse_rule('{"error_codes": [99]}');
CALL refuse_rule('{"keywords": [" "]}');
CALL refuse_rule('{"patterns": ["a("]}');
CALL refuse_rule('{"match_mode": "some"}');
CALL refuse_rule('{"scope": "platform"}');
CALL refuse_rule('{"action": "answer"}');
CALL refuse_rule('{"threshold": 0}');
CALL refuse_rule('{"threshold": 33}');
CALL refuse_rule('{"window_s": 0}');
CALL refuse_rule('{"duration_s": 0}');
CALL refuse_rule('{"duration_s": 2678401}');
CALL refuse_rule('{"base_s": 0}');
CALL refuse_rule('{"base_s": 100, "max_s": 99}');
CALL refuse_rule('{"models": [""]}');
SELECT upstream_error_health_rule_check('{"name": "a", "classes": ["network"], "cooldown": 3}');
SELECT upstream_error_health_rule_check('[]');
SELECT upstream_error_health_rule_check('{"name": "a", "classes": ["network"], "threshold": 3}');
TRUNCATE upstream_error_health_rules;

-- transitions: at, channel, model, state, end, level; the rest is made up
INSERT INTO upstream_error_channels (id, name, platform, base_url) VALUES (1, 'a', 'openai', 'https://a.example'), (2, 'b', 'openai', 'https://b.example');
CREATE TABLE start AS SELECT date_trunc('second', now()) - interval '1 h' AS at;
CREATE FUNCTION at(seconds int) RETURNS timestamptz LANGUAGE sql SECURITY DEFINER AS $$ SELECT s.at + seconds * interval '1 s' FROM start AS s $$;
CREATE FUNCTION tell(n int, at_s int, channel_id bigint, model text, to_state text, until_s int DEFAULT NULL, level int DEFAULT 1,
	from_state text DEFAULT 'healthy') RETURNS bigint LANGUAGE sql AS $$
	SELECT upstream_error_record_transitions(ARRAY[at(at_s)], ARRAY[format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid],
		ARRAY[channel_id], ARRAY[CASE channel_id WHEN 1 THEN 'a' ELSE 'b' END], ARRAY[model], ARRAY[from_state], ARRAY[to_state], ARRAY[at(until_s)],
		ARRAY[level], ARRAY['slow down ' || n], '{rate_limit}', '{429}', '{1}', ARRAY[gen_random_uuid()], ARRAY['req_' || n], '{i1}')
$$;
CREATE VIEW health AS
	SELECT channel_id AS c, model, state, extract(epoch FROM until - at(0))::int AS until_s, level, reason, extract(epoch FROM changed_at - at(0))::int AS changed_s
	FROM upstream_error_channel_health ORDER BY 1, 2;
SELECT tell(1, 0, 1, 'm', 'cooling', 60);
SELECT tell(1, 0, 1, 'm', 'cooling', 60) AS "again, not new";
SELECT channel_id, channel, model, state, extract(epoch FROM until - at(0))::int AS until_s, level, reason, class, status_code, changed_at = at(0) AS at FROM upstream_error_health();
SELECT to_jsonb(t) - '{at,until,event_id}'::text[] AS transition FROM upstream_error_channel_transitions AS t;
-- the later end wins, an earlier one does not shorten it; of two the higher level stays
SELECT tell(2, 5, 1, 'm', 'cooling', 90, 2), tell(3, 6, 1, 'm', 'cooling', 30, 5);
SELECT * FROM health;
SELECT tell(4, 7, 1, 'm', 'cooling', 100, 1);
SELECT * FROM health;
-- a graver one wins although it ends earlier, a lighter one does not
SELECT tell(5, 8, 1, 'm', 'disabled', 50);
SELECT * FROM health;
SELECT tell(6, 9, 1, 'm', 'cooling', 500);
SELECT * FROM health;
-- unless it was over when the other began, in whichever order they come
SELECT tell(7, 51, 1, 'm', 'cooling', 70);
SELECT tell(8, 10, 1, 'm', 'disabled', 40);
SELECT * FROM health;
-- an end that is older than the state does not end it
SELECT tell(9, 50, 1, 'm', 'healthy', NULL, 0, 'cooling');
SELECT * FROM health;
SELECT tell(10, 52, 1, 'm', 'healthy', 999, 0, 'cooling');
SELECT * FROM health;
SELECT count(*) AS "all are well" FROM upstream_error_health();
-- what began before that does not count, what begins after it does, from the first level
SELECT tell(11, 50, 1, 'm', 'disabled', NULL), tell(12, 53, 1, 'm', 'cooling', 54, 1);
SELECT * FROM health;
-- until it is cleared: no end
SELECT tell(13, 60, 1, '', 'disabled', NULL), tell(14, 61, 1, '', 'disabled', 99999), tell(15, 62, 1, '', 'cooling', 99999), tell(16, 60, 2, 'm2', 'cooling', 70);
SELECT * FROM health;
-- a batch, in no order, one of it known; nothing of one that is refused
SELECT upstream_error_record_transitions(ARRAY[at(72), at(71), at(60)],
	'{00000000-0000-4000-8000-000000000018,00000000-0000-4000-8000-000000000017,00000000-0000-4000-8000-000000000016}',
	'{2,2,2}', '{b,b,b}', '{m2,m2,m2}', '{cooling,healthy,healthy}', '{healthy,cooling,cooling}', ARRAY[NULL, at(80), at(70)],
	'{0,2,1}', '{NULL,x,x}', '{NULL,NULL,NULL}', '{NULL,NULL,NULL}', '{NULL,NULL,NULL}', '{NULL,NULL,NULL}', '{NULL,NULL,NULL}', '{i2,i2,i2}');
SELECT * FROM health WHERE c = 2;
SELECT upstream_error_record_transitions('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') AS nothing;
SELECT tell(20, 90, 2, 'm2', 'cooling', NULL);
\set VERBOSITY terse
SELECT tell(20, 90, 2, 'm2', 'tired', 100);
SELECT tell(20, 90, 2, 'm2', 'cooling', 100, 1, 'tired');
SELECT tell(20, NULL, 2, 'm2', 'cooling', 100);
\set VERBOSITY default
SELECT upstream_error_record_transitions(ARRAY[at(1)], '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT upstream_error_record_transitions('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL, '{}', '{}', '{}', '{}');
SELECT upstream_error_record_transitions(NULL, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT count(*) AS "as before" FROM upstream_error_channel_transitions;
-- a channel that nobody knows is kept, and not shown
SELECT tell(21, 90, 77, 'm', 'cooling', 100);
SELECT c, state FROM health WHERE c = 77;
SELECT channel, model, state, until IS NULL AS "for good" FROM upstream_error_health();

-- clearing: one model, then all; who and why is kept
SELECT upstream_error_clear_health('a', 'm', ' quota was raised ');
SELECT upstream_error_clear_health('a', 'm');
SELECT upstream_error_clear_health('a');
SELECT upstream_error_clear_health('a', '');
SELECT channel, model, from_state, to_state, until, replace(reason, session_user, 'ME') AS reason, instance
FROM upstream_error_channel_transitions WHERE reason LIKE 'cleared%' ORDER BY at;
SELECT c, model, state, until_s, level, replace(reason, session_user, 'ME') AS reason FROM health WHERE c = 1;
SELECT upstream_error_clear_health('nobody');
SELECT upstream_error_clear_health(NULL);
-- what a sidecar saw before that comes too late, even with a clock that is ahead
SELECT tell(22, 63, 1, 'm', 'disabled', NULL), tell(23, 7200, 2, 'm', 'cooling', 9000);
SELECT upstream_error_clear_health('b'), (SELECT state FROM health WHERE c = 2 AND model = 'm');
SELECT c, model, state, changed_s = 7200 AS ahead FROM health WHERE c < 3;
-- a clock that is months ahead does not decide for months: its pause is as long as it is meant, and from now
SELECT tell(24, 30000000, 2, 'm3', 'cooling', 30000060), tell(25, 30000000, 2, 'm4', 'healthy', NULL, 0, 'cooling'), tell(26, 30000000, 2, 'm5', 'disabled', NULL);
SELECT model, state, changed_at BETWEEN now() - interval '1 min' AND clock_timestamp() AS "from now", round(extract(epoch FROM until - changed_at)) AS s
FROM upstream_error_channel_health WHERE channel_id = 2 AND model IN ('m3', 'm4', 'm5') ORDER BY 1;
SELECT to_char(max(at) - at(0), 'DDD') AS "days ahead, as told" FROM upstream_error_channel_transitions;
\set VERBOSITY terse
SELECT upstream_error_record_transitions(ARRAY['infinity'::timestamptz], ARRAY[gen_random_uuid()], '{2}', '{b}', '{m}', '{healthy}', '{cooling}', ARRAY[now()], '{1}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{i1}');
\set VERBOSITY default
DELETE FROM upstream_error_channel_health WHERE model IN ('m3', 'm4', 'm5');
-- cleared by hand does not enable what is disabled by hand
UPDATE upstream_error_channels SET enabled = false WHERE name = 'b';
SELECT upstream_error_clear_health('b'), enabled FROM upstream_error_channels WHERE name = 'b';

-- what is over goes after a day, the history with the counts
UPDATE upstream_error_channel_health SET changed_at = changed_at - interval '26 h', until = until - interval '26 h';
INSERT INTO upstream_error_channel_health (channel_id, model, state, changed_at) VALUES (1, 'for good', 'disabled', now() - interval '90 days');
INSERT INTO upstream_error_channel_health (channel_id, model, state, until, changed_at) VALUES (1, 'long', 'cooling', now() + interval '1 h', now() - interval '3 days');
INSERT INTO upstream_error_channel_transitions (at, transition_id, channel_id, from_state, to_state) VALUES (now() - interval '10 years', gen_random_uuid(), 1, 'healthy', 'disabled');
SELECT already_running FROM upstream_error_maintain();
SELECT c, model, state FROM health;
SELECT min(at) > now() - interval '1 day' AS "the old one is gone" FROM upstream_error_channel_transitions;

-- rights
SELECT upstream_error_create_roles();
SET ROLE upstream_errors_writer;
SELECT tell(30, 100, 1, 'm', 'cooling', 200);
SELECT count(*) FROM upstream_error_health();
SELECT upstream_error_clear_health('a');
SELECT count(*) FROM upstream_error_channel_health;
RESET ROLE;
SET ROLE upstream_errors_reader;
SELECT count(*) FROM upstream_error_health();
SELECT count(*) > 5 AS history FROM upstream_error_channel_transitions;
SELECT upstream_error_clear_health('a');
SELECT tell(31, 100, 1, 'm', 'cooling', 200);
RESET ROLE;
SET ROLE upstream_errors_admin;
SELECT upstream_error_clear_health('a');
RESET ROLE;
SELECT reason = 'cleared by ' || session_user AS "who logged in" FROM upstream_error_channel_transitions WHERE channel = 'a' ORDER BY at DESC LIMIT 1;

DROP VIEW health;
DROP FUNCTION tell, at;
DROP TABLE start;
DROP PROCEDURE refuse_rule;
DROP OWNED BY upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP ROLE upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP EXTENSION upstream_errors;
CREATE EXTENSION upstream_errors;
