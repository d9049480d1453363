/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's edu device, as far as it does DMA: see docs/specs/edu.rst there.
 */
#ifndef _SAMPLES_PCI_P2PDMA_EDU_H
#define _SAMPLES_PCI_P2PDMA_EDU_H

#include <linux/bits.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/sizes.h>
#include <linux/time64.h>

#define EDU_VENDOR_ID		0x1234
#define EDU_DEVICE_ID		0x11e8
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_CMD		0x98
#define  EDU_DMA_RUN		BIT(0)
#define  EDU_DMA_FROM_EDU	BIT(1)
#define EDU_BUFFER		0x40000
#define EDU_CHUNK		SZ_2K
/* It takes a tenth of a second for anything. */
#define EDU_TIMEOUT_US		(2 * USEC_PER_SEC)

/* One transfer; either address may be in the device's own buffer. */
static inline int edu_dma(void __iomem *regs, u64 src, u64 dst, u32 count,
			  u32 cmd)
{
	writeq(src, regs + EDU_DMA_SRC);
	writeq(dst, regs + EDU_DMA_DST);
	writeq(count, regs + EDU_DMA_COUNT);
	writel(cmd | EDU_DMA_RUN, regs + EDU_DMA_CMD);
	return readl_poll_timeout(regs + EDU_DMA_CMD, cmd,
				  !(cmd & EDU_DMA_RUN), 1000, EDU_TIMEOUT_US);
}

#endif /* _SAMPLES_PCI_P2PDMA_EDU_H */
