/* extension/upstream_errors--1.0.sql */

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

-- ---------------------------------------------------------------- events

-- No trigger, no foreign key, request_id in every unique constraint: the table can be
-- distributed by request_id.
CREATE TABLE upstream_error_events (
	at timestamptz NOT NULL,
	event_id uuid NOT NULL,
	request_id text NOT NULL,
	attempt int4 NOT NULL DEFAULT 1,
	platform text NOT NULL,
	channel text,
	account_id text,
	route text,
	format text,
	model text,
	upstream_model text,
	stream bool,
	kind text NOT NULL,
	network_error text,
	class text NOT NULL,
	phase text,
	owner text,
	source text,
	severity text,
	retryable bool,
	request_fault bool,
	business_limited bool,
	error_type text,
	error_code text,
	code text,
	status_code int4,
	upstream_request_id text,
	message text,
	detail text,
	truncated bool,
	original_bytes int8,
	request_headers jsonb,
	response_headers jsonb,
	retry_after_ms int8,
	first_byte_ms int4,
	total_ms int4,
	sent_bytes int8,
	response_status int4,
	outcome text,
	decided_by text,
	rule_id int8,
	rule_version int4,
	fingerprint int8,
	fingerprint_version int4,
	mask_version int4,
	trace_id text,
	tags jsonb,
	client_address inet,
	region text,
	instance text
) PARTITION BY RANGE (at);

-- Key and indexes are made on each partition, after this one's pattern, and not on the
-- parent.  A dump holds the partitions but not the parent, which CREATE EXTENSION brings:
-- were the indexes there already, the restored partitions would get them on attachment,
-- and the dump's own would fail.  The key is as strong, for it holds the partition key;
-- it makes a replay harmless.
CREATE TABLE upstream_error_events_default PARTITION OF upstream_error_events (
	PRIMARY KEY (request_id, at, event_id)
) DEFAULT;

CREATE INDEX upstream_error_events_default_at_idx ON upstream_error_events_default (at);
CREATE INDEX upstream_error_events_default_platform_at_idx ON upstream_error_events_default (platform, at);

COMMENT ON TABLE upstream_error_events IS 'Failed attempts, one row each; daily partitions made by upstream_error_maintain(). Query it through upstream_errors(''1h'').';
COMMENT ON TABLE upstream_error_events_default IS 'Pattern of the partitions, indexes included, and home of events of days without one; upstream_error_maintain() moves those, so it should be empty.';
COMMENT ON INDEX upstream_error_events_default_pkey IS 'An event is recorded once, however often it is sent.';
COMMENT ON INDEX upstream_error_events_default_at_idx IS 'Serves every time range.';
COMMENT ON INDEX upstream_error_events_default_platform_at_idx IS 'Serves a time range of one platform.';
COMMENT ON COLUMN upstream_error_events.at IS 'when the attempt failed';
COMMENT ON COLUMN upstream_error_events.event_id IS 'identity of the event, given by the sidecar; the same in every replay';
COMMENT ON COLUMN upstream_error_events.request_id IS 'ours; ties the attempts of one request together';
COMMENT ON COLUMN upstream_error_events.attempt IS 'which attempt of the request, from 1';
COMMENT ON COLUMN upstream_error_events.platform IS 'vendor of the upstream: openai, anthropic, gemini, ...';
COMMENT ON COLUMN upstream_error_events.channel IS 'upstream endpoint that was tried';
COMMENT ON COLUMN upstream_error_events.account_id IS 'account behind the channel, as the operator names it';
COMMENT ON COLUMN upstream_error_events.route IS 'path that the client asked for, without its query';
COMMENT ON COLUMN upstream_error_events.format IS 'dialect of the client: openai, openai_responses, anthropic, gemini';
COMMENT ON COLUMN upstream_error_events.model IS 'model as the client asked for it';
COMMENT ON COLUMN upstream_error_events.upstream_model IS 'model as it was sent';
COMMENT ON COLUMN upstream_error_events.stream IS 'the client asked for an event stream';
COMMENT ON COLUMN upstream_error_events.kind IS 'how it failed: http_error, request_error, stream_error, retry_exhausted, failover, client_gone, local_error';
COMMENT ON COLUMN upstream_error_events.network_error IS 'what broke below HTTP: dns, connect, tls, reset, ...';
COMMENT ON COLUMN upstream_error_events.class IS 'what kind of fault: rate_limit, overloaded, billing, ...';
COMMENT ON COLUMN upstream_error_events.phase IS 'where in the request it failed';
COMMENT ON COLUMN upstream_error_events.owner IS 'who can mend it: provider, client, platform';
COMMENT ON COLUMN upstream_error_events.source IS 'who said so: upstream_http, gateway, client_request';
COMMENT ON COLUMN upstream_error_events.severity IS 'P0 to P3';
COMMENT ON COLUMN upstream_error_events.retryable IS 'trying again may help';
COMMENT ON COLUMN upstream_error_events.request_fault IS 'the request itself is at fault; no channel is to blame';
COMMENT ON COLUMN upstream_error_events.business_limited IS 'a limit that somebody set on purpose';
COMMENT ON COLUMN upstream_error_events.error_type IS 'type in the words of the upstream';
COMMENT ON COLUMN upstream_error_events.error_code IS 'code in the words of the upstream';
COMMENT ON COLUMN upstream_error_events.code IS 'our code, a row of upstream_error_codes()';
COMMENT ON COLUMN upstream_error_events.status_code IS 'HTTP status of the upstream; null without an answer';
COMMENT ON COLUMN upstream_error_events.upstream_request_id IS 'request id of the upstream';
COMMENT ON COLUMN upstream_error_events.message IS 'what the upstream said, masked';
COMMENT ON COLUMN upstream_error_events.detail IS 'beginning of the body, masked';
COMMENT ON COLUMN upstream_error_events.truncated IS 'message or detail was cut';
COMMENT ON COLUMN upstream_error_events.original_bytes IS 'length of the body before the cut';
COMMENT ON COLUMN upstream_error_events.request_headers IS 'masked; only when switched on';
COMMENT ON COLUMN upstream_error_events.response_headers IS 'masked; only when switched on';
COMMENT ON COLUMN upstream_error_events.retry_after_ms IS 'wait that the upstream asked for';
COMMENT ON COLUMN upstream_error_events.first_byte_ms IS 'from the request to the first byte of the answer';
COMMENT ON COLUMN upstream_error_events.total_ms IS 'length of the attempt';
COMMENT ON COLUMN upstream_error_events.sent_bytes IS 'sent to the client before the failure';
COMMENT ON COLUMN upstream_error_events.response_status IS 'HTTP status that the client got';
COMMENT ON COLUMN upstream_error_events.outcome IS 'what became of it: answered, error_frame, aborted, client_gone';
COMMENT ON COLUMN upstream_error_events.decided_by IS 'who gave the verdict: postgres, local';
COMMENT ON COLUMN upstream_error_events.rule_id IS 'rule that decided; null for the default verdict';
COMMENT ON COLUMN upstream_error_events.rule_version IS 'version of that rule';
COMMENT ON COLUMN upstream_error_events.fingerprint IS 'same for faults that are alike';
COMMENT ON COLUMN upstream_error_events.fingerprint_version IS 'version of the fingerprint';
COMMENT ON COLUMN upstream_error_events.mask_version IS 'version of the mask that hid the secrets';
COMMENT ON COLUMN upstream_error_events.trace_id IS 'trace id of traceparent, 32 hex digits';
COMMENT ON COLUMN upstream_error_events.tags IS 'configured request headers: user, team, key name';
COMMENT ON COLUMN upstream_error_events.client_address IS 'only when switched on';
COMMENT ON COLUMN upstream_error_events.region IS 'where the sidecar runs';
COMMENT ON COLUMN upstream_error_events.instance IS 'which sidecar';

SELECT pg_catalog.pg_extension_config_dump('upstream_error_events', '');
SELECT pg_catalog.pg_extension_config_dump('upstream_error_events_default', '');

-- The functions return this and not the table's row type: a column added to the table
-- must not break a query that was planned or a view that was made before.
CREATE TYPE upstream_error AS (
	at timestamptz,
	event_id uuid,
	request_id text,
	attempt int4,
	platform text,
	channel text,
	account_id text,
	route text,
	format text,
	model text,
	upstream_model text,
	stream bool,
	kind text,
	network_error text,
	class text,
	phase text,
	owner text,
	source text,
	severity text,
	retryable bool,
	request_fault bool,
	business_limited bool,
	error_type text,
	error_code text,
	code text,
	status_code int4,
	upstream_request_id text,
	message text,
	detail text,
	truncated bool,
	original_bytes int8,
	request_headers jsonb,
	response_headers jsonb,
	retry_after_ms int8,
	first_byte_ms int4,
	total_ms int4,
	sent_bytes int8,
	response_status int4,
	outcome text,
	decided_by text,
	rule_id int8,
	rule_version int4,
	fingerprint int8,
	fingerprint_version int4,
	mask_version int4,
	trace_id text,
	tags jsonb,
	client_address inet,
	region text,
	instance text
);
COMMENT ON TYPE upstream_error IS 'A failed attempt as upstream_errors() returns it: the public columns of upstream_error_events.';

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
	instance text[]
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
			region, instance) > 0
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
			cardinality(client_address), cardinality(region), cardinality(instance)) <> expected
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
			cardinality(client_address), cardinality(region), cardinality(instance)) <> expected
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
			cardinality(upstream_error_record.instance))
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
			region, instance)
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
			unnest(upstream_error_record.region), unnest(upstream_error_record.instance);
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
			region, instance)
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
			unnest(upstream_error_record.region), unnest(upstream_error_record.instance)
		ON CONFLICT DO NOTHING;
	END;
	GET DIAGNOSTICS inserted = ROW_COUNT;
	RETURN inserted;
END
$$;
COMMENT ON FUNCTION upstream_error_record IS 'Records a batch of events, one array per column, and returns how many were new; events that are there already are passed over, so a batch may be sent again. For the sidecar.';

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
	OUT already_running bool
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
BEGIN
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
		IF is_blocked THEN
			partitions_skipped := partitions_skipped + 1;
			CONTINUE;
		END IF;

		partition := format('%I.%I', (SELECT n.nspname FROM pg_class AS c
			JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = events),
			'upstream_error_events_' || to_char(day, 'YYYYMMDD'));
		BEGIN
			-- Events of a day that has begun may be on their way into the default partition,
			-- which would refuse them once this one is attached: let them start over.
			IF day <= today THEN
				EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', events);
			END IF;
			-- CREATE … PARTITION OF would lock out every reader of the parent; ATTACH does not
			EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING COMMENTS)', partition,
				default_partition);
			EXECUTE format('ALTER TABLE %s OWNER TO %I', partition,
				(SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = events));
			-- no new row of that day may come in between the move and the attachment
			EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', default_partition);
			EXECUTE format('WITH moved AS (DELETE FROM ONLY %s WHERE at >= $1 AND at < $2 RETURNING *)
				INSERT INTO %s SELECT * FROM moved', default_partition, partition)
				USING day, next_day;
			GET DIAGNOSTICS moved = ROW_COUNT;
			EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
				events, partition, day, next_day);
			partitions_created := partitions_created + 1;
			rows_moved := rows_moved + moved;
		EXCEPTION
			WHEN lock_not_available THEN
				-- whoever is in the way is in the way of the other days too
				is_blocked := true;
				partitions_skipped := partitions_skipped + 1;
			-- a type, which every table has, may be in the way just as well
			WHEN duplicate_table OR duplicate_object THEN
				RAISE WARNING 'relation or type % is in the way of a partition', partition
					USING HINT = 'Attach it to upstream_error_events if it is a partition, rename it or drop it.';
				partitions_skipped := partitions_skipped + 1;
			WHEN check_violation THEN
				-- under REPEATABLE READ newer rows of that day are there that we cannot see
				partitions_skipped := partitions_skipped + 1;
		END;
	END LOOP;

	-- A DROP locks the parent, and inserts queue behind the request: wait less.
	PERFORM set_config('lock_timeout', '50ms', true);
	is_blocked := false;
	FOR old_partition IN
		SELECT p.partition FROM @extschema@.upstream_error_partitions() AS p
		WHERE p.until <= expired_before AND p.is_ours ORDER BY p.until
	LOOP
		IF is_blocked THEN
			partitions_skipped := partitions_skipped + 1;
			CONTINUE;
		END IF;
		BEGIN
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

	BEGIN
		EXECUTE format('SELECT count(*) FROM ONLY %s', default_partition) INTO rows_in_default;
	EXCEPTION WHEN lock_not_available THEN
		rows_in_default := NULL; -- unknown
	END;
END
$$;
COMMENT ON FUNCTION upstream_error_maintain() IS 'Makes the partitions of the coming week, empties the default partition into them, and drops what is older than the setting upstream_errors.retention. Harmless to call at any time, by anyone, twice at once; the sidecar does hourly. partitions_skipped counts what another session held locked: the next call tries again. Only partitions with names as it gives them are dropped. Example: SELECT * FROM upstream_error_maintain();';

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
			e.tags, e.client_address, e.region, e.instance
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

-- ---------------------------------------------------------------- the error model

CREATE FUNCTION upstream_error_mask(body text) RETURNS text
AS 'MODULE_PATHNAME', 'ue_sql_mask'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_mask(text) IS 'The text without its secrets: keys, tokens, credentials in URLs, hosts, addresses, account ids. Example: SELECT upstream_error_mask(''Incorrect API key provided: sk-abcdef0123456789abcdef'');';

CREATE FUNCTION upstream_error_mask(document jsonb) RETURNS jsonb
AS 'MODULE_PATHNAME', 'ue_sql_mask_json'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_mask(jsonb) IS 'The document with every string masked, and the values of members whose names say that they are secrets replaced; other numbers stay. Example: SELECT upstream_error_mask(''{"authorization": "Bearer abc", "retry-after": "2"}''::jsonb);';

CREATE FUNCTION upstream_error_mask_version() RETURNS int
AS 'MODULE_PATHNAME', 'ue_sql_mask_version'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_mask_version() IS 'Version of the mask of this installation, which moves whenever the same text would come out otherwise; each event names the one that masked it. Example: SELECT count(*) FROM upstream_errors(''30d'') WHERE mask_version < upstream_error_mask_version();';

CREATE FUNCTION upstream_error_classify(
	platform text, status int, body text, headers jsonb DEFAULT '{}',
	OUT class text, OUT type text, OUT code text, OUT message text, OUT param text,
	OUT retry_after_ms bigint, OUT upstream_request_id text, OUT public_code text,
	OUT client_status int, OUT phase text, OUT owner text, OUT source text,
	OUT severity text, OUT retryable bool
)
AS 'MODULE_PATHNAME', 'ue_sql_classify'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_classify(text, int, text, jsonb) IS 'What an upstream''s answer says and what kind of fault it is. Texts are masked; status null means there was no answer; client_status is what a client is told by default. Example: SELECT class, retryable FROM upstream_error_classify(''openai'', 429, ''{"error":{"message":"Rate limit reached","type":"requests"}}'', ''{"retry-after": "2"}'');';

CREATE FUNCTION upstream_error_classify(
	platform text, status int, body bytea, headers jsonb DEFAULT '{}',
	OUT class text, OUT type text, OUT code text, OUT message text, OUT param text,
	OUT retry_after_ms bigint, OUT upstream_request_id text, OUT public_code text,
	OUT client_status int, OUT phase text, OUT owner text, OUT source text,
	OUT severity text, OUT retryable bool
)
AS 'MODULE_PATHNAME', 'ue_sql_classify'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_classify(text, int, bytea, jsonb) IS 'The same for a body that may not be valid text.';

CREATE TYPE upstream_error_verdict AS (
	action text,
	response_status int,
	response_headers jsonb,
	response_body text,
	response_frame text,
	class text,
	code text,
	public_code text,
	message text,
	detail text,
	error_type text,
	error_code text,
	retry_after_ms bigint,
	upstream_request_id text,
	retryable bool,
	rule_id bigint,
	rule_version int
);
COMMENT ON TYPE upstream_error_verdict IS 'What to do about a failed attempt and the exact answer for the client: status, headers and body before the first byte, the frame inside an event stream. message and detail are masked.';

CREATE FUNCTION upstream_error_decide(
	platform text, status int, body text, headers jsonb DEFAULT '{}',
	format text DEFAULT 'openai', kind text DEFAULT 'http_error',
	network_error text DEFAULT 'none', credential text DEFAULT 'client',
	stream bool DEFAULT false, request_id text DEFAULT '', model text DEFAULT '',
	at timestamptz DEFAULT now(), accept_language text DEFAULT ''
) RETURNS upstream_error_verdict
AS 'MODULE_PATHNAME', 'ue_sql_decide'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_decide(text, int, text, jsonb, text, text, text, text, bool, text, text, timestamptz, text) IS 'The verdict on a failed attempt, byte for byte what the sidecar answers; accept_language is the client''s header. Example: SELECT response_status, response_body FROM upstream_error_decide(''anthropic'', 529, ''{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'', format => ''openai'');';

CREATE FUNCTION upstream_error_decide(
	platform text, status int, body bytea, headers jsonb DEFAULT '{}',
	format text DEFAULT 'openai', kind text DEFAULT 'http_error',
	network_error text DEFAULT 'none', credential text DEFAULT 'client',
	stream bool DEFAULT false, request_id text DEFAULT '', model text DEFAULT '',
	at timestamptz DEFAULT now(), accept_language text DEFAULT ''
) RETURNS upstream_error_verdict
AS 'MODULE_PATHNAME', 'ue_sql_decide'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_decide(text, int, bytea, jsonb, text, text, text, text, bool, text, text, timestamptz, text) IS 'The same for a body that may not be valid text.';

CREATE FUNCTION upstream_error_decide_batch(
	platforms text[], kinds text[], network_errors text[], statuses int[], headers text[],
	bodies bytea[], formats text[], credentials text[], streams bool[], request_ids text[],
	models text[], local_codes text[], local_messages text[], ats timestamptz[],
	languages text[]
) RETURNS TABLE (
	ordinal int, action text, response_status int, response_headers text,
	response_body bytea, response_frame bytea, class text, code text,
	rule_id bigint, rule_version int
)
AS 'MODULE_PATHNAME', 'ue_sql_decide_batch'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 32;
COMMENT ON FUNCTION upstream_error_decide_batch IS 'Verdicts on many failed attempts at once, one array per field, headers as lines "name: value"; one row per element in their order. For the sidecar.';

CREATE FUNCTION upstream_error_render(
	format text, status int, class text, message text, type text DEFAULT NULL,
	code text DEFAULT NULL, param text DEFAULT NULL, request_id text DEFAULT '',
	upstream_request_id text DEFAULT NULL, retry_after_s int DEFAULT 0,
	retry_useless bool DEFAULT false,
	OUT response_status int, OUT response_headers jsonb, OUT response_body text,
	OUT response_frame text
)
AS 'MODULE_PATHNAME', 'ue_sql_render'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_render IS 'An error answer in the dialect of a client''s SDK; texts are masked. Example: SELECT response_body FROM upstream_error_render(''anthropic'', 429, ''rate_limit'', ''Slow down'', request_id => ''req_1'', retry_after_s => 2);';

CREATE FUNCTION upstream_error_codes(language text DEFAULT 'en') RETURNS TABLE (
	code text, public_code text, class text, client_status int, visibility text,
	skip_retry bool, recorded bool, message text, message_zh text, cause text, remedy text
)
AS 'MODULE_PATHNAME', 'ue_sql_codes'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 60;
COMMENT ON FUNCTION upstream_error_codes(text) IS 'Every error code: what it means, what a client is told and what to do about it; client_status null means the upstream''s own. message is in the language that a client with this Accept-Language gets, English unless it prefers Chinese. Example: SELECT code, cause, remedy FROM upstream_error_codes() WHERE class = ''billing'';';

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

-- ---------------------------------------------------------------- rights

CREATE FUNCTION upstream_error_create_roles() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	role name;
	routine record;
BEGIN
	FOREACH role IN ARRAY ARRAY['upstream_errors_reader', 'upstream_errors_writer', 'upstream_errors_admin'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = role) THEN
			BEGIN
				EXECUTE format('CREATE ROLE %I NOLOGIN', role);
			EXCEPTION WHEN duplicate_object OR unique_violation THEN
				NULL; -- made by another database's call meanwhile
			END;
		END IF;
		IF NOT has_schema_privilege(role, '@extschema@'::regnamespace::oid, 'USAGE') THEN
			EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', '@extschema@'::regnamespace, role);
		END IF;
	END LOOP;

	-- an admin can do what the other two can
	FOREACH role IN ARRAY ARRAY['upstream_errors_reader', 'upstream_errors_writer'] LOOP
		IF NOT pg_has_role('upstream_errors_admin', role, 'MEMBER') THEN
			EXECUTE format('GRANT %I TO upstream_errors_admin', role);
		END IF;
	END LOOP;
	GRANT SELECT ON @extschema@.upstream_error_events TO upstream_errors_reader;
	GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.upstream_error_events TO upstream_errors_admin;

	FOR routine IN
		SELECT p.oid::regprocedure AS signature,
			CASE
				WHEN p.proname IN ('upstream_error_record', 'upstream_error_decide_batch',
					'upstream_error_maintain') THEN 'upstream_errors_writer'
				WHEN p.proname = 'upstream_error_create_roles' OR p.proname LIKE 'upstream\_error\_scrub%' THEN 'upstream_errors_admin'
				ELSE 'upstream_errors_reader'
			END AS grantee
		FROM pg_depend AS d
		JOIN pg_extension AS x ON x.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
		JOIN pg_proc AS p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
		WHERE d.deptype = 'e' AND x.extname = 'upstream_errors'
			AND p.prorettype <> 'internal'::regtype
	LOOP
		EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', routine.signature, routine.grantee);
	END LOOP;
END
$$;
COMMENT ON FUNCTION upstream_error_create_roles() IS 'Creates the roles upstream_errors_reader (queries), upstream_errors_writer (the sidecar) and upstream_errors_admin (both) where they are missing, and gives them their rights; may be called again. Needs CREATEROLE. Example: SELECT upstream_error_create_roles(); GRANT upstream_errors_reader TO alice;';

DO $$
DECLARE
	routine pg_catalog.regprocedure;
BEGIN
	FOR routine IN
		SELECT d.objid::pg_catalog.regprocedure
		FROM pg_catalog.pg_depend AS d
		JOIN pg_catalog.pg_extension AS x ON x.oid OPERATOR(pg_catalog.=) d.refobjid
		WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
			AND x.extname OPERATOR(pg_catalog.=) 'upstream_errors'
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', routine);
		EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO @extowner@ WITH GRANT OPTION', routine);
	END LOOP;
END
$$;
REVOKE ALL ON TABLE upstream_error_events, upstream_error_events_default FROM PUBLIC;

ALTER TABLE upstream_error_events OWNER TO @extowner@;
ALTER TABLE upstream_error_events_default OWNER TO @extowner@;
ALTER FUNCTION upstream_error_record OWNER TO @extowner@;
ALTER FUNCTION upstream_error_maintain() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_scrub(timestamptz, timestamptz, bool) OWNER TO @extowner@;
