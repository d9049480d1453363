#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-verbs.sh A B: nvmet-config.sh opens no subsystem that was there, leaves nothing half-done, removes one thing
# at a time while a client of another works, and passes on what the kernel says of this command and no other.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

config=/sys/kernel/config/nvmet

there() { [ -e "$config/$1" ]; }
any_host() { cat "$config/subsystems/$1/attr_allow_any_host"; }

# fails ARGUMENT...: nvmet-config.sh fails; what it says is in /tmp/said
fails() { ! nvmet-config.sh "$@" 2>/tmp/said; }
said() { grep -q -e "$1" /tmp/said || { sed 's/^/# said: /' /tmp/said; return 1; }; }

restricted() {
	mkdir "$config/subsystems/kept"
	nvmet-config.sh export kept 1 "$a" 0 && [ "$(any_host kept)" = 0 ]
	result $? "a subsystem that is restricted stays so when a drive is added"
	mkdir "$config/hosts/h" && ln -s "$config/hosts/h" "$config/subsystems/kept/allowed_hosts/h" &&
		nvmet-config.sh export kept 2 "$b" 0 && [ "$(cat "$config/subsystems/kept/namespaces/2/enable")" = 1 ]
	result $? "also one that has hosts of its own"
	fails export kept 3 "$a" 0000:fe:1f.8 && there subsystems/kept && ! there subsystems/kept/namespaces/3
	result $? "what is refused leaves it as it was"
	fails export half 1 "$a" 0000:fe:1f.8 && ! there subsystems/half && said "the kernel says: .*names no PCI device"
	result $? "and no subsystem that is open to any host"
	nvmet-config.sh export new 1 "$a" 0 && [ "$(any_host new)" = 1 ]
	result $? "one that is made is"
}

half_done() {
	fails port 4 loop - - new new && ! there ports/4 && ! said "the kernel says" >/dev/null
	result $? "what the kernel has said before is not passed on"
	fails port 4 bogus 127.0.0.1 4420 new && ! there ports/4 && said "the kernel says: .*'bogus' for trtype"
	result $? "a transport that is none leaves no port"
	fails port 4 loop - - new nobody && ! there ports/4 && said "no subsystem nobody"
	result $? "nor does a subsystem that is none"
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 new
	fails port 4 tcp 127.0.0.1 4420 new && ! there ports/4 && said "cannot offer new"
	result $? "nor does an address that is in use"
	nvmet-config.sh port 4 tcp 127.0.0.1 4421 new kept && there ports/4/subsystems/kept
	result $? "the same command with another is good"
}

works() { dd if="$(node "$one" 1)" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; }

removed() {
	one=$(connect tcp 127.0.0.1 new) && works
	result $? "a client works"
	nvmet-config.sh remove port 4 && ! there ports/4 && works
	result $? "another port is removed"
	fails remove port 4 && said "no port 4"
	result $? "but not once more"
	nvmet-config.sh remove kept 2 && ! there subsystems/kept/namespaces/2 && there subsystems/kept/namespaces/1 && works
	result $? "a namespace of another subsystem is removed"
	fails remove kept 2 && said "no namespace 2"
	result $? "but not once more"
	nvmet-config.sh port 4 loop - - new kept && nvmet-config.sh remove kept && ! there subsystems/kept &&
		! there ports/4/subsystems/kept && there ports/4/subsystems/new && works
	result $? "a subsystem is removed, from its ports, too, with its hosts"
	fails remove kept && said "no subsystem kept"
	result $? "but not once more"
	disconnect "$one"
}

# without_memory NAME: one line says so
without_memory() {
	nvmet-config.sh export named 1 "$a" "$1" 2>/tmp/said && [ "$(wc -l </tmp/said)" = 1 ] &&
		said "the kernel says: .*named nsid 1: $1 .*published peer memory"
	result $? "$2 is taken, and named"
	nvmet-config.sh remove named
}

plan 20
announce "$1" "$2"
result $? "drives are there"
a=$(drive_node "$1")
b=$(drive_node "$2")
restricted
half_done
removed
without_memory "$(drive_bdf "$2")" "a provider without published memory"
without_memory 0000:fe:1f.7 "one that is not there"
nvmet-config.sh clear
finish
