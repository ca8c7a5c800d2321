# SPDX-License-Identifier: PostgreSQL

# Every answer of test/good, which succeeded and looks, to a careless eye, like an error,
# passes the sidecar byte for byte and becomes no row: in one piece and a byte at a time, to
# clients that asked for a stream and to clients that did not, and where it is a JSON body
# with a megabyte behind what the sidecar looks at.
use strict;
use warnings;

use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $good = top_directory() . '/test/good';
my @cases = corpus_cases($good);
cmp_ok(scalar @cases, '>=', 27, 'there are good answers');

# The same, in one directory with what begins like them and is long.
my $bodies = "$directory/good";
mkdir $bodies;
my @replayed;
for my $kase (@cases)
{
	my @versions = ({ %$kase });
	push @versions, { %$kase, name => "$kase->{name}-long", body => $kase->{body} =~ s/\s*\z//r . ' ' x 1_000_000 . "\n" }
	  if $kase->{body} =~ /\A\s*[\[{]/ && $kase->{headers}{'content-type'} =~ m{^application/json};
	for my $version (@versions)
	{
		mkdir "$bodies/$version->{name}";
		copy("$good/$kase->{name}/$_", "$bodies/$version->{name}/$_") or die "$kase->{name}: $!" for qw(case headers);
		write_file("$bodies/$version->{name}/body", $version->{body});
		push @replayed, $version;
	}
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $upstream = start_upstream($directory, bodies => $bodies);
my %platforms = map { $_->{platform} => 1 } @replayed;
my $sidecar = start_sidecar($directory, upstream => $upstream, database => conninfo_of($node), platforms => [ sort keys %platforms ]);

sub path_of
{
	my ($kase, $scenario) = @_;
	my $path = $kase->{platform} eq 'anthropic' ? '/v1/messages'
	  : $kase->{platform} eq 'gemini' ? "/v1beta/models/$scenario:generateContent"
	  : $kase->{name} =~ /responses/ ? '/v1/responses' : '/v1/chat/completions';
	return "$sidecar->{url}/$kase->{platform}$path";
}

for my $kase (@replayed)
{
	for my $how (qw(case case-split))
	{
		# a megabyte in as many chunks is a test of patience
		next if $how eq 'case-split' && length $kase->{body} > 100_000;
		for my $stream ('false', 'true')
		{
			my $scenario = "$how\@$kase->{name}";
			my $answer = request('POST', path_of($kase, $scenario), { 'x-scenario' => "$how:$kase->{name}" }, qq({"model":"$scenario","stream":$stream}));
			my $claim = "$kase->{name}, " . ($how eq 'case' ? 'whole' : 'a byte at a time') . ($stream eq 'true' ? ', a stream asked for' : '');
			is($answer->{status}, 200, "$claim: a success");
			ok($answer->{content} eq $kase->{body}, "$claim: byte for byte")
			  or diag('got ' . length($answer->{content}) . " bytes: $answer->{content}");
			is($answer->{headers}{'content-type'} // '', $kase->{headers}{'content-type'} // '', "$claim: as what it is");
		}
	}
}

# What is shipped is in order: behind them comes one that is a failure.
request('POST', "$sidecar->{url}/openai/v1/chat/completions", { 'x-scenario' => 'error:500' }, '{"model":"error:500"}');
is(wait_for_events($node, 1), 1, 'none of them is a row, but the failure behind them');
is($node->safe_psql('postgres', 'SELECT class FROM upstream_error_events'), 'server_error', 'and that is the row');
is($sidecar->metric('upstream_errors_failed_attempts_total'), 1, 'nor do the metrics count one');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
$upstream->stop;
$node->stop;
done_testing();
