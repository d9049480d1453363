/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI fabric made of memory, for KUnit.
 *
 * A test describes host bridges, ports and devices with builders that read
 * like the picture, and has the kernel scan them:
 *
 *	      host				struct fabric_host *host;
 *	        |				struct fabric_fn *sw, *a, *b;
 *	   root port
 *	        |				host = host_bridge(fabric);
 *	  upstream port				sw = switch_under(root_port(host), 2);
 *	   /         \				a = endpoint_under(downstream(sw, 0));
 *	down 0     down 1			b = endpoint_under(downstream(sw, 1));
 *	  |          |				fabric_scan(fabric);
 *	  a          b
 *
 * After that a->pdev is a struct pci_dev like any other: enumerated by the PCI
 * core through pci_ops, with BARs in physical address space that nothing else
 * uses, so that they can get struct pages (but nothing is behind them: reads
 * give ones, writes are lost).
 *
 * Fields of the description can be set until fabric_scan() or fabric_plug():
 * vendor, device, class, bar[], acs_*, egress*, ats, ari, port, first_bus and
 * last_bus of bridges.  Everything is
 * taken down when the test ends, and it fails if anything stays: a device, an
 * address, or a reference to a device or bus.
 *
 * Unless said otherwise, functions may sleep and end the test if they fail.
 */
#ifndef _PCI_P2PDMA_FABRIC_H
#define _PCI_P2PDMA_FABRIC_H

#include <kunit/test.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/seq_buf.h>

#include "../acs.h"
#include "../hooks.h"
#include "../p2pdma.h"
#include "../peers.h"
#include "../route.h"

/* Intel's device ids of root complexes, see hostbridge.c; the last is on no list */
#define ROUTES_ANYWHERE	0x2030
#define ROUTES_WITHIN	0x2f00
#define ROUTES_UNKNOWN	0x29c0

/* Segments of the hosts of a fabric count up from this one. */
#define FABRIC_DOMAIN		0xfa00

/* The driver that binds to functions with these ids, see fabric_alloc() */
#define FABRIC_VENDOR		PCI_VENDOR_ID_REDHAT
#define FABRIC_DEVICE		0x0005

/* fabric_fn.type of a function that is no PCIe one; else PCI_EXP_TYPE_* */
#define FABRIC_CONVENTIONAL	0xff

#define FABRIC_CONFIG_SIZE	0x1c0

#define FABRIC_BAR_64		PCI_BASE_ADDRESS_MEM_TYPE_64
#define FABRIC_BAR_PREFETCH	PCI_BASE_ADDRESS_MEM_PREFETCH
#define FABRIC_BAR_IO		PCI_BASE_ADDRESS_SPACE_IO

/* Controls and capabilities that a port with all of ACS has */
#define FABRIC_ACS_ALL		(PCI_ACS_SV | PCI_ACS_TB | PCI_ACS_RR | \
				 PCI_ACS_CR | PCI_ACS_UF | PCI_ACS_EC | \
				 PCI_ACS_DT)

struct fabric;
struct fabric_host;
struct fabric_fn;

/* What a root complex routes between its ports; see oracle.c */
enum fabric_routes {
	FABRIC_ROUTES_NOTHING,
	FABRIC_ROUTES_WITHIN,		/* one host bridge */
	FABRIC_ROUTES_ANYWHERE,
};

/**
 * struct fabric_bus - a link, the inside of a switch, or a conventional bus
 * @host: host bridge above it
 * @bridge: function whose secondary bus it is, NULL for a root bus
 * @end: no function has this device and function number, nor a higher one
 * @fn: what answers at each device and function number
 */
struct fabric_bus {
	struct fabric_host *host;
	struct fabric_fn *bridge;
	unsigned int end;
	struct fabric_fn *fn[256];
};

/**
 * struct fabric_bar - what a BAR of the description is like
 * @size: in bytes, a power of 2; 0 if there is none
 * @flags: FABRIC_BAR_*; a 64-bit one takes up the next BAR, too
 * @unassigned: there is no room for it, so that it has no address
 */
struct fabric_bar {
	u64 size;
	u32 flags;
	bool unassigned;
};

/**
 * struct fabric_fn - one function: its description, and its config space
 * @node: in fabric.fns
 * @host: host bridge above it
 * @bus: bus it is on
 * @below: its secondary bus, if it is a bridge
 * @pf: physical function, if it is a virtual one
 * @vf: its virtual functions
 * @devfn: device and function number
 * @type: PCI_EXP_TYPE_* or FABRIC_CONVENTIONAL
 * @port: Port Number in Link Capabilities, what egress vectors go by
 * @vendor: vendor id
 * @device: device id
 * @class: class code
 * @bar: BARs; of a physical function's VFs, if @pf is set for them
 * @acs: there is an ACS capability
 * @ats: there is an ATS capability
 * @ari: there is an ARI capability (endpoints), or ARI forwarding (ports)
 * @acs_cap: ACS Capability bits
 * @acs_ctrl: ACS Control at power on
 * @acs_always: what it does of ACS whatever its registers say, see quirky_port()
 * @egress_bits: Egress Control Vector Size, 0 stands for 256
 * @egress: Egress Control Vector at power on
 * @serial: Device Serial Number, 0 if there is no such capability
 * @first_bus: number of the bus below it, as firmware left it; 0 if it did not
 * @last_bus: the last one below it, likewise
 * @num_vfs: number of virtual functions it can have
 * @vf_offset: routing id of the first minus that of the physical function
 * @vf_stride: distance between them
 * @gone: pulled without notice: its config space reads all ones
 * @pdev: the kernel's view, with a reference; NULL while it has none
 * @config: config space
 * @writable: bits in @config that can be written
 */
struct fabric_fn {
	struct list_head node;
	struct fabric_host *host;
	struct fabric_bus *bus;
	struct fabric_bus *below;
	struct fabric_fn *pf;
	struct fabric_fn **vf;
	u8 devfn;
	u8 type;
	u8 port;
	u16 vendor;
	u16 device;
	u32 class;
	struct fabric_bar bar[PCI_STD_NUM_BARS];
	bool acs;
	bool ats;
	bool ari;
	u16 acs_cap;
	u16 acs_ctrl;
	u16 acs_always;
	u8 egress_bits;
	u32 egress[8];
	u64 serial;
	u8 first_bus;
	u8 last_bus;
	u16 num_vfs;
	u16 vf_offset;
	u16 vf_stride;
	bool gone;
	struct pci_dev *pdev;
	u8 config[FABRIC_CONFIG_SIZE];
	u8 writable[FABRIC_CONFIG_SIZE];
};

/**
 * struct fabric_host - a host bridge
 * @node: in fabric.hosts
 * @fabric: what it is a part of
 * @domain: segment
 * @first_bus: number of its root bus.  May be set before the scan.
 * @last_bus: the last bus number below it, likewise
 * @bus_offset: bus address minus CPU physical address in @mem64; either sign.
 *	May be set before the scan.
 * @routes: what the root complex does, for the oracle.  The kernel goes by
 *	root_device().
 * @size64: size of @mem64, a power of 2.  May be set before the scan.
 * @start64: CPU physical address of @mem64, 0 for any.  May be set before the
 *	scan.
 * @dma_map: what of memory devices reach, and by which addresses, up to an
 *	entry without size; NULL for all, as it is.  May be set before the scan.
 * @firmware: what firmware says that it routes: words up to a NULL; or NULL.
 *	May be set before the scan.
 * @firmware_above: it says so of the controller that has the bridge, as a device
 *	tree does.  Likewise.
 * @mem64: window for prefetchable 64-bit BARs
 * @mem32: window for all other memory BARs: its bus addresses are below 4 GiB
 * @busn: bus numbers
 * @root: root bus
 * @bridge: the kernel's view; NULL before the scan
 * @parent: what @bridge hangs on, if there is @firmware
 * @route: bus number -> bus, as the bridges are programmed; a cache
 * @reads: config reads so far
 * @sysdata: what the architecture wants to know of a bus
 */
struct fabric_host {
	struct list_head node;
	struct fabric *fabric;
	int domain;
	u8 first_bus;
	u8 last_bus;
	s64 bus_offset;
	enum fabric_routes routes;
	u64 size64;
	u64 start64;
	const struct bus_dma_region *dma_map;
	const char * const *firmware;
	bool firmware_above;
	struct resource mem64;
	struct resource mem32;
	struct resource busn;
	struct fabric_bus *root;
	struct pci_host_bridge *bridge;
	struct device *parent;
	struct fabric_bus *route[256];
	unsigned long reads;
#ifdef CONFIG_X86
	struct pci_sysdata sysdata;
#endif
};

/**
 * struct fabric - all hosts and functions of a test
 * @test: the test
 * @hosts: struct fabric_host, as built
 * @fns: struct fabric_fn, as built, also those unplugged
 * @domains: number of segments
 * @ports: number of ports, for @fabric_fn.port
 */
struct fabric {
	struct kunit *test;
	struct list_head hosts;
	struct list_head fns;
	unsigned int domains;
	unsigned int ports;
};

/* ---- the picture: fabric.c ---- */

struct fabric *fabric_alloc(struct kunit *test);
void fabric_free(struct fabric *fabric);

struct fabric_host *host_bridge(struct fabric *fabric);
struct fabric_host *host_bridge_beside(struct fabric_host *host);
struct fabric_fn *root_device(struct fabric_host *host, u16 vendor, u16 device);
struct fabric_fn *root_port(struct fabric_host *host);
struct fabric_fn *root_endpoint(struct fabric_host *host);
struct fabric_fn *root_function(struct fabric_host *host, u8 type);
struct fabric_fn *root_bridge(struct fabric_host *host, u8 type);
struct fabric_fn *switch_under(struct fabric_fn *port, unsigned int ports);
struct fabric_fn *downstream(struct fabric_fn *sw, unsigned int i);
struct fabric_fn *endpoint_under(struct fabric_fn *port);
struct fabric_fn *function_beside(struct fabric_fn *fn);
struct fabric_fn *pci_bridge_under(struct fabric_fn *port);
struct fabric_fn *conventional_under(struct fabric_fn *bridge);
struct fabric_fn *conventional_bridge_under(struct fabric_fn *bridge);
struct fabric_fn *with_acs(struct fabric_fn *fn, u16 ctrl);
struct fabric_fn *quirky_port(struct fabric_fn *port);
struct fabric_fn *placed_at(struct fabric_fn *fn, u8 slot, u8 func);
void fabric_cpu(struct kunit *test, bool amd, unsigned int family);
struct fabric_fn *with_vfs(struct fabric_fn *fn, u16 num, u16 offset);

/* ---- what happens to it ---- */

void fabric_scan(struct fabric *fabric);
void fabric_unplug(struct fabric_fn *fn);
void fabric_yank(struct fabric_fn *fn);
void fabric_replug(struct fabric_fn *fn);
struct fabric_fn *fabric_replace(struct fabric_fn *fn);
void fabric_enable_vfs(struct fabric_fn *pf, unsigned int num);
void fabric_disable_vfs(struct fabric_fn *pf);
void fabric_write_acs(struct fabric_fn *fn, u16 ctrl);

/* ---- config space: config.c ---- */

extern raw_spinlock_t fabric_config_lock;
extern struct pci_ops fabric_config_ops;

struct fabric_host *fabric_host_of(struct pci_bus *bus);
void fabric_config_acs(struct fabric_fn *fn);
void fabric_config_reset(struct fabric_fn *fn);
struct fabric_fn *fabric_config_target(struct fabric_host *host, u8 bus,
				       u8 devfn);
u32 fabric_config_get(const struct fabric_fn *fn, int where, int size);
void fabric_config_poke(struct fabric_fn *fn, int where, int size, u32 value);

#define FABRIC_PCIE_CAP		0x40
#define FABRIC_ACS_CAP		0x100
#define FABRIC_ATS_CAP		0x140
#define FABRIC_ARI_CAP		0x150
#define FABRIC_SRIOV_CAP	0x160
#define FABRIC_DSN_CAP		0x1a0

static inline bool fabric_is_bridge(const struct fabric_fn *fn)
{
	return fn->below;
}

/* lspci.c */
void fabric_lspci(struct seq_buf *text);
void fabric_lspci_pair(struct seq_buf *text, struct fabric_fn *client,
		       struct fabric_fn *provider);
void fabric_write(struct kunit *test, const char *name, struct seq_buf *text);

#endif /* _PCI_P2PDMA_FABRIC_H */
