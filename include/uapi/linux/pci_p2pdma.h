/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/pci-p2pdma.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_PCI_P2PDMA_H
#define _UAPI_LINUX_PCI_P2PDMA_H

#define PCI_P2PDMA_FAMILY_NAME		"pci-p2pdma"
#define PCI_P2PDMA_FAMILY_VERSION	1

/**
 * enum pci_p2pdma_mapping - How DMA in one direction gets to the memory.
 * @PCI_P2PDMA_MAPPING_NONE: It does not, and is refused.
 * @PCI_P2PDMA_MAPPING_BUS_ADDR: By bus addresses, without passing the root
 *   complex.
 * @PCI_P2PDMA_MAPPING_HOST_BRIDGE: Through the root complex.
 */
enum pci_p2pdma_mapping {
	PCI_P2PDMA_MAPPING_NONE,
	PCI_P2PDMA_MAPPING_BUS_ADDR,
	PCI_P2PDMA_MAPPING_HOST_BRIDGE,
};

/**
 * enum pci_p2pdma_reason - Why a route is what it is. The same words stand in
 *   the log and in Documentation/admin-guide/pci-p2pdma.rst. Values may be
 *   added.
 * @PCI_P2PDMA_REASON_SELF: Client and provider are one function.
 * @PCI_P2PDMA_REASON_SAME_DEVICE: They are two functions of one device.
 * @PCI_P2PDMA_REASON_SAME_BUS: They are on one conventional PCI bus.
 * @PCI_P2PDMA_REASON_SAME_SWITCH: A switch turns the request round.
 * @PCI_P2PDMA_REASON_ROOT_COMPLEX: Only the root complex joins them, and
 *   routes.
 * @PCI_P2PDMA_REASON_ACS_REDIRECT: ACS sends requests or completions up to the
 *   root complex.
 * @PCI_P2PDMA_REASON_ACS_BLOCKED: ACS drops the requests.
 * @PCI_P2PDMA_REASON_ROOT_COMPLEX_UNKNOWN: It is not known to route.
 * @PCI_P2PDMA_REASON_ROOT_COMPLEX_DIFFERS: It routes, but not between these
 *   two host bridges.
 * @PCI_P2PDMA_REASON_NOT_PCI: The client does no PCI DMA of its own.
 * @PCI_P2PDMA_REASON_DMA_MASK: The client's DMA mask does not cover the
 *   memory.
 * @PCI_P2PDMA_REASON_FUNCTIONS_ISOLATED: Two functions of one device that may
 *   not reach each other.
 * @PCI_P2PDMA_REASON_ROOT_COMPLEX_READS_ONLY: The root complex routes reads
 *   only.
 * @PCI_P2PDMA_REASON_ROOT_COMPLEX_WRITES_ONLY: The root complex routes writes
 *   only.
 * @PCI_P2PDMA_REASON_PROVIDER_DOWN: The provider is being reset or recovered,
 *   sleeps or is gone.
 * @PCI_P2PDMA_REASON_ROOT_COMPLEX_FORBIDDEN: The root complex is said not to
 *   route.
 */
enum pci_p2pdma_reason {
	PCI_P2PDMA_REASON_SELF,
	PCI_P2PDMA_REASON_SAME_DEVICE,
	PCI_P2PDMA_REASON_SAME_BUS,
	PCI_P2PDMA_REASON_SAME_SWITCH,
	PCI_P2PDMA_REASON_ROOT_COMPLEX,
	PCI_P2PDMA_REASON_ACS_REDIRECT,
	PCI_P2PDMA_REASON_ACS_BLOCKED,
	PCI_P2PDMA_REASON_ROOT_COMPLEX_UNKNOWN,
	PCI_P2PDMA_REASON_ROOT_COMPLEX_DIFFERS,
	PCI_P2PDMA_REASON_NOT_PCI,
	PCI_P2PDMA_REASON_DMA_MASK,
	PCI_P2PDMA_REASON_FUNCTIONS_ISOLATED,
	PCI_P2PDMA_REASON_ROOT_COMPLEX_READS_ONLY,
	PCI_P2PDMA_REASON_ROOT_COMPLEX_WRITES_ONLY,
	PCI_P2PDMA_REASON_PROVIDER_DOWN,
	PCI_P2PDMA_REASON_ROOT_COMPLEX_FORBIDDEN,
};

/**
 * enum pci_p2pdma_root_source - Who says what a root complex routes.
 * @PCI_P2PDMA_ROOT_SOURCE_UNKNOWN: Nobody does.
 * @PCI_P2PDMA_ROOT_SOURCE_TABLE: The kernel's table of ids.
 * @PCI_P2PDMA_ROOT_SOURCE_CPU: The kernel, of all CPUs of this kind.
 * @PCI_P2PDMA_ROOT_SOURCE_POLICY: The administrator, by
 *   pci_p2pdma.host_bridges=.
 * @PCI_P2PDMA_ROOT_SOURCE_FIRMWARE: A property of the host bridge.
 */
enum pci_p2pdma_root_source {
	PCI_P2PDMA_ROOT_SOURCE_UNKNOWN,
	PCI_P2PDMA_ROOT_SOURCE_TABLE,
	PCI_P2PDMA_ROOT_SOURCE_CPU,
	PCI_P2PDMA_ROOT_SOURCE_POLICY,
	PCI_P2PDMA_ROOT_SOURCE_FIRMWARE,
};

/**
 * enum pci_p2pdma_root_routes - What a root complex routes between its ports.
 * @PCI_P2PDMA_ROOT_ROUTES_READS: Reads.
 * @PCI_P2PDMA_ROOT_ROUTES_WRITES: Writes.
 * @PCI_P2PDMA_ROOT_ROUTES_BETWEEN: Also from one host bridge to another.
 */
enum pci_p2pdma_root_routes {
	PCI_P2PDMA_ROOT_ROUTES_READS = 1,
	PCI_P2PDMA_ROOT_ROUTES_WRITES = 2,
	PCI_P2PDMA_ROOT_ROUTES_BETWEEN = 4,
};

/**
 * enum pci_p2pdma_change - What has changed. Values may be added.
 * @PCI_P2PDMA_CHANGE_PROVIDER_DOWN: Peers do not reach the provider any more.
 * @PCI_P2PDMA_CHANGE_PROVIDER_UP: Peers reach it again. What its memory held
 *   may be lost.
 * @PCI_P2PDMA_CHANGE_VERDICTS: Any route may be another now. Comes without
 *   provider, and also if nothing depended on what has changed.
 * @PCI_P2PDMA_CHANGE_RESOURCE_ADDED: The provider has registered a resource.
 * @PCI_P2PDMA_CHANGE_RESOURCE_REMOVED: A resource of the provider, or all of
 *   them, cannot be found any more, and goes when its memory has come back.
 * @PCI_P2PDMA_CHANGE_PUBLISHED: The provider's memory can be found by others.
 * @PCI_P2PDMA_CHANGE_UNPUBLISHED: It cannot be any more.
 */
enum pci_p2pdma_change {
	PCI_P2PDMA_CHANGE_PROVIDER_DOWN,
	PCI_P2PDMA_CHANGE_PROVIDER_UP,
	PCI_P2PDMA_CHANGE_VERDICTS,
	PCI_P2PDMA_CHANGE_RESOURCE_ADDED,
	PCI_P2PDMA_CHANGE_RESOURCE_REMOVED,
	PCI_P2PDMA_CHANGE_PUBLISHED,
	PCI_P2PDMA_CHANGE_UNPUBLISHED,
};

enum {
	PCI_P2PDMA_A_VERDICT_READ = 1,
	PCI_P2PDMA_A_VERDICT_WRITE,
	PCI_P2PDMA_A_VERDICT_DISTANCE,
	PCI_P2PDMA_A_VERDICT_REASON,
	PCI_P2PDMA_A_VERDICT_PORT,

	__PCI_P2PDMA_A_VERDICT_MAX,
	PCI_P2PDMA_A_VERDICT_MAX = (__PCI_P2PDMA_A_VERDICT_MAX - 1)
};

enum {
	PCI_P2PDMA_A_ROOT_VENDOR = 1,
	PCI_P2PDMA_A_ROOT_DEVICE,
	PCI_P2PDMA_A_ROOT_ROUTES,
	PCI_P2PDMA_A_ROOT_SOURCE,

	__PCI_P2PDMA_A_ROOT_MAX,
	PCI_P2PDMA_A_ROOT_MAX = (__PCI_P2PDMA_A_ROOT_MAX - 1)
};

enum {
	PCI_P2PDMA_A_ROUTE_CLIENT = 1,
	PCI_P2PDMA_A_ROUTE_PROVIDER,
	PCI_P2PDMA_A_ROUTE_VERDICT,
	PCI_P2PDMA_A_ROUTE_NOW,
	PCI_P2PDMA_A_ROUTE_ROOT,
	PCI_P2PDMA_A_ROUTE_WHY,
	PCI_P2PDMA_A_ROUTE_REMEDY,

	__PCI_P2PDMA_A_ROUTE_MAX,
	PCI_P2PDMA_A_ROUTE_MAX = (__PCI_P2PDMA_A_ROUTE_MAX - 1)
};

enum {
	PCI_P2PDMA_A_RESOURCE_PROVIDER = 1,
	PCI_P2PDMA_A_RESOURCE_START,
	PCI_P2PDMA_A_RESOURCE_SIZE,
	PCI_P2PDMA_A_RESOURCE_AVAILABLE,
	PCI_P2PDMA_A_RESOURCE_PUBLISHED,
	PCI_P2PDMA_A_RESOURCE_DOWN,
	PCI_P2PDMA_A_RESOURCE_OUTAGE,
	PCI_P2PDMA_A_RESOURCE_ALLOCATIONS,
	PCI_P2PDMA_A_RESOURCE_FAILURES,
	PCI_P2PDMA_A_RESOURCE_WALKS,
	PCI_P2PDMA_A_RESOURCE_CHANGES,

	__PCI_P2PDMA_A_RESOURCE_MAX,
	PCI_P2PDMA_A_RESOURCE_MAX = (__PCI_P2PDMA_A_RESOURCE_MAX - 1)
};

enum {
	PCI_P2PDMA_A_PAIR_PROVIDER = 1,
	PCI_P2PDMA_A_PAIR_START,
	PCI_P2PDMA_A_PAIR_CLIENT,
	PCI_P2PDMA_A_PAIR_VERDICT,
	PCI_P2PDMA_A_PAIR_WALKS,
	PCI_P2PDMA_A_PAIR_CHANGES,

	__PCI_P2PDMA_A_PAIR_MAX,
	PCI_P2PDMA_A_PAIR_MAX = (__PCI_P2PDMA_A_PAIR_MAX - 1)
};

enum {
	PCI_P2PDMA_A_NOTICE_CHANGE = 1,
	PCI_P2PDMA_A_NOTICE_PROVIDER,

	__PCI_P2PDMA_A_NOTICE_MAX,
	PCI_P2PDMA_A_NOTICE_MAX = (__PCI_P2PDMA_A_NOTICE_MAX - 1)
};

enum {
	PCI_P2PDMA_CMD_ROUTE_GET = 1,
	PCI_P2PDMA_CMD_RESOURCE_GET,
	PCI_P2PDMA_CMD_PAIR_GET,
	PCI_P2PDMA_CMD_CHANGE_NTF,

	__PCI_P2PDMA_CMD_MAX,
	PCI_P2PDMA_CMD_MAX = (__PCI_P2PDMA_CMD_MAX - 1)
};

#define PCI_P2PDMA_MCGRP_CHANGES	"changes"

#endif /* _UAPI_LINUX_PCI_P2PDMA_H */
