// SPDX-License-Identifier: GPL-2.0-only
/*
 * user PCI-ADDRESS DRIVE: what mmap() and munmap() of p2pmem/allocate cost a user program, and the time that it is on
 * the processor for a direct read of DRIVE into such memory, and into RAM. One line per operation, as p2pdma_bench.ko
 * has them.
 *
 * user PCI-ADDRESS NODE NAME: that time for direct reads and writes of NODE, which is a drive or something made of drives.
 * Peer memory is left out where NODE takes none.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS	101
#define PAGE	4096UL

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Of this program, asleep or not: what it waits for is the drive's. */
static uint64_t busy(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *name, unsigned int pages, uint64_t *samples, uint64_t (*time)(void))
{
	uint64_t clock, sum = 0;
	int i;

	clock = time();
	clock = time() - clock;
	for (i = 0; i < ROUNDS; i++)
		sum += samples[i];
	qsort(samples, ROUNDS, sizeof(*samples), compare);
	printf("# bench %s-%u n=%d per=%u sum=%llu median=%llu min=%llu max=%llu clock=%llu\n", name, pages, ROUNDS, pages,
	       (unsigned long long)sum, (unsigned long long)samples[ROUNDS / 2], (unsigned long long)samples[0],
	       (unsigned long long)samples[ROUNDS - 1], (unsigned long long)clock);
}

static void read_into(const char *name, int drive, void *buffer, unsigned int pages)
{
	uint64_t took[ROUNDS], start;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		start = busy();
		if (pread(drive, buffer, pages * PAGE, 0) != (ssize_t)(pages * PAGE))
			err(1, "read of %u pages", pages);
		took[round] = busy() - start;
	}
	report(name, pages, took, busy);
}

static void write_from(const char *name, int drive, void *buffer, unsigned int pages)
{
	uint64_t took[ROUNDS], start;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		start = busy();
		if (pwrite(drive, buffer, pages * PAGE, 0) != (ssize_t)(pages * PAGE))
			err(1, "write of %u pages", pages);
		took[round] = busy() - start;
	}
	report(name, pages, took, busy);
}

static void get_memory(int fd, size_t size, void **peer, void **ram)
{
	*peer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (*peer == MAP_FAILED || *ram == MAP_FAILED)
		err(1, "mmap of %zu bytes", size);
}

/* What looked for partitions has left pages in the cache, and as long as they are there each read looks at them. */
static int open_direct(const char *node, int flags)
{
	int drive = open(node, flags | O_DIRECT);

	if (drive < 0 || ioctl(drive, BLKFLSBUF))
		err(1, "%s", node);
	return drive;
}

static void through(const char *node, int fd, const char *name)
{
	static const unsigned int counts[] = { 1, 16 };
	int drive = open_direct(node, O_RDWR);
	void *memory[2];
	char what[64];
	unsigned int i, j;

	get_memory(fd, 16 * PAGE, &memory[0], &memory[1]);
	for (j = pread(drive, memory[0], PAGE, 0) < 0; j < 2; j++) {
		for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			snprintf(what, sizeof(what), "%s-read-%s", name, j ? "ram" : "peer");
			read_into(what, drive, memory[j], counts[i]);
			snprintf(what, sizeof(what), "%s-write-%s", name, j ? "ram" : "peer");
			write_from(what, drive, memory[j], counts[i]);
		}
	}
	close(drive);
}

static void direct(const char *node, int fd)
{
	static const unsigned int counts[] = { 1, 16, 256 };
	int drive = open_direct(node, O_RDONLY);
	void *peer, *ram;
	unsigned int i;

	get_memory(fd, 256 * PAGE, &peer, &ram);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		read_into("direct-peer", drive, peer, counts[i]);
		read_into("direct-ram", drive, ram, counts[i]);
	}
}

int main(int argc, char **argv)
{
	static const unsigned int counts[] = { 1, 16, 256, 1024 };
	uint64_t map[ROUNDS], unmap[ROUNDS], start;
	char path[128];
	unsigned int i;
	int fd, round;

	if (argc != 3 && argc != 4)
		errx(2, "usage: user PCI-ADDRESS DRIVE, or user PCI-ADDRESS NODE NAME");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/allocate", argv[1]);
	fd = open(path, O_RDWR);
	if (fd < 0)
		err(1, "%s", path);
	if (argc == 4) {
		through(argv[2], fd, argv[3]);
		return 0;
	}
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		size_t size = counts[i] * PAGE;

		for (round = 0; round < ROUNDS; round++) {
			void *addr;

			start = now();
			addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			map[round] = now() - start;
			if (addr == MAP_FAILED)
				err(1, "mmap of %zu bytes", size);
			start = now();
			munmap(addr, size);
			unmap[round] = now() - start;
		}
		report("mmap", counts[i], map, now);
		report("munmap", counts[i], unmap, now);
	}
	direct(argv[2], fd);
	return 0;
}
