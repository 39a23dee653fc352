/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int wait_until(int fd, short events, int64_t deadline_ms)
{
	struct pollfd poller = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline_ms - now_ms();
		int ready;

		if (left < 0)
			left = 0;
		ready = poll(&poller, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (ready > 0)
			return 1;
		if (ready == 0 && left == 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -1;
	}
}
