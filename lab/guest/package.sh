#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# package.sh MIB DRIVE PROVIDER: a kernel from its package goes the way of packaging/README.md, "From a package to a
# namespace", with the modules of that package and the programs of the one with the tools.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

saved=/tmp/nvmet.saved
nvmet_config() { /usr/sbin/nvmet-config.sh "$@"; }

# As udev does when a device is found
load_drivers() { cat /sys/bus/pci/devices/*/modalias | xargs modprobe -a -q; }
loaded() { grep -q "^$1 " /proc/modules; }
none_loaded() { [ ! -s /proc/modules ]; }

offer() {
	nvmet_config export disks 1 "$drive" "$provider" 1 && nvmet_config port 1 tcp 127.0.0.1 4420 disks
}
# serves PHASE: there and back
serves() {
	instance=$(connect tcp 127.0.0.1 disks) && phase "$1" round_trip "$(node "$instance" 1)" && disconnect "$instance"
}

plan 11
echo /bin/modprobe >/proc/sys/kernel/modprobe
none_loaded && [ -e "/lib/modules/$(uname -r)/modules.dep" ] && uname -r | grep -q -e '-p2pdma$'
result $? "the kernel is that of the package, and has no module yet"
load_drivers
loaded nvme && drive_node "$2" >/dev/null
result $? "the drives' driver is a module, found by what they are"
modprobe pci-p2pmem-stub && loaded pci_p2pmem_stub && announce "$2" "$3" && announce_bar "$3"
result $? "so is the driver for any BAR, which registers one"
drive=$(drive_node "$2")
client=$(drive_bdf "$2")
provider=$(drive_bdf "$3")
[ "$(cat "/sys/bus/pci/devices/$provider/p2pmem/published")" = 1 ]
result $? "a provider is there"
/usr/sbin/p2ptopo explain "$client" "$provider" >/tmp/explained && grep -q '^distance *4$' /tmp/explained
result $? "p2ptopo explains the route to it"
modprobe configfs && mount -t configfs configfs /sys/kernel/config && modprobe nvmet && [ -d "${config:?}" ]
result $? "configfs, and the target"
make_pattern "$1"
modprobe nvme-tcp && offer && loaded nvmet_tcp
result $? "a namespace is offered; what serves TCP comes by itself"
serves tcp
result $? "what is written to it can be read"
more disks cpu_requests 0 && nvmet_config status | grep -q "cpu_requests [1-9]"
result $? "from peer memory, as its counters say"
nvmet_config save $saved && nvmet_config clear && ! connect tcp 127.0.0.1 disks 2>/dev/null
result $? "saved, and taken away"
nvmet_config restore $saved && serves restored && more disks cpu_requests 0
result $? "restored as at the next boot, it serves again"
finish
