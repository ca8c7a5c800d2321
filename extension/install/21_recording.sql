-- ---------------------------------------------------------------- recording

-- Triggers and the like of a table run with the rights of whoever writes to it, which for
-- a SECURITY DEFINER function is its owner.  A dump restored by somebody else parts the
-- two: CREATE EXTENSION gives him the functions, the dump gives the partitions back to
-- their old owner, who could then have code of his run in the other's name.  No SET: the
-- callers have one, and for anybody else it runs with no rights but his own.
CREATE FUNCTION upstream_error_require_owner() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
AS $$
DECLARE
	stranger pg_catalog.regclass;
	code pg_catalog.regclass;
BEGIN
	WITH RECURSIVE tree AS (
		SELECT '@extschema@.upstream_error_events'::pg_catalog.regclass::pg_catalog.oid AS relation
		UNION ALL
		SELECT i.inhrelid FROM tree AS t
		JOIN pg_catalog.pg_inherits AS i ON i.inhparent OPERATOR(pg_catalog.=) t.relation
	), trusted AS (
		SELECT r.oid FROM pg_catalog.pg_roles AS r
		WHERE r.rolname OPERATOR(pg_catalog.=) current_user OR r.rolsuper
	)
	SELECT pg_catalog.min(c.oid) FILTER (WHERE NOT (c.relowner OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT s.oid FROM trusted AS s)))),
		pg_catalog.min(c.oid) FILTER (WHERE c.relhastriggers AND EXISTS (
			SELECT FROM pg_catalog.pg_trigger AS g
			JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) g.tgfoid
			WHERE g.tgrelid OPERATOR(pg_catalog.=) c.oid AND NOT g.tgisinternal
				AND NOT (p.proowner OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT s.oid FROM trusted AS s)))))
	INTO stranger, code
	FROM tree AS t
	JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) t.relation;
	IF stranger IS NOT NULL THEN
		RAISE EXCEPTION 'table % does not belong to %, who owns the functions of upstream_errors', stranger, current_user
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'Its triggers, constraints and indexes would run with the rights of that role.',
				HINT = pg_catalog.format('See that they are harmless, then ALTER TABLE %s OWNER TO %I; so for each table of the restored dump.',
					stranger, current_user);
	END IF;
	IF code IS NOT NULL THEN
		RAISE EXCEPTION 'table % has a trigger whose function does not belong to %', code, current_user
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'It would run with the rights of that role.',
				HINT = 'Drop the trigger, or give its function to that role.';
	END IF;
END
$$;
COMMENT ON FUNCTION upstream_error_require_owner() IS 'Fails unless upstream_error_events and all its partitions belong to the current user or a superuser, and so do the functions of their triggers. The functions that run with their owner''s rights ask this first.';

CREATE FUNCTION upstream_error_record(
	at timestamptz[],
	event_id uuid[],
	request_id text[],
	attempt int4[],
	platform text[],
	channel text[],
	account_id text[],
	route text[],
	format text[],
	model text[],
	upstream_model text[],
	stream bool[],
	kind text[],
	network_error text[],
	class text[],
	phase text[],
	owner text[],
	source text[],
	severity text[],
	retryable bool[],
	request_fault bool[],
	business_limited bool[],
	error_type text[],
	error_code text[],
	code text[],
	status_code int4[],
	upstream_request_id text[],
	message text[],
	detail text[],
	truncated bool[],
	original_bytes int8[],
	request_headers jsonb[],
	response_headers jsonb[],
	retry_after_ms int8[],
	first_byte_ms int4[],
	total_ms int4[],
	sent_bytes int8[],
	response_status int4[],
	outcome text[],
	decided_by text[],
	rule_id int8[],
	rule_version int4[],
	fingerprint int8[],
	fingerprint_version int4[],
	mask_version int4[],
	trace_id text[],
	tags jsonb[],
	client_address inet[],
	region text[],
	instance text[],
	step text[],
	step_reason text[],
	wait_ms int4[],
	passed_over jsonb[]
) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	expected CONSTANT int := cardinality(upstream_error_record.at);
	advice CONSTANT text := 'Every array must be given, with one element for each event; an element may be null.';
	wrong_name text;
	wrong_count int;
	inserted bigint;
BEGIN
	-- least and greatest pass over nulls, which num_nulls catches; this is the hot path
	IF num_nulls(
			at, event_id, request_id, attempt, platform, channel, account_id, route, format,
			model, upstream_model, stream, kind, network_error, class, phase, owner, source,
			severity, retryable, request_fault, business_limited, error_type, error_code, code,
			status_code, upstream_request_id, message, detail, truncated, original_bytes,
			request_headers, response_headers, retry_after_ms, first_byte_ms, total_ms,
			sent_bytes, response_status, outcome, decided_by, rule_id, rule_version,
			fingerprint, fingerprint_version, mask_version, trace_id, tags, client_address,
			region, instance, step, step_reason, wait_ms, passed_over) > 0
		OR least(
			cardinality(at), cardinality(event_id), cardinality(request_id),
			cardinality(attempt), cardinality(platform), cardinality(channel),
			cardinality(account_id), cardinality(route), cardinality(format),
			cardinality(model), cardinality(upstream_model), cardinality(stream),
			cardinality(kind), cardinality(network_error), cardinality(class),
			cardinality(phase), cardinality(owner), cardinality(source), cardinality(severity),
			cardinality(retryable), cardinality(request_fault), cardinality(business_limited),
			cardinality(error_type), cardinality(error_code), cardinality(code),
			cardinality(status_code), cardinality(upstream_request_id), cardinality(message),
			cardinality(detail), cardinality(truncated), cardinality(original_bytes),
			cardinality(request_headers), cardinality(response_headers),
			cardinality(retry_after_ms), cardinality(first_byte_ms), cardinality(total_ms),
			cardinality(sent_bytes), cardinality(response_status), cardinality(outcome),
			cardinality(decided_by), cardinality(rule_id), cardinality(rule_version),
			cardinality(fingerprint), cardinality(fingerprint_version),
			cardinality(mask_version), cardinality(trace_id), cardinality(tags),
			cardinality(client_address), cardinality(region), cardinality(instance),
			cardinality(step), cardinality(step_reason), cardinality(wait_ms),
			cardinality(passed_over)) <> expected
		OR greatest(
			cardinality(at), cardinality(event_id), cardinality(request_id),
			cardinality(attempt), cardinality(platform), cardinality(channel),
			cardinality(account_id), cardinality(route), cardinality(format),
			cardinality(model), cardinality(upstream_model), cardinality(stream),
			cardinality(kind), cardinality(network_error), cardinality(class),
			cardinality(phase), cardinality(owner), cardinality(source), cardinality(severity),
			cardinality(retryable), cardinality(request_fault), cardinality(business_limited),
			cardinality(error_type), cardinality(error_code), cardinality(code),
			cardinality(status_code), cardinality(upstream_request_id), cardinality(message),
			cardinality(detail), cardinality(truncated), cardinality(original_bytes),
			cardinality(request_headers), cardinality(response_headers),
			cardinality(retry_after_ms), cardinality(first_byte_ms), cardinality(total_ms),
			cardinality(sent_bytes), cardinality(response_status), cardinality(outcome),
			cardinality(decided_by), cardinality(rule_id), cardinality(rule_version),
			cardinality(fingerprint), cardinality(fingerprint_version),
			cardinality(mask_version), cardinality(trace_id), cardinality(tags),
			cardinality(client_address), cardinality(region), cardinality(instance),
			cardinality(step), cardinality(step_reason), cardinality(wait_ms),
			cardinality(passed_over)) <> expected
	THEN
		IF expected IS NULL THEN
			RAISE EXCEPTION 'array "at" is null' USING ERRCODE = 'invalid_parameter_value', HINT = advice;
		END IF;
		SELECT c.name, c.n INTO wrong_name, wrong_count
		FROM (VALUES
			('at', cardinality(upstream_error_record.at)), ('event_id',
			cardinality(upstream_error_record.event_id)), ('request_id',
			cardinality(upstream_error_record.request_id)), ('attempt',
			cardinality(upstream_error_record.attempt)), ('platform',
			cardinality(upstream_error_record.platform)), ('channel',
			cardinality(upstream_error_record.channel)), ('account_id',
			cardinality(upstream_error_record.account_id)), ('route',
			cardinality(upstream_error_record.route)), ('format',
			cardinality(upstream_error_record.format)), ('model',
			cardinality(upstream_error_record.model)), ('upstream_model',
			cardinality(upstream_error_record.upstream_model)), ('stream',
			cardinality(upstream_error_record.stream)), ('kind',
			cardinality(upstream_error_record.kind)), ('network_error',
			cardinality(upstream_error_record.network_error)), ('class',
			cardinality(upstream_error_record.class)), ('phase',
			cardinality(upstream_error_record.phase)), ('owner',
			cardinality(upstream_error_record.owner)), ('source',
			cardinality(upstream_error_record.source)), ('severity',
			cardinality(upstream_error_record.severity)), ('retryable',
			cardinality(upstream_error_record.retryable)), ('request_fault',
			cardinality(upstream_error_record.request_fault)), ('business_limited',
			cardinality(upstream_error_record.business_limited)), ('error_type',
			cardinality(upstream_error_record.error_type)), ('error_code',
			cardinality(upstream_error_record.error_code)), ('code',
			cardinality(upstream_error_record.code)), ('status_code',
			cardinality(upstream_error_record.status_code)), ('upstream_request_id',
			cardinality(upstream_error_record.upstream_request_id)), ('message',
			cardinality(upstream_error_record.message)), ('detail',
			cardinality(upstream_error_record.detail)), ('truncated',
			cardinality(upstream_error_record.truncated)), ('original_bytes',
			cardinality(upstream_error_record.original_bytes)), ('request_headers',
			cardinality(upstream_error_record.request_headers)), ('response_headers',
			cardinality(upstream_error_record.response_headers)), ('retry_after_ms',
			cardinality(upstream_error_record.retry_after_ms)), ('first_byte_ms',
			cardinality(upstream_error_record.first_byte_ms)), ('total_ms',
			cardinality(upstream_error_record.total_ms)), ('sent_bytes',
			cardinality(upstream_error_record.sent_bytes)), ('response_status',
			cardinality(upstream_error_record.response_status)), ('outcome',
			cardinality(upstream_error_record.outcome)), ('decided_by',
			cardinality(upstream_error_record.decided_by)), ('rule_id',
			cardinality(upstream_error_record.rule_id)), ('rule_version',
			cardinality(upstream_error_record.rule_version)), ('fingerprint',
			cardinality(upstream_error_record.fingerprint)), ('fingerprint_version',
			cardinality(upstream_error_record.fingerprint_version)), ('mask_version',
			cardinality(upstream_error_record.mask_version)), ('trace_id',
			cardinality(upstream_error_record.trace_id)), ('tags',
			cardinality(upstream_error_record.tags)), ('client_address',
			cardinality(upstream_error_record.client_address)), ('region',
			cardinality(upstream_error_record.region)), ('instance',
			cardinality(upstream_error_record.instance)), ('step',
			cardinality(upstream_error_record.step)), ('step_reason',
			cardinality(upstream_error_record.step_reason)), ('wait_ms',
			cardinality(upstream_error_record.wait_ms)), ('passed_over',
			cardinality(upstream_error_record.passed_over))
		) AS c (name, n)
		WHERE c.n IS DISTINCT FROM expected
		LIMIT 1;
		IF wrong_count IS NULL THEN
			RAISE EXCEPTION 'array "%" is null', wrong_name
				USING ERRCODE = 'invalid_parameter_value', HINT = advice;
		END IF;
		RAISE EXCEPTION 'array "%" has length %, "at" has %', wrong_name, wrong_count, expected
			USING ERRCODE = 'invalid_parameter_value', HINT = advice;
	END IF;

	PERFORM @extschema@.upstream_error_require_owner();

	-- A rule may say what kind of failure its events are of; the log has the version that
	-- decided.
	IF cardinality(array_remove(rule_id, NULL)) > 0 THEN
		SELECT array_agg(coalesce(k.fingerprint, e.fingerprint) ORDER BY e.place),
			array_agg(CASE WHEN k.fingerprint IS NULL THEN e.fingerprint_version ELSE 0 END ORDER BY e.place)
		INTO fingerprint, fingerprint_version
		FROM unnest(upstream_error_record.rule_id, upstream_error_record.rule_version, upstream_error_record.fingerprint,
				upstream_error_record.fingerprint_version)
			WITH ORDINALITY AS e (rule_id, rule_version, fingerprint, fingerprint_version, place)
		LEFT JOIN (
			SELECT r.id, r.version, max(@extschema@.upstream_error_fingerprint('', '', c.new ->> 'fingerprint', '')) AS fingerprint
			FROM (SELECT DISTINCT u.id, u.version
				FROM unnest(upstream_error_record.rule_id, upstream_error_record.rule_version) AS u (id, version)) AS r
			JOIN @extschema@.upstream_error_changes AS c
				ON c.object = 'rule' AND c.key = r.id::text AND c.version = r.version
			WHERE c.new ->> 'fingerprint' IS NOT NULL
			GROUP BY r.id, r.version
		) AS k ON k.id = e.rule_id AND k.version = e.rule_version;
	END IF;

	-- Events are new nearly always, and then a plain INSERT costs a quarter less: ON CONFLICT
	-- looks each row up in the index before, and has it confirmed in the WAL after.  unnest
	-- in the target list, for as a table it would store each array anew.  Elements that are
	-- there already, from a batch that is sent again, take the second way; what the first
	-- has written of them is left to vacuum.
	BEGIN
		INSERT INTO @extschema@.upstream_error_events (
			at, event_id, request_id, attempt, platform, channel, account_id, route, format,
			model, upstream_model, stream, kind, network_error, class, phase, owner, source,
			severity, retryable, request_fault, business_limited, error_type, error_code, code,
			status_code, upstream_request_id, message, detail, truncated, original_bytes,
			request_headers, response_headers, retry_after_ms, first_byte_ms, total_ms,
			sent_bytes, response_status, outcome, decided_by, rule_id, rule_version,
			fingerprint, fingerprint_version, mask_version, trace_id, tags, client_address,
			region, instance, step, step_reason, wait_ms, passed_over)
		SELECT
			unnest(upstream_error_record.at), unnest(upstream_error_record.event_id),
			unnest(upstream_error_record.request_id), unnest(upstream_error_record.attempt),
			unnest(upstream_error_record.platform), unnest(upstream_error_record.channel),
			unnest(upstream_error_record.account_id), unnest(upstream_error_record.route),
			unnest(upstream_error_record.format), unnest(upstream_error_record.model),
			unnest(upstream_error_record.upstream_model), unnest(upstream_error_record.stream),
			unnest(upstream_error_record.kind), unnest(upstream_error_record.network_error),
			unnest(upstream_error_record.class), unnest(upstream_error_record.phase),
			unnest(upstream_error_record.owner), unnest(upstream_error_record.source),
			unnest(upstream_error_record.severity), unnest(upstream_error_record.retryable),
			unnest(upstream_error_record.request_fault),
			unnest(upstream_error_record.business_limited),
			unnest(upstream_error_record.error_type), unnest(upstream_error_record.error_code),
			unnest(upstream_error_record.code), unnest(upstream_error_record.status_code),
			unnest(upstream_error_record.upstream_request_id),
			unnest(upstream_error_record.message), unnest(upstream_error_record.detail),
			unnest(upstream_error_record.truncated),
			unnest(upstream_error_record.original_bytes),
			unnest(upstream_error_record.request_headers),
			unnest(upstream_error_record.response_headers),
			unnest(upstream_error_record.retry_after_ms),
			unnest(upstream_error_record.first_byte_ms),
			unnest(upstream_error_record.total_ms), unnest(upstream_error_record.sent_bytes),
			unnest(upstream_error_record.response_status),
			unnest(upstream_error_record.outcome), unnest(upstream_error_record.decided_by),
			unnest(upstream_error_record.rule_id), unnest(upstream_error_record.rule_version),
			unnest(upstream_error_record.fingerprint),
			unnest(upstream_error_record.fingerprint_version),
			unnest(upstream_error_record.mask_version), unnest(upstream_error_record.trace_id),
			unnest(upstream_error_record.tags), unnest(upstream_error_record.client_address),
			unnest(upstream_error_record.region), unnest(upstream_error_record.instance),
			unnest(upstream_error_record.step), unnest(upstream_error_record.step_reason),
			unnest(upstream_error_record.wait_ms), unnest(upstream_error_record.passed_over);
	EXCEPTION WHEN unique_violation OR check_violation THEN
		-- check_violation: we waited for the default partition while maintenance made the one
		-- that these events belong to.  With these locks it can make none until we are done.
		EXECUTE (SELECT format('LOCK TABLE ONLY %s%s IN ROW EXCLUSIVE MODE', p.partrelid::regclass,
				', ONLY ' || nullif(p.partdefid, 0)::regclass)
			FROM pg_partitioned_table AS p WHERE p.partrelid = '@extschema@.upstream_error_events'::regclass);
		INSERT INTO @extschema@.upstream_error_events (
			at, event_id, request_id, attempt, platform, channel, account_id, route, format,
			model, upstream_model, stream, kind, network_error, class, phase, owner, source,
			severity, retryable, request_fault, business_limited, error_type, error_code, code,
			status_code, upstream_request_id, message, detail, truncated, original_bytes,
			request_headers, response_headers, retry_after_ms, first_byte_ms, total_ms,
			sent_bytes, response_status, outcome, decided_by, rule_id, rule_version,
			fingerprint, fingerprint_version, mask_version, trace_id, tags, client_address,
			region, instance, step, step_reason, wait_ms, passed_over)
		SELECT
			unnest(upstream_error_record.at), unnest(upstream_error_record.event_id),
			unnest(upstream_error_record.request_id), unnest(upstream_error_record.attempt),
			unnest(upstream_error_record.platform), unnest(upstream_error_record.channel),
			unnest(upstream_error_record.account_id), unnest(upstream_error_record.route),
			unnest(upstream_error_record.format), unnest(upstream_error_record.model),
			unnest(upstream_error_record.upstream_model), unnest(upstream_error_record.stream),
			unnest(upstream_error_record.kind), unnest(upstream_error_record.network_error),
			unnest(upstream_error_record.class), unnest(upstream_error_record.phase),
			unnest(upstream_error_record.owner), unnest(upstream_error_record.source),
			unnest(upstream_error_record.severity), unnest(upstream_error_record.retryable),
			unnest(upstream_error_record.request_fault),
			unnest(upstream_error_record.business_limited),
			unnest(upstream_error_record.error_type), unnest(upstream_error_record.error_code),
			unnest(upstream_error_record.code), unnest(upstream_error_record.status_code),
			unnest(upstream_error_record.upstream_request_id),
			unnest(upstream_error_record.message), unnest(upstream_error_record.detail),
			unnest(upstream_error_record.truncated),
			unnest(upstream_error_record.original_bytes),
			unnest(upstream_error_record.request_headers),
			unnest(upstream_error_record.response_headers),
			unnest(upstream_error_record.retry_after_ms),
			unnest(upstream_error_record.first_byte_ms),
			unnest(upstream_error_record.total_ms), unnest(upstream_error_record.sent_bytes),
			unnest(upstream_error_record.response_status),
			unnest(upstream_error_record.outcome), unnest(upstream_error_record.decided_by),
			unnest(upstream_error_record.rule_id), unnest(upstream_error_record.rule_version),
			unnest(upstream_error_record.fingerprint),
			unnest(upstream_error_record.fingerprint_version),
			unnest(upstream_error_record.mask_version), unnest(upstream_error_record.trace_id),
			unnest(upstream_error_record.tags), unnest(upstream_error_record.client_address),
			unnest(upstream_error_record.region), unnest(upstream_error_record.instance),
			unnest(upstream_error_record.step), unnest(upstream_error_record.step_reason),
			unnest(upstream_error_record.wait_ms), unnest(upstream_error_record.passed_over)
		ON CONFLICT DO NOTHING;
	END;
	GET DIAGNOSTICS inserted = ROW_COUNT;

	-- Events of a day that may have been counted (25_minutes.sql), which is ten minutes after
	-- its end at the earliest: its counts no longer hold.
	IF (SELECT min(t) FROM unnest(upstream_error_record.at) AS t)
		< date_bin('24 hours', clock_timestamp() - interval '5 minutes', '2000-01-01 00:00:00+00')
	THEN
		INSERT INTO @extschema@.upstream_error_late_days (day)
		SELECT DISTINCT date_bin('24 hours', t, '2000-01-01 00:00:00+00')
		FROM unnest(upstream_error_record.at) AS t
		WHERE t < date_bin('24 hours', clock_timestamp(), '2000-01-01 00:00:00+00');
	END IF;
	RETURN inserted;
END
$$;
COMMENT ON FUNCTION upstream_error_record IS 'Records a batch of events, one array per column, and returns how many were new; events that are there already are passed over, so a batch may be sent again. For the sidecar.';
