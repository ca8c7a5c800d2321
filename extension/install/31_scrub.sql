-- ---------------------------------------------------------------- masking history

-- What scrub does to a partition's rows in [lo, hi).  Every row is masked once and held
-- until the new text can be compared with the old.  A row is written when its text or its
-- version moves, so once for each version of the mask; without the version, every later
-- call would have to mask every row again.  No index holds a masked column, so where the
-- page has room no index is touched (HOT).  Rows are found again by ctid: one that
-- somebody else has changed meanwhile has another, is passed over, and keeps its version
-- for the next call.
CREATE FUNCTION upstream_error_scrub_slice(
	partition regclass, lo timestamptz, hi timestamptz, force bool,
	OUT rows_seen bigint, OUT rows_changed bigint
)
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		WITH seen AS MATERIALIZED (
			SELECT e.ctid AS place,
				m.*,
				(e.message, e.detail, e.error_type, e.error_code, e.upstream_request_id,
					e.model, e.upstream_model, e.route, e.request_headers,
					e.response_headers, e.tags) IS DISTINCT FROM
				(m.message, m.detail, m.error_type, m.error_code, m.upstream_request_id,
					m.model, m.upstream_model, m.route, m.request_headers,
					m.response_headers, m.tags) AS is_changed,
				e.mask_version IS DISTINCT FROM $4 AS is_moved
			FROM ONLY %1$s AS e
			CROSS JOIN LATERAL (SELECT
				@extschema@.upstream_error_mask(e.message) AS message,
				@extschema@.upstream_error_mask(e.detail) AS detail,
				@extschema@.upstream_error_mask(e.error_type) AS error_type,
				@extschema@.upstream_error_mask(e.error_code) AS error_code,
				@extschema@.upstream_error_mask(e.upstream_request_id) AS upstream_request_id,
				@extschema@.upstream_error_mask(e.model) AS model,
				@extschema@.upstream_error_mask(e.upstream_model) AS upstream_model,
				@extschema@.upstream_error_mask(e.route) AS route,
				@extschema@.upstream_error_mask(e.request_headers) AS request_headers,
				@extschema@.upstream_error_mask(e.response_headers) AS response_headers,
				@extschema@.upstream_error_mask(e.tags) AS tags
				OFFSET 0 -- not to be merged into the query above: each is computed once
			) AS m
			WHERE e.at >= $1 AND e.at < $2 AND ($3 OR e.mask_version IS NULL OR e.mask_version < $4)
		), written AS (
			UPDATE ONLY %1$s AS e
			SET message = s.message, detail = s.detail, error_type = s.error_type,
				error_code = s.error_code, upstream_request_id = s.upstream_request_id,
				model = s.model, upstream_model = s.upstream_model, route = s.route,
				request_headers = s.request_headers, response_headers = s.response_headers,
				tags = s.tags, mask_version = $4
			FROM seen AS s
			WHERE e.ctid = s.place AND (s.is_changed OR s.is_moved) AND e.at >= $1 AND e.at < $2
			RETURNING s.is_changed
		)
		SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM written AS w WHERE w.is_changed)
		$sql$, partition)
	INTO rows_seen, rows_changed
	USING lo, hi, force, @extschema@.upstream_error_mask_version();
END
$$;
COMMENT ON FUNCTION upstream_error_scrub_slice(regclass, timestamptz, timestamptz, bool) IS 'Masks one partition''s rows in a range again. Call upstream_error_scrub(), which walks over the partitions.';

CREATE FUNCTION upstream_error_scrub(
	since timestamptz, until timestamptz DEFAULT now(), force bool DEFAULT false,
	OUT rows_seen bigint, OUT rows_changed bigint
)
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	events CONSTANT regclass := '@extschema@.upstream_error_events';
	batch_rows CONSTANT int := 1000; -- what one statement holds: about 10 MB at the most
	is_forced CONSTANT bool := coalesce(force, false);
	partition regclass;
	lo timestamptz;
	hi timestamptz;
	slice record;
BEGIN
	rows_seen := 0;
	rows_changed := 0;
	since := @extschema@.upstream_error_range_start(since, until);
	PERFORM @extschema@.upstream_error_require_owner();

	-- The lock of upstream_error_maintain(), which would move rows from one partition to
	-- another behind our back, and of other scrubs; recording takes none.
	PERFORM pg_advisory_xact_lock('pg_class'::regclass::oid::int4, events::oid::int4);

	FOR partition IN
		SELECT t.relid FROM pg_partition_tree(events) AS t WHERE t.isleaf ORDER BY t.relid
	LOOP
		lo := since;
		LOOP
			EXECUTE format('SELECT e.at FROM ONLY %s AS e
				WHERE e.at > $1 AND e.at < $2 AND ($3 OR e.mask_version IS NULL OR e.mask_version < $4)
				ORDER BY e.at OFFSET $5 LIMIT 1', partition)
				INTO hi
				USING lo, until, is_forced, @extschema@.upstream_error_mask_version(), batch_rows;
			slice := @extschema@.upstream_error_scrub_slice(partition, lo, coalesce(hi, until), is_forced);
			rows_seen := rows_seen + slice.rows_seen;
			rows_changed := rows_changed + slice.rows_changed;
			EXIT WHEN hi IS NULL;
			lo := hi;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION upstream_error_scrub(timestamptz, timestamptz, bool) IS 'Masks the events from since (inclusive) to until (exclusive) again: those that an older version of the mask wrote, or all with force. rows_seen: looked at; rows_changed: had something to hide. Calling it again costs a scan of the range. Recording goes on meanwhile; only an event that is sent again waits, for the end of the transaction. For a long history, CALL upstream_error_scrub_history(). Example: SELECT * FROM upstream_error_scrub(now() - interval ''7 days'');';

CREATE FUNCTION upstream_error_scrub(
	since text, until text DEFAULT 'now', force bool DEFAULT false,
	OUT rows_seen bigint, OUT rows_changed bigint
)
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT s.rows_seen, s.rows_changed
	FROM @extschema@.upstream_error_scrub(@extschema@.upstream_error_time(since),
		@extschema@.upstream_error_time(until), force) AS s;
END;
COMMENT ON FUNCTION upstream_error_scrub(text, text, bool) IS 'The same with times as upstream_error_time() reads them. Examples: SELECT * FROM upstream_error_scrub(''1h''); SELECT rows_changed FROM upstream_error_scrub(''30d'', force => true);';

-- No SET and no SECURITY DEFINER, with which a procedure cannot commit: so every name and
-- operator is written in full.
CREATE PROCEDURE upstream_error_scrub_history(
	since timestamptz, until timestamptz DEFAULT now(), force bool DEFAULT false,
	batch_rows int DEFAULT 10000,
	INOUT rows_seen bigint DEFAULT 0, INOUT rows_changed bigint DEFAULT 0
)
LANGUAGE plpgsql
AS $$
DECLARE
	lo timestamptz := @extschema@.upstream_error_range_start(since, until);
	hi timestamptz;
	part record;
BEGIN
	IF batch_rows IS NULL OR batch_rows OPERATOR(pg_catalog.<) 1 THEN
		RAISE EXCEPTION 'batch_rows must be at least 1' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	rows_seen := 0;
	rows_changed := 0;
	LOOP
		SELECT e.at INTO hi
		FROM @extschema@.upstream_error_events AS e
		WHERE e.at OPERATOR(pg_catalog.>) lo AND e.at OPERATOR(pg_catalog.<) until
			AND (force OR e.mask_version IS NULL
				OR e.mask_version OPERATOR(pg_catalog.<) @extschema@.upstream_error_mask_version())
		ORDER BY e.at OFFSET batch_rows LIMIT 1;
		part := @extschema@.upstream_error_scrub(lo, coalesce(hi, until), force);
		rows_seen := rows_seen OPERATOR(pg_catalog.+) part.rows_seen;
		rows_changed := rows_changed OPERATOR(pg_catalog.+) part.rows_changed;
		COMMIT;
		EXIT WHEN hi IS NULL;
		lo := hi;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE upstream_error_scrub_history IS 'upstream_error_scrub() with a commit after every batch_rows or so: short locks, vacuum can keep up, and when it is cancelled what is done stays done: call it again and it goes on (with force it starts over). Example: CALL upstream_error_scrub_history(''2026-01-01'');';
