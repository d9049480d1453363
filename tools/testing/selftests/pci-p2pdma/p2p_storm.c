// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_storm BDF: map, touch and unmap the memory that a device lends, in several processes,
 * until the device is gone; one of them holds its mapping all the time. Exit status 0 if all of
 * them have come to their end by an error that the device's removal explains: SIGBUS on access,
 * no file, or no more mmap().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN (64UL << 10)
#define PROCESSES 4

static void gone(int signal)
{
	_exit(0);
}

static void __attribute__((noreturn)) hold(const char *path)
{
	int fd = open(path, O_RDWR);
	char *mem, i = 0;

	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		perror("p2p_storm: hold");
		_exit(1);
	}
	for (;;) {
		__atomic_store_n(mem, i++, __ATOMIC_RELAXED);
		usleep(1000);
	}
}

static void __attribute__((noreturn)) map_and_unmap(const char *path)
{
	for (;;) {
		int fd = open(path, O_RDWR);
		char *mem;

		if (fd < 0)
			_exit(errno == ENOENT || errno == ENODEV ? 0 : 2);
		mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		if (mem == MAP_FAILED) {
			if (errno == ENODEV)
				_exit(0);
			if (errno != ENOMEM)
				_exit(3);
			continue;
		}
		memset(mem, 1, LEN);
		munmap(mem, LEN);
	}
}

int main(int argc, char **argv)
{
	char path[128];
	int i, status, wrong = 0;

	if (argc != 2) {
		fputs("p2p_storm: wants the BDF of a device that lends memory\n", stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/allocate", argv[1]);
	signal(SIGBUS, gone);
	for (i = 0; i < PROCESSES; i++) {
		if (fork())
			continue;
		if (!i)
			hold(path);
		map_and_unmap(path);
	}
	for (i = 0; i < PROCESSES; i++) {
		if (wait(&status) < 0 || status) {
			fprintf(stderr, "p2p_storm: a process ended with status %#x\n", status);
			wrong = 1;
		}
	}
	return wrong;
}
