# SPDX-License-Identifier: PostgreSQL

# What README.md and docs/*.md show in SQL is true: every statement in a block runs, page by
# page and in its order, and gives the result that is shown behind it.  Examples in comments
# are the business of sql/examples.sql, statements inside docs/queries.md's tables that of
# sql/docs_queries.sql.
#
# A result is compared without blanks and rules; "…" in it stands for anything, and a time
# for any time.  What needs another server is not run (%elsewhere).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use UpstreamErrors::Test;

my %elsewhere = (
	'CREATE SUBSCRIPTION' => 'needs the publisher; test/t/016_ext_many_servers.pl has one',
	'create_distributed_table' => 'needs Citus; test/t/016_ext_many_servers.pl says what is tested of it',
);

# What a page's examples look at, beside what they write themselves.
my %fixture_of = (
	'README.md' => <<'END',
INSERT INTO upstream_error_events (at, event_id, request_id, platform, model, kind, status_code, class, message)
SELECT now() - v.n * interval '1 min', gen_random_uuid(), 'req_' || v.n, v.platform, v.model, 'http_error', v.status, v.class, v.message
FROM (VALUES (1, 'gemini', 'gemini-demo', 503, 'overloaded', 'The engine is currently overloaded, please try again later'),
	(2, 'openai', 'gpt-demo', 429, 'rate_limit', 'Rate limit reached for the model in organization org-***'),
	(3, 'anthropic', 'claude-demo', 529, 'overloaded', 'The engine is currently overloaded, please try again later'),
	(4, 'openai', 'gpt-demo', 500, 'server_error', '500 Internal Server Error')) AS v (n, platform, model, status, class, message);
END
	'docs/error-model.md' => <<'END',
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, message, mask_version)
SELECT now() - n * interval '1 min', gen_random_uuid(), 'req_' || n, 'openai', 'http_error', 'authentication',
	CASE n WHEN 1 THEN 'Incorrect API key provided: sk-abcdef0123456789abcdef' ELSE 'Incorrect API key provided: ***' END, 0
FROM generate_series(1, 2) AS n;
END
);

# Blocks of a page: {line, sql, shown}.
sub blocks_of
{
	my ($page) = @_;
	my (@blocks, @lines, $language, $began);
	my $number = 0;
	for my $line (split(/\n/, read_file(top_directory() . "/$page")), 'end')
	{
		$number++;
		if ($line =~ /^```(\w*)\s*$/)
		{
			if (!defined $language) { ($language, $began, @lines) = ($1, $number); next }
			my $text = join "\n", @lines;
			if ($language eq 'sql') { push @blocks, { line => $began, sql => $text } }
			elsif ($language eq '' && $text =~ /^=# /)
			{
				# the statement ends with its semicolon, its result at the next prompt
				for my $part (split /^=# /m, $text)
				{
					next if $part =~ /^\s*$/;
					$part =~ /\A(.*?;)[ \t]*\n(.*)\z/s or $part =~ /\A(.*;)()\s*\z/s or die "$page:$began: no statement";
					my %block = (line => $began, sql => $1, shown => $2);
					delete $block{shown} unless $block{shown} =~ /\S/;
					push @blocks, \%block;
				}
			}
			elsif ($language eq '' && @blocks && $blocks[-1]{end} && $blocks[-1]{end} == $began - 1)
			{
				$blocks[-1]{shown} = $text;
			}
			$blocks[-1]{end} = $number if $language eq 'sql';
			undef $language;
		}
		elsif (defined $language) { push @lines, $line }
		elsif ($line =~ /^    (\S.*)$/ && (@lines || $1 =~ /^[A-Z]{4,} /)) { $began = $number unless @lines; push @lines, $line }
		elsif (@lines)
		{
			push @blocks, { line => $began, sql => join "\n", @lines } if "@lines" =~ /;/;
			@lines = ();
		}
		@lines = () if $line =~ /^```/ && !defined $language;
	}
	return @blocks;
}

# A table or record as its words, a line each; without rules, frames and counts of rows.
sub words_of
{
	my ($text) = @_;
	my @lines;
	for my $line (split /\n/, $text)
	{
		next if $line =~ /^[-+ ]*$/ || $line =~ /^-\[ RECORD/ || $line =~ /^\(\d+ rows?\)$/;
		$line =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00/TIME/g;
		$line =~ s/\s*\+$//;
		$line =~ s/\s*\|\s*/ | /g;
		$line =~ s/\s+/ /g;
		$line =~ s/^ | $//g;
		push @lines, $line unless $line eq '|' || $line eq '';
	}
	return join "\n", @lines;
}

my $directory = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "wal_level = logical\n");
$node->start;
$node->safe_psql('postgres', <<'END');
CREATE ROLE alice; CREATE ROLE search_team;
CREATE DATABASE docs;
\c docs
CREATE EXTENSION upstream_errors;
SELECT upstream_error_create_roles();
SELECT upstream_error_maintain();
END
my $rules = write_file("$directory/rules.json", '[{"name": "imported", "error_codes": [418], "match_mode": "any"}]');

sub run_block
{
	my ($database, $page, $block) = @_;
	my $sql = $block->{sql};
	my $shown = $block->{shown};
	my $is_table = defined $shown && $shown =~ /^-+(\+-+)*$/m;
	my $is_record = defined $shown && !$is_table && $shown =~ /\A\s*\w+ +\| /;
	my ($stdout, $stderr);

	$sql =~ s{/tmp/rules\.json}{$rules}g;
	# an hour ago this database was not there
	$sql =~ s/(upstream_error_rules_at)\('1h'\)/$1('0s')/g;
	my @format = $is_table ? qw(-P format=aligned -P tuples_only=off) : $is_record ? qw(-P format=aligned -P tuples_only=off -P expanded=on) : ();
	my $status = $node->psql($database, "SET client_min_messages = warning;\n$sql", stdout => \$stdout, stderr => \$stderr,
		on_error_stop => 1, extra_params => \@format);
	my ($name) = $block->{sql} =~ /\A(?:\s*--.*\n)*\s*([^\n]{0,60})/;
	is($status . ($stderr // ''), '0', "$page:$block->{line}: runs: $name");
	return unless defined $shown && $status == 0;
	my $wanted = join '.*', map { quotemeta } split /…/, words_of($shown), -1;
	my $found = words_of($stdout);
	ok($found =~ /\A$wanted\z/s, "$page:$block->{line}: gives what is shown: $name")
	  or diag("shown:\n" . words_of($shown) . "\nfound:\n$found");
}

my ($n_run, $n_shown) = (0, 0);
my @pages = ('README.md', map { s{.*/(docs/)}{$1}r } sort glob(top_directory() . '/docs/*.md'));
for my $page (@pages)
{
	my ($name) = $page =~ m{([\w-]+)\.md$};
	my $database = "docs_$name";
	$node->safe_psql('postgres', qq{CREATE DATABASE "$database" TEMPLATE docs; ALTER DATABASE "$database" SET timezone = 'UTC'});
	$node->safe_psql($database, $fixture_of{$page}) if $fixture_of{$page};
	for my $block (blocks_of($page))
	{
		if (my ($what) = grep { index($block->{sql}, $_) >= 0 } sort keys %elsewhere)
		{
			note("$page:$block->{line}: not run: $elsewhere{$what}");
			next;
		}
		$n_run++;
		$n_shown++ if defined $block->{shown};
		run_block($database, $page, $block);
	}
}
cmp_ok($n_run, '>=', 36, 'the pages have many examples');
cmp_ok($n_shown, '>=', 14, 'and show the results of some');
$node->stop;
done_testing();
