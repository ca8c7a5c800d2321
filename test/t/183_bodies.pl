# SPDX-License-Identifier: PostgreSQL

# Bodies that are too large, answers that are cut, connections that die under a request: what
# is refused, what is asked again, and what the client and the rows say of it.
use strict;
use warnings;

use Compress::Zlib qw(crc32);
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
my $sidecar = start_sidecar($directory, upstream => { url => $cluster->{channels}{a} }, database => conninfo_of($node),
	arguments => [ '--verdict-deadline', '10s', '--max-body-bytes', '100kB' ]);
my $client = UpstreamErrors::Client->new($sidecar->{url});
my $n_cases = 0;

sub channel { my ($name, %more) = @_; return { name => $name, platform => 'openai', base_url => $cluster->{channels}{$name}, %more } }
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

# What was sent over a connection of its own, and what came back until its end.
sub talk
{
	my (@parts) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) or die "connect: $!";
	local $SIG{PIPE} = 'IGNORE';
	$socket->autoflush(1);
	for my $part (@parts) { last if !$socket->send($part) }
	local $SIG{ALRM} = sub { close $socket };
	alarm 20;
	my $answer = do { local $/; <$socket> } // '';
	alarm 0;
	return $answer;
}

# A row of a failure of our own: what of it is in SQL.
sub row_of { my ($id) = @_; wait_for_events($node, 1, "request_id = '$id'"); return sql("SELECT kind, class, code, response_status, attempt FROM upstream_error_events WHERE request_id = '$id'") }

sub is_connected { return ($sidecar->metric('upstream_errors_database_connected') // 0) >= 1 }
ok(poll_for(\&is_connected), 'connected');
$cluster->play;

# --- a body above max_body_bytes ---
my $limit = 100 * 1024;
my %route = (openai => '/v1/chat/completions', anthropic => '/v1/messages', gemini => '/v1beta/models/gpt-x:generateContent');
for my $platform (sort keys %route)
{
	my $answer = ask(path => $route{$platform}, body => 'x' x ($limit + 1), headers => { 'x-request-id' => "too-large-$platform" });
	is($answer->{status}, 413, "$platform: refused");
	is($answer->{hit}, '', "$platform: before any upstream was asked");
	my $json = eval { decode_json($answer->{content}) } || {};
	like($json->{error}{message} // '', qr/too large: more than $limit bytes/, "$platform: and told why");
	is($json->{type} // '', $platform eq 'anthropic' ? 'error' : '', "$platform: in its format");
}
is(row_of('too-large-openai'), 'local_error|request_too_large|request_body_too_large|413|1', 'it has a row');
is(ask(body => 'x' x $limit)->{status}, 200, 'what is not above passes');
{
	my $head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
	my $chunk = sprintf "%x\r\n%s\r\n", 40960, 'y' x 40960;
	my $answer = talk("${head}x-request-id: chunks-1\r\nx-case: chunks\r\ntransfer-encoding: chunked\r\n\r\n", $chunk, $chunk, $chunk);
	like($answer, qr{\AHTTP/1\.1 413 }, 'in chunks: refused when the count passes it, though the rest never comes');
	like($answer, qr{^connection: close\r$}mi, 'and the connection ends');
	is(row_of('chunks-1'), 'local_error|request_too_large|request_body_too_large|413|1', 'a row of that as well');
	is(scalar(grep { $_->{over} } $cluster->seen(case => 'chunks')), scalar($cluster->seen(case => 'chunks')), 'and no upstream waits for the rest');

	$answer = talk("${head}expect: 100-continue\r\ncontent-length: 1000000\r\n\r\n");
	like($answer, qr{\AHTTP/1\.1 413 .*^connection: close\r$}msi, 'who asks first is not told to go on');

	$answer = talk("${head}content-length: 5\r\n\r\nhello${head}content-length: 200000\r\n\r\nbegin");
	like($answer, qr{\AHTTP/1\.1 200 .*HTTP/1\.1 413 }s, 'the second of two requests on one connection');
}
set(channels => [ channel('a'), channel('b') ], policies => [ { name => 'p', budget_percent => 1000, budget_burst => 100, backoff_ms => 0 } ]);
$cluster->play;
{
	my $answer = ask(body => 'x' x ($limit + 1));
	is("$answer->{status} $answer->{hit}", '413 ', 'no channel is asked either');
}

# --- an answer that is cut after its first bytes ---
sub policy { return [ { name => 'p', budget_percent => 1000, budget_burst => 100, backoff_ms => 0, max_channel_attempts => 1, @_ } ] }
my @tiers = (channel('a', idle_timeout_ms => 400), channel('b', priority => 1));
set(channels => \@tiers, policies => policy());
for my $scenario ('truncate', 'truncate:chunked', 'truncate:close', 'truncate:gzip', 'reset-midway', 'stall-midway')
{
	$cluster->play(a => $scenario);
	my $answer = ask();
	is("$answer->{status} $answer->{hit}", '200 a b', "$scenario: another channel is asked");
	like($answer->{content}, qr/Good answers stream straight through.*\}\z/s, "$scenario: and its answer is whole");
	like($answer->{headers}{'x-upstream-errors-request-id'} // '', qr/^[\w-]{8,}$/, "$scenario: with the name of its story") if $scenario eq 'truncate';
}
$cluster->play(a => 'error:500');
for my $stream (0, 1)
{
	my $answer = ask(stream => $stream, headers => { 'x-request-id' => "of-the-client-$stream" });
	is($answer->{headers}{'x-upstream-errors-request-id'}, "of-the-client-$stream", 'a recovered answer names the request');
	is($answer->{headers}{'x-request-id'}, 'req_upstream0openai1', "beside the upstream's own id");
	is(sql("SELECT what FROM upstream_error_explain_request('of-the-client-$stream') WHERE attempt = 1") =~ /channel "a"/ ? 1 : 0, 1, 'by which it is found')
	  if wait_for_events($node, 1, "request_id = 'of-the-client-$stream'");
}
$cluster->play;
is(ask()->{headers}{'x-upstream-errors-request-id'}, undef, 'one that was good at first has nothing of ours');
$cluster->play(a => 'truncate', b => 'truncate:chunked');
{
	my $answer = ask(headers => { 'x-request-id' => 'cut-twice' });
	is("$answer->{status} $answer->{hit}", '502 a b', 'when nobody is left an error says so');
	is($answer->{whole}, 1, 'whole');
	wait_for_events($node, 2, "request_id = 'cut-twice' AND step IS NOT NULL");
	is(sql("SELECT string_agg(concat_ws(' ', channel, kind, class, outcome, CASE WHEN detail ~ '^transfer closed[^{]*\$' THEN 'libcurl''s words' END), ', ' ORDER BY attempt) FROM upstream_error_events WHERE request_id = 'cut-twice'"),
		'a stream_error stream retried libcurl\'s words, b stream_error stream answered libcurl\'s words', 'and each has a row, without half an answer in it');
}
# a client that leaves while an answer is kept
set(channels => [ channel('a') ], policies => policy());
$cluster->play(a => 'stall-midway');
is(UpstreamErrors::Client->new($sidecar->{url})->ask(seconds => 0.3, headers => { 'x-request-id' => 'leaves-early' })->{head}, '', 'half an answer is not shown');
ok(poll_for(sub { $cluster->totals->{a}{open} == 0 }, 10), 'and its upstream learns that the client has left');
wait_for_events($node, 1, "request_id = 'leaves-early'");
is(sql("SELECT kind, outcome FROM upstream_error_events WHERE request_id = 'leaves-early'"), 'client_gone|client_gone', 'as does the row');
# more than may be held, or longer: then it passes as it comes, and its end is the connection's
for my $limit ([ 'hold_bytes', 'truncate', 10 ], [ 'hold_bytes', 'truncate:chunked', 10 ], [ 'hold_ms', 'stall-midway', 100 ])
{
	my ($setting, $scenario, $value) = @$limit;
	set(channels => \@tiers, policies => policy($setting => $value));
	$cluster->play(a => $scenario);
	my $answer = ask(headers => { 'x-request-id' => "cut-$setting-$scenario" =~ tr/:/-/r });
	is("$answer->{status} $answer->{hit} $answer->{whole}", '200 a 0', "$setting, $scenario: let go, and broken off");
	my $id = "cut-$setting-$scenario" =~ tr/:/-/r;
	wait_for_events($node, 1, "request_id = '$id' AND outcome IS NOT NULL");
	is(sql("SELECT kind, outcome FROM upstream_error_events WHERE request_id = '$id'"), 'stream_error|aborted', "$setting, $scenario: with a row");
}
set(channels => [ { %{ channel('a') }, platform => 'gemini' } ], policies => policy());
$cluster->play(a => 'stall-midway');
like(ask(path => '/v1beta/models/gpt-x:streamGenerateContent', seconds => 1)->{content}, qr/candidates/, "a stream of JSON is not held");

# --- names of models that need quoting ---
my $name = "a\"b\\c\x{1}\n\x{e9}\x{6a21} 50% %41?#&+";
my $quoted = 'a\"b\\\\c\u0001\n' . "\xc3\xa9\xe6\xa8\xa1 50% %41?#&+";
my %names = (plain => $name, 'say "hi"' => 'hello');
set(channels => [ channel('a', model_mapping => \%names), channel('a', name => 'g', platform => 'gemini', model_mapping => \%names) ], policies => policy());
$cluster->play(a => 'echo');
for my $size (1, 90000)
{
	my $body = sub { my ($model) = @_; return qq({"stream":false,"model":"$model","user":") . 'u' x $size . '"}' };
	for my $case ([ 'plain', $quoted ], [ 'say \\"hi\\"', 'hello' ], [ 's\\u0061y \\u0022hi\\"', 'hello' ])
	{
		my ($asked, $sent) = @$case;
		my $echo = eval { decode_json(ask(body => $body->($asked))->{content}) } || {};
		is($echo->{bytes}, length $body->($sent), "$size, $asked: the other name, as JSON has it");
		is($echo->{crc32}, crc32($body->($sent)), "$size, $asked: and all else as it was");
	}
}
like(ask(path => '/v1beta/models/plain:generateContent')->{content}, qr{"target":"/v1beta/models/a%22b%5Cc%01%0A%C3%A9%E6%A8%A1%2050%25%20%41%3F%23&\+:generateContent"}, 'in a path: percent-encoded');
$cluster->play(a => 'error:500');
ask(body => '{"model":"plain"}', headers => { 'x-request-id' => 'quoted-model-2' });
wait_for_events($node, 1, "request_id = 'quoted-model-2'");
is(sql("SELECT model, upstream_model LIKE 'a\"b\\\\c%' FROM upstream_error_events WHERE request_id = 'quoted-model-2'"), 'plain|t', 'the row has both names');

# --- a kept connection that dies under a request ---
sub resends { return $sidecar->metric('upstream_errors_resends_total') // -1 }
my $post = sub { return ask(headers => { 'x-request-id' => $_[0] }) };
my $rows = sub { my ($id) = @_; return sql("SELECT string_agg(concat_ws(' ', channel, kind, network_error, step, step_reason), ', ' ORDER BY attempt) FROM upstream_error_events WHERE request_id = '$id'") };
for my $case ([ 'without channels', [], [] ], [ 'with channels', \@tiers, policy() ])
{
	my ($what, $channels, $policies) = @$case;
	set(channels => $channels, policies => $policies);
	$cluster->play(a => 'n=2 close');
	is(ask()->{hit}, 'a', "$what: a connection");
	my $before = resends();
	my $answer = $post->("dies-once");
	is("$answer->{status} $answer->{hit}", '200 a a', "$what: closed at once under the next request, which is sent once more");
	is(resends(), $before + 1, "$what: and that is counted");
	is($rows->('dies-once'), '', "$what: a failure it is not");
}
$cluster->play(a => 'n=2-9 close');
ask();
my $answer = $post->('dies-twice');
is("$answer->{status} $answer->{hit}", '200 a a b', 'once more, and no more often: then it is a failed attempt');
wait_for_events($node, 1, "request_id = 'dies-twice' AND step IS NOT NULL");
is($rows->('dies-twice'), 'a request_error reset failover network', 'with a row');
$cluster->play(a => 'n=2 close:1300');
ask();
$answer = $post->('dies-late');
is("$answer->{status} $answer->{hit}", '200 a b', 'closed after a while: it may have been worked on there');
wait_for_events($node, 1, "request_id = 'dies-late' AND step IS NOT NULL");
is($rows->('dies-late'), 'a request_error reset failover network', 'so that is a failed attempt as well');
set(channels => \@tiers, policies => policy(budget_percent => 0, budget_burst => 0));
$cluster->play(a => 'n=2 close');
ask();
my $before = resends();
$answer = $post->('dies-poor');
is("$answer->{status} $answer->{hit}", '502 a', 'without budget nothing is sent again');
is(resends(), $before, 'nor counted');
wait_for_events($node, 1, "request_id = 'dies-poor' AND step IS NOT NULL");
is($rows->('dies-poor'), 'a request_error reset answer budget', 'and the row says why');
set(channels => []);
$cluster->play(a => 'n=2 close:1300');
ask();
$answer = ask(method => 'GET', path => '/v1/models', body => '', headers => { 'content-length' => undef });
is("$answer->{status} $answer->{hit}", '200 a a', 'what only reads is asked for again in any case');

is($sidecar->stop, 0, 'an orderly end');
unlike($sidecar->log, qr/AddressSanitizer|runtime error/, 'and a clean one');
$node->stop;
done_testing();
