// SPDX-License-Identifier: GPL-2.0-only
/*
 * measure: a copy from one drive to another through peer memory, then through RAM.
 *
 * What the copy is held against is read through RAM before.  Where it goes, and the
 * memory that it goes through, hold the complement of that by then, so that nothing
 * is equal that was not copied.  The second drive gets back what it had, whatever
 * happens; signals wait until it has.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hardware.h"
#include "measure.h"
#include "select.h"

/* With _GNU_SOURCE, which has it, the C library wants headers that the shim stands for. */
#ifndef O_DIRECT
#define O_DIRECT	__O_DIRECT
#endif

#define COPIED		(64 * MIB)
#define CHUNK		MIB
#define SMALLEST	(4 * KIB)

/**
 * struct drive - one end
 * @pdev: its PCI function
 * @path: of its block device
 * @fd: open, for nobody else
 * @size: in bytes
 * @at: where the copy is
 */
struct drive {
	const struct pci_dev *pdev;
	char path[64];
	int fd;
	u64 size;
	u64 at;
};

/**
 * struct copy - while it lasts
 * @from: is read
 * @to: is written to
 * @bytes: how much
 * @source: what is in @from
 * @saved: what was in @to
 * @work: for reading back, and for the complement
 */
struct copy {
	struct drive from, to;
	size_t bytes;
	u8 *source, *saved, *work;
};

/* ---- drives ---- */

/* The first block device of a function, by its name; false if it has none */
static bool find_disk(struct drive *drive)
{
	char address[BDF_SIZE + 2], link[300], path[PATH_MAX];
	struct dirent **list;
	bool is_there = false;
	int num, i;

	address[0] = '/';
	pdev_text(address + 1, drive->pdev);
	strcat(address, "/");
	num = scandir("/sys/block", &list, NULL, alphasort);
	for (i = 0; i < num; i++) {
		snprintf(link, sizeof(link), "/sys/block/%s", list[i]->d_name);
		/* One of several paths is no device of its own. */
		if (!is_there && *list[i]->d_name != '.' && realpath(link, path) &&
		    strstr(path, address) && strcmp(read_line_of("%s/hidden", link) ?: "", "1")) {
			snprintf(drive->path, sizeof(drive->path), "/dev/%.58s", list[i]->d_name);
			is_there = true;
		}
		free(list[i]);
	}
	if (num >= 0)
		free(list);
	return is_there;
}

/* The NVMe target does not claim what it exports. */
static bool is_exported(const struct drive *drive)
{
	struct stat one, other;
	bool found = false;
	char *path;
	glob_t all;
	size_t i;

	if (stat(drive->path, &one) ||
	    glob("/sys/kernel/config/nvmet/subsystems/*/namespaces/*/device_path", 0, NULL, &all))
		return false;
	for (i = 0; i < all.gl_pathc && !found; i++) {
		path = read_line_of("%s", all.gl_pathv[i]);
		found = path && !stat(path, &other) && other.st_rdev == one.st_rdev;
		free(path);
	}
	globfree(&all);
	return found;
}

static void open_drive(struct drive *drive, int flags)
{
	char address[BDF_SIZE];
	off_t size;

	pdev_text(address, drive->pdev);
	if (!find_disk(drive))
		wrong(address, "has no disk of its own", "expected an NVMe drive with a namespace, not below a multipath disk");
	if (is_exported(drive))
		wrong(drive->path, "is in use", "the NVMe target exports it: disable that namespace first");
	/* Nobody else may have it, nor a partition of it. */
	drive->fd = open(drive->path, flags | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (drive->fd < 0 && errno == EBUSY)
		wrong(drive->path, "is in use", "it, or a part of it, is mounted, swap, or belongs to RAID, LVM or a virtual machine: take a drive that nobody uses");
	if (drive->fd < 0)
		wrong(drive->path, strerror(errno), "measure wants a drive that root can open");
	size = lseek(drive->fd, 0, SEEK_END);
	if (size < (off_t)(4 * CHUNK))
		wrong(drive->path, "is too small", "expected a drive of 4 MiB or more");
	drive->size = size;
}

/* All of @len at @at, whatever a single call moves; false with errno */
static bool move(const struct drive *drive, bool in, u8 *memory, size_t len, u64 at)
{
	ssize_t done;

	for (; len; memory += done, len -= done, at += done) {
		errno = EIO;
		done = in ? pread(drive->fd, memory, len, at) : pwrite(drive->fd, memory, len, at);
		if (done <= 0)
			return false;
	}
	return true;
}

static bool is_blank(const u8 *memory, size_t len)
{
	return !*memory && !memcmp(memory, memory + 1, len - 1);
}

/* ---- memory ---- */

static void *get_ram(size_t len)
{
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return must(memory == MAP_FAILED ? NULL : memory);
}

/* As much of the provider's as is there in one piece, up to @len */
static void *get_peer(const struct pci_dev *provider, size_t *len)
{
	char path[PATH_MAX], address[BDF_SIZE];
	void *memory = MAP_FAILED;
	int fd;

	pdev_text(address, provider);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/allocate", address);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		wrong(path, strerror(errno), errno == ENOENT ?
		      "no memory of this device is registered: see p2ptopo doctor" : "measure wants root");
	for (; *len >= SMALLEST && memory == MAP_FAILED; *len /= 2) {
		memory = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (memory != MAP_FAILED || errno != ENOMEM)
			break;
	}
	close(fd);
	if (memory == MAP_FAILED)
		wrong(path, strerror(errno), "there is no memory to be had of this provider: see p2ptopo doctor");
	return memory;
}

/* ---- the copy ---- */

static u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static u64 per_second(size_t bytes, u64 nanoseconds)
{
	return nanoseconds ? bytes * 1000000000.0 / nanoseconds : 0;
}

static void complement(u8 *to, const u8 *from, size_t len)
{
	while (len--)
		*to++ = ~*from++;
}

static void fail(struct way *way, const struct drive *drive, const char *what)
{
	snprintf(way->error, sizeof(way->error), "%s %s: %s", drive->path, what, strerror(errno));
}

static void copy_chunks(const struct copy *copy, struct way *way, u8 *memory, size_t chunk)
{
	u64 in = 0, out = 0, start, between;
	size_t done, len;

	for (done = 0; done < copy->bytes; done += len) {
		len = min(chunk, copy->bytes - done);
		start = now();
		if (!move(&copy->from, true, memory, len, copy->from.at + done)) {
			fail(way, &copy->from, "does not write to it");
			return;
		}
		between = now();
		if (!move(&copy->to, false, memory, len, copy->to.at + done)) {
			fail(way, &copy->to, "does not read it");
			return;
		}
		in += between - start;
		out += now() - between;
	}
	start = now();
	if (fsync(copy->to.fd)) {
		fail(way, &copy->to, "does not keep it");
		return;
	}
	out += now() - start;
	way->in = per_second(copy->bytes, in);
	way->out = per_second(copy->bytes, out);
}

static void try_way(const struct copy *copy, struct way *way, u8 *memory, size_t chunk)
{
	complement(copy->work, copy->source, copy->bytes);
	if (!move(&copy->to, false, copy->work, copy->bytes, copy->to.at)) {
		fail(way, &copy->to, "cannot be written to");
		return;
	}
	complement(memory, copy->source, min(chunk, copy->bytes));
	copy_chunks(copy, way, memory, chunk);
	if (*way->error)
		return;
	if (!move(&copy->to, true, copy->work, copy->bytes, copy->to.at))
		fail(way, &copy->to, "cannot be read");
	else
		way->equal = !memcmp(copy->work, copy->source, copy->bytes);
}

/* What the second drive had is there again; if not, that is the worst of all news. */
static void put_back(const struct copy *copy)
{
	if (move(&copy->to, false, copy->saved, copy->bytes, copy->to.at) &&
	    !fsync(copy->to.fd) &&
	    move(&copy->to, true, copy->work, copy->bytes, copy->to.at) &&
	    !memcmp(copy->work, copy->saved, copy->bytes))
		return;
	fprintf(stderr, "p2ptopo: %s: %zu bytes at %llu could not be put back as they were: restore them from a backup\n",
		copy->to.path, copy->bytes, (unsigned long long)copy->to.at);
	exit(1);
}

/* In the middle, as there is nothing of a partition table, or of RAID. */
static void prepare(struct copy *copy, bool overwrite)
{
	u64 least = min(copy->from.size, copy->to.size) / 2 / CHUNK * CHUNK;

	copy->bytes = min(COPIED, least);
	copy->from.at = copy->from.size / 2 / CHUNK * CHUNK;
	copy->to.at = copy->to.size / 2 / CHUNK * CHUNK;
	copy->source = get_ram(copy->bytes);
	copy->saved = get_ram(copy->bytes);
	copy->work = get_ram(copy->bytes);
	if (!move(&copy->from, true, copy->source, copy->bytes, copy->from.at))
		wrong(copy->from.path, strerror(errno), "it cannot be read: take another drive");
	if (!move(&copy->to, true, copy->work, CHUNK, 0) ||
	    !move(&copy->to, true, copy->saved, copy->bytes, copy->to.at))
		wrong(copy->to.path, strerror(errno), "it cannot be read: take another drive");
	if (!overwrite && (!is_blank(copy->work, CHUNK) || !is_blank(copy->saved, copy->bytes)))
		wrong(copy->to.path, "is not blank", "a part of it is overwritten and then put back, which a power failure would prevent: say --overwrite if that may be");
}

/**
 * measure - copy, and see what arrives
 * @measurement: from, to and provider; the rest is filled in
 * @overwrite: the second drive may hold data
 *
 * Return: the copy through peer memory is what it should be.  Does not return if
 * there is something in the way; nothing has been written then.
 */
bool measure(struct measurement *measurement, bool overwrite)
{
	struct copy copy = { .from.pdev = measurement->from, .to.pdev = measurement->to };
	struct way *peer = &measurement->way[WAY_PEER], *ram = &measurement->way[WAY_RAM];
	size_t chunk = CHUNK;
	sigset_t all, before;
	void *memory;

	peer->name = "peer";
	ram->name = "ram";
	if (measurement->from == measurement->to)
		wrong("measure", "", "expected two drives, and a provider that may be one of them");
	open_drive(&copy.from, O_RDONLY);
	open_drive(&copy.to, O_RDWR);
	memory = get_peer(measurement->provider, &chunk);
	prepare(&copy, overwrite);
	measurement->bytes = copy.bytes;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	try_way(&copy, peer, memory, chunk);
	try_way(&copy, ram, get_ram(chunk), chunk);
	put_back(&copy);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return peer->equal && !*peer->error;
}

void show_measurement(const struct measurement *measurement)
{
	char from[BDF_SIZE], to[BDF_SIZE], provider[BDF_SIZE], size[SIZE_TEXT];
	const struct way *way;

	printf("%s, %s -> memory of %s -> %s\n", size_text(size, measurement->bytes),
	       pdev_text(from, measurement->from), pdev_text(provider, measurement->provider),
	       pdev_text(to, measurement->to));
	printf("%-8s %14s %14s  %s\n", "through", "writes to it", "reads it", "data");
	for (way = measurement->way; way < measurement->way + WAYS; way++) {
		if (*way->error)
			printf("%-8s %s\n", way->name, way->error);
		else
			printf("%-8s %9llu MB/s %9llu MB/s  %s\n", way->name,
			       (unsigned long long)way->in / 1000000,
			       (unsigned long long)way->out / 1000000,
			       way->equal ? "equal" : "DIFFERENT: do not use this route");
	}
}
