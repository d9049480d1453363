// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files, pipes, sockets and passthrough commands with their data in peer memory. The kernel does
 * as with RAM, or refuses; the data are right, and nothing is lost.
 * Overwrites parts of the drive $P2P_TO, and files: P2P_EXT4 and P2P_XFS name one each, on a file
 * system of that kind, which is made, and replaced if it is there.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

#define LEN (64UL << 10)	/* of peer memory, of RAM, and of each file */
#define PAGE 4096UL

static char phase[64];

/*
 * Between these the peer memory is read and written by drives, or by CPUs, but not by this
 * program. Who watches the machine from outside compiles it with what tells him.
 */
#ifndef watch_begin
#define watch_begin(name) ((void)(name))
#define watch_end(name) ((void)(name))
#endif

static void phase_begin(const char *where, const char *what, const char *how)
{
	sync();
	snprintf(phase, sizeof(phase), "%s.%s.%s", where, what, how);
	watch_begin(phase);
}

static void phase_end(void)
{
	watch_end(phase);
}

/* Bytes that depend on their place, and on @seed */
static void fill(char *buf, size_t len, unsigned int seed)
{
	unsigned int x = seed * 2654435761U + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		buf[i] = x >> 24;
	}
}

/* Stores are posted: see "Direct I/O" in Documentation/userspace-api/pci-p2pdma.rst. */
static void wait_for_stores(const char *last)
{
	__sync_synchronize();
	(void)__atomic_load_n(last, __ATOMIC_RELAXED);
}

static void fill_peer(char *mem, size_t len, unsigned int seed)
{
	fill(mem, len, seed);
	wait_for_stores(mem + len - 1);
}

static bool holds(const char *buf, size_t len, unsigned int seed)
{
	char *want = malloc(len);
	bool same;

	fill(want, len, seed);
	same = !memcmp(buf, want, len);
	free(want);
	return same;
}

static char *map_peer(size_t len)
{
	int fd = p2pmem_open("allocate", O_RDWR);
	char *mem = fd < 0 ? MAP_FAILED : p2pmem_map(fd, len);

	close(fd);
	return mem;
}

static char *map_ram(size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* ---- an io_uring without a library, one request at a time ---- */

struct ring {
	int fd;
	struct io_uring_params p;
	char *rings;
	char *sqes;
};

static int ring_init(struct ring *ring, unsigned int flags)
{
	memset(ring, 0, sizeof(*ring));
	ring->p.flags = flags;
	ring->fd = syscall(SYS_io_uring_setup, 4, &ring->p);
	if (ring->fd < 0)
		return -1;
	ring->rings = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			   IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			  IORING_OFF_SQES);
	return ring->rings == MAP_FAILED || ring->sqes == MAP_FAILED ? -1 : 0;
}

static unsigned int *ring_word(struct ring *ring, unsigned int offset)
{
	return (unsigned int *)(ring->rings + offset);
}

/* What the request came to; @size says how much of @sqe there is. */
static int ring_do(struct ring *ring, const void *sqe, size_t size)
{
	unsigned int *sq_tail = ring_word(ring, ring->p.sq_off.tail);
	unsigned int *cq_head = ring_word(ring, ring->p.cq_off.head);
	unsigned int slot = *sq_tail & *ring_word(ring, ring->p.sq_off.ring_mask);
	unsigned int seen = *cq_head & *ring_word(ring, ring->p.cq_off.ring_mask);
	size_t stride = ring->p.flags & IORING_SETUP_SQE128 ? 128 : 64;
	size_t shift = ring->p.flags & IORING_SETUP_CQE32 ? 1 : 0;
	struct io_uring_cqe *cqe;
	int more;

	memset(ring->sqes + slot * stride, 0, stride);
	memcpy(ring->sqes + slot * stride, sqe, size);
	ring_word(ring, ring->p.sq_off.array)[slot] = slot;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -EBADE;
	cqe = (struct io_uring_cqe *)(ring->rings + ring->p.cq_off.cqes) + (seen << shift);
	more = cqe->flags & IORING_CQE_F_MORE;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	if (more) {
		/* The notification of a send that does not copy */
		int res = cqe->res;

		syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
		__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
		return res;
	}
	return cqe->res;
}

static void ring_exit(struct ring *ring)
{
	munmap(ring->rings, 4 * PAGE);
	munmap(ring->sqes, PAGE);
	close(ring->fd);
}

/* ---- files ---- */

FIXTURE(file) {
	char *mem;		/* peer memory */
	char *ram;
	char *path;
	int fd;			/* O_DIRECT */
	off_t base;		/* LEN bytes of it are ours, and hold fill(1) */
	long free;
};

FIXTURE_VARIANT(file) {
	const char *name;
	const char *env;	/* a file that may be written to */
	off_t base;
	bool regular;
};

FIXTURE_VARIANT_ADD(file, drive) {
	.name = "drive", .env = "P2P_TO", .base = 48 << 20,
};

FIXTURE_VARIANT_ADD(file, ext4) {
	.name = "ext4", .env = "P2P_EXT4", .regular = true,
};

FIXTURE_VARIANT_ADD(file, xfs) {
	.name = "xfs", .env = "P2P_XFS", .regular = true,
};

/* Why there is nothing to write to */
static const char *missing(const char *env)
{
	static char text[64];

	if (!strcmp(env, "P2P_TO"))
		return p2p_missing(P2P_WRITE);
	snprintf(text, sizeof(text), "%s names no file that may be replaced", env);
	return text;
}

FIXTURE_SETUP(file)
{
	if (!getenv(variant->env))
		SKIP(return, "%s", missing(variant->env));
	self->free = p2pmem_read("available");
	self->mem = map_peer(LEN);
	ASSERT_NE(self->mem, MAP_FAILED) TH_LOG("map p2pmem/allocate: %s", strerror(errno));
	self->ram = map_ram(LEN);
	ASSERT_NE(self->ram, MAP_FAILED);
	self->path = getenv(variant->env);
	self->fd = open(self->path, O_RDWR | O_DIRECT | (variant->regular ? O_CREAT : 0), 0600);
	ASSERT_GE(self->fd, 0);
	self->base = variant->base;
	fill(self->ram, LEN, 1);
	ASSERT_EQ(pwrite(self->fd, self->ram, LEN, self->base), (ssize_t)LEN);
	memset(self->ram, 0, LEN);
}

FIXTURE_TEARDOWN(file)
{
	EXPECT_EQ(munmap(self->mem, LEN), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
	munmap(self->ram, LEN);
	close(self->fd);
}

/* What is in the file, as O_DIRECT into RAM sees it, is fill(@seed). */
static bool file_holds(int fd, char *ram, off_t at, size_t len, unsigned int seed)
{
	return pread(fd, ram, len, at) == (ssize_t)len && holds(ram, len, seed);
}

TEST_F(file, sync)
{
	phase_begin(variant->name, "sync", "read");
	EXPECT_EQ(pread(self->fd, self->mem, LEN, self->base), (ssize_t)LEN);
	phase_end();
	EXPECT_TRUE(holds(self->mem, LEN, 1));
	fill_peer(self->mem, LEN, 2);
	phase_begin(variant->name, "sync", "write");
	EXPECT_EQ(pwrite(self->fd, self->mem, LEN, self->base), (ssize_t)LEN);
	phase_end();
	EXPECT_TRUE(file_holds(self->fd, self->ram, self->base, LEN, 2));
}

/* A quarter of LEN each: RAM, peer memory, RAM, peer memory */
static void mix(struct iovec vec[4], char *ram, char *mem)
{
	for (int i = 0; i < 4; i++) {
		vec[i].iov_base = (i & 1 ? mem : ram) + i * LEN / 4;
		vec[i].iov_len = LEN / 4;
	}
}

TEST_F(file, vectors)
{
	char *all = map_ram(LEN);
	struct iovec vec[4];

	mix(vec, self->ram, self->mem);
	phase_begin(variant->name, "vectors", "read");
	EXPECT_EQ(preadv(self->fd, vec, 4, self->base), (ssize_t)LEN);
	phase_end();
	for (int i = 0; i < 4; i++)
		memcpy(all + i * LEN / 4, vec[i].iov_base, LEN / 4);
	EXPECT_TRUE(holds(all, LEN, 1));
	fill(all, LEN, 3);
	for (int i = 0; i < 4; i++)
		memcpy(vec[i].iov_base, all + i * LEN / 4, LEN / 4);
	wait_for_stores(self->mem + LEN - 1);
	phase_begin(variant->name, "vectors", "write");
	EXPECT_EQ(pwritev(self->fd, vec, 4, self->base), (ssize_t)LEN);
	phase_end();
	EXPECT_TRUE(file_holds(self->fd, self->ram, self->base, LEN, 3));
	munmap(all, LEN);
}

/* Eight requests at once, each of an eighth */
static int aio_all(int op, int fd, char *mem, off_t at)
{
	struct iocb cb[8] = { }, *cbs[8];
	struct io_event done[8];
	aio_context_t ctx = 0;
	int bad = 0;

	if (syscall(SYS_io_setup, 8, &ctx))
		return -1;
	for (int i = 0; i < 8; i++) {
		cb[i].aio_lio_opcode = op;
		cb[i].aio_fildes = fd;
		cb[i].aio_buf = (uintptr_t)(mem + i * LEN / 8);
		cb[i].aio_nbytes = LEN / 8;
		cb[i].aio_offset = at + i * LEN / 8;
		cbs[i] = &cb[i];
	}
	if (syscall(SYS_io_submit, ctx, 8, cbs) != 8 ||
	    syscall(SYS_io_getevents, ctx, 8, 8, done, NULL) != 8)
		bad = 1;
	for (int i = 0; !bad && i < 8; i++)
		bad = done[i].res != LEN / 8;
	syscall(SYS_io_destroy, ctx);
	return bad;
}

TEST_F(file, libaio)
{
	phase_begin(variant->name, "libaio", "read");
	EXPECT_EQ(aio_all(IOCB_CMD_PREAD, self->fd, self->mem, self->base), 0);
	phase_end();
	EXPECT_TRUE(holds(self->mem, LEN, 1));
	fill_peer(self->mem, LEN, 4);
	phase_begin(variant->name, "libaio", "write");
	EXPECT_EQ(aio_all(IOCB_CMD_PWRITE, self->fd, self->mem, self->base), 0);
	phase_end();
	EXPECT_TRUE(file_holds(self->fd, self->ram, self->base, LEN, 4));
}

TEST_F(file, io_uring)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_READ, .fd = self->fd, .off = self->base,
		.addr = (uintptr_t)self->mem, .len = LEN,
	};
	struct ring ring;

	if (ring_init(&ring, 0))
		SKIP(return, "no io_uring: %s", strerror(errno));
	phase_begin(variant->name, "io_uring", "read");
	EXPECT_EQ(ring_do(&ring, &sqe, sizeof(sqe)), (int)LEN);
	phase_end();
	EXPECT_TRUE(holds(self->mem, LEN, 1));
	fill_peer(self->mem, LEN, 5);
	sqe.opcode = IORING_OP_WRITE;
	phase_begin(variant->name, "io_uring", "write");
	EXPECT_EQ(ring_do(&ring, &sqe, sizeof(sqe)), (int)LEN);
	phase_end();
	EXPECT_TRUE(file_holds(self->fd, self->ram, self->base, LEN, 5));
	ring_exit(&ring);
}

/*
 * Vectors that do not begin or end where pages or sectors do. Each part has a window of three
 * pages, and begins @at bytes into it.
 */
#define WINDOW (3 * PAGE)
#define PARTS 4

static const struct shape {
	const char *name;
	struct {
		unsigned int at;
		unsigned int len;
	} part[PARTS];		/* the first without length ends it */
	unsigned int pos;	/* in the file */
	bool words;		/* some pages are cut other than at a sector */
} shapes[] = {
	{ "aligned", { { 0, 4096 } } },
	{ "at_1", { { 1, 512 } } },
	{ "at_2", { { 2, 4096 } } },
	{ "at_4", { { 4, 512 } } },
	{ "at_4_pages", { { 4, 8192 } }, .words = true },
	{ "at_512", { { 512, 512 } } },
	{ "at_512_pages", { { 512, 8192 } } },
	{ "over_the_end_of_a_page", { { 4092, 512 } }, .words = true },
	{ "one_byte", { { 0, 1 } } },
	{ "one_less", { { 0, 4095 } } },
	{ "nothing", { { 0, 0 } } },
	{ "second_at_1", { { 0, 4096 }, { 1, 4096 } } },
	{ "second_at_4", { { 0, 4096 }, { 4, 4096 } }, .words = true },
	{ "second_at_512", { { 0, 4096 }, { 512, 4096 } } },
	{ "second_one_byte", { { 0, 4096 }, { 0, 1 } } },
	{ "sum_is_a_sector", { { 0, 256 }, { 0, 256 } } },
	{ "sum_is_a_page", { { 0, 4095 }, { 0, 1 } } },
	{ "gaps", { { 1024, 1024 }, { 2048, 512 }, { 0, 512 }, { 3584, 2048 } } },
	{ "gaps_at_4", { { 4, 1024 }, { 8, 512 }, { 12, 512 }, { 2044, 4096 } }, .words = true },
	{ "last_at_1", { { 0, 512 }, { 512, 512 }, { 0, 4096 }, { 1, 512 } } },
	{ "pos_512", { { 0, 4096 } }, 512 },
	{ "pos_512_at_4", { { 4, 1024 }, { 512, 4096 } }, 512, .words = true },
	{ "pos_1", { { 0, 4096 } }, 1 },
	{ "pos_256", { { 0, 512 } }, 256 },
};

/* QEMU's emulation of DMA to memory that is no RAM, as its CMB, drops what is no whole sector. */
static bool left_out(const struct shape *shape)
{
	return shape->words && getenv("P2P_NO_WORDS");
}

static int shape_vec(const struct shape *shape, char *mem, struct iovec vec[PARTS])
{
	int n;

	for (n = 0; n < PARTS && shape->part[n].len; n++) {
		vec[n].iov_base = mem + n * WINDOW + shape->part[n].at;
		vec[n].iov_len = shape->part[n].len;
	}
	return n;
}

/* The first @done bytes of the vector are @want, all other of @mem are 0x5a. */
static bool just(const char *mem, const struct iovec *vec, int n, ssize_t done, const char *want)
{
	char *expected = malloc(PARTS * WINDOW);
	bool same;

	memset(expected, 0x5a, PARTS * WINDOW);
	for (int i = 0; i < n && done > 0; i++) {
		size_t len = (size_t)done < vec[i].iov_len ? (size_t)done : vec[i].iov_len;

		memcpy(expected + ((char *)vec[i].iov_base - mem), want, len);
		want += len;
		done -= len;
	}
	same = !memcmp(mem, expected, PARTS * WINDOW);
	free(expected);
	return same;
}

/* As with RAM: done right, or EINVAL and nothing has changed. */
TEST_F(file, misaligned_reads)
{
	struct iovec peer[PARTS], ram[PARTS];
	char *want = malloc(LEN);
	int done = 0;

	fill(want, LEN, 1);
	for (unsigned int i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *shape = &shapes[i];
		int n = shape_vec(shape, self->mem, peer), error;
		ssize_t got, got_ram;

		if (left_out(shape))
			continue;
		shape_vec(shape, self->ram, ram);
		memset(self->mem, 0x5a, PARTS * WINDOW);
		errno = 0;
		got_ram = preadv(self->fd, ram, n, self->base + shape->pos);
		error = errno;
		errno = 0;
		got = preadv(self->fd, peer, n, self->base + shape->pos);
		EXPECT_EQ(got, got_ram) TH_LOG("%s: errno %d, RAM %d", shape->name, errno, error);
		EXPECT_EQ(errno, error);
		EXPECT_EQ(errno, got < 0 ? EINVAL : 0) TH_LOG("%s", shape->name);
		EXPECT_TRUE(just(self->mem, peer, n, got, want + shape->pos))
			TH_LOG("%s", shape->name);
		done += got > 0;
	}
	EXPECT_GE(done, 7);
	free(want);
}

TEST_F(file, misaligned_writes)
{
	char *want = malloc(LEN);
	struct iovec vec[PARTS];
	int done = 0;

	for (unsigned int i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *shape = &shapes[i];
		int n = shape_vec(shape, self->mem, vec), at = shape->pos;
		ssize_t wrote;

		if (left_out(shape))
			continue;
		fill(want, LEN, 2 * i + 1);
		memcpy(self->ram, want, LEN);
		ASSERT_EQ(pwrite(self->fd, self->ram, LEN, self->base), (ssize_t)LEN);
		fill_peer(self->mem, PARTS * WINDOW, 2 * i + 2);
		errno = 0;
		wrote = pwritev(self->fd, vec, n, self->base + at);
		EXPECT_EQ(errno, wrote < 0 ? EINVAL : 0) TH_LOG("%s", shape->name);
		done += wrote > 0;
		/* What was to be written was, all of it or nothing. */
		for (int part = 0; wrote > 0 && part < n; part++) {
			memcpy(want + at, vec[part].iov_base, vec[part].iov_len);
			at += vec[part].iov_len;
		}
		if (wrote > 0)
			EXPECT_EQ((ssize_t)(at - shape->pos), wrote);
		ASSERT_EQ(pread(self->fd, self->ram, LEN, self->base), (ssize_t)LEN);
		EXPECT_EQ(memcmp(self->ram, want, LEN), 0) TH_LOG("%s", shape->name);
		EXPECT_TRUE(holds(self->mem, PARTS * WINDOW, 2 * i + 2)) TH_LOG("%s", shape->name);
	}
	EXPECT_GE(done, 7);
	free(want);
}

/* The CPU copies between page cache and peer memory, and may. */
TEST_F(file, buffered)
{
	int fd = open(self->path, O_RDWR);

	ASSERT_GE(fd, 0);
	phase_begin(variant->name, "buffered", "read");
	EXPECT_EQ(pread(fd, self->mem, LEN, self->base), (ssize_t)LEN);
	phase_end();
	EXPECT_TRUE(holds(self->mem, LEN, 1));
	fill_peer(self->mem, LEN, 6);
	phase_begin(variant->name, "buffered", "write");
	EXPECT_EQ(pwrite(fd, self->mem, LEN, self->base), (ssize_t)LEN);
	phase_end();
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_TRUE(file_holds(self->fd, self->ram, self->base, LEN, 6));
	close(fd);
}

/* A file mapped into the page cache is no peer memory, and can be its neighbour in a vector. */
TEST_F(file, mapped_file_beside)
{
	char *map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, self->base);
	struct iovec vec[4];

	ASSERT_NE(map, MAP_FAILED);
	mix(vec, map, self->mem);
	fill_peer(self->mem, LEN, 7);
	fill(self->ram, LEN, 7);
	memcpy(self->ram, map, LEN / 4);
	memcpy(self->ram + LEN / 2, map + LEN / 2, LEN / 4);
	EXPECT_EQ(pwritev(self->fd, vec, 4, self->base + LEN), (ssize_t)LEN);
	EXPECT_EQ(munmap(map, LEN), 0);
	ASSERT_EQ(pread(self->fd, self->mem, LEN, self->base + LEN), (ssize_t)LEN);
	EXPECT_EQ(memcmp(self->mem, self->ram, LEN), 0);
}

/* From the drive into a pipe, and out of the pipe into peer memory */
TEST_F(file, splice_in)
{
	loff_t at = self->base;
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	for (size_t done = 0; done < LEN; done += LEN / 4) {
		struct iovec vec = { self->mem + done + LEN / 8, LEN / 8 };

		ASSERT_EQ(splice(self->fd, &at, fds[1], NULL, LEN / 4, 0), (ssize_t)LEN / 4);
		EXPECT_EQ(read(fds[0], self->mem + done, LEN / 8), (ssize_t)LEN / 8);
		/* Of a pipe, vmsplice() copies. */
		EXPECT_EQ(vmsplice(fds[0], &vec, 1, 0), (ssize_t)LEN / 8);
	}
	EXPECT_TRUE(holds(self->mem, LEN, 1));
	close(fds[0]);
	close(fds[1]);
}

/* From peer memory into a pipe, and from there by tee() and splice() onto the drive */
TEST_F(file, splice_out)
{
	loff_t at = self->base;
	int fds[2], copy[2];

	ASSERT_EQ(pipe(fds), 0);
	ASSERT_EQ(pipe(copy), 0);
	fill_peer(self->mem, LEN, 8);
	for (size_t done = 0; done < LEN; done += LEN / 4) {
		ASSERT_EQ(write(fds[1], self->mem + done, LEN / 4), (ssize_t)LEN / 4);
		ASSERT_EQ(tee(fds[0], copy[1], LEN / 4, 0), (ssize_t)LEN / 4);
		EXPECT_EQ(splice(copy[0], NULL, self->fd, &at, LEN / 4, 0), (ssize_t)LEN / 4);
		EXPECT_EQ(read(fds[0], self->ram, LEN / 4), (ssize_t)LEN / 4);
		EXPECT_EQ(memcmp(self->ram, self->mem + done, LEN / 4), 0);
	}
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(file_holds(self->fd, self->ram, self->base, LEN, 8));
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(copy[i]);
	}
}

TEST_F(file, sendfile)
{
	off_t at = self->base;
	size_t done = 0;
	int fds[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	while (done < LEN) {
		ssize_t sent = sendfile(fds[1], self->fd, &at, LEN / 8);

		ASSERT_GT(sent, 0);
		ASSERT_EQ(recv(fds[0], self->mem + done, sent, MSG_WAITALL), sent);
		done += sent;
	}
	EXPECT_TRUE(holds(self->mem, LEN, 1));
	close(fds[0]);
	close(fds[1]);
}

/* ---- what only files have, not drives ---- */

FIXTURE(regular) {
	char *mem;
	char *ram;
	int fd;
	int other;
	long free;
};

FIXTURE_VARIANT(regular) {
	const char *name;
	const char *env;
};

FIXTURE_VARIANT_ADD(regular, ext4) { .name = "ext4", .env = "P2P_EXT4", };
FIXTURE_VARIANT_ADD(regular, xfs) { .name = "xfs", .env = "P2P_XFS", };

/* A new and empty file beside the one that @env names */
static int open_new(const char *env, const char *suffix)
{
	char path[256];

	snprintf(path, sizeof(path), "%s.%s", getenv(env) ?: "", suffix);
	return open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
}

FIXTURE_SETUP(regular)
{
	if (!getenv(variant->env))
		SKIP(return, "%s", missing(variant->env));
	self->free = p2pmem_read("available");
	self->mem = map_peer(LEN);
	ASSERT_NE(self->mem, MAP_FAILED);
	self->ram = map_ram(LEN);
	ASSERT_NE(self->ram, MAP_FAILED);
	self->fd = open_new(variant->env, "one");
	ASSERT_GE(self->fd, 0);
	self->other = open_new(variant->env, "two");
	ASSERT_GE(self->other, 0);
}

FIXTURE_TEARDOWN(regular)
{
	close(self->fd);
	close(self->other);
	EXPECT_EQ(munmap(self->mem, LEN), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
	munmap(self->ram, LEN);
}

/* A file that shares blocks with another, as xfs has it, gets its own when it is written to. */
TEST_F(regular, copy_file_range)
{
	loff_t from = 0, to = 0;
	size_t done = 0;

	fill_peer(self->mem, LEN, 9);
	ASSERT_EQ(pwrite(self->fd, self->mem, LEN, 0), (ssize_t)LEN);
	while (done < LEN) {
		ssize_t copied = copy_file_range(self->fd, &from, self->other, &to, LEN - done, 0);

		ASSERT_GT(copied, 0);
		done += copied;
	}
	EXPECT_EQ(pread(self->other, self->mem, LEN, 0), (ssize_t)LEN);
	EXPECT_TRUE(holds(self->mem, LEN, 9));
	fill_peer(self->mem, LEN, 10);
	EXPECT_EQ(pwrite(self->other, self->mem, LEN, 0), (ssize_t)LEN);
	EXPECT_TRUE(file_holds(self->other, self->ram, 0, LEN, 10));
	EXPECT_TRUE(file_holds(self->fd, self->ram, 0, LEN, 9));
}

/* Nothing is on the drive for a hole, and nothing behind the end. */
TEST_F(regular, hole_and_end)
{
	struct iovec vec[4];

	fill_peer(self->mem, LEN, 11);
	ASSERT_EQ(pwrite(self->other, self->mem, PAGE, LEN / 2), (ssize_t)PAGE);
	ASSERT_EQ(ftruncate(self->other, LEN / 2 + PAGE + 100), 0);
	memset(self->mem, 0x5a, LEN);
	EXPECT_EQ(pread(self->other, self->mem, LEN, 0), (ssize_t)(LEN / 2 + PAGE + 100));
	fill(self->ram, PAGE, 11);
	EXPECT_EQ(memcmp(self->mem + LEN / 2, self->ram, PAGE), 0);
	memset(self->ram, 0, LEN);
	EXPECT_EQ(memcmp(self->mem, self->ram, LEN / 2), 0);
	EXPECT_EQ(memcmp(self->mem + LEN / 2 + PAGE, self->ram, 100), 0);
	EXPECT_EQ(pread(self->other, self->mem, PAGE, LEN), 0);
	/* A vector over all of that */
	memset(self->mem, 0x5a, LEN);
	mix(vec, self->ram, self->mem);
	EXPECT_EQ(preadv(self->other, vec, 4, 0), (ssize_t)(LEN / 2 + PAGE + 100));
	EXPECT_EQ(memcmp(self->mem + LEN / 4, self->mem + LEN / 4 + 1, LEN / 4 - 1), 0);
	EXPECT_EQ(self->mem[LEN / 4], 0);
}

/* A hole is zeroes, and these do not come from the drive: the CPU writes them. */
TEST_F(regular, hole)
{
	ASSERT_EQ(ftruncate(self->other, LEN), 0);
	memset(self->mem, 0x5a, LEN);
	phase_begin(variant->name, "hole", "read");
	EXPECT_EQ(pread(self->other, self->mem, LEN, 0), (ssize_t)LEN);
	phase_end();
	memset(self->ram, 0, LEN);
	EXPECT_EQ(memcmp(self->mem, self->ram, LEN), 0);
}

/*
 * ext4 does not fill holes by direct I/O where a file has no extents: it takes the page cache
 * instead, and says nothing. What is there already is written directly.
 */
TEST_F(regular, fallback)
{
	int fd, flags = 0;

	if (strcmp(variant->name, "ext4"))
		return;
	fd = open_new(variant->env, "indirect");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	flags &= ~FS_EXTENT_FL;
	ASSERT_EQ(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
	ASSERT_EQ(ftruncate(fd, LEN), 0);
	fill_peer(self->mem, LEN, 13);
	phase_begin(variant->name, "fallback", "write");
	EXPECT_EQ(pwrite(fd, self->mem, LEN, 0), (ssize_t)LEN);
	phase_end();
	EXPECT_TRUE(file_holds(fd, self->ram, 0, LEN, 13));
	fill_peer(self->mem, LEN, 14);
	phase_begin(variant->name, "overwrite", "write");
	EXPECT_EQ(pwrite(fd, self->mem, LEN, 0), (ssize_t)LEN);
	phase_end();
	EXPECT_TRUE(file_holds(fd, self->ram, 0, LEN, 14));
	close(fd);
}

/* Blocks that are reserved but not written yet, and a file that grows */
TEST_F(regular, grows)
{
	ASSERT_EQ(fallocate(self->other, 0, 0, LEN / 2), 0);
	fill_peer(self->mem, LEN, 12);
	EXPECT_EQ(pwrite(self->other, self->mem + PAGE, LEN - PAGE, PAGE), (ssize_t)(LEN - PAGE));
	EXPECT_EQ(pwrite(self->other, self->mem, PAGE, 0), (ssize_t)PAGE);
	EXPECT_TRUE(file_holds(self->other, self->ram, 0, LEN, 12));
	EXPECT_EQ(pread(self->other, self->mem, LEN, 0), (ssize_t)LEN);
	EXPECT_TRUE(holds(self->mem, LEN, 12));
}

/* ---- sockets ---- */

FIXTURE(socket) {
	char *mem;
	char *ram;
	int fd[2];
	long free;
};

FIXTURE_VARIANT(socket) {
	int domain;
	int type;
};

FIXTURE_VARIANT_ADD(socket, unix_stream) { .domain = AF_UNIX, .type = SOCK_STREAM, };
FIXTURE_VARIANT_ADD(socket, unix_datagram) { .domain = AF_UNIX, .type = SOCK_DGRAM, };
FIXTURE_VARIANT_ADD(socket, tcp) { .domain = AF_INET, .type = SOCK_STREAM, };
FIXTURE_VARIANT_ADD(socket, udp) { .domain = AF_INET, .type = SOCK_DGRAM, };

/* Two sockets of the loopback device that are connected to each other */
static int inet_pair(int type, int fd[2])
{
	struct sockaddr_in at[2] = { { .sin_family = AF_INET }, { .sin_family = AF_INET } };
	socklen_t len = sizeof(at[0]);
	int bad = 0, listener;

	for (int i = 0; i < 2; i++) {
		at[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd[i] = socket(AF_INET, type, 0);
		bad |= fd[i] < 0 || bind(fd[i], (void *)&at[i], len) ||
		       getsockname(fd[i], (void *)&at[i], &len);
	}
	if (bad || type == SOCK_DGRAM)
		return bad || connect(fd[0], (void *)&at[1], len) ||
		       connect(fd[1], (void *)&at[0], len);
	listener = fd[1];
	if (listen(listener, 1) || connect(fd[0], (void *)&at[1], len))
		return 1;
	fd[1] = accept(listener, NULL, NULL);
	close(listener);
	return fd[1] < 0;
}

FIXTURE_SETUP(socket)
{
	self->free = p2pmem_read("available");
	self->mem = map_peer(LEN);
	ASSERT_NE(self->mem, MAP_FAILED);
	self->ram = map_ram(LEN);
	ASSERT_NE(self->ram, MAP_FAILED);
	ASSERT_EQ(variant->domain == AF_UNIX ? socketpair(AF_UNIX, variant->type, 0, self->fd) :
					       inet_pair(variant->type, self->fd), 0);
	fill_peer(self->mem, LEN, 20);
}

FIXTURE_TEARDOWN(socket)
{
	close(self->fd[0]);
	close(self->fd[1]);
	EXPECT_EQ(munmap(self->mem, LEN), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
	munmap(self->ram, LEN);
}

TEST_F(socket, sends_a_copy)
{
	ASSERT_EQ(send(self->fd[0], self->mem, LEN / 2, 0), (ssize_t)LEN / 2);
	/* What is written afterwards does not change what was sent. */
	memset(self->mem, 0, LEN / 2);
	EXPECT_EQ(recv(self->fd[1], self->ram, LEN / 2, MSG_WAITALL), (ssize_t)LEN / 2);
	EXPECT_TRUE(holds(self->ram, LEN / 2, 20));
}

TEST_F(socket, receives_a_copy)
{
	fill(self->ram, LEN / 2, 21);
	ASSERT_EQ(send(self->fd[0], self->ram, LEN / 2, 0), (ssize_t)LEN / 2);
	EXPECT_EQ(recv(self->fd[1], self->mem + 1, LEN / 2, MSG_WAITALL), (ssize_t)LEN / 2);
	EXPECT_TRUE(holds(self->mem + 1, LEN / 2, 21));
}

/* The pages would stay with the network for as long as it likes: refused, and nothing is sent. */
TEST_F(socket, no_zerocopy)
{
	int one = 1;

	if (variant->domain == AF_UNIX) {
		/* Knows no such thing, and copies */
		EXPECT_EQ(setsockopt(self->fd[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), -1);
		EXPECT_EQ(send(self->fd[0], self->mem, LEN / 2, MSG_ZEROCOPY), (ssize_t)LEN / 2);
		EXPECT_EQ(recv(self->fd[1], self->ram, LEN / 2, MSG_WAITALL), (ssize_t)LEN / 2);
		EXPECT_TRUE(holds(self->ram, LEN / 2, 20));
		return;
	}
	ASSERT_EQ(setsockopt(self->fd[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), 0);
	EXPECT_EQ(send(self->fd[0], self->mem, LEN / 2, MSG_ZEROCOPY), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(send(self->fd[0], "next", 4, 0), 4);
	EXPECT_EQ(recv(self->fd[1], self->ram, LEN / 2, 0), 4);
	EXPECT_EQ(memcmp(self->ram, "next", 4), 0);
}

TEST_F(socket, no_zerocopy_by_io_uring)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SEND_ZC, .fd = self->fd[0],
		.addr = (uintptr_t)self->mem, .len = LEN / 2,
	};
	struct ring ring;

	if (ring_init(&ring, 0))
		SKIP(return, "no io_uring: %s", strerror(errno));
	EXPECT_EQ(ring_do(&ring, &sqe, sizeof(sqe)),
		  variant->domain == AF_UNIX ? -EOPNOTSUPP : -EFAULT);
	ring_exit(&ring);
	EXPECT_EQ(send(self->fd[0], "next", 4, 0), 4);
	EXPECT_EQ(recv(self->fd[1], self->ram, LEN / 2, 0), 4);
	EXPECT_EQ(memcmp(self->ram, "next", 4), 0);
}

/* ---- NVMe commands of programs ---- */

FIXTURE(command) {
	char *mem;
	char *ram;
	int drive;
	int generic;		/* its other device, for io_uring */
	unsigned int nsid;
	uint64_t block;		/* the first of LEN bytes that are ours, and hold fill(30) */
	long free;
};

#define BLOCK 512
#define NVME_READ 2
#define NVME_WRITE 1
#define NVME_IDENTIFY 6

FIXTURE_SETUP(command)
{
	const char *drive = getenv("P2P_TO");
	char generic[64];

	if (!getenv("P2P_TO"))
		SKIP(return, "%s", missing("P2P_TO"));
	self->free = p2pmem_read("available");
	self->mem = map_peer(LEN);
	ASSERT_NE(self->mem, MAP_FAILED);
	self->ram = map_ram(LEN);
	ASSERT_NE(self->ram, MAP_FAILED);
	self->drive = open(drive, O_RDWR | O_DIRECT);
	ASSERT_GE(self->drive, 0);
	snprintf(generic, sizeof(generic), "/dev/ng%s", drive + strlen("/dev/nvme"));
	self->generic = open(generic, O_RDWR);
	ASSERT_GE(self->generic, 0);
	self->nsid = ioctl(self->drive, NVME_IOCTL_ID);
	ASSERT_GT((int)self->nsid, 0);
	self->block = (52 << 20) / BLOCK;
	fill(self->ram, LEN, 30);
	ASSERT_EQ(pwrite(self->drive, self->ram, LEN, 52 << 20), (ssize_t)LEN);
	memset(self->ram, 0, LEN);
}

FIXTURE_TEARDOWN(command)
{
	EXPECT_EQ(munmap(self->mem, LEN), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free);
	munmap(self->ram, LEN);
	close(self->drive);
	close(self->generic);
}

static int passthrough(int fd, unsigned int nsid, int opcode, void *mem, size_t len, uint64_t block)
{
	struct nvme_passthru_cmd cmd = {
		.opcode = opcode, .nsid = nsid, .addr = (uintptr_t)mem, .data_len = len,
		.cdw10 = block, .cdw11 = block >> 32, .cdw12 = len / BLOCK - 1,
	};

	return ioctl(fd, NVME_IOCTL_IO_CMD, &cmd);
}

TEST_F(command, ioctl)
{
	phase_begin("command", "ioctl", "read");
	EXPECT_EQ(passthrough(self->drive, self->nsid, NVME_READ, self->mem, LEN, self->block), 0);
	phase_end();
	EXPECT_TRUE(holds(self->mem, LEN, 30));
	fill_peer(self->mem, LEN, 31);
	phase_begin("command", "ioctl", "write");
	EXPECT_EQ(passthrough(self->drive, self->nsid, NVME_WRITE, self->mem, LEN, self->block), 0);
	phase_end();
	EXPECT_TRUE(file_holds(self->drive, self->ram, self->block * BLOCK, LEN, 31));
}

/*
 * So little needs no list; but a drive that can be told how long it is, is told: nobody else
 * compares what a program has mapped with what its command asks for.
 */
TEST_F(command, page)
{
	phase_begin("command", "page", "read");
	EXPECT_EQ(passthrough(self->drive, self->nsid, NVME_READ, self->mem, PAGE, self->block), 0);
	phase_end();
	EXPECT_TRUE(holds(self->mem, PAGE, 30));
	fill_peer(self->mem, PAGE, 41);
	phase_begin("command", "page", "write");
	EXPECT_EQ(passthrough(self->drive, self->nsid, NVME_WRITE, self->mem, PAGE, self->block),
		  0);
	phase_end();
	EXPECT_TRUE(file_holds(self->drive, self->ram, self->block * BLOCK, PAGE, 41));
}

/* The CPU has a part in it, as the next test has it. */
TEST_F(command, copied)
{
	phase_begin("command", "copied", "read");
	EXPECT_EQ(passthrough(self->drive, self->nsid, NVME_READ, self->mem + 1, LEN / 2,
			      self->block), 0);
	phase_end();
	EXPECT_TRUE(holds(self->mem + 1, LEN / 2, 30));
	fill_peer(self->mem, LEN, 50);
	phase_begin("command", "copied", "write");
	EXPECT_EQ(passthrough(self->drive, self->nsid, NVME_WRITE, self->mem + 1, LEN / 2,
			      self->block), 0);
	phase_end();
	EXPECT_EQ(pread(self->drive, self->ram, LEN / 2, self->block * BLOCK), (ssize_t)LEN / 2);
	EXPECT_EQ(memcmp(self->ram, self->mem + 1, LEN / 2), 0);
}

/* Where the driver would have it otherwise it copies by way of RAM, as always. */
TEST_F(command, misaligned)
{
	static const unsigned int at[] = { 1, 2, 4, 512, 4092 };

	for (unsigned int i = 0; i < sizeof(at) / sizeof(*at); i++) {
		char *mem = self->mem + at[i];

		memset(self->mem, 0x5a, LEN);
		EXPECT_EQ(passthrough(self->drive, self->nsid, NVME_READ, mem, 8192,
				      self->block), 0);
		fill(self->ram, 8192, 30);
		EXPECT_EQ(memcmp(mem, self->ram, 8192), 0) TH_LOG("at %u", at[i]);
		EXPECT_EQ(mem[-1], 0x5a);
		EXPECT_EQ(mem[8192], 0x5a);
	}
	for (unsigned int i = 0; i < sizeof(at) / sizeof(*at); i++) {
		fill_peer(self->mem + at[i], 8192, 32 + i);
		EXPECT_EQ(passthrough(self->drive, self->nsid, NVME_WRITE, self->mem + at[i], 8192,
				      self->block), 0);
		EXPECT_TRUE(file_holds(self->drive, self->ram, self->block * BLOCK, 8192, 32 + i))
			TH_LOG("at %u", at[i]);
	}
}

/* One request for all of it: RAM and peer memory, whole pages and parts of them */
TEST_F(command, vector)
{
	struct iovec vec[4];
	struct nvme_passthru_cmd64 cmd = {
		.opcode = NVME_READ, .nsid = self->nsid, .addr = (uintptr_t)vec, .vec_cnt = 4,
		.cdw10 = self->block, .cdw12 = LEN / BLOCK - 1,
	};
	char *all = map_ram(LEN);
	size_t at = 0;

	mix(vec, self->ram, self->mem);
	ASSERT_EQ(ioctl(self->generic, NVME_IOCTL_IO64_CMD_VEC, &cmd), 0);
	for (int i = 0; i < 4; i++)
		memcpy(all + i * LEN / 4, vec[i].iov_base, LEN / 4);
	EXPECT_TRUE(holds(all, LEN, 30));

	for (int i = 0; i < 4; i++) {
		vec[i].iov_base = (i & 1 ? self->ram : self->mem) + i * LEN / 8 + 100 * i;
		vec[i].iov_len = PAGE + 256;
	}
	cmd.cdw12 = 4 * (PAGE + 256) / BLOCK - 1;
	memset(self->mem, 0, LEN);
	memset(self->ram, 0, LEN);
	ASSERT_EQ(ioctl(self->generic, NVME_IOCTL_IO64_CMD_VEC, &cmd), 0);
	for (int i = 0; i < 4; i++) {
		memcpy(all + at, vec[i].iov_base, vec[i].iov_len);
		at += vec[i].iov_len;
	}
	EXPECT_TRUE(holds(all, at, 30));
	munmap(all, LEN);
}

TEST_F(command, io_uring)
{
	struct {
		struct io_uring_sqe sqe;	/* the command begins in its last 16 bytes */
		char more[64];
	} big = { .sqe = {
		.opcode = IORING_OP_URING_CMD, .fd = self->generic, .cmd_op = NVME_URING_CMD_IO,
	} };
	struct nvme_uring_cmd cmd = {
		.opcode = NVME_READ, .nsid = self->nsid, .addr = (uintptr_t)self->mem,
		.data_len = LEN, .cdw10 = self->block, .cdw12 = LEN / BLOCK - 1,
	};
	struct ring ring;

	if (ring_init(&ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32))
		SKIP(return, "no io_uring: %s", strerror(errno));
	memcpy((char *)&big + 48, &cmd, sizeof(cmd));
	phase_begin("command", "io_uring", "read");
	EXPECT_EQ(ring_do(&ring, &big, sizeof(big)), 0);
	phase_end();
	EXPECT_TRUE(holds(self->mem, LEN, 30));
	fill_peer(self->mem, LEN, 40);
	cmd.opcode = NVME_WRITE;
	memcpy((char *)&big + 48, &cmd, sizeof(cmd));
	phase_begin("command", "io_uring", "write");
	EXPECT_EQ(ring_do(&ring, &big, sizeof(big)), 0);
	phase_end();
	EXPECT_TRUE(file_holds(self->drive, self->ram, self->block * BLOCK, LEN, 40));
	ring_exit(&ring);
}

/* The queue of admin commands does not take peer memory, whatever the drive reaches. */
TEST_F(command, admin)
{
	struct nvme_passthru_cmd cmd = {
		.opcode = NVME_IDENTIFY, .addr = (uintptr_t)self->mem, .data_len = PAGE, .cdw10 = 1,
	};

	memset(self->mem, 0x5a, LEN);
	EXPECT_EQ(ioctl(self->drive, NVME_IOCTL_ADMIN_CMD, &cmd), -1);
	EXPECT_EQ(errno, EREMOTEIO);
	EXPECT_EQ(self->mem[0], 0x5a);
	/* One that would be copied anyway is. */
	cmd.addr = (uintptr_t)self->mem + 1;
	EXPECT_EQ(ioctl(self->drive, NVME_IOCTL_ADMIN_CMD, &cmd), 0);
	cmd.addr = (uintptr_t)self->ram;
	EXPECT_EQ(ioctl(self->drive, NVME_IOCTL_ADMIN_CMD, &cmd), 0);
	EXPECT_EQ(memcmp(self->mem + 1, self->ram, PAGE), 0);
	EXPECT_NE(self->ram[0] | self->ram[4], 0);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER, P2P_WRITE);
	return test_harness_run(argc, argv);
}
