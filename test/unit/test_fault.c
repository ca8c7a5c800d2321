/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_fault.c: every enumerator has a name, and the name finds it again.
 */
#include <string.h>

#include "core/fault.h"
#include "tap.h"

static bool
is_known(const char *name)
{
	return name[0] != '\0' && strcmp(name, "unknown") != 0;
}

/* Both directions for one enum; its enumerators run from 0 to last. */
#define test_enum(Type, module, last)                                                    \
	do                                                                                   \
	{                                                                                    \
		for (int i = 0; i <= (int) (last); i++)                                          \
		{                                                                                \
			Type found = (Type) 99;                                                      \
			const char *name = ue_##module##_name((Type) i);                             \
			ok(is_known(name) && ue_##module##_find(ue_slice_of(name), &found) &&        \
				   (int) found == i,                                                     \
			   #module " %s is found", name);                                            \
		}                                                                                \
		ok(strcmp(ue_##module##_name((Type) ((int) (last) + 1)), "unknown") == 0,        \
		   #module ": the list is closed");                                              \
	} while (0)

#define test_names(Type, module, last)                                                   \
	do                                                                                   \
	{                                                                                    \
		for (int i = 0; i <= (int) (last); i++)                                          \
			ok(is_known(ue_##module##_name((Type) i)), #module " %s",                    \
			   ue_##module##_name((Type) i));                                            \
		ok(strcmp(ue_##module##_name((Type) ((int) (last) + 1)), "unknown") == 0,        \
		   #module ": the list is closed");                                              \
	} while (0)

int
main(void)
{
	UeClass class = UE_CLASS_STREAM;

	test_enum(UeKind, kind, UE_KIND_LOCAL_ERROR);
	test_enum(UeNetwork, network, UE_NETWORK_PROXY);
	test_enum(UeClass, class, UE_CLASS_INTERNAL);
	test_enum(UeFormat, format, UE_FORMAT_GEMINI);
	test_enum(UeCredential, credential, UE_CREDENTIAL_OURS);
	test_names(UePhase, phase, UE_PHASE_INTERNAL);
	test_names(UeOwner, owner, UE_OWNER_PLATFORM);
	test_names(UeSource, source, UE_SOURCE_CLIENT_REQUEST);
	test_names(UeSeverity, severity, UE_SEVERITY_P3);
	test_names(UeDialect, dialect, UE_DIALECT_TEXT);
	ok(!ue_class_find(UE_SLICE("Rate_Limit"), &class) && class == UE_CLASS_STREAM,
	   "names are exact; *out is left alone");
	ok(!ue_class_find(UE_SLICE(""), &class), "the empty text names nothing");
	return done_testing();
}
