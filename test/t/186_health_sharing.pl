# SPDX-License-Identifier: PostgreSQL

# The health of channels is one for all sidecars: a change here is obeyed there within a
# tenth of a second, an operator's word at once, and it survives restarts of everything and
# a database that is away.  By peers that are sidecars without HTTP, which say when they told
# and saw a change, and one real sidecar that shows its metrics.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX qw(mkfifo);
use Test::More;
use UpstreamErrors::Test;

my $program = $ENV{UE_TEST_PEER} || top_directory() . '/build/test/health-peer';
my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
my $changes = 60;
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
$node->safe_psql('postgres', q{INSERT INTO upstream_error_channels (name, platform, base_url)
	SELECT n, 'openai', 'http://127.0.0.1:9' FROM unnest('{main,b,c,d,e,f,g,h}'::text[]) AS n});

my %peers;

sub start_peer
{
	my ($name, %option) = @_;
	my $fifo = "$directory/$name.commands";
	-p $fifo or mkfifo($fifo, 0600) or die "$fifo: $!";
	unlink "$directory/$name.stdout";
	open my $commands, '+<', $fifo or die "$fifo: $!";
	$commands->autoflush(1);
	my $peer = UpstreamErrors::Test::start_process($name, $directory, 'sh', '-c', 'exec "$@" <"$0"', $fifo,
		$program, "$directory/$name.journal", $option{database} || conninfo_of($node), $name);
	$peer->{commands} = $commands;
	$peers{$name} = $peer;
	poll_for(sub { said($peer) =~ /^ready/m }) or die "$name did not start: " . $peer->log;
	return $peer;
}

sub said { my ($peer) = @_; return UpstreamErrors::Test::read_file_if($peer->{stdout}) }

sub command { my ($peer, $line) = @_; print { $peer->{commands} } "$line\n"; return }

# The times at which a peer told or saw a state, oldest first.
sub times_of
{
	my ($peer, $what, $channel, $model, $state) = @_;
	return said($peer) =~ /^\Q$what\E (\d+) \Q$channel $model $state\E$/mg;
}

sub sees
{
	my ($peer, $channel, $model, $state) = @_;
	return poll_for(sub {
		my @lines = said($peer) =~ /^seen \d+ \Q$channel $model\E (\w+)$/mg;
		return @lines && $lines[-1] eq $state;
	});
}

sub rows { my ($query) = @_; return $node->safe_psql('postgres', $query) }

# --- told here, seen there ---
my $first = start_peer('first');
my $second = start_peer('second');
my $sidecar = start_sidecar($directory, database => conninfo_of($node), platforms => ['openai'],
	upstream => { url => 'http://127.0.0.1:9' });
command($first, 'fail 1 gpt-5 600');
ok(sees($second, 1, 'gpt-5', 'cooling'), 'a pause is known elsewhere');
ok(poll_for(sub { request('GET', "$sidecar->{admin_url}/metrics")->{content}
	=~ /^upstream_errors_channel_state\{channel_id="1",model="gpt-5",state="cooling"\} 1$/m }),
	'to a sidecar as well, which shows it');
is(rows(q{SELECT channel_id, channel, model, from_state, to_state, reason, class, status_code, instance,
		round(extract(epoch FROM until - at)) FROM upstream_error_channel_transitions}),
	'1|main|gpt-5|healthy|cooling|Rate limit reached for requests|rate_limit|429|first|600', 'and is a row with its reason');
command($second, 'heal 1 gpt-5');
ok(sees($first, 1, 'gpt-5', 'healthy'), 'and so is its end');

for my $i (1 .. $changes)
{
	my ($here, $there) = $i % 2 ? ($first, $second) : ($second, $first);
	command($here, 'fail 2 o4 600');
	sees($there, 2, 'o4', 'cooling') or last;
	command($here, 'heal 2 o4');
	sees($there, 2, 'o4', 'healthy') or last;
}
my @latencies;
for my $pair ([ $first, $second ], [ $second, $first ])
{
	for my $state (qw(cooling healthy))
	{
		my @told = times_of($pair->[0], 'told', 2, 'o4', $state);
		my @seen = times_of($pair->[1], 'seen', 2, 'o4', $state);
		for my $told (@told)
		{
			my ($seen) = grep { $_ >= $told - 2000 } @seen;
			push @latencies, defined $seen ? ($seen - $told) / 1000 : 1e9;
		}
	}
}
@latencies = sort { $a <=> $b } @latencies;
is(scalar @latencies, 2 * $changes, "$changes pauses and as many recoveries were told");
my ($median, $last) = @latencies[ $#latencies / 2, $#latencies ];
note(sprintf 'seen elsewhere after: median %.1f ms, 95 %% %.1f ms, longest %.1f ms', $median,
	$latencies[ 0.95 * $#latencies ], $last);
cmp_ok($median, '<', 100, 'half of them were seen within a tenth of a second');
is(rows("SELECT count(*), count(DISTINCT transition_id) FROM upstream_error_channel_transitions WHERE channel_id = 2"),
	2 * $changes . '|' . 2 * $changes, 'each is one row');

# --- an operator ---
command($first, 'fail 3 - 0');
ok(sees($second, 3, '-', 'disabled'), 'a channel is disabled everywhere');
rows(q{SELECT upstream_error_clear_health('c', NULL, 'paid')});
ok(sees($_, 3, '-', 'healthy'), "cleared in SQL: $_->{name} obeys") for $first, $second;

# --- restarts of everything ---
command($first, 'fail 4 - 0');
command($first, 'fail 5 gpt-5 3600');
sees($second, $_->[0], $_->[1], $_->[2]) for [ 4, '-', 'disabled' ], [ 5, 'gpt-5', 'cooling' ];
$_->stop('TERM') for $first, $second, $sidecar;
$node->restart;
unlink "$directory/second.journal/health.jsonl";
$second = start_peer('second');
ok(sees($second, 4, '-', 'disabled') && sees($second, 5, 'gpt-5', 'cooling'), 'Postgres remembers what no file does');
$second->stop('TERM');
$node->stop;
$first = start_peer('first');
ok(sees($first, 4, '-', 'disabled') && sees($first, 5, 'gpt-5', 'cooling'), 'a file remembers without Postgres');

# --- Postgres away ---
command($first, 'fail 6 o4 3600');
command($first, 'heal 4 -');
ok(sees($first, 6, 'o4', 'cooling') && sees($first, 4, '-', 'healthy'), 'without Postgres it goes on from memory');
ok(poll_for(sub { UpstreamErrors::Test::read_file_if("$directory/first.journal/health.jsonl") =~ /"channel_id":6,"model":"o4","state":"cooling"/ }),
	'which is on disk within a second');
$first->kill_hard;
$first = start_peer('first');
ok(sees($first, 6, 'o4', 'cooling') && sees($first, 5, 'gpt-5', 'cooling'), 'killed: the pauses are known again');
is_deeply([ times_of($first, 'seen', 4, '-', 'disabled') ], [], 'and nothing that was over');
$node->start;
$second = start_peer('second');
ok(sees($second, 6, 'o4', 'cooling'), 'Postgres is back: what happened meanwhile is told');
ok(poll_for(sub { rows("SELECT state FROM upstream_error_channel_health WHERE channel_id = 4") eq 'healthy' }), 'and what ended');

# --- while a sidecar is not connected, somebody clears ---
$first->stop('TERM');
rows(q{SELECT upstream_error_clear_health('e')});
$first = start_peer('first');
ok(sees($first, 6, 'o4', 'cooling'), 'back again it knows what is paused');
ok(poll_for(sub { my @lines = said($first) =~ /^seen \d+ 5 gpt-5 (\w+)$/mg; return !@lines || $lines[-1] eq 'healthy' }),
	'and no longer what was cleared meanwhile');

# --- a file that was touched ---
$first->stop('TERM');
write_file("$directory/first.journal/health.jsonl", "# not ours\n");
$first = start_peer('first');
like($first->log, qr/"event":"health_file_bad"/, 'a file that is no good is said');
ok(sees($first, 6, 'o4', 'cooling'), 'and changes nothing');

# --- what the database will never take ---
rows(q{ALTER TABLE upstream_error_channel_transitions ADD CHECK (channel_id <> 7)});
command($first, 'fail 7 gpt-5 600');
command($first, 'fail 8 gpt-5 600');
ok(sees($second, 8, 'gpt-5', 'cooling'), 'a transition that is refused holds up no other');
my ($refused) = map { decode_json($_) } split /\n/, UpstreamErrors::Test::read_file_if("$directory/first.journal/quarantine.jsonl");
is($refused->{transition}{channel_id}, 7, 'it is in quarantine');
is($refused->{sqlstate}, '23514', 'with the refusal');

# --- what the database does not take for a while ---
rows(q{ALTER FUNCTION upstream_error_record_transitions RENAME TO elsewhere});
command($first, 'fail 8 o4 600');
ok(poll_for(sub { $first->log =~ /"event":"transitions_refused"/ }), 'a refusal for a reason of its own is said');
rows(q{ALTER FUNCTION elsewhere RENAME TO upstream_error_record_transitions});
ok(sees($second, 8, 'o4', 'cooling'), 'and the transition sent again');

is($_->stop('TERM'), 0, "$_->{name} ends well") for $first, $second;
$node->stop;
done_testing();
