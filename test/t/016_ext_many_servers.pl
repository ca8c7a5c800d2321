# A hot standby answers every question as its primary does, and two regional databases
# replicate into one, which counts what comes late like any other.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

sub start_server
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--no-locale' ]);
	$node->append_conf('postgresql.conf', "autovacuum = off\n");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION upstream_errors');
	return $node;
}

# $n events of $region spread over three days
sub add_events
{
	my ($node, $region, $n) = @_;
	$node->safe_psql('postgres', qq{
		INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, status_code, message, fingerprint, region)
		SELECT now() - i * interval '3 days' / $n, gen_random_uuid(), '$region' || i, (ARRAY['openai', 'gemini'])[1 + i % 2],
			'http_error', 'overloaded', 529, 'Overloaded', i % 3, '$region' FROM generate_series(0, $n - 1) AS i});
	return;
}

my $differences = q{
	SELECT count(*) FROM (
		(SELECT * FROM upstream_error_trend('3d') EXCEPT SELECT * FROM upstream_error_trend('3d', use_counts => false))
		UNION ALL (SELECT * FROM upstream_error_trend('3d', use_counts => false) EXCEPT SELECT * FROM upstream_error_trend('3d'))) AS d};

# --- a standby
my $east = start_server('east');
add_events($east, 'east', 300);
$east->safe_psql('postgres', 'SELECT FROM upstream_error_maintain()') for 1 .. 2;
$east->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($east, 'base', has_streaming => 1);
$standby->start;
add_events($east, 'late', 10);
$east->safe_psql('postgres', 'SELECT FROM upstream_error_maintain()');
$east->wait_for_catchup($standby, 'replay', $east->lsn('insert'));

# what the comments of functions that only read show
my @examples = split /\n/, $east->safe_psql('postgres', q{
	SELECT e[1] FROM pg_proc AS p
	JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension AS x ON x.oid = d.refobjid AND x.extname = 'upstream_errors'
	CROSS JOIN LATERAL regexp_match(obj_description(p.oid, 'pg_proc'), 'Examples?: (SELECT .*?);( |$)') AS e
	WHERE p.provolatile <> 'v' AND e IS NOT NULL ORDER BY p.oid});
cmp_ok(scalar @examples, '>', 40, 'there is much to ask');
for my $example (@examples)
{
	my ($code, undef, $err) = $standby->psql('postgres', $example);
	is($code, 0, "standby: $example") or diag $err;
}
my $fixed = q{SELECT md5(string_agg(t::text, ' ')) FROM upstream_error_trend(date_trunc('day', now()) - interval '2 days', date_trunc('day', now())) AS t};
is($standby->safe_psql('postgres', $fixed), $east->safe_psql('postgres', $fixed), 'standby: the trend of its primary');
is($standby->safe_psql('postgres', $differences), '0', 'standby: counts and events agree');
cmp_ok($standby->safe_psql('postgres', q{SELECT count(*) FROM upstream_error_believed_days('-infinity', 'infinity')}),
	'>=', 1, 'standby: the counts are used');
my (undef, undef, $err) = $standby->psql('postgres', 'SELECT upstream_error_maintain()');
like($err, qr/read-only transaction|during recovery/, 'standby: maintenance says why it cannot');
$standby->stop;

# --- two regions in one database
my $west = start_server('west');
add_events($west, 'west', 200);
my $central = start_server('central');
for my $node ($east, $west)
{
	$node->safe_psql('postgres', q{CREATE PUBLICATION events FOR TABLE upstream_error_events
		WITH (publish = 'insert', publish_via_partition_root = true)});
	$central->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION events},
		$node->name, $node->connstr . ' dbname=postgres'));
}
$central->wait_for_subscription_sync($_, $_->name) for ($east, $west);
is($central->safe_psql('postgres', q{SELECT left(region, 4), count(*) FROM upstream_errors(tstzrange(NULL, NULL)) GROUP BY 1 ORDER BY 1}),
	"east|300\nlate|10\nwest|200", 'central: what was there has come, from partitions made otherwise');
$central->safe_psql('postgres', 'SELECT FROM upstream_error_maintain()') for 1 .. 2;
cmp_ok($central->safe_psql('postgres', q{SELECT count(*) FROM upstream_error_believed_days('-infinity', 'infinity')}),
	'>=', 2, 'central: its days are counted');

add_events($_, $_->name . '_new', 50) for ($east, $west);
$_->wait_for_catchup($_->name) for ($east, $west);
is($central->safe_psql('postgres', 'SELECT count(*) FROM upstream_errors(tstzrange(NULL, NULL))'), '610',
	'central: what is recorded comes');
# the statistics of apply workers come a moment later
ok($central->poll_query_until('postgres', q{SELECT sum(total) = 610 FROM upstream_error_trend('4d')}),
	'central: late events of a region count');
$central->safe_psql('postgres', 'SELECT FROM upstream_error_maintain()');
is($central->safe_psql('postgres', $differences), '0', 'central: also once they are counted');

$_->stop for ($central, $west, $east);
done_testing();
