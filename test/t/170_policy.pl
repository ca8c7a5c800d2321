# SPDX-License-Identifier: PostgreSQL

# Rules, masks and messages reach every sidecar: soon after their commit and only then,
# through the verdict of Postgres and through the local one, in every kind of failure, and
# also when Postgres is away, has been away since the start, or says what cannot be used.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', 'max_connections = 60'); # a server that may stream has 10
$node->start;
create_database($node);

# One that may do all that a sidecar may but decide: its sidecar's verdicts are local.
$node->safe_psql('postgres', <<'END');
CREATE ROLE sidecar_local LOGIN;
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT p.oid FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
		WHERE has_function_privilege('upstream_errors_writer', p.oid, 'EXECUTE') AND p.proname <> 'upstream_error_decide_batch'
	LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO sidecar_local', f);
	END LOOP;
END $$;
END
(my $local_conninfo = conninfo_of($node)) =~ s/user=sidecar/user=sidecar_local/;

my $upstream = start_upstream($directory);
my @arguments = ('--verdict-deadline', '10s', '--log-level', 'debug', '--tags', 'x-team=team x-api-key=key');
my %sidecar;

sub start_one
{
	my ($name, %option) = @_;
	$sidecar{$name} = start_sidecar($directory, upstream => $upstream, name => $name,
		arguments => [ @arguments, '--instance', $name, @{ delete $option{arguments} || [] } ], %option);
	return $sidecar{$name};
}

start_one('deciding', database => conninfo_of($node), arguments => [ '--region', 'here' ]);
start_one('local', database => $local_conninfo);

# Over a connection of its own and in one write; {status, head, content}
sub ask
{
	my ($name, $model, %option) = @_;
	my $stream = $option{stream} ? 'true' : 'false';
	my $body = qq({"model":"$model","stream":$stream,"messages":[]});
	my $path = $option{path} || '/v1/chat/completions';
	my $headers = join '', map { "$_: $option{headers}{$_}\r\n" } keys %{ $option{headers} || {} };
	my $answer = request_raw($sidecar{$name}{port}, "POST $path HTTP/1.1\r\nhost: x\r\nconnection: close\r\n$headers"
		  . "content-type: application/json\r\ncontent-length: " . length($body) . "\r\n\r\n$body");
	my ($head, $content) = split /\r\n\r\n/, $answer, 2;
	my ($status) = ($head // '') =~ m{\AHTTP/1\.1 (\d+)};
	my ($id) = ($head // '') =~ /^x-upstream-errors-request-id: (\S+?)\r?$/mi;
	return { status => $status // 0, head => $head // '', content => $content // '', id => $id // '' };
}

sub message_of
{
	my ($answer) = @_;
	my ($json) = $answer->{content} =~ /(\{.*\})/s;
	my $said = eval { decode_json($json) } || {};
	return ref $said->{error} eq 'HASH' ? $said->{error}{message} // '' : '';
}

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub generation { return sql('SELECT upstream_error_generation()') }

sub is_in_force
{
	my ($name, $generation) = @_;
	$generation //= generation();
	return poll_for(sub { ($sidecar{$name}->metric('upstream_errors_policy_generation') // -1) == $generation }, 20);
}

sub count_log { my ($name, $event) = @_; my $log = $sidecar{$name}->log; return scalar(() = $log =~ /"event":"$event"/g) }

ok(poll_for(sub { ($sidecar{deciding}->metric('upstream_errors_database_connected') // 0) >= 1 }), 'connected');

# --- committed, and how long it takes ---
sql("INSERT INTO upstream_error_rules (name, error_codes, passthrough_body, custom_message) VALUES ('latency', '{500}', false, 'change 0')");
for my $name (qw(deciding local))
{
	ok(poll_for(sub { message_of(ask($name, 'error:500')) eq 'change 0' }), "$name: a committed rule is in force");
}
my $session = $node->background_psql('postgres');
my %took;
for my $n (1 .. 25)
{
	my %left = map { $_ => 1 } qw(deciding local);
	$session->query_safe("BEGIN; UPDATE upstream_error_rules SET custom_message = 'change $n' WHERE name = 'latency'");
	my $started = time();
	$session->query_safe('COMMIT');
	while (%left && time() - $started < 20)
	{
		for my $name (sort keys %left)
		{
			next if message_of(ask($name, 'error:500')) ne "change $n";
			push @{ $took{$name} }, 1000 * (time() - $started);
			delete $left{$name};
		}
	}
}
for my $name (qw(deciding local))
{
	my @sorted = sort { $a <=> $b } @{ $took{$name} };
	is(scalar @sorted, 25, "$name: each of 25 changes arrives");
	diag(sprintf '%s: COMMIT sent to answer seen: p50 %.1f ms, max %.1f ms', $name, $sorted[ $#sorted / 2 ], $sorted[-1]);
}
is(wait_for_events($node, 1, "instance = 'deciding' AND decided_by = 'postgres' AND rule_id IS NOT NULL AND rule_version > 20") > 0, 1, 'rows name rule and version, of Postgres');
is(wait_for_events($node, 1, "instance = 'local' AND decided_by = 'local' AND rule_id IS NOT NULL AND rule_version > 20") > 0, 1, 'and of the local verdict');
is(sql("SELECT count(*) FROM upstream_error_events WHERE instance = 'local' AND decided_by = 'postgres'"), 0, 'which Postgres had no part in');

# --- rolled back ---
$session->query_safe("BEGIN; UPDATE upstream_error_rules SET custom_message = 'rolled back' WHERE name = 'latency'; ROLLBACK");
sql("INSERT INTO upstream_error_rules (name, error_codes, passthrough_body, custom_message) VALUES ('fence', '{529}', false, 'fence')");
for my $name (qw(deciding local))
{
	ok(is_in_force($name), "$name: what was committed after a rollback is in force");
	is(message_of(ask($name, 'error:500')), 'change 25', "$name: what was rolled back is not");
}

# --- acknowledged ---
ok(poll_for(sub { sql('SELECT count(*) FROM upstream_error_sidecars WHERE generation = upstream_error_generation()') == 2 }), 'both sidecars have acknowledged the last generation');
is(sql('SELECT instance, region, version FROM upstream_error_sidecars ORDER BY 1'), "deciding|here|1.0.0\nlocal||1.0.0", 'and who they are');

# --- every path ---
my $classes = sql("SELECT array_agg(DISTINCT class) FROM upstream_error_codes() WHERE class IS NOT NULL");
sql("DELETE FROM upstream_error_rules");
sql("INSERT INTO upstream_error_rules (name, priority, has_output, classes, passthrough_code, response_code, passthrough_body, custom_message)
	VALUES ('before', 5, false, '$classes', false, 455, false, 'before {class}'), ('after', 5, true, '$classes', false, 455, false, 'after {class}')");
my @paths = (
	[ 'HTTP error', 'error:429' ],
	[ 'HTML page', 'html500' ],
	[ 'connection closed', 'close' ],
	[ 'connection reset', 'reset' ],
	[ 'error in a 200', 'error-200' ],
	[ 'first event', 'error-first-event', stream => 1 ],
	[ 'later event', 'error-mid-stream', stream => 1, output => 1 ],
	[ 'stream without its end', 'no-terminal', stream => 1, output => 1 ],
	[ 'stream that breaks', 'reset-midway', stream => 1, output => 1 ],
	[ 'Anthropic', 'error:529', path => '/v1/messages' ],
	[ 'Anthropic, later event', 'error-mid-stream', path => '/v1/messages', stream => 1, output => 1 ],
	[ 'Responses, later event', 'error-mid-stream', path => '/v1/responses', stream => 1, output => 1 ],
	[ 'count_tokens', 'error:500', path => '/v1/messages/count_tokens', row => 0 ],
	[ 'unknown route', 'ok', path => '/nowhere' ],
	[ 'a path that climbs', 'ok', path => '/v1/../x' ],
);
for my $name (qw(deciding local))
{
	ok(is_in_force($name), "$name: rules for every class");
	for my $path (@paths)
	{
		my ($what, $model, %option) = @$path;
		my $answer = ask($name, $model, %option);
		my $expected = $option{output} ? 200 : 455;
		my $word = $option{output} ? 'after' : 'before';
		ok($answer->{status} == $expected && $answer->{content} =~ /"message":"$word [a-z_]+"/, "$name: $what obeys a rule")
		  or diag("$answer->{head}\n$answer->{content}");
	}
}
my $n_rows = 2 * grep { my (undef, undef, %option) = @$_; $option{row} // 1 } @paths;
is(wait_for_events($node, $n_rows, "rule_id IN (SELECT id FROM upstream_error_rules)"), $n_rows, 'each is a row that names its rule');
is(sql("SELECT count(*) FROM upstream_error_events WHERE route LIKE '%count_tokens'"), 0, 'but for count_tokens, which the configuration excludes');
is($sidecar{local}->metric('upstream_errors_unmonitored_total'), 1, 'and counts');

# --- who said so: tags, routes, models ---
sql("DELETE FROM upstream_error_rules");
sql(q{INSERT INTO upstream_error_rules (name, error_codes, tags, routes, models, passthrough_body, custom_message)
	VALUES ('team', '{500}', '{"team": "red*"}', '{/v1/chat/*}', '{error:*}', false, 'for the red team')});
for my $name (qw(deciding local))
{
	ok(is_in_force($name), "$name: a rule for a team");
	my $red = ask($name, 'error:500', headers => { 'X-Team' => 'Red-1', 'X-Api-Key' => 'PLANTED-whatever-it-is' });
	is(message_of($red), 'for the red team', "$name: it is theirs");
	isnt(message_of(ask($name, 'error:500', headers => { 'x-team' => 'blue' })), 'for the red team', "$name: and nobody else's");
	isnt(message_of(ask($name, 'error:500')), 'for the red team', "$name: nor of those who say nothing");
	is(wait_for_events($node, 1, "request_id = '$red->{id}'"), 1, "$name: a row");
	is(sql("SELECT tags FROM upstream_error_events WHERE request_id = '$red->{id}'"), '{"key": "***", "team": "Red-1"}', "$name: with its tags, masked");
}

# --- no row ---
sql("DELETE FROM upstream_error_rules");
sql("INSERT INTO upstream_error_rules (name, classes, skip_monitoring) VALUES ('silent', '{model_not_found}', true)");
for my $name (qw(deciding local))
{
	ok(is_in_force($name), "$name: a rule that wants no rows");
	my $before = $sidecar{$name}->metric('upstream_errors_unmonitored_total');
	my @loud;
	for (1 .. 5)
	{
		ask($name, 'error:404');
		push @loud, ask($name, 'error:403')->{id};
	}
	my $ids = join ',', map { "'$_'" } @loud;
	is(wait_for_events($node, 5, "request_id IN ($ids)"), 5, "$name: the others are rows");
	is($sidecar{$name}->metric('upstream_errors_unmonitored_total') - $before, 5, "$name: five were counted instead");
	ok(poll_for(sub { $sidecar{$name}->metric('upstream_errors_journal_pending_bytes') == 0 }), "$name: nothing of them stays in the journal");
}
is(sql("SELECT count(*) FROM upstream_error_events WHERE class = 'model_not_found'"), 0, 'and none a row');

# --- masks and messages ---
sql("INSERT INTO upstream_error_mask_patterns (name, pattern) VALUES ('word', 'maximum context ([a-z]+)'), ('reason', 'due to (administrator) command')");
sql("INSERT INTO upstream_error_messages (code, language, message) VALUES ('unknown_route', 'de', 'Diesen Weg gibt es nicht.')");
for my $name (qw(deciding local))
{
	ok(is_in_force($name), "$name: a mask and a message");
	my $answer = ask($name, 'error:context');
	like(message_of($answer), qr/maximum context \*\*\*/, "$name: an operator's pattern hides a word in the answer");
	is(wait_for_events($node, 1, "request_id = '$answer->{id}'"), 1, "$name: a row");
	is(sql("SELECT count(*) FROM upstream_error_events WHERE request_id = '$answer->{id}' AND message LIKE '%maximum context ***%' AND detail LIKE '%maximum context ***%'"), 1, "$name: and in it");
	like(message_of(ask($name, 'ok', path => '/nowhere', headers => { 'accept-language' => 'de-AT, en;q=0.5' })), qr/Diesen Weg gibt es nicht/, "$name: a message in a third language");
}

# --- what cannot be used ---
my $snapshot = sql("SELECT pg_get_functiondef('upstream_error_snapshot'::regproc)");
my $replace = sub {
	my ($text) = @_;
	sql("CREATE OR REPLACE FUNCTION upstream_error_snapshot() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
		SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS \$f\$ SELECT E'$text' \$f\$");
	sql("NOTIFY upstream_errors, '0'");
	return;
};
my $held = generation();
for (1 .. 3)
{
	my $before = $sidecar{local}->metric('upstream_errors_policy_refusals_total');
	$replace->('{"snapshot":1,"generation":999,"mask_revision":0}\n{"moon":{}}\n{"end":1}\n');
	ok(poll_for(sub { $sidecar{local}->metric('upstream_errors_policy_refusals_total') > $before }), 'a policy with something unknown in it is refused');
}
is(count_log('local', 'policy_refused'), 1, 'and said once');
is($sidecar{local}->metric('upstream_errors_policy_generation'), $held, 'the one before stays in force');
like(message_of(ask('local', 'error:context')), qr/maximum context \*\*\*/, 'and is obeyed');
$replace->('{"snapshot":1,"generation":1,"mask_revision":0}\n{"end":0}\n');
ok(is_in_force('local', 1), 'an earlier generation holds');
is(count_log('local', 'policy_generation_back'), 1, 'and is wondered at');
sql($snapshot);
sql("NOTIFY upstream_errors, '0'");
ok(is_in_force('local'), 'and back');

# --- without Postgres ---
sql("INSERT INTO upstream_error_rules (name, error_codes, passthrough_body, custom_message) VALUES ('kept', '{500}', false, 'kept on disk')");
ok(is_in_force($_), "$_: one more") for qw(deciding local);
my $kept = ask('deciding', 'error:500')->{content};
like($kept, qr/kept on disk/, 'in force');
my $file = "$sidecar{deciding}{journal}/policy.jsonl";
ok(poll_for(sub { -e $file && read_file($file) =~ /kept on disk/ }), 'and on disk');
$session->quit;
$node->stop('fast');
ok(poll_for(sub { $sidecar{deciding}->metric('upstream_errors_database_connected') == 0 }), 'Postgres is stopped');
is(ask('deciding', 'error:500')->{content}, $kept, 'a sidecar that had its verdicts from there gives the same');
like($sidecar{deciding}->log, qr/due to \*\*\* command/, 'and the log hides what an operator wants hidden');
is($sidecar{deciding}->stop, 0, 'ended');
start_one('deciding', database => conninfo_of($node));
is(ask('deciding', 'error:500')->{content}, $kept, 'started without Postgres: the rules on disk hold');
like(message_of(ask('deciding', 'error:context')), qr/maximum context \*\*\*/, 'and the masks');
$sidecar{deciding}->stop;

my $good = read_file($file);
my %damage = (torn => substr($good, 0, length($good) - 20), empty => '', garbage => "\0\xff" x 5000, changed => $good =~ s/kept on disk/kept on disc/r);
for my $kind (sort keys %damage)
{
	write_file($file, $damage{$kind});
	start_one('deciding', database => conninfo_of($node));
	unlike(ask('deciding', 'error:500')->{content}, qr/kept on dis/, "a file that is $kind is not used");
	is($sidecar{deciding}->metric('upstream_errors_policy_file_failures_total'), 1, "$kind: and counted");
	$sidecar{deciding}->stop;
}
is(count_log('deciding', 'policy_file_bad'), scalar keys %damage, 'each is said once');

unlink $file;
mkdir "$file.new";
start_one('deciding', database => conninfo_of($node));
$node->start;
ok(is_in_force('deciding'), 'Postgres is back: in force, though it cannot be kept');
ok(poll_for(sub { count_log('deciding', 'policy_file_failed') == 1 }), 'which is said');
sql("UPDATE upstream_error_rules SET custom_message = 'kept again' WHERE name = 'kept'");
ok(is_in_force('deciding'), 'changes are in force all the same');
is(count_log('deciding', 'policy_file_failed'), 1, 'and nothing is said twice');
rmdir "$file.new";
sql("UPDATE upstream_error_rules SET custom_message = 'kept at last' WHERE name = 'kept'");
ok(poll_for(sub { -e $file && read_file($file) =~ /kept at last/ }), 'once it can be kept, it is');
$sidecar{deciding}->stop;

# --- another database ---
sql('CREATE DATABASE other TEMPLATE template0');
$node->safe_psql('other', 'CREATE EXTENSION upstream_errors; SELECT upstream_error_create_roles()');
(my $other = conninfo_of($node)) =~ s/dbname=postgres/dbname=other/;
start_one('deciding', database => $other);
ok(is_in_force('deciding', 0), 'the policy of another database holds when that is the one');
is(count_log('deciding', 'policy_database_changed'), 1, 'and the change is said');
unlike(ask('deciding', 'error:500')->{content}, qr/kept/, 'rules of the one before do not');
$sidecar{deciding}->stop;

# --- which failures become rows is configuration ---
start_one('choosy', database => conninfo_of($node), arguments => [ '--record-statuses', '429,500-599', '--record-exclude', 'local_error' ]);
ok(is_in_force('choosy'), 'a sidecar that records a part');
ask('choosy', $_) for qw(error:404 error:429 error:500);
ask('choosy', 'ok', path => '/nowhere');
ask('choosy', 'error:500', path => '/v1/messages/count_tokens');
is(wait_for_events($node, 3, "instance = 'choosy'"), 3, 'three of five');
is(sql("SELECT string_agg(status_code::text, ' ' ORDER BY status_code, route) FROM upstream_error_events WHERE instance = 'choosy'"), '429 500 500', 'those it was told to');
is($sidecar{choosy}->metric('upstream_errors_unmonitored_total'), 2, 'the others are counted');
$sidecar{choosy}->stop;

# --- a standby ---
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
start_one('reading', database => conninfo_of($standby));
ok(is_in_force('reading'), 'a standby tells its policy');
is($sidecar{reading}->metric('upstream_errors_policy_listening'), 0, 'where nobody can listen');
sql("UPDATE upstream_error_rules SET custom_message = 'over the wire' WHERE name = 'kept'");
ok(is_in_force('reading'), 'and a change arrives by asking');
is(message_of(ask('reading', 'error:500')), 'over the wire', 'and is obeyed');
unlike($standby->logfile && read_file($standby->logfile), qr/ERROR:.*(?:LISTEN|acknowledge)/, 'nothing is asked of it that it cannot do');
$sidecar{reading}->stop;
$standby->stop;

is(join(' ', planted_in(map { ($_->{stderr}, $_->{journal}) } values %sidecar)), '', 'no planted secret in log or journal');
is($sidecar{local}->stop, 0, 'the sidecar ends cleanly');
$upstream->stop;
$node->stop;
done_testing();
