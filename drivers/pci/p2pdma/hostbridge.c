// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the root complex may do.
 *
 * PCIe leaves it to the root complex whether it routes requests between its
 * ports (r6.0, sec 1.3.1), and nothing in config space tells.  So only those
 * that are known to do it count: by the ids of the device that stands for the
 * host bridge (00.0 on the root bus, or else the first root port), or by the
 * CPU.
 *
 * To look at the devices of a root bus takes pci_bus_sem, which a mapping
 * must not.  So what each root bus may do is worked out when its devices
 * appear, and kept by segment and bus number.
 */
#include <linux/pci.h>
#include <linux/processor.h>
#include <linux/xarray.h>

#include "../pci.h"
#include "p2pdma.h"

enum {
	ROUTES_UNKNOWN,		/* what xa_load() of an unseen bus amounts to */
	ROUTES_WITHIN,		/* between root ports of one host bridge only */
	ROUTES_ANYWHERE,
};

#define KNOWN(vendor, device, scope)	\
	{ PCI_DEVICE(vendor, device), .driver_data = scope }

static const struct pci_device_id known[] = {
	KNOWN(PCI_VENDOR_ID_INTEL, 0x3c00, ROUTES_WITHIN),	/* Xeon E5 */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x3c01, ROUTES_WITHIN),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2f00, ROUTES_WITHIN),	/* Xeon E5 v3 */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2f01, ROUTES_WITHIN),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2030, ROUTES_ANYWHERE),	/* Skylake-E */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2031, ROUTES_ANYWHERE),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2032, ROUTES_ANYWHERE),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2033, ROUTES_ANYWHERE),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2020, ROUTES_ANYWHERE),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x09a2, ROUTES_ANYWHERE),	/* Ice Lake */
	KNOWN(0x1ae0, PCI_ANY_ID, ROUTES_ANYWHERE),		/* Google SoCs */
	{ }
};

/* Root buses seen: segment << 8 | bus number -> scope */
static DEFINE_XARRAY(root_buses);

static unsigned long root_key(struct pci_bus *root)
{
	return (unsigned long)pci_domain_nr(root) << 8 | root->number;
}

/* Every AMD root complex since Zen (family 17h) routes between its ports. */
static bool cpu_routes(void)
{
#ifdef CONFIG_X86
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD &&
	       boot_cpu_data.x86 >= 0x17;
#else
	return false;
#endif
}

/*
 * Does @pdev stand for its host bridge?  Device 00.0 does; where there is
 * none, the root port that comes first on the bus.
 */
static bool stands_for_root(struct pci_dev *pdev)
{
	struct pci_dev *first;

	if (pdev->devfn == PCI_DEVFN(0, 0))
		return true;
	if (pci_pcie_type(pdev) != PCI_EXP_TYPE_ROOT_PORT)
		return false;

	down_read(&pci_bus_sem);
	first = list_first_entry_or_null(&pdev->bus->devices, struct pci_dev,
					 bus_list);
	up_read(&pci_bus_sem);
	return first == pdev;
}

/**
 * p2pdma_hostbridge_learn - a PCI device has appeared
 * @pdev: the device
 *
 * Context: process context, may sleep.  The device is on its bus.
 */
void p2pdma_hostbridge_learn(struct pci_dev *pdev)
{
	const struct pci_device_id *id;

	if (!pci_is_root_bus(pdev->bus) || !stands_for_root(pdev))
		return;

	id = pci_match_id(known, pdev);
	/* Without memory for it the bus stays unknown: refused, not wrong. */
	if (id)
		xa_store(&root_buses, root_key(pdev->bus),
			 xa_mk_value(id->driver_data), GFP_KERNEL);
}

/**
 * p2pdma_hostbridge_forget - a PCI device goes away
 * @pdev: the device
 *
 * Context: process context, may sleep.
 */
void p2pdma_hostbridge_forget(struct pci_dev *pdev)
{
	if (pci_is_root_bus(pdev->bus) && stands_for_root(pdev))
		xa_erase(&root_buses, root_key(pdev->bus));
}

/**
 * p2pdma_hostbridge_scan - look at every host bridge there is
 *
 * Context: process context, may sleep.
 */
void p2pdma_hostbridge_scan(void)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev)
		p2pdma_hostbridge_learn(pdev);
}

static unsigned long root_scope(struct pci_bus *root)
{
	void *entry;

	if (cpu_routes())
		return ROUTES_ANYWHERE;
	entry = xa_load(&root_buses, root_key(root));
	return entry ? xa_to_value(entry) : ROUTES_UNKNOWN;
}

/**
 * p2pdma_hostbridge - does the root complex route between two of its ports?
 * @client_top: the client's last ancestor, on a root bus
 * @provider_top: the same for the provider
 *
 * Context: any; takes no lock.
 * Return: P2PDMA_REASON_ROOT_COMPLEX when it does, else why it is refused.
 */
enum p2pdma_reason p2pdma_hostbridge(struct pci_dev *client_top,
				     struct pci_dev *provider_top)
{
	struct pci_bus *client = client_top->bus, *provider = provider_top->bus;
	unsigned long a = root_scope(client), b = root_scope(provider);

	if (a == ROUTES_UNKNOWN || b == ROUTES_UNKNOWN)
		return P2PDMA_REASON_ROOT_UNKNOWN;
	if (client != provider && (a == ROUTES_WITHIN || b == ROUTES_WITHIN))
		return P2PDMA_REASON_ROOT_DIFFERS;
	return P2PDMA_REASON_ROOT_COMPLEX;
}
