-- ---------------------------------------------------------------- snapshot

-- One statement: it sees all tables at one moment.  The time zone, because times become text.
-- Of a rule only what is not its column's default, and as json, which is written once where
-- jsonb is built first: a third of the time and a quarter of the bytes.
CREATE FUNCTION upstream_error_snapshot() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
BEGIN ATOMIC
	WITH line AS (
		SELECT 1 AS part, row_number() OVER (ORDER BY s.name COLLATE "C") AS place,
			jsonb_build_object('setting', jsonb_build_object('name', s.name, 'value', s.value))::text AS content
		FROM @extschema@.upstream_error_settings AS s
		UNION ALL
		SELECT 2, row_number() OVER (ORDER BY r.priority, r.id), json_build_object('rule', json_strip_nulls(json_build_object(
			'id', r.id, 'version', r.version, 'name', r.name, 'enabled', nullif(r.enabled, true),
			'priority', nullif(r.priority, 0), 'error_codes', nullif(r.error_codes, '{}'),
			'keywords', nullif(r.keywords, '{}'), 'match_mode', nullif(r.match_mode, 'any'),
			'platforms', nullif(r.platforms, '{}'), 'passthrough_code', nullif(r.passthrough_code, true),
			'response_code', r.response_code, 'passthrough_body', nullif(r.passthrough_body, true),
			'custom_message', r.custom_message, 'skip_monitoring', nullif(r.skip_monitoring, false),
			'patterns', nullif(r.patterns, '{}'), 'classes', nullif(r.classes, '{}'),
			'codes', nullif(r.codes, '{}'), 'error_types', nullif(r.error_types, '{}'),
			'upstream_codes', nullif(r.upstream_codes, '{}'), 'models', nullif(r.models, '{}'),
			'channels', nullif(r.channels, '{}'), 'routes', nullif(r.routes, '{}'),
			'formats', nullif(r.formats, '{}'), 'kinds', nullif(r.kinds, '{}'),
			'tags', nullif(r.tags, '{}'), 'min_attempt', r.min_attempt, 'max_attempt', r.max_attempt,
			'has_output', r.has_output, 'response_type', r.response_type,
			'response_error_code', r.response_error_code, 'retry_after', r.retry_after,
			'messages', nullif(r.messages, '{}'), 'action', nullif(r.action, 'answer'),
			'cooldown_s', r.cooldown_s)))::text
		FROM @extschema@.upstream_error_rules AS r
		UNION ALL
		SELECT 3, row_number() OVER (ORDER BY p.id), jsonb_build_object('mask_pattern', jsonb_build_object(
			'id', p.id, 'name', p.name, 'pattern', p.pattern, 'case_sensitive', p.case_sensitive))::text
		FROM @extschema@.upstream_error_mask_patterns AS p WHERE p.enabled
		UNION ALL
		SELECT 4, row_number() OVER (ORDER BY h.host COLLATE "C"), jsonb_build_object('mask_host', h.host)::text
		FROM @extschema@.upstream_error_mask_hosts AS h
		UNION ALL
		SELECT 5, row_number() OVER (ORDER BY m.code COLLATE "C", m.language COLLATE "C"), jsonb_build_object('message',
			jsonb_build_object('code', m.code, 'language', m.language, 'message', m.message))::text
		FROM @extschema@.upstream_error_messages AS m
		UNION ALL
		SELECT 6, row_number() OVER (ORDER BY c.priority, c.id), jsonb_build_object('channel', to_jsonb(c))::text
		FROM @extschema@.upstream_error_channels AS c
		UNION ALL
		SELECT 7, row_number() OVER (ORDER BY p.priority, p.id), jsonb_build_object('retry_policy', to_jsonb(p))::text
		FROM @extschema@.upstream_error_retry_policies AS p
		UNION ALL
		SELECT 8, row_number() OVER (ORDER BY h.priority, h.id),
			jsonb_build_object('health_rule', @extschema@.upstream_error_health_rule_line(to_jsonb(h)))::text
		FROM @extschema@.upstream_error_health_rules AS h
	)
	SELECT jsonb_build_object('snapshot', 1,
			'generation', (SELECT coalesce(max(c.generation), 0) FROM @extschema@.upstream_error_changes AS c),
			'mask_revision', (SELECT count(*) FROM @extschema@.upstream_error_changes AS c
				WHERE c.object IN ('mask_pattern', 'mask_host')))::text || E'\n'
		|| coalesce(string_agg(l.content || E'\n', '' ORDER BY l.part, l.place), '')
		|| jsonb_build_object('end', count(*))::text || E'\n'
	FROM line AS l;
END;
COMMENT ON FUNCTION upstream_error_snapshot() IS 'All that operators have written, as the text that backends compile and sidecars keep: JSON, one object a line; the first says which generation it is, the last counts the lines between. Rules and policies come in the order in which they are tried.';
