-- ---------------------------------------------------------------- attempts of a request

-- The key of every partition finds each row; a scan, where statistics are old, would cost
-- the whole day.  What is asked on the way of tables that have no index for it costs so much
-- then, in the planner's eyes, that it would be compiled first, for a fifth of a second.
CREATE FUNCTION upstream_error_record_recoveries(
	at timestamptz[], event_id uuid[], request_id text[], response_status int4[], total_ms int4[], channel text[]
) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
	n_changed bigint;
	recovered bigint := 0;
BEGIN
	PERFORM @extschema@.upstream_error_require_lengths('{at,event_id,request_id,response_status,total_ms,channel}',
		ARRAY[cardinality(at), cardinality(event_id), cardinality(request_id), cardinality(response_status),
			cardinality(total_ms), cardinality(channel)]);
	PERFORM @extschema@.upstream_error_require_owner();
	-- twice: a row that maintenance was moving is gone for the first and found by the second
	FOR i IN 1..2 LOOP
		UPDATE @extschema@.upstream_error_events AS e
		SET outcome = 'recovered', response_status = r.response_status, total_ms = r.total_ms, recovered_by = r.channel
		FROM unnest(upstream_error_record_recoveries.at, upstream_error_record_recoveries.event_id,
			upstream_error_record_recoveries.request_id, upstream_error_record_recoveries.response_status,
			upstream_error_record_recoveries.total_ms, upstream_error_record_recoveries.channel
			) AS r (at, event_id, request_id, response_status, total_ms, channel)
		WHERE e.request_id = r.request_id AND e.at = r.at AND e.event_id = r.event_id
			AND (e.outcome, e.response_status, e.total_ms, e.recovered_by)
				IS DISTINCT FROM ('recovered', r.response_status, r.total_ms, r.channel);
		GET DIAGNOSTICS n_changed = ROW_COUNT;
		recovered := recovered + n_changed;
		EXIT WHEN recovered = cardinality(event_id);
	END LOOP;

	-- days that may have been counted, as upstream_error_record() notes them
	IF recovered > 0 AND (SELECT min(t) FROM unnest(upstream_error_record_recoveries.at) AS t)
		< date_bin('24 hours', clock_timestamp() - interval '5 minutes', '2000-01-01 00:00:00+00')
	THEN
		INSERT INTO @extschema@.upstream_error_late_days (day)
		SELECT DISTINCT date_bin('24 hours', t, '2000-01-01 00:00:00+00')
		FROM unnest(upstream_error_record_recoveries.at) AS t
		WHERE t < date_bin('24 hours', clock_timestamp(), '2000-01-01 00:00:00+00');
	END IF;
	RETURN recovered;
END
$$;
COMMENT ON FUNCTION upstream_error_record_recoveries(timestamptz[], uuid[], text[], int4[], int4[], text[]) IS 'Says of failed attempts, by (request_id, at, event_id), that the next attempt of the request succeeded: outcome becomes recovered, response_status what the client got, total_ms the length of the whole request, recovered_by the channel that answered. Returns how many rows changed; unknown ones are passed over, and a batch may be sent again. For the sidecar.';

CREATE FUNCTION upstream_error_explain_step(step text, step_reason text, wait_ms int4, next_channel text) RETURNS text
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE step
			WHEN 'retry' THEN ' Then the same channel was asked again' || t.wait
			WHEN 'failover' THEN ' Then ' || coalesce('channel "' || next_channel || '"', 'another channel') || ' was asked' || t.wait
			WHEN 'answer' THEN ' It was the last attempt'
			ELSE ' Then: ' || step END
		|| coalesce(', because ' || CASE
			WHEN step <> 'answer' THEN CASE step_reason
				WHEN 'rule' THEN 'a rule says so'
				WHEN 'class' THEN 'failures of this class are retried'
				WHEN 'network' THEN 'such network failures are retried'
				WHEN 'status' THEN 'this status is retried'
				ELSE step_reason END
			ELSE CASE step_reason
				WHEN 'output' THEN 'a part of the answer had reached the client'
				WHEN 'client_gone' THEN 'nobody waited any more'
				WHEN 'rule' THEN 'a rule says so'
				WHEN 'body' THEN 'the body of the request was not kept'
				WHEN 'attempts' THEN 'the policy allows no more'
				WHEN 'budget' THEN 'the budget of retries was spent'
				WHEN 'skip_retry' THEN 'this code is never retried'
				WHEN 'request_fault' THEN 'the request would fail anywhere'
				WHEN 'class' THEN 'failures of this class are not retried'
				WHEN 'code' THEN 'this code is not retried'
				WHEN 'network' THEN 'such network failures are not retried'
				WHEN 'status' THEN 'this status is not retried'
				WHEN 'no_channel' THEN 'no channel was left to ask'
				WHEN 'hint' THEN 'the upstream asked for a longer wait than the policy allows'
				WHEN 'deadline' THEN 'the wait would have outlasted the deadline'
				ELSE step_reason END
			END, '') || '.'
	FROM (SELECT coalesce(' after ' || nullif(wait_ms, 0) || ' ms', ' at once') AS wait) AS t
	WHERE step IS NOT NULL;
END;
COMMENT ON FUNCTION upstream_error_explain_step(text, text, int4, text) IS 'A sentence about what was done after a failed attempt; null when that is not known. Example: SELECT upstream_error_explain_step(''failover'', ''status'', 250, ''spare'');';

CREATE FUNCTION upstream_error_explain_fault(kind text, network_error text, status_code int4, class text, sent_bytes int8, message text) RETURNS text
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
			WHEN kind = 'http_error' AND status_code IS NOT NULL THEN 'was answered with HTTP ' || status_code
			WHEN kind = 'request_error' THEN 'got no answer' || coalesce(' (' || network_error || ')', '')
			WHEN kind = 'stream_error' THEN 'failed inside the stream' || coalesce(' (' || network_error || ')', '')
				|| coalesce(', when ' || nullif(sent_bytes, 0) || ' bytes had reached the client', '')
			WHEN kind = 'client_gone' THEN 'was given up by the client'
			WHEN kind = 'local_error' THEN 'could not be made'
			ELSE 'failed' END
		|| coalesce(', class ' || class, '')
		|| coalesce(': "' || nullif(CASE WHEN char_length(message) > 200 THEN left(message, 199) || '…' ELSE message END, '') || '"', '')
		|| '.';
END;
COMMENT ON FUNCTION upstream_error_explain_fault(text, text, int4, text, int8, text) IS 'The end of a sentence about how an attempt failed. Example: SELECT upstream_error_explain_fault(''http_error'', NULL, 429, ''rate_limit'', NULL, ''slow down'');';

CREATE FUNCTION upstream_error_explain_outcome(outcome text, response_status int4, attempts int8, channel text, total_ms int4) RETURNS text
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE outcome
			WHEN 'recovered' THEN 'Recovered: the client got ' || coalesce('HTTP ' || response_status, 'an answer')
				|| coalesce(' from channel "' || channel || '"', '') || t.after
				|| coalesce(', ' || total_ms || ' ms after the request came', '') || '.'
			WHEN 'answered' THEN 'The client got ' || coalesce('HTTP ' || response_status, 'an error') || t.after || '.'
			WHEN 'error_frame' THEN 'The client got the error as the last event of a stream that had begun' || t.after || '.'
			WHEN 'aborted' THEN 'The answer to the client, which had begun, was broken off' || t.after || '.'
			WHEN 'client_gone' THEN 'The client had gone' || t.after || '.'
			WHEN 'retried' THEN 'Another attempt followed; how it ended is not recorded.'
			ELSE 'What the client got is not recorded.' END
	FROM (SELECT format(CASE attempts WHEN 1 THEN ' after %s failed attempt' ELSE ' after %s failed attempts' END, attempts) AS after) AS t;
END;
COMMENT ON FUNCTION upstream_error_explain_outcome(text, int4, int8, text, int4) IS 'A sentence about what the client got in the end. Example: SELECT upstream_error_explain_outcome(''recovered'', 200, 2, ''spare'', 1500);';

CREATE FUNCTION upstream_error_explain_passed_over(passed_over jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT ' Passed over: ' || string_agg('"' || (p.content ->> 'channel') || '"'
		|| coalesce(' (' || (p.content ->> 'why') || coalesce(' until ' || (p.content ->> 'until'), '') || ')', ''), ', ' ORDER BY p.place) || '.'
	FROM jsonb_array_elements(CASE WHEN jsonb_typeof(passed_over) = 'array' THEN passed_over ELSE '[]' END)
		WITH ORDINALITY AS p (content, place);
END;
COMMENT ON FUNCTION upstream_error_explain_passed_over(jsonb) IS 'A sentence about the channels that could not be asked; null when there are none. Example: SELECT upstream_error_explain_passed_over(''[{"channel": "b", "why": "cooling", "until": "2026-11-01T12:00:00Z"}]'');';

CREATE FUNCTION upstream_error_explain_request(
	request_id text, since timestamptz DEFAULT now() - interval '1 day', until timestamptz DEFAULT now()
) RETURNS TABLE (
	attempt int4, at timestamptz, channel text, model text, class text, status_code int4, message text, rule_id int8,
	step text, step_reason text, wait_ms int4, passed_over jsonb, what text
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 4
BEGIN ATOMIC
	WITH failed AS MATERIALIZED (
		SELECT e.*, row_number() OVER sequence AS place, count(*) OVER () AS attempts, lead(e.channel) OVER sequence AS next_channel
		FROM @extschema@.upstream_errors(since, until) AS e
		WHERE e.request_id = upstream_error_explain_request.request_id
		WINDOW sequence AS (ORDER BY e.attempt, e.at, e.event_id)
	)
	SELECT s.attempt, s.at, s.channel, s.model, s.class, s.status_code, s.message, s.rule_id, s.step, s.step_reason, s.wait_ms,
		s.passed_over, s.what
	FROM (
		SELECT f.place, f.attempt, f.at, f.channel, coalesce(f.upstream_model, f.model) AS model, f.class, f.status_code,
			f.message, f.rule_id, f.step, f.step_reason, f.wait_ms, f.passed_over,
			'Attempt ' || f.attempt || coalesce(' on channel "' || f.channel || '"', ' on ' || nullif(f.platform, ''), '')
				|| coalesce(' for ' || f.model, '')
				|| coalesce(' (sent as ' || nullif(f.upstream_model, f.model) || ')', '')
				|| ' ' || @extschema@.upstream_error_explain_fault(f.kind, f.network_error, f.status_code, f.class, f.sent_bytes, f.message)
				|| coalesce(' Rule ' || f.rule_id || coalesce(' (version ' || f.rule_version || ')', '') || ' decided.', '')
				|| coalesce(@extschema@.upstream_error_explain_step(f.step, f.step_reason, f.wait_ms,
					coalesce(f.next_channel, CASE WHEN f.outcome = 'recovered' THEN f.recovered_by END)), '')
				|| coalesce(@extschema@.upstream_error_explain_passed_over(f.passed_over), '') AS what
		FROM failed AS f
		UNION ALL
		SELECT f.place + 1, NULL, f.at, f.recovered_by, NULL, NULL, f.response_status, NULL, NULL, NULL, NULL, NULL, NULL,
			@extschema@.upstream_error_explain_outcome(f.outcome, f.response_status, f.attempts, f.recovered_by, f.total_ms)
		FROM failed AS f WHERE f.place = f.attempts
	) AS s
	ORDER BY s.place;
END;
COMMENT ON FUNCTION upstream_error_explain_request(text, timestamptz, timestamptz) IS 'The story of a request from its failed attempts between since (inclusive) and until (exclusive), in order: what each verdict was and why, what was done next and why, how long that waited, which channels were passed over; what tells it in words. The last row is what the client got: attempt is null, status_code the client''s, channel the one that saved it. No row: nothing failed. Example: SELECT attempt, what FROM upstream_error_explain_request(''req_01'');';

CREATE FUNCTION upstream_error_explain_request(request_id text, since text, until text DEFAULT 'now') RETURNS TABLE (
	attempt int4, at timestamptz, channel text, model text, class text, status_code int4, message text, rule_id int8,
	step text, step_reason text, wait_ms int4, passed_over jsonb, what text
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 4
BEGIN ATOMIC
	SELECT x.* FROM @extschema@.upstream_error_explain_request(request_id, @extschema@.upstream_error_time(since),
		@extschema@.upstream_error_time(until)) AS x;
END;
COMMENT ON FUNCTION upstream_error_explain_request(text, text, text) IS 'The same with times as upstream_error_time() reads them. Example: SELECT attempt, what FROM upstream_error_explain_request(''req_01'', ''7d'');';
