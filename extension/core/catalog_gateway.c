/* SPDX-License-Identifier: PostgreSQL */
/*
 * catalog_gateway.c: what a gateway refuses its own clients: keys, groups, quotas, limits,
 * and that no channel is left.
 *
 * An upstream may be such a gateway itself; then these are its codes.
 */
#include "core/catalog_tables.h"

/* Shown to the client, who is the one to mend it; a retry does not help. */
#define REFUSAL(code, public, its_class, status, en, zh, why, what)                      \
	{                                                                                    \
		.name = UE_SLICE_INIT(code), .public_code = PUBLIC_##public,                     \
		.class = UE_CLASS_##its_class, .client_status = status,                          \
		.visibility = UE_VISIBILITY_SHOWN, .is_skip_retry = true, .is_recorded = true,   \
		TEXTS(en, zh, why, what)                                                         \
	}

/* The same, but it passes by itself. */
#define DELAY(code, public, its_class, status, en, zh, why, what)                        \
	{                                                                                    \
		.name = UE_SLICE_INIT(code), .public_code = PUBLIC_##public,                     \
		.class = UE_CLASS_##its_class, .client_status = status,                          \
		.visibility = UE_VISIBILITY_SHOWN, .is_recorded = true, TEXTS(en, zh, why, what) \
	}

const UeCode ue_catalog_gateway_codes[] = {
	/* what sub2api refuses a request of its client with; its operators look for these names */
	REFUSAL("INVALID_API_KEY", ACCESS, AUTHENTICATION, 401, "The API key is not valid.",
			"API 密钥无效。", "The key is not known.",
			"Copy the key anew; it may have been deleted."),
	REFUSAL("API_KEY_REQUIRED", ACCESS, AUTHENTICATION, 401, "An API key is required.",
			"缺少 API 密钥。", "The request has no credential.",
			"Send it in the header that the route's vendor documents."),
	REFUSAL("API_KEY_EXPIRED", ACCESS, AUTHENTICATION, 401, "The API key has expired.",
			"API 密钥已过期。", "The key was made with an end, which has passed.",
			"Make a new key, or extend this one."),
	REFUSAL("API_KEY_DISABLED", ACCESS, AUTHENTICATION, 401, "The API key is disabled.",
			"API 密钥已被禁用。", "Somebody disabled the key.",
			"Enable it, or use another."),
	REFUSAL("api_key_in_query_deprecated", INVALID_REQUEST, INVALID_REQUEST, 400,
			"The API key must be sent in a header, not in the URL.",
			"API 密钥必须放在请求头中，不能放在 URL 中。",
			"A key in a URL is written to the logs of every proxy on the way.",
			"Send it as a header."),
	REFUSAL("USER_NOT_FOUND", ACCESS, AUTHENTICATION, 401,
			"The user of this API key does not exist.", "该 API 密钥的用户不存在。",
			"The key's user was deleted.", "Use a key of another user."),
	REFUSAL("USER_INACTIVE", ACCESS, AUTHENTICATION, 401,
			"The user of this API key is not active.", "该 API 密钥的用户已停用。",
			"The key's user is locked.", "Unlock the user."),
	REFUSAL("GROUP_DELETED", ACCESS, PERMISSION, 403,
			"The group of this API key was deleted.", "该 API 密钥的分组已被删除。",
			"The key belongs to a group that is no more.",
			"Assign the key to another group."),
	REFUSAL("GROUP_DISABLED", ACCESS, PERMISSION, 403,
			"The group of this API key is disabled.", "该 API 密钥的分组已被禁用。",
			"Somebody disabled the key's group.", "Enable the group, or assign another."),
	REFUSAL("api_key_group_unassigned", ACCESS, PERMISSION, 403,
			"This API key belongs to no group.", "该 API 密钥未分配分组。",
			"A key without a group has no channels.", "Assign the key to a group."),
	REFUSAL("api_key_group_unavailable", ACCESS, PERMISSION, 403,
			"The group of this API key is not available.", "该 API 密钥的分组不可用。",
			"The group has no channel for the request.", "Add a channel to the group."),
	REFUSAL("api_key_ip_restriction", ACCESS, PERMISSION, 403,
			"This API key may not be used from your address.",
			"该 API 密钥不允许从您的地址使用。",
			"The key is bound to addresses, and this is none of them.",
			"Add the address to the key, or call from another."),
	REFUSAL("local_feature_gate", ACCESS, PERMISSION, 403,
			"This feature is not enabled for you.", "您未开通此功能。",
			"The operator has not enabled the feature.",
			"Enable it for the user or the group."),
	REFUSAL("local_policy_denied", ACCESS, PERMISSION, 403,
			"The policy of this service does not permit the request.",
			"本服务的策略不允许此请求。", "A rule of the operator refuses such requests.",
			"See the operator's rules."),
	REFUSAL("local_model_configuration", MODEL, MODEL_NOT_FOUND, 404,
			"The model is not configured at this service.", "本服务未配置该模型。",
			"No channel maps the model.", "Map the model, or ask for another."),
	REFUSAL("cyber_policy", INVALID_REQUEST, CONTENT_POLICY, 403,
			"The request was refused by the upstream service's cyber security policy.",
			"请求被上游服务的网络安全策略拒绝。",
			"The model takes the request for an attack.",
			"Change the request; ask the vendor for trusted access."),
	REFUSAL("INSUFFICIENT_BALANCE", QUOTA, BILLING, 402, "Your balance is too low.",
			"余额不足。", "The user's balance is used up.", "Top it up."),
	REFUSAL("API_KEY_QUOTA_EXHAUSTED", QUOTA, BILLING, 403,
			"The quota of this API key is used up.", "该 API 密钥的额度已用尽。",
			"The key has a quota, which is used up.", "Raise the key's quota."),
	REFUSAL("USAGE_LIMIT_EXCEEDED", QUOTA, BILLING, 429,
			"The usage limit of your subscription is reached.", "已达到订阅的用量上限。",
			"A daily, weekly or monthly limit of the subscription is reached.",
			"Wait for the next period, or change the plan."),
	REFUSAL("SUBSCRIPTION_NOT_FOUND", QUOTA, BILLING, 403,
			"You have no active subscription.", "没有有效的订阅。",
			"The group needs a subscription, and the user has none.", "Subscribe."),
	REFUSAL("SUBSCRIPTION_INVALID", QUOTA, BILLING, 403,
			"Your subscription is not valid.", "订阅无效。",
			"The subscription has ended or is suspended.", "Renew it."),
	/* limits for our clients */
	DELAY("client_rate_limit", RATE_LIMIT, RATE_LIMIT, 429,
		  "You are sending requests too fast.", "请求过于频繁。",
		  "The client's limit of requests per period is reached.",
		  "Send slower, or raise the client's limit."),
	DELAY("client_concurrency_limit", RATE_LIMIT, RATE_LIMIT, 429,
		  "You have too many requests open at the same time.", "同时进行的请求过多。",
		  "The client's limit of concurrent requests is reached.",
		  "Wait for an answer before the next request, or raise the limit."),
	DELAY("client_queue_full", RATE_LIMIT, RATE_LIMIT, 429,
		  "Too many of your requests are waiting.", "等待中的请求过多。",
		  "The queue in front of the client's limit is full.", "Send slower."),
	/* no channel at the moment; the first two names are those of CLIProxyAPI */
	DELAY("model_cooldown", CHANNEL, RATE_LIMIT, 429,
		  "All upstream channels of this model are cooling down.",
		  "该模型的所有上游渠道都在冷却中。",
		  "Every channel that has the model was limited a short while ago.",
		  "Wait for the reset that the message names, or add a channel."),
	DELAY("auth_unavailable", CHANNEL, OVERLOADED, 503,
		  "No upstream credential is available at the moment.",
		  "暂时没有可用的上游凭据。",
		  "Every credential for the request is disabled or cooling down.",
		  "Look at the last error of each credential."),
	DELAY(
		"channels_cooling_down", CHANNEL, OVERLOADED, 503,
		"All upstream channels are cooling down.", "所有上游渠道都在冷却中。",
		"Every channel failed a short while ago.",
		"Wait for the reset that the message names; look at the last error of each channel."),
	REFUSAL("no_channel", CHANNEL, INTERNAL, 503,
			"No upstream channel serves this request.", "没有可用的上游渠道。",
			"No enabled channel fits platform, model and group.",
			"Add or enable a channel."),
};

const size_t ue_catalog_n_gateway_codes =
	sizeof(ue_catalog_gateway_codes) / sizeof(ue_catalog_gateway_codes[0]);
