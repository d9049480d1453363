// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contract of p2pmem/allocate: what may be mapped, what it costs, and that it comes back.
 * All that is free is mapped for a moment.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

/* More than this is not cleared and looked at by the CPU just for a test. */
#define MOST (1L << 30)
#define TOO_MUCH "more than 1 GiB is free: it would take long"

FIXTURE(p2pmem) {
	int fd;
	size_t page;
	long size;
	long free;
};

FIXTURE_SETUP(p2pmem)
{
	self->page = sysconf(_SC_PAGESIZE);
	self->fd = p2pmem_open("allocate", O_RDWR);
	ASSERT_GE(self->fd, 0) TH_LOG("open p2pmem/allocate of $P2P_PROVIDER: %s", strerror(errno));
	self->size = p2pmem_read("size");
	self->free = p2pmem_read("available");
	/* The provider itself may have taken some, an NVMe drive for its queues. */
	ASSERT_GT(self->free, (long)MIB);
	ASSERT_LE(self->free, self->size);
}

/* Whatever a test did, all of the memory is there again afterwards. */
FIXTURE_TEARDOWN(p2pmem)
{
	close(self->fd);
	EXPECT_EQ(p2pmem_read("available"), self->free);
	EXPECT_EQ(p2pmem_read("size"), self->size);
}

TEST_F(p2pmem, published)
{
	EXPECT_EQ(p2pmem_read("published"), 1);
}

TEST_F(p2pmem, private_is_invalid)
{
	EXPECT_EQ(mmap(NULL, self->page, PROT_READ, MAP_PRIVATE, self->fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
}

TEST_F(p2pmem, offset_is_invalid)
{
	EXPECT_EQ(mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->fd, self->page), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
}

TEST_F(p2pmem, empty_is_invalid)
{
	EXPECT_EQ(p2pmem_map(self->fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
}

TEST_F(p2pmem, more_than_there_is)
{
	EXPECT_EQ(p2pmem_map(self->fd, self->size + self->page), MAP_FAILED);
	EXPECT_EQ(errno, ENOMEM);
	/* Far beyond any BAR: sizes must not wrap on the way. */
	EXPECT_EQ(p2pmem_map(self->fd, 1UL << 45), MAP_FAILED);
	EXPECT_EQ(errno, ENOMEM);
}

/* Each allocation counts, and so does one that fails. */
TEST_F(p2pmem, statistics)
{
	long allocations = p2pmem_read("allocations");
	long failures = p2pmem_read("allocation_failures");
	char *mem = p2pmem_map(self->fd, MIB);

	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(p2pmem_read("allocations"), allocations + 1);
	EXPECT_EQ(p2pmem_read("allocation_failures"), failures);
	EXPECT_EQ(p2pmem_map(self->fd, self->size + self->page), MAP_FAILED);
	EXPECT_EQ(p2pmem_read("allocations"), allocations + 1);
	EXPECT_EQ(p2pmem_read("allocation_failures"), failures + 1);
	EXPECT_EQ(munmap(mem, MIB), 0);
}

/* What it says can be had in one piece. */
TEST_F(p2pmem, largest_free)
{
	long largest = p2pmem_read("largest_free");
	char *mem;

	if (largest > MOST)
		SKIP(return, TOO_MUCH);
	mem = p2pmem_map(self->fd, largest);
	ASSERT_GT(largest, 0);
	ASSERT_LE(largest, self->free);
	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_LT(p2pmem_read("largest_free"), largest);
	EXPECT_EQ(munmap(mem, largest / 2), 0);
	EXPECT_GE(p2pmem_read("largest_free"), largest / 2);
	EXPECT_EQ(munmap(mem + largest / 2, largest - largest / 2), 0);
	EXPECT_EQ(p2pmem_read("largest_free"), largest);
}

TEST_F(p2pmem, rounds_up_to_a_page)
{
	char *mem = p2pmem_map(self->fd, 100);

	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(p2pmem_read("available"), self->free - (long)self->page);
	EXPECT_EQ(munmap(mem, 100), 0);
}

TEST_F(p2pmem, twenty_pages_are_twenty_pages)
{
	char *mem = p2pmem_map(self->fd, 20 * self->page);

	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(p2pmem_read("available"), self->free - 20 * (long)self->page);
	EXPECT_EQ(p2pmem_read("size"), self->size);
	EXPECT_EQ(munmap(mem, 20 * self->page), 0);
}

/*
 * Map all that is left, in pieces, since nobody promises that it is in one, and call @use on each.
 * Returns how many bytes that was; errno says what ended it.
 */
static size_t map_all(int fd, size_t page, void (*use)(char *mem, size_t len))
{
	size_t got = 0, len = MIB;

	for (;;) {
		char *mem = p2pmem_map(fd, len);

		if (mem != MAP_FAILED) {
			use(mem, len);
			got += len;
			continue;
		}
		if (errno != ENOMEM || len == page)
			return got;
		len /= 2;
	}
}

/* A write to what was read-only for a while must not end in SIGBUS. */
TEST_F(p2pmem, read_only_and_back)
{
	char *mem = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(mem[0], 0);
	ASSERT_EQ(mprotect(mem, self->page, PROT_READ | PROT_WRITE), 0);
	mem[0] = 1;
	ASSERT_EQ(mprotect(mem, self->page, PROT_READ), 0);
	ASSERT_EQ(mprotect(mem, self->page, PROT_READ | PROT_WRITE), 0);
	mem[0] += 1;
	EXPECT_EQ(mem[0], 2);
	EXPECT_EQ(munmap(mem, self->page), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
}

/* Everything is there already, and nobody takes a reference to find out. */
TEST_F(p2pmem, populate)
{
	char *mem = p2pmem_map(self->fd, 4 * self->page);

	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(madvise(mem, 4 * self->page, MADV_POPULATE_READ), 0);
	EXPECT_EQ(madvise(mem, 4 * self->page, MADV_POPULATE_WRITE), 0);
	EXPECT_EQ(munmap(mem, 4 * self->page), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
}

static void touch(char *mem, size_t len)
{
	mem[0] = 1;
	mem[len - 1] = 2;
}

TEST_F(p2pmem, all_of_it)
{
	pid_t child;
	int status;

	if (self->free > MOST)
		SKIP(return, TOO_MUCH);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		size_t got = map_all(self->fd, self->page, touch);
		bool used_up = errno == ENOMEM && p2pmem_read("available") == 0;

		/* Its exit has to give all of it back. */
		_exit(got == (size_t)self->free && used_up ? 0 : 1);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
}

TEST_F(p2pmem, reads_back)
{
	unsigned int *mem = p2pmem_map(self->fd, 64 << 10);
	unsigned int i, wrong = 0;

	ASSERT_NE((void *)mem, MAP_FAILED);
	for (i = 0; i < (64 << 10) / sizeof(*mem); i++)
		mem[i] = i * 2654435761U;
	for (i = 0; i < (64 << 10) / sizeof(*mem); i++)
		wrong += mem[i] != i * 2654435761U;
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(munmap(mem, 64 << 10), 0);
}

TEST_F(p2pmem, mappings_do_not_overlap)
{
	char *one = p2pmem_map(self->fd, self->page);
	char *two = p2pmem_map(self->fd, self->page);

	ASSERT_NE(one, MAP_FAILED);
	ASSERT_NE(two, MAP_FAILED);
	memset(one, 1, self->page);
	memset(two, 2, self->page);
	EXPECT_EQ(one[0], 1);
	EXPECT_EQ(one[self->page - 1], 1);
	EXPECT_EQ(munmap(one, self->page), 0);
	EXPECT_EQ(two[0], 2);
	EXPECT_EQ(munmap(two, self->page), 0);
}

TEST_F(p2pmem, outlives_its_file)
{
	char *mem;
	int fd = p2pmem_open("allocate", O_RDWR);

	ASSERT_GE(fd, 0);
	mem = p2pmem_map(fd, self->page);
	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(close(fd), 0);
	mem[0] = 3;
	EXPECT_EQ(mem[0], 3);
	EXPECT_EQ(munmap(mem, self->page), 0);
}

TEST_F(p2pmem, partial_munmap)
{
	char *mem = p2pmem_map(self->fd, 16 * self->page);
	long left;

	ASSERT_NE(mem, MAP_FAILED);
	mem[0] = 4;
	mem[15 * self->page] = 5;
	EXPECT_EQ(munmap(mem + 4 * self->page, 8 * self->page), 0);
	/* When a part comes back is the kernel's affair, but no more than that part may. */
	left = p2pmem_read("available");
	EXPECT_GE(left, self->free - 16 * (long)self->page);
	EXPECT_LE(left, self->free - 8 * (long)self->page);
	EXPECT_EQ(mem[0], 4);
	EXPECT_EQ(mem[15 * self->page], 5);
	EXPECT_EQ(munmap(mem, 4 * self->page), 0);
	EXPECT_EQ(munmap(mem + 12 * self->page, 4 * self->page), 0);
}

TEST_F(p2pmem, fork_shares_and_keeps)
{
	char *mem = p2pmem_map(self->fd, self->page);
	int go[2], status;
	pid_t child;
	char c;

	ASSERT_NE(mem, MAP_FAILED);
	ASSERT_EQ(pipe(go), 0);
	mem[0] = 6;
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		bool told, kept;

		/* Wait until the parent has let go of its own mapping. */
		told = read(go[0], &c, 1) == 1;
		kept = mem[0] == 7 && p2pmem_read("available") < self->free;
		_exit(told && kept ? 0 : 1);
	}
	mem[0] = 7;
	EXPECT_EQ(munmap(mem, self->page), 0);
	EXPECT_LT(p2pmem_read("available"), self->free);
	EXPECT_EQ(write(go[1], "x", 1), 1);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	close(go[0]);
	close(go[1]);
}

static unsigned int stale;

static void look(char *mem, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += 512)
		stale += mem[i] == 0x5a;
}

static void smear(char *mem, size_t len)
{
	memset(mem, 0x5a, len);
}

/* It is cleared in parts, of which the last may be a short one: of it each page, too. */
TEST_F(p2pmem, comes_back_clean_to_the_end)
{
	static const size_t lengths[] = { 1, 15, 16, 17, 31, 33, 47, 79 };
	pid_t child;
	int status;

	if (access("/sys/kernel/debug/p2pdma", F_OK))
		SKIP(return, "no debugfs p2pdma: a P2PDMA that promises no such thing");
	if (self->free > MOST)
		SKIP(return, TOO_MUCH);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		map_all(self->fd, self->page, smear);
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	/* All that is free is smeared now, and stays so: wherever a mapping is. */
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		size_t len = lengths[i] * self->page;
		char *mem = p2pmem_map(self->fd, len);

		ASSERT_NE(mem, MAP_FAILED);
		stale = 0;
		look(mem, len);
		EXPECT_EQ(stale, 0U) TH_LOG("in %zu pages", lengths[i]);
		smear(mem, len);
		EXPECT_EQ(munmap(mem, len), 0);
	}
}

/* What a new owner gets holds nothing of the one before. */
TEST_F(p2pmem, comes_back_clean)
{
	size_t len = 64 << 10;
	char *mem;
	pid_t child;
	int status;

	if (access("/sys/kernel/debug/p2pdma", F_OK))
		SKIP(return, "no debugfs p2pdma: a P2PDMA that promises no such thing");
	if (self->free > MOST)
		SKIP(return, TOO_MUCH);
	mem = p2pmem_map(self->fd, len);
	ASSERT_NE(mem, MAP_FAILED);
	memset(mem, 0x5a, len);
	EXPECT_EQ(munmap(mem, len), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		/* Wherever the first piece was, it is among these. */
		map_all(self->fd, self->page, look);
		_exit(stale ? 1 : 0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
}

/* Maps and unmaps until it is killed; *inside while the kernel is at it. */
static void map_for_ever(int fd, size_t len, int *inside)
{
	for (;;) {
		char *mem;

		__atomic_store_n(inside, 1, __ATOMIC_SEQ_CST);
		mem = p2pmem_map(fd, len);
		__atomic_store_n(inside, 0, __ATOMIC_SEQ_CST);
		if (mem == MAP_FAILED)
			_exit(1);
		munmap(mem, len);
	}
}

/* Who is killed while the kernel clears what is about to be mapped keeps none of it. */
TEST_F(p2pmem, killed_while_it_is_cleared)
{
	int *inside = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long largest = p2pmem_read("largest_free");
	int hits = 0, status;

	if (largest > MOST)
		SKIP(return, TOO_MUCH);
	ASSERT_NE(inside, MAP_FAILED);
	for (int round = 0; round < 64 && hits < 4; round++) {
		pid_t child = fork();

		ASSERT_GE(child, 0);
		if (!child)
			map_for_ever(self->fd, largest, inside);
		while (p2pmem_read("available") == self->free && !waitpid(child, &status, WNOHANG))
			;
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		ASSERT_TRUE(WIFSIGNALED(status));
		hits += *inside;
		*inside = 0;
		ASSERT_EQ(p2pmem_read("available"), self->free);
	}
	EXPECT_GT(hits, 0) TH_LOG("never killed inside of mmap()");
	munmap(inside, self->page);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER, 0);
	return test_harness_run(argc, argv);
}
