# The server is killed while batches are being recorded.  Every batch that was reported as
# recorded is there afterwards, and sending all of them again makes each event exist once.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = 4;
my $batch = 50;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', 'restart_after_crash = off');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION upstream_errors;
	SELECT * FROM upstream_error_maintain();
	-- batch number n of a sidecar: always the same events
	CREATE FUNCTION record_batch(n int, size int) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE
		inserted bigint;
		events upstream_error_events[] := ARRAY(SELECT jsonb_populate_record(NULL::upstream_error_events,
			jsonb_build_object('at', current_date + n * interval '1 s', 'event_id', md5(n || '.' || i), 'request_id', 'req_' || n || '.' || i,
				'attempt', 1, 'platform', 'openai', 'kind', 'http_error', 'class', 'overloaded', 'detail', repeat('x', 500)))
			FROM generate_series(1, size) AS i);
	BEGIN
		EXECUTE (SELECT format('SELECT upstream_error_record(%s)', string_agg(
			format('%1$I => ARRAY(SELECT e.%1$I FROM unnest($1) AS e)', attname), ', '))
			FROM pg_attribute WHERE attrelid = 'upstream_error_events'::regclass AND attnum > 0 AND attname <> 'recovered_by')
			USING events INTO inserted;
		RETURN inserted;
	END $$;
});

my $sent = 0;
my $acknowledged = 0;
for my $round (1 .. $rounds)
{
	# a sidecar: batch after batch, each printed once it is committed
	my ($out, $err) = ('', '');
	my $first = $sent + 1;
	# from a file: a pipe that breaks in the middle would take the last lines of $out along
	my $script = $node->basedir . "/round$round.sql";
	PostgreSQL::Test::Utils::append_to_file($script, join('', map { "SELECT 'done', record_batch($_, $batch);\n" } $first .. $first + 5000));
	my $sidecar = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-f', $script, '-d', $node->connstr('postgres') ], '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	# a different moment in each round
	my $wanted = 5 + 11 * $round;
	$sidecar->pump until (() = $out =~ /^done/mg) >= $wanted || !$sidecar->pumpable;
	$node->stop('immediate');
	eval { $sidecar->finish };
	my $done = () = $out =~ /^done/mg;
	cmp_ok($done, '>=', $wanted, "round $round: $done batches acknowledged before the crash");
	$node->start;

	# what was acknowledged is there, each event once
	is($node->safe_psql('postgres', sprintf(q{SELECT count(*) FROM generate_series(%d, %d) AS n, generate_series(1, %d) AS i
		WHERE NOT EXISTS (SELECT FROM upstream_error_events AS e WHERE e.request_id = 'req_' || n || '.' || i)},
		$first, $first + $done - 1, $batch)), '0', "round $round: nothing acknowledged is lost");
	# the sidecar does not know about the last one: it sends all again
	$sent = $first + $done;
	$node->safe_psql('postgres', "SELECT record_batch(n, $batch) FROM generate_series($first, $sent) AS n");
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT event_id) FROM upstream_error_events'),
		$sent * $batch . '|' . $sent * $batch, "round $round: the replay completes and doubles nothing");
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM upstream_errors(current_date, current_date + 1)}), $sent * $batch, 'and the function sees them all');

# The statistics are gone as well, and come to the number that they had when a day was
# counted: its counts are believed no more.
my $yesterday = q{date_trunc('day', now(), 'UTC') - interval '1 day'};
my $counts = qq{SELECT class, sum(failures) FROM upstream_error_counts($yesterday, $yesterday + interval '1 day') GROUP BY 1};
$node->safe_psql('postgres', qq{
	INSERT INTO upstream_error_events (at, event_id, request_id, attempt, platform, kind, class)
	SELECT $yesterday + n * interval '1 min', gen_random_uuid(), 'counted_' || n, 1, 'openai', 'http_error', 'overloaded' FROM generate_series(1, 3) AS n;
	SELECT pg_stat_force_next_flush();
});
# the first call makes the partition, the second counts it
$node->safe_psql('postgres', 'SELECT FROM upstream_error_maintain(); SELECT pg_stat_force_next_flush();') for 1 .. 2;
is($node->safe_psql('postgres', qq{$counts; SELECT count(*) FROM upstream_error_believed_days($yesterday, now())}), "overloaded|3\n1", 'a day is counted');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', q{
	UPDATE upstream_error_events SET class = 'rate_limit' WHERE request_id LIKE 'counted%';
	SELECT pg_stat_force_next_flush();
});
is($node->safe_psql('postgres', $counts), 'rate_limit|3', 'a crash does not make old counts believed');
$node->stop;
done_testing();
