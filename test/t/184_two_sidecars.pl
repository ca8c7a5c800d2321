# SPDX-License-Identifier: PostgreSQL

# Two sidecars on one Postgres know of each other's failures at once, and under load lose
# and double nothing, also when Postgres is killed in the middle.
use strict;
use warnings;
use feature 'state';

use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use UpstreamErrors::Client;
use UpstreamErrors::Cluster;
use UpstreamErrors::Routing;
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $cluster = UpstreamErrors::Cluster->start($directory, qw(a b c));
my @names = qw(one two);
my (%sidecar, %client);

sub start_one
{
	my ($name) = @_;
	$sidecar{$name} = start_sidecar($directory, upstream => $cluster, database => conninfo_of($node), name => $name, workers => 2,
		arguments => [ '--instance', $name, '--verdict-deadline', '1s' ]);
	$client{$name} = UpstreamErrors::Client->new($sidecar{$name}{url});
	return;
}

sub channel { my ($name, %more) = @_; return { name => $name, platform => 'openai', base_url => $cluster->{channels}{$name}, %more } }
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub set { set_routing($node, @_); in_force($node, values %sidecar); return }
sub hit { my ($name, $case) = @_; $client{$name}->ask(case => $case); return join ' ', map { $_->{channel} } $cluster->seen(case => $case) }

start_one($_) for @names;
my %patient = (name => 'patient', max_attempts => 4, backoff_ms => 20, budget_percent => 60, budget_burst => 50);

# --- how soon the other knows ---
set(channels => [ channel('a'), channel('b', priority => 1) ], policies => [ \%patient ], health => [ { name => 'limits', classes => ['rate_limit'], scope => 'channel' } ]);
my (@took, $n_wrong);
for my $round (1 .. 20)
{
	my ($first, $second) = $round % 2 ? @names : reverse @names;
	# until both ask a again
	sql("SELECT upstream_error_clear_health('a')");
	$cluster->play;
	for my $name (@names) { poll_for(sub { state $n = 0; hit($name, "$round-$name-" . $n++) eq 'a' }, 10) or fail("round $round: $name does not come back") }
	$cluster->play(a => 'n=1 error:limit retry-after=60');
	my $answer = $client{$first}->ask;
	my $told = time();
	$n_wrong++ if $answer->{status} != 200;
	poll_for(sub { state $n = 0; hit($second, "$round-other-" . $n++) eq 'b' }, 10) or fail("round $round: $second does not know");
	my @late = grep { $_->{channel} eq 'a' } $cluster->seen;
	push @took, @late > 1 ? $late[-1]{at_us} / 1000 - 1000 * $told : 0;
}
my @sorted = sort { $a <=> $b } @took;
diag(sprintf 'from the first answer to the last request of the other sidecar to a paused channel: p50 %.0f ms, max %.0f ms', $sorted[ $#sorted / 2 ], $sorted[-1]);
is($n_wrong // 0, 0, 'no client saw any of it');
cmp_ok($sorted[ $#sorted / 2 ], '<', 100, 'what one sidecar has learnt the other knows within 100 ms');
cmp_ok($sorted[-1], '<', 2000, 'and on a busy machine soon after');
sql("SELECT upstream_error_clear_health('a')");
$cluster->play;
for my $name (@names) { ok(poll_for(sub { state $n = 0; hit($name, "end-$name-" . $n++) eq 'a' }, 10), "$name: cleared in SQL is cleared here") }

# --- under load, with Postgres killed in the middle ---
set(channels => [ map { channel($_) } qw(a b c) ], policies => [ \%patient ],
	health => [ { name => 'limits', classes => ['rate_limit'], max_s => 2 }, { name => 'broken', classes => ['server_error'], threshold => 32, window_s => 1, base_s => 1, max_s => 2 } ]);
for my $name (@names) { poll_for(sub { ($sidecar{$name}->metric('upstream_errors_journal_pending_bytes') // 1) == 0 }, 20) or fail("$name ships nothing") }
sql('DELETE FROM upstream_error_events');
$cluster->play(
	a => "t=1000-1500 error:limit retry-after=1\nshare=0.2 error:529\nshare=0.05 reset",
	b => "t=3000-3300 error:limit retry-after-ms=700\nshare=0.1 error:503\nshare=0.05 error-200",
	c => "share=0.15 error:500\nshare=0.05 html500");
my $seconds = 10;
my @load;
for my $number (1 .. 6)
{
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		my $own = UpstreamErrors::Client->new($sidecar{ $names[ $number % 2 ] }{url});
		my $end = time() + $seconds;
		open my $out, '>', "$directory/load.$number" or POSIX::_exit(2);
		for (my $i = 0; time() < $end; $i++)
		{
			my $answer = $own->ask(case => "load-$number-$i");
			printf $out "%d %s %s\n", $answer->{status}, $answer->{headers}{'x-upstream-errors-request-id'} // '-', "load-$number-$i";
			sleep 0.01;
		}
		close $out;
		POSIX::_exit(0);
	}
	push @load, $pid;
}
sleep 3;
$node->stop('immediate');
sleep 3;
$node->start;
waitpid $_, 0 for @load;
my (%status, $n_requests);
for my $file (glob("$directory/load.*")) { for my $line (split /\n/, read_file($file)) { $status{ (split ' ', $line)[0] }++; $n_requests++ } }
my @seen = $cluster->seen;
my @failed = grep { $_->{scenario} ne 'ok' } @seen;
my %attempts;
$attempts{ $_->{case} }++ for @seen;
my @counts = sort { $b <=> $a } values %attempts;
diag(sprintf '%d requests of clients, %d upstream, %d of these failed; answered: %s; most attempts of one request: %d',
	$n_requests, scalar @seen, scalar @failed, join(', ', map { "$_ x $status{$_}" } sort keys %status), $counts[0]);
cmp_ok($n_requests, '>', 500, 'a load');
is($status{599} // 0, 0, 'every request is answered');
cmp_ok(($status{200} // 0) / $n_requests, '>', 0.97, 'nearly every one is good, though one upstream request in five fails');
cmp_ok(scalar @failed, '>', 0.1 * @seen, 'which they do');
# a request that libcurl sends again by itself on a new connection is one attempt of ours
cmp_ok($counts[0], '<=', 4 + 2, 'attempts are bounded');
my $n_budget = 2 * 2 * 50 + 1.6 * $n_requests;
cmp_ok(scalar @seen, '<=', $n_budget, 'and so are all of them together');

# --- what is on record ---
my $n_told = grep { $_->{scenario} ne 'reset' } @failed;
my $n_resets = @failed - $n_told;
poll_for(sub { sql("SELECT count(*) FROM upstream_error_events WHERE coalesce(network_error, 'none') = 'none' AND kind <> 'local_error'") >= $n_told }, 30);
is(sql("SELECT count(*) FROM upstream_error_events WHERE coalesce(network_error, 'none') = 'none' AND kind <> 'local_error'"), $n_told, 'every failed answer of an upstream is one row, none lost, none twice');
cmp_ok(sql("SELECT count(*) FROM upstream_error_events WHERE network_error = 'reset'"), '<=', $n_resets, 'resets no more than there were');
ok(poll_for(sub { sql('SELECT count(*) FROM upstream_error_events WHERE outcome IS NULL') == 0 }, 20), 'each with what became of it');
# in one statement: recoveries are still coming in
is(sql("SELECT count(*) - count(DISTINCT request_id) FROM upstream_error_events WHERE outcome = 'recovered'"), 0, 'a request is saved once');
ok(poll_for(sub { sql('SELECT count(DISTINCT request_id) FROM upstream_error_events') == sql("SELECT count(*) FROM upstream_error_events WHERE outcome IN ('recovered', 'answered')") }, 20), 'each story has one end');
is(sql("SELECT count(*) FROM upstream_error_events WHERE outcome = 'recovered' AND response_status IS DISTINCT FROM 200"), 0, 'a saved one a good one');
is(sql("SELECT count(*) FROM (SELECT request_id, count(*), max(attempt) FROM upstream_error_events GROUP BY 1 HAVING count(*) <> max(attempt)) AS t"), 0, 'no attempt of it is missing');
is(sql('SELECT count(DISTINCT instance) FROM upstream_error_channel_transitions WHERE at > now() - interval \'1 minute\''), 2, 'both sidecars have told of changes');
is(sql("SELECT count(*) FROM upstream_error_channel_transitions t WHERE to_state <> 'healthy' AND event_id IS NOT NULL AND NOT EXISTS (SELECT FROM upstream_error_events e WHERE e.event_id = t.event_id) AND at > (SELECT min(at) FROM upstream_error_events)"), 0, 'each pause with an event that exists');
$cluster->play;
ok(poll_for(sub { $client{$_}->ask for @names; sql("SELECT count(*) FROM upstream_error_channel_health h JOIN upstream_error_channels c ON c.id = h.channel_id WHERE state <> 'healthy' AND until > now()") == 0 }, 20), 'in the end nobody is paused');

# --- both start again ---
set(channels => [ channel('a'), channel('b', priority => 1) ], policies => [ \%patient ], health => [ { name => 'limits', classes => ['rate_limit'], scope => 'channel' } ]);
$cluster->play(a => 'error:limit retry-after=90');
is(hit('one', 'last'), 'a b', 'a limit');
ok(poll_for(sub { sql("SELECT count(*) FROM upstream_error_health()") > 0 }, 10), 'is in Postgres');
is($sidecar{$_}->stop, 0, "$_ ends") for @names;
$node->restart;
start_one($_) for @names;
in_force($node, values %sidecar);
for my $name (@names) { ok(poll_for(sub { state $n = 0; hit($name, "again-$name-" . $n++) eq 'b' }, 10), "$name: everything was started anew, and it is known") }
is($sidecar{$_}->stop, 0, "$_ ends cleanly") for @names;
done_testing();
