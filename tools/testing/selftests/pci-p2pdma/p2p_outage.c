// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_outage FROM TO STOP: direct I/O between drives and the memory of $P2P_PROVIDER until the file
 * STOP is there, while somebody resets that device.  Each read that succeeds is compared with what
 * drive FROM holds, each write with what drive TO holds afterwards; neither drive is reset.
 *
 * Prints "reads=N failed=N wrong=N lost=N writes=N failed=N wrong=N mmaps=N", "lost" being reads
 * whose data could not be looked at, as the mapping had gone.  Exit status 1 if anything was wrong,
 * or failed with an error that an outage does not explain.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "p2pmem.h"

#define LEN (128UL << 10)
#define BLOCKS 16
#define WORKERS 3

struct tally {
	long reads, read_failed, read_wrong, lost;
	long writes, write_failed, write_wrong;
	long mmaps;
};

static struct tally *all;		/* of the workers, shared */
static char *ram, *reference;
static int from, to;
static sigjmp_buf no_access;

static void on_sigbus(int signal)
{
	siglongjmp(no_access, 1);
}

static void fail(const char *what)
{
	fprintf(stderr, "p2p_outage: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* Copy from or to a mapping; false if it is there no more */
static bool copy(void *dst, const void *src)
{
	if (sigsetjmp(no_access, 1))
		return false;
	memcpy(dst, src, LEN);
	/* What waits in a write-combining buffer has to be there before a drive looks */
	__sync_synchronize();
	return true;
}

/* Errors of direct I/O: no route now, an outage meanwhile; or the mapping has gone */
static bool explained(void)
{
	return errno == EREMOTEIO || errno == EFAULT;
}

static void *map_again(struct tally *t)
{
	int fd = p2pmem_open("allocate", O_RDWR);
	void *mem;

	if (fd < 0)
		fail("open p2pmem/allocate");
	mem = p2pmem_map(fd, LEN);
	close(fd);
	if (mem == MAP_FAILED) {
		if (errno != EREMOTEIO)
			fail("mmap");
		usleep(1000);
		return NULL;
	}
	t->mmaps++;
	return mem;
}

/*
 * In one piece, or with the halves exchanged: a drive is told of one piece in the command itself,
 * of two that do not adjoin by a list.
 */
static ssize_t transfer(ssize_t (*fn)(int, const struct iovec *, int, off_t), int drive, char *mem,
			long block, bool halves)
{
	struct iovec whole = { mem, LEN };
	struct iovec half[2] = { { mem + LEN / 2, LEN / 2 }, { mem, LEN / 2 } };

	return fn(drive, halves ? half : &whole, halves ? 2 : 1, block * LEN);
}

static bool differs(const char *mem, const char *file, bool halves)
{
	size_t first = halves ? LEN / 2 : 0;

	return memcmp(mem + first, file, LEN - first) || memcmp(mem, file + LEN - first, first);
}

/* Returns false if the mapping is to be replaced. */
static bool do_read(struct tally *t, char *mem, long block, bool halves)
{
	ssize_t ret = transfer(preadv, from, mem, block, halves);

	if (ret != (ssize_t)LEN) {
		if (ret >= 0 || !explained())
			fail("read");
		t->read_failed++;
		return false;
	}
	t->reads++;
	if (!copy(ram, mem)) {
		t->lost++;
		return false;
	}
	t->read_wrong += differs(ram, reference + block * LEN, halves);
	return true;
}

/* Each worker has blocks of its own, and each write bytes of its own. */
static bool do_write(struct tally *t, char *mem, long block, bool halves)
{
	static unsigned char value;
	ssize_t ret;

	memset(ram, ++value, LEN);
	memcpy(ram, &t->writes, sizeof(t->writes));
	if (!copy(mem, ram))
		return false;
	ret = transfer(pwritev, to, mem, block, halves);
	if (ret != (ssize_t)LEN) {
		if (ret >= 0 || !explained())
			fail("write");
		t->write_failed++;
		return false;
	}
	t->writes++;
	if (pread(to, ram + LEN, LEN, block * LEN) != (ssize_t)LEN)
		fail("read of what was written");
	t->write_wrong += differs(ram, ram + LEN, halves);
	return true;
}

static void __attribute__((noreturn)) work(int worker, const char *stop)
{
	struct tally *t = &all[worker];
	char *mem = NULL;
	bool halves;
	long i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, on_sigbus);
	for (i = 0; access(stop, F_OK); i++) {
		if (!mem)
			mem = map_again(t);
		if (!mem)
			continue;
		halves = i / BLOCKS % 2;
		if (!do_read(t, mem, i % BLOCKS, halves) || !do_write(t, mem, worker, halves)) {
			munmap(mem, LEN);
			mem = NULL;
		}
	}
	_exit(0);
}

static void read_reference(const char *path)
{
	from = open(path, O_RDONLY | O_DIRECT);
	if (from < 0 || pread(from, reference, BLOCKS * LEN, 0) != BLOCKS * LEN)
		fail(path);
}

int main(int argc, char **argv)
{
	struct tally sum = {};
	int i, status, bad = 0;

	if (argc != 4)
		return 2;
	all = mmap(NULL, WORKERS * sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
	if (all == MAP_FAILED || posix_memalign((void **)&ram, 4096, 2 * LEN) ||
	    posix_memalign((void **)&reference, 4096, BLOCKS * LEN))
		fail("memory");
	read_reference(argv[1]);
	to = open(argv[2], O_RDWR | O_DIRECT | O_EXCL);
	if (to < 0)
		fail(argv[2]);
	for (i = 0; i < WORKERS; i++)
		if (!fork())
			work(i, argv[3]);
	for (i = 0; i < WORKERS; i++) {
		wait(&status);
		bad |= status;
		sum.reads += all[i].reads;
		sum.read_failed += all[i].read_failed;
		sum.read_wrong += all[i].read_wrong;
		sum.lost += all[i].lost;
		sum.writes += all[i].writes;
		sum.write_failed += all[i].write_failed;
		sum.write_wrong += all[i].write_wrong;
		sum.mmaps += all[i].mmaps;
	}
	printf("reads=%ld failed=%ld wrong=%ld lost=%ld ",
	       sum.reads, sum.read_failed, sum.read_wrong, sum.lost);
	printf("writes=%ld failed=%ld wrong=%ld mmaps=%ld\n",
	       sum.writes, sum.write_failed, sum.write_wrong, sum.mmaps);
	return bad || sum.read_wrong || sum.write_wrong;
}
