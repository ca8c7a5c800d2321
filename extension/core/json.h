/* SPDX-License-Identifier: PostgreSQL */
/*
 * json.h: a JSON document as a tree of nodes over its own text, even when it is cut off.
 *
 * Upstream bodies are truncated, wrapped in arrays, and hold JSON in strings.  So the
 * reader keeps all it has read when the text ends early: open objects and strings are
 * closed where they are and marked cut.  Lone surrogates and raw control characters in
 * strings, which real servers send, are accepted; lone surrogates decode to U+FFFD.
 *
 * Nodes live in the arena and point into the input, which must live as long.
 */
#ifndef UE_CORE_JSON_H
#define UE_CORE_JSON_H

#include "core/arena.h"

typedef enum UeJsonType
{
	UE_JSON_NULL = 0,
	UE_JSON_FALSE,
	UE_JSON_TRUE,
	UE_JSON_NUMBER,
	UE_JSON_STRING,
	UE_JSON_ARRAY,
	UE_JSON_OBJECT,
} UeJsonType;

typedef struct UeJson UeJson;
struct UeJson
{
	UeJsonType type;
	bool is_cut;        /* the text ended inside this value */
	UeSlice key;        /* decoded name, in an object; else empty */
	UeSlice text;       /* STRING: decoded, UTF-8 as sent; NUMBER: as written; else empty */
	UeSlice raw;        /* the value as written, with quotes and brackets */
	const UeJson *child; /* first member or element */
	const UeJson *next;  /* next sibling */
};

/*
 * Parses one value, blanks around it allowed.
 *
 * UE_OK: *root is the document; root->is_cut says that the text ended early.
 * UE_MALFORMED: a byte that no JSON text has at that place (also trailing bytes after the
 * value, and empty or blank text).  UE_TOO_DEEP, UE_TOO_LARGE (nodes), UE_NO_MEMORY.
 */
extern UeStatus ue_json_parse(UeArena *arena, UeSlice text, const UeJson **root)
	UE_MUST_CHECK;

/* First member with that name, exact case; NULL when node is NULL, not an object, or has
 * none.  The fold form ignores ASCII case (Go servers answer so). */
extern const UeJson *ue_json_find(const UeJson *node, UeSlice key);
extern const UeJson *ue_json_find_fold(const UeJson *node, UeSlice key);

/* Steps down members by name, "response.error"; NULL as soon as one is missing. */
extern const UeJson *ue_json_find_path(const UeJson *node, UeSlice dotted_path);

/* The text of a STRING or NUMBER node; empty for everything else and for NULL. */
extern UeSlice ue_json_text(const UeJson *node);

/* A NUMBER, or a STRING that holds one, as a double; false otherwise. */
extern bool ue_json_read_number(const UeJson *node, double *out);

#endif
