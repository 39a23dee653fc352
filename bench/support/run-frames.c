/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-frames PIN IFINDEX FRAME_BYTES REPEAT < frames: runs the pinned tc program REPEAT times on every frame of standard
 * input, in their order, and prints what the kernel measured of the program itself (bpf_prog_info: run_time_ns and run_cnt, as switched on by
 * BPF_ENABLE_STATS): the system calls around it are not in it. Also how many frames met each answer of the program.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES_MAX 1000000
#define FRAME_BYTES_MAX 2048
/* struct __sk_buff */
#define SKB_WORDS 48
#define SKB_IFINDEX 10

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

static void fail(const char *what)
{
	fprintf(stderr, "run-frames: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct bpf_prog_info info_of(int program)
{
	struct bpf_prog_info info = {};
	union bpf_attr attr = {};

	attr.info.bpf_fd = program;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		fail("BPF_OBJ_GET_INFO_BY_FD");
	return info;
}

static int open_pin(const char *path)
{
	union bpf_attr attr = {};
	int fd;

	attr.pathname = (uintptr_t)path;
	fd = bpf(BPF_OBJ_GET, &attr);
	if (fd < 0)
		fail(path);
	return fd;
}

int main(int argc, char **argv)
{
	static char out[FRAME_BYTES_MAX + 256];
	uint32_t context[SKB_WORDS] = {};
	unsigned long frames, size, passed = 0, redirected = 0, dropped = 0;
	struct bpf_prog_info before, after;
	union bpf_attr stats = {};
	char *memory;
	int program;

	if (argc != 5) {
		fputs("usage: run-frames PIN IFINDEX FRAME_BYTES REPEAT < frames\n", stderr);
		return 2;
	}
	program = open_pin(argv[1]);
	context[SKB_IFINDEX] = atoi(argv[2]);
	size = atoi(argv[3]);
	if (size == 0 || size > FRAME_BYTES_MAX)
		fail("FRAME_BYTES");
	memory = malloc(FRAMES_MAX * size);
	if (!memory)
		fail("malloc");
	frames = fread(memory, size, FRAMES_MAX, stdin);
	stats.enable_stats.type = BPF_STATS_RUN_TIME;
	if (bpf(BPF_ENABLE_STATS, &stats) < 0)
		fail("BPF_ENABLE_STATS");
	before = info_of(program);
	for (unsigned long i = 0; i < frames; i++) {
		union bpf_attr run = {};

		run.test.prog_fd = program;
		run.test.data_in = (uintptr_t)(memory + i * size);
		run.test.data_size_in = size;
		run.test.data_out = (uintptr_t)out;
		run.test.data_size_out = sizeof(out);
		run.test.ctx_in = (uintptr_t)context;
		run.test.ctx_size_in = sizeof(context);
		run.test.repeat = atoi(argv[4]);
		if (bpf(BPF_PROG_TEST_RUN, &run))
			fail("BPF_PROG_TEST_RUN");
		passed += run.test.retval == (uint32_t)-1;
		redirected += run.test.retval == 7;
		dropped += run.test.retval == 2;
	}
	after = info_of(program);
	printf("{\"frames\":%lu,\"runs\":%llu,\"nanoseconds\":%llu,\"passed\":%lu,\"redirected\":%lu,\"dropped\":%lu}\n",
	       frames, (unsigned long long)(after.run_cnt - before.run_cnt),
	       (unsigned long long)(after.run_time_ns - before.run_time_ns), passed, redirected, dropped);
	return 0;
}
