// SPDX-License-Identifier: Apache-2.0
// Row 12: TCP connections one after the other, a byte there and a byte back each, ended
// by a reset, so that no port waits.
//   connect serve PORT
//   connect run ADDRESS PORT SECONDS    prints {"per_second": N}
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "connect: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void serve(struct sockaddr_in at)
{
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 128))
		die("listen");
	for (;;) {
		int s = accept(listener, NULL, NULL);
		char c;

		if (s < 0)
			die("accept");
		if (read(s, &c, 1) == 1 && write(s, &c, 1) == 1)
			(void)!read(s, &c, 1); // its end
		close(s);
	}
}

static void once(const struct sockaddr_in *to)
{
	struct linger reset = { .l_onoff = 1 };
	struct timeval patience = { .tv_sec = 3 };
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char c = 'x';

	setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(s, (const struct sockaddr *)to, sizeof(*to)) || write(s, &c, 1) != 1 || read(s, &c, 1) != 1)
		die("a connection");
	close(s);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };

	if (argc == 3 && !strcmp(argv[1], "serve")) {
		at.sin_port = htons((uint16_t)atoi(argv[2]));
		serve(at);
	}
	if (argc != 5 || strcmp(argv[1], "run") || inet_pton(AF_INET, argv[2], &at.sin_addr) != 1) {
		fprintf(stderr, "usage: connect serve PORT | connect run ADDRESS PORT SECONDS\n");
		return 2;
	}
	at.sin_port = htons((uint16_t)atoi(argv[3]));
	const double begun = now(), end = begun + atof(argv[4]);
	unsigned n = 0;

	for (; now() < end; n++)
		once(&at);
	printf("{\"per_second\": %.0f}\n", n / (now() - begun));
	return 0;
}
