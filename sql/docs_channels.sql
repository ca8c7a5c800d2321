-- Every statement of docs/channels.md runs, in its order.
SET client_min_messages = warning;
CREATE TEMP TABLE page (n int GENERATED ALWAYS AS IDENTITY, line text);
\copy page (line) FROM PROGRAM 'cat docs/channels.md' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
DO $$
DECLARE
	s record;
BEGIN
	FOR s IN
		SELECT m.statement[1] AS statement, row_number() OVER () AS n
		FROM (SELECT string_agg(line, E'\n' ORDER BY n) AS content FROM page) AS p,
			regexp_matches(p.content, '((?:INSERT INTO|UPDATE|SELECT) [^;`]*);', 'g') AS m (statement)
	LOOP
		BEGIN
			EXECUTE s.statement;
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING '%: %', s.statement, SQLERRM;
		END;
	END LOOP;
	RAISE WARNING '% statements', s.n;
END
$$;
SELECT name, platform, weight FROM upstream_error_channels ORDER BY id;
SELECT name, retry_statuses FROM upstream_error_retry_policies;
SELECT duration_s FROM upstream_error_health_rules WHERE name = 'key refused';
DROP EXTENSION upstream_errors;
CREATE EXTENSION upstream_errors;
