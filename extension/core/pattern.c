/* SPDX-License-Identifier: PostgreSQL */
/*
 * pattern.c: PCRE2 within limits, for patterns that operators wrote and texts that anybody
 * may have sent.
 *
 * PCRE2's own limits do not bound time: its match limit begins anew at every character of
 * the text, and does not see what one item walks over.  "\w+@" on 64 KiB of letters costs
 * seconds and never meets it.  So every pattern is compiled with automatic callouts, one
 * before each of its items, and a callout charges steps: some for itself, one for each
 * byte that has been walked since the last, and what its item may walk in vain before it
 * fails (a repeat's minimum, a back reference, a lookbehind).  When the steps of a match
 * are used up it is given up.  Steps depend on pattern and text alone, not on a clock.
 * A callout costs about 5 ns under the JIT, and most patterns are ruled out by PCRE2's
 * search for a necessary character before the first one.
 *
 * The JIT uses 32 KiB of the machine's stack and no other; what does not fit there is
 * matched again by the interpreter, whose frames are on the heap, with the steps that are
 * left.  So is everything where the system forbids executable memory.
 */
#include "core/pattern.h"

#include <stddef.h>
#include <string.h>

#include "core/limits.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* In steps; measured against a character of "\w+" under the JIT. */
#define CALLOUT_STEPS 6

/* What an item walks in vain is walked by the fastest loops. */
#define VAIN_BYTES_PER_STEP 8

/* PCRE2's number for the callouts that it puts in by itself. */
#define AUTOMATIC_CALLOUT 255

/* Contexts of one match: three small structs and two pairs of offsets. */
#define CONTEXT_SIZE 1024

#define ALIGNMENT _Alignof(max_align_t)

/* What a pattern holds, so that a ceiling can be kept. */
typedef struct PatternMemory
{
	UeAllocator allocator;
	size_t held;	 /* bytes */
	bool is_refused; /* the ceiling was reached */
} PatternMemory;

/* In front of each block of it, so that freeing knows the size. */
typedef struct BlockHead
{
	_Alignas(max_align_t) size_t size;
} BlockHead;

struct UePattern
{
	PatternMemory memory;
	pcre2_code *code;
	uint32_t vain_steps; /* that a callout charges beside its own */
	bool has_back_reference;
	bool is_empty_match;
};

/* Memory of one match: first what lies on the stack, then the allocator's. */
typedef struct MatchMemory
{
	const UeAllocator *allocator;
	size_t used;
	_Alignas(max_align_t) char bytes[CONTEXT_SIZE];
} MatchMemory;

typedef struct MatchBudget
{
	const UePattern *pattern;
	size_t place; /* of the last callout */
	size_t steps; /* left */
} MatchBudget;

static UeStatus compile_text(UePattern *pattern, UeSlice text, bool is_fold,
							 UePatternError *error);
static pcre2_code *compile_code(PatternMemory *memory, UeSlice text, bool is_fold,
								int *code, size_t *offset);
static UeStatus check_code(UePattern *pattern, UeSlice text, UePatternError *error);
static UeStatus refuse(UePatternError *error, size_t offset, const char *why);
static bool has_leading_setting(UeSlice text);
static size_t find_longest_repeat(UeSlice text);
static void *allocate_held(size_t size, void *data);
static void release_held(void *block, void *data);
static void *allocate_scratch(size_t size, void *data);
static void release_scratch(void *block, void *data);
static int find_callout(pcre2_callout_enumerate_block *block, void *data);
static int charge_callout(pcre2_callout_block *block, void *data);
static UeStatus read_result(int code, pcre2_match_data *match, UeSlice text,
							size_t offset, UePatternResult *result, UePatternSpan *span);

UeStatus
ue_pattern_compile(const UeAllocator *allocator, UeSlice text, bool is_fold,
				   UePattern **out, UePatternError *error)
{
	UePattern *pattern;
	UeStatus status;

	if (text.len > UE_LIMIT_PATTERN)
		return refuse(error, UE_LIMIT_PATTERN, "a pattern has at most 4096 bytes");
	if (has_leading_setting(text))
		return refuse(error, 0, "settings such as (*UCP) at the start are not allowed");
	pattern = allocator->allocate(allocator->context, sizeof(UePattern));
	if (pattern == NULL)
		return UE_NO_MEMORY;
	*pattern = (UePattern){.memory = {*allocator, sizeof(UePattern), false}};
	status = compile_text(pattern, text, is_fold, error);
	if (status != UE_OK)
	{
		ue_pattern_free(pattern);
		return status;
	}
	*out = pattern;
	return UE_OK;
}

void
ue_pattern_free(UePattern *pattern)
{
	UeAllocator allocator;

	if (pattern == NULL)
		return;
	allocator = pattern->memory.allocator;
	pcre2_code_free(pattern->code);
	allocator.release(allocator.context, pattern);
}

bool
ue_pattern_is_empty_match(const UePattern *pattern)
{
	return pattern->is_empty_match;
}

size_t
ue_pattern_size(const UePattern *pattern)
{
	return pattern->memory.held;
}

UeStatus
ue_pattern_find(const UePattern *pattern, UeArena *arena, UeSlice text, size_t offset,
				UePatternResult *result, UePatternSpan *span)
{
	size_t steps = UE_LIMIT_PATTERN_STEPS;

	return ue_pattern_find_next(pattern, arena, text, offset, &steps, result, span);
}

UeStatus
ue_pattern_find_next(const UePattern *pattern, UeArena *arena, UeSlice text,
					 size_t offset, size_t *steps, UePatternResult *result,
					 UePatternSpan *span)
{
	MatchMemory memory = {.allocator = arena->allocator};
	MatchBudget budget = {pattern, offset, *steps};
	PCRE2_SPTR subject = (PCRE2_SPTR) (text.len == 0 ? "" : text.ptr);
	pcre2_general_context *general =
		pcre2_general_context_create(allocate_scratch, release_scratch, &memory);
	pcre2_match_context *context = NULL;
	pcre2_match_data *match = NULL;
	UeStatus status = UE_NO_MEMORY;
	int code;

	if (general != NULL)
		context = pcre2_match_context_create(general);
	if (context != NULL)
		match = pcre2_match_data_create(2, general);
	if (match == NULL)
		goto done;
	/* cannot fail */
	(void) pcre2_set_callout(context, charge_callout, &budget);
	(void) pcre2_set_match_limit(context, UE_LIMIT_PATTERN_STEPS);
	(void) pcre2_set_depth_limit(context, UE_LIMIT_PATTERN_STEPS);
	(void) pcre2_set_heap_limit(context, UE_LIMIT_PATTERN_HEAP / 1024);
	code = pcre2_match(pattern->code, subject, text.len, offset, PCRE2_NO_UTF_CHECK,
					   match, context);
	if (code == PCRE2_ERROR_JIT_STACKLIMIT)
		code = pcre2_match(pattern->code, subject, text.len, offset,
						   PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, context);
	*steps = budget.steps;
	status = read_result(code, match, text, offset, result, span);

done:
	pcre2_match_data_free(match);
	pcre2_match_context_free(context);
	pcre2_general_context_free(general);
	return status;
}

static UeStatus
compile_text(UePattern *pattern, UeSlice text, bool is_fold, UePatternError *error)
{
	char why[sizeof(error->text)];
	size_t offset = 0;
	int code = 0;
	UeStatus status;

	pattern->code = compile_code(&pattern->memory, text, is_fold, &code, &offset);
	if (pattern->code == NULL)
	{
		if (pattern->memory.is_refused)
			return refuse(error, 0, "the pattern needs too much memory");
		if (code == PCRE2_ERROR_HEAP_FAILED)
			return UE_NO_MEMORY;
		if (pcre2_get_error_message(code, (PCRE2_UCHAR *) why, sizeof(why)) < 0)
			why[0] = '\0';
		return refuse(error, offset, why);
	}
	status = check_code(pattern, text, error);
	if (status != UE_OK)
		return status;
	/* without it the interpreter does the same, slower: no memory that may be executed */
	(void) pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
	return UE_OK;
}

/* NULL with PCRE2's error code; also when there was no memory for a context. */
static pcre2_code *
compile_code(PatternMemory *memory, UeSlice text, bool is_fold, int *code, size_t *offset)
{
	PCRE2_SPTR bytes = (PCRE2_SPTR) (text.len == 0 ? "" : text.ptr);
	uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C |
					   PCRE2_AUTO_CALLOUT | (is_fold ? PCRE2_CASELESS : 0);
	pcre2_general_context *general =
		pcre2_general_context_create(allocate_held, release_held, memory);
	pcre2_compile_context *context = NULL;
	pcre2_code *result = NULL;

	*code = PCRE2_ERROR_HEAP_FAILED;
	if (general != NULL)
		context = pcre2_compile_context_create(general);
	if (context == NULL)
		goto done;
	/* what the library was built with must not matter; none of these can fail */
	(void) pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	(void) pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
	(void) pcre2_set_parens_nest_limit(context, UE_LIMIT_PATTERN_NESTING);
	result = pcre2_compile(bytes, text.len, options, code, offset, context);

done:
	pcre2_compile_context_free(context);
	pcre2_general_context_free(general);
	return result;
}

/* What PCRE2 accepts and we do not; and what a match must know of the pattern. */
static UeStatus
check_code(UePattern *pattern, UeSlice text, UePatternError *error)
{
	uint32_t n_groups = 0;
	uint32_t lookbehind = 0;
	uint32_t back_reference = 0;
	uint32_t is_empty = 0;
	size_t place;

	/* these cannot fail: the code is one, and so are the questions */
	(void) pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &n_groups);
	(void) pcre2_pattern_info(pattern->code, PCRE2_INFO_MAXLOOKBEHIND, &lookbehind);
	(void) pcre2_pattern_info(pattern->code, PCRE2_INFO_BACKREFMAX, &back_reference);
	(void) pcre2_pattern_info(pattern->code, PCRE2_INFO_MATCHEMPTY, &is_empty);
	if (pcre2_callout_enumerate(pattern->code, find_callout, &place) != 0)
		return refuse(error, place, "callouts are not allowed");
	if (n_groups > UE_LIMIT_PATTERN_GROUPS)
		return refuse(error, 0, "a pattern has at most 255 groups that capture");
	if (lookbehind > UE_LIMIT_PATTERN_LOOKBEHIND)
		return refuse(error, 0, "a lookbehind looks at most 255 characters back");
	pattern->vain_steps =
		(uint32_t) ((find_longest_repeat(text) + lookbehind) / VAIN_BYTES_PER_STEP);
	pattern->has_back_reference = back_reference > 0;
	pattern->is_empty_match = is_empty != 0;
	return UE_OK;
}

static UeStatus
refuse(UePatternError *error, size_t offset, const char *why)
{
	size_t len = strlen(why);

	if (error == NULL)
		return UE_INVALID_ARGUMENT;
	if (len >= sizeof(error->text))
		len = sizeof(error->text) - 1;
	memcpy(error->text, why, len);
	error->text[len] = '\0';
	error->offset = offset;
	return UE_INVALID_ARGUMENT;
}

/* "(*UTF)", "(*LIMIT_MATCH=1)", also a verb, which could do nothing there but harm. */
static bool
has_leading_setting(UeSlice text)
{
	return ue_slice_has_prefix(text, UE_SLICE("(*")) && text.len > 2 &&
		   text.ptr[2] >= 'A' && text.ptr[2] <= 'Z';
}

/* The largest number behind a "{" or its comma, whether that is a repeat or not. */
static size_t
find_longest_repeat(UeSlice text)
{
	size_t longest = 0;
	bool is_inside = false;
	size_t value = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if (is_inside && byte >= '0' && byte <= '9' && value < UE_LIMIT_BODY)
			value = 10 * value + (size_t) (byte - '0');
		else
		{
			is_inside = byte == '{' || (is_inside && byte == ',');
			value = 0;
		}
		if (value > longest)
			longest = value;
	}
	return longest;
}

static void *
allocate_held(size_t size, void *data)
{
	PatternMemory *memory = data;
	BlockHead *head;

	if (size > UE_LIMIT_PATTERN_MEMORY ||
		memory->held + size + sizeof(BlockHead) > UE_LIMIT_PATTERN_MEMORY)
	{
		memory->is_refused = true;
		return NULL;
	}
	head =
		memory->allocator.allocate(memory->allocator.context, sizeof(BlockHead) + size);
	if (head == NULL)
		return NULL;
	head->size = sizeof(BlockHead) + size;
	memory->held += head->size;
	return head + 1;
}

static void
release_held(void *block, void *data)
{
	PatternMemory *memory = data;
	BlockHead *head = block;

	if (head == NULL)
		return;
	head--;
	memory->held -= head->size;
	memory->allocator.release(memory->allocator.context, head);
}

/* The contexts come first and fit; the interpreter's frames do not, and PCRE2 limits them. */
static void *
allocate_scratch(size_t size, void *data)
{
	MatchMemory *memory = data;
	size_t room = sizeof(memory->bytes) - memory->used;
	void *block = memory->bytes + memory->used;

	if (size > room)
		return memory->allocator->allocate(memory->allocator->context, size);
	size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	memory->used += size < room ? size : room;
	return block;
}

static void
release_scratch(void *block, void *data)
{
	MatchMemory *memory = data;
	uintptr_t place = (uintptr_t) block;
	uintptr_t first = (uintptr_t) memory->bytes;

	if (place < first || place >= first + sizeof(memory->bytes))
		memory->allocator->release(memory->allocator->context, block);
}

static int
find_callout(pcre2_callout_enumerate_block *block, void *data)
{
	size_t *place = data;

	if (block->callout_string == NULL && block->callout_number == AUTOMATIC_CALLOUT)
		return 0;
	*place = block->pattern_position;
	return 1;
}

/* What a back reference may compare: the longest group, or what is left of the text. */
static size_t
find_longest_group(const pcre2_callout_block *block)
{
	size_t rest = block->subject_length - block->current_position;
	size_t longest = 0;

	for (uint32_t i = 1; i < block->capture_top; i++)
	{
		size_t start = block->offset_vector[2 * i];
		size_t end = block->offset_vector[2 * i + 1];

		if (start != PCRE2_UNSET && end > start && end - start > longest)
			longest = end - start;
	}
	return longest < rest ? longest : rest;
}

/* Not 0: the match is given up with this result. */
static int
charge_callout(pcre2_callout_block *block, void *data)
{
	MatchBudget *budget = data;
	size_t place = block->current_position;
	size_t steps = CALLOUT_STEPS + budget->pattern->vain_steps;

	steps += place > budget->place ? place - budget->place : budget->place - place;
	if (budget->pattern->has_back_reference)
		steps += block->capture_top + find_longest_group(block);
	budget->place = place;
	if (steps > budget->steps)
		return PCRE2_ERROR_CALLOUT;
	budget->steps -= steps;
	return 0;
}

static UeStatus
read_result(int code, pcre2_match_data *match, UeSlice text, size_t offset,
			UePatternResult *result, UePatternSpan *span)
{
	const size_t *pairs;
	size_t start;

	if (code == PCRE2_ERROR_NOMEMORY)
		return UE_NO_MEMORY;
	if (code < 0)
	{
		/* limits of steps, memory, depth; a recursion that would not end */
		*result = code == PCRE2_ERROR_NOMATCH ? UE_PATTERN_MISS : UE_PATTERN_LIMIT;
		return UE_OK;
	}
	pairs = pcre2_get_ovector_pointer(match);
	/* a \K that a lookaround calls may put the start anywhere */
	start = pairs[0] < offset ? offset : pairs[0];
	*result = UE_PATTERN_HIT;
	span->end = pairs[1] < offset ? offset : pairs[1];
	span->start = start < span->end ? start : span->end;
	/* code is the number of groups plus one; 0: there are more than the pair asked for */
	span->group_start = code == 1 ? SIZE_MAX : pairs[2];
	span->group_end = code == 1 ? SIZE_MAX : pairs[3];
	if (span->group_start > span->group_end || span->group_end > text.len)
	{
		span->group_start = SIZE_MAX;
		span->group_end = SIZE_MAX;
	}
	return UE_OK;
}
