// SPDX-License-Identifier: GPL-2.0-only
/*
 * A drive and its own memory: $P2P_OWN is the drive whose CMB is the memory of $P2P_PROVIDER, and
 * which takes all data of a command there, or none (CMBLOC without CDMMMS). Writes what is there.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

#define LEN (64UL << 10)

FIXTURE(own) {
	char *mem;
	char *ram;
	char *there;		/* what the drive has */
	int drive;
};

FIXTURE_SETUP(own)
{
	int fd = p2pmem_open("allocate", O_RDWR);

	ASSERT_GE(fd, 0) TH_LOG("open p2pmem/allocate of $P2P_PROVIDER: %s", strerror(errno));
	self->mem = p2pmem_map(fd, LEN);
	ASSERT_NE(self->mem, MAP_FAILED);
	close(fd);
	self->ram = mmap(NULL, 2 * LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->ram, MAP_FAILED);
	self->there = self->ram + LEN;
	self->drive = open(getenv("P2P_OWN"), O_RDWR | O_DIRECT);
	ASSERT_GE(self->drive, 0);
	ASSERT_EQ(pread(self->drive, self->there, LEN, 0), (ssize_t)LEN);
	memset(self->mem, 0x11, LEN);
}

FIXTURE_TEARDOWN(own)
{
	munmap(self->mem, LEN);
	munmap(self->ram, 2 * LEN);
	close(self->drive);
}

TEST_F(own, all_of_it)
{
	ASSERT_EQ(pread(self->drive, self->mem, LEN, 0), (ssize_t)LEN);
	EXPECT_EQ(memcmp(self->mem, self->there, LEN), 0);
	ASSERT_EQ(pwrite(self->drive, self->mem, LEN, 0), (ssize_t)LEN);
	ASSERT_EQ(pread(self->drive, self->ram, LEN, 0), (ssize_t)LEN);
	EXPECT_EQ(memcmp(self->ram, self->there, LEN), 0);
}

/* Not EIO, which the drive's own answer would be */
#define EXPECT_EREMOTEIO(call) do {							\
	errno = 0;									\
	EXPECT_EQ(-1, (long)(call));							\
	EXPECT_EQ(errno, EREMOTEIO) TH_LOG(#call ": errno %d", errno);			\
} while (0)

TEST_F(own, mixed_with_ram)
{
	struct iovec own_first[] = { { self->mem, LEN / 2 }, { self->ram, LEN / 2 } };
	struct iovec own_last[] = { { self->ram, LEN / 2 }, { self->mem, LEN / 2 } };
	struct iovec between[] = {
		{ self->ram, 4096 }, { self->mem, 4096 }, { self->ram + 4096, 4096 }
	};

	EXPECT_EREMOTEIO(preadv(self->drive, own_first, 2, 0));
	EXPECT_EREMOTEIO(preadv(self->drive, own_last, 2, 0));
	EXPECT_EREMOTEIO(preadv(self->drive, between, 3, 0));
	EXPECT_EREMOTEIO(pwritev(self->drive, own_first, 2, 0));
	EXPECT_EREMOTEIO(pwritev(self->drive, own_last, 2, 0));

	ASSERT_EQ(pread(self->drive, self->ram, LEN, 0), (ssize_t)LEN);
	EXPECT_EQ(memcmp(self->ram, self->there, LEN), 0);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER | P2P_OWN, 0);
	return test_harness_run(argc, argv);
}
