/* SPDX-License-Identifier: PostgreSQL */
/*
 * fingerprint_word.h: which words of a message are values.  For fingerprint.c alone.
 */
#ifndef UE_CORE_FINGERPRINT_WORD_H
#define UE_CORE_FINGERPRINT_WORD_H

#include "core/slice.h"

/* Length of the word that text begins with, a URL being one; 0 when it begins with none. */
extern size_t ue_fingerprint_find_word(UeSlice text);

/* messages.0.content.1: names joined by dots, some of them numbers, the first not. */
extern bool ue_fingerprint_is_path(UeSlice word);

/*
 * A number, time, duration, id, key, address, model name.  behind is the text that follows;
 * is_after_value: only what joins stands between the word and a value before it.
 */
extern bool ue_fingerprint_is_value(UeSlice word, UeSlice behind, bool is_after_value);

/* An ASCII letter or digit. */
extern bool ue_fingerprint_is_letter(char byte);

#endif
