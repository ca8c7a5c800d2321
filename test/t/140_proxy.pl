# SPDX-License-Identifier: PostgreSQL

# What is no failure passes as it is: bodies of any size both ways, streams as they come,
# connections kept; a client that leaves takes its upstream along; memory stays bounded.
use strict;
use warnings;

use Compress::Zlib qw(crc32);
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $upstream = start_upstream($directory);
my $sidecar = start_sidecar($directory, upstream => $upstream);
my $url = "$sidecar->{url}/openai/v1/files";

# --- requests arrive as they were sent ---
my $echo = decode_json(request('POST', "$url?a=1&b=%2F", { 'x-scenario' => 'echo', 'x-custom' => 'kept', authorization => 'Bearer key' }, 'hello')->{content});
is($echo->{method}, 'POST', 'the method passes');
is($echo->{target}, '/v1/files?a=1&b=%2F', 'the target passes without the name of the platform, its query as it was');
is($echo->{crc32}, crc32('hello'), 'the body passes');
ok((grep { lc eq 'x-custom: kept' } @{ $echo->{headers} }), 'a header passes');
ok((grep { lc eq 'authorization: bearer key' } @{ $echo->{headers} }), "the client's own credential passes");
ok((grep { lc eq "host: 127.0.0.1:$upstream->{port}" } @{ $echo->{headers} }), 'the host is the upstream\'s');
my $hop = request_raw($sidecar->{port}, "POST /v1/files HTTP/1.1\r\nhost: x\r\nconnection: close, x-hop\r\nx-hop: 1\r\nte: trailers\r\nx-scenario: echo\r\ncontent-length: 2\r\n\r\nhi");
like($hop, qr/^HTTP\/1\.1 200/, 'answered');
unlike($hop, qr/x-hop|"te: /i, 'hop-by-hop headers, and those that connection names, stay here');

# --- large bodies, both ways, with and without a length ---
my $megabytes = 40;
my $block = join '', map { chr(97 + $_ % 26) } 0 .. 26 * 1024 - 1;
my $size = $megabytes * 1024 * 1024;
my $pattern = substr($block x (1 + int($size / length $block)), 0, $size);
my $sum = crc32($pattern);
for my $scenario ("big:$size", "big-chunked:$size")
{
	my $answer = request('GET', $url, { 'x-scenario' => $scenario });
	is(length $answer->{content}, $size, "$scenario: all bytes of the answer");
	is(crc32($answer->{content}), $sum, "$scenario: and the right ones");
}
$echo = decode_json(request('POST', $url, { 'x-scenario' => 'echo', 'content-type' => 'application/octet-stream' }, $pattern)->{content});
is($echo->{bytes}, $size, 'an upload with a length: all bytes');
is($echo->{crc32}, $sum, 'and the right ones');
my $at = 0;
$echo = decode_json(request('POST', $url, { 'x-scenario' => 'echo', 'content-type' => 'application/octet-stream' },
	sub { my $part = substr($pattern, $at, 65536); $at += length $part; return $part })->{content});
is($echo->{bytes}, $size, 'a chunked upload: all bytes');
is($echo->{crc32}, $sum, 'and the right ones');
ok($echo->{chunked}, 'without a length towards the upstream too');
my $expect = request_raw($sidecar->{port}, "POST /v1/files HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\nx-scenario: echo\r\ncontent-length: 0\r\n\r\n");
like($expect, qr/^HTTP\/1\.1 (100 Continue\r\n\r\nHTTP\/1\.1 )?200/, 'Expect: 100-continue is answered');

# --- a client that does not read: the upstream is held back, memory stays ---
my $before = $sidecar->resident_kb;
my @lazy;
for (1 .. 10)
{
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) or die $!;
	$socket->syswrite("GET /v1/files HTTP/1.1\r\nhost: x\r\nx-scenario: big:200000000\r\n\r\n");
	push @lazy, $socket;
}
ok(poll_for(sub { my $row = $upstream->counts->{'big:200000000'}; $row && $row->{open} == 10 }), 'ten slow readers of 200 MB');
# each request here is a turn of the loop in which a sidecar without limits would read on
request('GET', $url, { 'x-scenario' => 'ok' }) for 1 .. 300;
SKIP:
{
	skip 'AddressSanitizer keeps freed memory', 1 if $ENV{UE_TEST_SANITIZED};
	cmp_ok($sidecar->resident_kb - $before, '<', 20_000, 'cost less than 20 MB together');
}
is(request('GET', $url, { 'x-scenario' => 'ok' })->{status}, 200, 'and do not keep others waiting');
close $_ for @lazy;
ok(poll_for(sub { $upstream->counts->{'big:200000000'}{open} == 0 }), 'their upstreams end with them');

# --- streams ---
my $stream = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) or die $!;
my $body = '{"model":"stall-midway","stream":true}';
$stream->syswrite("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: " . length($body) . "\r\n\r\n$body");
my $got = '';
my $started = time();
poll_for(sub { $stream->blocking(0); $stream->sysread($got, 65536, length $got); $got =~ /"Good"/ }, 5);
like($got, qr/"Good"/, 'an event reaches the client while its stream stands still');
cmp_ok(time() - $started, '<', 1, 'at once');

# --- a client that leaves ---
for my $scenario (qw(stall stall-midway))
{
	my $open = sub { my $row = $upstream->counts->{$scenario}; return $row ? $row->{open} : 0 };
	my $base = $open->();
	my $request = qq({"model":"$scenario","stream":true});
	my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) or die $!;
	$client->syswrite("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: " . length($request) . "\r\n\r\n$request");
	ok(poll_for(sub { $open->() == $base + 1 }), "$scenario: the upstream has it");
	my $left = time();
	close $client;
	ok(poll_for(sub { $open->() == $base }, 5), "$scenario: the client leaves, the upstream is closed");
	cmp_ok(time() - $left, '<', 0.3, "$scenario: within 0.3 s");
}
close $stream;

# --- connections ---
my $connection = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) or die $!;
my $pipelined = '';
$connection->syswrite(join '', map { "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-scenario: $_\r\n" . ($_ eq 'error:401' ? "connection: close\r\n" : '') . "\r\n" } qw(ok error:429 ok error:401));
while ($connection->sysread(my $part, 65536)) { $pipelined .= $part }
is(join(' ', $pipelined =~ /HTTP\/1\.1 (\d+)/g), '200 429 200 401', 'one connection, good and bad answers in order, closed when asked');

# --- what HTTP forbids is refused and the next one is served ---
my %refused = (
	'no host' => "GET /v1/models HTTP/1.1\r\n\r\n",
	'two lengths' => "POST /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
	'length and chunks' => "POST /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
	'a NUL in a header' => "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: b\0c\r\n\r\n",
	'not HTTP' => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
);
for my $what (sort keys %refused)
{
	like(request_raw($sidecar->{port}, $refused{$what}), qr/^HTTP\/1\.1 400 /, "$what: refused");
}
like(request_raw($sidecar->{port}, "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: " . ('a' x 70000) . "\r\n\r\n"), qr/^HTTP\/1\.1 431 /, 'too much header: refused');
is(request('GET', $url, { 'x-scenario' => 'ok' })->{status}, 200, 'the next one is served');

# --- an upload that the upstream refuses before it has come ---
# curl goes on reading when it can no longer write; HTTP::Tiny does not
write_file("$directory/upload", $pattern);
my ($early) = run_command([ 'curl', '-s', '-H', 'Expect:', '-H', 'x-scenario: answer-early', '-w', ' %{http_code}', '--data-binary', "\@$directory/upload", $url ]);
like($early, qr/maximum size.* 413$/, 'an early refusal reaches the client, with its message');

# --- an upstream that does what no vendor should; the path says what ---
my $rogue = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 50, ReuseAddr => 1) or die $!;
my $secret = 'sk-proj-PLANTEDabcdefghijklmnopqrstuvwxyz0123456789';
my $page = '<html>log in</html>';
my %rogue = (
	'text-json' => [ 'Content-Type: text/json', '{"error":{"message":"x","code":500}}' ],
	'problem' => [ 'Content-Type: application/problem+json; charset=utf-8', '{"error":{"message":"x","code":500}}' ],
	'no-type' => [ 'X-A: b', '{"error":{"message":"x","code":500}}' ],
	'array' => [ 'Content-Type: application/json', '[{"candidates":[]},{"error":{"code":503,"message":"overloaded"}}]' ],
	'page' => [ 'Content-Type: text/html', $page ],
	'nothing' => [ 'Content-Type: application/json', '' ],
	'good-array' => [ 'Content-Type: application/json', '[{"candidates":[]},{"candidates":[]}]' ],
	'binary' => [ 'X-A: b', "\x89PNG" ],
	'hop' => [ "Connection: keep-alive\r\nConnection: x-hop\r\nX-Hop: 1", '{}' ],
);
my $rogue_pid = fork() // die $!;
if ($rogue_pid == 0)
{
	local $SIG{CHLD} = 'IGNORE';
	while (my $peer = $rogue->accept) { next if fork(); serve_rogue($peer); POSIX::_exit(0); }
	POSIX::_exit(0);
}

sub serve_rogue
{
	my ($peer) = @_;
	my $head = '';
	while ($head !~ /\r\n\r\n/) { $peer->sysread($head, 1, length $head) or return }
	# what is left unread makes the close a reset
	my ($left) = $head =~ /^content-length: (\d+)/mi;
	$peer->sysread(my $waste, $left) if $left && $left < 1000;
	my ($target, $name) = $head =~ m{^\S+ (\S*?([^/?]*)) };
	my $send = sub { $peer->syswrite($_[0]) };
	my $sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
	if ($name eq 'early-stream')
	{
		$send->("${sse}Content-Length: 13\r\n\r\ndata: {");
		sleep 0.5;
		my $got = '';
		while (length $got < 6_000_000) { $peer->sysread($got, 1 << 20, length $got) or last }
		$send->($got =~ /[^a]/ || length $got < 6_000_000 ? "\"a\":2}" : "\"a\":1}");
	}
	elsif ($name eq 'trailers')
	{
		$send->("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n");
		local $SIG{PIPE} = 'IGNORE';
		for (1 .. 2000) { $send->('x-t: ' . ('a' x 1000) . "\r\n") or last }
		$send->("\r\n");
	}
	elsif ($name eq 'no-end') { $send->("HTTP/1.1 429 X\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"error\":{\"message\":\"slow down\"}}"); sleep 20 }
	elsif ($name eq 'cut') { $send->("${sse}Connection: close\r\n\r\ndata: {\"a\":1}\n\ndata: {\"b\":{\"c\":1}") }
	elsif ($name eq 'uncut') { $send->("${sse}Connection: close\r\n\r\ndata: {\"a\":1}\n\ndata: {\"b\":{\"c\":1}}") }
	elsif ($name eq 'moved') { $send->("HTTP/1.1 307 X\r\nLocation: http://inner.PLANTED.example/x?key=$secret\r\nContent-Length: 0\r\n\r\n") }
	elsif ($name eq 'same') { $send->("HTTP/1.1 304 X\r\nETag: \"a\"\r\n\r\n") }
	elsif (my $row = $rogue{$name}) { $send->("HTTP/1.1 200 OK\r\n$row->[0]\r\nContent-Length: " . length($row->[1]) . "\r\n\r\n$row->[1]") }
	else { $send->("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " . length($target) . "\r\n\r\n$target") }
	return;
}

my $rogue_url = 'http://127.0.0.1:' . $rogue->sockport;
my $other = start_sidecar($directory, name => 'other', arguments => [ '--upstream', "openai=$rogue_url", '--upstream', "inner=$rogue_url/tenant/a", '--body-window-size', '8MB' ]);
my $ask = sub
{
	my ($path, $content, $method) = @_;
	$content //= '{}';
	$method //= 'POST';
	return request_raw($other->{port}, "$method $path HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: " . length($content) . "\r\n\r\n$content");
};
my $failures = sub { return $other->metric('upstream_errors_failed_attempts_total') // 0 };

like($ask->('/v1/chat/completions/early-stream', 'a' x 6_000_000), qr/"a":1\}/, 'a stream that begins before the request has been read: the whole request still arrives');
$ask->('/v1/files/trailers');
ok($other->log !~ /Sanitizer/, 'trailers without end');
my $failed = $failures->();
is($failed, 1, 'are a failure');
for my $path ('/inner/../b', '/inner/%2e%2E/b', '/inner/x/.%2e', '/inner/..%2fb', '/inner/./b', '/v1/chat/../../b')
{
	my $answer = $ask->($path);
	like($answer, qr/^HTTP\/1\.1 400 .*"error"/s, "$path: refused");
}
like($ask->('/inner/..b/c.../.d'), qr/\/tenant\/a\/\.\.b\/c\.\.\.\/\.d$/, 'other dots pass');
unlike($ask->('/v1/files/hop'), qr/x-hop/i, 'a second Connection header counts too');
for my $name (qw(text-json problem no-type array page nothing moved))
{
	my $answer = $ask->("/v1/chat/completions/$name");
	like($answer, qr/^HTTP\/1\.1 50[023] .*\{"error"/s, "$name: an answer with status 200 or 3xx that is none fails");
	unlike($answer, qr/PLANTED|<html|location:/i, "$name: and nothing of it passes");
}
for my $name (qw(good-array binary))
{
	like($ask->("/v1/chat/completions/$name"), qr/^HTTP\/1\.1 200 .*\Q$rogue{$name}[1]\E$/s, "$name: passes");
}
like($ask->('/v1/files/page'), qr/^HTTP\/1\.1 200 .*\Q$page\E$/s, 'a page where files are served passes');
like($ask->('/v1/files/nothing'), qr/^HTTP\/1\.1 200 /, 'and so does nothing');
like($ask->('/v1/files/same', '', 'GET'), qr/^HTTP\/1\.1 304 /, 'and 304');
$started = time();
like($ask->('/v1/chat/completions/no-end'), qr/^HTTP\/1\.1 429 .*slow down/s, 'an error without an end is answered');
cmp_ok(time() - $started, '<', 6, 'soon, with what there is');
$failed = $failures->();
like($ask->('/v1/chat/completions/cut'), qr/"a":1\}\r?\n.*"error"/s, 'a stream that is cut inside an event ends with an error');
is($failures->(), $failed + 1, 'and is a failure');
like($ask->('/v1/chat/completions/uncut'), qr/"c":1\}\}\r\n0\r\n\r\n$/, 'one that lacks its last line end only does not');
is($failures->(), $failed + 1, 'and is none');
is($other->stop, 0, 'the sidecar ends cleanly');
kill 'TERM', $rogue_pid;
waitpid $rogue_pid, 0;

my $unknown = request('GET', "$sidecar->{url}/nothing/here");
is($unknown->{status}, 404, 'an unknown route is a 404');
like($unknown->{content}, qr/^\{"error"/, 'in a shape that SDKs read');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
$upstream->stop;
done_testing();
