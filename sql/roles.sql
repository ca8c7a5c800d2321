-- The three roles: who can do what, and nobody else anything.
SET client_min_messages = warning;
TRUNCATE upstream_error_events;
SELECT upstream_error_create_roles();
SELECT upstream_error_create_roles(); -- again
SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'upstream\_errors\_%' ORDER BY 1;

CREATE FUNCTION may(who name) RETURNS TABLE (function text) LANGUAGE sql AS $$
	SELECT p.proname || CASE WHEN p.pronargs < 5 THEN '(' || oidvectortypes(p.proargtypes) || ')' ELSE '(...)' END
	FROM pg_proc AS p WHERE p.proname LIKE 'upstream\_error%' AND has_function_privilege(who, p.oid, 'EXECUTE')
	ORDER BY 1
$$;
\a
SELECT may('upstream_errors_reader') AS reader;
SELECT may('upstream_errors_writer') AS writer;
\a
SELECT count(*) AS "the admin may not" FROM (
	SELECT FROM pg_proc AS p WHERE p.proname LIKE 'upstream\_error%' AND p.prorettype NOT IN ('internal'::regtype, 'trigger'::regtype)
		AND NOT has_function_privilege('upstream_errors_admin', p.oid, 'EXECUTE')) AS f;
SELECT r.role, p.privilege FROM (VALUES ('upstream_errors_reader'), ('upstream_errors_writer'), ('upstream_errors_admin')) AS r (role),
	unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
WHERE has_table_privilege(r.role, 'upstream_error_events', p.privilege) ORDER BY 1, 2;

CREATE ROLE ue_reader IN ROLE upstream_errors_reader;
CREATE ROLE ue_writer IN ROLE upstream_errors_writer;
CREATE ROLE ue_nobody;
\set VERBOSITY terse
-- a reader reads, through every form, and does nothing else
SET ROLE ue_reader;
SELECT count(*) FROM upstream_errors('1h');
SELECT count(*) FROM upstream_errors(interval '1h');
SELECT count(*) FROM upstream_errors(now() - interval '1h');
SELECT count(*) FROM upstream_errors(tstzrange(now() - interval '1h', now()));
SELECT count(*) FROM upstream_errors((SELECT now() - interval '1h'));
SELECT class FROM upstream_error_classify('openai', 429, '{}');
SELECT count(*) > 0 AS codes FROM upstream_error_codes();
SELECT count(*) FROM upstream_error_partitions();
-- whatever a reader may call, he may call with all that it calls
SELECT upstream_error_rules_export();
SELECT count(*) FROM upstream_error_rules_at('1h');
SELECT count(*) FROM upstream_error_rule_version(1, 1);
SELECT upstream_error_maintain();
DELETE FROM upstream_error_events;
SELECT upstream_error_create_roles();
-- a writer records and maintains with the owner's rights, and sees nothing
SET ROLE ue_writer;
SELECT partitions_skipped FROM upstream_error_maintain();
SELECT class FROM upstream_error_decide_batch('{openai}', '{http_error}', '{none}', '{429}', '{""}', '{""}', '{openai}', '{client}', '{f}', '{r}', '{m}', '{NULL}', '{NULL}', ARRAY[now()], '{NULL}');
SELECT * FROM upstream_error_events;
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class) VALUES (now(), gen_random_uuid(), 'r', 'p', 'k', 'c');
SELECT count(*) FROM upstream_errors('1h');
-- others get nothing
SET ROLE ue_nobody;
SELECT upstream_error_mask('x');
SELECT count(*) FROM upstream_errors('1h');
SELECT * FROM upstream_error_scan(now(), now());
RESET ROLE;
\set VERBOSITY default

-- rows of a partition that the writer's call made belong to the owner of the table
SELECT bool_and(c.relowner = t.relowner) AS "owner's"
FROM upstream_error_partitions() AS p JOIN pg_class AS c ON c.oid = p.partition, pg_class AS t
WHERE t.oid = 'upstream_error_events'::regclass;

-- a search_path or an object of the caller's bends nothing
CREATE SCHEMA trap;
GRANT USAGE ON SCHEMA trap TO ue_writer;
CREATE TABLE trap.upstream_error_events (LIKE upstream_error_events);
CREATE FUNCTION trap.cardinality(anyarray) RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
SET search_path = trap, pg_catalog, public;
SELECT count(*) FROM upstream_errors('1h');
SELECT count(*) FROM upstream_errors(interval '1h');
SELECT partitions_skipped FROM upstream_error_maintain();
RESET search_path;
DROP SCHEMA trap CASCADE;

DROP OWNED BY ue_reader, ue_writer, ue_nobody;
DROP ROLE ue_reader, ue_writer, ue_nobody;
DROP FUNCTION may;
DO $$
DECLARE
	partition regclass;
BEGIN
	FOR partition IN SELECT p.partition FROM upstream_error_partitions() AS p LOOP
		EXECUTE format('DROP TABLE %s', partition);
	END LOOP;
END
$$;
DROP OWNED BY upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP ROLE upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
