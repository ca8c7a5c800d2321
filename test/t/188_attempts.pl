# SPDX-License-Identifier: PostgreSQL

# What can go wrong between two attempts: a client that leaves, a body whose beginning comes
# late, a key in the query, a success that is out of date, and policies that change a hundred times under load.
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
use UpstreamErrors::Test;

my $directory = abs_path(PostgreSQL::Test::Utils::tempdir);
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', 'max_connections = 60'); # a server that may stream has 10
$node->start;
create_database($node);

my $secret = 'sk-attempts-secret-of-ours';
write_file("$directory/secret", "$secret\n");
my $upstream = start_upstream($directory);
my $sidecar = start_sidecar($directory, upstream => $upstream, database => conninfo_of($node), workers => 2,
	arguments => [ '--verdict-deadline', '700ms', '--log-level', 'debug', '--record-headers', 'on' ]);

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub wait_for_policy
{
	my $generation = sql('SELECT upstream_error_generation()');
	return poll_for(sub { ($sidecar->metric('upstream_errors_policy_generation') // -1) == $generation }, 20);
}

# Channels as [name, priority, models, mapping]; nothing of those before stays.
sub set_channels
{
	my ($policy, @channels) = @_;
	my $text = "BEGIN; DELETE FROM upstream_error_channels; DELETE FROM upstream_error_retry_policies;\n";
	for my $channel (@channels)
	{
		my ($name, $priority, $models, $mapping, $platform) = @$channel;
		$platform ||= 'openai';
		my $json = encode_json($mapping || {});
		$text .= "INSERT INTO upstream_error_channels (name, platform, base_url, priority, models, credential, model_mapping)"
		  . " VALUES ('$name', '$platform', '$upstream->{url}', $priority, '$models', 'file:$directory/secret', \$\$$json\$\$);\n";
	}
	my %policy = (name => "'all'", backoff_ms => 0, backoff_max_ms => 0, %$policy);
	$text .= 'INSERT INTO upstream_error_retry_policies (' . join(', ', sort keys %policy) . ') VALUES ('
	  . join(', ', map { $policy{$_} } sort keys %policy) . "); COMMIT;\n";
	sql($text);
	return wait_for_policy();
}

sub connect_raw { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) || die "no connection: $!" }

sub body_of
{
	my ($model, $size, $stream) = @_;
	return sprintf '{"messages":[{"role":"user","content":"%s"}],"stream":%s,"model":"%s","user":"%s"}',
	  'a' x 100, $stream ? 'true' : 'false', $model, 'u' x ($size || 1);
}

sub post { my ($body, %headers) = @_; return request('POST', "$sidecar->{url}/v1/chat/completions", { 'content-type' => 'application/json', %headers }, $body) }

ok(poll_for(sub { ($sidecar->metric('upstream_errors_database_connected') // 0) >= 1 }), 'connected');

# --- the beginning of a body of unknown length comes behind its head ---
ok(set_channels({}, [ 'for-a', 0, '{a}', { a => 'error-200' } ], [ 'for-b', 1, '{b}', { b => 'echo' } ]), 'channels');
{
	my $socket = connect_raw();
	my $body = body_of('b', 20);
	my ($first, $rest) = (substr($body, 0, 60), substr($body, 60));
	print $socket "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
	  . "authorization: Bearer client-one\r\nauthorization: Bearer client-two\r\nx-api-key: client-three\r\ntransfer-encoding: chunked\r\n\r\n";
	$socket->flush;
	sleep 0.2;
	printf $socket "%x\r\n%s\r\n", length $first, $first;
	$socket->flush;
	sleep 0.2;
	printf $socket "%x\r\n%s\r\n0\r\n\r\n", length $rest, $rest;
	$socket->flush;
	my $answer = do { local $/; <$socket> };
	my ($json) = $answer =~ /(\{.*\})/s;
	my $echo = eval { decode_json($json // '') } || {};
	my $sent = body_of('echo', 20);
	is($echo->{bytes}, length $sent, 'the model decides, though it came late');
	is($echo->{crc32}, crc32($sent), 'and has the name of that channel');
	my @credentials = grep { /client-|sk-/ } @{ $echo->{headers} || [] };
	is(scalar @credentials, 1, 'one credential arrives');
	is($credentials[0], "authorization: Bearer $secret", 'the channel\'s');
}

# --- only the second channel calls the model by another name; the body is no longer there ---
for my $size (20, 65400 .. 65403, 300000)
{
	ok(set_channels({ budget_percent => 1000, budget_burst => 100 }, [ 'plain', 0, '{}', {} ], [ 'mapped', 1, '{}', { reset => 'echo' } ]), "channels, $size");
	my $answer = post(body_of('reset', $size));
	my $echo = eval { decode_json($answer->{content}) } || {};
	my $sent = body_of('echo', $size);
	is($answer->{status}, 200, "$size bytes reach the second channel");
	is($echo->{bytes}, length $sent, "$size bytes and another name");
	is($echo->{crc32}, crc32($sent), "$size bytes as they were");
}

# --- the client's own key ---
{
	ok(set_channels({}, [ 'g', 0, '{}', { 'echo' => 'echo:y?z#' }, 'gemini' ]), 'channels');
	my $answer = request('POST', "$sidecar->{url}/v1beta/models/echo:generateContent?key=client-key&alt=sse&key=again&k%65y=client-key-too&keys=kept", { 'content-type' => 'application/json' }, '{}');
	unlike($answer->{content}, qr/client-key|again/, 'the client\'s key does not arrive');
	like($answer->{content}, qr/\?alt=sse&keys=kept"/, 'and all else of the query does');
}

# --- a client that leaves between two attempts ---
{
	ok(set_channels({ backoff_ms => 60000, backoff_max_ms => 60000, max_channel_attempts => 5, total_timeout_ms => 0, failover_wait_ms => 60000 },
		[ 'one', 0, '{}', {} ], [ 'two', 1, '{}', {} ]), 'channels');
	sql('SELECT upstream_error_clear_health(name) FROM upstream_error_channels');
	my $body = body_of('error:500');
	my $socket = connect_raw();
	print $socket "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-request-id: req-leaves-1\r\ncontent-type: application/json\r\ncontent-length: "
	  . length($body) . "\r\n\r\n$body";
	$socket->flush;
	ok(wait_for_events($node, 1, "request_id = 'req-leaves-1'"), 'the first attempt has a row');
	close $socket;
	ok(wait_for_events($node, 2, "request_id = 'req-leaves-1'"), 'and so has that the client left');
	is(sql("SELECT attempt, kind, channel, outcome, step_reason FROM upstream_error_events WHERE request_id = 'req-leaves-1' AND attempt = 2"),
		'2|client_gone||client_gone|client_gone', 'which no channel is told of');
}

# --- a success of before ---
{
	ok(set_channels({ max_attempts => 1 }, [ 'only', 0, '{}', { good => 'slow:1500', bad => 'error:rate_limit' } ]), 'channels');
	sql('DELETE FROM upstream_error_health_rules');
	sql("INSERT INTO upstream_error_health_rules (name, scope, classes, duration_s, use_hint) VALUES ('any', 'channel', '{rate_limit,server_error,overloaded}', 60, false)");
	wait_for_policy();
	my $socket = connect_raw();
	my $body = body_of('good');
	print $socket "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: " . length($body) . "\r\n\r\n$body";
	$socket->flush;
	sleep 0.3;
	my $failed = post(body_of('error:500'));
	cmp_ok($failed->{status}, '>=', 500, 'it fails');
	my $answer = do { local $/; <$socket> };
	like($answer, qr{\AHTTP/1\.1 200 }, 'one that was begun before is good');
	my $later = post(body_of('ok'));
	like($later->{content}, qr/channels_cooling_down|until 20\d\d/, 'and the pause is still there') or diag($later->{content});
	ok($later->{headers}{'retry-after'}, 'with its end');
	sql("DELETE FROM upstream_error_health_rules; SELECT upstream_error_clear_health('only')");
}

# --- a verdict that comes when its attempt is long over, while the next one runs ---
sub signal_backends
{
	my ($signal, @pids) = @_;
	@pids = split /\n/, sql("SELECT pid FROM pg_stat_activity WHERE usename = 'sidecar'") unless @pids;
	kill $signal, @pids;
	return @pids;
}
# The clock that could do harm is that of what is held of a stream; an attempt's deadline is
# set anew with the next one, and means nothing between the two.
{
	my ($what, $scenario, $stream, $policy) = ('hold', 'error-first-event:1', 1, { hold_ms => 200 });
	my $good = 'slow-events:400';
	ok(set_channels({ budget_percent => 1000, budget_burst => 100, %$policy },
		[ 'bad', 0, '{}', { late => $scenario } ], [ 'good', 1, '{}', { late => $good } ]), "$what: channels");
	sql('SELECT upstream_error_clear_health(name) FROM upstream_error_channels');
	$upstream->reset_counts;
	my @pids = signal_backends('STOP');
	my $body = body_of('late', 1, $stream);
	my $socket = connect_raw();
	print $socket "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: " . length($body) . "\r\n\r\n$body";
	$socket->flush;
	my $is_under_way = poll_for(sub { $upstream->requests_of($good) >= 1 });
	signal_backends('CONT', @pids);
	ok($is_under_way, "$what: the local verdict is obeyed");
	my $answer = do { local $/; <$socket> } // '';
	like($answer, qr{\AHTTP/1\.1 200 .*straight}s, "$what: a good answer");
	unlike($answer, qr/"error"/, "$what: and nothing of the failed attempt in it");
	is($upstream->requests_of($scenario), 1, "$what: the failure was decided once");
	poll_for(sub { ($sidecar->metric('upstream_errors_database_connected') // 0) >= 1 });
}

# --- a hundred policies under load ---
{
	ok(set_channels({ budget_percent => 1000, budget_burst => 1000 }, [ 'bad', 0, '{}', { load => 'reset' } ], [ 'good', 1, '{}', { load => 'ok' } ],
		[ 'good too', 1, '{}', { load => 'slow:20' } ]), 'channels');
	my @children;
	for my $n (1 .. 4)
	{
		my $pid = fork // die "fork: $!";
		if ($pid == 0)
		{
			my $bad = 0;
			for (1 .. 10000)
			{
				$bad++ if post(body_of('load', $n == 1 ? 200000 : 10))->{status} != 200;
				last if -e "$directory/enough";
			}
			require POSIX;
			POSIX::_exit($bad > 0 ? 1 : 0);
		}
		push @children, $pid;
	}
	for my $round (1 .. 100)
	{
		sql("UPDATE upstream_error_channels SET weight = $round, description = 'round $round'");
	}
	ok(wait_for_policy(), 'the last of a hundred policies is in force');
	write_file("$directory/enough", '');
	my $failed = 0;
	for my $pid (@children) { waitpid $pid, 0; $failed++ if $? != 0 }
	is($failed, 0, 'and no request saw them change');
}

is($sidecar->stop, 0, 'an orderly end');
unlike($sidecar->log, qr/\Q$secret\E|AddressSanitizer|runtime error/, 'nothing in the log that should not be');
is(sql("SELECT count(*) FROM upstream_error_events e WHERE e::text LIKE '%$secret%'"), '0', 'no row holds the credential');
$node->stop;
done_testing();
