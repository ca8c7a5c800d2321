/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_host.c: domains, IP addresses, e-mail addresses.
 *
 * A dotted word is a domain only if its last label is a top-level domain that is no word
 * of field paths and file names as well: messages.content and main.go are untouched.
 */
#include "core/mask_scan.h"

#include <string.h>

/* Registries that sell below these under a two-letter TLD: example.co.uk, example.com.cn. */
static const UeSlice second_levels[] = {
	UE_SLICE_INIT("co"), UE_SLICE_INIT("com"), UE_SLICE_INIT("org"), UE_SLICE_INIT("net"),
	UE_SLICE_INIT("ac"), UE_SLICE_INIT("gov"), UE_SLICE_INIT("edu"), UE_SLICE_INIT("or"),
	UE_SLICE_INIT("ne"), UE_SLICE_INIT("go"),
};

/* First labels that only host names have. */
static const UeSlice host_labels[] = {
	UE_SLICE_INIT("www"),	UE_SLICE_INIT("api"),	  UE_SLICE_INIT("apis"),
	UE_SLICE_INIT("docs"),	UE_SLICE_INIT("mail"),	  UE_SLICE_INIT("smtp"),
	UE_SLICE_INIT("auth"),	UE_SLICE_INIT("console"), UE_SLICE_INIT("cdn"),
	UE_SLICE_INIT("proxy"), UE_SLICE_INIT("gateway"), UE_SLICE_INIT("***"),
};

/*
 * Names of things that look like domains.  type.googleapis.com is the prefix of every
 * "@type" in Google's errors (AIP-193), the same for everybody.
 */
static const UeSlice public_names[] = {
	UE_SLICE_INIT("type.googleapis.com"),
	UE_SLICE_INIT("asp.net"),
	UE_SLICE_INIT("ado.net"),
	UE_SLICE_INIT("vb.net"),
	UE_SLICE_INIT("ml.net"),
	UE_SLICE_INIT("socket.io"),
	UE_SLICE_INIT("java.net"),
	UE_SLICE_INIT("java.io"),
	UE_SLICE_INIT("system.io"),
	UE_SLICE_INIT("system.net"),
};

#define SHORTEST_PUBLIC 6

/* What stands before a number of four parts that is a version. */
static const UeSlice version_words[] = {
	UE_SLICE_INIT("version "), UE_SLICE_INIT("Version "), UE_SLICE_INIT("Chrome/"),
	UE_SLICE_INIT("Edg/"),	   UE_SLICE_INIT("Version/"), UE_SLICE_INIT("OPR/"),
};

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* An IPv6 address with zone and embedded IPv4 is shorter; what is longer need not be read. */
#define LONGEST_IPV6 64

/* An IPv6 address right behind a colon that is not its own is longer. */
#define MIN_VALUE_IPV6 12

/* An address right behind letters has at least this many digits; a version has fewer. */
#define MIN_GLUED_DIGITS 8

static bool is_domain(UeSlice name, UeSlice label, size_t n_labels);
static bool find_ipv4(const UeMaskScan *scan, size_t *start, size_t *end);
static bool is_dotted_key(UeSlice name);
static bool is_ipv6(UeSlice text);

static bool
is_of_class(UeSlice text, int classes)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if (!ue_mask_is_class(text.ptr[i], classes))
			return false;
	}
	return text.len > 0;
}

/* Cuts the last label off *name; false when it has only one. */
static bool
read_last_label(UeSlice *name, UeSlice *label)
{
	size_t dot = name->len;

	while (dot > 0 && name->ptr[dot - 1] != '.')
		dot--;
	*label = (UeSlice){name->ptr + dot, name->len - dot};
	name->len = dot > 0 ? dot - 1 : 0;
	return dot > 0;
}

/* The labels from `at` on, single dots between them. */
typedef struct Name
{
	size_t end;
	size_t last; /* start of the last label */
	size_t n_labels;
} Name;

static Name
find_name(const UeMaskScan *scan, size_t at)
{
	Name name = {ue_mask_find_end(scan, at, UE_MASK_WORD), at, 0};

	name.n_labels = name.end > at;
	while (name.end > at && ue_mask_read(scan, name.end) == '.')
	{
		size_t label_end = ue_mask_find_end(scan, name.end + 1, UE_MASK_WORD);

		if (label_end == name.end + 1)
			break;
		name.last = name.end + 1;
		name.end = label_end;
		name.n_labels++;
	}
	return name;
}

/*
 * "10.0.0.1.Please retry", a blank forgotten: cuts *end back to the fourth label.  In lower
 * case it may be a version, 1.2.3.4.rc1, unless there are too many digits for one.
 */
static bool
is_word_behind_four(UeSlice name, size_t *end)
{
	size_t n_dots = 0;
	size_t n = 0;

	while (n < name.len && (name.ptr[n] != '.' || ++n_dots < 4))
		n++;
	if (!ue_mask_is_class(name.ptr[n + 1], UE_MASK_UPPER) &&
		(!ue_mask_is_class(name.ptr[n + 1], UE_MASK_LOWER) || n < MIN_GLUED_DIGITS + 3))
		return false;
	*end -= name.len - n;
	return true;
}

/* Letters beyond ASCII right before it belong to another name than the one listed. */
static bool
is_name_shown(const UeMaskScan *scan, UeSlice name)
{
	bool is_whole = name.ptr == scan->text.ptr || (unsigned char) name.ptr[-1] < 0x80;

	return is_whole && ue_mask_is_host_shown(scan, name);
}

bool
ue_mask_apply_dotted(UeMaskScan *scan, size_t at)
{
	size_t start;
	size_t end;
	Name found;
	UeSlice name;
	UeSlice replacement = UE_SLICE("***.***.***.***");

	/* most dots end a sentence */
	if (at < scan->dotted_end ||
		!ue_mask_is_class(ue_mask_read(scan, at + 1), UE_MASK_WORD))
		return false;
	start = ue_mask_skip_escape(scan, ue_mask_find_start(scan, at, UE_MASK_WORD));
	if (start >= at)
		return false;
	found = find_name(scan, start);
	end = found.end;
	scan->dotted_end = end;
	name = ue_mask_cut(scan, start, end);
	if (found.n_labels < 2)
		return false;
	if (is_domain(name, ue_mask_cut(scan, found.last, end), found.n_labels))
	{
		if (is_name_shown(scan, name))
			return false;
		ue_mask_write_begin(scan, start);
		ue_mask_write_host(scan, name);
		ue_mask_write_end(scan, end);
		return true;
	}
	if (found.n_labels == 2 && is_dotted_key(name))
	{
		replacement = UE_SLICE("***");
		end = ue_mask_find_key_end(scan, end);
	}
	else if (found.n_labels < 4 ||
			 (found.n_labels > 4 && !is_word_behind_four(name, &end)) ||
			 !find_ipv4(scan, &start, &end) ||
			 ue_mask_is_host_shown(scan, ue_mask_cut(scan, start, end)))
		return false;
	ue_mask_write_begin(scan, start);
	ue_mask_write(scan, replacement);
	ue_mask_write_end(scan, end);
	return true;
}

static bool
is_domain(UeSlice name, UeSlice label, size_t n_labels)
{
	const UeMaskTld *tld = ue_mask_find_tld(label);
	size_t first_dot;

	if (tld == NULL || (name.len >= SHORTEST_PUBLIC &&
						ue_mask_is_listed(name, public_names, N_ROWS(public_names))))
		return false;
	/* a_b.com is no host name, but my_bucket.s3.example.com exists */
	if (n_labels == 2 && memchr(name.ptr, '_', name.len - label.len) != NULL)
		return false;
	switch (tld->kind)
	{
		case UE_MASK_TLD_STRONG:
			return true;
		case UE_MASK_TLD_WEAK:
			return ue_slice_find(name, UE_SLICE("."), &first_dot) &&
				   ue_mask_is_listed(ue_slice_sub(name, 0, first_dot), host_labels,
									 N_ROWS(host_labels));
		case UE_MASK_TLD_PRIVATE:
			return n_labels >= 3 || ue_slice_has_prefix(name, UE_SLICE("***."));
	}
	return false;
}

void
ue_mask_write_host(UeMaskScan *scan, UeSlice host)
{
	UeSlice rest = host;
	UeSlice last;
	UeSlice second;

	ue_mask_write(scan, UE_SLICE("***"));
	/* the root's dot: "example.com./" */
	if (rest.len > 0 && rest.ptr[rest.len - 1] == '.')
		rest.len--;
	if (!read_last_label(&rest, &last) || rest.len == 0)
		return;
	if (ue_mask_find_tld(last) == NULL &&
		!(last.len == 2 && is_of_class(last, UE_MASK_LOWER | UE_MASK_UPPER)))
		return;
	ue_mask_write(scan, UE_SLICE("."));
	if (last.len == 2 && read_last_label(&rest, &second) && rest.len > 0 &&
		ue_mask_is_listed(second, second_levels, N_ROWS(second_levels)))
	{
		ue_mask_write(scan, second);
		ue_mask_write(scan, UE_SLICE("."));
	}
	ue_mask_write(scan, last);
}

/* A number up to 255, or one that was hidden before. */
static bool
is_octet(UeSlice text)
{
	int value = 0;

	if (ue_slice_has_prefix(text, UE_SLICE("***")))
		return is_of_class(text, UE_MASK_STAR);
	if (text.len == 0 || text.len > 3)
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		if (!ue_mask_is_class(text.ptr[i], UE_MASK_DIGIT))
			return false;
		value = 10 * value + (text.ptr[i] - '0');
	}
	return value <= 255;
}

/* Whether these are octets with dots between them; *n_digits is without the dots. */
static bool
read_octets(UeSlice text, size_t *n_digits)
{
	size_t at = 0;

	*n_digits = 0;
	for (;;)
	{
		size_t start = at;
		int value = 0;

		for (; at < text.len && ue_mask_is_class(text.ptr[at], UE_MASK_DIGIT); at++)
		{
			value = 10 * value + (text.ptr[at] - '0');
			if (at - start == 3 || value > 255)
				return false;
		}
		/* hidden before */
		if (at == start)
		{
			while (at < text.len && text.ptr[at] == '*')
				at++;
			if (at - start < 3)
				return false;
		}
		*n_digits += at - start;
		if (at == text.len)
			return true;
		if (text.ptr[at++] != '.')
			return false;
	}
}

/*
 * Where the first of four labels really begins: of ip-10.0.0.1 at the 1, and even of
 * from165.183.151.128, unless the letter says that it is a version.
 */
static size_t
find_ipv4_start(const UeMaskScan *scan, size_t start)
{
	const char *text = scan->text.ptr;
	size_t digits = start;

	for (size_t i = start; text[i] != '.'; i++)
	{
		if (!ue_mask_is_class(text[i], UE_MASK_DIGIT | UE_MASK_STAR))
			digits = i + 1;
	}
	if (digits > start && (text[digits - 1] == 'v' || text[digits - 1] == 'V'))
		return start;
	return digits;
}

/* Four labels in, narrowed to the address itself; a word before it may make it a version. */
static bool
find_ipv4(const UeMaskScan *scan, size_t *start, size_t *end)
{
	const char *text = scan->text.ptr;
	size_t from = find_ipv4_start(scan, *start);
	size_t to = *end;
	bool is_glued =
		from > *start && ue_mask_is_class(text[from - 1], UE_MASK_LOWER | UE_MASK_UPPER);
	size_t n_digits;

	for (size_t i = to; text[i - 1] != '.'; i--)
	{
		if (ue_mask_is_class(text[i - 1], UE_MASK_DASH))
			to = i - 1;
	}
	if (!read_octets(ue_mask_cut(scan, from, to), &n_digits))
		return false;
	/* python3.10.0.1 */
	if (is_glued && n_digits < MIN_GLUED_DIGITS)
		return false;
	for (size_t i = 0; i < N_ROWS(version_words); i++)
	{
		if (ue_mask_has_before(scan, from, version_words[i]))
			return false;
	}
	*start = from;
	*end = to;
	return true;
}

/* The keys of Zhipu AI: 32 hexadecimal digits, a dot, 16 letters and digits. */
static bool
is_dotted_key(UeSlice name)
{
	UeSlice id = name;
	UeSlice secret;

	return read_last_label(&id, &secret) && id.len == 32 && secret.len >= 16 &&
		   is_of_class(id, UE_MASK_HEX) && is_of_class(secret, UE_MASK_ALNUM);
}

bool
ue_mask_apply_email(UeMaskScan *scan, size_t at, size_t at_len)
{
	size_t start = at;
	size_t lowest = scan->at_end > scan->floor ? scan->at_end : scan->floor;
	size_t domain = at + at_len;
	Name found;
	UeSlice host;
	UeSlice last;

	found = find_name(scan, domain);
	if (found.n_labels < 2)
		return false;
	while (start > lowest &&
		   ue_mask_is_class(scan->text.ptr[start - 1], UE_MASK_WORD | UE_MASK_LOCAL))
		start--;
	scan->at_end = domain;
	start = ue_mask_skip_escape(scan, start);
	if (start >= at)
		return false;
	host = ue_mask_cut(scan, domain, found.end);
	last = ue_mask_cut(scan, found.last, found.end);
	/* pkg@4.20.1 is a version, root@10.0.0.1 is not */
	if (!is_of_class(last, UE_MASK_LOWER | UE_MASK_UPPER) &&
		!(found.n_labels == 4 && is_octet(last)))
		return false;
	ue_mask_write_begin(scan, start);
	ue_mask_write(scan, UE_SLICE("***"));
	ue_mask_write(scan, ue_slice_sub(scan->text, at, at_len));
	ue_mask_write_host(scan, host);
	ue_mask_write_end(scan, found.end);
	return true;
}

/* Whether what begins here goes on from before it. */
static bool
is_glued(const UeMaskScan *scan, size_t start)
{
	return !ue_mask_is_word_start(scan, start) ||
		   (start > scan->floor && memchr("-_.:", scan->text.ptr[start - 1], 4) != NULL);
}

bool
ue_mask_apply_ipv6(UeMaskScan *scan, size_t at)
{
	size_t start;
	size_t end = at;
	bool has_gap = false;

	start = ue_mask_skip_escape(scan, ue_mask_find_start(scan, at, UE_MASK_HEX));
	for (char before = '\0'; end < scan->text.len; end++)
	{
		char byte = scan->text.ptr[end];

		if (!ue_mask_is_class(byte, UE_MASK_HEX) && byte != ':' && byte != '.')
			break;
		has_gap |= byte == ':' && before == ':';
		before = byte;
	}
	scan->colon_end = end;
	/* without "::" there are eight groups */
	if (!has_gap && end - start < 15)
		return false;
	/* the end of a header's name before its value: "x-a:2001:db8::5:1" */
	if (start <= at && end - at > MIN_VALUE_IPV6 && is_glued(scan, start))
		start = at + 1;
	else if (is_glued(scan, start))
		return false;
	if (start > at + 1 || end - start > LONGEST_IPV6 ||
		ue_mask_is_class(ue_mask_read(scan, end), UE_MASK_WORD))
		return false;
	/* the punctuation of a sentence: "fe80::1: refused" */
	while (end > start && scan->text.ptr[end - 1] == '.')
		end--;
	if (end - start > 2 && scan->text.ptr[end - 1] == ':' &&
		scan->text.ptr[end - 2] != ':')
		end--;
	if (!is_ipv6(ue_slice_sub(scan->text, start, end - start)) ||
		ue_mask_is_host_shown(scan, ue_slice_sub(scan->text, start, end - start)))
		return false;
	if (ue_mask_read(scan, end) == '%')
		end = ue_mask_find_key_end(scan, end + 1);
	ue_mask_write_stars(scan, start, 0, end);
	return true;
}

/* What stands between two colons; *n_groups grows by the groups of 16 bits that it is. */
static bool
read_group(UeSlice group, bool is_last, int *n_groups)
{
	int n_octets = 0;
	UeSlice octet;
	bool is_more = true;

	(*n_groups)++;
	if (group.len <= 4 && is_of_class(group, UE_MASK_HEX))
		return true;
	if (!is_last)
		return false;
	(*n_groups)++;
	while (is_more)
	{
		is_more = read_last_label(&group, &octet);
		n_octets++;
		if (!is_octet(octet))
			return false;
	}
	return n_octets == 4;
}

/* RFC 4291 2.2.  A time, a MAC address, std::string and a::b are none. */
static bool
is_ipv6(UeSlice text)
{
	bool has_gap = false;
	bool has_digit = false;
	int n_groups = 0;
	size_t n = 0;

	while (n < text.len)
	{
		size_t colon = n;

		while (colon < text.len && text.ptr[colon] != ':')
		{
			has_digit |= ue_mask_is_class(text.ptr[colon], UE_MASK_DIGIT);
			colon++;
		}
		if (colon > n &&
			!read_group(ue_slice_sub(text, n, colon - n), colon == text.len, &n_groups))
			return false;
		if (colon == n && colon < text.len && n > 0)
		{
			if (has_gap)
				return false;
			has_gap = true;
		}
		if (colon == 0 && !ue_slice_has_prefix(text, UE_SLICE("::")))
			return false;
		n = colon + 1;
	}
	if (text.len > 0 && text.ptr[text.len - 1] == ':' && !has_gap)
		return false;
	return (has_gap ? n_groups >= 1 && n_groups <= 7 : n_groups == 8) &&
		   (has_digit || n_groups >= 3);
}

bool
ue_mask_apply_encoded_ipv6(UeMaskScan *scan, size_t at)
{
	char copy[LONGEST_IPV6];
	UeSlice text = {copy, 0};
	size_t start;
	size_t end;

	start = ue_mask_skip_escape(scan, ue_mask_find_start(scan, at, UE_MASK_HEX));
	if (at < scan->colon_end || start > at || at - start > 4 ||
		!ue_mask_is_word_start(scan, start))
		return false;
	end = start;
	while (text.len < sizeof(copy))
	{
		bool is_colon = ue_mask_has_fold(scan, end, UE_SLICE("%3a"));

		if (!is_colon && !ue_mask_is_class(ue_mask_read(scan, end), UE_MASK_HEX))
			break;
		copy[text.len++] = is_colon ? ':' : scan->text.ptr[end];
		end += is_colon ? 3 : 1;
	}
	scan->colon_end = end;
	if (!is_ipv6(text) || ue_mask_is_host_shown(scan, text))
		return false;
	ue_mask_write_stars(scan, start, 0, end);
	return true;
}
