-- Row security on the events holds in every function, whatever it reads besides them.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SELECT upstream_error_create_roles();
CREATE ROLE tenant;
GRANT upstream_errors_reader TO tenant;
TRUNCATE upstream_error_events, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days,
	upstream_error_late_days, upstream_error_traffic;
DO $$
DECLARE
	partition regclass;
BEGIN
	FOR partition IN SELECT p.partition FROM upstream_error_partitions() AS p LOOP
		EXECUTE format('DROP TABLE %s', partition);
	END LOOP;
END
$$;
-- the same failures of two teams, but for the words; theirs are twice as many
CREATE FUNCTION add_events(team text, n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO upstream_error_events (at, event_id, request_id, attempt, platform, channel, account_id, route, model,
		upstream_model, kind, class, error_type, error_code, code, status_code, upstream_request_id, message, detail,
		total_ms, first_byte_ms, response_status, outcome, owner, rule_id, fingerprint, fingerprint_version, tags, region, step)
	SELECT date_trunc('day', now()) - (i % 5 + 2) * interval '1 day' + i * interval '7 min', gen_random_uuid(),
		team || '_req_' || i / 2, 1 + i % 2, team || '_platform', team || '_channel', team, '/' || team, team || '_model',
		team || '_model', 'http_error', team || '_class', team, team, team || '_code', 500, team, team || ' failed', team,
		100, 10, 502, 'answered', 'provider', CASE team WHEN 'theirs' THEN 471147114711 END, hashtext(team), 1,
		jsonb_build_object('team', team), team, 'answer'
	FROM generate_series(1, n) AS i
$$;
SELECT add_events('ours', 100), add_events('theirs', 200);
SELECT FROM upstream_error_maintain();
SELECT days_counted >= 5 AS counted FROM upstream_error_maintain(); -- yesterday only once today is some minutes old
SELECT upstream_error_record_traffic(ARRAY[now(), now()], ARRAY[gen_random_uuid(), gen_random_uuid()], '{ours_platform,theirs_platform}',
	'{ours_channel,theirs_channel}', '{m,theirs_model}', '{/ours,/theirs}', '{r,theirs}', '{i,theirs}', '{1000,2000}', '{900,1800}', '{0,0}', '{NULL,NULL}', '{NULL,NULL}');
ALTER TABLE upstream_error_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON upstream_error_events FOR SELECT TO tenant USING (tags ->> 'team' = 'ours');

-- every function that takes a range and that a reader may call, those to come as well: how
-- many rows it returns, and how many of them name the other team
CREATE FUNCTION look_everywhere(OUT function regproc, OUT arguments text, OUT rows bigint, OUT theirs bigint) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
	given text;
BEGIN
	FOR function, given, arguments IN
		SELECT p.oid::regproc, f.given, f.meaning
		FROM pg_proc AS p
		JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
		JOIN pg_extension AS x ON x.oid = d.refobjid AND x.extname = 'upstream_errors'
		JOIN (VALUES ('text', '''10d''', 'text'), ('timestamptz', 'now() - interval ''10 days'', now()', 'two times'),
			('timestamptz', '(SELECT now() - interval ''10 days''), now()', 'a sub-select')) AS f (type, given, meaning)
			ON p.proargtypes[0] = f.type::regtype AND p.proargnames[1] = 'since'
		WHERE p.proretset AND p.prokind = 'f' AND has_function_privilege('tenant', p.oid, 'EXECUTE')
		ORDER BY p.proname COLLATE "C", f.meaning COLLATE "C"
	LOOP
		EXECUTE format('SELECT count(*), count(*) FILTER (WHERE r::text ~ ''theirs|471147114711'') FROM %s(%s) AS r', function, given)
			INTO rows, theirs;
		RETURN NEXT;
	END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION look_everywhere() TO tenant;
SELECT function, arguments, theirs > 0 AS shown FROM look_everywhere() ORDER BY function::text COLLATE "C", arguments COLLATE "C";
SET ROLE tenant;
SELECT function, arguments, rows > 0 AS "any rows", theirs FROM look_everywhere() ORDER BY function::text COLLATE "C", arguments COLLATE "C";

-- and no sum is of more than their own
SELECT sum(total) AS trend FROM upstream_error_trend('10d');
SELECT value, total, share FROM upstream_error_distribution('10d', by => 'platform');
SELECT sum(failures) AS counts FROM upstream_error_counts(now() - interval '10 days', now());
SELECT platform, requests, answers, errors, sla, error_rate FROM upstream_error_sla('10d');
SELECT count(*) AS "rows about theirs" FROM upstream_error_explain_request('theirs_req_1', now() - interval '10 days');
SELECT count(*) > 0 AS "rows about ours" FROM upstream_error_explain_request('ours_req_1', now() - interval '10 days');
-- the counts, which are of everybody, are not shown to who may not see all events
SELECT (SELECT count(*) FROM upstream_error_minutes) AS minutes, (SELECT count(*) FROM upstream_error_hours) AS hours,
	(SELECT count(*) FROM upstream_error_traffic) AS traffic;
RESET ROLE;
SELECT platform, requests, answers, errors FROM upstream_error_sla('10d');
-- a reader who may see all of them sees the counts as well
CREATE ROLE analyst;
GRANT upstream_errors_reader TO analyst;
ALTER ROLE analyst BYPASSRLS;
SET ROLE analyst;
SELECT (SELECT count(*) > 0 FROM upstream_error_minutes) AS minutes, (SELECT count(*) > 0 FROM upstream_error_hours) AS hours,
	(SELECT count(*) FROM upstream_error_traffic) AS traffic;
RESET ROLE;
-- a policy on the traffic is the operator's to make
CREATE POLICY own ON upstream_error_traffic FOR SELECT TO tenant USING (platform = 'ours_platform');
SET ROLE tenant;
SELECT platform, requests, answers, errors FROM upstream_error_sla('10d');
RESET ROLE;
DROP POLICY own ON upstream_error_traffic;

-- a plan made for one role is not another's
PREPARE total AS SELECT sum(total) FROM upstream_error_trend('10d');
EXECUTE total;
SET ROLE tenant;
EXECUTE total;
RESET ROLE;
DEALLOCATE total;

DROP POLICY own ON upstream_error_events;
ALTER TABLE upstream_error_events DISABLE ROW LEVEL SECURITY;
DROP FUNCTION look_everywhere, add_events;
DO $$
DECLARE
	partition regclass;
BEGIN
	FOR partition IN SELECT p.partition FROM upstream_error_partitions() AS p LOOP
		EXECUTE format('DROP TABLE %s', partition);
	END LOOP;
END
$$;
TRUNCATE upstream_error_events, upstream_error_minutes, upstream_error_hours, upstream_error_counted_days,
	upstream_error_late_days, upstream_error_traffic;
DROP OWNED BY tenant, analyst;
DROP ROLE tenant, analyst;
DROP OWNED BY upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP ROLE upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
