#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# trace.sh PROVIDER FROM TO: what tracepoints say while PROVIDER's BAR is registered, memory of it allocated, mapped for
# two drives and freed, cannot be reached for a moment, and is taken back.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

provider=$1 source=$2 target=$3
tracing=/sys/kernel/tracing
driver=/sys/bus/pci/drivers/pci-p2pmem-stub
resources=/sys/module/pci_p2pmem_stub/parameters/resources
bytes=$((1 << 20))

mount -t tracefs nodev $tracing 2>/dev/null
[ -d $tracing/events/pci_p2pdma ] || skip_all tracepoints "this kernel has no $tracing/events/pci_p2pdma"

# A part of the trace, from here on
begin() { echo >$tracing/trace; }

# said PATTERN: a line that matches is in the trace
said() { grep -q -- "$1" $tracing/trace || { echo "# no line with: $1"; return 1; }; }

# sum EVENT: its sizes, added up
sum() { sed -n "s/.*: $1: .* size=\([0-9]*\).*/\1/p" $tracing/trace | awk '{ sum += $1 } END { print sum + 0 }'; }

# decode BYTE: the low byte of the provider's command register
decode() { printf %b "\\0$(printf %o "$1")" | dd of="/sys/bus/pci/devices/$card/config" bs=1 seek=4 conv=notrunc 2>/dev/null; }
command() { od -An -tu1 -j4 -N1 "/sys/bus/pci/devices/$card/config"; }

copy() { p2p_copy --from "$from" --to "$to" --via "$card" --bytes $bytes >/dev/null 2>&1; }

# bind RESOURCES
bind() { echo "$1" >$resources && echo pci-p2pmem-stub >"$device/driver_override" && echo "$card" 2>/dev/null >"$driver/bind"; }

plan 11
announce "$source" "$target" && card=$(lab_ask where "$provider")
result $? "drives are there"
device=/sys/bus/pci/devices/$card
from=$(drive_node "$source")
to=$(drive_node "$target")
a=$(drive_bdf "$source")
b=$(drive_bdf "$target")
echo 1 >$tracing/events/pci_p2pdma/enable

begin
! bind "$card/2/0x1000" && said "p2pdma_register: provider=$card bar=2 offset=0x1000 size=.* error=-22"
result $? "what cannot be registered, with its error"
begin
bind "$card/2" && said "p2pdma_register: provider=$card bar=2 offset=0x0 .* error=0"
result $? "a BAR is registered"
announce_bar "$provider"

echo 1 >$tracing/events/dma/dma_map_sg/enable
begin
copy && said "p2pmem_alloc: provider=$card start=0x[0-9a-f]* size=" && [ "$(sum p2pmem_alloc)" -ge $bytes ]
result $? "memory is allocated"
[ "$(sum p2pmem_alloc)" = "$(sum p2pmem_free)" ]
result $? "as much is freed: $(sum p2pmem_free) bytes"
said "p2pdma_verdict: client=$a provider=$card read=bus-addr write=bus-addr distance=4 reason=same-switch" &&
	said "p2pdma_map: client=$a provider=$card access=write type=bus-addr" &&
	said "p2pdma_map: client=$b provider=$card access=read type=bus-addr"
result $? "a verdict for each drive, and mappings by their directions"
! said "dma_map_sg: $a dir=FROM_DEVICE"
result $? "what is one piece is mapped without a scatterlist"
begin
rm -f /tmp/p2p-stop
P2P_PROVIDER=$card p2p_outage "$from" "$to" /tmp/p2p-stop >/dev/null &
until_ok said "dma_map_sg: $b dir=TO_DEVICE nents=2"
: >/tmp/p2p-stop
wait $! && grep -A1 "p2pdma_map: client=$a provider=$card access=write" $tracing/trace |
	grep -q "dma_map_sg: $a dir=FROM_DEVICE nents=2"
result $? "what is two has its segments behind it: what the DMA API says in the end"
echo 0 >$tracing/events/dma/dma_map_sg/enable

# A pair is cached in three steps, each of which takes a miss: after them a mapping walks no more.
for _ in 1 2 3; do
	copy
	sleep 0.5
done
begin
copy && said "p2pdma_map: client=$a" && ! grep p2pdma_verdict: $tracing/trace
result $? "what is cached is not worked out again"

begin
was=$(command)
decode $((was & ~2))
until_ok said "p2pdma_outage: provider=$card start=0x[0-9a-f]* begins" &&
	until_ok said "p2pdma_verdict_changed: client=$a provider=$card read=bus-addr->none write=bus-addr->none .* reason=provider-down"
down=$?
decode "$was"
[ $down = 0 ] && until_ok said "p2pdma_outage: provider=$card start=0x[0-9a-f]* ends" &&
	until_ok said "p2pdma_verdict_changed: client=$a provider=$card read=none->bus-addr"
result $? "an outage begins and ends, and verdicts change"

begin
echo "$card" >"$driver/unbind" && said "p2pdma_unregister: provider=$card start=0x[0-9a-f]* size=0x4000000"
result $? "the BAR is taken back"
finish
