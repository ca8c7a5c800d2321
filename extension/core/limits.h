/* SPDX-License-Identifier: PostgreSQL */
/*
 * limits.h: every ceiling of the core, in one place, with its reason.
 */
#ifndef UE_CORE_LIMITS_H
#define UE_CORE_LIMITS_H

/* An error body is a few KB; what lies beyond 64 KiB is echoed input or HTML. */
#define UE_LIMIT_BODY 65536

/* Real error bodies nest below 10; the parser recurses, so the stack is bounded by this. */
#define UE_LIMIT_JSON_DEPTH 64

/* 64 KiB of "[0,0,…" would be 32k nodes of 80 bytes; real bodies have fewer than 300. */
#define UE_LIMIT_JSON_NODES 8192

/* SPEC 1.3: what a row keeps of the upstream's own words. */
#define UE_LIMIT_MESSAGE 2048
#define UE_LIMIT_DETAIL 8192
#define UE_LIMIT_TOKEN 128 /* type, code, param, request ids, model, names */

/* What a client gets: a rendered body never exceeds this; masking may lengthen text. */
#define UE_LIMIT_ANSWER (4 * UE_LIMIT_BODY)

/* Bytes that one case may take altogether, parse to render. */
#define UE_LIMIT_CASE_MEMORY (4 * 1024 * 1024)

/* Headers looked at per response; servers send fewer than 60. */
#define UE_LIMIT_HEADERS 256

/* Headers of our answer. */
#define UE_LIMIT_ANSWER_HEADERS 16

/* A JSON string holding JSON, holding JSON …: LiteLLM nests two deep. */
#define UE_LIMIT_NESTED_JSON 3

/* retry-after that we send on: the SDKs of OpenAI and Anthropic sleep at most 60 s. */
#define UE_LIMIT_RETRY_AFTER_S 60

/* The longest hint that is believed at all: Google's monthly quota is 31 days. */
#define UE_LIMIT_RETRY_AFTER_MS (31LL * 24 * 3600 * 1000)

/* A policy: rules, masks, messages of one operator, compiled.  1,000 rules of 3 keywords
 * are below 1 MiB; this is 50 times that. */
#define UE_LIMIT_POLICY_MEMORY ((size_t) 64 * 1024 * 1024)

/* A pattern: longer ones are lists, which keywords and several patterns are for. */
#define UE_LIMIT_PATTERN			4096
#define UE_LIMIT_PATTERN_NESTING	100 /* PCRE2 recurses by parenthesis when it compiles */
#define UE_LIMIT_PATTERN_LOOKBEHIND 255 /* characters; walked back at every start */

#define UE_LIMIT_PATTERN_GROUPS		255 /* that capture; copied at every step back */

/* While one is compiled; PCRE2 itself ends at 64 KiB of code, its JIT needs 20 times that
 * for a moment. */
#define UE_LIMIT_PATTERN_MEMORY ((size_t) 8 * 1024 * 1024)

/* What one match may cost, and all matches of a mask's pattern in an error body; see pattern.c
 * for what a step is.  Of 31 hostile patterns over 64 KiB the slowest took 15 ms, a recursion
 * that the JIT's stack is too small for, and 28 less than 10 ms.  A fuzzer may set it lower,
 * to try more texts in its time. */
#ifndef UE_LIMIT_PATTERN_STEPS
#define UE_LIMIT_PATTERN_STEPS (4 * 1024 * 1024)
#endif

/* Where the interpreter remembers where it may go back to. */
#define UE_LIMIT_PATTERN_HEAP ((size_t) 2 * 1024 * 1024)

/* Texts in one column of a rule or channel; sub2api's users list fewer than 100. */
#define UE_LIMIT_LIST 1000

/* Languages in which one code has an operator's message. */
#define UE_LIMIT_LANGUAGES 100

/* SPEC 1.3: a text column's ceiling that the mask works on at a time. */
#define UE_LIMIT_MASK (1024 * 1024 * 1024)

/* What a fingerprint looks at of a message, its values taken out: two sentences say which
 * fault it is; what follows is advice. */
#define UE_LIMIT_FINGERPRINT 512

/* A longer word is no word of a language, and a longer quotation no value but a text. */
#define UE_LIMIT_FINGERPRINT_WORD   64
#define UE_LIMIT_FINGERPRINT_QUOTED 256

#endif
