// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation that the kernel makes for a mapping of p2pmem/allocate, and for I/O with it,
 * fails in turn: that is an error, or does not matter, and nothing is lost. Needs CONFIG_FAILSLAB
 * and CONFIG_FAIL_PAGE_ALLOC. Overwrites the beginning of the drive $P2P_TO.
 */
#define _GNU_SOURCE
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

#define PAGE 4096UL
#define LEN (4 * PAGE)
#define AT (5UL << 40)		/* where no page table is yet */
#define ELSEWHERE (6UL << 40)
#define IN_TWO_TABLES (2 * MIB - LEN / 2)

struct user {
	int fd;			/* of p2pmem/allocate */
	int from;
	int to;
	char *mem;		/* LEN of peer memory, all 0x5a */
	char *ram;		/* what LEN at the start of from are */
	char *other;		/* where @mem was moved to, or another one */
};

/* ---- what is done while one allocation fails: 0, or -1 and errno ---- */

static void *map_at(unsigned long at, int fd)
{
	return mmap((void *)(at + IN_TWO_TABLES), LEN, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
}

static int do_map(struct user *u)
{
	char *mem = map_at(ELSEWHERE, u->fd);

	if (mem == MAP_FAILED)
		return -1;
	u->other = mem;
	mem[0] = 1;
	mem[LEN - 1] = 1;
	return 0;
}

static int do_open(struct user *u)
{
	int fd = p2pmem_open("allocate", O_RDWR);

	if (fd < 0)
		return -1;
	return close(fd);
}

static int do_unmap_part(struct user *u)
{
	return munmap(u->mem + LEN / 4, LEN / 2);
}

static int do_protect_part(struct user *u)
{
	return mprotect(u->mem + LEN / 4, LEN / 2, PROT_READ);
}

static int do_move(struct user *u)
{
	char *to = mremap(u->mem, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
			  (void *)(ELSEWHERE + IN_TWO_TABLES));

	if (to == MAP_FAILED)
		return -1;
	u->other = to;
	return 0;
}

static int do_fork(struct user *u)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -1;
	if (!child)
		_exit(u->mem[LEN - 1] == 0x5a ? 0 : 1);
	if (waitpid(child, &status, 0) != child || status) {
		errno = 0;
		return -1;
	}
	return 0;
}

static int whole(ssize_t done)
{
	if (done >= 0 && done != (ssize_t)LEN)
		errno = 0;
	return done == (ssize_t)LEN ? 0 : -1;
}

static int do_read(struct user *u)
{
	return whole(pread(u->from, u->mem, LEN, 0));
}

static int do_write(struct user *u)
{
	return whole(pwrite(u->to, u->mem, LEN, 0));
}

static int do_vector(struct user *u)
{
	struct iovec vec[4];

	for (int i = 0; i < 4; i++) {
		vec[i].iov_base = (i & 1 ? u->mem : u->ram) + i * LEN / 4;
		vec[i].iov_len = LEN / 4;
	}
	return whole(preadv(u->from, vec, 4, 0));
}

static int do_command(struct user *u)
{
	struct nvme_passthru_cmd cmd = {
		.opcode = 2, .nsid = 1, .addr = (uintptr_t)u->mem, .data_len = LEN,
		.cdw12 = LEN / 512 - 1,
	};

	return ioctl(u->from, NVME_IOCTL_IO_CMD, &cmd);
}

/* ---- and what is to be seen then ---- */

static bool is_5a(const char *mem, size_t len)
{
	char want[LEN];

	memset(want, 0x5a, len);
	return !memcmp(mem, want, len);
}

static bool untouched(struct user *u, bool ok)
{
	return is_5a(u->mem, LEN);
}

static bool moved(struct user *u, bool ok)
{
	return is_5a(ok ? u->other : u->mem, LEN);
}

static bool ends_untouched(struct user *u, bool ok)
{
	return is_5a(u->mem, LEN / 4) && is_5a(u->mem + LEN * 3 / 4, LEN / 4) &&
	       (ok || is_5a(u->mem + LEN / 4, LEN / 2));
}

static bool has_read(struct user *u, bool ok)
{
	return !ok || !memcmp(u->mem, u->ram, LEN);
}

static bool has_read_vector(struct user *u, bool ok)
{
	return !ok || (!memcmp(u->mem + LEN / 4, u->ram + LEN / 4, LEN / 4) &&
		       !memcmp(u->mem + LEN * 3 / 4, u->ram + LEN * 3 / 4, LEN / 4) &&
		       is_5a(u->mem, LEN / 4));
}

FIXTURE(fails) {
	struct user user;
	long free;
};

FIXTURE_VARIANT(fails) {
	int (*op)(struct user *user);
	bool (*seen)(struct user *user, bool ok);
	unsigned int least;	/* how often it has to be an error */
	unsigned int needs;	/* a drive: P2P_READ or P2P_WRITE */
};

FIXTURE_VARIANT_ADD(fails, open) { .op = do_open, .seen = untouched, .least = 1, };
FIXTURE_VARIANT_ADD(fails, mmap) { .op = do_map, .seen = untouched, .least = 4, };
FIXTURE_VARIANT_ADD(fails, munmap) { .op = do_unmap_part, .seen = ends_untouched, .least = 1, };
FIXTURE_VARIANT_ADD(fails, mprotect) { .op = do_protect_part, .seen = untouched, .least = 1, };
FIXTURE_VARIANT_ADD(fails, mremap) { .op = do_move, .seen = moved, .least = 1, };
FIXTURE_VARIANT_ADD(fails, fork) { .op = do_fork, .seen = untouched, .least = 10, };
FIXTURE_VARIANT_ADD(fails, read) { .op = do_read, .seen = has_read, .needs = P2P_READ, };
FIXTURE_VARIANT_ADD(fails, write) { .op = do_write, .seen = untouched, .needs = P2P_WRITE, };

FIXTURE_VARIANT_ADD(fails, vector) {
	.op = do_vector, .seen = has_read_vector, .needs = P2P_READ,
};

FIXTURE_VARIANT_ADD(fails, command) {
	.op = do_command, .seen = has_read, .needs = P2P_READ,
};

/* Also allocations that may sleep can fail, and single pages; and nothing is logged about it. */
#define KNOBS "/sys/kernel/debug/fail"

struct knob {
	const char *path;
	const char *text;
	char was[16];
};

static struct knob knobs[] = {
	{ KNOBS "slab/ignore-gfp-wait", "N" },
	{ KNOBS "slab/verbose", "0" },
	{ KNOBS "_page_alloc/ignore-gfp-wait", "N" },
	{ KNOBS "_page_alloc/min-order", "0" },
	{ KNOBS "_page_alloc/verbose", "0" },
};

static void restore(void)
{
	for (size_t i = 0; i < sizeof(knobs) / sizeof(*knobs); i++) {
		int fd = open(knobs[i].path, O_WRONLY);

		(void)!write(fd, knobs[i].was, strlen(knobs[i].was));
		close(fd);
	}
}

static bool let_all_fail(void)
{
	for (size_t i = 0; i < sizeof(knobs) / sizeof(*knobs); i++) {
		struct knob *knob = &knobs[i];
		int fd = open(knob->path, O_RDWR);
		size_t len = strlen(knob->text);
		bool ok = fd >= 0 && read(fd, knob->was, sizeof(knob->was) - 1) > 0 &&
			  pwrite(fd, knob->text, len, 0) == (ssize_t)len;

		close(fd);
		if (!ok)
			return false;
	}
	return !access("/proc/self/fail-nth", W_OK);
}

FIXTURE_SETUP(fails)
{
	struct user *u = &self->user;

	u->from = -1;
	u->to = -1;
	if (variant->needs == P2P_READ) {
		if (!getenv("P2P_FROM"))
			SKIP(return, "%s", p2p_missing(P2P_READ));
		u->from = open(getenv("P2P_FROM"), O_RDONLY | O_DIRECT);
		ASSERT_GE(u->from, 0);
	}
	if (variant->needs == P2P_WRITE) {
		if (!getenv("P2P_TO"))
			SKIP(return, "%s", p2p_missing(P2P_WRITE));
		u->to = open(getenv("P2P_TO"), O_RDWR | O_DIRECT);
		ASSERT_GE(u->to, 0);
	}
	u->fd = p2pmem_open("allocate", O_RDWR);
	ASSERT_GE(u->fd, 0);
	self->free = p2pmem_read("available");
	u->ram = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(u->ram, MAP_FAILED);
	if (u->from >= 0)
		ASSERT_EQ(pread(u->from, u->ram, LEN, 0), (ssize_t)LEN);
}

FIXTURE_TEARDOWN(fails)
{
	EXPECT_EQ(p2pmem_read("available"), self->free);
	munmap(self->user.ram, LEN);
	close(self->user.fd);
	close(self->user.from);
	close(self->user.to);
}

/* The @nth allocation from now on fails, or none if that is 0. */
static void arm(int fd, unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	(void)!pwrite(fd, text, strlen(text), 0);
}

/* How many allocations are missing to the one that is to fail */
static unsigned int left(int fd)
{
	char text[16] = "";

	(void)!pread(fd, text, sizeof(text) - 1, 0);
	return strtoul(text, NULL, 0);
}

TEST_F_TIMEOUT(fails, each_in_turn, 600)
{
	int error, result, injector = open("/proc/self/fail-nth", O_RDWR);
	unsigned int nth, errors = 0;
	struct user *u = &self->user;
	bool injected = true;

	ASSERT_GE(injector, 0);
	for (nth = 1; injected; nth++) {
		u->other = MAP_FAILED;
		u->mem = map_at(AT, u->fd);
		ASSERT_NE(u->mem, MAP_FAILED);
		memset(u->mem, 0x5a, LEN);

		errno = 0;
		arm(injector, nth);
		result = variant->op(u);
		error = errno;
		injected = !left(injector);
		arm(injector, 0);

		if (result) {
			errors++;
			ASSERT_TRUE(injected) TH_LOG("fails by itself: errno %d", error);
			EXPECT_TRUE(error == ENOMEM || error == EFAULT || error == EAGAIN)
				TH_LOG("allocation %u: errno %d", nth, error);
		}
		EXPECT_TRUE(variant->seen(u, !result)) TH_LOG("allocation %u", nth);
		munmap(u->mem, LEN);
		if (u->other != MAP_FAILED)
			munmap(u->other, LEN);
		ASSERT_EQ(p2pmem_read("available"), self->free) TH_LOG("allocation %u", nth);
	}
	TH_LOG("%u of %u allocations made it fail", errors, nth - 2);
	EXPECT_GE(errors, variant->least);
	EXPECT_GE(nth - 2, 1U);
	close(injector);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER, P2P_READ | P2P_WRITE);
	atexit(restore);
	if (!let_all_fail()) {
		ksft_print_header();
		ksft_exit_skip("needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and debugfs\n");
	}
	return test_harness_run(argc, argv);
}
