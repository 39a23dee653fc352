/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"

static bool fill_address(const struct config *config, struct sockaddr_un *address, struct failure *failure)
{
	int length = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s/agent.sock", config->run_dir,
			      config->instance);

	address->sun_family = AF_UNIX;
	if (length >= 0 && (size_t)length < sizeof(address->sun_path))
		return true;
	return fail(failure, CNI_INVALID_CONFIG,
		    "runDir and instance make a socket path of %d bytes; at most %zu are possible", length,
		    sizeof(address->sun_path) - 1);
}

static bool fail_connect(const char *path, int reason, struct failure *failure)
{
	bool is_absent = reason == ENOENT || reason == ECONNREFUSED || reason == EAGAIN || reason == EINTR;

	fail(failure, is_absent ? CNI_TRY_AGAIN : CNI_IO_FAILURE, "the Sluice agent cannot be reached at %s: %s", path,
	     reason == EAGAIN ? "it does not accept connections" : strerror(reason));
	if (is_absent)
		return fail_details(failure, "is the agent running on this node, with this instance and runDir?");
	return fail_details(failure, "only root may use the agent's socket");
}

static int connect_agent(const struct config *config, int64_t deadline_ms, struct failure *failure)
{
	struct sockaddr_un address;
	int64_t left_ms = deadline_ms - now_ms();
	struct timeval timeout;
	int fd;

	if (!fill_address(config, &address, failure))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fail_connect(address.sun_path, errno, failure);
		return -1;
	}
	/* connect() waits this long for a place in a full backlog. Zero would mean for ever. */
	if (left_ms > CONNECT_DEADLINE_MS)
		left_ms = CONNECT_DEADLINE_MS;
	if (left_ms < 1)
		left_ms = 1;
	timeout.tv_sec = left_ms / 1000;
	timeout.tv_usec = left_ms % 1000 * 1000;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	fail_connect(address.sun_path, errno, failure);
	close(fd);
	return -1;
}

/* False when the connection is gone or the deadline has passed; there may still be a response to read. */
static bool send_all(int fd, const char *bytes, size_t length, int64_t deadline_ms)
{
	while (length > 0) {
		ssize_t sent;

		if (wait_until(fd, POLLOUT, deadline_ms) <= 0)
			return false;
		sent = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (sent < 0)
			return false;
		bytes += sent;
		length -= (size_t)sent;
	}
	return true;
}

static bool send_request(int fd, const struct request *request, const struct netns *netns, int64_t deadline_ms)
{
	char handle[96] = "", head[HEAD_BYTES_MAX];
	int length;

	if (netns->fd >= 0)
		snprintf(handle, sizeof(handle), "Sluice-Netns: %d %llu %llu\r\n", netns->fd,
			 (unsigned long long)netns->device, (unsigned long long)netns->inode);
	length = snprintf(head, sizeof(head),
			  "POST /v1/cni HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-sluice-cni\r\n"
			  "Content-Length: %zu\r\n%s\r\n",
			  request->length, handle);
	return send_all(fd, head, (size_t)length, deadline_ms) &&
	       send_all(fd, request->body, request->length, deadline_ms);
}

static bool fail_silent(int ready, ssize_t got, struct failure *failure)
{
	if (ready == 0) {
		fail(failure, CNI_TRY_AGAIN, "the Sluice agent did not answer in time");
		return fail_details(failure, "its log says what it waits for");
	}
	fail(failure, CNI_TRY_AGAIN, "the Sluice agent closed the connection without an answer");
	return fail_details(failure, "%s", got < 0 ? strerror(errno) : "it may have been restarted");
}

/* Looks at what is there before it takes it, so that the part that completes the response stays in the socket. */
static bool receive(struct exchange *exchange, int64_t deadline_ms, struct failure *failure)
{
	static char bytes[RESPONSE_HEAD_BYTES_MAX + RESPONSE_BYTES_MAX + 1];
	size_t have = 0;

	for (;;) {
		int ready = wait_until(exchange->fd, POLLIN, deadline_ms);
		ssize_t got = -1;

		if (ready > 0)
			got = recv(exchange->fd, bytes + have, sizeof(bytes) - have, MSG_DONTWAIT | MSG_PEEK);
		if (ready > 0 && got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return fail_silent(ready, got, failure);
		switch (parse_response(bytes, have + (size_t)got, &exchange->response)) {
		case RESPONSE_COMPLETE:
			exchange->unread = (size_t)got;
			return true;
		case RESPONSE_GARBLED:
			return fail(failure, CNI_IO_FAILURE, "what the Sluice agent answered is not understood");
		case RESPONSE_INCOMPLETE:
			break;
		}
		got = recv(exchange->fd, bytes + have, (size_t)got, MSG_DONTWAIT);
		if (got > 0)
			have += (size_t)got;
	}
}

/* What goes to stdout must be one JSON object, or nothing (CNI-20, CNI-60). */
static bool check_answer(const struct response *response, struct failure *failure)
{
	struct json_problem problem;

	if (response->status == 200 && response->body_length == 0)
		return true;
	if (response->status != 200 && !response->is_json)
		return fail(failure, CNI_IO_FAILURE, "the Sluice agent answered with HTTP status %d", response->status);
	if (json_scan_object(response->body, response->body_length, NULL, 0, &problem))
		return true;
	fail(failure, CNI_IO_FAILURE, "the Sluice agent's answer is not a JSON object");
	return fail_details(failure, "line %zu, column %zu: %s", problem.line, problem.column, problem.text);
}

bool ask_agent(const struct config *config, const struct request *request, const struct netns *netns,
	       int64_t deadline_ms, struct exchange *exchange, struct failure *failure)
{
	exchange->fd = connect_agent(config, deadline_ms, failure);
	if (exchange->fd < 0)
		return false;
	/* A refusal may come before everything is sent: it counts more than the broken connection. */
	send_request(exchange->fd, request, netns, deadline_ms);
	if (receive(exchange, deadline_ms, failure) && check_answer(&exchange->response, failure))
		return true;
	close(exchange->fd);
	return false;
}

void accept_response(struct exchange *exchange)
{
	char ignored[4096];

	while (exchange->unread > 0) {
		size_t want = exchange->unread < sizeof(ignored) ? exchange->unread : sizeof(ignored);
		ssize_t got = recv(exchange->fd, ignored, want, MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		exchange->unread -= (size_t)got;
	}
	close(exchange->fd);
}
