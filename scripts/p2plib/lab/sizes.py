# SPDX-License-Identifier: GPL-2.0-only
"""How much guest programs move, which is what the host counts afterwards: they are told, in their environment."""

MIB = 1 << 20
DRIVE_MIB = 64
RANDOM_MIB = 32  # at the start of each drive; the rest is a hole
DEMO_MIB = 16
WATCHED_KIB = 256  # while each access is traced: there is a line for each four bytes
NVMET_MIB = 2
STACK_MIB = 2  # each copy to or from a stacked device
HOSTS_KIB = 1536  # of each namespace, in each round of the two hosts
FILE_BYTES = 64 << 10  # as p2p_file.c has it
SAMPLE_BYTES = 8 << 10  # as samples/pci-p2pdma/p2pdma-client.c has it
FIO_MIB = 2  # of each job
FIO_BYTES = 2 * 2 * FIO_MIB * MIB  # two jobs, each byte written and read
FIO_BUFFERS = 2 * (20 << 10)  # two of 8 KiB and a page, cleared and filled
CPUS = 2
