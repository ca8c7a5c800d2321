/* SPDX-License-Identifier: PostgreSQL */
/*
 * render_words.h: what each dialect calls a class.
 */
#ifndef UE_CORE_RENDER_WORDS_H
#define UE_CORE_RENDER_WORDS_H

#include "core/fault.h"

extern UeSlice ue_render_openai_type(UeClass class);
extern UeSlice ue_render_anthropic_type(UeClass class);

/* A name of google.rpc.Code. */
extern UeSlice ue_render_google_status(UeClass class, int status);

/* Of the exceptions of the Bedrock Runtime API reference, and of AWS's common errors. */
extern UeSlice ue_render_aws_exception(UeClass class);

#endif
