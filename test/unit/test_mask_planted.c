/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_mask_planted.c: random secrets of every kind, planted at random places in the bodies
 * of the corpus, in each of the ways that a text is written in another.
 *
 * The body may be cut, as an upstream cuts it, so a secret may stand at its end.
 */
#include <string.h>

#include "core/mask.h"
#include "corpus.h"
#include "libc_allocator.h"
#include "tap.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define CEILING		  (64 * 1024 * 1024)
#define N_PLANTED	  60000
#define MOST_TOLD	  5

/* Of a long body this much around the secret is enough. */
#define LONGEST_SIDE 1500

#define LONGEST_SECRET	256
#define LONGEST_ENCODED (8 * LONGEST_SECRET)

/* So much of a random part in a row is a leak. */
#define LONGEST_REST 8
#define LONGEST_TEXT (2 * LONGEST_SIDE + LONGEST_ENCODED + 64)

/* '~' a letter or digit, '#' a digit, '^' an upper-case letter or digit. */
typedef struct Secret
{
	const char *shape;
	size_t from; /* of what must be gone */
	size_t len;
} Secret;

static const Secret secrets[] = {
	{"sk-~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 3, 12},
	{"sk-ant-api03-~~~~~~~~~~~~~~~~~~~~-~~~~~~~~~~_~~~~~~~~", 13, 12},
	{"sk-proj-~~~~~~~~~~~~~~~~_~~~~~~~~~~~~~~~~~~~~~", 8, 12},
	{"sk-or-v1-~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 9, 12},
	{"AIzaSy~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 6, 12},
	{"ya29.a0~~~~~~~~~~~~~~~~~~~~~~~~~~~-~~~~~", 7, 12},
	{"gsk_~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 4, 12},
	{"hf_~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 3, 12},
	{"xai-~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 4, 12},
	{"AKIA^^^^^^^^^^^^^^^^", 4, 12},
	{"ASIA^^^^^^^^^^^^^^^^", 4, 12},
	{"r8_~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 3, 12},
	{"ghp_~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 4, 12},
	{"github_pat_~~~~~~~~~~~~~~~~~~~~~~_~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 11,
	 12},
	{"eyJhbGciOi~~~~~~~~.eyJzdWIi~~~~~~~~~~~~~~.~~~~~~~~~~~~~~~~~~~~", 10, 8},
	{"Bearer ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 7, 12},
	{"Basic ~~~~~~~~~~~~~~~~~~~~~~~~==", 6, 12},
	{"org-~~~~~~~~~~~~~~~~~~~~~~~~", 4, 12},
	{"proj_~~~~~~~~~~~~~~~~~~~~~~~~", 5, 12},
	{"https://~~~~~~~~~.example.com/~~~~~~~~~~~~~/a?key=~~~~~~~~~~~~", 8, 9},
	{"https://x.com/~~~~~~~~~~~~~/a?key=~~~~~~~~~~~~&b=1", 14, 12},
	{"https://x.com/?key=~~~~~~~~~~~~&b=1", 19, 12},
	{"postgres://user:~~~~~~~~~~~~~@db.example.net/x", 16, 12},
	{"~~~~~~~~~~~~~@example.com", 0, 12},
	{"api_key=~~~~~~~~~~~~~~~~", 8, 12},
	{"password=~~~~~~~~~~~~~~~~", 9, 12},
	{"x-api-key: ~~~~~~~~~~~~~~~~", 11, 12},
	{"access_token: ~~~~~~~~~~~~~~~~", 14, 12},
	{"arn:aws:iam::############:user/~~~~~~~~", 13, 12},
	{"1##.1##.1##.1##", 0, 15},
	{"20##:db8::####:####:####", 0, 10},
	{"-----BEGIN PRIVATE KEY-----MII~~~~~~~~~~~~-----END PRIVATE KEY-----", 30, 12},
	{"AWS4-HMAC-SHA256 Credential=AKIA^^^^^^^^^^^^^^^^/2026, Signature=~~~~~~~~~~~~~~~~",
	 65, 12},
	{"GOCSPX-~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 7, 12},
	{"1//0~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 4, 12},
	/* with the length of their vendors' documents, or of the rules that scanners have */
	{"sk-svcacct-~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 11, 12},
	{"pplx-~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 5, 12},
	{"nvapi-~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 6, 12},
	{"glpat-~~~~~~~~~~~~~~~~~~~~", 6, 12},
	{"xoxb-############-############-~~~~~~~~~~~~~~~~~~~~~~~~", 5, 12},
	{"sk_live_~~~~~~~~~~~~~~~~~~~~~~~~", 8, 12},
	{"AQ.Ab8~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 6, 12},
	{"0a1b2c3d4e5f60718293a4b5c6d7e8f9.~~~~~~~~~~~~~~~~", 34, 12}, /* Zhipu */
	{"\"client_secret\":\"~~~~~~~~~~~~~~~~~~~~\"", 17, 12},
	{"\"Set-Cookie\":\"sid=~~~~~~~~~~~~~~~~~~~~; Path=/\"", 18, 12},
	{"'password': '~~~~~~~~~~~~~~~~'", 13, 12},
	{"secret_key=~~~~~~~~~~~~~~~~", 11, 12},
	{"authorization: Token ~~~~~~~~~~~~~~~~", 21, 12},
	{"api-key: 1##a~~~~~~~~~~~~~~~~~~~~~~~", 9, 12},
	{"API key ~~~~~~~~~~1a2B~~~~~~~~~~~~~~~~~~", 8, 12},
	{"ftp://user@example.com/~~~~~~~~~~~~~~~~", 23, 12},
	{"wss://example.com/a#~~~~~~~~~~~~~~~~", 20, 12},
	{"https://example.com?~~~~~~~~~~~~~~~~", 20, 12},
	{"AKIA^^^^^^^^^^^^^^^^/20261121/us-east-1/bedrock/aws4_request", 4, 12},
	{"X-Amz-Signature=~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 16, 12},
	{"projects/1###########/locations", 9, 12},
	{"dapi9f8e7d6c5b4a39281706f5e4d3c2b1a0~~~~~~~~~~~~", 4, 12},
	{"vck_a1~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 4, 12},
	{"sk-ant-oat01-~~~~~~~~~~~~~~~~~~~~-~~~~~~~~~~_~~~~~~~~", 13, 12},
	{"xapp-1-^^^^^^^^-#############-~~~~~~~~~~~~~~~~~~~~~~~~", 30, 12},
	{"whsec_a1~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 6, 12},
	{"hvs.~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 4, 12},
	{"SG.~~~~~~~~~~~~~~~~~~~~~~.~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 3, 12},
	{"lsv2_pt_~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~_~~~~~~~~~~", 8, 12},
	{"LTAI5t~~~~~~~~~~~~~~~~~~", 6, 12},
	{"AKID~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 4, 12},
	{"-----BEGIN RSA PRIVATE KEY-----MII~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", 35,
	 12},
};

/* How a text is written where it is part of another. */
typedef enum Writing
{
	WRITING_PLAIN = 0,
	WRITING_URL,	 /* all but unreserved characters as %XX (RFC 3986) */
	WRITING_SLASH,	 /* PHP's JSON: "\\/" */
	WRITING_UNICODE, /* some characters as \\u00XX */
	WRITING_NESTED,	 /* the same in a JSON string that is in a JSON string */
	WRITING_LETTERS, /* every character as \\u00XX */
	WRITING_DOUBLE,	 /* the same in a JSON string that is in a JSON string */
	WRITING_HEADER,	 /* the value of a line like those of HTTP */
	WRITING_EVENT,	 /* cut into two data lines of an event stream, anywhere */
} Writing;

#define N_WRITINGS 9

static const char *const openings[N_WRITINGS][6] = {
	{" ", "\"", "'", "(", "\\n", ": "},
	{"%20", "%22", "=", "%3D", "&a=", "%0A"},
	{" ", "\"", ":\"", "\\n", "\\u0022", "\\t"},
	{" ", "\"", ":\"", "\\n", "\\u0022", "\\t"},
	{"\\\"", ":\\\"", "{\\\"a\\\":\\\"", " ", "\\\\n", "\\\\u0022"},
	{" ", "\"", ":\"", "\\n", "\\u0022", "\\t"},
	{"\\\"", ":\\\"", "{\\\"a\\\":\\\"", " ", "\\\\n", "\\\\u0022"},
	{
		"\r\nX-Echo: ",
		"\r\nvia: ",
		"\nX-A:",
		"\r\nx-amzn-errortype: ",
		"\nlocation: ",
		"\nA=",
	},
	{"\ndata: ", "\ndata: {\"a\":\"", "\n\ndata:", "\ndata: \\\"", "\r\ndata: ", " "},
};

static const char *const closings[N_WRITINGS][6] = {
	{" ", "\"", "'", ")", "\\n", ". "},
	{"%20", "%22", "&b=1", " ", "", "%0A"},
	{" ", "\"", "\",\"", "\\n", "\\u0022", ""},
	{" ", "\"", "\",\"", "\\n", "\\u0022", ""},
	{"\\\"", "\\\",", "\\\"}", " ", "\\\\n", ""},
	{" ", "\"", "\",\"", "\\n", "\\u0022", ""},
	{"\\\"", "\\\",", "\\\"}", " ", "\\\\n", ""},
	{"\r\n", "\n", "\r\nDate: ", "; q=1\r\n", ", x\r\n", ""},
	{"\n\n", "\"}\n\n", "\r\n\r\n", "\ndata: x", " ", ""},
};

/* Numbers that are the same in every run (a linear congruential generator). */
static uint32_t
next_random(uint32_t *state, uint32_t limit)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % limit;
}

static UeSlice
make_secret(const Secret *secret, uint32_t *state, char *copy)
{
	static const char digits[] = "123456789";
	static const char alphabet[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	size_t len = 0;

	for (const char *shape = secret->shape; *shape != '\0'; shape++)
	{
		if (*shape == '~')
			copy[len] = alphabet[next_random(state, sizeof(alphabet) - 1)];
		else if (*shape == '#')
			copy[len] = digits[next_random(state, sizeof(digits) - 1)];
		else if (*shape == '^')
			copy[len] = upper[next_random(state, sizeof(upper) - 1)];
		else
			copy[len] = *shape;
		len++;
	}
	return (UeSlice){copy, len};
}

static bool
is_unreserved(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
		   (byte >= '0' && byte <= '9') || strchr("-_.~", byte) != NULL;
}

/* One byte as it is written there; room for eight bytes is at `to`. */
static size_t
encode_byte(char byte, Writing writing, uint32_t *state, char *to)
{
	unsigned code = (unsigned char) byte;
	bool is_quote = byte == '"' || byte == '\\';
	bool is_nested = writing == WRITING_NESTED || writing == WRITING_DOUBLE;
	bool is_unicode = writing == WRITING_LETTERS || writing == WRITING_DOUBLE ||
					  (writing == WRITING_UNICODE && next_random(state, 4) == 0);

	if (writing == WRITING_URL && !is_unreserved(byte))
		return (size_t) sprintf(to, "%%%02X", code);
	if (is_unicode && !is_quote)
		return (size_t) sprintf(to, is_nested ? "\\\\u%04x" : "\\u%04X", code);
	if (writing == WRITING_SLASH && byte == '/')
		return (size_t) sprintf(to, "\\/");
	if (is_quote && is_nested)
		return (size_t) sprintf(to, "\\\\\\%c", byte);
	if (is_quote && writing >= WRITING_SLASH && writing <= WRITING_LETTERS)
		return (size_t) sprintf(to, "\\%c", byte);
	*to = byte;
	return 1;
}

/* The text as it is written in another; copy holds LONGEST_ENCODED. */
static UeSlice
encode(UeSlice text, size_t cut, Writing writing, uint32_t *state, char *copy)
{
	UeSlice encoded = {copy, 0};

	for (size_t i = 0; i < text.len; i++)
	{
		if (writing == WRITING_EVENT && i == cut)
			encoded.len += (size_t) sprintf(copy + encoded.len, "\ndata: ");
		encoded.len += encode_byte(text.ptr[i], writing, state, copy + encoded.len);
	}
	return encoded;
}

/* The body with the secret at a blank or a quote of it, or at its end; a blank before it, for
 * behind a URL even a word would be a part of that. */
static UeSlice
plant(UeSlice body, UeSlice secret, Writing writing, uint32_t *state, char *text)
{
	size_t at = next_random(state, (uint32_t) body.len + 1);
	size_t from;
	size_t to;
	int len;

	while (at < body.len && strchr(" \",", body.ptr[at]) == NULL)
		at++;
	from = at > LONGEST_SIDE ? at - LONGEST_SIDE : 0;
	to = body.len - at > LONGEST_SIDE ? at + LONGEST_SIDE : body.len;
	len = snprintf(text, LONGEST_TEXT, "%.*s %s%.*s%s%.*s", (int) (at - from),
				   body.ptr + from, openings[writing][next_random(state, 6)],
				   (int) secret.len, secret.ptr, closings[writing][next_random(state, 6)],
				   (int) (to - at), body.ptr + at);
	return (UeSlice){text, (size_t) len};
}

static bool
is_random_byte(char shape)
{
	return shape == '~' || shape == '^' || shape == '#';
}

/* Whether no LONGEST_REST bytes in a row of a random part are left, as they are or encoded. */
static bool
is_every_part_gone(UeSlice masked, const Secret *secret, UeSlice made, Writing writing)
{
	size_t n_random = 0;

	for (size_t i = 0; i < made.len; i++)
	{
		char encoded[8 * LONGEST_REST];
		UeSlice part;
		size_t found;
		uint32_t state = 0;

		n_random = is_random_byte(secret->shape[i]) ? n_random + 1 : 0;
		if (n_random < LONGEST_REST)
			continue;
		part = ue_slice_sub(made, i + 1 - LONGEST_REST, LONGEST_REST);
		if (ue_slice_find(masked, part, &found) ||
			ue_slice_find(masked, encode(part, SIZE_MAX, writing, &state, encoded),
						  &found))
			return false;
	}
	return true;
}

static bool
is_gone(UeArena *arena, UeSlice text, const Secret *secret, UeSlice made, Writing writing)
{
	UeSlice masked;
	size_t found;

	ue_arena_reset(arena);
	if (ue_mask_text(arena, NULL, text, &masked) != UE_OK)
		return false;
	return !ue_slice_find(masked, ue_slice_sub(made, secret->from, secret->len),
						  &found) &&
		   is_every_part_gone(masked, secret, made, writing);
}

/* Bodies with a NUL in them cannot be printed into a text. */
static bool
is_printable(const CorpusCase *one)
{
	return one->body.len > 0 && memchr(one->body.ptr, '\0', one->body.len) == NULL;
}

/* With what stands around it, and what became of it. */
static void
print_survivor(UeArena *arena, const CorpusCase *one, UeSlice made, UeSlice text)
{
	UeSlice masked = UE_SLICE("");

	if (ue_mask_text(arena, NULL, text, &masked) != UE_OK)
		return;
	printf("# %s: %.*s\n# in %.*s\n# masked %.*s\n", one->name, (int) made.len, made.ptr,
		   (int) text.len, text.ptr, (int) masked.len, masked.ptr);
}

static size_t
count_survivors(const Corpus *corpus, Writing writing)
{
	UeArena arena;
	uint32_t state = 2026 + (uint32_t) writing;
	size_t n_survived = 0;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	for (int round = 0; round < N_PLANTED / N_WRITINGS; round++)
	{
		const Secret *secret = &secrets[next_random(&state, N_ROWS(secrets))];
		const CorpusCase *one =
			&corpus->cases[next_random(&state, (uint32_t) corpus->n_cases)];
		char plain[LONGEST_SECRET];
		char encoded[LONGEST_ENCODED];
		char planted[LONGEST_TEXT];
		UeSlice made = make_secret(secret, &state, plain);
		size_t cut = 1 + next_random(&state, (uint32_t) made.len - 1);
		UeSlice text;

		if (!is_printable(one))
			continue;
		text =
			plant((UeSlice){one->body.ptr, one->body.len},
				  encode(made, cut, writing, &state, encoded), writing, &state, planted);
		if (!is_gone(&arena, text, secret, made, writing) && n_survived++ < MOST_TOLD)
			print_survivor(&arena, one, made, text);
	}
	ue_arena_free(&arena);
	return n_survived;
}

int
main(void)
{
	static const char *const names[N_WRITINGS] = {
		"plain",		   "URL-encoded",		  "with \\/",
		"with \\u00XX",	   "in JSON in a string", "all \\u00XX",
		"all of it there", "in a header",		  "over data lines"};
	const char *directory = getenv("UE_BODIES");
	Corpus corpus = corpus_read(directory != NULL ? directory : "test/bodies");

	for (int writing = 0; writing < N_WRITINGS; writing++)
	{
		size_t n_survived = count_survivors(&corpus, (Writing) writing);

		ok(n_survived == 0, "mask: no secret survives in a body, %s (%zu did)",
		   names[writing], n_survived);
	}
	corpus_free(&corpus);
	return done_testing();
}
