-- ---------------------------------------------------------------- maintenance

CREATE FUNCTION upstream_error_retention() RETURNS interval
AS 'MODULE_PATHNAME', 'ue_sql_retention'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_retention() IS 'Setting upstream_errors.retention as an interval; null when events are kept for ever.';

CREATE FUNCTION upstream_error_partitions(
	OUT partition regclass, OUT since timestamptz, OUT until timestamptz, OUT is_ours bool
) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 40
SET search_path = pg_catalog, pg_temp
SET "TimeZone" = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
	SELECT c.oid::regclass,
		coalesce(bound[1]::timestamptz, '-infinity'),
		coalesce(bound[2]::timestamptz, 'infinity'),
		c.relname ~ '^upstream_error_events_[0-9]{8}$'
	FROM pg_inherits AS i
	JOIN pg_class AS c ON c.oid = i.inhrelid
	JOIN pg_partitioned_table AS t ON t.partrelid = i.inhparent
	-- pg_get_expr locks the relation, and the default partition has no bounds to wait for
	CROSS JOIN LATERAL regexp_match(
		CASE WHEN c.oid <> t.partdefid THEN pg_get_expr(c.relpartbound, c.oid) END,
		$re$FROM \((?:'([^']+)'|MINVALUE)\) TO \((?:'([^']+)'|MAXVALUE)\)$re$) AS bound
	WHERE i.inhparent = '@extschema@.upstream_error_events'::regclass AND bound IS NOT NULL
$$;
COMMENT ON FUNCTION upstream_error_partitions() IS 'Partitions of upstream_error_events, the default one aside: since inclusive, until exclusive; is_ours: named as upstream_error_maintain() names them, which drops no other. Example: SELECT partition, pg_total_relation_size(partition) FROM upstream_error_partitions();';

CREATE FUNCTION upstream_error_maintain(
	OUT partitions_created int,
	OUT partitions_dropped int,
	OUT partitions_skipped int,
	OUT rows_moved bigint,
	OUT rows_expired bigint,
	OUT rows_in_default bigint,
	OUT already_running bool,
	OUT days_counted int
)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '200ms'
SET "TimeZone" = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
	events CONSTANT regclass := '@extschema@.upstream_error_events';
	default_partition CONSTANT regclass := (SELECT nullif(p.partdefid, 0)
		FROM pg_partitioned_table AS p WHERE p.partrelid = events);
	today CONSTANT timestamptz := date_trunc('day', now());
	wanted_end CONSTANT timestamptz := today + interval '8 days';
	expired_before CONSTANT timestamptz := coalesce(
		now() - @extschema@.upstream_error_retention(), '-infinity');
	-- a sidecar with a wrong clock must not have us make a partition for each day since 1970
	oldest_wanted CONSTANT timestamptz := greatest(date_trunc('day', expired_before),
		today - interval '31 days');
	wanted_days timestamptz[];
	day timestamptz;
	next_day timestamptz;
	partition text;
	moved bigint;
	old_partition regclass;
	is_blocked bool := false;
	-- what one call spends on counting days; the next goes on
	counting_until CONSTANT timestamptz := clock_timestamp() + interval '10 s';
	counts_expired_before CONSTANT timestamptz := date_bin('24 hours',
		now() - @extschema@.upstream_error_rollup_retention(), '2000-01-01 00:00:00+00');
	is_distributed bool := false;
	uncounted record;
	move CONSTANT text := 'WITH moved AS (DELETE FROM ONLY %s WHERE at >= $1 AND at < $2 RETURNING *)
		INSERT INTO %s SELECT * FROM moved';
	-- partitions made and filled, not attached yet
	made_days timestamptz[] := '{}';
	made_partitions text[] := '{}';
	made_rows bigint[] := '{}';
	uncounted_partitions regclass[] := '{}';
BEGIN
	days_counted := 0;
	partitions_created := 0;
	partitions_dropped := 0;
	partitions_skipped := 0;
	rows_moved := 0;
	rows_expired := 0;
	rows_in_default := 0;
	already_running := NOT pg_try_advisory_xact_lock('pg_class'::regclass::oid::int4, events::oid::int4);
	IF already_running THEN
		RETURN;
	END IF;

	PERFORM @extschema@.upstream_error_require_owner();

	-- A day is counted only where its partition's statistics tell of changes: those of Citus'
	-- shards and of tables elsewhere do not.
	IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
		EXECUTE 'SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition AS d WHERE d.logicalrelid = $1)'
			INTO is_distributed USING events;
	END IF;
	IF is_distributed THEN
		DELETE FROM @extschema@.upstream_error_counted_days AS c WHERE c.partition IS NOT NULL;
	END IF;

	-- Counting comes first: the locks that partitions need are held to the end.
	FOR uncounted IN
		SELECT p.partition, d AS day
		FROM @extschema@.upstream_error_partitions() AS p,
			generate_series(p.since, least(p.until, today + interval '1 day') - interval '1 day', interval '1 day') AS d
		WHERE NOT is_distributed AND (SELECT c.relkind = 'r' FROM pg_class AS c WHERE c.oid = p.partition)
			AND p.since > '-infinity' AND d + interval '1 day 10 minutes' <= clock_timestamp()
			AND (counts_expired_before IS NULL OR d >= counts_expired_before)
			AND d NOT IN (SELECT b.day FROM @extschema@.upstream_error_believed_days('-infinity', 'infinity') AS b (day))
		ORDER BY d
	LOOP
		EXIT WHEN clock_timestamp() > counting_until OR row_security_active(events);
		BEGIN
			PERFORM @extschema@.upstream_error_count_day(uncounted.day, uncounted.partition);
			days_counted := days_counted + 1;
		EXCEPTION WHEN lock_not_available THEN
			NULL; -- the next call will
		END;
	END LOOP;
	-- days that have no counts need no note
	DELETE FROM @extschema@.upstream_error_late_days AS l
	WHERE NOT EXISTS (SELECT FROM @extschema@.upstream_error_counted_days AS c
		WHERE c.day = l.day AND c.partition IS NOT NULL);
	DELETE FROM @extschema@.upstream_error_minutes AS m WHERE m.minute < counts_expired_before;
	DELETE FROM @extschema@.upstream_error_hours AS h WHERE h.hour < counts_expired_before;
	DELETE FROM @extschema@.upstream_error_counted_days AS c WHERE c.day < counts_expired_before;
	DELETE FROM @extschema@.upstream_error_traffic AS t WHERE t.minute < counts_expired_before;
	PERFORM @extschema@.upstream_error_expire_health(counts_expired_before);

	IF default_partition IS NULL THEN
		RAISE EXCEPTION 'upstream_error_events has no default partition, which is the pattern of the others'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'ALTER TABLE upstream_error_events ATTACH PARTITION upstream_error_events_default DEFAULT;';
	END IF;
	BEGIN
		EXECUTE format('DELETE FROM ONLY %s WHERE at < $1', default_partition) USING expired_before;
		GET DIAGNOSTICS rows_expired = ROW_COUNT;
	EXCEPTION WHEN lock_not_available THEN
		partitions_skipped := partitions_skipped + 1;
	END;

	-- Yesterday to a week ahead, so that a lock not had now can be had any time this week,
	-- and the days that events in the default partition ask for.
	BEGIN
		EXECUTE format(
			'SELECT array(SELECT generate_series($1 - interval ''1 day'', $2 - interval ''1 day'', interval ''1 day'')
			 UNION SELECT date_trunc(''day'', at) FROM ONLY %s WHERE at >= $3 AND at < $2 ORDER BY 1)',
			default_partition)
			INTO wanted_days
			USING today, wanted_end, oldest_wanted;
	EXCEPTION WHEN lock_not_available THEN
		-- no partition can be made without it; those expired can still go
		wanted_days := '{}';
		partitions_skipped := partitions_skipped + 1;
	END;
	FOREACH day IN ARRAY wanted_days
	LOOP
		next_day := day + interval '1 day';
		CONTINUE WHEN next_day <= expired_before OR EXISTS (
			SELECT FROM @extschema@.upstream_error_partitions() AS p
			WHERE p.since < next_day AND p.until > day);
		partition := format('%I.%I', (SELECT n.nspname FROM pg_class AS c
			JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = events),
			'upstream_error_events_' || to_char(day, 'YYYYMMDD'));
		BEGIN
			-- CREATE ... PARTITION OF would lock out every reader of the parent; ATTACH does not
			EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING COMMENTS)', partition,
				default_partition);
			EXECUTE format('ALTER TABLE %s OWNER TO %I', partition,
				(SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = events));
			EXECUTE format(move, default_partition, partition) USING day, next_day;
			GET DIAGNOSTICS moved = ROW_COUNT;
			made_days := made_days || day;
			made_partitions := made_partitions || partition;
			made_rows := made_rows || moved;
		EXCEPTION
			WHEN lock_not_available THEN
				partitions_skipped := partitions_skipped + 1;
			-- a type, which every table has, may be in the way just as well
			WHEN duplicate_table OR duplicate_object THEN
				RAISE WARNING 'relation or type % is in the way of a partition', partition
					USING HINT = 'Attach it to upstream_error_events if it is a partition, rename it or drop it.';
				partitions_skipped := partitions_skipped + 1;
		END;
	END LOOP;

	-- The counts are all that will remain of what is dropped.
	FOR uncounted IN
		SELECT p.partition, d AS day
		FROM @extschema@.upstream_error_partitions() AS p,
			generate_series(p.since, p.until - interval '1 day', interval '1 day') AS d
		WHERE p.until <= expired_before AND p.is_ours AND NOT is_distributed
			AND (SELECT c.relkind = 'r' FROM pg_class AS c WHERE c.oid = p.partition) AND d >= coalesce(counts_expired_before, '-infinity')
			AND NOT row_security_active(events)
			AND d NOT IN (SELECT b.day FROM @extschema@.upstream_error_believed_days('-infinity', 'infinity') AS b (day))
		ORDER BY d
	LOOP
		BEGIN
			PERFORM @extschema@.upstream_error_count_day(uncounted.day, uncounted.partition);
			days_counted := days_counted + 1;
		EXCEPTION WHEN lock_not_available THEN
			-- where it was not counted it is not dropped
			uncounted_partitions := uncounted_partitions || uncounted.partition;
		END;
	END LOOP;

	-- From here on inserts may have to wait for what we hold, and we hold it to the end: what
	-- takes long has been done.
	FOR i IN 1 .. cardinality(made_days)
	LOOP
		day := made_days[i];
		next_day := day + interval '1 day';
		partition := made_partitions[i];
		BEGIN
			IF is_blocked THEN
				RAISE lock_not_available;
			END IF;
			-- Events of a day that has begun may be on their way into the default partition,
			-- which would refuse them once this one is attached: let them start over.
			IF day <= today THEN
				EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', events);
			END IF;
			-- no new row of that day may come in between the move and the attachment
			EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', default_partition);
			EXECUTE format(move, default_partition, partition) USING day, next_day;
			GET DIAGNOSTICS moved = ROW_COUNT;
			EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
				events, partition, day, next_day);
			partitions_created := partitions_created + 1;
			rows_moved := rows_moved + made_rows[i] + moved;
		EXCEPTION
			-- lock_not_available: whoever is in the way is in the way of the other days too;
			-- check_violation: under REPEATABLE READ newer rows of that day are there that we
			-- cannot see
			WHEN lock_not_available OR check_violation THEN
				is_blocked := is_blocked OR SQLSTATE = '55P03';
				partitions_skipped := partitions_skipped + 1;
				EXECUTE format(move, partition, default_partition) USING day, next_day;
				EXECUTE format('DROP TABLE %s', partition);
		END;
	END LOOP;

	BEGIN
		EXECUTE format('SELECT count(*) FROM ONLY %s', default_partition) INTO rows_in_default;
	EXCEPTION WHEN lock_not_available THEN
		rows_in_default := NULL; -- unknown
	END;

	-- A DROP locks the parent, and inserts queue behind the request: wait less.
	PERFORM set_config('lock_timeout', '50ms', true);
	is_blocked := false;
	FOR old_partition IN
		SELECT p.partition FROM @extschema@.upstream_error_partitions() AS p
		WHERE p.until <= expired_before AND p.is_ours AND p.partition <> ALL (uncounted_partitions) ORDER BY p.until
	LOOP
		IF is_blocked THEN
			partitions_skipped := partitions_skipped + 1;
			CONTINUE;
		END IF;
		BEGIN
			UPDATE @extschema@.upstream_error_counted_days AS c SET partition = NULL WHERE c.partition = old_partition;
			EXECUTE format('DROP TABLE %s', old_partition);
			partitions_dropped := partitions_dropped + 1;
		EXCEPTION
			WHEN lock_not_available THEN
				is_blocked := true;
				partitions_skipped := partitions_skipped + 1;
			WHEN dependent_objects_still_exist THEN
				RAISE WARNING 'expired partition % is still used by another object', old_partition
					USING HINT = 'Drop the view or function that reads it by name.';
				partitions_skipped := partitions_skipped + 1;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION upstream_error_maintain() IS 'Makes the partitions of the coming week, empties the default partition into them, drops what is older than the setting upstream_errors.retention, and counts the days that are over into upstream_error_minutes, for as long as ten seconds a call. Harmless to call at any time, by anyone, twice at once; the sidecar does hourly. partitions_skipped counts what another session held locked: the next call tries again. Only partitions with names as it gives them are dropped. Example: SELECT * FROM upstream_error_maintain();';
