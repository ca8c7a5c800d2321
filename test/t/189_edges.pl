# SPDX-License-Identifier: PostgreSQL

# What happens at the edges: requests and answers that are odd, large, late, or in pieces.
use strict;
use warnings;

use Compress::Zlib qw(crc32);
use Cwd qw(abs_path);
use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use UpstreamErrors::Routing;
use UpstreamErrors::Test;

my $directory = abs_path(PostgreSQL::Test::Utils::tempdir);
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', 'max_connections = 60'); # a server that may stream has 10
$node->start;
create_database($node);

# A server that sends what HTTP libraries do not: the bytes that the query names, then the end.
my %bytes = (
	'empty stream' => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
	'blanks' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n \r\n",
	'not modified' => "HTTP/1.1 304 Not Modified\r\n\r\n",
	'two lengths' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ncontent-length: 9\r\n\r\n{\"id\":12}",
	'unasked switch' => "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
	'half of it' => "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id\":\"x\",\"choices\":[{\"me",
	'half of more' => "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id\":\"" . ('x' x 9000),
	'all of it' => "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id\":\"x\",\"choices\":[]}\n",
	'two equal lengths' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\ncontent-length: 9\r\n\r\n{\"id\":12}",
);
my $raw = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', LocalPort => 0) || die "no listener: $!";
my $raw_pid = fork // die "fork: $!";
if ($raw_pid == 0)
{
	while (my $peer = $raw->accept)
	{
		my $head = '';
		while ($head !~ /\r\n\r\n/ && $peer->sysread(my $part, 65536)) { $head .= $part }
		my ($name) = $head =~ /^x-case: (.*?)\r$/mi;
		$peer->syswrite($bytes{ $name // '' } // '');
		shutdown $peer, 1;
		$peer->sysread(my $rest, 65536);
	}
	require POSIX;
	POSIX::_exit(0);
}

my $upstream = start_upstream($directory);
my $sidecar = start_sidecar($directory, upstream => $upstream, database => conninfo_of($node), workers => 1,
	arguments => [ '--retry-body-size', '4MB', '--upstream', 'mistral=http://127.0.0.1:' . $raw->sockport ]);

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Channels as {name, priority, models, model_mapping, …}; nothing of those before stays.
sub route
{
	my (@channels) = @_;
	set_routing($node, channels => [ map { { platform => 'openai', base_url => $upstream->{url}, %$_ } } @channels ],
		policies => [ { name => 'all', backoff_ms => 0, backoff_max_ms => 0, budget_percent => 1000, budget_burst => 100 } ]);
	return in_force($node, $sidecar);
}

# What a client of raw sockets gets; the body in pieces, chunked when no length is told.
sub send_pieces
{
	my ($headers, @pieces) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) || die "no connection: $!";
	my $length = 0;
	$length += length $_ for @pieces;
	my $is_chunked = $headers =~ /^transfer-encoding/m;
	local $SIG{PIPE} = 'IGNORE';
	$socket->autoflush(1);
	print $socket "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n$headers"
	  . ($is_chunked ? '' : "content-length: $length\r\n") . "\r\n";
	for my $piece (@pieces) { print $socket $is_chunked ? sprintf("%x\r\n%s\r\n", length $piece, $piece) : $piece }
	print $socket "0\r\n\r\n" if $is_chunked;
	my $answer = do { local $/; <$socket> } // '';
	my ($status) = $answer =~ m{\AHTTP/1\.1 (\d+)};
	my ($json) = $answer =~ /(\{.*\})/s;
	return ($status, eval { decode_json($json // '') } || {}, $answer);
}

# --- a model behind a long conversation, as SDKs of Python write it ---
{
	ok(route({ name => 'for-a', models => ['a'], model_mapping => { a => 'error-200' } },
			{ name => 'fails', models => ['b'], model_mapping => { b => 'error:500' } },
			{ name => 'for-b', priority => 1, models => ['b'], model_mapping => { b => 'echo' } }), 'channels');
	for my $case ([ 'of 100 kB', 100_000, '' ], [ 'of 1 MB', 1_000_000, '' ],
		[ 'of 1 MB, of unknown length', 1_000_000, "transfer-encoding: chunked\r\n" ])
	{
		my ($what, $size, $headers) = @$case;
		my $body = '{"messages":[{"role":"user","content":"' . ('say \"model\":\"a\" ' x ($size / 18)) . '"}],"model":"%s","stream":false}';
		my ($status, $echo) = send_pieces($headers, unpack '(a50000)*', sprintf $body, 'b');
		my $sent = sprintf $body, 'echo';
		is($status, 200, "a body $what whose model comes last reaches a channel for it");
		is($echo->{bytes}, length $sent, "$what: whole, with that channel's name for it");
		is($echo->{crc32}, crc32($sent), "$what: and otherwise as it was");
	}
	ok(wait_for_events($node, 3), 'the attempts that failed before have rows');
	is(sql("SELECT DISTINCT channel, model, upstream_model FROM upstream_error_events"), 'fails|b|error:500', 'which know the model');

	# beyond what may be kept nobody can wait for it: any channel of the platform
	my ($status, $echo) = send_pieces('', '{"messages":"', ('x' x 1_000_000) x 5, '","model":"none"}');
	ok($status, 'one that cannot be kept is answered all the same');
}

# --- the same without channels: nothing waits, but rows and counts know it ---
{
	ok(route(), 'no channels');
	sql('TRUNCATE upstream_error_events');
	my ($status) = send_pieces('', '{"messages":"', ('x' x 100_000) x 3, '","model":"error:500","stream":true}');
	ok(wait_for_events($node, 1), 'a failure of a long request has a row');
	is(sql('SELECT model, stream FROM upstream_error_events'), 'error:500|t', 'with the model and the stream that it asked for');
}

# --- answers that are none, though they look like one ---
{
	sql('TRUNCATE upstream_error_events');
	for my $case ([ 'empty stream', 502, 'stream_error|truncated' ], [ 'blanks', 502, 'http_error|' ], [ 'not modified', 502, 'http_error|' ],
		[ 'two lengths', 502, 'request_error|protocol' ], [ 'unasked switch', 502, 'request_error|protocol' ],
		[ 'half of it', 599, 'stream_error|truncated' ], [ 'half of more', 599, 'stream_error|truncated' ], [ 'all of it', 200 ], [ 'two equal lengths', 200 ])
	{
		my ($name, $status, $row) = @$case;
		my $answer = request('POST', "$sidecar->{url}/mistral/v1/chat/completions", { 'x-case' => $name, 'x-request-id' => $name =~ tr/ /-/r }, { model => 'm' });
		is($answer->{status}, $status, "$name: the client's status") or diag($answer->{content});
		next unless $row;
		ok(wait_for_events($node, 1, "request_id = '" . ($name =~ tr/ /-/r) . "'"), "$name: a row");
		is(sql("SELECT kind, network_error FROM upstream_error_events WHERE request_id = '" . ($name =~ tr/ /-/r) . "'"), $row, "$name: what it says");
	}
	is(sql("SELECT count(*) FROM upstream_error_events WHERE request_id IN ('all-of-it', 'two-equal-lengths')"), '0', 'good ones have no row');
}
kill 'KILL', $raw_pid;
waitpid $raw_pid, 0;

is($sidecar->stop, 0, 'an orderly end');
unlike($sidecar->log, qr/AddressSanitizer|runtime error/, 'nothing in the log that should not be');
$node->stop;
done_testing();
