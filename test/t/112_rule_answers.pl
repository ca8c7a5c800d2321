# SPDX-License-Identifier: PostgreSQL

# The corpus under every set of rules (test/rules): SQL, a sidecar whose verdicts come from
# Postgres, and a sidecar that was started without Postgres on the policy that the other
# one kept on disk, answer with the same bytes.
use strict;
use warnings;

use File::Copy;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use UpstreamErrors::Test;

# The whole corpus under the first two, every tenth case under the others, each time others.
my @whole = qw(rewriting keywords);
my $stride = $ENV{UE_TEST_STRIDE} || 10;

my %path_of = (
	openai => '/v1/chat/completions',
	openai_responses => '/v1/responses',
	anthropic => '/v1/messages',
	gemini => '/v1beta/models/MODEL:generateContent',
);
my @formats = sort keys %path_of;
my @languages = (undef, 'zh-CN,zh;q=0.9,en;q=0.8', 'de-AT, en;q=0.5', 'fr;q=0.9');
my @tags = ({}, { team => 'alpha', user => 'x' }, { team => 'beta' });
my $json = JSON::PP->new->utf8->canonical;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
create_database($node);
my $upstream = start_upstream($directory);

# What an upstream can be made to send over HTTP with an error status.
my @cases = grep {
	     $_->{network} eq 'none' && $_->{credential} eq 'client' && $_->{kind} eq 'http_error'
	  && $_->{status} >= 400 && !exists $_->{headers}{'content-encoding'}
} corpus_cases();
cmp_ok(scalar @cases, '>', 400, 'most of the corpus can be replayed');

# A sidecar serves at most 32 platforms.
my %known = map { $_->{platform} => 1 } @cases;
my @names = sort keys %known;
my (%group_of, @groups);
while (my @served = splice(@names, 0, 10))
{
	push @groups, [@served];
	$group_of{$_} = $#groups for @served;
}

sub start_home
{
	my ($name, $group, %option) = @_;
	return start_sidecar($directory, upstream => $upstream, name => "$name-$group", platforms => $groups[$group],
		arguments => [ '--verdict-deadline', '10s', '--tags', 'x-team=team x-user=user' ], %option);
}

my @deciding = map { start_home('deciding', $_, database => conninfo_of($node)) } 0 .. $#groups;
for my $one (@deciding)
{
	ok(poll_for(sub { ($one->metric('upstream_errors_database_connected') // 0) >= 1 }), 'connected');
}

sub quote { my ($text) = @_; $text =~ s/'/''/g; return "'$text'" }

# A snapshot's lines into the tables.
sub load_rules
{
	my ($file) = @_;
	my @lines = map { $json->decode($_) } split /\n/, read_file($file);
	my $text = sub { my ($bytes) = @_; utf8::encode($bytes); return quote($bytes) };
	my $sql = "BEGIN;\nDELETE FROM upstream_error_mask_patterns; DELETE FROM upstream_error_mask_hosts;\n"
	  . "DELETE FROM upstream_error_messages; DELETE FROM upstream_error_settings;\n";
	my @rules;
	for my $line (@lines)
	{
		my ($what) = grep { ref $line->{$_} || $_ eq 'mask_host' } keys %$line;
		next unless defined $what;
		my $value = $line->{$what};
		if ($what eq 'rule') { push @rules, $value }
		elsif ($what eq 'mask_host') { $sql .= 'INSERT INTO upstream_error_mask_hosts (host) VALUES (' . $text->($value) . ");\n" }
		else
		{
			my %table = (mask_pattern => 'mask_patterns', message => 'messages', setting => 'settings');
			my $names = join ', ', sort keys %$value;
			$sql .= "INSERT INTO upstream_error_$table{$what} ($names) SELECT $names FROM jsonb_populate_record(NULL::upstream_error_$table{$what}, "
			  . quote($json->encode($value)) . ");\n";
		}
	}
	$sql .= 'SELECT count(*) FROM upstream_error_rules_import(' . quote($json->encode(\@rules)) . ", true);\nCOMMIT;\n";
	$node->safe_psql('postgres', "SET client_encoding = 'UTF8';\n$sql");
	return;
}

# In one write: the client must not wait for an acknowledgement between head and body.
sub ask
{
	my ($sidecar, $path, $headers, $content) = @_;
	my $body = $json->encode($content);
	my $lines = join '', map { "$_: $headers->{$_}\r\n" } sort keys %$headers;
	my $answer = request_raw($sidecar->{port}, "POST $path HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
		  . "authorization: Bearer sk-proj-PLANTEDclient0123456789abcdef\r\n${lines}content-length: " . length($body) . "\r\n\r\n$body");
	my ($head, $bytes) = split /\r\n\r\n/, $answer, 2;
	my %found = map { /^([^:]+): *(.*)$/ ? (lc $1, $2) : () } split /\r\n/, $head // '';
	return { status => ($head // '') =~ m{\AHTTP/1\.1 (\d+)} ? $1 : 0, headers => \%found, content => $bytes // '' };
}

# upstream_error_decide's question for one answer, at one moment.
sub question
{
	my ($entry, $moment) = @_;
	my $kase = $entry->{kase};
	my %headers;
	push @{ $headers{ lc $1 } }, $2 while $kase->{header_text} =~ /^([^:\s]+): *(.*?)\r?$/mg;
	return sprintf "SELECT json_build_object('ordinal', %d, 'status', response_status, 'headers', response_headers, 'body', response_body, 'rule', rule_id)\n"
	  . "FROM upstream_error_decide(%s, %d, decode('%s', 'hex'), headers => %s, format => %s, request_id => %s, model => %s, at => to_timestamp(%.3f), accept_language => %s, route => %s, tags => %s);\n",
	  $entry->{ordinal}, quote($kase->{platform}), $kase->{status}, unpack('H*', $kase->{body}), quote($json->encode(\%headers)),
	  quote($entry->{format}), quote($entry->{answer}{headers}{'x-upstream-errors-request-id'} // ''), quote($entry->{model}), $moment,
	  quote($entry->{language} // ''), quote($entry->{path}), quote($json->encode($entry->{tags}));
}

# Empty when the answer is the verdict.
sub difference
{
	my ($entry, $verdict) = @_;
	my $answer = $entry->{answer};
	my $utf8 = sub { my ($text) = @_; utf8::encode($text); return $text };
	return "status $answer->{status} instead of $verdict->{status}" if $answer->{status} != $verdict->{status};
	return "body $answer->{content} instead of " . $utf8->($verdict->{body}) if $answer->{content} ne $utf8->($verdict->{body});
	for my $name (sort keys %{ $verdict->{headers} })
	{
		return "header $name " . ($answer->{headers}{$name} // 'missing') . " instead of $verdict->{headers}{$name}"
		  if ($answer->{headers}{$name} // '') ne $utf8->($verdict->{headers}{$name});
	}
	return '';
}

my @files = glob(top_directory() . '/test/rules/*.jsonl');
cmp_ok(scalar @files, '>=', 5, 'there are sets of rules');
my $turn = 0;
for my $file (@files)
{
	my ($name) = $file =~ m{([^/]+)\.jsonl$};
	load_rules($file);
	my $generation = $node->safe_psql('postgres', 'SELECT upstream_error_generation()');
	my @local;
	for my $group (0 .. $#groups)
	{
		my $kept = "$deciding[$group]{journal}/policy.jsonl";
		my $journal = "$directory/local-$name-$group.journal";
		ok(poll_for(sub { ($deciding[$group]->metric('upstream_errors_policy_generation') // -1) == $generation && -e $kept && read_file($kept) =~ /"generation": *$generation\b/ }, 20),
			"$name: in force and on disk");
		mkdir $journal;
		chmod 0700, $journal;
		copy($kept, "$journal/policy.jsonl") or die $!;
		push @local, start_home("local-$name", $group, journal => $journal);
	}

	my $is_whole = grep { $_ eq $name } @whole;
	$turn++;
	my @asked = $is_whole ? @cases : map { $cases[$_] } grep { $_ % $stride == $turn % $stride } 0 .. $#cases;
	my @answers;
	for my $kase (@asked)
	{
		my $number = @answers / 2 + $turn;
		my $model = "case\@$kase->{name}";
		my $format = $formats[ $number % 4 ];
		(my $path = "/$kase->{platform}$path_of{$format}") =~ s/MODEL/$model/;
		my $language = $languages[ ($number / 4) % 4 ];
		my $tags = $tags[ $number % 3 ];
		my %headers = map { ("x-$_" => $tags->{$_}) } keys %$tags;
		$headers{'accept-language'} = $language if defined $language;
		for my $home (qw(postgres local))
		{
			my $sidecar = ($home eq 'postgres' ? \@deciding : \@local)->[ $group_of{ $kase->{platform} } ];
			my $before = time();
			my $answer = ask($sidecar, $path, \%headers, { model => $model });
			push @answers, {
				kase => $kase, format => $format, home => $home, model => $model, path => $path, language => $language, tags => $tags,
				answer => $answer, before => $before, after => time(), ordinal => scalar @answers,
			};
		}
	}

	# When it failed lies between two clocks; a wait until a date may round differently.
	my %verdicts;
	for my $line (split /\n/, $node->safe_psql('postgres', "SET client_encoding = 'UTF8';\n" . join '', map { (question($_, $_->{before}), question($_, $_->{after})) } @answers))
	{
		my $verdict = decode_json($line);
		push @{ $verdicts{ $verdict->{ordinal} } }, $verdict;
	}
	my %wrong = (postgres => [], local => []);
	my $n_ruled = 0;
	for my $entry (@answers)
	{
		my @found = map { difference($entry, $_) } @{ $verdicts{ $entry->{ordinal} } || [] };
		$n_ruled++ if grep { defined $_->{rule} } @{ $verdicts{ $entry->{ordinal} } || [] };
		push @{ $wrong{ $entry->{home} } }, "$entry->{kase}{name} $entry->{format}: " . ($found[0] // 'no verdict') unless grep { $_ eq '' } @found;
	}
	for my $home (qw(postgres local))
	{
		is(scalar @{ $wrong{$home} }, 0, "$name: SQL and sidecar ($home) give the same bytes, " . @asked . ' cases')
		  or diag(join "\n", grep { defined } @{ $wrong{$home} }[0 .. 4]);
	}
	cmp_ok($n_ruled, '>', 0, "$name: rules decided some") if read_file($file) =~ /"rule"/;
	$_->stop for @local;
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM upstream_error_events WHERE decided_by = 'local'}), 0, 'every verdict of Postgres came in time');
is($_->stop, 0, 'the sidecar ends cleanly') for @deciding;
$upstream->stop;
$node->stop;
done_testing();
