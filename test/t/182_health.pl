# SPDX-License-Identifier: PostgreSQL

# A channel that fails is left alone for as long as it says, or as the health rules say, is
# tried again by one request, and comes back; what an operator does by hand stays; all of it
# is in rows, survives every restart, and goes on without Postgres.
use strict;
use warnings;

use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
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
my ($sidecar, $client);
my %generous = (name => 'generous', budget_percent => 10000, budget_burst => 1000, backoff_ms => 0, hint_max_ms => 0);
my $n_cases = 0;

sub start
{
	$sidecar = start_sidecar($directory, upstream => $cluster, database => conninfo_of($node), arguments => [ '--verdict-deadline', '10s', '--instance', 'one', '--tags', 'x-case=case' ]);
	$client = UpstreamErrors::Client->new($sidecar->{url});
	return;
}

sub channel { my ($name, %more) = @_; return { name => $name, platform => 'openai', base_url => $cluster->{channels}{$name}, %more } }
sub two { return [ channel('a'), channel('b', priority => 1) ] }
sub sql { return $node->safe_psql('postgres', $_[0]) }

# Channels anew, so with a clean bill of health; only one health rule unless told otherwise.
sub set
{
	my ($rule, %rows) = @_;
	$rows{channels} ||= two();
	$rows{health} ||= [ { name => 'tested', %$rule } ];
	$rows{policies} ||= [ \%generous ];
	set_routing($node, %rows);
	in_force($node, $sidecar);
	return;
}

sub ask
{
	my (%option) = @_;
	my $case = 'case' . ++$n_cases;
	my $answer = $client->ask(case => $case, %option);
	$answer->{seen} = [ $cluster->seen(case => $case) ];
	$answer->{hit} = join ' ', map { $_->{channel} } @{ $answer->{seen} };
	$answer->{case} = $case;
	$answer->{id} = $answer->{headers}{'x-upstream-errors-request-id'};
	return $answer;
}

# Asks until channel a has been asked n times, or the seconds are over; when that was, in s.
sub times_of_a
{
	my ($n, $seconds) = @_;
	my @at;
	poll_for(sub { $client->ask; @at = map { $_->{at_us} / 1e6 } grep { $_->{channel} eq 'a' } $cluster->seen; return @at >= $n }, $seconds || 15);
	return @at;
}

# The transitions of a channel of that name, oldest first, when there are so many.
sub transitions
{
	my ($n, $columns, $name) = @_;
	$name //= 'a';
	my $where = "channel_id = (SELECT id FROM upstream_error_channels WHERE name = '$name')";
	poll_for(sub { sql("SELECT count(*) FROM upstream_error_channel_transitions WHERE $where") >= $n }, 10);
	return sql("SELECT $columns FROM upstream_error_channel_transitions WHERE $where ORDER BY at, transition_id");
}

sub state_of { my ($name) = @_; return sql("SELECT string_agg(concat_ws(' ', nullif(h.model, ''), h.state), ',' ORDER BY h.model) FROM upstream_error_channel_health h JOIN upstream_error_channels c ON c.id = h.channel_id WHERE c.name = '$name'") }

start();

# --- as long as the upstream says ---
set({ classes => ['rate_limit'], max_s => 60 });
$cluster->play(a => 'n=1 error:limit retry-after=2');
my $limited = ask();
is("$limited->{status} $limited->{hit}", '200 a b', 'a limit sends a request elsewhere');
is(join(' ', map { ask()->{hit} } 1 .. 10), join(' ', ('b') x 10), 'and the next ones at once');
is(ask(model => 'gpt-other')->{hit}, 'a', 'but not those for another model');
my @at = times_of_a(3);
my @of_model = map { $_->{at_us} / 1e6 } grep { $_->{channel} eq 'a' && $_->{model} eq 'gpt-x' } $cluster->seen;
cmp_ok($of_model[1] - $of_model[0], '>=', 1.995, 'until the time that it had named');
cmp_ok($of_model[1] - $of_model[0], '<', 3.5, 'and not for ever');
is(transitions(2, "concat_ws(' ', model, from_state, to_state, level, class, status_code, instance)"),
	"gpt-x healthy cooling 1 rate_limit 429 one\ngpt-x cooling healthy 0 one", 'both changes are rows');
is(transitions(2, "round(extract(epoch FROM until - at)::numeric, 1)") =~ /^(2\.\d)/ ? 'about 2' : 'else', 'about 2', 'with the end of the pause');
is(transitions(2, "event_id IN (SELECT event_id FROM upstream_error_events WHERE tags ->> 'case' = '$limited->{case}')") =~ /^t/ ? 1 : 0, 1, 'and the event that caused it');
is(transitions(2, "rule_id = (SELECT id FROM upstream_error_health_rules)") =~ /^t/ ? 1 : 0, 1, 'the rule');
like(transitions(2, 'reason'), qr/^Rate limit reached.*\nit answered$/, 'and the reason');
is(transitions(2, "request_id = (SELECT request_id FROM upstream_error_events WHERE tags ->> 'case' = '$limited->{case}')") =~ /^t/ ? 1 : 0, 1, 'and the request');
is(state_of('a'), 'gpt-x healthy', 'the state now');

# --- longer and longer ---
set({ classes => ['server_error'], base_s => 1, max_s => 3 });
$cluster->play(a => 'n=1-3 error:500');
@at = times_of_a(4);
is(transitions(4, "concat_ws(' ', to_state, level, round(extract(epoch FROM until - at)))"), "cooling 1 1\ncooling 2 2\ncooling 3 3\nhealthy 0", 'without a hint each pause in a row is twice as long, to a bound');
cmp_ok($at[1] - $at[0], '>=', 0.99, 'the first');
cmp_ok($at[2] - $at[1], '>=', 1.99, 'the second');
cmp_ok($at[3] - $at[2], '>=', 2.99, 'the third');

# --- so many in a window ---
set({ classes => ['server_error'], threshold => 3, duration_s => 30, use_hint => JSON::PP::false });
$cluster->play(a => 'error:500');
is(join(',', map { ask()->{hit} } 1 .. 5), 'a b,a b,a b,b,b', 'a threshold counts failures');
is(transitions(1, "concat_ws(' ', to_state, round(extract(epoch FROM until - at)))"), 'cooling 30', 'and is one change');
set({ classes => ['server_error'], threshold => 3, window_s => 1, duration_s => 30 });
$cluster->play(a => 'n=3 ok
error:500');
is(ask()->{hit}, 'a b', 'one failure');
sleep 1.2;
is(join(',', map { ask()->{hit} } 1 .. 4), 'a b,a,a b,a b', 'what is out of the window does not count');

# --- disabled ---
my $not_now = { keywords => ['credit balance is too low'], scope => 'channel', action => 'disable', use_hint => JSON::PP::false };
set($not_now);
$cluster->play(a => 'n=1 error:credit');
is(ask()->{hit} =~ /^a/ ? 1 : 0, 1, 'a word that says the account is spent');
is(join(' ', map { ask(model => "gpt-$_")->{hit} } 1 .. 5), 'b b b b b', 'disables the channel for all models');
is(transitions(1, "concat_ws(' ', to_state, coalesce(until::text, 'for good'), nullif(model, ''))"), 'disabled for good', 'for good');
is(state_of('a'), 'disabled', 'which is its state');
sql("SELECT upstream_error_clear_health('a', reason => 'paid')");
ok(poll_for(sub { ask()->{hit} eq 'a' }, 10), 'until somebody clears it');
is(transitions(2, "concat_ws(' ', from_state, to_state, left(reason, 200))") =~ /\ndisabled healthy .*paid/ ? 1 : 0, 1, 'which is a row too');
set({ classes => ['server_error'], scope => 'channel', action => 'disable', duration_s => 1, use_hint => JSON::PP::false });
$cluster->play(a => 'n=1 error:500');
ask();
is(ask()->{hit}, 'b', 'disabled for a time');
@at = times_of_a(2);
cmp_ok($at[1] - $at[0], '>=', 0.99, 'it is tried when that is over');
is(transitions(2, "concat_ws(' ', from_state, to_state)"), "healthy disabled\ndisabled healthy", 'and comes back');

# --- one tries ---
set({ classes => ['rate_limit'], max_s => 60 });
$cluster->play(a => "n=1 error:limit retry-after=1\nn=2 slow:900\nok");
ask();
sleep 1.1;
my @children;
for (1 .. 6)
{
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		my $own = UpstreamErrors::Client->new($sidecar->{url});
		my $end = time() + 0.7;
		my $n_bad = 0;
		while (time() < $end) { $n_bad++ if $own->ask->{status} != 200 }
		POSIX::_exit($n_bad ? 1 : 0);
	}
	push @children, $pid;
}
my $n_bad = 0;
for (@children) { waitpid $_, 0; $n_bad++ if $? }
is($n_bad, 0, 'while one request tries a channel that was paused, the others are answered');
my @tries = grep { $_->{channel} eq 'a' } $cluster->seen;
my $n_early = grep { $_->{at_us} < $tries[1]{at_us} + 850_000 } @tries[ 2 .. $#tries ];
is($n_early, 0, 'by another one: the probe is alone');
ok(poll_for(sub { ask()->{hit} eq 'a' }, 5), 'its success opens the channel for all');

# --- what is no fault of a channel ---
set({ error_codes => [ 400, 413 ], scope => 'channel' });
$cluster->play(a => 'error:param');
is(join(' ', map { ask()->{hit} } 1 .. 5), 'a a a a a', 'a request at fault does no harm to the channel');
is(sql("SELECT count(*) FROM upstream_error_channel_transitions WHERE channel_id = (SELECT id FROM upstream_error_channels WHERE name = 'a')"), 0, 'and is no change');

# --- what names no model ---
set({ classes => ['model_not_found'], duration_s => 30, use_hint => JSON::PP::false });
$cluster->play(a => 'error:404');
is(join(',', map { ask(body => $_)->{hit} } '{"messages":[]}', '{"model":"","messages":[]}'), 'a b,a b', 'a model that was not found, for it was not named,');
is(ask()->{hit}, 'a b', 'pauses no other');
is(ask()->{hit}, 'b', 'as one that was does itself');

# --- a rule of the operator ---
set({}, health => [ never_paused() ], rules => [ { name => 'pause', error_codes => [503], action => 'cooldown', cooldown_s => 20 } ]);
$cluster->play(a => 'error:503');
is(join(',', map { ask()->{hit} } 1 .. 2), 'a b,b', 'a rule with action cooldown');
is(transitions(1, "concat_ws(' ', to_state, round(extract(epoch FROM until - at)))"), 'cooling 20', 'for its time');
set({}, health => [ never_paused() ], rules => [ { name => 'stop it', error_codes => [503], action => 'disable' } ]);
is(join(',', map { ask()->{hit} } 1 .. 2), 'a b,b', 'and with action disable');
is(transitions(1, "concat_ws(' ', to_state, until)"), 'disabled', 'for good');

# --- by hand ---
set({ classes => ['server_error'], scope => 'channel', duration_s => 1 }, channels => [ channel('a', enabled => JSON::PP::false), channel('b') ]);
$cluster->play(b => 'n=1 error:500');
ask();
sql("SELECT upstream_error_clear_health('a')");
poll_for(sub { ask()->{status} == 200 }, 5);
is(join(' ', map { $_->{channel} } grep { $_->{channel} eq 'a' } $cluster->seen), '', 'what is disabled by hand is never asked, whatever becomes of the others');
is(sql("SELECT enabled FROM upstream_error_channels WHERE name = 'a'"), 'f', 'nor enabled again');

# --- nobody left ---
set({ classes => ['rate_limit'], max_s => 600 });
$cluster->play(a => 'error:limit retry-after=300', b => 'error:limit retry-after=40');
my $last = ask();
is("$last->{status} $last->{hit}", '429 a b', 'both say to wait');
my $none = ask();
is($none->{hit}, '', 'then nobody is asked');
like($none->{status}, qr/^(?:429|503)$/, "the client is told ($none->{status})");
cmp_ok($none->{headers}{'retry-after'} // 0, '<=', 40, 'when to come again: when the first is back,');
cmp_ok($none->{headers}{'retry-after'} // 0, '>=', 30, 'not sooner');
my $message = UpstreamErrors::Client::fault_of($none)->{message} // '';
diag($message);
like($message, qr/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ/, 'until when');
like($message, qr/Rate limit reached/, 'and why');
is(wait_for_events($node, 1, "request_id = '$none->{id}'"), 1, 'and it is a row');
is(sql("SELECT concat_ws(' ', kind, attempt, step) FROM upstream_error_events WHERE request_id = '$none->{id}'"), 'local_error 1 answer', 'that says so');
is(sql("SELECT string_agg(concat_ws(' ', p ->> 'channel', p ->> 'why', CASE WHEN p ->> 'until' > '2026' THEN 'until' END), ', ' ORDER BY p ->> 'channel') FROM upstream_error_events, jsonb_array_elements(passed_over) AS p WHERE request_id = '$none->{id}'"),
	'a cooling until, b cooling until', 'with whom it passed over');

# --- a restart of the sidecar ---
my $state = sub { return sql("SELECT string_agg(concat_ws(' ', c.name, h.model, h.state, h.until), ',' ORDER BY c.name) FROM upstream_error_channel_health h JOIN upstream_error_channels c ON c.id = h.channel_id") };
my $before;
poll_for(sub { ($before = $state->()) =~ /,b gpt-x cooling/ }, 10);
like($before, qr/^a gpt-x cooling .*,b gpt-x cooling/, 'the state in Postgres');
is($sidecar->stop, 0, 'the sidecar ends');
start();
in_force($node, $sidecar);
ok(poll_for(sub { ask()->{hit} eq '' }, 10), 'one that starts anew knows who is paused');
is($state->(), $before, 'and nothing of it has changed');

# --- without Postgres ---
$node->stop('fast');
ok(poll_for(sub { $sidecar->metric('upstream_errors_database_connected') == 0 }), 'Postgres is stopped');
$cluster->play(a => 'model=gpt-away error:limit retry-after=120');
is(ask(model => 'gpt-away')->{hit}, 'a b', 'a limit meanwhile');
is(ask(model => 'gpt-away')->{hit}, 'b', 'is obeyed from memory');
is(ask()->{hit}, '', 'and those from before are');
my $file = "$sidecar->{journal}/health.jsonl";
ok(poll_for(sub { -e $file && read_file($file) =~ /gpt-away/ }, 10), 'and kept on disk');
is($sidecar->kill_hard & 127, 9, 'killed, and started without Postgres');
start();
is(ask(model => 'gpt-away')->{hit}, 'b', 'it still knows');
is(ask()->{hit}, '', 'all of them');
$node->start;
ok(poll_for(sub { sql("SELECT count(*) FROM upstream_error_channel_transitions WHERE model = 'gpt-away'") == 1 }, 20), 'Postgres is back and is told, once');
like($state->(), qr/a gpt-away cooling/, 'and has the state');
sql("SELECT upstream_error_clear_health('a', 'gpt-away')");
$cluster->play;
ok(poll_for(sub { ask(model => 'gpt-away')->{hit} eq 'a' }, 10), 'cleared for one model');
is(ask()->{hit}, '', 'the others stay');
sql("SELECT upstream_error_clear_health('a')");
ok(poll_for(sub { ask()->{hit} eq 'a' }, 10), 'cleared for all');

# --- the rules that come with it ---
set({}, health => []);
$cluster->play(a => 'error:limit retry-after=50');
is(join(',', map { ask()->{hit} } 1 .. 2), 'a b,b', 'without any health rule the built-in ones hold');
is(transitions(1, "concat_ws(' ', model, to_state, round(extract(epoch FROM until - at)))"), 'gpt-x cooling 50', 'a limit pauses the model');
set({}, health => [], channels => [ channel('a', credential => "file:" . write_file("$directory/key", "sk-PLANTEDkey1b2C3d4")), channel('b', priority => 1) ]);
$cluster->play(a => 'error:quota');
is(join(',', map { ask(model => "gpt-$_")->{hit} } 1 .. 2), 'a b,b', 'a spent account, by its words, the channel');
like(transitions(1, "concat_ws(' ', to_state, rule_id)"), qr/^disabled /m, 'which is disabled');

is(join(' ', planted_in($sidecar->{stderr}, $sidecar->{journal})), '', 'no planted secret in log or journal');
is(sql("SELECT count(*) FROM upstream_error_channel_transitions t WHERE t::text LIKE '%PLANTED%'"), 0, 'nor in a transition');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
done_testing();
