// SPDX-License-Identifier: GPL-2.0-only
/*
 * What memory management may and may not do with a mapping of p2pmem/allocate; see
 * "User mappings" in Documentation/userspace-api/pci-p2pdma.rst. Makes all memory short
 * where P2P_SWAP names a RAM disk that may be overwritten, and is swapped to.
 */
#define _GNU_SOURCE
#include <linux/elf.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#define PAGES 8

FIXTURE(mm) {
	int fd;
	size_t page;
	size_t len;
	long free;
	char *mem;
};

FIXTURE_SETUP(mm)
{
	self->page = sysconf(_SC_PAGESIZE);
	self->len = PAGES * self->page;
	self->fd = p2pmem_open("allocate", O_RDWR);
	ASSERT_GE(self->fd, 0) TH_LOG("open p2pmem/allocate of $P2P_PROVIDER: %s", strerror(errno));
	self->free = p2pmem_read("available");
	self->mem = p2pmem_map(self->fd, self->len);
	ASSERT_NE(self->mem, MAP_FAILED);
	memset(self->mem, 0x5a, self->len);
}

/* Whatever a test did, all of the memory is there again afterwards. */
FIXTURE_TEARDOWN(mm)
{
	munmap(self->mem, self->len);
	close(self->fd);
	EXPECT_EQ(p2pmem_read("available"), self->free);
}

static sigjmp_buf back;

static void on_signal(int signal)
{
	siglongjmp(back, signal);
}

/* The signal that an access to @at raises, or 0 */
static int access_raises(const char *at)
{
	struct sigaction act = { .sa_handler = on_signal }, bus, segv;
	int got;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	got = sigsetjmp(back, 1);
	if (!got)
		(void)__atomic_load_n(at, __ATOMIC_RELAXED);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return got;
}

/* All bytes but for @skip at the beginning are as the fixture has left them. */
static bool intact(const char *mem, size_t len, size_t skip)
{
	while (skip < len && mem[skip] == 0x5a)
		skip++;
	return skip == len;
}

static int child_status(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child ? status : -1;
}

/* The number behind @key in @file, for the mapping at @mem unless that is NULL; or -1 */
static long find_number(const char *file, const void *mem, const char *key)
{
	char line[512], start[32];
	bool here = !mem;
	long value = -1;
	FILE *f = fopen(file, "r");

	if (!f)
		return -1;
	snprintf(start, sizeof(start), "%lx-", (unsigned long)mem);
	while (value < 0 && fgets(line, sizeof(line), f)) {
		if (mem && !strncmp(line, start, strlen(start)))
			here = true;
		else if (here && !strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 0);
	}
	fclose(f);
	return value;
}

/* ---- the file ---- */

TEST_F(mm, file)
{
	struct stat st;
	char c;

	ASSERT_EQ(fstat(self->fd, &st), 0);
	/* Languages check that a mapping ends before the file does. */
	EXPECT_GE(st.st_size, p2pmem_read("size"));
	EXPECT_EQ(read(self->fd, &c, 1), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(write(self->fd, &c, 1), -1);
	EXPECT_EQ(errno, EIO);
}

/* Root's, and of those that root gives it to: the mode decides, no capability. */
TEST_F(mm, who_may_open)
{
	struct stat st;
	pid_t child;
	int i;

	ASSERT_EQ(fstat(self->fd, &st), 0);
	if (st.st_gid)
		SKIP(return, "the file has been given to group %u", st.st_gid);
	EXPECT_EQ((int)st.st_mode & 07777, 0660);
	EXPECT_EQ((int)st.st_uid, 0);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(fchown(self->fd, 0, i ? 1000 : 0), 0);
		child = fork();
		ASSERT_GE(child, 0);
		if (!child) {
			int fd;

			if (setgid(1000) || setuid(1000))
				_exit(1);
			fd = p2pmem_open("allocate", O_RDWR);
			if (!i)
				_exit(fd < 0 && errno == EACCES ? 0 : 2);
			_exit(fd >= 0 && p2pmem_map(fd, 4096) != MAP_FAILED ? 0 : 3);
		}
		EXPECT_EQ(child_status(child), 0);
	}
	EXPECT_EQ(fchown(self->fd, 0, 0), 0);
}

TEST_F(mm, counts)
{
	long allocations = p2pmem_read("allocations");
	long failures = p2pmem_read("allocation_failures");
	void *mem = p2pmem_map(self->fd, self->page);

	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(p2pmem_read("allocations"), allocations + 1);
	EXPECT_GT(p2pmem_read("largest_free"), 0);
	EXPECT_LE(p2pmem_read("largest_free"), p2pmem_read("available"));
	EXPECT_EQ(p2pmem_map(self->fd, p2pmem_read("size")), MAP_FAILED);
	EXPECT_EQ(p2pmem_read("allocation_failures"), failures + 1);
	EXPECT_EQ(munmap(mem, self->page), 0);
}

/* ---- the mapping itself ---- */

TEST_F(mm, moves)
{
	char *to = mmap(NULL, self->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(to, MAP_FAILED);
	to = mremap(self->mem, self->len, self->len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_NE(to, MAP_FAILED);
	EXPECT_EQ(access_raises(self->mem), SIGSEGV);
	self->mem = to;
	EXPECT_TRUE(intact(to, self->len, 0));
}

TEST_F(mm, does_not_grow)
{
	EXPECT_EQ(mremap(self->mem, self->len, 2 * self->len, MREMAP_MAYMOVE), MAP_FAILED);
	EXPECT_EQ(errno, EFAULT);
	/* Nor twice, nor here and there. */
	EXPECT_EQ(mremap(self->mem, 0, self->len, MREMAP_MAYMOVE), MAP_FAILED);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(mremap(self->mem, self->len, self->len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL),
		  MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
}

TEST_F(mm, shrinks)
{
	ASSERT_EQ(mremap(self->mem, self->len, 2 * self->page, 0), self->mem);
	EXPECT_EQ(p2pmem_read("available"), self->free - 2 * (long)self->page);
	EXPECT_EQ(access_raises(self->mem + 2 * self->page), SIGSEGV);
	EXPECT_TRUE(intact(self->mem, 2 * self->page, 0));
}

TEST_F(mm, protection)
{
	ASSERT_EQ(mprotect(self->mem, self->page, PROT_NONE), 0);
	EXPECT_EQ(access_raises(self->mem), SIGSEGV);
	EXPECT_EQ(access_raises(self->mem + self->page), 0);
	ASSERT_EQ(mprotect(self->mem, self->page, PROT_READ | PROT_WRITE), 0);
	self->mem[0] = 1;
	EXPECT_TRUE(intact(self->mem, self->len, 1));
}

/* I/O goes by the mapping's protection, and by what it has become again. */
TEST_F(mm, protection_and_io)
{
	int drive = open(getenv("P2P_FROM") ?: "", O_RDONLY | O_DIRECT);
	char *want = mmap(NULL, self->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	char *mem = p2pmem_map(self->fd, self->len);

	if (!getenv("P2P_FROM"))
		SKIP(return, "%s", p2p_missing(P2P_READ));
	ASSERT_GE(drive, 0);
	ASSERT_NE(want, MAP_FAILED);
	ASSERT_NE(mem, MAP_FAILED);
	ASSERT_EQ(mprotect(mem, self->len, PROT_READ), 0);
	EXPECT_EQ(pread(drive, mem, self->len, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(memcmp(mem, want, self->len), 0);
	ASSERT_EQ(mprotect(mem, self->len, PROT_NONE), 0);
	EXPECT_EQ(pread(drive, mem, self->len, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	/* As nobody has written yet, the page table keeps it read-only: not for fast GUP. */
	ASSERT_EQ(mprotect(mem, self->len, PROT_READ | PROT_WRITE), 0);
	EXPECT_EQ(pread(drive, mem, self->len, 0), (ssize_t)self->len);
	EXPECT_EQ(pread(drive, want, self->len, 0), (ssize_t)self->len);
	EXPECT_EQ(memcmp(mem, want, self->len), 0);
	EXPECT_EQ(munmap(mem, self->len), 0);
	munmap(want, self->len);
	close(drive);
}

/* A file that was opened to be read gives memory that is read, by the CPU and by drives. */
TEST_F(mm, read_only_file)
{
	int drive = open(getenv("P2P_FROM") ?: "", O_RDONLY | O_DIRECT);
	int fd = p2pmem_open("allocate", O_RDONLY);
	char *mem;

	if (!getenv("P2P_FROM"))
		SKIP(return, "%s", p2p_missing(P2P_READ));
	ASSERT_GE(drive, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(p2pmem_map(fd, self->page), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	mem = mmap(NULL, self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(mprotect(mem, self->page, PROT_READ | PROT_WRITE), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(pread(drive, mem, self->page, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(mem[0], 0);
	EXPECT_EQ(mem[self->page - 1], 0);
	EXPECT_EQ(munmap(mem, self->page), 0);
	close(fd);
	close(drive);
}

/* Whether the largest BAR is prefetchable: where the memory is */
static bool prefetchable(void)
{
	unsigned long start, end, flags, most = 0, of_most = 0;
	FILE *f = fopen(p2pmem_path("../resource"), "r");

	if (!f)
		return false;
	while (fscanf(f, "%lx %lx %lx", &start, &end, &flags) == 3) {
		if (!start || end - start < most)
			continue;
		most = end - start;
		of_most = flags;
	}
	fclose(f);
	return of_most & 0x2000;	/* IORESOURCE_PREFETCH */
}

#ifdef __aarch64__
/* How many lines of the dump of the kernel's linear map have these words */
static int in_linear_map(FILE *f, const char *words)
{
	bool inside = false;
	char line[512];
	int found = 0;

	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "Linear Mapping start"))
			inside = true;
		else if (strstr(line, "Linear Mapping end"))
			inside = false;
		else if (inside && strstr(line, words))
			found++;
	}
	return found;
}

/* The kernel's own mapping is not cacheable; of a program's page tables nothing is shown. */
TEST_F(mm, memory_type)
{
	FILE *f = fopen("/sys/kernel/debug/kernel_page_tables", "r");

	if (!f)
		SKIP(return, "needs debugfs and CONFIG_PTDUMP_DEBUGFS");
	EXPECT_GE(in_linear_map(f, prefetchable() ? "MEM/NORMAL-NC" : "DEVICE/nGnRnE"), 1);
	fclose(f);
}
#else
/* Not cacheable, whatever mprotect() does, and of the type that the PAT has. */
TEST_F(mm, memory_type)
{
	const char *table = "/sys/kernel/debug/page_tables/current_kernel";
	bool combined = prefetchable();
	unsigned long start, end;
	char line[512], flags[512];
	int round, found;
	FILE *f;

	if (access("/sys/kernel/debug/x86/pat_memtype_list", R_OK) || access(table, R_OK))
		SKIP(return, "needs x86, debugfs and CONFIG_PTDUMP_DEBUGFS");
	for (round = 0; round < 2; round++) {
		found = 0;
		f = fopen(table, "r");
		ASSERT_NE(f, NULL);
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "0x%lx-0x%lx %511[^\n]", &start, &end, flags) != 3 ||
			    start > (unsigned long)self->mem || end <= (unsigned long)self->mem)
				continue;
			if (!strstr(flags, " pte"))
				continue;
			/* Write-combined is PWT alone. */
			EXPECT_EQ(!!strstr(flags, "PWT"), combined) TH_LOG("%s", line);
			EXPECT_EQ(!!strstr(flags, "PCD"), !combined) TH_LOG("%s", line);
			found++;
		}
		fclose(f);
		EXPECT_EQ(found, 1);
		ASSERT_EQ(mprotect(self->mem, self->len, PROT_READ), 0);
		ASSERT_EQ(mprotect(self->mem, self->len, PROT_READ | PROT_WRITE), 0);
	}
	found = 0;
	f = fopen("/sys/kernel/debug/x86/pat_memtype_list", "r");
	ASSERT_NE(f, NULL);
	while (fgets(line, sizeof(line), f))
		found += !!strstr(line, combined ? "write-combining" : "uncached");
	fclose(f);
	EXPECT_GE(found, 1);
}
#endif

TEST_F(mm, exec_ends_it)
{
	pid_t child = fork();

	ASSERT_GE(child, 0);
	if (!child) {
		if (p2pmem_map(self->fd, self->len) == MAP_FAILED)
			_exit(1);
		execl("/bin/true", "true", NULL);
		_exit(2);
	}
	EXPECT_EQ(child_status(child), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free - (long)self->len);
}

TEST_F(mm, fork_without)
{
	pid_t child;

	ASSERT_EQ(madvise(self->mem, self->len, MADV_DONTFORK), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child)
		_exit(access_raises(self->mem) == SIGSEGV ? 0 : 1);
	EXPECT_EQ(child_status(child), 0);
}

/* ---- advice and reclaim ---- */

TEST_F(mm, locked)
{
	char *more;

	EXPECT_EQ(mlock(self->mem, self->len), 0);
	/* It is never swapped anyway, and does not count. */
	EXPECT_EQ(find_number("/proc/self/status", NULL, "VmLck:"), 0);
	EXPECT_EQ(munlock(self->mem, self->len), 0);
	more = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_LOCKED | MAP_POPULATE, self->fd, 0);
	ASSERT_NE(more, MAP_FAILED);
	EXPECT_EQ(munmap(more, self->page), 0);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
}

TEST_F(mm, dontneed_gives_it_back)
{
	ASSERT_EQ(madvise(self->mem + self->page, 2 * self->page, MADV_DONTNEED), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free - (PAGES - 2) * (long)self->page);
	EXPECT_EQ(access_raises(self->mem + self->page), SIGBUS);
	EXPECT_TRUE(intact(self->mem, self->page, 0));
	EXPECT_TRUE(intact(self->mem + 3 * self->page, self->len - 3 * self->page, 0));
}

TEST_F(mm, advice)
{
	static const struct {
		int advice;
		int error;
	} table[] = {
		{ MADV_NORMAL, 0 }, { MADV_RANDOM, 0 }, { MADV_SEQUENTIAL, 0 },
		{ MADV_WILLNEED, 0 },
		{ MADV_COLD, 0 }, { MADV_PAGEOUT, 0 }, { MADV_DONTDUMP, 0 },
		{ MADV_DODUMP, EINVAL }, { MADV_FREE, EINVAL }, { MADV_WIPEONFORK, EINVAL },
		{ MADV_COLLAPSE, EINVAL }, { MADV_KEEPONFORK, 0 },
		{ MADV_HUGEPAGE, 0 }, { MADV_NOHUGEPAGE, 0 },
		{ MADV_DONTFORK, 0 }, { MADV_DOFORK, 0 },
		{ MADV_POPULATE_READ, 0 }, { MADV_POPULATE_WRITE, 0 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		errno = 0;
		madvise(self->mem, self->len, table[i].advice);
		EXPECT_EQ(errno, table[i].error) TH_LOG("advice %d", table[i].advice);
		EXPECT_TRUE(intact(self->mem, self->len, 0));
	}
	/* There is no file to punch a hole into; which error says so is its own affair. */
	EXPECT_EQ(madvise(self->mem, self->len, MADV_REMOVE), -1);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
}

TEST_F(mm, dontneed_locked_gives_it_back)
{
	ASSERT_EQ(mlock(self->mem, self->len), 0);
	ASSERT_EQ(madvise(self->mem, self->page, MADV_DONTNEED_LOCKED), 0);
	EXPECT_EQ(p2pmem_read("available"), self->free - (PAGES - 1) * (long)self->page);
	EXPECT_EQ(access_raises(self->mem), SIGBUS);
	EXPECT_TRUE(intact(self->mem + self->page, self->len - self->page, 0));
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		close(fd);
	}
}

/* All of a short file; false, and nothing, if there is none */
static bool read_file(const char *path, char *text, size_t len)
{
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? 0 : read(fd, text, len - 1);

	close(fd);
	text[got > 0 ? got : 0] = 0;
	return got > 0;
}

/* Dirty, and looked at by all who look for pages to drop, merge, move or write back. */
TEST_F(mm, left_alone)
{
	char ksm[8];
	int i;

	/* Where pages are merged the advice is taken, and ignored. */
	if (read_file("/sys/kernel/mm/ksm/run", ksm, sizeof(ksm))) {
		write_file("/sys/kernel/mm/ksm/run", "1");
		EXPECT_EQ(madvise(self->mem, self->len, MADV_MERGEABLE), 0);
	}
	for (i = 0; i < 4; i++) {
		char *other = p2pmem_map(self->fd, self->len);

		ASSERT_NE(other, MAP_FAILED);
		memset(other, 0x5a, self->len);
		EXPECT_EQ(msync(other, self->len, MS_SYNC), 0);
		EXPECT_EQ(munmap(other, self->len), 0);
		write_file("/proc/sys/vm/drop_caches", "3");
		write_file("/proc/sys/vm/compact_memory", "1");
		usleep(20000);
	}
	if (*ksm)
		write_file("/sys/kernel/mm/ksm/run", ksm);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
	EXPECT_EQ(p2pmem_read("available"), self->free - (long)self->len);
}

static long read_long(const char *path)
{
	return find_number(path, NULL, "");
}

static void write_long(const char *path, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	write_file(path, text);
}

#define RESERVE "/proc/sys/vm/min_free_kbytes"
#define ANON (24UL << 20)

/* Have the kernel want more free memory than there is, until it has swapped @least KiB out. */
static bool swaps_out(long least)
{
	long before = find_number("/proc/meminfo", NULL, "SwapFree:"), now = before;
	long reserve = read_long(RESERVE), spare = find_number("/proc/meminfo", NULL, "MemFree:");
	char *ram = mmap(NULL, ANON, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	if (ram == MAP_FAILED || before <= 0 || reserve <= 0 || spare <= 0)
		return false;
	madvise(ram, ANON, MADV_NOHUGEPAGE);
	memset(ram, 0x33, ANON);
	write_long(RESERVE, spare / 10 * 9);
	for (i = 0; i < 200 && before - now < least; i++) {
		free(memset(malloc(1 << 20), 1, 1 << 20));
		usleep(50000);
		now = find_number("/proc/meminfo", NULL, "SwapFree:");
	}
	write_long(RESERVE, reserve);
	for (i = 0; i < (int)(ANON >> 12); i += 64)
		if (ram[i << 12] != 0x33)
			return false;
	munmap(ram, ANON);
	return before - now >= least;
}

/* Memory is short, and what there is has to be swapped: but this is not to be had that way. */
TEST_F(mm, swap_pressure)
{
	/* Not a drive: the kernel's order of locks is none there, once its queue is frozen. */
	const char *disk = getenv("P2P_SWAP");
	uint64_t before[PAGES], after[PAGES];
	off_t at = (unsigned long)self->mem / self->page * 8;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	char command[64];

	if (!disk || strncmp(disk, "/dev/ram", strlen("/dev/ram")))
		SKIP(return, "P2P_SWAP names no RAM disk: memory is not made short");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(pread(fd, before, sizeof(before), at), (ssize_t)sizeof(before));
	snprintf(command, sizeof(command), "mkswap %s >/dev/null", disk);
	ASSERT_EQ(system(command), 0) TH_LOG("needs CONFIG_BLK_DEV_RAM");
	ASSERT_EQ(swapon(disk, 0), 0) TH_LOG("needs CONFIG_SWAP: %s", strerror(errno));
	EXPECT_TRUE(swaps_out(2 << 10));
	EXPECT_EQ(swapoff(disk), 0);
	ASSERT_EQ(pread(fd, after, sizeof(after), at), (ssize_t)sizeof(after));
	EXPECT_EQ(memcmp(before, after, sizeof(before)), 0);
	EXPECT_EQ(find_number("/proc/self/smaps", self->mem, "Rss:"), (long)self->len / 1024);
	EXPECT_EQ(find_number("/proc/self/smaps", self->mem, "Swap:"), 0);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
	EXPECT_EQ(p2pmem_read("available"), self->free - (long)self->len);
	close(fd);
}

/* Where it is now is where it stays, whoever wants to have room there. */
TEST_F(mm, does_not_migrate)
{
	uint64_t before[PAGES], after[PAGES];
	off_t at = (unsigned long)self->mem / self->page * 8;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pread(fd, before, sizeof(before), at), (ssize_t)sizeof(before));
	write_file("/proc/sys/vm/compact_memory", "1");
	ASSERT_EQ(pread(fd, after, sizeof(after), at), (ssize_t)sizeof(after));
	EXPECT_EQ(memcmp(before, after, sizeof(before)), 0);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
	close(fd);
}

/* A fault that nobody serves cannot be handed to a program: none may register. */
TEST_F(mm, no_userfaultfd)
{
	static const uint64_t modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, UFFDIO_REGISTER_MODE_MINOR,
	};
	struct uffdio_register reg = { };
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	unsigned int i;

	if (fd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	ASSERT_EQ(ioctl(fd, UFFDIO_API, &api), 0);
	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		reg.range.start = (unsigned long)self->mem;
		reg.range.len = self->len;
		reg.mode = modes[i];
		EXPECT_EQ(ioctl(fd, UFFDIO_REGISTER, &reg), -1) TH_LOG("mode %u", i);
		EXPECT_EQ(errno, EINVAL);
	}
	close(fd);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
}

/* ---- others that look ---- */

/* Bytes of the mapping at @mem that are in the core file @fd, or -1 */
static long in_core(int fd, unsigned long mem, size_t len)
{
	struct elf64_hdr head;
	struct elf64_phdr seg;
	long bytes = -1;
	int i;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG))
		return -1;
	for (i = 0; i < head.e_phnum; i++) {
		if (pread(fd, &seg, sizeof(seg), head.e_phoff + i * sizeof(seg)) != sizeof(seg))
			return -1;
		if (seg.p_type == PT_LOAD && seg.p_vaddr >= mem && seg.p_vaddr < mem + len)
			bytes = (bytes < 0 ? 0 : bytes) + seg.p_filesz;
	}
	return bytes;
}

/* Dumping a BAR would take the CPU minutes: it is named in the core, and no more than that. */
TEST_F(mm, core_dump)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	char *ram, path[64], pattern[256];
	int status, fd;
	pid_t child;

	if (!read_file("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)))
		SKIP(return, "needs CONFIG_COREDUMP");
	write_file("/proc/sys/kernel/core_pattern", "/tmp/core.%p");
	ram = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(ram, MAP_FAILED);
	memset(ram, 1, self->page);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		write_file("/proc/self/coredump_filter", "0xff");
		setrlimit(RLIMIT_CORE, &all);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	status = child_status(child);
	write_file("/proc/sys/kernel/core_pattern", pattern);
	EXPECT_EQ(WTERMSIG(status), SIGABRT);
	EXPECT_TRUE(WCOREDUMP(status)) TH_LOG("needs CONFIG_COREDUMP and CONFIG_ELF_CORE");
	snprintf(path, sizeof(path), "/tmp/core.%d", child);
	fd = open(path, O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(in_core(fd, (unsigned long)ram, self->page), (long)self->page);
	EXPECT_EQ(in_core(fd, (unsigned long)self->mem, self->len), 0);
	close(fd);
	unlink(path);
	munmap(ram, self->page);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
}

TEST_F(mm, proc)
{
	char line[512], start[32];
	uint64_t entry;
	int fd, named = 0;
	FILE *f;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)self->mem);
	f = fopen("/proc/self/maps", "r");
	ASSERT_NE(f, NULL);
	while (fgets(line, sizeof(line), f))
		named += !strncmp(line, start, strlen(start)) && strstr(line, "rw-s") &&
			 strstr(line, "/p2pmem/allocate");
	fclose(f);
	EXPECT_EQ(named, 1);
	EXPECT_EQ(find_number("/proc/self/smaps", self->mem, "Size:"), (long)self->len / 1024);
	EXPECT_EQ(find_number("/proc/self/smaps", self->mem, "Rss:"), (long)self->len / 1024);
	EXPECT_EQ(find_number("/proc/self/smaps", self->mem, "Anonymous:"), 0);
	EXPECT_GE(find_number("/proc/self/smaps_rollup", NULL, "Rss:"), (long)self->len / 1024);

	fd = open("/proc/self/pagemap", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(pread(fd, &entry, 8, (unsigned long)self->mem / self->page * 8), 8);
	EXPECT_EQ((int)(entry >> 62), 2);	/* there, not swapped */
	close(fd);
}

/* Reading a BAR takes the CPU minutes, and no debugger has asked for that. */
TEST_F(mm, not_for_debuggers)
{
	char buf[16];
	struct iovec to = { buf, sizeof(buf) }, from = { self->mem, sizeof(buf) };
	char path[32];
	pid_t child;
	int fd, status;

	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	errno = 0;
	ptrace(PTRACE_PEEKDATA, child, self->mem, NULL);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(ptrace(PTRACE_POKEDATA, child, self->mem, NULL), -1);
	EXPECT_EQ(process_vm_readv(child, &to, 1, &from, 1, 0), -1);
	EXPECT_TRUE(errno == EFAULT || errno == EREMOTEIO) TH_LOG("errno %d", errno);
	EXPECT_EQ(process_vm_writev(child, &to, 1, &from, 1, 0), -1);
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	fd = open(path, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pread(fd, buf, sizeof(buf), (unsigned long)self->mem), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(pwrite(fd, buf, sizeof(buf), (unsigned long)self->mem), -1);
	close(fd);
	ptrace(PTRACE_CONT, child, NULL, NULL);
	EXPECT_EQ(child_status(child), 0);
	EXPECT_TRUE(intact(self->mem, self->len, 0));
}

/* Out of core dumps, not to grow, and nobody can change that. */
TEST_F(mm, flags)
{
	char line[512], start[32], flags[256] = "";
	bool here = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	ASSERT_NE(f, NULL);
	snprintf(start, sizeof(start), "%lx-", (unsigned long)self->mem);
	EXPECT_EQ(madvise(self->mem, self->len, MADV_DODUMP), -1);
	while (!*flags && fgets(line, sizeof(line), f)) {
		here |= !strncmp(line, start, strlen(start));
		if (here)
			sscanf(line, "VmFlags: %255[^\n]", flags);
	}
	fclose(f);
	EXPECT_NE(strstr(flags, "dd"), NULL) TH_LOG("%s", flags);
	EXPECT_NE(strstr(flags, "de"), NULL) TH_LOG("%s", flags);
}

/* A BAR without struct pages, mapped by the file that PCI has for it: no DMA. */
TEST_F(mm, bar_without_pages)
{
	const char *drive = getenv("P2P_FROM");
	int bar = open(p2pmem_path("../resource0"), O_RDWR), fd;
	void *mem;

	if (!getenv("P2P_FROM"))
		SKIP(return, "%s", p2p_missing(P2P_READ));
	if (bar < 0)
		SKIP(return, "%s: %s", p2pmem_path("../resource0"), strerror(errno));
	mem = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
	ASSERT_NE(mem, MAP_FAILED);
	fd = open(drive, O_RDONLY | O_DIRECT);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pread(fd, mem, self->page, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	munmap(mem, self->page);
	close(fd);
	close(bar);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER, P2P_READ);
	return test_harness_run(argc, argv);
}
