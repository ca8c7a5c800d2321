#!/usr/bin/env perl
# Writes extension/core/fold_table.c from the Unicode tables that this perl carries:
#
#   test/fold_table.pl >extension/core/fold_table.c
#
# Full case folding (CaseFolding.txt, status C and F; not T, which is Turkic only).
use strict;
use warnings;
use Unicode::UCD qw(all_casefolds);

my $shift = 6;
my $size = 1 << $shift;
my $version = Unicode::UCD::UnicodeVersion();
my (%full_of, %delta_of, @deltas, @fulls, %lead);

my $folds = all_casefolds();
for my $code (sort { $a <=> $b } keys %$folds)
{
	my @to = map { hex } split / /, $folds->{$code}{full};
	my $text = chr $code;

	utf8::encode($text);
	$lead{ord $text} = 1 if $code >= 0x80;
	if (@to > 1)
	{
		die if grep { $_ > 0xFFFF } @to;
		$full_of{$code} = @fulls;
		push @fulls, [ @to, (0) x (3 - @to), $code ];
		next;
	}
	my $delta = $to[0] - $code;
	$delta_of{$code} = $delta;
}
my %n_uses;
$n_uses{$_}++ for values %delta_of;
@deltas = (0, sort { $a <=> $b } keys %n_uses);
my %index_of = map { $deltas[$_] => $_ } 0 .. $#deltas;
die 'more than fits a byte' if @deltas + @fulls > 256;

my $last = (sort { $b <=> $a } keys %$folds)[0];
my (@blocks, @rows, %row_of);
for my $block (0 .. $last >> $shift)
{
	my @row = map {
		exists $full_of{$_} ? @deltas + $full_of{$_}
		  : exists $delta_of{$_} ? $index_of{ $delta_of{$_} }
		  : 0
	} $block * $size .. ($block + 1) * $size - 1;
	my $key = join ',', @row;

	if (!exists $row_of{$key})
	{
		$row_of{$key} = @rows;
		push @rows, \@row;
	}
	push @blocks, $row_of{$key};
}
die 'more rows than fit a byte' if @rows > 256;

my $leads = 0;
$leads |= 1 << ($_ - 0xC0) for keys %lead;

sub lines
{
	my ($indent, @values) = @_;
	my ($text, $line) = ('', $indent);

	for my $value (@values)
	{
		if (length("$line$value,") + 3 * length($indent) > 88)
		{
			$line =~ s/ $//;
			$text .= "$line\n";
			$line = $indent;
		}
		$line .= "$value, ";
	}
	$line =~ s/ $//;
	return "$text$line\n";
}

print <<"END";
/* SPDX-License-Identifier: PostgreSQL */
/*
 * fold_table.c: full case folding of Unicode $version; made by test/fold_table.pl.
 *
 * The data is that of CaseFolding.txt, status C and F.  A code point's block of $size is a
 * row of entries: 0 stays as it is, an entry below UE_FOLD_DELTAS is the number of a
 * difference, the others are numbers of foldings that are longer than one code point.
 */
#include "core/fold_table.h"

/* clang-format off */
const uint8_t ue_fold_table_block[UE_FOLD_BLOCKS] = {
END
print lines("\t", @blocks), "};\n\nconst uint8_t ue_fold_table_entry[][UE_FOLD_BLOCK] = {\n";
for my $row (@rows)
{
	my $body = lines("\t\t", @$row);
	print "\t{\n$body\t},\n";
}
print "};\n\nconst int32_t ue_fold_table_delta[UE_FOLD_DELTAS] = {\n", lines("\t", @deltas), "};\n\n";
print "const uint16_t ue_fold_table_full[][3] = {\n";
printf "\t{0x%04X, 0x%04X, 0x%04X}, /* U+%04X */\n", @$_ for @fulls;
printf "};\n\nconst uint64_t ue_fold_table_leads = UINT64_C(0x%016X);\n/* clang-format on */\n", $leads;
print STDERR scalar(@blocks), " blocks, ", scalar(@rows), " rows, ", scalar(@deltas), " deltas\n";
