-- Fingerprints: the core's, from SQL, and history computed again.
SET TimeZone = 'UTC';
SET client_min_messages = warning;
TRUNCATE upstream_error_events;
SELECT upstream_error_fingerprint_version();
SELECT m, upstream_error_normalize(m) FROM (VALUES
	('Rate limit reached for gpt-4o in organization org-*** on tokens per min (TPM): Limit 30000, Used 29000. Please try again in 7m12s.'),
	('messages.0.content.1: expected ''text'', got "image"'), ('模型 gpt-4o 不存在'), (''), (NULL)) AS v (m);
-- the values of version 1, the same everywhere
SELECT upstream_error_fingerprint('openai', 'rate_limit', 'rate_limit_exceeded', 'Rate limit reached for gpt-4o'),
	upstream_error_fingerprint('OpenAI', 'rate_limit', 'rate_limit_exceeded', 'rate limit reached for  gpt-5.'),
	upstream_error_fingerprint(NULL, NULL, NULL, NULL), upstream_error_fingerprint('', '', '', '');
SELECT length(upstream_error_normalize(repeat('word ', 100000))) AS "bounded";

-- history: what is missing or old is written, what was given is not
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, code, error_code, message, fingerprint, fingerprint_version)
SELECT timestamptz '2020-03-01 UTC' + n * interval '1 min', gen_random_uuid(), 'req_' || n, 'openai', 'http_error', 'rate_limit',
	'rate_limit_exceeded', CASE WHEN n % 2 = 0 THEN 'tokens' END, 'Limit ' || n,
	CASE WHEN n % 5 = 0 THEN 7 WHEN n % 3 = 0 THEN n END, CASE WHEN n % 5 = 0 THEN 0 WHEN n % 3 = 0 THEN -1 END
FROM generate_series(0, 99) AS n;
CREATE VIEW wrong AS SELECT * FROM upstream_error_events WHERE fingerprint_version = 0 AND fingerprint <> 7
	OR fingerprint_version IS DISTINCT FROM 0 AND (fingerprint_version IS DISTINCT FROM upstream_error_fingerprint_version()
		OR fingerprint IS DISTINCT FROM upstream_error_fingerprint(platform, class, coalesce(error_code, code), message));
SELECT upstream_error_fingerprint_again('2020-03-01 UTC', '2020-03-01 00:10 UTC'), (SELECT count(*) FROM wrong) AS wrong_before;
SELECT count(*) AS wrong FROM wrong;
CALL upstream_error_fingerprint_history('2020-03-01 UTC', batch_rows => 7);
SELECT count(*) AS wrong FROM wrong;
SELECT upstream_error_fingerprint_again('2020-03-01 UTC') AS "nothing left";
UPDATE upstream_error_events SET message = 'Now it is another' WHERE request_id = 'req_2';
CALL upstream_error_fingerprint_history('2020-03-01 UTC', force => true, batch_rows => 33);
SELECT count(*) AS wrong FROM wrong;
SELECT fingerprint_version, count(*), count(DISTINCT fingerprint) FROM upstream_error_events GROUP BY 1 ORDER BY 1;
\set SHOW_CONTEXT never
CALL upstream_error_fingerprint_history('2020-03-01 UTC', batch_rows => 0);
SELECT upstream_error_fingerprint_again('2020-03-02 UTC', '2020-03-01 UTC');
SELECT upstream_error_fingerprint_again(NULL);
DROP VIEW wrong;
TRUNCATE upstream_error_events;
