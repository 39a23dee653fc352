/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines as points of the monotonic clock. */
#ifndef SLUICE_CLOCK_H
#define SLUICE_CLOCK_H

#include <stdint.h>

int64_t now_ms(void);

/* Waits for `events` on `fd`, through interruptions. 1: ready, 0: the deadline has passed, -1: errno. */
int wait_until(int fd, short events, int64_t deadline_ms);

#endif
