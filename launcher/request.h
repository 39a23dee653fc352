/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body that travels to the agent or into the journal: the CNI_* variables as NAME=VALUE, each ended by a NUL, one
 * more NUL, then stdin unchanged. src/cni/body.ts reads it.
 */
#ifndef SLUICE_REQUEST_H
#define SLUICE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

struct request {
	size_t length; /* of the body */
	size_t config_offset; /* where stdin begins in it */
	char body[BODY_BYTES_MAX + 1]; /* one more, to notice that stdin goes on */
};

bool add_environment(struct request *request, struct failure *failure);

/* Reads stdin to its end, after whatever the body holds. */
bool add_stdin(struct request *request, struct failure *failure);

#endif
