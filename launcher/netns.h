/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's network namespace. The launcher opens it in the mount namespace of the runtime and keeps it open; the
 * agent opens the same file through /proc/PID/fd and compares device and inode, so nothing has to be mounted in both.
 */
#ifndef SLUICE_NETNS_H
#define SLUICE_NETNS_H

#include <stdbool.h>
#include <sys/types.h>

#include "failure.h"

struct netns {
	int fd; /* -1: there is none */
	dev_t device;
	ino_t inode;
};

/*
 * Opens `path`. A path that does not exist is code 3, anything that is not a network namespace, or is the launcher's
 * own (CNI-14), code 8. After a failure there is none.
 */
bool open_netns(const char *path, struct netns *netns, struct failure *failure);

#endif
