# SPDX-License-Identifier: PostgreSQL

# pg_upgrade takes the extension as it is: events with their partitions, counts, rules with
# their versions and who wrote them, channels, row security; and it goes on working.  Both
# clusters are of this version, for one is all that is installed; the way is the same.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = PostgreSQL::Test::Cluster->new('old');
my $new = PostgreSQL::Test::Cluster->new('new');
$_->init(extra => [ '--encoding=UTF8', '--no-locale' ]) for $old, $new;
$old->start;
$old->safe_psql('postgres', q{
	CREATE SCHEMA errors;
	CREATE EXTENSION upstream_errors SCHEMA errors;
	SET search_path = errors, public;
	SELECT upstream_error_create_roles();
	CREATE ROLE tenant;
	GRANT upstream_errors_reader TO tenant;
	CREATE INDEX ON upstream_error_events_default (fingerprint, at);
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, tags)
	SELECT now() - n * interval '1 hour', gen_random_uuid(), 'req_' || n, (ARRAY['openai', 'gemini'])[1 + n % 2], 'http_error',
		'overloaded', '{"team": "a"}' FROM generate_series(0, 71) AS n;
	SELECT * FROM upstream_error_maintain();
	SELECT * FROM upstream_error_maintain(); -- counts the days that the first has moved
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
	VALUES (now() + interval '60 days', gen_random_uuid(), 'future', 'openai', 'http_error', 'overloaded');
	SELECT upstream_error_record_traffic(ARRAY[now()], ARRAY[gen_random_uuid()], '{openai}', '{NULL}', '{NULL}', '{NULL}', '{NULL}',
		'{sidecar}', '{10}', '{9}', '{1}', '{NULL}', '{NULL}');
	INSERT INTO upstream_error_rules (name, error_codes, passthrough_code, response_code) VALUES ('busy', '{529}', false, 503), ('gone', '{404}', false, 502);
	UPDATE upstream_error_rules SET priority = 7 WHERE name = 'busy';
	DELETE FROM upstream_error_rules WHERE name = 'gone';
	INSERT INTO upstream_error_channels (name, platform, base_url) VALUES ('main', 'openai', 'https://api.openai.com');
	INSERT INTO upstream_error_mask_hosts (host) VALUES ('example.com');
	ALTER TABLE upstream_error_events ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON upstream_error_events FOR SELECT TO tenant USING (platform = 'gemini');
	CREATE VIEW on_call AS SELECT at, platform, class FROM upstream_errors('3 days');
});

# What a user sees of it, in words that do not depend on the cluster.
sub look
{
	my ($node) = @_;
	my %seen;
	my %question = (
		events => q{SELECT md5(string_agg(e::text, ' ' ORDER BY request_id)) || ' ' || count(*) FROM upstream_error_events AS e},
		partitions => q{SELECT string_agg(c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) || ' ' || pg_get_userbyid(c.relowner) || ' '
			|| (SELECT string_agg(pg_get_indexdef(x.indexrelid), ';' ORDER BY x.indexrelid::regclass::text) FROM pg_index AS x WHERE x.indrelid = c.oid)
			|| coalesce((SELECT string_agg(pg_get_constraintdef(k.oid), ';' ORDER BY k.conname) FROM pg_constraint AS k WHERE k.conrelid = c.oid), ''),
			E'\n' ORDER BY c.relname)
			FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'upstream_error_events'::regclass},
		counts => q{SELECT md5(string_agg(t, ' ' ORDER BY t)) || ' ' || count(*) FROM (SELECT m::text FROM upstream_error_minutes AS m
			UNION ALL SELECT h::text FROM upstream_error_hours AS h UNION ALL SELECT d.day || ' ' || d.partition FROM upstream_error_counted_days AS d
			UNION ALL SELECT t::text FROM upstream_error_traffic AS t) AS u (t)},
		rules => q{SELECT string_agg(r::text, E'\n' ORDER BY r.id) FROM upstream_error_rules AS r},
		history => q{SELECT string_agg(h::text, E'\n' ORDER BY h.generation) FROM upstream_error_rule_history() AS h},
		changes => q{SELECT string_agg(c::text, E'\n' ORDER BY c.generation) FROM upstream_error_changes AS c},
		snapshot => q{SELECT upstream_error_snapshot()},
		trend => q{SELECT string_agg(t::text, E'\n' ORDER BY t.bucket_start) FROM upstream_error_trend(date_trunc('day', now()) - interval '3 days', date_trunc('day', now()), '1 day') AS t},
		members => q{SELECT string_agg(pg_describe_object(d.classid, d.objid, 0) || coalesce(obj_description(d.objid, d.classid::regclass::name), ''), E'\n'
			ORDER BY pg_describe_object(d.classid, d.objid, 0) COLLATE "C") FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid WHERE x.extname = 'upstream_errors' AND d.deptype = 'e'},
		rights => q{SELECT string_agg(p.oid::regprocedure || ' ' || p.proacl::text, E'\n' ORDER BY p.oid::regprocedure::text COLLATE "C") FROM pg_proc AS p WHERE p.pronamespace = 'errors'::regnamespace},
		tenant => q{SET ROLE tenant; SELECT string_agg(DISTINCT platform, ' ') || ' ' || count(*) FROM upstream_errors('10 days')},
		view => q{SELECT count(*) FROM on_call},
	);
	$seen{$_} = $node->safe_psql('postgres', "SET search_path = errors, public; SET TimeZone = 'UTC'; $question{$_}") for keys %question;
	return \%seen;
}

my $before = look($old);
unlike($before->{$_}, qr/^$/, "$_: there is something to see") for sort keys %$before;
$old->stop;

my $bindir = $new->config_data('--bindir');
my @pg_upgrade = ('pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
	'-s', $new->host, '-p', $old->port, '-P', $new->port);
{
	# it leaves its files where it was called
	my $here = PostgreSQL::Test::Utils::tempdir;
	chdir $here or die "$here: $!";
	command_ok(\@pg_upgrade, 'pg_upgrade');
	chdir '/';
}

$new->start;
my $after = look($new);
is($after->{$_}, $before->{$_}, "$_: as before") for sort keys %$before;

sub sql { return $new->safe_psql('postgres', "SET search_path = errors, public; $_[0]") }
is(sql(q{SELECT count(*) FROM (SELECT * FROM upstream_error_trend('4d') EXCEPT SELECT * FROM upstream_error_trend('4d', use_counts => false)) AS d}),
	'0', 'counts and events agree while the statistics are new');
is(sql(q{SELECT partitions_created || ' ' || partitions_dropped || ' ' || partitions_skipped FROM upstream_error_maintain()}),
	'0 0 0', 'maintenance finds no partition missing');
is(sql(q{SELECT count(*) > 0 FROM upstream_error_believed_days('-infinity', 'infinity')}), 't', 'and counts the days anew');
is(sql(q{INSERT INTO upstream_error_events SELECT * FROM upstream_error_events ON CONFLICT DO NOTHING; SELECT count(*) FROM upstream_error_events}),
	'73', 'a replay is harmless');
is(sql(q{UPDATE upstream_error_rules SET priority = 8 WHERE name = 'busy'; SELECT version FROM upstream_error_rules WHERE name = 'busy'}),
	'3', 'versions go on');
like(sql(q{EXPLAIN (COSTS OFF) SELECT count(*) FROM upstream_errors('1h') WHERE platform = 'openai'}), qr/Append/, 'ranges are inlined');
is(sql(q{DROP VIEW on_call; DROP EXTENSION upstream_errors; SELECT count(*) FROM pg_class WHERE relnamespace = 'errors'::regnamespace}), '0', 'it can be dropped whole');
$new->stop;

done_testing();
