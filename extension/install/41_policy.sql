-- ---------------------------------------------------------------- policy

CREATE FUNCTION upstream_error_rule_check(rule jsonb) RETURNS void
AS 'MODULE_PATHNAME', 'ue_sql_rule_check'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_rule_check(jsonb) IS 'Fails when this could not be a row of upstream_error_rules, and says which field is wrong, why, and what is accepted; its patterns are compiled too. A field that is missing has its default. Example: SELECT upstream_error_rule_check(''{"name": "busy", "error_codes": [529], "passthrough_code": false, "response_code": 503}'');';

CREATE FUNCTION upstream_error_rule_test_check(rule_test jsonb) RETURNS void
AS 'MODULE_PATHNAME', 'ue_sql_rule_test_check'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_rule_test_check(jsonb) IS 'Fails when the case of a row of upstream_error_rule_tests could not be one, and says which field is wrong, why, and what is accepted. Example: SELECT upstream_error_rule_test_check(''{"format": "anthropic", "kind": "stream_error", "credential": "ours"}'');';

CREATE FUNCTION upstream_error_mask_pattern_check(pattern text, case_sensitive bool DEFAULT true) RETURNS void
AS 'MODULE_PATHNAME', 'ue_sql_mask_pattern_check'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_mask_pattern_check(text, bool) IS 'Fails when this could not be a pattern of upstream_error_mask_patterns: not a regular expression, or one that matches the empty text. Example: SELECT upstream_error_mask_pattern_check(''emp-[0-9]{6}'');';

CREATE FUNCTION upstream_error_policy_changed() RETURNS void
AS 'MODULE_PATHNAME', 'ue_sql_policy_changed'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION upstream_error_policy_changed() IS 'Tells every backend, at the commit of this transaction, to compile rules and masks anew. The triggers of their tables call it.';

CREATE FUNCTION upstream_error_policy_check() RETURNS trigger
AS 'MODULE_PATHNAME', 'ue_sql_policy_check'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION upstream_error_policy_check() IS 'Trigger that fails (23514) when rules and masks, as this transaction leaves them, cannot be compiled, or break a row of upstream_error_rule_tests. The work is done once, however many rows were written.';

-- Each test is decided in a block of its own: one that cannot even be decided fails alone.
CREATE FUNCTION upstream_error_test_rules() RETURNS TABLE (id bigint, name text, passed bool, problem text)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	test record;
	verdict @extschema@.upstream_error_verdict;
	rule text;
	message text;
BEGIN
	FOR test IN SELECT t.* FROM @extschema@.upstream_error_rule_tests AS t WHERE t.enabled ORDER BY t.id LOOP
		BEGIN
			verdict := @extschema@.upstream_error_decide(test.platform, test.status, test.body,
				headers => test.headers, format => test.format, kind => test.kind,
				network_error => test.network_error, credential => test.credential,
				stream => test.stream, request_id => 'test', model => test.model,
				accept_language => test.accept_language, channel => test.channel,
				route => test.route, attempt => test.attempt, has_output => test.has_output,
				tags => test.tags, local_code => test.local_code);
			rule := (SELECT r.name FROM @extschema@.upstream_error_rules AS r WHERE r.id = verdict.rule_id);
			message := verdict.response_body::jsonb #>> '{error,message}';
			problem := concat_ws('; ',
				CASE WHEN test.expect_rule <> coalesce(rule, '') THEN format('rule expected: %s, decided: %s',
					coalesce(quote_literal(nullif(test.expect_rule, '')), 'none'), coalesce(quote_literal(rule), 'none')) END,
				CASE WHEN test.expect_status <> verdict.response_status THEN format('status expected: %s, got: %s',
					test.expect_status, verdict.response_status) END,
				CASE WHEN test.expect_message <> coalesce(message, '') THEN format('message expected: %L, got: %L',
					test.expect_message, message) END,
				CASE WHEN strpos(verdict.response_body, test.expect_body_contains) = 0 THEN format('body expected to contain: %L, got: %L',
					test.expect_body_contains, verdict.response_body) END,
				CASE WHEN test.expect_action <> verdict.action THEN format('action expected: %s, got: %s',
					test.expect_action, verdict.action) END);
		EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
			problem := SQLERRM;
		END;
		id := test.id;
		name := test.name;
		passed := problem = '';
		problem := nullif(problem, '');
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION upstream_error_test_rules() IS 'Runs every enabled row of upstream_error_rule_tests against the rules as they are now, with this transaction''s changes. A commit does the same and fails if one of them does. Example: SELECT name, problem FROM upstream_error_test_rules() WHERE NOT passed;';

-- What upstream_error_policy_check() asks, as its owner.
CREATE FUNCTION upstream_error_rule_problem() RETURNS text
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(min(format('rule test %L fails: %s', t.name, t.problem)
			|| CASE WHEN t.others > 1 THEN format(' (and %s more)', t.others - 1) ELSE '' END), '')
	FROM (
		SELECT f.name, f.problem, count(*) OVER () AS others
		FROM @extschema@.upstream_error_test_rules() AS f
		WHERE NOT f.passed
		ORDER BY f.id LIMIT 1
	) AS t;
END;
COMMENT ON FUNCTION upstream_error_rule_problem() IS 'Says which row of upstream_error_rule_tests fails and how; empty when none does. Example: SELECT upstream_error_rule_problem();';

CREATE FUNCTION upstream_error_explain(
	platform text, status int, body text, format text DEFAULT 'openai',
	headers jsonb DEFAULT '{}', kind text DEFAULT 'http_error',
	network_error text DEFAULT 'none', credential text DEFAULT 'client',
	stream bool DEFAULT false, request_id text DEFAULT '', model text DEFAULT '',
	at timestamptz DEFAULT now(), accept_language text DEFAULT '',
	channel text DEFAULT '', route text DEFAULT '', attempt int DEFAULT 1,
	has_output bool DEFAULT false, tags jsonb DEFAULT '{}', local_code text DEFAULT NULL,
	local_message text DEFAULT NULL, rules jsonb DEFAULT NULL,
	OUT rule_id bigint, OUT rule_name text, OUT rule_version int, OUT action text,
	OUT response_status int, OUT response_headers jsonb, OUT response_body text,
	OUT response_frame text, OUT class text, OUT code text, OUT matched_field text,
	OUT matched_value text, OUT matched_text text, OUT skip_monitoring bool,
	OUT considered jsonb
)
AS 'MODULE_PATHNAME', 'ue_sql_explain'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_explain IS 'What a client would get for this fault and why: the rule that decides, on what it matched (masked), the exact bytes of the answer, and how each rule fared, in the order in which they are tried: matched, shadowed (an earlier one had won), filtered or missed (field says by what), disabled. With rules, an array like that of upstream_error_rules_export(), those are tried instead of the table''s. Examples: SELECT rule_name, matched_field, matched_value, response_status, response_body FROM upstream_error_explain(''openai'', 429, ''{"error":{"message":"quota exceeded"}}''); SELECT c.* FROM upstream_error_explain(''openai'', 500, ''boom'', rules => ''[{"name": "boom", "keywords": ["boom"], "passthrough_code": false, "response_code": 503}]'') AS e, jsonb_to_recordset(e.considered) AS c (rule_id bigint, name text, outcome text, field text, value text);';

CREATE TYPE upstream_error_preview_verdict AS (
	rule_id bigint,
	rule_name text,
	response_status int,
	action text
);
COMMENT ON TYPE upstream_error_preview_verdict IS 'What a set of rules would make of a recorded event.';

CREATE FUNCTION upstream_error_preview_event(
	rules jsonb, platform text, status_code int, kind text, class text, code text,
	error_type text, error_code text, message text, detail text, model text, channel text,
	route text, format text, attempt int, sent_bytes bigint, tags jsonb, was_rule_id bigint,
	was_status int
) RETURNS upstream_error_preview_verdict
AS 'MODULE_PATHNAME', 'ue_sql_preview_event'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION upstream_error_preview_event IS 'The verdict of a set of rules on one recorded event, from its columns; rules null: those in force. Call upstream_error_preview().';

-- To be inlined it must stay as it is: not STRICT, no SET, no SECURITY DEFINER.  OFFSET 0
-- keeps the verdict from being computed once for each of its fields.
CREATE FUNCTION upstream_error_preview(rules jsonb, since timestamptz, until timestamptz DEFAULT now()) RETURNS TABLE (
	at timestamptz, event_id uuid, request_id text, platform text, model text, class text,
	status_code int, was_rule_id bigint, was_status int, rule_id bigint, rule_name text,
	response_status int, action text, is_changed bool
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 10000
BEGIN ATOMIC
	SELECT p.at, p.event_id, p.request_id, p.platform, p.model, p.class, p.status_code,
		p.rule_id, p.response_status, (p.verdict).rule_id, (p.verdict).rule_name,
		(p.verdict).response_status, (p.verdict).action,
		p.rule_id IS DISTINCT FROM (p.verdict).rule_id
			-- who was saved by another attempt, or had a stream already, was told no status of it
			OR coalesce(p.response_status >= 400 AND p.response_status <> (p.verdict).response_status, false)
	FROM (
		SELECT e.at, e.event_id, e.request_id, e.platform, e.model, e.class, e.status_code,
			e.rule_id, e.response_status,
			@extschema@.upstream_error_preview_event(rules, e.platform, e.status_code,
				e.kind, e.class, e.code, e.error_type, e.error_code, e.message, e.detail,
				e.model, e.channel, e.route, e.format, e.attempt, e.sent_bytes, e.tags,
				e.rule_id, e.response_status) AS verdict
		FROM @extschema@.upstream_error_events AS e
		WHERE e.at >= @extschema@.upstream_error_range_start(since, until)
			AND e.at < @extschema@.upstream_error_range_end(since, until)
		OFFSET 0
	) AS p;
END;
COMMENT ON FUNCTION upstream_error_preview(jsonb, timestamptz, timestamptz) IS 'Every event from since (inclusive) to until (exclusive), with the rule and status that it had (was_rule_id, was_status: null when no answer went out) and those that these rules would have given it; is_changed where the rule differs, or the status that the client was told (nothing, when another attempt saved the request or the stream had begun). rules is an array like that of upstream_error_rules_export(), null stands for the rules in force. Events keep masked texts and the beginning of the body, and only those are searched. Example: SELECT rule_name, count(*), count(*) FILTER (WHERE is_changed) AS changed FROM upstream_error_preview(''[{"name": "busy", "error_codes": [529], "passthrough_code": false, "response_code": 503}]'', now() - interval ''1 day'') GROUP BY 1;';

CREATE FUNCTION upstream_error_preview(rules jsonb, since text, until text DEFAULT 'now') RETURNS TABLE (
	at timestamptz, event_id uuid, request_id text, platform text, model text, class text,
	status_code int, was_rule_id bigint, was_status int, rule_id bigint, rule_name text,
	response_status int, action text, is_changed bool
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 10000
BEGIN ATOMIC
	SELECT p.at, p.event_id, p.request_id, p.platform, p.model, p.class, p.status_code,
		p.was_rule_id, p.was_status, p.rule_id, p.rule_name, p.response_status, p.action,
		p.is_changed
	FROM @extschema@.upstream_error_preview(rules, @extschema@.upstream_error_time(since),
		@extschema@.upstream_error_time(until)) AS p;
END;
COMMENT ON FUNCTION upstream_error_preview(jsonb, text, text) IS 'The same with times as upstream_error_time() reads them. Example: SELECT * FROM upstream_error_preview(NULL, ''1h'') WHERE is_changed;';
