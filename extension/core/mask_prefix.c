/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_prefix.c: keys that are known by how they begin, up to a '-' or '_'.
 *
 * The beginning stays, so that an operator sees whose key it was: sk-ant-***.
 */
#include "core/mask_scan.h"

#include <string.h>

/* What must follow a prefix for it to be a key. */
typedef enum KeyBody
{
	BODY_ANY = 0, /* min_len bytes of a word */
	BODY_RANDOM,  /* min_len letters and digits in a row, of mixed kinds */
} KeyBody;

/* Small, and the text inside: a scan looks at many rows. */
typedef struct KeyPrefix
{
	char text[12];
	unsigned char len;
	unsigned char trigger; /* offset of its first '-' or '_' */
	unsigned char min_len;
	unsigned char body; /* KeyBody */
	bool is_anywhere;	/* even in the middle of a word */
} KeyPrefix;

#define ROW(prefix, trigger, min_len, body, is_anywhere)                                 \
	{                                                                                    \
		prefix, sizeof(prefix) - 1, trigger, min_len, body, is_anywhere                  \
	}

/*
 * Prefixes with a '-' or '_', by the byte before the first of them, at which the scan
 * stops; the longer first, and those of BODY_RANDOM behind all others.  Compared with public rules of secret scanners: AWS, Anthropic
 * (gitleaks, default configuration at commit 009e025); OpenAI, OpenRouter, Groq, xAI,
 * Hugging Face, Replicate, Perplexity, GitHub, Slack, Stripe (several other rule sets).  The
 * remaining rows are as their vendors show keys to users, not compared with anything.
 */
#define BEFORE_DASH		  0
#define BEFORE_UNDERSCORE 1
#define MAX_PREFIXES	  9

static const KeyPrefix key_prefixes[128][2][MAX_PREFIXES] =
	{
		['8'][BEFORE_UNDERSCORE] =
			{
				ROW("r8_", 2, 8, BODY_RANDOM, false), /* Replicate */
			},
		['X'][BEFORE_DASH] =
			{
				ROW("GOCSPX-", 6, 8, BODY_ANY, true), /* Google, OAuth client secret */
			},
		['a'][BEFORE_UNDERSCORE] =
			{
				ROW("jina_", 4, 16, BODY_RANDOM, false),  /* Jina */
				ROW("shpca_", 5, 16, BODY_RANDOM, false), /* Shopify */
				ROW("shppa_", 5, 16, BODY_RANDOM, false), /* Shopify */
				ROW("glsa_", 4, 16, BODY_RANDOM, false),  /* Grafana */
				ROW("rpa_", 3, 16, BODY_RANDOM, false),	  /* RunPod */
			},
		['b'][BEFORE_DASH] =
			{
				ROW("xoxb-", 4, 8, BODY_ANY, true),		/* Slack */
				ROW("xkeysib-", 7, 16, BODY_ANY, true), /* Brevo */
			},
		['b'][BEFORE_UNDERSCORE] =
			{
				ROW("github_pat_", 6, 4, BODY_ANY, true), /* GitHub */
			},
		['c'][BEFORE_UNDERSCORE] =
			{
				ROW("wrkspc_", 6, 6, BODY_RANDOM, false), /* Anthropic, workspace id */
				ROW("whsec_", 5, 16, BODY_RANDOM, false), /* Stripe, webhook */
				ROW("glc_", 3, 16, BODY_RANDOM, false),	  /* Grafana Cloud */
			},
		['f'][BEFORE_UNDERSCORE] =
			{
				ROW("hf_", 2, 8, BODY_RANDOM, false), /* Hugging Face */
			},
		['g'][BEFORE_DASH] =
			{
				ROW("org-", 3, 6, BODY_RANDOM, false), /* OpenAI, organisation id */
			},
		['g'][BEFORE_UNDERSCORE] =
			{
				ROW("org_", 3, 6, BODY_RANDOM, false), /* Groq, organisation id */
			},
		['i'][BEFORE_DASH] =
			{
				ROW("nvapi-", 5, 8, BODY_ANY, true),	 /* NVIDIA */
				ROW("xai-", 3, 12, BODY_RANDOM, true),	 /* xAI */
				ROW("pypi-", 4, 16, BODY_RANDOM, false), /* PyPI */
			},
		['j'][BEFORE_DASH] =
			{
				ROW("proj-", 4, 12, BODY_RANDOM, false), /* Moonshot, project id */
			},
		['j'][BEFORE_UNDERSCORE] =
			{
				ROW("proj_", 4, 6, BODY_RANDOM, false), /* OpenAI, project id */
			},
		['k'][BEFORE_DASH] =
			{
				ROW("sk-ant-", 2, 1, BODY_ANY, true),	  /* Anthropic */
				ROW("sk-proj-", 2, 1, BODY_ANY, true),	  /* OpenAI, project */
				ROW("sk-svcacct-", 2, 1, BODY_ANY, true), /* OpenAI, service account */
				ROW("sk-admin-", 2, 8, BODY_ANY, true),	  /* OpenAI, administrator */
				ROW("sk-or-v1-", 2, 1, BODY_ANY, true),	  /* OpenRouter */
				ROW("sk-lf-", 2, 8, BODY_ANY, true),	  /* Langfuse */
				ROW("ak-", 2, 12, BODY_RANDOM, false),	  /* Moonshot, access key id */
				ROW("sk-", 2, 3, BODY_ANY,
					false), /* OpenAI, DeepSeek, Moonshot, relays */
				ROW("csk-", 3, 16, BODY_RANDOM, true), /* Cerebras */
			},
		['k'][BEFORE_UNDERSCORE] =
			{
				ROW("sk_live_", 2, 3, BODY_ANY, true), /* Stripe */
				ROW("sk_test_", 2, 3, BODY_ANY, true), /* Stripe */
				ROW("rk_live_", 2, 3, BODY_ANY, true), /* Stripe, restricted */
				ROW("sk_", 2, 20, BODY_RANDOM, false), /* ElevenLabs */
				ROW("ek_", 2, 16, BODY_RANDOM,
					false),							  /* OpenAI, realtime client secret */
				ROW("gsk_", 3, 8, BODY_RANDOM, true), /* Groq */
				ROW("vck_", 3, 16, BODY_RANDOM, false), /* Vercel */
				ROW("pcsk_", 4, 16, BODY_ANY, false),	/* Pinecone */
			},
		['m'][BEFORE_UNDERSCORE] =
			{
				ROW("npm_", 3, 30, BODY_RANDOM, false), /* npm */
			},
		['o'][BEFORE_UNDERSCORE] =
			{
				ROW("gho_", 3, 8, BODY_RANDOM, true), /* GitHub, OAuth */
			},
		['p'][BEFORE_DASH] =
			{
				ROW("xoxp-", 4, 8, BODY_ANY, true), /* Slack */
				ROW("xapp-", 4, 8, BODY_ANY, true), /* Slack, application */
			},
		['p'][BEFORE_UNDERSCORE] =
			{
				ROW("tgp_v1_", 3, 8, BODY_ANY, true),	   /* Together */
				ROW("ghp_", 3, 8, BODY_RANDOM, true),	   /* GitHub, personal */
				ROW("dop_v1_", 3, 16, BODY_RANDOM, false), /* DigitalOcean */
			},
		['r'][BEFORE_UNDERSCORE] =
			{
				ROW("ghr_", 3, 8, BODY_RANDOM, true), /* GitHub, refresh */
			},
		['s'][BEFORE_DASH] =
			{
				ROW("xoxs-", 4, 8, BODY_ANY, true),		 /* Slack */
				ROW("sess-", 4, 16, BODY_RANDOM, false), /* OpenAI, session */
			},
		['s'][BEFORE_UNDERSCORE] =
			{
				ROW("ghs_", 3, 8, BODY_RANDOM, true),	   /* GitHub, server to server */
				ROW("shpss_", 5, 16, BODY_RANDOM, false),  /* Shopify */
				ROW("sntrys_", 6, 16, BODY_RANDOM, false), /* Sentry */
			},
		['t'][BEFORE_DASH] =
			{
				ROW("glpat-", 5, 8, BODY_ANY, true), /* GitLab */
				ROW("gldt-", 4, 8, BODY_ANY, true),	 /* GitLab, deployment */
				ROW("glrt-", 4, 8, BODY_ANY, true),	 /* GitLab, runner */
			},
		['u'][BEFORE_UNDERSCORE] =
			{
				ROW("ghu_", 3, 8, BODY_RANDOM, true), /* GitHub, user to server */
			},
		['w'][BEFORE_UNDERSCORE] =
			{
				ROW("fw_", 2, 16, BODY_RANDOM, false), /* Fireworks */
			},
		['x'][BEFORE_DASH] =
			{
				ROW("pplx-", 4, 16, BODY_RANDOM, true), /* Perplexity */
			},
		['a'][BEFORE_DASH] =
			{
				ROW("xoxa-", 4, 8, BODY_ANY, true), /* Slack */
			},
		['e'][BEFORE_DASH] =
			{
				ROW("xoxe-", 4, 8, BODY_ANY, true), /* Slack */
			},
		['n'][BEFORE_UNDERSCORE] =
			{
				ROW("ntn_", 3, 16, BODY_RANDOM, false), /* Notion */
			},
		['r'][BEFORE_DASH] =
			{
				ROW("xoxr-", 4, 8, BODY_ANY, true), /* Slack */
			},
		['t'][BEFORE_UNDERSCORE] =
			{
				ROW("shpat_", 5, 16, BODY_RANDOM, false), /* Shopify */
			},
		['2'][BEFORE_UNDERSCORE] =
			{
				ROW("lsv2_", 4, 16, BODY_ANY, false), /* LangSmith: lsv2_pt_, lsv2_sk_ */
			},
		['K'][BEFORE_DASH] =
			{
				ROW("ALTAK-", 5, 16, BODY_RANDOM, false), /* Baidu */
			},
		['y'][BEFORE_DASH] =
			{
				ROW("tvly-", 4, 8, BODY_ANY, false),   /* Tavily */
				ROW("tskey-", 5, 12, BODY_ANY, false), /* Tailscale */
			},
};

#define LETTER(letter) (1u << ((letter) &31))

/* By the same: a bit for each letter that stands before that byte in one of the rows. */
const uint32_t ue_mask_prefix_ends[256][2] = {
	['2'][BEFORE_UNDERSCORE] = LETTER('v'),
	['8'][BEFORE_UNDERSCORE] = LETTER('r'),
	['K'][BEFORE_DASH] = LETTER('A'),
	['X'][BEFORE_DASH] = LETTER('P'),
	['a'][BEFORE_DASH] = LETTER('x'),
	['a'][BEFORE_UNDERSCORE] = LETTER('c') | LETTER('n') | LETTER('p') | LETTER('s'),
	['b'][BEFORE_DASH] = LETTER('i') | LETTER('x'),
	['b'][BEFORE_UNDERSCORE] = LETTER('u'),
	['c'][BEFORE_UNDERSCORE] = LETTER('e') | LETTER('l') | LETTER('p'),
	['e'][BEFORE_DASH] = LETTER('x'),
	['f'][BEFORE_UNDERSCORE] = LETTER('h'),
	['g'][BEFORE_DASH] = LETTER('r'),
	['g'][BEFORE_UNDERSCORE] = LETTER('r'),
	['i'][BEFORE_DASH] = LETTER('a') | LETTER('p'),
	['j'][BEFORE_DASH] = LETTER('o'),
	['j'][BEFORE_UNDERSCORE] = LETTER('o'),
	['k'][BEFORE_DASH] = LETTER('a') | LETTER('s'),
	['k'][BEFORE_UNDERSCORE] = LETTER('c') | LETTER('e') | LETTER('r') | LETTER('s'),
	['m'][BEFORE_UNDERSCORE] = LETTER('p'),
	['n'][BEFORE_UNDERSCORE] = LETTER('t'),
	['o'][BEFORE_UNDERSCORE] = LETTER('h'),
	['p'][BEFORE_DASH] = LETTER('p') | LETTER('x'),
	['p'][BEFORE_UNDERSCORE] = LETTER('g') | LETTER('h') | LETTER('o'),
	['r'][BEFORE_DASH] = LETTER('x'),
	['r'][BEFORE_UNDERSCORE] = LETTER('h'),
	['s'][BEFORE_DASH] = LETTER('s') | LETTER('x'),
	['s'][BEFORE_UNDERSCORE] = LETTER('h') | LETTER('s') | LETTER('y'),
	['t'][BEFORE_DASH] = LETTER('a') | LETTER('d') | LETTER('r'),
	['t'][BEFORE_UNDERSCORE] = LETTER('a'),
	['u'][BEFORE_UNDERSCORE] = LETTER('h'),
	['w'][BEFORE_UNDERSCORE] = LETTER('f'),
	['x'][BEFORE_DASH] = LETTER('l'),
	['y'][BEFORE_DASH] = LETTER('e') | LETTER('l'),
};

/* No row of BODY_RANDOM asks for less. */
#define MIN_RANDOM_LEN 6

/* Behind the first '-' or '_' of a prefix at least so much is a key's, be it stars. */
#define MIN_BODY_LEN 3

static bool has_key_body(UeMaskScan *scan, const KeyPrefix *row, size_t start);

/* The byte before the '-' or '_', and that itself, are those of the table's cell. */
static bool
is_prefix_at(const UeMaskScan *scan, const KeyPrefix *row, size_t start)
{
	const char *text = scan->text.ptr + start;

	if (scan->text.len - start < row->len)
		return false;
	for (size_t i = row->trigger + 1u; i < row->len; i++)
	{
		if (text[i] != row->text[i])
			return false;
	}
	for (size_t i = 0; i + 1 < row->trigger; i++)
	{
		if (text[i] != row->text[i])
			return false;
	}
	return true;
}

/* What hides the middle of a key that is shown in part: "gsk_Ab1C...x7Yz". */
static bool
is_ellipsis(const UeMaskScan *scan, size_t at)
{
	return (ue_mask_has(scan, at, UE_SLICE("...")) &&
			ue_mask_is_class(ue_mask_read(scan, at + 3), UE_MASK_ALNUM)) ||
		   (ue_mask_has(scan, at, UE_SLICE("\xE2\x80\xA6")) &&
			ue_mask_is_class(ue_mask_read(scan, at + 3), UE_MASK_ALNUM));
}

/*
 * False where what follows is too little for any prefix of the cell, in less time than the
 * rows would take to say so.
 */
static bool
is_body_likely(UeMaskScan *scan, const KeyPrefix *rows, size_t at)
{
	bool is_random = rows->body == BODY_RANDOM;
	int class = is_random ? UE_MASK_ALNUM : UE_MASK_WORD;
	size_t min_len = is_random ? MIN_RANDOM_LEN : MIN_BODY_LEN;
	size_t end = at;
	char byte;

	while (end < at + min_len && ue_mask_is_class(ue_mask_read(scan, end), class))
		end++;
	if (end == at + min_len)
		return true;
	if (is_random)
		return is_ellipsis(scan, end) ||
			   ue_mask_has_star(scan, at, ue_mask_find_key_end(scan, at));
	/* a part behind a dot, an ellipsis */
	byte = ue_mask_read(scan, end);
	if (byte == '.')
		return ue_mask_read(scan, end + 1) == '.' || ue_mask_is_key_part(scan, end + 1);
	return byte == '\xE2';
}

bool
ue_mask_apply_key(UeMaskScan *scan, size_t at)
{
	const char *text = scan->text.ptr + at;
	const KeyPrefix *rows =
		key_prefixes[(unsigned char) text[-1]]
					[text[0] == '-' ? BEFORE_DASH : BEFORE_UNDERSCORE];

	if (!is_body_likely(scan, rows, at + 1))
		return false;
	for (size_t i = 0; i < MAX_PREFIXES && rows[i].len > 0; i++)
	{
		const KeyPrefix *row = &rows[i];
		size_t start = at - row->trigger;

		if (at - scan->floor < row->trigger || !is_prefix_at(scan, row, start) ||
			!has_key_body(scan, row, start))
			continue;
		ue_mask_write_stars(scan, start, row->len,
							ue_mask_find_key_end(scan, start + row->len));
		return true;
	}
	return false;
}

static bool
has_key_body(UeMaskScan *scan, const KeyPrefix *row, size_t start)
{
	size_t at = start + row->len;
	size_t end = ue_mask_find_key_end(scan, at);
	size_t first_end;
	UeSlice first;

	if (ue_mask_has_star(scan, at, end))
		return end - at >= MIN_BODY_LEN;
	if (end - at < row->min_len && !(row->body == BODY_RANDOM && end - at > MIN_BODY_LEN))
		return false;
	first_end = ue_mask_find_end(scan, at, UE_MASK_ALNUM);
	if (row->body == BODY_RANDOM && first_end - at < row->min_len &&
		(first_end - at < MIN_BODY_LEN || !is_ellipsis(scan, first_end)))
		return false;
	first = ue_mask_cut(scan, at, first_end);
	if (row->body == BODY_RANDOM && !ue_mask_is_random(first))
		return false;
	/* sk-learn, a Python package */
	if (end - at == 5 && ue_slice_is_equal(first, UE_SLICE("learn")))
		return false;
	return row->is_anywhere || ue_mask_is_word_start(scan, start) ||
		   ue_mask_is_glued_key(first);
}
