# SPDX-License-Identifier: PostgreSQL

# From the journal to the table: exactly once, whatever is killed; a database that is away,
# slow or refuses; an event that no table takes.  By a program that is the sidecar without
# its HTTP half, so that thousands of events are on their way when it is killed.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use UpstreamErrors::Test;

my $rounds = 20;
my $writer = $ENV{UE_TEST_WRITER} || top_directory() . '/build/test/journal-writer';
my $directory = PostgreSQL::Test::Utils::tempdir;
my $journal = "$directory/journal";
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);

my @processes;

sub start_writer
{
	my ($first, $count, %option) = @_;
	my $self = UpstreamErrors::Test::start_process('writer' . @processes, $directory, $writer,
		$option{journal} || $journal, $option{database} || conninfo_of($node), $first, $count, 2, $option{budget} || 1024);
	push @processes, $self;
	return $self;
}

# Numbers that were appended; a last line without its end was not said to be.
sub numbers_of { my ($self) = @_; return grep { !/done/ } UpstreamErrors::Test::read_file_if($self->{stdout}) =~ /^(.*)\n/mg }

sub has_appended { my ($self, $count) = @_; return poll_for(sub { numbers_of($self) >= $count }) }

sub is_done { my ($self) = @_; return poll_for(sub { UpstreamErrors::Test::read_file_if($self->{stdout}) =~ /^done$/m }) }

# What follows events is there as well; a number that is to be that of events needs these.
sub quarantined_events { return scalar grep { $_->{event} } quarantined(@_) }

sub quarantined
{
	my ($where) = @_;
	my $text = UpstreamErrors::Test::read_file_if(($where || $journal) . '/quarantine.jsonl');
	return map { decode_json($_) } split /\n/, $text;
}

# --- 20 processes killed, the database pulled away under every other one ---
for my $round (1 .. $rounds)
{
	my $process = start_writer($round * 1_000_000, 500_000);
	has_appended($process, 200) or die 'no progress: ' . $process->log;
	sleep rand(0.4);
	if ($round % 2)
	{
		$node->stop('immediate');
		sleep rand(0.2);
		$process->kill_hard if $round % 4 == 1;
		$node->start;
		sleep rand(0.4);
	}
	$process->kill_hard;
}
my $last = start_writer(900_000_000, 1000);
is_done($last);
my %appended = map { $_ => 1 } map { numbers_of($_) } @processes;
my %poison = map { $_ => 1 } grep { $_ % 1000 == 999 } keys %appended;
my $wanted = keys(%appended) - keys(%poison);
cmp_ok($wanted, '>', 200 * $rounds, "$wanted events were appended, and " . keys(%poison) . ' that nobody can store');
ok(poll_for(sub { $node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE request_id = 'req-900000998'") == 1 }),
	'the last one has arrived');
ok(poll_for(sub { $node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_channel_transitions
		WHERE right(transition_id::text, 8) = lpad(to_hex(900000980), 8, '0')") == 1 }),
	'and so has the last transition, before which are all others');
is($last->stop('TERM'), 0, 'the shipper drains and ends');

my %found;
$found{$_}++ for split /\n/, $node->safe_psql('postgres', "SELECT substr(request_id, 5) FROM upstream_error_events");
my @lost = grep { !$poison{$_} && !$found{$_} } keys %appended;
my @doubled = grep { $found{$_} > 1 } keys %found;
is(scalar @lost, 0, 'none lost') or diag("lost: @lost[0 .. ($#lost > 9 ? 9 : $#lost)]");
is(scalar @doubled, 0, 'none twice') or diag("doubled: @doubled[0 .. ($#doubled > 9 ? 9 : $#doubled)]");
my $unsaid = grep { !$appended{$_} } keys %found;
cmp_ok($unsaid, '<=', 2 * $rounds, 'what was not said to be appended is what each kill interrupted');

# --- what follows events ---
# A number was said after all that belongs to it had been appended.
my %transitions;
$transitions{ hex($_) }++
  for split /\n/, $node->safe_psql('postgres', "SELECT right(transition_id::text, 8) FROM upstream_error_channel_transitions");
my @due = grep { $_ % 10 == 0 } keys %appended;
my @untold = grep { $_ % 1000 != 990 && !$transitions{$_} } @due;
cmp_ok(scalar @due, '>', 20 * $rounds, scalar(@due) . ' transitions were appended');
is(scalar @untold, 0, 'none lost') or diag("lost: @untold[0 .. ($#untold > 9 ? 9 : $#untold)]");
is(scalar(grep { $_ > 1 } values %transitions), 0, 'none twice');
is(scalar(grep { $_ % 1000 == 990 } keys %transitions), 0, 'but those that nobody can store');
my %held = map { hex(substr($_->{transition}{transition_id}, -8)) => 1 } grep { $_->{transition} } quarantined();
is_deeply([ grep { $_ % 1000 == 990 && !$held{$_} } @due ], [], 'which are in quarantine');
is_deeply([ grep { $_ % 1000 != 990 } keys %held ], [], 'and nothing else');
my %recovered = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', q{SELECT substr(request_id, 5) FROM upstream_error_events
	WHERE (outcome, response_status, total_ms) = ('recovered', 200, 34)});
my @missed = grep { $_ % 7 == 0 && !$poison{$_} && !$recovered{$_} } keys %appended;
is(scalar @missed, 0, keys(%recovered) . ' attempts recovered, none forgotten') or diag("forgotten: @missed[0 .. ($#missed > 9 ? 9 : $#missed)]");
is(scalar(grep { $_ % 7 } keys %recovered), 0, 'and no other');

my %quarantined = map { substr($_->{event}{request_id}, 4) => 1 } grep { $_->{event} } quarantined();
is_deeply([ grep { !$quarantined{$_} } keys %poison ], [], 'every poisoned event is in quarantine');
is(scalar(grep { $_ % 1000 != 999 } keys %quarantined), 0, 'and nothing else');
my ($one) = grep { $_->{event} } quarantined();
is($one->{sqlstate}, '22P02', 'with the refusal');

# --- what arrived is what was appended ---
is( $node->safe_psql('postgres', q{SELECT count(*) FROM upstream_error_events
	WHERE (platform, kind, class, status_code, tags->>'team', attempt)
		IS DISTINCT FROM ('openai', 'http_error', 'rate_limit', 429, 'a', 1)
	OR host(client_address) <> ALL ('{192.0.2.7,2001:db8::7}')
	OR route <> U&'/v1/\FFFD\2400chat' OR network_error IS NOT NULL OR rule_id IS NOT NULL
	OR (step, step_reason, wait_ms, passed_over->0->>'why')
		IS DISTINCT FROM ('failover', 'retry_status', 250, 'cooling')}),
	0, 'columns hold what was appended, and NULL where nothing was');
is( $node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE substr(request_id, 5)::int % 3 = 0 AND response_status IS NULL),
		count(*) FILTER (WHERE substr(request_id, 5)::int % 3 <> 0
			AND (response_status, outcome, decided_by, total_ms) = (503, 'answered', 'postgres', 12)), count(*)
	FROM upstream_error_events WHERE request_id ~ '^req-900000[0-9]{3}$'}),
	'285|571|999', 'a completion is joined to its event; every third has none, and every seventh says another thing');

# --- a database that comes later ---
$node->stop;
my $early = start_writer(950_000_000, 5000);
is_done($early);
$node->start;
ok(poll_for(sub { $node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE request_id ~ '^req-95[0-9]{7}'") == 4995 }),
	'events wait for a database that is not there yet');

# --- one that refuses for reasons of its own ---
$node->safe_psql('postgres', 'ALTER TABLE upstream_error_events RENAME TO elsewhere');
$early->stop('TERM');
my $refused = start_writer(960_000_000, 900);
is_done($refused);
ok(poll_for(sub { $refused->log =~ /"event":"recording_refused"/ }), 'a refusal is said');
$node->safe_psql('postgres', 'ALTER TABLE elsewhere RENAME TO upstream_error_events');
ok(poll_for(sub { $node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE request_id ~ '^req-96[0-9]{7}'") == 900 }),
	'what is refused for the state of the server is sent until it is taken');
is(scalar(() = $refused->log =~ /"event":"recording_refused"/g), 1, 'and said once');
is($refused->stop('TERM'), 0, 'ended');

# --- one without the extension ---
$node->safe_psql('postgres', 'CREATE DATABASE bare');
(my $bare = conninfo_of($node)) =~ s/dbname=postgres/dbname=bare/;
my $waiting = start_writer(970_000_000, 10, journal => "$directory/bare", database => $bare);
ok(poll_for(sub { $waiting->log =~ /CREATE EXTENSION upstream_errors/ }), 'a database without the extension is told apart');
$node->safe_psql('bare', 'CREATE SCHEMA "Odd Name"; CREATE EXTENSION upstream_errors SCHEMA "Odd Name";
	SELECT "Odd Name".upstream_error_create_roles(); GRANT USAGE ON SCHEMA "Odd Name" TO upstream_errors_writer');
ok(poll_for(sub { $node->safe_psql('bare', 'SELECT count(*) FROM "Odd Name".upstream_error_events') == 10 }),
	'and used as soon as it has it, in whatever schema');
is($waiting->stop('TERM'), 0, 'ended');

# --- a database that stays away longer than there is room ---
$node->stop;
my $full = start_writer(980_000_000, 20_000, journal => "$directory/small", budget => 2);
is_done($full);
ok(poll_for(sub { $full->log =~ /"event":"journal_dropped"/ }), 'over its budget the journal drops events, and says so');
$node->start;
my $sql = q{SELECT count(*) FILTER (WHERE request_id ~ '^req-98[0-9]{7}$'),
	coalesce(sum((tags->>'lost_events')::int), 0) FROM upstream_error_events
	WHERE request_id ~ '^req-98[0-9]{7}$' OR platform = 'upstream_errors'};
my ($kept, $lost) = (0, 0);
ok(poll_for(sub {
		($kept, $lost) = split /\|/, $node->safe_psql('postgres', $sql);
		return $kept + $lost + quarantined_events("$directory/small") == 20_000;
	}), 'a row says how many were lost: with those that arrived they are all')
  or diag("kept $kept, told $lost, quarantined " . quarantined_events("$directory/small"));
cmp_ok($lost, '>', 1000, 'they were many');
is($full->stop('TERM'), 0, 'ended');

$node->stop;
done_testing();
