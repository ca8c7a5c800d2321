# SPDX-License-Identifier: PostgreSQL

# The vendors' own SDKs, their retries switched off, against upstreams that fail by script:
# how many of their calls succeed straight, and how many through the sidecar.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UpstreamErrors::Cluster;
use UpstreamErrors::Routing;
use UpstreamErrors::Test;

my $clients = top_directory() . '/test/clients';
my ($node_binary) = grep { -x $_ } glob("$clients/node_modules/node-linux-*/bin/node");
$node_binary ||= 'node';
BAIL_OUT("the SDKs are not installed: npm ci in test/clients") unless -d "$clients/node_modules/openai";

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $cluster = UpstreamErrors::Cluster->start($directory, qw(a b c));
my $sidecar = start_sidecar($directory, upstream => $cluster, database => conninfo_of($node));
set_routing(
	$node,
	channels => [ map { my $platform = $_; map { { name => "$_-$platform", platform => $platform, base_url => $cluster->{channels}{$_} } } qw(a b c) } qw(openai anthropic gemini) ],
	policies => [ { name => 'six', max_attempts => 6, max_channel_attempts => 3, backoff_ms => 50, attempt_timeout_ms => 400, idle_timeout_ms => 400, budget_percent => 10000, budget_burst => 1000 } ]);
in_force($node, $sidecar);

open my $tap, '-|', $node_binary, "$clients/success.mjs", $cluster->{url}, $sidecar->{url} or die $!;
my $n_claims = 0;
while (my $line = <$tap>)
{
	if ($line =~ /^(not )?ok \d+ - (.*)$/) { $n_claims++; ok(!$1, $2) }
	elsif ($line =~ /^#(.*)/) { diag($1) }
}
close $tap;
cmp_ok($n_claims, '>=', 60, 'all scenarios were played');

# What was saved is on record, and so is what was not.
ok(poll_for(sub { $node->safe_psql('postgres', 'SELECT count(*) FROM upstream_error_events WHERE outcome IS NULL') == 0 }, 20), 'each failed attempt has an end');
my ($saved, $told) = split /\|/, $node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE outcome = 'recovered'), count(*) FILTER (WHERE outcome NOT IN ('recovered', 'retried')) FROM upstream_error_events");
diag("$saved requests were saved, $told failures were told to a client");
cmp_ok($saved, '>', 100, 'requests that were saved are rows');
is($node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE outcome = 'recovered' AND response_status IS DISTINCT FROM 200"), 0, 'with the good answer');
is(join(' ', planted_in($sidecar->{stderr}, $sidecar->{journal})), '', 'no planted secret in log or journal');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
done_testing();
