-- ---------------------------------------------------------------- import and export

-- sub2api's export, its admin API's answer ({"data": [...]}), or ours.
CREATE FUNCTION upstream_error_rules_list(rules jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN jsonb_typeof(rules) = 'array' THEN rules
		WHEN jsonb_typeof(rules -> 'data') = 'array' THEN rules -> 'data'
		WHEN jsonb_typeof(rules -> 'rules') = 'array' THEN rules -> 'rules'
		WHEN jsonb_typeof(rules) = 'object' THEN jsonb_build_array(rules)
	END;
END
$$;
COMMENT ON FUNCTION upstream_error_rules_list(jsonb) IS 'The array of rules in a JSON document: the array itself, its member data or rules, or one rule; null when it is none of these.';

CREATE FUNCTION upstream_error_rules_import(rules jsonb, replace bool DEFAULT false)
RETURNS SETOF upstream_error_rules
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	list CONSTANT jsonb := @extschema@.upstream_error_rules_list(rules);
	elements @extschema@.upstream_error_rules[] := '{}';
	element record;
	rule @extschema@.upstream_error_rules;
	targets bigint[] := '{}'; -- by element: the rule that it changes, or null for a new one
	target bigint;
	described text;
	message text;
BEGIN
	IF list IS NULL THEN
		PERFORM @extschema@.upstream_error_refuse('rules', format(
			'is of type %s; accepted is an array of rules, or an object with such an array as data or rules',
			coalesce(jsonb_typeof(rules), 'null')), 'Import of rules.');
	END IF;
	-- what is matched below must not change meanwhile
	PERFORM pg_advisory_xact_lock('pg_class'::regclass::oid::int4,
		'@extschema@.upstream_error_changes'::regclass::oid::int4);

	FOR element IN SELECT e.value AS content, e.ordinality AS place FROM jsonb_array_elements(list) WITH ORDINALITY AS e LOOP
		described := format('Element %s of the import', element.place)
			|| coalesce(', rule "' || nullif(element.content ->> 'name', '') || '"', '') || '.';
		IF jsonb_typeof(element.content) <> 'object' THEN
			PERFORM @extschema@.upstream_error_refuse('rules',
				format('element %s is of type %s; accepted are objects', element.place, jsonb_typeof(element.content)), described);
		END IF;
		BEGIN
			PERFORM @extschema@.upstream_error_rule_check(element.content);
			rule := jsonb_populate_record(NULL::@extschema@.upstream_error_rules, element.content - '{version,generation}'::text[]);
		EXCEPTION WHEN data_exception THEN
			-- "field: why"; only times are read by the server, which does not name them
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
			IF SQLSTATE <> '22023' THEN
				message := format('created_at, updated_at: %s; accepted are times such as 2026-11-01T12:00:00Z', message);
			END IF;
			RAISE EXCEPTION '%', message USING ERRCODE = 'invalid_parameter_value', DETAIL = described;
		END;
		rule.name := @extschema@.upstream_error_trim(rule.name);
		SELECT r.id INTO target FROM @extschema@.upstream_error_rules AS r
		WHERE (r.name = rule.name OR replace AND r.id = rule.id)
			AND array_position(targets, r.id) IS NULL
		ORDER BY (r.id = rule.id AND r.name = rule.name) IS TRUE DESC, (r.id = rule.id AND replace) IS TRUE DESC, r.id
		LIMIT 1;
		targets := targets || target;
		elements := elements || rule;
	END LOOP;

	IF replace THEN
		DELETE FROM @extschema@.upstream_error_rules AS r WHERE array_position(targets, r.id) IS NULL;
	END IF;
	FOR i IN 1 .. cardinality(targets) LOOP
		rule := elements[i];
		BEGIN
			IF targets[i] IS NOT NULL THEN
				UPDATE @extschema@.upstream_error_rules AS r
				SET (name, enabled, priority, error_codes, keywords, match_mode, platforms,
						passthrough_code, response_code, passthrough_body, custom_message,
						skip_monitoring, description, patterns, classes, codes, error_types,
						upstream_codes, models, channels, routes, formats, kinds, tags, min_attempt,
						max_attempt, has_output, response_type, response_error_code, retry_after,
						messages, action, cooldown_s, fingerprint)
					= (rule.name, rule.enabled, rule.priority, rule.error_codes, rule.keywords,
						rule.match_mode, rule.platforms, rule.passthrough_code, rule.response_code,
						rule.passthrough_body, rule.custom_message, rule.skip_monitoring,
						rule.description, rule.patterns, rule.classes, rule.codes, rule.error_types,
						rule.upstream_codes, rule.models, rule.channels, rule.routes, rule.formats,
						rule.kinds, rule.tags, rule.min_attempt, rule.max_attempt, rule.has_output,
						rule.response_type, rule.response_error_code, rule.retry_after,
						rule.messages, rule.action, rule.cooldown_s, rule.fingerprint)
				WHERE r.id = targets[i];
			ELSE
				IF rule.id IS NULL OR EXISTS (SELECT FROM @extschema@.upstream_error_rules AS r WHERE r.id = rule.id) THEN
					rule.id := nextval('@extschema@.upstream_error_rules_id_seq');
				END IF;
				INSERT INTO @extschema@.upstream_error_rules SELECT (rule).*;
				targets[i] := rule.id;
			END IF;
		EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
			RAISE EXCEPTION '%', message
				USING ERRCODE = SQLSTATE, DETAIL = format('Element %s of the import, rule "%s".', i, rule.name);
		END;
	END LOOP;
	RETURN QUERY SELECT r.* FROM @extschema@.upstream_error_rules AS r
		JOIN unnest(targets) WITH ORDINALITY AS t (id, place) USING (id) ORDER BY t.place;
END
$$;
COMMENT ON FUNCTION upstream_error_rules_import(jsonb, bool) IS 'Writes rules from JSON, sub2api''s export or upstream_error_rules_export(): an element whose name a rule has already changes that rule, others are new and keep their id where it is free; what an element leaves out has its default. With replace the table then holds these rules and no others. Example: SELECT name, version FROM upstream_error_rules_import(''[{"name": "busy", "error_codes": [529], "passthrough_code": false, "response_code": 503}]'');';

CREATE FUNCTION upstream_error_rules_export() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
BEGIN ATOMIC
	SELECT coalesce(jsonb_agg((
			SELECT jsonb_object_agg(m.key, m.value) FROM jsonb_each(to_jsonb(r)) AS m
			WHERE m.key IN ('id', 'name', 'enabled', 'priority', 'error_codes', 'keywords', 'match_mode',
					'platforms', 'passthrough_code', 'response_code', 'passthrough_body', 'custom_message',
					'skip_monitoring', 'description', 'created_at', 'updated_at')
				OR m.key NOT IN ('version', 'generation')
					AND m.value IS DISTINCT FROM @extschema@.upstream_error_rule_defaults() -> m.key
		) ORDER BY r.priority, r.id), '[]')
	FROM @extschema@.upstream_error_rules AS r;
END;
COMMENT ON FUNCTION upstream_error_rules_export() IS 'All rules in sub2api''s JSON, with members of our own only where they are not the default, in the order in which they are tried. Example: SELECT jsonb_pretty(upstream_error_rules_export());';

-- ---------------------------------------------------------------- history

CREATE FUNCTION upstream_error_rule_history(rule bigint DEFAULT NULL) RETURNS TABLE (
	generation bigint, changed_at timestamptz, changed_by text, rule_id bigint, version int,
	operation text, name text, changed jsonb, old jsonb, new jsonb
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 100
BEGIN ATOMIC
	SELECT c.generation, c.changed_at, c.changed_by, c.key::bigint, c.version, c.operation,
		coalesce(c.new, c.old) ->> 'name',
		(SELECT jsonb_object_agg(n.key, jsonb_build_array(c.old -> n.key, n.value))
			FROM jsonb_each(c.new) AS n
			WHERE c.old IS NOT NULL AND n.value IS DISTINCT FROM c.old -> n.key
				AND n.key NOT IN ('version', 'generation', 'updated_at')),
		c.old, c.new
	FROM @extschema@.upstream_error_changes AS c
	WHERE c.object = 'rule' AND (rule IS NULL OR c.key = rule::text)
	ORDER BY c.generation;
END;
COMMENT ON FUNCTION upstream_error_rule_history(bigint) IS 'Every change of one rule, or of all: who, when, and in changed what an update changed, {"priority": [0, 5]}. Example: SELECT changed_at, changed_by, version, changed FROM upstream_error_rule_history(1);';

CREATE FUNCTION upstream_error_rule_version(rule bigint, version int) RETURNS SETOF upstream_error_rules
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 1
BEGIN ATOMIC
	SELECT (jsonb_populate_record(NULL::@extschema@.upstream_error_rules, @extschema@.upstream_error_rule_defaults() || c.new)).*
	FROM @extschema@.upstream_error_changes AS c
	WHERE c.object = 'rule' AND c.key = rule::text
		AND c.version = upstream_error_rule_version.version AND c.new IS NOT NULL
	ORDER BY c.generation DESC LIMIT 1;
END;
COMMENT ON FUNCTION upstream_error_rule_version(bigint, int) IS 'A rule as it was in one version. Which text of the rule gave these answers: SELECT e.at, e.response_status, r.* FROM upstream_errors(''1h'') AS e, upstream_error_rule_version(e.rule_id, e.rule_version) AS r;';

CREATE FUNCTION upstream_error_rules_at(at timestamptz) RETURNS SETOF upstream_error_rules
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 100
BEGIN ATOMIC
	SELECT (jsonb_populate_record(NULL::@extschema@.upstream_error_rules, @extschema@.upstream_error_rule_defaults() || l.new)).*
	FROM (SELECT DISTINCT ON (c.key) c.new
		FROM @extschema@.upstream_error_changes AS c
		WHERE c.object = 'rule' AND c.changed_at <= at
		ORDER BY c.key, c.generation DESC) AS l
	WHERE l.new IS NOT NULL
	ORDER BY (l.new -> 'priority')::int, (l.new -> 'id')::bigint;
END;
COMMENT ON FUNCTION upstream_error_rules_at(timestamptz) IS 'The rules as they were. Back to them: SELECT upstream_error_rules_import((SELECT jsonb_agg(to_jsonb(r)) FROM upstream_error_rules_at(now() - interval ''1h'') AS r), replace => true);';

CREATE FUNCTION upstream_error_rules_at(at text) RETURNS SETOF upstream_error_rules
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 100
BEGIN ATOMIC
	SELECT r.* FROM @extschema@.upstream_error_rules_at(@extschema@.upstream_error_time(at)) AS r;
END;
COMMENT ON FUNCTION upstream_error_rules_at(text) IS 'The same with a time as upstream_error_time() reads it. Example: SELECT id, name, version FROM upstream_error_rules_at(''1h'');';

-- ---------------------------------------------------------------- hits

CREATE FUNCTION upstream_error_rule_hits(since timestamptz, until timestamptz DEFAULT now()) RETURNS TABLE (
	rule_id bigint, name text, enabled bool, priority int, skip_monitoring bool, hits bigint,
	first_hit timestamptz, last_hit timestamptz, statuses jsonb, is_deleted bool
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 100
BEGIN ATOMIC
	SELECT coalesce(r.id, h.rule_id),
		coalesce(r.name, (SELECT coalesce(c.new, c.old) ->> 'name'
			FROM @extschema@.upstream_error_changes AS c
			WHERE c.object = 'rule' AND c.key = h.rule_id::text
			ORDER BY c.generation DESC LIMIT 1)),
		r.enabled, r.priority, r.skip_monitoring, coalesce(h.hits, 0)::bigint, h.first_hit, h.last_hit,
		coalesce(h.statuses, '{}'), r.id IS NULL
	FROM @extschema@.upstream_error_rules AS r
	FULL JOIN (
		SELECT s.rule_id, sum(s.hits) AS hits, min(s.first_hit) AS first_hit, max(s.last_hit) AS last_hit,
			jsonb_object_agg(coalesce(s.response_status::text, 'none'), s.hits) AS statuses
		FROM (
			SELECT e.rule_id, e.response_status, count(*) AS hits, min(e.at) AS first_hit, max(e.at) AS last_hit
			FROM @extschema@.upstream_errors(since, until) AS e
			WHERE e.rule_id IS NOT NULL
			GROUP BY e.rule_id, e.response_status
		) AS s
		GROUP BY s.rule_id
	) AS h ON h.rule_id = r.id
	ORDER BY 6 DESC, r.priority, 1;
END;
COMMENT ON FUNCTION upstream_error_rule_hits(timestamptz, timestamptz) IS 'How often each rule has decided, from the events of a range; 0 for rules that never did, and for those with skip_monitoring, which leave no event. statuses: what clients got, {"503": 12}; "none": an event without an answer yet. Rules that exist no more are shown with what they did. Example: SELECT name, hits, last_hit FROM upstream_error_rule_hits(now() - interval ''7 days'');';

CREATE FUNCTION upstream_error_rule_hits(since text, until text DEFAULT 'now') RETURNS TABLE (
	rule_id bigint, name text, enabled bool, priority int, skip_monitoring bool, hits bigint,
	first_hit timestamptz, last_hit timestamptz, statuses jsonb, is_deleted bool
)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 100
BEGIN ATOMIC
	SELECT h.* FROM @extschema@.upstream_error_rule_hits(@extschema@.upstream_error_time(since),
		@extschema@.upstream_error_time(until)) AS h;
END;
COMMENT ON FUNCTION upstream_error_rule_hits(text, text) IS 'The same with times as upstream_error_time() reads them. Example, rules that nothing has matched for a month: SELECT name FROM upstream_error_rule_hits(''30d'') WHERE hits = 0 AND enabled AND NOT skip_monitoring;';
