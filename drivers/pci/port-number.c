// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port Numbers of PCI Express (r6.0, sec 7.5.3.6), by which an ACS Egress Control
 * Vector knows ports.
 */
#include <linux/bitfield.h>
#include <linux/pci.h>

#include "pci.h"

/* Is it a port of a switch or of the root complex, and its Port Number @number? */
static bool has_port_number(struct pci_bus *bus, unsigned int devfn,
			    unsigned int number)
{
	u8 cap = pci_bus_find_capability(bus, devfn, PCI_CAP_ID_EXP);
	u32 lnkcap;
	u16 flags;

	if (!cap)
		return false;
	pci_bus_read_config_word(bus, devfn, cap + PCI_EXP_FLAGS, &flags);
	switch (FIELD_GET(PCI_EXP_FLAGS_TYPE, flags)) {
	case PCI_EXP_TYPE_ROOT_PORT:
	case PCI_EXP_TYPE_UPSTREAM:
	case PCI_EXP_TYPE_DOWNSTREAM:
		pci_bus_read_config_dword(bus, devfn, cap + PCI_EXP_LNKCAP,
					  &lnkcap);
		return !PCI_POSSIBLE_ERROR(lnkcap) &&
		       FIELD_GET(PCI_EXP_LNKCAP_PN, lnkcap) == number;
	default:
		return false;
	}
}

/* Functions that there may be in a slot */
static unsigned int functions_in(struct pci_bus *bus, unsigned int slot)
{
	u8 header;

	pci_bus_read_config_byte(bus, PCI_DEVFN(slot, 0), PCI_HEADER_TYPE,
				 &header);
	if (PCI_POSSIBLE_ERROR(header))
		return 0;
	return header & PCI_HEADER_TYPE_MFD ? 8 : 1;
}

/**
 * pci_port_number_is_shared - has another port the number of a port?
 * @port: root port or downstream port
 * @number: its Port Number
 *
 * There are switches whose ports have all the same, and which of them a bit of a
 * vector stands for then nobody knows.  The others are looked for in config space,
 * as the list of devices may not be walked without a lock that sleeps.
 *
 * Context: any; reads config space.
 * Return: true if a port beside it, or the one above, has that number.
 */
bool pci_port_number_is_shared(struct pci_dev *port, unsigned int number)
{
	struct pci_bus *bus = port->bus;
	unsigned int slot, devfn, n;

	if (bus->self &&
	    has_port_number(bus->self->bus, bus->self->devfn, number))
		return true;
	for (slot = 0; slot < 32; slot++) {
		n = functions_in(bus, slot);
		for (devfn = PCI_DEVFN(slot, 0); n--; devfn++)
			if (devfn != port->devfn &&
			    has_port_number(bus, devfn, number))
				return true;
	}
	return false;
}
