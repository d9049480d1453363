// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peer memory in the hands of those who did not ask for it: they get an error, never the pages.
 * Reads the drive $P2P_FROM. RAM disks that peers cannot reach are skipped if they are not there,
 * or in use.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

#define LEN (64UL << 10)

FIXTURE(peer) {
	char *mem;
	char *ram;
	int drive;
	long free;
};

FIXTURE_SETUP(peer)
{
	int fd = p2pmem_open("allocate", O_RDWR);

	ASSERT_GE(fd, 0) TH_LOG("open p2pmem/allocate of $P2P_PROVIDER: %s", strerror(errno));
	self->free = p2pmem_read("available");
	self->mem = p2pmem_map(fd, LEN);
	ASSERT_NE(self->mem, MAP_FAILED);
	close(fd);
	self->ram = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->ram, MAP_FAILED);
	self->drive = open(getenv("P2P_FROM"), O_RDONLY);
	ASSERT_GE(self->drive, 0);
	memset(self->mem, 0x11, LEN);
}

/* An attempt that failed left no reference behind. */
FIXTURE_TEARDOWN(peer)
{
	EXPECT_EQ(munmap(self->mem, LEN), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
	munmap(self->ram, LEN);
	close(self->drive);
}

static bool refusal(int err)
{
	return err == EREMOTEIO || err == EFAULT || err == EINVAL || err == EOPNOTSUPP ||
	       err == EIO;
}

#define EXPECT_REFUSED(call) do {							\
	errno = 0;									\
	EXPECT_EQ(-1, (long)(call));							\
	EXPECT_TRUE(refusal(errno)) TH_LOG(#call ": errno %d", errno);			\
} while (0)

/* A buffered read copies with the CPU, which may. */
TEST_F(peer, buffered_read_copies)
{
	ASSERT_EQ(pread(self->drive, self->ram, LEN, 0), (ssize_t)LEN);
	ASSERT_EQ(pread(self->drive, self->mem, LEN, 0), (ssize_t)LEN);
	EXPECT_EQ(memcmp(self->mem, self->ram, LEN), 0);
}

TEST_F(peer, pipe_copies)
{
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	EXPECT_EQ(write(fds[1], self->mem, 4096), 4096);
	EXPECT_EQ(read(fds[0], self->ram, 4096), 4096);
	EXPECT_EQ(memcmp(self->mem, self->ram, 4096), 0);
	close(fds[0]);
	close(fds[1]);
}

/* Where slow GUP takes a reference */
TEST_F(peer, process_vm_readv)
{
	struct iovec to = { self->ram, 4096 }, from = { self->mem, 4096 };

	EXPECT_REFUSED(process_vm_readv(getpid(), &to, 1, &from, 1, 0));
}

TEST_F(peer, process_vm_writev)
{
	struct iovec from = { self->ram, 4096 }, to = { self->mem, 4096 };

	EXPECT_REFUSED(process_vm_writev(getpid(), &from, 1, &to, 1, 0));
	EXPECT_EQ(self->mem[0], 0x11);
}

TEST_F(peer, proc_self_mem)
{
	int fd = open("/proc/self/mem", O_RDWR);

	ASSERT_GE(fd, 0);
	EXPECT_REFUSED(pread(fd, self->ram, 4096, (off_t)(uintptr_t)self->mem));
	EXPECT_REFUSED(pwrite(fd, self->ram, 4096, (off_t)(uintptr_t)self->mem));
	EXPECT_EQ(self->mem[0], 0x11);
	close(fd);
}

/* Where fast GUP does */
TEST_F(peer, vmsplice)
{
	struct iovec from = { self->mem, 4096 };
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	EXPECT_REFUSED(vmsplice(fds[1], &from, 1, 0));
	EXPECT_REFUSED(vmsplice(fds[1], &from, 1, SPLICE_F_GIFT));
	close(fds[0]);
	close(fds[1]);
}

/* A shared futex looks for the page's mapping, and a device page has none. */
TEST_F(peer, shared_futex)
{
	EXPECT_REFUSED(syscall(SYS_futex, self->mem, FUTEX_WAKE, 1, NULL, NULL, 0));
}

/* A registered buffer is pinned (FOLL_LONGTERM) for as long as the ring lives. */
TEST_F(peer, io_uring_registered_buffer)
{
	struct io_uring_params params = { };
	struct iovec buffer = { self->mem, LEN };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		SKIP(return, "no io_uring: %s", strerror(errno));
	EXPECT_REFUSED(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1));
	close(ring);
}

FIXTURE(incapable)
{
	char *mem;
	long free;
};

FIXTURE_VARIANT(incapable)
{
	const char *node;
};

/* Not refused: a direct read into RAM and peer memory at once, of a drive that reaches both */
TEST_F(peer, vector_with_ram)
{
	struct iovec mixed[] = {
		{ self->ram, 4096 }, { self->mem, 4096 }, { self->ram + 8192, 4096 },
	};
	int fd = open(getenv("P2P_FROM"), O_RDONLY | O_DIRECT);
	char want[3 * 4096];

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pread(self->drive, want, sizeof(want), 0), (ssize_t)sizeof(want));
	EXPECT_EQ(preadv(fd, mixed, 3, 0), (ssize_t)sizeof(want));
	EXPECT_EQ(memcmp(self->ram, want, 4096), 0);
	EXPECT_EQ(memcmp(self->mem, want + 4096, 4096), 0);
	EXPECT_EQ(memcmp(self->ram + 8192, want + 8192, 4096), 0);
	close(fd);
}

/* Block devices whose queue does not say that it can do peer memory. */
FIXTURE_VARIANT_ADD(incapable, ram_disk) { .node = "/dev/ram0" };
FIXTURE_VARIANT_ADD(incapable, null_blk) { .node = "/dev/nullb0" };

FIXTURE_SETUP(incapable)
{
	int fd = p2pmem_open("allocate", O_RDWR);

	ASSERT_GE(fd, 0);
	self->free = p2pmem_read("available");
	self->mem = p2pmem_map(fd, LEN);
	ASSERT_NE(self->mem, MAP_FAILED);
	close(fd);
}

FIXTURE_TEARDOWN(incapable)
{
	EXPECT_EQ(munmap(self->mem, LEN), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
}

TEST_F(incapable, direct_io)
{
	int fd = open(variant->node, O_RDWR | O_DIRECT | O_EXCL), buffered;

	if (fd < 0 && (errno == ENOENT || errno == EBUSY))
		SKIP(return, "%s: %s", variant->node, strerror(errno));
	ASSERT_GE(fd, 0);
	/* What is there: it does no harm if the disk takes it. */
	buffered = open(variant->node, O_RDONLY);
	ASSERT_EQ(pread(buffered, self->mem, LEN, 0), (ssize_t)LEN);
	close(buffered);
	EXPECT_REFUSED(pread(fd, self->mem, 4096, 0));
	EXPECT_REFUSED(pwrite(fd, self->mem, 4096, 0));
	EXPECT_REFUSED(pread(fd, self->mem, LEN, 0));
	close(fd);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER | P2P_READ, 0);
	return test_harness_run(argc, argv);
}
