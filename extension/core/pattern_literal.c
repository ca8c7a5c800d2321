/* SPDX-License-Identifier: PostgreSQL */
/*
 * pattern_literal.c: a text that a pattern cannot match without, read from its source.
 *
 * Patterns are asked one by one, keywords all at once; so whoever has many patterns looks
 * for their literals first, and asks only the patterns whose literal is there.  Of
 * "request \d{3} (timed|cut) off" that is "request ".
 *
 * Only what stands outside of groups and alternatives is taken, ASCII alone, and nothing
 * from a pattern with syntax that is not known here.  The case of a literal means nothing:
 * a pattern may ignore it from its middle on.  What PCRE2 takes for the same letter as one
 * of ASCII (U+017F, U+212A) is folded to it by fold.h too.
 */
#include "core/pattern.h"

#include <string.h>

/* Fewer bytes are in nearly every text. */
#define SHORTEST 3

/* More tells hardly more, and takes memory. */
#define LONGEST 32

/* What stands for itself everywhere outside of a class. */
#define PLAIN " _-,:;!\"'%&/<>=@~`"

/* One character behind a backslash that takes no argument. */
#define ESCAPES "dDwWsShHvVbBAzZRntrfaeGX"

typedef struct Walk
{
	UeSlice text;
	size_t at;
	size_t run; /* where literal characters began that reach up to at */
	size_t depth;
	UeSlice best;
} Walk;

static bool
is_one_of(char byte, const char *bytes)
{
	return byte != '\0' && strchr(bytes, byte) != NULL;
}

static bool
is_alnum(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
		   (byte >= 'a' && byte <= 'z');
}

/* NUL behind the end; in a pattern it has no meaning that is known here. */
static char
read_byte(const Walk *walk, size_t at)
{
	return at < walk->text.len ? walk->text.ptr[at] : '\0';
}

/* The literal characters end before end, and others may begin at next. */
static void
end_run(Walk *walk, size_t end, size_t next)
{
	if (walk->depth == 0 && end > walk->run && end - walk->run > walk->best.len)
		walk->best = ue_slice_sub(walk->text, walk->run, end - walk->run);
	walk->at = next;
	walk->run = next;
}

static bool
skip_escape(Walk *walk)
{
	char byte = read_byte(walk, walk->at + 1);

	end_run(walk, walk->at, walk->at + 2);
	return byte != '\0' && (!is_alnum(byte) || is_one_of(byte, ESCAPES));
}

static bool
skip_class(Walk *walk)
{
	size_t at = walk->at + 1;

	if (read_byte(walk, at) == '^')
		at++;
	/* the first of all is a member */
	if (read_byte(walk, at) == ']')
		at++;
	for (; read_byte(walk, at) != ']'; at++)
	{
		char byte = read_byte(walk, at);

		/* [:alpha:], and \Q, which would hide a bracket */
		if (byte == '\0' || byte == '[')
			return false;
		if (byte != '\\')
			continue;
		at++;
		if (read_byte(walk, at) == 'Q' || read_byte(walk, at) == 'E')
			return false;
	}
	end_run(walk, walk->at, at + 1);
	return true;
}

/* What may become no characters at all takes the last one with it. */
static bool
skip_repeat(Walk *walk)
{
	char byte = read_byte(walk, walk->at);
	size_t end = byte != '+' && walk->at > walk->run ? walk->at - 1 : walk->at;
	size_t next = walk->at + 1;

	if (byte == '{')
	{
		while (is_one_of(read_byte(walk, next), "0123456789, "))
			next++;
		/* else the brace is a character */
		next = read_byte(walk, next) == '}' ? next + 1 : walk->at + 1;
	}
	/* lazy, possessive */
	if (is_one_of(read_byte(walk, next), "?+"))
		next++;
	end_run(walk, end, next);
	return true;
}

static bool
open_group(Walk *walk)
{
	static const UeSlice known[] = {UE_SLICE_INIT("(?:"), UE_SLICE_INIT("(?="),
									UE_SLICE_INIT("(?!"), UE_SLICE_INIT("(?<="),
									UE_SLICE_INIT("(?<!")};
	UeSlice rest = ue_slice_sub(walk->text, walk->at, walk->text.len);
	size_t len = 1;

	if (ue_slice_has_prefix(rest, UE_SLICE("(?i)")))
	{
		end_run(walk, walk->at, walk->at + 4);
		return true;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (ue_slice_has_prefix(rest, known[i]))
			len = known[i].len;
	end_run(walk, walk->at, walk->at + len);
	walk->depth++;
	return len > 1 || !is_one_of(read_byte(walk, walk->at), "?*");
}

static bool
close_group(Walk *walk)
{
	if (walk->depth == 0)
		return false;
	end_run(walk, walk->at, walk->at + 1);
	walk->depth--;
	return true;
}

/* False: the pattern is left alone. */
static bool
step(Walk *walk)
{
	char byte = read_byte(walk, walk->at);

	if (is_alnum(byte) || is_one_of(byte, PLAIN))
	{
		walk->at++;
		return true;
	}
	switch (byte)
	{
		case '\\':
			return skip_escape(walk);
		case '[':
			return skip_class(walk);
		case '(':
			return open_group(walk);
		case ')':
			return close_group(walk);
		case '?':
		case '*':
		case '+':
		case '{':
			return skip_repeat(walk);
		case '|':
			if (walk->depth == 0)
				return false;
			break;
		case '\0':
			return false;
	}
	end_run(walk, walk->at, walk->at + 1);
	return true;
}

UeSlice
ue_pattern_find_literal(UeSlice text)
{
	Walk walk = {.text = text};

	while (walk.at < text.len)
		if (!step(&walk))
			return (UeSlice){NULL, 0};
	end_run(&walk, walk.at < text.len ? walk.at : text.len, text.len);
	if (walk.best.len < SHORTEST)
		return (UeSlice){NULL, 0};
	return ue_slice_sub(walk.best, 0, LONGEST);
}
