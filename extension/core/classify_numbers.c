/* SPDX-License-Identifier: PostgreSQL */
/*
 * classify_numbers.c: what the numbers mean that vendors use instead of words, and words
 * that mean another thing at one vendor.
 *
 * A number means something only among its vendor's: the vendor is known by the shape of
 * the body (parse_numbering.c) or is the channel's platform.  Numbers that say no more
 * than the HTTP status beside them are left out.  Each vendor's list is its documentation's
 * as of November 2026, named above its rows.
 */
#include "core/classify_tables.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

typedef struct NumberRow
{
	const char *vendor;
	UeWord word;
} NumberRow;

#define NUMBER(vendor, number, class, status)                                            \
	{                                                                                    \
		vendor,                                                                          \
		{                                                                                \
			UE_SLICE_INIT(number), UE_CLASS_##class, status, false, false                \
		}                                                                                \
	}
#define DAILY(vendor, number, class, status)                                             \
	{                                                                                    \
		vendor,                                                                          \
		{                                                                                \
			UE_SLICE_INIT(number), UE_CLASS_##class, status, false, true                 \
		}                                                                                \
	}

static const NumberRow numbers[] = {
	/* platform.minimax.io, "Error codes" */
	NUMBER("minimax", "1000", SERVER_ERROR, 500),
	NUMBER("minimax", "1001", TIMEOUT, 504),
	NUMBER("minimax", "1002", RATE_LIMIT, 429),
	NUMBER("minimax", "1004", AUTHENTICATION, 401),
	NUMBER("minimax", "1008", BILLING, 402),
	NUMBER("minimax", "1013", SERVER_ERROR, 500),
	NUMBER("minimax", "1024", SERVER_ERROR, 500),
	NUMBER("minimax", "1026", CONTENT_POLICY, 400), /* input */
	NUMBER("minimax", "1027", CONTENT_POLICY, 400), /* output */
	NUMBER("minimax", "1033", SERVER_ERROR, 500),
	NUMBER("minimax", "1039", RATE_LIMIT, 429), /* tokens per minute */
	NUMBER("minimax", "1041", RATE_LIMIT, 429), /* connections */
	NUMBER("minimax", "1042", INVALID_REQUEST, 400),
	NUMBER("minimax", "2013", INVALID_REQUEST, 400),
	NUMBER("minimax", "2045", RATE_LIMIT, 429), /* growth of the rate */
	NUMBER("minimax", "2049", AUTHENTICATION, 401),
	NUMBER("minimax", "2056", RATE_LIMIT, 429), /* the plan's five hours */

	/* cloud.baidu.com, Qianfan, error codes of the V1 interface */
	NUMBER("baidu", "1", SERVER_ERROR, 500),
	NUMBER("baidu", "2", OVERLOADED, 503),
	NUMBER("baidu", "3", INVALID_REQUEST, 400),
	NUMBER("baidu", "4", RATE_LIMIT, 429),
	NUMBER("baidu", "6", PERMISSION, 403),
	NUMBER("baidu", "13", AUTHENTICATION, 401),
	NUMBER("baidu", "14", AUTHENTICATION, 401),
	NUMBER("baidu", "15", AUTHENTICATION, 401),
	DAILY("baidu", "17", RATE_LIMIT, 429),
	NUMBER("baidu", "18", RATE_LIMIT, 429),
	NUMBER("baidu", "19", BILLING, 429), /* the total, not a rate */
	NUMBER("baidu", "100", INVALID_REQUEST, 400),
	NUMBER("baidu", "110", AUTHENTICATION, 401),
	NUMBER("baidu", "111", AUTHENTICATION, 401),
	NUMBER("baidu", "336000", SERVER_ERROR, 500),
	NUMBER("baidu", "336001", INVALID_REQUEST, 400),
	NUMBER("baidu", "336002", INVALID_REQUEST, 400),
	NUMBER("baidu", "336003", INVALID_REQUEST, 400),
	NUMBER("baidu", "336007", CONTEXT_LENGTH, 400),
	NUMBER("baidu", "336100", OVERLOADED, 503),
	NUMBER("baidu", "336103", CONTEXT_LENGTH, 400),
	NUMBER("baidu", "336501", RATE_LIMIT, 429),
	NUMBER("baidu", "336502", RATE_LIMIT, 429),

	/* docs.bigmodel.cn, error codes; they come with a fitting status, but for these */
	NUMBER("zhipu", "1112", PERMISSION, 403), /* the account is locked */
	NUMBER("zhipu", "1113", BILLING, 402),
	NUMBER("zhipu", "1121", PERMISSION, 403),
	NUMBER("zhipu", "1211", MODEL_NOT_FOUND, 404),
	NUMBER("zhipu", "1220", PERMISSION, 403),
	NUMBER("zhipu", "1261", CONTEXT_LENGTH, 400),
	NUMBER("zhipu", "1301", CONTENT_POLICY, 400),
	DAILY("zhipu", "1304", RATE_LIMIT, 429),
	NUMBER("zhipu", "1305", OVERLOADED, 429), /* the model's load, not the account's */
	NUMBER("zhipu", "1308", RATE_LIMIT, 429), /* five hours of the plan */
	NUMBER("zhipu", "1309", BILLING, 402),	  /* the plan has ended */
	DAILY("zhipu", "1310", RATE_LIMIT, 429),  /* the plan's week or month */
	NUMBER("zhipu", "1311", PERMISSION, 403), /* the plan lacks the model */
	NUMBER("zhipu", "1312", OVERLOADED, 429),

	/* xfyun.cn, Spark API, error codes */
	NUMBER("iflytek", "10007", RATE_LIMIT, 429),
	NUMBER("iflytek", "10013", CONTENT_POLICY, 400), /* input */
	NUMBER("iflytek", "10014", CONTENT_POLICY, 400), /* output */
	NUMBER("iflytek", "10019", CONTENT_POLICY, 400),
	NUMBER("iflytek", "10110", OVERLOADED, 503),
	NUMBER("iflytek", "10163", INVALID_REQUEST, 400),
	NUMBER("iflytek", "10907", CONTEXT_LENGTH, 400),
	NUMBER("iflytek", "11200", AUTHENTICATION, 401), /* no licence for the service */
	DAILY("iflytek", "11201", RATE_LIMIT, 429),
	NUMBER("iflytek", "11202", RATE_LIMIT, 429),
	NUMBER("iflytek", "11203", RATE_LIMIT, 429),

	/* docs.siliconflow.cn, error handling */
	NUMBER("siliconflow", "20012", MODEL_NOT_FOUND, 400),
	NUMBER("siliconflow", "30001", BILLING, 403),
	NUMBER("siliconflow", "30003", MODEL_NOT_FOUND, 403), /* the model is disabled */
	NUMBER("siliconflow", "50501", OVERLOADED, 500),
	NUMBER("siliconflow", "50505", OVERLOADED, 503),
	NUMBER("siliconflow", "50603", OVERLOADED, 503),

	/* developers.cloudflare.com/workers-ai, Errors */
	NUMBER("cloudflare", "3006", REQUEST_TOO_LARGE, 413),
	NUMBER("cloudflare", "3007", TIMEOUT, 408),
	DAILY("cloudflare", "3036", RATE_LIMIT, 429), /* the free plan's day */
	NUMBER("cloudflare", "3040", OVERLOADED, 429),
	NUMBER("cloudflare", "5004", INVALID_REQUEST, 400),
	NUMBER("cloudflare", "5007", MODEL_NOT_FOUND, 400),
	NUMBER("cloudflare", "5016", PERMISSION,
		   403), /* the model's licence is not agreed to */
	NUMBER("cloudflare", "10000", AUTHENTICATION, 401),
	NUMBER("cloudflare", "2009", AUTHENTICATION, 401), /* these of its AI Gateway */
	NUMBER("cloudflare", "2016", CONTENT_POLICY, 400), /* input */
	NUMBER("cloudflare", "2017", CONTENT_POLICY, 400), /* output */

	/* openrouter.ai, Errors: a message is malformed; at OpenAI a filter's word */
	NUMBER("openrouter", "invalid_prompt", INVALID_REQUEST, 400),
};

const UeWord *
ue_classify_find_number(UeSlice vendor, UeSlice number)
{
	if (ue_slice_is_empty(vendor) || ue_slice_is_empty(number))
		return NULL;
	for (size_t i = 0; i < N_ELEMENTS(numbers); i++)
		if (ue_slice_is_equal(numbers[i].word.word, number) &&
			ue_slice_is_equal_fold(ue_slice_of(numbers[i].vendor), vendor))
			return &numbers[i].word;
	return NULL;
}
