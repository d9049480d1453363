// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one port does with peer-to-peer traffic: PCIe r6.0, sec 6.12 (Access
 * Control Services).
 *
 * ACS matters where a request could turn round: at the downstream port of a
 * switch that it enters from below, or at a function of a multi-function
 * device that sends to another.  Ports that pass it straight up or straight
 * down apply none of the rules here.
 */
#include <linux/bitfield.h>
#include <linux/pci.h>

#include "p2pdma.h"

/* Enabled ACS controls of @pdev; 0 where it has no ACS capability. */
static u16 acs_control(struct pci_dev *pdev)
{
	u16 ctrl;

	if (!pdev->acs_cap ||
	    pci_read_config_word(pdev, pdev->acs_cap + PCI_ACS_CTRL, &ctrl))
		return 0;
	/* A device that is gone reads as all ones: nothing goes through it. */
	return ctrl;
}

/*
 * The bit that stands for @egress in an Egress Control Vector: the Port
 * Number for a switch port, the function number (or the ARI function group,
 * while those are enabled) for a multi-function device: sec 7.7.11.4.
 */
static unsigned int egress_bit(struct pci_dev *egress)
{
	u32 lnkcap;

	if (pci_pcie_type(egress) == PCI_EXP_TYPE_DOWNSTREAM ||
	    pci_pcie_type(egress) == PCI_EXP_TYPE_ROOT_PORT) {
		if (pcie_capability_read_dword(egress, PCI_EXP_LNKCAP, &lnkcap))
			return UINT_MAX;
		return FIELD_GET(PCI_EXP_LNKCAP_PN, lnkcap);
	}
	if (pci_ari_enabled(egress->bus))
		return UINT_MAX;
	return PCI_FUNC(egress->devfn);
}

/*
 * Is the vector bit for @egress set?  What cannot be told from here (a vector
 * too short, function groups, a config read that fails) counts as set: the
 * cautious answer, as the request then is not routed directly.
 */
static bool egress_forbidden(struct pci_dev *ingress, struct pci_dev *egress)
{
	unsigned int bit = egress_bit(egress);
	u8 bits;
	u32 vector;

	if (pci_read_config_byte(ingress, ingress->acs_cap + PCI_ACS_EGRESS_BITS,
				 &bits))
		return true;
	/* Egress Control Vector Size: 00h encodes 256 bits, sec 7.7.11.2 */
	if (bit >= (bits ?: 256))
		return true;
	if (pci_read_config_dword(ingress, ingress->acs_cap +
				  PCI_ACS_EGRESS_CTL_V + bit / 32 * 4, &vector))
		return true;
	return vector & BIT(bit % 32);
}

/**
 * p2pdma_acs_request - what happens to an untranslated peer request
 * @ingress: port or function where the request comes in
 * @egress: sibling of @ingress towards the peer
 *
 * Table 6-11 of PCIe r6.0, sec 6.12.3.1: with egress control enabled the
 * vector decides, and request redirect only says what happens to requests
 * that the vector forbids; without it, request redirect alone decides.
 *
 * Context: any; reads config space.
 * Return: how @ingress treats the request.
 */
enum p2pdma_acs p2pdma_acs_request(struct pci_dev *ingress,
				   struct pci_dev *egress)
{
	u16 ctrl = acs_control(ingress);

	if ((ctrl & PCI_ACS_EC) && !egress_forbidden(ingress, egress))
		return P2PDMA_ACS_DIRECT;
	if (ctrl & PCI_ACS_RR)
		return P2PDMA_ACS_REDIRECT;
	return ctrl & PCI_ACS_EC ? P2PDMA_ACS_BLOCK : P2PDMA_ACS_DIRECT;
}

/**
 * p2pdma_acs_completion - what happens to the completions of peer reads
 * @ingress: port or function where the completions come in, on the side of
 *	the provider
 *
 * Completion redirect spares only completions with Relaxed Ordering set
 * (sec 6.12.1.1), which nobody can promise here.
 *
 * Context: any; reads config space.
 * Return: P2PDMA_ACS_DIRECT or P2PDMA_ACS_REDIRECT.
 */
enum p2pdma_acs p2pdma_acs_completion(struct pci_dev *ingress)
{
	return acs_control(ingress) & PCI_ACS_CR ? P2PDMA_ACS_REDIRECT :
						   P2PDMA_ACS_DIRECT;
}
