# SPDX-License-Identifier: PostgreSQL

# What an operator meets: help, version, settings from flags, environment and file, a clear
# word for each mistake, health, readiness, metrics, draining, one process per journal.
use strict;
use warnings;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use UpstreamErrors::Test;

my $binary = $ENV{UE_TEST_SIDECAR} || top_directory() . '/build/upstream-errors-sidecar';
my $directory = PostgreSQL::Test::Utils::tempdir;

# (exit status, stdout, stderr) of a sidecar that is not expected to stay
sub run_once
{
	my ($environment, @arguments) = @_;
	local %ENV = (%ENV, %$environment);
	my ($out, $err) = ('', '');
	IPC::Run::run([ $binary, @arguments ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(20));
	return ($? >> 8, $out, $err);
}

my ($status, $out, $err) = run_once({}, '--help');
is($status, 0, '--help');
like($out, qr/\Q--$_\E/, "--help names --$_") for qw(listen admin-listen database journal workers upstream config check version help);
($status, $out, $err) = run_once({}, '--version');
is($status, 0, '--version');
like($out, qr/^upstream-errors-sidecar \d+\.\d+/, '--version says which');
($status, $out, $err) = run_once({}, '--check', '--journal', "$directory/checked");
is($status, 0, '--check accepts the defaults') or diag($err);

# Each mistake: arguments, environment, file, and what the message must hold.
my @mistakes = (
	[ 'an unknown flag', ['--lisen', 'x'], {}, undef, qr/lisen/ ],
	[ 'a flag without its value', ['--workers'], {}, undef, qr/workers/ ],
	[ 'a number that is none', [ '--workers', 'many' ], {}, undef, qr/workers.*many/s ],
	[ 'a number out of range', [ '--workers', '0' ], {}, undef, qr/workers.*0.*1/s ],
	[ 'a duration without a unit that exists', [ '--idle-timeout', '5 fortnights' ], {}, undef, qr/idle.timeout.*fortnights.*ms/s ],
	[ 'a size that is none', [ '--error-body-size', 'huge' ], {}, undef, qr/error.body.size.*huge.*kB/s ],
	[ 'an address without a port', [ '--listen', 'localhost' ], {}, undef, qr/localhost/ ],
	[ 'an upstream without a scheme', [ '--upstream', 'openai=api.openai.com' ], {}, undef, qr/openai.*http/s ],
	[ 'an upstream with a credential', [ '--upstream', 'openai=https://user:hunter2@host/' ], {}, undef, qr/upstream.*credential/s ],
	[ 'an upstream with a key in its query', [ '--upstream', 'openai=http://host/?key=hunter2' ], {}, undef, qr/upstream.*query/s ],
	[ 'an upstream with a credential and no platform', [ '--upstream', 'https://user:hunter2@host/' ], {}, undef, qr/PLATFORM/ ],
	[ 'an upstream without a platform', [ '--upstream', 'https://host/' ], {}, undef, qr/PLATFORM|platform/ ],
	[ 'a log level that is none', [ '--log-level', 'loud' ], {}, undef, qr/loud.*(error|warning|info|debug)/s ],
	[ 'a conninfo that is none', [ '--database', 'host=x nonsense=y' ], {}, undef, qr/database.*nonsense/s ],
	[ 'a URI that is none', [ '--database', 'postgresql://user:hunter2@[::1/x' ], {}, undef, qr/database.*IPv6/s ],
	[ 'a password with a blank', [ '--database', 'host=x password=my hunter2' ], {}, undef, qr/database.*missing/s ],
	[ 'the environment', [], { UPSTREAM_ERRORS_WORKERS => 'many' }, undef, qr/UPSTREAM_ERRORS_WORKERS.*many/s ],
	[ 'a file that is not there', [ '--config', "$directory/missing.json" ], {}, undef, qr/missing\.json/ ],
	[ 'a file that is no JSON', [ '--config', "$directory/broken.json" ], {}, [ 'broken.json', "{\n  \"workers\": \n}\n" ], qr/broken\.json/ ],
	[ 'an unknown key in the file', [ '--config', "$directory/unknown.json" ], {}, [ 'unknown.json', '{"wrokers": 1}' ], qr/unknown\.json.*wrokers|wrokers.*unknown\.json/s ],
	[ 'a wrong type in the file', [ '--config', "$directory/type.json" ], {}, [ 'type.json', '{"workers": [1]}' ], qr/workers/ ],
	[ 'a journal that cannot be', [ '--journal', '/proc/nowhere/journal' ], {}, undef, qr/\/proc\/nowhere/ ],
);
for my $mistake (@mistakes)
{
	my ($what, $arguments, $environment, $file, $pattern) = @$mistake;
	write_file("$directory/$file->[0]", $file->[1]) if $file;
	my @journal = grep({ $_ eq '--journal' } @$arguments) ? () : ('--journal', "$directory/checked");
	($status, $out, $err) = run_once($environment, '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', @journal, @$arguments);
	is($status, 2, "$what: exit status 2");
	like($err, $pattern, "$what: says what is wrong");
	unlike($err, qr/hunter2/, "$what: no credential in the message");
}

# --- flags win over the environment, that over the file ---
write_file("$directory/good.json", encode_json({ workers => 1, instance => 'from-file', region => 'file', log_level => 'info' }));
my $upstream = start_upstream($directory);
my $sidecar;
{
	local $ENV{UPSTREAM_ERRORS_REGION} = 'environment';
	$sidecar = start_sidecar($directory, upstream => $upstream,
		arguments => [ '--config', "$directory/good.json" ]);
}
is(request('GET', "$sidecar->{admin_url}/healthz")->{status}, 200, '/healthz');
is(request('GET', "$sidecar->{admin_url}/readyz")->{status}, 200, '/readyz without a database set');
is(request('GET', "$sidecar->{admin_url}/elsewhere")->{status}, 404, 'nothing else');
isnt(request('POST', "$sidecar->{admin_url}/metrics", {}, '')->{status}, 200, 'nothing to write');
is(request('GET', "$sidecar->{url}/metrics")->{status}, 404, 'no metrics for clients');

request('POST', "$sidecar->{url}/v1/chat/completions", {}, { model => $_ }) for qw(ok ok error:429 html500 reset);
my $metrics = request('GET', "$sidecar->{admin_url}/metrics");
is($metrics->{status}, 200, '/metrics');
like($metrics->{headers}{'content-type'}, qr/^text\/plain/, 'as text');

# The text format: comments in pairs before their samples, names and labels well formed,
# buckets that grow, counters that hold what was done.
my (%type, @bad, %bucket);
for my $line (split /\n/, $metrics->{content})
{
	if ($line =~ /^# TYPE (\S+) (counter|gauge|histogram)$/) { $type{$1} = $2 }
	elsif ($line =~ /^# HELP \S+ \S/) { }
	elsif ($line =~ /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.eE+]+|\+Inf|NaN)$/)
	{
		my ($name, $labels, $value) = ($1, $2 // '', $3);
		(my $family = $name) =~ s/_(bucket|sum|count)$//;
		push @bad, $line unless $type{$name} || ($type{$family} // '') eq 'histogram';
		if ($name =~ /_bucket$/)
		{
			(my $key = "$family$labels") =~ s/,?le="[^"]*"//;
			push @bad, "$line falls" if $value < ($bucket{$key} // 0);
			$bucket{$key} = $value;
		}
	}
	else { push @bad, $line }
}
is(join("\n", @bad), '', 'the metrics are well formed');
cmp_ok(scalar keys %type, '>', 8, 'and not few');
is($sidecar->metric('upstream_errors_requests_total'), 6, 'requests are counted, the unknown route too');
is($sidecar->metric('upstream_errors_failed_attempts_total'), 4, 'failures are counted, the refused route too');

# --- the log: a JSON object a line ---
my @broken = grep { !eval { ref decode_json($_) eq 'HASH' } } split /\n/, $sidecar->log;
is(join("\n", @broken), '', 'every log line is one JSON object');

# --- the same journal or the same port twice ---
($status, $out, $err) = run_once({}, '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--journal', $sidecar->{journal});
is($status, 2, 'a journal in use is refused');
like($err, qr/\Q$sidecar->{journal}\E/, 'and named');
($status, $out, $err) = run_once({}, '--listen', '127.0.0.1:0', '--admin-listen', "127.0.0.1:$sidecar->{admin_port}", '--journal', "$directory/other");
is($status, 2, 'a port in use is refused');
like($err, qr/\b$sidecar->{admin_port}\b/, 'and named');

# --- draining: what is in progress may end ---
my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) or die $!;
$client->syswrite("GET /v1/models HTTP/1.1\r\nhost: x\r\nx-scenario: slow:1000\r\n\r\n");
ok(poll_for(sub { $upstream->requests_of('slow:1000') == 1 }), 'a slow request is in progress');
kill 'TERM', $sidecar->{pid};
my $answer = '';
while ($client->sysread(my $part, 65536)) { $answer .= $part }
like($answer, qr/^HTTP\/1\.1 200 /, 'it is answered after SIGTERM');
is($sidecar->stop, 0, 'then the sidecar ends');

# --- what the server itself refuses is an error like any other: its format, its row ---
sub raw_request
{
	my ($port, @pieces) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die $!;
	my $text = '';
	$socket->syswrite($_) for @pieces;
	while ($socket->sysread(my $part, 65536)) { $text .= $part }
	return $text;
}
$sidecar = start_sidecar($directory, upstream => $upstream, arguments => [ '--body-timeout', '500ms' ]);
my $head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
my %refused = (
	'a small body that stalls' => [ 408, "content-length: 200\r\n\r\n{" ],
	'a large body that stalls' => [ 408, "content-length: 900000\r\n\r\n{" ],
	'a broken chunk' => [ 400, "transfer-encoding: chunked\r\n\r\n1\r\n{\r\nZZ\r\n" ],
);
my $n_failed = 0;
for my $what (sort keys %refused)
{
	my ($code, $rest) = @{ $refused{$what} };
	my $text = raw_request($sidecar->{port}, $head . $rest);
	like($text, qr/^HTTP\/1\.1 $code /, "$what: $code");
	like($text, qr/^x-request-id: req_/m, "$what: with a request id");
	like($text, qr/^\{"type":"error","error":\{"type":/m, "$what: in the format of the route");
	is($sidecar->metric('upstream_errors_failed_attempts_total'), ++$n_failed, "$what: counted as a failure");
}
is($sidecar->stop, 0, 'it ends');

# --- requests that outlive the drain timeout: an error answer, an error frame, or a cut that looks so ---
$sidecar = start_sidecar($directory, upstream => $upstream, arguments => [ '--drain-timeout', '500ms' ]);
my %outlived;
for my $case ([ 'silent', 'slow:20000', 'HTTP/1.1', 'true' ], [ 'stream', 'stall-midway', 'HTTP/1.1', 'true' ],
	[ 'old stream', 'stall-midway', 'HTTP/1.0', 'true' ], [ 'half', 'stall-midway', 'HTTP/1.1', '  no' ])
{
	my ($what, $scenario, $version, $stream) = @$case;
	$outlived{$what} = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sidecar->{port}) or die $!;
	$outlived{$what}->syswrite("POST /v1/chat/completions $version\r\nhost: x\r\nx-scenario: $scenario\r\n"
		. "content-type: application/json\r\ncontent-length: 27\r\n\r\n{\"model\":\"m\",\"stream\":$stream}");
	ok(poll_for(sub { $upstream->requests_of($scenario) == 1 }), "$what: the upstream has it") if $what eq 'silent';
	ok($outlived{$what}->sysread(my $beginning, 65536), "$what: the client has the beginning of an answer") if $what ne 'silent';
}
kill 'TERM', $sidecar->{pid};
for my $case ([ 'silent', qr{\AHTTP/1\.1 503 .*^connection: close\r.*restarting}ms, 'an error answer' ],
	[ 'stream', qr{data: \{"error":\{[^\n]*restarting.*\r\n0\r\n\r\n\z}s, 'an error frame' ],
	[ 'old stream', qr{data: \{"error":\{[^\n]*restarting}, 'the same' ], [ 'half', qr{\A\z}, 'nothing that could be taken for the rest' ])
{
	my ($what, $pattern, $name) = @$case;
	my $text = '';
	while ($outlived{$what}->sysread(my $part, 65536)) { $text .= $part }
	like($text, $pattern, "$what: at the end of the drain timeout $name");
}
is($sidecar->stop, 0, 'and the sidecar ends');
$upstream->stop;
done_testing();
