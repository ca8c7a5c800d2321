# SPDX-License-Identifier: PostgreSQL

# The scripted cluster, on which the proof of retries and failover stands: each condition
# holds when it should, each failure looks as its vendor's, and the record tells all of it.
use strict;
use warnings;

use Compress::Zlib qw(crc32);
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use UpstreamErrors::Client;
use UpstreamErrors::Cluster;
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $cluster = UpstreamErrors::Cluster->start($directory, qw(a b));
is(join(' ', sort keys %{ $cluster->{channels} }), 'a b', 'each channel has a listener');

my %client = map { $_ => UpstreamErrors::Client->new($cluster->{channels}{$_}) } qw(a b);

sub ask { my ($channel, %option) = @_; return $client{$channel}->ask(%option) }

sub statuses { my ($channel, $n, %option) = @_; return join ' ', map { ask($channel, %option)->{status} } 1 .. $n }

# --- conditions ---
$cluster->play(a => "# a comment\n\nn=2-3 error:503\nn=5- error:500\n");
is(statuses('a', 6), '200 503 503 200 500 500', 'by the number of the request');
is(statuses('b', 2), '200 200', 'each channel by its own script');
$cluster->play(a => 'try=1-2 error:503');
is(statuses('a', 3, headers => { 'x-case' => 'one' }), '503 503 200', "by how often a client's request was seen");
is(statuses('a', 1, headers => { 'x-case' => 'two' }), '503', 'each counted apart');
is(statuses('b', 1, headers => { 'x-case' => 'two' }), '200', 'and by all channels together');
is(statuses('a', 2, headers => { 'x-case' => 'two' }), '200 200', 'so that the third is good, wherever the others were');
$cluster->play(a => "key=PLANTEDbad error:401\nmodel=gpt-other error:404\nstream=yes error:500");
is(statuses('a', 1, headers => { authorization => 'Bearer sk-PLANTEDbad' }), '401', 'by the credential');
is(statuses('a', 1, headers => { 'x-goog-api-key' => 'PLANTEDbad' }), '401', 'in any header');
is(statuses('a', 1, path => '/v1beta/models/x:generateContent?key=PLANTEDbad'), '401', 'or the query');
is(statuses('a', 1, model => 'gpt-other'), '404', 'by the model');
is(statuses('a', 1, stream => 1), '500', 'by stream or not');
is(statuses('a', 1), '200', 'and no other');
$cluster->play(a => 'share=0.3 error:529');
my $n_bad = () = statuses('a', 1000) =~ /503/g;
cmp_ok(abs($n_bad - 300), '<', 45, "a share of 0.3: $n_bad of 1000");
$cluster->change(a => 'share=0.3 error:529');
my $again = () = statuses('a', 1000) =~ /503/g;
is($again, $n_bad, 'the same in every run');
$cluster->change(a => 't=0-400 error:503');
my $since = time();
is(ask('a')->{status}, 503, 'by the time since the script was set');
ok(poll_for(sub { ask('a')->{status} == 200 }, 10), 'until it is over');
cmp_ok(time() - $since, '>=', 0.38, 'and not before');
$cluster->play(a => "open=2- error:limit\nslow:2000");
my $held = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $cluster->totals->{a}{port}) or die $!;
$held->syswrite("GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n");
ok(poll_for(sub { $cluster->totals->{a}{open} == 1 }), 'one is under way');
is(ask('a')->{status}, 429, 'by how many are under way');
close $held;
ok(poll_for(sub { $cluster->totals->{a}{open} == 0 }), 'and the one that leaves is noticed');
ok((grep { $_->{gone} } $cluster->seen), 'and recorded as gone');

# --- hints, in each vendor's way ---
$cluster->play(a => 'error:limit retry-after=3 retry-after-ms=2500 retry-info=1.5s', b => 'error:limit');
my $hinted = ask('a');
is($hinted->{headers}{'retry-after'}, 3, 'retry-after');
is($hinted->{headers}{'retry-after-ms'}, 2500, 'retry-after-ms');
unlike($hinted->{content}, qr/RetryInfo/, 'RetryInfo is not for everybody');
like(ask('a', path => '/v1beta/models/x:generateContent')->{content}, qr/RetryInfo","retryDelay":"1.5s"/, 'but for Google');
my $silent = ask('b');
is($silent->{headers}{'retry-after'}, undef, 'and an error without a hint');
unlike($silent->{content}, qr/try again|RetryInfo/, 'says nothing in its text either');
$cluster->play(a => 'error:429');
is(ask('a')->{headers}{'retry-after'}, 7, "an error keeps its own hint");

# --- what breaks ---
$cluster->play(a => "n=1 reset\nn=2 close\nn=3 reset-midway\nn=4 truncate");
is(join(' ', map { my $answer = ask('a'); "$answer->{status}/$answer->{whole}" } 1 .. 5), '599/0 599/0 200/0 200/0 200/1', 'a reset, a close, answers that break off, and on');
my %shape = (
	'/v1/chat/completions' => [ qr/^data: \{"id":"chatcmpl/m, qr/^data: \[DONE\]/m ],
	'/v1/responses' => [ qr/^event: response.created/m, qr/^event: response.completed/m ],
	'/v1/messages' => [ qr/^event: message_start/m, qr/^event: message_stop/m ],
	'/v1beta/models/x:streamGenerateContent?alt=sse' => [ qr/^data: \{"candidates"/m, qr/"finishReason":"STOP"/ ],
);
$cluster->play(a => "key=first error-first-event\nkey=mid error-mid-stream\nslow-events:50");
for my $path (sort keys %shape)
{
	my ($first, $last) = @{ $shape{$path} };
	my $good = ask('a', path => $path, stream => 1);
	ok($good->{status} == 200 && $good->{content} =~ $first && $good->{content} =~ $last, "$path: a whole stream");
	my $early = ask('a', path => $path, stream => 1, headers => { authorization => 'first' });
	ok($early->{status} == 200 && $early->{content} =~ /overloaded/i && $early->{content} !~ $first, "$path: an error before any output");
	my $late = ask('a', path => $path, stream => 1, headers => { authorization => 'mid' });
	ok($late->{content} =~ $first && $late->{content} =~ /overloaded/i && $late->{content} !~ $last, "$path: and after some");
}
$cluster->play(a => "n=1 reset-early\nn=2 answer-early");
my $large = 'x' x 3_000_000;
is(ask('a', body => $large)->{status}, 599, 'a reset while the body comes');
is(ask('a', body => $large)->{status}, 413, 'an answer before the body has come');
is(ask('a', body => $large)->{status}, 200, 'and the whole');

# --- the record ---
my @seen = $cluster->seen;
is(join(' ', map { $_->{scenario} } @seen), 'reset-early answer-early ok', 'requests are recorded in order');
is(join(' ', map { $_->{bytes} } @seen), '-1 -1 3000000', 'bodies by their size, where they came whole');
is($seen[2]{crc32}, crc32($large), 'and their sum');
$cluster->play;
ask('b', headers => { 'x-case' => 'named', authorization => 'Bearer "sk"', 'x-api-key' => 'k2' }, path => '/v1/messages?beta=true&key=k3', model => 'claude');
ask('a');
my ($one, @more) = $cluster->seen(case => 'named', headers => 1);
is(scalar @more, 0, 'asked for by case');
is("$one->{channel} $one->{number} $one->{attempt} $one->{model} $one->{target}", 'b 1 1 claude /v1/messages?beta=true&key=k3', 'what it was');
is_deeply($one->{credentials}, { authorization => 'Bearer "sk"', 'x-api-key' => 'k2', key => 'k3' }, 'with all its credentials');
like($one->{headers}, qr/^x-case: named\r$/m, 'and headers');
cmp_ok(abs($one->{at_us} / 1e6 - time()), '<', 10, 'and time');
is($cluster->total, 2, 'totals');

# --- what is no script ---
for my $bad ([ 'moon', qr/no scenario.*"moon" in line 1/ ], [ 'ok ok', qr/second one/ ], [ "ok\nn=5-3 ok", qr/"n=5-3" in line 2/ ], [ 'n=1', qr/line 1 names no scenario/ ],
	[ 'moon=1 ok', qr/"moon=1"/ ], [ 'share=2 ok', qr/"share=2"/ ])
{
	my $answer = request('PUT', "$cluster->{url}/_script/a", {}, $bad->[0]);
	is($answer->{status}, 400, "refused: " . $bad->[0] =~ s/\n/\\n/r);
	like($answer->{content}, $bad->[1], 'and why');
}
is(request('PUT', "$cluster->{url}/_script/none", {}, 'ok')->{status}, 400, 'nor is there a channel of any name');

is($cluster->stop('TERM') & 127, 15, 'it ends when told to');
done_testing();
