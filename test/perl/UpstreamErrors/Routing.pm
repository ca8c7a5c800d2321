# SPDX-License-Identifier: PostgreSQL

# Channels, retry policies and health rules as rows, and whether sidecars have them.
package UpstreamErrors::Routing;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use UpstreamErrors::Test;

our @EXPORT = qw(add_rows in_force never_paused set_routing);

my %table = (
	channels => 'upstream_error_channels',
	policies => 'upstream_error_retry_policies',
	health => 'upstream_error_health_rules',
	rules => 'upstream_error_rules',
);

# A health rule that no failure fits: with it a channel's health never changes.
sub never_paused { return { name => 'never', error_codes => [599], models => ['no such model'] } }

# Rows as hashes; a column that is not named has its default.
sub insert_of
{
	my ($kind, @rows) = @_;
	my $json = JSON::PP->new->canonical->ascii;
	my $sql = '';
	for my $row (@rows)
	{
		my $columns = join ', ', sort keys %$row;
		(my $text = $json->encode($row)) =~ s/'/''/g;
		$sql .= "INSERT INTO $table{$kind} ($columns) SELECT $columns FROM jsonb_populate_record(NULL::$table{$kind}, '$text');\n";
	}
	return $sql;
}

sub add_rows { my ($node, $kind, @rows) = @_; $node->safe_psql('postgres', insert_of($kind, @rows)); return }

# Options: channels, policies, health, rules (array references); all rows of a kind that is
# not named go.  Without health no channel ever pauses.  One transaction, so one generation
# for the sidecars.
sub set_routing
{
	my ($node, %rows) = @_;
	$rows{health} ||= [ never_paused() ];
	$node->safe_psql('postgres', join '', "BEGIN;\n", (map { "DELETE FROM $table{$_};\n" . insert_of($_, @{ $rows{$_} || [] }) } sort keys %table), "COMMIT;\n");
	return;
}

# Until each of the sidecars obeys what is committed now.
sub in_force
{
	my ($node, @sidecars) = @_;
	my $generation = $node->safe_psql('postgres', 'SELECT upstream_error_generation()');
	for my $sidecar (@sidecars)
	{
		poll_for(sub { ($sidecar->metric('upstream_errors_policy_generation') // -1) == $generation }, 20)
		  or die "$sidecar->{name} does not obey generation $generation: " . $sidecar->log;
	}
	return 1;
}

1;
