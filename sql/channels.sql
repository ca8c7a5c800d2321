-- Channels and retry policies: what is accepted, what is refused, what is logged, and how
-- they reach a sidecar.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SELECT upstream_error_generation() AS start \gset

-- a channel with everything, and one with as little as possible
INSERT INTO upstream_error_channels (id, name, platform, base_url, priority, weight, models, credential, account_id, proxy,
	model_mapping, status_code_mapping, connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, description)
VALUES (101, ' main ', ' OpenAI ', ' https://api.example.com:8443/v1 ', -1, 3, '{gpt-*,o3}', ' env:OPENAI_KEY ', 'acc-1', 'http://proxy.example.com:3128',
	'{"gpt-4": "gpt-4-0613"}', '{"429": "503", "529": 503}', 1000, 20000, 5000, 'the first');
INSERT INTO upstream_error_channels (id, name, platform, base_url) VALUES (102, 'spare', 'openai', 'http://127.0.0.1:8080');
SELECT to_jsonb(c) - '{created_at,updated_at,generation}'::text[] AS channel FROM upstream_error_channels AS c ORDER BY id;

-- null stands for a default; a blank reference for none
INSERT INTO upstream_error_channels (id, name, platform, base_url, enabled, priority, weight, models, model_mapping, status_code_mapping, credential, proxy)
VALUES (103, 'nulls', 'gemini', 'https://g.example.com', NULL, NULL, NULL, NULL, NULL, 'null', ' ', '')
RETURNING enabled, priority, weight, models, model_mapping, status_code_mapping, credential, proxy;

-- refused, one by one
CREATE PROCEDURE refuse(statement text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RAISE WARNING 'accepted: %', statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE WARNING '% % [%]', SQLSTATE, SQLERRM, detail;
END
$$;
CREATE PROCEDURE refuse_channel(fields jsonb) LANGUAGE plpgsql AS $$
BEGIN
	CALL refuse(format($s$INSERT INTO upstream_error_channels
		SELECT * FROM jsonb_populate_record(NULL::upstream_error_channels, %L)$s$,
		'{"id": 900, "name": "bad", "platform": "openai", "base_url": "https://api.example.com"}'::jsonb || fields));
END
$$;
CALL refuse_channel('{"name": "  "}');
CALL refuse_channel('{"name": null}');
CALL refuse_channel(jsonb_build_object('name', repeat('x', 101)));
CALL refuse_channel('{"name": "main"}');
CALL refuse_channel('{"platform": " "}');
CALL refuse_channel('{"platform": null}');
CALL refuse_channel('{"base_url": null}');
CALL refuse_channel('{"base_url": "ftp://files.example.com"}');
CALL refuse_channel('{"base_url": "api.example.com"}');
CALL refuse_channel('{"base_url": "https://"}');
CALL refuse_channel('{"base_url": "https:///v1"}');
CALL refuse_channel('{"base_url": "https://user:sk-secret@api.example.com"}');
CALL refuse_channel('{"base_url": "https://api.example.com/v1?key=sk-secret"}');
CALL refuse_channel('{"base_url": "https://api.example.com/a b"}');
CALL refuse_channel('{"weight": -1}');
CALL refuse_channel('{"weight": 1000001}');
CALL refuse_channel('{"models": ["gpt-4", " "]}');
CALL refuse_channel('{"credential": "sk-abcdefghijklmnopqrstuvwxyz"}');
CALL refuse_channel('{"credential": "env:"}');
CALL refuse_channel('{"credential": "env:A-B"}');
CALL refuse_channel('{"credential": "file:relative"}');
CALL refuse_channel('{"proxy": "http://user:pass@proxy"}');
CALL refuse_channel('{"model_mapping": {"gpt-4": 4}}');
CALL refuse_channel('{"model_mapping": {"gpt-4": " "}}');
CALL refuse_channel('{"model_mapping": ["gpt-4"]}');
CALL refuse_channel('{"status_code_mapping": {"429": "abc"}}');
CALL refuse_channel('{"status_code_mapping": {"429": 99}}');
CALL refuse_channel('{"status_code_mapping": {"429": 503.5}}');
CALL refuse_channel('{"status_code_mapping": {"x": 503}}');
CALL refuse_channel('{"connect_timeout_ms": -1}');
CALL refuse_channel('{"first_byte_timeout_ms": 99999999999}');
CALL refuse_channel('{"idle_timeout_ms": -1}');
SELECT count(*) AS "channels left" FROM upstream_error_channels;

-- the check by itself
SELECT upstream_error_channel_check('{"name": "a", "platform": "openai", "base_url": "https://a.example"}');
SELECT upstream_error_channel_check('{"name": "a", "platform": "openai", "base_url": "https://a.example", "nickname": "b"}');
SELECT upstream_error_channel_check('[]');
SELECT upstream_error_channel_check(NULL);

-- statuses as new-api writes them
SELECT t.written, upstream_error_statuses(t.written) FROM (VALUES
	('500-505,504,401,403,402'), ('429'), (''), (' , ,, '), ('401-407，429，500-599'), (' 500 - 502 , 503'), ('100-599'), (NULL)) AS t (written);
CALL refuse($$SELECT upstream_error_statuses('99')$$);
CALL refuse($$SELECT upstream_error_statuses('429, foo, 600')$$);
CALL refuse($$SELECT upstream_error_statuses('505-500')$$);
CALL refuse($$SELECT upstream_error_statuses('4 29-')$$);

-- what null stands for; new-api's AutomaticRetryStatusCodes
SELECT * FROM upstream_error_retry_defaults() \gx

-- a retry policy: statuses are shown the short way, whatever is not said is null
INSERT INTO upstream_error_retry_policies (id, name, platforms, models, routes, max_attempts, retry_statuses, retry_networks, retry_classes,
	stop_classes, stop_codes, backoff_ms)
VALUES (201, ' patient ', '{" OpenAI "}', '{gpt-*}', '{/v1/*}', 5, '429，500-505,504,401,403,402', '{reset,connect}', '{overloaded}',
	'{billing}', '{rate_limit_exceeded}', 100)
RETURNING name, platforms, retry_statuses, max_attempts, max_channel_attempts, hold_ms, version;
UPDATE upstream_error_retry_policies SET retry_statuses = '500-599, 429' WHERE id = 201 RETURNING retry_statuses, version;
UPDATE upstream_error_retry_policies SET retry_statuses = '429,500-550,551-599' WHERE id = 201 RETURNING retry_statuses, version AS "same version";
-- the defaults can be taken over as a row
INSERT INTO upstream_error_retry_policies (id, name, priority, max_attempts, max_channel_attempts, retry_statuses, retry_networks, retry_classes,
	stop_classes, stop_codes, retry_request_faults, backoff_ms, backoff_max_ms, failover_wait_ms, hint_max_ms, total_timeout_ms,
	attempt_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, budget_percent, budget_burst, hold_events, hold_bytes, hold_ms)
SELECT 202, 'defaults', 10, d.* FROM upstream_error_retry_defaults() AS d
RETURNING (SELECT to_jsonb(d) FROM upstream_error_retry_defaults() AS d) <@ to_jsonb(upstream_error_retry_policies) AS "as they are";

CREATE PROCEDURE refuse_policy(fields jsonb) LANGUAGE plpgsql AS $$
BEGIN
	CALL refuse(format($s$INSERT INTO upstream_error_retry_policies
		SELECT * FROM jsonb_populate_record(NULL::upstream_error_retry_policies, %L)$s$, '{"id": 901, "name": "bad"}'::jsonb || fields));
END
$$;
CALL refuse_policy('{"name": ""}');
CALL refuse_policy('{"max_attempts": 0}');
CALL refuse_policy('{"max_attempts": 101}');
CALL refuse_policy('{"max_channel_attempts": 0}');
CALL refuse_policy('{"retry_statuses": "429,6oo"}');
CALL refuse_policy('{"retry_networks": ["slow"]}');
CALL refuse_policy('{"retry_classes": ["bad_luck"]}');
CALL refuse_policy('{"stop_classes": ["bad_luck"]}');
CALL refuse_policy('{"stop_codes": ["no_such_code"]}');
CALL refuse_policy('{"stop_codes": [" "]}');
CALL refuse_policy('{"backoff_ms": -1}');
CALL refuse_policy('{"backoff_max_ms": 86400001}');
CALL refuse_policy('{"failover_wait_ms": -1}');
CALL refuse_policy('{"hint_max_ms": -1}');
CALL refuse_policy('{"total_timeout_ms": -1}');
CALL refuse_policy('{"attempt_timeout_ms": -1}');
CALL refuse_policy('{"first_byte_timeout_ms": -1}');
CALL refuse_policy('{"idle_timeout_ms": -1}');
CALL refuse_policy('{"budget_percent": 10001}');
CALL refuse_policy('{"budget_burst": -1}');
CALL refuse_policy('{"hold_events": 10001}');
CALL refuse_policy('{"hold_bytes": 16777217}');
CALL refuse_policy('{"hold_ms": -1}');
CALL refuse_policy('{"models": [" "]}');
SELECT count(*) AS "policies left" FROM upstream_error_retry_policies;

-- the log: who, what, versions; ids cannot be changed
UPDATE upstream_error_channels SET enabled = false WHERE id = 102;
UPDATE upstream_error_channels SET enabled = false WHERE id = 102 RETURNING version AS "nothing changed";
UPDATE upstream_error_channels SET id = 999 WHERE id = 102;
DELETE FROM upstream_error_channels WHERE id = 103;
INSERT INTO upstream_error_channels (id, name, platform, base_url) VALUES (103, 'again', 'gemini', 'https://g.example.com') RETURNING version;
SELECT object, key, version, operation, changed_by = session_user AS mine, new ->> 'name' AS name
FROM upstream_error_changes WHERE generation > :start ORDER BY generation;

-- as a sidecar gets them: by (priority, id), all of them; the backend compiles the same text
SELECT l.line::jsonb #- '{channel,created_at}' #- '{channel,updated_at}' #- '{channel,generation}'
	#- '{retry_policy,created_at}' #- '{retry_policy,updated_at}' #- '{retry_policy,generation}' AS line
FROM regexp_split_to_table(upstream_error_snapshot(), E'\n') WITH ORDINALITY AS l (line, place)
WHERE l.line ~ '^\{"(channel|retry_policy)"' ORDER BY l.place;
SELECT (split_part(upstream_error_snapshot(), E'\n', 1)::jsonb ->> 'generation')::bigint = upstream_error_generation() AS "current";
SELECT response_status, class FROM upstream_error_explain('openai', 429, '{"error":{"message":"slow down"}}', channel => 'spare');
SELECT response_status, class FROM upstream_error_explain('openai', 429, '{"error":{"message":"slow down"}}', channel => 'main');

-- TRUNCATE is logged; nothing is left in the snapshot
TRUNCATE upstream_error_channels, upstream_error_retry_policies;
SELECT object, key, version, operation FROM upstream_error_changes WHERE operation = 'delete' AND generation > :start ORDER BY object, key, version;
SELECT count(*) FROM regexp_split_to_table(upstream_error_snapshot(), E'\n') AS l (line) WHERE l.line ~ '^\{"(channel|retry_policy)"';

-- rights: a reader sees, an admin writes
SELECT upstream_error_create_roles();
SET ROLE upstream_errors_reader;
SELECT count(*) FROM upstream_error_channels, upstream_error_retry_policies;
INSERT INTO upstream_error_channels (name, platform, base_url) VALUES ('x', 'openai', 'https://a.example');
SELECT max_attempts FROM upstream_error_retry_defaults();
RESET ROLE;
SET ROLE upstream_errors_writer;
SELECT count(*) FROM upstream_error_channels;
RESET ROLE;
SET ROLE upstream_errors_admin;
INSERT INTO upstream_error_channels (id, name, platform, base_url) VALUES (104, 'x', 'openai', 'https://a.example') RETURNING version;
INSERT INTO upstream_error_retry_policies (id, name) VALUES (204, 'x') RETURNING version;
DELETE FROM upstream_error_channels;
DELETE FROM upstream_error_retry_policies;
RESET ROLE;
DROP PROCEDURE refuse_channel, refuse_policy, refuse;
DROP OWNED BY upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP ROLE upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
-- the log of changes is for ever; others count in theirs
DROP EXTENSION upstream_errors;
CREATE EXTENSION upstream_errors;
