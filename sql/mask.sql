-- upstream_error_mask(): the SQL face.  What is masked and what is not is the core's, and
-- its unit tests'.
SELECT upstream_error_mask('nothing to hide in messages.0.content.1');
SELECT upstream_error_mask('key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEF is wrong') NOT LIKE '%abcdefghij%' AS hidden;
SELECT upstream_error_mask('mail to alice@example.com or see https://alice:secret@internal.example.com/a?b=c') !~ 'alice|secret|internal' AS hidden;
SELECT upstream_error_mask('') = '' AS empty, upstream_error_mask(NULL) IS NULL AS "null";

-- once is enough
SELECT upstream_error_mask(upstream_error_mask(t)) = upstream_error_mask(t) AS idempotent
FROM (VALUES ('Bearer abcdefghijklmnopqrstuvwxyz012345'), ('{"api_key": "0123456789abcdef0123456789abcdef"}'),
	('10.11.12.13 and fe80::1'), ('naïve ☃ text sk-ant-api03-abcdefghijklmnopqrstuvwxyz')) AS v (t);

-- longer than any error, and still text: every byte of it is looked at
SELECT length(upstream_error_mask(repeat('a b ', 1000000))) = 4000000 AS whole;
SELECT upstream_error_mask(repeat('é ', 500000) || 'sk-abcdefghijklmnopqrstuvwxyz0123456789') NOT LIKE '%abcdefghij%' AS hidden;

-- operators' patterns change what comes out, so it cannot be stored as a generated column or
-- an index, but parallel workers may compute it
CREATE TEMP TABLE masked (t text, m text GENERATED ALWAYS AS (upstream_error_mask(t)) STORED);
SELECT provolatile, proparallel FROM pg_proc WHERE proname = 'upstream_error_mask';
