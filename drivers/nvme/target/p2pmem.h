/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NVMe target: data of commands in peer memory.  See p2pmem.c.
 *
 * Included by nvmet.h, whose structures embed those below.
 */
#ifndef _NVMET_P2PMEM_H
#define _NVMET_P2PMEM_H

#include <linux/blk_types.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct block_device;
struct configfs_attribute;
struct device;
struct nvmet_ctrl;
struct nvmet_ns;
struct nvmet_req;
struct nvmet_subsys;
struct pci_dev;

#ifdef CONFIG_PCI_P2PDMA

/*
 * Why the data of a command are in RAM although the namespace wants them in
 * peer memory.  The names in p2pmem_ram_names[] are ABI; append only.
 */
enum nvmet_p2pmem_ram {
	NVMET_P2PMEM_RAM_OWN,		/* transport brought its own memory */
	NVMET_P2PMEM_RAM_CPU,		/* CPU moves the data, not allowed */
	NVMET_P2PMEM_RAM_UNREACHABLE,	/* no memory that both ends reach */
	NVMET_P2PMEM_RAM_GONE,		/* provider lends none any more */
	NVMET_P2PMEM_RAM_POOL,		/* provider's pool is used up */
	NVMET_P2PMEM_RAM_DEVICE,	/* queue on another device than admin's */
	NVMET_P2PMEM_RAM_REASONS
};

struct nvmet_p2pmem_stats;

/**
 * struct nvmet_p2pmem_ns - a namespace's part
 * @on: its data shall be in peer memory
 * @cpu: also for clients whose data the CPU moves
 * @named: @domain and @bdf name the provider
 * @domain: segment
 * @bdf: bus, device and function, as PCI_DEVID()
 * @drive: PCI function behind the block device, with a reference; set while
 *	the namespace is enabled and @on
 * @node: in p2pmem_namespaces while @drive is set
 * @stats: counters, from the first time that it is enabled with @on
 *
 * @on, @cpu and the name change under the subsystem's lock while the namespace
 * is disabled; the rest is protected by p2pmem_lock.
 */
struct nvmet_p2pmem_ns {
	bool on;
	bool cpu;
	bool named;
	u16 bdf;
	u32 domain;
	struct pci_dev *drive;
	struct list_head node;
	struct nvmet_p2pmem_stats __percpu *stats;
};

/**
 * struct nvmet_p2pmem_ctrl - a controller's part
 * @client: device that does the DMA of its data, NULL if the CPU moves them
 * @choices: by namespace, the provider chosen (with a reference), or why there
 *	is none as xa_mk_value(enum nvmet_p2pmem_ram)
 * @node: in p2pmem_ctrls
 */
struct nvmet_p2pmem_ctrl {
	struct device *client;
	struct xarray choices;
	struct list_head node;
};

/**
 * struct nvmet_p2pmem_req - a command's part
 * @wanted: its data shall be in peer memory
 * @ram: if they are not, enum nvmet_p2pmem_ram
 * @provider: who lends req->sg, NULL if it is RAM; there as long as the memory
 *	is allocated, as its driver cannot go before
 */
struct nvmet_p2pmem_req {
	bool wanted;
	u8 ram;
	struct pci_dev *provider;
};

static inline bool nvmet_p2pmem_is_on(const struct nvmet_p2pmem_ns *ns)
{
	return ns->on;
}

static inline void nvmet_p2pmem_req_init(struct nvmet_p2pmem_req *req)
{
	req->wanted = false;
	req->provider = NULL;
}

static inline bool nvmet_p2pmem_wanted(const struct nvmet_p2pmem_req *req)
{
	return req->wanted;
}

static inline bool nvmet_p2pmem_used(const struct nvmet_p2pmem_req *req)
{
	return req->provider;
}

int nvmet_p2pmem_enable(struct nvmet_ns *ns);
void nvmet_p2pmem_disable(struct nvmet_ns *ns);
void nvmet_p2pmem_exit_ns(struct nvmet_ns *ns);
void nvmet_p2pmem_ctrl_add(struct nvmet_ctrl *ctrl, struct device *client);
void nvmet_p2pmem_ctrl_remove(struct nvmet_ctrl *ctrl);
void nvmet_p2pmem_req_want(struct nvmet_req *req);
bool nvmet_p2pmem_alloc(struct nvmet_req *req, u32 length);
void nvmet_p2pmem_free(struct nvmet_req *req);
u16 nvmet_p2pmem_start(struct nvmet_req *req, blk_opf_t *opf);
struct pci_dev *nvmet_p2pmem_check_drive(struct nvmet_ns *ns,
					 struct block_device *bdev);
int nvmet_p2pmem_check_provider(struct nvmet_ns *ns, struct pci_dev *provider,
				struct pci_dev *drive);
ssize_t nvmet_p2pmem_print(struct nvmet_ns *ns, char *page);
bool nvmet_p2pmem_passes(struct nvmet_subsys *subsys);
int nvmet_p2pmem_init(void);
void nvmet_p2pmem_exit(void);

extern struct configfs_attribute nvmet_ns_attr_p2pmem;
extern struct configfs_attribute nvmet_ns_attr_p2pmem_cpu;
extern struct configfs_attribute nvmet_ns_attr_p2pmem_stats;

#else /* CONFIG_PCI_P2PDMA */

struct nvmet_p2pmem_ns { };
struct nvmet_p2pmem_ctrl { };
struct nvmet_p2pmem_req { };

static inline bool nvmet_p2pmem_is_on(const struct nvmet_p2pmem_ns *ns)
{
	return false;
}

static inline void nvmet_p2pmem_req_init(struct nvmet_p2pmem_req *req)
{
}

static inline bool nvmet_p2pmem_wanted(const struct nvmet_p2pmem_req *req)
{
	return false;
}

static inline bool nvmet_p2pmem_used(const struct nvmet_p2pmem_req *req)
{
	return false;
}

static inline int nvmet_p2pmem_enable(struct nvmet_ns *ns)
{
	return 0;
}

static inline void nvmet_p2pmem_disable(struct nvmet_ns *ns)
{
}

static inline void nvmet_p2pmem_exit_ns(struct nvmet_ns *ns)
{
}

static inline void nvmet_p2pmem_ctrl_add(struct nvmet_ctrl *ctrl,
					 struct device *client)
{
}

static inline void nvmet_p2pmem_ctrl_remove(struct nvmet_ctrl *ctrl)
{
}

static inline void nvmet_p2pmem_req_want(struct nvmet_req *req)
{
}

static inline bool nvmet_p2pmem_alloc(struct nvmet_req *req, u32 length)
{
	return false;
}

static inline void nvmet_p2pmem_free(struct nvmet_req *req)
{
}

static inline u16 nvmet_p2pmem_start(struct nvmet_req *req, blk_opf_t *opf)
{
	return 0;
}

static inline bool nvmet_p2pmem_passes(struct nvmet_subsys *subsys)
{
	return false;
}

static inline int nvmet_p2pmem_init(void)
{
	return 0;
}

static inline void nvmet_p2pmem_exit(void)
{
}

#endif /* CONFIG_PCI_P2PDMA */

#endif /* _NVMET_P2PMEM_H */
