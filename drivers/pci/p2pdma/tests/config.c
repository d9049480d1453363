// SPDX-License-Identifier: GPL-2.0-only
/*
 * Config space of the fabric made of memory.
 *
 * Each function has the bytes of its config space, and for each of them the
 * bits that can be written.  Requests find their target as on a real fabric,
 * by the bus numbers that the kernel has programmed into the bridges.
 *
 * A register is read and written in one piece, whoever else is at it: not all
 * architectures have the PCI core take a lock (PCI_LOCKLESS_CONFIG).
 */
#include <linux/bitfield.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/unaligned.h>

#include "fabric.h"

/* Protects the registers, and which function is where, while there is a bus */
DEFINE_RAW_SPINLOCK(fabric_config_lock);

/**
 * fabric_host_of - the host bridge of a bus
 * @bus: bus whose ops are fabric_config_ops
 *
 * Context: any.
 * Return: the host bridge.
 */
struct fabric_host *fabric_host_of(struct pci_bus *bus)
{
#ifdef CONFIG_X86
	return container_of(bus->sysdata, struct fabric_host, sysdata);
#else
	return bus->sysdata;
#endif
}

static u32 get(const u8 *p, int size)
{
	switch (size) {
	case 1:
		return *p;
	case 2:
		return get_unaligned_le16(p);
	default:
		return get_unaligned_le32(p);
	}
}

static void put(u8 *p, int size, u32 value)
{
	for (; size; size--, value >>= 8)
		*p++ = value;
}

static u32 peek(const struct fabric_fn *fn, int where, int size)
{
	if (where + size > FABRIC_CONFIG_SIZE)
		return 0;
	return get(fn->config + where, size);
}

/**
 * fabric_config_get - look at config space, without the kernel noticing
 * @fn: function
 * @where: offset
 * @size: 1, 2 or 4 bytes
 *
 * Context: any.
 * Return: the value; 0 where there are no registers.
 */
u32 fabric_config_get(const struct fabric_fn *fn, int where, int size)
{
	unsigned long flags;
	u32 value;

	raw_spin_lock_irqsave(&fabric_config_lock, flags);
	value = peek(fn, where, size);
	raw_spin_unlock_irqrestore(&fabric_config_lock, flags);
	return value;
}

/**
 * fabric_config_poke - change config space, also bits that cannot be written
 * @fn: function
 * @where: offset
 * @size: 1, 2 or 4 bytes
 * @value: new value
 *
 * As the device itself, or somebody whom the kernel knows nothing of, would.
 *
 * Context: any.
 */
void fabric_config_poke(struct fabric_fn *fn, int where, int size, u32 value)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&fabric_config_lock, flags);
	put(fn->config + where, size, value);
	raw_spin_unlock_irqrestore(&fabric_config_lock, flags);
}

/* ---- composing it from the description ---- */

static void set(struct fabric_fn *fn, int where, int size, u32 value,
		u32 writable)
{
	put(fn->config + where, size, value);
	put(fn->writable + where, size, writable);
}

static void compose_bars(struct fabric_fn *fn, const struct fabric_bar *bars,
			 int where, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		u64 mask = ~(bars[i].size - 1);
		u32 flags = bars[i].flags;

		if (!bars[i].size)
			continue;
		set(fn, where + 4 * i, 4, flags,
		    mask & (flags & FABRIC_BAR_IO ? PCI_BASE_ADDRESS_IO_MASK :
						    PCI_BASE_ADDRESS_MEM_MASK));
		if (flags & FABRIC_BAR_64)
			set(fn, where + 4 * ++i, 4, 0, mask >> 32);
	}
}

/* As firmware has it: numbered down to here, or not at all */
static u8 primary_bus(const struct fabric_fn *fn)
{
	return fn->bus->bridge ? fn->bus->bridge->first_bus :
				 fn->host->first_bus;
}

static void compose_header(struct fabric_fn *fn)
{
	u8 type = fn->below ? PCI_HEADER_TYPE_BRIDGE : PCI_HEADER_TYPE_NORMAL;
	int devfn = fn->devfn & ~7, i;

	for (i = devfn; i < devfn + 8; i++) {
		if (fn->bus->fn[i] && fn->bus->fn[i] != fn)
			type |= PCI_HEADER_TYPE_MFD;
	}
	/* What a virtual function is, its physical one tells. */
	set(fn, PCI_VENDOR_ID, 2, fn->pf ? 0xffff : fn->vendor, 0);
	set(fn, PCI_DEVICE_ID, 2, fn->pf ? 0xffff : fn->device, 0);
	set(fn, PCI_COMMAND, 2, 0, fn->pf ? PCI_COMMAND_MASTER :
	    PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
	    PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	set(fn, PCI_CLASS_REVISION, 4, fn->class << 8, 0);
	set(fn, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	set(fn, PCI_HEADER_TYPE, 1, type, 0);
	set(fn, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	if (!fn->pf)
		compose_bars(fn, fn->bar, PCI_BASE_ADDRESS_0,
			     fn->below ? 2 : PCI_STD_NUM_BARS);
	if (!fn->below)
		return;

	set(fn, PCI_PRIMARY_BUS, 4, fn->first_bus ?
	    primary_bus(fn) | fn->first_bus << 8 | fn->last_bus << 16 : 0,
	    0x00ffffff);
	/* Windows are shut: the base is above the limit. */
	set(fn, PCI_MEMORY_BASE, 4, 0xfff0, 0xfff0fff0);
	set(fn, PCI_PREF_MEMORY_BASE, 4,
	    0xfff0 | PCI_PREF_RANGE_TYPE_64 * 0x10001, 0xfff0fff0);
	set(fn, PCI_PREF_BASE_UPPER32, 4, 0, U32_MAX);
	set(fn, PCI_PREF_LIMIT_UPPER32, 4, 0, U32_MAX);
	set(fn, PCI_BRIDGE_CONTROL, 2, 0, PCI_BRIDGE_CTL_PARITY |
	    PCI_BRIDGE_CTL_SERR | PCI_BRIDGE_CTL_BUS_RESET);
}

static void compose_pcie_cap(struct fabric_fn *fn)
{
	const int cap = FABRIC_PCIE_CAP;
	u32 speed = PCI_EXP_LNKCAP_SLS_2_5GB | FIELD_PREP(PCI_EXP_LNKCAP_MLW, 1);
	bool is_port = fn->type == PCI_EXP_TYPE_ROOT_PORT ||
		       fn->type == PCI_EXP_TYPE_DOWNSTREAM;

	set(fn, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	set(fn, PCI_CAPABILITY_LIST, 1, cap, 0);
	set(fn, cap, 1, PCI_CAP_ID_EXP, 0);
	set(fn, cap + PCI_EXP_FLAGS, 2,
	    2 | FIELD_PREP(PCI_EXP_FLAGS_TYPE, fn->type), 0);
	set(fn, cap + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER, 0);
	set(fn, cap + PCI_EXP_DEVCTL, 2, 0, 0x7fff);
	if (fn->type == PCI_EXP_TYPE_RC_END)
		return;
	set(fn, cap + PCI_EXP_LNKCAP, 4,
	    speed | FIELD_PREP(PCI_EXP_LNKCAP_PN, fn->port), 0);
	set(fn, cap + PCI_EXP_LNKCTL, 2, 0, PCI_EXP_LNKCTL_CCC);
	set(fn, cap + PCI_EXP_LNKSTA, 2, speed, 0);
	set(fn, cap + PCI_EXP_LNKCAP2, 4, PCI_EXP_LNKCAP2_SLS_2_5GB, 0);
	if (is_port && fn->ari) {
		set(fn, cap + PCI_EXP_DEVCAP2, 4, PCI_EXP_DEVCAP2_ARI, 0);
		set(fn, cap + PCI_EXP_DEVCTL2, 2, 0, PCI_EXP_DEVCTL2_ARI);
	}
}

/**
 * fabric_config_acs - the ACS capability as it is at power on
 * @fn: function that has one
 *
 * Without the kernel noticing.
 *
 * Context: any.
 */
void fabric_config_acs(struct fabric_fn *fn)
{
	const int cap = FABRIC_ACS_CAP;
	unsigned int bits, i;

	bits = fn->acs_cap & PCI_ACS_EC ? fn->egress_bits ?: 256 : 0;
	set(fn, cap + PCI_ACS_CAP, 2,
	    (fn->acs_cap & 0xff) | fn->egress_bits << 8, 0);
	/* A control whose capability is missing is hardwired to 0. */
	set(fn, cap + PCI_ACS_CTRL, 2, fn->acs_ctrl & fn->acs_cap,
	    fn->acs_cap & FABRIC_ACS_ALL);
	for (i = 0; i < DIV_ROUND_UP(bits, 32); i++)
		set(fn, cap + PCI_ACS_EGRESS_CTL_V + 4 * i, 4, fn->egress[i],
		    bits - 32 * i < 32 ? BIT(bits - 32 * i) - 1 : U32_MAX);
}

/* With ARI functions are found by the number of the next one. */
static void compose_ari(struct fabric_fn *fn)
{
	unsigned int next = fn->devfn + 1;

	while (next < fn->bus->end && !fn->bus->fn[next])
		next++;
	if (next < fn->bus->end)
		set(fn, FABRIC_ARI_CAP + PCI_ARI_CAP, 2, next << 8, 0);
}

static void compose_sriov(struct fabric_fn *fn)
{
	const struct fabric_bar *bars = fn->vf[0]->bar;
	const int cap = FABRIC_SRIOV_CAP;

	set(fn, cap + PCI_SRIOV_CTRL, 2, 0, PCI_SRIOV_CTRL_VFE |
	    PCI_SRIOV_CTRL_MSE | PCI_SRIOV_CTRL_ARI);
	set(fn, cap + PCI_SRIOV_INITIAL_VF, 2, fn->num_vfs, 0);
	set(fn, cap + PCI_SRIOV_TOTAL_VF, 2, fn->num_vfs, 0);
	set(fn, cap + PCI_SRIOV_NUM_VF, 2, 0, 0xffff);
	/* It depends on no other function. */
	set(fn, cap + PCI_SRIOV_FUNC_LINK, 1,
	    fn->ari ? fn->devfn : PCI_FUNC(fn->devfn), 0);
	set(fn, cap + PCI_SRIOV_VF_OFFSET, 2, fn->vf_offset, 0);
	set(fn, cap + PCI_SRIOV_VF_STRIDE, 2, fn->vf_stride, 0);
	set(fn, cap + PCI_SRIOV_VF_DID, 2, fn->vf[0]->device, 0);
	set(fn, cap + PCI_SRIOV_SUP_PGSIZE, 4, 0x553, 0);
	set(fn, cap + PCI_SRIOV_SYS_PGSIZE, 4, 1, 0x553);
	compose_bars(fn, bars, cap + PCI_SRIOV_BAR, PCI_SRIOV_NUM_BARS);
}

/* The list of extended capabilities begins at 100h, whatever is there. */
static void compose_extended(struct fabric_fn *fn)
{
	const struct {
		bool there;
		u16 id;
		u8 version;
		int where;
	} caps[] = {
		{ fn->acs, PCI_EXT_CAP_ID_ACS, 1, FABRIC_ACS_CAP },
		{ fn->ats, PCI_EXT_CAP_ID_ATS, 1, FABRIC_ATS_CAP },
		{ fn->ari && !fn->below, PCI_EXT_CAP_ID_ARI, 1, FABRIC_ARI_CAP },
		{ fn->num_vfs, PCI_EXT_CAP_ID_SRIOV, 1, FABRIC_SRIOV_CAP },
		{ fn->serial, PCI_EXT_CAP_ID_DSN, 1, FABRIC_DSN_CAP },
	};
	int last = PCI_CFG_SPACE_SIZE, i;

	/* An empty entry, unless ACS is there */
	set(fn, last, 4, 1 << 16, 0);
	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		if (!caps[i].there)
			continue;
		set(fn, caps[i].where, 4, caps[i].id | caps[i].version << 16, 0);
		if (caps[i].where != last)
			put(fn->config + last, 4, get(fn->config + last, 4) |
			    (u32)caps[i].where << 20);
		last = caps[i].where;
	}
}

/**
 * fabric_config_reset - config space as it is at power on
 * @fn: function, complete in its description and on its bus
 *
 * Context: any; nobody else looks at @fn meanwhile.
 */
void fabric_config_reset(struct fabric_fn *fn)
{
	memset(fn->config, 0, sizeof(fn->config));
	memset(fn->writable, 0, sizeof(fn->writable));
	compose_header(fn);
	if (fn->type == FABRIC_CONVENTIONAL)
		return;
	compose_pcie_cap(fn);
	compose_extended(fn);
	if (fn->acs)
		fabric_config_acs(fn);
	if (fn->ats)
		set(fn, FABRIC_ATS_CAP + PCI_ATS_CTRL, 2, 0,
		    PCI_ATS_CTRL_ENABLE | 0x1f);
	if (fn->ari && !fn->below)
		compose_ari(fn);
	if (fn->num_vfs)
		compose_sriov(fn);
	if (fn->serial) {
		set(fn, FABRIC_DSN_CAP + 4, 4, lower_32_bits(fn->serial), 0);
		set(fn, FABRIC_DSN_CAP + 8, 4, upper_32_bits(fn->serial), 0);
	}
}

/* ---- requests ---- */

static u8 secondary(const struct fabric_bus *bus)
{
	return bus->bridge ? bus->bridge->config[PCI_SECONDARY_BUS] :
			     bus->host->first_bus;
}

static bool leads_to(const struct fabric_fn *fn, u8 nr)
{
	return fn && fn->below && fn->config[PCI_SECONDARY_BUS] &&
	       fn->config[PCI_SECONDARY_BUS] <= nr &&
	       fn->config[PCI_SUBORDINATE_BUS] >= nr;
}

/* The bus numbered @nr, or else the last one on the way to it */
static struct fabric_bus *route(struct fabric_host *host, u8 nr)
{
	struct fabric_bus *bus = host->route[nr] ?: host->root;
	int i;

	if (host->route[nr])
		return bus;
	while (secondary(bus) != nr) {
		for (i = 0; i < bus->end; i++) {
			if (leads_to(bus->fn[i], nr))
				break;
		}
		if (i == bus->end)
			break;
		bus = bus->fn[i]->below;
	}
	host->route[nr] = bus;
	return bus;
}

/* The virtual function that has routing id @id, of any function on @bus */
static struct fabric_fn *virtual_function(struct fabric_bus *bus, u16 id)
{
	struct fabric_fn *pf;
	int i, first, nr;
	u8 ctrl;

	for (i = 0; i < bus->end; i++) {
		pf = bus->fn[i];
		if (!pf || !pf->num_vfs)
			continue;
		ctrl = pf->config[FABRIC_SRIOV_CAP + PCI_SRIOV_CTRL];
		nr = get(pf->config + FABRIC_SRIOV_CAP + PCI_SRIOV_NUM_VF, 2);
		first = PCI_DEVID(secondary(bus), i) + pf->vf_offset;
		if (!(ctrl & PCI_SRIOV_CTRL_VFE) || id < first ||
		    (id - first) % pf->vf_stride)
			continue;
		if ((id - first) / pf->vf_stride < min(nr, pf->num_vfs))
			return pf->vf[(id - first) / pf->vf_stride];
	}
	return NULL;
}

/**
 * fabric_config_target - which function a config request reaches
 * @host: host bridge that sends it
 * @bus: bus number
 * @devfn: device and function number
 *
 * Context: any; the caller holds fabric_config_lock, or nobody changes anything.
 * Return: the function, or NULL.
 */
struct fabric_fn *fabric_config_target(struct fabric_host *host, u8 bus,
				       u8 devfn)
{
	struct fabric_bus *on = route(host, bus);

	if (secondary(on) == bus && on->fn[devfn])
		return on->fn[devfn];
	return virtual_function(on, PCI_DEVID(bus, devfn));
}

static int config_read(struct pci_bus *bus, unsigned int devfn, int where,
		       int size, u32 *value)
{
	struct fabric_host *host = fabric_host_of(bus);
	struct fabric_fn *fn;
	unsigned long flags;

	PCI_SET_ERROR_RESPONSE(value);
	raw_spin_lock_irqsave(&fabric_config_lock, flags);
	host->reads++;
	fn = fabric_config_target(host, bus->number, devfn);
	/* The root complex makes up the ones that nobody sends. */
	if (fn && !fn->gone)
		*value = peek(fn, where, size);
	raw_spin_unlock_irqrestore(&fabric_config_lock, flags);
	return fn ? PCIBIOS_SUCCESSFUL : PCIBIOS_DEVICE_NOT_FOUND;
}

/*
 * Is this what the kernel writes when it finds a function after pci_request_acs()?
 * What is in force on a fabric is what is described, so it is not written.  x86
 * requests ACS with an IOMMU only, which the fabric has not; where a device tree
 * or IORT would tell of one it is requested in any case.
 */
static bool requested_acs(const struct fabric_fn *fn, int where, u16 value)
{
	u16 standard = PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF;

	return !IS_ENABLED(CONFIG_X86) && fn->acs && !fn->pdev &&
	       where == FABRIC_ACS_CAP + PCI_ACS_CTRL &&
	       (value & ~PCI_ACS_TB) == ((get(fn->config + where, 2) & ~PCI_ACS_TB) |
					 (fn->acs_cap & standard));
}

static void write_masked(struct fabric_fn *fn, int where, int size, u32 value)
{
	u32 old, mask;

	if (fn->gone || where + size > FABRIC_CONFIG_SIZE ||
	    requested_acs(fn, where, value))
		return;
	old = get(fn->config + where, size);
	mask = get(fn->writable + where, size);
	put(fn->config + where, size, (old & ~mask) | (value & mask));
	if (fn->below && where / 4 == PCI_PRIMARY_BUS / 4)
		memset(fn->host->route, 0, sizeof(fn->host->route));
}

static int config_write(struct pci_bus *bus, unsigned int devfn, int where,
			int size, u32 value)
{
	struct fabric_host *host = fabric_host_of(bus);
	struct fabric_fn *fn;
	unsigned long flags;

	raw_spin_lock_irqsave(&fabric_config_lock, flags);
	fn = fabric_config_target(host, bus->number, devfn);
	if (fn)
		write_masked(fn, where, size, value);
	raw_spin_unlock_irqrestore(&fabric_config_lock, flags);
	return fn ? PCIBIOS_SUCCESSFUL : PCIBIOS_DEVICE_NOT_FOUND;
}

struct pci_ops fabric_config_ops = {
	.read = config_read,
	.write = config_write,
};
