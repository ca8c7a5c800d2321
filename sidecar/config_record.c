/* SPDX-License-Identifier: PostgreSQL */
/*
 * config_record.c: which failures become rows, and with which tags.
 */
#include "config_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"

/* What a set of statuses is read and written with. */
#define MEMORY (64 * 1024)

static const char count_tokens[] = "count_tokens";
static const char nothing[] = "none";

static bool apply_word(UeConfigExclude *exclude, UeSlice word, char *error,
					   size_t error_size);
static void append_word(char *out, size_t out_size, const char *word);
static bool is_header_name(const char *name, size_t len);
static bool is_tag_name(const char *name);

bool
ue_config_apply_statuses(UeStatuses *field, const char *text, char *error,
						 size_t error_size)
{
	UeArena arena;
	UeStatuses statuses;
	UeSlice bad = {"", 0};
	UeStatus status;

	ue_arena_init(&arena, &ue_heap_allocator, MEMORY);
	status = ue_statuses_parse(&arena, ue_slice_of(text), &statuses, &bad);
	if (status == UE_INVALID_ARGUMENT)
		snprintf(error, error_size,
				 "\"%.*s\" is not a set of statuses: accepted are %d to %d and ranges of "
				 "them, as in \"429,500-599\"",
				 (int) bad.len, bad.ptr, UE_STATUSES_MIN, UE_STATUSES_MAX);
	else if (status != UE_OK)
		snprintf(error, error_size, "%s", ue_status_name(status));
	else if (ue_statuses_is_empty(&statuses))
	{
		snprintf(error, error_size, "\"%s\" names no status", text);
		status = UE_INVALID_ARGUMENT;
	}
	else
		*field = statuses;
	ue_arena_free(&arena);
	return status == UE_OK;
}

bool
ue_config_write_statuses(const UeStatuses *statuses, char *out, size_t out_size)
{
	UeArena arena;
	UeBuf buf;
	UeSlice text;
	bool is_written;

	ue_arena_init(&arena, &ue_heap_allocator, MEMORY);
	ue_buf_init(&buf, &arena, MEMORY / 4);
	ue_statuses_append(&buf, statuses);
	is_written = ue_buf_finish(&buf, &text) == UE_OK;
	if (is_written)
		snprintf(out, out_size, "%.*s", (int) text.len, text.ptr);
	ue_arena_free(&arena);
	return is_written;
}

/* Words separated by commas or blanks. */
bool
ue_config_apply_exclude(UeConfigExclude *field, const char *text, char *error,
						size_t error_size)
{
	UeConfigExclude exclude = {0};
	int n_words = 0;

	while (*(text += strspn(text, ", \t\n")) != '\0')
	{
		UeSlice word = {text, strcspn(text, ", \t\n")};

		if (!apply_word(&exclude, word, error, error_size))
			return false;
		text += word.len;
		n_words++;
	}
	if (n_words == 0)
	{
		snprintf(error, error_size, "must not be empty; \"%s\" excludes nothing",
				 nothing);
		return false;
	}
	*field = exclude;
	return true;
}

/* A class may have the name of a kind; then it is both. */
static bool
apply_word(UeConfigExclude *exclude, UeSlice word, char *error, size_t error_size)
{
	bool is_kind = false;
	bool is_class = false;
	UeKind kind;
	UeClass class;

	if (ue_slice_is_equal(word, ue_slice_of(nothing)))
		return true;
	if (ue_slice_is_equal(word, ue_slice_of(count_tokens)))
	{
		exclude->is_counting = true;
		return true;
	}
	is_kind = ue_kind_find(word, &kind);
	is_class = ue_class_find(word, &class);
	if (is_kind)
		exclude->kinds |= UINT32_C(1) << kind;
	if (is_class)
		exclude->classes |= UINT32_C(1) << class;
	if (is_kind || is_class)
		return true;

	snprintf(error, error_size, "\"%.*s\" is not one of %s, %s", (int) word.len, word.ptr,
			 nothing, count_tokens);
	for (int i = 0; i <= UE_KIND_LOCAL_ERROR; i++)
		append_word(error, error_size, ue_kind_name((UeKind) i));
	for (int i = 0; i <= UE_CLASS_INTERNAL; i++)
	{
		if (!ue_kind_find(ue_slice_of(ue_class_name((UeClass) i)), &kind))
			append_word(error, error_size, ue_class_name((UeClass) i));
	}
	return false;
}

void
ue_config_write_exclude(const UeConfigExclude *exclude, char *out, size_t out_size)
{
	UeKind kind;

	out[0] = '\0';
	if (exclude->is_counting)
		append_word(out, out_size, count_tokens);
	for (int i = 0; i <= UE_KIND_LOCAL_ERROR; i++)
	{
		if (exclude->kinds & UINT32_C(1) << i)
			append_word(out, out_size, ue_kind_name((UeKind) i));
	}
	for (int i = 0; i <= UE_CLASS_INTERNAL; i++)
	{
		if (exclude->classes & UINT32_C(1) << i &&
			!ue_kind_find(ue_slice_of(ue_class_name((UeClass) i)), &kind))
			append_word(out, out_size, ue_class_name((UeClass) i));
	}
	if (out[0] == '\0')
		snprintf(out, out_size, "%s", nothing);
}

static void
append_word(char *out, size_t out_size, const char *word)
{
	size_t len = strlen(out);

	if (len + 1 < out_size)
		snprintf(out + len, out_size - len, "%s%s", len > 0 ? ", " : "", word);
}

bool
ue_config_add_tag(UeConfig *config, const char *header, size_t header_len,
				  const char *name, char *error, size_t error_size)
{
	UeConfigTag *tag = NULL;
	char *header_copy;
	char *name_copy;

	if (!is_header_name(header, header_len))
	{
		snprintf(error, error_size, "\"%.*s\" is not the name of a header",
				 (int) header_len, header);
		return false;
	}
	if (!is_tag_name(name))
	{
		snprintf(error, error_size,
				 "\"%s\" is not a tag's name: 1 to %d letters, digits, '-', '_' and '.'",
				 name, UE_CONFIG_TAG_NAME);
		return false;
	}
	for (size_t i = 0; i < config->n_tags; i++)
	{
		if (strcmp(config->tags[i].name, name) == 0)
			tag = &config->tags[i];
	}
	if (tag == NULL && config->n_tags == UE_CONFIG_TAGS)
	{
		snprintf(error, error_size, "there may be at most %d tags", UE_CONFIG_TAGS);
		return false;
	}
	header_copy = strndup(header, header_len);
	name_copy = strdup(name);
	if (header_copy == NULL || name_copy == NULL)
	{
		free(name_copy);
		free(header_copy);
		snprintf(error, error_size, "out of memory");
		return false;
	}
	for (char *at = header_copy; *at != '\0'; at++)
		*at = (char) tolower((unsigned char) *at);
	if (tag == NULL)
		tag = &config->tags[config->n_tags++];
	free(tag->header);
	free(tag->name);
	*tag = (UeConfigTag){.header = header_copy, .name = name_copy};
	return true;
}

/* RFC 9110 5.6.2: a token. */
static bool
is_header_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (!isalnum((unsigned char) name[i]) &&
			(name[i] == '\0' || strchr("!#$%&'*+-.^_`|~", name[i]) == NULL))
			return false;
	}
	return len > 0;
}

/* Fit for a member's name, and for a line "name: value". */
static bool
is_tag_name(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
	{
		if (!isalnum((unsigned char) name[i]) && strchr("-_.", name[i]) == NULL)
			return false;
	}
	return len > 0 && len <= UE_CONFIG_TAG_NAME;
}
