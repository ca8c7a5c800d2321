# SPDX-License-Identifier: PostgreSQL

# The verdict from Postgres, and what happens to it when Postgres is frozen, killed, or
# refuses one case among many: the client gets the same answer in time, always.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use UpstreamErrors::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $upstream = start_upstream($directory);
my $sidecar = start_sidecar($directory, upstream => $upstream, database => conninfo_of($node),
	arguments => [ '--verdict-deadline', '2s' ]);

my $kase = 'case:openai-big-number-code';
my $n_asked = 0;

# The answer without what differs between two requests, and the seconds it took.
sub ask
{
	my ($model) = @_;
	my $before = time();
	my $answer = request('POST', "$sidecar->{url}/v1/chat/completions",
		{ authorization => 'Bearer sk-test', 'x-scenario' => $kase, 'x-client-request-id' => 'r' . ++$n_asked },
		{ model => $model || 'm', messages => [] });
	return { status => $answer->{status}, content => $answer->{content}, seconds => time() - $before };
}

sub count_metric { return $sidecar->metric($_[0]) // 0 }

sub is_connected { return poll_for(sub { count_metric('upstream_errors_database_connected') >= 1 }) }

# SIGSTOP and SIGCONT for every backend that serves the sidecar.
sub signal_backends
{
	my ($signal, @pids) = @_;
	@pids = split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE usename = 'sidecar'") unless @pids;
	kill $signal, @pids;
	return @pids;
}

ok(is_connected(), 'connected');
my $expected = ask();
cmp_ok($expected->{status}, '>=', 400, 'a failure is answered');
is(wait_for_events($node, 1, "decided_by = 'postgres'"), 1, 'by Postgres');

# --- frozen ---
my @pids = signal_backends('STOP');
cmp_ok(scalar @pids, '>=', 2, 'decider and shipper are connected');
my $late = ask();
is($late->{content}, $expected->{content}, 'Postgres frozen: the same bytes');
cmp_ok($late->{seconds}, '>=', 1.9, 'the deadline is waited for');
cmp_ok($late->{seconds}, '<', 8, 'and not much longer');
my $quick = ask();
is($quick->{content}, $expected->{content}, 'while a batch is overdue: the same bytes');
cmp_ok($quick->{seconds}, '<', 1.5, 'at once, for the database is known to be slow');
signal_backends('CONT', @pids);
is(wait_for_events($node, 2, "decided_by = 'local'"), 2, 'both rows say that the verdict was local');
ok(poll_for(sub { ask(); $node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE decided_by = 'postgres'") >= 2 }),
	'thawed, it decides again');

# --- killed and back ---
$node->stop('immediate');
my $without = ask();
is($without->{content}, $expected->{content}, 'Postgres killed: the same bytes');
cmp_ok($without->{seconds}, '<', 1.5, 'at once');
$node->start;
ok(is_connected(), 'connected again');
my $again = $node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE decided_by = 'postgres'");
ok(poll_for(sub { ask(); $node->safe_psql('postgres', "SELECT count(*) FROM upstream_error_events WHERE decided_by = 'postgres'") > $again }),
	'and deciding');

# --- one case that Postgres refuses, among others in the same batch ---
my $signature = $node->safe_psql('postgres', q{SELECT pg_get_function_arguments(p.oid) FROM pg_proc p WHERE proname = 'upstream_error_decide_batch'});
my $result = $node->safe_psql('postgres', q{SELECT pg_get_function_result(p.oid) FROM pg_proc p WHERE proname = 'upstream_error_decide_batch'});
my $arguments = join ', ', map { (split ' ', $_)[0] } split /, /, $signature;
$node->safe_psql('postgres', <<"END");
ALTER FUNCTION upstream_error_decide_batch RENAME TO decide_really;
CREATE FUNCTION upstream_error_decide_batch($signature) RETURNS $result LANGUAGE plpgsql AS \$\$
#variable_conflict use_variable
BEGIN
	PERFORM pg_sleep(0.02);
	IF 'poison' = ANY (models) THEN
		RAISE EXCEPTION 'poisoned batch of %', cardinality(models) USING ERRCODE = '22023';
	END IF;
	RETURN QUERY SELECT * FROM public.decide_really($arguments);
END \$\$;
GRANT EXECUTE ON FUNCTION upstream_error_decide_batch TO upstream_errors_writer;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sidecar';
END
poll_for(sub { count_metric('upstream_errors_database_connected') < 1 }, 1);
ok(is_connected(), 'connected to a function that refuses');
$node->safe_psql('postgres', 'TRUNCATE upstream_error_events');

my @children;
for my $i (1 .. 12)
{
	my $pid = fork();
	if ($pid == 0)
	{
		my $answer = ask($i == 6 ? 'poison' : "model-$i");
		POSIX::_exit($answer->{content} eq $expected->{content} ? 0 : 1);
	}
	push @children, $pid;
}
my $n_wrong = 0;
for my $pid (@children) { waitpid $pid, 0; $n_wrong++ if $?; }
is($n_wrong, 0, 'twelve at once, one poisoned: all get the same bytes');
is(wait_for_events($node, 12), 12, 'twelve rows');
is($node->safe_psql('postgres', "SELECT string_agg(model, ',') FROM upstream_error_events WHERE decided_by = 'local'"),
	'poison', 'the poisoned one was decided here, its companions by Postgres');
like($sidecar->log, qr/"event":"decision_refused"[^\n]*poisoned batch of 1"/, 'and the log says why');
is(scalar(grep { !/^\{.*\}$/ } split /\n/, $sidecar->log), 0, 'every line of the log is JSON');
is($sidecar->stop('TERM'), 0, 'ended');
$node->stop;
done_testing();
