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
	GRANT SELECT ON @extschema@.upstream_error_minutes, @extschema@.upstream_error_hours, @extschema@.upstream_error_traffic,
		@extschema@.upstream_error_counted_days, @extschema@.upstream_error_late_days TO upstream_errors_reader;
	GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.upstream_error_events TO upstream_errors_admin;
	GRANT SELECT ON @extschema@.upstream_error_changes, @extschema@.upstream_error_rules,
		@extschema@.upstream_error_rule_tests, @extschema@.upstream_error_mask_patterns,
		@extschema@.upstream_error_mask_hosts, @extschema@.upstream_error_messages,
		@extschema@.upstream_error_settings, @extschema@.upstream_error_sidecars,
		@extschema@.upstream_error_sidecar_status, @extschema@.upstream_error_channels,
		@extschema@.upstream_error_retry_policies, @extschema@.upstream_error_health_rules,
		@extschema@.upstream_error_channel_health, @extschema@.upstream_error_channel_transitions TO upstream_errors_reader;
	GRANT INSERT, UPDATE, DELETE ON @extschema@.upstream_error_rules,
		@extschema@.upstream_error_rule_tests, @extschema@.upstream_error_mask_patterns,
		@extschema@.upstream_error_mask_hosts, @extschema@.upstream_error_messages,
		@extschema@.upstream_error_settings, @extschema@.upstream_error_channels,
		@extschema@.upstream_error_retry_policies, @extschema@.upstream_error_health_rules TO upstream_errors_admin;
	GRANT DELETE ON @extschema@.upstream_error_sidecars TO upstream_errors_admin;
	GRANT USAGE ON SEQUENCE @extschema@.upstream_error_rules_id_seq TO upstream_errors_admin; -- for the import

	FOR routine IN
		SELECT p.oid::regprocedure AS signature,
			CASE
				WHEN p.proname IN ('upstream_error_record', 'upstream_error_decide_batch', 'upstream_error_record_traffic',
					'upstream_error_maintain', 'upstream_error_snapshot', 'upstream_error_generation',
					'upstream_error_acknowledge', 'upstream_error_record_transitions', 'upstream_error_record_recoveries',
					'upstream_error_health') THEN 'upstream_errors_writer'
				WHEN p.proname IN ('upstream_error_is_restored', 'upstream_error_next_generation', 'upstream_error_last_version',
					'upstream_error_require_own', 'upstream_error_require_name', 'upstream_error_refuse',
					'upstream_error_key', 'upstream_error_trim', 'upstream_error_language_tag',
					'upstream_error_rules_import', 'upstream_error_rules_list', 'upstream_error_policy_changed', 'upstream_error_clear_health',
					'upstream_error_merge_health', 'upstream_error_notify_health', 'upstream_error_expire_health') THEN 'upstream_errors_admin'
				WHEN p.proname = 'upstream_error_create_roles' OR p.proname LIKE 'upstream\_error\_scrub%'
					OR p.proname IN ('upstream_error_fingerprint_again', 'upstream_error_fingerprint_history', 'upstream_error_count_day',
					'upstream_error_attach') THEN 'upstream_errors_admin'
				ELSE 'upstream_errors_reader'
			END AS grantee
		FROM pg_depend AS d
		JOIN pg_extension AS x ON x.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
		JOIN pg_proc AS p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
		WHERE d.deptype = 'e' AND x.extname = 'upstream_errors'
			AND p.prorettype NOT IN ('internal'::regtype, 'trigger'::regtype)
	LOOP
		EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', routine.signature, routine.grantee);
	END LOOP;
	-- a reader's backend compiles the rules, too; and he may ask who is well
	GRANT EXECUTE ON FUNCTION @extschema@.upstream_error_snapshot(), @extschema@.upstream_error_generation(),
		@extschema@.upstream_error_health()
		TO upstream_errors_reader;
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
REVOKE ALL ON TABLE upstream_error_changes, upstream_error_rules, upstream_error_rule_tests,
	upstream_error_mask_patterns, upstream_error_mask_hosts, upstream_error_messages,
	upstream_error_settings, upstream_error_sidecars, upstream_error_sidecar_status FROM PUBLIC;
REVOKE ALL ON TABLE upstream_error_channels, upstream_error_retry_policies, upstream_error_health_rules,
	upstream_error_channel_health, upstream_error_channel_transitions FROM PUBLIC;
REVOKE ALL ON TABLE upstream_error_minutes, upstream_error_hours, upstream_error_counted_days,
	upstream_error_late_days, upstream_error_traffic FROM PUBLIC;

ALTER TABLE upstream_error_changes OWNER TO @extowner@;
ALTER SEQUENCE upstream_error_generation_seq OWNER TO @extowner@;
ALTER TABLE upstream_error_rules OWNER TO @extowner@;
ALTER TABLE upstream_error_rule_tests OWNER TO @extowner@;
ALTER TABLE upstream_error_mask_patterns OWNER TO @extowner@;
ALTER TABLE upstream_error_mask_hosts OWNER TO @extowner@;
ALTER TABLE upstream_error_messages OWNER TO @extowner@;
ALTER TABLE upstream_error_settings OWNER TO @extowner@;
ALTER TABLE upstream_error_sidecars OWNER TO @extowner@;
ALTER TABLE upstream_error_channels OWNER TO @extowner@;
ALTER TABLE upstream_error_retry_policies OWNER TO @extowner@;
ALTER TABLE upstream_error_health_rules OWNER TO @extowner@;
ALTER TABLE upstream_error_channel_health OWNER TO @extowner@;
ALTER TABLE upstream_error_channel_transitions OWNER TO @extowner@;
ALTER VIEW upstream_error_sidecar_status OWNER TO @extowner@;
ALTER FUNCTION upstream_error_generation() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_snapshot() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_test_rules() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_rule_problem() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_is_restored(text, text, jsonb) OWNER TO @extowner@;
ALTER FUNCTION upstream_error_changes_number() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_changes_log() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_changes_truncate() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_acknowledge(text, text, text, bigint) OWNER TO @extowner@;
ALTER FUNCTION upstream_error_record_transitions OWNER TO @extowner@;
ALTER FUNCTION upstream_error_record_recoveries OWNER TO @extowner@;
ALTER FUNCTION upstream_error_clear_health(text, text, text) OWNER TO @extowner@;
ALTER FUNCTION upstream_error_health() OWNER TO @extowner@;
ALTER TABLE upstream_error_events OWNER TO @extowner@;
ALTER TABLE upstream_error_events_default OWNER TO @extowner@;
ALTER TABLE upstream_error_minutes OWNER TO @extowner@;
ALTER TABLE upstream_error_hours OWNER TO @extowner@;
ALTER TABLE upstream_error_counted_days OWNER TO @extowner@;
ALTER TABLE upstream_error_late_days OWNER TO @extowner@;
ALTER TABLE upstream_error_traffic OWNER TO @extowner@;
ALTER FUNCTION upstream_error_record OWNER TO @extowner@;
ALTER FUNCTION upstream_error_record_traffic OWNER TO @extowner@;
ALTER FUNCTION upstream_error_maintain() OWNER TO @extowner@;
ALTER FUNCTION upstream_error_scrub(timestamptz, timestamptz, bool) OWNER TO @extowner@;
ALTER FUNCTION upstream_error_fingerprint_again(timestamptz, timestamptz, bool) OWNER TO @extowner@;
