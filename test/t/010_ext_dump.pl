# A dump and restore keeps every event, those in partitions made at run time and those in
# the default partition, and leaves a database that goes on working.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;

# One event an hour for three days back, and one that stays in the default partition.
my $fill = q{
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, tags)
	SELECT now() - n * interval '1 hour', gen_random_uuid(), 'req_' || n, 'openai', 'http_error',
		'overloaded', '{"team": "a"}' FROM generate_series(0, 71) AS n;
	SELECT * FROM upstream_error_maintain();
	SELECT * FROM upstream_error_maintain(); -- counts the days that the first has moved
	SELECT upstream_error_record_traffic(ARRAY[now()], ARRAY[gen_random_uuid()], '{openai}', '{NULL}', '{NULL}', '{NULL}', '{NULL}',
		'{sidecar}', '{10}', '{9}', '{1}', '{NULL}', '{NULL}');
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
	VALUES (now() + interval '60 days', gen_random_uuid(), 'future', 'openai', 'http_error', 'overloaded');
};
my $all = q{SELECT md5(string_agg(e::text, ' ' ORDER BY request_id)) || ' ' || count(*) FROM upstream_error_events AS e};
my $shape = q{SELECT string_agg(c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) || ' '
		|| (SELECT string_agg(pg_get_indexdef(x.indexrelid), ';' ORDER BY x.indexrelid::regclass::text) FROM pg_index AS x WHERE x.indrelid = c.oid),
		E'\n' ORDER BY c.relname)
	FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'upstream_error_events'::regclass};

my $counts = q{SELECT md5(string_agg(t, ' ' ORDER BY t)) || ' ' || count(*) FROM (SELECT m::text FROM upstream_error_minutes AS m
	UNION ALL SELECT h::text FROM upstream_error_hours AS h UNION ALL SELECT d.day::text FROM upstream_error_counted_days AS d
	UNION ALL SELECT t::text FROM upstream_error_traffic AS t) AS u (t)};
my $differences = q{SELECT count(*) FROM (SELECT * FROM upstream_error_trend('4d')
	EXCEPT SELECT * FROM upstream_error_trend('4d', use_counts => false)) AS d};

sub check_copy
{
	my ($from, $to, $name) = @_;
	is($node->safe_psql($to, $counts), $node->safe_psql($from, $counts), "$name: counts and traffic are there");
	is($node->safe_psql($to, $differences), '0', "$name: counts and events agree");
	is($node->safe_psql($to, $all), $node->safe_psql($from, $all), "$name: every event is there");
	is($node->safe_psql($to, $shape), $node->safe_psql($from, $shape), "$name: partitions and indexes are the same");
	is($node->safe_psql($to, q{INSERT INTO upstream_error_events SELECT * FROM upstream_error_events ON CONFLICT DO NOTHING;
		SELECT count(*) FROM upstream_error_events}), '73', "$name: a replay is harmless");
	is($node->safe_psql($to, q{SELECT partitions_created || ' ' || partitions_dropped || ' ' || partitions_skipped FROM upstream_error_maintain()}),
		'0 0 0', "$name: maintenance finds nothing to do");
	like($node->safe_psql($to, q{EXPLAIN (COSTS OFF) SELECT count(*) FROM upstream_errors('1h') WHERE platform = 'openai'}),
		qr/Append/, "$name: ranges are inlined");
}

$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', 'CREATE EXTENSION upstream_errors');
$node->safe_psql('source', $fill);
is($node->safe_psql('source', 'SELECT count(*) FROM upstream_error_events_default'), '1', 'one event in the default partition');

my $dump = $node->basedir . '/source.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'source' ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
# --exit-on-error: a restore that succeeds after a screen of errors does not inspire trust
$node->command_ok([ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', 'copy', $dump ], 'restore without an error');
check_copy('source', 'copy', 'custom format');

# a dump of the dump: a restored database is like any other
$node->command_ok([ 'pg_dump', '-Fp', '-f', "$dump.sql", 'copy' ], 'dump of the copy');
$node->safe_psql('postgres', 'CREATE DATABASE copy2');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", '-d', 'copy2' ], 'restore as a script');
check_copy('source', 'copy2', 'plain format');

# the owner of a trusted install can do the same without being a superuser
$node->safe_psql('postgres', q{CREATE ROLE alice LOGIN; CREATE DATABASE hers OWNER alice; CREATE DATABASE hers_too OWNER alice});
my @alice = (extra_params => [ '-U', 'alice' ]);
$node->safe_psql('hers', 'CREATE SCHEMA ue; CREATE EXTENSION upstream_errors SCHEMA ue', @alice);
$node->safe_psql('hers', "SET search_path = ue; $fill", @alice);
$node->command_ok([ 'pg_dump', '-U', 'alice', '-Fc', '-f', "$dump.alice", 'hers' ], 'dump by an owner who is no superuser');
$node->command_ok([ 'pg_restore', '-U', 'alice', '--exit-on-error', '--no-comments', '-d', 'hers_too', "$dump.alice" ], 'and restore');
is($node->safe_psql('hers_too', 'SELECT count(*) FROM ue.upstream_errors(tstzrange(NULL, NULL))', @alice), '73', 'her events are there');

# Restored by a superuser, the functions are the superuser's, and the partitions still hers:
# what she hangs on them must not run in the superuser's name.
my $mixed = 'mixed';
my $record = q{DO $do$ BEGIN EXECUTE (SELECT format('SELECT ue.upstream_error_record(%s)', string_agg(format('%I => ARRAY[($1).%I]', attname, attname), ', '))
	FROM pg_attribute WHERE attrelid = 'ue.upstream_error_events'::regclass AND attnum > 0 AND attname <> 'recovered_by')
	USING jsonb_populate_record(NULL::ue.upstream_error_events, jsonb_build_object('at', now(), 'event_id', gen_random_uuid(),
		'request_id', 'new', 'attempt', 1, 'platform', 'openai', 'kind', 'http_error', 'class', 'overloaded')); END $do$};
$node->safe_psql('postgres', "CREATE DATABASE $mixed");
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $mixed, "$dump.alice" ], 'restore of her dump by a superuser');
my $partition = $node->safe_psql($mixed, q{SELECT partition FROM ue.upstream_error_partitions() WHERE now() >= since AND now() < until});
$node->safe_psql('postgres', "GRANT CREATE ON DATABASE $mixed TO alice");
$node->safe_psql($mixed, qq{
	CREATE SCHEMA hers;
	CREATE FUNCTION hers.strike() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ALTER ROLE alice SUPERUSER; RETURN NEW; END';
	CREATE TRIGGER strike BEFORE INSERT OR UPDATE ON $partition FOR EACH ROW EXECUTE FUNCTION hers.strike()}, @alice);

sub check_refused
{
	my ($pattern, $name) = @_;
	for my $sql ($record, 'SELECT ue.upstream_error_maintain()', q{SELECT ue.upstream_error_scrub('30d', force => true)})
	{
		my ($code, undef, $err) = $node->psql($mixed, $sql);
		isnt($code, 0, "$name: refused");
		like($err, $pattern, "$name: says why");
	}
	is($node->safe_psql('postgres', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'alice'}), 'f', "$name: she gained nothing");
}

check_refused(qr/does not belong to.*ALTER TABLE ue\.upstream_error_events_\d+ OWNER TO/s, 'partitions of another owner');
$node->safe_psql($mixed, q{DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT relid FROM pg_partition_tree('ue.upstream_error_events') LOOP
	EXECUTE format('ALTER TABLE %s OWNER TO %I', t, current_user); END LOOP; END $$});
check_refused(qr/has a trigger whose function does not belong to/, 'a trigger left behind');
$node->safe_psql($mixed, "DROP TRIGGER strike ON $partition");
$node->safe_psql($mixed, $record);
is($node->safe_psql($mixed, q{SELECT count(*) FROM ue.upstream_errors(tstzrange(NULL, NULL))}), '74', 'adopted, it records');
is($node->safe_psql($mixed, 'SELECT partitions_skipped FROM ue.upstream_error_maintain()'), '0', 'and maintains');

$node->stop;
done_testing();
