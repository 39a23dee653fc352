/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time-exec PROGRAM [ARGUMENT...]: runs it with this process's environment and input and prints, on standard error, how
 * many nanoseconds passed from before it was started until it had ended. Small, so that starting it costs next to nothing:
 * what a caller's own start-up would add is not in the figure.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	long long start;
	int status;
	pid_t child;

	if (argc < 2) {
		fputs("usage: time-exec PROGRAM [ARGUMENT...]\n", stderr);
		return 2;
	}
	start = now_ns();
	child = vfork();
	if (child == 0) {
		execv(argv[1], argv + 1);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 125;
	fprintf(stderr, "%lld\n", now_ns() - start);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
