-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION upstream_errors" to load this file. \quit

-- Who owns what: a trusted install runs this script as the bootstrap superuser for
-- somebody else.  The tables, and the functions that run with their owner's rights, are
-- handed to that somebody, so that nothing here ever acts as a superuser on behalf of a
-- caller.  An update script, which runs as the superuser too, must therefore never write
-- to these tables nor call these functions: their owner could have hung code on them.

DO $$
BEGIN
	IF pg_catalog.current_setting('server_encoding') OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION 'upstream_errors needs a database with encoding UTF8, this one has %',
				pg_catalog.current_setting('server_encoding')
			USING ERRCODE = 'feature_not_supported',
				HINT = 'Create one: CREATE DATABASE name ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
	IF NOT pg_catalog.has_schema_privilege('@extowner@'::pg_catalog.regrole::pg_catalog.oid,
			'@extschema@'::pg_catalog.regnamespace::pg_catalog.oid, 'CREATE') THEN
		RAISE EXCEPTION 'role @extowner@ may not create partitions in schema @extschema@'
			USING ERRCODE = 'insufficient_privilege',
				HINT = 'Use a schema of your own: CREATE SCHEMA name; CREATE EXTENSION upstream_errors SCHEMA name.';
	END IF;
END
$$;
