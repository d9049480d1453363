// SPDX-License-Identifier: GPL-2.0-only
/*
 * A provider whose driver is unbound while a program is busy with its memory: who gives way to
 * whom.
 */
#define _GNU_SOURCE
#include <linux/userfaultfd.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

#define ROUNDS 5

FIXTURE(provider) {
	char driver[PATH_MAX];
	int fd;
	long free;
};

/* What an administrator writes into a file of the provider's driver */
static int tell_driver(const char *driver, const char *file)
{
	const char *bdf = getenv("P2P_PROVIDER");
	char path[PATH_MAX + 8];
	int fd, written;

	snprintf(path, sizeof(path), "%s/%s", driver, file);
	fd = open(path, O_WRONLY);
	written = write(fd, bdf, strlen(bdf));
	close(fd);
	return written == (int)strlen(bdf) ? 0 : -1;
}

FIXTURE_SETUP(provider)
{
	char path[128];

	self->fd = p2pmem_open("allocate", O_RDWR);
	ASSERT_GE(self->fd, 0) TH_LOG("open p2pmem/allocate of $P2P_PROVIDER: %s", strerror(errno));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", getenv("P2P_PROVIDER"));
	ASSERT_NE(realpath(path, self->driver), NULL);
	self->free = p2pmem_read("available");
	ASSERT_GT(self->free, (long)MIB);
}

/* A driver that is bound may take its time until the memory is there. */
static bool is_back(long free)
{
	for (int i = 0; i < 100 && p2pmem_read("available") != free; i++)
		usleep(100000);
	return p2pmem_read("available") == free;
}

/* Bound again, it registers all of its memory, whatever a test did. */
FIXTURE_TEARDOWN(provider)
{
	close(self->fd);
	EXPECT_TRUE(is_back(self->free));
}

static bool use_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static pid_t spinner(void)
{
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		use_cpu(1);
		for (;;)
			;
	}
	return child;
}

/* Maps all of it with what processor time the spinner leaves; exits with mmap()'s errno. */
static pid_t mapper(int fd, size_t len)
{
	static const struct sched_param param;
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!use_cpu(1) || sched_setscheduler(0, SCHED_IDLE, &param))
			_exit(255);
		_exit(p2pmem_map(fd, len) == MAP_FAILED ? errno : 0);
	}
	return child;
}

static void kill_child(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* An mmap() that is still clearing memory does not hold the unbinding up, it fails. */
TEST_F(provider, mmap_gives_way)
{
	int status = 0, given_way = 0;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two processors");
	ASSERT_TRUE(use_cpu(0));
	for (int round = 0; round < ROUNDS && !given_way; round++) {
		pid_t other = spinner(), child = mapper(self->fd, self->free);

		ASSERT_GT(other, 0);
		ASSERT_GT(child, 0);
		while (p2pmem_read("available") == self->free)
			ASSERT_EQ(waitpid(child, &status, WNOHANG), 0);
		EXPECT_EQ(tell_driver(self->driver, "unbind"), 0);
		EXPECT_EQ(waitpid(child, &status, 0), child);
		kill_child(other);
		EXPECT_EQ(tell_driver(self->driver, "bind"), 0);
		ASSERT_TRUE(is_back(self->free));
		close(self->fd);
		self->fd = p2pmem_open("allocate", O_RDWR);
		ASSERT_GE(self->fd, 0);
		ASSERT_TRUE(WIFEXITED(status));
		given_way = WEXITSTATUS(status) == ENODEV;
		if (!given_way)
			ASSERT_EQ(WEXITSTATUS(status), 0);
	}
	EXPECT_TRUE(given_way);
}

/* Reads into peer memory and, in the same request, into a page that never comes. */
static pid_t reader(int fd, const char *drive)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct iovec vec[2];
	int from, faults;
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	from = open(drive, O_RDONLY | O_DIRECT);
	faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	vec[0].iov_base = p2pmem_map(fd, 64 << 10);
	vec[0].iov_len = 64 << 10;
	vec[1].iov_base = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vec[1].iov_len = 4096;
	reg.range.start = (unsigned long)vec[1].iov_base;
	reg.range.len = 4096;
	if (from < 0 || vec[0].iov_base == MAP_FAILED || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &reg))
		_exit(1);
	preadv(from, vec, 2, 0);
	_exit(2);
}

/* What direct I/O holds is waited for, and no longer than until its program is killed. */
TEST_F(provider, unbinding_waits_for_a_pin)
{
	const char *drive = getenv("P2P_FROM");
	pid_t child, unbind;
	int status;

	if (!getenv("P2P_FROM"))
		SKIP(return, "%s", p2p_missing(P2P_READ));
	child = reader(self->fd, drive);
	ASSERT_GT(child, 0);
	while (p2pmem_read("available") == self->free)
		ASSERT_EQ(waitpid(child, &status, WNOHANG), 0);
	/* Mapped; and in a moment pinned as well */
	sleep(1);
	ASSERT_EQ(waitpid(child, &status, WNOHANG), 0);
	unbind = fork();
	ASSERT_GE(unbind, 0);
	if (!unbind)
		_exit(tell_driver(self->driver, "unbind") ? 1 : 0);
	sleep(2);
	EXPECT_EQ(waitpid(unbind, &status, WNOHANG), 0);
	kill_child(child);
	ASSERT_EQ(waitpid(unbind, &status, 0), unbind);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(tell_driver(self->driver, "bind"), 0);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER | P2P_RESET, P2P_READ);
	return test_harness_run(argc, argv);
}
