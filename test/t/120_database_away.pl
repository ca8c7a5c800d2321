# SPDX-License-Identifier: PostgreSQL

# Postgres away before the sidecar starts, there, away again, there again: the answers are
# the same bytes, no client waits for it, and every failure arrives as a row.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use UpstreamErrors::Test;

my @models = map { "error:$_" } qw(429 529 500 401 404 context quota);
my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $conninfo = conninfo_of($node);
$node->stop;

my $upstream = start_upstream($directory);
my $sidecar = start_sidecar($directory, upstream => $upstream, database => $conninfo);
my (%ids, $reference);

# One of each, normalised: our request id and nothing else may differ.
sub ask_all
{
	my ($phase) = @_;
	my $text = '';
	my $slowest = 0;
	for my $model (@models)
	{
		my $started = time();
		my $answer = request('POST', "$sidecar->{url}/v1/messages", {}, { model => $model });
		my $took = time() - $started;
		$slowest = $took if $took > $slowest;
		my $id = $answer->{headers}{'x-upstream-errors-request-id'} // 'none';
		$ids{$id} = $phase;
		my $headers = join '', map { "$_: $answer->{headers}{$_}\n" } grep { $_ ne 'date' } sort keys %{ $answer->{headers} };
		(my $normalised = "$answer->{status}\n$headers\n$answer->{content}\n") =~ s/\Q$id\E/ID/g;
		$text .= $normalised;
	}
	$reference //= $text;
	is($text, $reference, "$phase: the same answers, byte for byte");
	cmp_ok($slowest, '<', 1, "$phase: no client waits");
	return;
}

sub is_connected
{
	return ($sidecar->metric('upstream_errors_database_connected') // 0) >= 1;
}

ask_all('stopped before the start') for 1 .. 3;
is(request('GET', "$sidecar->{admin_url}/healthz")->{status}, 200, 'the sidecar is healthy without a database');
$node->start;
is(wait_for_events($node, scalar keys %ids), scalar keys %ids, 'what had gathered arrives');
ok(poll_for(\&is_connected), 'connected');
ask_all('there') for 1 .. 3;
$node->stop('fast');
ask_all('stopped later') for 1 .. 3;
$node->start;
ask_all('started again') for 1 .. 3;
is(wait_for_events($node, scalar keys %ids), scalar keys %ids, 'all arrive');
$node->stop('immediate');
ask_all('crashed') for 1 .. 3;
is($sidecar->stop, 0, 'the sidecar ends in time without its database');
$sidecar = start_sidecar($directory, upstream => $upstream, database => $conninfo, journal => $sidecar->{journal});
ask_all('a new sidecar, no database') for 1 .. 2;
$node->start;
is(wait_for_events($node, scalar keys %ids), scalar keys %ids, 'the journal of the one before arrives as well');

# A database that is there but slow: the lock keeps every recording waiting.
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE upstream_error_events IN ACCESS EXCLUSIVE MODE');
ask_all('locked') for 1 .. 3;
$blocker->query_safe('COMMIT');
$blocker->quit;
is(wait_for_events($node, scalar keys %ids), scalar keys %ids, 'what had waited for the lock arrives');

my $twice = $node->safe_psql('postgres',
	'SELECT count(*) FROM (SELECT request_id FROM upstream_error_events GROUP BY 1 HAVING count(*) > 1) twice');
is($twice, 0, 'none twice');
my $known = join ',', map { "'$_'" } keys %ids;
is($node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE request_id NOT IN ($known)"), 0, 'and none that nobody asked for');
is($node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events_default"), 0, 'each in the partition of its day');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
$upstream->stop;
$node->stop;
done_testing();
