// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs, packets and tags, from whichever of config space, decoded text and the
 * kernel's list of resources is in the input.
 */
#include "hardware.h"

/* PCI Express Base Specification 6.0, 7.5.3.15 and 7.5.3.16: tags of 10 bits */
#define DEVCAP2_TAGS_COMPLETED	BIT(16)
#define DEVCTL2_TAGS_SENT	BIT(12)

/* 7.8.6, Resizable BAR: a pair of registers for each, sizes from 1 MiB on */
#define REBAR_CAP(i)		(4 + 8 * (i))
#define REBAR_CTRL(i)		(8 + 8 * (i))
#define REBAR_SIZES(cap)	((cap) >> 4)
#define REBAR_INDEX(ctrl)	((ctrl) & 7)
#define REBAR_NUM(ctrl)		((ctrl) >> 5 & 7)
#define REBAR_SIZE(ctrl)	((ctrl) >> 8 & 0x3f)

const char *size_text(char *text, u64 size)
{
	if (size >= GIB && !(size % GIB))
		snprintf(text, SIZE_TEXT, "%llu GiB", (unsigned long long)(size / GIB));
	else if (size >= MIB && !(size % MIB))
		snprintf(text, SIZE_TEXT, "%llu MiB", (unsigned long long)(size / MIB));
	else
		snprintf(text, SIZE_TEXT, "%llu KiB", (unsigned long long)(size / KIB));
	return text;
}

/* ---- BARs ---- */

/* Their registers say where they are, and not how large. */
static bool read_registers(const struct function *fn, struct bar bars[BARS])
{
	unsigned int i, at;
	u32 low;

	if (!function_knows(fn, PCI_BASE_ADDRESS_0, 4 * BARS))
		return false;
	for (i = 0; i < BARS; i++) {
		at = PCI_BASE_ADDRESS_0 + 4 * i;
		low = function_get(fn, at, 4);
		if (!low || low & PCI_BASE_ADDRESS_SPACE_IO)
			continue;
		bars[i].present = true;
		bars[i].prefetchable = low & PCI_BASE_ADDRESS_MEM_PREFETCH;
		bars[i].wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
			       PCI_BASE_ADDRESS_MEM_TYPE_64;
		bars[i].base = low & (u32)PCI_BASE_ADDRESS_MEM_MASK;
		if (bars[i].wide && i + 1 < BARS)
			bars[i].base |= (u64)function_get(fn, at + 4, 4) << 32;
		bars[i].unset = !bars[i].base;
		if (bars[i].wide)
			i++;
	}
	return true;
}

/* What a BAR is, and what it could be */
static void read_resizable(const struct function *fn, struct bar bars[BARS])
{
	unsigned int num, i, size;
	struct bar *bar;
	u32 cap, ctrl;
	u16 pos;

	if (!find_extended(fn, PCI_EXT_CAP_ID_REBAR, &pos) || !pos ||
	    !function_knows(fn, pos + REBAR_CTRL(0), 4))
		return;
	num = REBAR_NUM(function_get(fn, pos + REBAR_CTRL(0), 4));
	for (i = 0; i < min(num, BARS); i++) {
		if (!function_knows(fn, pos + REBAR_CAP(i), 8))
			return;
		cap = function_get(fn, pos + REBAR_CAP(i), 4);
		ctrl = function_get(fn, pos + REBAR_CTRL(i), 4);
		if (REBAR_INDEX(ctrl) >= BARS)
			continue;
		bar = &bars[REBAR_INDEX(ctrl)];
		if (!bar->size && REBAR_SIZE(ctrl) < 43)
			bar->size = MIB << REBAR_SIZE(ctrl);
		for (size = 0; REBAR_SIZES(cap) >> size; size++)
			bar->largest = MIB << size;
	}
}

/**
 * hardware_bars - where the memory of a function is
 * @pdev: the function
 * @bars: filled in
 *
 * Return: false if that is not in the input.
 */
bool hardware_bars(const struct pci_dev *pdev, struct bar bars[BARS])
{
	const struct function *fn = pdev->function;

	memset(bars, 0, BARS * sizeof(*bars));
	if (fn->has_bars)
		memcpy(bars, fn->bar, sizeof(fn->bar));
	else if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL || pdev->is_virtfn ||
		 !read_registers(fn, bars))
		return false;
	read_resizable(fn, bars);
	if (function_knows(fn, PCI_COMMAND, 2) && !pdev->is_virtfn &&
	    !(function_get(fn, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY)) {
		unsigned int i;

		for (i = 0; i < BARS; i++)
			bars[i].unset = true;
	}
	return true;
}

/* The one that a provider's memory would be in: NULL if there is none */
const struct bar *largest_bar(const struct bar bars[BARS])
{
	const struct bar *best = NULL;
	unsigned int i;

	for (i = 0; i < BARS; i++)
		if (bars[i].present &&
		    (!best || bars[i].size > best->size ||
		     (bars[i].size == best->size && bars[i].prefetchable && !best->prefetchable)))
			best = &bars[i];
	return best;
}

/* ---- packets ---- */

/* Bytes of data in a packet that it sends at most, 0 if that is not in the input */
unsigned int hardware_payload(const struct pci_dev *pdev)
{
	const struct function *fn = pdev->physfn ? pdev->physfn->function : pdev->function;
	u16 cap = pdev->physfn ? pdev->physfn->pcie_cap : pdev->pcie_cap;

	if (fn->payload || !cap || !function_knows(fn, cap + PCI_EXP_DEVCTL, 2))
		return fn->payload;
	return 128 << FIELD_GET(PCI_EXP_DEVCTL_PAYLOAD,
				function_get(fn, cap + PCI_EXP_DEVCTL, 2));
}

static enum tri flag(const struct pci_dev *pdev, unsigned int reg, u32 bit, enum tri text)
{
	const struct function *fn = pdev->function;

	if (text || !pdev->pcie_cap || !function_knows(fn, pdev->pcie_cap + reg, 4))
		return text;
	return function_get(fn, pdev->pcie_cap + reg, 4) & bit ? YES : NO;
}

enum tri hardware_tags_completed(const struct pci_dev *pdev)
{
	return flag(pdev, PCI_EXP_DEVCAP2, DEVCAP2_TAGS_COMPLETED,
		    pdev->function->tags_completed);
}

/* A virtual function's is in the SR-IOV capability of the one that it belongs to. */
enum tri hardware_tags_sent(const struct pci_dev *pdev)
{
	if (pdev->is_virtfn)
		return NOT_KNOWN;
	return flag(pdev, PCI_EXP_DEVCTL2, DEVCTL2_TAGS_SENT, pdev->function->tags_sent);
}
