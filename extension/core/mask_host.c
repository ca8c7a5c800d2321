/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_host.c: domains, IP addresses, e-mail addresses.
 *
 * A dotted word is a domain only if its last label is a top-level domain that is no word
 * of field paths and file names as well: messages.content and main.go are untouched.
 */
#include "core/mask_scan.h"

#include <string.h>

/* When a dotted word with this last label is taken for a domain outside of a URL. */
typedef enum TldKind
{
	TLD_STRONG = 0, /* always */
	TLD_WEAK, /* an English word, a field or a file type too: after "api.", "www." … */
	TLD_PRIVATE, /* in private networks: with at least three labels */
} TldKind;

typedef struct Tld
{
	UeSlice name;
	TldKind kind;
} Tld;

/*
 * Chosen by hand out of IANA's root zone: those that LLM services, their relays and clouds
 * are seen under.  Private ones: RFC 6762 (local, lan, corp, intranet), RFC 2606 (test,
 * example), AWS and Google Cloud (internal), Kubernetes (svc).
 *
 * By their first letters; weak ones are also words, field names or file types.
 */
#define N_LETTERS 26
#define MAX_TLDS  15

static const Tld tlds[N_LETTERS][MAX_TLDS] =
	{
		['a' - 'a'] =
			{
				{UE_SLICE_INIT("ai"), TLD_STRONG},
				{UE_SLICE_INIT("app"), TLD_STRONG},
				{UE_SLICE_INIT("au"), TLD_STRONG},
				{UE_SLICE_INIT("ae"), TLD_STRONG},
				{UE_SLICE_INIT("ar"), TLD_STRONG},
				{UE_SLICE_INIT("at"), TLD_WEAK},
				{UE_SLICE_INIT("art"), TLD_WEAK},
			},
		['b' - 'a'] =
			{
				{UE_SLICE_INIT("biz"), TLD_STRONG},
				{UE_SLICE_INIT("br"), TLD_STRONG},
				{UE_SLICE_INIT("bg"), TLD_STRONG},
				{UE_SLICE_INIT("be"), TLD_WEAK},
				{UE_SLICE_INIT("by"), TLD_WEAK},
			},
		['c' - 'a'] =
			{
				{UE_SLICE_INIT("com"), TLD_STRONG},
				{UE_SLICE_INIT("co"), TLD_STRONG},
				{UE_SLICE_INIT("cloud"), TLD_STRONG},
				{UE_SLICE_INIT("club"), TLD_STRONG},
				{UE_SLICE_INIT("cn"), TLD_STRONG},
				{UE_SLICE_INIT("ch"), TLD_STRONG},
				{UE_SLICE_INIT("ca"), TLD_STRONG},
				{UE_SLICE_INIT("cz"), TLD_STRONG},
				{UE_SLICE_INIT("cl"), TLD_STRONG},
				{UE_SLICE_INIT("cc"), TLD_WEAK},
				{UE_SLICE_INIT("chat"), TLD_WEAK},
				{UE_SLICE_INIT("codes"), TLD_WEAK},
				{UE_SLICE_INIT("corp"), TLD_PRIVATE},
			},
		['d' - 'a'] =
			{
				{UE_SLICE_INIT("dev"), TLD_STRONG},
				{UE_SLICE_INIT("de"), TLD_STRONG},
				{UE_SLICE_INIT("dk"), TLD_STRONG},
			},
		['e' - 'a'] =
			{
				{UE_SLICE_INIT("edu"), TLD_STRONG},
				{UE_SLICE_INIT("eu"), TLD_STRONG},
				{UE_SLICE_INIT("es"), TLD_STRONG},
				{UE_SLICE_INIT("email"), TLD_WEAK},
				{UE_SLICE_INIT("example"), TLD_PRIVATE},
			},
		['f' - 'a'] =
			{
				{UE_SLICE_INIT("fm"), TLD_STRONG},
				{UE_SLICE_INIT("fr"), TLD_STRONG},
				{UE_SLICE_INIT("fi"), TLD_STRONG},
				{UE_SLICE_INIT("fun"), TLD_WEAK},
			},
		['g' - 'a'] =
			{
				{UE_SLICE_INIT("gov"), TLD_STRONG},
				{UE_SLICE_INIT("gg"), TLD_STRONG},
				{UE_SLICE_INIT("gr"), TLD_STRONG},
				{UE_SLICE_INIT("group"), TLD_WEAK},
			},
		['h' - 'a'] =
			{
				{UE_SLICE_INIT("hk"), TLD_STRONG},
				{UE_SLICE_INIT("hu"), TLD_STRONG},
				{UE_SLICE_INIT("host"), TLD_WEAK},
			},
		['i' - 'a'] =
			{
				{UE_SLICE_INIT("io"), TLD_STRONG},
				{UE_SLICE_INIT("icu"), TLD_STRONG},
				{UE_SLICE_INIT("inc"), TLD_STRONG},
				{UE_SLICE_INIT("il"), TLD_STRONG},
				{UE_SLICE_INIT("ie"), TLD_STRONG},
				{UE_SLICE_INIT("ir"), TLD_STRONG},
				{UE_SLICE_INIT("id"), TLD_WEAK},
				{UE_SLICE_INIT("in"), TLD_WEAK},
				{UE_SLICE_INIT("is"), TLD_WEAK},
				{UE_SLICE_INIT("it"), TLD_WEAK},
				{UE_SLICE_INIT("im"), TLD_WEAK},
				{UE_SLICE_INIT("ink"), TLD_WEAK},
				{UE_SLICE_INIT("info"), TLD_WEAK},
				{UE_SLICE_INIT("internal"), TLD_PRIVATE},
				{UE_SLICE_INIT("intranet"), TLD_PRIVATE},
			},
		['j' - 'a'] =
			{
				{UE_SLICE_INIT("jp"), TLD_STRONG},
			},
		['k' - 'a'] =
			{
				{UE_SLICE_INIT("kr"), TLD_STRONG},
				{UE_SLICE_INIT("kz"), TLD_STRONG},
				{UE_SLICE_INIT("ke"), TLD_STRONG},
			},
		['l' - 'a'] =
			{
				{UE_SLICE_INIT("ltd"), TLD_STRONG},
				{UE_SLICE_INIT("lu"), TLD_STRONG},
				{UE_SLICE_INIT("lt"), TLD_STRONG},
				{UE_SLICE_INIT("lv"), TLD_STRONG},
				{UE_SLICE_INIT("live"), TLD_WEAK},
				{UE_SLICE_INIT("link"), TLD_WEAK},
				{UE_SLICE_INIT("local"), TLD_PRIVATE},
				{UE_SLICE_INIT("lan"), TLD_PRIVATE},
				{UE_SLICE_INIT("localdomain"), TLD_PRIVATE},
			},
		['m' - 'a'] =
			{
				{UE_SLICE_INIT("mil"), TLD_STRONG},
				{UE_SLICE_INIT("mx"), TLD_STRONG},
				{UE_SLICE_INIT("me"), TLD_WEAK},
				{UE_SLICE_INIT("my"), TLD_WEAK},
			},
		['n' - 'a'] =
			{
				{UE_SLICE_INIT("net"), TLD_STRONG},
				{UE_SLICE_INIT("nl"), TLD_STRONG},
				{UE_SLICE_INIT("nz"), TLD_STRONG},
				{UE_SLICE_INIT("ng"), TLD_STRONG},
				{UE_SLICE_INIT("no"), TLD_WEAK},
				{UE_SLICE_INIT("name"), TLD_WEAK},
				{UE_SLICE_INIT("network"), TLD_WEAK},
			},
		['o' - 'a'] =
			{
				{UE_SLICE_INIT("org"), TLD_STRONG},
				{UE_SLICE_INIT("online"), TLD_STRONG},
				{UE_SLICE_INIT("one"), TLD_WEAK},
			},
		['p' - 'a'] =
			{
				{UE_SLICE_INIT("pt"), TLD_STRONG},
				{UE_SLICE_INIT("pk"), TLD_STRONG},
				{UE_SLICE_INIT("pl"), TLD_WEAK},
				{UE_SLICE_INIT("ph"), TLD_WEAK},
				{UE_SLICE_INIT("pro"), TLD_WEAK},
				{UE_SLICE_INIT("page"), TLD_WEAK},
				{UE_SLICE_INIT("plus"), TLD_WEAK},
			},
		['r' - 'a'] =
			{
				{UE_SLICE_INIT("ru"), TLD_STRONG},
				{UE_SLICE_INIT("ro"), TLD_STRONG},
				{UE_SLICE_INIT("run"), TLD_WEAK},
			},
		['s' - 'a'] =
			{
				{UE_SLICE_INIT("site"), TLD_STRONG},
				{UE_SLICE_INIT("store"), TLD_STRONG},
				{UE_SLICE_INIT("shop"), TLD_STRONG},
				{UE_SLICE_INIT("sg"), TLD_STRONG},
				{UE_SLICE_INIT("se"), TLD_STRONG},
				{UE_SLICE_INIT("sk"), TLD_STRONG},
				{UE_SLICE_INIT("so"), TLD_WEAK},
				{UE_SLICE_INIT("sh"), TLD_WEAK},
				{UE_SLICE_INIT("space"), TLD_WEAK},
				{UE_SLICE_INIT("services"), TLD_WEAK},
				{UE_SLICE_INIT("systems"), TLD_WEAK},
				{UE_SLICE_INIT("svc"), TLD_PRIVATE},
			},
		['t' - 'a'] =
			{
				{UE_SLICE_INIT("tech"), TLD_STRONG},
				{UE_SLICE_INIT("top"), TLD_STRONG},
				{UE_SLICE_INIT("tv"), TLD_STRONG},
				{UE_SLICE_INIT("tw"), TLD_STRONG},
				{UE_SLICE_INIT("tr"), TLD_STRONG},
				{UE_SLICE_INIT("th"), TLD_STRONG},
				{UE_SLICE_INIT("to"), TLD_WEAK},
				{UE_SLICE_INIT("tools"), TLD_WEAK},
				{UE_SLICE_INIT("team"), TLD_WEAK},
				{UE_SLICE_INIT("test"), TLD_PRIVATE},
			},
		['u' - 'a'] =
			{
				{UE_SLICE_INIT("uk"), TLD_STRONG},
				{UE_SLICE_INIT("ua"), TLD_STRONG},
				{UE_SLICE_INIT("us"), TLD_WEAK},
			},
		['v' - 'a'] =
			{
				{UE_SLICE_INIT("vip"), TLD_STRONG},
				{UE_SLICE_INIT("vn"), TLD_STRONG},
			},
		['w' - 'a'] =
			{
				{UE_SLICE_INIT("world"), TLD_WEAK},
				{UE_SLICE_INIT("work"), TLD_WEAK},
			},
		['x' - 'a'] =
			{
				{UE_SLICE_INIT("xyz"), TLD_STRONG},
			},
		['z' - 'a'] =
			{
				{UE_SLICE_INIT("za"), TLD_STRONG},
				{UE_SLICE_INIT("zone"), TLD_WEAK},
			},
};

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

/* What stands before a number of four parts that is a version. */
static const UeSlice version_words[] = {
	UE_SLICE_INIT("version "), UE_SLICE_INIT("Version "), UE_SLICE_INIT("Chrome/"),
	UE_SLICE_INIT("Edg/"),	   UE_SLICE_INIT("Version/"), UE_SLICE_INIT("OPR/"),
};

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* An IPv6 address with zone and embedded IPv4 is shorter; what is longer need not be read. */
#define LONGEST_IPV6 64

/* An address right behind letters has at least this many digits; a version has fewer. */
#define MIN_GLUED_DIGITS 8

static bool is_domain(UeSlice name, size_t n_labels);
static bool find_ipv4(const UeMaskScan *scan, size_t *start, size_t *end);
static bool is_dotted_key(UeSlice name);
static bool is_ipv6(UeSlice text);

static const Tld *
find_tld(UeSlice label)
{
	const Tld *row;
	unsigned letter;

	/* no letter becomes one of the others by setting this bit */
	letter = label.len > 1 ? (unsigned) (label.ptr[0] | 0x20) - 'a' : N_LETTERS;
	if (letter >= N_LETTERS)
		return NULL;
	row = tlds[letter];
	for (size_t i = 0; i < MAX_TLDS && row[i].name.len > 0; i++)
	{
		if (row[i].name.len == label.len && (label.ptr[1] | 0x20) == row[i].name.ptr[1] &&
			ue_slice_is_equal_fold(label, row[i].name))
			return &row[i];
	}
	return NULL;
}

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
	*label = ue_slice_sub(*name, dot, name->len);
	*name = ue_slice_sub(*name, 0, dot > 0 ? dot - 1 : 0);
	return dot > 0;
}

/* End of the labels from `at` on, single dots between them; *n_labels counts them. */
static size_t
find_name_end(const UeMaskScan *scan, size_t at, size_t *n_labels)
{
	size_t end = ue_mask_find_end(scan, at, UE_MASK_WORD);

	*n_labels = end > at;
	while (end > at && ue_mask_read(scan, end) == '.')
	{
		size_t label_end = ue_mask_find_end(scan, end + 1, UE_MASK_WORD);

		if (label_end == end + 1)
			break;
		end = label_end;
		(*n_labels)++;
	}
	return end;
}

bool
ue_mask_apply_dotted(UeMaskScan *scan, size_t at)
{
	size_t start;
	size_t end;
	size_t n_labels;
	UeSlice name;
	UeSlice replacement = UE_SLICE("***.***.***.***");

	/* most dots end a sentence */
	if (at < scan->dotted_end ||
		!ue_mask_is_class(ue_mask_read(scan, at + 1), UE_MASK_WORD))
		return false;
	start = ue_mask_skip_escape(scan, ue_mask_find_start(scan, at, UE_MASK_WORD));
	if (start >= at)
		return false;
	end = find_name_end(scan, start, &n_labels);
	scan->dotted_end = end;
	name = ue_slice_sub(scan->text, start, end - start);
	if (n_labels < 2)
		return false;
	if (is_domain(name, n_labels))
	{
		ue_mask_write_begin(scan, start);
		ue_mask_write_host(scan, name);
		ue_mask_write_end(scan, end);
		return true;
	}
	if (n_labels == 2 && is_dotted_key(name))
		replacement = UE_SLICE("***");
	else if (n_labels != 4 || !find_ipv4(scan, &start, &end))
		return false;
	ue_mask_write_begin(scan, start);
	ue_mask_write(scan, replacement);
	ue_mask_write_end(scan, end);
	return true;
}

static bool
is_domain(UeSlice name, size_t n_labels)
{
	UeSlice rest = name;
	UeSlice label;
	const Tld *tld;
	size_t first_dot;

	(void) read_last_label(&rest, &label);
	tld = find_tld(label);
	if (tld == NULL || ue_mask_is_listed(name, public_names, N_ROWS(public_names)))
		return false;
	/* a_b.com is no host name, but my_bucket.s3.example.com exists */
	if (n_labels == 2 && memchr(rest.ptr, '_', rest.len) != NULL)
		return false;
	switch (tld->kind)
	{
		case TLD_STRONG:
			return true;
		case TLD_WEAK:
			return ue_slice_find(name, UE_SLICE("."), &first_dot) &&
				   ue_mask_is_listed(ue_slice_sub(name, 0, first_dot), host_labels,
									 N_ROWS(host_labels));
		case TLD_PRIVATE:
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
	if (find_tld(last) == NULL &&
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
	UeSlice rest;
	UeSlice label;
	bool is_more = true;
	size_t n_digits = 0;

	for (size_t i = to; text[i - 1] != '.'; i--)
	{
		if (ue_mask_is_class(text[i - 1], UE_MASK_DASH))
			to = i - 1;
	}
	rest = ue_slice_sub(scan->text, from, to - from);
	while (is_more)
	{
		is_more = read_last_label(&rest, &label);
		n_digits += label.len;
		if (!is_octet(label))
			return false;
	}
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

static bool
is_local_part(char byte)
{
	return ue_mask_is_class(byte, UE_MASK_WORD) || byte == '.' || byte == '+' ||
		   byte == '%' || byte == '\'';
}

bool
ue_mask_apply_email(UeMaskScan *scan, size_t at, size_t at_len)
{
	size_t start = at;
	size_t lowest = scan->at_end > scan->floor ? scan->at_end : scan->floor;
	size_t domain = at + at_len;
	size_t end;
	size_t n_labels;
	UeSlice host;
	UeSlice rest;
	UeSlice last;

	while (start > lowest && is_local_part(scan->text.ptr[start - 1]))
		start--;
	scan->at_end = domain;
	start = ue_mask_skip_escape(scan, start);
	if (start >= at)
		return false;
	end = find_name_end(scan, domain, &n_labels);
	host = ue_slice_sub(scan->text, domain, end - domain);
	rest = host;
	if (n_labels < 2 || !read_last_label(&rest, &last))
		return false;
	/* pkg@4.20.1 is a version, root@10.0.0.1 is not */
	if (!is_of_class(last, UE_MASK_LOWER | UE_MASK_UPPER) &&
		!(n_labels == 4 && is_octet(last)))
		return false;
	ue_mask_write_begin(scan, start);
	ue_mask_write(scan, UE_SLICE("***"));
	ue_mask_write(scan, ue_slice_sub(scan->text, at, at_len));
	ue_mask_write_host(scan, host);
	ue_mask_write_end(scan, end);
	return true;
}

/* After the first colon of an IPv6 address the next one is never far. */
static bool
has_second_colon(const UeMaskScan *scan, size_t at)
{
	size_t n = 1;

	while (n <= 4 && ue_mask_is_class(ue_mask_read(scan, at + n), UE_MASK_HEX))
		n++;
	return ue_mask_read(scan, at + n) == ':';
}

bool
ue_mask_apply_ipv6(UeMaskScan *scan, size_t at)
{
	size_t start;
	size_t end = at;
	bool has_gap = false;

	if (at < scan->colon_end || !has_second_colon(scan, at))
		return false;
	start = ue_mask_skip_escape(scan, ue_mask_find_start(scan, at, UE_MASK_HEX));
	while (end < scan->text.len &&
		   (ue_mask_is_class(scan->text.ptr[end], UE_MASK_HEX) ||
			scan->text.ptr[end] == ':' || scan->text.ptr[end] == '.'))
	{
		has_gap |= scan->text.ptr[end] == ':' && ue_mask_read(scan, end + 1) == ':';
		end++;
	}
	scan->colon_end = end;
	/* without "::" there are eight groups */
	if (!has_gap && end - start < 15)
		return false;
	if (start > at || end - start > LONGEST_IPV6 || !ue_mask_is_word_start(scan, start) ||
		(start > scan->floor && memchr("-_.:", scan->text.ptr[start - 1], 4) != NULL) ||
		ue_mask_is_class(ue_mask_read(scan, end), UE_MASK_WORD))
		return false;
	/* the punctuation of a sentence: "fe80::1: refused" */
	while (end > start && scan->text.ptr[end - 1] == '.')
		end--;
	if (end - start > 2 && scan->text.ptr[end - 1] == ':' &&
		scan->text.ptr[end - 2] != ':')
		end--;
	if (!is_ipv6(ue_slice_sub(scan->text, start, end - start)))
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
