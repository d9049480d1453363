/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NVMe target: data of commands in peer memory.  See p2pmem.c for commands,
 * p2pmem-choice.c for where their memory comes from, p2pmem-use.c for who has it.
 *
 * Included by nvmet.h, whose structures embed those below.
 */
#ifndef _NVMET_P2PMEM_H
#define _NVMET_P2PMEM_H

#include <linux/blk_types.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/memremap.h>
#include <linux/percpu-refcount.h>
#include <linux/ratelimit_types.h>
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
	NVMET_P2PMEM_RAM_OWN,		/* transport has memory of its own */
	NVMET_P2PMEM_RAM_CPU,		/* CPU moves the data, not allowed */
	NVMET_P2PMEM_RAM_UNREACHABLE,	/* no memory that both ends reach */
	NVMET_P2PMEM_RAM_GONE,		/* provider has none any more */
	NVMET_P2PMEM_RAM_POOL,		/* provider's pool is used up */
	NVMET_P2PMEM_RAM_DEVICE,	/* queue on another device than admin's */
	NVMET_P2PMEM_RAM_OUTAGE,	/* provider is being reset or recovered */
	NVMET_P2PMEM_RAM_DRIVE,		/* drive takes no peer memory now */
	NVMET_P2PMEM_RAM_REASONS
};

extern const char * const nvmet_p2pmem_ram_names[];

/*
 * Counted per namespace, when a command has succeeded.  @requests and @bytes
 * are of reads and writes with their data in peer memory, @cpu_* those of them
 * that the CPU moved.  @interrupted ones did not succeed.
 */
struct nvmet_p2pmem_counts {
	u64 requests;
	u64 bytes;
	u64 cpu_requests;
	u64 cpu_bytes;
	u64 interrupted;
	u64 ram_metadata;
	u64 ram[NVMET_P2PMEM_RAM_REASONS];
};

/**
 * struct nvmet_p2pmem_stats - counters of a namespace
 * @ref: one of the namespace, and one of each command that has peer memory,
 *	which may hold that longer than it holds the namespace
 * @counts: the counters
 */
struct nvmet_p2pmem_stats {
	struct percpu_ref ref;
	struct nvmet_p2pmem_counts __percpu *counts;
};

#define NVMET_P2PMEM_DRIVES	16

/**
 * struct nvmet_p2pmem_drives - what moves the data of a block device
 * @function: PCI functions, held by nvmet_p2pmem_function_get()
 * @count: their number
 */
struct nvmet_p2pmem_drives {
	struct pci_dev *function[NVMET_P2PMEM_DRIVES];
	unsigned int count;
};

/**
 * struct nvmet_p2pmem_ns - a namespace's part
 * @on: its data shall be in peer memory
 * @cpu: also for clients whose data the CPU moves
 * @named: what the provider is named by, see pci_p2pmem_check_name(); NULL if
 *	it is to be chosen
 * @enabled: the namespace is enabled and @on
 * @drives: PCI functions behind the block device, while @enabled
 * @node: in p2pmem_namespaces while @enabled
 * @stats: counters, from the first time that it is enabled with @on
 * @away: provider that was chosen and is out of reach now, with a reference
 * @logged: the choice that was logged last: a provider, to be compared only,
 *	or a reason
 * @unlogged: it is not what was chosen since, as there were too many lines
 * @log_limit: limits these lines
 *
 * @on, @cpu and the name change under the subsystem's lock while the namespace
 * is disabled; the rest is protected by p2pmem_lock.
 */
struct nvmet_p2pmem_ns {
	bool on;
	bool cpu;
	char *named;
	bool enabled;
	struct nvmet_p2pmem_drives drives;
	struct list_head node;
	struct nvmet_p2pmem_stats *stats;
	struct pci_dev *away;
	const void *logged;
	bool unlogged;
	struct ratelimit_state log_limit;
};

/**
 * struct nvmet_p2pmem_ctrl - a controller's part
 * @client: device that does the DMA of its data, with a reference, as the
 *	transport has it; NULL if the CPU moves them, or with @own
 * @function: PCI function behind @client, with a reference; NULL if none is
 * @own: the transport has memory of its own for the data
 * @choices: by namespace, the struct nvmet_p2pmem_use chosen, or why there is
 *	none as xa_mk_value(enum nvmet_p2pmem_ram)
 * @uses: list of the struct nvmet_p2pmem_use in @choices
 * @outage: when an outage has last interrupted a command, in jiffies with bit 0
 *	set; 0 if that is a while ago
 * @node: in p2pmem_ctrls
 */
struct nvmet_p2pmem_ctrl {
	struct device *client;
	struct pci_dev *function;
	bool own;
	struct xarray choices;
	struct list_head uses;
	unsigned long outage;
	struct list_head node;
};

/**
 * struct nvmet_p2pmem_use - a controller takes memory from a provider
 * @commands: those that have some, and one for all of @choices
 * @provider: with a reference
 * @ctrl: NULL if it has gone before its last command
 * @choices: number of its namespaces that have this chosen
 * @node: in nvmet_p2pmem_ctrl.uses while there are @choices, then in
 *	p2pmem_ending
 * @avoid: why the provider did not work, enum nvmet_p2pmem_ram plus 1, or 0
 * @avoided: when that was, in jiffies
 * @going: the provider takes its memory back, or a part of it: this use, which
 *	nobody has chosen any more, has to end
 * @since: when that began, in jiffies
 * @failed: @ctrl was failed, as it did not let go
 * @freed: in p2pmem_freed, at the end
 *
 * While there are @choices, the fields from @choices to @node are protected by
 * p2pmem_lock, then by p2pmem_ending_lock, together with @ctrl; so are @going,
 * @since and @failed.
 */
struct nvmet_p2pmem_use {
	struct percpu_ref commands;
	struct pci_dev *provider;
	struct nvmet_ctrl *ctrl;
	unsigned int choices;
	struct list_head node;
	unsigned int avoid;
	unsigned long avoided;
	bool going;
	unsigned long since;
	bool failed;
	struct llist_node freed;
};

/**
 * struct nvmet_p2pmem_req - a command's part
 * @wanted: its data shall be in peer memory
 * @of_client: the client's own memory, which the transport passes on (loop), has
 *	peer memory among it
 * @some_ram: it has data in RAM, for the reason @ram; set when it is started
 * @ram: enum nvmet_p2pmem_ram
 * @peer: number of bytes in peer memory, likewise
 * @outages: pci_p2pdma_outages() before the memory was taken
 * @use: where req->sg was taken from, NULL if it was not; the provider's driver
 *	cannot go before it is given back
 * @stats: of the namespace, which may go before; set with @use
 */
struct nvmet_p2pmem_req {
	bool wanted;
	bool of_client;
	bool some_ram;
	u8 ram;
	u32 peer;
	unsigned long outages;
	struct nvmet_p2pmem_use *use;
	struct nvmet_p2pmem_stats *stats;
};

static inline bool nvmet_p2pmem_is_on(const struct nvmet_p2pmem_ns *ns)
{
	return ns->on;
}

static inline void nvmet_p2pmem_req_init(struct nvmet_p2pmem_req *req)
{
	req->wanted = false;
	req->of_client = false;
	req->peer = 0;
	req->use = NULL;
}

static inline bool nvmet_p2pmem_wanted(const struct nvmet_p2pmem_req *req)
{
	return req->wanted;
}

static inline bool nvmet_p2pmem_of_client(const struct nvmet_p2pmem_req *req)
{
	return req->of_client;
}

/* It has memory of a provider that the target chose */
static inline bool nvmet_p2pmem_used(const struct nvmet_p2pmem_req *req)
{
	return req->use;
}

/* It was started with data in peer memory, of whomever */
static inline bool nvmet_p2pmem_has_peer(const struct nvmet_p2pmem_req *req)
{
	return req->peer;
}

/* p2pmem.c */
void nvmet_p2pmem_req_want(struct nvmet_req *req);
u16 nvmet_p2pmem_req_pass_on(struct nvmet_req *req);
bool nvmet_p2pmem_alloc(struct nvmet_req *req, u32 length);
void nvmet_p2pmem_free(struct nvmet_req *req);
void nvmet_p2pmem_unmappable(struct nvmet_req *req);
bool nvmet_p2pmem_lost(struct nvmet_req *req);
u16 __nvmet_p2pmem_start(struct nvmet_req *req, blk_opf_t *opf);
u16 nvmet_p2pmem_refused(struct nvmet_req *req);
u16 nvmet_p2pmem_done(struct nvmet_req *req, u16 status);
u16 nvmet_p2pmem_sent(struct nvmet_req *req);
bool nvmet_p2pmem_passes(struct nvmet_subsys *subsys);
struct nvmet_p2pmem_stats *nvmet_p2pmem_stats_alloc(void);
void nvmet_p2pmem_exit_ns(struct nvmet_ns *ns);
ssize_t nvmet_p2pmem_print(struct nvmet_ns *ns, char *page);

/* p2pmem-choice.c */
int nvmet_p2pmem_enable(struct nvmet_ns *ns);
void nvmet_p2pmem_disable(struct nvmet_ns *ns);
void nvmet_p2pmem_ctrl_add(struct nvmet_ctrl *ctrl, struct device *client);
void nvmet_p2pmem_ctrl_remove(struct nvmet_ctrl *ctrl);
struct nvmet_p2pmem_use *nvmet_p2pmem_use_get(struct nvmet_req *req);
void nvmet_p2pmem_choose_later(unsigned long delay);
ssize_t nvmet_p2pmem_print_choices(struct nvmet_ns *ns, char *page, ssize_t at);
int nvmet_p2pmem_init(void);
void nvmet_p2pmem_exit(void);

/* p2pmem-drives.c */
struct pci_dev *nvmet_p2pmem_function_get(struct device *dev);
void nvmet_p2pmem_function_put(struct pci_dev *function);
bool nvmet_p2pmem_drives_have(const struct nvmet_p2pmem_drives *drives,
			      const struct pci_dev *function);
void nvmet_p2pmem_drives_put(struct nvmet_p2pmem_drives *drives);
void nvmet_p2pmem_drives_update(struct nvmet_p2pmem_drives *drives,
				struct block_device *bdev);
int nvmet_p2pmem_check_drives(struct nvmet_ns *ns, struct block_device *bdev,
			      struct nvmet_p2pmem_drives *drives);
int nvmet_p2pmem_check_provider(struct nvmet_ns *ns, struct pci_dev *provider,
				const struct nvmet_p2pmem_drives *drives);

/* p2pmem-use.c */
struct nvmet_p2pmem_use *nvmet_p2pmem_use_choose(struct nvmet_ctrl *ctrl,
						 struct pci_dev *provider);
void nvmet_p2pmem_use_drop(struct nvmet_p2pmem_use *use);
void nvmet_p2pmem_use_avoid(struct nvmet_p2pmem_use *use,
			    enum nvmet_p2pmem_ram reason);
bool nvmet_p2pmem_use_avoided(const struct nvmet_p2pmem_use *use,
			      enum nvmet_p2pmem_ram *reason);
bool nvmet_p2pmem_use_is_exhausted(const struct nvmet_p2pmem_use *use);
void nvmet_p2pmem_uses_wait(struct pci_dev *provider, unsigned long timeout);
void nvmet_p2pmem_uses_begin_grace(struct pci_dev *provider);
void nvmet_p2pmem_uses_drop_ctrl(struct nvmet_ctrl *ctrl);
void nvmet_p2pmem_uses_init(void);
void nvmet_p2pmem_uses_exit(void);

extern struct configfs_attribute nvmet_ns_attr_p2pmem;
extern struct configfs_attribute nvmet_ns_attr_device_p2pmem;
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

static inline u16 nvmet_p2pmem_req_pass_on(struct nvmet_req *req)
{
	return 0;
}

static inline bool nvmet_p2pmem_of_client(const struct nvmet_p2pmem_req *req)
{
	return false;
}

static inline bool nvmet_p2pmem_wanted(const struct nvmet_p2pmem_req *req)
{
	return false;
}

static inline bool nvmet_p2pmem_used(const struct nvmet_p2pmem_req *req)
{
	return false;
}

static inline bool nvmet_p2pmem_has_peer(const struct nvmet_p2pmem_req *req)
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

static inline void nvmet_p2pmem_unmappable(struct nvmet_req *req)
{
}

static inline bool nvmet_p2pmem_lost(struct nvmet_req *req)
{
	return false;
}

static inline u16 __nvmet_p2pmem_start(struct nvmet_req *req, blk_opf_t *opf)
{
	return 0;
}

static inline u16 nvmet_p2pmem_refused(struct nvmet_req *req)
{
	return 0;
}

static inline u16 nvmet_p2pmem_done(struct nvmet_req *req, u16 status)
{
	return status;
}

static inline u16 nvmet_p2pmem_sent(struct nvmet_req *req)
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
