-- ---------------------------------------------------------------- fingerprints

CREATE FUNCTION upstream_error_fingerprint(platform text, class text, code text, message text) RETURNS int8
AS 'MODULE_PATHNAME', 'ue_sql_fingerprint'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_fingerprint(text, text, text, text) IS 'One number for all faults that are alike: numbers, ids, times, keys, URLs, model names and quoted values of the message make no difference, nor does case. code: the upstream''s own (error_code) if it said one, else ours (code). Null counts as empty. The same in the sidecar and on every machine. Example: SELECT upstream_error_fingerprint(''openai'', ''rate_limit'', ''rate_limit_exceeded'', ''Limit 30000, used 29000'') = upstream_error_fingerprint(''openai'', ''rate_limit'', ''rate_limit_exceeded'', ''Limit 500, used 500'');';

CREATE FUNCTION upstream_error_normalize(message text) RETURNS text
AS 'MODULE_PATHNAME', 'ue_sql_normalize'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_normalize(text) IS 'What upstream_error_fingerprint() looks at of a message: each value in it is a #. Example: SELECT upstream_error_normalize(''Rate limit reached for gpt-4o: limit 30000. Please try again in 7m12s.'');';

CREATE FUNCTION upstream_error_fingerprint_version() RETURNS int4
AS 'MODULE_PATHNAME', 'ue_sql_fingerprint_version'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_fingerprint_version() IS 'Version of upstream_error_fingerprint(), stored beside each fingerprint; it moves when the same fault would get another number. 0 on a row: the fingerprint was given, not computed. Example: SELECT upstream_error_fingerprint_version();';

-- Rows whose fingerprint is missing or older than this version; all but those that were
-- given, with force.  No index holds the two columns, so where a page has room no index is
-- touched.  A row that somebody changes meanwhile is waited for and looked at again.
CREATE FUNCTION upstream_error_fingerprint_again(
	since timestamptz, until timestamptz DEFAULT now(), force bool DEFAULT false
) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	events CONSTANT regclass := '@extschema@.upstream_error_events';
	current_version CONSTANT int := @extschema@.upstream_error_fingerprint_version();
	changed bigint;
BEGIN
	since := @extschema@.upstream_error_range_start(since, until);
	PERFORM @extschema@.upstream_error_require_owner();
	-- upstream_error_maintain() must not move rows to another partition meanwhile
	PERFORM pg_advisory_xact_lock('pg_class'::regclass::oid::int4, events::oid::int4);
	UPDATE @extschema@.upstream_error_events AS e
	SET fingerprint = @extschema@.upstream_error_fingerprint(e.platform, e.class, coalesce(e.error_code, e.code), e.message),
		fingerprint_version = current_version
	WHERE e.at >= upstream_error_fingerprint_again.since AND e.at < upstream_error_fingerprint_again.until
		AND e.fingerprint_version IS DISTINCT FROM 0
		AND (upstream_error_fingerprint_again.force OR e.fingerprint IS NULL
			OR e.fingerprint_version IS DISTINCT FROM current_version);
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION upstream_error_fingerprint_again(timestamptz, timestamptz, bool) IS 'Computes the fingerprints of the events from since (inclusive) to until (exclusive) anew: those that an older version wrote, or all with force (after a scrub that changed messages), but never those that were given (version 0). Returns how many rows it wrote. For a long history, CALL upstream_error_fingerprint_history(). Example: SELECT upstream_error_fingerprint_again(now() - interval ''7 days'');';

-- No SET and no SECURITY DEFINER, with which a procedure cannot commit: so every name and
-- operator is written in full.
CREATE PROCEDURE upstream_error_fingerprint_history(
	since timestamptz, until timestamptz DEFAULT now(), force bool DEFAULT false,
	batch_rows int DEFAULT 10000, INOUT rows_changed bigint DEFAULT 0
)
LANGUAGE plpgsql
AS $$
DECLARE
	lo timestamptz := @extschema@.upstream_error_range_start(since, until);
	hi timestamptz;
BEGIN
	IF batch_rows IS NULL OR batch_rows OPERATOR(pg_catalog.<) 1 THEN
		RAISE EXCEPTION 'batch_rows must be at least 1' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	rows_changed := 0;
	LOOP
		SELECT e.at INTO hi
		FROM @extschema@.upstream_error_events AS e
		WHERE e.at OPERATOR(pg_catalog.>) lo AND e.at OPERATOR(pg_catalog.<) until
			AND (force OR e.fingerprint IS NULL OR e.fingerprint_version IS NULL
				OR e.fingerprint_version OPERATOR(pg_catalog.<>) @extschema@.upstream_error_fingerprint_version())
		ORDER BY e.at OFFSET batch_rows LIMIT 1;
		rows_changed := rows_changed OPERATOR(pg_catalog.+)
			@extschema@.upstream_error_fingerprint_again(lo, coalesce(hi, until), force);
		COMMIT;
		EXIT WHEN hi IS NULL;
		lo := hi;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE upstream_error_fingerprint_history IS 'upstream_error_fingerprint_again() with a commit after every batch_rows or so: short locks, and when it is cancelled what is done stays done: call it again and it goes on (with force it starts over). Example: CALL upstream_error_fingerprint_history(''2026-01-01'');';
