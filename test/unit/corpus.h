/* SPDX-License-Identifier: PostgreSQL */
/*
 * corpus.h: the folders of test/bodies as cases, and verdicts as the texts kept there.
 *
 * test/bodies/README.md describes the files.  Whatever cannot be read ends the program
 * with a message: a test without its case proves nothing.
 */
#ifndef UE_TEST_CORPUS_H
#define UE_TEST_CORPUS_H

#include "core/decide.h"

#define CORPUS_FORMATS 4

/* Every case is decided with this request id and at this time, 2026-11-21T00:00:00Z. */
#define CORPUS_REQUEST_ID "req_corpus"
#define CORPUS_NOW_MS	  1795219200000LL

/* A file's bytes; ptr is owned and ends in a NUL that len does not count. */
typedef struct CorpusText
{
	char *ptr;
	size_t len;
} CorpusText;

typedef struct CorpusCase
{
	char *path;			 /* the folder, owned */
	char *name;			 /* its last part, in path */
	UeCase kase;		 /* slices into the texts below; format is the caller's to set */
	CorpusText settings; /* file "case" */
	CorpusText headers;
	CorpusText body;
	CorpusText secrets; /* lines that may appear nowhere; empty when there are none */
	UeHeader header_list[UE_LIMIT_HEADERS];
} CorpusCase;

typedef struct Corpus
{
	CorpusCase *cases; /* sorted by name */
	size_t n_cases;
} Corpus;

extern Corpus corpus_read(const char *directory);
extern void corpus_free(Corpus *corpus);

/* The value of a line of the file "case"; false when it has no such line. */
extern bool corpus_find_setting(const CorpusCase *one, UeSlice name, UeSlice *value);

/* What the files "fault" and "answer.<format>" hold; the caller frees ptr. */
extern CorpusText corpus_print_fault(const UeVerdict *verdict);
extern CorpusText corpus_print_answer(const UeRendered *answer);

/* File name of a format: "answer.openai". */
extern const char *corpus_answer_name(UeFormat format);

/* A file of a case; an absent one is empty. */
extern CorpusText corpus_read_file(const CorpusCase *one, const char *name);
extern void corpus_write_file(const CorpusCase *one, const char *name, CorpusText text);

/* malloc, counted: the block numbered fail_at (from 0) and all after it are refused. */
typedef struct CountedMemory
{
	size_t n_blocks; /* asked for */
	size_t n_live;
	size_t fail_at; /* SIZE_MAX: never */
	UeAllocator allocator;
} CountedMemory;

extern void counted_memory_init(CountedMemory *memory, size_t fail_at);

#endif
