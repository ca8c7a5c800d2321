-- ---------------------------------------------------------------- what is accepted

CREATE FUNCTION upstream_error_refuse(field text, why text, described text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION '%: %', field, why
		USING ERRCODE = 'invalid_parameter_value', DETAIL = described;
END
$$;
COMMENT ON FUNCTION upstream_error_refuse(text, text, text) IS 'Fails with "field: why" and says in the detail which row it is about.';

-- White_Space of Unicode: \s and trim() follow the database's locale, or know the blank only.
-- A string for a body: it is lexed when the function is made, while the whole script is lexed
-- before part 10 can say that a database of another encoding will not do.
CREATE FUNCTION upstream_error_trim(content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT pg_catalog.btrim(content, E'\u0009\u000A\u000B\u000C\u000D\u0020\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000')
$$;
COMMENT ON FUNCTION upstream_error_trim(text) IS 'The text without Unicode white space at its ends.';

CREATE FUNCTION upstream_error_require_name(name text, described text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF coalesce(name, '') = '' THEN
		PERFORM @extschema@.upstream_error_refuse('name', 'is empty; accepted are 1 to 100 characters', described);
	ELSIF char_length(name) > 100 THEN
		PERFORM @extschema@.upstream_error_refuse('name',
			format('has %s characters; accepted are 1 to 100', char_length(name)), described);
	END IF;
END
$$;
COMMENT ON FUNCTION upstream_error_require_name(text, text) IS 'Fails unless a name has 1 to 100 characters.';

CREATE FUNCTION upstream_error_language_tag(tag text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN tag ~ '^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,7}$' THEN (
		SELECT string_agg(CASE
				WHEN s.place = 1 THEN s.part
				WHEN s.part ~ '^[a-z]{2}$' THEN upper(s.part)
				WHEN s.part ~ '^[a-z]{4}$' THEN initcap(s.part)
				ELSE s.part END, '-' ORDER BY s.place)
		FROM unnest(string_to_array(replace(lower(tag COLLATE "C"), '_', '-'), '-')) WITH ORDINALITY AS s (part, place))
	END;
END;
COMMENT ON FUNCTION upstream_error_language_tag(text) IS 'A language tag in the usual spelling (pt-BR, zh-Hant); null when it is none.';

CREATE FUNCTION upstream_error_rule_defaults() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{"enabled": true, "priority": 0, "error_codes": [], "keywords": [], "match_mode": "any",
		"platforms": [], "passthrough_code": true, "response_code": null, "passthrough_body": true,
		"custom_message": null, "skip_monitoring": false, "description": null, "patterns": [],
		"classes": [], "codes": [], "error_types": [], "upstream_codes": [], "models": [],
		"channels": [], "routes": [], "formats": [], "kinds": [], "tags": {}, "min_attempt": null,
		"max_attempt": null, "has_output": null, "response_type": null,
		"response_error_code": null, "retry_after": null, "messages": {}, "action": "answer",
		"cooldown_s": null, "fingerprint": null}'::jsonb;
END;
COMMENT ON FUNCTION upstream_error_rule_defaults() IS 'The defaults of upstream_error_rules, which null stands for and which an export leaves out.';

CREATE FUNCTION upstream_error_rules_check() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	missing jsonb;
BEGIN
	IF @extschema@.upstream_error_is_restored('rule', NEW.id::text, to_jsonb(NEW)) THEN
		RETURN NEW; -- it was checked when it was written
	END IF;
	SELECT jsonb_object_agg(d.key, d.value) INTO missing
	FROM jsonb_each(@extschema@.upstream_error_rule_defaults()) AS d
	WHERE to_jsonb(NEW) -> d.key = 'null';
	IF missing IS NOT NULL THEN
		NEW := jsonb_populate_record(NEW, missing);
	END IF;
	NEW.name := @extschema@.upstream_error_trim(NEW.name);
	NEW.keywords := ARRAY(SELECT @extschema@.upstream_error_trim(k.word)
		FROM unnest(NEW.keywords) WITH ORDINALITY AS k (word, place) ORDER BY k.place);
	NEW.platforms := ARRAY(SELECT lower(@extschema@.upstream_error_trim(p.name) COLLATE "C")
		FROM unnest(NEW.platforms) WITH ORDINALITY AS p (name, place) ORDER BY p.place);
	NEW.fingerprint := nullif(@extschema@.upstream_error_trim(NEW.fingerprint), '');
	IF NEW.id < 1 THEN -- 0 says in a verdict that no rule decided
		PERFORM @extschema@.upstream_error_refuse('id',
			format('%s is out of range; accepted are 1 to 9223372036854775807', NEW.id), format('Rule "%s".', NEW.name));
	END IF;
	BEGIN
		PERFORM @extschema@.upstream_error_rule_check(to_jsonb(NEW));
	EXCEPTION WHEN invalid_parameter_value THEN
		PERFORM @extschema@.upstream_error_refuse(split_part(SQLERRM, ': ', 1),
			substr(SQLERRM, strpos(SQLERRM, ': ') + 2), format('Rule "%s".', NEW.name));
	END;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION upstream_error_rules_check() IS 'Trigger before a row of upstream_error_rules: puts defaults for nulls, trims keywords, and refuses what could not be compiled.';

CREATE FUNCTION upstream_error_rule_tests_check() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	described text;
BEGIN
	IF @extschema@.upstream_error_is_restored('rule_test', NEW.id::text, to_jsonb(NEW)) THEN
		RETURN NEW;
	END IF;
	NEW.name := @extschema@.upstream_error_trim(NEW.name);
	described := format('Rule test "%s".', NEW.name);
	PERFORM @extschema@.upstream_error_require_name(NEW.name, described);
	NEW.platform := lower(@extschema@.upstream_error_trim(NEW.platform) COLLATE "C");
	IF NEW.status NOT BETWEEN 100 AND 599 THEN
		PERFORM @extschema@.upstream_error_refuse('status',
			format('%s is out of range; accepted are 100 to 599, or null without an answer', NEW.status), described);
	ELSIF NEW.attempt NOT BETWEEN 1 AND 1000 THEN
		PERFORM @extschema@.upstream_error_refuse('attempt',
			format('%s is out of range; accepted are 1 to 1000', NEW.attempt), described);
	ELSIF num_nonnulls(NEW.expect_rule, NEW.expect_status, NEW.expect_message, NEW.expect_body_contains, NEW.expect_action) = 0 THEN
		PERFORM @extschema@.upstream_error_refuse('expect_rule',
			'a test needs an expectation; accepted are values of expect_rule, expect_status, expect_message, expect_body_contains, expect_action', described);
	ELSIF NEW.expect_status NOT BETWEEN 100 AND 599 THEN
		PERFORM @extschema@.upstream_error_refuse('expect_status',
			format('%s is out of range; accepted are 100 to 599', NEW.expect_status), described);
	ELSIF NEW.expect_body_contains = '' THEN
		PERFORM @extschema@.upstream_error_refuse('expect_body_contains',
			'is empty, which every body contains; accepted is a text', described);
	END IF;
	BEGIN
		PERFORM @extschema@.upstream_error_rule_test_check(to_jsonb(NEW));
	EXCEPTION WHEN invalid_parameter_value THEN
		PERFORM @extschema@.upstream_error_refuse(split_part(SQLERRM, ': ', 1),
			substr(SQLERRM, strpos(SQLERRM, ': ') + 2), described);
	END;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION upstream_error_rule_tests_check() IS 'Trigger before a row of upstream_error_rule_tests: refuses a test that looks at nothing or cannot be run.';

CREATE FUNCTION upstream_error_mask_patterns_check() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	described text;
BEGIN
	IF @extschema@.upstream_error_is_restored('mask_pattern', NEW.id::text, to_jsonb(NEW)) THEN
		RETURN NEW;
	END IF;
	NEW.name := @extschema@.upstream_error_trim(NEW.name);
	described := format('Mask pattern "%s".', NEW.name);
	PERFORM @extschema@.upstream_error_require_name(NEW.name, described);
	IF NEW.pattern IS NULL THEN
		PERFORM @extschema@.upstream_error_refuse('pattern', 'is null; accepted is a regular expression', described);
	END IF;
	NEW.case_sensitive := coalesce(NEW.case_sensitive, true);
	NEW.enabled := coalesce(NEW.enabled, true);
	BEGIN
		PERFORM @extschema@.upstream_error_mask_pattern_check(NEW.pattern, NEW.case_sensitive);
	EXCEPTION WHEN invalid_parameter_value THEN
		PERFORM @extschema@.upstream_error_refuse(split_part(SQLERRM, ': ', 1),
			substr(SQLERRM, strpos(SQLERRM, ': ') + 2), described);
	END;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION upstream_error_mask_patterns_check() IS 'Trigger before a row of upstream_error_mask_patterns: refuses a pattern that cannot be compiled or would hide everything.';

CREATE FUNCTION upstream_error_mask_hosts_check() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	label CONSTANT text := '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
BEGIN
	IF @extschema@.upstream_error_is_restored('mask_host', NEW.host, to_jsonb(NEW)) THEN
		RETURN NEW;
	END IF;
	NEW.host := lower(@extschema@.upstream_error_trim(NEW.host) COLLATE "C");
	IF NOT coalesce(octet_length(NEW.host) <= 253 AND NEW.host ~ ('^\.?' || label || '(\.' || label || ')*$'), false) THEN
		PERFORM @extschema@.upstream_error_refuse('host',
			format('"%s" is no host; accepted are names such as api.example.com, or .example.com for a domain and all below it', NEW.host),
			format('Mask host "%s".', NEW.host));
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION upstream_error_mask_hosts_check() IS 'Trigger before a row of upstream_error_mask_hosts: refuses what is no host.';

CREATE FUNCTION upstream_error_messages_check() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	described CONSTANT text := format('Message of "%s" in "%s".', NEW.code, NEW.language);
	tag text;
BEGIN
	IF @extschema@.upstream_error_is_restored('message', NEW.code || ' ' || NEW.language, to_jsonb(NEW)) THEN
		RETURN NEW;
	END IF;
	NEW.code := @extschema@.upstream_error_trim(NEW.code);
	tag := @extschema@.upstream_error_language_tag(@extschema@.upstream_error_trim(NEW.language));
	IF NOT EXISTS (SELECT FROM @extschema@.upstream_error_codes() AS c WHERE c.code = NEW.code) THEN
		PERFORM @extschema@.upstream_error_refuse('code',
			format('"%s" is unknown; accepted are the codes of upstream_error_codes()', NEW.code), described);
	ELSIF tag IS NULL THEN
		PERFORM @extschema@.upstream_error_refuse('language',
			format('"%s" is no language tag; accepted are tags such as en, zh, pt-BR', NEW.language), described);
	ELSIF coalesce(@extschema@.upstream_error_trim(NEW.message), '') = '' THEN
		PERFORM @extschema@.upstream_error_refuse('message', 'is empty; accepted are 1 to 8192 bytes', described);
	ELSIF octet_length(NEW.message) > 8192 THEN
		PERFORM @extschema@.upstream_error_refuse('message',
			format('has %s bytes; accepted are 1 to 8192', octet_length(NEW.message)), described);
	END IF;
	NEW.language := tag;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION upstream_error_messages_check() IS 'Trigger before a row of upstream_error_messages: refuses unknown codes and languages, and texts that are empty or too long.';

CREATE FUNCTION upstream_error_settings_check() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	tag text;
BEGIN
	IF @extschema@.upstream_error_is_restored('setting', NEW.name, to_jsonb(NEW)) THEN
		RETURN NEW;
	END IF;
	IF NEW.name IS DISTINCT FROM 'default_language' THEN
		PERFORM @extschema@.upstream_error_refuse('name',
			format('"%s" is unknown; accepted is default_language', NEW.name), format('Setting "%s".', NEW.name));
	END IF;
	tag := @extschema@.upstream_error_language_tag(@extschema@.upstream_error_trim(NEW.value));
	IF tag IS NULL THEN
		PERFORM @extschema@.upstream_error_refuse('value',
			format('"%s" is no language tag; accepted are tags such as en, zh, pt-BR', NEW.value), format('Setting "%s".', NEW.name));
	END IF;
	NEW.value := tag;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION upstream_error_settings_check() IS 'Trigger before a row of upstream_error_settings: refuses unknown settings and values.';
