# SPDX-License-Identifier: PostgreSQL

# A secret that an upstream sends in two pieces, cut at every byte of its answer, is in no
# row, answer, log line, journal file or metric: in an error body, in an error inside a 200,
# in the first event of a stream and in a later one, framed by length and by chunks.
use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;
use Time::HiRes qw(sleep);
use UpstreamErrors::Test;

my $secret = 'sk-proj-PLANTED0123456789abcdefghijklmnop';
my $error = qq({"error":{"message":"Incorrect API key provided: $secret. Call 10.1.2.3.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}});
my $good = qq(data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n);
my %shapes = (
	body => { status => '401 Unauthorized', type => 'application/json', text => $error },
	inside => { status => '200 OK', type => 'application/json', text => $error },
	first => { status => '200 OK', type => 'text/event-stream', text => "data: $error\n\n" },
	later => { status => '200 OK', type => 'text/event-stream', before => $good, text => "event: error\ndata: $error\n\n" },
);

# Serves one connection after the other; the request's path says what and how.
sub serve
{
	my ($listener) = @_;
	while (my $peer = $listener->accept)
	{
		setsockopt $peer, IPPROTO_TCP, TCP_NODELAY, 1;
		my $request = '';
		until ($request =~ /\r\n\r\n/) { sysread($peer, $request, 65536, length $request) or last }
		my ($length) = $request =~ /^content-length: *(\d+)/mi;
		while ($request =~ /\r\n\r\n(.*)/s && length $1 < ($length // 0)) { sysread($peer, $request, 65536, length $request) or last }
		my ($name, $framing, $split) = $request =~ /^x-shape: (\w+) (\w+) (\d+)/mi or next;
		my $shape = $shapes{$name};
		my $before = $shape->{before} // '';
		my @pieces = (substr($shape->{text}, 0, $split), substr($shape->{text}, $split));
		my $head = "HTTP/1.1 $shape->{status}\r\ncontent-type: $shape->{type}\r\nconnection: close\r\n";
		if ($framing eq 'chunks')
		{
			$head .= "transfer-encoding: chunked\r\n\r\n";
			@pieces = map { sprintf("%x\r\n", length $_) . "$_\r\n" } grep { length } $before, @pieces;
			$pieces[-1] .= "0\r\n\r\n";
			$head .= shift @pieces if length $before;
		}
		else { $head .= 'content-length: ' . (length($before) + length $shape->{text}) . "\r\n\r\n$before"; }
		syswrite $peer, $head;
		for my $piece (@pieces)
		{
			# another segment than the one before: the sidecar reads it by itself
			sleep 0.0005;
			syswrite $peer, $piece if length $piece;
		}
		close $peer;
	}
	return;
}

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16, ReuseAddr => 1) or die $!;
my $url = 'http://127.0.0.1:' . $listener->sockport;
my $server = fork() // die $!;
if ($server == 0)
{
	local $SIG{PIPE} = 'IGNORE';
	serve($listener);
	POSIX::_exit(0);
}
close $listener;

my $sidecar = start_sidecar($directory, database => conninfo_of($node),
	arguments => [ '--log-level', 'debug', '--record-headers', 'on', '--upstream', "openai=$url" ]);

my $n_asked = 0;
my (@leaked, @odd);
for my $name (sort keys %shapes)
{
	for my $framing (qw(length chunks))
	{
		for my $split (0 .. length $shapes{$name}{text})
		{
			my $body = '{"model":"m","stream":' . ($shapes{$name}{type} =~ /stream/ ? 'true}' : 'false}');
			my $answer = request_raw($sidecar->{port}, "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
				  . "x-shape: $name $framing $split\r\ncontent-length: " . length($body) . "\r\n\r\n$body");
			my $status = $name eq 'later' ? 200 : 401;
			$n_asked++;
			push @leaked, "$name $framing $split: $answer" if $answer =~ /PLANTED|0123456789abc|10\.1\.2/;
			push @odd, "$name $framing $split: $answer" if $answer !~ /\AHTTP\/1.1 $status .*Incorrect API key provided: \*/s;
		}
	}
}
is(join("\n", @leaked), '', "no secret in an answer, $n_asked splits");
is(join("\n", @odd[0 .. ($#odd > 4 ? 4 : $#odd)]), '', 'and each answer tells the rest');
is(wait_for_events($node, $n_asked), $n_asked, 'each is a row');
is($node->safe_psql('postgres', q{SELECT count(*) FROM upstream_error_events e WHERE e::text ~ 'PLANTED|0123456789abc|10\.1\.2'}), 0, 'no secret in a row');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT (class, error_code, message)) FROM upstream_error_events}), 1, 'wherever it was cut, it is the same fault');
is(join(' ', planted_in($sidecar->{stderr}, $sidecar->{stdout}, $sidecar->{journal})), '', 'nor in log or journal');
unlike(request('GET', "$sidecar->{admin_url}/metrics")->{content}, qr/PLANTED/, 'nor in a metric');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
is(join(' ', planted_in($directory)), '', 'and leaves none behind');
kill 'TERM', $server;
waitpid $server, 0;
$node->stop;
done_testing();
