-- ---------------------------------------------------------------- health of channels

-- No foreign keys: a channel may be deleted while a sidecar still tells of it, and a
-- restore fills the tables in any order.
CREATE TABLE upstream_error_channel_health (
	channel_id bigint NOT NULL,
	model text NOT NULL DEFAULT '',
	state text NOT NULL CHECK (state OPERATOR(pg_catalog.=) ANY ('{healthy,cooling,disabled}')),
	until timestamptz,
	level int NOT NULL DEFAULT 0,
	reason text,
	class text,
	status_code int,
	event_id uuid,
	rule_id bigint,
	instance text,
	changed_at timestamptz NOT NULL,
	PRIMARY KEY (channel_id, model)
);
COMMENT ON TABLE upstream_error_channel_health IS 'What all sidecars together know of the health of channels: the state now, merged from upstream_error_channel_transitions. Written by functions alone; see upstream_error_health() and upstream_error_clear_health().';
COMMENT ON INDEX upstream_error_channel_health_pkey IS 'One state for each channel and model.';
COMMENT ON COLUMN upstream_error_channel_health.channel_id IS 'a row of upstream_error_channels';
COMMENT ON COLUMN upstream_error_channel_health.model IS 'model as clients ask for it; empty: the channel as a whole';
COMMENT ON COLUMN upstream_error_channel_health.state IS 'healthy, cooling, disabled; with the last two, one request may try it once until is over';
COMMENT ON COLUMN upstream_error_channel_health.until IS 'end of the pause; null for a disabled one: until it is cleared';
COMMENT ON COLUMN upstream_error_channel_health.level IS 'pauses in a row, from which the length of the next follows';
COMMENT ON COLUMN upstream_error_channel_health.reason IS 'what the upstream said, masked';
COMMENT ON COLUMN upstream_error_channel_health.class IS 'class of the fault';
COMMENT ON COLUMN upstream_error_channel_health.status_code IS 'HTTP status of the upstream; null without an answer';
COMMENT ON COLUMN upstream_error_channel_health.event_id IS 'failed attempt that brought it about, in upstream_error_events';
COMMENT ON COLUMN upstream_error_channel_health.rule_id IS 'health rule, or rule, that brought it about';
COMMENT ON COLUMN upstream_error_channel_health.instance IS 'sidecar that saw it';
COMMENT ON COLUMN upstream_error_channel_health.changed_at IS 'when that was';

CREATE TABLE upstream_error_channel_transitions (
	at timestamptz NOT NULL CHECK (pg_catalog.isfinite(at)),
	transition_id uuid NOT NULL,
	channel_id bigint NOT NULL,
	channel text,
	model text NOT NULL DEFAULT '',
	from_state text NOT NULL CHECK (from_state OPERATOR(pg_catalog.=) ANY ('{healthy,cooling,disabled}')),
	to_state text NOT NULL CHECK (to_state OPERATOR(pg_catalog.=) ANY ('{healthy,cooling,disabled}')),
	until timestamptz,
	level int NOT NULL DEFAULT 0,
	reason text,
	class text,
	status_code int,
	rule_id bigint,
	event_id uuid,
	request_id text,
	instance text,
	PRIMARY KEY (at, transition_id)
);
CREATE INDEX upstream_error_channel_transitions_channel_id_at_idx ON upstream_error_channel_transitions (channel_id, at);
COMMENT ON TABLE upstream_error_channel_transitions IS 'Every change of a channel''s health that a sidecar saw or somebody made, with its reason and the event that caused it; kept as long as counts are (setting upstream_errors.rollup_retention). Example: SELECT at, model, to_state, until, reason FROM upstream_error_channel_transitions WHERE channel = ''main'' ORDER BY at DESC LIMIT 20;';
COMMENT ON INDEX upstream_error_channel_transitions_pkey IS 'A transition is recorded once, however often it is sent.';
COMMENT ON INDEX upstream_error_channel_transitions_channel_id_at_idx IS 'Finds the history of a channel.';
COMMENT ON COLUMN upstream_error_channel_transitions.at IS 'when it happened';
COMMENT ON COLUMN upstream_error_channel_transitions.transition_id IS 'identity, given by the sidecar; the same in every replay';
COMMENT ON COLUMN upstream_error_channel_transitions.channel_id IS 'the channel';
COMMENT ON COLUMN upstream_error_channel_transitions.channel IS 'its name then';
COMMENT ON COLUMN upstream_error_channel_transitions.model IS 'model as clients ask for it; empty: the channel as a whole';
COMMENT ON COLUMN upstream_error_channel_transitions.from_state IS 'state before: healthy, cooling, disabled';
COMMENT ON COLUMN upstream_error_channel_transitions.to_state IS 'state after';
COMMENT ON COLUMN upstream_error_channel_transitions.until IS 'end of the pause; null: none, or until it is cleared';
COMMENT ON COLUMN upstream_error_channel_transitions.level IS 'pauses in a row';
COMMENT ON COLUMN upstream_error_channel_transitions.reason IS 'what the upstream said, masked, or who cleared it';
COMMENT ON COLUMN upstream_error_channel_transitions.class IS 'class of the fault';
COMMENT ON COLUMN upstream_error_channel_transitions.status_code IS 'HTTP status of the upstream; null without an answer';
COMMENT ON COLUMN upstream_error_channel_transitions.rule_id IS 'health rule, or rule, that brought it about';
COMMENT ON COLUMN upstream_error_channel_transitions.event_id IS 'failed attempt that caused it, in upstream_error_events';
COMMENT ON COLUMN upstream_error_channel_transitions.request_id IS 'request of that attempt';
COMMENT ON COLUMN upstream_error_channel_transitions.instance IS 'sidecar that saw it';

SELECT pg_catalog.pg_extension_config_dump('upstream_error_channel_health', '');
SELECT pg_catalog.pg_extension_config_dump('upstream_error_channel_transitions', '');

-- The payload must be shorter than 8000 bytes (NOTIFY); a model has 128 at most, where it
-- comes from a sidecar.
CREATE FUNCTION upstream_error_notify_health(
	channel_id bigint, model text, state text, until timestamptz, level int, instance text,
	reason text, is_clear bool
) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT pg_notify('upstream_errors_health', p.payload)
	FROM (SELECT jsonb_strip_nulls(jsonb_build_object(
			'channel_id', channel_id, 'model', model, 'state', state,
			'until_ms', coalesce(ceil(extract(epoch FROM nullif(until, 'infinity')) * 1000)::bigint, 0), 'level', level,
			'instance', left(instance, 200), 'reason', left(reason, 500),
			'clear', nullif(is_clear, false)))::text AS payload) AS p
	WHERE octet_length(p.payload) < 8000;
END;
COMMENT ON FUNCTION upstream_error_notify_health(bigint, text, text, timestamptz, int, text, text, bool) IS 'Tells the sidecars, at the commit, of a state; until_ms is in Unix time, 0: no end. With clear it ends what they have in memory of the model, or of the channel and all its models.';

-- Transitions of several sidecars come in any order.  A pause that is older than the last
-- success or clearing does not count; of two that do the graver one stands, or the one that
-- ends later, unless it was over when the other began.
CREATE FUNCTION upstream_error_merge_health(entry upstream_error_channel_transitions) RETURNS bool
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO @extschema@.upstream_error_channel_health AS h (channel_id, model, state, until, level, reason, class,
		status_code, event_id, rule_id, instance, changed_at)
	VALUES (entry.channel_id, entry.model, entry.to_state, entry.until, entry.level, entry.reason, entry.class,
		entry.status_code, entry.event_id, entry.rule_id, entry.instance, entry.at)
	ON CONFLICT ON CONSTRAINT upstream_error_channel_health_pkey DO UPDATE
	SET state = excluded.state, until = excluded.until, reason = excluded.reason, class = excluded.class,
		level = CASE WHEN 'healthy' IN (h.state, excluded.state) THEN excluded.level ELSE greatest(h.level, excluded.level) END,
		status_code = excluded.status_code, event_id = excluded.event_id, rule_id = excluded.rule_id,
		instance = excluded.instance, changed_at = excluded.changed_at
	WHERE CASE
		WHEN excluded.state = 'healthy' THEN excluded.changed_at >= h.changed_at
		WHEN h.state = 'healthy' THEN excluded.changed_at > h.changed_at
		WHEN excluded.changed_at >= coalesce(h.until, 'infinity') THEN true
		WHEN h.changed_at >= coalesce(excluded.until, 'infinity') THEN false
		WHEN excluded.state <> h.state THEN excluded.state = 'disabled'
		ELSE coalesce(excluded.until, 'infinity') > coalesce(h.until, 'infinity') END;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION upstream_error_merge_health(upstream_error_channel_transitions) IS 'Merges a transition into upstream_error_channel_health; false: it changes nothing there.';

CREATE FUNCTION upstream_error_require_lengths(names text[], lengths int[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	advice CONSTANT text := 'Every array must be given, with one element for each row; an element may be null.';
	wrong record;
BEGIN
	SELECT t.name, t.length INTO wrong FROM unnest(names, lengths) AS t (name, length)
	WHERE t.length IS NULL OR t.length <> lengths[1] LIMIT 1;
	IF FOUND AND wrong.length IS NULL THEN
		RAISE EXCEPTION 'array "%" is null', wrong.name USING ERRCODE = 'invalid_parameter_value', HINT = advice;
	ELSIF FOUND THEN
		RAISE EXCEPTION 'array "%" has length %, "%" has %', wrong.name, wrong.length, names[1], lengths[1]
			USING ERRCODE = 'invalid_parameter_value', HINT = advice;
	END IF;
END
$$;
COMMENT ON FUNCTION upstream_error_require_lengths(text[], int[]) IS 'Fails unless all lengths are that of the first, and says which array is wrong.';

CREATE FUNCTION upstream_error_record_transitions(
	at timestamptz[], transition_id uuid[], channel_id bigint[], channel text[], model text[],
	from_state text[], to_state text[], until timestamptz[], level int[], reason text[], class text[],
	status_code int[], rule_id bigint[], event_id uuid[], request_id text[], instance text[]
) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry @extschema@.upstream_error_channel_transitions;
	recorded bigint := 0;
BEGIN
	PERFORM @extschema@.upstream_error_require_lengths(
		'{at,transition_id,channel_id,channel,model,from_state,to_state,until,level,reason,class,status_code,rule_id,event_id,request_id,instance}',
		ARRAY[cardinality(at), cardinality(transition_id), cardinality(channel_id), cardinality(channel), cardinality(model),
			cardinality(from_state), cardinality(to_state), cardinality(until), cardinality(level), cardinality(reason),
			cardinality(class), cardinality(status_code), cardinality(rule_id), cardinality(event_id),
			cardinality(request_id), cardinality(instance)]);
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_channel_transitions');
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_channel_health');
	-- in one order, so that two sidecars do not wait for one another
	FOR entry IN
		WITH added AS (
			INSERT INTO @extschema@.upstream_error_channel_transitions
			SELECT t.at, t.transition_id, t.channel_id, t.channel, coalesce(t.model, ''), t.from_state, t.to_state,
				CASE WHEN t.to_state <> 'healthy' THEN nullif(t.until, 'infinity') END, coalesce(t.level, 0), t.reason,
				t.class, t.status_code, t.rule_id, t.event_id, t.request_id, t.instance
			FROM unnest(upstream_error_record_transitions.at, upstream_error_record_transitions.transition_id,
				upstream_error_record_transitions.channel_id, upstream_error_record_transitions.channel,
				upstream_error_record_transitions.model, upstream_error_record_transitions.from_state,
				upstream_error_record_transitions.to_state, upstream_error_record_transitions.until,
				upstream_error_record_transitions.level, upstream_error_record_transitions.reason,
				upstream_error_record_transitions.class, upstream_error_record_transitions.status_code,
				upstream_error_record_transitions.rule_id, upstream_error_record_transitions.event_id,
				upstream_error_record_transitions.request_id, upstream_error_record_transitions.instance
				) AS t (at, transition_id, channel_id, channel, model, from_state, to_state, until, level, reason,
					class, status_code, rule_id, event_id, request_id, instance)
			ORDER BY t.at, t.transition_id
			ON CONFLICT DO NOTHING
			RETURNING *
		)
		SELECT a.* FROM added AS a ORDER BY a.channel_id, a.model, a.at, a.transition_id
	LOOP
		recorded := recorded + 1;
		IF entry.to_state = 'cooling' AND entry.until IS NULL THEN
			PERFORM @extschema@.upstream_error_refuse('until', 'is null; accepted with cooling is when it ends',
				format('Transition %s.', entry.transition_id));
		END IF;
		-- a sidecar whose clock is far ahead must not decide for as long
		IF entry.at > clock_timestamp() + interval '2 hours' THEN
			entry.until := clock_timestamp() + (entry.until - entry.at);
			entry.at := clock_timestamp();
		END IF;
		IF @extschema@.upstream_error_merge_health(entry) THEN
			PERFORM @extschema@.upstream_error_notify_health(entry.channel_id, entry.model, entry.to_state, entry.until,
				entry.level, entry.instance, entry.reason, false);
		END IF;
	END LOOP;
	RETURN recorded;
END
$$;
COMMENT ON FUNCTION upstream_error_record_transitions IS 'Records a batch of changes of health, one array per column, merges them into upstream_error_channel_health, tells the other sidecars of those that count there, and returns how many were new; a batch may be sent again. For the sidecar.';

CREATE FUNCTION upstream_error_clear_health(channel text, model text DEFAULT NULL, reason text DEFAULT NULL) RETURNS int
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_id bigint;
	cleared_model CONSTANT text := coalesce(model, '');
	why CONSTANT text := 'cleared by ' || session_user || coalesce(': ' || nullif(@extschema@.upstream_error_trim(reason), ''), '');
	-- a sidecar's clock may be ahead of ours
	cleared_at timestamptz;
	cleared int;
BEGIN
	SELECT c.id INTO found_id FROM @extschema@.upstream_error_channels AS c WHERE c.name = upstream_error_clear_health.channel;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'channel: % is unknown; accepted are names of upstream_error_channels',
			coalesce('"' || channel || '"', 'null') USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_channel_transitions');
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_channel_health');
	PERFORM FROM @extschema@.upstream_error_channel_health AS h
	WHERE h.channel_id = found_id ORDER BY h.model FOR UPDATE;
	SELECT greatest(clock_timestamp(), max(h.changed_at)) INTO cleared_at
	FROM @extschema@.upstream_error_channel_health AS h
	WHERE h.channel_id = found_id;
	WITH before AS (
		SELECT h.* FROM @extschema@.upstream_error_channel_health AS h
		WHERE h.channel_id = found_id AND h.state <> 'healthy'
			AND (cleared_model = '' OR h.model = cleared_model)
	), logged AS (
		INSERT INTO @extschema@.upstream_error_channel_transitions (at, transition_id, channel_id, channel, model,
			from_state, to_state, level, reason)
		SELECT cleared_at, gen_random_uuid(), b.channel_id, upstream_error_clear_health.channel, b.model, b.state, 'healthy', 0, why
		FROM before AS b
	)
	UPDATE @extschema@.upstream_error_channel_health AS h
	SET state = 'healthy', until = NULL, level = 0, reason = why, class = NULL, status_code = NULL, event_id = NULL,
		rule_id = NULL, instance = NULL, changed_at = cleared_at
	FROM before AS b WHERE h.channel_id = b.channel_id AND h.model = b.model;
	GET DIAGNOSTICS cleared = ROW_COUNT;
	-- a sidecar may know of a pause that the database was never told
	PERFORM @extschema@.upstream_error_notify_health(found_id, cleared_model, 'healthy', NULL, 0, NULL, why, true);
	RETURN cleared;
END
$$;
COMMENT ON FUNCTION upstream_error_clear_health(text, text, text) IS 'Ends the pauses of a channel at once, in all sidecars, and returns how many there were: of one model, or without one of the channel and all its models. What is disabled by hand (enabled = false in upstream_error_channels) stays so. Examples: SELECT upstream_error_clear_health(''main''); SELECT upstream_error_clear_health(''main'', ''gpt-5'', ''quota was raised'');';

-- With the rights of the owner, so that a sidecar needs none on the tables.
CREATE FUNCTION upstream_error_health() RETURNS TABLE (
	channel_id bigint, channel text, model text, state text, until timestamptz, level int, reason text, class text,
	status_code int, changed_at timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT h.channel_id, c.name, h.model, h.state, h.until, h.level, h.reason, h.class, h.status_code, h.changed_at
	FROM @extschema@.upstream_error_channel_health AS h
	JOIN @extschema@.upstream_error_channels AS c ON c.id = h.channel_id
	WHERE h.state <> 'healthy'
	ORDER BY c.name, h.model;
END;
COMMENT ON FUNCTION upstream_error_health() IS 'Channels that are not healthy, as far as the sidecars have told: model empty is the channel as a whole; one request may try it once until is over, and null is until it is cleared. Example: SELECT channel, model, state, until - now() AS remaining, reason FROM upstream_error_health() WHERE until IS NULL OR until > now();';

-- Clients choose the models' names, so what is over must go; a day, for the length of the
-- next pause follows from the last.
CREATE FUNCTION upstream_error_expire_health(before timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_channel_transitions');
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_channel_health');
	DELETE FROM @extschema@.upstream_error_channel_transitions AS t WHERE t.at < before;
	DELETE FROM @extschema@.upstream_error_channel_health AS h
	WHERE CASE WHEN h.state = 'healthy' THEN h.changed_at ELSE h.until END < now() - interval '1 day'
		OR h.changed_at < now() - interval '1 day'
			AND NOT EXISTS (SELECT FROM @extschema@.upstream_error_channels AS c WHERE c.id = h.channel_id);
EXCEPTION WHEN lock_not_available THEN
	NULL; -- the next call will
END
$$;
COMMENT ON FUNCTION upstream_error_expire_health(timestamptz) IS 'Forgets transitions from before, and states that have been over, or whose channel has been gone, for a day. upstream_error_maintain() calls it.';
