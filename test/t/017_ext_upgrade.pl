# SPDX-License-Identifier: PostgreSQL

# Every version that can be installed upgrades to the current one and is then the same as a
# fresh installation; and an upgrade script written by the rules of docs/storage.md goes
# over a database that is in use: events, partitions, rules, views and a dump outlive it.
# It needs scripts of its own in the server's directory, hence a copy of the server's files.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# --- a copy of the server; PostgreSQL finds its files by their place beside its programs ---
sub pg_config { my ($what) = @_; my $path = `@{[$ENV{PG_CONFIG} || 'pg_config']} --$what`; chomp $path; return $path }

my $copy = PostgreSQL::Test::Utils::tempdir;
for my $directory (map { pg_config($_) } qw(bindir pkglibdir sharedir))
{
	next if -d "$copy$directory";
	system('mkdir', '-p', "$copy$directory") == 0
	  && system('sh', '-c', 'cd "$1" && tar -cf - --exclude=./bitcode --exclude=./pgxs . | tar -xf - -C "$2"', 'sh', $directory, "$copy$directory") == 0
	  or die "could not copy $directory";
}
my $scripts = $copy . pg_config('sharedir') . '/extension';

# What a release would do: a column at the end of the events, beside it the type, a function
# that changes, one that is new, one that goes, a setting's row; nothing else.
sub write_script
{
	my ($name, $text) = @_;
	open my $file, '>', "$scripts/$name" or die "$scripts/$name: $!";
	print $file $text;
	close $file;
	return;
}

(my $guard = PostgreSQL::Test::Utils::slurp_file("$scripts/upstream_errors--1.0.sql")) =~ s/\A.*?^(\\echo[^\n]*\n).*\z/$1/ms;
my $changes = <<'END';
ALTER TABLE upstream_error_events ADD COLUMN shard text;
COMMENT ON COLUMN upstream_error_events.shard IS 'for the test';
CREATE FUNCTION upstream_error_shards(since timestamptz) RETURNS bigint
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN (SELECT count(DISTINCT e.shard) FROM @extschema@.upstream_error_events AS e WHERE e.at >= since);
REVOKE ALL ON FUNCTION upstream_error_shards(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION upstream_error_shards(timestamptz) IS 'for the test';
ALTER FUNCTION upstream_error_sparkline(int8[]) COST 200;
END
write_script('upstream_errors--1.0--next.sql', "$guard$changes");
write_script('upstream_errors--next.sql', PostgreSQL::Test::Utils::slurp_file("$scripts/upstream_errors--1.0.sql") . $changes);
# one that forgets something of the change
(my $forgetful = "$guard$changes") =~ s/^ALTER FUNCTION.*\n//m;
write_script('upstream_errors--1.0--wrong.sql', $forgetful);
write_script('upstream_errors--wrong.sql', PostgreSQL::Test::Utils::slurp_file("$scripts/upstream_errors--next.sql"));

(my $install_path = $copy . pg_config('bindir')) =~ s{/bin/?\z}{};
my $node = PostgreSQL::Test::Cluster->new('main', install_path => $install_path);
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_available_extension_versions WHERE name = 'upstream_errors' AND version = 'next')),
	'1', 'the server runs from the copy of its files');

# Everything that belongs to the extension, in words, in the order of its names.  What an
# upgrade leaves at another place in the catalogues may differ (oids), and nothing else.
my $contents = <<'END';
SELECT replace(d.kind || ' ' || d.name || ' ' || d.text, E'\n', ' ') FROM (
	SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid) || ' cost ' || p.procost || coalesce(' ' || p.proacl::text, '') || coalesce(' ' || obj_description(p.oid, 'pg_proc'), '')
	FROM pg_proc AS p WHERE p.prokind IN ('f', 'p')
		AND EXISTS (SELECT FROM pg_depend AS x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')
	UNION ALL
	SELECT 'column', format('%s.%s', a.attrelid::regclass, a.attname), concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
		pg_get_expr(f.adbin, f.adrelid), col_description(a.attrelid, a.attnum))
	FROM pg_attribute AS a LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
	WHERE a.attnum > 0 AND NOT a.attisdropped
		AND EXISTS (SELECT FROM pg_depend AS x WHERE x.classid = 'pg_class'::regclass AND x.objid = a.attrelid AND x.deptype = 'e')
	UNION ALL
	SELECT 'relation', c.oid::regclass::text, concat_ws(' ', c.relkind, c.relacl, c.relrowsecurity, c.reloptions, obj_description(c.oid, 'pg_class'))
	FROM pg_class AS c WHERE EXISTS (SELECT FROM pg_depend AS x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
	UNION ALL
	SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
	FROM pg_index AS i WHERE EXISTS (SELECT FROM pg_depend AS x WHERE x.classid = 'pg_class'::regclass AND x.objid = i.indrelid AND x.deptype = 'e')
	UNION ALL
	SELECT 'constraint', format('%s.%s', n.conrelid::regclass, n.conname), pg_get_constraintdef(n.oid)
	FROM pg_constraint AS n WHERE EXISTS (SELECT FROM pg_depend AS x WHERE x.classid = 'pg_class'::regclass AND x.objid = n.conrelid AND x.deptype = 'e')
	UNION ALL
	SELECT 'trigger', format('%s.%s', t.tgrelid::regclass, t.tgname), pg_get_triggerdef(t.oid) || t.tgenabled::text
	FROM pg_trigger AS t WHERE NOT t.tgisinternal AND EXISTS (SELECT FROM pg_depend AS x WHERE x.classid = 'pg_class'::regclass AND x.objid = t.tgrelid AND x.deptype = 'e')
	UNION ALL
	SELECT 'policy', format('%s.%s', p.polrelid::regclass, p.polname), concat_ws(' ', p.polcmd, p.polroles, pg_get_expr(p.polqual, p.polrelid),
		pg_get_expr(p.polwithcheck, p.polrelid), c.relrowsecurity, obj_description(p.oid, 'pg_policy'))
	FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
	UNION ALL
	SELECT 'dumped', c.relation::regclass::text, c.condition FROM pg_extension AS e, unnest(e.extconfig, e.extcondition) AS c (relation, condition) WHERE e.extname = 'upstream_errors'
	UNION ALL
	SELECT 'member', pg_describe_object(x.classid, x.objid, x.objsubid), '' FROM pg_depend AS x
	WHERE x.refclassid = 'pg_extension'::regclass AND x.deptype = 'e' AND x.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'upstream_errors')
) AS d (kind, name, text) ORDER BY 1
END

sub contents_of
{
	my ($database) = @_;
	my %found;
	$found{$_} = 1 for split /\n/, $node->safe_psql($database, $contents);
	return \%found;
}

# Installed as of $from and upgraded to $to, against $to installed: what one of them has.
sub differences
{
	my ($from, $to) = @_;
	$node->safe_psql('postgres', 'CREATE DATABASE upgraded');
	$node->safe_psql('postgres', 'CREATE DATABASE fresh');
	$node->safe_psql('upgraded', qq(CREATE EXTENSION upstream_errors VERSION '$from'; ALTER EXTENSION upstream_errors UPDATE TO '$to'));
	$node->safe_psql('fresh', qq(CREATE EXTENSION upstream_errors VERSION '$to'));
	my ($upgraded, $fresh) = (contents_of('upgraded'), contents_of('fresh'));
	cmp_ok(scalar keys %$fresh, '>', 500, "$to has contents");
	my @different = ((map { "+ $_" } grep { !$fresh->{$_} } sort keys %$upgraded), map { "- $_" } grep { !$upgraded->{$_} } sort keys %$fresh);
	$node->safe_psql('postgres', "DROP DATABASE $_") for qw(upgraded fresh);
	return @different;
}

# --- every way to the current version, as far as there are releases ---
my $current = $node->safe_psql('postgres', q(SELECT default_version FROM pg_available_extensions WHERE name = 'upstream_errors'));
my @older = split /\n/, $node->safe_psql('postgres', qq(SELECT u.source FROM pg_extension_update_paths('upstream_errors') AS u
	WHERE u.target = '$current' AND u.path IS NOT NULL AND u.source NOT IN ('next', 'wrong') AND EXISTS (
		SELECT FROM pg_available_extension_versions AS v WHERE v.name = 'upstream_errors' AND v.version = u.source)));
note('versions before ' . $current . ': ' . (join(', ', @older) || 'none yet'));
for my $version (@older)
{
	is(join("\n", differences($version, $current)), '', "$version upgraded to $current is $current");
}

# --- a rehearsal of the next one, and of one that is wrong ---
is(join("\n", differences('1.0', 'next')), '', 'an upgrade and an installation give the same');
like(join("\n", differences('1.0', 'wrong')), qr/\A\+ function upstream_error_sparkline[^\n]*\n- function upstream_error_sparkline[^\n]*\z/, 'a script that forgets a change is found out');

# --- over a database in use ---
$node->safe_psql('postgres', <<'END');
CREATE EXTENSION upstream_errors VERSION '1.0';
SELECT upstream_error_create_roles();
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, status_code)
SELECT now() - n * interval '1 hour', gen_random_uuid(), 'req_' || n, 'openai', 'http_error', 'overloaded', 529 FROM generate_series(0, 71) AS n;
SELECT upstream_error_maintain();
SELECT upstream_error_maintain();
INSERT INTO upstream_error_rules (name, error_codes, passthrough_code, response_code) VALUES ('kept', '{529}', false, 503);
CREATE VIEW failures AS SELECT * FROM upstream_errors('10d');
CREATE VIEW raw AS SELECT at, class FROM upstream_error_events;
END
my $facts = q{SELECT (SELECT md5(string_agg(concat_ws(' ', at, event_id, request_id, class), ',' ORDER BY request_id)) FROM upstream_error_events), (SELECT count(*) FROM failures),
	(SELECT count(*) FROM raw), (SELECT string_agg(name, ',') FROM upstream_error_rules), (SELECT sum(total) FROM upstream_error_trend('4d')),
	has_table_privilege('upstream_errors_reader', 'upstream_error_events', 'SELECT')};
my $before = $node->safe_psql('postgres', $facts);
$node->safe_psql('postgres', q(ALTER EXTENSION upstream_errors UPDATE TO 'next'));
is($node->safe_psql('postgres', $facts), $before, 'events, views, rules, counts and rights outlive an upgrade');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_inherits AS i WHERE i.inhparent = 'upstream_error_events'::regclass
	AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = i.inhrelid AND a.attname = 'shard'))), '0', 'every partition has the new column');
is($node->safe_psql('postgres', q(SET upstream_errors.retention = 0;
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, shard)
	VALUES (now() - interval '20 days', gen_random_uuid(), 'req_late', 'openai', 'http_error', 'overloaded', 'a');
	SELECT partitions_created, rows_moved FROM upstream_error_maintain())), '1|1', 'partitions made after it as well');
is($node->safe_psql('postgres', q(SELECT upstream_error_shards(now() - interval '30 days'))), '1', 'and its functions work');

# A dump holds the version, and restores where that is installed.
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'it is dumped');
$node->safe_psql('template1', 'CREATE DATABASE restored');
$node->safe_psql('restored', q(CREATE EXTENSION upstream_errors VERSION 'next'));
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'and restored');
is($node->safe_psql('restored', q(SELECT count(*), count(shard) FROM upstream_error_events)), '73|1', 'with all of its events');

# --- what has no way says so ---
my ($status, undef, $stderr) = $node->psql('postgres', q(ALTER EXTENSION upstream_errors UPDATE TO 'wrong'));
like($stderr, qr/no update path/, 'a version that cannot be reached is refused');

$node->stop;
done_testing();
