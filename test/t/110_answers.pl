# SPDX-License-Identifier: PostgreSQL

# Every body of the corpus, through the sidecar and in every format: the answer is the one
# that upstream_error_decide gives in SQL, byte for byte, whether the sidecar reached
# Postgres or not; the failure is a row of the right class; no secret is anywhere.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use UpstreamErrors::Test;

my %path_of = (
	openai => '/v1/chat/completions',
	openai_responses => '/v1/responses',
	anthropic => '/v1/messages',
	gemini => '/v1beta/models/MODEL:generateContent',
);

# Of an answer of 200 the sidecar sees JSON, as far as it holds it, and frames of Amazon's: a
# page or nothing at all may be what was asked for.
sub is_looked_at
{
	my ($kase) = @_;
	return $kase->{body} =~ /\A(?:\xef\xbb\xbf)?\s*[\[{]/ || $kase->{body} =~ /\A\0/ if $kase->{name} ne 'trap-late-error-200';
	return;
}

# An event stream that went well at first has begun to be answered before there is a
# verdict: of these, only those whose first data is an error.
sub begins_with_error
{
	my ($text) = @_;
	my ($data) = $text =~ /\A(?:event: *\S+\r?\n)?data: *(.*?)\r?$/m ? $1 : '';
	my $said = eval { JSON::PP->new->utf8->decode($data) };
	return $data =~ /\A\W*"(?:error"\s*:\s*["{]|type"\s*:\s*"error")/ unless ref $said eq 'HASH';
	my $error = $said->{error};
	return ($said->{type} // '') =~ /^(?:error|response\.failed)$/ || (ref $error eq 'HASH' ? %$error : $error);
}

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);

my @all = corpus_cases();
cmp_ok(scalar @all, '>', 100, 'there is a corpus');

# What an upstream can be made to send over HTTP; the rest never had an answer, or needs a
# credential of ours.
my @cases = grep {
	     $_->{network} eq 'none' && $_->{credential} eq 'client'
	  && ($_->{kind} eq 'http_error' || ($_->{kind} eq 'stream_error' && ($_->{headers}{'content-type'} // '') =~ /event-stream/))
	  && $_->{status} >= 200 && !exists $_->{headers}{'content-encoding'}
	  && ($_->{status} >= 400 || ($_->{kind} eq 'stream_error' ? begins_with_error($_->{body}) : is_looked_at($_)))
} @all;
cmp_ok(scalar @cases, '>', 500, 'most of it can be replayed');

my %platforms = map { $_->{platform} => 1 } @cases;
my $upstream = start_upstream($directory);
my @arguments = (upstream => $upstream, arguments => [ '--verdict-deadline', '10s' ]);

# A sidecar knows 32 platforms, some of its own, and the corpus has more: each sidecar of a
# home serves ten.
my (%sidecar, %home_of);
my @names = sort keys %platforms;
while (my @served = splice(@names, 0, 10))
{
	my $group = keys %home_of;
	my %one = (
		postgres => start_sidecar($directory, @arguments, platforms => \@served, name => "with-$group", database => conninfo_of($node)),
		local => start_sidecar($directory, @arguments, platforms => \@served, name => "without-$group"),
	);
	push @{ $sidecar{$_} }, $one{$_} for keys %one;
	$home_of{$_} = \%one for @served;
}
for my $one (@{ $sidecar{postgres} })
{
	ok(poll_for(sub { request('GET', "$one->{admin_url}/readyz")->{status} == 200 }), 'ready');
	ok(poll_for(sub { ($one->metric('upstream_errors_database_connected') // 0) >= 1 }), 'connected');
}

my @answers;
my $ordinal = 0;
my $n_asked = 0;
my @languages = (undef, 'zh-CN,zh;q=0.9,en;q=0.8', 'en-GB, zh;q=0.5', 'fr;q=0.9, zh;q=0.2');
for my $kase (@cases)
{
	for my $format (sort keys %path_of)
	{
		my $model = "case\@$kase->{name}";
		(my $path = $path_of{$format}) =~ s/MODEL/$model/;
		my $is_stream = $kase->{kind} eq 'stream_error';
		$path =~ s/:generateContent$/:streamGenerateContent?alt=sse/ if $is_stream;
		my $language = $languages[ $n_asked++ % @languages ];
		for my $home (qw(postgres local))
		{
			my $before = time();
			my $answer = request('POST', "$home_of{ $kase->{platform} }{$home}{url}/$kase->{platform}$path",
				{ authorization => 'Bearer sk-proj-PLANTEDclient0123456789abcdef', defined $language ? ('accept-language' => $language) : () },
				{ model => $model, $is_stream ? (stream => JSON::PP::true) : () });
			push @answers, {
				kase => $kase, format => $format, home => $home, model => $model, stream => $is_stream, language => $language,
				answer => $answer, before => $before, after => time(), ordinal => $ordinal++,
				id => $answer->{headers}{'x-upstream-errors-request-id'} // '',
			};
		}
	}
}
my @silent = grep { $_->{id} eq '' } @answers;
is(scalar @silent, 0, 'every failure is answered by us')
  or diag(join "\n", map { "$_->{kase}{name} $_->{format} $_->{home}: $_->{answer}{status} $_->{answer}{content}" } @silent[0 .. ($#silent > 5 ? 5 : $#silent)]);

my $expected_rows = grep { $_->{home} eq 'postgres' } @answers;
is(wait_for_events($node, $expected_rows), $expected_rows, 'each failed attempt is a row');
is($node->safe_psql('postgres', <<'END'), '', 'with the fingerprint that SQL computes of the row');
SELECT request_id, platform, class, error_code, code, message FROM upstream_error_events
WHERE fingerprint IS DISTINCT FROM upstream_error_fingerprint(platform, class, coalesce(error_code, code), message)
	OR fingerprint_version IS DISTINCT FROM upstream_error_fingerprint_version() LIMIT 5
END

# As upstream_error_decide takes them: several of one name are an array.
sub headers_of
{
	my ($kase) = @_;
	my %headers;
	push @{ $headers{ lc $1 } }, $2 while $kase->{header_text} =~ /^([^:\s]+): *(.*?)\r?$/mg;
	return JSON::PP->new->utf8->encode(\%headers);
}

# One question per answer, all in one session.  Without a row the moment of the failure is
# known only to lie between two clocks: both are asked, for a wait until a date may round
# differently.
my $script = '';
for my $entry (@answers)
{
	my $kase = $entry->{kase};
	my $quoted = sub { my ($text) = @_; $text =~ s/'/''/g; return "'$text'" };
	my @moments =
	  $entry->{home} eq 'postgres'
	  ? ("(SELECT at FROM upstream_error_events WHERE request_id = " . $quoted->($entry->{id}) . ')')
	  : map { sprintf 'to_timestamp(%.3f)', $_ } $entry->{before}, $entry->{after};
	for my $moment (@moments)
	{
		$script .= sprintf "SELECT json_build_object('ordinal', %d, 'status', response_status, 'headers', response_headers, 'body', response_body, 'frame', response_frame)\n"
		  . "FROM upstream_error_decide(%s, %d, decode('%s', 'hex'), headers => %s::jsonb, format => %s, kind => %s, stream => %s, request_id => %s, model => %s, at => %s, accept_language => %s);\n",
		  $entry->{ordinal}, $quoted->($kase->{platform}), $kase->{status}, unpack('H*', $kase->{body}),
		  $quoted->(headers_of($kase)), $quoted->($entry->{format}),
		  $quoted->($kase->{status} < 400 && $kase->{kind} eq 'http_error' ? 'http_error' : $kase->{kind}),
		  $entry->{stream} ? 'true' : 'false', $quoted->($entry->{id}), $quoted->($entry->{model}), $moment,
		  defined $entry->{language} ? $quoted->($entry->{language}) : 'NULL';
	}
}
my @lines = split /\n/, $node->safe_psql('postgres', "SET client_encoding = 'UTF8';\n$script");
my %verdicts;
for my $line (@lines)
{
	my $verdict = decode_json($line);
	push @{ $verdicts{ $verdict->{ordinal} } }, $verdict;
}

my %wrong;
for my $entry (@answers)
{
	my $found = '';
	for my $verdict (@{ $verdicts{ $entry->{ordinal} } })
	{
		$found = difference($entry, $verdict);
		last if $found eq '';
	}
	push @{ $wrong{ $entry->{home} } }, "$entry->{kase}{name} $entry->{format}: $found" if $found ne '';
}
for my $home (qw(postgres local))
{
	is(scalar @{ $wrong{$home} || [] }, 0, "SQL and sidecar ($home) give the same bytes, " . @answers / 2 . ' answers')
	  or diag(join "\n", grep { defined } @{ $wrong{$home} }[0 .. 9]);
}

# Characters from U+4E00 to U+9FFF, in UTF-8 or escaped; some upstreams write them too.
my $han = qr/[\xe4-\xe9][\x80-\xbf]{2}|\\u[4-9][0-9a-f]{3}/i;
my %chinese = map { $_->{language} // '' => 1 } grep { $_->{answer}{content} =~ $han && $_->{kase}{body} !~ $han } @answers;
is(join(' | ', sort keys %chinese), 'fr;q=0.9, zh;q=0.2 | zh-CN,zh;q=0.9,en;q=0.8', 'our own words are in the language of the client');

# Empty when the sidecar's answer is the verdict.
sub difference
{
	my ($entry, $verdict) = @_;
	my $answer = $entry->{answer};
	my $utf8 = sub { my ($text) = @_; utf8::encode($text); return $text };
	if ($answer->{status} == 200)
	{
		return 'a 200 that is no stream' unless ($answer->{headers}{'content-type'} // '') =~ /event-stream/;
		return '' if $answer->{content} eq $utf8->($verdict->{frame});
		return "frame $answer->{content} instead of " . $utf8->($verdict->{frame});
	}
	return "status $answer->{status} instead of $verdict->{status}" if $answer->{status} != $verdict->{status};
	return "body $answer->{content} instead of " . $utf8->($verdict->{body}) if $answer->{content} ne $utf8->($verdict->{body});
	for my $name (sort keys %{ $verdict->{headers} })
	{
		return "header $name " . ($answer->{headers}{$name} // 'missing') . " instead of $verdict->{headers}{$name}"
		  if ($answer->{headers}{$name} // '') ne $utf8->($verdict->{headers}{$name});
	}
	# the upstream's own rate-limit headers go on as they are
	my $sent = $entry->{kase}{headers} || {};
	my @more = grep {
		     !exists $verdict->{headers}{$_}
		  && !/^(content-length|connection|date|keep-alive|transfer-encoding)$/
		  && !(/ratelimit/ && ($sent->{$_} // '') eq $answer->{headers}{$_})
	} keys %{ $answer->{headers} };
	return "headers of no verdict: @more" if @more;
	return '';
}

# The row: class and code as test/bodies expects them, decided by Postgres.
my %row;
for my $line (split /\n/, $node->safe_psql('postgres',
	"SELECT json_build_object('id', request_id, 'class', class, 'code', code, 'by', decided_by, 'status', response_status, 'kind', kind, 'outcome', outcome) FROM upstream_error_events"))
{
	my $found = decode_json($line);
	$row{ $found->{id} } = $found;
}
my (@misclassified, @incomplete, @local);
for my $entry (grep { $_->{home} eq 'postgres' } @answers)
{
	my $found = $row{ $entry->{id} } or next;
	my ($class) = -e "$entry->{kase}{folder}/fault" ? read_file("$entry->{kase}{folder}/fault") =~ /^class: (\S+)/m : ();
	push @misclassified, "$entry->{kase}{name}: $found->{class}" if defined $class && $found->{class} ne $class;
	push @incomplete, "$entry->{kase}{name}: " . encode_json($found) if ($found->{status} // 0) != $entry->{answer}{status};
	push @local, $entry->{kase}{name} if ($found->{by} // '') ne 'postgres';
}
is("@misclassified", '', 'every row has the class that the corpus expects');
is(join("\n", @incomplete[0 .. ($#incomplete > 4 ? 4 : $#incomplete)]), '', 'every row says what the client got');
is("@local", '', 'every verdict came from Postgres in time');

# Secrets: the planted ones, and those that the cases themselves name.
my @paths = map { ($_->{stderr}, $_->{stdout}, $_->{journal}) } map { @$_ } values %sidecar;
is(join(' ', planted_in(@paths)), '', 'no planted secret in log or journal');
my $rows = $node->safe_psql('postgres', 'SELECT e::text FROM upstream_error_events e');
unlike($rows, qr/PLANTED/, 'no planted secret in a row');
unlike(join('', map { request('GET', "$_->{admin_url}/metrics")->{content} } @{ $sidecar{postgres} }), qr/PLANTED/, 'no planted secret in the metrics');
is(scalar(grep { $_->{answer}{content} =~ /PLANTED/ } @answers), 0, 'no planted secret in an answer');
is($node->safe_psql('postgres', "SELECT rows_seen > 0, rows_changed FROM upstream_error_scrub('1 day', force => true)"),
	't|0', 'masking the rows again in SQL changes nothing');
my %leaks;
for my $entry (@answers)
{
	my $file = "$entry->{kase}{folder}/secrets";
	next unless -e $file;
	for my $secret (grep { length } split /\n/, read_file($file))
	{
		$leaks{"$entry->{kase}{name} in an answer"}++ if index($entry->{answer}{content}, $secret) >= 0;
		$leaks{"$entry->{kase}{name} in a row"}++ if index($rows, $secret) >= 0;
		$leaks{"$entry->{kase}{name} in log or journal"}++ if grep { index(everything_in($_), $secret) >= 0 } @paths;
	}
}
is(join(', ', sort keys %leaks), '', 'no secret that a case names is anywhere');

sub everything_in
{
	my ($path) = @_;
	return join '', map { everything_in($_) } glob("$path/*") if -d $path;
	return -f $path ? read_file($path) : '';
}

is($_->stop, 0, "the sidecar ($_->{name}) ends cleanly") for map { @{ $sidecar{$_} } } sort keys %sidecar;
$upstream->stop;
$node->stop;
done_testing();
