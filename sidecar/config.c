/* SPDX-License-Identifier: PostgreSQL */
/*
 * config.c: defaults, file, environment, flags, in this order, each over the one before.
 *
 * The first flag that is wrong, or all that is wrong in the environment or the file, is
 * said; then the program ends with status 2.
 */
#include "config_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics.h"

#define DEFAULT_MAX_WORKERS 4

/* What the flags ask for besides settings. */
typedef struct Request
{
	bool wants_help;
	bool wants_version;
	bool wants_check;
	const char *file; /* not owned; NULL: none */
} Request;

static bool apply_defaults(UeConfig *config);
static bool apply_found_defaults(UeConfig *config);
static char *find_state_directory(void);
static bool apply_environment(UeConfig *config);
static bool read_flags(int argc, char **argv, UeConfig *config, Request *request);
static bool read_flag(char **argv, int argc, int *i, UeConfig *config, Request *request);
static bool check_whole(const UeConfig *config);
static bool is_loopback(const char *address);
static bool check_journal(const UeConfig *config);
static const UeSetting *find_named(const char *name);

UeConfigResult
ue_config_read(int argc, char **argv, UeConfig *out)
{
	Request request = {.file = getenv("UPSTREAM_ERRORS_CONFIG")};

	memset(out, 0, sizeof(*out));

	/* Twice: the first time for --help and --config, the last time to win. */
	if (!read_flags(argc, argv, NULL, &request))
		return UE_CONFIG_EXIT_ERROR;
	if (request.wants_help)
	{
		ue_config_print_help();
		return UE_CONFIG_EXIT_OK;
	}
	if (request.wants_version)
	{
		printf("upstream-errors-sidecar %s\n", UE_VERSION);
		return UE_CONFIG_EXIT_OK;
	}
	if (!apply_defaults(out) ||
		(request.file != NULL && request.file[0] != '\0' &&
		 !ue_config_read_file(out, request.file)) ||
		!apply_environment(out) || !read_flags(argc, argv, out, &request) ||
		!apply_found_defaults(out) || !check_whole(out) ||
		(request.wants_check && !check_journal(out)))
	{
		ue_config_free(out);
		return UE_CONFIG_EXIT_ERROR;
	}
	if (!request.wants_check)
		return UE_CONFIG_RUN;
	ue_config_print_values(out);
	ue_config_free(out);
	return UE_CONFIG_EXIT_OK;
}

void
ue_config_free(UeConfig *config)
{
	for (int i = 0; i < ue_config_n_settings; i++)
	{
		const UeSetting *setting = &ue_config_settings[i];

		switch (setting->type)
		{
			case UE_SETTING_TEXT:
			case UE_SETTING_SECRET:
			case UE_SETTING_CONNINFO:
			case UE_SETTING_LOG_LEVEL:
				free(*(char **) ((char *) config + setting->offset));
				break;
			case UE_SETTING_INTEGER:
			case UE_SETTING_DURATION:
			case UE_SETTING_SIZE:
			case UE_SETTING_BOOLEAN:
			case UE_SETTING_FSYNC:
			case UE_SETTING_UPSTREAM:
			case UE_SETTING_TAG:
			case UE_SETTING_STATUSES:
			case UE_SETTING_EXCLUDE:
				break;
		}
	}
	for (size_t i = 0; i < config->n_tags; i++)
	{
		free(config->tags[i].header);
		free(config->tags[i].name);
	}
	for (size_t i = 0; i < config->n_upstreams; i++)
	{
		free(config->upstreams[i].platform);
		free(config->upstreams[i].url);
		ue_base_url_free(config->upstreams[i].base);
	}
	free(config->upstreams);
	memset(config, 0, sizeof(*config));
}

const UeConfigUpstream *
ue_config_find_upstream(const UeConfig *config, UeSlice platform)
{
	for (size_t i = 0; i < config->n_upstreams; i++)
	{
		if (ue_slice_is_equal_fold(ue_slice_of(config->upstreams[i].platform), platform))
			return &config->upstreams[i];
	}
	return NULL;
}

void
ue_config_report(const UeSetting *setting, const char *source, const char *reason)
{
	char flag[UE_CONFIG_NAME_SIZE];

	ue_config_name_flag(setting, flag);
	fprintf(stderr, "upstream-errors-sidecar: --%s (%s): %s\n", flag, source, reason);
}

static bool
apply_defaults(UeConfig *config)
{
	char error[UE_CONFIG_ERROR_SIZE];

	config->upstreams = calloc(UE_METRICS_PLATFORMS, sizeof(*config->upstreams));
	if (config->upstreams == NULL)
	{
		fprintf(stderr, "upstream-errors-sidecar: out of memory\n");
		return false;
	}
	for (int i = 0; i < ue_config_n_settings; i++)
	{
		const UeSetting *setting = &ue_config_settings[i];

		if (setting->value != NULL &&
			!ue_config_apply_value(config, setting, setting->value, error, sizeof(error)))
		{
			ue_config_report(setting, "built in", error);
			return false;
		}
	}
	for (int i = 0; i < ue_config_n_upstreams; i++)
	{
		const UeDefaultUpstream *upstream = &ue_config_upstreams[i];

		if (!ue_config_add_upstream(config, upstream->platform,
									strlen(upstream->platform), upstream->url, error,
									sizeof(error)))
		{
			fprintf(stderr, "upstream-errors-sidecar: built-in upstream %s: %s\n",
					upstream->platform, error);
			return false;
		}
	}
	return true;
}

/* Those that depend on the machine, for what nobody has set. */
static bool
apply_found_defaults(UeConfig *config)
{
	if (config->workers == 0)
	{
		long n_processors = sysconf(_SC_NPROCESSORS_ONLN);

		if (n_processors < 1)
			n_processors = 1;
		config->workers =
			n_processors > DEFAULT_MAX_WORKERS ? DEFAULT_MAX_WORKERS : (int) n_processors;
	}
	if (config->instance == NULL)
	{
		char name[256] = "";

		gethostname(name, sizeof(name) - 1);
		config->instance = strdup(name[0] == '\0' ? "localhost" : name);
	}
	if (config->journal == NULL)
		config->journal = find_state_directory();
	if (config->instance == NULL || config->journal == NULL)
	{
		fprintf(stderr, "upstream-errors-sidecar: out of memory\n");
		return false;
	}
	return true;
}

/* systemd names the unit's own; else what the XDG base directories are for. */
static char *
find_state_directory(void)
{
	static const struct
	{
		const char *variable;
		const char *below;
	} places[] = {
		{"STATE_DIRECTORY", "journal"},
		{"XDG_STATE_HOME", "upstream-errors/journal"},
		{"HOME", ".local/state/upstream-errors/journal"},
	};
	char *path;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
	{
		const char *base = getenv(places[i].variable);

		if (base == NULL || base[0] != '/')
			continue;
		return asprintf(&path, "%s/%s", base, places[i].below) < 0 ? NULL : path;
	}
	return strdup("upstream-errors-journal");
}

static bool
apply_environment(UeConfig *config)
{
	bool is_applied = true;

	for (int i = 0; i < ue_config_n_settings; i++)
	{
		const UeSetting *setting = &ue_config_settings[i];
		char variable[UE_CONFIG_NAME_SIZE];
		char source[UE_CONFIG_NAME_SIZE + 32];
		char error[UE_CONFIG_ERROR_SIZE];
		const char *text;

		ue_config_name_variable(setting, variable);
		text = getenv(variable);

		/* Set but empty is how a shell or a unit file takes one back. */
		if (text == NULL || text[0] == '\0' ||
			ue_config_apply_value(config, setting, text, error, sizeof(error)))
			continue;
		snprintf(source, sizeof(source), "from environment %s", variable);
		ue_config_report(setting, source, error);
		is_applied = false;
	}
	return is_applied;
}

static bool
read_flags(int argc, char **argv, UeConfig *config, Request *request)
{
	bool is_read = true;

	for (int i = 1; i < argc && is_read; i++)
		is_read = read_flag(argv, argc, &i, config, request);
	return is_read;
}

/* config NULL: only looks for what is asked besides settings, and whether all are known. */
static bool
read_flag(char **argv, int argc, int *i, UeConfig *config, Request *request)
{
	const char *word = argv[*i];
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : NULL;
	const UeSetting *setting;
	char error[UE_CONFIG_ERROR_SIZE];

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
	{
		request->wants_help = true;
		return true;
	}
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
	{
		request->wants_version = true;
		return true;
	}
	if (strcmp(word, "--check") == 0)
	{
		request->wants_check = true;
		return true;
	}
	if (strncmp(word, "--", 2) != 0)
	{
		fprintf(
			stderr,
			"upstream-errors-sidecar: unexpected argument \"%s\": settings are given as "
			"--name value, see --help\n",
			word);
		return false;
	}
	setting = ue_config_find_setting(word + 2, len - 2);
	if (setting == NULL &&
		(len != strlen("--config") || strncmp(word, "--config", len) != 0))
	{
		snprintf(error, sizeof(error), "%.*s", (int) len - 2, word + 2);
		fprintf(stderr, "upstream-errors-sidecar: there is no flag --%s", error);
		ue_config_suggest(error, error, sizeof(error));
		fprintf(stderr, "%s\n", error);
		return false;
	}
	if (value == NULL && *i + 1 < argc)
		value = argv[++*i];
	if (value == NULL)
	{
		fprintf(stderr, "upstream-errors-sidecar: %s needs a value\n", word);
		return false;
	}
	if (setting == NULL)
		request->file = value;
	else if (config != NULL &&
			 !ue_config_apply_value(config, setting, value, error, sizeof(error)))
	{
		ue_config_report(setting, "from the command line", error);
		return false;
	}
	return true;
}

/* What no setting can say for itself. */
static bool
check_whole(const UeConfig *config)
{
	const struct
	{
		const char *name;
		const char *address;
	} listeners[] = {{"listen", config->listen}, {"admin_listen", config->admin_listen}};

	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++)
	{
		char reason[UE_CONFIG_ERROR_SIZE];

		if (ue_server_check_address(listeners[i].address, reason, sizeof(reason)))
			continue;
		ue_config_report(find_named(listeners[i].name), "checked", reason);
		return false;
	}
	if (config->admin_token == NULL && !is_loopback(config->admin_listen))
	{
		char reason[UE_CONFIG_ERROR_SIZE];

		snprintf(
			reason, sizeof(reason),
			"\"%s\" can be reached from other machines: set admin_token, or listen on "
			"127.0.0.1, [::1] or unix:/path",
			config->admin_listen);
		ue_config_report(find_named("admin_listen"), "without --admin-token", reason);
		return false;
	}
	if (config->server.output_low_bytes >= config->server.output_high_bytes)
	{
		ue_config_report(find_named("output_low_size"), "as it results",
						 "must be below output_high_size");
		return false;
	}
	return true;
}

static bool
is_loopback(const char *address)
{
	static const char *const prefixes[] = {"127.", "[::1]:", "localhost:", "unix:"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
	{
		if (strncmp(address, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

/* The directory, or the nearest one above it that exists: the journal makes the rest. */
static bool
check_journal(const UeConfig *config)
{
	char *path = strdup(config->journal);
	struct stat info;
	char reason[UE_CONFIG_ERROR_SIZE] = "";

	while (path != NULL && stat(path, &info) != 0 && errno == ENOENT)
	{
		char *slash = strrchr(path, '/');

		if (slash == NULL)
			snprintf(path, 2, ".");
		else if (slash == path)
			path[1] = '\0';
		else
			*slash = '\0';
	}
	if (path == NULL || stat(path, &info) != 0 || access(path, W_OK | X_OK) != 0)
		snprintf(reason, sizeof(reason), "cannot write to \"%s\": %s",
				 path == NULL ? config->journal : path, strerror(errno));
	else if (!S_ISDIR(info.st_mode))
		snprintf(reason, sizeof(reason), "\"%s\" is not a directory", path);
	free(path);
	if (reason[0] != '\0')
		ue_config_report(find_named("journal"), "checked", reason);
	return reason[0] == '\0';
}

static const UeSetting *
find_named(const char *name)
{
	return ue_config_find_setting(name, strlen(name));
}
