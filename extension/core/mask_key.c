/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_key.c: keys and tokens that are known by how they begin, or by stars in them.
 *
 * The beginning stays, so that an operator sees whose key it was: sk-ant-***.  A region
 * always runs to the end of the word, so that no tail of a key stays behind, be it that of
 * the half hidden form "sk-abc1****wxyz" that OpenAI's own message shows.
 */
#include "core/mask_scan.h"

#include <string.h>

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* Between "-----BEGIN" and the next five dashes. */
#define LONGEST_PEM_LABEL 64

/* Letters before a dash that name what is hidden; more could be a part of it. */
#define LONGEST_LABEL 8

static bool apply_pem(UeMaskScan *scan, size_t at);

/* Of a row of dashes the fifth from its end may be that of a private key, the last a prefix's. */
bool
ue_mask_apply_dashes(UeMaskScan *scan, size_t at)
{
	size_t end = at + 2;

	while (ue_mask_read(scan, end) == '-')
		end++;
	if (end - at >= 5 && ue_mask_read(scan, end) == 'B' && apply_pem(scan, end - 5))
		return true;
	scan->next = end - 1;
	return true;
}

/* A key behind other letters: long, and in both cases, as no compound word is. */
bool
ue_mask_is_glued_key(UeSlice word)
{
	int classes = 0;

	for (size_t i = 0; i < word.len; i++)
		classes |= ue_mask_classes[(unsigned char) word.ptr[i]];
	return word.len >= UE_MASK_MIN_GLUED_LEN && (classes & UE_MASK_LOWER) != 0 &&
		   (classes & UE_MASK_UPPER) != 0;
}

/* A token of words, dots and one other byte. */
static size_t
find_token_end(const UeMaskScan *scan, size_t at, char other)
{
	while (at < scan->text.len &&
		   (ue_mask_is_class(scan->text.ptr[at], UE_MASK_WORD) ||
			scan->text.ptr[at] == '.' || scan->text.ptr[at] == other))
		at++;
	return at;
}

/* Keys without punctuation in their prefix, at the letter of it that is rarest. */
bool
ue_mask_apply_letter_key(UeMaskScan *scan, size_t at)
{
	size_t end;

	if (ue_mask_read(scan, at) == 'J')
	{
		/* a JSON Web Token: base64url of '{"', three parts (RFC 7519) */
		if (!ue_mask_has_before(scan, at, UE_SLICE("ey")))
			return false;
		end = find_token_end(scan, at, '=');
		while (scan->text.ptr[end - 1] == '.')
			end--;
		if (end - at < 4)
			return false;
		ue_mask_write_stars(scan, at - 2, 3, end);
		return true;
	}
	/* Google API keys: AIza and 35 more, as secret scanners know them */
	if (ue_mask_has(scan, at, UE_SLICE("Iza")))
	{
		bool has_first = ue_mask_has_before(scan, at, UE_SLICE("A"));

		end = ue_mask_find_key_end(scan, at + 3);
		/* the A may have been read as the last digit of an escape that was cut: \u003 */
		if (!has_first && (!ue_mask_has(scan, at, UE_SLICE("IzaSy")) ||
						   end - at < UE_MASK_MIN_GLUED_LEN))
			return false;
		if (end - at < 6 && !ue_mask_has_star(scan, at, end))
			return false;
		ue_mask_write_stars(scan, at - has_first, has_first ? 4 : 0, end);
		return true;
	}
	/* Alibaba Cloud: LTAI and 20 more (gitleaks, default configuration) */
	if (ue_mask_has_before(scan, at, UE_SLICE("LTA")))
	{
		end = ue_mask_find_end(scan, at + 1, UE_MASK_ALNUM | UE_MASK_STAR);
		if (end - at < 12 && !ue_mask_has(scan, at + 1, UE_SLICE("***")))
			return false;
		ue_mask_write_stars(scan, at - 3, 4, ue_mask_find_key_end(scan, end));
		return true;
	}
	/* Tencent Cloud: AKID and 32 more, as its console shows them */
	if (ue_mask_has(scan, at, UE_SLICE("ID")) &&
		ue_mask_has_before(scan, at, UE_SLICE("AK")))
	{
		end = ue_mask_find_end(scan, at + 2, UE_MASK_ALNUM | UE_MASK_STAR);
		if (end - at < 22 && !ue_mask_has(scan, at + 2, UE_SLICE("***")))
			return false;
		ue_mask_write_stars(scan, at - 2, 4, ue_mask_find_key_end(scan, end));
		return true;
	}
	/* AWS access key ids: AKIA (lasting), ASIA (temporary), and 16 more (AWS IAM guide) */
	if (ue_mask_has(scan, at, UE_SLICE("IA")) &&
		(ue_mask_has_before(scan, at, UE_SLICE("AK")) ||
		 ue_mask_has_before(scan, at, UE_SLICE("AS"))))
	{
		end =
			ue_mask_find_end(scan, at + 2, UE_MASK_DIGIT | UE_MASK_UPPER | UE_MASK_STAR);
		if (end - at < 14 && !ue_mask_has(scan, at + 2, UE_SLICE("***")))
			return false;
		ue_mask_write_stars(scan, at - 2, 4, ue_mask_find_key_end(scan, end));
		return true;
	}
	return false;
}

/*
 * Google's OAuth access tokens (ya29.) and its newer API keys (AQ.), tokens of HashiCorp
 * Vault (hvs., hvb.), keys of SendGrid (SG.): what is before the dot stays.
 */
bool
ue_mask_apply_dotted_key(UeMaskScan *scan, size_t at)
{
	size_t end = at + 1;
	size_t n_before = 0;

	if (ue_mask_has_before(scan, at, UE_SLICE("ya29")))
		n_before = 4;
	else if (ue_mask_has_before(scan, at, UE_SLICE("hvs")) ||
			 ue_mask_has_before(scan, at, UE_SLICE("hvb")))
		n_before = 3;
	else if (ue_mask_has_before(scan, at, UE_SLICE("AQ")) ||
			 ue_mask_has_before(scan, at, UE_SLICE("SG")))
		n_before = 2;
	else
		return false;
	end = find_token_end(scan, end, '.');
	while (scan->text.ptr[end - 1] == '.' && end > at + 1)
		end--;
	if (end - at < (n_before < 4 && !ue_mask_has(scan, at + 1, UE_SLICE("***")) ? 20 : 4))
		return false;
	ue_mask_write_stars(scan, at - n_before, n_before + 1, end);
	return true;
}

/* Databricks: dapi and 32 hexadecimal digits (gitleaks, default configuration). */
bool
ue_mask_apply_dapi(UeMaskScan *scan, size_t at)
{
	size_t start = at + 2;
	size_t end = ue_mask_find_end(scan, start, UE_MASK_HEX);

	if (!ue_mask_has_before(scan, at, UE_SLICE("da")) ||
		!ue_mask_has(scan, at, UE_SLICE("pi")) ||
		(end - start < 32 && !ue_mask_has(scan, start, UE_SLICE("***"))))
		return false;
	ue_mask_write_stars(scan, at - 2, 4, ue_mask_find_key_end(scan, start));
	return true;
}

static bool
is_label_byte(char byte)
{
	return ue_mask_is_class(byte, UE_MASK_UPPER | UE_MASK_DIGIT) || byte == ' ' ||
		   byte == '%' || byte == '+';
}

/*
 * A private key in PEM (RFC 7468), with its line ends as they are or as \n.  When the end
 * line is missing the text was cut inside the key, and all the rest belongs to it.
 */
static bool
apply_pem(UeMaskScan *scan, size_t at)
{
	UeSlice rest = ue_slice_sub(scan->text, at, scan->text.len);
	UeSlice label;
	size_t label_end = 0;
	size_t body;
	size_t end;

	if (!ue_slice_has_prefix(rest, UE_SLICE("-----BEGIN")))
		return false;
	label = ue_slice_sub(rest, 10, LONGEST_PEM_LABEL);
	/* the blanks may be URL-encoded */
	while (label_end < label.len && is_label_byte(label.ptr[label_end]))
		label_end++;
	if (!ue_slice_has_prefix(ue_slice_sub(rest, 10 + label_end, 5), UE_SLICE("-----")) ||
		!ue_slice_find(ue_slice_sub(label, 0, label_end), UE_SLICE("PRIVATE"), &end))
		return false;
	body = 10 + label_end + 5;
	if (ue_slice_find(ue_slice_sub(rest, body, rest.len), UE_SLICE("-----END"), &end))
		end += body;
	else
		end = rest.len;
	ue_mask_write_stars(scan, at, body, at + end);
	return true;
}

/*
 * Google's OAuth refresh tokens, 1//0…, also written 1\/\/0 and 1%2F%2F0.  at: behind the 1,
 * where the first slash begins.
 */
bool
ue_mask_apply_refresh_token(UeMaskScan *scan, size_t at, UeSlice slashes)
{
	size_t body = at + slashes.len;
	size_t end;

	if (!ue_mask_has_before(scan, at, UE_SLICE("1")) ||
		!ue_mask_has_fold(scan, at, slashes))
		return false;
	end = ue_mask_find_key_end(scan, body);
	if (end - body < 18 && !ue_mask_has(scan, body, UE_SLICE("***")))
	{
		ue_mask_note_seen(scan, end + 1);
		return false;
	}
	ue_mask_write_stars(scan, at - 1, slashes.len + 1, end);
	return true;
}

/* Google: projects/<id or number>. */
bool
ue_mask_apply_slash(UeMaskScan *scan, size_t at)
{
	if (ue_mask_apply_refresh_token(scan, at, UE_SLICE("//0")) ||
		(at > scan->floor && scan->text.ptr[at - 1] == '\\' &&
		 ue_mask_apply_refresh_token(scan, at - 1, UE_SLICE("\\/\\/0"))))
		return true;
	return ue_mask_apply_project(scan, at, 1);
}

/* Whether a slash stands there, be it written "/", "\/" or "%2F". */
static bool
is_slash(const UeMaskScan *scan, size_t at)
{
	return ue_mask_read(scan, at) == '/' || ue_mask_has(scan, at, UE_SLICE("\\/")) ||
		   ue_mask_has_fold(scan, at, UE_SLICE("%2f"));
}

bool
ue_mask_apply_project(UeMaskScan *scan, size_t at, size_t at_len)
{
	size_t start = at + at_len;
	size_t end;
	UeSlice word;

	if (at > scan->floor && scan->text.ptr[at - 1] == '\\')
		at--;
	if (!ue_mask_has_before(scan, at, UE_SLICE("projects")))
		return false;
	end = ue_mask_find_word_end(scan, start);
	word = ue_slice_sub(scan->text, start, end - start);
	/* a number, or a name that a resource's path goes on from */
	if (word.len == 0 ||
		(!is_slash(scan, end) && !ue_mask_is_class(word.ptr[0], UE_MASK_DIGIT)))
	{
		ue_mask_note_seen(scan, end + 1);
		return false;
	}
	scan->context = at - 8;
	ue_mask_write_stars(scan, start, 0, ue_mask_find_key_end(scan, end));
	return true;
}

/* A name with nothing left behind it, as a pattern's group leaves it: "EMP-***". */
static bool
is_bare_label(UeMaskScan *scan, size_t start, size_t end)
{
	size_t dash = ue_mask_find_end(scan, start, UE_MASK_LOWER | UE_MASK_UPPER);

	/* the word goes on behind a dot: "ip-***.***" */
	if (ue_mask_read(scan, end) == '.' &&
		ue_mask_is_class(ue_mask_read(scan, end + 1), UE_MASK_WORD))
		return false;
	return dash > start && dash - start <= LONGEST_LABEL && dash < end &&
		   ue_mask_is_class(scan->text.ptr[dash], UE_MASK_DASH) &&
		   ue_mask_find_end(scan, dash + 1, UE_MASK_STAR) == end;
}

/*
 * A key that somebody else has hidden in part: "xa***cd", "****1234".  Three stars in a
 * row, for two are emphasis in Markdown.
 */
bool
ue_mask_apply_star(UeMaskScan *scan, size_t at)
{
	size_t stars_end = ue_mask_find_end(scan, at, UE_MASK_STAR);
	size_t start;
	size_t end;

	/* no other rule stops at a star */
	scan->next = stars_end;
	if (at < scan->star_end || stars_end - at < 3)
		return true;
	start = ue_mask_skip_escape(scan, ue_mask_find_start(scan, at, UE_MASK_WORD));
	end = ue_mask_find_end(scan, stars_end, UE_MASK_WORD);
	scan->star_end = end;
	if (start > at)
		start = at;
	if (ue_mask_find_end(scan, start, UE_MASK_STAR | UE_MASK_DASH) >= end ||
		is_bare_label(scan, start, end))
		return true;
	ue_mask_write_stars(scan, start, 0, ue_mask_find_key_end(scan, end));
	return true;
}

/*
 * arn:partition:service:region:account:resource (AWS General Reference).  The account and
 * what follows it are hidden; without an account it names something public, as
 * arn:aws:bedrock:us-east-1::foundation-model/… does.
 *
 * Asked at the first colon, it only remembers the one before the account, so that the
 * parts between are looked at by the other rules too.
 */
bool
ue_mask_apply_arn(UeMaskScan *scan, size_t at)
{
	size_t start = at + 1;
	size_t end;

	if (at != scan->arn_colon || at == 0)
	{
		if (!ue_mask_has(scan, at, UE_SLICE(":aws")) ||
			!ue_mask_has_before(scan, at, UE_SLICE("arn")))
			return false;
		for (int n_parts = 0; n_parts < 3; n_parts++)
		{
			end = ue_mask_find_end(scan, start, UE_MASK_WORD);
			if (ue_mask_read(scan, end) != ':')
				return false;
			start = end + 1;
		}
		scan->arn_colon = start - 1;
		scan->arn_at = at - 3;
		return false;
	}
	end = ue_mask_find_end(scan, start, UE_MASK_DIGIT | UE_MASK_STAR);
	if (end == start || ue_mask_read(scan, end) != ':')
		return false;
	while (end < scan->text.len && (ue_mask_is_class(scan->text.ptr[end], UE_MASK_WORD) ||
									memchr(":/.+=,@", scan->text.ptr[end], 7) != NULL ||
									ue_mask_has(scan, end, UE_SLICE("\\/"))))
		end++;
	while (memchr(":.,", scan->text.ptr[end - 1], 3) != NULL)
		end--;
	scan->context = scan->arn_at;
	ue_mask_write_begin(scan, start);
	ue_mask_write(scan, UE_SLICE("***:***"));
	ue_mask_write_end(scan, end);
	return true;
}

/* All of its rest in the encoded text: what is public in it cannot be told from a value. */
bool
ue_mask_apply_encoded_arn(UeMaskScan *scan, size_t at)
{
	size_t end = at + 3;

	if (!ue_mask_has_before(scan, at, UE_SLICE("arn")) ||
		!ue_mask_has(scan, end, UE_SLICE("aws")))
		return false;
	while (end < scan->text.len && (ue_mask_is_class(scan->text.ptr[end], UE_MASK_WORD) ||
									memchr("%.+", scan->text.ptr[end], 3) != NULL))
		end++;
	while (scan->text.ptr[end - 1] == '.')
		end--;
	ue_mask_write_stars(scan, at + 3, 3, end);
	return true;
}
