/* SPDX-License-Identifier: PostgreSQL */
/*
 * match_build.c: from keywords to the automaton that match.c explains.
 *
 * The folded keywords are sorted, so that a state of the trie is an interval of them that
 * agree in their first bytes, and its children are the parts of that interval.  Level by
 * level this gives the states in their final order, with no other trie beside.  Then, in
 * the same order, failures, outputs and rows, each from states that came before.
 *
 * Scratch memory is an arena of its own, given back at the end.
 */
#include <string.h>

#include "core/buf.h"
#include "core/fold.h"
#include "core/match_table.h"
#include "core/utf8.h"

/* Also what fits a cell beside its bits, with rows to spare. */
#define MOST_STATES (4 * 1024 * 1024)

/*
 * What rows may take, and always at least.  test/bench/bench_match.c with 2 to 36 bytes per
 * state shows no difference beyond the noise: scans stay near the root.  Texts of random
 * letters, which go deeper, cost a tenth more with 2 than with 4, and half more with 1.
 */
#define ROW_BYTES_PER_STATE 2
#define FEWEST_ROW_BYTES	65536

typedef struct Keyword
{
	const char *ptr; /* folded, in the scratch arena */
	uint32_t len;
	uint32_t id;
} Keyword;

/* Keywords [low, high) of the sorted ones agree so far. */
typedef struct Interval
{
	uint32_t low;
	uint32_t high;
} Interval;

typedef struct Builder
{
	UeArena *arena;	 /* the result's */
	UeArena scratch; /* owned */
	UeMatcher *matcher;
	Keyword *keywords; /* sorted */
	size_t n_keywords;
	Interval *level; /* of the level's states; n_keywords is enough */
	Interval *next_level;

	/* the parts of the result while they are written */
	uint32_t *rows;
	uint8_t *labels;
	uint64_t *outputs;
	uint32_t *children; /* in scratch, until they are made small; so are failures */
	uint32_t *failures;
	UeMatchGroup *groups; /* breadth first, in scratch */
	uint32_t *states;	  /* by such a group: its state */
	uint32_t *nearest;	  /* by state: such a group, or UE_MATCH_NONE */
} Builder;

static UeStatus build_matcher(Builder *builder, const UeSlice *keywords);
static UeStatus read_keywords(Builder *builder, const UeSlice *keywords);
static UeStatus read_keyword(Builder *builder, UeSlice text, Keyword *out);
static UeStatus apply_order(Builder *builder);
static UeStatus measure(Builder *builder);
static void build_classes(Builder *builder, const bool *is_used);
static void *allocate(Builder *builder, size_t n, size_t size);
static UeStatus allocate_parts(Builder *builder);
static void build_trie(Builder *builder);
static uint32_t append_children(Builder *builder, uint32_t state, Interval interval,
								uint32_t depth, uint32_t *n_states, size_t *n_next);
static void build_failures(Builder *builder);
static void build_row(Builder *builder, uint32_t state);
static UeStatus build_near(Builder *builder);
static UeStatus build_groups(Builder *builder);
static UeStatus build_outputs(Builder *builder, const uint32_t *number_of);

UeStatus
ue_matcher_build(UeArena *arena, const UeSlice *keywords, size_t n_keywords,
				 const UeMatcher **out)
{
	Builder builder = {.arena = arena, .n_keywords = n_keywords};
	UeStatus status;

	if (n_keywords > MOST_STATES)
		return UE_TOO_LARGE;
	ue_arena_init(&builder.scratch, arena->allocator, arena->ceiling);
	status = build_matcher(&builder, keywords);
	if (status == UE_NO_MEMORY &&
		(ue_arena_is_full(arena) || ue_arena_is_full(&builder.scratch)))
		status = UE_TOO_LARGE;
	ue_arena_free(&builder.scratch);
	if (status == UE_OK)
		*out = builder.matcher;
	return status;
}

static UeStatus
build_matcher(Builder *builder, const UeSlice *keywords)
{
	UeStatus status = read_keywords(builder, keywords);

	if (status == UE_OK)
		status = apply_order(builder);
	if (status == UE_OK)
		status = measure(builder);
	if (status == UE_OK)
		status = allocate_parts(builder);
	if (status != UE_OK)
		return status;
	build_trie(builder);
	build_failures(builder);
	status = build_near(builder);
	return status == UE_OK ? build_groups(builder) : status;
}

static UeStatus
read_keywords(Builder *builder, const UeSlice *keywords)
{
	builder->matcher = allocate(builder, 1, sizeof(UeMatcher));
	builder->keywords =
		ue_arena_allocate(&builder->scratch, builder->n_keywords * sizeof(Keyword));
	if (builder->matcher == NULL || builder->keywords == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < builder->n_keywords; i++)
	{
		UeStatus status = read_keyword(builder, keywords[i], &builder->keywords[i]);

		if (status != UE_OK)
			return status;
		builder->keywords[i].id = (uint32_t) i;
	}
	return UE_OK;
}

static UeStatus
read_keyword(Builder *builder, UeSlice text, Keyword *out)
{
	UeSlice folded;
	UeStatus status;

	if (text.len == 0 || !ue_utf8_is_valid(text))
		return UE_INVALID_ARGUMENT;
	if (text.len > MOST_STATES)
		return UE_TOO_LARGE;
	status = ue_fold_text(&builder->scratch, text, &folded);
	if (status != UE_OK)
		return status;
	out->ptr = folded.ptr;
	out->len = (uint32_t) folded.len;
	return UE_OK;
}

static int
compare_keywords(const Keyword *a, const Keyword *b)
{
	uint32_t len = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->ptr, b->ptr, len);

	if (order != 0)
		return order;
	return a->len < b->len ? -1 : a->len > b->len;
}

/* Merges two sorted runs that lie side by side in from; equal ones stay in their order. */
static void
apply_merge(const Keyword *from, Keyword *to, size_t low, size_t middle, size_t high)
{
	size_t left = low;
	size_t right = middle;

	for (size_t i = low; i < high; i++)
	{
		bool is_left =
			right == high ||
			(left < middle && compare_keywords(&from[left], &from[right]) <= 0);

		to[i] = is_left ? from[left++] : from[right++];
	}
}

/* Merge sort from below: qsort of libc may take memory that is not ours. */
static UeStatus
apply_order(Builder *builder)
{
	size_t n = builder->n_keywords;
	Keyword *from = builder->keywords;
	Keyword *to = ue_arena_allocate(&builder->scratch, n * sizeof(Keyword));

	if (to == NULL)
		return UE_NO_MEMORY;
	for (size_t width = 1; width < n; width *= 2)
	{
		Keyword *swap = from;

		for (size_t low = 0; low < n; low += 2 * width)
		{
			size_t middle = low + width < n ? low + width : n;
			size_t high = middle + width < n ? middle + width : n;

			apply_merge(from, to, low, middle, high);
		}
		from = to;
		to = swap;
	}
	builder->keywords = from;
	return UE_OK;
}

/* How many leading bytes two keywords share. */
static uint32_t
find_common(const Keyword *a, const Keyword *b)
{
	uint32_t n = 0;

	while (n < a->len && n < b->len && a->ptr[n] == b->ptr[n])
		n++;
	return n;
}

/* Numbers of states, groups and classes. */
static UeStatus
measure(Builder *builder)
{
	UeMatcher *matcher = builder->matcher;
	bool is_used[256] = {false};
	size_t n_states = 1;
	size_t n_bytes;

	matcher->n_groups = 0;
	for (size_t i = 0; i < builder->n_keywords; i++)
	{
		const Keyword *keyword = &builder->keywords[i];
		uint32_t n_common = i > 0 ? find_common(keyword - 1, keyword) : 0;

		matcher->n_groups += i == 0 || n_common < keyword->len;
		n_states += keyword->len - n_common;
		for (uint32_t n = n_common; n < keyword->len; n++)
			is_used[(unsigned char) keyword->ptr[n]] = true;
		if (n_states > MOST_STATES)
			return UE_TOO_LARGE;
	}
	build_classes(builder, is_used);
	matcher->n_states = (uint32_t) n_states;
	n_bytes = n_states * ROW_BYTES_PER_STATE;
	if (n_bytes < FEWEST_ROW_BYTES)
		n_bytes = FEWEST_ROW_BYTES;
	matcher->n_rows = (uint32_t) (n_bytes / (matcher->n_classes * sizeof(uint32_t)));
	if (matcher->n_rows > matcher->n_states)
		matcher->n_rows = matcher->n_states;
	return UE_OK;
}

static void
build_classes(Builder *builder, const bool *is_used)
{
	UeMatcher *matcher = builder->matcher;
	unsigned int n_classes = 1;

	/* UTF-8 has 243 bytes, so that no class is UE_MATCH_FOLD */
	for (size_t byte = 0; byte < 256; byte++)
		matcher->folded[byte] = is_used[byte] ? (uint8_t) n_classes++ : 0;
	for (size_t byte = 0; byte < 256; byte++)
	{
		if (byte >= 'A' && byte <= 'Z')
			matcher->classes[byte] = matcher->folded[byte + ('a' - 'A')];
		else if (ue_fold_is_plain((unsigned char) byte))
			matcher->classes[byte] = matcher->folded[byte];
		else
			matcher->classes[byte] = UE_MATCH_FOLD;
	}
	matcher->n_classes = n_classes;
}

/* n elements of the result, counted. */
static void *
allocate(Builder *builder, size_t n, size_t size)
{
	void *result = ue_arena_allocate_zero(builder->arena, n * size);

	if (result == NULL)
		return NULL;
	if (builder->matcher == NULL)
		((UeMatcher *) result)->size = n * size;
	else
		builder->matcher->size += n * size;
	return result;
}

static UeStatus
allocate_parts(Builder *builder)
{
	UeMatcher *matcher = builder->matcher;
	UeArena *scratch = &builder->scratch;
	size_t n_states = matcher->n_states;
	size_t n_keywords = builder->n_keywords;

	builder->rows = allocate(builder, (size_t) matcher->n_rows * matcher->n_classes,
							 sizeof(uint32_t));
	builder->labels = allocate(builder, n_states, sizeof(uint8_t));
	builder->outputs = allocate(builder, UE_MATCH_WORDS(n_states), sizeof(uint64_t));
	builder->children =
		ue_arena_allocate_zero(scratch, (n_states + 1) * sizeof(uint32_t));
	builder->failures = ue_arena_allocate_zero(scratch, n_states * sizeof(uint32_t));
	builder->level = ue_arena_allocate(scratch, (n_keywords + 1) * sizeof(Interval));
	builder->next_level = ue_arena_allocate(scratch, (n_keywords + 1) * sizeof(Interval));
	builder->groups =
		ue_arena_allocate(scratch, matcher->n_groups * sizeof(UeMatchGroup));
	builder->states = ue_arena_allocate(scratch, matcher->n_groups * sizeof(uint32_t));
	builder->nearest = ue_arena_allocate(scratch, n_states * sizeof(uint32_t));
	if (builder->rows == NULL || builder->children == NULL || builder->labels == NULL ||
		builder->failures == NULL || builder->outputs == NULL || builder->level == NULL ||
		builder->next_level == NULL || builder->groups == NULL ||
		builder->states == NULL || builder->nearest == NULL)
		return UE_NO_MEMORY;
	matcher->rows = builder->rows;
	matcher->children = builder->children;
	matcher->labels = builder->labels;
	matcher->failures = builder->failures;
	matcher->outputs = builder->outputs;
	return UE_OK;
}

/* States, children, labels and groups, level by level. */
static void
build_trie(Builder *builder)
{
	size_t n_level = 1;
	uint32_t state = 0;
	uint32_t n_states = 1;
	uint32_t n_groups = 0;

	builder->level[0] = (Interval){0, (uint32_t) builder->n_keywords};
	for (uint32_t depth = 0; n_level > 0; depth++)
	{
		Interval *swap = builder->level;
		size_t n_next = 0;

		for (size_t i = 0; i < n_level; i++)
		{
			Interval interval = builder->level[i];
			uint32_t n_ended =
				append_children(builder, state, interval, depth, &n_states, &n_next);

			if (n_ended > 0)
			{
				builder->groups[n_groups] =
					(UeMatchGroup){.first = interval.low, .n = n_ended, .len = depth};
				builder->states[n_groups++] = state;
			}
			state++;
		}
		builder->level = builder->next_level;
		builder->next_level = swap;
		n_level = n_next;
	}
	builder->children[state] = n_states;
}

/* Splits the state's interval; returns how many keywords end here, which come first. */
static uint32_t
append_children(Builder *builder, uint32_t state, Interval interval, uint32_t depth,
				uint32_t *n_states, size_t *n_next)
{
	const Keyword *keywords = builder->keywords;
	uint32_t low = interval.low;
	uint32_t n_ended;

	builder->children[state] = *n_states;
	while (low < interval.high && keywords[low].len == depth)
		low++;
	n_ended = low - interval.low;
	while (low < interval.high)
	{
		char byte = keywords[low].ptr[depth];
		uint32_t high = low + 1;

		while (high < interval.high && keywords[high].ptr[depth] == byte)
			high++;
		builder->labels[*n_states] = builder->matcher->folded[(unsigned char) byte];
		builder->next_level[*n_next] = (Interval){low, high};
		(*n_states)++;
		(*n_next)++;
		low = high;
	}
	return n_ended;
}

static uint32_t
find_state(const UeMatcher *matcher, uint32_t cell)
{
	uint32_t place = cell & UE_MATCH_PLACE;

	return (cell & UE_MATCH_DEEP) != 0 ? place : place / matcher->n_classes;
}

/* Failures, outputs, links and rows, breadth first. */
static void
build_failures(Builder *builder)
{
	UeMatcher *matcher = builder->matcher;
	uint32_t group = 0;

	builder->nearest[0] = UE_MATCH_NONE;
	for (uint32_t state = 0; state < matcher->n_states; state++)
	{
		uint32_t failure = builder->failures[state];
		uint32_t end = builder->children[state + 1];

		for (uint32_t child = builder->children[state]; child < end; child++)
		{
			unsigned int class = builder->labels[child];
			uint32_t next = 0;

			if (state > 0 && failure < matcher->n_rows)
				next = find_state(matcher,
								  builder->rows[failure * matcher->n_classes + class]);
			else if (state > 0)
				next = find_state(matcher, ue_match_find_next(matcher, failure, class));
			builder->failures[child] = next;
			builder->nearest[child] = builder->nearest[next];
			if (group < matcher->n_groups && builder->states[group] == child)
			{
				builder->groups[group].link = builder->nearest[next];
				builder->nearest[child] = group++;
			}
			if (builder->nearest[child] != UE_MATCH_NONE)
				builder->outputs[child / 64] |= UINT64_C(1) << (child % 64);
		}
		if (state < matcher->n_rows)
			build_row(builder, state);
	}
}

/* The row of the failure, which comes before, but for the state's own children. */
static void
build_row(Builder *builder, uint32_t state)
{
	const UeMatcher *matcher = builder->matcher;
	uint32_t *row = builder->rows + (size_t) state * matcher->n_classes;
	uint32_t failure = builder->failures[state];

	if (state > 0)
		memcpy(row, builder->rows + (size_t) failure * matcher->n_classes,
			   matcher->n_classes * sizeof(uint32_t));
	for (uint32_t child = builder->children[state]; child < builder->children[state + 1];
		 child++)
	{
		uint32_t cell =
			child < matcher->n_rows ? child * matcher->n_classes : child | UE_MATCH_DEEP;

		if (builder->nearest[child] != UE_MATCH_NONE)
			cell |= UE_MATCH_OUTPUT;
		row[builder->labels[child]] = cell;
	}
}

/* 32 bits to 16, less the state itself where is_relative; NULL in *near: they do not fit. */
static UeStatus
copy_near(Builder *builder, const uint32_t *numbers, size_t n, bool is_relative,
		  const uint16_t **near)
{
	uint16_t *copy;

	*near = NULL;
	for (size_t i = 0; i < n; i++)
		if (numbers[i] - (is_relative ? i : 0) > UINT16_MAX)
			return UE_OK;
	copy = allocate(builder, n, sizeof(uint16_t));
	if (copy == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < n; i++)
		copy[i] = (uint16_t) (numbers[i] - (is_relative ? i : 0));
	*near = copy;
	return UE_OK;
}

static UeStatus
copy_far(Builder *builder, const uint32_t *numbers, size_t n, const uint32_t **far)
{
	uint32_t *copy = allocate(builder, n, sizeof(uint32_t));

	if (copy == NULL)
		return UE_NO_MEMORY;
	memcpy(copy, numbers, n * sizeof(uint32_t));
	*far = copy;
	return UE_OK;
}

/* Children and failures out of scratch memory, as small as they can be. */
static UeStatus
build_near(Builder *builder)
{
	UeMatcher *matcher = builder->matcher;
	size_t n_states = matcher->n_states;
	UeStatus status;

	matcher->children = NULL;
	matcher->failures = NULL;
	status = copy_near(builder, builder->children, n_states + 1, true,
					   &matcher->near_children);
	if (status == UE_OK)
		status = copy_near(builder, builder->failures, n_states, false,
						   &matcher->near_failures);
	if (status == UE_OK && matcher->near_children == NULL)
		status = copy_far(builder, builder->children, n_states + 1, &matcher->children);
	if (status == UE_OK && matcher->near_failures == NULL)
		status = copy_far(builder, builder->failures, n_states, &matcher->failures);
	return status;
}

/*
 * Numbers the groups so that those which lead to one by links follow it: their count first,
 * from the longest keywords down, then places, from the shortest up.
 */
static UeStatus
build_groups(Builder *builder)
{
	UeMatcher *matcher = builder->matcher;
	uint32_t n_groups = matcher->n_groups;
	UeMatchGroup *groups = allocate(builder, n_groups, sizeof(UeMatchGroup));
	uint32_t *ids = allocate(builder, builder->n_keywords, sizeof(uint32_t));
	uint32_t *group_of = allocate(builder, builder->n_keywords, sizeof(uint32_t));
	uint32_t *number_of =
		ue_arena_allocate(&builder->scratch, n_groups * sizeof(uint32_t));
	uint32_t n_numbered = 0;

	if (groups == NULL || ids == NULL || group_of == NULL || number_of == NULL)
		return UE_NO_MEMORY;
	for (uint32_t i = 0; i < n_groups; i++)
		number_of[i] = 1;
	for (uint32_t i = n_groups; i-- > 0;)
	{
		if (builder->groups[i].link != UE_MATCH_NONE)
			number_of[builder->groups[i].link] += number_of[i];
	}
	for (uint32_t i = 0; i < n_groups; i++)
	{
		UeMatchGroup group = builder->groups[i];
		uint32_t n_members = number_of[i];
		uint32_t *next = &n_numbered;

		/* in builder->groups, len has been read by now and counts where the next goes */
		if (group.link != UE_MATCH_NONE)
			next = &builder->groups[group.link].len;
		number_of[i] = *next;
		*next += n_members;
		builder->groups[i].len = number_of[i] + 1;
		group.last = number_of[i] + n_members - 1;
		if (group.link != UE_MATCH_NONE)
			group.link = number_of[group.link];
		for (uint32_t n = group.first; n < group.first + group.n; n++)
		{
			ids[n] = builder->keywords[n].id;
			group_of[ids[n]] = number_of[i];
		}
		groups[number_of[i]] = group;
	}
	matcher->groups = groups;
	matcher->ids = ids;
	matcher->group_of = group_of;
	return build_outputs(builder, number_of);
}

/* The group of every state that has one, by the rank of its bit. */
static UeStatus
build_outputs(Builder *builder, const uint32_t *number_of)
{
	UeMatcher *matcher = builder->matcher;
	size_t n_words = UE_MATCH_WORDS(matcher->n_states);
	uint32_t *n_before = allocate(builder, n_words, sizeof(uint32_t));
	uint32_t n_outputs = 0;
	uint32_t *nearest;

	if (n_before == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < n_words; i++)
	{
		n_before[i] = n_outputs;
		n_outputs += (uint32_t) __builtin_popcountll(builder->outputs[i]);
	}
	nearest = allocate(builder, n_outputs, sizeof(uint32_t));
	if (nearest == NULL)
		return UE_NO_MEMORY;
	n_outputs = 0;
	for (uint32_t state = 0; state < matcher->n_states; state++)
	{
		if (builder->nearest[state] != UE_MATCH_NONE)
			nearest[n_outputs++] = number_of[builder->nearest[state]];
	}
	matcher->n_before = n_before;
	matcher->nearest = nearest;
	return UE_OK;
}
