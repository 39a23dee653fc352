/* SPDX-License-Identifier: Apache-2.0 */
/* The few things of the network configuration that the launcher itself needs; the agent reads the rest. */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

#define VERSION_WITHOUT_CONFIG "1.0.0" /* of an error, when the configuration names none */

/* Ascending; src/cni/version.ts has the same list. */
extern const char *const SUPPORTED_VERSIONS[];
extern const size_t SUPPORTED_VERSION_COUNT;

struct config {
	char version[VERSION_BYTES_MAX]; /* cniVersion, "" when there is none */
	char instance[INSTANCE_BYTES_MAX + 1]; /* of the agent */
	char run_dir[DIRECTORY_BYTES_MAX]; /* holds <instance>/agent.sock */
	char state_dir[DIRECTORY_BYTES_MAX]; /* holds <instance>/del-journal */
};

/*
 * Fills `config`, defaults included. After a failure `config->version` still holds what was read of it, for the error
 * object. A text that is not JSON is code 6, a wrong value 7, an unsupported version 1 (CNI-3).
 */
bool read_config(const char *text, size_t length, struct config *config, struct failure *failure);

#endif
