/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CNI plugin as the container runtime runs it: it carries one request to the agent and prints the answer. The verbs
 * live in the agent (src/cni/); here is only what must work without one: VERSION, and a DEL that is never lost.
 *
 * stdout gets exactly one JSON object, or nothing. Exit status 0: success, 1: the object is a CNI error.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "clock.h"
#include "command.h"
#include "config.h"
#include "failure.h"
#include "journal.h"
#include "netns.h"
#include "request.h"

static const char USAGE[] = "sluice-cni is a CNI plugin: container runtimes run it with the CNI_* variables set and the\n"
			    "network configuration on stdin. CNI_COMMAND is empty, so there is nothing to do.\n"
			    "It hands the request to the Sluice agent at <runDir>/<instance>/agent.sock.\n";

static struct request request;

static int exit_failed(const struct failure *failure, const struct config *config)
{
	const char *version = config->version[0] == '\0' ? VERSION_WITHOUT_CONFIG : config->version;

	if (!print_failure(failure, version))
		fprintf(stderr, "sluice-cni: stdout is not writable; the error was: %s\n", failure->message);
	return EXIT_FAILURE;
}

/* Whatever is on stdin, the versions are told (CNI-53). */
static int tell_versions(void)
{
	struct failure ignored;
	struct config config = { .version = "" };
	const char *version = SUPPORTED_VERSIONS[SUPPORTED_VERSION_COUNT - 1];

	if (add_stdin(&request, &ignored))
		read_config(request.body, request.length, &config, &ignored);
	if (config.version[0] != '\0')
		version = config.version;
	return print_versions(version, SUPPORTED_VERSIONS, SUPPORTED_VERSION_COUNT) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A DEL works without the namespace, and never uses the launcher's own. */
static bool find_netns(enum command command, struct netns *netns, struct failure *failure)
{
	const char *path = variable("CNI_NETNS");

	netns->fd = -1;
	if (path[0] == '\0' || (command & (COMMAND_ADD | COMMAND_CHECK | COMMAND_DEL)) == 0)
		return true;
	return open_netns(path, netns, failure) || command == COMMAND_DEL;
}

static int64_t deadline_of(enum command command)
{
	switch (command) {
	case COMMAND_DEL:
		return now_ms() + DEL_DEADLINE_MS;
	case COMMAND_STATUS:
		return now_ms() + STATUS_DEADLINE_MS;
	case COMMAND_ADD:
	case COMMAND_CHECK:
	case COMMAND_GC:
	case COMMAND_VERSION:
		break;
	}
	return now_ms() + ADD_DEADLINE_MS;
}

/* Prints first and takes the response from the socket after: see ask_agent(). */
static int pass_on(struct exchange *exchange)
{
	const struct response *response = &exchange->response;

	if (!write_all(STDOUT_FILENO, response->body, response->body_length)) {
		fprintf(stderr, "sluice-cni: stdout is not writable\n");
		return EXIT_FAILURE;
	}
	accept_response(exchange);
	return response->status == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * A pod can always be deleted. The second try is for an agent that began to listen after the first try and read the
 * journal before the entry was in it; should it fail, the agent finds the entry.
 */
static int keep_del(const struct config *config, const struct netns *netns, struct failure *failure)
{
	struct exchange exchange;
	struct failure ignored;

	fprintf(stderr, "sluice-cni: %s; the DEL is journalled for the agent\n", failure->message);
	if (!journal_del(config, &request, failure))
		return exit_failed(failure, config);
	if (ask_agent(config, &request, netns, now_ms() + RETRY_DEADLINE_MS, &exchange, &ignored))
		accept_response(&exchange);
	return EXIT_SUCCESS;
}

static int carry(enum command command)
{
	struct failure failure;
	struct config config = { .version = "" };
	struct netns netns;
	struct exchange exchange;
	bool is_read = add_environment(&request, &failure) && add_stdin(&request, &failure);
	bool is_understood = is_read && read_config(request.body + request.config_offset,
						    request.length - request.config_offset, &config, &failure);

	/* The configuration is read first for the version that the error object needs; missing variables tell more. */
	if (!check_variables(command, &failure) || !is_understood || !find_netns(command, &netns, &failure))
		return exit_failed(&failure, &config);
	if (ask_agent(&config, &request, &netns, deadline_of(command), &exchange, &failure))
		return pass_on(&exchange);
	if (command == COMMAND_DEL && failure.code != CNI_INVALID_CONFIG)
		return keep_del(&config, &netns, &failure);
	if (command == COMMAND_STATUS)
		failure.code = CNI_NOT_AVAILABLE;
	return exit_failed(&failure, &config);
}

/* Otherwise a file opened here could become stdout, and the result be written into it. */
static void open_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			exit(EXIT_FAILURE);
}

int main(void)
{
	const char *name = variable("CNI_COMMAND");
	struct config no_config = { .version = "" };
	struct failure failure;
	enum command command;

	open_standard_files();
	signal(SIGPIPE, SIG_IGN);
	if (name[0] == '\0') {
		fputs(USAGE, stderr);
		return EXIT_SUCCESS;
	}
	if (!read_command(name, &command, &failure))
		return exit_failed(&failure, &no_config);
	return command == COMMAND_VERSION ? tell_versions() : carry(command);
}
