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

set(channels => [ channel('a') ], policies => policy(name => 'one', budget_percent => 0, budget_burst => 1, max_channel_attempts => 2));
$cluster->play(a => "n=1 error:limit retry-after=6\nn=2 error:500\nok");
{
	my $socket = connect_raw();
	my $body = '{"model":"x"}';
	print $socket "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-request-id: leaves-a-retry\r\ncontent-type: application/json\r\ncontent-length: " . length($body) . "\r\n\r\n$body";
	$socket->flush;
	wait_for_events($node, 1, "request_id = 'leaves-a-retry' AND step = 'retry'");
	close $socket;
	wait_for_events($node, 2, "request_id = 'leaves-a-retry'");
	is(ask()->{hit}, 'a a', 'a retry that was not made is there for the next request');
}

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

# --- a platform that only channels know ---
is(ask(path => '/acme/v1/chat/completions')->{status}, 404, 'nobody has heard of it');
set(channels => [ channel('a', platform => 'Acme'), channel('b', platform => 'acme', priority => 1) ], policies => policy());
$cluster->play(a => 'error:500');
{
	my $answer = ask(path => '/acme/v1/chat/completions', headers => { 'x-request-id' => 'of-acme' });
	is("$answer->{status} $answer->{hit} $answer->{seen}[0]{target}", '200 a b /v1/chat/completions', 'with channels of its own it has a path');
	wait_for_events($node, 1, "request_id = 'of-acme'");
	is(sql("SELECT platform FROM upstream_error_events WHERE request_id = 'of-acme'"), 'acme', 'and a name in rows');
	like(request('GET', "$sidecar->{admin_url}/metrics")->{content}, qr/upstream_errors_requests_total\{[^}]*platform="acme"[^}]*\} \d/, 'and in metrics');
	is(ask(path => '/openai/v1/chat/completions')->{hit}, '', 'others are not concerned');
	ok(poll_for(sub { sql("SELECT count(*) FROM upstream_error_traffic WHERE platform = 'acme' AND model = 'gpt-x'") }), 'nor is it forgotten in the counts of traffic');
}
set(channels => [ channel('a', platform => 'azure') ], policies => policy());
{
	$cluster->play;
	my $path = '/openai/deployments/gpt-x/chat/completions?api-version=1';
	my $answer = ask(path => $path);
	is("$answer->{status} $answer->{hit} $answer->{seen}[0]{target}", "200 a $path", 'a path that the sidecar knows needs no name of the platform before it');
}
set(channels => [ channel('a', platform => 'acme', enabled => \0) ], policies => policy());
is(ask(path => '/acme/v1/chat/completions')->{status}, 503, 'one that is switched off: nobody can be asked');
set();
is(ask(path => '/acme/v1/chat/completions')->{status}, 404, 'without channels it is gone');

# --- keys that are changed under way ---
my $key = write_file("$directory/key", "sk-first\n");
my $bearer = sub { my ($echo) = @_; return join ' ', $echo->{content} =~ /authorization: (Bearer [^"]+)/g };
set(channels => [ channel('a', credential => "file:$key") ], policies => policy());
$cluster->play(a => 'echo');
is($bearer->(ask()), 'Bearer sk-first', 'the key of the file');
write_file($key, "sk-second\n");
is($bearer->(ask()), 'Bearer sk-first', 'is read once');
kill 'HUP', $sidecar->{pid};
ok(poll_for(sub { $bearer->(ask()) eq 'Bearer sk-second' }, 10), 'and again after SIGHUP');
unlink $key;
kill 'HUP', $sidecar->{pid};
ok(poll_for(sub { ask()->{status} != 200 }, 10), 'a channel without its key is not asked with none');
write_file($key, "sk-third\n");
kill 'HUP', $sidecar->{pid};
ok(poll_for(sub { $bearer->(ask()) eq 'Bearer sk-third' }, 10), 'and is back with it');
unlike($sidecar->log, qr/sk-(?:first|second|third)/, 'no key in the log');

# --- several requests in one write ---
set(channels => \@tiers, policies => policy());
my $text = sub {
	my ($method, $case, $body, @headers) = @_;
	my $length = defined $body ? 'content-length: ' . length($body) . "\r\n" : '';
	return "$method /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-case: $case\r\n" . join('', map { "$_\r\n" } @headers) . "$length\r\n" . ($body // '');
};
my $hits = sub { my ($case) = @_; return join ' ', map { $_->{channel} } $cluster->seen(case => $case) };
$cluster->play(a => "n=1 error:500\nn=2 ok\nn=3 reset-midway\nok");
{
	my $socket = connect_raw();
	print $socket map({ $text->('POST', "piped$_", qq({"model":"m$_"})) } 1 .. 3), $text->('POST', 'piped4', '{"model":"m4"}', 'connection: close');
	$socket->flush;
	my $answers = rest_of($socket);
	is(join(' ', $answers =~ /"model":"(m\d)"/g), 'm1 m2 m3 m4', 'pipelined requests are answered in their order');
	is(join(', ', map { $hits->("piped$_") } 1 .. 4), 'a b, a, a b, a', 'each with attempts of its own');
}

# --- one that asks whether it may send its body ---
$cluster->play(a => 'error:500');
{
	my $socket = connect_raw();
	my $body = '{"model":"late","user":"' . 'u' x 5000 . '"}';
	print $socket $text->('POST', 'expect', undef, 'expect: 100-continue', 'connection: close', 'content-length: ' . length $body);
	$socket->flush;
	my $interim = <$socket> . <$socket>;
	like($interim, qr{\AHTTP/1\.1 100 }, 'it is told to go on');
	is($hits->('expect'), '', 'before anybody is asked');
	print $socket $body;
	$socket->flush;
	like(rest_of($socket), qr{\AHTTP/1\.1 200 .*"model":"late"}s, 'and gets one answer');
	is(join(' ', map { "$_->{channel} $_->{bytes}" } $cluster->seen(case => 'expect')), join(' ', map { "$_ " . length $body } qw(a b)), 'of the second attempt, which had the body too');
}

# --- no answer has a body ---
$cluster->play(a => 'error:500');
{
	my $socket = connect_raw();
	print $socket $text->('HEAD', 'head'), $text->('POST', 'behind', '{"model":"behind"}', 'connection: close');
	$socket->flush;
	my ($head, $next) = rest_of($socket) =~ /\A(.*?\r\n\r\n)(.*)\z/s;
	like($head, qr{\AHTTP/1\.1 200 }, 'HEAD is tried again as well');
	is($hits->('head'), 'a b', 'on the other channel');
	like($next, qr{\AHTTP/1\.1 200 .*"model":"behind"}s, 'and its answer ends with its head');
}
$cluster->play(map { $_ => 'error:500' } qw(a b));
{
	my $socket = connect_raw();
	print $socket $text->('HEAD', 'head-failed', undef, 'connection: close');
	$socket->flush;
	like(rest_of($socket), qr{\AHTTP/1\.1 500 .*\r\n\r\n\z}s, 'nor has an error');
}

# --- the end of the sidecar between two attempts ---
set(channels => [ channel('a') ], policies => policy(max_channel_attempts => 2));
sub leave_waiting
{
	my ($case) = @_;
	my $socket = connect_raw();
	print $socket $text->('POST', $case, '{"model":"waits"}', "x-request-id: $case");
	$socket->flush;
	wait_for_events($node, 1, "request_id = '$case' AND step = 'retry'");
	kill 'TERM', $sidecar->{pid};
	return rest_of($socket);
}
$cluster->play(a => "n=1 error:limit retry-after=1\nok");
like(leave_waiting('drained'), qr{\AHTTP/1\.1 200 .*"model":"waits"}s, 'a request that waits for its next attempt gets its answer');
is($sidecar->stop, 0, 'and then the sidecar ends');
unlike($sidecar->log, qr/AddressSanitizer|runtime error/, 'in order');
$sidecar = start_sidecar($directory, name => 'impatient', upstream => $cluster, database => conninfo_of($node), arguments => [ '--drain-timeout', '100ms' ]);
in_force($node, $sidecar);
$cluster->play(a => 'error:limit retry-after=6');
like(leave_waiting('cut-off'), qr{\AHTTP/1\.1 503 .*restarting}s, 'one that would take longer than drain_timeout is answered at its end');

is($sidecar->stop, 0, 'an orderly end');
# what the end left in the journal is shipped by the next start
$sidecar = start_sidecar($directory, name => 'impatient', upstream => $cluster, database => conninfo_of($node));
wait_for_events($node, 2, "request_id = 'cut-off' AND outcome IS NOT NULL");
is(sql("SELECT string_agg(concat_ws(' ', kind, code, outcome), ', ' ORDER BY attempt) FROM upstream_error_events WHERE request_id = 'cut-off'"),
	'http_error rate_limit_exceeded retried, local_error draining answered', 'and its rows say so');
is($sidecar->stop, 0, 'another orderly end');
unlike($sidecar->log, qr/AddressSanitizer|runtime error/, 'and a clean one');
$node->stop;
done_testing();
