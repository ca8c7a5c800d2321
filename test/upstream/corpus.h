/* SPDX-License-Identifier: PostgreSQL */
/*
 * corpus.h: one case of test/bodies, as an upstream would send it.
 */
#ifndef UE_TEST_CORPUS_H
#define UE_TEST_CORPUS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct UeCorpusCase
{
	int status;
	char *headers; /* lines ended by "\r\n", without those that frame the body */
	char *body;
	size_t len;
} UeCorpusCase;

/* False: no such folder.  name must not leave the corpus. */
extern bool ue_corpus_read(const char *bodies, const char *name, UeCorpusCase *out);
extern void ue_corpus_free(UeCorpusCase *kase);

#endif
