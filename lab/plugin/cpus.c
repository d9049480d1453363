// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU's TCG: which bytes of a few ranges of memory do instructions
 * of the guest's CPUs load and store?  What devices do is not instrumented, so
 * it is not counted, be the memory a device's own (a CMB) or RAM of the host that
 * is mapped as a BAR (ivshmem), of which no trace says anything.
 *
 * A file that the lab has mapped, too, says what to do and takes the numbers: see
 * struct control.  Until something is wanted for the first time the guest's code is
 * translated without any of this.  Whether it is, is looked at when a CPU wakes up;
 * then all that has been translated is dropped, and @active says so.  That is done
 * once and not undone: in QEMU 7.2 a CPU may keep a pointer to what is then freed,
 * if it has left a helper by an exception, or by HLT.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qemu.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

/* ---- what the lab shares with it: words of 64 bits, see scripts/p2plib/lab/cpus.py ---- */

#define RANGES	8

enum who { CARD, OTHERS, WHO };

struct range {
	uint64_t first, last;		/* as the plugin sees them */
	uint64_t io;			/* a device's own memory, not RAM of the host */
	uint64_t read[WHO];		/* bytes */
	uint64_t written[WHO];
	uint64_t where, pc;		/* of the last access by others */
};

struct control {
	uint64_t wanted;		/* to count now; the lab sets it when all below is set */
	uint64_t active;		/* code is translated so that it can be */
	uint64_t unknown;		/* accesses of which QEMU could not say where */
	uint64_t card;			/* address of the instruction that is a card's DMA, or 0 */
	uint64_t ranges;
	struct range range[RANGES];
};

static struct control *control;

static bool wanted(void)
{
	return __atomic_load_n(&control->wanted, __ATOMIC_ACQUIRE);
}

static void count(uint64_t *number, uint64_t more)
{
	__atomic_fetch_add(number, more, __ATOMIC_RELAXED);
}

static void on_access(unsigned int cpu, uint32_t info, uint64_t vaddr, void *data)
{
	struct plugin_hwaddr *addr;
	uint64_t phys, size = 1ULL << qemu_plugin_mem_size_shift(info);
	enum who who = (uintptr_t)data == control->card ? CARD : OTHERS;
	struct range *range;
	bool io;

	(void)cpu;
	if (!wanted())
		return;
	addr = qemu_plugin_get_hwaddr(info, vaddr);
	if (!addr) {
		count(&control->unknown, 1);
		return;
	}
	io = qemu_plugin_hwaddr_is_io(addr);
	phys = qemu_plugin_hwaddr_phys_addr(addr);
	for (range = control->range; range < control->range + control->ranges; range++) {
		if (range->io != io || phys + size - 1 < range->first || phys > range->last)
			continue;
		if (qemu_plugin_mem_is_store(info))
			count(&range->written[who], size);
		else
			count(&range->read[who], size);
		if (who == OTHERS) {
			range->where = phys - range->first;
			range->pc = (uintptr_t)data;
		}
	}
}

static void on_translate(plugin_id id, struct plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct plugin_insn *insn;

	(void)id;
	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		qemu_plugin_register_vcpu_mem_cb(insn, on_access, NO_REGISTERS, LOADS_AND_STORES,
						 (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
	}
}

/* All CPUs stand still, and nothing is translated. */
static void begin(plugin_id id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	__atomic_store_n(&control->active, 1, __ATOMIC_RELEASE);
}

static void on_resume(plugin_id id, unsigned int cpu)
{
	(void)cpu;
	if (wanted())
		qemu_plugin_reset(id, begin);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	int fd = -1;

	(void)info;
	if (argc == 1 && !strncmp(argv[0], "control=", 8))
		fd = open(argv[0] + 8, O_RDWR);
	if (fd < 0) {
		fprintf(stderr, "cpus: wants control=FILE\n");
		return -1;
	}
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (control == MAP_FAILED) {
		perror("cpus: control");
		return -1;
	}
	qemu_plugin_register_vcpu_resume_cb(id, on_resume);
	return 0;
}
