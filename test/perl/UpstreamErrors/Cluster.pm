# SPDX-License-Identifier: PostgreSQL

# Several scripted upstreams in one process, each a listener that does what its script says
# (test/upstream/script.h), and the record of what reached them.
package UpstreamErrors::Cluster;

use strict;
use warnings;

use Carp;
use JSON::PP;
use UpstreamErrors::Test;

our @ISA = ('UpstreamErrors::Process');

# Names of channels; {port, url, channels => {name => url}}
sub start
{
	my ($class, $directory, @names) = @_;
	my $top = top_directory();
	my $self = bless UpstreamErrors::Test::start_process('cluster', $directory, "$top/build/test/scripted-upstream",
		'--bodies', "$top/test/bodies", '--channels', join(',', @names)), $class;
	my $said = sub { return UpstreamErrors::Test::read_file_if($self->{stdout}) };
	$self->{port} = poll_for(sub { $said->() =~ /^listening on \S+:(\d+)$/m ? $1 : !$self->is_running && -1 });
	croak 'the cluster did not start: ' . UpstreamErrors::Test::read_file_if($self->{stderr}) if ($self->{port} || -1) < 0;
	$self->{url} = "http://127.0.0.1:$self->{port}";
	my $text = $said->();
	$self->{channels}{$1} = "http://$2" while $text =~ /^channel (\S+) on (\S+)$/mg;
	return $self;
}

# A script for each named channel and for all others the good one; the record begins anew.
sub play
{
	my ($self, %script) = @_;
	for my $name (keys %{ $self->{channels} })
	{
		my $answer = request('PUT', "$self->{url}/_script/$name", {}, $script{$name} // 'ok');
		croak "script of $name: $answer->{content}" if $answer->{status} != 200;
	}
	request('DELETE', "$self->{url}/_log");
	return;
}

# One channel's script alone; the record goes on.
sub change
{
	my ($self, $name, $script) = @_;
	my $answer = request('PUT', "$self->{url}/_script/$name", {}, $script);
	croak "script of $name: $answer->{content}" if $answer->{status} != 200;
	return;
}

# What came, in order: hashes of at_us channel number attempt case target model scenario over
# gone bytes crc32 credentials, and headers when asked for.
sub seen
{
	my ($self, %option) = @_;
	my @query = map { "$_=$option{$_}" } sort keys %option;
	croak "not a word: $_" for grep { /[^\w.-]/ } values %option;
	my $log = decode_json(request('GET', "$self->{url}/_log" . (@query ? '?' . join('&', @query) : ''))->{content});
	croak "$log->{dropped} requests were not recorded" if $log->{dropped};
	return @{ $log->{requests} };
}

# {name => {port, requests, open}}, requests since the channel's script was set
sub totals { my ($self) = @_; return decode_json(request('GET', "$self->{url}/_channels")->{content}) }

sub total
{
	my ($self) = @_;
	my $sum = 0;
	$sum += $_->{requests} for values %{ $self->totals };
	return $sum;
}

1;
