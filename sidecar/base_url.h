/* SPDX-License-Identifier: PostgreSQL */
/*
 * base_url.h: what upstream.c sees of a base URL.  Everybody else takes it as opaque.
 */
#ifndef UE_BASE_URL_H
#define UE_BASE_URL_H

#include "upstream.h"

struct UeBaseUrl
{
	char *origin; /* "https://host:port/", owned */
	char *host;	  /* without port and brackets, owned */
	char *prefix; /* "" or "/path" without a slash at its end, owned */
	UeSlice
		version; /* the prefix's last segment when it is a version ("v1"), else empty */
	bool is_tls;
};

/* Bytes that ue_base_url_write_target needs for this target, the final NUL included. */
extern size_t ue_base_url_target_size(const UeBaseUrl *base, UeSlice target);

/* Prefix and target as one path, NUL-terminated.  A version that both of them have
 * ("…/v1" and "/v1/chat/completions") is written once: people configure either. */
extern void ue_base_url_write_target(const UeBaseUrl *base, UeSlice target, char *out);

#endif
