# SPDX-License-Identifier: PostgreSQL

# A client with one connection that it keeps and one write per request, so that nothing but
# the other end takes time.  An answer that breaks off is told with what came of it.
package UpstreamErrors::Client;

use strict;
use warnings;

use Carp;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

sub new
{
	my ($class, $url) = @_;
	my ($host, $port) = $url =~ m{^http://([^:/]+):(\d+)} or croak "not a URL of ours: $url";
	return bless { host => $host, port => $port }, $class;
}

# Options: path, method, headers (hash; undef: without that one), body (text or hash; default: a small chat), model,
# stream, case (sent as x-case), seconds.  Back: {status, head, headers, content, whole, ms,
# first_ms (until the first bytes of content)}, with a status of 599 when not even a head came.
sub ask
{
	my ($self, %option) = @_;
	my $started = time();
	my $answer = { status => 599, head => '', headers => {}, content => '', whole => 0 };
	my $end = time() + ($option{seconds} || 30);
	# the other end may have closed a connection that nobody used
	$self->{socket} = undef if $self->{socket} && IO::Select->new($self->{socket})->can_read(0);
	$self->{socket} ||= IO::Socket::INET->new(PeerAddr => $self->{host}, PeerPort => $self->{port}, Proto => 'tcp', Timeout => 5)
	  or return $answer;
	$self->{socket}->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
	my $bytes = '';
	my $is_sent = $self->send_all($self->text_of(%option), \$bytes, $end);
	$self->receive(\$bytes, $answer, $end);
	$answer->{ms} = 1000 * (time() - $started);
	$answer->{first_ms} = 1000 * (($answer->{first} // time()) - $started);
	$self->{socket} = undef if !$is_sent || !$answer->{whole} || ($answer->{headers}{connection} // '') =~ /close/i;
	return $answer;
}

sub text_of
{
	my ($self, %option) = @_;
	my $body = $option{body};
	if (!defined $body)
	{
		my $stream = $option{stream} ? 'true' : 'false';
		my $model = $option{model} // 'gpt-x';
		$body = qq({"model":"$model","stream":$stream,"messages":[]});
	}
	$body = encode_json($body) if ref $body;
	my %headers = (host => 'test', 'content-type' => 'application/json', 'content-length' => length $body, %{ $option{headers} || {} });
	$headers{'x-case'} = $option{case} if defined $option{case};
	return sprintf("%s %s HTTP/1.1\r\n", $option{method} || 'POST', $option{path} || '/v1/chat/completions')
	  . join('', map { "$_: $headers{$_}\r\n" } grep { defined $headers{$_} } sort keys %headers) . "\r\n$body";
}

# An answer may come, and end the connection, before everything was sent.
sub send_all
{
	my ($self, $text, $bytes, $end) = @_;
	my $socket = $self->{socket};
	my $both = IO::Select->new($socket);
	my $at = 0;
	local $SIG{PIPE} = 'IGNORE';
	$socket->blocking(0);
	while ($at < length $text)
	{
		my ($readable, $writable) = IO::Select->select($both, $both, undef, $end - time() > 0 ? $end - time() : 0);
		return 0 unless $readable || $writable;
		if (@{ $readable || [] })
		{
			my $n = $socket->sysread($$bytes, 65536, length $$bytes);
			return 0 if !$n;
		}
		next unless @{ $writable || [] };
		my $n = $socket->syswrite($text, 262144, $at);
		return 0 if !defined $n && !$!{EAGAIN};
		$at += $n // 0;
	}
	return 1;
}

sub receive
{
	my ($self, $bytes, $answer, $end) = @_;
	$self->{socket}->blocking(0);
	my $ready = IO::Select->new($self->{socket});
	until (parse($$bytes, $answer))
	{
		$answer->{first} //= time() if length $answer->{content};
		my $left = $end - time();
		last if $left <= 0 || !$ready->can_read($left);
		my $n = $self->{socket}->sysread($$bytes, 262144, length $$bytes);
		next if !defined $n && $!{EAGAIN};
		last if !$n;
	}
	return;
}

# Fills what is there; true when it is whole.
sub parse
{
	my ($bytes, $answer) = @_;
	$bytes =~ s/^HTTP\/1\.1 1\d\d.*?\r\n\r\n//s;
	my $at = index $bytes, "\r\n\r\n";
	return 0 if $at < 0;
	if (!$answer->{head})
	{
		$answer->{head} = substr $bytes, 0, $at + 2;
		($answer->{status}) = $bytes =~ /^HTTP\/1\.\d (\d+)/;
		$answer->{headers}{ lc $1 } = $2 while $answer->{head} =~ /^([^:\r\n]+): *([^\r\n]*)\r$/mg;
	}
	$at += 4;
	if (defined(my $length = $answer->{headers}{'content-length'}))
	{
		$answer->{content} = substr $bytes, $at, $length;
		return $answer->{whole} = length($bytes) - $at >= $length ? 1 : 0;
	}
	return $answer->{whole} = 1 if ($answer->{headers}{'transfer-encoding'} // '') ne 'chunked';
	my $content = '';
	while (substr($bytes, $at, 32) =~ /^([0-9a-fA-F]+)[^\r]*\r\n/)
	{
		my ($size, $skip) = (hex $1, length $&);
		last if $size == 0 || length($bytes) < $at + $skip + $size + 2;
		$content .= substr $bytes, $at + $skip, $size;
		$at += $skip + $size + 2;
	}
	$answer->{content} = $content;
	return $answer->{whole} = substr($bytes, $at) =~ /^0+\r\n.*?\r\n/s ? 1 : 0;
}

# "error":{…} of an answer, or of the last event of a stream; an empty hash without.
sub fault_of
{
	my ($answer) = @_;
	my ($json) = $answer->{content} =~ /(\{[^\n]*"error"[^\n]*\})/ or return {};
	my $said = eval { decode_json($json) } || {};
	return ref $said->{error} eq 'HASH' ? $said->{error} : {};
}

1;
