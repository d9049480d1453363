// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lockdown raised while a program maps memory of $P2P_PROVIDER that only the administrator says is
 * memory: what is mapped stays, nothing more can be. There is no way back but to boot.
 */
#include <string.h>

#include "../kselftest_harness.h"
#include "p2pmem.h"

#define LOCKDOWN "/sys/kernel/security/lockdown"

static bool write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t written = write(fd, text, strlen(text));

	close(fd);
	return written == (ssize_t)strlen(text);
}

TEST(mapped_before_and_after)
{
	int fd = p2pmem_open("allocate", O_RDWR);
	long free = p2pmem_read("available");
	char *before, *after;

	ASSERT_GE(fd, 0) TH_LOG("open p2pmem/allocate of $P2P_PROVIDER: %s", strerror(errno));
	ASSERT_EQ(p2pmem_read("published"), 1);
	before = p2pmem_map(fd, MIB);
	ASSERT_NE(before, MAP_FAILED);
	memset(before, 0x5a, MIB);

	ASSERT_TRUE(write_to(LOCKDOWN, "integrity")) TH_LOG("%s: %s", LOCKDOWN, strerror(errno));
	after = p2pmem_map(fd, MIB);
	EXPECT_EQ(after, MAP_FAILED);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(p2pmem_read("available"), free - (long)MIB);
	EXPECT_EQ(p2pmem_read("published"), 0);

	EXPECT_EQ(before[0], 0x5a);
	before[MIB - 1] = 0x3c;
	EXPECT_EQ(before[MIB - 1], 0x3c);
	EXPECT_EQ(munmap(before, MIB), 0);
	EXPECT_EQ(p2pmem_read("available"), free);
	EXPECT_EQ(p2pmem_map(fd, MIB), MAP_FAILED);
	EXPECT_EQ(errno, EPERM);
	close(fd);
}

TEST_HARNESS_MAIN
