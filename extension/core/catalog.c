/* SPDX-License-Identifier: PostgreSQL */
/*
 * catalog.c: the tables of error codes, looked at as one list.
 *
 * Four tables in this order: what an upstream's fault is called when nothing finer is
 * known (one row per class, catalog_class.c), what went wrong on the way to it
 * (catalog_upstream.c), what a gateway refuses its own clients (catalog_gateway.c), and what
 * we refuse or fail at ourselves (catalog_local.c).
 */
#include "core/catalog_tables.h"

#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

typedef struct CodeTable
{
	const UeCode *codes;
	const size_t *n_codes;
} CodeTable;

static const CodeTable tables[] = {
	{ue_catalog_class_codes, &ue_catalog_n_class_codes},
	{ue_catalog_upstream_codes, &ue_catalog_n_upstream_codes},
	{ue_catalog_gateway_codes, &ue_catalog_n_gateway_codes},
	{ue_catalog_local_codes, &ue_catalog_n_local_codes},
};

const char *
ue_visibility_name(UeVisibility visibility)
{
	switch (visibility)
	{
		case UE_VISIBILITY_SHOWN:
			return "shown";
		case UE_VISIBILITY_REPLACED:
			return "replaced";
		case UE_VISIBILITY_INTERNAL:
			return "internal";
	}
	return "internal";
}

size_t
ue_catalog_count(void)
{
	size_t n_codes = 0;

	for (size_t i = 0; i < N_TABLES; i++)
		n_codes += *tables[i].n_codes;
	return n_codes;
}

const UeCode *
ue_catalog_at(size_t index)
{
	for (size_t i = 0; i < N_TABLES; i++)
	{
		if (index < *tables[i].n_codes)
			return &tables[i].codes[index];
		index -= *tables[i].n_codes;
	}
	return NULL;
}

const UeCode *
ue_catalog_find(UeSlice name)
{
	for (size_t i = 0; i < N_TABLES; i++)
		for (size_t j = 0; j < *tables[i].n_codes; j++)
			if (ue_slice_is_equal(tables[i].codes[j].name, name))
				return &tables[i].codes[j];
	return NULL;
}

int
ue_catalog_retry_after(const UeCode *code)
{
	if (code->retry_after_s > 0)
		return code->retry_after_s;
	return ue_catalog_default(code->class)->retry_after_s;
}

const UeCode *
ue_catalog_default(UeClass class)
{
	for (size_t i = 0; i < ue_catalog_n_class_codes; i++)
		if (ue_catalog_class_codes[i].class == class)
			return &ue_catalog_class_codes[i];
	return &ue_catalog_class_codes
		[0]; /* not reached: every class has its row (test_catalog) */
}
