// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's functions that routes are worked out with, on what the input says.
 */
#include <ctype.h>

#include "../machine.h"

enum shim_world shim_world;
struct pci_dev *shim_devices;
struct cpuinfo_x86 boot_cpu_data;
struct rw_semaphore pci_bus_sem;

/* ---- config space ---- */

static u8 acs_control_byte(void)
{
	static const u8 control[WORLDS] = {
		[WORLD_REDIRECT]	= PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF,
		[WORLD_NOT_FORWARDED]	= PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_DT,
		[WORLD_EGRESS]		= PCI_ACS_EC | PCI_ACS_TB,
		[WORLD_ENABLED_ONLY]	= PCI_ACS_RR | PCI_ACS_CR,
	};

	return control[shim_world];
}

/* What is enabled is there; of the rest all may be there, or nothing. */
static u8 acs_capability_byte(const struct pci_dev *pdev)
{
	unsigned int ctrl = pdev->acs_cap + PCI_ACS_CTRL;

	if (shim_world < WORLD_NO_CONTROLS)
		return PCI_ACS_SV | PCI_ACS_TB | PCI_ACS_RR | PCI_ACS_CR |
		       PCI_ACS_UF | PCI_ACS_EC | PCI_ACS_DT;
	return function_knows(pdev->function, ctrl, 1) ?
	       pdev->function->config[ctrl] : acs_control_byte();
}

/* A register of the ACS capability that is not in the input, in this world */
static u8 acs_byte(const struct pci_dev *pdev, int where)
{
	if (where == PCI_ACS_CAP)
		return acs_capability_byte(pdev);
	if (where == PCI_ACS_CTRL)
		return acs_control_byte();
	/* The size of the vector is 0, which stands for the largest. */
	return where >= PCI_ACS_EGRESS_CTL_V && shim_world == WORLD_EGRESS ? 0xff : 0;
}

static u8 absent_byte(const struct pci_dev *pdev, int where)
{
	int at = where - pdev->acs_cap;

	if (pdev->acs_cap && at >= 0 && at < PCI_ACS_EGRESS_CTL_V + 32) {
		shim_asked(pdev, at >= PCI_ACS_EGRESS_CTL_V ||
			   at == PCI_ACS_EGRESS_BITS ? UNREAD_ACS_VECTOR :
			   pdev->unread & UNREAD_ACS ? UNREAD_ACS :
			   at == PCI_ACS_CAP ? UNREAD_ACS_CAP : UNREAD_ACS_CTRL);
		return acs_byte(pdev, at);
	}
	shim_asked(pdev, UNREAD_PORT);
	return 0;
}

/* Beside ACS Capability, and not a part of it, is the size of the egress vector. */
static bool is_beside(const struct pci_dev *pdev, int where, int width)
{
	return width > 1 && where == pdev->acs_cap + PCI_ACS_EGRESS_BITS;
}

static u32 read_config(const struct pci_dev *pdev, int where, int width)
{
	u32 value = 0;
	int i;

	for (i = 0; i < width; i++)
		if (function_knows(pdev->function, where + i, 1))
			value |= (u32)pdev->function->config[where + i] << 8 * i;
		else if (!is_beside(pdev, where + i, width))
			value |= (u32)absent_byte(pdev, where + i) << 8 * i;
	return value;
}

int pci_read_config_byte(const struct pci_dev *pdev, int where, u8 *value)
{
	*value = read_config(pdev, where, 1);
	return 0;
}

/*
 * Whose bit of an egress control vector is asked for next is not in the input: then
 * it is not set, except in the world where it cannot be told and so counts as set.
 */
static bool port_open;

/* ACS controls are read so, before any vector. */
int pci_read_config_word(const struct pci_dev *pdev, int where, u16 *value)
{
	*value = read_config(pdev, where, 2);
	port_open = false;
	return 0;
}

int pci_read_config_dword(const struct pci_dev *pdev, int where, u32 *value)
{
	*value = port_open ? 0 : read_config(pdev, where, 4);
	port_open = false;
	return 0;
}

/* That of the port whose bit is asked for */
static unsigned int port_number;

/* Port numbers are all that is read so. */
int pcie_capability_read_dword(const struct pci_dev *pdev, int where, u32 *value)
{
	*value = 0;
	port_open = !function_knows(pdev->function, pdev->pcie_cap + where, 4);
	if (!port_open) {
		pci_read_config_dword(pdev, pdev->pcie_cap + where, value);
		port_number = *value >> 24;
		return 0;
	}
	shim_asked(pdev, UNREAD_PORT);
	if (shim_world != WORLD_EGRESS)
		return 0;
	port_open = false;
	return -EINVAL;
}

/* ---- what is beside a port: the kernel looks for other ports with its number ---- */

#define EXPRESS_AT	0x40	/* wherever the capability is in truth */

/* Nobody, if it has been settled that the bit is not known. */
static struct pci_dev *beside(const struct pci_bus *bus, unsigned int devfn)
{
	struct pci_dev *pdev;

	list_for_each_entry(pdev, &bus->devices, bus_list)
		if (pdev->devfn == devfn && !pdev->is_virtfn)
			return port_open ? NULL : pdev;
	return NULL;
}

/* What is read so is whether there are more functions: always, as not all need be in the input. */
int pci_bus_read_config_byte(const struct pci_bus *bus, unsigned int devfn, int where,
			     u8 *value)
{
	(void)bus;
	(void)devfn;
	(void)where;
	*value = PCI_HEADER_TYPE_MFD;
	return 0;
}

u8 pci_bus_find_capability(const struct pci_bus *bus, unsigned int devfn, int id)
{
	struct pci_dev *pdev = beside(bus, devfn);

	(void)id;
	return pdev && pci_is_pcie(pdev) ? EXPRESS_AT : 0;
}

int pci_bus_read_config_word(const struct pci_bus *bus, unsigned int devfn, int where,
			     u16 *value)
{
	struct pci_dev *pdev = beside(bus, devfn);

	(void)where;
	*value = pdev ? pci_pcie_type(pdev) << 4 : 0;
	return 0;
}

/*
 * The kernel takes the bit to be set where a number is not that of one port alone.
 * In truth it may be clear for the one that is meant: so it is in one of the worlds.
 */
int pci_bus_read_config_dword(const struct pci_bus *bus, unsigned int devfn, int where,
			      u32 *value)
{
	struct pci_dev *pdev = beside(bus, devfn);
	bool known;

	*value = ~0U;
	if (!pdev)
		return 0;
	where += pdev->pcie_cap - EXPRESS_AT;
	known = function_knows(pdev->function, where, 4);
	if (known && function_get(pdev->function, where, 4) >> 24 != port_number)
		return 0;
	if (!known)
		shim_asked(pdev, UNREAD_PORT);
	else if (shim_world == WORLD_REDIRECT)
		/* There egress control is enabled only if the input says so. */
		shim_asked(pdev, UNREAD_SHARED);
	if (known && shim_world == WORLD_OFF)
		port_open = true;
	else if (known || shim_world == WORLD_EGRESS)
		*value = port_number << 24;
	return 0;
}

/* ---- what else the kernel knows of devices ---- */

const struct pci_device_id *pci_match_id(const struct pci_device_id *ids,
					 const struct pci_dev *pdev)
{
	for (; ids->vendor; ids++)
		if (ids->vendor == pdev->vendor &&
		    (ids->device == (u32)PCI_ANY_ID || ids->device == pdev->device))
			return ids;
	return NULL;
}

bool device_property_present(const struct device *dev, const char *name)
{
	(void)name;
	return dev->routes;
}

int device_property_match_string(const struct device *dev, const char *name,
				 const char *word)
{
	const char *at = dev->routes;
	size_t len = strlen(word);
	int i = 0;

	(void)name;
	while (at) {
		if (!strncmp(at, word, len) && (!at[len] || at[len] == ','))
			return i;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
		i++;
	}
	return -ENODATA;
}

/* Nothing is cached that would have to be dropped. */
void p2pdma_topology_changed(void)
{
}

/* ---- text ---- */

void shim_complain(const char *format, ...)
{
	static const char subsystem[] = "P2PDMA: ";
	va_list args;

	if (!strncmp(format, subsystem, strlen(subsystem)))
		format += strlen(subsystem);
	va_start(args, format);
	fputs("p2ptopo: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
}

int strscpy_size(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size);

	if (len == size)
		return -E2BIG;
	memcpy(to, from, len + 1);
	return len;
}

char *skip_spaces(const char *text)
{
	while (isspace(*text))
		text++;
	return (char *)text;
}

int kstrtou16(const char *text, unsigned int base, u16 *value)
{
	unsigned long number;
	char *end;

	if (!isxdigit((unsigned char)*text))
		return -EINVAL;
	number = strtoul(text, &end, base);
	if (*end)
		return -EINVAL;
	if (number > USHRT_MAX)
		return -ERANGE;
	*value = number;
	return 0;
}

int sysfs_emit_at(char *buffer, int at, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(buffer + at, CONFIG_SIZE - at, format, args);
	va_end(args);
	return len < CONFIG_SIZE - at ? len : CONFIG_SIZE - at - 1;
}

void seq_buf_printf(struct seq_buf *text, const char *format, ...)
{
	va_list args;
	int len;

	if (text->len >= text->size)
		return;
	va_start(args, format);
	len = vsnprintf(text->buffer + text->len, text->size - text->len, format, args);
	va_end(args);
	text->len = min(text->len + len, text->size - 1);
}

/* ---- xarray: a few root buses, looked up for each route ---- */

static unsigned int find(const struct xarray *xa, unsigned long key)
{
	unsigned int low = 0, high = xa->size, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (xa->entry[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *xa_load(struct xarray *xa, unsigned long key)
{
	unsigned int at = find(xa, key);

	return at < xa->size && xa->entry[at].key == key ? xa->entry[at].value : NULL;
}

void *xa_store(struct xarray *xa, unsigned long key, void *value, int flags)
{
	unsigned int at = find(xa, key);
	struct xarray_entry *more;
	void *old;

	(void)flags;
	if (at < xa->size && xa->entry[at].key == key) {
		old = xa->entry[at].value;
		xa->entry[at].value = value;
		return old;
	}
	more = reallocarray(xa->entry, xa->size + 1, sizeof(*more));
	if (!more)
		return (void *)-1;
	xa->entry = more;
	memmove(more + at + 1, more + at, (xa->size - at) * sizeof(*more));
	xa->size++;
	more[at] = (struct xarray_entry){ .key = key, .value = value };
	return NULL;
}

void *xa_erase(struct xarray *xa, unsigned long key)
{
	void *old = xa_load(xa, key);

	if (old)
		xa->entry[find(xa, key)].value = NULL;
	return old;
}
