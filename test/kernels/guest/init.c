/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 of the guest: mounts what the tests need, loads the kernel modules of /modules in the order of their list,
 * runs the tests, and switches the machine off. The last line on the report's serial port is "end STATUS": without it the
 * guest did not come to its end, whatever was reported before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT "/dev/ttyS1"
#define MODULE_LIST "/modules/order"
#define NODE "/usr/bin/node"
#define PROGRAM "/app/test/kernels/guest/main.ts"
#define HOOKS "/app/test/kernels/guest/hooks.js"
#define STATUS_NO_TESTS 125

static const struct {
	const char *type, *path;
} MOUNTS[] = {
	{ "proc", "/proc" },  { "sysfs", "/sys" }, { "devtmpfs", "/dev" },
	{ "tmpfs", "/tmp" }, { "tmpfs", "/run" }, { "bpf", "/sys/fs/bpf" },
};

static int fail(const char *what, const char *object)
{
	fprintf(stderr, "init: %s %s: %s\n", what, object, strerror(errno));
	return -1;
}

static int mount_all(void)
{
	for (size_t i = 0; i < sizeof(MOUNTS) / sizeof(MOUNTS[0]); i++) {
		mkdir(MOUNTS[i].path, 0755);
		/* A kernel may have mounted /dev itself. */
		if (mount(MOUNTS[i].type, MOUNTS[i].path, MOUNTS[i].type, 0, NULL) && errno != EBUSY)
			return fail("mount", MOUNTS[i].path);
	}
	return 0;
}

static int load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return fail("open", path);
	result = syscall(SYS_finit_module, fd, "", 0);
	if (result)
		fail("finit_module", path);
	close(fd);
	return result;
}

static int load_modules(void)
{
	char line[256];
	int result = 0;
	FILE *list = fopen(MODULE_LIST, "re");

	if (!list)
		return fail("open", MODULE_LIST);
	while (!result && fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = '\0';
		result = load_module(line);
	}
	fclose(list);
	return result;
}

static int run_tests(void)
{
	/* The exact figure does not matter: kernels before 5.11 charge maps to it. */
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int status;
	pid_t child;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/tmp", 1);
	child = fork();
	if (child == 0) {
		execl(NODE, "node", "--import", HOOKS, PROGRAM, REPORT, (char *)NULL);
		fail("exec", NODE);
		_exit(STATUS_NO_TESTS);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		fail("run", NODE);
		return STATUS_NO_TESTS;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
	int status = STATUS_NO_TESTS;
	FILE *report;

	if (!mount_all() && !load_modules())
		status = run_tests();
	report = fopen(REPORT, "we");
	if (report) {
		fprintf(report, "end %d\n", status);
		fclose(report);
	}
	sync();
	/* The machine is run with -no-reboot: this ends it. */
	reboot(RB_AUTOBOOT);
	return 1;
}
