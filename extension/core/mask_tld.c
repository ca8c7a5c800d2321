/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_tld.c: the last labels by which a dotted word is known as a domain.
 */
#include "core/mask_scan.h"

/* Short names, so that a row is a line. */
#define STRONG	UE_MASK_TLD_STRONG
#define WEAK	UE_MASK_TLD_WEAK
#define PRIVATE UE_MASK_TLD_PRIVATE

/*
 * Chosen by hand out of IANA's root zone: those that LLM services, their relays and clouds
 * are seen under.  Private ones: RFC 6762 (local, lan, corp, intranet), RFC 2606 (test,
 * example), AWS and Google Cloud (internal), Kubernetes (svc).
 *
 * By their first letters; weak ones are also words, field names or file types.
 */
#define N_LETTERS 26
#define MAX_TLDS  15

static const UeMaskTld tlds[N_LETTERS][MAX_TLDS] =
	{
		['a' - 'a'] =
			{
				{UE_SLICE_INIT("ai"), STRONG},
				{UE_SLICE_INIT("app"), STRONG},
				{UE_SLICE_INIT("au"), STRONG},
				{UE_SLICE_INIT("ae"), STRONG},
				{UE_SLICE_INIT("ar"), STRONG},
				{UE_SLICE_INIT("at"), WEAK},
				{UE_SLICE_INIT("art"), WEAK},
			},
		['b' - 'a'] =
			{
				{UE_SLICE_INIT("biz"), STRONG},
				{UE_SLICE_INIT("br"), STRONG},
				{UE_SLICE_INIT("bg"), STRONG},
				{UE_SLICE_INIT("be"), WEAK},
				{UE_SLICE_INIT("by"), WEAK},
			},
		['c' - 'a'] =
			{
				{UE_SLICE_INIT("com"), STRONG},
				{UE_SLICE_INIT("co"), STRONG},
				{UE_SLICE_INIT("cloud"), STRONG},
				{UE_SLICE_INIT("club"), STRONG},
				{UE_SLICE_INIT("cn"), STRONG},
				{UE_SLICE_INIT("ch"), STRONG},
				{UE_SLICE_INIT("ca"), STRONG},
				{UE_SLICE_INIT("cz"), STRONG},
				{UE_SLICE_INIT("cl"), STRONG},
				{UE_SLICE_INIT("cc"), WEAK},
				{UE_SLICE_INIT("chat"), WEAK},
				{UE_SLICE_INIT("codes"), WEAK},
				{UE_SLICE_INIT("corp"), PRIVATE},
			},
		['d' - 'a'] =
			{
				{UE_SLICE_INIT("dev"), STRONG},
				{UE_SLICE_INIT("de"), STRONG},
				{UE_SLICE_INIT("dk"), STRONG},
			},
		['e' - 'a'] =
			{
				{UE_SLICE_INIT("edu"), STRONG},
				{UE_SLICE_INIT("eu"), STRONG},
				{UE_SLICE_INIT("es"), STRONG},
				{UE_SLICE_INIT("email"), WEAK},
				{UE_SLICE_INIT("example"), PRIVATE},
			},
		['f' - 'a'] =
			{
				{UE_SLICE_INIT("fm"), STRONG},
				{UE_SLICE_INIT("fr"), STRONG},
				{UE_SLICE_INIT("fi"), STRONG},
				{UE_SLICE_INIT("fun"), WEAK},
			},
		['g' - 'a'] =
			{
				{UE_SLICE_INIT("gov"), STRONG},
				{UE_SLICE_INIT("gg"), STRONG},
				{UE_SLICE_INIT("gr"), STRONG},
				{UE_SLICE_INIT("group"), WEAK},
			},
		['h' - 'a'] =
			{
				{UE_SLICE_INIT("hk"), STRONG},
				{UE_SLICE_INIT("hu"), STRONG},
				{UE_SLICE_INIT("host"), WEAK},
			},
		['i' - 'a'] =
			{
				{UE_SLICE_INIT("io"), STRONG},
				{UE_SLICE_INIT("icu"), STRONG},
				{UE_SLICE_INIT("inc"), STRONG},
				{UE_SLICE_INIT("il"), STRONG},
				{UE_SLICE_INIT("ie"), STRONG},
				{UE_SLICE_INIT("ir"), STRONG},
				{UE_SLICE_INIT("id"), WEAK},
				{UE_SLICE_INIT("in"), WEAK},
				{UE_SLICE_INIT("is"), WEAK},
				{UE_SLICE_INIT("it"), WEAK},
				{UE_SLICE_INIT("im"), WEAK},
				{UE_SLICE_INIT("ink"), WEAK},
				{UE_SLICE_INIT("info"), WEAK},
				{UE_SLICE_INIT("internal"), PRIVATE},
				{UE_SLICE_INIT("intranet"), PRIVATE},
			},
		['j' - 'a'] =
			{
				{UE_SLICE_INIT("jp"), STRONG},
			},
		['k' - 'a'] =
			{
				{UE_SLICE_INIT("kr"), STRONG},
				{UE_SLICE_INIT("kz"), STRONG},
				{UE_SLICE_INIT("ke"), STRONG},
			},
		['l' - 'a'] =
			{
				{UE_SLICE_INIT("ltd"), STRONG},
				{UE_SLICE_INIT("lu"), STRONG},
				{UE_SLICE_INIT("lt"), STRONG},
				{UE_SLICE_INIT("lv"), STRONG},
				{UE_SLICE_INIT("live"), WEAK},
				{UE_SLICE_INIT("link"), WEAK},
				{UE_SLICE_INIT("local"), PRIVATE},
				{UE_SLICE_INIT("lan"), PRIVATE},
				{UE_SLICE_INIT("localdomain"), PRIVATE},
			},
		['m' - 'a'] =
			{
				{UE_SLICE_INIT("mil"), STRONG},
				{UE_SLICE_INIT("mx"), STRONG},
				{UE_SLICE_INIT("me"), WEAK},
				{UE_SLICE_INIT("my"), WEAK},
			},
		['n' - 'a'] =
			{
				{UE_SLICE_INIT("net"), STRONG},
				{UE_SLICE_INIT("nl"), STRONG},
				{UE_SLICE_INIT("nz"), STRONG},
				{UE_SLICE_INIT("ng"), STRONG},
				{UE_SLICE_INIT("no"), WEAK},
				{UE_SLICE_INIT("name"), WEAK},
				{UE_SLICE_INIT("network"), WEAK},
			},
		['o' - 'a'] =
			{
				{UE_SLICE_INIT("org"), STRONG},
				{UE_SLICE_INIT("online"), STRONG},
				{UE_SLICE_INIT("one"), WEAK},
			},
		['p' - 'a'] =
			{
				{UE_SLICE_INIT("pt"), STRONG},
				{UE_SLICE_INIT("pk"), STRONG},
				{UE_SLICE_INIT("pl"), WEAK},
				{UE_SLICE_INIT("ph"), WEAK},
				{UE_SLICE_INIT("pro"), WEAK},
				{UE_SLICE_INIT("page"), WEAK},
				{UE_SLICE_INIT("plus"), WEAK},
			},
		['r' - 'a'] =
			{
				{UE_SLICE_INIT("ru"), STRONG},
				{UE_SLICE_INIT("ro"), STRONG},
				{UE_SLICE_INIT("run"), WEAK},
			},
		['s' - 'a'] =
			{
				{UE_SLICE_INIT("site"), STRONG},
				{UE_SLICE_INIT("store"), STRONG},
				{UE_SLICE_INIT("shop"), STRONG},
				{UE_SLICE_INIT("sg"), STRONG},
				{UE_SLICE_INIT("se"), STRONG},
				{UE_SLICE_INIT("sk"), STRONG},
				{UE_SLICE_INIT("so"), WEAK},
				{UE_SLICE_INIT("sh"), WEAK},
				{UE_SLICE_INIT("space"), WEAK},
				{UE_SLICE_INIT("services"), WEAK},
				{UE_SLICE_INIT("systems"), WEAK},
				{UE_SLICE_INIT("svc"), PRIVATE},
			},
		['t' - 'a'] =
			{
				{UE_SLICE_INIT("tech"), STRONG},
				{UE_SLICE_INIT("top"), STRONG},
				{UE_SLICE_INIT("tv"), STRONG},
				{UE_SLICE_INIT("tw"), STRONG},
				{UE_SLICE_INIT("tr"), STRONG},
				{UE_SLICE_INIT("th"), STRONG},
				{UE_SLICE_INIT("to"), WEAK},
				{UE_SLICE_INIT("tools"), WEAK},
				{UE_SLICE_INIT("team"), WEAK},
				{UE_SLICE_INIT("test"), PRIVATE},
			},
		['u' - 'a'] =
			{
				{UE_SLICE_INIT("uk"), STRONG},
				{UE_SLICE_INIT("ua"), STRONG},
				{UE_SLICE_INIT("us"), WEAK},
			},
		['v' - 'a'] =
			{
				{UE_SLICE_INIT("vip"), STRONG},
				{UE_SLICE_INIT("vn"), STRONG},
			},
		['w' - 'a'] =
			{
				{UE_SLICE_INIT("world"), WEAK},
				{UE_SLICE_INIT("work"), WEAK},
			},
		['x' - 'a'] =
			{
				{UE_SLICE_INIT("xyz"), STRONG},
			},
		['z' - 'a'] =
			{
				{UE_SLICE_INIT("za"), STRONG},
				{UE_SLICE_INIT("zone"), WEAK},
			},
};

const UeMaskTld *
ue_mask_find_tld(UeSlice label)
{
	const UeMaskTld *row;
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
