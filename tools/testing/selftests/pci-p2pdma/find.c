// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests run on: found, or named in the environment.
 *
 *   P2P_PROVIDER=BDF           a provider of peer memory, as 0000:03:00.0
 *   P2P_FROM=DEVICE            a drive that is read, and never written
 *   P2P_OVERWRITE="DEVICE..."  drives whose contents may be lost
 *   P2P_RESET=BDF              a provider that may be reset, and unbound
 *
 * Nothing is overwritten or reset that is not named for it. What is named, but
 * in use, is left alone as well: mounted, swap, part of another device (md,
 * dm), served by the NVMe target, also if it is so of a partition. What is
 * named, but is not there, is an error. The drive that is overwritten stays
 * claimed (O_EXCL) until the test ends, so that nobody mounts it meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "../kselftest.h"
#include "p2pmem.h"

#define DEVICES "/sys/bus/pci/devices"
#define TARGET "/sys/kernel/config/nvmet/subsystems"
#define LEAST (4 * MIB)		/* of peer memory that has to be free */
#define DRIVE (64 * MIB)	/* of a drive that is overwritten */

struct drive {
	char name[64];		/* of the block device, in /sys/block */
	char node[72];
	char bdf[16];
};

static char why[5][512];	/* what is missing is not there; see p2p_missing() */

const char *p2p_missing(unsigned int what)
{
	return why[__builtin_ctz(what)];
}

/* Says why there is no @what; false */
static bool __attribute__((format(printf, 2, 3))) lacks(unsigned int what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why[__builtin_ctz(what)], sizeof(why[0]), fmt, ap);
	va_end(ap);
	return false;
}

/* The first line of a file, without its end; false if there is none */
static bool __attribute__((format(printf, 3, 4)))
read_line(char *line, size_t len, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	FILE *file;
	bool ok;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	file = fopen(path, "re");
	if (!file)
		return false;
	ok = fgets(line, len, file);
	fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = 0;
	return ok;
}

/* ---- drives ---- */

/* What of the machine @path leads to; else false, and errno */
static bool find_drive(const char *path, struct drive *drive)
{
	char real[PATH_MAX], text[PATH_MAX], transport[16];
	struct stat st;

	if (!realpath(path, real) || stat(real, &st))
		return false;
	errno = ENOTBLK;
	if (!S_ISBLK(st.st_mode) || strncmp(real, "/dev/nvme", strlen("/dev/nvme")))
		return false;
	snprintf(drive->name, sizeof(drive->name), "%.63s",
		 real + strlen("/dev/"));
	snprintf(drive->node, sizeof(drive->node), "/dev/%s", drive->name);
	if (!read_line(transport, sizeof(transport), "/sys/block/%s/device/transport",
		       drive->name) || strcmp(transport, "pcie"))
		return false;
	snprintf(text, sizeof(text), "/sys/block/%s/device/device", drive->name);
	if (!realpath(text, real))
		return false;
	snprintf(drive->bdf, sizeof(drive->bdf), "%s", strrchr(real, '/') + 1);
	return true;
}

/* One that is named has to be there: who mistypes it must not take a skip for its absence. */
static void find_named(const char *variable, const char *path, struct drive *drive)
{
	if (!find_drive(path, drive))
		ksft_exit_fail_msg("%s: %s is no whole NVMe drive on PCI: %s\n", variable, path,
				   strerror(errno));
}

/* @device is the drive or one of its partitions */
static bool is_of(const char *device, const struct drive *drive)
{
	size_t len = strlen(drive->name);
	char real[PATH_MAX];

	if (!realpath(device, real) || strncmp(real, "/dev/", strlen("/dev/")))
		return false;
	device = real + strlen("/dev/");
	/* nvme0n1 and nvme0n1p2, not nvme0n12 */
	return !strncmp(device, drive->name, len) && (!device[len] || device[len] == 'p');
}

/* Looks in a table of mounts or of swap for the drive, which is in column @at */
static bool listed(const struct drive *drive, const char *path, int at, char *line, size_t len)
{
	FILE *file = fopen(path, "re");
	bool found = false;

	while (file && !found && fgets(line, len, file)) {
		char copy[1024], *save, *word;
		int i;

		snprintf(copy, sizeof(copy), "%s", line);
		word = strtok_r(copy, " \t\n", &save);
		for (i = 0; word && i < at; i++)
			word = strtok_r(NULL, " \t\n", &save);
		found = word && is_of(word, drive);
	}
	if (file)
		fclose(file);
	return found;
}

/* Calls @match for each path of a pattern until one does; returns whether */
static bool any_path(const char *pattern, const struct drive *drive,
		     bool (*match)(const char *path, const struct drive *drive))
{
	bool found = false;
	glob_t paths;
	size_t i;

	if (!glob(pattern, 0, NULL, &paths))
		for (i = 0; i < paths.gl_pathc && !found; i++)
			found = match(paths.gl_pathv[i], drive);
	globfree(&paths);
	return found;
}

static bool serves(const char *namespace, const struct drive *drive)
{
	char enabled[8], device[PATH_MAX];

	return read_line(enabled, sizeof(enabled), "%s/enable", namespace) && *enabled == '1' &&
	       read_line(device, sizeof(device), "%s/device_path", namespace) &&
	       is_of(device, drive);
}

/* The target has all of a controller, by its character device */
static bool passes_through(const char *passthru, const struct drive *drive)
{
	char enabled[8], device[PATH_MAX];
	size_t len;

	if (!read_line(enabled, sizeof(enabled), "%s/enable", passthru) || *enabled != '1' ||
	    !read_line(device, sizeof(device), "%s/device_path", passthru))
		return false;
	len = strlen(device);
	return !strncmp(device, drive->node, len) && drive->node[len] == 'n';
}

static bool holder(const char *path, const struct drive *drive)
{
	return true;
}

/* Whether somebody uses a drive; then @text says who */
static bool in_use(const struct drive *drive, char *text, size_t len)
{
	char line[1024], pattern[256];
	int fd;

	if (listed(drive, "/proc/mounts", 0, line, sizeof(line))) {
		strtok(line, " ");
		snprintf(text, len, "is mounted on %.200s", strtok(NULL, " "));
		return true;
	}
	if (listed(drive, "/proc/swaps", 0, line, sizeof(line))) {
		snprintf(text, len, "is swap");
		return true;
	}
	snprintf(pattern, sizeof(pattern), "/sys/block/%s/holders/*", drive->name);
	if (any_path(pattern, drive, holder)) {
		snprintf(text, len, "is part of another device (md, dm)");
		return true;
	}
	snprintf(pattern, sizeof(pattern), "/sys/block/%s/%s*/holders/*", drive->name,
		 drive->name);
	if (any_path(pattern, drive, holder)) {
		snprintf(text, len, "has a partition that is part of another device (md, dm)");
		return true;
	}
	if (any_path(TARGET "/*/namespaces/*", drive, serves) ||
	    any_path(TARGET "/*/passthru", drive, passes_through)) {
		snprintf(text, len, "is served by the NVMe target");
		return true;
	}
	/* What claims it, or a partition of it, the kernel knows better than any list. */
	fd = open(drive->node, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0) {
		snprintf(text, len, "cannot be claimed: %s", strerror(errno));
		return true;
	}
	close(fd);
	return false;
}

/* ---- the provider ---- */

/* The target has data of a client in the provider's memory */
static bool serves_from(const char *stats, const struct drive *provider)
{
	FILE *file = fopen(stats, "re");
	bool found = false;
	char line[256];

	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "controller ", strlen("controller ")) &&
			strstr(line, provider->bdf);
	if (file)
		fclose(file);
	return found;
}

/* Whether the test has the memory for itself: it goes by what is free */
static bool provider_is_idle(const struct drive *provider)
{
	long allocations, free = p2pmem_read("available");
	int fd = p2pmem_open("allocate", O_RDWR | O_CLOEXEC);
	void *mem;

	if (fd < 0)
		return lacks(P2P_PROVIDER, "%s: p2pmem/allocate: %s", provider->bdf,
			     strerror(errno));
	mem = p2pmem_map(fd, sysconf(_SC_PAGESIZE));
	close(fd);
	if (mem == MAP_FAILED)
		return lacks(P2P_PROVIDER, "%s: memory cannot be mapped now: %s", provider->bdf,
			     strerror(errno));
	munmap(mem, sysconf(_SC_PAGESIZE));
	if (any_path(TARGET "/*/namespaces/*/p2pmem_stats", provider, serves_from))
		return lacks(P2P_PROVIDER, "%s is used by the NVMe target", provider->bdf);
	allocations = p2pmem_read("allocations");
	usleep(100000);
	if (p2pmem_read("available") != free || p2pmem_read("allocations") != allocations)
		return lacks(P2P_PROVIDER, "%s is in use: what is free changes", provider->bdf);
	return true;
}

/* The provider is $P2P_PROVIDER from here on, if it can be used. */
static bool use_provider(const char *bdf)
{
	struct drive provider = {};

	snprintf(provider.bdf, sizeof(provider.bdf), "%s", bdf);
	setenv("P2P_PROVIDER", bdf, 1);
	if (p2pmem_read("published") != 1)
		lacks(P2P_PROVIDER, "%s has not published its memory", bdf);
	else if (p2pmem_read("available") < (long)LEAST)
		lacks(P2P_PROVIDER, "%s has less than %lu MiB free", bdf, LEAST / MIB);
	else if (provider_is_idle(&provider))
		return true;
	unsetenv("P2P_PROVIDER");
	return false;
}

/* ---- what is read ---- */

/* Whether a drive can read into the provider's memory, by trying */
static bool reads(const struct drive *drive)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int from = open(drive->node, O_RDONLY | O_DIRECT | O_CLOEXEC);
	int fd = p2pmem_open("allocate", O_RDWR | O_CLOEXEC);
	void *mem = p2pmem_map(fd, page);
	bool ok;

	ok = from >= 0 && mem != MAP_FAILED && pread(from, mem, page, 0) == (ssize_t)page;
	if (!ok)
		lacks(P2P_READ, "%s cannot read into memory of %s: %s", drive->node,
		      getenv("P2P_PROVIDER"), strerror(errno));
	if (mem != MAP_FAILED)
		munmap(mem, page);
	close(fd);
	close(from);
	return ok;
}

/* A drive that reaches the provider, other than @not; one that nobody uses before others */
static bool find_reader(const struct drive *not, struct drive *drive)
{
	const char *bdf = getenv("P2P_PROVIDER");
	char text[256];
	glob_t paths;
	int round;
	size_t i;

	lacks(P2P_READ, "no NVMe drive beside the provider");
	if (glob("/dev/nvme*n*", 0, NULL, &paths))
		return false;
	for (round = 0; round < 2; round++) {
		for (i = 0; i < paths.gl_pathc; i++) {
			if (!find_drive(paths.gl_pathv[i], drive) || !strcmp(drive->bdf, bdf) ||
			    !strcmp(drive->name, not->name) ||
			    (!round && in_use(drive, text, sizeof(text))))
				continue;
			if (reads(drive)) {
				globfree(&paths);
				return true;
			}
		}
	}
	globfree(&paths);
	return false;
}

/* @to is the drive that will be overwritten, if there is one: read where there is no other */
static bool choose_reader(const struct drive *to, struct drive *from)
{
	const char *named = getenv("P2P_FROM");

	if (named) {
		find_named("P2P_FROM", named, from);
		return reads(from);
	}
	if (find_reader(to, from))
		return true;
	*from = *to;
	return *to->name && reads(to);
}

/* ---- what is overwritten ---- */

/* Whether the drive can write from the provider's memory, by trying: what is there anyway */
static bool writes(unsigned int what, const struct drive *drive)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int drive_fd = open(drive->node, O_RDWR | O_DIRECT | O_CLOEXEC);
	int fd = p2pmem_open("allocate", O_RDWR | O_CLOEXEC);
	void *mem = p2pmem_map(fd, page);
	bool ok;

	ok = drive_fd >= 0 && mem != MAP_FAILED && pread(drive_fd, mem, page, 0) == (ssize_t)page &&
	     pwrite(drive_fd, mem, page, 0) == (ssize_t)page;
	if (!ok)
		lacks(what, "%s cannot read into and write from memory of %s: %s", drive->node,
		      getenv("P2P_PROVIDER"), strerror(errno));
	if (mem != MAP_FAILED)
		munmap(mem, page);
	close(fd);
	close(drive_fd);
	return ok;
}

static bool big_enough(const struct drive *drive)
{
	char sectors[32];

	return read_line(sectors, sizeof(sectors), "/sys/block/%s/size", drive->name) &&
	       strtoull(sectors, NULL, 10) >= DRIVE / 512;
}

/*
 * The first drive of P2P_OVERWRITE that is @own, the provider's, or is not, and that may be
 * written to. It stays claimed.
 */
static bool choose_writer(bool own, struct drive *to)
{
	unsigned int what = own ? P2P_OWN : P2P_WRITE;
	char *named = strdup(getenv("P2P_OVERWRITE") ?: ""), *word, *save;
	const char *bdf = getenv("P2P_PROVIDER");
	char text[256];

	lacks(what, own ? "P2P_OVERWRITE names no drive that is the provider" :
			  "P2P_OVERWRITE names no drive that may be overwritten");
	for (word = strtok_r(named, " ,", &save); word; word = strtok_r(NULL, " ,", &save)) {
		find_named("P2P_OVERWRITE", word, to);
		if (own != (bdf && !strcmp(to->bdf, bdf)))
			continue;
		if (in_use(to, text, sizeof(text))) {
			lacks(what, "%s %s: it is not written to", to->node, text);
			ksft_print_msg("%s\n", p2p_missing(what));
		} else if (!big_enough(to)) {
			lacks(what, "%s has less than %lu MiB", to->node, DRIVE / MIB);
		} else if (open(to->node, O_RDONLY | O_EXCL | O_CLOEXEC) < 0) {
			lacks(what, "%s: %s", to->node, strerror(errno));
		} else if (writes(what, to)) {
			break;
		}
	}
	if (!word)
		*to = (struct drive){};
	free(named);
	return *to->name;
}

static bool is_own_and_used(const char *path, const struct drive *provider)
{
	struct drive drive;
	char text[256];

	if (!find_drive(path, &drive) || strcmp(drive.bdf, provider->bdf) ||
	    !in_use(&drive, text, sizeof(text)))
		return false;
	lacks(P2P_RESET, "%s %s: it is not reset", drive.node, text);
	return true;
}

static bool may_reset(void)
{
	const char *named = getenv("P2P_RESET"), *bdf = getenv("P2P_PROVIDER");
	struct drive provider = {};

	if (!named || strcmp(named, bdf))
		return lacks(P2P_RESET, "P2P_RESET does not name %s, which would be reset", bdf);
	snprintf(provider.bdf, sizeof(provider.bdf), "%s", bdf);
	return !any_path("/dev/nvme*n*", &provider, is_own_and_used);
}

/* ---- all of it ---- */

static bool choose_provider(void)
{
	char *named = getenv("P2P_PROVIDER"), path[PATH_MAX], first[16] = "";
	struct drive none = {}, drive;
	glob_t paths;
	size_t i;

	if (geteuid())
		return lacks(P2P_PROVIDER, "must be run as root");
	if (named) {
		snprintf(path, sizeof(path), DEVICES "/%s/p2pmem", named);
		if (access(path, F_OK))
			ksft_exit_fail_msg("P2P_PROVIDER: no %s: no device, or no provider\n",
					   path);
		snprintf(first, sizeof(first), "%s", named);
		return use_provider(first);
	}
	lacks(P2P_PROVIDER, "no device provides peer memory: no " DEVICES "/*/p2pmem");
	if (glob(DEVICES "/*/p2pmem", 0, NULL, &paths))
		return false;
	/* The first that a drive reaches, else the first */
	for (i = 0; i < paths.gl_pathc; i++) {
		char *bdf = paths.gl_pathv[i] + strlen(DEVICES "/");

		*strchr(bdf, '/') = 0;
		if (!use_provider(bdf))
			continue;
		if (find_reader(&none, &drive)) {
			globfree(&paths);
			return true;
		}
		if (!*first)
			snprintf(first, sizeof(first), "%s", bdf);
	}
	globfree(&paths);
	return *first && use_provider(first);
}

static void skip_if_missing(unsigned int needs, unsigned int has)
{
	unsigned int missing = needs & ~has;

	if (!missing)
		return;
	ksft_print_header();
	ksft_exit_skip("%s\n", p2p_missing(missing & -missing));
}

void p2p_setup(unsigned int needs, unsigned int uses)
{
	struct drive from = {}, to = {}, own = {};
	unsigned int all = needs | uses, has = 0;

	unsetenv("P2P_TO");
	unsetenv("P2P_OWN");
	if (choose_provider())
		has |= P2P_PROVIDER;
	skip_if_missing(P2P_PROVIDER, has);
	if ((all & P2P_WRITE) && choose_writer(false, &to))
		has |= P2P_WRITE;
	if ((all & P2P_OWN) && choose_writer(true, &own))
		has |= P2P_OWN;
	if ((all & (P2P_READ | P2P_WRITE)) && choose_reader(&to, &from))
		has |= P2P_READ;
	if ((all & P2P_RESET) && may_reset())
		has |= P2P_RESET;
	skip_if_missing(needs, has);

	if (has & P2P_READ)
		setenv("P2P_FROM", from.node, 1);
	else
		unsetenv("P2P_FROM");
	if (has & P2P_WRITE)
		setenv("P2P_TO", to.node, 1);
	if (has & P2P_OWN)
		setenv("P2P_OWN", own.node, 1);
	ksft_print_msg("memory of %s%s%s%s%s\n", getenv("P2P_PROVIDER"),
		       has & P2P_READ ? ", reads " : "", has & P2P_READ ? from.node : "",
		       has & P2P_WRITE ? ", overwrites " : "", to.node);
}
