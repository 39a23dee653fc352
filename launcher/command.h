/* SPDX-License-Identifier: Apache-2.0 */
/* The request as the environment states it: the command and its variables (CNI-10, CNI-11). */
#ifndef SLUICE_COMMAND_H
#define SLUICE_COMMAND_H

#include <stdbool.h>

#include "failure.h"

/* Bits, so that a variable can name the commands that need it. */
enum command {
	COMMAND_ADD = 1,
	COMMAND_DEL = 2,
	COMMAND_CHECK = 4,
	COMMAND_STATUS = 8,
	COMMAND_GC = 16,
	COMMAND_VERSION = 32,
};

/* The variable's value, "" when it is not set. */
const char *variable(const char *name);

bool read_command(const char *name, enum command *command, struct failure *failure);

/* Requires what the command needs, and refuses values that are not what the specification says. */
bool check_variables(enum command command, struct failure *failure);

#endif
