// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_stress DEVICE MIB STATE [STOP]: direct I/O between the beginning of DEVICE and the
 * memory of $P2P_PROVIDER, or RAM, until the file STOP is there, whatever happens to them.
 * Without STOP all of that is read and compared.
 *
 * In file STATE is what each page of DEVICE may hold: what the last write with good status
 * has put there, and what writes that have failed since then may have. So a page has one
 * content if its last write succeeded, and each read with good status must show that. What
 * else it holds after a failed write, such as what a drive reads where a provider has gone,
 * is no error, but counted as "wild". A comparison without STOP is final: what a page showed
 * then it has to hold, and one that is wild is written.
 *
 * A STATE that is not there begins with a write to all pages. Prints counts. Exit status 1
 * if anything was wrong, or failed with an error that the provider does not explain.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "p2pmem.h"

#define PAGE 4096UL
#define WORDS (PAGE / sizeof(uint64_t))
#define MOST 8			/* pages of one I/O */
#define WORKERS 4
#define MAYBE 6

/* What a page may hold, as the number of a write: @has, or one of @maybe, which failed after */
struct state {
	uint64_t has, maybe[MAYBE];
	uint64_t failed;	/* as many; then the next write is from RAM */
};

struct tally {
	long reads, writes, ram, refused, again, lost, wild, wrong;
};

static struct state *pages;
static struct tally *all;	/* of the workers, shared */
static struct tally *t;		/* this one's */
static uint64_t *ram;
static int device;
static sigjmp_buf no_access;

static void on_sigbus(int signal)
{
	siglongjmp(no_access, 1);
}

static void __attribute__((noreturn)) fail(const char *what, long page)
{
	fprintf(stderr, "p2p_stress: %s, page %ld: %s\n", what, page, strerror(errno));
	_exit(1);
}

/* Copy from or to a mapping; false if it is there no more */
static bool copy(void *dst, const void *src, size_t len)
{
	if (sigsetjmp(no_access, 1)) {
		errno = EFAULT;
		return false;
	}
	memcpy(dst, src, len);
	/* What waits in a write-combining buffer has to be there before a drive looks */
	__sync_synchronize();
	return true;
}

/* Is it all of write @number? */
static bool holds(const uint64_t *page, uint64_t number)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		if (page[i] != number + i)
			return false;
	return true;
}

static bool may_hold(const struct state *s, const uint64_t *page)
{
	uint64_t i;

	if (holds(page, s->has))
		return true;
	for (i = 0; i < s->failed && i < MAYBE; i++)
		if (holds(page, s->maybe[i]))
			return true;
	return false;
}

/* What a read with good status has brought; @settle: from now on it has to stay so */
static void compare(long page, long count, bool settle)
{
	const uint64_t *data = ram;
	struct state *s;

	for (s = pages + page; s < pages + page + count; s++, data += WORDS) {
		if (!may_hold(s, data)) {
			t->wild += !!s->failed;
			t->wrong += !s->failed;
			if (!s->failed)
				fprintf(stderr, "p2p_stress: page %zd has %#llx, not %#llx\n",
					s - pages, (unsigned long long)*data,
					(unsigned long long)s->has);
		} else if (settle) {
			s->has = *data;
			s->failed = 0;
		}
	}
}

/* Good status, or an error that the memory explains; with @flags one that asks not to wait, too */
static bool moved(ssize_t done, size_t len, int flags, const char *what, long page)
{
	if (done == (ssize_t)len)
		return true;
	if (done < 0 && errno == EAGAIN && flags)
		t->again++;
	else if (done < 0 && (errno == EREMOTEIO || errno == EFAULT))
		t->refused++;
	else
		fail(what, page);
	return false;
}

static bool read_pages(void *mem, long page, long count, int flags)
{
	struct iovec iov = { mem, count * PAGE };

	if (!moved(preadv2(device, &iov, 1, page * PAGE, flags), iov.iov_len, flags, "read", page))
		return false;
	t->reads++;
	if (mem != ram && !copy(ram, mem, iov.iov_len)) {
		t->lost++;
		return false;
	}
	compare(page, count, false);
	return true;
}

/* The number of each page's write, which is in its first word, is that of no other */
static void fill(long page, long count)
{
	static uint64_t number;
	uint64_t i, *data = ram;

	number++;
	for (; count--; page++, data += WORDS)
		for (i = 0; i < WORDS; i++)
			data[i] = ((uint64_t)getpid() << 36 | number << 12 | page) * WORDS + i;
}

static bool write_pages(void *mem, long page, long count, int flags)
{
	struct iovec iov = { mem, count * PAGE };
	const uint64_t *data = ram;
	struct state *s;
	bool good;

	fill(page, count);
	if (mem != ram && !copy(mem, ram, iov.iov_len))
		return false;
	good = moved(pwritev2(device, &iov, 1, page * PAGE, flags), iov.iov_len, flags, "write",
		     page);
	for (s = pages + page; s < pages + page + count; s++, data += WORDS) {
		if (good)
			s->has = *data;
		else if (s->failed < MAYBE)
			s->maybe[s->failed] = *data;
		s->failed = good ? 0 : s->failed + 1;
	}
	t->writes += good;
	return good;
}

static void *map_memory(void)
{
	int fd = p2pmem_open("allocate", O_RDWR);
	void *mem = fd < 0 ? MAP_FAILED : p2pmem_map(fd, MOST * PAGE);

	close(fd);
	if (mem != MAP_FAILED)
		return mem;
	usleep(1000);
	return NULL;
}

static bool full(long page, long count)
{
	while (count--)
		if (pages[page + count].failed >= MAYBE)
			return true;
	return false;
}

/* Each worker has pages of its own, so that it knows what they may hold. */
static void __attribute__((noreturn)) work(int worker, long first, long count, const char *stop)
{
	unsigned int seed = getpid();
	char *mem = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, on_sigbus);
	t = &all[worker];
	while (access(stop, F_OK)) {
		long many = 1 + rand_r(&seed) % MOST;
		long page = first + rand_r(&seed) % (count - many + 1);
		int what = rand_r(&seed) % 8, flags = rand_r(&seed) % 2 ? RWF_NOWAIT : 0;
		bool good;

		if (what == 7 || full(page, many)) {
			t->ram++;
			if (what & 1)
				write_pages(ram, page, many, 0);
			else
				read_pages(ram, page, many, 0);
			continue;
		}
		if (!mem)
			mem = map_memory();
		if (!mem)
			continue;
		good = what < 4 ? write_pages(mem, page, many, flags) :
				  read_pages(mem, page, many, flags);
		if (!good && errno != EAGAIN) {
			munmap(mem, MOST * PAGE);
			mem = NULL;
		}
	}
	_exit(0);
}

/* Returns whether there is nothing in it yet */
static bool map_state(const char *path, size_t len)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || ftruncate(fd, len))
		fail(path, -1);
	pages = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	all = mmap(NULL, (WORKERS + 1) * sizeof(*all), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || all == MAP_FAILED ||
	    posix_memalign((void **)&ram, PAGE, MOST * PAGE))
		fail("memory", -1);
	t = &all[WORKERS];
	return !st.st_size;
}

static bool run(long count, const char *stop)
{
	long each = count / WORKERS;
	int i, status, bad = 0;

	for (i = 0; i < WORKERS; i++)
		if (!fork())
			work(i, i * each, each, stop);
	for (i = 0; i < WORKERS; i++) {
		wait(&status);
		bad |= status;
	}
	return !bad;
}

int main(int argc, char **argv)
{
	struct tally sum = {};
	bool good = true;
	long count, i;
	size_t j;

	if (argc != 4 && argc != 5)
		return 2;
	device = open(argv[1], O_RDWR | O_DIRECT);
	if (device < 0)
		fail(argv[1], -1);
	count = atol(argv[2]) * MIB / PAGE;
	if (map_state(argv[3], count * sizeof(*pages)))
		for (i = 0; i < count; i += MOST)
			write_pages(ram, i, MOST, 0);
	if (argc == 5)
		good = run(count, argv[4]);
	for (i = 0; argc == 4 && i < count; i += MOST) {
		if (pread(device, ram, MOST * PAGE, i * PAGE) != (ssize_t)(MOST * PAGE))
			fail("read", i);
		compare(i, MOST, true);
		for (j = 0; j < MOST; j++)
			if (pages[i + j].failed)
				write_pages(ram, i + j, 1, 0);
	}
	for (i = 0; i <= WORKERS; i++)
		for (j = 0; j < sizeof(sum) / sizeof(long); j++)
			((long *)&sum)[j] += ((long *)&all[i])[j];
	printf("reads=%ld writes=%ld ram=%ld refused=%ld again=%ld lost=%ld wild=%ld wrong=%ld\n",
	       sum.reads, sum.writes, sum.ram, sum.refused, sum.again, sum.lost, sum.wild,
	       sum.wrong);
	return !good || sum.wrong;
}
