/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The devices and buses that the kernel's code is shown: machine_build() makes them
 * of what the input says, as the kernel's scan does of what it finds.
 */
#ifndef _P2PTOPO_MACHINE_H
#define _P2PTOPO_MACHINE_H

#include "function.h"
#include "kernel.h"

void machine_build(struct machine *machine);
void machine_free(struct machine *machine);
bool is_made_up(const struct function *fn);
bool find_capability(const struct function *fn, u8 id, u16 *at);
bool find_extended(const struct function *fn, u16 id, u16 *at);
struct pci_dev *machine_find(const struct machine *machine, u32 domain, u16 bdf);

#endif /* _P2PTOPO_MACHINE_H */
