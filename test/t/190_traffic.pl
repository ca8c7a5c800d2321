# SPDX-License-Identifier: PostgreSQL

# Every request is counted once, good or bad, by minute, platform, model and route, with how
# long the good ones took: while the sidecar runs, over a drain, without a database, and
# over kill -9, which costs what was counted since the journal was written last and no more.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use UpstreamErrors::Routing;
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $upstream = start_upstream($directory);
my @options = (upstream => $upstream, database => conninfo_of($node),
	arguments => [ '--instance', 'here', '--region', 'north' ]);
my $sidecar = start_sidecar($directory, @options, workers => 2);
my $since = $node->safe_psql('postgres', q(SELECT date_trunc('minute', now())));

sub sql { return $node->safe_psql('postgres', $_[0]) }

# A request whose body names the model, or one without a body; the status.
sub ask
{
	my ($path, $model, %option) = @_;
	my $stream = $option{stream} ? 'true' : 'false';
	return request(defined $model ? 'POST' : 'GET', "$sidecar->{url}$path",
		{ 'content-type' => 'application/json' },
		defined $model ? qq({"messages":[{"role":"user","content":"hi \\"model\\""}],"model":"$model","stream":$stream}) : '')->{status};
}

# That the table says so of these rows in the end; waits for it.
sub is_counted
{
	my ($what, $where, $expected, $claim) = @_;
	my $found = '';
	poll_for(sub { ($found = sql("SELECT $what FROM upstream_error_traffic WHERE $where")) eq $expected }, 90);
	return is($found, $expected, $claim);
}

is(ask('/v1/chat/completions', 'good'), 200, 'a good answer') for 1 .. 3;
ask('/v1/chat/completions', 'error:429') for 1 .. 4;
ask('/v1/chat/completions', 'events:5', stream => 1) for 1 .. 2;
ask('/v1/messages', 'error:529') for 1 .. 2;
ask("/v1beta/models/gemini-$_:generateContent", 'good') for qw(a a b);
ask('/nobodys/path');
ask("/v1/responses/resp_68af4096e8fc8190a91d35fd$_", undef) for 10 .. 14;

my $all = 'sum(requests), sum(answers), sum(recovered)';
is_counted($all, "model = 'good' AND route = '/v1/chat/completions'", '3|3|0', 'good requests are counted as answers');
is_counted($all, "model = 'error:429'", '4|0|0', 'refused ones as requests');
is_counted($all, "model = 'events:5'", '2|2|0', 'whole streams as answers');
is_counted("$all, min(platform)", "route = '/v1/messages'", '2|0|0|anthropic', 'each under its platform');
is_counted('string_agg(DISTINCT model, $$,$$), sum(requests)', "platform = 'gemini'", 'gemini-a,gemini-b|3', 'a model that the path names');
is_counted("$all, min(route)", "platform = 'unknown'", '1|0|0|', 'a path that is nobody\'s is counted, not kept');
is_counted('count(DISTINCT route), min(route), sum(requests)', "route LIKE '/v1/responses%'", '1|/v1/responses/{id}|5', 'ids in a path are of one kind');
is_counted('string_agg(DISTINCT instance || region, $$,$$), count(*) FILTER (WHERE minute <> date_trunc($$minute$$, minute))',
	'true', 'herenorth|0', 'with their sidecar, by whole minutes');
is(sql(q(SELECT bool_and((SELECT sum(n) FROM unnest(total_counts) AS n) = answers AND (SELECT sum(n) FROM unnest(first_byte_counts) AS n) = answers)
	FROM upstream_error_traffic WHERE answers > 0)), 't', 'the histograms hold the answers');

# one slow answer, and where the database looks for it
ask('/v1/chat/completions', 'slow:300');
is_counted(q((SELECT b.n FROM unnest(upstream_error_latency_bounds(), first_byte_counts) WITH ORDINALITY AS b (bound, n, i) WHERE b.bound = 500)),
	"model = 'slow:300'", '1', 'a wait of 300 ms is in the bucket up to 500');

sub total { return sql('SELECT coalesce(sum(requests), 0) FROM upstream_error_traffic') }
my $sent = 3 + 4 + 2 + 2 + 3 + 1 + 5 + 1;
is(total(), $sent, 'nothing is counted twice, or besides');
like(sql("SELECT requests || ' ' || answers || ' ' || errors || ' ' || sla FROM upstream_error_sla('$since', now(), platform => 'openai') WHERE platform IS NOT NULL"),
	qr/^\d+ \d+ 4 0\.\d+$/, 'the service level has its denominator');

# kill -9: what the journal has, which is all that is older than a second, is not lost; with
# one worker what was counted before the last of them is in it with the last
is($sidecar->stop, 0, 'the sidecar drains');
$sidecar = start_sidecar($directory, @options, journal => $sidecar->{journal});
ask('/v1/chat/completions', 'before') for 1 .. 20;
ask('/v1/chat/completions', 'last');
ok(poll_for(sub { journal_mentions('last') }), 'the journal has the counts soon');
$sidecar->kill_hard;
ask('/v1/chat/completions', 'never');
$sidecar = start_sidecar($directory, @options, journal => $sidecar->{journal});
ask('/v1/chat/completions', 'before') for 1 .. 7;
is_counted($all, "model = 'before'", '27|27|0', 'counts over kill -9 add up');
$sent += 28;

# at once after the last request: what is not written yet is at most a second's
ask('/v1/chat/completions', 'lost') for 1 .. 5;
$sidecar->kill_hard;
$sidecar = start_sidecar($directory, @options, journal => $sidecar->{journal});
ask('/v1/chat/completions', 'marker');
is_counted('sum(requests)', "model = 'marker'", '1', 'a sidecar goes on after kill -9');
my $lost = sql("SELECT coalesce(sum(requests), 0) FROM upstream_error_traffic WHERE model = 'lost'");
cmp_ok($lost, '<=', 5, "kill -9 doubles nothing ($lost of 5 were kept)");
$sent += 1 + $lost;

# a database that is away, and a drain: nothing is lost
$node->stop('immediate');
ask('/v1/chat/completions', 'away') for 1 .. 6;
$node->start;
is_counted('sum(requests)', "model = 'away'", '6', 'counts wait for the database');
ask('/v1/chat/completions', 'drained') for 1 .. 6;
is($sidecar->stop, 0, 'and drains');
is(sql("SELECT sum(requests) FROM upstream_error_traffic WHERE model = 'drained'"), '6', 'with the last counts shipped');
$sent += 12;
is(total(), $sent, 'and everything is there once');

# more kinds than there is room for in a minute: the rest is counted by platform
$sidecar = start_sidecar($directory, @options, journal => "$directory/kinds.journal");
ask('/v1/chat/completions', "kind-$_") for 1 .. 300;
is($sidecar->stop, 0, 'another one drains');
is(sql("SELECT sum(requests) FROM upstream_error_traffic WHERE model LIKE 'kind-%' OR route = '(other)'"), '300', 'and none of them is missing');
unlike(join("\n", $sidecar->log), qr/traffic_refused/, 'and nothing was refused');

# a request that another channel saved is one request, one answer and one of the recovered,
# under the channel that answered; one that nobody saved is none of them
set_routing($node, channels => [
	map { { name => $_->[0], platform => 'openai', base_url => $upstream->{url}, priority => $_->[1], model_mapping => $_->[2] } }
		[ first => 0, { saved => 'error:503', lost => 'error:503' } ], [ second => 1, { saved => 'good', lost => 'error:503' } ] ]);
$sidecar = start_sidecar($directory, @options, journal => "$directory/channels.journal");
in_force($node, $sidecar);
is(ask('/v1/chat/completions', 'saved'), 200, 'another channel saves a request');
is(ask('/v1/chat/completions', 'lost'), 503, 'and nobody another');
is_counted("$all, min(channel), count(DISTINCT channel)", "model = 'saved'", '1|1|1|second|1', 'who was saved is counted as that');
is_counted("$all, min(channel)", "model = 'lost' AND channel IS NOT NULL", '1|0|0|second', 'who was not as a request');
is($sidecar->metric('upstream_errors_recovered_total'), 1, 'as the metrics do');
is(sql(q(SELECT recovered FROM upstream_error_sla('1h') WHERE platform IS NULL)), 1, 'and the service level tells it');
is($sidecar->stop, 0, 'this one drains');

done_testing();

sub journal_mentions
{
	my ($word) = @_;
	return scalar grep { index(read_file($_), $word) >= 0 } glob("$sidecar->{journal}/*.journal");
}
