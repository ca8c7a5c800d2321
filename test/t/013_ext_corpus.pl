# Every body of the corpus through SQL: one call of upstream_error_decide_batch, as the
# sidecar makes it, and a call of upstream_error_decide for each, give the bytes that the
# corpus expects, which are those of the core that the sidecar falls back on.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $corpus = 'test/bodies';
my @formats = qw(openai openai_responses anthropic gemini);

sub slurp
{
	my ($path) = @_;
	open(my $file, '<:raw', $path) or die "$path: $!";
	local $/;
	my $content = <$file>;
	return $content // '';
}

# SQL literals of bytes and of text, whatever is in them
sub bytes { return "decode('" . unpack('H*', $_[0]) . "', 'hex')"; }
sub text { return length($_[0]) ? 'convert_from(' . bytes($_[0]) . ", 'UTF8')" : "''"; }

my @cases;
for my $path (sort glob("$corpus/*/case"))
{
	my ($name) = $path =~ m{([^/]+)/case$};
	my %case = (name => $name, map { /^([a-z_]+): (.*)$/ ? ($1 => $2) : () } split(/\n/, slurp($path)));
	$case{headers} = slurp("$corpus/$name/headers");
	$case{body} = slurp("$corpus/$name/body");
	push @cases, \%case;
}
cmp_ok(scalar @cases, '>', 100, scalar(@cases) . ' cases');

# the table of what the vendors document: each error has a case, and the case a class
my %is_case = map { $_->{name} => 1 } @cases;
my @documented = map { /^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/ ? [ $1, $2, split(/, /, $3) ] : () } split(/\n/, slurp("$corpus/README.md"));
@documented = grep { @$_ > 2 && $_->[2] =~ /^[a-z0-9-]+$/ && $_->[0] ne '---' && $_->[0] ne 'vendor' } @documented;
cmp_ok(scalar @documented, '>', 110, scalar(@documented) . ' documented errors');
is(join("\n", map { my ($vendor, $what, @names) = @$_; map { "$vendor, $what: $_" } grep { !$is_case{$_} } @names } @documented), '', 'each has its cases');
is(join(' ', grep { slurp("$corpus/$_/fault") !~ /^class: [a-z_]+$/m } map { @$_[ 2 .. $#$_ ] } @documented), '', 'and each case a class');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION upstream_errors');

# the cases as a table, and one call for all of them
my @rows;
for my $case (@cases)
{
	for my $format (@formats)
	{
		push @rows, '(' . join(', ', text("$case->{name} $format"), text($case->{platform} // ''), text($case->{kind} // ''),
			text($case->{network} // ''), $case->{status} // 0, text($case->{headers}), bytes($case->{body}), text($format),
			text($case->{credential} // ''), ($case->{stream} // 'false'), text($case->{model} // ''),
			text($case->{local_code} // ''), text($case->{local_message} // '')) . ')';
	}
}
my $load = "CREATE TABLE cases (n int GENERATED ALWAYS AS IDENTITY, name text, platform text, kind text, network text, status int,
	headers text, body bytea, format text, credential text, stream bool, model text, local_code text, local_message text);
INSERT INTO cases (name, platform, kind, network, status, headers, body, format, credential, stream, model, local_code, local_message)
VALUES " . join(",\n", @rows) . ';';
$node->safe_psql('postgres', $load);

my $batch = $node->safe_psql('postgres', q{
	SELECT c.name || '|' || encode(convert_to(b.response_status || E'\n' || b.response_headers || E'\n', 'UTF8')
		|| b.response_body || E'\n-- frame --\n'::bytea || b.response_frame, 'hex')
	FROM (SELECT array_agg(platform ORDER BY n) AS platforms, array_agg(kind ORDER BY n) AS kinds, array_agg(network ORDER BY n) AS networks,
		array_agg(status ORDER BY n) AS statuses, array_agg(headers ORDER BY n) AS headers, array_agg(body ORDER BY n) AS bodies,
		array_agg(format ORDER BY n) AS formats, array_agg(credential ORDER BY n) AS credentials, array_agg(stream ORDER BY n) AS streams,
		array_agg('req_corpus'::text) AS ids, array_agg(model ORDER BY n) AS models, array_agg(local_code ORDER BY n) AS codes,
		array_agg(local_message ORDER BY n) AS messages, array_agg(NULL::text) AS languages, array_agg(timestamptz '2026-11-21 00:00:00+00') AS ats FROM cases) AS a,
	upstream_error_decide_batch(platforms, kinds, networks, statuses, headers, bodies, formats, credentials, streams, ids, models, codes, messages, ats, languages) AS b
	JOIN cases AS c ON c.n = b.ordinal ORDER BY c.n});
my %answers = map { split(/\|/, $_, 2) } split(/\n/, $batch);
is(scalar keys %answers, @cases * @formats, 'one verdict for each');

my @wrong;
my @leaks;
for my $case (@cases)
{
	my @secrets = -e "$corpus/$case->{name}/secrets" ? grep { length } split(/\n/, slurp("$corpus/$case->{name}/secrets")) : ();
	for my $format (@formats)
	{
		my $answer = pack('H*', $answers{"$case->{name} $format"} // '');
		push @wrong, "$case->{name} $format" if $answer ne slurp("$corpus/$case->{name}/answer.$format");
		push @leaks, "$case->{name} $format" if grep { index($answer, $_) >= 0 } @secrets;
	}
}
is("@wrong", '', 'the batch gives the bytes of the corpus');
is("@leaks", '', 'no secret is in an answer');

# the form for people says the same; it has no place for a local error's code
is($node->safe_psql('postgres', q{
	CREATE FUNCTION header_object(block text) RETURNS jsonb LANGUAGE sql AS $$
		SELECT coalesce(jsonb_object_agg(name, value), '{}') FROM (
			SELECT split_part(line, ':', 1) AS name, jsonb_agg(btrim(substr(line, strpos(line, ':') + 1))) AS value
			FROM regexp_split_to_table(block, '\r?\n') AS line WHERE strpos(line, ':') > 0 GROUP BY 1) AS h $$;
	SELECT string_agg(c.name, ' ') FROM cases AS c
	CROSS JOIN LATERAL upstream_error_decide(c.platform, c.status, c.body, header_object(c.headers), c.format, c.kind, c.network, c.credential,
		c.stream, 'req_corpus', c.model, '2026-11-21 00:00:00+00') AS v
	CROSS JOIN LATERAL upstream_error_decide_batch(ARRAY[c.platform], ARRAY[c.kind], ARRAY[c.network], ARRAY[c.status], ARRAY[c.headers], ARRAY[c.body],
		ARRAY[c.format], ARRAY[c.credential], ARRAY[c.stream], '{req_corpus}', ARRAY[c.model], '{NULL}', '{NULL}', ARRAY[timestamptz '2026-11-21 00:00:00+00'], '{NULL}') AS b
	WHERE c.kind <> 'local_error' AND (v.response_status, convert_to(v.response_body, 'UTF8'), convert_to(v.response_frame, 'UTF8'), v.class, v.code)
		IS DISTINCT FROM (b.response_status, b.response_body, b.response_frame, b.class, b.code)}),
	'', 'upstream_error_decide gives the bytes of the batch');

# What a row would hold of the fault.  upstream_error_classify knows no key but the
# client's, and no time but now: it is asked where that makes no difference.  Whether a
# day's quota is worth waiting for depends on how near the next day is.
sub check_faults
{
	my ($sql, $name, $is_of_now) = @_;
	my @different;
	my $compared = 0;
	for my $line (split(/\n/, $node->safe_psql('postgres', $sql)))
	{
		my ($case, $hex) = split(/\|/, $line, 2);
		my %expected = map { /^([a-z_]+): (.*)$/ ? ($1 => $2) : () } split(/\n/, slurp("$corpus/$case/fault"));
		my %got = map { /^([a-z_]+): (.*)$/ ? ($1 => $2) : () } split(/\n/, pack('H*', $hex));
		delete @got{qw(retryable severity)} if $is_of_now && $expected{quota_daily} eq 'true';
		for my $field (sort keys %got)
		{
			$compared++;
			push @different, "$case: $field is $got{$field}, not $expected{$field}" if $got{$field} ne $expected{$field};
		}
	}
	is(join("\n", @different), '', "$name gives the faults of the corpus");
	cmp_ok($compared, '>', 300, "$name: $compared fields compared");
	return;
}
check_faults(q{
	SELECT split_part(c.name, ' ', 1) || '|' || encode(convert_to(concat_ws(E'\n', 'class: ' || f.class, 'retryable: ' || f.retryable,
		'severity: ' || f.severity, 'phase: ' || f.phase, 'owner: ' || f.owner, 'source: ' || f.source, 'public_code: ' || f.public_code), 'UTF8'), 'hex')
	FROM cases AS c, upstream_error_classify(c.platform, c.status, c.body, header_object(c.headers)) AS f
	WHERE c.format = 'openai' AND c.kind = 'http_error' AND c.credential <> 'ours' ORDER BY c.n}, 'upstream_error_classify', 1);
check_faults(q{
	SELECT split_part(c.name, ' ', 1) || '|' || encode(convert_to(concat_ws(E'\n', 'class: ' || v.class, 'retryable: ' || v.retryable,
		'catalog_code: ' || v.code, 'public_code: ' || v.public_code, 'retry_after_ms: ' || coalesce(v.retry_after_ms, -1)), 'UTF8'), 'hex')
	FROM cases AS c, upstream_error_decide(c.platform, c.status, c.body, header_object(c.headers), c.format, c.kind, c.network, c.credential,
		c.stream, 'req_corpus', c.model, '2026-11-21 00:00:00+00') AS v
	WHERE c.format = 'openai' AND c.kind <> 'local_error' ORDER BY c.n}, 'upstream_error_decide');

$node->stop;
done_testing();
