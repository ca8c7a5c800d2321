-- ---------------------------------------------------------------- changes of rules

-- How a change is made: the statement takes the lock (1), a row is tidied and checked (1),
-- then numbered (2), then logged (3).  Numbering and logging fire in a logical replication
-- worker too, where a row comes as it was checked elsewhere, with its version, but belongs
-- to a generation of this database.  The names put logging before the foreign keys' own
-- triggers (RI_...), for SET CONSTRAINTS ALL IMMEDIATE.  A log entry, in turn, has the
-- whole policy compiled and tested before the commit.

-- Not only the statement's trigger calls this: a replication worker fires none of those.
CREATE FUNCTION upstream_error_changes_lock() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM pg_advisory_xact_lock('pg_class'::regclass::oid::int4,
		'@extschema@.upstream_error_changes'::regclass::oid::int4);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION upstream_error_changes_lock() IS 'Trigger before a statement: lets one transaction at a time change rules and the like, so that generations are in the order of the commits.';

-- A dump restored by somebody else brings the rights that the old owner had given away, the
-- one to hang triggers on a table too, which would run in the name of the new owner.
CREATE FUNCTION upstream_error_require_own(relation regclass) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	has_stranger bool;
BEGIN
	SELECT c.relhastriggers AND EXISTS (
		SELECT FROM pg_trigger AS g
		JOIN pg_proc AS p ON p.oid = g.tgfoid
		JOIN pg_roles AS r ON r.oid = p.proowner
		WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND r.rolname <> current_user AND NOT r.rolsuper)
	INTO has_stranger
	FROM pg_class AS c JOIN pg_roles AS o ON o.oid = c.relowner
	WHERE c.oid = relation AND (o.rolname = current_user OR o.rolsuper);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'table % does not belong to %, who owns the functions of upstream_errors', relation, current_user
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = format('ALTER TABLE %s OWNER TO %I.', relation, current_user);
	END IF;
	IF has_stranger THEN
		RAISE EXCEPTION 'table % has a trigger whose function does not belong to %', relation, current_user
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'It would run with the rights of that role.',
				HINT = 'Drop the trigger, or give its function to that role.';
	END IF;
END
$$;
COMMENT ON FUNCTION upstream_error_require_own(regclass) IS 'Fails unless a table belongs to the current user or a superuser, and so do the functions of its triggers. The functions that write with their owner''s rights ask this first.';

CREATE FUNCTION upstream_error_key(row_content jsonb, columns text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg(row_content ->> c.name, ' ' ORDER BY c.place)
	FROM unnest(columns) WITH ORDINALITY AS c (name, place);
END;
COMMENT ON FUNCTION upstream_error_key(jsonb, text[]) IS 'Key of a row as upstream_error_changes has it.';

-- The sequence may lag behind the log: a dump sets it last.
CREATE FUNCTION upstream_error_next_generation() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	generation bigint := nextval('@extschema@.upstream_error_generation_seq');
	last CONSTANT bigint := (SELECT max(c.generation) FROM @extschema@.upstream_error_changes AS c);
BEGIN
	IF generation <= last THEN
		generation := setval('@extschema@.upstream_error_generation_seq', last + 1);
	END IF;
	RETURN generation;
END
$$;
COMMENT ON FUNCTION upstream_error_next_generation() IS 'The next number of a change. The caller holds the lock.';

-- A row comes from a dump when the last entry about it is there already and says just that.
-- What the entry does not name are columns younger than the dump.
CREATE FUNCTION upstream_error_is_restored(object text, key text, content jsonb) RETURNS bool
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	entry record;
BEGIN
	IF content ->> 'generation' IS NULL OR current_setting('session_replication_role') = 'replica' THEN
		RETURN false;
	END IF;
	SELECT c.generation, c.new INTO entry
	FROM @extschema@.upstream_error_changes AS c
	WHERE c.object = upstream_error_is_restored.object AND c.key = upstream_error_is_restored.key
	ORDER BY c.generation DESC LIMIT 1;
	RETURN coalesce(entry.generation::text = content ->> 'generation' AND entry.new =
		(SELECT jsonb_object_agg(m.key, m.value) FROM jsonb_each(content) AS m WHERE entry.new ? m.key), false);
END
$$;
COMMENT ON FUNCTION upstream_error_is_restored(text, text, jsonb) IS 'Whether a row that is being written comes from a restored log: it is as its last entry in upstream_error_changes says, generation included.';

-- A transaction that repeats its reads does not see what others have committed since it
-- began, but has to count on from there.  SPI in C alone can look at more than the
-- transaction does.
CREATE FUNCTION upstream_error_last_version(object text, key text) RETURNS int
AS 'MODULE_PATHNAME', 'ue_sql_last_version'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION upstream_error_last_version(text, text) IS 'The last version of an object in upstream_error_changes, as of now and not as of the transaction''s snapshot; 0 when there was none. The caller holds the lock.';

-- Arguments: what it is, its key's columns.
CREATE FUNCTION upstream_error_changes_number() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	is_replica CONSTANT bool := current_setting('session_replication_role') = 'replica';
	new_key CONSTANT text := @extschema@.upstream_error_key(to_jsonb(NEW), TG_ARGV[1:]);
	old_key text;
BEGIN
	PERFORM pg_advisory_xact_lock('pg_class'::regclass::oid::int4,
		'@extschema@.upstream_error_changes'::regclass::oid::int4);
	IF @extschema@.upstream_error_is_restored(TG_ARGV[0], new_key, to_jsonb(NEW)) THEN
		RETURN NEW;
	ELSIF TG_OP = 'UPDATE' THEN
		old_key := @extschema@.upstream_error_key(to_jsonb(OLD), TG_ARGV[1:]);
		IF new_key IS DISTINCT FROM old_key AND TG_ARGV[1] = 'id' THEN
			RAISE EXCEPTION 'id: cannot be changed from % to %; accepted is the id it has', old_key, coalesce(new_key, 'null')
				USING ERRCODE = 'invalid_parameter_value',
					DETAIL = 'The history and the events refer to it.',
					HINT = 'Insert it anew and delete this one.';
		END IF;
		NEW.generation := OLD.generation;
		IF NOT is_replica THEN
			NEW.version := OLD.version;
			NEW.created_at := OLD.created_at;
			NEW.updated_at := OLD.updated_at;
		END IF;
		IF to_jsonb(NEW) = to_jsonb(OLD) THEN
			RETURN NEW; -- nothing changes: no version, no entry
		END IF;
	END IF;

	NEW.generation := @extschema@.upstream_error_next_generation();
	IF is_replica THEN
		RETURN NEW;
	END IF;
	IF new_key IS NOT DISTINCT FROM old_key THEN
		NEW.version := OLD.version + 1;
	ELSE
		-- a key that is used again goes on counting: (rule_id, rule_version) is one text for ever
		NEW.version := @extschema@.upstream_error_last_version(TG_ARGV[0], new_key) + 1;
	END IF;
	IF TG_OP = 'UPDATE' THEN
		NEW.updated_at := now();
	ELSE
		NEW.created_at := coalesce(NEW.created_at, now());
		NEW.updated_at := coalesce(NEW.updated_at, now());
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION upstream_error_changes_number() IS 'Trigger before a row of rules and the like: gives it its generation, version and time, whatever the statement says.';

CREATE FUNCTION upstream_error_changes_log() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	changed_at CONSTANT timestamptz := clock_timestamp();
	old_row jsonb;
	new_row jsonb;
	old_key text;
	new_key text;
	last_generation bigint;
	ids regclass;
	id record;
BEGIN
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_changes');
	IF TG_OP <> 'INSERT' THEN
		old_row := to_jsonb(OLD);
		old_key := @extschema@.upstream_error_key(old_row, TG_ARGV[1:]);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		new_row := to_jsonb(NEW);
		new_key := @extschema@.upstream_error_key(new_row, TG_ARGV[1:]);
		last_generation := NEW.generation;
	END IF;

	-- An id that was given must not be given out again.  The sequence stays where it is put
	-- after a rollback too, so nobody may put it at its end; ids beyond 2^53, which JSON's
	-- readers cannot tell apart anyway, it will not come to.
	IF TG_OP = 'INSERT' AND TG_ARGV[1] = 'id' THEN
		ids := pg_get_serial_sequence(TG_RELID::regclass::text, 'id');
		EXECUTE format('SELECT s.last_value, s.is_called FROM %s AS s', ids) INTO id;
		IF NEW.id < 9007199254740992 AND (NEW.id > id.last_value OR NEW.id = id.last_value AND NOT id.is_called) THEN
			PERFORM setval(ids, NEW.id);
		END IF;
	END IF;

	IF old_row IS NOT NULL AND old_row = new_row THEN
		RETURN NULL;
	END IF;
	-- before the entry, which may have the policy compiled at once
	PERFORM @extschema@.upstream_error_policy_changed();
	IF old_key IS DISTINCT FROM new_key AND old_row IS NOT NULL
		AND OLD.generation = (SELECT max(c.generation) FROM @extschema@.upstream_error_changes AS c
			WHERE c.object = TG_ARGV[0] AND c.key = old_key)
	THEN
		last_generation := @extschema@.upstream_error_next_generation();
		INSERT INTO @extschema@.upstream_error_changes
		VALUES (last_generation, changed_at, session_user, TG_ARGV[0], old_key, OLD.version + 1, 'delete', old_row, NULL);
		old_row := NULL;
	END IF;
	IF new_row IS NOT NULL
		AND NOT EXISTS (SELECT FROM @extschema@.upstream_error_changes AS c WHERE c.generation = NEW.generation)
	THEN
		INSERT INTO @extschema@.upstream_error_changes
		VALUES (NEW.generation, changed_at, session_user, TG_ARGV[0], new_key, NEW.version,
			CASE WHEN old_row IS NULL THEN 'insert' ELSE 'update' END, old_row, new_row);
	END IF;
	PERFORM pg_notify('upstream_errors', coalesce(last_generation, OLD.generation)::text);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION upstream_error_changes_log() IS 'Trigger after a row of rules and the like: logs the change, has backends compile anew and tells the sidecars; what a restored log does has its entry already.';

-- Nobody hands out the rows of a TRUNCATE; the log knows which there were.
CREATE FUNCTION upstream_error_changes_truncate() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	last_generation bigint;
BEGIN
	PERFORM pg_advisory_xact_lock('pg_class'::regclass::oid::int4,
		'@extschema@.upstream_error_changes'::regclass::oid::int4);
	IF current_setting('transaction_isolation') <> 'read committed' AND current_setting('session_replication_role') <> 'replica' THEN
		RAISE EXCEPTION 'table % cannot be truncated in a transaction that repeats its reads', TG_RELID::regclass
			USING ERRCODE = 'feature_not_supported',
				DETAIL = 'Rows that others have committed since it began would go without an entry in the log.',
				HINT = 'Use DELETE, or isolation level READ COMMITTED.';
	END IF;
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_changes');
	PERFORM @extschema@.upstream_error_policy_changed();
	INSERT INTO @extschema@.upstream_error_changes
	SELECT @extschema@.upstream_error_next_generation(), clock_timestamp(), session_user,
		TG_ARGV[0], l.key, l.version + 1, 'delete', l.new, NULL
	FROM (SELECT DISTINCT ON (c.key) c.key, c.version, c.new
		FROM @extschema@.upstream_error_changes AS c
		WHERE c.object = TG_ARGV[0]
		ORDER BY c.key, c.generation DESC) AS l
	WHERE l.new IS NOT NULL;
	SELECT max(c.generation) INTO last_generation FROM @extschema@.upstream_error_changes AS c;
	PERFORM pg_notify('upstream_errors', last_generation::text);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION upstream_error_changes_truncate() IS 'Trigger after TRUNCATE of rules and the like: logs every row as deleted and tells the sidecars.';

-- Entries that no trigger has written come from a dump.  With pg_dump --inserts they come one
-- by one, so a row may be there already.
CREATE FUNCTION upstream_error_changes_replay() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	entry record;
	relation regclass;
	key_columns text;
	columns text;
	place text;
BEGIN
	FOR entry IN
		SELECT l.* FROM (
			SELECT DISTINCT ON (a.object, a.key) a.* FROM added AS a ORDER BY a.object, a.key, a.generation DESC
		) AS l ORDER BY l.generation
	LOOP
		relation := CASE entry.object
			WHEN 'rule' THEN '@extschema@.upstream_error_rules'
			WHEN 'rule_test' THEN '@extschema@.upstream_error_rule_tests'
			WHEN 'mask_pattern' THEN '@extschema@.upstream_error_mask_patterns'
			WHEN 'mask_host' THEN '@extschema@.upstream_error_mask_hosts'
			WHEN 'message' THEN '@extschema@.upstream_error_messages'
			WHEN 'setting' THEN '@extschema@.upstream_error_settings'
			WHEN 'channel' THEN '@extschema@.upstream_error_channels'
			WHEN 'retry_policy' THEN '@extschema@.upstream_error_retry_policies'
			WHEN 'health_rule' THEN '@extschema@.upstream_error_health_rules' END;
		CONTINUE WHEN relation IS NULL;
		SELECT string_agg(format('%I', a.attname), ', '),
			string_agg(format('%I', a.attname), ', ') FILTER (WHERE a.attnum = ANY (i.indkey))
		INTO columns, key_columns
		FROM pg_attribute AS a JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
		WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
			AND coalesce(entry.new, entry.old) ? a.attname::text;
		place := format('(%1$s) = (SELECT %1$s FROM jsonb_populate_record(NULL::%2$s, $1))', key_columns, relation);
		IF entry.new IS NULL THEN
			EXECUTE format('DELETE FROM %s WHERE %s', relation, place) USING entry.old;
			CONTINUE;
		END IF;
		EXECUTE format('UPDATE %1$s SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1)) WHERE %3$s', relation, columns, place)
			USING entry.new;
		EXECUTE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1)
			WHERE NOT EXISTS (SELECT FROM %1$s WHERE %3$s)', relation, columns, place) USING entry.new;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION upstream_error_changes_replay() IS 'Trigger after entries of upstream_error_changes that come from a dump: writes rules and the like as the last entry about each says.';

CREATE FUNCTION upstream_error_changes_keep() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'the log of changes cannot be changed'
		USING ERRCODE = 'object_not_in_prerequisite_state',
			DETAIL = 'Versions that events name, and the revision of the mask, are counted in it.';
END
$$;
COMMENT ON FUNCTION upstream_error_changes_keep() IS 'Trigger of upstream_error_changes: what is written stays.';
