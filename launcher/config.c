/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "json.h"

const char *const SUPPORTED_VERSIONS[] = { "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0" };
const size_t SUPPORTED_VERSION_COUNT = sizeof(SUPPORTED_VERSIONS) / sizeof(SUPPORTED_VERSIONS[0]);

static bool is_instance(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || name[0] == '-' || name[length - 1] == '-')
		return false;
	for (const char *c = name; *c != '\0'; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && *c != '-')
			return false;
	return true;
}

static bool check_version(const struct config *config, struct failure *failure)
{
	for (size_t i = 0; i < SUPPORTED_VERSION_COUNT; i++)
		if (strcmp(config->version, SUPPORTED_VERSIONS[i]) == 0)
			return true;
	if (config->version[0] == '\0')
		fail(failure, CNI_INCOMPATIBLE_VERSION, "the network configuration has no cniVersion");
	else
		fail(failure, CNI_INCOMPATIBLE_VERSION, "cniVersion \"%s\" is not supported", config->version);
	return fail_details(failure, "supported: 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0");
}

static bool check_directory(const char *key, const char *path, struct failure *failure)
{
	if (path[0] == '/')
		return true;
	return fail(failure, CNI_INVALID_CONFIG, "%s is \"%.256s\"; it must be an absolute path", key, path);
}

static bool report(const struct json_problem *problem, struct failure *failure)
{
	const char *place = "in the network configuration on stdin";

	if (problem->malformed)
		return fail(failure, CNI_DECODE_FAILURE, "line %zu, column %zu %s: %s", problem->line, problem->column,
			    place, problem->text);
	return fail(failure, CNI_INVALID_CONFIG, "line %zu, column %zu %s: %s %s", problem->line, problem->column, place,
		    problem->key, problem->text);
}

bool read_config(const char *text, size_t length, struct config *config, struct failure *failure)
{
	struct json_problem problem;
	struct json_key keys[] = {
		{ "cniVersion", config->version, sizeof(config->version), false },
		{ "instance", config->instance, sizeof(config->instance), false },
		{ "runDir", config->run_dir, sizeof(config->run_dir), false },
		{ "stateDir", config->state_dir, sizeof(config->state_dir), false },
	};

	config->version[0] = '\0';
	strcpy(config->instance, "default");
	strcpy(config->run_dir, "/run/sluice");
	strcpy(config->state_dir, "/var/lib/sluice");
	if (!json_scan_object(text, length, keys, sizeof(keys) / sizeof(keys[0]), &problem))
		return report(&problem, failure);
	if (!check_version(config, failure))
		return false;
	if (!is_instance(config->instance))
		return fail(failure, CNI_INVALID_CONFIG,
			    "instance is \"%s\"; it must be at most 32 of a-z, 0-9 and '-', and not begin or end with '-'",
			    config->instance);
	return check_directory("runDir", config->run_dir, failure) &&
	       check_directory("stateDir", config->state_dir, failure);
}
