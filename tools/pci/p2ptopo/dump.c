// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading what lspci has printed: config space in hexadecimal (-x, -xxx, -xxxx),
 * decoded text (-v, -vv, -vvv), or both, as people paste it.
 *
 * A record begins with a line such as "0000:65:00.0 PCI bridge [0604]: ..." and
 * goes on until the next.  What is between is looked through for what is known;
 * lines get lost, are blank, or have something else spliced in, so none has to be
 * there.  What is not there stays unknown.
 *
 * What is lost must not give what follows to the function before: where a first line
 * is damaged, or something comes twice, that is an error, as are bytes that are none.
 */
#include <ctype.h>

#include "machine.h"

#include "class-names.h"

/**
 * struct dump - a file while it is read
 * @name: of the file
 * @line: number of the line
 * @wanted: number of the dump that is wanted, 0 if there should be one
 * @current: number of the dump that is being read
 * @highest: address of the last function, domain above bdf
 * @lowest: what lspci prints next is not below it: that of the last one with detail
 * @machine: where the functions of the wanted dump go
 * @other: where those of others go
 * @record: function that is being read
 * @open: there is one
 * @detail: it has more than its first line
 * @blank: the last line was
 * @row: offset of the row of bytes that would be next
 * @number: what may be the number of its first line, put before it; else 0
 * @gap: rows are lost; what is behind them may be of another function
 * @decoding: of @record
 * @last: address of the function that ended last, domain above bdf
 * @again: line where a second dump begins, 0 if none does
 * @falls: it does so because addresses fall
 * @nul: first line with a byte 0, which hides what is behind it; 0 if there is none
 * @other_form: what has been printed, as far as it is nothing that is read here
 * @packed: begins as what is no text, 1 + index of packed[]; else 0
 * @failed: there has been an error
 */
struct dump {
	const char *name;
	unsigned int line;
	unsigned int wanted;
	unsigned int current;
	u64 highest;
	u64 lowest;
	struct machine *machine;
	struct machine other;
	struct function record;
	bool open;
	bool detail;
	bool blank;
	unsigned int row;
	unsigned long number;
	bool gap;
	struct decoding decoding;
	u64 last;
	unsigned int again;
	bool falls;
	unsigned int nul;
	const char *other_form;
	unsigned int packed;
	bool failed;
};

static void complain(struct dump *dump, const char *what)
{
	if (!dump->failed)
		fprintf(stderr, "p2ptopo: %s:%u: %s\n", dump->name, dump->line, what);
	dump->failed = true;
}

/* ---- from record to function ---- */

static bool has_detail(const struct function *fn)
{
	return fn->size || fn->listed || fn->denied || fn->no_caps;
}

/* What is known of @from and not of @to */
static void merge(struct function *to, struct function *from)
{
	if (has_detail(from) && !has_detail(to)) {
		struct function swap = *to;

		*to = *from;
		*from = swap;
	}
	if (!to->has_ids && from->has_ids) {
		to->vendor = from->vendor;
		to->device = from->device;
		to->has_ids = true;
	}
	if (!to->has_class && from->has_class) {
		to->class = from->class;
		to->has_class = true;
	}
	if (!to->name) {
		to->name = from->name;
		from->name = NULL;
	}
	function_free(from);
}

static bool contradict(const struct function *a, const struct function *b)
{
	return (has_detail(a) && has_detail(b)) ||
	       (a->has_ids && b->has_ids &&
		(a->vendor != b->vendor || a->device != b->device));
}

static struct machine *place(struct dump *dump)
{
	return dump->current == (dump->wanted ?: 1) ? dump->machine : &dump->other;
}

/*
 * Where a dump ends only a blank line says that it ends with a whole record.  Where
 * there are such lines between records, one that has none has lost what was before it.
 */
static void end_dump(struct dump *dump)
{
	struct function *fn = machine_last(place(dump), dump->last >> 16, dump->last);
	const struct machine *machine = place(dump);
	bool blanks = false;
	unsigned int i;

	if (fn)
		fn->complete &= fn->closed;
	for (i = 0; i < machine->num; i++)
		blanks |= &machine->function[i] != fn && machine->function[i].closed &&
			  has_detail(&machine->function[i]);
	for (i = 0; blanks && i < machine->num; i++)
		machine->function[i].complete &= machine->function[i].closed;
}

static void begin_dump(struct dump *dump, bool falls)
{
	end_dump(dump);
	dump->current++;
	dump->highest = 0;
	dump->lowest = 0;
	forget_functions(&dump->other);
	if (dump->again || dump->wanted)
		return;
	dump->again = dump->record.line;
	dump->falls = falls;
}

/* The ids in the first line, and those in the bytes: a virtual function has no such bytes. */
static bool has_other_bytes(const struct function *fn)
{
	return fn->has_ids && function_knows(fn, PCI_VENDOR_ID, 4) &&
	       function_get(fn, PCI_VENDOR_ID, 2) != 0xffff &&
	       function_get(fn, PCI_VENDOR_ID, 4) != (fn->vendor | (u32)fn->device << 16);
}

/* What a mail client has wrapped, or a hand cut: where it is */
static void name_partial(struct dump *dump)
{
	const struct decoding *decoding = &dump->decoding;
	char *text = must(malloc(strlen(dump->name) + 64));

	sprintf(text, "%s:%u: %s is not whole", dump->name, decoding->partial_line,
		decoding->partial);
	dump->record.partial = text;
}

/* The record ends; @whole unless it does so because the input does. */
static void end_record(struct dump *dump, bool whole)
{
	struct function *fn = &dump->record, *same = NULL;
	u64 address = (u64)fn->domain << 16 | fn->bdf;

	if (!dump->open)
		return;
	dump->open = false;
	fn->complete = whole;
	fn->closed = dump->blank;
	decoded_end(fn, &dump->decoding);
	if (dump->decoding.partial)
		name_partial(dump);
	if (has_other_bytes(fn)) {
		dump->line = fn->line;
		complain(dump, "these ids are not those of the bytes below: has the first line of another function been lost?");
	}
	if (place(dump)->num && address <= dump->highest)
		same = machine_last(place(dump), fn->domain, fn->bdf);
	if (same && contradict(same, fn)) {
		begin_dump(dump, false);
		same = NULL;
	} else if (has_detail(fn) && address < dump->lowest) {
		/* lspci sorts, so that it is of another machine. */
		begin_dump(dump, true);
		same = NULL;
	}
	if (has_detail(fn))
		dump->lowest = address;
	dump->last = address;
	if (same) {
		merge(same, fn);
		return;
	}
	if (address > dump->highest)
		dump->highest = address;
	*machine_add(place(dump), fn->domain, fn->bdf) = *fn;
}

/* ---- the first line of a record ---- */

static bool hex_digits(const char *text, unsigned int num)
{
	while (num--)
		if (!isxdigit((unsigned char)*text++))
			return false;
	return true;
}

/* [dddd:]bb:dd.f: how long it is, 0 if it is something else */
static unsigned int address_length(const char *text)
{
	unsigned int domain = 0;

	while (isxdigit((unsigned char)text[domain]))
		domain++;
	if (domain >= 4 && domain <= 8 && text[domain] == ':')
		domain++;
	else
		domain = 0;
	text += domain;
	if (!hex_digits(text, 2) || text[2] != ':' || !hex_digits(text + 3, 2) ||
	    text[5] != '.' || text[6] < '0' || text[6] > '7')
		return 0;
	return domain + 7;
}

static void read_class(struct function *fn, const char *rest, const char *colon)
{
	unsigned int i;

	if (colon - rest == 4 && hex_digits(rest, 4)) {
		fn->class = strtoul(rest, NULL, 16) << 8;
		fn->has_class = true;
	} else if (colon - rest > 6 && colon[-1] == ']' && colon[-6] == '[' &&
		   hex_digits(colon - 5, 4)) {
		fn->class = strtoul(colon - 5, NULL, 16) << 8;
		fn->has_class = true;
	} else if (colon - rest == 10 && !strncmp(rest, "Class ", 6) && hex_digits(rest + 6, 4)) {
		/* One that its pci.ids has no name for */
		fn->class = strtoul(rest + 6, NULL, 16) << 8;
		fn->has_class = true;
	} else {
		for (i = 0; i < ARRAY_SIZE(class_names); i++)
			if (strlen(class_names[i].name) == (size_t)(colon - rest) &&
			    !strncmp(rest, class_names[i].name, colon - rest)) {
				fn->class = class_names[i].class << 8;
				fn->has_class = true;
			}
	}
}

/* "[8086:2030]", the last one, or with -n "8086:2030" at the beginning */
static void read_ids(struct function *fn, const char *rest)
{
	const char *at = NULL, *p;

	if (hex_digits(rest, 4) && rest[4] == ':' && hex_digits(rest + 5, 4))
		at = rest;
	for (p = rest; (p = strchr(p, '[')); p++)
		if (hex_digits(p + 1, 4) && p[5] == ':' && hex_digits(p + 6, 4) &&
		    p[10] == ']')
			at = p + 1;
	if (!at)
		return;
	fn->vendor = strtoul(at, NULL, 16);
	fn->device = strtoul(at + 5, NULL, 16);
	/* A virtual function has none of its own. */
	fn->has_ids = fn->vendor != 0xffff;
}

static void read_name(struct function *fn, const char *rest)
{
	size_t len = strcspn(rest, "\r\n");
	const char *end = strstr(rest, " (rev ");

	if (!end)
		end = strstr(rest, " (prog-if ");
	if (end)
		len = end - rest;
	fn->name = must(strndup(rest, len));
	for (end = fn->name; *end; end++)
		if (iscntrl((unsigned char)*end))
			fn->name[end - fn->name] = ' ';
}

static bool first_line(struct dump *dump, const char *text)
{
	unsigned int length = address_length(text);
	struct function *fn = &dump->record;
	const char *rest, *colon;
	char address[BDF_SIZE];
	u32 domain;
	u16 bdf;

	if (!length || length >= sizeof(address) || text[length] != ' ')
		return false;
	rest = text + length + 1;
	colon = strstr(rest, ": ");
	if (!colon)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	if (!parse_bdf(address, &domain, &bdf))
		return false;

	end_record(dump, true);
	*fn = (struct function){ .domain = domain, .bdf = bdf, .numa = -1,
				 .line = dump->line };
	read_class(fn, rest, colon);
	read_ids(fn, colon + 2);
	read_name(fn, colon + 2);
	dump->open = true;
	dump->row = 0;
	dump->gap = false;
	memset(&dump->decoding, 0, sizeof(dump->decoding));
	return true;
}

/*
 * "12:" or, of a line that is there for the sake of another, "12-", as grep -n has it in
 * front: what is behind that, NULL if there is none.  No segment has three digits.
 */
static const char *behind_number(const char *text, unsigned long *number)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || *text == '0' || (text[digits] != ':' && text[digits] != '-'))
		return NULL;
	*number = strtoul(text, NULL, 10);
	return text + digits + 1;
}

static bool numbered_line(struct dump *dump, const char *text)
{
	unsigned long number, before = dump->number;
	const char *rest = behind_number(text, &number);
	unsigned int length = rest ? address_length(rest) : 0;
	bool first = length && rest[length] == ' ';

	dump->number = first ? number : 0;
	if (!rest || !(first ? number < 1000 : before && number == before + 1))
		return false;
	complain(dump, "line numbers are in front of the lines: cut -d: -f2- takes those of grep -n away");
	return true;
}

#define EXPECTED_FIRST	"expected a line such as '00:1c.0 PCI bridge: ...'"
#define NEAR		16	/* columns before an address: a bullet, a tag, a date */

/*
 * A first line that has something before its address, or is cut: nobody knows whose
 * the lines below it are.  At the end of the input there are none.
 */
static bool damaged_first_line(struct dump *dump, const char *text)
{
	/* What is behind the address may be a tag; a line may end there. */
	static const char inside[] = ".:-/_@", behind[] = " <*|\t\r\n";
	unsigned int length, i;

	for (i = 0; i < NEAR && text[i] && text[i] != '\n'; i++) {
		if (i && (isalnum((unsigned char)text[i - 1]) || strchr(inside, text[i - 1])))
			continue;
		length = address_length(text + i);
		if (!length || !strchr(behind, text[i + length]) ||
		    (i && !strstr(text + i, ": ")))
			continue;
		if (strchr(text, '\n'))
			complain(dump,
				 "the first line of a function, but damaged: " EXPECTED_FIRST);
		else
			end_record(dump, true);
		return true;
	}
	return false;
}

/* ---- bytes ---- */

/* Of two digits.  There are millions of them in a large dump: no strtoul(). */
static u8 byte_of(const char *text)
{
	u8 value = 0;
	int i;

	for (i = 0; i < 2; i++)
		value = value << 4 | (isdigit((unsigned char)text[i]) ? text[i] - '0' :
				      (text[i] | 0x20) - 'a' + 10);
	return value;
}

/* "1a0: 00 11 ...": false if the line is something else */
static bool bytes_line(struct dump *dump, const char *text)
{
	unsigned int digits = 0, at, i;

	while (isxdigit((unsigned char)text[digits]))
		digits++;
	if (digits < 2 || digits > 3 || text[digits] != ':' ||
	    (text[digits + 1] && !isspace((unsigned char)text[digits + 1])))
		return false;
	at = strtoul(text, NULL, 16);
	if (!dump->open) {
		if (!hex_digits(text + digits + 1 + strspn(text + digits + 1, " "), 2))
			return false;
		complain(dump, "bytes, but of which function? " EXPECTED_FIRST " before them");
		return true;
	}
	if (at % 16) {
		complain(dump, "expected an offset that is a multiple of 10");
		return true;
	}
	if (at < dump->row) {
		complain(dump, "bytes at this offset for the second time: " EXPECTED_FIRST " before those of another function");
		return true;
	}
	dump->gap |= at > dump->row;
	dump->record.cut |= dump->gap;
	dump->row = at + 16;
	text += digits + 1;
	for (i = 0; ; i++, text += 2) {
		text += strspn(text, " \t");
		if (!*text || *text == '\r' || *text == '\n')
			return true;
		if (i < 16 && text[0] == '?' && text[1] == '?')
			continue;
		/* The last byte of all may have been cut in two. */
		if (i < 16 && hex_digits(text, 1) && !text[1])
			return true;
		if (i == 16 || !hex_digits(text, 2) || isxdigit((unsigned char)text[2])) {
			complain(dump, "expected an offset, a colon, and up to 16 bytes of two hexadecimal digits");
			return true;
		}
		if (!dump->gap)
			function_set_byte(&dump->record, at + i, byte_of(text));
	}
}

/* ---- the file ---- */

/* What people and programs write where they leave lines out: "[...]", "--", "<snip>" */
static bool stands_for_more(const char *text)
{
	static const char * const begins[] = { "...", "[...", "(...", "<...", "\xe2\x80\xa6" };
	static const char * const words[] = {
		"snip", "Snip", "SNIP", "truncated", "Truncated", "omitted", "skipped",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(begins); i++)
		if (!strncmp(text, begins[i], strlen(begins[i])))
			return true;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(text, words[i]))
			return true;
	/* Marks only, but not those that Markdown has around a text */
	while (*text && !isalnum((unsigned char)*text) && *text != '`')
		text++;
	return !*text;
}

/* What lspci prints in other ways, and what terminals add to it */
static const struct {
	const char *words, *what;
} other_forms[] = {
	{ "-[", "a tree, as of lspci -t" },
	{ "Slot:", "records, as of lspci -vmm" },
	{ "Device:", "records, as of lspci -vmm" },
	{ "\x1b[", "text with colours in it (sed 's/\\x1b\\[[0-9;]*m//g' takes them away)" },
};

static void look_at_form(struct dump *dump, const char *text)
{
	const char *at = strstr(text, " Host bridge");
	unsigned int i;

	if (at > text + 7 && *text != '\x1b' && address_length(at - 7) && !dump->other_form)
		dump->other_form = "text with more in front of each line, such as a time";
	for (i = 0; i < ARRAY_SIZE(other_forms) && !dump->other_form; i++)
		if (!strncmp(text, other_forms[i].words, strlen(other_forms[i].words)))
			dump->other_form = other_forms[i].what;
}

/* "00:01.0/01:00.0 ..." is lspci -PP, and "00:01.0 \"..." lspci -mm. */
static bool other_line(struct dump *dump, const char *text)
{
	unsigned int length = address_length(text);

	if (length && text[length] == '/')
		complain(dump, "a path, as of lspci -PP: expected lspci -xxxx or -vvnn without -P");
	else if (length && !strncmp(text + length, " \"", 2))
		complain(dump, "fields in quotes, as of lspci -mm: expected lspci -xxxx or -vvnn without -m");
	return dump->failed;
}

/* All lines are one where they do not end with LF. */
static bool ends_with_cr(struct dump *dump, const char *text)
{
	unsigned int num = 0;
	const char *at;

	for (at = text; (at = strchr(at, '\r')); at++)
		num += at[1] && !strchr("\r\n", at[1]);
	if (num > 1)
		complain(dump, "lines end with CR alone: tr '\\r' '\\n' makes lines of them");
	return num > 1;
}

static void text_line(struct dump *dump, const char *text)
{
	const char *foreign;
	char what[256];

	if (!dump->open) {
		if (decoded_begins(text))
			complain(dump, "decoded text, but of which function? " EXPECTED_FIRST " before it");
		return;
	}
	dump->record.cut |= stands_for_more(text);
	dump->decoding.line = dump->line;
	foreign = decoded_line(&dump->record, &dump->decoding, text);
	if (!foreign)
		return;
	snprintf(what, sizeof(what),
		 "'%s' is of another function than what is above it: " EXPECTED_FIRST " before it",
		 foreign);
	complain(dump, what);
}

/* What web pages and mail clients make of tabs and blanks: U+00A0 */
static void plain_blanks(char *text)
{
	char *to = strstr(text, "\xc2\xa0"), *from;

	for (from = to; from && *from; from++) {
		*to = *from;
		if (!strncmp(from, "\xc2\xa0", 2)) {
			*to = ' ';
			from++;
		}
		to++;
	}
	if (to)
		*to = '\0';
}

static void read_line(struct dump *dump, char *text)
{
	plain_blanks(text);
	if (dump->line == 1 && !strncmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	text += strspn(text, " \t>");
	if (!*text || *text == '\r' || *text == '\n') {
		/* What has no end is the beginning of another line. */
		dump->blank = *text;
		return;
	}
	look_at_form(dump, text);
	if (!ends_with_cr(dump, text) && !numbered_line(dump, text) &&
	    !other_line(dump, text) && !first_line(dump, text) && !damaged_first_line(dump, text) &&
	    !bytes_line(dump, text))
		text_line(dump, text);
	dump->blank = false;
}

/* What is no text yet: how it begins, and what makes it text */
static const struct {
	const char *begins;
	unsigned int len;
	const char *what, *command;
} packed[] = {
	{ "\x1f\x8b", 2, "compressed", "zcat" },
	{ "\xfd\x37zXZ", 5, "compressed", "xzcat" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed", "zstdcat" },
	{ "BZh", 3, "compressed", "bzcat" },
	{ "PK\x03\x04", 4, "an archive", "unzip -p" },
	{ "\xff\xfe", 2, "in UTF-16", "iconv -f UTF-16 -t UTF-8" },
	{ "\xfe\xff", 2, "in UTF-16", "iconv -f UTF-16 -t UTF-8" },
};

static void look_at_beginning(struct dump *dump, const char *text, size_t len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(packed) && !dump->packed; i++)
		if (len >= packed[i].len && !memcmp(text, packed[i].begins, packed[i].len))
			dump->packed = i + 1;
}

static bool none_found(struct dump *dump)
{
	if (dump->packed)
		fprintf(stderr, "p2ptopo: %s: it is %s: use %s %s | p2ptopo -F -\n", dump->name,
			packed[dump->packed - 1].what, packed[dump->packed - 1].command,
			strcmp(dump->name, "-") ? dump->name : "FILE");
	else if (dump->wanted > dump->current)
		fprintf(stderr, dump->current > 1 ?
			"p2ptopo: %s: there is no dump %u in it: use --dump 1 to %u\n" :
			"p2ptopo: %s: there is no dump %u in it: it is just one\n",
			dump->name, dump->wanted, dump->current);
	else if (dump->other_form)
		fprintf(stderr, "p2ptopo: %s: it is %s: expected what lspci -xxxx or lspci -vvnn prints\n",
			dump->name, dump->other_form);
	else
		fprintf(stderr, "p2ptopo: %s: no PCI function in it: expected what lspci -xxxx or lspci -vvnn prints\n",
			dump->name);
	return false;
}

static bool check(struct dump *dump)
{
	if (dump->failed)
		return false;
	if (!dump->machine->num)
		return none_found(dump);
	if (dump->nul) {
		dump->line = dump->nul;
		complain(dump, "a byte 0, which hides the rest of its line: expected text, as of tr -d '\\0'");
		return false;
	}
	if (!dump->again)
		return true;
	fprintf(stderr, "p2ptopo: %s:%u: another dump begins here, as %s: choose one with --dump 1 to %u%s\n",
		dump->name, dump->again, dump->falls ?
		"lspci sorts, and this address is below the one before" :
		"this function has been described before", dump->current,
		dump->falls ? ", or sort what is of one machine" : "");
	return false;
}

/**
 * dump_stream - read what lspci has written
 * @machine: functions are added to it
 * @stream: to read from
 * @name: what to call it in messages
 * @number: of the dump in it that is wanted, from 1; 0 if there has to be just one
 *
 * Return: false if it is none, after saying why.
 */
bool dump_stream(struct machine *machine, FILE *stream, const char *name,
		 unsigned int number)
{
	struct dump dump = { .name = name, .wanted = number, .current = 1,
			     .machine = machine };
	size_t room = 0;
	char *text = NULL;
	ssize_t len;

	while (!dump.failed && (len = getline(&text, &room, stream)) >= 0) {
		if (!dump.line++)
			look_at_beginning(&dump, text, len);
		if (!dump.nul && memchr(text, '\0', len))
			dump.nul = dump.line;
		read_line(&dump, text);
	}
	if (ferror(stream)) {
		fprintf(stderr, "p2ptopo: %s: cannot be read: %s\n", name, strerror(errno));
		dump.failed = true;
	}
	end_record(&dump, dump.blank);
	end_dump(&dump);
	free(text);
	forget_functions(&dump.other);
	return check(&dump);
}

/**
 * dump_read - read a file that lspci has written
 * @machine: functions are added to it
 * @file: its name, "-" for the standard input
 * @number: see dump_stream()
 *
 * Return: false if it is none, after saying why.
 */
bool dump_read(struct machine *machine, const char *file, unsigned int number)
{
	FILE *stream = strcmp(file, "-") ? fopen(file, "r") : stdin;
	bool ok;

	if (!stream) {
		fprintf(stderr, "p2ptopo: %s: %s: expected a file that lspci -xxxx or lspci -vvnn has written\n",
			file, strerror(errno));
		return false;
	}
	ok = dump_stream(machine, stream, file, number);
	if (stream != stdin)
		fclose(stream);
	return ok;
}
