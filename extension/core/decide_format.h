/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide_format.h: whether what came is already what the client's SDK expects.
 */
#ifndef UE_CORE_DECIDE_FORMAT_H
#define UE_CORE_DECIDE_FORMAT_H

#include "core/fault.h"
#include "core/json.h"

/* Whether type and code words of the dialect are at home in that format. */
extern bool ue_decide_is_own_dialect(UeFormat format, UeDialect dialect);

/* Whether a client that asks for this path is an SDK of AWS: Bedrock's "/model/ID/converse". */
extern bool ue_decide_is_aws_route(UeSlice route);

/*
 * Whether root, an object, is a whole error object of the format, such as its vendor's own
 * server could have sent with that status, and says the fault's message.
 */
extern bool ue_decide_is_of_format(UeFormat format, const UeFault *fault,
								   const UeJson *root, int status);

#endif
