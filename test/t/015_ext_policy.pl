# The policy in a backend's memory: a committed rule holds everywhere (standby, subscriber of
# logical replication, prepared plans, many sessions at once), and nothing of the old ones
# stays behind, whatever interrupts the work.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Of the sessions that change rules against those that decide.
my $seconds = $ENV{UE_TEST_SECONDS} || 4;

my @init = (extra => [ '--encoding=UTF8', '--no-locale' ]);
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 'logical', @init);
$primary->append_conf('postgresql.conf', 'max_connections = 40');
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION upstream_errors;
	-- the number that the rule "teapot" has been given last, as a client would read it
	CREATE FUNCTION decided(status int DEFAULT 418) RETURNS int LANGUAGE sql AS $$
		SELECT substring(v.response_body::jsonb #>> '{error,message}' FROM 'number (\d+)')::int
		FROM upstream_error_decide('openai', status, '{"error":{"message":"as it came"}}') AS v
	$$;
	-- waits inside one statement, which holds one snapshot
	CREATE FUNCTION wait_for(wanted int) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..1200 LOOP
			IF decided() IS NOT DISTINCT FROM wanted THEN
				RETURN 'seen';
			END IF;
			PERFORM pg_sleep(0.05);
		END LOOP;
		RETURN 'not seen';
	END $$;
	CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS $$
		SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts
		WHERE name LIKE 'upstream_errors%' OR parent LIKE 'upstream_errors%'
	$$;
	INSERT INTO upstream_error_rules (name, error_codes, passthrough_body, custom_message)
	VALUES ('teapot', '{418}', false, 'number 1');
});
is($primary->safe_psql('postgres', 'SELECT decided()'), '1', 'a rule decides');

sub set_number
{
	my ($number) = @_;
	$primary->safe_psql('postgres', "UPDATE upstream_error_rules SET custom_message = 'number $number' WHERE name = 'teapot'");
}

# A session of that node that has compiled the rules before, and waits for others.
sub start_waiting
{
	my ($node, $number) = @_;
	my ($out, $err) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres') ],
		'<', \"SELECT decided() IS NOT NULL;\nSELECT wait_for($number);\n", '>', \$out, '2>', \$err,
		IPC::Run::timeout(120));
	$session->pump until $out =~ /^t$/m || $err ne '';
	return sub { $session->finish; diag($err) if $err ne ''; return (split /\n/, $out)[1] };
}

# --- a hot standby ---
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', 'SELECT decided()'), '1', 'standby: decides');
my $seen = start_waiting($standby, 2);
set_number(2);
is($seen->(), 'seen', 'standby: a session with the old rules sees those committed on the primary');
is($standby->safe_psql('postgres', q{SELECT rule_name FROM upstream_error_explain('openai', 418, '')}), 'teapot', 'standby: explains');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM upstream_error_preview(NULL, '1h')}), '0', 'standby: previews');
$standby->stop('fast');

# --- a subscriber ---
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(@init);
$subscriber->start;
$primary->safe_psql('postgres', 'CREATE PUBLICATION rules FOR TABLE upstream_error_rules');
my $functions = $primary->safe_psql('postgres', q{SELECT string_agg(pg_get_functiondef(oid), E';\n') FROM pg_proc WHERE proname IN ('decided', 'wait_for')});
$subscriber->safe_psql('postgres', "CREATE EXTENSION upstream_errors; $functions;");
my $publisher = $primary->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION rules CONNECTION '$publisher' PUBLICATION rules");
$subscriber->wait_for_subscription_sync($primary, 'rules') if $subscriber->can('wait_for_subscription_sync');
$subscriber->poll_query_until('postgres', 'SELECT decided() IS NOT DISTINCT FROM 2') or die 'no rules at the subscriber';
$seen = start_waiting($subscriber, 3);
set_number(3);
is($seen->(), 'seen', 'subscriber: a session with the old rules sees those that were replicated');
$seen = start_waiting($subscriber, 4);
set_number(4);
is($seen->(), 'seen', 'subscriber: again');
$primary->safe_psql('postgres', 'TRUNCATE upstream_error_rules');
$subscriber->poll_query_until('postgres', 'SELECT decided() IS NULL') or die 'the rules stay';
pass('subscriber: a TRUNCATE arrives');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION rules');
$subscriber->stop('fast');
$primary->safe_psql('postgres', q{DROP PUBLICATION rules;
	INSERT INTO upstream_error_rules (name, error_codes, passthrough_body, custom_message) VALUES ('teapot', '{418}', false, 'number 1')});

# --- memory, over many rule sets in one session ---
my $growth = $primary->safe_psql('postgres', q{
	CREATE PROCEDURE change(first int, last int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN first..last LOOP
			UPDATE upstream_error_rules SET custom_message = 'number ' || i, patterns = ARRAY['(?i)pattern ' || i, 'other'], keywords = ARRAY['word ' || i]
			WHERE name = 'teapot';
			COMMIT;
			IF decided() <> i THEN
				RAISE EXCEPTION 'stale: % instead of %', decided(), i;
			END IF;
		END LOOP;
	END $$;
	CALL change(1, 100);
	SELECT sum(total_bytes) AS before, memory() AS mine FROM pg_backend_memory_contexts \gset
	CALL change(101, 1100);
	SELECT sum(total_bytes) - :before < 300000, memory() - :mine < 20000, memory() > 0 FROM pg_backend_memory_contexts;
});
is($growth, 't|t|t', 'memory: the same after 1,000 changes');

# --- interrupted while it reads ---
$primary->safe_psql('postgres', q{
	ALTER FUNCTION upstream_error_snapshot() RENAME TO snapshot_really;
	CREATE FUNCTION upstream_error_snapshot() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_sleep(current_setting('test.pause', true)::float8);
		RETURN snapshot_really();
	END $$;
});
my $script = "SET test.pause = 0;\nSELECT decided();\nSELECT memory() AS before \\gset\nSET test.pause = 10;\n"
	. "SELECT upstream_error_policy_changed();\nSET statement_timeout = '20ms';\nSELECT decided();\nRESET statement_timeout;\n" x 50
	. "SET test.pause = 0;\nSELECT decided(), memory() - :before < 20000;\n";
my ($code, $out, $err) = $primary->psql('postgres', $script, on_error_stop => 0);
is((split /\n/, $out)[-1], '1100|t', 'interrupted: fifty builds that were cancelled leave nothing behind');
is(scalar(() = $err =~ /canceling statement due to statement timeout/g), 50, 'interrupted: each was');

# a session that is ended in the middle takes nobody along
my ($victim_out, $victim_err) = ('', '');
my $victim = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $primary->connstr('postgres'),
		'-c', "SET application_name = 'victim'", '-c', 'SET test.pause = 60', '-c', 'SELECT decided()' ], '<', \undef, '>', \$victim_out, '2>', \$victim_err, IPC::Run::timeout(60));
$primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'victim' AND wait_event = 'PgSleep'});
$primary->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'});
$victim->finish;
like($victim_err, qr/terminating connection/, 'terminated while it reads');
$primary->safe_psql('postgres', 'DROP FUNCTION upstream_error_snapshot(); ALTER FUNCTION snapshot_really() RENAME TO upstream_error_snapshot');
is($primary->safe_psql('postgres', 'SELECT decided()'), '1100', 'and the others go on');

# --- eight sessions change rules while eight decide ---
# Writers add one to the number of two rules in one transaction.  A decision must not be
# older than what was committed before it, nor newer than what is committed after it, and
# both rules must be of one commit.
$primary->safe_psql('postgres', q{
	DELETE FROM upstream_error_rules;
	INSERT INTO upstream_error_rules (name, error_codes, passthrough_body, custom_message, patterns)
	VALUES ('teapot', '{418}', false, 'number 1', '{one,two}'), ('kettle', '{419}', false, 'number 1', '{three}');
	CREATE FUNCTION committed() RETURNS int LANGUAGE sql STABLE AS $$
		SELECT substring(custom_message FROM '\d+')::int FROM upstream_error_rules WHERE name = 'teapot'
	$$;
	CREATE FUNCTION decided_both() RETURNS int[] LANGUAGE sql AS $$
		SELECT array_agg(substring(convert_from(b.response_body, 'UTF8')::jsonb #>> '{error,message}' FROM 'number (\d+)')::int ORDER BY b.ordinal)
		FROM upstream_error_decide_batch('{openai,openai}', '{http_error,http_error}', '{none,none}', '{418,419}', '{"",""}', '{"",""}', '{openai,openai}',
			'{client,client}', '{f,f}', '{r,r}', '{m,m}', '{NULL,NULL}', '{NULL,NULL}', ARRAY[now(), now()], '{NULL,NULL}') AS b
	$$;
	CREATE FUNCTION require(holds bool, claim text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF holds IS NOT TRUE THEN
			RAISE EXCEPTION '%', claim;
		END IF;
	END $$;
});
my $directory = PostgreSQL::Test::Utils::tempdir();

sub write_script
{
	my ($name, $content) = @_;
	open(my $file, '>', "$directory/$name") or die $!;
	print $file $content;
	close($file);
	return "$directory/$name";
}

# What a server has told a client to be committed: rows can be seen a moment earlier, when the
# invalidation is still on its way.
$primary->safe_psql('postgres', 'CREATE SEQUENCE acknowledged MINVALUE 0 START 0');
my $writer = write_script('writer', <<'END');
\set fate random(1, 10)
BEGIN;
LOCK TABLE upstream_error_rules IN SHARE ROW EXCLUSIVE MODE;
UPDATE upstream_error_rules SET custom_message = 'number ' || (committed() + 1) WHERE name = 'kettle';
UPDATE upstream_error_rules SET custom_message = 'number ' || (committed() + 1) WHERE name = 'teapot';
SELECT committed() AS mine \gset
SELECT require(decided_both() = ARRAY[:mine, :mine], 'its own change is not in force');
\if :fate = 1
ROLLBACK;
\else
COMMIT;
SELECT setval('acknowledged', greatest(:mine, (SELECT last_value FROM acknowledged))) \gset
\endif
SELECT last_value AS before FROM acknowledged \gset
SELECT (decided_both())[1] AS now \gset
SELECT require(:now >= :before, format('stale: %s after %s was committed', :now, :before));
END
my $reader = write_script('reader', <<'END');
SELECT last_value AS before FROM acknowledged \gset
SELECT b[1] AS teapot, b[2] AS kettle FROM decided_both() AS b \gset
SELECT committed() AS after \gset
SELECT require(:teapot = :kettle, format('torn: %s and %s', :teapot, :kettle));
SELECT require(:teapot >= :before, format('stale: %s after %s was committed', :teapot, :before));
SELECT require(:teapot <= :after, format('not committed: %s, at the most %s', :teapot, :after));
SELECT require(memory() < 200000, format('%s bytes are held', memory()));
END
my @bench = ('pgbench', '-n', '-T', $seconds, '-c', 8, '-j', 2);
my ($writer_out, $writer_err, $reader_out, $reader_err) = ('', '', '', '');
my $writers = IPC::Run::start([ @bench, '-f', $writer, $primary->connstr('postgres') ], '>', \$writer_out, '2>', \$writer_err, IPC::Run::timeout($seconds + 120));
my $readers = IPC::Run::start([ @bench, '-f', $reader, $primary->connstr('postgres') ], '>', \$reader_out, '2>', \$reader_err, IPC::Run::timeout($seconds + 120));
ok($writers->finish, 'eight writers') or diag($writer_err);
ok($readers->finish, 'eight that decide: never stale, never torn, never more memory') or diag($reader_err);
my ($written) = $writer_out =~ /transactions actually processed: (\d+)/;
my ($decided) = $reader_out =~ /transactions actually processed: (\d+)/;
note("$written changes, $decided decisions in $seconds s");
cmp_ok($written, '>', 8, 'rules were changed');
cmp_ok($decided, '>', 8, 'and decided by');
is($primary->safe_psql('postgres', 'SELECT committed() = decided() AND committed() = decided(419)'), 't', 'all agree in the end');

done_testing();
