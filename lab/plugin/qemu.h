/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is used of QEMU's interface for plugins, version 1: its own header is in no
 * package of the distribution.
 */
#ifndef LAB_QEMU_H
#define LAB_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t plugin_id;
struct plugin_tb;
struct plugin_insn;
struct plugin_hwaddr;

enum { NO_REGISTERS = 0, LOADS_AND_STORES = 3 };

typedef void (*plugin_translate)(plugin_id id, struct plugin_tb *tb);
typedef void (*plugin_cpu)(plugin_id id, unsigned int cpu);
typedef void (*plugin_access)(unsigned int cpu, uint32_t info, uint64_t vaddr, void *data);
typedef void (*plugin_done)(plugin_id id);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, plugin_translate cb);
void qemu_plugin_register_vcpu_resume_cb(plugin_id id, plugin_cpu cb);
void qemu_plugin_register_vcpu_mem_cb(struct plugin_insn *insn, plugin_access cb, int registers,
				      int accesses, void *data);
void qemu_plugin_reset(plugin_id id, plugin_done cb);
size_t qemu_plugin_tb_n_insns(const struct plugin_tb *tb);
struct plugin_insn *qemu_plugin_tb_get_insn(const struct plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct plugin_insn *insn);
struct plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct plugin_hwaddr *addr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct plugin_hwaddr *addr);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);
bool qemu_plugin_mem_is_store(uint32_t info);

#endif
