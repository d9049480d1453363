/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the input says of a machine's PCI functions.
 *
 * dump.c and live.c fill it in: bytes of config space as far as they are known (a
 * bit for each says so), and what stands beside them.  Decoded text is turned into
 * the bytes that it was made from.
 */
#ifndef _P2PTOPO_FUNCTION_H
#define _P2PTOPO_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define CONFIG_SIZE	4096
/* Behind it, what is known of registers whose place is not */
#define CONFIG_ROOM	(CONFIG_SIZE + 64)
/* And behind that, where nothing is known */
#define NOWHERE		(2 * CONFIG_SIZE)
#define BDF_SIZE	24	/* of "ffffffff:ff:1f.7" and its end, and some */

/**
 * struct bar - a range of a function's addresses
 * @present: there is one
 * @wide: it has 64 bits of address
 * @prefetchable: reading it changes nothing
 * @unset: it has no address, or is not decoded
 * @base: first address
 * @size: in bytes, 0 if it is not in the input
 * @largest: that it can be resized to, 0 if it cannot, or if that is not known
 */
struct bar {
	bool present;
	bool wide;
	bool prefetchable;
	bool unset;
	u64 base, size, largest;
};

#define BARS		6

/* What is known of a flag */
enum tri { NOT_KNOWN, NO, YES };

/* What is known of where a function is, apart from bus numbers */
enum place { PLACE_NOT_KNOWN, PLACE_ON_ROOT, PLACE_BELOW };

/**
 * struct function - what the input says of a PCI function
 * @domain: segment
 * @bdf: bus, device and function number, as PCI_DEVID()
 * @line: where it is in the input, 0 if that has no lines
 * @stands: it stands for its host bridge, says --host-bridge
 * @config: bytes of config space
 * @known: a bit for each of them that is in the input
 * @size: how many bytes there is room for
 * @pcie: offset of its PCI Express capability, where decoded text gives it
 * @acs: offset of its ACS capability, likewise
 * @sriov: offset of its SR-IOV capability, likewise
 * @listed: decoded text has capabilities of it
 * @headed: it has what stands before them in every record
 * @express: it has what only a PCI Express function has
 * @cut: something of it is known to be missing
 * @closed: there is a blank line behind it
 * @complete: it is all there: the text goes on behind it
 * @denied: it says that it could not read capabilities
 * @ones: it reads as ones, as what sleeps or is gone
 * @partial: words on what of it is not whole, and where; NULL if nothing is
 * @no_caps: it has none, says its status register
 * @place: what sysfs says of the bridge that it is below
 * @parent: address of that, domain above bdf
 * @has_pf: it is known to be a virtual function
 * @pf: of the function with this address
 * @has_ids: @vendor and @device are known, from wherever
 * @has_class: @class is
 * @vendor: vendor id
 * @device: device id
 * @class: class, subclass and programming interface
 * @name: what it is called, may be NULL
 * @driver: bound to it, may be NULL
 * @iommu: type of its IOMMU group ("DMA", "identity"), may be NULL
 * @routes: what firmware says that its host bridge routes, may be NULL
 * @numa: NUMA node, -1 if it is not known
 * @provider: there is p2pmem of it
 * @bar: memory BARs, where the kernel or decoded text says what they are
 * @has_bars: it does
 * @payload: largest payload that it may send, in bytes, by decoded text; else 0
 * @tags_completed: it answers to requests with tags of 10 bits, says decoded text
 * @tags_sent: it may send such, likewise
 */
struct function {
	u32 domain;
	u16 bdf;
	unsigned int line;
	bool stands;
	u8 *config;
	u8 *known;
	unsigned int size;
	u16 pcie, acs, sriov;
	bool listed;
	bool headed;
	bool express;
	bool cut;
	bool closed;
	bool complete;
	bool denied;
	bool ones;
	char *partial;
	bool no_caps;
	enum place place;
	u64 parent;
	bool has_pf;
	u16 pf;
	bool has_ids;
	bool has_class;
	u16 vendor, device;
	u32 class;
	char *name;
	char *driver;
	char *iommu;
	char *routes;
	int numa;
	bool provider;
	struct bar bar[BARS];
	bool has_bars;
	unsigned int payload;
	enum tri tags_completed, tags_sent;
};

struct pci_dev;
struct build;

/**
 * struct machine - all that the input says
 * @live: it is this machine, so that no bridge can be missing
 * @num: number of @function and @pdev
 * @room: how many there is room for
 * @function: functions, sorted by address after machine_build()
 * @pdev: what the kernel's code is shown of them, in the same order
 * @sys: folder with what /sys has on that machine, NULL if there is none
 * @root: folder with its /proc and /boot, likewise
 * @build: what machine_free() has to know
 * @cpu_known: it is known which CPU it is
 * @cpu_amd: one of AMD
 * @cpu_intel: one of Intel
 * @cpu_family: and of this family
 * @cpu_open: it is not known, and may be one whose root complexes all route
 * @guest: a host bridge is one that hypervisors show
 * @cpu_against: what stands for a host bridge is not of AMD, and of no hypervisor
 */
struct machine {
	bool live;
	unsigned int num, room;
	struct function *function;
	struct pci_dev *pdev;
	char *sys, *root;
	struct build *build;
	bool cpu_known;
	bool cpu_amd;
	bool cpu_intel;
	unsigned int cpu_family;
	bool cpu_open;
	bool guest;
	const struct function *cpu_against;
};

struct function *machine_add(struct machine *machine, u32 domain, u16 bdf);
struct function *machine_last(struct machine *machine, u32 domain, u16 bdf);
void forget_functions(struct machine *machine);
void function_free(struct function *fn);
void function_set(struct function *fn, unsigned int at, unsigned int width,
		  u32 value);
void function_set_byte(struct function *fn, unsigned int at, u8 value);
void function_forget(struct function *fn, unsigned int from);
bool function_knows(const struct function *fn, unsigned int at,
		    unsigned int width);
u32 function_get(const struct function *fn, unsigned int at, unsigned int width);

bool parse_bdf(const char *text, u32 *domain, u16 *bdf);
const char *bdf_text(char *text, u32 domain, u16 bdf);
void *must(void *memory);

/**
 * struct acs_reading - a register of ACS while its flags are read
 * @name: which, NULL if there is none
 * @reg: its offset in the capability
 * @next: the flag that would be next
 * @flags: those before it that are set
 * @line: of the input, where it begins
 */
struct acs_reading {
	const char *name;
	unsigned int reg, next, line;
	u16 flags;
};

/**
 * struct decoding - decoded text of one function while it is read
 * @devctl2: the last register that was named is Device Control 2
 * @reporting: Advanced Error Reporting has been named
 * @errors: and what is in it: a bit for each of its registers
 * @log_due: and behind those there has to be a log
 * @log: there is one
 * @control2: there is Link Control 2, and with it always
 * @status2: Link Status 2
 * @line: of the input
 * @acs: register of ACS that may go on in the next line
 * @partial: the first such register that is not whole, NULL if there is none
 * @partial_line: where that is
 * @seen: a bit for each of the lines that a record has only once
 * @capability: a bit for each offset at which there has been one
 */
struct decoding {
	bool devctl2;
	bool reporting;
	unsigned int errors;
	bool log_due, log;
	bool control2, status2;
	unsigned int line;
	struct acs_reading acs;
	const char *partial;
	unsigned int partial_line;
	u32 seen;
	u8 capability[CONFIG_SIZE / 8];
};

const char *decoded_line(struct function *fn, struct decoding *decoding,
			 const char *text);
void decoded_end(struct function *fn, struct decoding *decoding);
bool decoded_begins(const char *text);

/* dump.c, live.c: false and a message if there is no machine in it */
bool dump_stream(struct machine *machine, FILE *stream, const char *name,
		 unsigned int number);
bool dump_read(struct machine *machine, const char *file, unsigned int number);
bool live_read(struct machine *machine, const char *folder);
char *read_line_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* _P2PTOPO_FUNCTION_H */
