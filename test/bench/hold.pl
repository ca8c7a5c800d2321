#!/usr/bin/env perl
# SPDX-License-Identifier: PostgreSQL

# Opens COUNT event streams at PORT, waits until each has said something, says "open", and
# holds them until its input ends.  Usage: hold.pl PORT COUNT
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($port, $count) = @ARGV;
my $body = '{"model":"stall-midway","stream":true}';
my $request = "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: "
  . length($body) . "\r\n\r\n$body";
my @open;
for my $i (1 .. $count)
{
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "stream $i: $!\n";
	$socket->syswrite($request);
	# at once, so that the upstream's queue of connections never overflows
	my $got = '';
	until ($got =~ /data: /)
	{
		IO::Select->new($socket)->can_read(20) or die "stream $i: silent\n";
		$socket->sysread($got, 4096, length $got) or die "stream $i: closed: $got\n";
	}
	push @open, $socket;
}
$| = 1;
print "open\n";
<STDIN>;
