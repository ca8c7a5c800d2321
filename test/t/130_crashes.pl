# SPDX-License-Identifier: PostgreSQL

# Under load the sidecar is killed with SIGKILL and Postgres is restarted in immediate mode,
# both at random moments, round after round.  Every failure that a client was told of is a
# row, once; of those whose answer was lost on the way there is one row at the most.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use UpstreamErrors::Load;
use UpstreamErrors::Test;

my $rounds = $ENV{UE_TEST_ROUNDS} || 20;
my $seed = $ENV{UE_TEST_SEED} || int(time());
srand($seed);
note("UE_TEST_SEED=$seed");

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $upstream = start_upstream($directory);
my @options = (upstream => $upstream, database => conninfo_of($node), workers => 2);
my $sidecar = start_sidecar($directory, @options);
my $port = $sidecar->{port};

my $load = UpstreamErrors::Load->start(
	port => $port, clients => 4, directory => $directory, pause => 0.002,
	models => [qw(error:429 error:529 error:500 html500 reset)]);

for my $round (1 .. $rounds)
{
	# the two crashes in random order and distance
	my @crashes = (
		[ rand() * 0.6, sub {
			$sidecar->kill_hard;
			$sidecar = start_sidecar($directory, @options, listen => "127.0.0.1:$port", journal => $sidecar->{journal});
		} ],
		[ rand() * 0.6, sub { $node->stop('immediate'); $node->start } ]);
	my $started = time();
	for my $crash (sort { $a->[0] <=> $b->[0] } @crashes)
	{
		my $left = $started + $crash->[0] - time();
		sleep $left if $left > 0;
		$crash->[1]->();
	}
}
sleep 0.2;    # a little more load on the last one, nothing is asserted about it
my $result = $load->stop;
my $n_answered = keys %{ $result->{answered} };
note("$n_answered answered, $result->{unanswered} unanswered");

is(scalar @{ $result->{odd} }, 0, 'every answer was one of ours') or diag(join '', @{ $result->{odd} }[0 .. 4]);
cmp_ok($n_answered, '>', 20 * $rounds, 'there was load');
cmp_ok($result->{unanswered}, '>', 0, 'and crashes hit requests in progress');
is(scalar(grep { $_ > 1 } values %{ $result->{answered} }), 0, 'no request id was given twice');

wait_for_events($node, $n_answered);
ok(poll_for(sub { ($sidecar->metric('upstream_errors_journal_pending_bytes') // 1) == 0 }), 'the journal is empty');
my %rows;
$rows{$_}++ for split /\n/, $node->safe_psql('postgres', 'SELECT request_id FROM upstream_error_events');
my @lost = grep { !$rows{$_} } keys %{ $result->{answered} };
my @twice = grep { $rows{$_} > 1 } keys %rows;
my @more = grep { !$result->{answered}{$_} } keys %rows;
is(scalar @lost, 0, "none of $n_answered failures is lost") or diag("@lost[0 .. ($#lost > 4 ? 4 : $#lost)]");
is(scalar @twice, 0, 'none is there twice') or diag("@twice[0 .. ($#twice > 4 ? 4 : $#twice)]");
cmp_ok(scalar @more, '<=', $result->{unanswered}, 'and no more than were in progress besides');
is($node->safe_psql('postgres', 'SELECT count(*) FROM upstream_error_events WHERE class IS NULL OR platform IS NULL OR message IS NULL'), 0, 'every row is whole');
is(scalar(grep { -s $_ } glob("$sidecar->{journal}/*quarantine*")), 0, 'nothing was put aside');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
$upstream->stop;
$node->stop;
done_testing();
