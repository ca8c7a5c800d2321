-- ---------------------------------------------------------------- queries

-- Each is one SELECT that the planner sees through to the table: conditions on what a
-- function returns, and the arguments that filter, reach the indexes.  The form with two
-- points in time is written out; those with texts, intervals and a tstzrange are made from
-- it at the end of this file.  Sums are bigint: numeric would be slower and no truer.

CREATE FUNCTION upstream_error_bucket(since timestamptz, until timestamptz, bucket interval) RETURNS interval
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	max_buckets CONSTANT int := 100000;
	length interval;
	result interval;
BEGIN
	since := @extschema@.upstream_error_range_start(since, until);
	IF NOT isfinite(since) OR NOT isfinite(until) THEN
		RAISE EXCEPTION 'a trend needs a range with two ends' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'upstream_error_trend(''30d'') ends now.';
	END IF;
	length := until - since;
	result := coalesce(bucket, CASE WHEN length <= interval '2 hours' THEN interval '1 minute'
		WHEN length <= interval '24 hours' THEN interval '5 minutes' ELSE interval '1 hour' END);
	IF extract(month FROM result) + extract(year FROM result) <> 0 OR result <= interval '0' THEN
		RAISE EXCEPTION 'bucket "%" is not a fixed length of time', result USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Accepted is anything longer than nothing without months or years: ''1 min'', ''6h'', ''7 days''.';
	END IF;
	IF extract(epoch FROM length) / extract(epoch FROM result) > max_buckets THEN
		RAISE EXCEPTION 'a range of % has more than % buckets of %', length, max_buckets, result
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Make the buckets longer or the range shorter.';
	END IF;
	-- in hours: a day may be longer or shorter where the session is
	RETURN extract(epoch FROM result) * interval '1 second';
END
$$;
COMMENT ON FUNCTION upstream_error_bucket(timestamptz, timestamptz, interval) IS 'Length of a bucket of upstream_error_trend(): the one given, checked, a day being 24 hours; else 1 minute for ranges up to 2 hours, 5 minutes up to 24 hours, 1 hour for longer ones. Example: SELECT upstream_error_bucket(now() - interval ''7 days'', now(), NULL);';

CREATE FUNCTION upstream_error_dimension(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF name IN ('platform', 'channel', 'model', 'status', 'kind', 'class', 'code', 'fingerprint') THEN
		RETURN name;
	END IF;
	RAISE EXCEPTION 'unrecognized dimension "%"', coalesce(left(name, 64), 'null') USING ERRCODE = 'invalid_parameter_value',
		HINT = 'Accepted are platform, channel, model, status, kind, class, code, fingerprint.';
END
$$;
COMMENT ON FUNCTION upstream_error_dimension(text) IS 'Returns name, or fails when failures cannot be counted by it. Example: SELECT upstream_error_dimension(''class'');';

CREATE FUNCTION upstream_error_sparkline(counts int8[]) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(CASE WHEN coalesce(c.n, 0) <= 0 THEN E'\u00B7'
		ELSE substr(E'\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588', ceil(8.0 * c.n / m.most)::int, 1) END, '' ORDER BY c.i), '')
	FROM unnest(counts) WITH ORDINALITY AS c (n, i),
		(SELECT max(d.n) FROM unnest(counts) AS d (n)) AS m (most)
$$;
COMMENT ON FUNCTION upstream_error_sparkline(int8[]) IS 'A row of bars, the tallest for the largest count and a dot for none. Example: SELECT upstream_error_sparkline(''{0,1,2,4,8}'');';

CREATE FUNCTION upstream_error_requests(since timestamptz, until timestamptz DEFAULT now())
RETURNS TABLE (
	request_id text, started_at timestamptz, ended_at timestamptz, duration_ms int8, attempts int8, outcome text,
	response_status int4, statuses int4[], platforms text[], channels text[], model text, class text, message text,
	failures upstream_error[]
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
	SELECT r.request_id, r.started_at, r.ended_at, round(extract(epoch FROM r.ended_at - r.started_at) * 1000)::int8, r.attempts,
		r.outcome, r.response_status, r.statuses, r.platforms, r.channels, r.model, r.class, r.message, r.failures
	FROM (
		-- total_ms of a recovered one is the whole request's, from its start
		SELECT e.request_id,
			min(e.at - coalesce(CASE WHEN e.outcome = 'recovered' THEN e.first_byte_ms ELSE e.total_ms END, 0) * interval '1 ms') AS started_at,
			greatest(max(e.at), min(e.at - coalesce(CASE WHEN e.outcome = 'recovered' THEN e.first_byte_ms ELSE e.total_ms END, 0) * interval '1 ms')
				+ max(e.total_ms) FILTER (WHERE e.outcome = 'recovered') * interval '1 ms') AS ended_at,
			count(*) AS attempts,
			(array_agg(e.outcome ORDER BY e.attempt DESC, e.at DESC))[1] AS outcome,
			(array_agg(e.response_status ORDER BY e.attempt DESC, e.at DESC))[1] AS response_status,
			array_agg(e.status_code ORDER BY e.attempt, e.at) AS statuses, array_agg(e.platform ORDER BY e.attempt, e.at) AS platforms,
			array_agg(e.channel ORDER BY e.attempt, e.at) AS channels, (array_agg(e.model ORDER BY e.attempt, e.at))[1] AS model,
			(array_agg(e.class ORDER BY e.attempt DESC, e.at DESC))[1] AS class,
			(array_agg(e.message ORDER BY e.attempt DESC, e.at DESC))[1] AS message,
			array_agg(ROW(e.*)::upstream_error ORDER BY e.attempt, e.at) AS failures
		FROM upstream_errors(since, until) AS e
		GROUP BY e.request_id
	) AS r;
END;
COMMENT ON FUNCTION upstream_error_requests(timestamptz, timestamptz) IS 'Requests that failed at least once from since (inclusive) to until (exclusive), with the failed attempts of that range in order (statuses, platforms, channels: one element each; failures: the whole rows). outcome, response_status, class and message are those of the last; outcome: recovered (another attempt saved it), retried (another attempt followed, and how it ended is not told), answered, error_frame, aborted (the client got an error), client_gone, null (not told). Example: SELECT request_id, attempts, statuses, outcome FROM upstream_error_requests(now() - interval ''1h'') ORDER BY started_at DESC LIMIT 20;';

CREATE FUNCTION upstream_error_trend(
	since timestamptz, until timestamptz DEFAULT now(), bucket interval DEFAULT NULL, platform text DEFAULT NULL,
	class text DEFAULT NULL, channel text DEFAULT NULL, model text DEFAULT NULL, use_counts bool DEFAULT true
)
RETURNS TABLE (
	bucket_start timestamptz, total int8, by_class jsonb, status_429 int8, status_529 int8, business_limited int8,
	recovered int8, answered int8, answered_sla int8, provider_429 int8, provider_529 int8, provider_other int8
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
	WITH length AS MATERIALIZED (
		SELECT upstream_error_bucket(upstream_error_trend.since, upstream_error_trend.until, upstream_error_trend.bucket) AS bucket
	), counted AS (
		-- not joined, which would cost a step for each event
		SELECT date_bin((SELECT l.bucket FROM length AS l), c.at, '2000-01-01 00:00:00+00') AS bucket_start, c.class, sum(c.failures)::int8 AS total,
			coalesce(sum(c.failures) FILTER (WHERE c.status_code = 429), 0)::int8 AS status_429,
			coalesce(sum(c.failures) FILTER (WHERE c.status_code = 529), 0)::int8 AS status_529,
			sum(c.business_limited)::int8 AS business_limited, sum(c.recovered)::int8 AS recovered,
			sum(c.answered)::int8 AS answered, sum(c.answered - c.answered_limited)::int8 AS answered_sla,
			coalesce(sum(c.provider) FILTER (WHERE c.status_code = 429), 0)::int8 AS provider_429,
			coalesce(sum(c.provider) FILTER (WHERE c.status_code = 529), 0)::int8 AS provider_529,
			coalesce(sum(c.provider - c.provider_limited) FILTER (WHERE (c.status_code IN (429, 529)) IS NOT TRUE), 0)::int8 AS provider_other
		FROM upstream_error_counts(upstream_error_trend.since, upstream_error_trend.until,
				upstream_error_trend.use_counts AND upstream_error_trend.channel IS NULL AND upstream_error_trend.model IS NULL
				AND (upstream_error_trend.bucket IS NULL OR extract(epoch FROM upstream_error_trend.bucket) % 60 = 0),
				CASE WHEN upstream_error_trend.bucket IS NULL THEN upstream_error_trend.until - upstream_error_trend.since > interval '24 hours'
					ELSE extract(epoch FROM upstream_error_trend.bucket) % 3600 = 0 END) AS c
		WHERE (upstream_error_trend.platform IS NULL OR c.platform = upstream_error_trend.platform)
			AND (upstream_error_trend.class IS NULL OR c.class = upstream_error_trend.class)
			AND (upstream_error_trend.channel IS NULL OR c.channel = upstream_error_trend.channel)
			AND (upstream_error_trend.model IS NULL OR c.model = upstream_error_trend.model)
		GROUP BY 1, 2
	)
	SELECT s.bucket_start, coalesce(sum(c.total), 0)::int8,
		coalesce(jsonb_object_agg(c.class, c.total ORDER BY c.class) FILTER (WHERE c.class IS NOT NULL), '{}'),
		coalesce(sum(c.status_429), 0)::int8, coalesce(sum(c.status_529), 0)::int8, coalesce(sum(c.business_limited), 0)::int8,
		coalesce(sum(c.recovered), 0)::int8, coalesce(sum(c.answered), 0)::int8, coalesce(sum(c.answered_sla), 0)::int8,
		coalesce(sum(c.provider_429), 0)::int8, coalesce(sum(c.provider_529), 0)::int8, coalesce(sum(c.provider_other), 0)::int8
	FROM length AS l
	CROSS JOIN LATERAL generate_series(date_bin(l.bucket, upstream_error_trend.since, '2000-01-01 00:00:00+00'),
		upstream_error_trend.until - interval '1 microsecond', l.bucket) AS s (bucket_start)
	LEFT JOIN counted AS c ON c.bucket_start = s.bucket_start
	GROUP BY s.bucket_start
	ORDER BY s.bucket_start;
END;
COMMENT ON FUNCTION upstream_error_trend(timestamptz, timestamptz, interval, text, text, text, text, bool) IS 'Failed attempts by time, a row for every bucket, also where there were none. Buckets are aligned to midnight UTC where they divide a day; the first may begin before since, but what is counted does not. bucket: any fixed length, by default 1 minute up to 2 hours, 5 minutes up to 24 hours, else 1 hour. recovered: another attempt saved the request; answered: the client got an error, count_tokens aside; answered_sla: of those, no business limit; provider_*: the vendor''s fault, other being neither 429 nor 529 nor a business limit. Days that upstream_error_maintain() has counted are read from its counts, with the same result as with use_counts => false; with channel or model, or buckets not of whole minutes, events are read. Example: SELECT bucket_start, total, by_class FROM upstream_error_trend(now() - interval ''24 hours'', bucket => ''1 hour'', platform => ''openai'');';

CREATE FUNCTION upstream_error_distribution(
	since timestamptz, until timestamptz DEFAULT now(), by text DEFAULT 'class', platform text DEFAULT NULL,
	class text DEFAULT NULL, channel text DEFAULT NULL, model text DEFAULT NULL, top int DEFAULT 20, use_counts bool DEFAULT true
)
RETURNS TABLE (value text, total int8, share numeric, answered int8, answered_sla int8, business_limited int8, recovered int8)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 20
BEGIN ATOMIC
	SELECT d.value, d.total, round(d.total / sum(d.total) OVER (), 4), d.answered, d.answered_sla, d.business_limited, d.recovered
	FROM (
		SELECT CASE upstream_error_dimension(upstream_error_distribution.by)
				WHEN 'platform' THEN c.platform WHEN 'channel' THEN c.channel WHEN 'model' THEN c.model
				WHEN 'status' THEN c.status_code::text WHEN 'kind' THEN c.kind WHEN 'class' THEN c.class
				WHEN 'code' THEN c.code WHEN 'fingerprint' THEN c.fingerprint::text END AS value,
			sum(c.failures)::int8 AS total, sum(c.answered)::int8 AS answered,
			sum(c.answered - c.answered_limited)::int8 AS answered_sla, sum(c.business_limited)::int8 AS business_limited,
			sum(c.recovered)::int8 AS recovered
		FROM upstream_error_counts(upstream_error_distribution.since, upstream_error_distribution.until,
			upstream_error_distribution.use_counts AND upstream_error_distribution.channel IS NULL
			AND upstream_error_distribution.model IS NULL
			AND upstream_error_distribution.by IN ('platform', 'status', 'kind', 'class', 'code'), true) AS c
		WHERE (upstream_error_distribution.platform IS NULL OR c.platform = upstream_error_distribution.platform)
			AND (upstream_error_distribution.class IS NULL OR c.class = upstream_error_distribution.class)
			AND (upstream_error_distribution.channel IS NULL OR c.channel = upstream_error_distribution.channel)
			AND (upstream_error_distribution.model IS NULL OR c.model = upstream_error_distribution.model)
		GROUP BY 1
	) AS d
	ORDER BY d.total DESC, d.value
	LIMIT upstream_error_distribution.top;
END;
COMMENT ON FUNCTION upstream_error_distribution(timestamptz, timestamptz, text, text, text, text, text, int, bool) IS 'Failed attempts by platform, channel, model, status (the upstream''s), kind, class, code or fingerprint: the most frequent first, share between 0 and 1 of all, the first 20 unless top says otherwise (null: all). Like upstream_error_trend() it reads counted days from their counts where these know the dimension (not channel, model, fingerprint). Example: SELECT value, total, share FROM upstream_error_distribution(now() - interval ''7 days'', by => ''status'');';

CREATE FUNCTION upstream_error_top_fingerprints(
	since timestamptz, until timestamptz DEFAULT now(), top int DEFAULT 20, platform text DEFAULT NULL,
	class text DEFAULT NULL, channel text DEFAULT NULL, model text DEFAULT NULL, slots int DEFAULT 24
)
RETURNS TABLE (
	fingerprint int8, platform text, class text, code text, total int8, first_seen timestamptz, last_seen timestamptz,
	sparkline text, sample_message text, sample_request_id text
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 20
BEGIN ATOMIC
	SELECT t.fingerprint, t.platform, t.class, m.code, t.total, t.first_seen, t.last_seen,
		upstream_error_sparkline(ARRAY(SELECT coalesce((t.counts ->> i.slot::text)::int8, 0)
			FROM generate_series(1, least(greatest(upstream_error_top_fingerprints.slots, 1), 1000)) AS i (slot))),
		m.message, m.request_id
	FROM (
		SELECT g.fingerprint, g.platform, g.class, sum(g.total)::int8 AS total, min(g.first_seen) AS first_seen,
			max(g.last_seen) AS last_seen, jsonb_object_agg(g.slot, g.total) AS counts
		FROM (
			SELECT e.fingerprint, e.platform, e.class, count(*) AS total, min(e.at) AS first_seen, max(e.at) AS last_seen,
				CASE WHEN isfinite(upstream_error_top_fingerprints.since) AND isfinite(upstream_error_top_fingerprints.until)
				THEN least(width_bucket(extract(epoch FROM e.at)::float8, extract(epoch FROM upstream_error_top_fingerprints.since)::float8,
					extract(epoch FROM upstream_error_top_fingerprints.until)::float8 + 0.000001,
					least(greatest(upstream_error_top_fingerprints.slots, 1), 1000)),
					least(greatest(upstream_error_top_fingerprints.slots, 1), 1000)) ELSE 1 END AS slot
			FROM upstream_errors(upstream_error_top_fingerprints.since, upstream_error_top_fingerprints.until) AS e
			WHERE (upstream_error_top_fingerprints.platform IS NULL OR e.platform = upstream_error_top_fingerprints.platform)
				AND (upstream_error_top_fingerprints.class IS NULL OR e.class = upstream_error_top_fingerprints.class)
				AND (upstream_error_top_fingerprints.channel IS NULL OR e.channel = upstream_error_top_fingerprints.channel)
				AND (upstream_error_top_fingerprints.model IS NULL OR e.model = upstream_error_top_fingerprints.model)
			GROUP BY 1, 2, 3, 7
		) AS g
		GROUP BY 1, 2, 3
		ORDER BY 4 DESC, 6 DESC, 1
		LIMIT upstream_error_top_fingerprints.top
	) AS t
	CROSS JOIN LATERAL (
		SELECT e.code, e.message, e.request_id
		-- the range once more, for then partitions outside it are gone before this begins
		FROM upstream_errors(upstream_error_top_fingerprints.since, upstream_error_top_fingerprints.until) AS e
		WHERE e.at = t.last_seen AND e.fingerprint IS NOT DISTINCT FROM t.fingerprint AND e.platform = t.platform AND e.class = t.class
		ORDER BY e.event_id
		LIMIT 1
	) AS m
	ORDER BY t.total DESC, t.last_seen DESC, t.fingerprint;
END;
COMMENT ON FUNCTION upstream_error_top_fingerprints(timestamptz, timestamptz, int, text, text, text, text, int) IS 'Kinds of failure, the most frequent first (20 unless top says otherwise; null: all): how often, first and last seen in the range, a sparkline of as many bars as slots, and one sample, the latest. Example: SELECT total, sparkline, sample_message FROM upstream_error_top_fingerprints(now() - interval ''24 hours'', top => 10);';

CREATE FUNCTION upstream_error_new_fingerprints(
	since timestamptz, until timestamptz DEFAULT now(), baseline interval DEFAULT '7 days', top int DEFAULT NULL
)
RETURNS TABLE (
	fingerprint int8, platform text, class text, total int8, first_seen timestamptz, last_seen timestamptz,
	sample_message text, sample_request_id text
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 20
BEGIN ATOMIC
	SELECT n.fingerprint, n.platform, n.class, n.total, n.first_seen, n.last_seen, m.message, m.request_id
	FROM (
		SELECT e.fingerprint, min(e.platform) AS platform, min(e.class) AS class, count(*) AS total, min(e.at) AS first_seen,
			max(e.at) AS last_seen
		FROM upstream_errors(upstream_error_new_fingerprints.since, upstream_error_new_fingerprints.until) AS e
		WHERE e.fingerprint IS NOT NULL
			AND NOT EXISTS (
				SELECT FROM upstream_errors(upstream_error_new_fingerprints.since - upstream_error_new_fingerprints.baseline,
					upstream_error_new_fingerprints.since) AS b
				WHERE b.fingerprint = e.fingerprint)
		GROUP BY 1
		ORDER BY 5, 1
		LIMIT upstream_error_new_fingerprints.top
	) AS n
	CROSS JOIN LATERAL (
		SELECT e.message, e.request_id
		FROM upstream_errors(upstream_error_new_fingerprints.since, upstream_error_new_fingerprints.until) AS e
		WHERE e.at = n.first_seen AND e.fingerprint = n.fingerprint
		ORDER BY e.event_id
		LIMIT 1
	) AS m
	ORDER BY n.first_seen, n.fingerprint;
END;
COMMENT ON FUNCTION upstream_error_new_fingerprints(timestamptz, timestamptz, interval, int) IS 'Kinds of failure seen in the range and not in the time before it, as long as baseline says (7 days by default), the oldest first, with their first message. Example: SELECT first_seen, total, sample_message FROM upstream_error_new_fingerprints(now() - interval ''1h'', baseline => ''30 days'');';

CREATE FUNCTION upstream_error_recovery(
	since timestamptz, until timestamptz DEFAULT now(), quiet interval DEFAULT '5 minutes', platform text DEFAULT NULL
)
RETURNS TABLE (
	platform text, channel text, failures int8, incidents int8, recovery_mean interval, recovery_max interval,
	failing interval, last_failure timestamptz, error_free interval, error_free_max interval, is_failing bool
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 20
BEGIN ATOMIC
	SELECT i.platform, i.channel, sum(i.failures)::int8, count(*), avg(i.ended - i.started), max(i.ended - i.started),
		sum(i.ended - i.started), max(i.ended),
		CASE WHEN isfinite(upstream_error_recovery.until) THEN upstream_error_recovery.until - max(i.ended) END,
		greatest(max(i.before), CASE WHEN isfinite(upstream_error_recovery.until) THEN upstream_error_recovery.until - max(i.ended) END),
		max(i.ended) + upstream_error_recovery.quiet > upstream_error_recovery.until
	FROM (
		SELECT g.platform, g.channel, g.incident, count(*) AS failures, min(g.at) AS started, max(g.at) AS ended, max(g.before) AS before
		FROM (
			SELECT f.platform, f.channel, f.at,
				CASE WHEN f.is_start THEN f.at - coalesce(f.previous, CASE WHEN isfinite(upstream_error_recovery.since) THEN upstream_error_recovery.since END) END AS before,
				count(*) FILTER (WHERE f.is_start) OVER (PARTITION BY f.platform, f.channel ORDER BY f.at, f.event_id) AS incident
			FROM (
				SELECT e.platform, e.channel, e.at, e.event_id, lag(e.at) OVER w AS previous,
					(e.at - lag(e.at) OVER w <= upstream_error_recovery.quiet) IS NOT TRUE AS is_start
				FROM upstream_errors(upstream_error_recovery.since, upstream_error_recovery.until) AS e
				WHERE (upstream_error_recovery.platform IS NULL OR e.platform = upstream_error_recovery.platform)
					AND e.request_fault IS NOT TRUE AND e.kind <> 'client_gone'
				WINDOW w AS (PARTITION BY e.platform, e.channel ORDER BY e.at, e.event_id)
			) AS f
		) AS g
		GROUP BY 1, 2, 3
	) AS i
	GROUP BY 1, 2
	ORDER BY 1, 2;
END;
COMMENT ON FUNCTION upstream_error_recovery(timestamptz, timestamptz, interval, text) IS 'How channels fail and recover. Failures not further apart than quiet (5 minutes by default) are one incident, whose length is the time to recovery; error_free is the time since the last failure, error_free_max the longest time without one in the range; is_failing: the last incident may go on. Failures that the request itself was to blame for, and clients that left, are not the channel''s and do not count. Example: SELECT channel, incidents, recovery_mean, error_free FROM upstream_error_recovery(now() - interval ''24 hours'') WHERE is_failing;';

CREATE FUNCTION upstream_error_latencies(
	since timestamptz, until timestamptz DEFAULT now(), by text DEFAULT 'platform', platform text DEFAULT NULL
)
RETURNS TABLE (
	value text, failures int8, total_avg_ms numeric, total_p50_ms numeric, total_p90_ms numeric, total_p95_ms numeric,
	total_p99_ms numeric, total_max_ms int4, first_byte_p50_ms numeric, first_byte_p99_ms numeric
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 20
BEGIN ATOMIC
	SELECT l.value, l.failures, round(l.average, 1), round(l.p[1]::numeric, 1), round(l.p[2]::numeric, 1),
		round(l.p[3]::numeric, 1), round(l.p[4]::numeric, 1), l.longest, round(l.f[1]::numeric, 1), round(l.f[2]::numeric, 1)
	FROM (
		SELECT CASE upstream_error_dimension(upstream_error_latencies.by)
				WHEN 'platform' THEN e.platform WHEN 'channel' THEN e.channel WHEN 'model' THEN e.model
				WHEN 'status' THEN e.status_code::text WHEN 'kind' THEN e.kind WHEN 'class' THEN e.class
				WHEN 'code' THEN e.code WHEN 'fingerprint' THEN e.fingerprint::text END AS value,
			count(*) AS failures, avg(t.ms) AS average, max(t.ms) AS longest,
			percentile_cont(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY t.ms) AS p,
			percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY e.first_byte_ms) AS f
		FROM upstream_errors(upstream_error_latencies.since, upstream_error_latencies.until) AS e,
			-- total_ms of a recovered one is the whole request's
			LATERAL (SELECT CASE WHEN e.outcome = 'recovered' THEN e.first_byte_ms ELSE e.total_ms END) AS t (ms)
		WHERE (upstream_error_latencies.platform IS NULL OR e.platform = upstream_error_latencies.platform)
		GROUP BY 1
	) AS l
	ORDER BY l.failures DESC, l.value;
END;
COMMENT ON FUNCTION upstream_error_latencies(timestamptz, timestamptz, text, text) IS 'How long failures took, in milliseconds: average, percentiles and maximum of the whole attempt (of one that another attempt saved, until its first byte: total_ms is the request''s then), and percentiles of the time to the first byte where there was one; by platform, channel, model, status, kind, class, code or fingerprint. Example: SELECT value, total_p50_ms, total_p99_ms FROM upstream_error_latencies(now() - interval ''24 hours'', by => ''channel'');';

CREATE FUNCTION upstream_error_sla(since timestamptz, until timestamptz DEFAULT now(), platform text DEFAULT NULL)
RETURNS TABLE (
	platform text, requests int8, answers int8, recovered int8, errors int8, errors_sla int8, business_limited int8,
	provider_429 int8, provider_529 int8, provider_other int8, sla numeric, error_rate numeric, upstream_error_rate numeric
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
BEGIN ATOMIC
	SELECT s.platform, s.requests, s.answers, s.recovered, s.errors, s.errors - s.limited, s.limited, s.provider_429,
		s.provider_529, s.provider_other,
		round(s.answers::numeric / nullif(s.answers + s.errors - s.limited, 0), 6),
		CASE WHEN s.answers IS NOT NULL THEN round((s.errors - s.limited)::numeric / nullif(s.answers + s.errors - s.limited, 0), 6) END,
		round(s.provider_other::numeric / nullif(s.answers + s.errors - s.limited, 0), 6)
	FROM (
		SELECT a.platform, sum(a.requests)::int8 AS requests, sum(a.answers)::int8 AS answers, sum(a.recovered)::int8 AS recovered,
			sum(a.errors)::int8 AS errors, sum(a.limited)::int8 AS limited, sum(a.provider_429)::int8 AS provider_429,
			sum(a.provider_529)::int8 AS provider_529, sum(a.provider_other)::int8 AS provider_other
		FROM (
			SELECT t.platform, sum(t.requests) AS requests, sum(t.answers) AS answers, sum(t.recovered) AS recovered,
				0::int8 AS errors, 0::int8 AS limited, 0::int8 AS provider_429, 0::int8 AS provider_529, 0::int8 AS provider_other
			FROM upstream_error_traffic AS t
			WHERE t.minute >= upstream_error_range_start(upstream_error_sla.since, upstream_error_sla.until)
				AND t.minute < upstream_error_sla.until
				AND (upstream_error_sla.platform IS NULL OR t.platform = upstream_error_sla.platform)
				AND upstream_error_is_answered('answered', t.route)
				-- whose events are filtered is not to know how much traffic the others have
				AND (NOT row_security_active('upstream_error_events'::regclass::oid)
					OR row_security_active('upstream_error_traffic'::regclass::oid))
			GROUP BY 1
			UNION ALL
			SELECT c.platform, NULL, NULL, NULL, sum(c.answered), sum(c.answered_limited),
				coalesce(sum(c.provider) FILTER (WHERE c.status_code = 429), 0),
				coalesce(sum(c.provider) FILTER (WHERE c.status_code = 529), 0),
				coalesce(sum(c.provider - c.provider_limited) FILTER (WHERE (c.status_code IN (429, 529)) IS NOT TRUE), 0)
			FROM upstream_error_counts(upstream_error_sla.since, upstream_error_sla.until, true, true) AS c
			WHERE (upstream_error_sla.platform IS NULL OR c.platform = upstream_error_sla.platform)
			GROUP BY 1
		) AS a
		GROUP BY GROUPING SETS ((a.platform), ())
	) AS s
	ORDER BY s.platform NULLS FIRST;
END;
COMMENT ON FUNCTION upstream_error_sla(timestamptz, timestamptz, text) IS 'Service level, one row per platform and first one for all (platform null). requests, answers, recovered: what sidecars counted in upstream_error_traffic; errors: requests that the client got an error for; all of them without count_tokens; errors_sla: those that no business limit explains. sla = answers / (answers + errors_sla), error_rate = errors_sla and upstream_error_rate = provider_other over the same; null, not 1, where no traffic was recorded, and for whom row security filters events but not traffic. Traffic is counted by whole minutes: give ends that are. Example: SELECT platform, sla, error_rate FROM upstream_error_sla(now() - interval ''24 hours'');';

CREATE FUNCTION upstream_error_sizes()
RETURNS TABLE (relation regclass, contents text, rows_estimated int8, total_bytes int8, index_bytes int8, since timestamptz, until timestamptz, expires_at timestamptz)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 40
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.relation, r.contents, greatest(c.reltuples, 0)::int8, pg_total_relation_size(r.relation), pg_indexes_size(r.relation),
		r.since, r.until, r.until + r.retention
	FROM (
		SELECT p.partition, 'events', p.since, p.until, CASE WHEN p.is_ours THEN @extschema@.upstream_error_retention() END
		FROM @extschema@.upstream_error_partitions() AS p
		UNION ALL
		SELECT nullif(t.partdefid, 0)::regclass, 'events without a partition', NULL, NULL, NULL
		FROM pg_partitioned_table AS t WHERE t.partrelid = '@extschema@.upstream_error_events'::regclass AND t.partdefid <> 0
		UNION ALL
		SELECT n.relation, n.contents, NULL, NULL, NULL FROM (VALUES
			('@extschema@.upstream_error_minutes'::regclass, 'counts of events'),
			('@extschema@.upstream_error_hours'::regclass, 'counts of events'),
			('@extschema@.upstream_error_traffic'::regclass, 'counts of traffic'),
			('@extschema@.upstream_error_counted_days'::regclass, 'state of the counts'),
			('@extschema@.upstream_error_late_days'::regclass, 'state of the counts')) AS n (relation, contents)
	) AS r (relation, contents, since, until, retention)
	JOIN pg_class AS c ON c.oid = r.relation
	ORDER BY r.contents, r.since, r.relation
$$;
COMMENT ON FUNCTION upstream_error_sizes() IS 'What is stored and how much of it, in bytes, indexes and TOAST included; expires_at: when upstream_error_maintain() drops the partition. rows_estimated is as of the last analyze. Example: SELECT contents, pg_size_pretty(sum(total_bytes)) FROM upstream_error_sizes() GROUP BY 1;';

-- The other forms of a range, the same for each: the arguments behind it, their names and
-- defaults, and the columns are those of the form with two points in time, into which they
-- are inlined.  Behind a tstzrange the first two change places where their types differ:
-- of ('7d', '1d', '1 hour') the parser could not tell else that the third is no text.
DO $$
DECLARE
	base record;
	form record;
	more text[];
BEGIN
	FOR base IN
		SELECT p.oid, p.proname, p.proparallel, p.prorows, p.proargtypes,
			pg_catalog.regexp_split_to_array(pg_catalog.pg_get_function_arguments(p.oid), ', ') AS arguments,
			pg_catalog.pg_get_function_result(p.oid) AS result,
			(SELECT pg_catalog.string_agg(pg_catalog.format(', %1$I => %1$I', n), '')
			 FROM pg_catalog.unnest(p.proargnames[3:p.pronargs]) AS n) AS passed
		FROM pg_catalog.pg_proc AS p
		WHERE p.pronamespace OPERATOR(pg_catalog.=) '@extschema@'::pg_catalog.regnamespace
			AND p.proname OPERATOR(pg_catalog.=) ANY (ARRAY['upstream_error_requests', 'upstream_error_trend',
				'upstream_error_distribution', 'upstream_error_top_fingerprints', 'upstream_error_new_fingerprints',
				'upstream_error_recovery', 'upstream_error_latencies', 'upstream_error_sla']::pg_catalog.name[])
	LOOP
		FOR form IN SELECT * FROM (VALUES
			('since text, until text DEFAULT ''now''', 'upstream_error_time(since), upstream_error_time(until)',
				'times as upstream_error_time() reads them', '''1h''', 'text'::pg_catalog.regtype),
			('since interval, until interval DEFAULT ''0''', 'now() - since, now() - until',
				'both ends counted back from now', 'interval ''2h'', interval ''1h''', 'interval'::pg_catalog.regtype),
			('during tstzrange', 'upstream_error_range_start(during), upstream_error_range_end(during)',
				'a range', 'tstzrange(''2026-11-01'', ''2026-11-02'')', 'tstzrange'::pg_catalog.regtype)
			) AS f (parameters, ends, meaning, example, type)
		LOOP
			more := base.arguments[3:];
			IF form.type OPERATOR(pg_catalog.=) 'tstzrange'::pg_catalog.regtype
				AND pg_catalog.cardinality(more) OPERATOR(pg_catalog.>) 1
				AND base.proargtypes[2] OPERATOR(pg_catalog.<>) base.proargtypes[3]
			THEN
				more := ARRAY[more[2], more[1]] OPERATOR(pg_catalog.||) more[3:];
			END IF;
			EXECUTE pg_catalog.format('CREATE FUNCTION %1$I(%2$s) RETURNS %3$s LANGUAGE sql STABLE CALLED ON NULL INPUT %4$s ROWS %5$s
				BEGIN ATOMIC SELECT * FROM %1$I(%6$s%7$s); END',
				base.proname, pg_catalog.array_to_string(ARRAY[form.parameters] OPERATOR(pg_catalog.||) more, ', '), base.result,
				CASE base.proparallel WHEN 's' THEN 'PARALLEL SAFE' ELSE 'PARALLEL RESTRICTED' END, base.prorows, form.ends,
				base.passed);
			EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L',
				(SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc AS p
				 WHERE p.pronamespace OPERATOR(pg_catalog.=) '@extschema@'::pg_catalog.regnamespace
					AND p.proname OPERATOR(pg_catalog.=) base.proname AND p.proargtypes[0] OPERATOR(pg_catalog.=) form.type),
				pg_catalog.format('The same with %s. Example: SELECT * FROM %s(%s);', form.meaning, base.proname, form.example));
		END LOOP;
	END LOOP;
END
$$;
