-- ---------------------------------------------------------------- minutes and traffic

-- A day that is over is counted once, minute by minute, by upstream_error_maintain(), and
-- trend and distribution read the counts in place of the events.  They must never differ
-- from the events, so a day's counts are believed only while nothing has happened to it:
--
--   - upstream_error_record() notes the days of late events in upstream_error_late_days,
--     in the transaction that records them: seen together or not at all;
--   - whatever else writes (COPY, a logical subscriber, an administrator) moves the
--     partition's statistics, and TRUNCATE its file: they are kept beside the counts and
--     compared.  Statistics of other sessions are up to a second behind.
--
-- A day not believed is read from its events, and counted again by the next maintenance.
-- Once retention has dropped the partition, the counts are all there is, and final.
CREATE TABLE upstream_error_minutes (
	minute timestamptz NOT NULL,
	platform text NOT NULL,
	kind text NOT NULL,
	class text NOT NULL,
	code text,
	status_code int4,
	failures int8 NOT NULL,
	business_limited int8 NOT NULL,
	recovered int8 NOT NULL,
	answered int8 NOT NULL,
	answered_limited int8 NOT NULL,
	provider int8 NOT NULL,
	provider_limited int8 NOT NULL
);
CREATE UNIQUE INDEX upstream_error_minutes_key ON upstream_error_minutes
	(minute, platform, kind, class, code, status_code) NULLS NOT DISTINCT;
COMMENT ON TABLE upstream_error_minutes IS 'Failed attempts counted by minute, made by upstream_error_maintain() of each day that is over; kept for upstream_errors.rollup_retention. Query it through upstream_error_trend() and upstream_error_distribution(), which know when not to believe it.';
COMMENT ON INDEX upstream_error_minutes_key IS 'No minute is counted twice.';
COMMENT ON COLUMN upstream_error_minutes.minute IS 'its beginning';
COMMENT ON COLUMN upstream_error_minutes.failures IS 'failed attempts, the sum of all';
COMMENT ON COLUMN upstream_error_minutes.business_limited IS 'of failures: limits that somebody set on purpose';
COMMENT ON COLUMN upstream_error_minutes.recovered IS 'of failures: a later attempt saved the request';
COMMENT ON COLUMN upstream_error_minutes.answered IS 'of failures: the client got an error for it; without count_tokens';
COMMENT ON COLUMN upstream_error_minutes.answered_limited IS 'of answered: business_limited';
COMMENT ON COLUMN upstream_error_minutes.provider IS 'of failures: the vendor''s; without count_tokens';
COMMENT ON COLUMN upstream_error_minutes.provider_limited IS 'of provider: business_limited';

-- A month by the hour is read from these: a twentieth of the rows at least.
CREATE TABLE upstream_error_hours (LIKE upstream_error_minutes);
ALTER TABLE upstream_error_hours RENAME COLUMN minute TO hour;
CREATE UNIQUE INDEX upstream_error_hours_key ON upstream_error_hours
	(hour, platform, kind, class, code, status_code) NULLS NOT DISTINCT;
COMMENT ON TABLE upstream_error_hours IS 'The counts of upstream_error_minutes by the hour, made with them.';
COMMENT ON INDEX upstream_error_hours_key IS 'No hour is counted twice.';

CREATE TABLE upstream_error_counted_days (
	day timestamptz PRIMARY KEY,
	partition regclass,
	changes int8 NOT NULL,
	filenode oid NOT NULL,
	statistics_since timestamptz,
	counted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE upstream_error_counted_days IS 'Days (UTC) that upstream_error_minutes has, and what their partitions looked like.';
COMMENT ON COLUMN upstream_error_counted_days.partition IS 'null: dropped, the counts are final';
COMMENT ON COLUMN upstream_error_counted_days.changes IS 'rows that were ever written to the partition when it was counted';
COMMENT ON COLUMN upstream_error_counted_days.filenode IS 'file of the partition, which a TRUNCATE replaces';
COMMENT ON COLUMN upstream_error_counted_days.statistics_since IS 'when the statistics began that changes is from: after a crash or a reset they count anew, and may come to the same number';

-- No key: sessions that note the same day do not wait for one another.
CREATE TABLE upstream_error_late_days (
	day timestamptz NOT NULL
);
COMMENT ON TABLE upstream_error_late_days IS 'Days (UTC) of events that upstream_error_record() got late; upstream_error_maintain() counts them again.';

CREATE TABLE upstream_error_traffic (
	minute timestamptz NOT NULL CHECK (pg_catalog.isfinite(minute)),
	entry_id uuid NOT NULL,
	platform text NOT NULL,
	channel text,
	model text,
	route text,
	region text,
	instance text NOT NULL,
	requests int8 NOT NULL CHECK (requests OPERATOR(pg_catalog.>=) 0),
	answers int8 NOT NULL CHECK (answers OPERATOR(pg_catalog.>=) 0),
	recovered int8 NOT NULL CHECK (recovered OPERATOR(pg_catalog.>=) 0),
	first_byte_counts int8[] CHECK (pg_catalog.cardinality(first_byte_counts) OPERATOR(pg_catalog.=) 16),
	total_counts int8[] CHECK (pg_catalog.cardinality(total_counts) OPERATOR(pg_catalog.=) 16),
	PRIMARY KEY (minute, entry_id)
);
COMMENT ON TABLE upstream_error_traffic IS 'What sidecars counted of all requests, good and bad, by minute; the denominator of rates. A sidecar may send several entries for a minute: they add up.';
COMMENT ON COLUMN upstream_error_traffic.minute IS 'its beginning';
COMMENT ON COLUMN upstream_error_traffic.entry_id IS 'identity of the entry, given by the sidecar; the same in every replay';
COMMENT ON COLUMN upstream_error_traffic.platform IS 'vendor of the upstream; unknown: there was none for the path';
COMMENT ON COLUMN upstream_error_traffic.channel IS 'upstream endpoint that answered last';
COMMENT ON COLUMN upstream_error_traffic.model IS 'model as the client asked for it';
COMMENT ON COLUMN upstream_error_traffic.route IS 'path that the client asked for, without its query, ids in it as {id}; (other): more kinds of request in one minute than are counted apart; null: nobody''s path';
COMMENT ON COLUMN upstream_error_traffic.region IS 'where the sidecar runs';
COMMENT ON COLUMN upstream_error_traffic.instance IS 'which sidecar';
COMMENT ON COLUMN upstream_error_traffic.requests IS 'requests that ended in this minute';
COMMENT ON COLUMN upstream_error_traffic.answers IS 'of requests: answered without an error';
COMMENT ON COLUMN upstream_error_traffic.recovered IS 'of answers: saved by another attempt';
COMMENT ON COLUMN upstream_error_traffic.first_byte_counts IS 'answers by time to the first byte; bounds: upstream_error_latency_bounds()';
COMMENT ON COLUMN upstream_error_traffic.total_counts IS 'answers by total time, likewise';

-- Whom row security keeps from events of others is not to see them counted.  As a sub-select
-- it is asked once and not for every row.
DO $$
DECLARE
	relation pg_catalog.regclass;
BEGIN
	FOREACH relation IN ARRAY ARRAY['upstream_error_minutes', 'upstream_error_hours', 'upstream_error_traffic']::pg_catalog.regclass[]
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
		EXECUTE pg_catalog.format('CREATE POLICY upstream_errors_unfiltered ON %s
			USING ((SELECT NOT pg_catalog.row_security_active(%L::pg_catalog.regclass::pg_catalog.oid)))', relation, '@extschema@.upstream_error_events');
		EXECUTE pg_catalog.format('COMMENT ON POLICY upstream_errors_unfiltered ON %s IS %L', relation,
			'Empty for whom row security filters upstream_error_events: these are counts of all events.');
	END LOOP;
END
$$;

SELECT pg_catalog.pg_extension_config_dump('upstream_error_minutes', '');
SELECT pg_catalog.pg_extension_config_dump('upstream_error_hours', '');
SELECT pg_catalog.pg_extension_config_dump('upstream_error_counted_days', '');
SELECT pg_catalog.pg_extension_config_dump('upstream_error_late_days', '');
SELECT pg_catalog.pg_extension_config_dump('upstream_error_traffic', '');

CREATE FUNCTION upstream_error_rollup_retention() RETURNS interval
AS 'MODULE_PATHNAME', 'ue_sql_rollup_retention'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_rollup_retention() IS 'Setting upstream_errors.rollup_retention as an interval; null when counts are kept for ever.';

CREATE FUNCTION upstream_error_latency_bounds() RETURNS int4[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY[5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000, 300000];
COMMENT ON FUNCTION upstream_error_latency_bounds() IS 'Upper bounds, in ms and inclusive, of the first 15 of the 16 counts in a histogram of upstream_error_traffic; the last counts what took longer. Example: SELECT upstream_error_latency_bounds();';

-- Statistics count this session's own writes only once it has reported them, hence the
-- second half.  Aborted writes count too, which does no harm.
CREATE FUNCTION upstream_error_partition_changes(partition oid) RETURNS int8
LANGUAGE sql VOLATILE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
RETURN pg_stat_get_tuples_inserted(partition) + pg_stat_get_tuples_updated(partition) + pg_stat_get_tuples_deleted(partition)
	+ coalesce(pg_stat_get_xact_tuples_inserted(partition), 0) + coalesce(pg_stat_get_xact_tuples_updated(partition), 0)
	+ coalesce(pg_stat_get_xact_tuples_deleted(partition), 0);
COMMENT ON FUNCTION upstream_error_partition_changes(oid) IS 'Rows that were ever written to a partition, as far as the statistics know.';

-- A crash takes the statistics of tables along without a word in this database's; those of
-- the background writer, which are never without a beginning, began anew with it.
CREATE FUNCTION upstream_error_statistics_since() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
RETURN greatest(pg_stat_get_bgwriter_stat_reset_time(),
	(SELECT pg_stat_get_db_stat_reset_time(d.oid) FROM pg_database AS d WHERE d.datname = current_database()));
COMMENT ON FUNCTION upstream_error_statistics_since() IS 'When the statistics of this database began, or were last reset by anybody or by a crash.';

-- A standby has no statistics of its own: there the counts are as the primary left them.
-- Where row security filters events, counts of all events are nobody's business.
CREATE FUNCTION upstream_error_believed_days(since timestamptz, until timestamptz) RETURNS SETOF timestamptz
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 30
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT d.day
	FROM @extschema@.upstream_error_counted_days AS d
	WHERE d.day + interval '24 hours' > since AND d.day < until
		AND NOT row_security_active('@extschema@.upstream_error_events'::regclass)
		AND (d.partition IS NULL
			OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = d.partition)
				AND NOT EXISTS (SELECT FROM @extschema@.upstream_error_late_days AS l WHERE l.day = d.day)
				AND (pg_is_in_recovery() OR d.filenode = pg_relation_filenode(d.partition)
					AND d.statistics_since IS NOT DISTINCT FROM @extschema@.upstream_error_statistics_since()
					AND d.changes = @extschema@.upstream_error_partition_changes(d.partition)))
	ORDER BY d.day
$$;
COMMENT ON FUNCTION upstream_error_believed_days(timestamptz, timestamptz) IS 'Days (UTC) that a range touches whose counts in upstream_error_minutes are those of the events.';

CREATE FUNCTION upstream_error_uncounted(since timestamptz, until timestamptz)
RETURNS TABLE (range_since timestamptz, range_until timestamptz)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
	WITH counted AS (
		SELECT greatest(b.day, date_bin('1 minute', since + interval '59.999999 s', '2000-01-01 00:00:00+00')) AS lo,
			least(b.day + interval '24 hours', date_bin('1 minute', until, '2000-01-01 00:00:00+00')) AS hi
		FROM @extschema@.upstream_error_believed_days(since, until) AS b (day)
	), filled AS (
		SELECT c.lo, c.hi FROM counted AS c WHERE c.lo < c.hi
	)
	SELECT g.lo, g.hi FROM (
		SELECT coalesce(lag(f.hi) OVER (ORDER BY f.lo), since), f.lo FROM filled AS f
		UNION ALL
		SELECT coalesce(max(f.hi), since), until FROM filled AS f
	) AS g (lo, hi)
	WHERE g.lo < g.hi
$$;
COMMENT ON FUNCTION upstream_error_uncounted(timestamptz, timestamptz) IS 'The parts of a range that upstream_error_counts() reads from the events.';

-- What a row counts as, in one place; inlined.  sub2api leaves count_tokens out of its rates:
-- its failures say nothing of what users wait for.  The routes are those that the sidecar
-- takes for counting; the underscore stands for Bedrock's hyphen too.
CREATE FUNCTION upstream_error_count_if(condition bool) RETURNS int8
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE WHEN condition THEN 1 ELSE 0 END;
COMMENT ON FUNCTION upstream_error_count_if(bool) IS '1 where the condition is true, else 0.';

CREATE FUNCTION upstream_error_is_answered(outcome text, route text) RETURNS bool
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN outcome IN ('answered', 'error_frame', 'aborted')
	AND (route LIKE '%okens' AND (route LIKE '%/count_tokens' OR route LIKE '%/responses/input_tokens' OR route LIKE '%:countTokens')) IS NOT TRUE;
COMMENT ON FUNCTION upstream_error_is_answered(text, text) IS 'The client got an error for it, and not for counting tokens. Example: SELECT count(*) FROM upstream_errors(''1h'') WHERE upstream_error_is_answered(outcome, route);';

CREATE FUNCTION upstream_error_is_provider(owner text, route text) RETURNS bool
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN owner = 'provider'
	AND (route LIKE '%okens' AND (route LIKE '%/count_tokens' OR route LIKE '%/responses/input_tokens' OR route LIKE '%:countTokens')) IS NOT TRUE;
COMMENT ON FUNCTION upstream_error_is_provider(text, text) IS 'The vendor''s to mend, and not for counting tokens. Example: SELECT count(*) FROM upstream_errors(''1h'') WHERE upstream_error_is_provider(owner, route);';

-- A null for use_counts or by_hour is their default.
-- Of its branches the planner sees each: the counts of days believed, by the minute, or by
-- the hour with the minutes of hours that the range cuts; the events of the rest, one scan
-- per gap; and, where no day is believed, the range as it stands, with the plan that
-- upstream_errors() has.  OFFSET keeps the gaps from becoming a join, which would read all
-- partitions once and compare each event with each gap; a scan opens its gap's partitions.
CREATE FUNCTION upstream_error_counts(
	since timestamptz, until timestamptz, use_counts bool DEFAULT true, by_hour bool DEFAULT false
)
RETURNS TABLE (
	at timestamptz, platform text, kind text, class text, code text, status_code int4, channel text, model text,
	fingerprint int8, failures int8, business_limited int8, recovered int8, answered int8, answered_limited int8,
	provider int8, provider_limited int8
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10000
BEGIN ATOMIC
	SELECT m.minute, m.platform, m.kind, m.class, m.code, m.status_code, NULL::text, NULL::text, NULL::int8, m.failures,
		m.business_limited, m.recovered, m.answered, m.answered_limited, m.provider, m.provider_limited
	FROM upstream_error_minutes AS m
	WHERE use_counts IS NOT FALSE AND m.minute >= since AND m.minute <= until - interval '1 minute'
		AND (by_hour IS NOT TRUE
			OR m.minute >= since AND m.minute < date_bin('1 hour', since + interval '59 min 59.999999 s', '2000-01-01 00:00:00+00')
			OR m.minute >= date_bin('1 hour', until, '2000-01-01 00:00:00+00') AND m.minute <= until - interval '1 minute')
		AND date_bin('24 hours', m.minute, '2000-01-01 00:00:00+00') IN (SELECT b.day FROM upstream_error_believed_days(since, until) AS b (day))
	UNION ALL
	SELECT h.hour, h.platform, h.kind, h.class, h.code, h.status_code, NULL::text, NULL::text, NULL::int8, h.failures,
		h.business_limited, h.recovered, h.answered, h.answered_limited, h.provider, h.provider_limited
	FROM upstream_error_hours AS h
	WHERE use_counts IS NOT FALSE AND by_hour IS TRUE AND h.hour >= since AND h.hour <= until - interval '1 hour'
		AND date_bin('24 hours', h.hour, '2000-01-01 00:00:00+00') IN (SELECT b.day FROM upstream_error_believed_days(since, until) AS b (day))
	UNION ALL
	SELECT w.at, w.platform, w.kind, w.class, w.code, w.status_code, w.channel, w.model, w.fingerprint, 1,
		upstream_error_count_if(w.business_limited), upstream_error_count_if(w.outcome = 'recovered'),
		upstream_error_count_if(upstream_error_is_answered(w.outcome, w.route)),
		upstream_error_count_if(w.business_limited AND upstream_error_is_answered(w.outcome, w.route)),
		upstream_error_count_if(upstream_error_is_provider(w.owner, w.route)),
		upstream_error_count_if(w.business_limited AND upstream_error_is_provider(w.owner, w.route))
	FROM upstream_errors(since, until) AS w
	WHERE NOT (use_counts IS NOT FALSE AND EXISTS (SELECT FROM upstream_error_believed_days(since, until)))
	UNION ALL
	SELECT w.at, w.platform, w.kind, w.class, w.code, w.status_code, w.channel, w.model, w.fingerprint, 1,
		upstream_error_count_if(w.business_limited), upstream_error_count_if(w.outcome = 'recovered'),
		upstream_error_count_if(upstream_error_is_answered(w.outcome, w.route)),
		upstream_error_count_if(w.business_limited AND upstream_error_is_answered(w.outcome, w.route)),
		upstream_error_count_if(upstream_error_is_provider(w.owner, w.route)),
		upstream_error_count_if(w.business_limited AND upstream_error_is_provider(w.owner, w.route))
	FROM upstream_error_uncounted(since, until) AS u, LATERAL (
		SELECT * FROM upstream_errors(u.range_since, u.range_until) OFFSET 0
	) AS w
	WHERE use_counts IS NOT FALSE AND EXISTS (SELECT FROM upstream_error_believed_days(since, until));
END;
COMMENT ON FUNCTION upstream_error_counts(timestamptz, timestamptz, bool, bool) IS 'Failed attempts as rows to be summed up: events of days that are not counted yet, one row each, and the counts of the others (at: the minute or, by_hour, the hour; channel, model and fingerprint null). use_counts => false reads events only. Example: SELECT class, sum(failures) FROM upstream_error_counts(now() - interval ''30 days'', now()) GROUP BY 1;';

-- For upstream_error_maintain(), whose lock it runs under: one day.
CREATE FUNCTION upstream_error_count_day(day timestamptz, partition regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- before the rows are read: what is written meanwhile will show
	statistics_since CONSTANT timestamptz := @extschema@.upstream_error_statistics_since();
	changes CONSTANT int8 := @extschema@.upstream_error_partition_changes(upstream_error_count_day.partition::oid);
	next_day CONSTANT timestamptz := upstream_error_count_day.day + interval '24 hours';
BEGIN
	-- those noted from here on will be counted again
	DELETE FROM @extschema@.upstream_error_late_days AS l WHERE l.day = upstream_error_count_day.day;
	DELETE FROM @extschema@.upstream_error_minutes AS m WHERE m.minute >= upstream_error_count_day.day AND m.minute < next_day;
	INSERT INTO @extschema@.upstream_error_minutes
	SELECT date_bin('1 minute', c.at, '2000-01-01 00:00:00+00'), c.platform, c.kind, c.class, c.code, c.status_code,
		sum(c.failures), sum(c.business_limited), sum(c.recovered), sum(c.answered), sum(c.answered_limited),
		sum(c.provider), sum(c.provider_limited)
	FROM @extschema@.upstream_error_counts(upstream_error_count_day.day, next_day, false) AS c
	GROUP BY 1, 2, 3, 4, 5, 6;
	DELETE FROM @extschema@.upstream_error_hours AS h WHERE h.hour >= upstream_error_count_day.day AND h.hour < next_day;
	INSERT INTO @extschema@.upstream_error_hours
	SELECT date_bin('1 hour', m.minute, '2000-01-01 00:00:00+00'), m.platform, m.kind, m.class, m.code, m.status_code,
		sum(m.failures), sum(m.business_limited), sum(m.recovered), sum(m.answered), sum(m.answered_limited),
		sum(m.provider), sum(m.provider_limited)
	FROM @extschema@.upstream_error_minutes AS m
	WHERE m.minute >= upstream_error_count_day.day AND m.minute < next_day
	GROUP BY 1, 2, 3, 4, 5, 6;
	INSERT INTO @extschema@.upstream_error_counted_days AS d (day, partition, changes, filenode, statistics_since)
	VALUES (upstream_error_count_day.day, upstream_error_count_day.partition, changes, pg_relation_filenode(upstream_error_count_day.partition),
		statistics_since)
	ON CONFLICT ON CONSTRAINT upstream_error_counted_days_pkey DO UPDATE
	SET partition = EXCLUDED.partition, changes = EXCLUDED.changes, filenode = EXCLUDED.filenode,
		statistics_since = EXCLUDED.statistics_since, counted_at = EXCLUDED.counted_at;
END
$$;
COMMENT ON FUNCTION upstream_error_count_day(timestamptz, regclass) IS 'Counts one day into upstream_error_minutes. upstream_error_maintain() calls it.';

CREATE FUNCTION upstream_error_record_traffic(
	minute timestamptz[],
	entry_id uuid[],
	platform text[],
	channel text[],
	model text[],
	route text[],
	region text[],
	instance text[],
	requests int8[],
	answers int8[],
	recovered int8[],
	first_byte_counts text[],
	total_counts text[]
) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	expected CONSTANT int := cardinality(upstream_error_record_traffic.minute);
	wrong record;
	inserted bigint;
BEGIN
	SELECT a.name, a.count INTO wrong FROM (VALUES
		('minute', cardinality(minute)), ('entry_id', cardinality(entry_id)), ('platform', cardinality(platform)),
		('channel', cardinality(channel)), ('model', cardinality(model)), ('route', cardinality(route)),
		('region', cardinality(region)), ('instance', cardinality(instance)), ('requests', cardinality(requests)),
		('answers', cardinality(answers)), ('recovered', cardinality(recovered)),
		('first_byte_counts', cardinality(first_byte_counts)), ('total_counts', cardinality(total_counts))
	) AS a (name, count) WHERE a.count IS DISTINCT FROM expected OR expected IS NULL LIMIT 1;
	IF wrong.name IS NOT NULL THEN
		RAISE EXCEPTION 'array % has % elements, array minute has %', wrong.name, coalesce(wrong.count::text, 'no'),
			coalesce(expected::text, 'none')
			USING ERRCODE = 'array_subscript_error',
				HINT = 'Every array must be given, with one element for each entry; an element may be null.';
	END IF;
	-- Counts only grow, so the larger ones are the later ones.  In the order of the key: two
	-- sidecars that send the same do not deadlock.
	INSERT INTO @extschema@.upstream_error_traffic AS e
	SELECT DISTINCT ON (1, 2) date_bin('1 minute', t.minute, '2000-01-01 00:00:00+00'), t.entry_id, t.platform, t.channel, t.model, t.route,
		t.region, t.instance, t.requests, t.answers, t.recovered, t.first_byte_counts::int8[], t.total_counts::int8[]
	FROM unnest(
		upstream_error_record_traffic.minute, upstream_error_record_traffic.entry_id,
		upstream_error_record_traffic.platform, upstream_error_record_traffic.channel,
		upstream_error_record_traffic.model, upstream_error_record_traffic.route,
		upstream_error_record_traffic.region, upstream_error_record_traffic.instance,
		upstream_error_record_traffic.requests, upstream_error_record_traffic.answers,
		upstream_error_record_traffic.recovered, upstream_error_record_traffic.first_byte_counts,
		upstream_error_record_traffic.total_counts
	) AS t (minute, entry_id, platform, channel, model, route, region, instance, requests, answers, recovered,
		first_byte_counts, total_counts)
	ORDER BY 1, 2, t.requests DESC
	ON CONFLICT ON CONSTRAINT upstream_error_traffic_pkey DO UPDATE
	SET requests = EXCLUDED.requests, answers = EXCLUDED.answers, recovered = EXCLUDED.recovered,
		first_byte_counts = EXCLUDED.first_byte_counts, total_counts = EXCLUDED.total_counts
	WHERE EXCLUDED.requests > e.requests;
	GET DIAGNOSTICS inserted = ROW_COUNT;
	RETURN inserted;
END
$$;
COMMENT ON FUNCTION upstream_error_record_traffic IS 'Records what a sidecar counted of all requests, one array per column of upstream_error_traffic (a histogram as text, {1,2,...}), and returns how many were new or had grown. A sidecar sends an entry several times while its minute lasts, each time as far as it has counted; of two with the same entry_id the one with more requests holds, so a batch may be sent again. For the sidecar.';
