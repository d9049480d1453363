// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decoded text, as lspci -v, -vv and -vvv print it, a line at a time: it becomes the
 * bytes that it was made from, as far as anybody asks for them.
 */
#include <ctype.h>

#include "acs-names.h"
#include "machine.h"

#define BLANKS	" \t\r\n"

static const char capabilities[] = "Capabilities: [";

static const char *behind(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	return at ? at + strlen(what) : NULL;
}

static void express_line(struct function *fn, const char *text)
{
	static const struct {
		const char *name;
		u8 type;
	} types[] = {
		{ "Legacy Endpoint", PCI_EXP_TYPE_LEG_END },
		{ "Root Complex Integrated Endpoint", PCI_EXP_TYPE_RC_END },
		{ "Root Complex Event Collector", PCI_EXP_TYPE_RC_EC },
		{ "Endpoint", PCI_EXP_TYPE_ENDPOINT },
		{ "Root Port", PCI_EXP_TYPE_ROOT_PORT },
		{ "Upstream Port", PCI_EXP_TYPE_UPSTREAM },
		{ "Downstream Port", PCI_EXP_TYPE_DOWNSTREAM },
		{ "PCI-Express to PCI/PCI-X Bridge", PCI_EXP_TYPE_PCI_BRIDGE },
		{ "PCI/PCI-X to PCI-Express Bridge", PCI_EXP_TYPE_PCIE_BRIDGE },
	};
	const char *version = behind(text, "(v");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		if (!strstr(text, types[i].name))
			continue;
		function_set(fn, fn->pcie + PCI_EXP_FLAGS, 2, types[i].type << 4 |
			     (version && isdigit((unsigned char)*version) ?
			      *version - '0' : 2));
		return;
	}
}

/* Does a line end within these words? */
static bool ends_within(const char *text, const char *words)
{
	size_t len = strcspn(text, "\r\n");

	return len < strlen(words) && !strncmp(text, words, len);
}

/* Nothing else begins so: what follows on it may be the end of another line. */
static bool is_damaged_name(const char *text)
{
	return !strncmp(text, "Cap", 3) && strncmp(text, "Capabilities: [", 15) &&
	       strncmp(text, "Capabilities: <", 15);
}

/* Of a capability that lspci does not know it has the number: "#0d". */
static void capability_line(struct function *fn, const char *text)
{
	static const char express[] = "Express ", acs[] = "Access Control Services";
	static const char sriov[] = "Single Root I/O Virtualization";
	unsigned long at = strtoul(text, NULL, 16);
	const char *name = behind(text, "] ");

	fn->listed = true;
	fn->express |= at >= PCI_CFG_SPACE_SIZE;
	if (!at || at >= CONFIG_SIZE || !name || ends_within(name, express) ||
	    ends_within(name, acs) || ends_within(name, sriov) ||
	    !strncmp(name, "<chain ", 7)) {
		fn->cut = true;
	} else if (at < PCI_CFG_SPACE_SIZE) {
		if (!strncmp(name, express, strlen(express)) || !strncmp(name, "#10", 3))
			fn->pcie = at;
		if (fn->pcie == at)
			express_line(fn, name);
	} else if (!strncmp(name, acs, strlen(acs)) || !strncmp(name, "#0d", 3)) {
		fn->acs = at;
	} else if (!strncmp(name, sriov, strlen(sriov))) {
		fn->sriov = at;
	}
}

/* ---- ACSCap: and ACSCtl:, which may go on in the next line where text was wrapped ---- */

/* What is not whole is not taken: what is left of two lines looks like one. */
static void acs_not_whole(struct decoding *decoding)
{
	if (!decoding->partial) {
		decoding->partial = decoding->acs.name;
		decoding->partial_line = decoding->acs.line;
	}
	decoding->acs.name = NULL;
}

/* Byte by byte, as the size of the egress vector is not in the text. */
static void acs_whole(struct function *fn, struct acs_reading *acs)
{
	function_set_byte(fn, fn->acs + acs->reg, acs->flags);
	if (acs->reg == PCI_ACS_CTRL)
		function_set_byte(fn, fn->acs + acs->reg + 1, 0);
	acs->name = NULL;
}

/* One flag behind the other, and nothing else; the next line is to begin with the next. */
static void acs_flags(struct function *fn, struct decoding *decoding, const char *text)
{
	struct acs_reading *acs = &decoding->acs;
	size_t len;

	for (text += strspn(text, BLANKS); *text; text += strspn(text, BLANKS)) {
		len = acs->next < ARRAY_SIZE(acs_names) ? strlen(acs_names[acs->next]) : 0;
		if (!len || strncmp(text, acs_names[acs->next], len) ||
		    (text[len] != '+' && text[len] != '-')) {
			acs_not_whole(decoding);
			return;
		}
		if (text[len] == '+')
			acs->flags |= 1 << acs->next;
		acs->next++;
		text += len + 1;
	}
	if (acs->next == ARRAY_SIZE(acs_names))
		acs_whole(fn, acs);
}

static void acs_line(struct function *fn, struct decoding *decoding, const char *text)
{
	static const struct {
		const char *name, *words;
		unsigned int reg;
	} registers[] = {
		{ "ACSCap", "ACSCap:", PCI_ACS_CAP },
		{ "ACSCtl", "ACSCtl:", PCI_ACS_CTRL },
	};
	const char *at = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(registers) && !at; i++) {
		at = behind(text, registers[i].words);
		if (!at)
			continue;
		if (decoding->acs.name)
			acs_not_whole(decoding);
		decoding->acs = (struct acs_reading){ .name = registers[i].name,
						      .reg = registers[i].reg,
						      .line = decoding->line };
		fn->express = true;
		if (!fn->acs)
			fn->acs = CONFIG_SIZE;
	}
	if (decoding->acs.name)
		acs_flags(fn, decoding, at ?: text);
}

static void sriov_line(struct function *fn, const char *text)
{
	unsigned int offset, stride, device;
	const char *at;

	if (!fn->sriov)
		return;
	at = behind(text, "IOVCtl:");
	if (at)
		at = behind(at + strspn(at, " \t"), "Enable");
	if (at && (*at == '+' || *at == '-'))
		function_set(fn, fn->sriov + PCI_SRIOV_CTRL, 2, *at == '+');
	at = behind(text, "Number of VFs: ");
	if (at && isdigit((unsigned char)*at))
		function_set(fn, fn->sriov + PCI_SRIOV_NUM_VF, 4, atoi(at) & 0xffff);
	at = behind(text, "VF offset: ");
	if (at && sscanf(at, "%u, stride: %u, Device ID: %x", &offset, &stride,
			 &device) == 3) {
		function_set(fn, fn->sriov + PCI_SRIOV_VF_OFFSET, 2, offset);
		function_set(fn, fn->sriov + PCI_SRIOV_VF_STRIDE, 2, stride);
		function_set(fn, fn->sriov + PCI_SRIOV_VF_DID, 2, device);
	}
}

static void bus_line(struct function *fn, const char *text)
{
	unsigned int primary, secondary, subordinate;
	int end = 0;

	if (sscanf(text, "primary=%2x, secondary=%2x, subordinate=%2x,%n", &primary,
		   &secondary, &subordinate, &end) != 3 || !end)
		return;
	function_set_byte(fn, PCI_PRIMARY_BUS, primary);
	function_set_byte(fn, PCI_SECONDARY_BUS, secondary);
	function_set_byte(fn, PCI_SUBORDINATE_BUS, subordinate);
	function_set_byte(fn, PCI_HEADER_TYPE,
			  fn->class >> 8 == PCI_CLASS_BRIDGE_CARDBUS ?
			  PCI_HEADER_TYPE_CARDBUS : PCI_HEADER_TYPE_BRIDGE);
}

/* The code that Link Capabilities have for a speed, 0 for one that is not known */
static unsigned int speed_code(const char *text)
{
	static const char * const speeds[] = {
		"", "2.5GT/s", "5GT/s", "8GT/s", "16GT/s", "32GT/s", "64GT/s",
	};
	unsigned int code = ARRAY_SIZE(speeds) - 1;

	while (code && strncmp(text, speeds[code], strlen(speeds[code])))
		code--;
	return code;
}

/* Port, speed and width: nobody asks for the rest of Link Capabilities. */
static void link_line(struct function *fn, const char *text)
{
	const char *port = behind(text, "Port #"), *speed = behind(text, "Speed ");
	const char *width = behind(text, "Width x");

	if (!port || !fn->pcie || !isdigit((unsigned char)*port))
		return;
	function_set(fn, fn->pcie + PCI_EXP_LNKCAP, 4, (u32)atoi(port) << 24 |
		     (width ? (u32)atoi(width) << 4 & PCI_EXP_LNKCAP_MLW : 0) |
		     (speed ? speed_code(speed) : 0));
}

/* DevCtl2 goes on over several lines; DevCap2 has the same word, and is another. */
static void ari_line(struct function *fn, bool *devctl2, const char *text)
{
	static const char * const registers[] = {
		"DevCap", "DevCtl", "DevSta", "Lnk", "Slt", "Root", "Capabilities",
		"Kernel",
	};
	const char *at = behind(text, "DevCtl2:");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(registers); i++)
		if (!strncmp(text, registers[i], strlen(registers[i])))
			*devctl2 = false;
	if (at)
		*devctl2 = true;
	if (!*devctl2 || !fn->pcie)
		return;
	at = behind(at ?: text, "ARIFwd");
	if (at && (*at == '+' || *at == '-'))
		function_set(fn, fn->pcie + PCI_EXP_DEVCTL2, 2,
			     *at == '+' ? PCI_EXP_DEVCTL2_ARI : 0);
}

/* ---- decoded text of what doctor.c asks for ---- */

/* "256M", "16GB", "4K" */
static u64 size_of(const char *text)
{
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return 0;
	number = strtoul(text, &end, 10);
	switch (*end) {
	case 'K':
		return (u64)number << 10;
	case 'M':
		return (u64)number << 20;
	case 'G':
		return (u64)number << 30;
	case 'T':
		return (u64)number << 40;
	default:
		return number;
	}
}

/* "Region 0: Memory at c0000000 (64-bit, prefetchable) [size=256M]", or without "Region 0: " */
static void memory_line(struct function *fn, const char *text, unsigned int index)
{
	const char *size = behind(text, "[size=");
	struct bar *bar;

	/* Those of virtual functions stand in the SR-IOV capability. */
	if (fn->listed || index >= BARS)
		return;
	fn->has_bars = true;
	bar = &fn->bar[index];
	bar->present = true;
	bar->base = strtoull(text, NULL, 16);
	bar->wide = strstr(text, "64-bit");
	bar->prefetchable = strstr(text, " prefetchable") || strstr(text, "(prefetchable");
	bar->unset = !isxdigit((unsigned char)*text) || strstr(text, "[disabled]") || !bar->base;
	bar->size = size ? size_of(size) : 0;
}

/* "BAR 0: current size: 256MB, supported: 256MB 512MB 1GB" */
static void resizable_line(struct function *fn, const char *text, unsigned int index)
{
	const char *at = behind(text, "supported:");

	if (index >= BARS)
		return;
	for (; at && *at; at += strcspn(at, " \r\n")) {
		at += strspn(at, " \r\n");
		if (size_of(at) > fn->bar[index].largest)
			fn->bar[index].largest = size_of(at);
	}
}

static void bars_line(struct function *fn, const char *text)
{
	const char *region = behind(text, "Region "), *at = behind(text, "Memory at ");
	const char *resized = behind(text, "BAR ");
	unsigned int index = 0;

	if (at && region && isdigit((unsigned char)*region)) {
		memory_line(fn, at, atoi(region));
	} else if (at && strstr(at, "-bit")) {
		while (index < BARS && fn->bar[index].present)
			index += fn->bar[index].wide ? 2 : 1;
		memory_line(fn, at, index);
	}
	if (resized && isdigit((unsigned char)*resized) && strstr(resized, "current size:"))
		resizable_line(fn, resized, atoi(resized));
}

static enum tri flag_behind(const char *text, const char *word)
{
	const char *at = behind(text, word);

	return !at ? NOT_KNOWN : *at == '+' ? YES : *at == '-' ? NO : NOT_KNOWN;
}

static void packets_line(struct function *fn, bool devctl2, const char *text)
{
	const char *at = behind(text, "MaxPayload ");

	/* Device Control has both in one line, Device Capabilities only the first. */
	if (at && strstr(at, "MaxReadReq") && isdigit((unsigned char)*at))
		fn->payload = strtoul(at, NULL, 10);
	if (strstr(text, "10BitTagComp"))
		fn->tags_completed = flag_behind(text, "10BitTagComp");
	else if (devctl2 && strstr(text, "10BitTagReq"))
		fn->tags_sent = flag_behind(text, "10BitTagReq");
}

static void control_line(struct function *fn, const char *text)
{
	enum tri memory = flag_behind(text, "Mem"), master = flag_behind(text, "BusMaster");

	if (memory && master)
		function_set(fn, PCI_COMMAND, 2,
			     (memory == YES ? PCI_COMMAND_MEMORY : 0) |
			     (master == YES ? PCI_COMMAND_MASTER : 0));
}

static char *word_of(const char *text)
{
	return must(strndup(text, strcspn(text, " \t\r\n")));
}

static void status_line(struct function *fn, const char *text)
{
	if (*text == '-')
		fn->no_caps = true;
}

static void denied_line(struct function *fn, const char *text)
{
	(void)text;
	fn->denied = true;
}

/* Without the bit for more functions, which lspci takes off, ones are 7f. */
static void header_line(struct function *fn, const char *text)
{
	fn->denied = true;
	fn->ones |= strtoul(text, NULL, 16) == 0x7f;
}

static void driver_line(struct function *fn, const char *text)
{
	if (!fn->driver)
		fn->driver = word_of(text);
}

static void node_line(struct function *fn, const char *text)
{
	if (isdigit((unsigned char)*text))
		fn->numa = atoi(text);
}

/* What is looked for in a line, and who reads what is behind it */
static const struct {
	const char *words;
	void (*read)(struct function *fn, const char *text);
} wanted[] = {
	{ "Capabilities: <", denied_line },
	{ "Unknown header type", header_line },
	{ "Capabilities: [", capability_line },
	{ "Status: Cap", status_line },
	{ "Control: I/O", control_line },
	{ "Bus: ", bus_line },
	{ "LnkCap:", link_line },
	{ "Kernel driver in use: ", driver_line },
	{ "NUMA node: ", node_line },
};

/* ---- what is there twice ---- */

enum {
	CONTROL, STATUS, FLAGS, BUS, LINK, DEVICE = LINK + 3, DEVICE_CTRL, DEVICE_STATUS,
	DEVICE2, DEVICE2_CTRL,
};

/* What a record has once at most: where it is again it is that of another function. */
static const char * const once[] = {
	[CONTROL] = "Control: I/O", [STATUS] = "Status: Cap", [FLAGS] = " devsel,",
	[BUS] = "Bus: primary=", [LINK] = "LnkCap:", "LnkCtl:", "LnkSta:",
	[DEVICE] = "DevCap:", [DEVICE_CTRL] = "DevCtl:", [DEVICE_STATUS] = "DevSta:",
	[DEVICE2] = "DevCap2:", [DEVICE2_CTRL] = "DevCtl2:", "ACSCap:", "ACSCtl:", "IOVCap:", "IOVCtl:",
	"Interrupt: pin", "Secondary status:", "BridgeCtl:", "NUMA node:", "IOMMU group:",
	"Kernel driver in use:", "Kernel modules:",
};

static const char *seen_twice(struct function *fn, struct decoding *decoding,
			      const char *text)
{
	const char *again = NULL;
	unsigned int i, num = 0;

	for (i = 0; i < ARRAY_SIZE(once); i++) {
		if (!strstr(text, once[i]))
			continue;
		/* Two of them in one line are the ends of two lines. */
		if (decoding->seen & 1U << i || num++)
			again = once[i];
		decoding->seen |= 1U << i;
	}
	fn->headed = (decoding->seen & 1 << CONTROL && decoding->seen & 1 << STATUS) ||
		     decoding->seen & 1 << FLAGS;
	/* From Link Capabilities to Device Control 2 */
	fn->express |= decoding->seen >> LINK & 0xff;
	return again;
}

/* Where a list goes in circles lspci names the offset again. */
static bool offset_twice(struct decoding *decoding, const char *text)
{
	const char *at = behind(text, capabilities);
	unsigned long offset = at ? strtoul(at, NULL, 16) : 0;
	bool again;

	if (!offset || offset >= CONFIG_SIZE)
		return false;
	again = decoding->capability[offset / 8] & 1 << offset % 8;
	decoding->capability[offset / 8] |= 1 << offset % 8;
	return again && !strstr(at, "<chain looped>");
}

/* Bus numbers, and ports, are of bridges. */
static const char *of_a_bridge(const struct function *fn, const char *text)
{
	static const char * const ports[] = { "Root Port", "Upstream Port", "Downstream Port" };
	unsigned int i;

	if (!fn->has_class || fn->class >> 16 == PCI_BASE_CLASS_BRIDGE)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(ports); i++)
		if (strstr(text, "] Express ") && strstr(text, ports[i]))
			return ports[i];
	return strstr(text, once[BUS]) ? once[BUS] : NULL;
}

/* ---- Advanced Error Reporting, which has neighbours behind it ---- */

/* What lspci -vv prints of it, always */
static const char * const reports[] = {
	"UESta:", "UEMsk:", "UESvrt:", "CESta:", "CEMsk:", "AERCap:",
};

#define ALL_REPORTS	((1U << ARRAY_SIZE(reports)) - 1)

static void errors_line(struct decoding *decoding, const char *text)
{
	const char *at = behind(text, "] Advanced Error Reporting");
	unsigned int i;

	/* Old ones know its name alone. */
	if (at)
		decoding->reporting = !strstr(at, "<?>");
	for (i = 0; i < ARRAY_SIZE(reports); i++)
		if (!strncmp(text, reports[i], strlen(reports[i])))
			decoding->errors |= 1U << i;
	/* Those that call it so have a log behind it. */
	decoding->log_due |= !strncmp(text, "AERCap:", 7) && strstr(text, "ECRCGenCap");
	decoding->log |= !strncmp(text, "HeaderLog:", 10);
}

/* Is one of its lines there without its name, or in a @verbose record without the others? */
static bool errors_cut(const struct decoding *decoding, bool verbose)
{
	if (decoding->errors && !decoding->reporting)
		return true;
	return verbose && decoding->reporting &&
	       (decoding->errors != ALL_REPORTS || decoding->log_due > decoding->log);
}

/* Is the line of decoded text, and no prose? */
bool decoded_begins(const char *text)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(once); i++)
		if (!strncmp(text, once[i], strlen(once[i])))
			return true;
	return !strncmp(text, "Capabilities: ", 14);
}

/**
 * decoded_line - what a line of decoded text says of a function
 * @fn: the function
 * @decoding: what was said before; kept up
 * @text: the line
 *
 * Return: words of the line that say that it is of another function, whose own first
 * line is lost; NULL if there are none.
 */
const char *decoded_line(struct function *fn, struct decoding *decoding, const char *text)
{
	const char *foreign = seen_twice(fn, decoding, text) ?: of_a_bridge(fn, text), *at;
	bool *devctl2 = &decoding->devctl2;
	unsigned int i;

	if (offset_twice(decoding, text))
		foreign = capabilities;
	if (foreign)
		return foreign;
	fn->cut |= ends_within(text, capabilities) || is_damaged_name(text);
	errors_line(decoding, text);
	decoding->control2 |= !strncmp(text, "LnkCtl2:", 8);
	decoding->status2 |= !strncmp(text, "LnkSta2:", 8);
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		at = behind(text, wanted[i].words);
		if (at)
			wanted[i].read(fn, at);
	}
	acs_line(fn, decoding, text);
	ari_line(fn, devctl2, text);
	packets_line(fn, *devctl2, text);
	bars_line(fn, text);
	sriov_line(fn, text);
	return NULL;
}

static unsigned int version(const struct function *fn)
{
	return function_knows(fn, fn->pcie + PCI_EXP_FLAGS, 2) ?
	       function_get(fn, fn->pcie + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_VERS : 0;
}

static bool has_link(const struct function *fn)
{
	unsigned int type = function_get(fn, fn->pcie + PCI_EXP_FLAGS, 2) >> 4 & 0xf;

	return function_knows(fn, fn->pcie + PCI_EXP_FLAGS, 2) && type != PCI_EXP_TYPE_RC_END &&
	       type != PCI_EXP_TYPE_RC_EC;
}

/**
 * decoded_end - the record of a function ends
 * @fn: the function
 * @decoding: what was said of it
 *
 * Where lspci prints one of these lines it prints the others: where one of them is lost
 * its neighbours may be, among which are capabilities with all their lines.
 */
void decoded_end(struct function *fn, struct decoding *decoding)
{
	u32 seen = decoding->seen;

	if (decoding->acs.name)
		acs_not_whole(decoding);
	if (errors_cut(decoding, seen & 1 << DEVICE))
		fn->cut = true;
	if (!fn->pcie || !(seen & 1 << DEVICE))
		return;
	if (decoding->control2 > decoding->status2)
		fn->cut = true;
	if (!(seen & 1 << DEVICE_CTRL) || (has_link(fn) && !(seen & 1 << LINK)))
		fn->cut = true;
	/* The second of each register is there from version 2 on. */
	if ((seen & 1 << DEVICE2 || version(fn) >= 2) && !(seen & 1 << DEVICE2_CTRL))
		fn->cut = true;
}
