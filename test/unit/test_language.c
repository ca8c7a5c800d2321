/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_language.c: which of our languages an Accept-Language header asks for.
 */
#include "core/language.h"
#include "tap.h"

typedef struct Vector
{
	const char *header;
	UeLanguage language;
} Vector;

static const Vector vectors[] = {
	{"", UE_LANGUAGE_ENGLISH},
	{"zh", UE_LANGUAGE_CHINESE},
	{"zh-CN", UE_LANGUAGE_CHINESE},
	{"ZH-hans-SG", UE_LANGUAGE_CHINESE},
	{"zh-Hant-TW", UE_LANGUAGE_CHINESE},
	{"zha", UE_LANGUAGE_ENGLISH}, /* Zhuang */
	{"de", UE_LANGUAGE_ENGLISH},
	{"zh-CN,zh;q=0.9,en;q=0.8", UE_LANGUAGE_CHINESE},
	{"en-US,en;q=0.9,zh;q=0.8", UE_LANGUAGE_ENGLISH},
	{"en;q=0.8, zh;q=0.9", UE_LANGUAGE_CHINESE},
	{"en,zh", UE_LANGUAGE_ENGLISH},
	{"zh,en", UE_LANGUAGE_CHINESE},
	{"fr, zh;q=0.3", UE_LANGUAGE_CHINESE},
	{"zh;q=0", UE_LANGUAGE_ENGLISH},
	{"zh;q=0.001", UE_LANGUAGE_CHINESE},
	{"zh; q=0.5, *", UE_LANGUAGE_ENGLISH},
	{"*, zh", UE_LANGUAGE_ENGLISH},
	{"zh;q=1.5", UE_LANGUAGE_ENGLISH},
	{"zh;q=", UE_LANGUAGE_ENGLISH},
	{"zh;level=1;q=0.7, en;q=0.6", UE_LANGUAGE_CHINESE},
	{",,;;,zh", UE_LANGUAGE_CHINESE},
	{";q=1,zh;Q=0.2", UE_LANGUAGE_CHINESE},
};

int
main(void)
{
	char long_header[4096];
	size_t len = 0;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		ok(ue_language_parse(ue_slice_of(vectors[i].header)) == vectors[i].language,
		   "\"%s\" is answered in %s", vectors[i].header,
		   vectors[i].language == UE_LANGUAGE_CHINESE ? "Chinese" : "English");
	while (len < sizeof(long_header) - 4)
	{
		long_header[len++] = 'd';
		long_header[len++] = ',';
	}
	long_header[len++] = 'z';
	long_header[len++] = 'h';
	ok(ue_language_parse((UeSlice){long_header, len}) == UE_LANGUAGE_ENGLISH,
	   "a header that does not end is not read to its end");
	return done_testing();
}
