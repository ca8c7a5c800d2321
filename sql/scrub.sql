-- upstream_error_scrub(): masking what is already in the table again.
SET client_min_messages = warning;
TRUNCATE upstream_error_events;

-- the mask's version, and documents
SELECT upstream_error_mask_version() >= 1 AS versioned;
SELECT upstream_error_mask('{"a": [1, 2.50, true, null, "messages.0.content.1"], "retry-after": "2"}'::jsonb);
SELECT upstream_error_mask('{"authorization": "Bearer sk-PLANTED0123456789abcdefghij", "x": {"api_key": "PLANTED"}, "list": ["sk-proj-PLANTEDabcdefghijklmnopqrstuvwxyz"]}'::jsonb)::text !~ 'PLANTED' AS hidden;
SELECT upstream_error_mask('"alice@example.com"'::jsonb) <> '"alice@example.com"'::jsonb AS scalar;
SELECT upstream_error_mask(NULL::jsonb) IS NULL AS "null", upstream_error_mask('{}'::jsonb), upstream_error_mask('"\u00fc\"☃"'::jsonb);
SELECT upstream_error_mask(upstream_error_mask(d)) = upstream_error_mask(d) AS idempotent
FROM (VALUES ('{"set-cookie": ["a=PLANTED0123456789; Path=/", "b=2"], "host": "internal.example.com"}'::jsonb), ('[[], {}, "10.1.2.3"]')) AS v (d);
-- deeper than the core reads, or of more values: the text, masked, as a string
SELECT left(m #>> '{}', 70), right(m #>> '{}', 3), jsonb_typeof(m), upstream_error_mask(m) = m AS idempotent
FROM upstream_error_mask((repeat('[', 65) || '{"api_key": "PLANTED", "text": "sk-proj-PLANTEDabcdefghijklmnopqrstuvwxyz"}' || repeat(']', 65))::jsonb) AS m;
SELECT d.kind, jsonb_typeof(m), m::text ~ 'PLANTED' AS shown, upstream_error_mask(m) = m AS idempotent
FROM (VALUES ('deep', (repeat('[', 3000) || '"sk-proj-PLANTEDabcdefghijklmnopqrstuvwxyz"' || repeat(']', 3000))::jsonb),
	('wide', (SELECT jsonb_agg(jsonb_build_object('password', 'PLANTED')) FROM generate_series(1, 20000)))) AS d (kind, document),
	upstream_error_mask(d.document) AS m;

-- a day of events: every fourth has something to hide, one column after another
CREATE FUNCTION plant(since timestamptz, n int, version int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, message, detail, error_type,
		error_code, upstream_request_id, model, upstream_model, route, request_headers, response_headers, tags, mask_version)
	SELECT since + i * interval '1 s', gen_random_uuid(), 'r' || i, 'openai', 'http_error', 'rate_limit',
		'Rate limit reached' || CASE WHEN i % 44 = 0 THEN secret ELSE '' END,
		'{"error": {}}' || CASE WHEN i % 44 = 4 THEN secret ELSE '' END,
		'requests' || CASE WHEN i % 44 = 8 THEN secret ELSE '' END,
		CASE WHEN i % 44 = 12 THEN secret END,
		CASE WHEN i % 44 = 16 THEN secret END,
		'gpt-4o' || CASE WHEN i % 44 = 20 THEN secret ELSE '' END,
		'gpt-4o' || CASE WHEN i % 44 = 24 THEN secret ELSE '' END,
		'/v1/chat/completions' || CASE WHEN i % 44 = 28 THEN secret ELSE '' END,
		CASE WHEN i % 44 = 32 THEN jsonb_build_object('authorization', 'Bearer' || secret, 'accept', '*/*') END,
		CASE WHEN i % 44 = 36 THEN jsonb_build_object('set-cookie', secret) END,
		CASE WHEN i % 44 = 40 THEN jsonb_build_object('team', secret) END, version
	FROM generate_series(1, n) AS i, (SELECT ' sk-proj-PLANTEDabcdefghijklmnopqrstuvwxyz0123456789') AS s (secret)
$$;
CREATE FUNCTION planted() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM upstream_error_events AS e WHERE e::text LIKE '%PLANTED%'
$$;
CREATE TABLE upstream_error_events_20260302 (LIKE upstream_error_events_default INCLUDING ALL);
ALTER TABLE upstream_error_events ATTACH PARTITION upstream_error_events_20260302 FOR VALUES FROM ('2026-03-02 UTC') TO ('2026-03-03 UTC');
SELECT plant('2026-03-01 UTC', 44, 0), plant('2026-03-02 UTC', 4400, 0), plant('2026-03-03 UTC', 44, NULL);
UPDATE upstream_error_events SET message = NULL WHERE request_id = 'r1';
UPDATE upstream_error_events SET request_headers = (repeat('[', 100) || '"sk-proj-PLANTEDabcdefghijklmnopqrstuvwxyz"' || repeat(']', 100))::jsonb WHERE request_id = 'r4';
SELECT planted();

-- only the range, then the rest; a row is looked at once
SELECT * FROM upstream_error_scrub('2026-03-02 UTC', '2026-03-02 00:00:45 UTC');
SELECT planted();
SELECT * FROM upstream_error_scrub('2026-03-01 UTC'::timestamptz);
SELECT planted(), count(*), count(*) FILTER (WHERE mask_version = upstream_error_mask_version()) AS current,
	count(*) FILTER (WHERE message IS NULL) AS "null stays" FROM upstream_error_events;
SELECT * FROM upstream_error_scrub('2026-03-01 UTC'::timestamptz);
-- what was innocent is as it was, and around the secrets too
SELECT DISTINCT message, detail, error_type, error_code, model, route, request_headers AS headers FROM upstream_error_events
WHERE mod(substr(request_id, 2)::int, 44) IN (0, 2, 3, 4, 32) AND at < '2026-03-02 UTC' AND message IS NOT NULL ORDER BY message, detail, headers;

-- a row that this version has written is believed, unless force says not to; a newer
-- version's row is not touched, then neither
SELECT plant('2026-03-04 UTC', 44, upstream_error_mask_version()), plant('2026-03-05 UTC', 44, upstream_error_mask_version() + 1);
SELECT * FROM upstream_error_scrub('2026-03-04 UTC', '2026-03-06 UTC');
SELECT planted();
CREATE TEMP TABLE places AS SELECT ctid AS place, tableoid AS partition, at, request_id FROM upstream_error_events;
SELECT * FROM upstream_error_scrub('2026-03-01 UTC', '2026-03-05 UTC', force => true);
SELECT planted();
-- force writes those rows only whose text or version moves
SELECT count(*) AS written FROM upstream_error_events AS e WHERE NOT EXISTS (
	SELECT FROM places AS p WHERE (p.place, p.partition, p.at, p.request_id) = (e.ctid, e.tableoid, e.at, e.request_id));
SELECT * FROM upstream_error_scrub('2026-03-05 UTC', '2026-03-06 UTC', true);
SELECT planted(), count(*) FILTER (WHERE mask_version = upstream_error_mask_version()) = count(*) AS current FROM upstream_error_events;

-- many events at the same instant are one step
TRUNCATE upstream_error_events;
SELECT plant('2026-03-01 UTC', 4400, 0);
UPDATE upstream_error_events SET at = '2026-03-01 UTC';
SELECT * FROM upstream_error_scrub('2026-03-01 UTC', '2026-03-01 00:00:01 UTC');

-- times as people write them
TRUNCATE upstream_error_events;
SELECT plant(now() - interval '44 minutes', 44, 0);
SELECT * FROM upstream_error_scrub('10 minutes');
SELECT * FROM upstream_error_scrub('1h');
SELECT * FROM upstream_error_scrub('1h', '1 minute ago', force => true);
\set VERBOSITY terse
SELECT * FROM upstream_error_scrub('2026-03-02', '2026-03-01');
SELECT * FROM upstream_error_scrub(NULL::timestamptz);
SELECT * FROM upstream_error_scrub('nonsense');
\set VERBOSITY default

-- in pieces, each committed
TRUNCATE upstream_error_events;
SELECT plant('2026-03-01 23:00 UTC', 4400, 0), plant('2026-03-02 04:00 UTC', 4400, 0);
CALL upstream_error_scrub_history('2026-03-01 UTC', batch_rows => 500);
SELECT planted(), count(DISTINCT xmin::text) AS transactions FROM upstream_error_events;
CALL upstream_error_scrub_history('2026-03-01 UTC', batch_rows => 500);
CALL upstream_error_scrub_history('2026-03-01 UTC', '2026-03-02 UTC', force => true, batch_rows => 1000);
\set VERBOSITY terse
CALL upstream_error_scrub_history('2026-03-01 UTC', batch_rows => 0);
BEGIN;
CALL upstream_error_scrub_history('2026-03-01 UTC');
ROLLBACK;
\set VERBOSITY default

-- the admin may, with the owner's rights on every partition; nobody else
SELECT upstream_error_create_roles();
CREATE ROLE ue_admin IN ROLE upstream_errors_admin;
CREATE ROLE ue_other IN ROLE upstream_errors_reader, upstream_errors_writer;
UPDATE upstream_error_events SET mask_version = 0;
\set VERBOSITY terse
SET ROLE ue_other;
SELECT * FROM upstream_error_scrub('2026-03-01 UTC'::timestamptz);
SELECT * FROM upstream_error_scrub('1h');
CALL upstream_error_scrub_history('2026-03-01 UTC');
SELECT * FROM upstream_error_scrub_slice('upstream_error_events_default', now(), now(), true);
SET ROLE ue_admin;
SELECT * FROM upstream_error_scrub('2026-03-01 UTC', '2026-03-02 UTC');
SELECT * FROM upstream_error_scrub('2026-03-01', '2026-03-03');
CALL upstream_error_scrub_history('2026-03-01 UTC', batch_rows => 1000);
RESET ROLE;
\set VERBOSITY default

-- a search_path or an operator of the caller's bends nothing
CREATE SCHEMA trap;
CREATE TABLE trap.upstream_error_events (LIKE upstream_error_events);
CREATE FUNCTION trap.spring(timestamptz, timestamptz) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE OPERATOR trap.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.spring);
CREATE OPERATOR trap.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.spring);
SET search_path = trap, pg_catalog, public;
SELECT * FROM upstream_error_scrub('2026-03-01 UTC'::timestamptz);
SELECT * FROM upstream_error_scrub('1h');
CALL upstream_error_scrub_history('2026-03-01 UTC');
RESET search_path;
DROP SCHEMA trap CASCADE;

DROP OWNED BY ue_admin, ue_other;
DROP ROLE ue_admin, ue_other;
DROP OWNED BY upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP ROLE upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP TABLE upstream_error_events_20260302;
TRUNCATE upstream_error_events;
DROP FUNCTION plant, planted;
