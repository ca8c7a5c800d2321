# SPDX-License-Identifier: PostgreSQL

# A failed attempt is made again where and when the policy says: in another channel at once,
# in the same one when the upstream is ready, never for a request at fault, never after
# output, never as a storm; and the rows tell all of it.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UpstreamErrors::Client;
use UpstreamErrors::Cluster;
use UpstreamErrors::Routing;
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $cluster = UpstreamErrors::Cluster->start($directory, qw(a b c));
$ENV{UE_TEST_KEY} = 'sk-PLANTEDchannel1b2C3d4E5f6';
my $sidecar = start_sidecar($directory, upstream => $cluster, database => conninfo_of($node), arguments => [ '--verdict-deadline', '10s', '--tags', 'x-case=case' ]);
my $client = UpstreamErrors::Client->new($sidecar->{url});

# Retries enough for every test but that of the budget, and no waiting between two tries.
my %generous = (name => 'generous', budget_percent => 10000, budget_burst => 1000, backoff_ms => 0);
my %route = (
	openai => { path => '/v1/chat/completions', end => qr/data: \[DONE\]/ },
	responses => { path => '/v1/responses', end => qr/event: response.completed/ },
	anthropic => { path => '/v1/messages', end => qr/event: message_stop/ },
	gemini => { path => '/v1beta/models/gpt-x:generateContent', stream_path => '/v1beta/models/gpt-x:streamGenerateContent?alt=sse', end => qr/"finishReason":"STOP"/ },
);
my $n_cases = 0;

sub channel { my ($name, %more) = @_; return { name => $name, platform => 'openai', base_url => $cluster->{channels}{$name}, %more } }

# The channels for all platforms: a platform's have its name behind theirs.
sub channels_everywhere
{
	my (@names) = @_;
	return map { my $platform = $_; map { channel($_, name => $platform eq 'openai' ? $_ : "$_-$platform", platform => $platform) } @names } qw(openai anthropic gemini);
}

sub set { my (%rows) = @_; $rows{policies} ||= [ \%generous ]; set_routing($node, %rows); in_force($node, $sidecar); return }
sub policy { my (%more) = @_; return [ { %generous, %more } ] }
sub sql { return $node->safe_psql('postgres', $_[0]) }

# A request goes out once more when a kept connection dies under it without a byte of an
# answer: the channel sees that as two.
sub squeeze { my ($hit) = @_; return $hit =~ s/\b(\w)( \1\b)+/$1/r }

# An answer, with what the cluster saw of it: {…, seen => [requests], hit => "a b"}
sub ask
{
	my (%option) = @_;
	my $case = 'case' . ++$n_cases;
	if (my $route = delete $option{route})
	{
		$option{path} = $option{stream} && $route{$route}{stream_path} ? $route{$route}{stream_path} : $route{$route}{path};
	}
	my $answer = $client->ask(case => $case, %option);
	$answer->{seen} = [ $cluster->seen(case => $case) ];
	$answer->{hit} = join ' ', map { $_->{channel} } @{ $answer->{seen} };
	$answer->{gap_ms} = ($answer->{seen}[1]{at_us} - $answer->{seen}[0]{at_us}) / 1000 if @{ $answer->{seen} } > 1;
	$answer->{case} = $case;
	return $answer;
}

# --- without channels ---
set();
$cluster->play;
my $plain = $client->ask(headers => { 'x-scenario' => 'error:503' });
is($plain->{status}, 503, 'without channels a failure is the answer');
is($cluster->total, 0, 'of the upstream that the sidecar was started with');

# --- where ---
set(channels => [ map { channel($_) } qw(a b c) ]);
$cluster->play(map { $_ => 'error:503' } qw(a b c));
my (%first, $n_distinct, $n_attempts);
for (1 .. 30)
{
	my $answer = ask();
	my %hit = map { $_->{channel} => 1 } @{ $answer->{seen} };
	$n_distinct += keys %hit;
	$n_attempts += @{ $answer->{seen} };
	$first{ $answer->{seen}[0]{channel} }++;
	is($answer->{status}, 503, 'everybody fails: the failure is told') if $_ == 1;
}
is($n_attempts, 90, 'three attempts each, as the default says');
is($n_distinct, 90, 'no channel twice while another is free');
is(scalar keys %first, 3, 'and not always the same one first');
$cluster->play(map { $_ => 'try=1-2 error:503' } qw(a b c));
my $third = ask();
is($third->{status}, 200, 'the third is good');
unlike($third->{head}, qr/^x-upstream-errors-(?:class|code|reason)/mi, 'and the client sees nothing of the others');
my $lucky = ask(headers => { 'x-none' => 1 });
is($lucky->{content}, $third->{content}, 'byte for byte the same answer as any');

set(channels => [ map { channel($_) } qw(a b) ], policies => policy(max_attempts => 5, max_channel_attempts => 2));
$cluster->play(map { $_ => 'error:503' } qw(a b));
my $again = ask();
is(scalar @{ $again->{seen} }, 3, 'the last channel twice, then the end: the others were asked');
isnt($again->{seen}[0]{channel}, $again->{seen}[1]{channel}, 'first each of them');
is($again->{seen}[1]{channel}, $again->{seen}[2]{channel}, 'then the last one again');
set(channels => [ channel('a') ], policies => policy(max_attempts => 4, max_channel_attempts => 10));
is(scalar @{ ask()->{seen} }, 4, 'max_attempts bounds the tries on one channel');
set(channels => [ channel('a') ], policies => policy(max_attempts => 1));
is(scalar @{ ask()->{seen} }, 1, 'one attempt is no retry');

set(channels => [ channel('a'), channel('b', priority => 1), channel('c', priority => 2) ]);
$cluster->play;
is(join(' ', sort keys %{ { map { ask()->{hit} => 1 } 1 .. 20 } }), 'a', 'the lowest priority is asked while it answers');
$cluster->play(a => 'error:503');
is(ask()->{hit}, 'a b', 'then the next');
$cluster->play(a => 'error:503', b => 'close');
is(squeeze(ask()->{hit}), 'a b c', 'and the one after it');

# --- what is retried ---
set(channels => [ channel('a'), channel('b', priority => 1) ]);
for my $bad (qw(error:limit error:529 error:500 error:502 error:503 html500 reset close error-200))
{
	$cluster->play(a => $bad);
	my $answer = ask();
	is("$answer->{status} " . squeeze($answer->{hit}), '200 a b', "$bad goes elsewhere");
}
set(channels => [ channel('a', credential => 'env:UE_TEST_KEY'), channel('b', priority => 1) ]);
for my $bad (qw(error:401 error:403 error:quota error:404))
{
	$cluster->play(a => $bad);
	my $answer = ask();
	is("$answer->{status} $answer->{hit}", '200 a b', "$bad of a channel's own key goes elsewhere");
}
set(channels => [ channel('a'), channel('b', priority => 1) ]);
$cluster->play(a => 'error:401');
my $refused = ask();
is("$refused->{status} $refused->{hit}", '401 a', "a client's own key is refused once");
for my $fault (qw(error:context error:param error:413))
{
	$cluster->play(a => $fault);
	my $answer = ask();
	like("$answer->{status} $answer->{hit}", qr/^4\d\d a$/, "$fault is the request's own");
}
$cluster->play(a => 'error:504');
is(ask()->{hit}, 'a', 'a 504 is not among the default statuses');
for my $one ([ { retry_statuses => '504' }, 'error:504', 'a b' ], [ { retry_statuses => '429' }, 'error:503', 'a' ], [ { retry_networks => [] }, 'reset', 'a' ],
	[ { retry_networks => ['reset'] }, 'reset', 'a b' ], [ { stop_classes => ['overloaded'] }, 'error:529', 'a' ], [ { retry_classes => ['timeout'] }, 'error:504', 'a b' ],
	[ { retry_request_faults => JSON::PP::true, retry_statuses => '400' }, 'error:param', 'a b' ])
{
	my ($more, $bad, $hit) = @$one;
	set(channels => [ channel('a'), channel('b', priority => 1) ], policies => policy(%$more));
	$cluster->play(a => $bad);
	is(squeeze(ask()->{hit}), $hit, "$bad under " . encode_json($more));
}
set(channels => [ channel('a'), channel('b', priority => 1) ], policies => [ { %generous, name => 'other', models => ['claude*'], max_attempts => 1 }, \%generous ]);
$cluster->play(a => 'error:503');
is(ask(model => 'claude-x')->{hit}, 'a', 'a policy for some models');
is(ask()->{hit}, 'a b', 'holds for no others');
for my $one ([ { action => 'stop' }, 'error:503', 'a' ], [ { action => 'failover' }, 'error:param', 'a b' ], [ { action => 'retry' }, 'error:param', 'a a' ])
{
	my ($rule, $bad, $hit) = @$one;
	set(channels => [ channel('a'), channel('b', priority => 1) ], rules => [ { name => 'r', error_codes => [ 400, 503 ], %$rule } ], policies => policy(max_attempts => 2));
	$cluster->play(a => $bad);
	is(ask()->{hit}, $hit, "a rule with action $rule->{action} on $bad");
}

# --- when ---
set(channels => [ channel('a'), channel('a', name => 'a-gemini', platform => 'gemini') ]);
for my $one ([ 'openai', 'retry-after=1', 1000 ], [ 'openai', 'retry-after-ms=700', 700 ], [ 'gemini', 'retry-info=0.9s', 900 ])
{
	my ($route, $hint, $ms) = @$one;
	$cluster->play(a => "n=1 error:limit $hint");
	my $answer = ask(route => $route);
	is("$answer->{status} $answer->{hit}", '200 a a', "$hint: asked again");
	cmp_ok($answer->{gap_ms}, '>=', $ms, sprintf '%s: not before (%.0f ms)', $hint, $answer->{gap_ms});
	cmp_ok($answer->{gap_ms}, '<', 1.25 * $ms + 400, "$hint: but soon after");
}
set(channels => [ channel('a') ], policies => policy(hint_max_ms => 1500));
$cluster->play(a => 'n=1 error:limit retry-after=9');
my $told = ask();
is("$told->{status} $told->{hit} $told->{headers}{'retry-after'}", '429 a 9', 'a hint beyond hint_max_ms is told to the client');
cmp_ok($told->{ms}, '<', 1000, 'at once');
set(channels => [ channel('a'), channel('b', priority => 1) ]);
$cluster->play(a => 'error:limit retry-after=600');
my $elsewhere = ask();
is("$elsewhere->{status} $elsewhere->{hit}", '200 a b', 'but nobody waits for one channel while another is free');
cmp_ok($elsewhere->{ms}, '<', 1000, 'not a moment');
set(channels => [ channel('a') ], policies => policy(backoff_ms => 400, max_attempts => 6, max_channel_attempts => 6));
$cluster->play(a => 'error:503');
my $slow = ask();
my @at = map { $_->{at_us} / 1000 } @{ $slow->{seen} };
is(scalar @at, 6, 'without a hint the wait is ours');
my @too_long = grep { $at[$_] - $at[ $_ - 1 ] > 400 * 2**($_ - 1) + 300 } 1 .. $#at;
is("@too_long", '', 'each within its bound');
cmp_ok($at[-1] - $at[0], '>', 100, 'and not none at all');

# --- streams, and errors that look like answers ---
set(channels => [ channels_everywhere(qw(a b)) ]);
for my $route (sort keys %route)
{
	$cluster->play;
	my $good = ask(route => $route, stream => 1);
	my $good_json = ask(route => $route);
	$cluster->play(map { $_ => 'try=1 error-first-event' } qw(a b));
	my $early = ask(route => $route, stream => 1);
	is(scalar @{ $early->{seen} }, 2, "$route: an error as the first event is retried");
	is("$early->{status} $early->{content}", "$good->{status} $good->{content}", "$route: and the client never knows");
	$cluster->play(map { $_ => 'try=1 error-200' } qw(a b));
	my $object = ask(route => $route);
	is("$object->{content}", $good_json->{content}, "$route: nor of an error object with status 200");
	$cluster->play(map { $_ => 'error-mid-stream' } qw(a b));
	my $late = ask(route => $route, stream => 1);
	is(scalar @{ $late->{seen} }, 1, "$route: nothing is retried after output");
	like($late->{content}, qr/overloaded/i, "$route: which ends in the error");
	unlike($late->{content}, $route{$route}{end}, "$route: and not as if it were whole");
	$cluster->play(map { $_ => 'reset-midway' } qw(a b));
	my $broken = ask(route => $route, stream => 1);
	# the second event of these two is output already
	my $n_expected = $route =~ /openai|gemini/ ? 1 : 3;
	$n_expected = 2 if $n_expected == 3 && @{ $broken->{seen} } == 2;
	is(scalar @{ $broken->{seen} } > 1 ? 'retried' : 'once', $n_expected == 1 ? 'once' : 'retried', "$route: a stream that breaks off, by whether it had output");
}
$cluster->play(map { $_ => 'try=1 truncate' } qw(a b));
my $opened = ask(route => 'anthropic', stream => 1);
is(scalar @{ $opened->{seen} }, 2, 'a stream that ends after its opening is retried');
is(() = $opened->{content} =~ /event: message_start/g, 1, 'and opens once');
set(channels => [ map { channel($_) } qw(a b) ], policies => policy(hold_ms => 200));
$cluster->play(map { $_ => 'slow-events:1200' } qw(a b));
my $held = ask(stream => 1);
like($held->{content}, $route{openai}{end}, 'a stream that is slow after its opening');
cmp_ok($held->{first_ms}, '>=', 150, 'is held,');
cmp_ok($held->{first_ms}, '<', 900, 'but not longer than hold_ms');
set(channels => [ map { channel($_) } qw(a b) ], policies => policy(hold_events => 0));
my $free = ask(stream => 1);
cmp_ok($free->{first_ms}, '<', 900, 'nor at all when nothing is to be held');

# --- deadlines ---
set(channels => [ channel('a'), channel('b', priority => 1) ], policies => policy(attempt_timeout_ms => 400));
$cluster->play(a => 'stall');
my $stalled = ask();
is("$stalled->{status} $stalled->{hit}", '200 a b', 'an attempt that takes too long is given up');
cmp_ok($stalled->{gap_ms}, '>=', 390, 'not before its time');
cmp_ok($stalled->{gap_ms}, '<', 1500, 'and soon after');
ok(poll_for(sub { $cluster->totals->{a}{open} == 0 }, 5), 'its upstream is told');
set(channels => [ channel('a'), channel('b', priority => 1) ], policies => policy(first_byte_timeout_ms => 400));
is(ask()->{hit}, 'a b', 'first_byte_timeout_ms');
set(channels => [ channel('a', first_byte_timeout_ms => 400), channel('b', priority => 1) ]);
is(ask()->{hit}, 'a b', "a channel's own");
set(channels => [ channels_everywhere(qw(a)), channel('b', priority => 1), channel('b', name => 'b-anthropic', platform => 'anthropic', priority => 1) ], policies => policy(idle_timeout_ms => 400));
$cluster->play(a => 'stall-midway');
is(ask(route => 'anthropic', stream => 1)->{hit}, 'a b', 'idle_timeout_ms, before output');
set(channels => [ map { channel($_) } qw(a b c) ], policies => policy(total_timeout_ms => 700, attempt_timeout_ms => 500));
$cluster->play(map { $_ => 'stall' } qw(a b c));
my $total = ask();
is($total->{status}, 504, 'total_timeout_ms ends it all');
cmp_ok($total->{ms}, '>=', 650, 'not early');
cmp_ok($total->{ms}, '<', 1400, 'nor late');
is(scalar @{ $total->{seen} }, 2, 'within it there were two attempts');
set(channels => [ channel('a') ]);
$cluster->play(a => 'n=1 error:limit retry-after=3');
my $hurried = ask(headers => { 'x-stainless-timeout' => 2 });
is("$hurried->{status} $hurried->{hit}", '429 a', 'a client that waits 2 s is not kept for 3');
cmp_ok($hurried->{ms}, '<', 1000, 'but told');
$cluster->play(a => 'n=1 error:limit retry-after=1');
is(ask(headers => { 'x-stainless-timeout' => 600 })->{status}, 200, 'one that waits longer gets its answer');

# --- a storm ---
set(channels => [ map { channel($_) } qw(a b c) ], policies => policy(budget_percent => 20, budget_burst => 5, max_attempts => 5));
$cluster->play(map { $_ => 'error:503' } qw(a b c));
my $n_requests = 200;
$client->ask for 1 .. $n_requests;
my $n_upstream = $cluster->total;
diag("100 % failures: $n_requests requests, $n_upstream upstream");
cmp_ok($n_upstream, '<=', $n_requests * 1.2 + 5, 'all fail: no more upstream requests than the budget allows');
cmp_ok($n_upstream, '>', $n_requests * 1.1, 'and no fewer than it should');
$cluster->play(map { $_ => 'share=0.1 error:503' } qw(a b c));
my $n_good = grep { $client->ask->{status} == 200 } 1 .. $n_requests;
cmp_ok($n_good, '>=', $n_requests - 2, "one in ten fails: the budget is enough ($n_good of $n_requests)");

# --- rows ---
set(channels => [ channel('a', account_id => 'acct-1', model_mapping => { 'gpt-x' => 'real-x' }), channel('b', priority => 1), channel('c', priority => 2) ]);
$cluster->play(a => 'error:limit retry-after=1', b => 'reset');
my $story = ask();
is("$story->{status} " . squeeze($story->{hit}), '200 a b c', 'a request with a story');
ok(poll_for(sub { sql("SELECT count(*) FROM upstream_error_events WHERE tags ->> 'case' = '$story->{case}' AND outcome IN ('retried', 'recovered') HAVING count(*) FILTER (WHERE outcome = 'recovered') = 1") eq '2' }, 20), 'is told by two rows, once it is saved');
$story->{id} = sql("SELECT DISTINCT request_id FROM upstream_error_events WHERE tags ->> 'case' = '$story->{case}'");
is(sql("SELECT string_agg(concat_ws(' ', attempt, channel, coalesce(account_id, '-'), coalesce(upstream_model, '-'), coalesce(status_code::text, '-'), class, step, step_reason, outcome), E'\n' ORDER BY attempt) FROM upstream_error_events WHERE request_id = '$story->{id}'"),
	"1 a acct-1 real-x 429 rate_limit failover status retried\n2 b - gpt-x - network failover network recovered", 'each attempt is a row: who, what, and what was done');
is(sql("SELECT response_status FROM upstream_error_events WHERE request_id = '$story->{id}' AND outcome = 'recovered'"), 200, 'the last one tells what the client got');
is(sql("SELECT bool_and(wait_ms IS NOT NULL) FROM upstream_error_events WHERE request_id = '$story->{id}'"), 't', 'and how long was waited');
$cluster->play(a => 'error:503', b => 'error:503', c => 'error:500');
my $sad = ask();
$sad->{id} = $sad->{headers}{'x-upstream-errors-request-id'};
is(wait_for_events($node, 3, "request_id = '$sad->{id}' AND outcome IS NOT NULL"), 3, 'one that ends badly');
is(sql("SELECT string_agg(concat_ws(' ', attempt, channel, status_code, step, step_reason, outcome, coalesce(response_status::text, '-')), E'\n' ORDER BY attempt) FROM upstream_error_events WHERE request_id = '$sad->{id}'"),
	"1 a 503 failover status retried -\n2 b 503 failover status retried -\n3 c 500 answer attempts answered 500", 'is rows to its end');
is(sql("SELECT passed_over -> 0 ->> 'why' FROM upstream_error_events WHERE request_id = '$sad->{id}' AND attempt = 3"), 'tried', 'with the channels that were passed over');
my $explained = sql("SELECT concat_ws('|', coalesce(attempt::text, '-'), channel, step, step_reason, what) FROM upstream_error_explain_request('$story->{id}') ORDER BY attempt NULLS LAST");
diag($explained);
like($explained, qr/^1\|a\|failover\|status\|.*\S.*\n2\|b\|failover\|network\|.*\S.*\n-\|c\|.*200/, 'the story can be read');
my $explained_sad = sql("SELECT concat_ws('|', coalesce(attempt::text, '-'), channel, step, step_reason, what) FROM upstream_error_explain_request('$sad->{id}') ORDER BY attempt NULLS LAST");
diag($explained_sad);
like($explained_sad, qr/^3\|c\|answer\|attempts\|.*500.*\n-\|.*500/m, 'also the sad one');
my @reasons = ([ 'error:param', 'request_fault' ], [ 'error:504', 'status' ]);
for my $one (@reasons)
{
	$cluster->play(a => $one->[0]);
	my $id = ask()->{headers}{'x-upstream-errors-request-id'};
	wait_for_events($node, 1, "request_id = '$id' AND outcome IS NOT NULL");
	is(sql("SELECT concat_ws(' ', attempt, step, step_reason, outcome) FROM upstream_error_events WHERE request_id = '$id'"), "1 answer $one->[1] answered", "$one->[0]: why it was not retried");
}

cmp_ok($sidecar->metric('upstream_errors_retries_total'), '>', 50, 'metrics count retries');
cmp_ok($sidecar->metric('upstream_errors_recovered_total'), '>', 20, 'and requests that were saved');
is($sidecar->stop, 0, 'the sidecar ends cleanly');
done_testing();
