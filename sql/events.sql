-- The table, its type and its rights: what others build on.

-- columns in their order; the composite type has the same
SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS type,
	a.attnotnull AS "not null", pg_get_expr(d.adbin, d.adrelid) AS "default"
FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = 'upstream_error_events'::regclass AND a.attnum > 0
ORDER BY a.attnum;

SELECT count(*) AS "same columns in both"
FROM pg_attribute AS a JOIN pg_attribute AS b USING (attnum, attname, atttypid)
WHERE a.attrelid = 'upstream_error_events'::regclass
	AND b.attrelid = 'upstream_error'::regclass AND attnum > 0;

-- the key holds request_id and at; partitions are made after this pattern
SELECT pg_get_partkeydef('upstream_error_events'::regclass) AS partitioned_by;
SELECT indexrelid::regclass AS index, pg_get_indexdef(indexrelid) AS definition
FROM pg_index WHERE indrelid = 'upstream_error_events_default'::regclass
ORDER BY indexrelid::regclass::text COLLATE "C";

-- a dump keeps the events
SELECT unnest(extconfig)::regclass AS dumped FROM pg_extension WHERE extname = 'upstream_errors' ORDER BY 1;

-- how each function behaves; unaligned, so that a new function is a new line and no more
\a
SELECT p.oid::regprocedure AS function, l.lanname AS language, p.provolatile AS volatile,
	p.proisstrict AS strict, p.proparallel AS parallel, p.prosecdef AS definer,
	array_to_string(p.proconfig, ' ') AS settings
FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid
JOIN pg_proc AS p ON p.oid = d.objid JOIN pg_language AS l ON l.oid = p.prolang
WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass
	AND x.extname = 'upstream_errors'
	AND p.proname <> 'upstream_error_record' -- 50 parameters
ORDER BY p.oid::regprocedure::text COLLATE "C";
\a

-- nothing is left without a comment, and nothing is open to everybody
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS "without a comment"
FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND x.extname = 'upstream_errors'
	AND obj_description(d.objid, d.classid::regclass::text::name) IS NULL
	-- row and array types come with their table or type
	AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type AS t
		LEFT JOIN pg_class AS c ON c.oid = t.typrelid WHERE t.oid = d.objid AND (t.typcategory = 'A' OR c.relkind <> 'c')))
ORDER BY 1;
SELECT attname AS "without a comment" FROM pg_attribute
WHERE attrelid = 'upstream_error_events'::regclass AND attnum > 0
	AND col_description(attrelid, attnum) IS NULL;
SELECT p.oid::regprocedure AS "open to everybody"
FROM pg_proc AS p WHERE p.proname LIKE 'upstream\_error%' AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT has_table_privilege('public', 'upstream_error_events', 'SELECT') AS "open to everybody";
