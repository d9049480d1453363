/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices and buses as the kernel's sources see them.
 */
#ifndef _P2PTOPO_PCI_H
#define _P2PTOPO_PCI_H

#include "include/uapi/linux/pci_regs.h"
#include "include/linux/pci_ids.h"

#define PCI_ANY_ID		(~0)
#define PCI_DEVID(bus, devfn)	((u16)((bus) << 8 | (devfn)))
#define PCI_BUS_NUM(bdf)	((bdf) >> 8 & 0xff)
#define PCI_DEVFN(slot, func)	(((slot) & 0x1f) << 3 | ((func) & 7))
#define PCI_SLOT(devfn)		((devfn) >> 3 & 0x1f)
#define PCI_FUNC(devfn)		((devfn) & 7)
#define PCI_POSSIBLE_ERROR(value) ((value) == (typeof(value))~0ULL)
#define PCI_DEV_FLAGS_ACS_ENABLED_QUIRK BIT(2)

struct pci_device_id {
	u32 vendor, device;
	unsigned long driver_data;
};

#define PCI_DEVICE(v, d)	.vendor = (v), .device = (d)

struct pci_host_bridge {
	struct device dev;
};

struct pci_bus {
	struct pci_bus *parent;		/* NULL for a root bus */
	struct pci_dev *self;		/* bridge to it; NULL for VFs' buses, too */
	struct list_head devices;
	struct pci_host_bridge *host;
	u32 domain;
	u8 number;
	/* of p2ptopo */
	struct pci_bus *next;		/* with the same hash */
	bool hole;			/* the bridge to it is not in the input */
	const struct pci_dev *conflict[2];	/* or by their numbers another leads there */
};

/*
 * Which values stand for those that are not in the input: the same question is
 * asked in each of these worlds, and what all of them agree on is certain.
 */
enum shim_world {
	WORLD_REDIRECT,		/* ACS redirects all, and forwards upstream */
	WORLD_NO_ACS,		/* there is no ACS capability */
	WORLD_OFF,		/* there is one, and nothing is enabled */
	WORLD_NOT_FORWARDED,	/* it redirects, and forwards nothing */
	WORLD_EGRESS,		/* egress control forbids all */
	WORLD_NO_CONTROLS,	/* the capability is there, and has none of the controls */
	WORLD_ENABLED_ONLY,	/* it has those that are enabled: it redirects */
	WORLDS
};

extern enum shim_world shim_world;

/* What is not in the input: flags of pci_dev.unread, and of what was asked for */
#define UNREAD_TYPE		BIT(0)	/* whether it is PCIe, and what of */
#define UNREAD_ACS		BIT(1)	/* whether there is an ACS capability */
#define UNREAD_ACS_CTRL		BIT(2)	/* its registers */
#define UNREAD_ACS_VECTOR	BIT(3)	/* its egress control vector */
#define UNREAD_PORT		BIT(4)	/* port number */
#define UNREAD_ARI		BIT(5)	/* whether ARI is enabled */
#define UNREAD_PLACE		BIT(6)	/* where it is: a bridge is not there */
#define UNREAD_ACS_CAP		BIT(7)	/* which ACS controls it has */
#define UNREAD_SHARED		BIT(9)	/* nothing, but its port number is another's, too */

struct pci_dev {
	struct list_head bus_list;
	struct pci_dev *next;		/* of all */
	struct pci_bus *bus;
	struct pci_bus *subordinate;
	struct pci_dev *physfn;
	struct device dev;
	u16 vendor, device;
	u32 class;
	u8 devfn;
	u8 hdr_type;
	u16 pcie_cap;
	u16 pcie_flags_reg;
	u16 acs_cap_in[WORLDS];		/* "acs_cap", see below */
	u16 dev_flags;
	bool multifunction;
	bool is_virtfn;
	bool ari_enabled;
	/* of p2ptopo: see machine.h */
	const struct function *function;
	unsigned int unread;
	unsigned int index;
};

/* The kernel's sources read this field as it is: in another world another one */
#define acs_cap			acs_cap_in[shim_world]

void shim_asked(const struct pci_dev *pdev, unsigned int what);

static inline bool pci_is_pcie(const struct pci_dev *pdev)
{
	if (pdev->unread & UNREAD_TYPE)
		shim_asked(pdev, UNREAD_TYPE);
	return pdev->pcie_cap;
}

static inline int pci_pcie_type(const struct pci_dev *pdev)
{
	if (pdev->unread & UNREAD_TYPE)
		shim_asked(pdev, UNREAD_TYPE);
	return (pdev->pcie_flags_reg & PCI_EXP_FLAGS_TYPE) >> 4;
}

static inline bool pci_is_root_bus(const struct pci_bus *bus)
{
	return !bus->parent;
}

static inline struct pci_dev *pci_physfn(struct pci_dev *pdev)
{
	return pdev->is_virtfn ? pdev->physfn : pdev;
}

static inline struct pci_dev *pci_upstream_bridge(struct pci_dev *pdev)
{
	pdev = pci_physfn(pdev);
	return pci_is_root_bus(pdev->bus) ? NULL : pdev->bus->self;
}

static inline u32 pci_domain_nr(const struct pci_bus *bus)
{
	return bus->domain;
}

static inline u16 pci_dev_id(const struct pci_dev *pdev)
{
	return PCI_DEVID(pdev->bus->number, pdev->devfn);
}

static inline bool pci_ari_enabled(const struct pci_bus *bus)
{
	if (!bus->self)
		return false;
	if (bus->self->unread & UNREAD_ARI) {
		shim_asked(bus->self, UNREAD_ARI);
		return shim_world == WORLD_EGRESS;
	}
	return bus->self->ari_enabled;
}

static inline struct pci_host_bridge *pci_find_host_bridge(struct pci_bus *bus)
{
	return bus->host;
}

int pci_read_config_byte(const struct pci_dev *pdev, int where, u8 *value);
int pci_read_config_word(const struct pci_dev *pdev, int where, u16 *value);
int pci_read_config_dword(const struct pci_dev *pdev, int where, u32 *value);
int pci_bus_read_config_byte(const struct pci_bus *bus, unsigned int devfn, int where,
			     u8 *value);
bool pci_port_number_is_shared(struct pci_dev *port, unsigned int number);
int pci_bus_read_config_word(const struct pci_bus *bus, unsigned int devfn, int where,
			     u16 *value);
int pci_bus_read_config_dword(const struct pci_bus *bus, unsigned int devfn, int where,
			      u32 *value);
u8 pci_bus_find_capability(const struct pci_bus *bus, unsigned int devfn, int id);
int pcie_capability_read_dword(const struct pci_dev *pdev, int where, u32 *value);
const struct pci_device_id *pci_match_id(const struct pci_device_id *ids,
					 const struct pci_dev *pdev);
int pci_dev_specific_acs_enabled(struct pci_dev *pdev, u16 flags);
void p2pdma_topology_changed(void);

extern struct pci_dev *shim_devices;

#define for_each_pci_dev(pdev) \
	for (pdev = shim_devices; pdev; pdev = pdev->next)

#endif /* _P2PTOPO_PCI_H */
