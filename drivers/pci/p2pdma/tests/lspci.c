// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fabric as lspci -xxxx would print it, for tools/pci/p2ptopo to be held
 * against the kernel.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/pci.h>
#include <linux/seq_buf.h>
#include <linux/unaligned.h>

#include "../route.h"
#include "fabric.h"

static void print_function(struct seq_buf *text, struct pci_dev *pdev)
{
	int at, i, end = min(pdev->cfg_size, FABRIC_CONFIG_SIZE);
	u8 row[16];
	u32 value;

	seq_buf_printf(text, "%s Class [%04x]: Device [%04x:%04x]\n",
		       pci_name(pdev), pdev->class >> 8, pdev->vendor,
		       pdev->device);
	for (at = 0; at < end; at += sizeof(row)) {
		for (i = 0; i < sizeof(row); i += sizeof(value)) {
			pci_read_config_dword(pdev, at + i, &value);
			put_unaligned_le32(value, row + i);
		}
		seq_buf_printf(text, "%02x: %16ph\n", at, row);
	}
	seq_buf_putc(text, '\n');
}

static u64 address_of(struct pci_dev *pdev)
{
	return (u64)pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
}

/* The function with the lowest address from @address on, with a reference, or NULL */
static struct pci_dev *next_function(u64 address)
{
	struct pci_dev *pdev = NULL, *next = NULL;

	for_each_pci_dev(pdev) {
		if (address_of(pdev) < address ||
		    (next && address_of(pdev) > address_of(next)))
			continue;
		pci_dev_put(next);
		next = pci_dev_get(pdev);
	}
	return next;
}

/**
 * fabric_lspci - print all functions of all fabrics, sorted by address
 * @text: where to
 */
void fabric_lspci(struct seq_buf *text)
{
	u64 address = (u64)FABRIC_DOMAIN << 16;
	struct pci_dev *pdev;

	while ((pdev = next_function(address))) {
		print_function(text, pdev);
		address = address_of(pdev) + 1;
		pci_dev_put(pdev);
	}
}

/**
 * fabric_lspci_pair - print a verdict
 * @text: where to
 * @client: function that would do DMA
 * @provider: function whose memory it is
 */
void fabric_lspci_pair(struct seq_buf *text, struct fabric_fn *client,
		       struct fabric_fn *provider)
{
	struct p2pdma_verdict v = p2pdma_route(client->pdev, provider->pdev);

	seq_buf_printf(text, "# pair %s %s %u %u %u %s",
		       pci_name(client->pdev), pci_name(provider->pdev),
		       v.map[P2PDMA_READ], v.map[P2PDMA_WRITE], v.distance,
		       p2pdma_reason_names[v.reason]);
	if (v.has_port)
		seq_buf_printf(text, " %04x:%02x:%02x.%d", v.port_domain,
			       PCI_BUS_NUM(v.port_bdf), PCI_SLOT(v.port_bdf),
			       PCI_FUNC(v.port_bdf));
	seq_buf_putc(text, '\n');
}

/**
 * fabric_write - write a file
 * @test: the test
 * @name: of the file; there is none, or it is replaced
 * @text: what it shall hold
 */
void fabric_write(struct kunit *test, const char *name,
		  struct seq_buf *text)
{
	struct file *file;
	loff_t at = 0;

	KUNIT_ASSERT_FALSE(test, seq_buf_has_overflowed(text));
	file = filp_open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "%s: %pe", name, file);
	KUNIT_EXPECT_EQ(test, kernel_write(file, text->buffer, text->len, &at),
			text->len);
	filp_close(file, NULL);
}
