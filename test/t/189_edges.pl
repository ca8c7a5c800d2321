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
	'signs of life' => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n8\r\n: ping\n\n\r\n8\r\n: ping\n\n\r\n0\r\n\r\n",
	'signs, then the end' => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: ping\n\ndata: [DONE]",
	'blanks' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n \r\n",
	'not modified' => "HTTP/1.1 304 Not Modified\r\n\r\n",
	'two lengths' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ncontent-length: 9\r\n\r\n{\"id\":12}",
	'unasked switch' => "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
	'half of it' => "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id\":\"x\",\"choices\":[{\"me",
	'half of more' => "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id\":\"" . ('x' x 9000),
	'all of it' => "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id\":\"x\",\"choices\":[]}\n",
	'error as text' => "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n{\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}",
	'text' => "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello",
	'events as JSON' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\ndata: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}\n\n",
	'good events as text' => "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\ndata: {\"id\":1}\n\ndata: [DONE]\n\n",
	'early error' => "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 200\r\n\r\n{\"error\":{\"message\":\"no such tool\",\"type\":\"invalid_request_error\"}}",
	'wait' => "HTTP/1.1 429 Too Many Requests\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n",
	'failed job' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"object\":\"fine_tuning.job\",\"id\":\"ftjob-1\",\"status\":\"failed\",\"error\":{\"code\":\"invalid_training_file\",\"message\":\"line 3\",\"param\":null}}",
	'failed operation' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"name\":\"models/m/operations/1\",\"done\":true,\"error\":{\"code\":3,\"message\":\"bad\"}}",
	'lines of a batch' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"custom_id\":\"1\",\"response\":null,\"error\":{\"code\":\"batch_expired\",\"message\":\"too late\"}}\n{\"custom_id\":\"2\"}\n",
	'two equal lengths' => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\ncontent-length: 9\r\n\r\n{\"id\":12}",
);
my $raw = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', LocalPort => 0) || die "no listener: $!";
my $raw_pid = fork // die "fork: $!";
if ($raw_pid == 0)
{
	$SIG{CHLD} = 'IGNORE';
	while (my $peer = $raw->accept)
	{
		next if fork;
		my $head = '';
		while ($head !~ /\r\n\r\n/ && $peer->sysread(my $part, 65536)) { $head .= $part }
		my ($name) = $head =~ /^x-case: (.*?)\r$/mi;
		$peer->syswrite($bytes{ $name // '' } // '');
		shutdown $peer, 1 unless $name eq 'early error';
		1 while $peer->sysread(my $rest, 65536);
		require POSIX;
		POSIX::_exit(0);
	}
}

my $upstream = start_upstream($directory);
my $sidecar = start_sidecar($directory, upstream => $upstream, database => conninfo_of($node), workers => 1,
	arguments => [ '--retry-body-size', '4MB', '--upstream', 'mistral=http://127.0.0.1:' . $raw->sockport, '--upstream', "bedrock=$upstream->{url}" ]);

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

# --- a client that leaves while its request is set aside ---
{
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) || die "no connection: $!";
	$socket->autoflush(1);
	print $socket "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-request-id: left\r\ncontent-length: 900000\r\n\r\n{\"messages\":\"" . ('x' x 400_000);
	my $counted = sub { $sidecar->metric('upstream_errors_requests_total') };
	my $before = $counted->();
	close $socket;
	ok(poll_for(sub { $counted->() > $before }), 'it is counted');
	is(sql("SELECT count(*) FROM upstream_error_events WHERE request_id = 'left'"), '0', 'and has no row, for no attempt was made');
}

# --- a disk that takes nothing: large requests are made once, and the log says why ---
{
	ok(route({ name => 'fails', models => ['b'], model_mapping => { b => 'error:500' } }, { name => 'good', priority => 1, model_mapping => { b => 'echo' } }), 'channels');
	my @case = ('{"model":"b","messages":"', ('x' x 100_000) x 6, '"}');
	chmod 0500, $sidecar->{journal};
	my ($status) = send_pieces("x-request-id: unkept\r\n", @case);
	chmod 0700, $sidecar->{journal};
	is($status, 500, 'a request that cannot be kept gets the first answer');
	ok(poll_for(sub { sql("SELECT step_reason FROM upstream_error_events WHERE request_id = 'unkept'") eq 'body' }), 'its row says so');
	like($sidecar->log, qr/"event":"body_not_kept"[^\n]*"reason":"Permission denied"/, 'and the log why');
	is((send_pieces('', @case))[0], 200, 'then it is kept again');
}

# --- who cannot be asked, and why ---
{
	ok(route({ name => 'keyless', credential => 'env:UE_TEST_NOT_SET' }, { name => 'off', enabled => JSON::PP::false },
			{ name => 'other', models => ['other'] }), 'channels');
	my $answer = request('POST', "$sidecar->{url}/v1/chat/completions", { 'x-request-id' => 'nobody' }, { model => 'echo' });
	is($answer->{status}, 503, 'nobody can be asked');
	is($sidecar->metric('upstream_errors_channels_unusable'), 1, 'one would be, but for its key');
	ok(poll_for(sub { sql("SELECT passed_over IS NOT NULL FROM upstream_error_events WHERE request_id = 'nobody'") eq 't' }), 'there is a row');
	is(sql(q{SELECT string_agg(p ->> 'channel' || ' ' || (p ->> 'why'), ', ' ORDER BY p ->> 'channel')
		FROM upstream_error_events, jsonb_array_elements(passed_over) AS p WHERE request_id = 'nobody'}),
		'keyless unusable: the environment variable that it refers to is not set, off not enabled', 'which says why');
	like(sql("SELECT what FROM upstream_error_explain_request('nobody') WHERE attempt = 1"), qr/Passed over: .*"keyless" \(unusable/, 'and so does the story of the request');
}

# --- a credential that comes late, without a signal ---
{
	ok(route({ name => 'late', credential => "file:$directory/late.key", model_mapping => { m => 'echo' } }), 'a channel whose key is not there');
	my $ask = sub { request('POST', "$sidecar->{url}/v1/chat/completions", {}, { model => 'm' }) };
	is($ask->()->{status}, 503, 'it cannot be asked');
	write_file("$directory/late.key", "sk-came-late\n");
	ok(poll_for(sub { $ask->()->{content} =~ /Bearer sk-came-late/ }), 'until its key is there');
	unlink "$directory/late.key";
	like($ask->()->{content}, qr/Bearer sk-came-late/, 'which is kept while nothing else changes');
}

# --- a signal that is none of ours ---
{
	kill 'USR1', $sidecar->{pid};
	kill 'USR2', $sidecar->{pid};
	sleep 0.1;
	ok($sidecar->is_running, 'one that others take for "reopen your log" ends nothing');
}

# --- why there is no connection ---
{
	ok(route({ name => 'nobody listens', base_url => 'http://127.0.0.1:1' }), 'a channel');
	is(request('POST', "$sidecar->{url}/v1/chat/completions", { 'x-request-id' => 'refused' }, { model => 'm' })->{status}, 502, 'nobody listens there');
	ok(wait_for_events($node, 1, "request_id = 'refused'"), 'there is a row');
	my $detail = sql("SELECT detail FROM upstream_error_events WHERE request_id = 'refused' AND attempt = 1");
	like($detail, qr/connect/, 'with the words of the network library');
	unlike($detail, qr/127\.0\.0\.1/, 'without the address');
}

# --- how long the client will wait ---
{
	ok(route({ name => 'raw', base_url => 'http://127.0.0.1:' . $raw->sockport }), 'a channel');
	for my $header ('x-stainless-timeout', 'x-stainless-read-timeout', 'x-server-timeout')
	{
		my $answer = request('POST', "$sidecar->{url}/v1/chat/completions", { 'x-case' => 'wait', 'x-request-id' => $header, $header => '3' }, { model => 'm' });
		is($answer->{status}, 429, "$header: no wait beyond it");
		ok(poll_for(sub { sql("SELECT step_reason FROM upstream_error_events WHERE request_id = '$header'") eq 'deadline' }), "$header: as its row says");
	}
}

# --- a request that its client has signed (AWS, Signature Version 4) ---
{
	ok(route(), 'no channels');
	my @signed = ('authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=5d6',
		'x-amz-date: 20261121T120000Z', 'X-Amz-Security-Token: a/b+c==', 'X-Amz-Content-Sha256: e3b0');
	my $answer = request_raw($sidecar->{port}, join "\r\n", 'POST /model/anthropic.claude-3%3A0/invoke?a=b%20c&&d=+ HTTP/1.1',
		'host: bedrock-runtime.us-east-1.amazonaws.com', 'connection: close', 'x-scenario: echo', @signed, 'content-length: 2', '', '{}');
	my ($json) = $answer =~ /(\{.*\})/s;
	my $echo = eval { decode_json($json // '') } || {};
	is($echo->{target}, '/model/anthropic.claude-3%3A0/invoke?a=b%20c&&d=+', 'its path and query arrive as they were signed');
	for my $header (@signed) { ok((grep { $_ eq $header } @{ $echo->{headers} || [] }), 'and so does ' . ($header =~ s/:.*//r)) }
	my ($host) = map { /^host: (.*)/i ? $1 : () } @{ $echo->{headers} || [] };
	is($host, "127.0.0.1:$upstream->{port}", 'but the host is that of the base URL');
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
	for my $case ([ 'empty stream', 502, 'stream_error|truncated' ], [ 'signs of life', 200, 'stream_error|truncated', qr/\A(: ping\n\n){2}data: \{"error":/ ],
		[ 'signs, then the end', 200 ], [ 'blanks', 502, 'http_error|' ], [ 'not modified', 502, 'http_error|' ],
		[ 'two lengths', 502, 'request_error|protocol' ], [ 'unasked switch', 502, 'request_error|protocol' ],
		[ 'half of it', 599, 'stream_error|truncated' ], [ 'half of more', 599, 'stream_error|truncated' ], [ 'error as text', 503, 'http_error|' ], [ 'text', 200 ],
		[ 'events as JSON', 503, 'stream_error|' ], [ 'good events as text', 200 ], [ 'all of it', 200 ], [ 'two equal lengths', 200 ])
	{
		my ($name, $status, $row, $content) = @$case;
		my $answer = request('POST', "$sidecar->{url}/mistral/v1/chat/completions", { 'x-case' => $name, 'x-request-id' => $name =~ tr/ /-/r }, { model => 'm', $name =~ /events/ ? (stream => JSON::PP::true) : () });
		is($answer->{status}, $status, "$name: the client's status") or diag($answer->{content});
		like($answer->{content}, $content, "$name: what is in it") if $content;
		next unless $row;
		ok(wait_for_events($node, 1, "request_id = '" . ($name =~ tr/ /-/r) . "'"), "$name: a row");
		is(sql("SELECT kind, network_error FROM upstream_error_events WHERE request_id = '" . ($name =~ tr/ /-/r) . "'"), $row, "$name: what it says");
	}
	is(sql("SELECT count(*) FROM upstream_error_events WHERE request_id IN ('all-of-it', 'two-equal-lengths', 'signs,-then-the-end', 'text', 'good-events-as-text')"), '0', 'good ones have no row');
}
# --- what a GET reads may tell of an error, and is a good answer: the state of a job, a file ---
{
	sql('TRUNCATE upstream_error_events');
	for my $case ([ 'failed job', '/v1/fine_tuning/jobs/ftjob-1', 200 ], [ 'failed operation', '/v1beta/models/m/operations/1', 200 ],
		[ 'lines of a batch', '/v1/files/file-1/content', 200 ], [ 'lines of a batch', '/v1/models', 502 ])
	{
		my ($name, $path, $status) = @$case;
		my $answer = request('GET', "$sidecar->{url}/mistral$path", { 'x-case' => $name });
		is($answer->{status}, $status, "$name from $path");
		is($answer->{content}, $bytes{$name} =~ s/.*?\r\n\r\n//sr, "$name: as it was sent") if $status == 200;
	}
	ok(wait_for_events($node, 1), 'there is a row');
	is(sql('SELECT string_agg(route, $$ $$) FROM upstream_error_events'), '/mistral/v1/models', 'of the list of models alone, which has no errors in it');
}
# --- a limit for bodies, in the middle of one ---
{
	# as a shell starts programs: with fewer descriptors than it may have
	my $binary = $ENV{UE_TEST_SIDECAR} || top_directory() . '/build/upstream-errors-sidecar';
	local $ENV{UE_TEST_SIDECAR} = write_file("$directory/few", "#!/bin/sh\nulimit -Sn 40\nexec $binary \"\$@\"\n");
	chmod 0755, $ENV{UE_TEST_SIDECAR};
	my $small = start_sidecar($directory, name => 'small', upstream => $upstream,
		arguments => [ '--max-body-bytes', '10000', '--upstream', 'mistral=http://127.0.0.1:' . $raw->sockport ]);
	like(read_file("/proc/$small->{pid}/limits"), qr/^Max open files +(\d+) +\1 /m, 'it takes as many descriptors as it may');
	for my $case ([ 10000, 200 ], [ 10001, 413 ])
	{
		my ($size, $status) = @$case;
		my $body = '{"model":"echo","user":"' . ('u' x ($size - 26)) . '"}';
		my $got = request('POST', "$small->{url}/v1/chat/completions", {}, sub { my $part = substr $body, 0, 3000, ''; return length $part ? $part : undef });
		is($got->{status}, $status, "$size bytes of unknown length");
	}
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $small->{port}) || die "no connection: $!";
	$socket->autoflush(1);
	my $part = sprintf "%x\r\n%s\r\n", 8000, 'u' x 8000;
	print $socket "POST /mistral/v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-case: early error\r\ntransfer-encoding: chunked\r\n\r\n$part";
	sleep 1; # its error comes meanwhile
	print $socket $part;
	my $answer = do { local $/; <$socket> } // '';
	like($answer, qr{\AHTTP/1\.1 400 .*no such tool}s, 'an error of the upstream that came before the limit was passed is the answer');
	is($small->stop, 0, 'an orderly end of the small one');
}
# --- a partition that somebody has locked: the sidecar does not wait an hour for it ---
{
	my $locker = fork // die "fork: $!";
	if ($locker == 0)
	{
		$node->psql('postgres', 'BEGIN; LOCK TABLE upstream_error_events_default IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)');
		require POSIX;
		POSIX::_exit(0);
	}
	ok(poll_for(sub { sql("SELECT count(*) FROM pg_locks WHERE relation = 'upstream_error_events_default'::regclass AND mode = 'AccessExclusiveLock' AND granted") }), 'it is locked');
	my $late = start_sidecar($directory, name => 'late', upstream => $upstream, database => conninfo_of($node));
	ok(poll_for(sub { $late->log =~ /"event":"maintained_in_part"[^\n]*in 5 min/ }), 'what was skipped is tried again soon');
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()");
	waitpid $locker, 0;
	is($late->stop, 0, 'an orderly end of that one');
}
kill 'KILL', $raw_pid;
waitpid $raw_pid, 0;

is($sidecar->stop, 0, 'an orderly end');
unlike($sidecar->log, qr/AddressSanitizer|runtime error/, 'nothing in the log that should not be');
$node->stop;
done_testing();
