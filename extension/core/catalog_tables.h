/* SPDX-License-Identifier: PostgreSQL */
/*
 * catalog_tables.h: the parts of the catalogue, for catalog.c alone.
 */
#ifndef UE_CORE_CATALOG_TABLES_H
#define UE_CORE_CATALOG_TABLES_H

#include "core/catalog.h"

extern const UeCode ue_catalog_class_codes[];
extern const size_t ue_catalog_n_class_codes;
extern const UeCode ue_catalog_upstream_codes[];
extern const size_t ue_catalog_n_upstream_codes;
extern const UeCode ue_catalog_gateway_codes[];
extern const size_t ue_catalog_n_gateway_codes;
extern const UeCode ue_catalog_local_codes[];
extern const size_t ue_catalog_n_local_codes;

/* One of SPEC 3.4's nine, as initialisers. */
#define PUBLIC_INVALID_REQUEST UE_SLICE_INIT("invalid_request")
#define PUBLIC_QUOTA		   UE_SLICE_INIT("insufficient_quota")
#define PUBLIC_ACCESS		   UE_SLICE_INIT("access_denied")
#define PUBLIC_MODEL		   UE_SLICE_INIT("model_not_found")
#define PUBLIC_RATE_LIMIT	   UE_SLICE_INIT("rate_limit_exceeded")
#define PUBLIC_INTERNAL		   UE_SLICE_INIT("internal_service_error")
#define PUBLIC_UPSTREAM		   UE_SLICE_INIT("upstream_service_error")
#define PUBLIC_DATABASE		   UE_SLICE_INIT("database_error")
#define PUBLIC_CHANNEL		   UE_SLICE_INIT("channel_error")

/* The four texts of a row: English and Chinese for clients, cause and remedy for operators. */
#define TEXTS(en, zh, why, what)                                                         \
	.message_en = UE_SLICE_INIT(en), .message_zh = UE_SLICE_INIT(zh),                    \
	.cause = UE_SLICE_INIT(why), .remedy = UE_SLICE_INIT(what)

#endif
