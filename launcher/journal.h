/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DELs that no agent has taken: <stateDir>/<instance>/del-journal/<container id>:<interface>, the body of the request.
 * Neither part of the name can hold a ':'. The launcher only adds entries, the agent only removes them
 * (src/cni/journal.ts). Files whose name begins with '.' are being written.
 */
#ifndef SLUICE_JOURNAL_H
#define SLUICE_JOURNAL_H

#include <stdbool.h>

#include "config.h"
#include "failure.h"
#include "request.h"

/* When it returns true, the entry outlives a power failure. */
bool journal_del(const struct config *config, const struct request *request, struct failure *failure);

#endif
