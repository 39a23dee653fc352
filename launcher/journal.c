/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

static bool fail_step(const char *step, const char *object, struct failure *failure)
{
	int reason = errno;

	fail(failure, CNI_TRY_AGAIN, "there is no agent, and the DEL cannot be journalled: %s %.256s: %s", step, object,
	     strerror(reason));
	return fail_details(failure, "the DEL must be repeated once the agent runs or the journal is writable");
}

/* Opens a directory, making what is missing of its path and making that durable. -1: errno. */
static int open_directory(const char *path)
{
	char rest[2 * DIRECTORY_BYTES_MAX];
	char *position, *name;
	int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(rest, sizeof(rest), "%s", path);
	for (name = strtok_r(rest, "/", &position); name != NULL && directory >= 0;
	     name = strtok_r(NULL, "/", &position)) {
		int parent = directory;
		bool is_new = mkdirat(parent, name, 0700) == 0;
		bool is_there = is_new ? fsync(parent) == 0 : errno == EEXIST;
		int reason;

		directory = is_there ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		reason = errno;
		close(parent);
		errno = reason;
	}
	return directory;
}

/* ENOSPC when the journal is full: without an agent it would grow for ever. */
static bool has_room(int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int count = 0;

	if (listing == NULL) {
		if (copy >= 0)
			close(copy);
		return false;
	}
	while (count < JOURNAL_ENTRIES_MAX && (entry = readdir(listing)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(listing);
	errno = ENOSPC;
	return count < JOURNAL_ENTRIES_MAX;
}

/* The old entry or the whole new one is there, whatever happens in between. */
static bool write_entry(int directory, const char *name, const struct request *request)
{
	char temporary[32];
	bool is_written;
	int fd, reason;

	snprintf(temporary, sizeof(temporary), ".%ld", (long)getpid());
	fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	is_written = write_all(fd, request->body, request->length) && fsync(fd) == 0;
	reason = errno;
	close(fd);
	errno = reason;
	if (is_written && renameat(directory, temporary, directory, name) == 0)
		return fsync(directory) == 0;
	reason = errno;
	unlinkat(directory, temporary, 0);
	errno = reason;
	return false;
}

bool journal_del(const struct config *config, const struct request *request, struct failure *failure)
{
	char path[DIRECTORY_BYTES_MAX + INSTANCE_BYTES_MAX + 32];
	char name[CONTAINER_ID_BYTES_MAX + INTERFACE_NAME_BYTES_MAX + 2];
	int directory;
	bool is_written;

	snprintf(path, sizeof(path), "%s/%s/del-journal", config->state_dir, config->instance);
	snprintf(name, sizeof(name), "%s:%s", variable("CNI_CONTAINERID"), variable("CNI_IFNAME"));
	directory = open_directory(path);
	if (directory < 0)
		return fail_step("open", path, failure);
	is_written = has_room(directory) && write_entry(directory, name, request);
	if (!is_written)
		fail_step("write to", path, failure);
	close(directory);
	return is_written;
}
