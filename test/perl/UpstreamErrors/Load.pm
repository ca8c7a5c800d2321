# SPDX-License-Identifier: PostgreSQL

# Clients that ask for failures and write down which of them were answered whole: one file
# per client, a line "answered ID" or "unanswered" per request.
package UpstreamErrors::Load;

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

# Options: port, clients, directory, models (array reference), pause (seconds between two
# requests), seconds (an upper bound, so that nothing runs on when the test dies)
sub start
{
	my ($class, %option) = @_;
	my $self = bless { %option, pids => [], owner => $$ }, $class;
	$self->{seconds} ||= 300;
	for my $client (1 .. $option{clients})
	{
		my $pid = fork();
		die "fork: $!" unless defined $pid;
		if ($pid == 0)
		{
			my $stop = 0;
			local $SIG{TERM} = sub { $stop = 1 };
			local $SIG{PIPE} = 'IGNORE';
			eval { $self->run($client, \$stop) };
			POSIX::_exit($@ ? 1 : 0);
		}
		push @{ $self->{pids} }, $pid;
	}
	return $self;
}

sub run
{
	my ($self, $client, $stop) = @_;
	my @models = @{ $self->{models} };
	my $end = time() + $self->{seconds};
	my $socket;
	open my $out, '>>', "$self->{directory}/load.$client" or die $!;
	$out->autoflush(1);
	for (my $i = 0; !$$stop && time() < $end; $i++)
	{
		my $body = sprintf '{"model":"%s","messages":[]}', $models[ $i % @models ];
		$socket ||= IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 5);
		if (!$socket) { sleep 0.02; next }
		my $answer = ask($socket, $body);
		if (!defined $answer)
		{
			print $out "unanswered\n";
			$socket = undef;
		}
		elsif ($answer =~ /^HTTP\/1\.1 [45]\d\d.*?^x-upstream-errors-request-id: (\S+)\r$/msi)
		{
			print $out "answered $1\n";
		}
		else { print $out "odd " . ($answer =~ /^([^\r]*)/)[0] . "\n" }
		sleep $self->{pause} if $self->{pause};
	}
	return;
}

# The head of a whole answer; undef when the connection broke before its end.
sub ask
{
	my ($socket, $body) = @_;
	my $length = length $body;
	my $bytes = '';
	$socket->syswrite("POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nauthorization: Bearer sk-PLANTEDload1234567890\r\n"
		  . "content-type: application/json\r\ncontent-length: $length\r\n\r\n$body")
	  or return;
	until ($bytes =~ /\r\n\r\n/) { $socket->sysread($bytes, 65536, length $bytes) or return }
	my ($head) = $bytes =~ /^(.*?\r\n)\r\n/s;
	my ($need) = $head =~ /^content-length: (\d+)/mi;
	return unless defined $need;
	$need += length($head) + 2;
	while (length $bytes < $need) { $socket->sysread($bytes, 65536, length $bytes) or return }
	return $head;
}

# Ends the clients; {answered => {id => times}, unanswered, odd}
sub stop
{
	my ($self) = @_;
	my %result = (answered => {}, unanswered => 0, odd => []);
	kill 'TERM', @{ $self->{pids} };
	waitpid $_, 0 for @{ $self->{pids} };
	$self->{pids} = [];
	for my $file (glob("$self->{directory}/load.*"))
	{
		open my $in, '<', $file or die "$file: $!";
		while (<$in>)
		{
			if (/^answered (\S+)/) { $result{answered}{$1}++ }
			elsif (/^unanswered/) { $result{unanswered}++ }
			else { push @{ $result{odd} }, $_ }
		}
	}
	return \%result;
}

sub DESTROY
{
	my ($self) = @_;
	kill 'TERM', @{ $self->{pids} } if $self->{owner} == $$ && @{ $self->{pids} };
	return;
}

1;
