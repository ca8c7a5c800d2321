# SPDX-License-Identifier: PostgreSQL

# A channel gets the requests that are its own, by weight, with its credential and its names
# of models, and the whole body however often it has to be sent.
use strict;
use warnings;

use Compress::Zlib qw(crc32);
use JSON::PP;
use POSIX ();
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
my $cluster = UpstreamErrors::Cluster->start($directory, qw(a b c));
$ENV{UE_TEST_KEY} = 'sk-PLANTEDenvironment1b2C3d4E5f6';
my $key_file = write_file("$directory/key", "sk-PLANTEDfile1b2C3d4E5f6G7\n");
my $sidecar = start_sidecar($directory, upstream => $cluster, database => conninfo_of($node),
	arguments => [ '--verdict-deadline', '10s', '--retry-body-memory', '128kB', '--retry-body-size', '6MB' ]);
my $client = UpstreamErrors::Client->new($sidecar->{url});
my %generous = (name => 'generous', budget_percent => 10000, budget_burst => 1000, backoff_ms => 0);
my $n_cases = 0;

sub channel { my ($name, %more) = @_; return { name => $name, platform => 'openai', base_url => $cluster->{channels}{$name}, %more } }
sub set { my (%rows) = @_; $rows{policies} ||= [ \%generous ]; set_routing($node, %rows); in_force($node, $sidecar); return }
sub sql { return $node->safe_psql('postgres', $_[0]) }

# A request goes out once more when a kept connection dies under it without a byte of an
# answer: the channel sees that as two.
sub squeeze { my (@seen) = @_; return grep { $_ == 0 || $seen[$_]{channel} ne $seen[ $_ - 1 ]{channel} } 0 .. $#seen }

sub ask
{
	my (%option) = @_;
	my $case = 'case' . ++$n_cases;
	my $answer = $client->ask(case => $case, %option);
	$answer->{seen} = [ $cluster->seen(case => $case) ];
	$answer->{hit} = join ' ', map { $_->{channel} } @{ $answer->{seen} };
	return $answer;
}

# --- weights ---
my %weight = (a => 1, b => 2, c => 7);
set(channels => [ map { channel($_, weight => $weight{$_}) } sort keys %weight ]);
$cluster->play;
my $n_requests = 10_000;
my $n_clients = 4;
my @clients;
for my $number (1 .. $n_clients)
{
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		my $own = UpstreamErrors::Client->new($sidecar->{url});
		my $n_bad = grep { $own->ask->{status} != 200 } 1 .. $n_requests / $n_clients;
		POSIX::_exit($n_bad ? 1 : 0);
	}
	push @clients, $pid;
}
my $n_failed = 0;
for (@clients) { waitpid $_, 0; $n_failed++ if $? }
is($n_failed, 0, "$n_requests requests were answered");
my $totals = $cluster->totals;
is($cluster->total, $n_requests, 'once each');
for my $name (sort keys %weight)
{
	my $share = $totals->{$name}{requests} / $n_requests;
	cmp_ok(abs($share - $weight{$name} / 10), '<', 0.03, sprintf '%s: a share of %.4f for a weight of %d in 10', $name, $share, $weight{$name});
}
set(channels => [ channel('a', weight => 0), channel('b') ]);
is(join(' ', sort keys %{ { map { ask()->{hit} => 1 } 1 .. 50 } }), 'b', 'a weight of 0 gets nothing');
$cluster->play(b => 'error:503');
is(ask()->{hit}, 'b a', 'while there is another');

# --- whose requests ---
set(channels => [ channel('a', models => ['gpt-4*']), channel('b', models => [ 'gpt-5*', 'o3' ]), channel('c', platform => 'anthropic') ]);
$cluster->play;
is(ask(model => 'gpt-4o')->{hit}, 'a', 'by the model');
is(ask(model => 'o3')->{hit}, 'b', 'one of several');
is(ask(path => '/v1/messages', model => 'claude-x')->{hit}, 'c', 'by the platform');
my $nobody = ask(model => 'gpt-3');
is("$nobody->{status} $nobody->{hit}", '503 ', 'a model that nobody serves goes nowhere');
like($nobody->{content}, qr/gpt-3/, 'and the client is told which');
set(channels => [ channel('a', enabled => JSON::PP::false), channel('b') ]);
is(join(' ', sort keys %{ { map { ask()->{hit} => 1 } 1 .. 20 } }), 'b', 'a disabled one is not asked');
set(channels => [ channel('a', enabled => JSON::PP::false) ]);
is(ask()->{hit}, '', 'even if it is the only one');

# --- credentials ---
set(channels => [ channel('a', credential => 'env:UE_TEST_KEY'), channel('a', name => 'a-claude', platform => 'anthropic', credential => "file:$key_file"), channel('a', name => 'a-gemini', platform => 'gemini', credential => 'env:UE_TEST_KEY') ]);
$cluster->play;
my %own = (authorization => 'Bearer sk-PLANTEDclient', 'x-api-key' => 'PLANTEDclient2', 'x-goog-api-key' => 'PLANTEDclient3', 'api-key' => 'PLANTEDclient4');
is_deeply(ask(path => '/openai/v1/chat/completions', headers => \%own)->{seen}[0]{credentials}, { authorization => "Bearer $ENV{UE_TEST_KEY}" }, 'openai: the key of an environment variable, and none of the client');
is_deeply(ask(path => '/anthropic/v1/messages', headers => \%own)->{seen}[0]{credentials}, { 'x-api-key' => 'sk-PLANTEDfile1b2C3d4E5f6G7' }, 'anthropic: the key of a file');
my $google = ask(path => '/gemini/v1beta/models/g:generateContent?alt=json&key=PLANTEDclient5&x=1', headers => \%own)->{seen}[0];
is_deeply($google->{credentials}, { 'x-goog-api-key' => $ENV{UE_TEST_KEY} }, 'gemini: in its own header');
is($google->{target}, '/v1beta/models/g:generateContent?alt=json&x=1', 'and the rest of the query stays');
write_file($key_file, "sk-ant-oat01-PLANTEDnew1b2C3d4\n");
kill 'HUP', $sidecar->{pid};
ok(poll_for(sub { (ask(path => '/v1/messages')->{seen}[0]{credentials}{authorization} // '') eq 'Bearer sk-ant-oat01-PLANTEDnew1b2C3d4' }, 10), 'SIGHUP reads the file again, and a token is Bearer');
set(channels => [ channel('a') ]);
is_deeply(ask(path => '/openai/v1/chat/completions', headers => \%own)->{seen}[0]{credentials}, \%own, "without a credential of its own the client's pass");
set(channels => [ channel('a', credential => 'env:UE_TEST_NOT_SET'), channel('b', credential => "file:$directory/none", priority => 1), channel('c', priority => 2) ]);
is(ask()->{hit}, 'c', 'a channel whose credential cannot be had is passed over');
like($sidecar->log, qr/"event":"channel_unusable"[^\n]*"channel":"a"[^\n]*not set/, 'and the log says why');
set(channels => [ channel('a', credential => 'env:UE_TEST_KEY'), channel('b', priority => 1) ]);
$cluster->play(a => 'error:401', b => 'error:401');
my $refused = ask(headers => { authorization => 'Bearer sk-PLANTEDclient' });
is($refused->{hit}, 'a b', 'our key refused: elsewhere');
is($refused->{status}, 401, "the client's own refused: its own affair");
set(channels => [ channel('a', credential => 'env:UE_TEST_KEY') ]);
is(ask()->{status}, 502, 'our key is no affair of the client');

# --- models and statuses by other names ---
set(channels => [ channel('a', model_mapping => { 'gpt-x' => 'gpt-x-2026-01-01', 'm1' => 'm2', 'm2' => 'm3' }), channel('b', priority => 1), channel('a', name => 'a-gemini', platform => 'gemini', model_mapping => { 'g-pro' => 'g-pro-exp' }) ]);
$cluster->play(a => 'error:503');
my $text = '{"temperature":1, "model" : "gpt-x","stream":false,"messages":[{"role":"user","content":"model gpt-x \u00e9"}]}';
my $mapped = ask(body => $text);
is("$mapped->{status} $mapped->{hit}", '200 a b', 'mapped for one, failed over to another');
(my $other = $text) =~ s/"gpt-x"/"gpt-x-2026-01-01"/;
is($mapped->{seen}[0]{crc32}, crc32($other), 'the one gets the request with its name of the model, and nothing else changed');
is($mapped->{seen}[1]{crc32}, crc32($text), 'the other the original');
is(ask(model => 'm1')->{seen}[0]{model}, 'm3', 'a chain goes all the way');
is(ask(path => '/v1beta/models/g-pro:generateContent')->{seen}[0]{target}, '/v1beta/models/g-pro-exp:generateContent', "in Google's path too");
set(channels => [ channel('a', status_code_mapping => { '503' => '529', '429' => 503 }) ], policies => [ { %generous, max_attempts => 1 } ]);
$cluster->play(a => "n=1 error:503\nn=2 error:limit\nerror:500");
my @mapped = map { $client->ask } 1 .. 3;
is(join(' ', map { $_->{status} } @mapped), '529 503 500', 'statuses as the mapping says, where it says');
wait_for_events($node, 3, "outcome = 'answered' AND channel = 'a' AND request_id IN (" . join(',', map { "'$_->{headers}{'x-upstream-errors-request-id'}'" } @mapped) . ')');
is(sql("SELECT string_agg(status_code || ' ' || response_status, ', ' ORDER BY at) FROM upstream_error_events WHERE request_id IN (" . join(',', map { "'$_->{headers}{'x-upstream-errors-request-id'}'" } @mapped) . ')'),
	'503 529, 429 503, 500 500', 'the rows hold both');

# --- bodies, as often as needed ---
my $block = join '', map { chr(97 + $_ % 26) } 0 .. 26 * 1024 - 1;
my %size = ('within the window' => 20_000, 'beyond the window' => 100_000, 'on disk' => 5_000_000);
for my $mapping ({}, { 'gpt-x' => 'a-longer-name-of-it' })
{
	my $how = %$mapping ? ', the model mapped' : '';
	set(channels => [ channel('a', model_mapping => $mapping), channel('b', priority => 1, model_mapping => $mapping), channel('c', priority => 2) ]);
	for my $what (sort { $size{$a} <=> $size{$b} } keys %size)
	{
		for my $chunked (0, 1)
		{
			my $body = '{"model":"gpt-x","input":"' . substr($block x (1 + $size{$what} / length $block), 0, $size{$what}) . '"}';
			(my $renamed = $body) =~ s/gpt-x/a-longer-name-of-it/;
			$renamed = $body unless %$mapping;
			$cluster->play(a => 'error:503', b => 'reset');
			my $claim = "$what" . ($chunked ? ', chunked' : '') . $how;
			my %framing;
			my $sent = $body;
			if ($chunked)
			{
				%framing = (headers => { 'transfer-encoding' => 'chunked', 'content-length' => undef });
				$sent = join('', map { sprintf("%x\r\n%s\r\n", length $_, $_) } unpack '(a9973)*', $body) . "0\r\n\r\n";
			}
			my $answer = ask(body => $sent, %framing);
			my @seen = @{ $answer->{seen} };
			is(join(' ', $answer->{status}, map { $seen[$_]{channel} } squeeze(@seen)), '200 a b c', "$claim: three attempts");
			is_deeply([ map { "$_->{bytes} $_->{crc32}" } @seen ],
				[ map { my $expected = $_->{channel} eq 'c' ? $body : $renamed; length($expected) . ' ' . crc32($expected) } @seen ],
				"$claim: each with every byte");
		}
	}
}
my $large = '{"model":"gpt-x","input":"' . ('x' x 5_000_000) . '"}';
set(channels => [ channel('a'), channel('b', priority => 1) ]);
$cluster->play(a => 'reset-early');
my $cut = ask(body => $large);
is("$cut->{status} $cut->{hit}", '200 a b', 'an upstream that resets while the body comes: elsewhere');
is($cut->{seen}[1]{crc32}, crc32($large), 'with every byte from the first');
my $huge = '{"model":"gpt-x","input":"' . ('x' x 8_000_000) . '"}';
$cluster->play(a => 'n=1 error:503');
my $once = ask(body => $huge);
is("$once->{status} $once->{hit}", '503 a', 'a body above retry_body_size is sent once');
wait_for_events($node, 1, "request_id = '$once->{headers}{'x-upstream-errors-request-id'}' AND outcome IS NOT NULL");
is(sql("SELECT step_reason FROM upstream_error_events WHERE request_id = '$once->{headers}{'x-upstream-errors-request-id'}'"), 'body', 'which the row says');
my $whole = ask(body => $huge);
is("$whole->{status} $whole->{seen}[0]{crc32}", '200 ' . crc32($huge), 'and whole');
is(join(' ', glob("$sidecar->{journal}/*spool*")), '', 'nothing of a body has a name on disk');

my ($planted) = planted_in($sidecar->{stderr}, $sidecar->{journal});
is($planted, undef, 'no key in log or journal');
is(sql("SELECT count(*) FROM upstream_error_events e WHERE e::text LIKE '%PLANTED%'"), 0, 'nor in a row');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
done_testing();
