# SPDX-License-Identifier: PostgreSQL

# Requests of all kinds before channels: pipelined ones, HEAD, Expect, one that waits for its
# next attempt when the sidecar has to end; a budget shared by all workers, a channel's own
# time-outs, hundreds of channels, keys that are changed under way, and a platform that only channels know.
use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UpstreamErrors::Client;
use UpstreamErrors::Cluster;
use UpstreamErrors::Routing;
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $cluster = UpstreamErrors::Cluster->start($directory, qw(a b));
my $sidecar = start_sidecar($directory, upstream => $cluster, database => conninfo_of($node), workers => 4,
	arguments => [ '--verdict-deadline', '10s', '--drain-timeout', '20s' ]);
my $client = UpstreamErrors::Client->new($sidecar->{url});
my $n_cases = 0;

sub channel { my ($name, %more) = @_; return { name => $name, platform => 'openai', base_url => $cluster->{channels}{$name}, %more } }
sub policy { return [ { name => 'p', budget_percent => 1000, budget_burst => 100, backoff_ms => 0, max_channel_attempts => 1, @_ } ] }
sub set { my (%rows) = @_; set_routing($node, %rows); in_force($node, $sidecar); return }
sub sql { return $node->safe_psql('postgres', $_[0]) }

sub ask
{
	my (%option) = @_;
	my $case = 'case' . ++$n_cases;
	my $answer = $client->ask(case => $case, %option);
	$answer->{seen} = [ $cluster->seen(case => $case) ];
	$answer->{hit} = join ' ', map { $_->{channel} } @{ $answer->{seen} };
	return $answer;
}

sub connect_raw { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) || die "no connection: $!" }
sub rest_of { my ($socket) = @_; local $SIG{ALRM} = sub { close $socket }; alarm 20; my $text = do { local $/; <$socket> } // ''; alarm 0; return $text }

ok(poll_for(sub { ($sidecar->metric('upstream_errors_database_connected') // 0) >= 1 }), 'connected');
my @tiers = (channel('a'), channel('b', priority => 1));

# --- one budget ---
set(channels => [ channel('a') ], policies => policy(budget_percent => 0, budget_burst => 5, max_attempts => 3, max_channel_attempts => 3));
$cluster->play(a => 'error:500');
for my $n (1 .. 40) { UpstreamErrors::Client->new($sidecar->{url})->ask }
is($cluster->total, 45, 'forty failures and a budget of five: four workers have no more than one');

# --- time-outs ---
set(channels => [ channel('a', first_byte_timeout_ms => 30_000), $tiers[1] ], policies => policy(first_byte_timeout_ms => 50));
$cluster->play(a => 'slow:300');
is(ask()->{hit}, 'a', "a channel's own time-out is asked before the policy's");

# --- many channels ---
set(channels => [ channel('a', weight => 0) ], policies => policy());
sql("INSERT INTO upstream_error_channels (name, platform, base_url, weight) SELECT 'many' || n, 'openai', '$cluster->{channels}{a}', 0 FROM generate_series(1, 400) AS n;
	INSERT INTO upstream_error_channels (name, platform, base_url) VALUES ('last', 'openai', '$cluster->{channels}{b}')");
in_force($node, $sidecar);
$cluster->play;
is(ask()->{hit}, 'b', 'the last of 402 channels can be the one that is asked');

is($sidecar->stop, 0, 'an orderly end');
unlike($sidecar->log, qr/AddressSanitizer|runtime error/, 'and a clean one');
$node->stop;
done_testing();
