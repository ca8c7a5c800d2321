# Channels, retry policies, health rules and the health of channels: through dumps and
# restores, to listeners, on a standby, and from several sidecars at once.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @tables = qw(upstream_error_changes upstream_error_channels upstream_error_retry_policies upstream_error_health_rules
	upstream_error_channel_health upstream_error_channel_transitions);
my @sequences = qw(upstream_error_channels_id_seq upstream_error_retry_policies_id_seq upstream_error_health_rules_id_seq);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "deadlock_timeout = 200ms\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION upstream_errors;
	INSERT INTO upstream_error_channels (name, platform, base_url, credential, models, model_mapping, status_code_mapping)
	SELECT 'channel ' || n, 'openai', 'https://c' || n || '.example.com', 'env:KEY_' || n, '{gpt-*}', '{"gpt-4": "gpt-4o"}', '{"529": 503}' FROM generate_series(1, 20) AS n;
	UPDATE upstream_error_channels SET weight = 5 WHERE id % 2 = 0;
	DELETE FROM upstream_error_channels WHERE id = 20;
	UPDATE upstream_error_channels SET name = 'swap' WHERE id = 1;
	UPDATE upstream_error_channels SET name = 'channel 1' WHERE id = 2;
	UPDATE upstream_error_channels SET name = 'channel 2' WHERE id = 1;
	INSERT INTO upstream_error_retry_policies (name, retry_statuses, stop_codes) VALUES ('patient', '500-599,429', '{rate_limit_exceeded}');
	INSERT INTO upstream_error_health_rules SELECT * FROM upstream_error_health_defaults();
	UPDATE upstream_error_health_rules SET duration_s = 60 WHERE id = 4;
	SELECT upstream_error_record_transitions(ARRAY[now()], ARRAY[gen_random_uuid()], '{1}', '{channel 2}', '{gpt-5}', '{healthy}', '{cooling}',
		ARRAY[now() + interval '1 h'], '{3}', '{Überlastet}', '{rate_limit}', '{429}', '{1}', ARRAY[gen_random_uuid()], '{req_1}', '{i1}');
	SELECT upstream_error_clear_health('channel 5', NULL, 'a test');
});

sub content
{
	my ($database) = @_;
	return $node->safe_psql($database, "SET timezone = 'UTC';"
		. join('', map { "SELECT '$_', md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')), count(*) FROM $_ AS t;" } @tables)
		. join('', map { "SELECT '$_', last_value, is_called FROM $_;" } @sequences)
		. 'SELECT md5(upstream_error_snapshot()); SELECT * FROM upstream_error_health()');
}

# --- dumps and restores ---
my $dump = $node->basedir . '/source.dump';
my $expected = content('source');
like($expected, qr/channel_health\|[0-9a-f]{32}\|1\n/, 'there is something to keep');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(whole jobs script inserts);
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'source' ], 'dump');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', 'whole', $dump ], 'restore in one transaction');
{
	local $ENV{PGTZ} = 'Asia/Kathmandu';
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-j2', '-d', 'jobs', $dump ], 'restore with two jobs, elsewhere');
}
$node->command_ok([ 'pg_dump', '-Fp', '-f', "$dump.sql", 'source' ], 'dump as a script');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", '-d', 'script' ], 'restore as a script');
$node->command_ok([ 'pg_dump', '-Fp', '--inserts', '-f', "$dump.inserts.sql", 'source' ], 'dump as statements');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.inserts.sql", '-d', 'inserts' ], 'restore as statements');
for my $copy (qw(whole jobs script inserts))
{
	is(content($copy), $expected, "$copy: rows, versions, history, health and sequences are the same");
	is($node->safe_psql($copy, q{UPDATE upstream_error_channels SET weight = 9 WHERE id = 4 RETURNING version}), '3', "$copy: versions go on");
	is($node->safe_psql($copy, q{INSERT INTO upstream_error_channels (name, platform, base_url) VALUES ('new', 'openai', 'https://n.example.com') RETURNING id}), '21', "$copy: so do ids");
	is($node->safe_psql($copy, q{SELECT upstream_error_clear_health('channel 2', 'gpt-5')}), '1', "$copy: and health");
}

# --- listeners ---
my ($in, $out, $err) = ('', '', '');
my $listener = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('source') ], '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
$in = "LISTEN upstream_errors; LISTEN upstream_errors_health;\n\\echo listening\n";
$listener->pump until $out =~ /listening/;

# The payloads that arrive until one fits, parsed by the server.
sub hear
{
	my ($pattern, $name) = @_;
	for (1 .. 100)
	{
		last if $out =~ $pattern;
		$in .= "SELECT 1 WHERE false;\n";
		$listener->pump_nb;
		select undef, undef, undef, 0.05;
	}
	like($out, $pattern, $name);
	my @payloads = $out =~ /notification "upstream_errors_health" with payload "(.*)" received/g;
	$out = '';
	return @payloads;
}
sub record_pause
{
	my ($at, $state, $until, $more) = @_;
	return $node->safe_psql('source', qq{SELECT upstream_error_record_transitions(ARRAY['$at'::timestamptz], ARRAY[gen_random_uuid()], '{3}', '{channel 3}', '{gpt-5}',
		'{healthy}', '{$state}', ARRAY[$until]::timestamptz[], '{2}', ARRAY[$more], '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{gateway-1}')});
}
sub fields
{
	my ($payload) = @_;
	$payload =~ s/'/''/g;
	return $node->safe_psql('source', "SELECT string_agg(key || '=' || left(value, 20), ' ' ORDER BY key) FROM jsonb_each_text('$payload')");
}
my $soon = $node->safe_psql('source', 'SELECT upstream_error_generation()');
$node->safe_psql('source', q{UPDATE upstream_error_channels SET enabled = false WHERE id = 6});
hear(qr/"upstream_errors" with payload "@{[ $soon + 1 ]}"/, 'a change of a channel is told');
record_pause('2026-06-01 12:00:00+00', 'cooling', q{'2026-06-01 12:01:00.0005+00'}, q{'slow "down"'});
my @heard = hear(qr/upstream_errors_health/, 'a pause is told');
is(scalar @heard, 1, 'once');
is(fields($heard[0]), 'channel_id=3 instance=gateway-1 level=2 model=gpt-5 reason=slow "down" state=cooling until_ms=1780315260001', 'with what the others need; the end is not before the end');
record_pause('2026-06-01 12:00:01+00', 'cooling', q{'2026-06-01 12:00:30+00'}, 'NULL');
record_pause('2026-06-01 12:00:02+00', 'disabled', 'NULL', q{repeat(U&'\0001\D83D\DE00', 4000)});
@heard = hear(qr/disabled/, 'a graver one');
is(scalar @heard, 1, 'what changes nothing is not told');
is(fields($heard[0]) =~ s/ reason=\S+//r, 'channel_id=3 instance=gateway-1 level=2 model=gpt-5 state=disabled until_ms=0', 'no end is 0');
cmp_ok(length $heard[0], '<', 8000, 'a long reason is cut');
$node->safe_psql('source', q{SELECT upstream_error_clear_health('channel 3', NULL, 'mended')});
@heard = hear(qr/clear/, 'clearing is told');
like(fields($heard[0]), qr/^channel_id=3 clear=true level=0 model= reason=cleared by \S+ state=healthy until_ms=0$/, 'of the channel and all its models');
$node->psql('source', q{BEGIN; SELECT upstream_error_clear_health('channel 3'); ROLLBACK});
$node->safe_psql('source', q{SELECT upstream_error_clear_health('channel 4', 'gpt-4')});
@heard = hear(qr/channel_id[^\n]*4/, 'clearing what nobody has told the database of');
is(scalar @heard, 1, 'and nothing of what was rolled back');
like(fields($heard[0]), qr/^channel_id=4 clear=true level=0 model=gpt-4 /, 'is told all the same');
$in .= "\\q\n";
$listener->finish;

# --- several sidecars at once: nobody is a victim, and the graver and later state stands ---
my $script = $node->basedir . '/tell.sql';
append_to_file($script, q{\set a random(1, 600)
\set b random(1, 600)
\set x random(7, 9)
\set y random(7, 9)
SELECT upstream_error_record_transitions(ARRAY[t.at, t.at], ARRAY[gen_random_uuid(), gen_random_uuid()], ARRAY[:x, :y]::bigint[], '{NULL,NULL}', '{m,m}', '{healthy,healthy}',
	'{cooling,cooling}', ARRAY[t.at + (3600 + :a) * interval '1 s', t.at + (3600 + :b) * interval '1 s'], '{1,1}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}',
	'{NULL,NULL}', '{NULL,NULL}', '{i,i}')
FROM (SELECT now() - :a * interval '1 ms' AS at) AS t;
});
$node->command_checks_all([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '50', '-f', $script, 'source' ], 0, [ qr/number of transactions actually processed: 400\/400/ ], [ qr/^(?!.*ERROR)/s ], 'eight sidecars tell at once');
is($node->safe_psql('source', q{SELECT count(*) FROM upstream_error_channel_transitions WHERE channel_id BETWEEN 7 AND 9}), '800', 'each is a row');
is($node->safe_psql('source', q{SELECT count(*) FROM upstream_error_channel_health AS h WHERE h.channel_id BETWEEN 7 AND 9
	AND h.until = (SELECT max(t.until) FROM upstream_error_channel_transitions AS t WHERE t.channel_id = h.channel_id)}), '3', 'the latest end stands');

# --- a standby ---
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $health = q{SELECT string_agg(channel || ' ' || state, ', ' ORDER BY channel, model) FROM upstream_error_health()};
is($standby->safe_psql('source', $health), $node->safe_psql('source', $health), 'a standby knows who is not well');
is($standby->safe_psql('source', 'SELECT md5(upstream_error_snapshot())'), $node->safe_psql('source', 'SELECT md5(upstream_error_snapshot())'), 'and the channels');
is($standby->safe_psql('source', q{SELECT count(*) FROM upstream_error_explain_request('none')}), '0', 'and explains');
my ($code, undef, $stderr) = $standby->psql('source', q{SELECT upstream_error_clear_health('channel 7')});
like($stderr, qr/read-only|recovery/, 'and cannot clear');
isnt($code, 0, 'which is an error');

$standby->stop;
$node->stop;
done_testing();
