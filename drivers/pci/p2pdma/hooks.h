/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the PCI core tells peer-to-peer DMA: outage.c and peers.c take it.
 */
#ifndef _PCI_P2PDMA_HOOKS_H
#define _PCI_P2PDMA_HOOKS_H

#include <linux/bits.h>
#include <linux/types.h>

struct pci_dev;

/*
 * Why peers cannot reach a function, or what is below it: pci_dev.p2pdma_down.
 * Causes with a count can be nested, the others are states that are entered and
 * left.
 */
#define P2PDMA_DOWN_RECOVERY	BIT(0)	/* error recovery is under way, or failed */
#define P2PDMA_DOWN_GONE	BIT(1)	/* unplugged without notice */
#define P2PDMA_DOWN_POWER	BIT(2)	/* in D3, or about to leave D0 */
#define P2PDMA_DOWN_DECODE	BIT(3)	/* user space turned memory decoding off */
#define P2PDMA_DOWN_RESET	BIT(8)	/* counted: a reset by the PCI core */
#define P2PDMA_DOWN_DRIVER	BIT(16)	/* counted: its driver says so */

#ifdef CONFIG_PCI_P2PDMA
void p2pdma_outage_begin(struct pci_dev *pdev, u32 cause);
void p2pdma_outage_begin_async(struct pci_dev *pdev, u32 cause);
void p2pdma_outage_end(struct pci_dev *pdev, u32 cause);
void p2pdma_outage_end_async(struct pci_dev *pdev, u32 cause);
void p2pdma_outage_check(struct pci_dev *pdev);
void p2pdma_outage_check_async(struct pci_dev *pdev);
void p2pdma_driver_removed(struct pci_dev *pdev);
void p2pdma_outage_command_written(struct pci_dev *pdev);
void p2pdma_topology_changed(void);
#else
static inline void p2pdma_outage_begin(struct pci_dev *pdev, u32 cause) { }
static inline void p2pdma_outage_begin_async(struct pci_dev *pdev,
					     u32 cause) { }
static inline void p2pdma_outage_end(struct pci_dev *pdev, u32 cause) { }
static inline void p2pdma_outage_end_async(struct pci_dev *pdev,
					   u32 cause) { }
static inline void p2pdma_outage_check(struct pci_dev *pdev) { }
static inline void p2pdma_outage_check_async(struct pci_dev *pdev) { }
static inline void p2pdma_driver_removed(struct pci_dev *pdev) { }
static inline void p2pdma_outage_command_written(struct pci_dev *pdev) { }
static inline void p2pdma_topology_changed(void) { }
#endif

#endif /* _PCI_P2PDMA_HOOKS_H */
