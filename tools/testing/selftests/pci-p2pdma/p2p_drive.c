// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives and peer memory: what $P2P_FROM reads into it, and copies through it to $P2P_TO, which
 * overwrites that. Neither end takes the page cache, so that no byte of a copy is in RAM.
 */
#include <string.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

#define LEN (256UL << 10)
#define COPY (4 * MIB)
#define READINGS 10	/* of a drive that others write to */

FIXTURE(drive) {
	char *mem;		/* LEN of peer memory */
	char *ram;		/* COPY, and another one */
	int from;
	long free;
};

FIXTURE_SETUP(drive)
{
	int fd = p2pmem_open("allocate", O_RDWR);

	self->free = p2pmem_read("available");
	self->mem = p2pmem_map(fd, LEN);
	ASSERT_NE(self->mem, MAP_FAILED) TH_LOG("map p2pmem/allocate: %s", strerror(errno));
	close(fd);
	self->ram = mmap(NULL, 2 * COPY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(self->ram, MAP_FAILED);
	self->from = open(getenv("P2P_FROM"), O_RDONLY | O_DIRECT);
	ASSERT_GE(self->from, 0);
}

FIXTURE_TEARDOWN(drive)
{
	EXPECT_EQ(munmap(self->mem, LEN), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
	munmap(self->ram, 2 * COPY);
	close(self->from);
}

/* Into peer memory, all of it, or the parts of it in an order of their own */
static ssize_t read_whole(int fd, char *mem, size_t len)
{
	return pread(fd, mem, len, 0);
}

static ssize_t read_parts(int fd, char *mem, size_t len)
{
	struct iovec parts[4];

	for (int i = 0; i < 4; i++) {
		parts[i].iov_base = mem + (3 - i) * (len / 4);
		parts[i].iov_len = len / 4;
	}
	return preadv(fd, parts, 4, 0);
}

enum { STEADY, UNSTEADY, FAILED };

/* Reads into peer memory, and before and after it into RAM, until what is there was the same */
static int read_steady(int fd, char *ram, char *mem, size_t len,
		       ssize_t (*read_peer)(int fd, char *mem, size_t len))
{
	for (int round = 0; round < READINGS; round++) {
		if (pread(fd, ram, len, 0) != (ssize_t)len ||
		    read_peer(fd, mem, len) != (ssize_t)len ||
		    pread(fd, ram + COPY, len, 0) != (ssize_t)len)
			return FAILED;
		if (!memcmp(ram, ram + COPY, len))
			return STEADY;
	}
	return UNSTEADY;
}

TEST_F(drive, reads)
{
	static const size_t lengths[] = { 4096, 3 * 4096, 64 << 10, LEN };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t len = lengths[i], at;
		int got;

		memset(self->mem, 0x5a, LEN);
		got = read_steady(self->from, self->ram, self->mem, len, read_whole);
		ASSERT_NE(got, FAILED) TH_LOG("%zu bytes: %s", len, strerror(errno));
		if (got == UNSTEADY)
			SKIP(return, "%s changes all the time", getenv("P2P_FROM"));
		EXPECT_EQ(memcmp(self->mem, self->ram, len), 0) TH_LOG("%zu bytes", len);
		for (at = len; at < LEN && self->mem[at] == 0x5a; at += 512)
			;
		EXPECT_GE(at, LEN) TH_LOG("%zu bytes: written to at %zu", len, at);
	}
}

TEST_F(drive, reads_into_parts)
{
	size_t len = 32 << 10, part = len / 4;
	int got = read_steady(self->from, self->ram, self->mem, len, read_parts);

	ASSERT_NE(got, FAILED) TH_LOG("%s", strerror(errno));
	if (got == UNSTEADY)
		SKIP(return, "%s changes all the time", getenv("P2P_FROM"));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(memcmp(self->mem + (3 - i) * part, self->ram + i * part, part), 0);
}

/* Other bytes than what is to be copied, so that a copy which does nothing is none */
static bool spoil(int to, char *ram, off_t at)
{
	for (size_t i = 0; i < COPY; i++)
		ram[COPY + i] = ~ram[i];
	return pwrite(to, ram + COPY, COPY, at) == (ssize_t)COPY;
}

TEST_F(drive, copies)
{
	int to = open(getenv("P2P_TO") ?: "", O_RDWR | O_DIRECT);
	off_t at = 16 * MIB;

	if (!getenv("P2P_TO"))
		SKIP(return, "%s", p2p_missing(P2P_WRITE));
	ASSERT_GE(to, 0);
	ASSERT_EQ(pread(self->from, self->ram, COPY, 0), (ssize_t)COPY);
	ASSERT_TRUE(spoil(to, self->ram, at));
	for (size_t done = 0; done < COPY; done += LEN) {
		ASSERT_EQ(pread(self->from, self->mem, LEN, done), (ssize_t)LEN)
			TH_LOG("read: %s", strerror(errno));
		ASSERT_EQ(pwrite(to, self->mem, LEN, at + done), (ssize_t)LEN)
			TH_LOG("write: %s", strerror(errno));
	}
	EXPECT_EQ(fsync(to), 0);
	ASSERT_EQ(pread(to, self->ram + COPY, COPY, at), (ssize_t)COPY);
	if (memcmp(self->ram, self->ram + COPY, COPY)) {
		/* Somebody may have written to the one that is only read. */
		ASSERT_EQ(pread(self->from, self->ram, COPY, 0), (ssize_t)COPY);
		EXPECT_EQ(memcmp(self->ram, self->ram + COPY, COPY), 0);
	}
	close(to);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER | P2P_READ, P2P_WRITE);
	return test_harness_run(argc, argv);
}
