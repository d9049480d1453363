// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: what one port does with a peer request
 *
 * What one port does with peer-to-peer traffic: PCIe r6.0, sec 6.12 (Access
 * Control Services).
 *
 * ACS matters where a request could turn round: at the downstream port of a
 * switch that it enters from below, or at a function of a multi-function
 * device that sends to another.  Ports that pass it straight down apply none of
 * the rules here; those that pass it straight up only have a say if it was
 * redirected before.
 *
 * Untranslated and Translated Requests (of a client with ATS) are two
 * questions: Translation Blocking drops the latter, Direct Translated lets them
 * pass where the former are redirected.  Source Validation drops what a proper
 * client never sends, and counts for nothing here.
 *
 * Some ports and functions do what ACS would have them do without a capability
 * that says so; pci_dev_specific_acs_enabled() knows them.
 */
#include <linux/bitfield.h>
#include <linux/pci.h>

#include "../pci.h"
#include "acs.h"

/* Set when what should have been looked at could not be read */
bool p2pdma_acs_unread;

static void note_unread(void)
{
	if (!READ_ONCE(p2pdma_acs_unread))
		WRITE_ONCE(p2pdma_acs_unread, true);
}

/**
 * p2pdma_acs_control - enabled ACS controls of a function
 * @pdev: the function
 *
 * What cannot be read, because the device is gone for example, redirects
 * everything: the cautious choice.
 *
 * Context: any; reads config space.
 * Return: PCI_ACS_*; 0 where there is no ACS capability.
 */
u16 p2pdma_acs_control(struct pci_dev *pdev)
{
	u16 ctrl;

	if (!pdev->acs_cap)
		return 0;
	if (pci_read_config_word(pdev, pdev->acs_cap + PCI_ACS_CTRL, &ctrl) ||
	    PCI_POSSIBLE_ERROR(ctrl)) {
		note_unread();
		return PCI_ACS_TB | PCI_ACS_RR | PCI_ACS_CR;
	}
	return ctrl;
}

/* All ones if it cannot be read */
static u16 acs_capability(struct pci_dev *pdev)
{
	u16 cap;

	if (!pdev->acs_cap)
		return 0;
	pci_read_config_word(pdev, pdev->acs_cap + PCI_ACS_CAP, &cap);
	if (PCI_POSSIBLE_ERROR(cap))
		note_unread();
	return cap;
}

/*
 * Does @pdev do what @flag stands for whatever is in its registers?  Quirks of
 * PCIe devices look at config space, if at anything.
 */
static bool acs_by_quirk(struct pci_dev *pdev, u16 flag)
{
	return pci_dev_specific_acs_enabled(pdev, flag) > 0;
}

/*
 * Can the functions of a device reach each other inside it?  Only a function
 * that could redirect such requests (and so has to have the bit for it, sec
 * 6.12.1.2) is known to do them at all: others may send everything upstream.
 */
static bool routes_internally(struct pci_dev *function)
{
	u16 cap = acs_capability(function);

	if (PCI_POSSIBLE_ERROR(cap) || acs_by_quirk(function, PCI_ACS_RR))
		return false;
	return (cap & PCI_ACS_RR) && (cap & PCI_ACS_CR);
}

static bool is_port(struct pci_dev *pdev)
{
	return pci_pcie_type(pdev) == PCI_EXP_TYPE_DOWNSTREAM ||
	       pci_pcie_type(pdev) == PCI_EXP_TYPE_ROOT_PORT;
}

/*
 * The bit that stands for @egress in an Egress Control Vector: the Port
 * Number for a switch port, the function number (or the ARI function group,
 * while those are enabled) for a multi-function device: sec 7.7.11.4.
 */
static unsigned int egress_bit(struct pci_dev *ingress, struct pci_dev *egress)
{
	unsigned int number;
	u32 lnkcap;

	/* A port's vector has no bit for functions, and the other way round */
	if (is_port(ingress) != is_port(egress))
		return UINT_MAX;
	if (is_port(egress)) {
		if (pcie_capability_read_dword(egress, PCI_EXP_LNKCAP, &lnkcap))
			return UINT_MAX;
		number = FIELD_GET(PCI_EXP_LNKCAP_PN, lnkcap);
		return pci_port_number_is_shared(egress, number) ? UINT_MAX : number;
	}
	/*
	 * data_race: other bits of these words change at any time, these two
	 * with the topology
	 */
	if (data_race(egress->is_virtfn || pci_ari_enabled(egress->bus)))
		return UINT_MAX;
	return PCI_FUNC(egress->devfn);
}

/*
 * Is the vector bit for @egress set?  What cannot be told from here (a vector
 * too short, function groups, a Port Number that several have or none, a config
 * read that fails) counts as set: the cautious choice, as the request then is not
 * routed directly.
 */
static bool egress_blocked(struct pci_dev *ingress, struct pci_dev *egress)
{
	unsigned int bit = egress_bit(ingress, egress);
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
	u16 ctrl = p2pdma_acs_control(ingress);

	/* Conventional devices share a bus, there is nothing to control. */
	if (!pci_is_pcie(ingress))
		return P2PDMA_ACS_DIRECT;
	if (!is_port(ingress) && !routes_internally(ingress))
		return P2PDMA_ACS_NOT_ROUTED;
	if (acs_by_quirk(ingress, PCI_ACS_RR))
		return P2PDMA_ACS_REDIRECT;
	if ((ctrl & PCI_ACS_EC) && !egress_blocked(ingress, egress))
		return P2PDMA_ACS_DIRECT;
	if (ctrl & PCI_ACS_RR)
		return P2PDMA_ACS_REDIRECT;
	return ctrl & PCI_ACS_EC ? P2PDMA_ACS_BLOCK : P2PDMA_ACS_DIRECT;
}

/**
 * p2pdma_acs_translated - what happens to a Translated Request to a peer
 * @ingress: port or function where the request comes in
 * @egress: sibling of @ingress where it would go out
 *
 * As p2pdma_acs_request(), but where Direct Translated P2P is enabled neither
 * redirect nor egress control holds it up (sec 6.12.1.1); where Translation
 * Blocking is, no such request gets in.
 *
 * Context: any; reads config space.
 * Return: how @ingress treats the request.
 */
enum p2pdma_acs p2pdma_acs_translated(struct pci_dev *ingress,
				      struct pci_dev *egress)
{
	if (p2pdma_acs_blocks_translated(ingress))
		return P2PDMA_ACS_BLOCK;
	if ((p2pdma_acs_control(ingress) & PCI_ACS_DT) &&
	    (is_port(ingress) || routes_internally(ingress)) &&
	    !acs_by_quirk(ingress, PCI_ACS_RR))
		return P2PDMA_ACS_DIRECT;
	return p2pdma_acs_request(ingress, egress);
}

/**
 * p2pdma_acs_blocks_translated - does a port let no Translated Request in?
 * @port: port, or another function, that is none
 *
 * It concerns each port that such a request passes on its way up, not only the
 * one where it turns round.
 *
 * Context: any; reads config space.
 * Return: true if Translation Blocking is enabled.
 */
bool p2pdma_acs_blocks_translated(struct pci_dev *port)
{
	return is_port(port) && (p2pdma_acs_control(port) & PCI_ACS_TB);
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
 * Return: P2PDMA_ACS_DIRECT, P2PDMA_ACS_REDIRECT or P2PDMA_ACS_NOT_ROUTED.
 */
enum p2pdma_acs p2pdma_acs_completion(struct pci_dev *ingress)
{
	if (!pci_is_pcie(ingress))
		return P2PDMA_ACS_DIRECT;
	if (!is_port(ingress) && !routes_internally(ingress))
		return P2PDMA_ACS_NOT_ROUTED;
	return (p2pdma_acs_control(ingress) & PCI_ACS_CR) ||
	       acs_by_quirk(ingress, PCI_ACS_CR) ? P2PDMA_ACS_REDIRECT :
					     P2PDMA_ACS_DIRECT;
}

/**
 * p2pdma_acs_forwards - does a port pass on what was redirected below it?
 * @port: port above the one that redirected
 *
 * By its address such a request belongs where it comes from.  A switch sends it
 * on upstream, and a root port hands it to the root complex, only with Upstream
 * Forwarding enabled (sec 6.12.1.1).  A root port need not have that
 * capability, and then nothing tells what it does but what is known of the root
 * complex, which is asked elsewhere.
 *
 * Context: any; reads config space.
 * Return: true if it does.
 */
bool p2pdma_acs_forwards(struct pci_dev *port)
{
	if (!is_port(port))
		return true;
	if ((p2pdma_acs_control(port) & PCI_ACS_UF) ||
	    acs_by_quirk(port, PCI_ACS_UF))
		return true;
	return pci_pcie_type(port) == PCI_EXP_TYPE_ROOT_PORT &&
	       !(acs_capability(port) & PCI_ACS_UF);
}

/**
 * p2pdma_acs_writable - can what a port does be changed by its ACS controls?
 * @pdev: port or function
 * @flag: PCI_ACS_RR (for egress control as well), PCI_ACS_CR or PCI_ACS_UF
 *
 * Context: any; reads config space.
 * Return: false if it has none, or does the same whatever they are.
 */
bool p2pdma_acs_writable(struct pci_dev *pdev, u16 flag)
{
	if (!pdev->acs_cap || acs_by_quirk(pdev, flag))
		return false;
	/* What redirects has a control for it; what does not forward may not. */
	return flag != PCI_ACS_UF || (acs_capability(pdev) & flag);
}
