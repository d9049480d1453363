/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The controller memory buffer of an NVMe drive: what its registers say, and
 * how much of that can be registered to peers.  Arithmetic only, so that it can
 * be tested without a drive.
 */
#ifndef _NVME_HOST_CMB_H
#define _NVME_HOST_CMB_H

#include <linux/align.h>
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/nvme.h>
#include <linux/types.h>

/*
 * What CMBLOC says besides the place (NVMe 2.0, sec. 3.1.3.11).  Those that are
 * not named here lift limits that are kept anyway: each submission queue is all
 * in the CMB, in one piece and aligned to pages, or not at all (CQMMS, CQPDS,
 * CQDA); PRP lists and SGLs are never in there (CDPMLS, CDPCILS, and LISTS in
 * CMBSZ).
 */
#define NVME_CMBLOC_CDMMMS	BIT(7)	/* data and metadata may be anywhere */

/* Sec. 3.1.3.17: does the controller decode the address in CMBMSC? */
#define NVME_REG_CMBSTS		0x58
#define NVME_CMBSTS_CBAI	BIT(0)

/**
 * struct nvme_cmb - where the CMB is
 * @bar: BAR that it is in, as the controller says: up to 7
 * @offset: first byte in the BAR
 * @size: number of bytes; 0 if they cannot be told
 */
struct nvme_cmb {
	unsigned int bar;
	u64 offset;
	u64 size;
};

/* What CMBSZ and CMBLOC say.  No product of these wraps: 2^20 times 64 GiB. */
static inline struct nvme_cmb nvme_cmb_decode(u32 cmbsz, u32 cmbloc)
{
	u8 szu = (cmbsz >> NVME_CMBSZ_SZU_SHIFT) & NVME_CMBSZ_SZU_MASK;
	/* 64 GiB is the largest that there is, the rest is reserved */
	u64 unit = szu > 6 ? 0 : 1ULL << (12 + 4 * szu);

	return (struct nvme_cmb) {
		.bar = NVME_CMB_BIR(cmbloc),
		.offset = unit * NVME_CMB_OFST(cmbloc),
		.size = unit * ((cmbsz >> NVME_CMBSZ_SZ_SHIFT) &
				NVME_CMBSZ_SZ_MASK),
	};
}

/*
 * Controllers may support a CMB size larger than their BAR, for example, due to
 * being behind a bridge: reduce it to a BAR of @len bytes.  False if nothing of
 * it is in there.
 */
static inline bool nvme_cmb_fit(struct nvme_cmb *cmb, u64 len)
{
	if (!cmb->size || cmb->offset >= len)
		return false;
	cmb->size = min(cmb->size, len - cmb->offset);
	return true;
}

/*
 * Cut a CMB that fits a BAR at @base to what can have struct pages, which come
 * in sections of @align bytes: so up to one is left out at either end.  The
 * first @registers bytes of the BAR are no memory, whatever CMBLOC says.  False
 * if nothing is left.
 */
static inline bool nvme_cmb_align(struct nvme_cmb *cmb, u64 base, u64 registers,
				  u64 align)
{
	u64 start = ALIGN(base + max(cmb->offset, registers), align);
	u64 end = ALIGN_DOWN(base + cmb->offset + cmb->size, align);

	if (start >= end)
		return false;
	cmb->offset = start - base;
	cmb->size = end - start;
	return true;
}

/* Can it be used for anything that is of use here? */
static inline bool nvme_cmb_usable(u32 cmbsz)
{
	return cmbsz & (NVME_CMBSZ_SQS | NVME_CMBSZ_RDS | NVME_CMBSZ_WDS);
}

/* Others may need it for data in either direction. */
static inline bool nvme_cmb_for_data(u32 cmbsz)
{
	return (cmbsz & NVME_CMBSZ_RDS) && (cmbsz & NVME_CMBSZ_WDS);
}

static inline bool nvme_cmb_for_queues(u32 cmbsz)
{
	return cmbsz & NVME_CMBSZ_SQS;
}

/* All ones, of a controller that is gone, are no address either. */
static inline bool nvme_cmb_decoded(u32 cmbsts)
{
	return !(cmbsts & NVME_CMBSTS_CBAI);
}

/**
 * struct nvme_cmb_use - where the data and metadata of a command are
 * @write: it moves them to the controller
 * @inside: some are in the controller's own CMB
 * @outside: some are not
 */
struct nvme_cmb_use {
	bool write;
	bool inside;
	bool outside;
};

static inline void nvme_cmb_use_add(struct nvme_cmb_use *use, u64 start,
				    u64 size, u64 addr)
{
	if (addr - start < size)
		use->inside = true;
	else
		use->outside = true;
}

/*
 * Would a controller take a command?  Unless it has CDMMMS, all data and
 * metadata have to be in the CMB, or none: it answers Invalid Use of Controller
 * Memory Buffer, or, if it is careless, with whatever it then finds there.
 */
static inline bool nvme_cmb_takes(u32 cmbsz, u32 cmbloc,
				  const struct nvme_cmb_use *use)
{
	if (!use->inside)
		return true;
	if (!(cmbsz & (use->write ? NVME_CMBSZ_WDS : NVME_CMBSZ_RDS)))
		return false;
	return !use->outside || cmbloc & NVME_CMBLOC_CDMMMS;
}

#endif /* _NVME_HOST_CMB_H */
