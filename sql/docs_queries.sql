-- Every statement of docs/queries.md runs.
SET client_min_messages = warning;
CREATE TEMP TABLE page (line text);
\copy page FROM PROGRAM 'cat docs/queries.md' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
CREATE TEMP TABLE statements AS
SELECT row_number() OVER () AS n, replace(s[1], '\|', '|') AS statement
FROM page, regexp_matches(line, '`((?:SELECT|CALL) [^`]*)`', 'g') AS s;
SELECT count(*) > 45 AS many FROM statements;
DO $$
DECLARE
	s record;
BEGIN
	FOR s IN SELECT * FROM statements WHERE statement NOT LIKE 'CALL %' ORDER BY n LOOP
		BEGIN
			EXECUTE s.statement;
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING '%: %', s.statement, SQLERRM;
		END;
	END LOOP;
END
$$;
SELECT statement FROM statements WHERE statement LIKE 'CALL %' ORDER BY n \gexec
