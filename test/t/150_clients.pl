# SPDX-License-Identifier: PostgreSQL

# The vendors' own SDKs through the sidecar: what their users see is what the vendor's
# answer would have shown, or our verdict; every failure is a row of the right class.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
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
my $upstream = start_upstream($directory);
my $sidecar = start_sidecar(
	$directory, upstream => $upstream, database => conninfo_of($node), platforms => [qw(openai anthropic gemini azure)],
	arguments => [ '--first-byte-timeout', '1s', '--idle-timeout', '1s', '--record-headers', 'on' ]);

run_program('compare.mjs', 100, $upstream->{url}, $sidecar->{url});

# Its own sidecar: nobody awaits rows of it.
my $other = start_sidecar($directory, upstream => $upstream, name => 'other');
run_program('classes.mjs', 400, $upstream->{url}, $other->{url}, top_directory() . '/test/bodies');
is($other->stop, 0, 'the other sidecar ends cleanly');

# A program of test/clients, which speaks TAP, with so many claims at least.
sub run_program
{
	my ($program, $least, @arguments) = @_;
	open my $tap, '-|', $node_binary, "$clients/$program", @arguments or die $!;
	my @claims = <$tap>;
	close $tap;
	my $n_claims = 0;
	for my $line (@claims)
	{
		if ($line =~ /^(not )?ok \d+ - (.*)$/) { $n_claims++; ok(!$1, $2) }
		elsif ($line =~ /^#(.*)/) { diag($1) }
	}
	cmp_ok($n_claims, '>', $least, "$program: all were compared");
}

# The classes of the rows, by scenario; the counts are of requests that reached the upstream.
my %class_of = (
	'error:429' => 'rate_limit', 'error:529' => 'overloaded', 'error:500' => 'server_error',
	'error:401' => 'authentication', 'error:403' => 'permission', 'error:404' => 'model_not_found',
	'error:context' => 'context_length', 'error:quota' => 'billing', 'error:param' => 'invalid_request',
	'html500' => 'server_error', 'reset' => 'network', 'close' => 'network', 'stall' => 'timeout',
	'error-200' => 'overloaded', 'error-first-event' => 'overloaded', 'error-mid-stream' => 'overloaded',
	'reset-midway' => 'stream', 'stall-midway' => 'timeout', 'truncate' => 'stream',
);
my %rows;
poll_for(sub { ($sidecar->metric('upstream_errors_journal_pending_bytes') // 1) == 0 });
for my $line (split /\n/, $node->safe_psql('postgres',
	'SELECT model, platform, format, class, count(*) FROM upstream_error_events GROUP BY 1, 2, 3, 4'))
{
	my ($model, $platform, $format, $class, $count) = split /\|/, $line;
	$model =~ s/%40|@/:/; # Google's SDK names it in the path
	$rows{$model}{$format}{$class} += $count;
}
for my $scenario (sort keys %class_of)
{
	for my $format (qw(openai openai_responses anthropic gemini))
	{
		# Google words a limit per minute as a quota; without details it is one that passes
		my $class = $scenario eq 'error:quota' && $format eq 'gemini' ? 'rate_limit' : $class_of{$scenario};
		my %found = %{ $rows{$scenario}{$format} || {} };
		is(join(',', sort keys %found), $class, "$format: $scenario is a row of class $class");
	}
}
is($node->safe_psql('postgres', q{SELECT model, class, count(*) FROM upstream_error_events WHERE platform = 'azure' GROUP BY 1, 2 ORDER BY 1}),
	"error-mid-stream|overloaded|1\nerror:429|rate_limit|1", "azure: the rows' model is the deployment of the path");
is(join(' ', planted_in($sidecar->{stderr}, $sidecar->{journal})), '', 'no planted secret in log or journal');
unlike($node->safe_psql('postgres', 'SELECT e::text FROM upstream_error_events e'), qr/PLANTED/, 'no planted secret in a row, headers recorded');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
$upstream->stop;
$node->stop;
done_testing();
