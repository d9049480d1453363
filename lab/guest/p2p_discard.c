// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_discard DRIVE ram|peer: a Dataset Management command by passthrough, whose list of one
 * range, of no blocks, is in RAM or in peer memory of $P2P_PROVIDER. It says how the command ended.
 * Over nvme-loop it is the target that reads the list.
 */
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/nvme_ioctl.h>

#include "lab.h"
#include "p2pmem.h"

#define NVME_DSM 9

int main(int argc, char **argv)
{
	int fd, drive, status;
	void *mem;

	if (argc != 3) {
		fprintf(stderr, "usage: p2p_discard DRIVE ram|peer\n");
		return 2;
	}
	fd = strcmp(argv[2], "peer") ? -1 : p2pmem_open("allocate", O_RDWR);
	mem = fd >= 0 ? p2pmem_map(fd, 4096) :
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	drive = open(argv[1], O_RDWR);
	if (mem == MAP_FAILED || drive < 0) {
		perror(argv[1]);
		return 2;
	}
	struct nvme_passthru_cmd cmd = {
		.opcode = NVME_DSM,
		.nsid = ioctl(drive, NVME_IOCTL_ID),
		.addr = (uintptr_t)mem,
		.data_len = 16,
	};

	memset(mem, 0, 16);
	status = ioctl(drive, NVME_IOCTL_IO_CMD, &cmd);
	if (status < 0)
		perror("ioctl");
	else
		printf("status %#x\n", status);
	return !!status;
}
