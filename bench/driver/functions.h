/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that are nothing but config space, for whoever needs many clients:
 * an emulated machine takes minutes to enumerate a thousand.
 *
 *	upstream port
 *	  |        \
 *	used port   empty port
 *		      |
 *		    00.0, 00.1 ... 1f.7: the next one is in the ARI capability
 *
 * They have no BAR and no driver, and never do any DMA; the DMA API does not
 * mind.
 */
#ifndef P2PDMA_BENCH_FUNCTIONS_H
#define P2PDMA_BENCH_FUNCTIONS_H

#include <linux/pci.h>

#define FUNCTIONS_MAX		1024
#define FUNCTIONS_PER_PORT	256
#define FUNCTIONS_PORTS		(FUNCTIONS_MAX / FUNCTIONS_PER_PORT)
#define FUNCTIONS_EXP		0x40	/* PCI Express capability */
#define FUNCTIONS_ARI		0x100

static struct pci_dev *functions[FUNCTIONS_MAX];
static unsigned int nr_functions;

/* Ports that were empty, with the way to config space that they had */
static struct {
	struct pci_bus *bus;
	struct pci_ops *ops;
} function_ports[FUNCTIONS_PORTS];
static unsigned int nr_function_ports;

/* The dword at @where of function @fn, counted through all devices */
static u32 functions_dword(unsigned int fn, int where)
{
	switch (where) {
	case PCI_VENDOR_ID:
		return PCI_VENDOR_ID_REDHAT;
	case PCI_COMMAND:
		return PCI_STATUS_CAP_LIST << 16;
	case PCI_CLASS_REVISION:
		return PCI_CLASS_NOT_DEFINED << 16;
	case PCI_CACHE_LINE_SIZE:
		return PCI_HEADER_TYPE_MFD << 16;
	case PCI_CAPABILITY_LIST:
		return FUNCTIONS_EXP;
	case FUNCTIONS_EXP:
		return PCI_CAP_ID_EXP | (2 | PCI_EXP_TYPE_ENDPOINT << 4) << 16;
	case FUNCTIONS_ARI:
		return PCI_EXT_CAP_ID_ARI | 1 << 16;
	case FUNCTIONS_ARI + 4:
		return fn + 1 < FUNCTIONS_PER_PORT ? (fn + 1) << 8 : 0;
	default:
		return 0;
	}
}

static int functions_read(struct pci_bus *bus, unsigned int devfn, int where,
			  int size, u32 *value)
{
	*value = functions_dword(devfn, where & ~3) >> where % 4 * 8;
	if (size < 4)
		*value &= (1 << size * 8) - 1;
	return PCIBIOS_SUCCESSFUL;
}

static int functions_write(struct pci_bus *bus, unsigned int devfn, int where,
			   int size, u32 value)
{
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops functions_ops = {
	.read = functions_read,
	.write = functions_write,
};

static void functions_add(struct pci_bus *bus)
{
	struct pci_dev *pdev;

	function_ports[nr_function_ports].bus = bus;
	function_ports[nr_function_ports++].ops =
		pci_bus_set_ops(bus, &functions_ops);
	pci_rescan_bus(bus);
	list_for_each_entry(pdev, &bus->devices, bus_list)
		if (nr_functions < FUNCTIONS_MAX)
			functions[nr_functions++] = pci_dev_get(pdev);
}

/* As many as there are empty downstream ports for */
static void functions_make(void)
{
	struct pci_dev *port = NULL;

	pci_lock_rescan_remove();
	while (nr_function_ports < FUNCTIONS_PORTS &&
	       (port = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, port)))
		if (pci_is_pcie(port) &&
		    pci_pcie_type(port) == PCI_EXP_TYPE_DOWNSTREAM &&
		    port->subordinate && list_empty(&port->subordinate->devices))
			functions_add(port->subordinate);
	pci_dev_put(port);
	pci_unlock_rescan_remove();
}

static void functions_remove(void)
{
	struct pci_bus *bus;

	pci_lock_rescan_remove();
	while (nr_functions) {
		pci_stop_and_remove_bus_device(functions[--nr_functions]);
		pci_dev_put(functions[nr_functions]);
	}
	while (nr_function_ports) {
		bus = function_ports[--nr_function_ports].bus;
		pci_bus_set_ops(bus, function_ports[nr_function_ports].ops);
	}
	pci_unlock_rescan_remove();
}

#endif /* P2PDMA_BENCH_FUNCTIONS_H */
