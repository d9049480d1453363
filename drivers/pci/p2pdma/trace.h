/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: what is registered, allocated and mapped, and which verdicts
 * that goes by.
 *
 * Mapping and allocation have one no-op each for it while nobody looks.  How
 * many segments a mapping has, and their addresses, is what dma:dma_map_sg
 * says.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pci_p2pdma

#if !defined(_PCI_P2PDMA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _PCI_P2PDMA_TRACE_H

#include <linux/dma-direction.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/tracepoint.h>

#include "verdict.h"

TRACE_DEFINE_ENUM(PCI_P2PDMA_MAP_NOT_SUPPORTED);
TRACE_DEFINE_ENUM(PCI_P2PDMA_MAP_BUS_ADDR);
TRACE_DEFINE_ENUM(PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
TRACE_DEFINE_ENUM(DMA_BIDIRECTIONAL);
TRACE_DEFINE_ENUM(DMA_TO_DEVICE);
TRACE_DEFINE_ENUM(DMA_FROM_DEVICE);

/* As in debugfs */
#define show_map_type(type)						\
	__print_symbolic(type,						\
		{ PCI_P2PDMA_MAP_NOT_SUPPORTED,		"none" },	\
		{ PCI_P2PDMA_MAP_BUS_ADDR,		"bus-addr" },	\
		{ PCI_P2PDMA_MAP_THRU_HOST_BRIDGE,	"host-bridge" })

/* As the client sees it: what it writes comes from the device. */
#define show_access(dir)						\
	__print_symbolic(dir,						\
		{ DMA_BIDIRECTIONAL,			"both" },	\
		{ DMA_TO_DEVICE,			"read" },	\
		{ DMA_FROM_DEVICE,			"write" })

TRACE_EVENT(p2pdma_register,
	TP_PROTO(struct pci_dev *provider, int bar, u64 offset, u64 size,
		 int error),
	TP_ARGS(provider, bar, offset, size, error),

	TP_STRUCT__entry(
		__string(provider, pci_name(provider))
		__field(int, bar)
		__field(u64, offset)
		__field(u64, size)
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(provider);
		__entry->bar = bar;
		__entry->offset = offset;
		__entry->size = size;
		__entry->error = error;
	),
	TP_printk("provider=%s bar=%d offset=%#llx size=%#llx error=%d",
		  __get_str(provider), __entry->bar, __entry->offset,
		  __entry->size, __entry->error)
);

/* Nobody finds it any more; its pages go when all of it has come back. */
TRACE_EVENT(p2pdma_unregister,
	TP_PROTO(struct pci_dev *provider, u64 start, u64 size),
	TP_ARGS(provider, start, size),

	TP_STRUCT__entry(
		__string(provider, pci_name(provider))
		__field(u64, start)
		__field(u64, size)
	),
	TP_fast_assign(
		__assign_str(provider);
		__entry->start = start;
		__entry->size = size;
	),
	TP_printk("provider=%s start=%#llx size=%#llx",
		  __get_str(provider), __entry->start, __entry->size)
);

/* @start is a CPU physical address, 0 if there was no memory */
DECLARE_EVENT_CLASS(p2pmem,
	TP_PROTO(struct pci_dev *provider, u64 start, u64 size),
	TP_ARGS(provider, start, size),

	TP_STRUCT__entry(
		__string(provider, pci_name(provider))
		__field(u64, start)
		__field(u64, size)
	),
	TP_fast_assign(
		__assign_str(provider);
		__entry->start = start;
		__entry->size = size;
	),
	TP_printk("provider=%s start=%#llx size=%llu%s",
		  __get_str(provider), __entry->start, __entry->size,
		  __entry->start ? "" : " failed")
);

DEFINE_EVENT(p2pmem, p2pmem_alloc,
	TP_PROTO(struct pci_dev *provider, u64 start, u64 size),
	TP_ARGS(provider, start, size));

/* What user space had comes back page by page. */
DEFINE_EVENT(p2pmem, p2pmem_free,
	TP_PROTO(struct pci_dev *provider, u64 start, u64 size),
	TP_ARGS(provider, start, size));

/* Once for each stretch of a mapping that is of one provider */
TRACE_EVENT(p2pdma_map,
	TP_PROTO(struct device *client, struct pci_dev *provider,
		 enum dma_data_direction dir, enum pci_p2pdma_map_type type),
	TP_ARGS(client, provider, dir, type),

	TP_STRUCT__entry(
		__string(client, dev_name(client))
		__string(provider, pci_name(provider))
		__field(unsigned int, dir)
		__field(unsigned int, type)
	),
	TP_fast_assign(
		__assign_str(client);
		__assign_str(provider);
		__entry->dir = dir;
		__entry->type = type;
	),
	TP_printk("client=%s provider=%s access=%s type=%s",
		  __get_str(client), __get_str(provider),
		  show_access(__entry->dir), show_map_type(__entry->type))
);

/* The topology was walked, as nothing was cached that counts */
TRACE_EVENT(p2pdma_verdict,
	TP_PROTO(struct pci_dev *client, struct pci_dev *provider,
		 const struct p2pdma_verdict *verdict),
	TP_ARGS(client, provider, verdict),

	TP_STRUCT__entry(
		__string(client, pci_name(client))
		__string(provider, pci_name(provider))
		__string(reason, p2pdma_reason_names[verdict->reason])
		__field(unsigned int, read)
		__field(unsigned int, write)
		__field(unsigned int, distance)
		__field(bool, has_port)
		__field(u32, domain)
		__field(u16, bdf)
	),
	TP_fast_assign(
		__assign_str(client);
		__assign_str(provider);
		__assign_str(reason);
		__entry->read = verdict->map[P2PDMA_READ];
		__entry->write = verdict->map[P2PDMA_WRITE];
		__entry->distance = verdict->distance;
		__entry->has_port = verdict->has_port;
		__entry->domain = verdict->port_domain;
		__entry->bdf = verdict->port_bdf;
	),
	TP_printk("client=%s provider=%s read=%s write=%s distance=%u reason=%s has_port=%d port=%04x:%02x:%02x.%d",
		  __get_str(client), __get_str(provider),
		  show_map_type(__entry->read), show_map_type(__entry->write),
		  __entry->distance, __get_str(reason), __entry->has_port,
		  __entry->domain, PCI_BUS_NUM(__entry->bdf),
		  PCI_SLOT(__entry->bdf), PCI_FUNC(__entry->bdf))
);

/* What is cached of a pair that is in use allows more, less or other than before */
TRACE_EVENT(p2pdma_verdict_changed,
	TP_PROTO(struct pci_dev *client, struct pci_dev *provider,
		 const struct p2pdma_verdict *old,
		 const struct p2pdma_verdict *new),
	TP_ARGS(client, provider, old, new),

	TP_STRUCT__entry(
		__string(client, pci_name(client))
		__string(provider, pci_name(provider))
		__string(reason, p2pdma_reason_names[new->reason])
		__field(unsigned int, old_read)
		__field(unsigned int, old_write)
		__field(unsigned int, read)
		__field(unsigned int, write)
		__field(unsigned int, old_distance)
		__field(unsigned int, distance)
	),
	TP_fast_assign(
		__assign_str(client);
		__assign_str(provider);
		__assign_str(reason);
		__entry->old_read = old->map[P2PDMA_READ];
		__entry->old_write = old->map[P2PDMA_WRITE];
		__entry->read = new->map[P2PDMA_READ];
		__entry->write = new->map[P2PDMA_WRITE];
		__entry->old_distance = old->distance;
		__entry->distance = new->distance;
	),
	TP_printk("client=%s provider=%s read=%s->%s write=%s->%s distance=%u->%u reason=%s",
		  __get_str(client), __get_str(provider),
		  show_map_type(__entry->old_read),
		  show_map_type(__entry->read),
		  show_map_type(__entry->old_write),
		  show_map_type(__entry->write),
		  __entry->old_distance, __entry->distance, __get_str(reason))
);

TRACE_EVENT(p2pdma_outage,
	TP_PROTO(struct pci_dev *provider, u64 start, bool down),
	TP_ARGS(provider, start, down),

	TP_STRUCT__entry(
		__string(provider, pci_name(provider))
		__field(u64, start)
		__field(bool, down)
	),
	TP_fast_assign(
		__assign_str(provider);
		__entry->start = start;
		__entry->down = down;
	),
	TP_printk("provider=%s start=%#llx %s", __get_str(provider),
		  __entry->start, __entry->down ? "begins" : "ends")
);

#endif /* _PCI_P2PDMA_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/pci/p2pdma
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
