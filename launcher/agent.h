/* SPDX-License-Identifier: Apache-2.0 */
/* One request to the agent over its unix socket. */
#ifndef SLUICE_AGENT_H
#define SLUICE_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "failure.h"
#include "netns.h"
#include "request.h"
#include "response.h"

struct exchange {
	int fd;
	size_t unread; /* bytes of the response that were only looked at */
	struct response response;
};

/*
 * Sends the request and waits for the whole response. The last bytes of the response are left unread in the socket:
 * should the launcher die before it has printed them, the agent sees a reset connection and undoes an ADD.
 * `accept_response()` takes them.
 *
 * False when the agent is not there, closes early, says nothing until the deadline (all code 11) or something that is
 * no answer (code 5).
 */
bool ask_agent(const struct config *config, const struct request *request, const struct netns *netns,
	       int64_t deadline_ms, struct exchange *exchange, struct failure *failure);

void accept_response(struct exchange *exchange);

#endif
