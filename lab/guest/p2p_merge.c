// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_merge DRIVE ram|peer|both PHASE: reads the first MiB of a drive in blocks of a page, sixteen
 * at a time and one behind the other, as a program with a queue does that the block layer can
 * merge. Into RAM, into peer memory of $P2P_PROVIDER, or each second block into one of the two. The
 * lab counts commands.
 */
#define _GNU_SOURCE
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "lab.h"
#include "p2pmem.h"

#define PAGE 4096UL
#define DEPTH 16

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static char *memory(bool peer)
{
	int fd = peer ? p2pmem_open("allocate", O_RDWR) : -1;
	char *mem;

	if (peer && fd < 0)
		die("open p2pmem/allocate");
	mem = peer ? p2pmem_map(fd, DEPTH * PAGE) :
		     mmap(NULL, DEPTH * PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("map");
	return mem;
}

/* All of the queue in one system call, so that it reaches the block layer as a batch */
static void read_batch(aio_context_t ctx, int fd, off_t at, char *mem[2])
{
	struct iocb cb[DEPTH] = { }, *cbs[DEPTH];
	struct io_event done[DEPTH];

	for (int i = 0; i < DEPTH; i++) {
		cb[i].aio_lio_opcode = IOCB_CMD_PREAD;
		cb[i].aio_fildes = fd;
		cb[i].aio_buf = (uintptr_t)(mem[i % 2] + i * PAGE);
		cb[i].aio_nbytes = PAGE;
		cb[i].aio_offset = at + i * PAGE;
		cbs[i] = &cb[i];
	}
	if (syscall(SYS_io_submit, ctx, DEPTH, cbs) != DEPTH ||
	    syscall(SYS_io_getevents, ctx, DEPTH, DEPTH, done, NULL) != DEPTH)
		die("submit");
	for (int i = 0; i < DEPTH; i++) {
		if (done[i].res == (int)PAGE)
			continue;
		errno = -done[i].res;
		die("read");
	}
}

int main(int argc, char **argv)
{
	aio_context_t ctx = 0;
	char *mem[2];
	int fd;

	if (argc != 4) {
		fputs("wants DRIVE ram|peer|both PHASE\n", stderr);
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0)
		die(argv[1]);
	mem[0] = memory(!strcmp(argv[2], "peer"));
	mem[1] = strcmp(argv[2], "both") ? mem[0] : memory(true);
	if (syscall(SYS_io_setup, DEPTH, &ctx))
		die("io_setup");
	lab("# lab: phase begin %s\n", argv[3]);
	for (off_t at = 0; at < (off_t)MIB; at += DEPTH * PAGE)
		read_batch(ctx, fd, at, mem);
	lab("# lab: phase end %s\n", argv[3]);
	return 0;
}
