/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the agent's HTTP/1.1 response: a status and a body of known length, nothing more. */
#ifndef SLUICE_RESPONSE_H
#define SLUICE_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

enum response_state { RESPONSE_INCOMPLETE, RESPONSE_COMPLETE, RESPONSE_GARBLED };

struct response {
	int status;
	bool is_json;
	const char *body; /* points into the parsed bytes */
	size_t body_length;
};

/* `bytes` are all that came so far. */
enum response_state parse_response(const char *bytes, size_t length, struct response *response);

#endif
