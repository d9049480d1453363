/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of a function decides whether data arrive, apart from the route: its BARs,
 * the size of packets, and their tags.
 */
#ifndef _P2PTOPO_HARDWARE_H
#define _P2PTOPO_HARDWARE_H

#include "machine.h"

#define KIB		1024ULL
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)

#define SIZE_TEXT	24	/* of "1023 MiB" and its end, and some */

bool hardware_bars(const struct pci_dev *pdev, struct bar bars[BARS]);
const struct bar *largest_bar(const struct bar bars[BARS]);
unsigned int hardware_payload(const struct pci_dev *pdev);
enum tri hardware_tags_completed(const struct pci_dev *pdev);
enum tri hardware_tags_sent(const struct pci_dev *pdev);
const char *size_text(char *text, u64 size);

#endif /* _P2PTOPO_HARDWARE_H */
