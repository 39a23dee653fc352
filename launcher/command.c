/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_container_id(const char *value)
{
	if (!is_alphanumeric(value[0]) || strlen(value) > CONTAINER_ID_BYTES_MAX)
		return false;
	for (const char *c = value; *c != '\0'; c++)
		if (!is_alphanumeric(*c) && strchr("_.-", *c) == NULL)
			return false;
	return true;
}

/* '%' would be a pattern to the kernel: it would make another name of it. */
static bool is_interface_name(const char *value)
{
	if (strlen(value) > INTERFACE_NAME_BYTES_MAX || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		return false;
	for (const char *c = value; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || strchr("/:%", *c) != NULL)
			return false;
	return true;
}

static const struct {
	const char *name;
	int required_by;
	bool (*is_valid)(const char *value);
	const char *rule;
} VARIABLES[] = {
	{ "CNI_CONTAINERID", COMMAND_ADD | COMMAND_CHECK | COMMAND_DEL, is_container_id,
	  "a letter or digit, then letters, digits, '_', '.' and '-', at most 200 bytes" },
	{ "CNI_NETNS", COMMAND_ADD | COMMAND_CHECK, NULL, "" },
	{ "CNI_IFNAME", COMMAND_ADD | COMMAND_CHECK | COMMAND_DEL, is_interface_name,
	  "1 to 15 printable ASCII characters without '/', ':' and '%', and not '.' or '..'" },
	{ "CNI_PATH", COMMAND_GC, NULL, "" },
};

enum { VARIABLE_COUNT = sizeof(VARIABLES) / sizeof(VARIABLES[0]) };

_Static_assert(CONTAINER_ID_BYTES_MAX == 200 && INTERFACE_NAME_BYTES_MAX == 15, "the rules above name these limits");

const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL ? "" : value;
}

bool read_command(const char *name, enum command *command, struct failure *failure)
{
	static const struct {
		const char *name;
		enum command command;
	} COMMANDS[] = {
		{ "ADD", COMMAND_ADD },	      { "DEL", COMMAND_DEL }, { "CHECK", COMMAND_CHECK },
		{ "STATUS", COMMAND_STATUS }, { "GC", COMMAND_GC },   { "VERSION", COMMAND_VERSION },
	};

	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
		if (strcmp(name, COMMANDS[i].name) == 0) {
			*command = COMMANDS[i].command;
			return true;
		}
	}
	return fail(failure, CNI_INVALID_ENVIRONMENT,
		    "CNI_COMMAND is \"%.32s\"; it must be ADD, DEL, CHECK, STATUS, GC or VERSION", name);
}

bool check_variables(enum command command, struct failure *failure)
{
	char missing[128] = "";
	size_t length = 0;

	for (int i = 0; i < VARIABLE_COUNT; i++)
		if ((VARIABLES[i].required_by & (int)command) != 0 && variable(VARIABLES[i].name)[0] == '\0')
			length += (size_t)snprintf(missing + length, sizeof(missing) - length, "%s%s",
						   length == 0 ? "" : ", ", VARIABLES[i].name);
	if (length > 0)
		return fail(failure, CNI_INVALID_ENVIRONMENT, "required env variables [%s] missing", missing);
	for (int i = 0; i < VARIABLE_COUNT; i++) {
		const char *value = variable(VARIABLES[i].name);

		if ((VARIABLES[i].required_by & (int)command) == 0 || VARIABLES[i].is_valid == NULL ||
		    VARIABLES[i].is_valid(value))
			continue;
		return fail(failure, CNI_INVALID_ENVIRONMENT, "%s is \"%.256s\"; it must be %s", VARIABLES[i].name,
			    value, VARIABLES[i].rule);
	}
	return true;
}
