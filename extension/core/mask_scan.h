/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_scan.h: what the files of the mask share; nobody else includes it.
 *
 * A scan walks over the text once.  The byte under it may start or end something secret;
 * then one of the ue_mask_apply functions looks around it and, if it is right, writes a
 * region: the text before it is copied, the region's replacement written, and the scan goes
 * on behind it.  No look back ever goes beyond the end of the last region (floor), and
 * what was looked at ahead in vain is remembered, so the whole is linear.
 */
#ifndef UE_CORE_MASK_SCAN_H
#define UE_CORE_MASK_SCAN_H

#include <string.h>

#include "core/buf.h"
#include "core/mask.h"

/* Bytes of which one look found the end, so that no other byte of them needs to look. */
typedef struct UeMaskRun
{
	size_t start, end;
} UeMaskRun;

/* What was seen in [start, end): where each kind of byte stood last, plus one; 0: nowhere. */
typedef struct UeMaskLook
{
	size_t start, end;
	size_t lower, upper, digit, star;
	size_t inner_lower; /* the last lower-case letter with an upper-case one behind it */
} UeMaskLook;

/* Which folds a trial takes out. */
typedef enum UeMaskTrial
{
	UE_MASK_TRIAL_ALL = 0,
	UE_MASK_TRIAL_EVEN, /* the first, the third … */
	UE_MASK_TRIAL_ODD,
} UeMaskTrial;

/* A text and its joined copy, walked over at once: the next fold in both of them. */
typedef struct UeMaskFolds
{
	UeMaskTrial trial;
	UeSlice text;
	UeBuf *out;	   /* the text without the folds that something secret reaches over */
	size_t copied; /* of text, what is in out or left out of it */
	size_t at;	   /* the fold in text; its end when there is no other, */
	size_t next;   /* and behind it */
	size_t joined; /* its place in the copy */
	size_t n_found;
} UeMaskFolds;

typedef struct UeMaskScan
{
	UeSlice text;
	const UeMaskSettings *settings; /* for its hosts; may be NULL */
	UeBuf *buf;						/* the masked text up to floor */
	size_t floor;					/* end of the last region */
	size_t next;					/* where the scan goes on */
	UeMaskFolds *folds;				/* told of every region; may be NULL */
	size_t context;					/* where what says that the next region is secret
									 * begins, if that is before it; or SIZE_MAX */
	size_t region_at;				/* start of the open region in text */
	size_t region_written;			/* and of its replacement in buf */
	size_t dotted_end;				/* up to here dots were looked at, */
	size_t colon_end;				/* and colons as parts of an IPv6 address, */
	size_t star_end;	  /* and stars as parts of a key half hidden by others; */
	size_t at_end;		  /* no local part of an address begins before this */
	size_t arn_colon;	  /* the colon before the account of an ARN; 0: none is ahead; */
	size_t arn_at;		  /* and that ARN's start */
	size_t seen_end;	  /* up to here a rule looked across separators, in vain */
	UeMaskRun word;		  /* the last word, */
	UeMaskRun key;		  /* key, */
	UeMaskRun credential; /* value of an Authorization header, */
	UeMaskRun value;	  /* and value behind a name looked at */
	UeMaskLook look;	  /* and what stands in a part of that */
	size_t star_from;	  /* from here to star_at there is no star */
	size_t star_at;
	size_t n_outside; /* bytes that belong to no region */
	bool is_changed;  /* a replacement differed from what it replaced, */
	bool is_restless; /* and may change what a rule beside it finds */
} UeMaskScan;

/* Classes of bytes, to be combined. */
#define UE_MASK_DIGIT  0x01
#define UE_MASK_LOWER  0x02
#define UE_MASK_UPPER  0x04
#define UE_MASK_HEX	   0x08
#define UE_MASK_DASH   0x10 /* '-' and '_' */
#define UE_MASK_STAR   0x20 /* '*': what was masked before belongs to the word around it */
#define UE_MASK_BLANK  0x40 /* ASCII white space and control characters */
#define UE_MASK_PLAIN  0x80 /* neither ends a part of a URL nor is ever written escaped */
#define UE_MASK_RARE   0x100  /* may end running text, or begin what is written escaped */
#define UE_MASK_URL	   0x200  /* separates the parts of a URL */
#define UE_MASK_TOKEN  0x400  /* in the value of an Authorization header, beside words */
#define UE_MASK_LOCAL  0x800  /* in the local part of an e-mail address, beside words */
#define UE_MASK_OPENER 0x1000 /* between a word and what it names: blanks, quotes */
#define UE_MASK_ALNUM  (UE_MASK_DIGIT | UE_MASK_LOWER | UE_MASK_UPPER)
#define UE_MASK_WORD   (UE_MASK_ALNUM | UE_MASK_DASH | UE_MASK_STAR)

extern const unsigned short ue_mask_classes[256];

static inline bool
ue_mask_is_class(char byte, int classes)
{
	return (ue_mask_classes[(unsigned char) byte] & classes) != 0;
}

/* What a hexadecimal digit means. */
static inline int
ue_mask_read_hex(char digit)
{
	return ue_mask_is_class(digit, UE_MASK_DIGIT) ? digit - '0'
												  : (digit | 0x20) - 'a' + 10;
}

/* The text between two of its offsets; it is not empty. */
static inline UeSlice
ue_mask_cut(const UeMaskScan *scan, size_t start, size_t end)
{
	return (UeSlice){scan->text.ptr + start, end - start};
}

/* The byte at an offset; NUL beyond the end, which no rule asks for. */
static inline char
ue_mask_read(const UeMaskScan *scan, size_t at)
{
	return at < scan->text.len ? scan->text.ptr[at] : '\0';
}

/* A rule has looked in vain at the text before `end`, across what separates words. */
static inline void
ue_mask_note_seen(UeMaskScan *scan, size_t end)
{
	if (end > scan->seen_end)
		scan->seen_end = end;
}

/* Once over the text; buf is overwritten. */
extern void ue_mask_scan(UeMaskScan *scan);

/* Regions; start must not be below floor. */
extern void ue_mask_write_begin(UeMaskScan *scan, size_t start);
static inline void
ue_mask_write(UeMaskScan *scan, UeSlice text)
{
	UeBuf *buf = scan->buf;

	/* most are a few bytes for which there is room */
	if (text.len >= buf->size - buf->len || buf->status != UE_OK)
		ue_buf_append(buf, text);
	else
	{
		memcpy(buf->ptr + buf->len, text.ptr, text.len);
		buf->len += text.len;
	}
}

extern void ue_mask_write_end(UeMaskScan *scan, size_t end);

/* A region whose replacement is its first n_kept bytes and "***". */
extern void ue_mask_write_stars(UeMaskScan *scan, size_t start, size_t n_kept,
								size_t end);

/* First offset from `at` on that has none of the classes; the text's end at most. */
static inline size_t
ue_mask_find_end(const UeMaskScan *scan, size_t at, int classes)
{
	while (at < scan->text.len && ue_mask_is_class(scan->text.ptr[at], classes))
		at++;
	return at;
}

extern size_t ue_mask_find_next_word_end(UeMaskScan *scan, size_t at);

/* The same for a word, which is looked at once however many rules ask. */
static inline size_t
ue_mask_find_word_end(UeMaskScan *scan, size_t at)
{
	return at >= scan->word.start && at <= scan->word.end
			   ? scan->word.end
			   : ue_mask_find_next_word_end(scan, at);
}

extern size_t ue_mask_find_next_star(UeMaskScan *scan, size_t start);

/* Whether a star stands in a part of the text; the parts asked for do not go back. */
static inline bool
ue_mask_has_star(UeMaskScan *scan, size_t start, size_t end)
{
	if (start < scan->star_from || start > scan->star_at)
		return ue_mask_find_next_star(scan, start) < end;
	return scan->star_at < end;
}

/* First offset of the run of these classes that ends before `at`; floor at least. */
static inline size_t
ue_mask_find_start(const UeMaskScan *scan, size_t at, int classes)
{
	while (at > scan->floor && ue_mask_is_class(scan->text.ptr[at - 1], classes))
		at--;
	return at;
}

/* Whether a literal stands at an offset. */
static inline bool
ue_mask_has(const UeMaskScan *scan, size_t at, UeSlice literal)
{
	return at <= scan->text.len && scan->text.len - at >= literal.len &&
		   memcmp(scan->text.ptr + at, literal.ptr, literal.len) == 0;
}

/* Whether it stands right before an offset, not below floor. */
static inline bool
ue_mask_has_before(const UeMaskScan *scan, size_t at, UeSlice literal)
{
	return at - scan->floor >= literal.len &&
		   ue_mask_has(scan, at - literal.len, literal);
}

/* The same at an offset in any case; the literal is in lower case. */
static inline bool
ue_mask_has_fold(const UeMaskScan *scan, size_t at, UeSlice literal)
{
	if (at > scan->text.len || scan->text.len - at < literal.len)
		return false;
	for (size_t i = 0; i < literal.len; i++)
	{
		char byte = scan->text.ptr[at + i];

		byte = (char) (byte + (byte >= 'A' && byte <= 'Z') * ('a' - 'A'));
		if (byte != literal.ptr[i])
			return false;
	}
	return true;
}

/* Whether what stands before `at`, which is a letter or digit, is an escape. */
extern bool ue_mask_is_behind_escape(const UeMaskScan *scan, size_t at);

/* No letter or digit belongs to the word at `at` from before it: \n, \u0026, %20 do not. */
static inline bool
ue_mask_is_word_start(const UeMaskScan *scan, size_t at)
{
	return at == scan->floor ||
		   !ue_mask_is_class(scan->text.ptr[at - 1], UE_MASK_ALNUM) ||
		   ue_mask_is_behind_escape(scan, at);
}

extern size_t ue_mask_skip_escape_rest(const UeMaskScan *scan, size_t start);

/* start, moved past the rest of an escape (\n, \u0026, %20) that it stands in. */
static inline size_t
ue_mask_skip_escape(const UeMaskScan *scan, size_t start)
{
	char before = start > scan->floor ? scan->text.ptr[start - 1] : ' ';

	return before == '%' || before == 'u' || before == '\\'
			   ? ue_mask_skip_escape_rest(scan, start)
			   : start;
}

/* A second part of a key behind a dot, which no word of a sentence looks like. */
extern bool ue_mask_is_key_part(UeMaskScan *scan, size_t at);

extern size_t ue_mask_find_next_key_end(UeMaskScan *scan, size_t at);

/* End of the key that goes on at `at`, which is the start or inside of a word: the word, what
 * an ellipsis in it hides ("sk-...wxyz"), and further parts behind dots. */
static inline size_t
ue_mask_find_key_end(UeMaskScan *scan, size_t at)
{
	return at >= scan->key.start && at <= scan->key.end
			   ? scan->key.end
			   : ue_mask_find_next_key_end(scan, at);
}

/* Letters and digits mixed as no word of a sentence mixes them, or stars. */
extern bool ue_mask_is_random(UeSlice word);

/* Whether a word is one of those listed, in any case; the list is in lower case. */
extern bool ue_mask_is_listed(UeSlice word, const UeSlice *list, size_t n_words);

/* The same for the few bytes that need more than a look. */
extern char ue_mask_read_rare_unit(const UeMaskScan *scan, size_t at, size_t *len);

/*
 * One character of running text, which may be written as JSON escapes it: "\/" is '/',
 * "\u0026" is '&'.  Returns it with its length in bytes; '\0' for what ends every URL and
 * unquoted value: blanks, quotes, angle brackets, other escapes, Chinese punctuation.
 */
static inline char
ue_mask_read_unit(const UeMaskScan *scan, size_t at, size_t *len)
{
	char byte = ue_mask_read(scan, at);

	*len = 1;
	if (ue_mask_is_class(byte, UE_MASK_BLANK))
		return '\0';
	if (ue_mask_is_class(byte, UE_MASK_RARE))
		return ue_mask_read_rare_unit(scan, at, len);
	return byte;
}

/* mask_key.c: at a '-' or '_', 'I' or 'J', '.', '/', '*', the first ':' of an ARN */
extern bool ue_mask_apply_key(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_dashes(UeMaskScan *scan, size_t at);

/* By the byte before the first '-' or '_' of a prefix: which letters stand before that. */
extern const uint32_t ue_mask_prefix_ends[256][2];

/* Whether any prefix of a key may be at a '-' or '_', behind which other bytes stand. */
static inline bool
ue_mask_may_end_prefix(const UeMaskScan *scan, size_t at)
{
	const char *text = scan->text.ptr + at;

	return at - scan->floor >= 2 &&
		   ((ue_mask_prefix_ends[(unsigned char) text[-1]][text[0] == '_'] >>
			 (text[-2] & 31)) &
			1) != 0;
}

extern bool ue_mask_apply_letter_key(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_dotted_key(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_dapi(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_refresh_token(UeMaskScan *scan, size_t at, UeSlice slashes);
extern bool ue_mask_apply_project(UeMaskScan *scan, size_t at, size_t at_len);
extern bool ue_mask_apply_slash(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_star(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_arn(UeMaskScan *scan, size_t at);

/* A key in the middle of a word must be this long. */
#define UE_MASK_MIN_GLUED_LEN 20

/* Letters in both cases and long, as no compound word is: a key glued to other letters. */
extern bool ue_mask_is_glued_key(UeSlice word);

/* mask_word.c: at a 'B' or 'b'; at a 'j', 'c', 'z' or 'y' */
extern bool ue_mask_apply_scheme(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_leader(UeMaskScan *scan, size_t at);

/* mask_host.c: at a '.', the first ':' of two, an '@' (or %40) of some bytes */
extern bool ue_mask_apply_dotted(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_ipv6(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_email(UeMaskScan *scan, size_t at, size_t at_len);

/* When a dotted word with this last label is taken for a domain outside of a URL. */
typedef enum UeMaskTldKind
{
	UE_MASK_TLD_STRONG = 0, /* always */
	UE_MASK_TLD_WEAK, /* an English word, a field or a file type too: after "api.", "www." … */
	UE_MASK_TLD_PRIVATE, /* in private networks: with at least three labels */
} UeMaskTldKind;

typedef struct UeMaskTld
{
	UeSlice name;
	UeMaskTldKind kind;
} UeMaskTld;

/* mask_tld.c: NULL when no domain ends so, or none that we know. */
extern const UeMaskTld *ue_mask_find_tld(UeSlice label);

/* What of a host name in a URL or an address may be seen: "***.com", or "***". */
extern void ue_mask_write_host(UeMaskScan *scan, UeSlice host);

/* The same, and the account of an ARN, with "%3A" for ':' */
extern bool ue_mask_apply_encoded_ipv6(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_encoded_arn(UeMaskScan *scan, size_t at);

/* mask_settings.c: one pattern; *out is text itself when it changes nothing */
extern UeStatus ue_mask_apply_pattern(UeArena *arena, UeBuf *buf,
									  const UePattern *pattern, UeSlice text,
									  UeSlice *out) UE_MUST_CHECK;

/* Whether the operator has said that this host is never hidden. */
extern bool ue_mask_is_host_shown(const UeMaskScan *scan, UeSlice host);

/*
 * mask_fold.c: takes out the folds that something secret reaches over; *out is text itself
 * when there is none.  *n_folds: before, and all of them, whatever the trial is.
 */
extern UeStatus ue_mask_join(UeArena *arena, UeBuf *buf, const UeMaskSettings *settings,
							 UeMaskTrial trial, UeSlice text, UeSlice *out,
							 size_t *n_folds) UE_MUST_CHECK;

/* A region of the joined text: folds inside of it are left out. */
extern void ue_mask_note_region(UeMaskFolds *folds, size_t start, size_t end);

/* mask_escape.c: *out is text itself when there is nothing to decode; buf is overwritten */
extern UeStatus ue_mask_decode(UeBuf *buf, UeSlice text, UeSlice *out) UE_MUST_CHECK;

/* mask_url.c: at the ':' of "://", also written "%3A%2F%2F" or ":\/\/" */
extern bool ue_mask_apply_url(UeMaskScan *scan, size_t at);

/* Whether it looks like the name of a parameter, and not like a secret. */
extern bool ue_mask_is_parameter_name(UeSlice name);

/* mask_name.c: at a ':' or '=' (or %3A, %3D) of some bytes */
extern bool ue_mask_apply_name(UeMaskScan *scan, size_t at, size_t at_len);

/* At the '>' of an element of XML. */
extern bool ue_mask_apply_element(UeMaskScan *scan, size_t at);

/* mask_argument.c: at a '(' or '[', at the first dash of an option */
extern bool ue_mask_apply_pair(UeMaskScan *scan, size_t at);
extern bool ue_mask_apply_option(UeMaskScan *scan, size_t at);

/* How much a name says that its value is secret. */
typedef enum UeMaskSecrecy
{
	UE_MASK_SECRECY_NONE = 0,
	UE_MASK_SECRECY_TEXT, /* a string value is secret; numbers and containers are not */
	UE_MASK_SECRECY_ALL,  /* whatever the value is */
} UeMaskSecrecy;

extern UeMaskSecrecy ue_mask_find_name(UeSlice name);

#endif
