# SPDX-License-Identifier: PostgreSQL

# Starts and stops what an end-to-end test needs: the scripted upstream, the sidecar, a
# client.  Everything listens on a free port of loopback and says which; nothing sleeps to
# be on the safe side: waits poll for a condition and give up after a time-out.
package UpstreamErrors::Test;

use strict;
use warnings;

use Carp;
use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
  conninfo_of corpus_cases create_database planted_in poll_for read_file request request_raw
  start_sidecar start_upstream top_directory wait_for_events write_file
);

our $timeout = $ENV{UE_TEST_TIMEOUT} || 60;

my @running;

sub top_directory
{
	return abs_path(dirname(__FILE__) . '/../../..');
}

sub read_file
{
	my ($path) = @_;
	open my $in, '<:raw', $path or croak "$path: $!";
	local $/;
	my $text = <$in>;
	return defined $text ? $text : '';
}

sub write_file
{
	my ($path, $text) = @_;
	open my $out, '>:raw', $path or croak "$path: $!";
	print $out $text;
	close $out or croak "$path: $!";
	return $path;
}

# The first true value of the condition, or false after the time-out.
sub poll_for
{
	my ($condition, $seconds) = @_;
	my $end = time() + ($seconds || $timeout);
	my $value;
	until ($value = $condition->())
	{
		return if time() > $end;
		sleep 0.01;
	}
	return $value;
}

# A process of ours with its output in files; killed when the test ends.
sub start_process
{
	my ($name, $directory, @command) = @_;
	my $self = {
		name => $name,
		command => [@command],
		stdout => "$directory/$name.stdout",
		stderr => "$directory/$name.stderr",
	};
	my $pid = fork();
	croak "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $self->{stdout} or die "$self->{stdout}: $!";
		open STDERR, '>>', $self->{stderr} or die "$self->{stderr}: $!";
		exec @command or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	bless $self, 'UpstreamErrors::Process';
	$self->{owner} = $$;
	push @running, $self;
	return $self;
}

# Options: demo => 1, bodies (a directory of cases)
sub start_upstream
{
	my ($directory, %option) = @_;
	my $top = top_directory();
	my $self = start_process('upstream', $directory, "$top/build/test/scripted-upstream",
		'--bodies', $option{bodies} || "$top/test/bodies", $option{demo} ? '--demo' : ());
	my $port = poll_for(sub { read_file_if($self->{stdout}) =~ /^listening on \S+:(\d+)$/m ? $1 : 0 })
	  or croak 'the scripted upstream did not start: ' . read_file_if($self->{stderr});
	$self->{port} = $port;
	$self->{url} = "http://127.0.0.1:$port";
	return $self;
}

# Options: upstream (of start_upstream), database (conninfo), journal (directory), platforms,
# arguments (array references), listen, workers, name.
sub start_sidecar
{
	my ($directory, %option) = @_;
	my $binary = $ENV{UE_TEST_SIDECAR} || top_directory() . '/build/upstream-errors-sidecar';
	my $name = $option{name} || 'sidecar';
	my $journal = $option{journal} || "$directory/$name.journal";
	my @command = (
		$binary, '--listen', $option{listen} || '127.0.0.1:0', '--admin-listen', '127.0.0.1:0',
		'--journal', $journal, '--workers', $option{workers} || 1);
	push @command, '--database', $option{database} if defined $option{database};
	push @command, map { ('--upstream', "$_=$option{upstream}{url}") }
	  @{ $option{platforms} || [qw(openai anthropic gemini)] }
	  if $option{upstream};
	push @command, @{ $option{arguments} || [] };

	my $said = -s "$directory/$name.stderr" || 0;
	my $self = start_process($name, $directory, @command);
	$self->{journal} = $journal;
	poll_for(
		sub {
			my $log = substr(read_file_if($self->{stderr}), $said);
			$self->{port} = $1 if $log =~ /"event":"listening"[^\n]*"address":"[^"\n]*:(\d+)"/;
			$self->{admin_port} = $1 if $log =~ /"event":"admin_listening"[^\n]*"address":"[^"\n]*:(\d+)"/;
			return 1 if $self->{port} && $self->{admin_port};
			return !$self->is_running;
		});
	croak "the sidecar did not start: " . read_file_if($self->{stderr}) unless $self->{admin_port};
	$self->{url} = "http://127.0.0.1:$self->{port}";
	$self->{admin_url} = "http://127.0.0.1:$self->{admin_port}";
	return $self;
}

sub read_file_if
{
	my ($path) = @_;
	return -e $path ? read_file($path) : '';
}

my $http = HTTP::Tiny->new(timeout => 30, keep_alive => 1, agent => 'upstream-errors-test/1');

# {status, headers (lower case), content}; 599 when there was no whole answer.
sub request
{
	my ($method, $url, $headers, $content) = @_;
	$content = encode_json($content) if ref $content eq 'HASH';
	return $http->request($method, $url,
		{ headers => { 'content-type' => 'application/json', %{ $headers || {} } }, defined $content ? (content => $content) : () });
}

# What comes back over one connection until it closes, byte by byte as sent.
sub request_raw
{
	my ($port, $text, $seconds) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp')
	  or croak "connect: $!";
	my $answer = '';
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{ALRM} = sub { close $socket; };
	alarm($seconds || 10);
	$socket->syswrite($text);
	while ($socket->opened && $socket->sysread(my $part, 65536)) { $answer .= $part }
	alarm(0);
	close $socket;
	return $answer;
}

# The corpus, or another directory of its kind, a hash per folder: name, body, headers (a hash), and what its file "case"
# says (test/bodies/README.md).
sub corpus_cases
{
	my ($bodies) = @_;
	$bodies ||= top_directory() . '/test/bodies';
	my @cases;
	for my $folder (sort map { dirname($_) } glob("$bodies/*/case"))
	{
		my %kase = (
			name => basename($folder), network => 'none', credential => 'client', stream => 'false',
			read_file("$folder/case") =~ /^(\w+): *(.*?) *$/mg);
		$kase{body} = read_file_if("$folder/body");
		$kase{header_text} = read_file_if("$folder/headers");
		$kase{headers}{ lc $1 } = $2 while $kase{header_text} =~ /^([^:\s]+): *(.*?)\r?$/mg;
		push @cases, \%kase;
	}
	return @cases;
}

# The extension, its roles, and a role that may do what a sidecar does and no more.
sub create_database
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'END');
CREATE EXTENSION upstream_errors;
SELECT upstream_error_create_roles();
SELECT upstream_error_maintain();
CREATE ROLE sidecar LOGIN IN ROLE upstream_errors_writer;
END
	return;
}

sub conninfo_of
{
	my ($node) = @_;
	return sprintf 'host=%s port=%d dbname=postgres user=sidecar', $node->host, $node->port;
}

# The files below the paths that hold a planted secret.
sub planted_in
{
	my (@paths) = @_;
	my @found;
	for my $path (@paths)
	{
		if (-d $path) { push @found, planted_in(glob("$path/*")) }
		elsif (-f $path && read_file($path) =~ /PLANTED/) { push @found, $path }
	}
	return @found;
}

# Until the events table has that many rows.
sub wait_for_events
{
	my ($node, $count, $where) = @_;
	my $sql = 'SELECT count(*) FROM upstream_error_events' . ($where ? " WHERE $where" : '');
	my $found = 0;
	poll_for(sub { ($found = $node->safe_psql('postgres', $sql)) >= $count });
	return $found;
}

# Whoever dies here leaves nothing running.
END
{
	my $status = $?;
	$_->stop for grep { $_->{owner} == $$ } @running;
	$? = $status;
}

package UpstreamErrors::Process;

use strict;
use warnings;
use JSON::PP;
use POSIX qw(:sys_wait_h);

sub is_running
{
	my ($self) = @_;
	return 0 if defined $self->{status};
	return 1 if waitpid($self->{pid}, WNOHANG) == 0;
	$self->{status} = $?;
	return 0;
}

sub stop { my ($self, $signal) = @_; return $self->signal($signal || 'TERM'); }

sub kill_hard { return $_[0]->signal('KILL') }

# Sends the signal and waits for the end; the exit status.
sub signal
{
	my ($self, $signal) = @_;
	return $self->{status} unless $self->is_running;
	kill $signal, $self->{pid};
	UpstreamErrors::Test::poll_for(sub { !$self->is_running }, 20);
	if ($self->is_running)
	{
		kill 'KILL', $self->{pid};
		waitpid $self->{pid}, 0;
		$self->{status} = $?;
		warn "$self->{name} did not end after SIG$signal";
	}
	return $self->{status};
}

sub log { my ($self) = @_; return UpstreamErrors::Test::read_file_if($self->{stderr}); }

# Of the scripted upstream: {scenario => {requests, open, gone}}
sub counts { my ($self) = @_; return decode_json(UpstreamErrors::Test::request('GET', "$self->{url}/_counts")->{content}); }

sub reset_counts { my ($self) = @_; UpstreamErrors::Test::request('DELETE', "$self->{url}/_counts"); return; }

sub requests_of { my ($self, $scenario) = @_; my $row = $self->counts->{$scenario}; return $row ? $row->{requests} : 0; }

# Of the sidecar: one metric's value, summed over its labels.
sub metric
{
	my ($self, $name) = @_;
	my $text = UpstreamErrors::Test::request('GET', "$self->{admin_url}/metrics")->{content};
	my $sum;
	while ($text =~ /^\Q$name\E(?:\{[^}]*\})? ([0-9.eE+-]+)$/mg) { $sum = ($sum // 0) + $1 }
	return $sum;
}

sub resident_kb
{
	my ($self) = @_;
	return UpstreamErrors::Test::read_file("/proc/$self->{pid}/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : undef;
}

1;
