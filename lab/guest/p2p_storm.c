// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_storm BDF [FILE]: map, touch and unmap the memory of a provider, in several processes,
 * until the device is gone; one of them holds its mapping all the time. Exit status 0 if all of
 * them have come to their end by an error that the device's removal explains: SIGBUS on access,
 * no file, or no more mmap(). With FILE they begin again then, until they are killed: the device
 * may come back. FILE grows by a byte for each mapping.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN (64UL << 10)
#define PROCESSES 4

static int tally = -1;		/* FILE */

static bool explained(int error)
{
	return error == ENOENT || error == ENODEV;
}

static void gone(int signal)
{
	_exit(0);
}

static void __attribute__((noreturn)) hold(const char *path)
{
	int fd = open(path, O_RDWR);
	char *mem, i = 0;

	if (fd < 0 && tally >= 0 && explained(errno))
		_exit(0);
	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		if (tally >= 0 && (errno == ENODEV || errno == ENOMEM || errno == EREMOTEIO))
			_exit(0);
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
			_exit(explained(errno) ? 0 : 2);
		mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		if (mem == MAP_FAILED) {
			if (errno == ENODEV)
				_exit(0);
			/* EREMOTEIO: it is being reset */
			if (errno != ENOMEM && errno != EREMOTEIO)
				_exit(3);
			continue;
		}
		memset(mem, 1, LEN);
		munmap(mem, LEN);
		if (tally >= 0)
			(void)!write(tally, "", 1);
	}
}

/* Returns 0 once each process has come to an end that the device's removal explains. */
static int storm(const char *path)
{
	int i, status, wrong = 0;

	for (i = 0; i < PROCESSES; i++) {
		if (fork())
			continue;
		if (tally >= 0)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
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

int main(int argc, char **argv)
{
	char path[128];
	int wrong;

	if (argc != 2 && argc != 3) {
		fputs("p2p_storm: wants the BDF of a provider\n", stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/allocate", argv[1]);
	if (argc == 3) {
		tally = open(argv[2], O_WRONLY | O_CREAT | O_APPEND, 0600);
		if (tally < 0) {
			perror(argv[2]);
			return 2;
		}
	}
	signal(SIGBUS, gone);
	do {
		wrong = storm(path);
		usleep(1000);
	} while (tally >= 0 && !wrong);
	return wrong;
}
