/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

bool add_environment(struct request *request, struct failure *failure)
{
	for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
		size_t length = strlen(*entry) + 1;

		if (strncmp(*entry, "CNI_", 4) != 0)
			continue;
		if (length > ENV_BYTES_MAX - request->length)
			return fail(failure, CNI_INVALID_ENVIRONMENT,
				    "the CNI_* variables are longer than %d bytes together; %.*s passes the limit",
				    ENV_BYTES_MAX, (int)strcspn(*entry, "="), *entry);
		memcpy(request->body + request->length, *entry, length);
		request->length += length;
	}
	request->body[request->length++] = '\0';
	request->config_offset = request->length;
	return true;
}

bool add_stdin(struct request *request, struct failure *failure)
{
	int64_t deadline = now_ms() + STDIN_DEADLINE_MS;
	size_t end = request->config_offset + STDIN_BYTES_MAX;

	for (;;) {
		int ready = wait_until(STDIN_FILENO, POLLIN, deadline);
		ssize_t got;

		if (ready == 0)
			return fail(failure, CNI_IO_FAILURE, "stdin was not closed within %d ms", STDIN_DEADLINE_MS);
		got = ready < 0 ? -1 : read(STDIN_FILENO, request->body + request->length, end + 1 - request->length);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0) {
			fail(failure, CNI_IO_FAILURE, "stdin cannot be read");
			return fail_details(failure, "%s", strerror(errno));
		}
		if (got == 0)
			return true;
		request->length += (size_t)got;
		if (request->length > end)
			return fail(failure, CNI_DECODE_FAILURE, "the network configuration on stdin is longer than %d bytes",
				    STDIN_BYTES_MAX);
	}
}
