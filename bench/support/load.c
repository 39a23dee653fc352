/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for two namespaces: blocking sockets, one thread a connection, one JSON object as the answer.
 *
 *   load serve PORT CPU                   until killed; prints "ready" when it listens
 *   load send ADDRESS PORT CPU MS         bytes as fast as they go
 *   load ping ADDRESS PORT CPU MS         one byte there and back, one after the other
 *   load connect ADDRESS PORT CPU MS      connections one after the other: open, closed by the server, closed
 *
 * IPv4. PORT: of `send` and `ping`; `connect` uses the next one. CPU: where the process stays, so that rounds compare; in
 * `ping` the server's thread joins the client there, so that waking another CPU is not what is measured.
 * cpu_seconds is the user and system time of both ends; what the kernel does on a thread's behalf (most of the packet
 * path of a veth) is in it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES (256 * 1024)
#define SAMPLES_MAX (4 * 1024 * 1024)
#define BACKLOG 1024

enum mode { MODE_SEND = 's', MODE_PING = 'p' };

static char chunk[CHUNK_BYTES];

static void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t cpu_us(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000ULL + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

static struct sockaddr_in address_of(const char *host, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		errno = EINVAL;
		fail(host);
	}
	return a;
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int listen_on(int port)
{
	struct sockaddr_in a = address_of("0.0.0.0", port);
	int fd = tcp_socket(), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, BACKLOG))
		fail("listen");
	return fd;
}

static int connect_to(const struct sockaddr_in *a)
{
	int fd = tcp_socket();

	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)))
		fail("connect");
	return fd;
}

/* Answers with the thread's CPU time when the other end has sent all it had. */
static void sink(int fd, char *buffer)
{
	uint64_t us;

	while (read(fd, buffer, CHUNK_BYTES) > 0)
		;
	us = cpu_us(RUSAGE_THREAD);
	if (write(fd, &us, sizeof(us)) != sizeof(us))
		fail("write");
}

static void echo(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		return;
	stay_on(byte);
	while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
		;
}

static void *serve_one(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char *buffer = malloc(CHUNK_BYTES);
	char mode = 0;

	if (buffer && read(fd, &mode, 1) == 1) {
		if (mode == MODE_SEND)
			sink(fd, buffer);
		if (mode == MODE_PING)
			echo(fd);
	}
	free(buffer);
	close(fd);
	return 0;
}

static void *serve_connects(void *argument)
{
	int listener = (int)(intptr_t)argument, fd;

	while ((fd = accept(listener, 0, 0)) >= 0)
		close(fd);
	return 0;
}

static int serve(int port)
{
	int listener = listen_on(port), fd;
	pthread_t thread;

	if (pthread_create(&thread, 0, serve_connects, (void *)(intptr_t)listen_on(port + 1)))
		fail("pthread_create");
	puts("ready");
	fflush(stdout);
	while ((fd = accept(listener, 0, 0)) >= 0) {
		if (pthread_create(&thread, 0, serve_one, (void *)(intptr_t)fd))
			fail("pthread_create");
		pthread_detach(thread);
	}
	fail("accept");
	return 1;
}

static void send_bytes(const struct sockaddr_in *a, uint64_t duration_ns)
{
	int fd = connect_to(a);
	uint64_t bytes = 0, start, end, peer_us = 0, own_us;
	char mode = MODE_SEND;

	if (write(fd, &mode, 1) != 1)
		fail("write");
	own_us = cpu_us(RUSAGE_SELF);
	start = now_ns();
	do {
		ssize_t n = write(fd, chunk, CHUNK_BYTES);

		if (n <= 0)
			fail("write");
		bytes += n;
		end = now_ns();
	} while (end - start < duration_ns);
	shutdown(fd, SHUT_WR);
	if (recv(fd, &peer_us, sizeof(peer_us), MSG_WAITALL) != sizeof(peer_us))
		fail("read");
	/* The last bytes are there now. */
	end = now_ns();
	own_us = cpu_us(RUSAGE_SELF) - own_us;
	printf("{\"bytes\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", (unsigned long long)bytes,
	       (end - start) / 1e9, (own_us + peer_us) / 1e6);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void ping(const struct sockaddr_in *a, uint64_t duration_ns, int cpu)
{
	uint32_t *samples = malloc(SAMPLES_MAX * sizeof(*samples));
	int fd = connect_to(a);
	char start_of_ping[] = { MODE_PING, cpu }, byte = 0;
	uint64_t start = now_ns(), before = start, after;
	size_t n = 0;

	if (!samples)
		fail("malloc");
	if (write(fd, start_of_ping, sizeof(start_of_ping)) != sizeof(start_of_ping))
		fail("write");
	do {
		before = now_ns();
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			fail("ping");
		after = now_ns();
		samples[n++] = after - before;
	} while (after - start < duration_ns && n < SAMPLES_MAX);
	qsort(samples, n, sizeof(*samples), compare);
	printf("{\"exchanges\":%zu,\"p50_ns\":%u,\"p99_ns\":%u}\n", n, samples[n / 2], samples[n * 99 / 100]);
}

static void connect_loop(const struct sockaddr_in *a, uint64_t duration_ns)
{
	uint64_t start = now_ns(), end;
	unsigned long connections = 0;
	char byte;

	do {
		int fd = connect_to(a);

		if (read(fd, &byte, 1) != 0)
			fail("the server's end of the connection");
		close(fd);
		connections++;
		end = now_ns();
	} while (end - start < duration_ns);
	printf("{\"connections\":%lu,\"seconds\":%.6f}\n", connections, (end - start) / 1e9);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a;
	uint64_t duration_ns;
	int port;

	if (argc == 4 && !strcmp(argv[1], "serve")) {
		stay_on(atoi(argv[3]));
		return serve(atoi(argv[2]));
	}
	if (argc != 6) {
		fputs("usage: load serve PORT CPU | load send|ping|connect ADDRESS PORT CPU MS\n", stderr);
		return 2;
	}
	port = atoi(argv[3]);
	stay_on(atoi(argv[4]));
	duration_ns = atoi(argv[5]) * 1000000ULL;
	a = address_of(argv[2], strcmp(argv[1], "connect") ? port : port + 1);
	if (!strcmp(argv[1], "send"))
		send_bytes(&a, duration_ns);
	else if (!strcmp(argv[1], "ping"))
		ping(&a, duration_ns, atoi(argv[4]));
	else
		connect_loop(&a, duration_ns);
	return 0;
}
