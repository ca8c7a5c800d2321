/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_mask_settings.c: what an operator hides on top, and the hosts that an operator shows.
 */
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/limits.h"
#include "core/mask.h"
#include "core/utf8.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define CEILING		  (64 * 1024 * 1024)
#define MOST_PATTERNS 4
#define MOST_HOSTS	  6
#define N_ROUNDS	  20000

static Guard guard;
static UeArena arena;

/* Numbers that are the same in every run (a linear congruential generator). */
static uint32_t
next_random(uint32_t *state, uint32_t limit)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % limit;
}

typedef struct Operator
{
	UePattern *patterns[MOST_PATTERNS];
	UeSlice hosts[MOST_HOSTS];
	UeMaskSettings settings;
} Operator;

static void
operator_init(Operator *who)
{
	memset(who, 0, sizeof(*who));
	who->settings.patterns = (const UePattern *const *) who->patterns;
	who->settings.hosts = who->hosts;
}

static void
add_pattern(Operator *who, const char *source, bool is_fold)
{
	UePatternError error = {"", 0};

	if (ue_pattern_compile(&libc_allocator, ue_slice_of(source), is_fold,
						   &who->patterns[who->settings.n_patterns], &error) != UE_OK)
	{
		printf("# %s: %s\n", source, error.text);
		abort();
	}
	who->settings.n_patterns++;
}

static void
operator_free(Operator *who)
{
	for (size_t i = 0; i < who->settings.n_patterns; i++)
		ue_pattern_free(who->patterns[i]);
}

/* Masked twice against the unreadable page; the second time must change nothing. */
static UeSlice
mask(const Operator *who, UeSlice text, bool *is_at_rest)
{
	UeSlice masked = UE_SLICE("failed");
	UeSlice again = UE_SLICE("failed too");

	if (ue_mask_text(&arena, &who->settings, guard_place(&guard, text), &masked) !=
			UE_OK ||
		ue_arena_copy(&arena, masked, &masked) != UE_OK ||
		ue_mask_text(&arena, &who->settings, guard_place(&guard, masked), &again) !=
			UE_OK)
		*is_at_rest = false;
	else
		*is_at_rest = ue_slice_is_equal(masked, again);
	return masked;
}

typedef struct PatternVector
{
	const char *patterns[MOST_PATTERNS];
	const char *text;
	const char *expected;
} PatternVector;

static const PatternVector pattern_vectors[] = {
	{{"ACME-[0-9]+"}, "ticket ACME-4711, ACME-12.", "ticket ***, ***."},
	{{"customer (\\w+)"},
	 "customer bob and customer eve",
	 "customer *** and customer ***"},
	/* a group that took no part: all of the match; the rest of a word with stars goes too */
	{{"user( \\w+)?!"}, "user bob! user!", "***! ***"},
	/* what touches becomes one, so that the length does not show */
	{{"[0-9]"}, "pin 4711 of 12", "pin *** of ***"},
	{{"a"}, "aaaaaaaaaaaaaaaa", "***"},
	{{"\\p{Han}+"}, "\xE5\xBC\xA0\xE4\xB8\x89 said", "*** said"},
	{{"."}, "hello\nworld", "***\n***"},
	/* each sees what those before it wrote */
	{{"alpha", "\\*\\*\\* beta"}, "alpha beta", "***"},
	/* patterns see what the built-in rules left, and rules what patterns left */
	{{"key=\\S+ for (\\w+)"}, "api_key=abcdef for bob", "api_key=*** for ***"},
	{{"of"}, "a3of9", "***"},
	{{"bob"}, "\\u0062ob", "***"},
	{{"sd", "zz"}, "908sdr zz1", "*** ***"},
	/* hidden already: stars, and all that the built-in rules wrote */
	{{"sk-\\S+"}, "sk-abcdef x", "sk-*** x"},
	{{"\\S+"}, "https://example.com/a?b=c", "https://***.com/***?b=***"},
	{{"the .*"}, "the sk-abcdef", "***"},
	{{"\\.com"}, "example.com", "***"},
	{{"\\**"}, "** a ***", "** a ***"},
	{{"\\*+"}, "a * b", "a * b"},
	/* empty matches hide nothing, and end */
	{{"x*"}, "axxb\xC3\xA9", "***\xC3\xA9"},
	{{"(?=b)"}, "abc", "abc"},
	{{"$"}, "", ""},
	/* a group outside of its match */
	{{"(?<=(secret)) here"}, "secret here", "*** here"},
	{{"a(?=.*(z))"}, "a a z", "a a ***"},
	/* it gives up: nothing is shown */
	{{"(x+x+)+y"},
	 "ok xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y",
	 "***"},
	/* it eats on and on: nothing is shown */
	{{"user (\\S+ \\S+)"}, "user a b c d e f g h i j k l m n o p q r", "***"},
	{{"user (\\S+ \\S+)"}, "user a b c", "user ***"},
	/* next to bytes that are no UTF-8 */
	{{"bob"},
	 "\xFF"
	 "bob\xC3",
	 "\xFF***\xC3"},
	{{"b.b"},
	 "b\xFF"
	 "b b\xC3\xA9"
	 "b",
	 "*** ***"},
};

static void
test_patterns(void)
{
	for (size_t i = 0; i < N_ROWS(pattern_vectors); i++)
	{
		const PatternVector *vector = &pattern_vectors[i];
		Operator who;
		bool is_at_rest;
		UeSlice masked;

		operator_init(&who);
		for (int n = 0; n < MOST_PATTERNS && vector->patterns[n] != NULL; n++)
			add_pattern(&who, vector->patterns[n], false);
		ue_arena_reset(&arena);
		masked = mask(&who, ue_slice_of(vector->text), &is_at_rest);
		is_text(masked, ue_slice_of(vector->expected), "mask: pattern %s: %s",
				vector->patterns[0], vector->text);
		ok(is_at_rest, "mask: pattern %s: and again", vector->patterns[0]);
		operator_free(&who);
	}
}

static void
test_fold(void)
{
	Operator who;
	bool is_at_rest;

	operator_init(&who);
	add_pattern(&who, "acme", true);
	ue_arena_reset(&arena);
	is_text(mask(&who, UE_SLICE("the ACME and the Acme"), &is_at_rest),
			UE_SLICE("the *** and the ***"), "mask: a pattern of any case");
	operator_free(&who);
}

/*
 * Each match of it is far below the limit of one, and finds its x only after it has tried
 * all ways to part the letters before it; many of them are too many.
 */
static void
test_budget(void)
{
	static const char unit[] = "aaaaaaaaaa x ";
	static char text[UE_LIMIT_BODY];
	size_t unit_len = sizeof(unit) - 1;
	size_t lens[] = {unit_len, 4 * unit_len, sizeof(text)};
	const char *expected[] = {"aaaaaaaaaa *** ",
							  "aaaaaaaaaa *** aaaaaaaaaa *** "
							  "aaaaaaaaaa *** aaaaaaaaaa *** ",
							  "***"};
	Operator who;
	bool is_at_rest;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = unit[i % unit_len];
	operator_init(&who);
	add_pattern(&who, "(?:a+a+)+[^a ]|x", false);
	for (size_t i = 0; i < N_ROWS(lens); i++)
	{
		ue_arena_reset(&arena);
		is_text(mask(&who, (UeSlice){text, lens[i]}, &is_at_rest),
				ue_slice_of(expected[i]), "mask: a pattern's steps over %zu bytes",
				lens[i]);
		ok(is_at_rest, "mask: and again");
	}
	operator_free(&who);
}

typedef struct Text
{
	const char *text;
	const char *expected;
} Text;

/* With api.example.com, .corp.example, 10.0.0.1, 2001:db8::1, xn--bcher-kva.example and a
 * name of other letters shown. */
static const Text host_vectors[] = {
	{"https://api.example.com/v1/x?key=abc", "https://api.example.com/***/***?key=***"},
	{"HTTPS://API.Example.COM:8443/v1", "HTTPS://API.Example.COM:8443/***"},
	{"https://me:pw@api.example.com/", "https://api.example.com/"},
	{"https://api.example.com", "https://api.example.com"},
	{"https://api.example.com./x", "https://api.example.com./***"},
	{"https:\\/\\/api.example.com\\/v1", "https:\\/\\/api.example.com\\/***"},
	{"at api.example.com: refused", "at api.example.com: refused"},
	/* not those that look like it */
	{"https://api.example.com.evil.test/x", "https://***.test/***"},
	{"https://api.example.com@evil.com/x", "https://***.com/***"},
	{"https://evil.com/api.example.com", "https://***.com/***"},
	{"https://evil.com#@api.example.com", "https://***.com"},
	{"https://evil.com?@api.example.com", "https://***.com?***"},
	{"https://evil.com\\@api.example.com/", "https://***.com\\@api.example.com/"},
	{"https://xapi.example.com/", "https://***.com/"},
	{"https://www.api.example.com/", "https://***.com/"},
	{"https://example.com/", "https://***.com/"},
	{"https://api.example.com:80@evil.com/", "https://***.com/"},
	{"https://api%2eexample.com/", "https://***.com/"},
	{"api.example.com.evil.test and my-api.example.com", "***.test and ***.com"},
	{"x@api.example.com", "***@***.com"},
	{"x%40api.example.com", "***%40***.com"},
	{"\xC3\xBC"
	 "api.example.com",
	 "\xC3\xBC***.com"},
	/* a domain and what is below it */
	{"https://corp.example/x https://a.b.corp.example/x",
	 "https://corp.example/*** https://a.b.corp.example/***"},
	{"https://notcorp.example/x", "https://***.example/***"},
	{"see db.eu.corp.example", "see db.eu.corp.example"},
	{"https://sk-abcdefgh.corp.example/x", "https://***.example/***"},
	{"https://a.Q7fZk2Lw9XyTb4RmVn8c.corp.example/", "https://***.example/"},
	{"https://a..corp.example/", "https://***.example/"},
	{"https://a%41.corp.example/", "https://***.example/"},
	/* addresses, as a whole */
	{"dial tcp 10.0.0.1:443 and 10.0.0.12:443",
	 "dial tcp 10.0.0.1:443 and ***.***.***.***:443"},
	{"http://10.0.0.1/x http://10.0.0.1.2/x", "http://10.0.0.1/*** http://***/***"},
	{"http://[2001:DB8::1]:80/x", "http://[2001:DB8::1]:80/***"},
	{"[2001:db8::1]:443, 2001:db8::12", "[2001:db8::1]:443, ***"},
	/* names of other letters, as they are and as DNS has them */
	{"https://xn--bcher-kva.example/x", "https://xn--bcher-kva.example/***"},
	{"https://b\xC3\xBC"
	 "cher.example/x",
	 "https://b\xC3\xBC"
	 "cher.example/***"},
	/* URL-encoded */
	{"u=https%3A%2F%2Fapi.example.com%2Fv1%2Fx&a=b",
	 "u=https%3A%2F%2Fapi.example.com%2F***&a=b"},
	{"u=https%3A%2F%2Fapi.example.com.evil.com%2Fv1", "u=https%3A%2F%2F***"},
	{"u=https%3A%2F%2Fapi.example.com%40evil.com%2Fv1", "u=https%3A%2F%2F***"},
	{"u=https%3A%2F%2Fapi.example.com", "u=https%3A%2F%2Fapi.example.com"},
	/* what names say that it is secret stays so */
	{"password=api.example.com", "password=***"},
};

static void
add_hosts(Operator *who)
{
	static const char *const hosts[MOST_HOSTS] = {
		"api.example.com",
		".corp.example",
		"10.0.0.1",
		"2001:db8::1",
		"xn--bcher-kva.example",
		"b\xC3\xBC"
		"cher.example",
	};

	for (size_t i = 0; i < MOST_HOSTS; i++)
		who->hosts[i] = ue_slice_of(hosts[i]);
	who->settings.n_hosts = MOST_HOSTS;
}

static void
test_hosts(void)
{
	Operator who;

	operator_init(&who);
	add_hosts(&who);
	for (size_t i = 0; i < N_ROWS(host_vectors); i++)
	{
		bool is_at_rest;

		ue_arena_reset(&arena);
		is_text(mask(&who, ue_slice_of(host_vectors[i].text), &is_at_rest),
				ue_slice_of(host_vectors[i].expected), "mask: hosts: %s",
				host_vectors[i].text);
		ok(is_at_rest, "mask: hosts: and again: %s", host_vectors[i].text);
	}
	/* a pattern is the stronger word */
	add_pattern(&who, "api\\.\\S+", false);
	{
		bool is_at_rest;

		ue_arena_reset(&arena);
		is_text(mask(&who, UE_SLICE("at api.example.com"), &is_at_rest),
				UE_SLICE("at ***"), "mask: a pattern hides a host that is shown");
	}
	operator_free(&who);
}

static void
test_json(void)
{
	const UeJson *root = NULL;
	Operator who;
	UeSlice masked = UE_SLICE("");

	operator_init(&who);
	add_hosts(&who);
	add_pattern(&who, "ACME-\\d+", false);
	ue_arena_reset(&arena);
	ok(ue_json_parse(&arena,
					 UE_SLICE(
						 "{\"ACME-1\":[\"at ACME-2\",3,{\"url\":"
						 "\"https:\\/\\/api.example.com\\/x\"}],\"token\":\"ACME-3\"}"),
					 &root) == UE_OK &&
		   ue_mask_json(&arena, &who.settings, root, &masked) == UE_OK,
	   "mask: JSON with an operator's settings");
	is_text(masked,
			UE_SLICE("{\"***\":[\"at ***\",3,{\"url\":\"https://api.example.com/***\"}],"
					 "\"token\":\"***\"}"),
			"mask: in JSON every name and every string");
	operator_free(&who);
}

static const char *const sources[] = {
	"a",
	"b+",
	".",
	"\\w+",
	"\\W+",
	"(\\w)\\W",
	"\\*a",
	"a\\*+",
	"\\S+ (\\S+)",
	"(?<=a).",
	"(?<!\\*)[a-z]",
	"[^*]+",
	"sk",
	"\\.",
	":",
	"/",
	"=",
	"@",
	"key",
	"\\bx",
	"e.",
	"com",
	"\\d",
	"\\s",
	"(a|(b))",
	"(?s).{5}",
	"\xC3\xA9",
	"^..",
	"..$",
	"(?i)API",
};
static const char *const pieces[] = {
	"a",
	"b",
	"***",
	"*",
	"sk-abcdef",
	"https://x.com/a?b=c",
	"api.example.com",
	"https://api.example.com/x",
	" ",
	"key=",
	"token: ",
	"\"",
	"\\",
	"\\u0061",
	".",
	":",
	"@",
	"10.0.0.1",
	"\xC3\xA9",
	"\xFF",
	"\xC3",
	"corp.example",
	"word",
	"9",
	"\n",
	"/",
	"Bearer ",
	"%20",
	"::1",
	"api_key",
};

/* Patterns and texts thrown together: at rest, of bounded length, still UTF-8. */
static void
test_idempotence(void)
{
	uint32_t state = 4;
	size_t n_restless = 0;
	size_t n_long = 0;
	size_t n_broken = 0;

	for (int round = 0; round < N_ROUNDS; round++)
	{
		char text[512];
		UeSlice slice = {text, 0};
		Operator who;
		UeSlice masked;
		bool is_at_rest;

		operator_init(&who);
		if (round % 2 == 0)
			add_hosts(&who);
		for (uint32_t n = 1 + next_random(&state, 3); n > 0; n--)
			add_pattern(&who, sources[next_random(&state, N_ROWS(sources))], n == 2);
		for (uint32_t n = 1 + next_random(&state, 12); n > 0; n--)
		{
			UeSlice piece = ue_slice_of(pieces[next_random(&state, N_ROWS(pieces))]);

			memcpy(text + slice.len, piece.ptr, piece.len);
			slice.len += piece.len;
		}
		ue_arena_reset(&arena);
		masked = mask(&who, slice, &is_at_rest);
		if (!is_at_rest && n_restless++ < 5)
			printf("# %.*s\n", (int) slice.len, text);
		n_long += masked.len > 4 * slice.len + 3;
		n_broken += ue_utf8_is_valid(slice) && !ue_utf8_is_valid(masked);
		operator_free(&who);
	}
	ok(n_restless == 0, "mask: with patterns, the mask of a mask is the mask (%zu)",
	   n_restless);
	ok(n_long == 0, "mask: no pattern blows a text up (%zu)", n_long);
	ok(n_broken == 0, "mask: no pattern breaks a character (%zu)", n_broken);
}

static void
test_no_memory(void)
{
	Operator who;
	bool is_whole = false;

	operator_init(&who);
	add_hosts(&who);
	add_pattern(&who, "a(\\w)", false);
	for (long n = 1; !is_whole; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		UeSlice masked = UE_SLICE("untouched");
		UeArena small;
		UeStatus status;

		ue_arena_init(&small, &allocator, CEILING);
		while (small.blocks == NULL)
		{
			if (ue_arena_allocate(&small, 8000) == NULL)
				break;
		}
		status =
			ue_mask_text(&small, &who.settings,
						 UE_SLICE("ab ac \xFF ad https://x.com/abc sk-abcdef"), &masked);
		ok(status == UE_OK || (status == UE_NO_MEMORY &&
							   ue_slice_is_equal(masked, UE_SLICE("untouched"))),
		   "mask: allocation %ld fails, with a pattern", n);
		is_whole = status == UE_OK;
		ue_arena_free(&small);
		ok(allocation.n_blocks == 0, "mask: nothing is left behind");
	}
	operator_free(&who);
}

static void
test_version(void)
{
	UeMaskSettings settings = {.revision = 0};

	ok(ue_mask_version(NULL) == ue_mask_version(&settings),
	   "mask: settings that never were changed have the version of none");
	settings.revision = 7;
	ok(ue_mask_version(&settings) == ue_mask_version(NULL) + 7,
	   "mask: the version moves with the settings");
}

int
main(void)
{
	guard_init(&guard, 65536);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	test_patterns();
	test_fold();
	test_budget();
	test_hosts();
	test_json();
	test_idempotence();
	test_no_memory();
	test_version();
	ue_arena_free(&arena);
	guard_free(&guard);
	return done_testing();
}
