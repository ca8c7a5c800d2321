/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_url.c: URLs of any scheme.
 *
 * What stays is what tells one kind of URL from another, in the form that users of new-api
 * know (seed-systems 2.6): scheme, last label of the host, port, the slashes of the path,
 * the names of the parameters.  All else is three stars each, or gone (user, fragment).
 *
 * Corrected against it: any scheme in any case, ports of all hosts, IP addresses wholly
 * hidden, the punctuation of the sentence around it left alone, URLs inside JSON strings
 * ("https:\/\/", "\u0026") and inside query strings ("https%3A%2F%2F").
 */
#include "core/mask_scan.h"

#include <string.h>

/* A parameter's name is shown when it looks like one, and not like a secret. */
#define LONGEST_PARAMETER	  32
#define MOST_PARAMETER_DIGITS 2

/* Of a longer path or query the rest is one "***": no API has so many parts. */
#define MOST_PARTS 32

static size_t find_scheme(const UeMaskScan *scan, size_t at);
static size_t find_url_end(const UeMaskScan *scan, size_t start, char opener);
static size_t find_glued_name(const UeMaskScan *scan, size_t start, size_t end);
static size_t find_encoded_end(const UeMaskScan *scan, size_t start);
static size_t find_unit(const UeMaskScan *scan, size_t at, size_t end, const char *stops);
static void write_authority(UeMaskScan *scan, size_t start, size_t end);
static void write_encoded(UeMaskScan *scan, size_t start, size_t end);
static size_t write_path(UeMaskScan *scan, size_t at, size_t end);
static void write_query(UeMaskScan *scan, size_t at, size_t end);

bool
ue_mask_apply_url(UeMaskScan *scan, size_t at)
{
	bool is_encoded = scan->text.ptr[at] == '%';
	size_t body = at + 3;
	size_t scheme;
	size_t end;
	size_t len;

	if (is_encoded)
		body = at + 9;
	else if (ue_mask_read(scan, at + 1) == '\\')
		body = at + 5;
	if (!ue_mask_has_fold(scan, at,
						  is_encoded	   ? UE_SLICE("%3a%2f%2f")
						  : body == at + 5 ? UE_SLICE(":\\/\\/")
										   : UE_SLICE("://")) ||
		ue_mask_read_unit(scan, body, &len) == '\0')
		return false;
	scheme = find_scheme(scan, at);
	if (is_encoded)
		end = find_encoded_end(scan, body);
	else
		end = find_url_end(scan, body,
						   scheme > scan->floor ? scan->text.ptr[scheme - 1] : '\0');
	end = find_glued_name(scan, body, end);
	if (end == body)
		return false;
	ue_mask_write_begin(scan, scheme);
	ue_mask_write(scan, ue_slice_sub(scan->text, scheme, body - scheme));
	if (is_encoded)
		write_encoded(scan, body, end);
	else
	{
		size_t authority_end = find_unit(scan, body, end, "/?#");

		write_authority(scan, body, authority_end);
		write_query(scan, write_path(scan, authority_end, end), end);
	}
	ue_mask_write_end(scan, end);
	return true;
}

/* Start of the scheme that ends before `at`; `at` itself when there is none. */
static size_t
find_scheme(const UeMaskScan *scan, size_t at)
{
	size_t start = at;

	while (start > scan->floor)
	{
		char byte = scan->text.ptr[start - 1];

		if (!ue_mask_is_class(byte, UE_MASK_ALNUM) && byte != '+' && byte != '-' &&
			byte != '.')
			break;
		start--;
	}
	start = ue_mask_skip_escape(scan, start);
	while (start < at &&
		   !ue_mask_is_class(scan->text.ptr[start], UE_MASK_LOWER | UE_MASK_UPPER))
		start++;
	return start < at ? start : at;
}

/*
 * opener: the byte before the scheme.  A quote or parenthesis that opened before the URL
 * closes it; elsewhere they may belong to it, and a secret's rest must not stay behind.
 */
static size_t
find_url_end(const UeMaskScan *scan, size_t start, char opener)
{
	char closer = opener == '(' ? ')' : opener == '\'' ? '\'' : '\0';
	size_t end = start;

	while (end < scan->text.len)
	{
		size_t len;
		char unit;

		end = ue_mask_find_end(scan, end, UE_MASK_PLAIN);
		unit = ue_mask_read_unit(scan, end, &len);
		if (unit == '\0' || unit == closer)
			break;
		end += len;
	}
	while (end > start && !ue_mask_is_class(scan->text.ptr[end - 1], UE_MASK_WORD) &&
		   strchr(".,;:!?)]}'", scan->text.ptr[end - 1]) != NULL)
		end--;
	return end;
}

static size_t
find_encoded_end(const UeMaskScan *scan, size_t start)
{
	size_t end = start;

	while (end < scan->text.len &&
		   (ue_mask_is_class(scan->text.ptr[end], UE_MASK_WORD) ||
			(scan->text.ptr[end] != '\0' && strchr("%.~+", scan->text.ptr[end]) != NULL)))
		end++;
	while (end > start && scan->text.ptr[end - 1] == '.')
		end--;
	return end;
}

/* strchr would cost more than all the rest; NUL is not one of them. */
static bool
is_stop(char unit, const char *stops)
{
	while (*stops != '\0' && *stops != unit)
		stops++;
	return *stops != '\0';
}

/* Offset of the first of these characters, or end. */
static size_t
find_unit(const UeMaskScan *scan, size_t at, size_t end, const char *stops)
{
	while (at < end)
	{
		size_t len = 1;

		if (ue_mask_is_class(scan->text.ptr[at], UE_MASK_URL | UE_MASK_RARE) &&
			is_stop(ue_mask_read_unit(scan, at, &len), stops))
			return at;
		at += len;
	}
	return end;
}

static bool
is_port(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if (!ue_mask_is_class(text.ptr[i], UE_MASK_DIGIT))
			return false;
	}
	return text.len >= 1 && text.len <= 5;
}

/* Without the user information; an address in brackets is wholly hidden. */
static void
write_authority(UeMaskScan *scan, size_t start, size_t end)
{
	UeSlice host = ue_slice_sub(scan->text, start, end - start);
	UeSlice port = {NULL, 0};
	size_t colon = host.len;

	for (size_t i = host.len; i > 0; i--)
	{
		if (host.ptr[i - 1] == '@')
		{
			host = ue_slice_sub(host, i, host.len);
			break;
		}
	}
	colon = host.len;
	while (colon > 0 && host.ptr[colon - 1] != ':' && host.ptr[colon - 1] != ']')
		colon--;
	if (colon > 0 && host.ptr[colon - 1] == ':')
	{
		port = ue_slice_sub(host, colon, host.len);
		host = ue_slice_sub(host, 0, colon - 1);
	}
	if (ue_mask_is_host_shown(scan, host))
		ue_mask_write(scan, host);
	else if (end > start)
		ue_mask_write_host(scan, host);
	if (is_port(port))
	{
		ue_mask_write(scan, UE_SLICE(":"));
		ue_mask_write(scan, port);
	}
}

/* Whether an encoded URL's host ends here: "/", "?", ":", "#", or what was hidden before. */
static bool
is_encoded_host_end(const UeMaskScan *scan, size_t at)
{
	return ue_mask_has_fold(scan, at, UE_SLICE("%2f")) ||
		   ue_mask_has_fold(scan, at, UE_SLICE("%3f")) ||
		   ue_mask_has_fold(scan, at, UE_SLICE("%3a")) ||
		   ue_mask_has(scan, at, UE_SLICE("%23"));
}

/* All of it, but a host that is shown. */
static void
write_encoded(UeMaskScan *scan, size_t start, size_t end)
{
	int classes = UE_MASK_ALNUM | UE_MASK_DASH;
	size_t host_end = ue_mask_find_end(scan, start, classes);
	bool is_host_end;

	while (ue_mask_read(scan, host_end) == '.')
		host_end = ue_mask_find_end(scan, host_end + 1, classes);
	if (host_end > end)
		host_end = end;
	is_host_end = is_encoded_host_end(scan, host_end);
	if ((host_end == end || is_host_end) &&
		ue_mask_is_host_shown(scan, ue_slice_sub(scan->text, start, host_end - start)))
	{
		ue_mask_write(scan, ue_slice_sub(scan->text, start, host_end - start));
		if (host_end == end)
			return;
		ue_mask_write(scan, ue_slice_sub(scan->text, host_end, 3));
	}
	ue_mask_write(scan, UE_SLICE("***"));
}

/* Returns where the query or the fragment begins. */
static size_t
write_path(UeMaskScan *scan, size_t at, size_t end)
{
	size_t path_end = find_unit(scan, at, end, "?#");

	for (int n_parts = 0; at < path_end; n_parts++)
	{
		size_t slash = find_unit(scan, at, path_end, "/");
		size_t len = 0;

		if (n_parts == MOST_PARTS)
			slash = path_end;
		if (slash > at)
			ue_mask_write(scan, UE_SLICE("***"));
		if (slash < path_end)
			(void) ue_mask_read_unit(scan, slash, &len);
		ue_mask_write(scan, ue_slice_sub(scan->text, slash, len));
		at = slash + len;
	}
	return path_end;
}

/* Keys that are short and poor enough in digits to pass for a parameter's name. */
static const UeSlice key_beginnings[] = {
	UE_SLICE_INIT("sk-"),  UE_SLICE_INIT("AIza"), UE_SLICE_INIT("AKIA"),
	UE_SLICE_INIT("ASIA"), UE_SLICE_INIT("eyJ"),  UE_SLICE_INIT("r8_"),
	UE_SLICE_INIT("ya29"), UE_SLICE_INIT("org-"), UE_SLICE_INIT("proj_"),
};

bool
ue_mask_is_parameter_name(UeSlice name)
{
	int n_digits = 0;

	if (name.len == 0 || name.len > LONGEST_PARAMETER)
		return false;
	for (size_t i = 0; i < sizeof(key_beginnings) / sizeof(key_beginnings[0]); i++)
	{
		size_t at;

		if (ue_slice_find(name, key_beginnings[i], &at))
			return false;
	}
	for (size_t i = 0; i < name.len; i++)
	{
		if (!ue_mask_is_class(name.ptr[i], UE_MASK_ALNUM | UE_MASK_DASH) &&
			name.ptr[i] != '.')
			return false;
		n_digits += ue_mask_is_class(name.ptr[i], UE_MASK_DIGIT);
	}
	return n_digits <= MOST_PARAMETER_DIGITS;
}

/*
 * "https://x.com/apassword: 1234": a name that is glued to a URL and whose value is not part
 * of it, for a blank stands between.  The URL ends before the name, so that its rule sees it.
 */
static size_t
find_glued_name(const UeMaskScan *scan, size_t start, size_t end)
{
	char after = ue_mask_read(scan, end);
	size_t name_at = end;
	UeSlice name;
	bool is_leading;

	if (after != ' ' && (after != ':' || ue_mask_read(scan, end + 1) != ' '))
		return end;
	/* "bearer", "basic" */
	if (after == ' ' && (end == start || ((scan->text.ptr[end - 1] | 0x20) != 'r' &&
										  (scan->text.ptr[end - 1] | 0x20) != 'c')))
		return end;
	while (name_at > start && end - name_at <= LONGEST_PARAMETER &&
		   ue_mask_is_class(scan->text.ptr[name_at - 1], UE_MASK_ALNUM | UE_MASK_DASH))
		name_at--;
	name = ue_slice_sub(scan->text, name_at, end - name_at);
	if (after == ':')
		is_leading = ue_mask_find_name(name) != UE_MASK_SECRECY_NONE;
	else
		is_leading = ue_slice_has_suffix_fold(name, UE_SLICE("bearer")) ||
					 ue_slice_has_suffix_fold(name, UE_SLICE("basic"));
	return is_leading && name_at > start && ue_mask_is_parameter_name(name) ? name_at
																			: end;
}

static void
write_parameter(UeMaskScan *scan, size_t start, size_t end)
{
	size_t equals = find_unit(scan, start, end, "=");
	UeSlice name = ue_slice_sub(scan->text, start, equals - start);
	size_t len;

	if (equals == end)
	{
		if (end > start)
			ue_mask_write(scan, UE_SLICE("***"));
		return;
	}
	ue_mask_write(scan, ue_mask_is_parameter_name(name) ? name : UE_SLICE("***"));
	(void) ue_mask_read_unit(scan, equals, &len);
	ue_mask_write(scan, ue_slice_sub(scan->text, equals, len));
	ue_mask_write(scan, UE_SLICE("***"));
}

/* The fragment is dropped: it never reaches a server, so it explains no answer. */
static void
write_query(UeMaskScan *scan, size_t at, size_t end)
{
	size_t query_end = find_unit(scan, at, end, "#");

	for (int n_parts = 0; at < query_end; n_parts++)
	{
		size_t len;
		size_t next;

		/* '?' at first, then '&' or ';' */
		(void) ue_mask_read_unit(scan, at, &len);
		ue_mask_write(scan, ue_slice_sub(scan->text, at, len));
		if (n_parts == MOST_PARTS)
		{
			ue_mask_write(scan, UE_SLICE("***"));
			break;
		}
		next = find_unit(scan, at + len, query_end, "&;");
		write_parameter(scan, at + len, next);
		at = next;
	}
}
