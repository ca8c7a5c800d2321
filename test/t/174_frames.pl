# SPDX-License-Identifier: PostgreSQL

# Binary event streams as Bedrock sends them: good frames pass byte for byte, an exception
# is an error answer before the first frame has passed and an exception frame with our words
# behind it, a stream that breaks off ends with one too; each failure is a row.
use strict;
use warnings;

use Compress::Zlib qw(crc32);
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UpstreamErrors::Test;

sub frame
{
	my ($payload, @headers) = @_;
	my $block = '';
	while (my ($name, $value) = splice @headers, 0, 2)
	{
		$block .= pack('C/a C n/a', $name, 7, $value);
	}
	my $prelude = pack 'NN', 16 + length($block) + length $payload, length $block;
	my $message = $prelude . pack('N', crc32($prelude)) . $block . $payload;
	return $message . pack 'N', crc32($message);
}

# Headers and payload of each frame; dies when a CRC is wrong.
sub read_frames
{
	my ($bytes) = @_;
	my @frames;
	while (length $bytes)
	{
		my ($length, $block_length, $prelude_crc) = unpack 'NNN', $bytes;
		die 'half a frame' if length($bytes) < 16 || $length > length $bytes;
		die 'prelude' if $prelude_crc != crc32(substr $bytes, 0, 8);
		die 'message' if unpack('N', substr $bytes, $length - 4, 4) != crc32(substr $bytes, 0, $length - 4);
		push @frames, {
			headers => { pairs_of(substr $bytes, 12, $block_length) },
			payload => substr($bytes, 12 + $block_length, $length - $block_length - 16),
		};
		substr($bytes, 0, $length) = '';
	}
	return @frames;
}

sub pairs_of
{
	my ($block) = @_;
	my @pairs;
	while (length $block)
	{
		my ($name, undef, $value) = unpack 'C/a C n/a', $block;
		substr($block, 0, 4 + length($name) + length $value) = '';
		push @pairs, $name, $value;
	}
	return @pairs;
}

my @is_event = (':event-type', 'contentBlockDelta', ':content-type', 'application/json', ':message-type', 'event');
my @is_exception = (':exception-type', 'throttlingException', ':content-type', 'application/json', ':message-type', 'exception');
my $event = frame('{"delta":{"text":"Hel"}}', @is_event);
my $exception = frame('{"message":"Too many tokens for key sk-proj-PLANTED0123456789abcdefghijklmnop, slow down."}', @is_exception);
my $large = frame('x' x 200_000, @is_event);
# What is sent at once, and what once the client has seen that.
my %streams = (
	good => [ $event, $large . $event ],
	first => [ $exception, '' ],
	middle => [ $event, $exception ],
	cut => [ $event, substr($event, 0, -7) ],
	inside => [ substr($large, 0, 100_000), '' ],
);

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16, ReuseAddr => 1) or die $!;
my $upstream_url = 'http://127.0.0.1:' . $listener->sockport;
pipe my $is_seen, my $tell or die $!;
my $server = fork() // die $!;
if ($server == 0)
{
	local $SIG{PIPE} = 'IGNORE';
	close $tell;
	while (my $peer = $listener->accept)
	{
		my $request = '';
		until ($request =~ /\r\n\r\n/) { sysread($peer, $request, 65536, length $request) or last }
		my ($name) = $request =~ m{/model/(\w+)} or next;
		my ($now, $later) = @{ $streams{$name} };
		syswrite $peer, "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nx-amzn-requestid: 5f0c1f2e-8c3b\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
		my $write = sub { my ($bytes) = @_; syswrite $peer, sprintf("%x\r\n", length $bytes) . "$bytes\r\n" if length $bytes };
		$write->($now);
		if (length $later)
		{
			sysread $is_seen, my $byte, 1 or last;
			$write->($later);
		}
		syswrite $peer, "0\r\n\r\n";
		close $peer;
	}
	POSIX::_exit(0);
}
close $listener;
close $is_seen;

my $sidecar = start_sidecar($directory, database => conninfo_of($node), arguments => [ '--upstream', "bedrock=$upstream_url" ]);
my ($port) = $sidecar->{url} =~ /:(\d+)$/;

# Status, head and body without its chunks; the upstream goes on when $awaited bytes of body
# are there.
sub ask
{
	my ($name, $awaited) = @_;
	my $peer = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die $!;
	my $answer = '';
	my $is_told = $awaited == 0;
	# a colon is a part of a model's id, and some SDKs encode it
	syswrite $peer, "POST /bedrock/model/$name.nova-v1%3A0/converse-stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
	local $SIG{ALRM} = sub { die "$name: no end of the answer" };
	alarm 60;
	while (sysread $peer, $answer, 65536, length $answer)
	{
		my ($body) = $answer =~ /\r\n\r\n(.*)/s;
		next if $is_told || length($body // '') < $awaited;
		syswrite $tell, '.';
		$is_told = 1;
	}
	alarm 0;
	my ($head, $body) = split /\r\n\r\n/, $answer, 2;
	my ($status) = $head =~ m{^HTTP/1.1 (\d+)};
	my $is_whole = 1;
	if ($head =~ /^transfer-encoding: chunked/mi)
	{
		my $joined = '';
		$is_whole = 0;
		while ($body =~ s/\A([0-9a-f]+)\r\n//i)
		{
			my $length = hex $1;
			$is_whole = 1 if $length == 0;
			last if $length == 0 || length $body < $length + 2;
			$joined .= substr $body, 0, $length;
			substr($body, 0, $length + 2) = '';
		}
		$body = $joined;
	}
	return { status => $status, head => $head, body => $body, is_whole => $is_whole };
}

my $good = ask('good', length $event);
is($good->{status}, 200, 'good frames are a good answer');
ok($good->{body} eq $event . $large . $event && $good->{is_whole}, 'which passes byte for byte, large frames too');
like($good->{head}, qr{^content-type: application/vnd\.amazon\.eventstream\r?$}mi, 'as what it is');

my $first = ask('first', 0);
is($first->{status}, 429, 'an exception before all else is an error answer');
like($first->{body}, qr/"message":"Too many tokens for key [^"]*slow down\."/, 'with the words of the upstream');
unlike($first->{body}, qr/PLANTED/, 'but not its secret');
like($first->{head}, qr/^x-amzn-errortype: ThrottlingException\r?$/mi, 'under the name that AWS\'s SDKs raise');
like($first->{head}, qr/^x-amzn-requestid: 5f0c1f2e-8c3b\r?$/mi, 'with the id of the request');
like($first->{body}, qr/\A\{"message":"Too many tokens/, 'and its message where these SDKs look for it');

my $middle = ask('middle', length $event);
is($middle->{status}, 200, 'behind a frame that has passed the status stays');
is(substr($middle->{body}, 0, length $event), $event, 'so does the frame');
my @frames = read_frames($middle->{body});
is(scalar @frames, 2, 'one more follows');
is_deeply($frames[1]{headers}, {@is_exception}, 'an exception as SDKs know it');
like($frames[1]{payload}, qr/\A\{"message":"Too many tokens for key .* slow down\."\}\z/, 'with the words of the upstream');
unlike($frames[1]{payload}, qr/PLANTED/, 'but not its secret');
ok($middle->{is_whole}, 'and the answer ends as HTTP wants it');

my $cut = ask('cut', length $event);
@frames = read_frames($cut->{body});
is(scalar @frames, 2, 'half a frame at the end does not pass');
is($frames[1]{headers}{':message-type'}, 'exception', 'an exception stands in its place');

my $inside = ask('inside', 0);
is($inside->{status} . length $inside->{body}, '200100000', 'of a large frame that breaks off what came has passed');
ok(!$inside->{is_whole}, 'and the connection is cut, for nothing can follow');

is(wait_for_events($node, 4), 4, 'four failures, four rows');
is($node->safe_psql('postgres', 'SELECT model, stream, format FROM upstream_error_events ORDER BY model'),
	join("\n", map { "$_.nova-v1:0|t|openai" } qw(cut first inside middle)), 'of the model that the path names, as it is meant, and of a stream');
is($node->safe_psql('postgres', "SELECT kind, class, status_code, response_status, outcome, platform FROM upstream_error_events ORDER BY at"),
	join("\n",
		'stream_error|rate_limit|200|429|answered|bedrock',
		'stream_error|rate_limit|200|200|error_frame|bedrock',
		'stream_error|stream|200|200|error_frame|bedrock',
		'stream_error|stream|200|200|aborted|bedrock'),
	'which say what they were and what the client got');
is($node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE error_type = 'throttlingException' AND detail LIKE '{\"message\":\"Too many%' AND upstream_request_id = '5f0c1f2e-8c3b'"),
	2, 'their detail is what can be read of the frame');
unlike($node->safe_psql('postgres', 'SELECT e::text FROM upstream_error_events e'), qr/PLANTED/, 'without the secret');

is($sidecar->stop, 0, 'the sidecar ends cleanly');
kill TERM => $server;
waitpid $server, 0;
$node->stop;
done_testing();
