/* SPDX-License-Identifier: PostgreSQL */
/*
 * scenario.c: how a request chooses its scenario.
 */
#include "scenario.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "counts.h"
#include "play.h"

static void choose(UeExchange *exchange);
static void set_argument(UeExchange *exchange);
static void read_model(UeExchange *exchange);
static bool take_model(UeExchange *exchange, const char *text, const char *terminators);
static const char *pick_demo(void);


static bool answer_scripted(UeExchange *exchange);
static bool run_and_count(UeExchange *exchange);


bool
ue_scenario_answer(UeWire *wire, UeWireRequest *request, const UeScenarioOptions *options)
{
	UeExchange exchange = {.wire = wire,
						   .request = request,
						   .options = options,
						   .is_alive = true};
	bool is_reusable;

	exchange.route = ue_vendor_find_route(request->target);
	if (options->channel != NULL)
		return answer_scripted(&exchange);
	/* one scenario answers before the body has come: it is known by its header alone */
	(void) ue_wire_find_header(request, "x-scenario", exchange.name, UE_PLAY_NAME);
	if (strcmp(exchange.name, "answer-early") != 0 && !ue_wire_read_body(wire, request))
		return false;
	read_model(&exchange);
	choose(&exchange);
	is_reusable = run_and_count(&exchange);
	return is_reusable && exchange.is_alive && request->is_kept_alive;
}

static bool
answer_scripted(UeExchange *exchange)
{
	UeClusterChannel *channel = exchange->options->channel;
	UeClusterTurn turn;
	bool is_reusable = false;

	if (!ue_cluster_begin(channel, exchange->request, &turn))
	{
		if (!ue_wire_read_body(exchange->wire, exchange->request))
		{
			ue_cluster_end(channel, &turn, false);
			return false;
		}
		read_model(exchange);
		ue_cluster_choose(channel, exchange->request, exchange->model,
						  exchange->is_stream, &turn);
	}
	memcpy(exchange->name, turn.scenario, sizeof(turn.scenario));
	set_argument(exchange);
	exchange->hint = turn.has_hint ? &turn.hint : NULL;
	is_reusable = run_and_count(exchange);
	ue_cluster_end(channel, &turn, exchange->is_alive);
	return is_reusable && exchange->is_alive && exchange->request->is_kept_alive;
}

static bool
run_and_count(UeExchange *exchange)
{
	bool is_reusable;

	exchange->number = ue_counts_begin(exchange->name);
	is_reusable = ue_play_run(exchange);
	if (!exchange->is_alive)
		ue_counts_gone(exchange->name);
	ue_counts_end(exchange->name);
	return is_reusable;
}

/* Fills name and argument; the name is a scenario's afterwards. */
static void
choose(UeExchange *exchange)
{
	if (!ue_play_has(exchange->name))
	{
		const char *target = exchange->request->target;
		const char *last = strrchr(target, '/');
		size_t len = last == NULL ? 0 : strcspn(last + 1, "?");

		if (ue_play_has(exchange->model))
			memcpy(exchange->name, exchange->model, UE_PLAY_NAME);
		else if (len > 0 && len < UE_PLAY_NAME)
		{
			memcpy(exchange->name, last + 1, len);
			exchange->name[len] = '\0';
		}
	}
	if (!ue_play_has(exchange->name))
		snprintf(exchange->name, UE_PLAY_NAME, "%s",
				 exchange->options->is_demo ? pick_demo() : "ok");
	set_argument(exchange);
}

static void
set_argument(UeExchange *exchange)
{
	const char *colon = strpbrk(exchange->name, ":@");

	exchange->argument = colon == NULL ? "" : colon + 1;
}

/* No JSON reader here: our clients write "model" and "stream" in the usual way. */
static void
read_model(UeExchange *exchange)
{
	const char *target = exchange->request->target;
	const char *body = exchange->wire->body;
	const char *at;

	snprintf(exchange->model, UE_PLAY_NAME, "%s", "unnamed");
	if (exchange->request->kept == 0)
		body = "";
	exchange->is_stream = strstr(body, "\"stream\":true") != NULL ||
						  strstr(body, "\"stream\": true") != NULL ||
						  strstr(target, ":streamGenerateContent") != NULL;
	at = strstr(target, "/models/");
	if (at != NULL && strrchr(at, ':') != NULL)
	{
		char text[UE_PLAY_NAME];

		snprintf(text, sizeof(text), "%.*s", (int) (strrchr(at, ':') - at - 8), at + 8);
		if (take_model(exchange, text, "?"))
			return;
	}
	at = strstr(body, "\"model\"");
	if (at != NULL)
	{
		at += 7;
		at += strspn(at, " :");
		if (*at == '"')
			(void) take_model(exchange, at + 1, "\"");
	}
}

/* A colon may come percent-encoded; what JSON would have to escape is replaced. */
static bool
take_model(UeExchange *exchange, const char *text, const char *terminators)
{
	size_t len = 0;

	for (; *text != '\0' && strchr(terminators, *text) == NULL && len + 1 < UE_PLAY_NAME;
		 text++)
	{
		if (strncasecmp(text, "%3a", 3) == 0)
		{
			exchange->model[len++] = ':';
			text += 2;
		}
		else
			exchange->model[len++] =
				(*text == '"' || *text == '\\' || (unsigned char) *text < 32) ? '_'
																			  : *text;
	}
	exchange->model[len] = '\0';
	return len > 0;
}

/* About one request in five fails, the way a busy week looks: mostly limits and load. */
static const char *
pick_demo(void)
{
	static const struct
	{
		int percent;
		const char *name;
	} mix[] = {
		{8, "error:429"},		 {4, "error:529"},	 {2, "error:500"}, {1, "html500"},
		{1, "error:context"},	 {1, "error:quota"}, {1, "error:401"}, {1, "reset"},
		{1, "error-mid-stream"}, {1, "cut-json"},
	};
	static _Atomic unsigned int seed = 1;
	unsigned int state = seed++ * 2654435761u;
	int dice = (int) (rand_r(&state) % 100);

	ue_play_pause(20 + (int) (rand_r(&state) % 180));
	for (size_t i = 0; i < sizeof(mix) / sizeof(mix[0]); i++)
	{
		if (dice < mix[i].percent)
			return mix[i].name;
		dice -= mix[i].percent;
	}
	return "ok";
}
