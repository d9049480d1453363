// SPDX-License-Identifier: GPL-2.0-only
/*
 * From what the input says of functions to devices and buses, as the kernel's
 * scan would have made them.
 *
 * What the input does not say is noted in pci_dev.unread; what stands for it then
 * is the guess that the tree allows, and answer.c does not rely on it.
 */
#include "machine.h"

#define HASH		1024
#define Q35_HOST_BRIDGE	0x29c0	/* what QEMU's machine of this name has */
#define CLOUD_HYPERVISOR_BRIDGE 0x0d57
#define QEMU_ROOT_PORT	0x3420	/* ioh3420: that of a chipset older than all of AMD's that matter */
#define VENDOR_BHYVE	0x1275
#define VENDOR_PARALLELS 0x1ab8

struct build {
	struct machine *machine;
	struct pci_bus *bus[HASH];
	struct pci_host_bridge no_firmware;
};

void *must(void *memory)
{
	if (memory)
		return memory;
	fputs("p2ptopo: out of memory: use a machine with more\n", stderr);
	exit(1);
}

/* ---- functions ---- */

struct function *machine_add(struct machine *machine, u32 domain, u16 bdf)
{
	struct function *fn;

	if (machine->num == machine->room) {
		machine->room = machine->room * 2 + 64;
		machine->function = must(reallocarray(machine->function,
						      machine->room, sizeof(*fn)));
	}
	fn = &machine->function[machine->num++];
	*fn = (struct function){ .domain = domain, .bdf = bdf, .numa = -1 };
	return fn;
}

void function_free(struct function *fn)
{
	free(fn->config);
	free(fn->known);
	free(fn->name);
	free(fn->driver);
	free(fn->iommu);
	free(fn->routes);
	free(fn->partial);
}

/* There are none any more. */
void forget_functions(struct machine *machine)
{
	while (machine->num)
		function_free(&machine->function[--machine->num]);
	free(machine->function);
	machine->function = NULL;
	machine->room = 0;
}

/* The last one that was added with this address, NULL if there is none */
struct function *machine_last(struct machine *machine, u32 domain, u16 bdf)
{
	unsigned int i;

	for (i = machine->num; i--;)
		if (machine->function[i].bdf == bdf &&
		    machine->function[i].domain == domain)
			return &machine->function[i];
	return NULL;
}

static void make_room(struct function *fn, unsigned int size)
{
	unsigned int room = size <= 64 ? 64 : size <= 256 ? 256 :
			    size <= CONFIG_SIZE ? CONFIG_SIZE : CONFIG_ROOM;

	if (fn->size >= size)
		return;
	fn->config = must(realloc(fn->config, room));
	fn->known = must(realloc(fn->known, room / 8));
	memset(fn->config + fn->size, 0, room - fn->size);
	memset(fn->known + fn->size / 8, 0, (room - fn->size) / 8);
	fn->size = room;
}

void function_set_byte(struct function *fn, unsigned int at, u8 value)
{
	if (at >= CONFIG_ROOM)
		return;
	make_room(fn, at + 1);
	fn->config[at] = value;
	fn->known[at / 8] |= 1 << at % 8;
}

void function_set(struct function *fn, unsigned int at, unsigned int width,
		  u32 value)
{
	unsigned int i;

	for (i = 0; i < width; i++)
		function_set_byte(fn, at + i, value >> 8 * i);
}

/* What is there from @from on is no config space after all. */
void function_forget(struct function *fn, unsigned int from)
{
	unsigned int i;

	for (i = from; i < fn->size; i++)
		fn->known[i / 8] &= ~(1 << i % 8);
}

bool function_knows(const struct function *fn, unsigned int at, unsigned int width)
{
	for (; width--; at++)
		if (at >= fn->size || !(fn->known[at / 8] & 1 << at % 8))
			return false;
	return true;
}

u32 function_get(const struct function *fn, unsigned int at, unsigned int width)
{
	u32 value = 0;
	unsigned int i;

	for (i = 0; i < width && at + i < fn->size; i++)
		value |= (u32)fn->config[at + i] << 8 * i;
	return value;
}

/* ---- capabilities ---- */

/*
 * A capability among the first 256 bytes: its offset, 0 if there is none, and
 * false if the input ends before that is clear.
 */
bool find_capability(const struct function *fn, u8 id, u16 *at)
{
	unsigned int steps = 48;
	u8 pos = PCI_CAPABILITY_LIST;

	*at = 0;
	if (!function_knows(fn, PCI_STATUS, 2) ||
	    !(function_get(fn, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return function_knows(fn, PCI_STATUS, 2);
	if ((function_get(fn, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK) ==
	    PCI_HEADER_TYPE_CARDBUS)
		pos = PCI_CB_CAPABILITY_LIST;
	while (steps--) {
		if (!function_knows(fn, pos, 1))
			return false;
		pos = function_get(fn, pos, 1) & ~3;
		if (pos < PCI_STD_HEADER_SIZEOF)
			return true;
		if (!function_knows(fn, pos, 2))
			return false;
		if (function_get(fn, pos, 1) == 0xff)
			return true;
		if (function_get(fn, pos, 1) == id) {
			*at = pos;
			return true;
		}
		pos += PCI_CAP_LIST_NEXT;
	}
	return true;
}

/* The same for an extended capability */
bool find_extended(const struct function *fn, u16 id, u16 *at)
{
	unsigned int steps = (CONFIG_SIZE - PCI_CFG_SPACE_SIZE) / 8;
	unsigned int pos = PCI_CFG_SPACE_SIZE;
	u32 header;

	*at = 0;
	while (steps--) {
		if (!function_knows(fn, pos, 4))
			return false;
		header = function_get(fn, pos, 4);
		if (!header || header == ~0U)
			return true;
		if (PCI_EXT_CAP_ID(header) == id) {
			*at = pos;
			return true;
		}
		pos = PCI_EXT_CAP_NEXT(header);
		if (pos < PCI_CFG_SPACE_SIZE)
			return true;
	}
	return true;
}

/* Has decoded text said all that there is to be said of capabilities? */
static bool told(const struct function *fn)
{
	return fn->no_caps || (fn->listed && fn->headed && fn->complete && !fn->cut &&
			       !fn->denied);
}

/*
 * A reader without the right to it gets 64 bytes, and tar fills a copy of sysfs up
 * with zeroes: a list of capabilities that begins in nothing but zeroes is none.
 */
static void forget_padding(struct function *fn)
{
	unsigned int i;

	if (!function_knows(fn, PCI_STATUS, 2) || fn->size <= PCI_STD_HEADER_SIZEOF ||
	    !(function_get(fn, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return;
	for (i = PCI_STD_HEADER_SIZEOF; i < fn->size; i++)
		if (fn->config[i] && function_knows(fn, i, 1))
			return;
	function_forget(fn, PCI_STD_HEADER_SIZEOF);
}

static void set_type(struct pci_dev *pdev, int type)
{
	pdev->pcie_flags_reg &= ~PCI_EXP_FLAGS_TYPE;
	pdev->pcie_flags_reg |= type << 4;
}

static void read_express(struct pci_dev *pdev, const struct function *fn)
{
	u16 pos;

	/* What is PCI Express has the capability, though its line may be lost. */
	if ((!find_capability(fn, PCI_CAP_ID_EXP, &pos) && !fn->pcie && !told(fn)) ||
	    (!pos && !fn->pcie && fn->express)) {
		pdev->unread |= UNREAD_TYPE | UNREAD_ARI;
		return;
	}
	pdev->pcie_cap = pos ?: fn->pcie;
	if (!pdev->pcie_cap)
		return;
	if (function_knows(fn, pdev->pcie_cap + PCI_EXP_FLAGS, 2))
		pdev->pcie_flags_reg = function_get(fn, pdev->pcie_cap + PCI_EXP_FLAGS, 2);
	else
		pdev->unread |= UNREAD_TYPE;
	if (!function_knows(fn, pdev->pcie_cap + PCI_EXP_DEVCTL2, 2))
		pdev->unread |= UNREAD_ARI;
	else if ((pdev->pcie_flags_reg & PCI_EXP_FLAGS_VERS) > 1)
		pdev->ari_enabled = function_get(fn, pdev->pcie_cap + PCI_EXP_DEVCTL2, 2) &
				    PCI_EXP_DEVCTL2_ARI;
}

/* Where nobody could see it, it is where nothing is known. */
static void read_acs(struct pci_dev *pdev, const struct function *fn)
{
	enum shim_world world;
	u16 pos = 0;
	bool sure;

	/* Without PCI Express there is no extended config space. */
	if (!pdev->pcie_cap && !(pdev->unread & UNREAD_TYPE))
		return;
	sure = find_extended(fn, PCI_EXT_CAP_ID_ACS, &pos) || fn->acs || told(fn);
	if (!sure) {
		pdev->unread |= UNREAD_ACS;
		pos = NOWHERE;
	} else if (!pos) {
		pos = fn->acs;
	}
	if (pos && !function_knows(fn, pos + PCI_ACS_CTRL, 2))
		pdev->unread |= UNREAD_ACS_CTRL;
	else if (pos && !function_knows(fn, pos + PCI_ACS_CAP, 1))
		pdev->unread |= UNREAD_ACS_CAP;
	for (world = 0; world < WORLDS; world++)
		pdev->acs_cap_in[world] = !sure && world == WORLD_NO_ACS ? 0 : pos;
}

static void read_header(struct pci_dev *pdev, struct function *fn)
{
	/* What is gone, or asleep, reads as ones. */
	if (function_knows(fn, 0, 4) && function_get(fn, PCI_HEADER_TYPE, 1) == 0xff &&
	    function_get(fn, PCI_CLASS_REVISION, 4) == ~0U) {
		function_forget(fn, 0);
		fn->ones = true;
	}
	forget_padding(fn);
	if (!fn->has_ids && function_knows(fn, 0, 4) &&
	    function_get(fn, 0, 4) != ~0U) {
		fn->vendor = function_get(fn, PCI_VENDOR_ID, 2);
		fn->device = function_get(fn, PCI_DEVICE_ID, 2);
		fn->has_ids = true;
	}
	if (function_knows(fn, PCI_CLASS_PROG, 3)) {
		fn->class = function_get(fn, PCI_CLASS_PROG, 3);
		fn->has_class = true;
	}
	pdev->vendor = fn->vendor;
	pdev->device = fn->device;
	pdev->class = fn->class;
	if (function_knows(fn, PCI_HEADER_TYPE, 1))
		pdev->hdr_type = function_get(fn, PCI_HEADER_TYPE, 1) &
				 PCI_HEADER_TYPE_MASK;
	else if (fn->has_class && (fn->class >> 8 == PCI_CLASS_BRIDGE_PCI))
		pdev->hdr_type = PCI_HEADER_TYPE_BRIDGE;
	pdev->multifunction = function_get(fn, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MFD;
}

static bool is_bridge(const struct pci_dev *pdev)
{
	return pdev->hdr_type == PCI_HEADER_TYPE_BRIDGE ||
	       pdev->hdr_type == PCI_HEADER_TYPE_CARDBUS;
}

/* ---- virtual functions ---- */

/* Those that SR-IOV of @pf has enabled are told where they come from. */
static void name_virtual(struct machine *machine, const struct function *pf)
{
	unsigned int i, num, offset, stride;
	struct pci_dev *vf;
	u16 pos = 0;

	if (!find_extended(pf, PCI_EXT_CAP_ID_SRIOV, &pos) || !pos)
		pos = pf->sriov;
	if (!pos || !function_knows(pf, pos + PCI_SRIOV_CTRL, 2) ||
	    !function_knows(pf, pos + PCI_SRIOV_NUM_VF, 8) ||
	    !(function_get(pf, pos + PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE))
		return;
	num = function_get(pf, pos + PCI_SRIOV_NUM_VF, 2);
	offset = function_get(pf, pos + PCI_SRIOV_VF_OFFSET, 2);
	stride = function_get(pf, pos + PCI_SRIOV_VF_STRIDE, 2);
	for (i = 0; i < num && pf->bdf + offset + i * stride <= 0xffff; i++) {
		vf = machine_find(machine, pf->domain, pf->bdf + offset + i * stride);
		if (!vf || vf->function == pf)
			continue;
		((struct function *)vf->function)->has_pf = true;
		((struct function *)vf->function)->pf = pf->bdf;
		if (function_knows(pf, pos + PCI_SRIOV_VF_DID, 2) &&
		    !vf->function->has_ids)
			vf->device = function_get(pf, pos + PCI_SRIOV_VF_DID, 2);
	}
}

static void link_virtual(struct machine *machine, struct pci_dev *pdev)
{
	const struct function *fn = pdev->function;
	struct pci_dev *pf;

	pf = fn->has_pf ? machine_find(machine, fn->domain, fn->pf) : NULL;
	if (!pf || pf == pdev || pf->function->has_pf || is_bridge(pdev))
		return;
	pdev->is_virtfn = true;
	pdev->physfn = pf;
	pdev->vendor = pf->vendor;
}

/* ---- buses ---- */

static struct pci_bus *get_bus(struct build *build, u32 domain, u8 number)
{
	struct pci_bus **slot = &build->bus[(domain * 256 + number) % HASH], *bus;

	for (bus = *slot; bus; bus = bus->next)
		if (bus->domain == domain && bus->number == number)
			return bus;
	bus = must(calloc(1, sizeof(*bus)));
	bus->domain = domain;
	bus->number = number;
	bus->host = &build->no_firmware;
	INIT_LIST_HEAD(&bus->devices);
	bus->next = *slot;
	*slot = bus;
	return bus;
}

/*
 * Numbers that pci_scan_bridge() would replace, so that nothing below can have been
 * found by them.  A primary bus of 0 may be hard wired.
 */
static bool numbers_are_wrong(const struct pci_dev *pdev)
{
	const struct function *fn = pdev->function;
	u8 primary = function_get(fn, PCI_PRIMARY_BUS, 1);
	u8 secondary = function_get(fn, PCI_SECONDARY_BUS, 1);

	if (function_knows(fn, PCI_PRIMARY_BUS, 1) && primary && primary != pdev->bus->number)
		return true;
	return secondary <= pdev->bus->number ||
	       (function_knows(fn, PCI_SUBORDINATE_BUS, 1) &&
		secondary > function_get(fn, PCI_SUBORDINATE_BUS, 1));
}

/* Nobody knows who leads to @bus. */
static void mark_conflict(struct pci_bus *bus, const struct pci_dev *pdev)
{
	unsigned int i = 0;

	if (bus->self) {
		bus->self->subordinate = NULL;
		bus->conflict[i++] = bus->self;
	}
	bus->self = NULL;
	bus->parent = NULL;
	if (!bus->conflict[i])
		bus->conflict[i] = pdev;
}

/*
 * The bus that @pdev leads to; one that leads nowhere has none.  On a machine that
 * runs the kernel has put numbers right.
 */
static void connect(struct build *build, struct pci_dev *pdev)
{
	const struct function *fn = pdev->function;
	struct pci_bus *bus, *up;
	u8 secondary;

	if (!is_bridge(pdev) || !function_knows(fn, PCI_SECONDARY_BUS, 1))
		return;
	secondary = function_get(fn, PCI_SECONDARY_BUS, 1);
	if (!secondary)
		return;
	bus = get_bus(build, fn->domain, secondary);
	for (up = pdev->bus; up && up != bus; up = up->parent)
		;
	if (!build->machine->live &&
	    (up || bus->self || bus->conflict[0] || numbers_are_wrong(pdev))) {
		mark_conflict(bus, pdev);
		return;
	}
	if (up || bus->self)
		return;
	bus->self = pdev;
	bus->parent = pdev->bus;
	pdev->subordinate = bus;
}

/* A bridge does not forward what is beyond the range of the one above it. */
static void check_range(struct build *build, struct pci_dev *pdev)
{
	const struct pci_dev *above = pdev->bus->self;

	if (build->machine->live || !pdev->subordinate || !above ||
	    !function_knows(above->function, PCI_SUBORDINATE_BUS, 1) ||
	    !function_knows(pdev->function, PCI_SUBORDINATE_BUS, 1))
		return;
	if (function_get(pdev->function, PCI_SUBORDINATE_BUS, 1) >
	    function_get(above->function, PCI_SUBORDINATE_BUS, 1))
		mark_conflict(pdev->subordinate, above);
}

/*
 * No bridge in the input leads to this bus.  Is it one that a host bridge leads to?
 * Not with a switch port or an endpoint on it, unless a host bridge is beside
 * them; nor where bridges are of which it is not known where they lead.  Bus 0 is
 * one: a bridge with that number leads nowhere yet.
 */
static bool may_be_root(const struct pci_bus *bus, bool all_bridges_known)
{
	const struct pci_dev *pdev;
	bool plain = true;

	if (!bus->number)
		return true;
	list_for_each_entry(pdev, &bus->devices, bus_list) {
		if (pdev->class >> 8 == PCI_CLASS_BRIDGE_HOST)
			return true;
		if (pdev->unread & UNREAD_TYPE)
			plain &= all_bridges_known;
		else if (pdev->pcie_cap)
			switch (pci_pcie_type(pdev)) {
			case PCI_EXP_TYPE_ROOT_PORT:
			case PCI_EXP_TYPE_RC_END:
			case PCI_EXP_TYPE_RC_EC:
				return true;
			default:
				plain = false;
			}
		else
			plain &= all_bridges_known;
	}
	return plain;
}

/* Is the bus within what a bridge of the input forwards? */
static bool is_forwarded(const struct machine *machine, const struct pci_bus *bus)
{
	const struct function *fn;
	unsigned int i;

	for (i = 0; i < machine->num; i++) {
		fn = &machine->function[i];
		if (fn->domain == bus->domain && is_bridge(&machine->pdev[i]) &&
		    function_knows(fn, PCI_SECONDARY_BUS, 2) &&
		    function_get(fn, PCI_SECONDARY_BUS, 1) &&
		    bus->number > function_get(fn, PCI_SECONDARY_BUS, 1) &&
		    bus->number <= function_get(fn, PCI_SUBORDINATE_BUS, 1))
			return true;
	}
	return false;
}

static bool only_virtual(const struct pci_bus *bus)
{
	const struct pci_dev *pdev;

	list_for_each_entry(pdev, &bus->devices, bus_list)
		if (!pdev->is_virtfn)
			return false;
	return true;
}

/* What sysfs says of a bus that no bridge is known to lead to */
static enum place placed(const struct pci_bus *bus)
{
	enum place place = PLACE_NOT_KNOWN;
	const struct pci_dev *pdev;

	list_for_each_entry(pdev, &bus->devices, bus_list)
		if (!pdev->is_virtfn && pdev->function->place > place)
			place = pdev->function->place;
	return place;
}

static bool bridges_known(const struct machine *machine)
{
	unsigned int i;

	for (i = 0; i < machine->num; i++)
		if (is_bridge(&machine->pdev[i]) &&
		    !function_knows(&machine->function[i], PCI_SECONDARY_BUS, 1))
			return false;
	return true;
}

static void find_holes(struct build *build)
{
	bool known = bridges_known(build->machine);
	struct pci_dev *vf;
	struct pci_bus *bus;
	unsigned int i;

	for (i = 0; i < HASH; i++)
		for (bus = build->bus[i]; bus; bus = bus->next) {
			if (bus->parent || bus->devices.next == &bus->devices)
				continue;
			if (bus->conflict[0]) {
				bus->hole = true;
			} else if (only_virtual(bus)) {
				/* As virtfn_add_bus() does: no bridge leads there. */
				vf = list_entry(bus->devices.next, struct pci_dev,
						bus_list);
				if (vf->physfn->bus != bus)
					bus->parent = vf->physfn->bus;
			} else if (placed(bus) == PLACE_BELOW) {
				/* Where that leads cannot be read, or it is not there. */
				bus->hole = true;
			} else if (!build->machine->live && placed(bus) != PLACE_ON_ROOT) {
				bus->hole = !may_be_root(bus, known) ||
					    is_forwarded(build->machine, bus);
			}
		}
}

/* ---- types ---- */

/* What it would be if ports alternate as they should, where nobody could look */
static int guess_type(const struct pci_dev *pdev, const struct pci_dev *parent)
{
	if (!is_bridge(pdev))
		return parent ? PCI_EXP_TYPE_ENDPOINT : PCI_EXP_TYPE_RC_END;
	if (!parent)
		return PCI_EXP_TYPE_ROOT_PORT;
	return pci_pcie_type(parent) == PCI_EXP_TYPE_UPSTREAM ?
	       PCI_EXP_TYPE_DOWNSTREAM : PCI_EXP_TYPE_UPSTREAM;
}

/* From the root down: as set_pcie_port_type() puts right what cannot be */
static void settle_types(struct pci_bus *bus)
{
	struct pci_dev *pdev, *parent = bus->self;

	list_for_each_entry(pdev, &bus->devices, bus_list) {
		if (pdev->unread & UNREAD_TYPE) {
			pdev->pcie_cap = pdev->pcie_cap ?: NOWHERE;
			set_type(pdev, guess_type(pdev, parent));
		} else if (parent && pdev->pcie_cap) {
			int type = pci_pcie_type(pdev), above = pci_pcie_type(parent);

			if (type == PCI_EXP_TYPE_DOWNSTREAM &&
			    (above == PCI_EXP_TYPE_ROOT_PORT ||
			     above == PCI_EXP_TYPE_DOWNSTREAM ||
			     above == PCI_EXP_TYPE_PCIE_BRIDGE))
				set_type(pdev, PCI_EXP_TYPE_UPSTREAM);
			else if (type == PCI_EXP_TYPE_UPSTREAM &&
				 above == PCI_EXP_TYPE_UPSTREAM)
				set_type(pdev, PCI_EXP_TYPE_DOWNSTREAM);
		}
		if (pdev->subordinate)
			settle_types(pdev->subordinate);
	}
}

/* Whatever is below a bus that hangs in the air hangs in the air. */
static void mark_unplaced(struct machine *machine)
{
	const struct pci_bus *bus;
	unsigned int i;

	for (i = 0; i < machine->num; i++) {
		for (bus = machine->pdev[i].bus; bus->parent; bus = bus->parent)
			;
		if (bus->hole)
			machine->pdev[i].unread |= UNREAD_PLACE;
	}
}

/* ---- the CPU ---- */

/* Host bridges that hypervisors show to their guests */
bool is_made_up(const struct function *fn)
{
	static const struct {
		u16 vendor, device;
	} made_up[] = {
		{ PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_INTEL_82441 },
		{ PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_INTEL_82443BX_0 },
		{ PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_INTEL_82443BX_2 },
		{ PCI_VENDOR_ID_INTEL, Q35_HOST_BRIDGE },
		{ PCI_VENDOR_ID_INTEL, CLOUD_HYPERVISOR_BRIDGE },
		{ PCI_VENDOR_ID_INTEL, QEMU_ROOT_PORT },
		{ VENDOR_BHYVE, VENDOR_BHYVE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(made_up); i++)
		if (fn->vendor == made_up[i].vendor && fn->device == made_up[i].device)
			return true;
	return fn->vendor == PCI_VENDOR_ID_REDHAT_QUMRANET ||
	       fn->vendor == PCI_VENDOR_ID_REDHAT || fn->vendor == PCI_VENDOR_ID_VMWARE ||
	       fn->vendor == PCI_VENDOR_ID_MICROSOFT || fn->vendor == VENDOR_PARALLELS;
}

/*
 * Since family 17h the CPU of AMD is the root complex, so that the device that
 * stands for a host bridge is AMD's; that of another vendor says that the CPU is
 * another, but for those that a hypervisor makes up.
 */
static bool speaks_against_amd(const struct pci_dev *pdev)
{
	const struct function *fn = pdev->function;

	return fn->has_ids && !is_made_up(fn) && fn->vendor != PCI_VENDOR_ID_AMD;
}

static void look_for_cpu(struct machine *machine)
{
	const struct function *against = NULL;
	struct pci_dev *pdev;
	bool guest = false;

	for (pdev = machine->pdev; pdev < machine->pdev + machine->num; pdev++) {
		bool host = pdev->class >> 8 == PCI_CLASS_BRIDGE_HOST;

		if (!pci_is_root_bus(pdev->bus) || pdev->bus->hole)
			continue;
		/* Root ports there may be any that the hypervisor knows. */
		if (host && pdev->function->has_ids && is_made_up(pdev->function))
			guest = true;
		if (host || pci_pcie_type(pdev) == PCI_EXP_TYPE_ROOT_PORT)
			against = against ?: speaks_against_amd(pdev) ? pdev->function : NULL;
	}
	machine->guest = guest;
	machine->cpu_against = guest ? NULL : against;
	machine->cpu_open = !machine->cpu_known && (guest || !against);
}

/* ---- all of it ---- */

static int by_address(const void *a, const void *b)
{
	const struct function *one = a, *other = b;

	if (one->domain != other->domain)
		return one->domain < other->domain ? -1 : 1;
	return (int)one->bdf - (int)other->bdf;
}

static void add_device(struct build *build, unsigned int i)
{
	struct function *fn = &build->machine->function[i];
	struct pci_dev *pdev = &build->machine->pdev[i];

	pdev->index = i;
	pdev->function = fn;
	pdev->devfn = fn->bdf & 0xff;
	pdev->next = i + 1 < build->machine->num ? pdev + 1 : NULL;
	pdev->bus = get_bus(build, fn->domain, PCI_BUS_NUM(fn->bdf));
	if (fn->routes)
		pdev->bus->host = must(calloc(1, sizeof(*pdev->bus->host)));
	if (fn->routes)
		pdev->bus->host->dev.routes = fn->routes;
	list_add_tail(&pdev->bus_list, &pdev->bus->devices);
	read_header(pdev, fn);
	read_express(pdev, fn);
	read_acs(pdev, fn);
}

/**
 * machine_build - make devices and buses of all functions
 * @machine: all functions have been added; what shim_devices leads to is made anew
 */
void machine_build(struct machine *machine)
{
	struct build *build = must(calloc(1, sizeof(*build)));
	struct pci_bus *bus;
	unsigned int i;

	build->machine = machine;
	qsort(machine->function, machine->num, sizeof(*machine->function), by_address);
	machine->pdev = must(calloc(machine->num + 1, sizeof(*machine->pdev)));
	for (i = 0; i < machine->num; i++)
		add_device(build, i);
	for (i = 0; i < machine->num; i++)
		name_virtual(machine, &machine->function[i]);
	for (i = 0; i < machine->num; i++)
		link_virtual(machine, &machine->pdev[i]);
	for (i = 0; i < machine->num; i++)
		connect(build, &machine->pdev[i]);
	for (i = 0; i < machine->num; i++)
		check_range(build, &machine->pdev[i]);
	find_holes(build);
	for (i = 0; i < HASH; i++)
		for (bus = build->bus[i]; bus; bus = bus->next)
			if (!bus->parent)
				settle_types(bus);
	mark_unplaced(machine);
	look_for_cpu(machine);
	shim_devices = machine->num ? machine->pdev : NULL;
	machine->build = build;
}

/**
 * machine_free - the end of all that machine_build() has made, and of the functions
 * @machine: has been built, or not
 */
void machine_free(struct machine *machine)
{
	struct pci_bus *bus, *next;
	unsigned int i;

	for (i = 0; machine->build && i < HASH; i++)
		for (bus = machine->build->bus[i]; bus; bus = next) {
			next = bus->next;
			if (bus->host != &machine->build->no_firmware)
				free(bus->host);
			free(bus);
		}
	free(machine->build);
	free(machine->pdev);
	free(machine->sys);
	free(machine->root);
	machine->sys = NULL;
	machine->root = NULL;
	machine->build = NULL;
	machine->pdev = NULL;
	shim_devices = NULL;
	forget_functions(machine);
}

struct pci_dev *machine_find(const struct machine *machine, u32 domain, u16 bdf)
{
	struct function key = { .domain = domain, .bdf = bdf }, *fn;

	fn = bsearch(&key, machine->function, machine->num, sizeof(key), by_address);
	return fn ? &machine->pdev[fn - machine->function] : NULL;
}

/* ---- addresses ---- */

/* [DDDD:]BB:DD.F and nothing else; sscanf() would take blanks and signs, too */
bool parse_bdf(const char *text, u32 *domain, u16 *bdf)
{
	unsigned int bus, slot, func;
	int end = 0;

	if (text[strspn(text, "0123456789abcdefABCDEF:.")])
		return false;
	if (sscanf(text, "%8x:%2x:%2x.%1x%n", domain, &bus, &slot, &func, &end) != 4) {
		*domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &func, &end) != 3)
			return false;
	}
	if (!end || text[end] || slot > 0x1f || func > 7)
		return false;
	*bdf = PCI_DEVID(bus, PCI_DEVFN(slot, func));
	return true;
}

const char *bdf_text(char *text, u32 domain, u16 bdf)
{
	snprintf(text, BDF_SIZE, "%04x:%02x:%02x.%d", domain, PCI_BUS_NUM(bdf),
		 PCI_SLOT(bdf), PCI_FUNC(bdf));
	return text;
}
