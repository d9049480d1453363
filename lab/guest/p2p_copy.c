// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies from one block device to another through memory of a provider (its
 * p2pmem/allocate), or through RAM for comparison. Both ends do O_DIRECT, so that the only copy of
 * a byte between the drives is in that memory. The program itself never touches the memory: with
 * --phase the lab sees that nor does the kernel, once the memory is mapped (and cleared); with
 * --watch it has all accesses traced, too. With --peek the program does: it reads the last byte.
 *
 * Exit status: 0 copied, 2 wrong arguments or no such thing, 3 filling the memory failed, 4
 * draining it failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lab.h"
#include "p2pmem.h"

enum { SETUP = 2, FILL, DRAIN };

static const char *phase;	/* its name, or NULL */

static void phase_ends(void)
{
	if (phase)
		lab("# lab: phase end %s\n", phase);
	phase = NULL;
}

static void __attribute__((format(printf, 2, 3), noreturn)) die(int status, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	phase_ends();
	va_start(ap, fmt);
	fputs("p2p_copy: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (err)
		fprintf(stderr, ": %s (errno %d)", strerror(err), err);
	fputc('\n', stderr);
	exit(status);
}

static unsigned long long parse(const char *name, const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-')
		die(SETUP, "--%s %s cannot be a count of bytes", name, text);
	return value;
}

static void *get_memory(const char *via, size_t len)
{
	char path[128];
	void *mem;
	int fd;

	if (!strcmp(via, "ram")) {
		mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (mem == MAP_FAILED)
			die(SETUP, "map %zu bytes of RAM", len);
		return mem;
	}

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/allocate", via);
	fd = open(path, O_RDWR);
	if (fd < 0)
		die(SETUP, "open %s", path);
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		die(SETUP, "map %zu bytes of %s", len, path);
	close(fd);
	return mem;
}

static int open_drive(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT);

	if (fd < 0)
		die(SETUP, "open %s", path);
	return fd;
}

/* All of @len, whatever a single call moves. */
static void move(int status, const char *path, int fd, char *mem, size_t len, off_t at)
{
	while (len) {
		ssize_t done;

		errno = 0;
		done = status == FILL ? pread(fd, mem, len, at) : pwrite(fd, mem, len, at);
		if (done <= 0)
			die(status, "%s %s, %zu bytes at %lld", status == FILL ? "read" : "write",
			    path, len, (long long)at);
		mem += done;
		len -= done;
		at += done;
	}
}

static void __attribute__((noreturn)) print_usage(void)
{
	errno = 0;
	die(SETUP, "wants --from N --to N --via BDF|ram --bytes N [--offset --chunk --phase|--watch --peek]");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{ "via", required_argument, NULL, 'v' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "offset", required_argument, NULL, 'o' },
		{ "chunk", required_argument, NULL, 'c' },
		{ "phase", required_argument, NULL, 'p' },
		{ "watch", required_argument, NULL, 'w' },
		{ "peek", no_argument, NULL, 'l' },
		{ }
	};
	unsigned long long bytes = 0, offset = 0, chunk = 1 << 20, size, done;
	const char *from = NULL, *to = NULL, *via = NULL, *name = NULL;
	bool watched = false, peek = false;
	int in, out, opt;
	char *mem;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'f':
			from = optarg;
			break;
		case 't':
			to = optarg;
			break;
		case 'v':
			via = optarg;
			break;
		case 'b':
			bytes = parse("bytes", optarg);
			break;
		case 'o':
			offset = parse("offset", optarg);
			break;
		case 'c':
			chunk = parse("chunk", optarg);
			break;
		case 'w':
		case 'p':
			watched = opt == 'w';
			name = optarg;
			break;
		case 'l':
			peek = true;
			break;
		default:
			print_usage();
		}
	}
	if (!from || !to || !via || !bytes || !chunk || optind != argc)
		print_usage();
	if (chunk > bytes)
		chunk = bytes;

	in = open_drive(from, O_RDONLY);
	out = open_drive(to, O_RDWR);
	size = chunk;
	mem = get_memory(via, size);
	phase = name;
	if (phase)
		lab("# lab: phase begin %s%s\n", phase, watched ? " watched" : "");
	for (done = 0; done < bytes; done += chunk) {
		if (chunk > bytes - done)
			chunk = bytes - done;
		move(FILL, from, in, mem, chunk, offset + done);
		move(DRAIN, to, out, mem, chunk, offset + done);
	}
	if (fsync(out))
		die(DRAIN, "flush %s", to);
	if (peek)
		printf("the last byte is %d\n", mem[size - 1]);
	phase_ends();
	printf("%llu bytes from %s to %s through %s\n", bytes, from, to, via);
	return 0;
}
