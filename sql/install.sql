-- Installing: where it may go, and that it leaves nothing behind.
SET client_min_messages = warning;
\set VERBOSITY default
-- once in a database
CREATE EXTENSION upstream_errors;
-- in a schema with an awkward name
DROP EXTENSION upstream_errors;
CREATE SCHEMA "Odd schema";
CREATE EXTENSION upstream_errors SCHEMA "Odd schema";
SELECT partitions_created > 0 AS made FROM "Odd schema".upstream_error_maintain();
SELECT count(*) FROM "Odd schema".upstream_errors('1h');
SELECT count(*) FROM "Odd schema".upstream_errors((SELECT now() - interval '1h'));
SELECT "Odd schema".upstream_error_create_roles();
SELECT has_function_privilege('upstream_errors_reader', '"Odd schema".upstream_error_mask(text)', 'EXECUTE') AS reader,
	has_schema_privilege('upstream_errors_writer', 'Odd schema', 'USAGE') AS writer;
DROP OWNED BY upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
DROP ROLE upstream_errors_reader, upstream_errors_writer, upstream_errors_admin;
-- not to be moved, nor taken apart
ALTER EXTENSION upstream_errors SET SCHEMA public;
DROP TABLE "Odd schema".upstream_error_events_default;
DROP EXTENSION upstream_errors;
SELECT count(*) AS left FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'Odd schema';
DROP SCHEMA "Odd schema";
CREATE EXTENSION upstream_errors;
