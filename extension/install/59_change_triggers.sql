-- ---------------------------------------------------------------- triggers

DO $$
DECLARE
	kind record;
	trigger record;
BEGIN
	FOR kind IN
		SELECT * FROM (VALUES
			('upstream_error_rules', '''rule'', ''id'''),
			('upstream_error_rule_tests', '''rule_test'', ''id'''),
			('upstream_error_mask_patterns', '''mask_pattern'', ''id'''),
			('upstream_error_mask_hosts', '''mask_host'', ''host'''),
			('upstream_error_messages', '''message'', ''code'', ''language'''),
			('upstream_error_settings', '''setting'', ''name'''),
			('upstream_error_channels', '''channel'', ''id'''),
			('upstream_error_retry_policies', '''retry_policy'', ''id'''),
			('upstream_error_health_rules', '''health_rule'', ''id''')) AS t (relation, arguments)
	LOOP
		FOR trigger IN
			SELECT * FROM (VALUES
				('1_lock', 'BEFORE INSERT OR UPDATE OR DELETE', 'STATEMENT', 'upstream_error_changes_lock()', false,
					'One transaction at a time changes rules and the like.'),
				('1_check', 'BEFORE INSERT OR UPDATE', 'ROW', pg_catalog.format('%s_check()', kind.relation), false,
					'Refuses what could not be compiled.'),
				('2_number', 'BEFORE INSERT OR UPDATE', 'ROW', pg_catalog.format('upstream_error_changes_number(%s)', kind.arguments), true,
					'Gives the row its generation and version, in a replication worker too.'),
				('3_log', 'AFTER INSERT OR UPDATE OR DELETE', 'ROW', pg_catalog.format('upstream_error_changes_log(%s)', kind.arguments), true,
					'Logs the change and tells the sidecars, in a replication worker too.'),
				('3_truncate', 'AFTER TRUNCATE', 'STATEMENT', pg_catalog.format('upstream_error_changes_truncate(%s)', kind.arguments), true,
					'Logs a TRUNCATE and tells the sidecars, in a replication worker too.')
				) AS t (name, event, level, routine, is_always, purpose)
		LOOP
			EXECUTE pg_catalog.format('CREATE TRIGGER %I %s ON @extschema@.%I FOR EACH %s EXECUTE FUNCTION @extschema@.%s',
				trigger.name, trigger.event, kind.relation, trigger.level, trigger.routine);
			EXECUTE pg_catalog.format('COMMENT ON TRIGGER %I ON @extschema@.%I IS %L', trigger.name, kind.relation, trigger.purpose);
			IF trigger.is_always THEN
				EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I ENABLE ALWAYS TRIGGER %I', kind.relation, trigger.name);
			END IF;
		END LOOP;
	END LOOP;
END
$$;

CREATE TRIGGER keep_row BEFORE UPDATE OR DELETE ON upstream_error_changes
	FOR EACH ROW EXECUTE FUNCTION upstream_error_changes_keep();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON upstream_error_changes
	FOR EACH STATEMENT EXECUTE FUNCTION upstream_error_changes_keep();
CREATE TRIGGER replay AFTER INSERT ON upstream_error_changes REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT WHEN (pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 0)
	EXECUTE FUNCTION upstream_error_changes_replay();
COMMENT ON TRIGGER replay ON upstream_error_changes IS 'A restored log writes the tables.';
COMMENT ON TRIGGER keep_row ON upstream_error_changes IS 'What is written stays.';
COMMENT ON TRIGGER keep_all ON upstream_error_changes IS 'What is written stays.';

-- Only entries that triggers have written: what a dump brings was in force where it comes from.
CREATE CONSTRAINT TRIGGER check_policy AFTER INSERT ON upstream_error_changes
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
	WHEN (pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 0)
	EXECUTE FUNCTION upstream_error_policy_check();
COMMENT ON TRIGGER check_policy ON upstream_error_changes IS 'Before the commit, or at SET CONSTRAINTS ALL IMMEDIATE: all that is in force must compile, and pass upstream_error_rule_tests.';
