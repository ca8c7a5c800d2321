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
		c.relname ~ '^upstream_error_events_[0-9]{8}$' AND c.relkind <> 'f' AND c.relnamespace = e.relnamespace
	FROM pg_inherits AS i
	JOIN pg_class AS c ON c.oid = i.inhrelid
	JOIN pg_class AS e ON e.oid = i.inhparent
	JOIN pg_partitioned_table AS t ON t.partrelid = i.inhparent
	-- pg_get_expr locks the relation, and the default partition has no bounds to wait for
	CROSS JOIN LATERAL regexp_match(
		CASE WHEN c.oid <> t.partdefid THEN pg_get_expr(c.relpartbound, c.oid) END,
		$re$FROM \((?:'([^']+)'|MINVALUE)\) TO \((?:'([^']+)'|MAXVALUE)\)$re$) AS bound
	WHERE i.inhparent = '@extschema@.upstream_error_events'::regclass AND bound IS NOT NULL
$$;
COMMENT ON FUNCTION upstream_error_partitions() IS 'Partitions of upstream_error_events, the default one aside: since inclusive, until exclusive; is_ours: named as upstream_error_maintain() names them and in their schema; it drops no other. Example: SELECT partition, pg_total_relation_size(partition) FROM upstream_error_partitions();';

-- For upstream_error_maintain(): makes tables that have been filled partitions, all or none.
-- Whoever inserts or reads waits from the first lock to the end of the transaction, so the
-- tables are believed to hold what their checks say, and the default partition is looked
-- through once for all of them.
CREATE FUNCTION upstream_error_attach(
	events regclass, default_partition regclass, days timestamptz[], partitions text[], move text,
	OUT rows_moved bigint
)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET "TimeZone" = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
	late bigint;
BEGIN
	rows_moved := 0;
	FOR attempt IN 1 .. 2
	LOOP
		BEGIN
			EXECUTE format('ALTER TABLE ONLY %s ', default_partition) || (
				SELECT string_agg(format('ADD CONSTRAINT not_%1$s CHECK (at < %2$L OR at >= %3$L)',
					to_char(d, 'YYYYMMDD'), d, d + interval '1 day'), ', ')
				FROM unnest(days) AS d);
			EXIT;
		EXCEPTION WHEN check_violation THEN
			-- events have come since they were moved; under REPEATABLE READ we cannot see them
			IF attempt = 2 THEN
				RAISE;
			END IF;
			FOR i IN 1 .. cardinality(days)
			LOOP
				EXECUTE format(move, default_partition, partitions[i]) USING days[i], days[i] + interval '1 day';
				GET DIAGNOSTICS late = ROW_COUNT;
				rows_moved := rows_moved + late;
			END LOOP;
		END;
	END LOOP;
	FOR i IN 1 .. cardinality(days)
	LOOP
		EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
			events, partitions[i], days[i], days[i] + interval '1 day');
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT only_this_day', partitions[i]);
	END LOOP;
	EXECUTE format('ALTER TABLE ONLY %s ', default_partition) || (
		SELECT string_agg('DROP CONSTRAINT not_' || to_char(d, 'YYYYMMDD'), ', ') FROM unnest(days) AS d);
END
$$;
COMMENT ON FUNCTION upstream_error_attach(regclass, regclass, timestamptz[], text[], text) IS 'Makes tables partitions of upstream_error_events. upstream_error_maintain() calls it.';

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
	late bigint;
	old_partition regclass;
	expired regclass[];
	has_parent bool := false;
	is_awaited bool := false;
	locked_at timestamptz;
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
	attached_days timestamptz[];
	attached_partitions text[];
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
			-- attaching it will not look through its rows again
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS upstream_error_events_at_is_finite,
				ADD CONSTRAINT only_this_day CHECK (at >= %L AND at < %L)', partition, day, next_day);
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

	BEGIN
		EXECUTE format('SELECT count(*) FROM ONLY %s', default_partition) INTO rows_in_default;
	EXCEPTION WHEN lock_not_available THEN
		rows_in_default := NULL; -- unknown
	END;

	-- From here on inserts wait for what we hold, and we hold it to the end: what takes long
	-- has been done.  They wait for what we ask for as well, so we do not ask for long.  A
	-- DROP locks the parent; so must who makes the partition of a day that has begun, for its
	-- events may be on their way into the default partition, which would refuse them.
	expired := array(SELECT p.partition FROM @extschema@.upstream_error_partitions() AS p
		WHERE p.until <= expired_before AND p.is_ours AND p.partition <> ALL (uncounted_partitions) ORDER BY p.until);
	FOR attempt IN 1 .. CASE WHEN cardinality(expired) > 0 OR today >= ANY (made_days) THEN 4 ELSE 0 END
	LOOP
		BEGIN
			PERFORM set_config('lock_timeout', '40ms', true);
			EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', events);
			-- nobody has one of the others without that one, but for vacuum and the like
			PERFORM set_config('lock_timeout', '10ms', true);
			EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', default_partition);
			has_parent := true;
			EXIT;
		EXCEPTION WHEN lock_not_available THEN
			-- who waited behind us goes first
			PERFORM pg_sleep(0.1);
		END;
	END LOOP;
	IF NOT has_parent THEN
		partitions_skipped := partitions_skipped + cardinality(expired);
	END IF;
	locked_at := clock_timestamp();

	SELECT coalesce(array_agg(m.day), '{}'), coalesce(array_agg(m.partition), '{}'), coalesce(sum(m.moved), 0)
	INTO attached_days, attached_partitions, moved
	FROM unnest(made_days, made_partitions, made_rows) AS m (day, partition, moved)
	WHERE has_parent OR m.day > today;
	IF cardinality(attached_days) > 0 THEN
		BEGIN
			IF NOT has_parent THEN
				PERFORM set_config('lock_timeout', '40ms', true);
				EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', default_partition);
				PERFORM set_config('lock_timeout', '10ms', true);
			END IF;
			late := @extschema@.upstream_error_attach(events, default_partition, attached_days, attached_partitions, move);
			partitions_created := cardinality(attached_days);
			rows_moved := moved + late;
			rows_in_default := rows_in_default - least(late, rows_in_default);
		EXCEPTION WHEN lock_not_available OR check_violation THEN
			attached_days := '{}';
		END;
	END IF;
	FOR i IN 1 .. cardinality(made_days)
	LOOP
		CONTINUE WHEN made_days[i] = ANY (attached_days);
		partitions_skipped := partitions_skipped + 1;
		EXECUTE format(move, made_partitions[i], default_partition) USING made_days[i], made_days[i] + interval '1 day';
		EXECUTE format('DROP TABLE %s', made_partitions[i]);
		rows_in_default := rows_in_default + made_rows[i];
	END LOOP;

	IF NOT has_parent THEN
		RETURN;
	END IF;
	FOREACH old_partition IN ARRAY expired
	LOOP
		-- many at once take a while: the next call goes on where somebody waits
		IF is_awaited OR clock_timestamp() > locked_at + interval '20 ms' AND EXISTS (
			SELECT FROM pg_locks AS l WHERE l.relation = events AND NOT l.granted
				AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
		THEN
			is_awaited := true;
			partitions_skipped := partitions_skipped + 1;
			CONTINUE;
		END IF;
		BEGIN
			EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', old_partition);
			UPDATE @extschema@.upstream_error_counted_days AS c SET partition = NULL WHERE c.partition = old_partition;
			EXECUTE format('DROP TABLE %s', old_partition);
			partitions_dropped := partitions_dropped + 1;
		EXCEPTION
			WHEN lock_not_available THEN
				partitions_skipped := partitions_skipped + 1;
			WHEN dependent_objects_still_exist THEN
				RAISE WARNING 'expired partition % is still used by another object', old_partition
					USING HINT = 'Drop the view or function that reads it by name.';
				partitions_skipped := partitions_skipped + 1;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION upstream_error_maintain() IS 'Makes the partitions of the coming week, empties the default partition into them, drops what is older than the setting upstream_errors.retention, and counts the days that are over into upstream_error_minutes, for as long as ten seconds a call. Harmless to call at any time, by anyone, twice at once; the sidecar does hourly. partitions_skipped counts what another session held locked: the next call tries again. Only partitions with names as it gives them, in the schema of the extension, are dropped. Example: SELECT * FROM upstream_error_maintain();';
