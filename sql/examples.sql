-- Every comment's examples run.  CALL commits, so what shows it runs at top level.
SET client_min_messages = warning;
CREATE ROLE alice;
CREATE TEMP TABLE examples AS
SELECT pg_describe_object(d.classid, d.objid, 0) AS object, s.statement, row_number() OVER () AS n
FROM pg_depend AS d
JOIN pg_extension AS x ON x.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
CROSS JOIN LATERAL regexp_match(obj_description(d.objid, d.classid::regclass::name), 'Examples?: (.*);$') AS example
CROSS JOIN LATERAL regexp_split_to_table(example[1], '; (?=[A-Z]{4,6} )') AS s (statement)
WHERE d.deptype = 'e' AND x.extname = 'upstream_errors';
SELECT count(*) > 20 AS many FROM examples;
-- none is passed over for its form
SELECT d.description FROM pg_description AS d
WHERE d.description ~ 'Examples?: ' AND d.description !~ 'Examples?: .*;$';
-- what people call has one
SELECT p.proname FROM pg_proc AS p
WHERE p.proname ~ '^upstream_error_(classify|mask|mask_version|render|decide|codes|scrub|scrub_history|maintain|create_roles)$'
GROUP BY p.proname HAVING NOT bool_or(obj_description(p.oid, 'pg_proc') ~ 'Examples?: ') ORDER BY 1;
DO $$
DECLARE
	example record;
BEGIN
	FOR example IN SELECT * FROM examples WHERE statement NOT LIKE 'CALL %' ORDER BY n LOOP
		BEGIN
			EXECUTE example.statement;
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING '% of %: %', example.statement, example.object, SQLERRM;
		END;
	END LOOP;
END
$$;
SELECT statement FROM examples WHERE statement LIKE 'CALL %' ORDER BY n \gexec
DROP TABLE examples;
REVOKE upstream_errors_reader FROM alice;
DROP ROLE alice;
DROP OWNED BY upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP ROLE upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
-- what the examples wrote
DROP EXTENSION upstream_errors;
CREATE EXTENSION upstream_errors;
