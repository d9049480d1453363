// SPDX-License-Identifier: GPL-2.0-only
/*
 * A transport of the NVMe target for the lab, which is its own client: one
 * controller, whose queues need not be on one card, and which takes protection
 * information.  No transport of the base that runs here has either: two cards
 * of one controller are refused by those that have cards, and metadata need
 * RDMA cards with signature MRs.
 *
 * Writing "NQN CARD CARD2" to the parameter "run" connects an admin queue on
 * the PCI function CARD and an I/O queue on CARD2, writes a pattern to the
 * subsystem's namespace 1, reads it back, compares, and disconnects.  CARD2's
 * part in it is played by the CPU, as it is by the cards of dma_card.c.
 *
 * It calls itself FC, so nvmet-fc must not be loaded.  One run at a time, in
 * the context of who writes; a port outlives no run.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/crc-t10dif.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/t10-pi.h>

#include "nvmet.h"

#define HOST_NQN	"nqn.2014-08.org.nvmexpress:uuid:p2pdma-lab-queues"
#define BLOCK		512
#define BLOCKS		64
#define FIRST_LBA	128
#define DEPTH		32

/* Protects what follows, and the port against its removal */
static DEFINE_MUTEX(run_lock);
static struct nvmet_port *the_port;

struct queue {
	struct nvmet_sq sq;
	struct nvmet_cq cq;
};

struct command {
	struct nvmet_req req;
	struct nvme_command cmd;
	struct nvme_completion cqe;
	struct completion done;
};

static struct command *command_of(struct nvmet_req *req)
{
	return container_of(req, struct command, req);
}

static void queue_response(struct nvmet_req *req)
{
	complete(&command_of(req)->done);
}

static int add_port(struct nvmet_port *port)
{
	guard(mutex)(&run_lock);
	if (the_port)
		return -EBUSY;
	the_port = port;
	return 0;
}

static void remove_port(struct nvmet_port *port)
{
	guard(mutex)(&run_lock);
	the_port = NULL;
}

/* A run ends by itself, in a moment. */
static void delete_ctrl(struct nvmet_ctrl *ctrl)
{
}

static void disc_traddr(struct nvmet_req *req, struct nvmet_port *port,
			char *traddr)
{
	memcpy(traddr, port->disc_addr.traddr, NVMF_TRADDR_SIZE);
}

static const struct nvmet_fabrics_ops queues_ops = {
	.owner		= THIS_MODULE,
	.type		= NVMF_TRTYPE_FC,
	.msdbd		= 1,
	.flags		= NVMF_METADATA_SUPPORTED,
	.add_port	= add_port,
	.remove_port	= remove_port,
	.queue_response	= queue_response,
	.delete_ctrl	= delete_ctrl,
	.disc_traddr	= disc_traddr,
};

/* ---- one command ---- */

static struct command *command_alloc(u8 opcode)
{
	struct command *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return NULL;
	init_completion(&c->done);
	c->cmd.common.opcode = opcode;
	c->cmd.common.flags = NVME_CMD_SGL_METABUF;
	c->req.cmd = &c->cmd;
	c->req.cqe = &c->cqe;
	c->req.port = the_port;
	return c;
}

static int wait_status(struct command *c)
{
	u16 status;

	wait_for_completion(&c->done);
	status = le16_to_cpu(c->cqe.status) >> 1;
	if (!status)
		return 0;
	pr_err("opcode %#x ends with status %#x\n", c->cmd.common.opcode,
	       status);
	return -EIO;
}

/* A command without data, or with some in @data */
static int do_fabrics(struct queue *queue, struct command *c, void *data,
		      size_t size)
{
	struct scatterlist sg;

	if (nvmet_req_init(&c->req, &queue->cq, &queue->sq, &queues_ops)) {
		if (size) {
			sg_init_one(&sg, data, size);
			c->req.sg = &sg;
			c->req.sg_cnt = 1;
		}
		c->req.transfer_len = size;
		c->req.execute(&c->req);
	}
	return wait_status(c);
}

static int do_connect(struct queue *queue, const char *nqn, u16 qid, u16 *id)
{
	struct nvmf_connect_data *data __free(kfree) =
		kzalloc(sizeof(*data), GFP_KERNEL);
	struct command *c __free(kfree) = command_alloc(nvme_fabrics_command);
	int error;

	if (!data || !c)
		return -ENOMEM;
	c->cmd.connect.fctype = nvme_fabrics_type_connect;
	c->cmd.connect.qid = cpu_to_le16(qid);
	c->cmd.connect.sqsize = cpu_to_le16(DEPTH - 1);
	data->cntlid = cpu_to_le16(*id);
	strscpy(data->subsysnqn, nqn);
	strscpy(data->hostnqn, HOST_NQN);
	error = do_fabrics(queue, c, data, sizeof(*data));
	*id = le32_to_cpu(c->cqe.result.u32);
	return error;
}

static int do_enable(struct queue *queue)
{
	struct command *c __free(kfree) = command_alloc(nvme_fabrics_command);

	if (!c)
		return -ENOMEM;
	c->cmd.prop_set.fctype = nvme_fabrics_type_property_set;
	c->cmd.prop_set.offset = cpu_to_le32(NVME_REG_CC);
	c->cmd.prop_set.value = cpu_to_le64(NVME_CC_ENABLE | NVME_CC_CSS_NVM |
					    NVME_CC_IOSQES | NVME_CC_IOCQES);
	return do_fabrics(queue, c, NULL, 0);
}

/* ---- data ---- */

/* What a card would do; @data is all of the command's, or its metadata */
static void move_data(struct scatterlist *sg, int count, void *data, bool out)
{
	int i;

	for_each_sg(sg, sg, count, i) {
		if (out)
			memcpy_toio((void __iomem __force *)sg_virt(sg), data,
				    sg->length);
		else
			memcpy_fromio(data, (void __iomem __force *)sg_virt(sg),
				      sg->length);
		data += sg->length;
	}
	wmb(); /* ahead of the drive's doorbell, as a card's completion would be */
}

static void move_all(struct nvmet_req *req, void *data,
		     struct t10_pi_tuple *tuples, bool out)
{
	move_data(req->sg, req->sg_cnt, data, out);
	if (req->metadata_len)
		move_data(req->metadata_sg, req->metadata_sg_cnt, tuples, out);
}

static int execute_io(struct command *c, void *data,
		      struct t10_pi_tuple *tuples)
{
	bool write = nvme_is_write(&c->cmd);
	struct nvmet_req *req = &c->req;
	int error;

	req->transfer_len = BLOCKS * BLOCK + req->metadata_len;
	if (nvmet_req_alloc_sgls(req)) {
		nvmet_req_uninit(req);
		return -ENOMEM;
	}
	if (write)
		move_all(req, data, tuples, true);
	req->execute(req);
	error = wait_status(c);
	if (!error && !write) {
		move_all(req, data, tuples, false);
		if (nvmet_p2pmem_used(&req->p2pmem) && nvmet_p2pmem_sent(req))
			error = -EIO;
	}
	nvmet_req_free_sgls(req);
	return error;
}

static int do_io(struct queue *queue, u8 opcode, void *data,
		 struct t10_pi_tuple *tuples, bool *metadata)
{
	struct command *c __free(kfree) = command_alloc(opcode);
	int error;

	if (!c)
		return -ENOMEM;
	c->cmd.rw.nsid = cpu_to_le32(1);
	c->cmd.rw.slba = cpu_to_le64(FIRST_LBA);
	c->cmd.rw.length = cpu_to_le16(BLOCKS - 1);
	if (!nvmet_req_init(&c->req, &queue->cq, &queue->sq, &queues_ops))
		return wait_status(c);
	error = execute_io(c, data, tuples);
	*metadata = c->req.metadata_len;
	return error;
}

static void make_tuples(u8 *data, struct t10_pi_tuple *tuples)
{
	int i;

	for (i = 0; i < BLOCKS; i++) {
		tuples[i].guard_tag =
			cpu_to_be16(crc_t10dif(data + i * BLOCK, BLOCK));
		tuples[i].app_tag = 0;
		tuples[i].ref_tag = cpu_to_be32(FIRST_LBA + i);
	}
}

/* Write, read, compare */
static int round_trip(struct queue *queue)
{
	u8 *data __free(kfree) = kmalloc(2 * BLOCKS * BLOCK, GFP_KERNEL);
	struct t10_pi_tuple *tuples __free(kfree) =
		kcalloc(2 * BLOCKS, sizeof(*tuples), GFP_KERNEL);
	bool metadata = false;
	int error;

	if (!data || !tuples)
		return -ENOMEM;
	get_random_bytes(data, BLOCKS * BLOCK);
	make_tuples(data, tuples);
	error = do_io(queue, nvme_cmd_write, data, tuples, &metadata) ?:
		do_io(queue, nvme_cmd_read, data + BLOCKS * BLOCK,
		      tuples + BLOCKS, &metadata);
	if (error)
		return error;
	if (memcmp(data, data + BLOCKS * BLOCK, BLOCKS * BLOCK) ||
	    (metadata &&
	     memcmp(tuples, tuples + BLOCKS, BLOCKS * sizeof(*tuples)))) {
		pr_err("what is read is not what was written\n");
		return -EILSEQ;
	}
	pr_info("%d bytes there and back%s\n", BLOCKS * BLOCK,
		metadata ? ", with metadata" : "");
	return 0;
}

/* ---- a run ---- */

static int open_queue(struct queue *queue, struct pci_dev *card)
{
	memset(queue, 0, sizeof(*queue));
	queue->sq.dma_client = &card->dev;
	return nvmet_sq_init(&queue->sq);
}

static int with_io_queue(struct queue *admin, struct pci_dev *card,
			 const char *nqn, u16 id)
{
	struct queue *io __free(kfree) = kmalloc(sizeof(*io), GFP_KERNEL);
	int error = io ? open_queue(io, card) : -ENOMEM;

	if (error)
		return error;
	error = do_enable(admin) ?: do_connect(io, nqn, 1, &id) ?:
		round_trip(io);
	nvmet_sq_destroy(&io->sq);
	return error;
}

static int with_admin_queue(struct pci_dev *card, struct pci_dev *card2,
			    const char *nqn)
{
	struct queue *admin __free(kfree) = kmalloc(sizeof(*admin), GFP_KERNEL);
	int error = admin ? open_queue(admin, card) : -ENOMEM;
	u16 id = NVME_CNTLID_DYNAMIC;

	if (error)
		return error;
	error = do_connect(admin, nqn, 0, &id) ?:
		with_io_queue(admin, card2, nqn, id);
	nvmet_sq_destroy(&admin->sq);
	return error;
}

static struct pci_dev *find_card(const char *name)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, name);

	return dev ? to_pci_dev(dev) : NULL;
}

static int run_set(const char *text, const struct kernel_param *kp)
{
	struct pci_dev *card __free(pci_dev_put) = NULL;
	struct pci_dev *card2 __free(pci_dev_put) = NULL;
	char nqn[64], name[32], name2[32];

	if (sscanf(text, "%63s %31s %31s", nqn, name, name2) != 3)
		return -EINVAL;
	card = find_card(name);
	card2 = find_card(name2);
	if (!card || !card2)
		return -ENODEV;
	guard(mutex)(&run_lock);
	return the_port ? with_admin_queue(card, card2, nqn) : -ENXIO;
}

static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "NQN CARD CARD2: admin queue on CARD, I/O on CARD2");

static int __init queues_init(void)
{
	return nvmet_register_transport(&queues_ops);
}
module_init(queues_init);

static void __exit queues_exit(void)
{
	nvmet_unregister_transport(&queues_ops);
}
module_exit(queues_exit);

MODULE_DESCRIPTION("The lab's own client and transport of the NVMe target");
MODULE_LICENSE("GPL");
