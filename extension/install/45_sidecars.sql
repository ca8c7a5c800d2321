-- ---------------------------------------------------------------- sidecars

CREATE TABLE upstream_error_sidecars (
	instance text PRIMARY KEY,
	region text,
	version text,
	generation bigint NOT NULL,
	acknowledged_at timestamptz NOT NULL DEFAULT now(),
	started_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE upstream_error_sidecars IS 'Which generation of rules and the like each sidecar applies; see upstream_error_sidecar_status. One that is gone for good may be deleted: DELETE FROM upstream_error_sidecars WHERE acknowledged_at < now() - interval ''30 days'';';
COMMENT ON INDEX upstream_error_sidecars_pkey IS 'One row for each sidecar.';
COMMENT ON COLUMN upstream_error_sidecars.instance IS 'which sidecar';
COMMENT ON COLUMN upstream_error_sidecars.region IS 'where it runs';
COMMENT ON COLUMN upstream_error_sidecars.version IS 'version of its program';
COMMENT ON COLUMN upstream_error_sidecars.generation IS 'generation that it applies';
COMMENT ON COLUMN upstream_error_sidecars.acknowledged_at IS 'when it last said so';
COMMENT ON COLUMN upstream_error_sidecars.started_at IS 'when it first said so';

CREATE FUNCTION upstream_error_acknowledge(instance text, region text, version text, generation bigint) RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF coalesce(instance, '') = '' THEN
		PERFORM @extschema@.upstream_error_refuse('instance', 'is empty; accepted is the name of a sidecar', 'Acknowledgement of a generation.');
	ELSIF coalesce(generation, -1) < 0 THEN
		PERFORM @extschema@.upstream_error_refuse('generation',
			format('%s is out of range; accepted are numbers from 0', coalesce(generation::text, 'null')),
			format('Sidecar "%s".', instance));
	END IF;
	PERFORM @extschema@.upstream_error_require_own('@extschema@.upstream_error_sidecars');
	INSERT INTO @extschema@.upstream_error_sidecars AS s (instance, region, version, generation)
	VALUES (upstream_error_acknowledge.instance, upstream_error_acknowledge.region,
		upstream_error_acknowledge.version, upstream_error_acknowledge.generation)
	ON CONFLICT ON CONSTRAINT upstream_error_sidecars_pkey DO UPDATE
	SET region = excluded.region, version = excluded.version, generation = excluded.generation,
		acknowledged_at = excluded.acknowledged_at;
END
$$;
COMMENT ON FUNCTION upstream_error_acknowledge(text, text, text, bigint) IS 'A sidecar says which generation of rules and the like it applies from now on. Example: SELECT upstream_error_acknowledge(''gateway-1'', ''eu'', ''1.0.0'', upstream_error_generation());';

CREATE VIEW upstream_error_sidecar_status AS
	SELECT s.instance, s.region, s.version, s.generation, l.generation AS current_generation,
		s.generation >= l.generation AS is_current,
		CASE WHEN s.generation >= l.generation THEN 0 ELSE (
			SELECT count(*) FROM upstream_error_changes AS c
			WHERE c.generation > s.generation) END AS missing_changes,
		CASE WHEN s.generation >= l.generation THEN interval '0' ELSE (
			SELECT clock_timestamp() - c.changed_at FROM upstream_error_changes AS c
			WHERE c.generation > s.generation ORDER BY c.generation LIMIT 1) END AS lag,
		s.acknowledged_at, s.started_at
	FROM upstream_error_sidecars AS s
	CROSS JOIN (SELECT coalesce(max(c.generation), 0) FROM upstream_error_changes AS c) AS l (generation);
COMMENT ON VIEW upstream_error_sidecar_status IS 'Whether every sidecar applies what was committed last. Example: SELECT instance, lag FROM upstream_error_sidecar_status WHERE NOT is_current;';
COMMENT ON COLUMN upstream_error_sidecar_status.instance IS 'which sidecar';
COMMENT ON COLUMN upstream_error_sidecar_status.region IS 'where it runs';
COMMENT ON COLUMN upstream_error_sidecar_status.version IS 'version of its program';
COMMENT ON COLUMN upstream_error_sidecar_status.generation IS 'generation that it applies';
COMMENT ON COLUMN upstream_error_sidecar_status.current_generation IS 'generation that it should apply';
COMMENT ON COLUMN upstream_error_sidecar_status.is_current IS 'it does';
COMMENT ON COLUMN upstream_error_sidecar_status.missing_changes IS 'changes that it does not know yet';
COMMENT ON COLUMN upstream_error_sidecar_status.lag IS 'age of the first of those';
COMMENT ON COLUMN upstream_error_sidecar_status.acknowledged_at IS 'when it last acknowledged a generation';
COMMENT ON COLUMN upstream_error_sidecar_status.started_at IS 'when it first acknowledged one';
