// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvmet_stall ADDRESS PORT NQN [FILE]: a client of an NVMe/TCP target that announces a write and
 * never sends the data. It says so on standard output and ends when the target ends the connection.
 * With FILE it sends half of the data, the rest when there is such a file, and prints the status.
 *
 * It asks for no keep-alive, so the two connections are enough to keep the controller. Offsets are
 * those of the NVMe base specification (fabrics commands) and of its TCP transport.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PDU_ICREQ = 0, PDU_ICRESP = 1, PDU_COMMAND = 4, PDU_RESPONSE = 5, PDU_H2C_DATA = 6,
	PDU_R2T = 9 };
enum { HEADER = 8, COMMAND = 64, CONNECT_DATA = 1024, WRITE_DATA = 64 << 10, BLOCK = 512 };

static void put(uint8_t *to, uint64_t value, int bytes)
{
	while (bytes--) {
		*to++ = value;
		value >>= 8;
	}
}

static void header(uint8_t *pdu, int type, int header_length, int data_offset, int length)
{
	pdu[0] = type;
	pdu[2] = header_length;
	pdu[3] = data_offset;
	put(pdu + 4, length, 4);
}

static void send_all(int sock, const uint8_t *from, size_t length)
{
	if (write(sock, from, length) != (ssize_t)length)
		err(1, "write");
}

/* Fill PDU, all of it; 0 when the target has ended the connection */
static int receive(int sock, uint8_t *pdu, size_t size)
{
	size_t got = 0, want = HEADER;
	ssize_t n;

	while (got < want) {
		n = read(sock, pdu + got, want - got);
		if (n <= 0)
			return 0;
		got += n;
		if (got == HEADER)
			want = pdu[4] | pdu[5] << 8;
		if (want > size)
			errx(1, "PDU of type %d has %zu bytes", pdu[0], want);
	}
	return got;
}

static void expect(int sock, uint8_t *pdu, size_t size, int type)
{
	if (!receive(sock, pdu, size))
		errx(1, "the connection has ended instead of PDU type %d", type);
	if (pdu[0] != type)
		errx(1, "PDU of type %d instead of %d", pdu[0], type);
	if (type == PDU_RESPONSE && (pdu[HEADER + 14] & 0xfe || pdu[HEADER + 15]))
		errx(1, "status %#x", (pdu[HEADER + 14] | pdu[HEADER + 15] << 8) >> 1);
}

static int join(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	uint8_t pdu[128] = { };
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	if (!inet_aton(address, &to.sin_addr))
		errx(2, "%s is no address", address);
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof(to)))
		err(1, "connect");
	header(pdu, PDU_ICREQ, sizeof(pdu), 0, sizeof(pdu));
	send_all(sock, pdu, sizeof(pdu));
	expect(sock, pdu, sizeof(pdu), PDU_ICRESP);
	return sock;
}

/* The Connect command of queue QID; the controller's number */
static int connect_queue(int sock, const char *nqn, int qid, int controller)
{
	uint8_t pdu[HEADER + COMMAND + CONNECT_DATA] = { };
	uint8_t *cmd = pdu + HEADER, *data = cmd + COMMAND;

	header(pdu, PDU_COMMAND, HEADER + COMMAND, HEADER + COMMAND, sizeof(pdu));
	cmd[0] = 0x7f;			/* fabrics */
	cmd[1] = 0x40;			/* SGL */
	cmd[4] = 0x01;			/* connect */
	put(cmd + 32, CONNECT_DATA, 4);
	cmd[39] = 0x01;			/* data in the capsule */
	put(cmd + 42, qid, 2);
	put(cmd + 44, 15, 2);		/* queue size - 1 */
	data[15] = 1;			/* host identifier */
	put(data + 16, controller, 2);
	snprintf((char *)data + 256, 256, "%s", nqn);
	snprintf((char *)data + 512, 256, "nqn.2026-11.org.example:stalled");
	send_all(sock, pdu, sizeof(pdu));
	expect(sock, pdu, sizeof(pdu), PDU_RESPONSE);
	return pdu[HEADER] | pdu[HEADER + 1] << 8;
}

static void enable(int sock)
{
	uint8_t pdu[HEADER + COMMAND] = { };
	uint8_t *cmd = pdu + HEADER;

	header(pdu, PDU_COMMAND, sizeof(pdu), 0, sizeof(pdu));
	cmd[0] = 0x7f;
	cmd[1] = 0x40;			/* and property set is type 0 */
	put(cmd + 44, 0x14, 4);		/* CC */
	put(cmd + 48, 0x460001, 8);	/* entries of 64 and 16 bytes, enable */
	send_all(sock, pdu, sizeof(pdu));
	expect(sock, pdu, sizeof(pdu), PDU_RESPONSE);
}

/* Returns the target's tag, which the data have to carry. */
static int announce_write(int sock)
{
	uint8_t pdu[HEADER + COMMAND] = { };
	uint8_t *cmd = pdu + HEADER;

	header(pdu, PDU_COMMAND, sizeof(pdu), 0, sizeof(pdu));
	cmd[0] = 0x01;			/* write */
	cmd[1] = 0x40;
	put(cmd + 4, 1, 4);		/* namespace */
	put(cmd + 32, WRITE_DATA, 4);
	cmd[39] = 0x5a;			/* data by the transport */
	put(cmd + 48, WRITE_DATA / BLOCK - 1, 2);
	send_all(sock, pdu, sizeof(pdu));
	expect(sock, pdu, sizeof(pdu), PDU_R2T);
	return pdu[HEADER + 2] | pdu[HEADER + 3] << 8;
}

static void send_half(int sock, int tag, int offset)
{
	static uint8_t pdu[24 + WRITE_DATA / 2];

	header(pdu, PDU_H2C_DATA, 24, 24, sizeof(pdu));
	pdu[1] = offset ? 0x04 : 0;	/* the last one */
	put(pdu + HEADER + 2, tag, 2);
	put(pdu + HEADER + 4, offset, 4);
	put(pdu + HEADER + 8, WRITE_DATA / 2, 4);
	send_all(sock, pdu, sizeof(pdu));
}

static void send_in_halves(int sock, int tag, const char *file)
{
	uint8_t pdu[128];

	send_half(sock, tag, 0);
	printf("half is sent\n");
	fflush(stdout);
	while (access(file, F_OK))
		usleep(10000);
	send_half(sock, tag, WRITE_DATA / 2);
	if (!receive(sock, pdu, sizeof(pdu)) || pdu[0] != PDU_RESPONSE)
		errx(1, "no response");
	printf("status %#x\n", (pdu[HEADER + 14] | pdu[HEADER + 15] << 8) >> 1);
}

int main(int argc, char **argv)
{
	int admin, io, controller, tag;
	uint8_t pdu[128];

	if (argc != 4 && argc != 5)
		errx(2, "usage: nvmet_stall ADDRESS PORT NQN [FILE]");
	admin = join(argv[1], argv[2]);
	controller = connect_queue(admin, argv[3], 0, 0xffff);
	enable(admin);
	io = join(argv[1], argv[2]);
	connect_queue(io, argv[3], 1, controller);
	tag = announce_write(io);
	if (argc == 5) {
		send_in_halves(io, tag, argv[4]);
		return 0;
	}
	printf("controller %d waits for %d bytes\n", controller, WRITE_DATA);
	fflush(stdout);
	while (receive(io, pdu, sizeof(pdu)))
		;
	printf("the connection has ended\n");
	return 0;
}
