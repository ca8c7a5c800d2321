-- ---------------------------------------------------------------- time ranges

CREATE FUNCTION upstream_error_time(moment text) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'ue_sql_time'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_time(text) IS 'A time as upstream_errors(text) reads it: a duration back from now (''1h'', ''90 min'', ''2 days ago'') or a point in time (''now'', ''today'', ''2026-11-01 12:00''). Example: SELECT upstream_error_time(''1h'');';

CREATE FUNCTION upstream_error_range_start(since timestamptz, until timestamptz) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'ue_sql_range_start_checked'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE COST 0.01; -- so cheap that no plan changes for it
COMMENT ON FUNCTION upstream_error_range_start(timestamptz, timestamptz) IS 'Returns since, or fails when it lies behind until or either is null. upstream_errors() puts it where the planner cannot tell.';

CREATE FUNCTION upstream_error_range_end(since timestamptz, until timestamptz) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'ue_sql_range_end_checked'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE COST 0.01;
COMMENT ON FUNCTION upstream_error_range_end(timestamptz, timestamptz) IS 'Returns until, or fails like upstream_error_range_start(): whichever end is looked at first must tell.';

CREATE FUNCTION upstream_error_range_start(during tstzrange) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'ue_sql_range_start'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_range_start(tstzrange) IS 'First instant inside the range; -infinity when it has no lower bound.';

CREATE FUNCTION upstream_error_range_end(during tstzrange) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'ue_sql_range_end'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_range_end(tstzrange) IS 'First instant behind the range; infinity when it has no upper bound.';

-- What a call of upstream_errors() is replaced with before planning.  To be inlined it
-- must stay as it is: not STRICT, no SET, no SECURITY DEFINER; the body is bound here and
-- now, so no search_path can bend it.
CREATE FUNCTION upstream_error_scan(since timestamptz, until timestamptz) RETURNS SETOF upstream_error
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 10000
BEGIN ATOMIC
	SELECT
			e.at, e.event_id, e.request_id, e.attempt, e.platform, e.channel, e.account_id,
			e.route, e.format, e.model, e.upstream_model, e.stream, e.kind, e.network_error,
			e.class, e.phase, e.owner, e.source, e.severity, e.retryable, e.request_fault,
			e.business_limited, e.error_type, e.error_code, e.code, e.status_code,
			e.upstream_request_id, e.message, e.detail, e.truncated, e.original_bytes,
			e.request_headers, e.response_headers, e.retry_after_ms, e.first_byte_ms,
			e.total_ms, e.sent_bytes, e.response_status, e.outcome, e.decided_by, e.rule_id,
			e.rule_version, e.fingerprint, e.fingerprint_version, e.mask_version, e.trace_id,
			e.tags, e.client_address, e.region, e.instance, e.step, e.step_reason, e.wait_ms,
			e.passed_over, e.recovered_by
	FROM @extschema@.upstream_error_events AS e
	WHERE e.at >= since AND e.at < until;
END;
COMMENT ON FUNCTION upstream_error_scan(timestamptz, timestamptz) IS 'Events from since (inclusive) to until (exclusive), without any check. upstream_errors() becomes this; call that.';

CREATE FUNCTION upstream_errors_support(internal) RETURNS internal
AS 'MODULE_PATHNAME', 'ue_sql_errors_support'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_errors_support(internal) IS 'Planner support of upstream_errors(): lets the planner see the table behind it.';

CREATE FUNCTION upstream_errors(since timestamptz, until timestamptz DEFAULT now()) RETURNS SETOF upstream_error
AS 'MODULE_PATHNAME', 'ue_sql_errors_between'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 10000 SUPPORT upstream_errors_support;
COMMENT ON FUNCTION upstream_errors(timestamptz, timestamptz) IS 'Failed attempts from since (inclusive) to until (exclusive), at the price of the table. Example: SELECT platform, class, count(*) FROM upstream_errors(now() - interval ''1h'') GROUP BY 1, 2;';

CREATE FUNCTION upstream_errors(since interval, until interval DEFAULT '0') RETURNS SETOF upstream_error
AS 'MODULE_PATHNAME', 'ue_sql_errors_back'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 10000 SUPPORT upstream_errors_support;
COMMENT ON FUNCTION upstream_errors(interval, interval) IS 'Failed attempts from since back to until back, both counted from now. Example: SELECT * FROM upstream_errors(interval ''2h'', interval ''1h'');';

CREATE FUNCTION upstream_errors(since text, until text DEFAULT 'now') RETURNS SETOF upstream_error
AS 'MODULE_PATHNAME', 'ue_sql_errors_text'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 10000 SUPPORT upstream_errors_support;
COMMENT ON FUNCTION upstream_errors(text, text) IS 'Failed attempts in a range written as upstream_error_time() reads it. Examples: SELECT * FROM upstream_errors(''1h''); SELECT count(*) FROM upstream_errors(''2026-11-01'', ''2026-11-02'');';

CREATE FUNCTION upstream_errors(during tstzrange) RETURNS SETOF upstream_error
AS 'MODULE_PATHNAME', 'ue_sql_errors_during'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 10000 SUPPORT upstream_errors_support;
COMMENT ON FUNCTION upstream_errors(tstzrange) IS 'Failed attempts inside a range; its bounds may be exclusive, inclusive or missing. Example: SELECT * FROM upstream_errors(tstzrange(''2026-11-01'', NULL));';
