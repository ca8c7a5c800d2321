# Rules, tests, masks, messages and settings with their history through dumps and
# restores, through logical replication, and through sessions that change them at once.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @tables = qw(upstream_error_changes upstream_error_rules upstream_error_rule_tests upstream_error_mask_patterns
	upstream_error_mask_hosts upstream_error_messages upstream_error_settings);
my @sequences = qw(upstream_error_generation_seq upstream_error_rules_id_seq upstream_error_rule_tests_id_seq
	upstream_error_mask_patterns_id_seq);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "track_commit_timestamp = on\ndeadlock_timeout = 200ms\n");
$node->start;

my $fill = q{
	INSERT INTO upstream_error_rules (name, priority, error_codes, passthrough_code, response_code)
	SELECT 'rule ' || n, n % 7, ARRAY[400 + n], false, 503 FROM generate_series(1, 50) AS n;
	UPDATE upstream_error_rules SET keywords = ARRAY['Überlast', '过载'], tags = '{"team": ["a*", "b"]}' WHERE id % 5 = 0;
	UPDATE upstream_error_rules SET enabled = false WHERE id % 10 = 0;
	DELETE FROM upstream_error_rules WHERE id IN (7, 50);
	INSERT INTO upstream_error_rule_tests (name, status, expect_rule, expect_status) VALUES ('rule 3 answers', 403, 'rule 3', 503), ('none', 200, '', NULL);
	UPDATE upstream_error_rule_tests SET enabled = false WHERE name = 'none';
	INSERT INTO upstream_error_mask_patterns (name, pattern) VALUES ('customer', 'C-([0-9]{6})');
	INSERT INTO upstream_error_mask_hosts (host) VALUES ('.example.com'), ('gone.example.com');
	UPDATE upstream_error_mask_hosts SET host = 'other.example.com' WHERE host = 'gone.example.com';
	INSERT INTO upstream_error_messages (code, language, message) VALUES ('rate_limit_exceeded', 'de', 'Zu viele Anfragen.');
	INSERT INTO upstream_error_settings (name, value) VALUES ('default_language', 'de');
	SELECT upstream_error_acknowledge('gateway', 'eu', '1.0.0', upstream_error_generation());
};

# What a dump must keep, as text that does not depend on the session.
sub content
{
	my ($database, $schema) = @_;
	my $sql = "SET timezone = 'UTC';" . join('', map { "SELECT '$_', md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')), count(*) FROM $schema.$_ AS t;" } @tables)
		. join('', map { "SELECT '$_', last_value, is_called FROM $schema.$_;" } @sequences);
	return $node->safe_psql($database, $sql) . "\n" . $node->safe_psql($database, "SELECT md5($schema.upstream_error_snapshot())");
}

sub check_copy
{
	my ($from, $to, $name, $schema) = @_;
	$schema //= 'public';
	is(content($to, $schema), content($from, $schema), "$name: rows, versions, history and sequences are the same");
	# a restored database is like any other
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS scratch");
	$node->safe_psql('postgres', "CREATE DATABASE scratch TEMPLATE $to");
	is($node->safe_psql('scratch', qq{SET search_path = $schema; UPDATE upstream_error_rules SET priority = 100 WHERE id = 5 RETURNING version}), '3', "$name: versions go on");
	is($node->safe_psql('scratch', qq{SET search_path = $schema; INSERT INTO upstream_error_rules (name, error_codes) VALUES ('new', '{500}') RETURNING id}), '51', "$name: so do ids");
	is($node->safe_psql('scratch', qq{SET search_path = $schema; INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (7, 'again', '{500}') RETURNING version}), '3', "$name: a version is never used twice");
	is($node->safe_psql('scratch', qq{SET search_path = $schema; SELECT count(*), min(generation) > (SELECT max(generation) FROM upstream_error_rule_tests) FROM upstream_error_changes
		WHERE generation > (SELECT generation FROM upstream_error_settings)}), '3|t', "$name: three changes more are in the log");
}

$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', "CREATE EXTENSION upstream_errors; $fill");
my $dump = $node->basedir . '/source.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'source' ], 'dump');

$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(copy parallel plain inserts);
$node->command_ok([ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', 'copy', $dump ], 'restore in one transaction');
check_copy('source', 'copy', 'one transaction');
{
	# what is restored is compared with the log, whatever the session's time zone
	local $ENV{PGTZ} = 'Asia/Kathmandu';
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-j2', '-d', 'parallel', $dump ], 'restore with two jobs, elsewhere');
}
check_copy('source', 'parallel', 'two jobs');
$node->command_ok([ 'pg_dump', '-Fp', '-f', "$dump.sql", 'source' ], 'dump as a script');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", '-d', 'plain' ], 'restore as a script');
check_copy('source', 'plain', 'script');
$node->command_ok([ 'pg_dump', '-Fp', '--inserts', '-f', "$dump.inserts.sql", 'source' ], 'dump as statements');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.inserts.sql", '-d', 'inserts' ], 'restore as statements');
check_copy('source', 'inserts', 'statements');
$node->command_ok([ 'pg_dump', '-Fp', '-f', "$dump.again.sql", 'plain' ], 'dump of the copy');
is(slurp_file("$dump.again.sql") =~ s/^\\(?:un)?restrict .*\n//mgr, slurp_file("$dump.sql") =~ s/^\\(?:un)?restrict .*\n//mgr, 'a dump of the copy is the dump');
is($node->safe_psql('plain', 'SELECT count(*) FROM upstream_error_sidecars'), '0', 'sidecars are not a matter of dumps');

# somebody who is no superuser, and a dump that changes hands
$node->safe_psql('postgres', q{CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE DATABASE hers OWNER alice; CREATE DATABASE his OWNER bob; CREATE DATABASE adopted});
my @alice = (extra_params => [ '-U', 'alice' ]);
$node->safe_psql('hers', "CREATE SCHEMA ue; CREATE EXTENSION upstream_errors SCHEMA ue; SET search_path = ue; $fill", @alice);
$node->safe_psql('hers', 'GRANT TRIGGER ON ue.upstream_error_changes TO bob', @alice);
$node->command_ok([ 'pg_dump', '-U', 'alice', '-Fc', '-f', "$dump.alice", 'hers' ], 'dump by an owner who is no superuser');
$node->command_ok([ 'pg_restore', '-U', 'bob', '--exit-on-error', '--no-owner', '--no-privileges', '--no-comments', '-d', 'his', "$dump.alice" ], 'restore by another');
check_copy('hers', 'his', 'another owner', 'ue');
is($node->safe_psql('his', q{SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname LIKE 'upstream\_error%' AND relkind IN ('r', 'p', 'v', 'S')}), 'bob', 'all is his');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'adopted', "$dump.alice" ], 'restore by a superuser');
check_copy('hers', 'adopted', 'superuser', 'ue');
# a right that she gave away does not become one on the superuser's functions
$node->safe_psql('adopted', q{CREATE SCHEMA bobs AUTHORIZATION bob; GRANT USAGE ON SCHEMA ue TO bob});
$node->safe_psql('adopted', q{
	CREATE FUNCTION bobs.strike() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ALTER ROLE bob SUPERUSER; RETURN NEW; END';
	CREATE TRIGGER strike BEFORE INSERT ON ue.upstream_error_changes FOR EACH ROW EXECUTE FUNCTION bobs.strike()}, extra_params => [ '-U', 'bob' ]);
my ($code, undef, $stderr) = $node->psql('adopted', 'UPDATE ue.upstream_error_rules SET priority = 1 WHERE id = 1');
isnt($code, 0, 'a trigger of his on the log: refused');
like($stderr, qr/has a trigger whose function does not belong to/, 'and said why');
is($node->safe_psql('postgres', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'bob'}), 'f', 'he gained nothing');

# Logical replication: a subscriber has the publisher's ids and versions, and generations
# of its own.
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--no-locale' ]);
$subscriber->start;
$subscriber->safe_psql('postgres', q{CREATE EXTENSION upstream_errors; INSERT INTO upstream_error_rules (id, name, error_codes) VALUES (1000, 'local', '{500}')});
my $published = join ', ', grep { $_ ne 'upstream_error_changes' } @tables;
$node->safe_psql('source', "CREATE PUBLICATION rules FOR TABLE $published");
$subscriber->safe_psql('postgres', sprintf q{CREATE SUBSCRIPTION rules CONNECTION 'host=%s port=%s dbname=source' PUBLICATION rules}, $node->host, $node->port);
$subscriber->wait_for_subscription_sync($node, 'rules');

my $same = q{SELECT md5(string_agg((to_jsonb(r) - 'generation')::text, ' ' ORDER BY id)) FROM upstream_error_rules AS r WHERE id < 1000};
my $logged = q{SELECT count(*) FROM upstream_error_rules AS r LEFT JOIN upstream_error_changes AS c USING (generation)
	WHERE (c.object, c.key, c.version) IS DISTINCT FROM ('rule', r.id::text, r.version) OR c.new <> to_jsonb(r)};

sub check_subscriber
{
	my ($name) = @_;
	$node->wait_for_catchup('rules');
	is($subscriber->safe_psql('postgres', "SET timezone = 'UTC'; $same"), $node->safe_psql('source', "SET timezone = 'UTC'; $same"), "$name: the rules are the publisher's, versions too");
	is($subscriber->safe_psql('postgres', "SET timezone = 'UTC'; $logged"), '0', "$name: each row has its entry in the subscriber's log");
}
check_subscriber('copied');
is($subscriber->safe_psql('postgres', 'SELECT min(generation), count(*) > 50 FROM upstream_error_changes'), '1|t', 'the subscriber counts by itself');

my ($in, $out, $err) = ('', '', '');
my $listener = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $subscriber->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
$in = "LISTEN upstream_errors;\n\\echo listening\n";
$listener->pump until $out =~ /listening/;
my $before = $subscriber->safe_psql('postgres', 'SELECT upstream_error_generation()');
$node->safe_psql('source', q{UPDATE upstream_error_rules SET priority = 70 WHERE id < 4; DELETE FROM upstream_error_rules WHERE id = 49;
	INSERT INTO upstream_error_rules (name, error_codes) VALUES ('later', '{418}'); UPDATE upstream_error_messages SET message = 'Langsamer.'});
check_subscriber('applied');
is($subscriber->safe_psql('postgres', "SELECT string_agg(object || ' ' || operation, ', ' ORDER BY generation) FROM upstream_error_changes WHERE generation > $before"),
	'rule update, rule update, rule update, rule delete, rule insert, message update', 'applied: in the log');
my $after = $subscriber->safe_psql('postgres', 'SELECT upstream_error_generation()');
for (1 .. 100)
{
	last if $out =~ /payload "$after"/;
	$in .= "SELECT 1 WHERE false;\n";
	$listener->pump_nb;
	select undef, undef, undef, 0.1;
}
like($out, qr/payload "$after"/, 'applied: a listener of the subscriber is told');
$in .= "\\q\n";
$listener->finish;

$node->safe_psql('source', 'TRUNCATE upstream_error_rule_tests, upstream_error_rules');
$node->wait_for_catchup('rules');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM upstream_error_rules'), '0', 'a TRUNCATE is applied');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM (SELECT DISTINCT ON (key) operation FROM upstream_error_changes WHERE object = 'rule' ORDER BY key, generation DESC) AS l WHERE operation <> 'delete'}), '0', 'and logged');
is($subscriber->safe_psql('postgres', q{INSERT INTO upstream_error_rules (name, error_codes) VALUES ('after promotion', '{418}') RETURNING id > 1000}), 't', 'ids of the subscriber do not meet those that came');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION rules');
$subscriber->stop;

# Many sessions: generations are in the order of the commits, and no session is a victim.
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', q{CREATE EXTENSION upstream_errors;
	INSERT INTO upstream_error_rules (id, name, error_codes) SELECT n, 'rule ' || n, '{500}' FROM generate_series(1, 10) AS n});
my $script = $node->basedir . '/change.sql';
append_to_file($script, q{\set a random(1, 10)
\set b random(1, 10)
\set p random(1, 1000000)
BEGIN;
UPDATE upstream_error_rules SET priority = :p WHERE id = :a;
INSERT INTO upstream_error_messages (code, language, message) VALUES ('rate_limit_exceeded', 'de', :p) ON CONFLICT (code, language) DO UPDATE SET message = excluded.message;
UPDATE upstream_error_rules SET priority = :p + 1 WHERE id = :b;
END;
});
$node->command_checks_all([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '25', '-f', $script, 'busy' ], 0, [ qr/number of transactions actually processed: 200\/200/ ], [ qr/^(?!.*ERROR)/s ], 'eight sessions change rules at once');
is($node->safe_psql('busy', q{SELECT count(*) FROM (SELECT pg_xact_commit_timestamp(c.xmin) AS at, lag(pg_xact_commit_timestamp(c.xmin)) OVER (ORDER BY c.generation) AS previous FROM upstream_error_changes AS c) AS t WHERE at < previous}),
	'0', 'whoever knows a generation knows all below it');
is($node->safe_psql('busy', q{SELECT count(*) FROM (SELECT key, version, lag(version, 1, 0) OVER (PARTITION BY object, key ORDER BY generation) AS previous FROM upstream_error_changes) AS t WHERE version <> previous + 1}),
	'0', 'versions have no gap and no double');
is($node->safe_psql('busy', "SET timezone = 'UTC'; $logged"), '0', 'each row is as its last entry says');

# a snapshot is of one moment: the generation that it names is that of its youngest row
is($node->safe_psql('busy', q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM upstream_error_rules;
	SELECT (split_part(s, E'\n', 1)::jsonb ->> 'generation')::bigint = upstream_error_generation() FROM upstream_error_snapshot() AS s; COMMIT}), "10\nt", 'snapshot in REPEATABLE READ');

$node->stop;
done_testing();
