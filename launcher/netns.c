/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

static bool is_own(const struct stat *status)
{
	const char *override = variable("CNI_NETNS_OVERRIDE");
	struct stat own;

	if (strcasecmp(override, "true") == 0 || strcmp(override, "1") == 0)
		return false;
	return stat("/proc/self/ns/net", &own) == 0 && own.st_dev == status->st_dev && own.st_ino == status->st_ino;
}

static bool check_netns(int fd, const char *path, struct netns *netns, struct failure *failure)
{
	struct stat status;

	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET || fstat(fd, &status) != 0) {
		fail(failure, CNI_INVALID_NETNS, "CNI_NETNS \"%.256s\" is not a network namespace", path);
		return fail_details(failure, "a plain file is left at this path when the namespace was unmounted");
	}
	if (is_own(&status)) {
		fail(failure, CNI_INVALID_NETNS, "CNI_NETNS \"%.256s\" is the namespace sluice-cni itself runs in", path);
		return fail_details(failure, "CNI_NETNS_OVERRIDE=TRUE allows it");
	}
	netns->fd = fd;
	netns->device = status.st_dev;
	netns->inode = status.st_ino;
	return true;
}

bool open_netns(const char *path, struct netns *netns, struct failure *failure)
{
	/* O_NONBLOCK: a FIFO at this path must not hold us up. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	netns->fd = -1;
	if (fd < 0) {
		bool is_gone = errno == ENOENT || errno == ENOTDIR;

		fail(failure, is_gone ? CNI_UNKNOWN_CONTAINER : CNI_INVALID_NETNS,
		     is_gone ? "CNI_NETNS \"%.256s\" does not exist" : "CNI_NETNS \"%.256s\" does not open", path);
		return fail_details(failure, "%s", strerror(errno));
	}
	if (check_netns(fd, path, netns, failure))
		return true;
	close(fd);
	return false;
}
