// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_nbd DEVICE MIB: a network block device of so much memory of this process, which serves it by
 * a socket pair until it is killed.
 */
#include <endian.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void transfer(int sock, void *data, size_t len, bool out)
{
	while (len) {
		ssize_t done = out ? write(sock, data, len) : read(sock, data, len);

		if (done <= 0)
			exit(1);
		data += done;
		len -= done;
	}
}

static void __attribute__((noreturn)) serve(int sock, char *disk)
{
	struct nbd_request request;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		struct nbd_reply reply = { .magic = htobe32(NBD_REPLY_MAGIC) };
		uint32_t type, len;
		char *at;

		transfer(sock, &request, sizeof(request), false);
		type = be32toh(request.type) & 0xffff;
		at = disk + be64toh(request.from);
		len = be32toh(request.len);
		memcpy(reply.handle, request.handle, sizeof(reply.handle));
		if (type == NBD_CMD_WRITE)
			transfer(sock, at, len, false);
		transfer(sock, &reply, sizeof(reply), true);
		if (type == NBD_CMD_READ)
			transfer(sock, at, len, true);
	}
}

int main(int argc, char **argv)
{
	int device, pair[2];
	size_t size;
	char *disk;

	if (argc != 3)
		return 2;
	size = strtoul(argv[2], NULL, 0) << 20;
	disk = calloc(1, size);
	device = open(argv[1], O_RDWR);
	if (!disk || device < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    ioctl(device, NBD_SET_BLKSIZE, 4096) ||
	    ioctl(device, NBD_SET_SIZE_BLOCKS, size / 4096) ||
	    ioctl(device, NBD_CLEAR_SOCK) || ioctl(device, NBD_SET_SOCK, pair[0])) {
		perror(argv[1]);
		return 1;
	}
	if (!fork())
		serve(pair[1], disk);
	return ioctl(device, NBD_DO_IT) != 0;
}
