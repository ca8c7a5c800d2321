/* SPDX-License-Identifier: PostgreSQL */
/*
 * corpus_claims.h: what a careful reader expects of a case, beside what was recorded.
 *
 * The files "fault" and "answer.*" say what the core gives.  The lines class, class_also
 * and expect_* of the file "case" say what somebody who read the body, and not the parser,
 * holds to be right; test/bodies/README.md lists them.
 */
#ifndef UE_TEST_CORPUS_CLAIMS_H
#define UE_TEST_CORPUS_CLAIMS_H

#include "corpus.h"

/* Whether a line of that name is a claim. */
extern bool corpus_is_claim(UeSlice name);

/*
 * A line for each claim of the case that the verdict contradicts, empty when there is
 * none; the caller frees ptr.  *n_claims grows by the claims that were looked at.
 */
extern CorpusText corpus_find_contradictions(const CorpusCase *one,
											 const UeVerdict *verdict, size_t *n_claims);

#endif
